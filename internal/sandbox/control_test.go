package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a simulator that counts what reaches it and answers JSON.
type counter struct{ n int }

func (h *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.n++
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(`{"n":1,"got":"` + string(body) + `"}`))
}

type bench struct {
	*testing.T
	control *Control
	api     *counter
	server  *httptest.Server
	client  *http.Client
}

func setup(t *testing.T) *bench {
	b := &bench{T: t, api: &counter{}}
	b.control = New(Config{JournalSize: 3, BodyLimit: 10})
	b.server = httptest.NewServer(b.control.Wrap(b.api))
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) fault(f Fault) {
	b.Helper()
	if _, err := b.control.AddFault(f); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) do(method, path, body string) (int, http.Header, string, error) {
	b.Helper()
	req, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Token geheim")
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(text), err
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := New(Config{})
		var told time.Time
		c.OnAdvance(func(now time.Time) { told = now })
		time.Sleep(time.Minute)
		c.Advance(time.Hour)
		c.Advance(-time.Hour)
		want := start.Add(time.Minute + time.Hour)
		if got := c.Now(); !got.Equal(want) || !told.Equal(want) {
			t.Errorf("now %v, told %v, want %v", got, told, want)
		}
		c.Reset()
		if got := c.Now(); !got.Equal(want) {
			t.Errorf("after reset %v, want %v", got, want)
		}
	})
}

func TestAdvanceRoute(t *testing.T) {
	b := setup(t)
	for seconds, want := range map[string]int{"5.5": 200, "0": 200, "": 400, "x": 400, "-1": 400, "NaN": 400, "1e300": 400} {
		if code, _, text, _ := b.do("POST", "/_sandbox/advance?seconds="+seconds, ""); code != want {
			t.Errorf("seconds=%s: %d %s", seconds, code, text)
		}
	}
	if d := time.Until(b.control.Now()); d < 5*time.Second || d > 6*time.Second {
		t.Errorf("the clock is %v ahead", d)
	}
}

func TestJournalAndCalls(t *testing.T) {
	b := setup(t)
	for _, path := range []string{"/a", "/a?uuid=1", "/a?uuid=2&x=1&x=2", "/b"} {
		if code, _, _, err := b.do("POST", path, `abcdefghijklm`); code != 201 || err != nil {
			t.Fatal(code, err)
		}
	}
	if _, _, _, err := b.do("GET", "/_sandbox/", ""); err != nil {
		t.Fatal(err)
	}
	want := "api POST /a 201 x1\napi POST /a?uuid= 201 x1\napi POST /a?uuid=&x= 201 x1\napi POST /b 201 x1"
	if got := b.control.Calls().String(); got != want {
		t.Errorf("calls:\n%s", got)
	}
	if n := b.control.Calls().Scope("api").Count(func(c Call) bool { return c.Endpoint == "/a" }); n != 3 {
		t.Errorf("%d calls to /a", n)
	}
	entries := b.control.Journal()
	if len(entries) != 3 || entries[0].Path != "/a?uuid=1" || entries[2].Seq != 4 {
		t.Fatalf("journal: %+v", entries)
	}
	e := entries[2]
	if e.Request != "abcdefghij" || e.Response != `{"n":1,"go` || e.Status != 201 || !e.Ran {
		t.Errorf("entry: %+v", e)
	}
	_, _, text, _ := b.do("GET", "/_sandbox/journal", "")
	if strings.Contains(text, "geheim") || !strings.Contains(text, "(masked)") {
		t.Errorf("the journal shows a credential: %s", text)
	}
	_, _, text, _ = b.do("GET", "/_sandbox/calls", "")
	var counted struct {
		Total  int
		Scopes map[string]int
	}
	if err := json.Unmarshal([]byte(text), &counted); err != nil || counted.Total != 4 || counted.Scopes["api"] != 4 {
		t.Errorf("calls: %s %v", text, err)
	}
	b.do("DELETE", "/_sandbox/journal", "")
	if len(b.control.Journal()) != 0 || b.control.Calls().Count(nil) != 4 {
		t.Error("forgetting the journal must keep the counts")
	}
	b.do("DELETE", "/_sandbox/calls", "")
	if b.control.Calls().Count(nil) != 0 {
		t.Error("the counts are not zero")
	}
}

func TestFaults(t *testing.T) {
	type want struct {
		code int
		ran  bool
		typ  string
		body string // contained
		fail error  // errors.Is
	}
	cases := map[string]struct {
		fault Fault
		want  want
	}{
		"500":            {Fault{Action: FaultStatus, Status: 500}, want{code: 500, typ: "text/html", body: "Internal Server Error"}},
		"403":            {Fault{Action: FaultStatus, Status: 403}, want{code: 403, typ: "text/html"}},
		"404":            {Fault{Action: FaultStatus, Status: 404}, want{code: 404, typ: "application/json"}},
		"502 committed":  {Fault{Action: FaultStatus, Status: 502, Commit: true}, want{code: 502, ran: true, typ: "text/html"}},
		"own body":       {Fault{Action: FaultStatus, Status: 500, Response: "{}", ContentType: "application/json"}, want{code: 500, typ: "application/json", body: "{}"}},
		"throttle":       {Fault{Action: FaultThrottle, RetryAfter: new(7)}, want{code: 429, typ: "application/json"}},
		"throttle bare":  {Fault{Action: FaultThrottle}, want{code: 429, typ: "application/json"}},
		"html":           {Fault{Action: FaultHTML}, want{code: 200, typ: "text/html; charset=utf-8", body: "<html>"}},
		"truncate":       {Fault{Action: FaultTruncate}, want{code: 201, ran: true, typ: "application/json", body: `{"n":1,"g`}},
		"content type":   {Fault{Action: FaultContentType}, want{code: 201, ran: true, typ: "text/html; charset=utf-8", body: `{"n":1,`}},
		"reset":          {Fault{Action: FaultReset}, want{fail: syscall.ECONNRESET}},
		"reset after":    {Fault{Action: FaultResetAfter}, want{ran: true, fail: syscall.ECONNRESET}},
		"hang":           {Fault{Action: FaultHang, LatencyMS: 20}, want{fail: syscall.ECONNRESET}},
		"latency":        {Fault{Action: FaultLatency, LatencyMS: 20}, want{code: 201, ran: true, typ: "application/json"}},
		"other method":   {Fault{Action: FaultReset, Method: "GET"}, want{code: 201, ran: true, typ: "application/json"}},
		"other path":     {Fault{Action: FaultReset, Path: "/b"}, want{code: 201, ran: true, typ: "application/json"}},
		"other query":    {Fault{Action: FaultReset, Match: `urn=`}, want{code: 201, ran: true, typ: "application/json"}},
		"query":          {Fault{Action: FaultHTML, Match: `\?uuid=\d`}, want{code: 200, typ: "text/html; charset=utf-8"}},
		"other body":     {Fault{Action: FaultReset, Body: `^x`}, want{code: 201, ran: true, typ: "application/json"}},
		"body":           {Fault{Action: FaultHTML, Body: `an.`}, want{code: 200, typ: "text/html; charset=utf-8"}},
		"other scope":    {Fault{Action: FaultReset, Scope: "x"}, want{code: 201, ran: true, typ: "application/json"}},
		"not yet":        {Fault{Action: FaultReset, Nth: 2}, want{code: 201, ran: true, typ: "application/json"}},
		"hardly likely":  {Fault{Action: FaultReset, Probability: 1e-12}, want{code: 201, ran: true, typ: "application/json"}},
		"nearly certain": {Fault{Action: FaultHTML, Probability: 1}, want{code: 200, typ: "text/html; charset=utf-8"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.fault(tc.fault)
			code, header, body, err := b.do("POST", "/a?uuid=1", "ana")
			if tc.want.fail != nil {
				if !errors.Is(err, tc.want.fail) && !errors.Is(err, io.EOF) {
					t.Errorf("err = %v", err)
				}
			} else if err != nil || code != tc.want.code || header.Get("Content-Type") != tc.want.typ || !strings.Contains(body, tc.want.body) {
				t.Errorf("%d %q %s %v", code, header.Get("Content-Type"), body, err)
			}
			if wantRetry := tc.fault.RetryAfter != nil; (header.Get("Retry-After") == "7") != wantRetry {
				t.Errorf("Retry-After: %q", header.Get("Retry-After"))
			}
			entries := b.control.Journal()
			if len(entries) != 1 || entries[0].Ran != tc.want.ran || (b.api.n == 1) != tc.want.ran || entries[0].Status != tc.want.code {
				t.Errorf("journal: %+v, ran %d", entries, b.api.n)
			}
		})
	}
}

func TestFaultCounting(t *testing.T) {
	b := setup(t)
	b.fault(Fault{Action: FaultStatus, Status: 502, Nth: 2, Times: 2})
	b.fault(Fault{Action: FaultStatus, Status: 503, ForSeconds: 30})
	var got []int
	for range 5 {
		code, _, _, _ := b.do("GET", "/a", "")
		got = append(got, code)
	}
	b.control.Advance(30 * time.Second)
	code, _, _, _ := b.do("GET", "/a", "")
	got = append(got, code)
	want := []int{503, 502, 502, 503, 503, 201}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	rules := b.control.Faults()
	if rules[0].Seen != 6 || rules[0].Hits != 2 || rules[1].Hits != 3 {
		t.Errorf("rules: %+v", rules)
	}
}

func TestFaultRoutes(t *testing.T) {
	b := setup(t)
	if code, _, text, _ := b.do("POST", "/_sandbox/faults", `[{"action":"status","status":500,"times":1},{"action":"html"}]`); code != 201 {
		t.Fatal(code, text)
	}
	for _, bad := range []string{
		`{"action":"explode"}`, `{"action":"status"}`, `{"action":"latency"}`, `{"action":"html","probability":2}`,
		`{"action":"html","match":"("}`, `{"action":"html","times":-1}`, `{"action":"html","tmies":1}`, `[{"action":"html"},{}]`, `{`,
	} {
		if code, _, text, _ := b.do("POST", "/_sandbox/faults", bad); code != 400 {
			t.Errorf("%s: %d %s", bad, code, text)
		}
	}
	if n := len(b.control.Faults()); n != 2 {
		t.Errorf("%d rules", n)
	}
	for path, want := range map[string]int{"?id=1": 204, "?id=77": 404} {
		if code, _, _, _ := b.do("DELETE", "/_sandbox/faults"+path, ""); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	if _, _, text, _ := b.do("GET", "/_sandbox/faults", ""); !strings.Contains(text, `"html"`) || strings.Contains(text, `"status": 500`) {
		t.Errorf("faults: %s", text)
	}
	called := false
	b.control.OnReset(func() { called = true })
	if code, _, _, _ := b.do("POST", "/_sandbox/reset", ""); code != 204 || !called || len(b.control.Faults()) != 0 {
		t.Error("reset did not reset")
	}
}

func TestHangEndsWhenTheRulesGo(t *testing.T) {
	b := setup(t)
	b.fault(Fault{Action: FaultHang})
	done := make(chan error)
	go func() {
		_, _, _, err := b.do("GET", "/a", "")
		done <- err
	}()
	for len(b.control.Faults()) > 0 && b.control.Faults()[0].Hits == 0 {
		time.Sleep(time.Millisecond)
	}
	b.control.ClearFaults()
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
}

func TestHangEndsWhenTheClientGoes(t *testing.T) {
	b := setup(t)
	b.fault(Fault{Action: FaultHang})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", b.server.URL+"/a", strings.NewReader("{}"))
	if resp, err := b.client.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the request was answered")
	}
}
