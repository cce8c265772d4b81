package weni

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"syncer/internal/contact"
	"syncer/internal/outbound"
)

// Endpoints below /api/v2. Without the suffix a GET answers documentation, or an empty list to a client that
// accepts JSON.
const (
	contactsPath       = "contacts.json"
	actionsPath        = "contact_actions.json"
	fieldsPath         = "fields.json"
	groupsPath         = "groups.json"
	workspacePath      = "workspace.json"
	campaignsPath      = "campaigns.json"
	campaignEventsPath = "campaign_events.json"
)

// call is one request to the API.
type call struct {
	op     string // for people: "weni: update contact"
	method string
	path   string // decides the scope of the budget
	query  url.Values
	body   any
	// uses are the field keys and group ids that the call needs: an engine that does not know them yet
	// answers 500 with a page.
	uses []string
	// clock receives the server's own time, when it is wanted and told.
	clock *time.Time
}

// scope is the throttle that Weni counts the call under.
func (c *call) scope() string {
	if c.path == contactsPath {
		return contact.ScopeContacts
	}
	return contact.ScopeOther
}

// do makes one call and reads the answer into out, unless that is nil.
func (t *Target) do(ctx context.Context, c call, out any) error {
	if err := outbound.Spend(ctx, t.meter, c.scope(), c.op); err != nil {
		return err
	}
	r := t.http.R().SetContext(ctx)
	r.QueryParam = c.query
	if c.body != nil {
		raw, err := json.Marshal(c.body)
		if err != nil {
			return &contact.Error{Kind: contact.Internal, Op: c.op, Message: "the request cannot be written as JSON"}
		}
		r.SetHeader("Content-Type", "application/json").SetBody(raw)
	}
	resp, err := r.Execute(c.method, c.path)
	if e := outbound.Failure(c.op, resp, err, t.now()); e != nil {
		if err == nil {
			t.refine(e, &c, resp)
		}
		return e
	}
	if c.clock != nil {
		if at, err := http.ParseTime(resp.Header().Get("Date")); err == nil {
			*c.clock = at
		}
	}
	if out == nil {
		return nil
	}
	if v, ok := out.(interface{ whole() bool }); json.Unmarshal(resp.Body(), out) != nil || ok && !v.whole() {
		return &contact.Error{Kind: contact.Unavailable, Op: c.op, Status: resp.StatusCode(), Uncertain: c.method != http.MethodGet,
			Message: "it answered something else than its API answers; check base_url, and whether a proxy stands in between"}
	}
	return nil
}

// page is one page of any list of the API.
type page[T any] struct {
	Next    *string `json:"next"`
	Results []T     `json:"results"`
}

func (p *page[T]) whole() bool { return p.Results != nil }

// cursor is the query of the next page, empty at the end. Only the query of the link is used: the server
// builds it from the host name it believes to have, which behind a proxy is not the one that may see the
// token. An empty page ends a list, whatever it links to.
func (p *page[T]) cursor() string {
	if p.Next == nil || len(p.Results) == 0 {
		return ""
	}
	u, err := url.Parse(*p.Next)
	if err != nil {
		return ""
	}
	return u.RawQuery
}

// maxPages bounds a walk over definitions, of which a workspace has a few hundred.
const maxPages = 200

// all reads every page of a list of definitions.
func all[T any](ctx context.Context, t *Target, op, path string) ([]T, error) {
	var rows []T
	c := call{op: op, method: http.MethodGet, path: path}
	seen := map[string]bool{"": true}
	for range maxPages {
		var p page[T]
		if err := t.do(ctx, c, &p); err != nil {
			return nil, err
		}
		rows = append(rows, p.Results...)
		next := p.cursor()
		if next == "" {
			return rows, nil
		}
		if seen[next] {
			break
		}
		seen[next] = true
		var err error
		if c.query, err = url.ParseQuery(next); err != nil {
			break
		}
	}
	return nil, endless(op)
}

func endless(op string) error {
	return &contact.Error{Kind: contact.Unavailable, Op: op, Message: "its list has no end: the link to the next page leads back or nowhere"}
}
