package generic

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"

	"syncer/internal/mapping"
	"syncer/internal/outbound"

	"syncer/internal/source/rawjson"
)

// pager finds the following page, in one of four ways. None of them: the list has one page.
type pager struct {
	cursor, link path
	param        string // what cursor, page number or offset go into
	numbered     bool   // page
	skipping     bool   // offset
	first        int
	until        path // of the last page's number, the total, or a flag
	short        bool // a page with fewer rows than the first is the last
	size         int  // rows of a page, where the mapping says it
}

func newPager(l *mapping.List) (pager, error) {
	n := l.Next
	p := pager{cursor: parsePath(n.Cursor), link: parsePath(n.Link), first: n.First}
	ways := 0
	for _, said := range []string{n.Cursor, n.Link, n.Page, n.Offset} {
		if said != "" {
			ways++
		}
	}
	if ways > 1 {
		return p, fmt.Errorf("list.next names several ways to the next page; it can be cursor, link, page or offset")
	}
	switch {
	case n.Cursor != "" && n.Param == "":
		return p, fmt.Errorf("list.next has a cursor, but param does not say which parameter it goes into")
	case n.Cursor != "":
		p.param = n.Param
	case n.Page != "":
		p.param, p.numbered = n.Page, true
	case n.Offset != "":
		p.param, p.skipping = n.Offset, true
	}
	switch n.Until {
	case "", "empty":
	case "short":
		p.short = true
	default:
		p.until = parsePath(n.Until)
	}
	if l.Size != nil && l.Size.Value > 0 {
		p.size = l.Size.Value
	}
	return p, nil
}

// bookmark is where a walk stands. It is what syncer keeps as the cursor, so that a walk goes on after a
// restart and its guard against endless walks with it.
type bookmark struct {
	Page int    `json:"n"`              // pages read
	Next string `json:"next,omitempty"` // cursor, link, page number or offset
	Size int    `json:"size,omitempty"` // rows of the first page
	// Mark is the fingerprint of an earlier page and At its number, which doubles: whatever the length of a
	// circle, the walk meets its mark again within it (Brent).
	Mark string `json:"mark,omitempty"`
	At   int    `json:"at,omitempty"`
}

// String is empty at the end of the walk.
func (b bookmark) String() string {
	if b.Next == "" {
		return ""
	}
	text, _ := json.Marshal(b)
	return string(text)
}

func parseBookmark(s string) (b bookmark, err error) {
	if s == "" {
		return b, nil
	}
	if err = json.Unmarshal([]byte(s), &b); err == nil && (b.Next == "" || b.Page < 1 || b.Page > 1<<40 || b.At < 0) {
		err = errors.New("no page")
	}
	return b, err
}

// set puts the place of a page into a query.
func (p *pager) set(query url.Values, at bookmark) {
	switch {
	case p.param == "":
	case at.Next != "":
		query.Set(p.param, at.Next)
	case p.numbered:
		query.Set(p.param, strconv.Itoa(p.first))
	case p.skipping:
		query.Set(p.param, "0")
	}
}

// after is the bookmark of the following page.
func (p *pager) after(at bookmark, body rawjson.Value, rows []rawjson.Value, base *url.URL) (bookmark, error) {
	following := at
	following.Page++
	if at.Page == 0 {
		following.Size = len(rows)
	}
	var seen string // what must not come again
	var err error
	switch {
	case p.cursor != nil:
		following.Next, _ = p.cursor.in(body).Text()
		if following.Next == "false" || following.Next == at.Next && len(rows) == 0 {
			following.Next = ""
		}
		seen = fingerprint([]byte(following.Next))
	case p.link != nil:
		following.Next, err = p.linked(body, base)
		seen = fingerprint([]byte(following.Next))
	case p.numbered, p.skipping:
		following.Next, err = p.counted(at, following.Size, body, rows)
		seen = fingerprint(rows...)
	default:
		following.Next = ""
	}
	if err != nil || following.Next == "" {
		return bookmark{}, err
	}
	if seen == at.Mark || following.Next == at.Next {
		return bookmark{}, p.circle()
	}
	if following.Page >= 2*at.At {
		following.Mark, following.At = seen, following.Page
	}
	return following, nil
}

func (p *pager) circle() error {
	if p.param != "" && p.cursor == nil {
		return fmt.Errorf("the list gives a page again that it gave before; either it does not know the parameter %q or it repeats its last page: see next and until", p.param)
	}
	return errors.New("the list leads back to a page that was read before; the walk would never end")
}

func (p *pager) linked(body rawjson.Value, base *url.URL) (string, error) {
	link, ok := p.link.in(body).Text()
	if !ok || link == "" || link == "false" {
		return "", nil
	}
	u, err := base.Parse(link) // may be only a path or a query
	if err != nil {
		return "", fmt.Errorf("the next page's address at list.next.link (%s) cannot be read", p.link)
	}
	return outbound.SameHost(base.String(), u.String())
}

// counted is the next page number or offset; empty at the end.
func (p *pager) counted(at bookmark, firstSize int, body rawjson.Value, rows []rawjson.Value) (string, error) {
	place := p.first
	if p.skipping {
		place = 0
	}
	if at.Next != "" {
		var err error
		if place, err = strconv.Atoi(at.Next); err != nil {
			return "", errors.New("the page number kept for this walk is none; start it again")
		}
	}
	if len(rows) == 0 || p.short && len(rows) < cmp.Or(p.size, firstSize) {
		return "", nil
	}
	if p.skipping {
		place += len(rows)
	} else {
		place++
	}
	if p.until != nil {
		last, err := p.last(body, place)
		if err != nil || last {
			return "", err
		}
	}
	return strconv.Itoa(place), nil
}

// last reads the end rule: a flag, the last page's number, or the total of rows.
func (p *pager) last(body rawjson.Value, following int) (bool, error) {
	said, ok := p.until.in(body).Text()
	switch said {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	n, err := strconv.Atoi(said)
	if !ok || err != nil {
		return false, fmt.Errorf("there is no number and no true or false at list.next.until (%s)", p.until)
	}
	if p.skipping {
		return following >= n, nil
	}
	return following > n, nil
}

func fingerprint[T ~[]byte](parts ...T) string {
	h := fnv.New128a()
	for _, part := range parts {
		h.Write(part)
		h.Write([]byte{0})
	}
	return strconv.Itoa(len(parts)) + ":" + string(fmt.Appendf(nil, "%x", h.Sum(nil)))
}
