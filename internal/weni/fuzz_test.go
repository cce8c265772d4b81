package weni_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/weni"
)

// spoken answers every call with the same words.
type spoken struct {
	status int
	body   []byte
	after  string
}

func (s *spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Request: r, Body: io.NopCloser(bytes.NewReader(s.body)),
		Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {s.after}}}, nil
}

// FuzzAnswer is a server, or a proxy before it, that says anything to any call: nothing panics, whatever is no answer
// of the API is an error, and no error repeats what was sent.
func FuzzAnswer(f *testing.F) {
	whole := `{"uuid":"` + ana + `","name":"Ana Prado","urns":["whatsapp:5584990000101"],"groups":[{"uuid":"` + vip + `"}],"fields":{"cidade":"Natal","n":1.5,"x":null},"created_on":"2026-11-20T12:00:00Z"}`
	f.Add(200, []byte(whole), "")
	f.Add(200, []byte(`{"next":"https://flows.example/api/v2/contacts.json?cursor=cD0y","results":[`+whole+`]}`), "")
	f.Add(200, []byte(`{"next":"http://[::1%25]/?cursor=","results":null}`), "")
	f.Add(200, []byte(`{"results":[{"uuid":"","fields":{"a":[1,{}]},"urns":["tel:","x"]}]}`), "")
	f.Add(400, []byte(`{"fields":["unknown contact field 'cidade'"],"0":{"urns":{"1":["URN belongs to another contact: `+ana+`"]}}}`), "")
	f.Add(400, []byte(`{"contacts":["No such object: `+ana+`"]}`), "")
	f.Add(429, []byte(`{"detail":"Request was throttled."}`), "9223372036854775807")
	f.Add(404, []byte(`{"detail":"Invalid cursor"}`), "-1")
	f.Add(500, []byte("<html>"), "Fri, 20 Nov 2026 12:00:00 GMT")
	f.Add(403, []byte(`{"detail":"You do not have permission"}`), "")
	f.Add(302, []byte(nil), "")
	f.Add(410, []byte("0"), "") // of a gateway: it made people look deleted
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		if status < 200 || status > 599 || strings.ContainsAny(after, "\r\n") {
			t.Skip("Go's own client refuses it")
		}
		server := &spoken{status, body, after}
		target, err := weni.New(mapping.Target{Name: "weni", Kind: "weni", BaseURL: "https://flows.example", Token: token, URNs: []string{"whatsapp"}}, weni.Deps{
			Meter: &meter{refused: map[string]time.Time{}}, Transport: server, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return start }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, name := context.Background(), "Ana Prado"
		seen := contact.Observed{ID: ana, URNs: []contact.URN{"whatsapp:5584990000101"}}
		change := contact.Change{Name: &name, Fields: map[string]string{"cidade": "Natal"}, AddURNs: []contact.URN{"whatsapp:5584990000202"}}
		for what, call := range map[string]func() error{
			"place": func() error { _, _, err := target.Place(ctx); return err },
			"learn": func() error { return target.Learn(ctx) },
			"list":  func() error { _, err := target.List(ctx, contact.Query{}, "cD0y"); return err },
			"find":  func() error { _, err := target.Find(ctx, seen.URNs); return err },
			"get": func() error {
				o, err := target.Get(ctx, ana)
				if err == nil && o.ID != ana {
					t.Errorf("somebody else was read: %q", o.ID)
				}
				return err
			},
			"create": func() error { _, err := target.Create(ctx, &change, nil); return err },
			"update": func() error { _, err := target.Update(ctx, &seen, &change); return err },
			"label":  func() error { return target.Label(ctx, vip, true, []string{ana, bia}) },
			"define": func() error {
				_, err := target.Define(ctx, []string{"VIP"}, map[string]contact.FieldType{"cidade": "text"})
				return err
			},
			"delete":    func() error { return target.Delete(ctx, ana) },
			"campaigns": func() error { _, err := target.Campaigns(ctx); return err },
		} {
			err := call()
			var failure *contact.Error
			switch {
			case err == nil && what == "delete" && status == http.StatusNotFound: // it is gone, says the API itself
			case err == nil && status > 299:
				t.Errorf("%s: HTTP %d is no error", what, status)
			case err == nil:
			case !errors.As(err, &failure):
				t.Errorf("%s: an error of no kind: %v", what, err)
			case strings.Contains(err.Error(), "5584990000202") || strings.Contains(err.Error(), token):
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
