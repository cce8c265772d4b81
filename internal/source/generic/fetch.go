package generic

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
	"syncer/internal/source/rawjson"
)

// fetcher gets records by id: one by one where the address has {id}, several at once in a parameter.
type fetcher struct {
	client
	url   string
	param string
	join  string
	batch int
	items path
}

const placeholder = "{id}"

func newFetcher(spec mapping.Source, deps Deps) (*fetcher, error) {
	f := spec.Fetch
	if f == nil {
		return nil, nil
	}
	address, err := parseURL("fetch.url", strings.ReplaceAll(f.URL, placeholder, "0"))
	if err != nil {
		return nil, err
	}
	out := &fetcher{client: newClient(address, f.Auth, 0, deps), url: f.URL, param: f.Param, join: cmp.Or(f.Join, ","), batch: max(f.Batch, 1), items: parsePath(f.Items)}
	single := strings.Contains(f.URL, placeholder)
	switch {
	case single && f.Param != "":
		return nil, fmt.Errorf("fetch has both %s in its url and a param; one of them is enough", placeholder)
	case !single && f.Param == "":
		return nil, fmt.Errorf("fetch.url needs %s where the id goes, or param must name the parameter that takes ids", placeholder)
	case single && f.Batch > 1:
		return nil, fmt.Errorf("fetch.batch needs a param that takes several ids; with %s in the url they are read one by one", placeholder)
	}
	return out, nil
}

// Get reads records by id. Only where each id has an address of its own is a 404 a certain answer.
func (s *Source) Get(ctx context.Context, ids []string) (source.Found, error) {
	f := s.fetch
	if f == nil {
		return source.Found{}, &contact.Error{Kind: contact.Invalid, Op: "get records", Message: "source " + s.name + " has no fetch in the mapping"}
	}
	if f.param != "" {
		if len(ids) == 0 {
			return source.Found{}, nil
		}
		u, err := url.Parse(f.url)
		if err != nil {
			return source.Found{}, err
		}
		query := u.Query()
		query.Set(f.param, strings.Join(ids, f.join))
		u.RawQuery = query.Encode()
		found, gone, err := s.read(ctx, u.String())
		if gone {
			err = &contact.Error{Kind: contact.Invalid, Op: "get records", Status: http.StatusNotFound, Message: "there is nothing at fetch.url (HTTP 404); check the address"}
		}
		return found, err
	}
	var all source.Found
	for _, id := range ids {
		found, gone, err := s.read(ctx, strings.ReplaceAll(f.url, placeholder, url.PathEscape(id)))
		if err != nil {
			return all, err
		}
		switch {
		case gone:
			all.Missing = append(all.Missing, id)
		case len(found.Events) == 0:
			// Taken for an answer, it would let an older state stand as if it had been read just now.
			return all, &contact.Error{Kind: contact.Unavailable, Op: "get records", Message: "its answer holds no record; check fetch.items"}
		}
		all.Events = append(all.Events, found.Events...)
	}
	return all, nil
}

func (s *Source) read(ctx context.Context, address string) (found source.Found, gone bool, err error) {
	f := s.fetch
	began := f.now()
	resp, err := f.get(ctx, "get records", address, nil)
	if contact.KindOf(err) == contact.Gone {
		return found, true, nil
	}
	if err != nil {
		return found, false, err
	}
	body, ok := rawjson.Parse(resp.Body())
	if !ok {
		return found, false, &contact.Error{Kind: contact.Unavailable, Op: "get records", Status: resp.StatusCode(), Message: errBroken.Error()}
	}
	rows := []rawjson.Value{}
	switch items := f.items.in(body); {
	case items.IsArray():
		for item := range items.Elements() {
			rows = append(rows, item)
		}
	case items.IsObject():
		rows = append(rows, items)
	}
	for _, row := range rows {
		event, err := s.state(s.unwrap(row))
		if event.Key.IsZero() {
			return found, false, &contact.Error{Kind: contact.Unavailable, Op: "get records", Status: resp.StatusCode(), Message: err.Error()}
		}
		event.Read = contact.Micros(began)
		found.Events = append(found.Events, event)
	}
	return found, false, nil
}
