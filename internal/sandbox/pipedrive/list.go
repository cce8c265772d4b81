package pipedrive

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keyset is where a page ended: the next one begins behind it, whatever is written meanwhile.
type keyset struct {
	Field     string `json:"field"`
	Value     any    `json:"fieldValue"`
	Direction string `json:"sortDirection"`
	ID        int    `json:"id"`
}

func (k keyset) encode() string {
	text, _ := json.Marshal(k)
	return base64.StdEncoding.EncodeToString(text)
}

func decodeKeyset(cursor string) (k keyset, err error) {
	text, err := base64.StdEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	return k, err
}

func encodeOffset(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(n)))
}

func decodeOffset(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.StdEncoding.DecodeString(cursor)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(text))
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}

func (c *call) number(name string, fallback, largest int) (int, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > largest {
		return 0, fmt.Errorf("%s must be a number from 1 to %d", name, largest)
	}
	return n, nil
}

// order is by what a list is sorted, first by value, then by id.
type order struct {
	field string
	desc  bool
}

func (o order) value(p *Person) int64 {
	switch o.field {
	case "update_time":
		return p.Updated.Unix()
	case "add_time":
		return p.Added.Unix()
	}
	return int64(p.ID)
}

func (o order) compare(a, b *Person) int {
	c := cmp.Or(cmp.Compare(o.value(a), o.value(b)), cmp.Compare(a.ID, b.ID))
	if o.desc {
		return -c
	}
	return c
}

// behind reports whether a person comes after the end of the page before.
func (o order) behind(p *Person, k keyset) bool {
	c := cmp.Or(cmp.Compare(o.value(p), k.value()), cmp.Compare(p.ID, k.ID))
	if o.desc {
		return c < 0
	}
	return c > 0
}

func (k keyset) value() int64 {
	switch v := k.Value.(type) {
	case float64:
		return int64(v)
	case string:
		at, _ := time.Parse(time.RFC3339, v)
		return at.Unix()
	}
	return 0
}

func (o order) end(p *Person) keyset {
	k := keyset{Field: o.field, Direction: "asc", ID: p.ID, Value: p.ID}
	if o.desc {
		k.Direction = "desc"
	}
	if o.field != "id" {
		k.Value = time.Unix(o.value(p), 0).UTC().Format(time.RFC3339)
	}
	return k
}

func (c *call) listPersons() reply {
	q := c.URL.Query()
	limit, err := c.number("limit", 100, 500)
	if err != nil {
		return fail(http.StatusBadRequest, "%s", err)
	}
	by := order{field: cmp.Or(q.Get("sort_by"), "id"), desc: q.Get("sort_direction") == "desc"}
	if !slices.Contains([]string{"id", "update_time", "add_time"}, by.field) {
		return fail(http.StatusBadRequest, "sort_by must be one of id, update_time, add_time")
	}
	ids, wanted, err := filter(q)
	if err != nil {
		return fail(http.StatusBadRequest, "%s", err)
	}
	var after *keyset
	if cursor := q.Get("cursor"); cursor != "" {
		k, err := decodeKeyset(cursor)
		if err != nil || k.Field != by.field || (k.Direction == "desc") != by.desc {
			return fail(http.StatusBadRequest, "cursor is invalid")
		}
		after = &k
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	from := c.s.inOrder
	if ids != nil {
		from = nil
		for _, id := range ids {
			if p := c.s.find(id); p != nil {
				from = append(from, p)
			}
		}
	}
	sorted := ids == nil && by == order{field: "id"}
	if sorted && after != nil {
		start, _ := slices.BinarySearchFunc(from, after.ID+1, func(p *Person, id int) int { return cmp.Compare(p.ID, id) })
		from = from[start:]
	}
	var hits []*Person
	for _, p := range from {
		if !p.Deleted && wanted(p) && (after == nil || by.behind(p, *after)) {
			hits = append(hits, p)
		}
		if sorted && len(hits) > limit {
			break // a walk over very many must not take the square of their number
		}
	}
	slices.SortFunc(hits, by.compare)
	var next any
	if len(hits) > limit {
		hits = hits[:limit]
		next = by.end(hits[limit-1]).encode()
	}
	rows := make([]map[string]any, len(hits))
	for i, p := range hits {
		rows[i] = c.s.row(p, q)
	}
	return reply{status: http.StatusOK, data: rows, additional: map[string]any{"next_cursor": next}}
}

// filter is what the parameters ask for; ids are null when it is not these.
func filter(q url.Values) (ids []int, wanted func(*Person) bool, err error) {
	if text := q.Get("ids"); text != "" {
		for part := range strings.SplitSeq(text, ",") {
			id, err := strconv.Atoi(part)
			if err != nil {
				return nil, nil, fmt.Errorf("ids must be numbers")
			}
			ids = append(ids, id)
		}
		if len(ids) > 100 {
			return nil, nil, fmt.Errorf("ids must be 100 at most")
		}
	}
	var since, until time.Time
	for name, to := range map[string]*time.Time{"updated_since": &since, "updated_until": &until} {
		if text := q.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return nil, nil, fmt.Errorf("%s must be a time in RFC 3339", name)
			}
			*to = at
		}
	}
	number := func(name string) int { n, _ := strconv.Atoi(q.Get(name)); return n }
	owner, org := number("owner_id"), number("org_id")
	return ids, func(p *Person) bool {
		return (since.IsZero() || !p.Updated.Before(since)) &&
			(until.IsZero() || p.Updated.Before(until)) && (owner == 0 || p.OwnerID == owner) && (org == 0 || p.OrgID == org)
	}, nil
}

func (c *call) getPerson() reply {
	id, _ := strconv.Atoi(c.PathValue("id"))
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	p := c.s.find(id)
	if p == nil {
		return fail(http.StatusNotFound, "Person not found")
	}
	return ok(c.s.row(p, c.URL.Query()))
}

// row is a person as the API shows it.
func (s *Server) row(p *Person, q url.Values) map[string]any {
	row := p.standard()
	row["is_deleted"], row["visible_to"], row["picture_id"] = p.Deleted, p.VisibleTo, nil
	custom := map[string]any{}
	for _, f := range s.fields {
		if f.custom {
			custom[f.Code] = p.Custom[f.Code]
		}
	}
	row["custom_fields"] = custom
	if slices.Contains(strings.Split(q.Get("include_fields"), ","), "marketing_status") {
		row["marketing_status"] = cmp.Or(p.MarketingStatus, "no_consent")
	}
	return row
}

// standard is what webhooks and API have in common.
func (p *Person) standard() map[string]any {
	first, last := p.names()
	return map[string]any{
		"id": p.ID, "name": p.Name, "first_name": first, "last_name": blank(last), "owner_id": p.OwnerID, "org_id": blank(p.OrgID),
		"add_time": p.Added.Format(time.RFC3339), "update_time": p.Updated.Format(time.RFC3339),
		"phones": full(p.Phones), "emails": full(p.Emails), "label_ids": full(p.LabelIDs),
	}
}

// blank is null for nothing.
func blank[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// full is an empty list for none.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
