package omni_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/omni"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
)

const token = "tok_5ecret_4f1d9a"

// mocked are both targets before one transport, with their clock stopped at start.
func mocked(t *testing.T) (targets map[string]engine.Target, mock *httpmock.MockTransport, m *meter) {
	t.Helper()
	mock, m = httpmock.NewMockTransport(), &meter{}
	deps := omni.Deps{Meter: m, Transport: mock, Now: func() time.Time { return start }}
	of, err := omni.NewOmniFlow(mapping.Target{Name: "omniflow", APIKey: token, Update: true}, deps)
	if err != nil {
		t.Fatal(err)
	}
	oc, err := omni.NewOmnichannel(mapping.Target{Name: "atendimento", BaseURL: "https://omni.exemplo.com.br/api", Token: token,
		ClientIdentifier: "3f0c7a52-91de-4c1f-8c55-0b7a2f64d9e1", ChannelID: "689a05215b711247e8f54022"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]engine.Target{"omniflow": of, "omnichannel": oc}, mock, m
}

func answer(status int, contentType, body string, header ...string) *http.Response {
	h := http.Header{"X-Request-Id": {"req_77"}}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

const (
	page    = "<!doctype html><html><body><h1>Access denied for " + marina + "</h1></body></html>"
	isJSON  = "application/json"
	isHTML  = "text/html"
	leaking = `phoneNumber +5584990000101 / 55 (84) 99000-0101 of "Marina Quaresma Lopes" (MARINA, marina@exemplo.com.br), key ` + token
)

// failures are what may come instead of an answer, and what must be made of it. Kinds are those of a create,
// a read of one contact, a look-up and an update; empty is the same as the one before.
var failures = []struct {
	name      string
	answer    func() (*http.Response, error)
	kinds     [4]contact.ErrorKind
	uncertain bool
	words     string
	until     time.Duration // 0: not checked
}{
	{name: "400", answer: says(400, isJSON, `{"error":{"code":"bad_phone","message":`+quote(leaking)+`}}`), kinds: [4]contact.ErrorKind{contact.Invalid}, words: "bad_phone"},
	{name: "400 flat", answer: says(400, isJSON, `{"code":"bad_phone","message":`+quote(leaking)+`}`), kinds: [4]contact.ErrorKind{contact.Invalid}, words: "bad_phone"},
	{name: "400 nest", answer: says(400, isJSON, `{"statusCode":400,"message":["too short",`+quote(leaking)+`],"error":"Bad Request"}`), kinds: [4]contact.ErrorKind{contact.Invalid}, words: "Bad Request: too short"},
	{name: "400 list", answer: says(400, isJSON, `{"errors":[{"code":"bad_phone","message":`+quote(leaking)+`}]}`), kinds: [4]contact.ErrorKind{contact.Invalid}, words: "bad_phone"},
	{name: "400 text", answer: says(400, "text/plain", leaking), kinds: [4]contact.ErrorKind{contact.Invalid}},
	{name: "401", answer: says(401, isJSON, `{"message":`+quote(leaking)+`}`), kinds: [4]contact.ErrorKind{contact.Auth}},
	{name: "401 page", answer: says(401, isHTML, page), kinds: [4]contact.ErrorKind{contact.Auth}},
	{name: "402", answer: says(402, isJSON, `{"message":"pay"}`), kinds: [4]contact.ErrorKind{contact.Suspended}},
	{name: "403", answer: says(403, isJSON, `{"error":"forbidden"}`), kinds: [4]contact.ErrorKind{contact.Auth}},
	{name: "403 page", answer: says(403, isHTML, page), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "in front of it"},
	{name: "404", answer: says(404, isJSON, `{"error":{"code":"not_found","message":`+quote(leaking)+`}}`), kinds: [4]contact.ErrorKind{contact.Unavailable, contact.Gone, "none", contact.Gone}},
	{name: "404 empty", answer: says(404, "", ""), kinds: [4]contact.ErrorKind{contact.Unavailable, contact.Gone, "none", contact.Gone}},
	{name: "404 page", answer: says(404, isHTML, page), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "check base_url"},
	{name: "404 route", answer: says(404, isJSON, `{"statusCode":404,"message":"Cannot POST /v1/contacts","error":"Not Found"}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "check base_url"},
	{name: "404 gateway", answer: says(404, isJSON, `{"message":"no Route matched with those values"}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "check base_url"},
	{name: "405", answer: says(405, isJSON, `{}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "check base_url"},
	{name: "408", answer: says(408, isJSON, `{}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "409", answer: says(409, isJSON, `{"error":{"code":"contact_already_exists","message":`+quote(leaking)+`}}`), kinds: [4]contact.ErrorKind{contact.Conflict, contact.Invalid, "", contact.Conflict}, words: "contact_already_exists"},
	{name: "409 page", answer: says(409, isHTML, page), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "in front of it"},
	{name: "400 page", answer: says(400, isHTML, page), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "in front of it"},
	{name: "422", answer: says(422, isJSON, `{"error":{"code":"invalid","message":`+quote(leaking)+`}}`), kinds: [4]contact.ErrorKind{"look-up", contact.Invalid}},
	{name: "quota", answer: says(422, isJSON, `{"error":{"code":"quota_exceeded","message":"Limite mensal de contatos atingido"}}`), kinds: [4]contact.ErrorKind{contact.Throttled}, words: "quota", until: time.Hour},
	{name: "429", answer: says(429, isJSON, `{}`, "Retry-After", "7"), kinds: [4]contact.ErrorKind{contact.Throttled}, until: 7 * time.Second},
	{name: "429 date", answer: says(429, isJSON, `{}`, "Retry-After", start.Add(9*time.Second).Format(http.TimeFormat)), kinds: [4]contact.ErrorKind{contact.Throttled}, until: 9 * time.Second},
	{name: "429 past", answer: says(429, isJSON, `{}`, "Retry-After", start.Add(-time.Hour).Format(http.TimeFormat)), kinds: [4]contact.ErrorKind{contact.Throttled}, until: time.Second},
	{name: "429 bare", answer: says(429, isHTML, page), kinds: [4]contact.ErrorKind{contact.Throttled}, until: time.Minute},
	{name: "500", answer: says(500, isJSON, `{"message":`+quote(leaking)+`}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "502 page", answer: says(502, isHTML, page), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "503", answer: says(503, isJSON, `{}`, "Retry-After", "5"), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true, until: 5 * time.Second},
	{name: "truncated", answer: says(201, isJSON, `{"id":"ctt_1","phoneNumber":"+55849900`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true, words: "not JSON"},
	{name: "two values", answer: says(200, isJSON, `{"id":"1"}{"id":"2"}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "portal", answer: says(200, "", page), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "202", answer: says(202, isJSON, `{}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true, words: "ok statuses"},
	{name: "other JSON", answer: says(200, isJSON, `{"status":"up"}`), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true, words: "decode."},
	{name: "304", answer: says(304, "", ""), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "check base_url"},
	{name: "redirect", answer: says(302, isHTML, page, "Location", "https://login.exemplo.com.br/?next="+token), kinds: [4]contact.ErrorKind{contact.Unavailable}, words: "redirect"},
	{name: "reset", answer: breaks(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "refused", answer: breaks(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), kinds: [4]contact.ErrorKind{contact.Unavailable}},
	{name: "timeout", answer: breaks(context.DeadlineExceeded), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true, words: "in time"},
	{name: "cancelled", answer: breaks(context.Canceled), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
	{name: "broken", answer: breaks(errors.New("connection to " + marina + " with " + token)), kinds: [4]contact.ErrorKind{contact.Unavailable}, uncertain: true},
}

func says(status int, contentType, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) { return answer(status, contentType, body, header...), nil }
}

func breaks(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func TestFailures(t *testing.T) {
	name := "Marina Quaresma Lopes"
	create := contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000101"}}
	seen := contact.Observed{ID: "ctt_1", Name: "Marina", URNs: create.AddURNs, Status: contact.Active}
	operations := []struct {
		name string
		run  func(context.Context, engine.Target) error
	}{
		{"create", func(ctx context.Context, target engine.Target) error { return second(target.Create(ctx, &create, nil)) }},
		{"get", func(ctx context.Context, target engine.Target) error { return second(target.Get(ctx, "ctt_1")) }},
		{"find", func(ctx context.Context, target engine.Target) error { return second(target.Find(ctx, create.AddURNs)) }},
		{"update", func(ctx context.Context, target engine.Target) error {
			return second(target.Update(ctx, &seen, &contact.Change{Name: &name}))
		}},
	}
	for _, f := range failures {
		for i, op := range operations {
			want := f.kinds[0]
			for j := 1; j <= i; j++ {
				if f.kinds[j] != "" {
					want = f.kinds[j]
				}
			}
			t.Run(f.name+"/"+op.name, func(t *testing.T) {
				targets, mock, m := mocked(t)
				mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
					resp, err := f.answer()
					if resp != nil {
						resp.Request = r
					}
					return resp, err
				})
				for _, api := range []string{"omniflow", "omnichannel"} {
					*m = meter{}
					err := op.run(t.Context(), targets[api])
					if want == "none" {
						if err != nil {
							t.Errorf("%s: %v", api, err)
						}
						continue
					}
					check(t, api, err, want, f.words)
					e := contact.AsError(err)
					written := strings.HasSuffix(e.Op, "create") || strings.HasSuffix(e.Op, "update")
					if wants := f.uncertain && written; e.Uncertain != wants {
						t.Errorf("%s: uncertain %v, want %v: %v", api, e.Uncertain, wants, err)
					}
					if f.until != 0 && !e.Until.Equal(start.Add(f.until)) {
						t.Errorf("%s: until %v, want %v", api, e.Until, f.until)
					}
					if told := m.refused[contact.ScopeContacts]; want == contact.Throttled && !told.Equal(e.Until) || want != contact.Throttled && !told.IsZero() {
						t.Errorf("%s: the meter was told %v", api, told)
					}
					if e.Status != 0 && e.RequestID != "req_77" {
						t.Errorf("%s: the request id is lost: %+v", api, e)
					}
				}
			})
		}
	}
}

// check judges one failure: its kind, and that its text keeps what it must and says what it should.
func check(t *testing.T, api string, err error, want contact.ErrorKind, words string) {
	t.Helper()
	if want == "look-up" {
		want = contact.Invalid // the look-up itself is refused the same way
	}
	if err == nil || contact.KindOf(err) != want {
		t.Fatalf("%s: %v (%v), want %v", api, err, contact.KindOf(err), want)
	}
	var e *contact.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Op, api+": ") {
		t.Errorf("%s: op of %v", api, err)
	}
	text := strings.ToLower(fmt.Sprintf("%v %+v", err, *e))
	for _, secret := range []string{token, "99000", "0101", "marina", "quaresma", "lopes", "exemplo.com.br"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %q is in %s", api, secret, text)
		}
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %q is missing in %v", api, words, err)
	}
}

func TestLongRetryAfter(t *testing.T) {
	targets, mock, _ := mocked(t)
	mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		return answer(429, isJSON, `{}`, "Retry-After", "2400"), nil
	})
	for api, want := range map[string]time.Duration{"omniflow": time.Minute, "omnichannel": 40 * time.Minute} {
		_, err := targets[api].Get(t.Context(), "1")
		if e := kind(t, err, contact.Throttled); e.Until.Sub(start) != want {
			t.Errorf("%s: until %v, want %v", api, e.Until.Sub(start), want)
		}
	}
}

func TestMeterIsAskedFirst(t *testing.T) {
	targets, mock, m := mocked(t)
	m.err = &contact.Error{Kind: contact.Throttled, Message: "the hour's calls are used up", Until: start.Add(time.Minute)}
	for api, target := range targets {
		_, err := target.Find(t.Context(), []contact.URN{"whatsapp:5584990000101"})
		if e := kind(t, err, contact.Throttled); e.Until.IsZero() || !strings.HasPrefix(e.Op, api) {
			t.Errorf("%+v", e)
		}
	}
	if mock.GetTotalCallCount() != 0 {
		t.Error("a call was made without budget")
	}
}

func TestIDsCannotLeaveTheirPath(t *testing.T) {
	targets, mock, _ := mocked(t)
	var paths []string
	mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.URL.EscapedPath())
		return answer(404, isJSON, `{}`), nil
	})
	for _, target := range targets {
		for _, id := range []string{"", ".", ".."} {
			_, err := target.Get(t.Context(), id)
			kind(t, err, contact.Internal)
		}
		_, err := target.Get(t.Context(), "a/../b?c=1#d")
		kind(t, err, contact.Gone)
	}
	for _, p := range paths {
		if !strings.HasSuffix(p, "/contacts/a%2F..%2Fb%3Fc=1%23d") {
			t.Error(p)
		}
	}
}

func TestEmptyAnswers(t *testing.T) {
	targets, mock, _ := mocked(t)
	status, body := 200, ""
	mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) { return answer(status, isJSON, body), nil })
	for api, target := range targets {
		find := func() error { return second(target.Find(t.Context(), []contact.URN{"whatsapp:4915100000000"})) }
		status, body = 200, ""
		kind(t, find(), contact.Unavailable)
		for _, nobody := range []string{`null`, `{"data":null}`, `[]`, `{"data":[]}`, `{"data":{"items":[]}}`} {
			if body = nobody; find() != nil {
				t.Errorf("%s: %s: %v", api, body, find())
			}
		}
		for _, unclear := range []string{`{}`, `{"contacts":[]}`, `[1]`, `"x"`, `[{"name":"Marina"}]`} {
			body = unclear
			kind(t, find(), contact.Unavailable)
		}
		status, body = 204, ""
		if err := find(); err != nil {
			t.Errorf("%s: %v", api, err)
		}
	}
}

// The same failures over real sockets, as the sandbox makes them.
func TestFailuresOverSockets(t *testing.T) {
	of, flowSim, _ := flow(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	oc, channelSim, _ := channel(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina"}}})
	for name, tc := range map[string]struct {
		fault sandbox.Fault
		kind  contact.ErrorKind
	}{
		"403":       {sandbox.Fault{Action: sandbox.FaultStatus, Status: 403}, contact.Unavailable},
		"404":       {sandbox.Fault{Action: sandbox.FaultStatus, Status: 404}, contact.Gone},
		"500":       {sandbox.Fault{Action: sandbox.FaultStatus, Status: 500}, contact.Unavailable},
		"429":       {sandbox.Fault{Action: sandbox.FaultThrottle, RetryAfter: sandbox.RetryAfter(120)}, contact.Throttled},
		"429 bare":  {sandbox.Fault{Action: sandbox.FaultThrottle}, contact.Throttled},
		"truncated": {sandbox.Fault{Action: sandbox.FaultTruncate}, contact.Unavailable},
		"page":      {sandbox.Fault{Action: sandbox.FaultHTML}, contact.Unavailable},
		"reset":     {sandbox.Fault{Action: sandbox.FaultReset}, contact.Unavailable},
		"hang":      {sandbox.Fault{Action: sandbox.FaultHang}, contact.Unavailable},
	} {
		for _, side := range []struct {
			target  engine.Target
			control *sandbox.Control
			id      string
		}{{of, flowSim.Control, flowSim.Contacts()[0].ID}, {oc, channelSim.Control, channelSim.Contacts()[0].ID}} {
			side.control.ClearFaults()
			if _, err := side.control.AddFault(tc.fault); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if name == "hang" {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			_, err := side.target.Get(ctx, side.id)
			cancel()
			check(t, strings.Split(contact.AsError(err).Op, ":")[0], err, tc.kind, "")
		}
	}
	// JSON that is called a page is still JSON.
	for control, get := range map[*sandbox.Control]func() error{
		flowSim.Control:    func() error { return second(of.Get(t.Context(), flowSim.Contacts()[0].ID)) },
		channelSim.Control: func() error { return second(oc.Get(t.Context(), channelSim.Contacts()[0].ID)) },
	} {
		control.ClearFaults()
		if _, err := control.AddFault(sandbox.Fault{Action: sandbox.FaultContentType}); err != nil {
			t.Fatal(err)
		}
		if err := get(); err != nil {
			t.Error(err)
		}
	}
}
