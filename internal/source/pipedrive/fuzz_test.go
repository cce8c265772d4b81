package pipedrive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// spoken answers every call with the same words.
type spoken struct{ body []byte }

func (s *spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(bytes.NewReader(s.body)), Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

// FuzzPage is an API that says anything to every question: whole events or an error, and nobody counts as gone for want
// of an answer.
func FuzzPage(f *testing.F) {
	for _, name := range []string{"v2-create", "v2-change", "v1-updated"} {
		f.Add(load(f, name), "")
	}
	f.Add([]byte(`{"success":true,"data":[{"id":1,"name":"Ana","update_time":"2026-11-20T10:00:00Z"}],"additional_data":{"next_cursor":"eyJ"}}`), "")
	f.Add([]byte(`{"success":true,"data":[{"id":"1"},{"id":1,"is_deleted":true}],"additional_data":{"next_cursor":{"a":1}}}`), "eyJ")
	f.Add([]byte(`{"success":true,"data":null}`), "x")
	f.Add([]byte(`{"data":{"id":1e400}}`), "")
	f.Add([]byte(`{"data":[{"field_code":"abc","field_name":"Cidade","options":[{"id":1,"label":null}]},null,3]}`), "")
	spoke := &spoken{}
	f.Fuzz(func(t *testing.T, body []byte, cursor string) {
		spoke.body = body
		s, err := New(mapping.Source{Name: "crm", Kind: "pipedrive", API: &mapping.API{BaseURL: base, Token: token}}, Deps{Transport: spoke})
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		kind := func(what string, err error) {
			var failure *contact.Error
			if err != nil && !errors.As(err, &failure) {
				t.Fatalf("%s: an error of no kind: %v", what, err)
			}
		}
		whole := func(events []contact.Event) {
			for _, e := range events {
				if e.Key.ID == "" || !json.Valid(e.Payload) {
					t.Fatalf("half an event: %+v", e)
				}
				if _, err := s.Record(e.Payload); err != nil {
					t.Fatalf("read, but no record: %v", err)
				}
			}
		}
		kind("prepare", s.Prepare(ctx))
		page, err := s.List(ctx, source.Window{}, cursor)
		kind("list", err)
		whole(page.Events)
		for _, ids := range [][]string{{"1"}, {"1", "2"}} {
			found, err := s.Get(ctx, ids)
			kind("get", err)
			whole(found.Events)
			if len(found.Missing) > 0 {
				t.Fatalf("gone, says an answer 200: %v", found.Missing)
			}
		}
		_, _, err = s.Place(ctx)
		kind("place", err)
	})
}
