package generic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/outbound"
	"syncer/internal/source"
	"syncer/internal/source/rawjson"
)

// lister walks a list API.
type lister struct {
	client
	url     *url.URL
	headers map[string]string
	items   path
	columns path
	format  string // json, csv, rows
	pager   pager
	size    *mapping.PageSize
	since   *sinceParam
}

type sinceParam struct {
	name  string
	clock clock
}

func newLister(spec mapping.Source, deps Deps) (*lister, error) {
	l := spec.List
	if l == nil {
		return nil, nil
	}
	address, err := parseURL("list.url", l.URL)
	if err != nil {
		return nil, err
	}
	out := &lister{client: newClient(address, l.Auth, outbound.LongList, deps), url: address, headers: l.Headers, items: parsePath(l.Items), columns: parsePath(l.Columns),
		format: cmp.Or(l.Format, "json"), size: l.Size}
	switch out.format {
	case "json", "csv":
	case "rows":
		if out.columns == nil {
			return nil, fmt.Errorf("list.format is rows, but list.columns does not say where the names of the columns are")
		}
	default:
		return nil, fmt.Errorf("list.format is %q; it can be json, csv or rows", l.Format)
	}
	if l.Since != nil {
		c, err := newClock(l.Since.As, deps.Zone)
		if err != nil || c.form == asNumber || l.Since.Param == "" {
			return nil, fmt.Errorf("list.since needs param, the name of a parameter, and as: rfc3339, unix, unix_ms or a layout")
		}
		out.since = &sinceParam{l.Since.Param, c}
	}
	out.pager, err = newPager(l)
	return out, err
}

func parseURL(where, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%s must be an address such as https://loja.exemplo.com.br/api/customers", where)
	}
	return u, nil
}

// List reads one page.
func (s *Source) List(ctx context.Context, w source.Window, cursor string) (source.Page, error) {
	l := s.list
	if l == nil {
		return source.Page{}, &contact.Error{Kind: contact.Invalid, Op: "list records", Message: "source " + s.name + " has no list in the mapping"}
	}
	at, err := parseBookmark(cursor)
	if err != nil {
		return source.Page{}, &contact.Error{Kind: contact.Invalid, Op: "list records", Message: "the walk of source " + s.name + " cannot be continued; start it again"}
	}
	address, err := l.address(w, at)
	if err != nil {
		return source.Page{}, l.fail(0, err)
	}
	began := l.now()
	resp, err := l.get(ctx, "list records", address, l.headers)
	page := source.Page{Calls: 1}
	if err != nil {
		if e := contact.AsError(err); e.Kind == contact.Gone || e.Status == http.StatusNotFound {
			return page, &contact.Error{Kind: contact.Invalid, Op: "list records", Status: http.StatusNotFound, Message: "there is nothing at list.url (HTTP 404); check the address"}
		}
		return page, err
	}
	rows, body, err := l.rows(resp)
	if err != nil {
		return page, l.fail(resp.StatusCode(), err)
	}
	page.Events = s.events(rows, began)
	following, err := l.pager.after(at, body, rows, l.url)
	if err != nil {
		return page, l.fail(resp.StatusCode(), err)
	}
	page.Next = following.String()
	return page, nil
}

// errBroken is an answer that may be whole the next time. Everything else that is wrong with a page is wrong
// with the mapping.
var errBroken = errors.New("its answer is no complete JSON; something between syncer and the list may have replaced it")

func (l *lister) fail(status int, err error) error {
	kind := contact.Invalid
	if errors.Is(err, errBroken) {
		kind = contact.Unavailable
	}
	return &contact.Error{Kind: kind, Op: "list records", Status: status, Message: err.Error()}
}

// address is that of the page at the bookmark. A link brings its own parameters.
func (l *lister) address(w source.Window, at bookmark) (string, error) {
	if l.pager.link != nil && at.Next != "" {
		return outbound.SameHost(l.url.String(), at.Next)
	}
	u := *l.url
	query := u.Query()
	if l.size != nil && l.size.Param != "" {
		query.Set(l.size.Param, strconv.Itoa(l.size.Value))
	}
	if l.since != nil && !w.Since.IsZero() {
		query.Set(l.since.name, l.since.clock.write(w.Since))
	}
	l.pager.set(query, at)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// events turns rows into events. A row that cannot be named is left out with a word in the log: it must not
// stand in the way of the others. One whose version cannot be read is compared by its content.
func (s *Source) events(rows []rawjson.Value, began time.Time) []contact.Event {
	events := make([]contact.Event, 0, len(rows))
	bad := 0
	var first error
	for _, row := range rows {
		event, err := s.state(s.unwrap(row))
		if err != nil {
			if bad++; first == nil {
				first = err
			}
			if event.Key.IsZero() {
				continue
			}
		}
		event.Read = contact.Micros(began)
		events = append(events, event)
	}
	if bad > 0 {
		s.list.log.Warn("rows of the list cannot be read as the mapping says", "source", s.name, "rows", bad, "of", len(rows), "first", first.Error())
	}
	return events
}

// unwrap takes the record out of a row that wraps it as webhooks do. Most lists do not.
func (s *Source) unwrap(row rawjson.Value) rawjson.Value {
	if _, ok := s.record.id.in(row).Text(); ok || s.record.at == nil {
		return row
	}
	if inner := s.record.at.in(row); inner.IsObject() {
		return inner
	}
	return row
}

// client calls one host.
type client struct {
	http  *resty.Client
	meter outbound.Meter
	log   *slog.Logger
	now   func() time.Time
}

func newClient(address *url.URL, auth string, maxBody int, deps Deps) client {
	base := url.URL{Scheme: address.Scheme, Host: address.Host}
	return client{meter: deps.Meter, log: deps.Logger, now: deps.Now, http: outbound.New(outbound.Options{BaseURL: base.String(), Credential: auth, MaxBody: maxBody,
		Transport: deps.Transport, Logger: deps.Logger})}
}

// get makes one call. Its errors hold no address: ids and tokens may be part of it.
func (c *client) get(ctx context.Context, op, address string, headers map[string]string) (*resty.Response, error) {
	if err := outbound.Spend(ctx, c.meter, contact.ScopeContacts, op); err != nil {
		return nil, err
	}
	req := c.http.R().SetContext(ctx).SetHeader("Accept", "application/json, text/csv;q=0.9, */*;q=0.5")
	req.SetHeaders(maps.Clone(headers))
	resp, err := req.Get(address)
	if e := outbound.Failure(op, resp, err, c.now()); e != nil {
		if e.Kind == contact.Throttled {
			c.meter.Refused(contact.ScopeContacts, e.Until)
		}
		return nil, e
	}
	return resp, nil
}
