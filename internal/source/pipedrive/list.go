package pipedrive

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/source"
	"syncer/internal/source/rawjson"
)

const (
	personsPath = "/api/v2/persons"
	pageSize    = 500 // the most Pipedrive gives
	maxIDs      = 100
)

// List reads one page. A walk over changes is sorted by update time, a walk over everything by id: both are
// keyset walks, so rows that change meanwhile neither repeat nor hide others.
func (s *Source) List(ctx context.Context, w source.Window, cursor string) (source.Page, error) {
	query := s.personQuery()
	query.Set("limit", strconv.Itoa(pageSize))
	query.Set("sort_by", "id")
	query.Set("sort_direction", "asc")
	if !w.Since.IsZero() {
		query.Set("sort_by", "update_time")
		query.Set("updated_since", w.Since.UTC().Format(time.RFC3339))
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	began := s.now()
	got, err := s.get(ctx, contact.ScopeContacts, "list persons", personsPath, query, nil)
	if err != nil {
		return source.Page{Calls: 1}, misplaced(err)
	}
	page := source.Page{Next: string(got.next), Calls: 1}
	if page.Next != "" && page.Next == cursor {
		return page, &contact.Error{Kind: contact.Unavailable, Op: "pipedrive: list persons", Message: "it gave the same cursor twice; the walk would never end"}
	}
	page.Events, err = s.rows(got, began)
	return page, err
}

// Get reads persons by id. Of several ids those that are missing from the answer may only be invisible; one
// id alone is asked for by its own address, and there Pipedrive's own 404 is certain.
func (s *Source) Get(ctx context.Context, ids []string) (source.Found, error) {
	for _, id := range ids {
		if !text(id).isID() {
			return source.Found{}, &contact.Error{Kind: contact.Invalid, Op: "pipedrive: get persons", Message: "ids of persons are whole numbers"}
		}
	}
	switch len(ids) {
	case 0:
		return source.Found{}, nil
	case 1:
		return s.getOne(ctx, ids[0])
	}
	query := s.personQuery()
	query.Set("ids", strings.Join(ids[:min(len(ids), maxIDs)], ","))
	query.Set("limit", strconv.Itoa(maxIDs))
	began := s.now()
	got, err := s.get(ctx, contact.ScopeContacts, "get persons", personsPath, query, nil)
	if err != nil {
		return source.Found{}, misplaced(err)
	}
	events, err := s.rows(got, began)
	return source.Found{Events: events}, err
}

func (s *Source) getOne(ctx context.Context, id string) (source.Found, error) {
	began := s.now()
	got, err := s.get(ctx, contact.ScopeContacts, "get person", personsPath+"/"+id, s.personQuery(), nil)
	var failure *contact.Error
	switch {
	case err == nil:
	case !errors.As(err, &failure):
		return source.Found{}, err
	case failure.Kind == contact.Gone:
		return source.Found{Missing: []string{id}}, nil
	case failure.Status == http.StatusForbidden && failure.Kind == contact.Auth:
		return source.Found{}, nil // it may exist: this token may not see it
	default:
		return source.Found{}, err
	}
	events, err := s.read([]rawjson.Value{rawjson.Of(got.data)}, began)
	return source.Found{Events: events}, err
}

// misplaced corrects the reading of a 404 to a list: it is the address that is wrong, not a person.
func misplaced(err error) error {
	var e *contact.Error
	if errors.As(err, &e) && (e.Kind == contact.Gone || e.Status == http.StatusNotFound) {
		e.Kind, e.Message = contact.Invalid, "there is no persons API at this address (HTTP 404); check api.base_url"
	}
	return err
}

func (s *Source) personQuery() url.Values {
	query := url.Values{}
	if s.spec.API != nil && len(s.spec.API.Properties) > 0 {
		query.Set("include_fields", strings.Join(s.spec.API.Properties, ","))
	}
	return query
}

// rows reads a list. An answer without one is no empty list: that would mean that everybody is gone.
func (s *Source) rows(a answer, began time.Time) ([]contact.Event, error) {
	if len(a.data) == 0 || a.data[0] != '[' && !isNull(a.data) {
		return nil, &contact.Error{Kind: contact.Unavailable, Op: "pipedrive: read persons", Message: "its answer holds no list of persons"}
	}
	return s.read(slices.Collect(rawjson.Of(a.data).Elements()), began)
}

func (s *Source) read(rows []rawjson.Value, began time.Time) ([]contact.Event, error) {
	events := make([]contact.Event, 0, len(rows))
	for _, raw := range rows {
		r := readRow(raw)
		if !r.id.isID() {
			return nil, &contact.Error{Kind: contact.Unavailable, Op: "pipedrive: read persons", Message: "a row of its answer is no person with an id"}
		}
		event := contact.Event{Kind: contact.Upsert, Key: s.key(r.id), Version: r.version(), Shape: contact.Full, Payload: json.RawMessage(raw), Read: contact.Micros(began)}
		if r.gone() {
			event.Kind = contact.Delete
		}
		events = append(events, event)
	}
	return events, nil
}
