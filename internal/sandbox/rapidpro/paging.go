package rapidpro

import (
	"encoding/base64"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pageSize is the size of pages where the request cannot choose, or does not.
const pageSize = 250

// maxOffset is the highest offset that a cursor can ask for.
const maxOffset = 1000000

// cursor says where a page begins: behind a position in the ordering, after some rows more, because
// several may share the position.
type cursor struct {
	offset   int64
	reverse  bool
	position string // of the last item of the page before, as text
	fixed    bool   // whether there is a position
}

// decodeCursor reads a cursor as it comes in an address. What is not base64 is skipped, so that a
// cursor of nothing but junk is the first page; broken padding is an error.
func decodeCursor(encoded string) (c cursor, ok bool) {
	raw, ok := looseBase64(encoded)
	if !ok || slices.ContainsFunc(raw, func(b byte) bool { return b >= 0x80 }) {
		return cursor{}, false
	}
	tokens := parseParams(string(raw))
	first := func(name string) (string, bool) {
		if v := tokens[name]; len(v) > 0 {
			return v[0], true
		}
		return "", false
	}
	if s, given := first("o"); given {
		if c.offset, ok = pyInteger(s); !ok || c.offset < 0 {
			return cursor{}, false
		}
		c.offset = min(c.offset, maxOffset)
	}
	if s, given := first("r"); given {
		n, ok := pyInteger(s)
		if !ok {
			return cursor{}, false
		}
		c.reverse = n != 0
	}
	c.position, c.fixed = first("p")
	return c, true
}

func (c cursor) encode() string {
	var parts []string
	if c.offset != 0 {
		parts = append(parts, "o="+strconv.FormatInt(c.offset, 10))
	}
	if c.reverse {
		parts = append(parts, "r=1")
	}
	if c.fixed {
		parts = append(parts, "p="+url.QueryEscape(c.position))
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "&")))
}

// looseBase64 decodes like Python's b64decode: characters that do not belong are skipped, everything
// after the padding is ignored, missing padding is an error.
func looseBase64(s string) ([]byte, bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var out []byte
	var quad uint32
	n, pads := 0, 0
	for i := range len(s) {
		switch v := strings.IndexByte(alphabet, s[i]); {
		case s[i] >= 0x80:
			return nil, false
		case s[i] == '=':
			if n >= 2 {
				if pads++; n+pads >= 4 {
					switch n {
					case 2:
						out = append(out, byte(quad>>4))
					case 3:
						out = append(out, byte(quad>>10), byte(quad>>2))
					}
					return out, true
				}
			}
		case v >= 0:
			pads = 0
			quad = quad<<6 | uint32(v)
			if n++; n == 4 {
				out = append(out, byte(quad>>16), byte(quad>>8), byte(quad))
				n, quad = 0, 0
			}
		}
	}
	return out, n == 0
}

// ordering is what a list is sorted by. The id breaks ties, in a direction of its own.
type ordering[T any] struct {
	key        func(T) time.Time
	descending bool
	idsDown    bool
}

// position is a row's place in the ordering, as text in a cursor.
func (o ordering[T]) position(v T) string {
	t := o.key(v).UTC()
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02 15:04:05+00:00")
	}
	return t.Format("2006-01-02 15:04:05.000000+00:00")
}

// walk goes through rows that are sorted by key and id, both ascending, in the given directions. A run of
// equal keys is turned around where key and id go different ways.
func (o ordering[T]) walk(rows []T, down, idsDown bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		if down == idsDown {
			for i := range rows {
				if down {
					i = len(rows) - 1 - i
				}
				if !yield(rows[i]) {
					return
				}
			}
			return
		}
		for len(rows) > 0 {
			// The run at the end that comes first.
			first := 0
			if down {
				first = len(rows) - 1
			}
			key := o.key(rows[first])
			low, _ := slices.BinarySearchFunc(rows, key, func(v T, t time.Time) int { return o.key(v).Compare(t) })
			high, _ := slices.BinarySearchFunc(rows, key.Add(1), func(v T, t time.Time) int { return o.key(v).Compare(t) })
			for v := range o.walk(rows[low:high], idsDown, idsDown) {
				if !yield(v) {
					return
				}
			}
			if down {
				rows = rows[:low]
			} else {
				rows = rows[high:]
			}
		}
	}
}

// paginate cuts one page out of rows that are sorted by key and id ascending, and makes the links to its
// neighbours. It follows the framework's cursor pagination step by step, because the links of pages with
// equal positions cannot be had otherwise.
func paginate[T any](rq *request, rows []T, o ordering[T], size int64, match func(T) bool) (page []T, next, previous string, refusal *response) {
	encoded, given := rq.params.lookup("cursor")
	var cur cursor
	if given {
		var ok bool
		if cur, ok = decodeCursor(encoded); !ok {
			return nil, "", "", detail(http.StatusNotFound, "Invalid cursor")
		}
	}
	down, idsDown := o.descending != cur.reverse, o.idsDown != cur.reverse
	if cur.fixed {
		at, ok := cursorDate(cur.position)
		if !ok {
			return nil, "", "", crash()
		}
		compare := func(v T, t time.Time) int { return o.key(v).Compare(t) }
		if down {
			i, _ := slices.BinarySearchFunc(rows, at, compare)
			rows = rows[:i]
		} else {
			i, _ := slices.BinarySearchFunc(rows, at.Add(1), compare)
			rows = rows[i:]
		}
	}
	if size > math.MaxInt64-cur.offset-1 {
		return nil, "", "", crash() // more than the database can count
	}
	skip, following := cur.offset, ""
	more := false
	for v := range o.walk(rows, down, idsDown) {
		if match != nil && !match(v) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if int64(len(page)) == size {
			more, following = true, o.position(v)
			break
		}
		page = append(page, v)
	}
	l := linker[T]{o: o, cur: cur, given: given, page: page, size: size}
	if cur.reverse {
		slices.Reverse(page)
		l.hasNext, l.hasPrevious = cur.fixed || cur.offset > 0, more
		l.nextPosition, l.previousPosition = cur.position, following
		l.nextFixed, l.previousFixed = cur.fixed, more
	} else {
		l.hasNext, l.hasPrevious = more, cur.fixed || cur.offset > 0
		l.nextPosition, l.previousPosition = following, cur.position
		l.nextFixed, l.previousFixed = more, cur.fixed
	}
	if l.hasNext {
		next = rq.link(l.next())
	}
	if l.hasPrevious {
		previous = rq.link(l.previous())
	}
	return page, next, previous, nil
}

// linker makes the cursors of the neighbouring pages.
type linker[T any] struct {
	o                              ordering[T]
	cur                            cursor
	given                          bool
	page                           []T
	size                           int64
	hasNext, hasPrevious           bool
	nextPosition, previousPosition string
	nextFixed, previousFixed       bool
}

// seek looks for a row whose position differs from its neighbour's, from one end of the page. It returns
// that position and how many rows were passed.
func (l *linker[T]) seek(rows iter.Seq2[int, T], compare string, compareFixed bool) (position string, passed int64, found bool) {
	for _, v := range rows {
		p := l.o.position(v)
		if !compareFixed || p != compare {
			return p, passed, true
		}
		compare = p
		passed++
	}
	return "", passed, false
}

func (l *linker[T]) next() cursor {
	if len(l.page) == 0 {
		return cursor{position: l.nextPosition, fixed: l.nextFixed}
	}
	compare, fixed := l.nextPosition, l.nextFixed
	if l.given && l.cur.reverse && l.cur.offset != 0 {
		compare, fixed = l.o.position(l.page[len(l.page)-1]), true
	}
	position, offset, found := l.seek(slices.Backward(l.page), compare, fixed)
	switch {
	case found:
		return cursor{offset: offset, position: position, fixed: true}
	case !l.hasPrevious: // the first page: only the number of rows tells where the next one begins
		return cursor{offset: l.size}
	case l.cur.reverse:
		return cursor{position: l.previousPosition, fixed: l.previousFixed}
	}
	return cursor{offset: l.cur.offset + l.size, position: l.previousPosition, fixed: l.previousFixed}
}

func (l *linker[T]) previous() cursor {
	if len(l.page) == 0 {
		return cursor{reverse: true, position: l.previousPosition, fixed: l.previousFixed}
	}
	compare, fixed := l.previousPosition, l.previousFixed
	if l.given && !l.cur.reverse && l.cur.offset != 0 {
		compare, fixed = l.o.position(l.page[0]), true
	}
	position, offset, found := l.seek(slices.All(l.page), compare, fixed)
	switch {
	case found:
		return cursor{offset: offset, reverse: true, position: position, fixed: true}
	case !l.hasNext:
		return cursor{offset: l.size, reverse: true}
	case l.cur.reverse:
		return cursor{offset: l.cur.offset + l.size, reverse: true, position: l.nextPosition, fixed: l.nextFixed}
	}
	return cursor{reverse: true, position: l.nextPosition, fixed: l.nextFixed}
}

// link is the address of this request with another cursor, its parameters sorted by name.
func (rq *request) link(c cursor) string {
	query := url.Values{}
	maps.Copy(query, rq.params)
	query["cursor"] = []string{c.encode()}
	scheme := "http"
	if rq.http.TLS != nil || rq.http.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + rq.http.Host + rq.http.URL.EscapedPath() + "?" + query.Encode()
}

// listing writes a page.
func listing[T any](page []T, next, previous string, write func([]byte, T) []byte) *response {
	o := &object{}
	o.text("next", next)
	o.text("previous", previous)
	o.key("results")
	o.b = append(o.b, '[')
	for i, v := range page {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = write(o.b, v)
	}
	o.b = append(o.b, ']')
	return jsonResponse(http.StatusOK, o.end())
}

// documentation answers a GET without a suffix: a client that asks for JSON there gets an empty list and
// no hint that it is not the real one.
func (rq *request) documentation() *response {
	if rq.format != "" {
		return nil
	}
	return jsonResponse(http.StatusOK, []byte("[]"))
}
