package generic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// spoken answers every call with the same words.
type spoken struct{ body []byte }

func (s *spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(bytes.NewReader(s.body)), Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

// FuzzPage is a list API that says anything, and a cursor that anybody may have written, in each way of paging: whole
// events or an error, and a walk that meets the same page again and again ends.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":1,"updated_at":"2026-11-20T10:00:00Z"}],"next":"2","link":"?p=2","total":3}`), "")
	f.Add([]byte(`{"data":[{"id":1},{"id":1}],"next":false,"link":"https://elsewhere.example/x","total":"true"}`), `{"n":1,"next":"2"}`)
	f.Add([]byte(`{"data":[{"id":"a"}],"next":{"a":1},"link":"%zz","total":1e999}`), `{"n":9223372036854775807,"next":"9223372036854775807","at":-1}`)
	f.Add([]byte(`{"data":null}`), `{"n":-5,"next":"x"}`)
	f.Add([]byte("\xef\xbb\xbf{\"data\":[]}"), "{}")
	var ways []*Source
	spoke := &spoken{}
	for _, next := range []mapping.Next{{Cursor: "next", Param: "c"}, {Link: "link"}, {Page: "p", First: 1, Until: "total"}, {Offset: "o", Until: "short"}, {}} {
		spec := loja()
		spec.List = &mapping.List{URL: "https://loja.example/api", Items: "data", Next: next}
		s, err := New(spec, Deps{Transport: spoke, Now: func() time.Time { return noon }, Zone: saoPaulo})
		if err != nil {
			f.Fatal(err)
		}
		ways = append(ways, s)
	}
	f.Fuzz(func(t *testing.T, body []byte, cursor string) {
		spoke.body = body
		for i, s := range ways {
			at := cursor
			for pages := 0; ; pages++ {
				page, err := s.List(context.Background(), source.Window{}, at)
				var failure *contact.Error
				if err != nil && !errors.As(err, &failure) {
					t.Fatalf("way %d: an error of no kind: %v", i, err)
				}
				for _, e := range page.Events {
					if e.Key.ID == "" || e.Kind == contact.Upsert && !json.Valid(e.Payload) {
						t.Fatalf("way %d: half an event: %+v", i, e)
					}
				}
				if at = page.Next; err != nil || at == "" {
					break
				}
				if pages > 20 {
					t.Fatalf("way %d: the same page for ever, at %s", i, at)
				}
			}
		}
	})
}
