package omni_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/omni"
)

// spoken answers every call with the same words.
type spoken struct {
	status int
	body   []byte
}

func (s *spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Request: r, Body: io.NopCloser(bytes.NewReader(s.body)), Header: http.Header{"Content-Type": {"application/json"}}}, nil
}

// FuzzAnswer is an API that says anything to any call of both kinds: nothing panics, walks end, and no error repeats
// what was sent.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"data":{"id":"c1","name":"Ana Prado","phone":"5584990000101","tags":[{"id":1,"name":"VIP"}]}}`))
	f.Add(200, []byte(`{"data":[{"id":1e400,"tags":null},{"_id":{"$oid":"x"}}],"meta":{"page":1,"total":1e18},"nextCursor":"a"}`))
	f.Add(200, []byte(`[[[[]]]]`))
	f.Add(200, []byte(`{"access_token":"x","expires_in":-9223372036854775808}`))
	f.Add(422, []byte(`{"message":["phone 5584990000202 must be a number"],"error":{"code":11000}}`))
	f.Add(409, []byte(`{"message":"already exists","contactId":"c1"}`))
	f.Add(404, []byte(`null`))
	f.Add(401, []byte(`{}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("Go's own client refuses it")
		}
		deps := omni.Deps{Meter: &meter{}, Transport: &spoken{status, body}, Now: func() time.Time { return start }}
		flow, err := omni.NewOmniFlow(mapping.Target{Name: "omniflow", Kind: "omniflow", BaseURL: "https://flow.example", APIKey: "key-0123456789", Update: true}, deps)
		if err != nil {
			t.Fatal(err)
		}
		channel, err := omni.NewOmnichannel(mapping.Target{Name: "atendimento", Kind: "omnichannel", BaseURL: "https://omni.example", Token: "token-0123456789", ClientIdentifier: "abc", ChannelID: "def"}, deps)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []engine.Target{flow, channel} {
			tryAll(t, target)
		}
	})
}

func tryAll(t *testing.T, target engine.Target) {
	ctx, name := context.Background(), "Ana Prado"
	seen := contact.Observed{ID: "c1", Name: "Ana", URNs: []contact.URN{"whatsapp:5584990000101"}}
	change := contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000202"}, AddLabels: []string{"VIP"}}
	for what, call := range map[string]func() error{
		"place":  func() error { _, _, err := target.Place(ctx); return err },
		"learn":  func() error { return target.Learn(ctx) },
		"list":   func() error { _, err := target.List(ctx, contact.Query{}, "2"); return err },
		"find":   func() error { _, err := target.Find(ctx, seen.URNs); return err },
		"get":    func() error { _, err := target.Get(ctx, "c1"); return err },
		"create": func() error { _, err := target.Create(ctx, &change, []string{"1"}); return err },
		"update": func() error { _, err := target.Update(ctx, &seen, &change); return err },
		"define": func() error { _, err := target.Define(ctx, []string{"VIP"}, nil); return err },
	} {
		err := call()
		var failure *contact.Error
		switch {
		case err == nil:
		case !errors.As(err, &failure):
			t.Errorf("%s: an error of no kind: %v", what, err)
		case strings.Contains(err.Error(), "5584990000202") || strings.Contains(err.Error(), "0123456789"):
			t.Errorf("%s: %v", what, err)
		}
	}
}
