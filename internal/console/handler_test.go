package console_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/console/consoletest"
	"syncer/internal/contact"
	"syncer/internal/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // pages show local time
	os.Exit(m.Run())
}

const token = "b7c1e0d5a94f4c2e"

func handler(ops console.Operations, token string) http.Handler {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "syncer_people 1204\n") })
	return console.Handler(ops, console.HandlerOptions{Token: token, Metrics: metrics, Version: "v1.2.0", Now: func() time.Time { return consoletest.Now }})
}

// ask sends a request as a program on this machine would; headers come in pairs.
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8081"
	r.Header.Set(console.ClientHeader, "1")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference.\ngot:\n%s", file, got)
	}
}

// TestAPI holds every question and answer of the API against a file.
func TestAPI(t *testing.T) {
	for _, c := range []struct{ name, method, path, body string }{
		{"ping", "GET", "/ping", ""},
		{"status", "GET", "/status", ""},
		{"explain", "POST", "/explain", `{"what":"crm/4821"}`},
		{"explain-show", "POST", "/explain", `{"what":"+55 84 99000-0101","show":true}`},
		{"explain-unknown", "POST", "/explain", `{"what":"Zilda"}`},
		{"dead", "GET", "/dead?target=weni&kind=invalid&limit=5", ""},
		{"dead-none", "GET", "/dead?target=elsewhere", ""},
		{"dead-wrong", "GET", "/dead?limit=many", ""},
		{"dead-retry", "POST", "/dead/retry", `{"id":"weni/17"}`},
		{"dead-drop", "POST", "/dead/drop", `{"target":"weni"}`},
		{"quarantine", "GET", "/quarantine", ""},
		{"quarantine-show", "GET", "/quarantine/3", ""},
		{"quarantine-body", "GET", "/quarantine/3?show=true", ""},
		{"quarantine-wrong", "GET", "/quarantine/x?show=maybe", ""},
		{"quarantine-retry", "POST", "/quarantine/retry", `{"id":3}`},
		{"quarantine-drop", "POST", "/quarantine/drop", `{"all":true}`},
		{"quarantine-drop-none", "POST", "/quarantine/drop", ""},
		{"runs", "GET", "/runs?limit=3", ""},
		{"run", "GET", "/runs/crm-full-12", ""},
		{"run-unknown", "GET", "/runs/crm-full-13", ""},
		{"reconcile", "POST", "/runs", `{"source":"crm","kind":"full","yes":true,"only":["crm/4821"],"limit":2}`},
		{"plan", "GET", "/runs/crm-full-12/plan?limit=2", ""},
		{"plan-show", "GET", "/runs/crm-full-12/plan?after=2&show=true", ""},
		{"plan-wrong", "GET", "/runs/crm-full-12/plan?show=maybe&limit=-1", ""},
		{"apply", "POST", "/runs/crm-full-12/apply", `{"only":["crm/4821"],"limit":1}`},
		{"apply-all", "POST", "/runs/crm-full-12/apply", ""},
		{"undo", "POST", "/runs/crm-changes-311/undo", ""},
		{"discard", "POST", "/runs/crm-full-12/discard", `{}`},
		{"pause", "POST", "/targets/weni/pause", `{"why":"holiday"}`},
		{"resume", "POST", "/targets/weni/resume", ""},
		{"rebind", "POST", "/rebind", `{"what":"weni"}`},
		{"reload", "POST", "/reload", ""},
		{"conflicts", "GET", "/conflicts", ""},
		{"conflicts-resolve", "POST", "/conflicts/resolve", `{"id":"weni/taken/2"}`},
		{"link", "POST", "/link", `{"key":"crm/4821","target":"weni","id":"0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11"}`},
		{"unlink", "POST", "/unlink", `{"key":"crm/4821","target":"weni"}`},
		{"forget", "POST", "/forget", `{"what":"crm/4821"}`},
		{"hooks", "GET", "/hooks?source=crm", ""},
		{"hooks-install", "POST", "/hooks", `{"source":"crm"}`},
		{"compact", "POST", "/compact", ""},
		{"unknown", "GET", "/nothing", ""},
		{"wrong-method", "GET", "/reload", ""},
		{"wrong-body", "POST", "/forget", `{"what":`},
		{"wrong-type", "POST", "/forget", `what=crm`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &consoletest.Fake{}
			w := ask(handler(fake, ""), c.method, "/api/v1"+c.path, c.body)
			got := fmt.Sprintf("%s %s\n%s\n\n%d %s\n%s\nasked: %s\n", c.method, c.path, c.body, w.Code, w.Header().Get("Content-Type"),
				w.Body, strings.Join(fake.Calls(), "; "))
			golden(t, "api."+c.name+".golden", got)
		})
	}
}

// TestErrors: every kind has its status, and nothing else about it is lost.
func TestErrors(t *testing.T) {
	until := time.Now().Add(90 * time.Second)
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{console.Errorf(console.NotFound, "no"), 404, "not_found"},
		{console.Errorf(console.Refused, "no"), 409, "refused"},
		{console.Errorf(console.Busy, "no"), 409, "busy"},
		{fmt.Errorf("weni: %w", &contact.Error{Kind: contact.Throttled, Message: "no", Until: until}), 429, "throttled"},
		{&contact.Error{Kind: contact.Unavailable, Message: "no"}, 503, "unavailable"},
		{&contact.Error{Kind: contact.Auth, Message: "no"}, 502, "auth"},
		{&contact.Error{Kind: contact.Invalid, Message: "no"}, 422, "invalid"},
		{&contact.Error{Kind: contact.Gone, Message: "no"}, 404, "gone"},
		{context.Canceled, 503, "unavailable"},
		{errors.New("no"), 500, "internal"},
	} {
		w := ask(handler(&consoletest.Fake{Err: c.err}, ""), "GET", "/api/v1/status", "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"kind":"`+c.kind+`"`) {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if throttled := c.kind == "throttled"; throttled != (w.Header().Get("Retry-After") == "90") {
			t.Errorf("%v: Retry-After %q", c.err, w.Header().Get("Retry-After"))
		}
	}
}

// TestPages holds every page against a file, in both languages.
func TestPages(t *testing.T) {
	for name, path := range map[string]string{
		"overview": "/", "run": "/runs/crm-full-12", "dead": "/dead", "dead-filtered": "/dead?kind=rejected&said=dropped&n=1",
		"conflicts": "/conflicts", "quarantine": "/quarantine", "isolated": "/quarantine/3", "isolated-body": "/quarantine/3?show=1", "isolated-none": "/quarantine/4", "conflicts-stand": "/conflicts?said=standing", "explain": "/explain?what=crm/4821", "explain-empty": "/explain",
		"explain-unknown": "/explain?what=zz/1", "missing": "/nowhere", "missing-run": "/runs/x-1", "login": "/login?next=/dead",
	} {
		t.Run(name, func(t *testing.T) {
			for _, lang := range []string{"en", "pt"} {
				w := ask(handler(&consoletest.Fake{}, ""), "GET", path, "", "Accept-Language", map[string]string{"en": "", "pt": "fr, pt-BR;q=0.9, en;q=0.8"}[lang])
				golden(t, "page."+name+"."+lang+".html", fmt.Sprintf("<!-- %d -->\n%s", w.Code, w.Body))
			}
		})
	}
}

// TestPagesWithoutInlineCode: the policy forbids it, so a browser would show such a page broken.
func TestPagesWithoutInlineCode(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|javascript:|https?://`)
	files, err := filepath.Glob("assets/*.html")
	if err != nil || len(files) < 9 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if at := inline.Find(data); at != nil {
			t.Errorf("%s: %q", f, at)
		}
	}
}

// TestMasked: nothing personal is on a page, or in an answer, unless it was asked for.
func TestMasked(t *testing.T) {
	personal := []string{"5584990000101", "5584990000102", "5584990000103", "Maria das Dores", "Dona Maria", "João", "Natal", "Parnamirim"}
	h := handler(&consoletest.Fake{}, "")
	seen := map[string]bool{}
	for _, path := range []string{"/", "/runs/crm-full-12", "/dead", "/conflicts", "/quarantine", "/quarantine/3", "/explain?what=crm/4821", "/explain?what=Dona+Maria",
		"/api/v1/status", "/api/v1/runs/crm-full-12/plan", "/api/v1/conflicts", "/api/v1/dead"} {
		body := ask(h, "GET", path, "").Body.String()
		shown := ask(h, "GET", path+map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]+"show=1", "").Body.String()
		for _, p := range personal {
			if strings.Contains(body, p) && path != "/explain?what=Dona+Maria" {
				t.Errorf("%s shows %q", path, p)
			}
			seen[p] = seen[p] || strings.Contains(shown, p)
		}
	}
	for _, p := range personal {
		if !seen[p] {
			t.Errorf("%q is shown nowhere, even when asked for", p)
		}
	}
}

// TestActions presses every button.
func TestActions(t *testing.T) {
	for _, c := range []struct{ path, form, asked, back string }{
		{"/runs", "source=crm&kind=full", "reconcile {Source:crm Kind:full Yes:false Hold:false ApplyAsk:{Only:[] Limit:0}}", "/runs/crm-full-12?said=started&n=0"},
		{"/runs/crm-full-12/apply", "", "apply crm-full-12 {Only:[] Limit:0}", "/runs/crm-full-12?said=applied&n=3"},
		{"/runs/crm-full-12/apply", "chosen=1&only=crm/1&only=crm/2", "apply crm-full-12 {Only:[crm/1 crm/2] Limit:0}", "/runs/crm-full-12?said=applied&n=2"},
		{"/runs/crm-full-12/apply", "chosen=1", "", ""},
		{"/runs/crm-changes-311/undo", "", "undo crm-changes-311", "/runs/undo-crm-changes-311?said=undoing&n=3"},
		{"/runs/crm-full-12/discard", "", "discard crm-full-12", "/?said=discarded&n=3"},
		{"/targets/weni/pause", "why=holiday", "pause weni holiday", "/?said=paused&n=0"},
		{"/targets/weni/resume", "", "resume weni", "/?said=resumed&n=0"},
		{"/reload", "", "reload", "/?said=remapped&n=0"},
		{"/dead/retry", "id=weni/17", "dead retry {ID:weni/17 Target: Kind: Limit:0}", "/dead?said=retried&n=1"},
		{"/dead/drop", "all=1&target=weni&kind=", "dead drop {ID: Target:weni Kind: Limit:0}", "/dead?said=dropped&n=2"},
		{"/dead/drop", "target=weni", "", ""},
		{"/conflicts/resolve", "id=weni/taken/2", "conflicts resolve weni/taken/2", "/conflicts?said=settled&n=0"},
		{"/conflicts/resolve", "id=weni/shared/1", "conflicts resolve weni/shared/1", "/conflicts?said=standing&n=0"},
		{"/quarantine/retry", "id=3", "quarantine retry 3", "/quarantine?said=read&n=1"},
		{"/quarantine/retry", "all=1", "quarantine retry 0", "/quarantine?said=unread&n=1"},
		{"/quarantine/drop", "id=3", "quarantine drop 3", "/quarantine?said=unkept&n=1"},
		{"/quarantine/drop", "", "", ""},
	} {
		fake := &consoletest.Fake{}
		w := ask(handler(fake, ""), "POST", c.path, c.form, console.ClientHeader, "", "Origin", "http://127.0.0.1:8081")
		if got := strings.Join(fake.Calls(), "; "); got != c.asked {
			t.Errorf("%s %s asked for %q", c.path, c.form, got)
		}
		switch {
		case c.back != "" && (w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.back):
			t.Errorf("%s %s: %d to %q", c.path, c.form, w.Code, w.Header().Get("Location"))
		case c.back == "" && w.Code != http.StatusBadRequest:
			t.Errorf("%s %s: %d", c.path, c.form, w.Code)
		}
	}
	moved := &consoletest.Fake{Moved: []console.PlanRow{{Target: "weni"}}}
	if w := ask(handler(moved, ""), "POST", "/runs/crm-full-12/apply", "", "Origin", "http://127.0.0.1:8081"); w.Header().Get("Location") != "/runs/crm-full-12?said=left&n=3" {
		t.Errorf("with somebody left out: %s", w.Header().Get("Location"))
	}
	w := ask(handler(&consoletest.Fake{}, ""), "POST", "/explain", "what=%2B55+84+99000-0101&show=1", "Origin", "http://127.0.0.1:8081")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Maria das Dores") {
		t.Errorf("explain by number: %d", w.Code)
	}
}

// TestOtherSites: a page of another site can neither change anything here nor read it through its own name.
func TestOtherSites(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"a program", "POST", "/api/v1/reload", "", nil, 200},
		{"says nothing", "POST", "/api/v1/reload", "", []string{console.ClientHeader, ""}, 403},
		{"a form of ours", "POST", "/reload", "", []string{console.ClientHeader, "", "Origin", "http://127.0.0.1:8081"}, 303},
		{"a form of ours, fetch metadata", "POST", "/reload", "", []string{console.ClientHeader, "", "Sec-Fetch-Site", "same-origin"}, 303},
		{"a form of another site", "POST", "/reload", "", []string{console.ClientHeader, "", "Origin", "https://evil.example"}, 403},
		{"another port", "POST", "/reload", "", []string{console.ClientHeader, "", "Origin", "http://127.0.0.1:9000"}, 403},
		{"hides its origin", "POST", "/reload", "", []string{console.ClientHeader, "", "Origin", "null"}, 403},
		{"cross-site with our header", "POST", "/api/v1/reload", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"deletes", "DELETE", "/api/v1/dead", "", []string{console.ClientHeader, "", "Origin", "https://evil.example"}, 403},
		{"rebound name", "GET", "/api/v1/status", "", []string{"Host", "evil.example:8081"}, 403},
		{"rebound name, page", "GET", "/", "", []string{"Host", "evil.example"}, 403},
		{"rebound name, metrics", "GET", "/metrics", "", []string{"Host", "evil.example"}, 403},
		{"localhost", "GET", "/api/v1/ping", "", []string{"Host", "localhost:8081"}, 200},
		{"IPv6", "GET", "/api/v1/ping", "", []string{"Host", "[::1]:8081"}, 200},
		{"no port", "GET", "/api/v1/ping", "", []string{"Host", "127.0.0.2"}, 200},
		{"no host", "GET", "/api/v1/ping", "", []string{"Host", ""}, 403},
		{"looks like it", "GET", "/api/v1/ping", "", []string{"Host", "localhost.evil.example"}, 403},
	} {
		fake := &consoletest.Fake{}
		w := ask(handler(fake, ""), c.method, c.path, c.body, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.status == 403 && len(fake.Calls()) > 0 {
			t.Errorf("%s: reached %v", c.name, fake.Calls())
		}
	}
}

// TestToken: with a token nothing opens without it, under any name.
func TestToken(t *testing.T) {
	fake := &consoletest.Fake{}
	h := handler(fake, token)
	good := []string{"Host", "syncer.example.com", "Authorization", "Bearer " + token}
	for _, path := range []string{"/api/v1/ping", "/api/v1/status", "/metrics", "/api/v1/backup"} {
		for _, bad := range [][]string{nil, {"Authorization", "Bearer " + token + "x"}, {"Authorization", "Bearer "}, {"Authorization", "Basic " + token},
			{"Cookie", "syncer_session=99999999999.00"}, {"Cookie", "syncer_session=" + token}} {
			w := ask(h, "GET", path, "", bad...)
			if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), token) {
				t.Errorf("%s with %v: %d %s", path, bad, w.Code, w.Body)
			}
		}
		if w := ask(h, "GET", path, "", good...); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// A bearer token is proof enough that no other site's page asks.
	if w := ask(h, "POST", "/api/v1/reload", "", append(good, console.ClientHeader, "")...); w.Code != http.StatusOK {
		t.Errorf("reload by token: %d", w.Code)
	}
	if w := ask(h, "GET", "/dead?kind=invalid", ""); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login?next=%2Fdead%3Fkind%3Dinvalid" {
		t.Errorf("a page leads to %d %s", w.Code, w.Header().Get("Location"))
	}
}

// TestLogin signs in and out again.
func TestLogin(t *testing.T) {
	h := handler(&consoletest.Fake{}, token)
	origin := []string{console.ClientHeader, "", "Origin", "https://syncer.example.com", "Host", "syncer.example.com", "X-Forwarded-Proto", "https"}
	if w := ask(h, "POST", "/login", "token=guess&next=/dead", origin...); w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) != 0 {
		t.Fatalf("a wrong token: %d", w.Code)
	}
	w := ask(h, "POST", "/login", "token="+token+"&next=/dead", origin...)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/dead" {
		t.Fatalf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, token) {
		t.Errorf("the cookie is %v", c)
	}
	in := []string{"Cookie", c.Name + "=" + c.Value}
	if w := ask(h, "GET", "/dead", "", in...); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/logout") {
		t.Errorf("signed in: %d", w.Code)
	}
	// The cookie alone changes nothing: another site's page could send it.
	if w := ask(h, "POST", "/reload", "", append(in, console.ClientHeader, "")...); w.Code != http.StatusForbidden {
		t.Errorf("reload with nothing but the cookie: %d", w.Code)
	}
	later := console.Handler(&consoletest.Fake{}, console.HandlerOptions{Token: token, Now: func() time.Time { return consoletest.Now.Add(13 * time.Hour) }})
	if w := ask(later, "GET", "/dead", "", in...); w.Code != http.StatusSeeOther {
		t.Errorf("after a day: %d", w.Code)
	}
	changed := handler(&consoletest.Fake{}, "another-token-123")
	if w := ask(changed, "GET", "/dead", "", in...); w.Code != http.StatusSeeOther {
		t.Errorf("after a change of the token: %d", w.Code)
	}
	out := ask(h, "POST", "/logout", "", append(in, origin...)...)
	if c := out.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("signing out: %v", c)
	}
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "evil", "", "/ok\r\nx", "javascript:alert(1)"} {
		w := ask(h, "POST", "/login", "token="+token+"&next="+strings.NewReplacer("\r", "%0D", "\n", "%0A", `\`, "%5C").Replace(next), origin...)
		if w.Header().Get("Location") != "/" {
			t.Errorf("next=%q leads to %q", next, w.Header().Get("Location"))
		}
	}
}

// TestHeaders: every answer carries what browsers need to be told.
func TestHeaders(t *testing.T) {
	h := handler(&consoletest.Fake{}, "")
	for _, path := range []string{"/", "/api/v1/status", "/assets/style.css", "/nowhere", "/metrics"} {
		w := ask(h, "GET", path, "")
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") || w.Header().Get("Cache-Control") != "no-store" ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	for path, kind := range map[string]string{"/assets/style.css": "text/css", "/assets/console.js": "text/javascript", "/assets/icon.svg": "image/svg+xml"} {
		if w := ask(h, "GET", path, ""); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
	if w := ask(h, "GET", "/assets/layout.html", ""); w.Code != http.StatusNotFound {
		t.Errorf("a template is served: %d", w.Code)
	}
	big := `{"what":"` + strings.Repeat("x", 2<<20) + `"}`
	if w := ask(h, "POST", "/api/v1/forget", big); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", w.Code)
	}
	if w := ask(h, "POST", "/dead/drop", "id="+big, "Origin", "http://127.0.0.1:8081"); w.Code != http.StatusBadRequest {
		t.Errorf("a large form: %d", w.Code)
	}
}

// TestClient: what every operation takes and gives survives the way through HTTP.
func TestClient(t *testing.T) {
	for _, secret := range []string{"", token} {
		direct, behind := &consoletest.Fake{}, &consoletest.Fake{}
		srv := httptest.NewServer(handler(behind, secret))
		defer srv.Close()
		client := &console.Client{Base: srv.URL, Token: secret}
		if p, err := client.Ping(t.Context()); err != nil || p.Version != "v1.2.0" {
			t.Fatal(p, err)
		}
		for name, do := range everyOperation(t.Context()) {
			want, wantErr := do(direct)
			got, gotErr := do(client)
			if fmt.Sprint(wantErr) != fmt.Sprint(gotErr) || !reflect.DeepEqual(want, got) {
				t.Errorf("%s: %+v, %v\nwant %+v, %v", name, got, gotErr, want, wantErr)
			}
		}
		if got, want := strings.Join(behind.Calls(), "\n"), strings.Join(direct.Calls(), "\n"); len(got) != len(want) {
			t.Errorf("asked:\n%s\nwant:\n%s", got, want)
		}
		for name, do := range everyOperation(t.Context()) {
			behind.Err = &contact.Error{Kind: contact.Conflict, Op: "weni", Message: "it belongs to somebody else"}
			if _, err := do(client); err == nil || console.KindOf(err) != "conflict" || err.Error() != "weni: it belongs to somebody else" {
				t.Errorf("%s fails with %v", name, err)
			}
		}
	}
	// No operation was forgotten.
	if n := reflect.TypeFor[console.Operations]().NumMethod(); n != len(everyOperation(t.Context())) {
		t.Errorf("%d operations, %d of them tried", n, len(everyOperation(t.Context())))
	}
}

func everyOperation(ctx context.Context) map[string]func(console.Operations) (any, error) {
	f := console.DeadFilter{Target: "weni", Kind: "invalid", Limit: 3}
	return map[string]func(console.Operations) (any, error){
		"Status":      func(o console.Operations) (any, error) { return o.Status(ctx) },
		"Explain":     func(o console.Operations) (any, error) { return o.Explain(ctx, "+55 84 99000-0101", true) },
		"DeadLetters": func(o console.Operations) (any, error) { return o.DeadLetters(ctx, f) },
		"RetryDead":   func(o console.Operations) (any, error) { return o.RetryDead(ctx, f) },
		"DropDead":    func(o console.Operations) (any, error) { return o.DropDead(ctx, console.DeadFilter{ID: "weni/17"}) },
		"Quarantined": func(o console.Operations) (any, error) { return o.Quarantined(ctx, 7) },
		"Reconcile": func(o console.Operations) (any, error) {
			return o.Reconcile(ctx, console.RunAsk{Source: "crm", Kind: "full", Yes: true, Hold: true, ApplyAsk: console.ApplyAsk{Only: []string{"crm/1"}, Limit: 2}})
		},
		"QuarantineBody":   func(o console.Operations) (any, error) { return o.QuarantineBody(ctx, 3, true) },
		"RetryQuarantined": func(o console.Operations) (any, error) { return o.RetryQuarantined(ctx, 3) },
		"DropQuarantined":  func(o console.Operations) (any, error) { return o.DropQuarantined(ctx, 3) },
		"Runs":             func(o console.Operations) (any, error) { return o.Runs(ctx, 5) },
		"RunState":         func(o console.Operations) (any, error) { return o.RunState(ctx, "crm-full-12") },
		"Plan":             func(o console.Operations) (any, error) { return o.Plan(ctx, "crm-full-12", "", 10, true) },
		"Apply": func(o console.Operations) (any, error) {
			return o.Apply(ctx, "crm-full-12", console.ApplyAsk{Only: []string{"crm/1", "crm/2"}})
		},
		"Undo":            func(o console.Operations) (any, error) { return o.Undo(ctx, "crm-full-12") },
		"Discard":         func(o console.Operations) (any, error) { return o.Discard(ctx, "crm-full-12") },
		"Pause":           func(o console.Operations) (any, error) { return nil, o.Pause(ctx, "weni", "holiday") },
		"Resume":          func(o console.Operations) (any, error) { return nil, o.Resume(ctx, "weni") },
		"Rebind":          func(o console.Operations) (any, error) { return nil, o.Rebind(ctx, "weni") },
		"Reload":          func(o console.Operations) (any, error) { return o.Reload(ctx) },
		"Conflicts":       func(o console.Operations) (any, error) { return o.Conflicts(ctx, true) },
		"ResolveConflict": func(o console.Operations) (any, error) { return o.ResolveConflict(ctx, "phone:5584990000103") },
		"Link":            func(o console.Operations) (any, error) { return nil, o.Link(ctx, "crm/4 8/21", "weni", "0a52") },
		"Unlink":          func(o console.Operations) (any, error) { return nil, o.Unlink(ctx, "crm/4821", "weni") },
		"Forget":          func(o console.Operations) (any, error) { return o.Forget(ctx, "whatsapp:5584990000101") },
		"Hooks":           func(o console.Operations) (any, error) { return o.Hooks(ctx, "crm") },
		"InstallHook":     func(o console.Operations) (any, error) { return o.InstallHook(ctx, "crm") },
		"Backup": func(o console.Operations) (any, error) {
			var b bytes.Buffer
			err := o.Backup(ctx, &b)
			return b.Len(), err
		},
		"Export": func(o console.Operations) (any, error) {
			var b bytes.Buffer
			err := o.Export(ctx, &b)
			return b.String(), err
		},
		"Compact": func(o console.Operations) (any, error) { return o.Compact(ctx) },
	}
}

// TestBrokenBackup: half a backup must not pass for a whole one.
func TestBrokenBackup(t *testing.T) {
	srv := httptest.NewServer(handler(&consoletest.Fake{BreakBackup: true}, ""))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	var b bytes.Buffer
	err := (&console.Client{Base: srv.URL}).Backup(t.Context(), &b)
	if err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
}

// TestNobodyThere: the error says where nobody answers, and whether somebody else does.
func TestNobodyThere(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	c := &console.Client{Base: srv.URL, Token: token}
	var gone *console.Unreachable
	if _, err := c.Ping(t.Context()); !errors.As(err, &gone) || strings.Contains(err.Error(), token) {
		t.Errorf("something else: %v", err)
	}
	srv.Close()
	if _, err := c.Status(t.Context()); !errors.As(err, &gone) || !strings.Contains(err.Error(), srv.URL) {
		t.Errorf("nobody: %v", err)
	}
	closed := httptest.NewServer(handler(&consoletest.Fake{}, token))
	defer closed.Close()
	if _, err := (&console.Client{Base: closed.URL}).Ping(t.Context()); errors.As(err, &gone) || console.KindOf(err) != console.Unauthorized {
		t.Errorf("without the token: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&console.Client{Base: closed.URL}).Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestBaseURL turns where a daemon listens into where it is reached.
func TestBaseURL(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:8081": "http://127.0.0.1:8081", ":8081": "http://127.0.0.1:8081",
		"0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://[::1]:80", "localhost:1": "http://localhost:1"} {
		if got := console.BaseURL(listen); got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
}

// TestReasonsInPortuguese: every reason for which a difference is kept is said in both languages.
func TestReasonsInPortuguese(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "contact", "change.go"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`(?m)^\tKept\w+\s+= "(.+)"$`).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 12 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, r := range reasons {
		if console.WordsFor("pt").Kept(r[1]) == r[1] {
			t.Errorf("%q has no Portuguese", r[1])
		}
	}
}

// TestWords: figures and spans as people say them.
func TestWords(t *testing.T) {
	en, pt := console.WordsFor("C.UTF-8"), console.WordsFor("pt_BR.UTF-8")
	for tag, portuguese := range map[string]bool{"pt": true, "PT-br": true, "pt.UTF-8": true, " pt_PT": true, "ptx": false, "en_US.UTF-8": false, "": false} {
		if (console.WordsFor(tag) == pt) != portuguese {
			t.Errorf("%q", tag)
		}
	}
	for got, want := range map[string]string{
		en.Number(1234567): "1,234,567", pt.Number(-1234): "-1.234", en.Number(999): "999",
		en.Span(59 * time.Second): "59 s", en.Span(90 * time.Second): "1 min 30 s", en.Span(61 * time.Minute): "1 h 1 min",
		en.Span(47*time.Hour + 20*time.Minute): "47 h 20 min", pt.Span(73 * time.Hour): "3 dias", en.Span(26 * time.Hour): "26 h",
		en.Bytes(999): "999 B", pt.Bytes(41_800_000): "41,8 MB", en.Bytes(123_400): "123 kB",
		en.Ago(consoletest.Now.Add(-95*time.Second), consoletest.Now): "1 min ago", pt.Ago(consoletest.Now.Add(3*time.Hour+20*time.Second), consoletest.Now): "em 3 h",
		en.Ago(time.Time{}, consoletest.Now): "–", pt.Ago(consoletest.Now, consoletest.Now): "agora",
		en.Kept(contact.KeptEdit): contact.KeptEdit, pt.RunState(state.Run{State: "held"}): "aguarda você", en.RunState(state.Run{State: "odd"}): "odd",
		en.RunState(state.Run{State: "walking"}): "reading", en.RunState(state.Run{State: "walking", Err: "no answer"}): "interrupted",
		en.Count(1, "day", "days", "dia", "dias"): "1 day", pt.Count(0, "day", "days", "dia", "dias"): "0 dias",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
