package backend

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"syncer/internal/omni/table"
	"syncer/internal/sandbox"
)

func setup(t *testing.T, o Options) *API {
	t.Helper()
	operations, problems := table.New(table.Omnichannel, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	o.Table = operations
	o.Authorized = func(r *http.Request) bool { return r.Header.Get("Authorization") != "no" }
	o.Handlers = map[string]Handler{
		table.ContactGet:        func(c *Call) (any, *Error) { return map[string]string{"id": c.Text("contactId")}, nil },
		table.TagCreate:         func(c *Call) (any, *Error) { return map[string]string{"name": c.Text("name")}, nil },
		table.TagDelete:         func(*Call) (any, *Error) { return nil, nil },
		table.TagGet:            func(*Call) (any, *Error) { return nil, NotFound("tag") },
		table.TagUpdate:         func(*Call) (any, *Error) { return nil, Invalid("bad_name", "name is bad") },
		table.ContactRemoveTags: func(c *Call) (any, *Error) { return map[string]any{"n": c.List("tagIds"), "x": c.Bool("x")}, nil },
		table.TagList: func(c *Call) (any, *Error) {
			return Page{Items: []int{c.Int("n", 9)}, About: map[string]any{"total": 1, "given": c.Given("n")}}, nil
		},
	}
	return New(o)
}

func send(a *API, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestEnvelopes(t *testing.T) {
	for envelope, want := range map[Envelope][2]string{
		Lists:   {`{"id":"a/b"}`, `{"data":[3],"given":true,"total":1}`},
		Bare:    {`{"id":"a/b"}`, `[3]`},
		Wrapped: {`{"data":{"id":"a/b"}}`, `{"data":[3],"given":true,"total":1}`},
	} {
		a := setup(t, Options{Envelope: envelope})
		if got := send(a, "GET", "/contacts/a%2Fb", "").Body.String(); got != want[0] {
			t.Errorf("%q: %s", envelope, got)
		}
		if got := send(a, "GET", "/tags?n=3", "").Body.String(); got != want[1] {
			t.Errorf("%q: %s", envelope, got)
		}
	}
}

func TestErrorStyles(t *testing.T) {
	for style, want := range map[ErrorStyle]string{
		Nested: `{"error":{"code":"bad_name","message":"name is bad"}}`,
		Flat:   `{"code":"bad_name","message":"name is bad"}`,
		Text:   `{"error":"bad_name"}`,
		Nest:   `{"error":"bad_name","message":["name is bad"],"statusCode":422}`,
	} {
		w := send(setup(t, Options{Errors: style}), "PATCH", "/tags/1", `{}`)
		if w.Code != 422 || w.Body.String() != want {
			t.Errorf("%q: %d %s", style, w.Code, w.Body)
		}
	}
}

func TestStatuses(t *testing.T) {
	a := setup(t, Options{})
	for call, want := range map[string]int{
		"GET /tags": 200, "POST /tags": 201, "DELETE /tags/1": 204, "GET /tags/1": 404, "GET /nothing": 404, "PUT /tags": 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		w := send(a, method, path, "")
		if w.Code != want || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", call, w.Code, w.Header())
		}
	}
	for body, want := range map[string]string{`{"tagIds":["a","b"],"x":true}`: `{"n":["a","b"],"x":true}`, `{"tagIds":"a"}`: `{"n":null,"x":false}`} {
		if got := send(a, "DELETE", "/contacts/1/tags", body).Body.String(); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
	for _, body := range []string{`[`, `[]`, `"x"`} {
		if w := send(a, "POST", "/tags", body); w.Code != 400 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
	r := httptest.NewRequest("GET", "/tags", nil)
	r.Header.Set("Authorization", "no")
	w := httptest.NewRecorder()
	if a.ServeHTTP(w, r); w.Code != 401 {
		t.Error(w.Code)
	}
}

func TestMinute(t *testing.T) {
	now := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	a := setup(t, Options{PerMinute: 2, Clock: func() time.Time { return now }})
	codes := func() (all []int) {
		for range 3 {
			all = append(all, send(a, "GET", "/tags", "").Code)
		}
		return all
	}
	if got := codes(); got[1] != 200 || got[2] != 429 {
		t.Error(got)
	}
	now = now.Add(20 * time.Second)
	if w := send(a, "GET", "/tags", ""); w.Header().Get("Retry-After") != "40" {
		t.Error(w.Header())
	}
	now = now.Add(40 * time.Second)
	if got := codes(); got[0] != 200 || got[2] != 429 {
		t.Error(got)
	}
}

func TestInjectedPagesLookLikeTheService(t *testing.T) {
	a := setup(t, Options{Errors: Flat})
	for status, want := range map[int]string{403: "<html>", 502: "<html>", 409: `{"code":"conflict"`, 429: `{"code":"too_many_requests"`} {
		a.ClearFaults()
		if _, err := a.AddFault(sandbox.Fault{Action: sandbox.FaultStatus, Status: status}); err != nil {
			t.Fatal(err)
		}
		w := send(a, "GET", "/tags", "")
		if w.Code != status || !strings.HasPrefix(w.Body.String(), want) || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%d: %d %s", status, w.Code, w.Body)
		}
	}
	a.Reset()
	if w := send(a, "GET", "/tags", ""); w.Header().Get("X-Request-Id") != "req_000001" {
		t.Error(w.Header())
	}
	scopes := a.Calls().String()
	if !strings.Contains(scopes, "other GET /tags 200") {
		t.Error(scopes)
	}
}
