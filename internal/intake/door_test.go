package intake

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a source whose bodies are lists of ids; an id of "?" cannot be read.
type fake struct {
	source.Source
	answers source.Answers
}

func (f fake) Answers() source.Answers { return f.answers }

func (f fake) Decode(_ http.Header, body []byte) ([]contact.Event, error) {
	var ids []string
	if json.Unmarshal(body, &ids) != nil {
		return nil, errors.New("the body is not a list of ids")
	}
	var events []contact.Event
	var err error
	for _, id := range ids {
		if id == "?" {
			err = errors.New("1 event cannot be read")
			continue
		}
		events = append(events, contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: "crm", ID: id}})
	}
	return events, err
}

type curious struct{ fake }

func (curious) Challenge(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
}

// store is an accepter that notes what it gets.
type store struct {
	mu         sync.Mutex
	events     []contact.Event
	quarantine []string
	header     http.Header
	known      map[string]bool
	fail       error
}

func (s *store) Accept(ctx context.Context, _ string, body []byte, events []contact.Event) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(ctx.Err(), s.fail); err != nil {
		if s.fail != nil {
			return false, s.fail
		}
		return false, ctx.Err()
	}
	if s.known[string(body)] {
		return true, nil
	}
	if s.known == nil {
		s.known = map[string]bool{}
	}
	s.known[string(body)] = true
	s.events = append(s.events, events...)
	return false, nil
}

func (s *store) Quarantine(_ context.Context, _ string, body []byte, header http.Header, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantine, s.header = append(s.quarantine, string(body)+" "+reason), header
	return s.fail
}

type counts struct {
	mu  sync.Mutex
	got []string
}

func (c *counts) Webhook(source, outcome string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d < 0 {
		outcome += " before it began"
	}
	c.got = append(c.got, source+" "+outcome)
}

const token = "ficha-secreta-0001"

type bundle struct {
	door   *Door
	store  *store
	counts *counts
	log    *bytes.Buffer
	now    time.Time
}

func setup(t testing.TB) *bundle {
	t.Helper()
	b := &bundle{store: &store{}, counts: &counts{}, log: &bytes.Buffer{}, now: time.Unix(stamped, 0)}
	b.door = New(Options{Accepter: b.store, Observer: b.counts, Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return b.now }, ReadTimeout: 200 * time.Millisecond})
	usual := fake{answers: source.DefaultAnswers()}
	kind := fake{answers: source.Answers{Accepted: 200, Duplicate: 200, Undecodable: 200}}
	hmacked := mapping.Webhook{Auth: "hmac", Header: "X-Signature", Algorithm: "sha1", Secret: words("segredo-canal-teste")}
	b.door.Set(map[string]Route{
		"crm":   {Source: usual, Verifier: verifier(t, mapping.Webhook{Auth: "bearer", Secret: words("nova", token)}, "", stamped), MaxBytes: 1000},
		"kind":  {Source: kind, Verifier: verifier(t, mapping.Webhook{Auth: "static_header", Header: "X-Auth-Key", Secret: words(token)}, "", stamped)},
		"path":  {Source: usual, Verifier: verifier(t, mapping.Webhook{Auth: "path_token", Secret: words(token)}, "", stamped)},
		"hmac":  {Source: usual, Verifier: verifier(t, hmacked, "", stamped)},
		"local": {Source: usual, Verifier: verifier(t, mapping.Webhook{Auth: "none"}, "", stamped)},
		"meta":  {Source: curious{usual}, Verifier: verifier(t, mapping.Webhook{Auth: "path_token", Secret: words(token)}, "", stamped)},
	})
	return b
}

func (b *bundle) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.door.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	auth := words("Authorization", "Bearer "+token)
	cases := map[string]struct {
		method, target, body string
		header               []string
		status               int
		outcome              string
		accepted             int
	}{
		"accepted":          {"POST", "/hooks/crm", `["1","2"]`, auth, 202, "crm accepted", 2},
		"ignored":           {"POST", "/hooks/crm", `[]`, auth, 202, "crm ignored", 0},
		"undecodable":       {"POST", "/hooks/crm", `{}`, auth, 400, "crm undecodable", 0},
		"half decodable":    {"POST", "/hooks/crm", `["1","?"]`, auth, 202, "crm accepted", 1},
		"kind undecodable":  {"POST", "/hooks/kind", `{}`, words("X-Auth-Key", token), 200, "kind undecodable", 0},
		"kind accepted":     {"POST", "/hooks/kind", `["1"]`, words("X-Auth-Key", token), 200, "kind accepted", 1},
		"no credentials":    {"POST", "/hooks/crm", `["1"]`, nil, 401, "crm unauthorized", 0},
		"wrong credentials": {"POST", "/hooks/crm", `["1"]`, words("Authorization", "Bearer x"), 401, "crm unauthorized", 0},
		"before the body":   {"POST", "/hooks/crm", strings.Repeat("x", 2000), nil, 401, "crm unauthorized", 0},
		"signature":         {"POST", "/hooks/hmac", `["1"]`, words("X-Signature", "11dc6b0e1c4c2ee2b7dd7ee76cdaf94bc07e0b96"), 401, "hmac unauthorized", 0},
		"path":              {"POST", "/hooks/path/" + token, `["1"]`, nil, 202, "path accepted", 1},
		"wrong path":        {"POST", "/hooks/path/x", `["1"]`, nil, 401, "path unauthorized", 0},
		"no path":           {"POST", "/hooks/path", `["1"]`, nil, 401, "path unauthorized", 0},
		"deep path":         {"POST", "/hooks/path/" + token + "/x", `["1"]`, nil, 404, " unknown_source", 0},
		"path for nothing":  {"POST", "/hooks/crm/x", `["1"]`, auth, 404, " unknown_source", 0},
		"unknown":           {"POST", "/hooks/other", `["1"]`, auth, 404, " unknown_source", 0},
		"nobody":            {"POST", "/hooks/", `["1"]`, auth, 404, " unknown_source", 0},
		"large":             {"POST", "/hooks/crm", strings.Repeat("x", 1001), auth, 413, "crm too_large", 0},
		"gzip":              {"POST", "/hooks/crm", `["1"]`, append(words("Content-Encoding", "gzip"), auth...), 415, "crm encoded", 0},
		"identity":          {"POST", "/hooks/crm", `["1"]`, append(words("Content-Encoding", "identity"), auth...), 202, "crm accepted", 1},
		"get":               {"GET", "/hooks/crm", ``, auth, 405, "crm bad_method", 0},
		"put":               {"PUT", "/hooks/meta/" + token, `["1"]`, auth, 405, "meta bad_method", 0},
		"challenge":         {"GET", "/hooks/meta/" + token + "?hub.challenge=42", ``, nil, 200, "meta challenged", 0},
		"wrong challenge":   {"GET", "/hooks/meta/x?hub.challenge=42", ``, nil, 401, "meta unauthorized", 0},
		"not local":         {"POST", "/hooks/local", `["1"]`, nil, 401, "local unauthorized", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			r := httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.body))
			for i := 0; i < len(tc.header); i += 2 {
				r.Header.Set(tc.header[i], tc.header[i+1])
			}
			w := b.do(r)
			if w.Code != tc.status || len(b.store.events) != tc.accepted || !slices.Equal(b.counts.got, []string{tc.outcome}) {
				t.Errorf("%d %s, %d events, counted %q", w.Code, w.Body, len(b.store.events), b.counts.got)
			}
			for _, e := range b.store.events {
				if e.Version.Arrival != stamped*1e6 {
					t.Errorf("arrival %d", e.Version.Arrival)
				}
			}
			if quarantined := strings.Contains(name, "decodable"); quarantined != (len(b.store.quarantine) == 1) {
				t.Errorf("quarantine: %q", b.store.quarantine)
			}
			if tc.status == 401 && (w.Body.Len() > 0 || b.log.Len() == 0) {
				t.Errorf("a refusal says %q and logs %q", w.Body, b.log)
			}
			if text := b.log.String() + w.Body.String(); strings.Contains(text, token) {
				t.Errorf("leaks: %s", text)
			}
		})
	}
}

func TestDuplicate(t *testing.T) {
	b := setup(t)
	var got []int
	for range 2 {
		got = append(got, b.do(request("/hooks/crm", `["1"]`, "Authorization", "Bearer "+token)).Code)
	}
	if !slices.Equal(got, []int{202, 200}) || !slices.Equal(b.counts.got, []string{"crm accepted", "crm duplicate"}) {
		t.Error(got, b.counts.got)
	}
}

func TestQuarantineHoldsNoCredentials(t *testing.T) {
	b := setup(t)
	b.do(request("/hooks/kind", `{}`, "X-Auth-Key", token, "Authorization", "Bearer "+token, "Cookie", token, "Content-Type", "application/json"))
	if text := fmt.Sprint(b.store.header, b.store.quarantine); strings.Contains(text, token) || !strings.Contains(text, "application/json") {
		t.Error(text)
	}
}

func TestStoreFails(t *testing.T) {
	until := time.Unix(stamped+90, 5)
	cases := map[string]struct {
		err     error
		status  int
		retry   string
		outcome string
	}{
		"full":       {&contact.Error{Kind: contact.Unavailable, Message: "the store is full"}, 503, "30", "unavailable"},
		"until":      {&contact.Error{Kind: contact.Unavailable, Until: until}, 503, "91", "unavailable"},
		"until past": {&contact.Error{Kind: contact.Unavailable, Until: time.Unix(1, 0)}, 503, "1", "unavailable"},
		"until far":  {&contact.Error{Kind: contact.Unavailable, Until: until.Add(1e6 * time.Second)}, 503, "3600", "unavailable"},
		"wrapped":    {fmt.Errorf("accept: %w", &contact.Error{Kind: contact.Unavailable}), 503, "30", "unavailable"},
		"broken":     {errors.New("disk on fire"), 500, "", "failed"},
	}
	for name, tc := range cases {
		for _, body := range []string{`["1"]`, `{}`} {
			t.Run(name+body, func(t *testing.T) {
				b := setup(t)
				b.store.fail = tc.err
				w := b.do(request("/hooks/crm", body, "Authorization", "Bearer "+token))
				if w.Code != tc.status || w.Header().Get("Retry-After") != tc.retry || !slices.Equal(b.counts.got, []string{"crm " + tc.outcome}) {
					t.Errorf("%d %v %q", w.Code, w.Header(), b.counts.got)
				}
				if strings.Contains(w.Body.String(), "fire") {
					t.Error("the sender is told what is its host's business")
				}
			})
		}
	}
}

func TestSenderGoesAway(t *testing.T) {
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.do(request("/hooks/crm", `["1"]`, "Authorization", "Bearer "+token).WithContext(ctx))
	if !slices.Equal(b.counts.got, []string{"crm aborted"}) || b.log.String() != "" && !strings.Contains(b.log.String(), "older secret") {
		t.Error(b.counts.got, b.log)
	}
}

func TestSetSwapsRoutes(t *testing.T) {
	b := setup(t)
	b.door.Set(map[string]Route{"novo": {Source: fake{answers: source.DefaultAnswers()}, Verifier: verifier(t, mapping.Webhook{Auth: "bearer", Secret: words("outra")}, "", stamped)}})
	if code := b.do(request("/hooks/crm", `["1"]`, "Authorization", "Bearer "+token)).Code; code != 404 {
		t.Errorf("the old route answers %d", code)
	}
	if code := b.do(request("/hooks/novo", `["1"]`, "Authorization", "Bearer outra")).Code; code != 202 {
		t.Errorf("the new route answers %d", code)
	}
}

func TestLogIsThrottled(t *testing.T) {
	b := setup(t)
	for i := range 100 {
		b.now = b.now.Add(time.Second)
		b.do(request("/hooks/crm", fmt.Sprintf(`["%d"]`, i)))
		b.do(request("/hooks/crm", fmt.Sprintf(`["%d"]`, i), "Authorization", "Bearer "+token))
	}
	text := b.log.String()
	if n := strings.Count(text, "refused with 401"); n != 2 {
		t.Errorf("%d refusals are logged:\n%s", n, text)
	}
	if n := strings.Count(text, "older secret"); n != 1 || !strings.Contains(text, "secret=2") {
		t.Errorf("the use of an older secret is logged %d times", n)
	}
}

// serve runs the door on a real socket.
func serve(t testing.TB, b *bundle) string {
	server := httptest.NewServer(b.door)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestSlowBody(t *testing.T) {
	b := setup(t)
	conn, err := net.Dial("tcp", serve(t, b))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /hooks/crm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n[", token)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	if len(b.store.events) > 0 {
		t.Error("half a body was accepted")
	}
}

func TestBrokenAndChunkedBodies(t *testing.T) {
	b := setup(t)
	address := serve(t, b)
	send := func(text string, hangUp bool) string {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /hooks/crm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s", token, text)
		if hangUp {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Status
	}
	if got := send("Content-Length: 100\r\n\r\n[", true); !strings.HasPrefix(got, "400") {
		t.Errorf("half a body: %s", got)
	}
	if got := send("Transfer-Encoding: chunked\r\n\r\n5\r\n[\"1\"]\r\n0\r\n\r\n", false); !strings.HasPrefix(got, "202") {
		t.Errorf("a chunked body: %s", got)
	}
	if got := send("Transfer-Encoding: chunked\r\n\r\n3e9\r\n"+strings.Repeat(" ", 1001)+"\r\n0\r\n\r\n", false); !strings.HasPrefix(got, "413") {
		t.Errorf("a large chunked body: %s", got)
	}
	if got := send("Transfer-Encoding: chunked\r\n\r\nzz\r\n", false); !strings.HasPrefix(got, "400") {
		t.Errorf("a broken chunk: %s", got)
	}
	if len(b.store.events) != 1 {
		t.Errorf("%d events", len(b.store.events))
	}
}

// slow is an accepter that takes longer than a body may.
type slow struct{ *store }

func (s slow) Accept(ctx context.Context, name string, body []byte, events []contact.Event) (bool, error) {
	time.Sleep(400 * time.Millisecond)
	return s.store.Accept(ctx, name, body, events)
}

// The deadline is for the body: work on a body that has arrived must not be cancelled by it, and a connection
// that is kept must be good for the next delivery.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	b := setup(t)
	b.door.opt.Accepter = slow{b.store}
	address := "http://" + serve(t, b) + "/hooks/crm"
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 2 {
		req, _ := http.NewRequest("POST", address, strings.NewReader(fmt.Sprintf(`["%d"]`, i)))
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != 202 {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
	}
}

// nothing is an accepter that does nothing, and a writer that goes nowhere.
type nothing struct{ header http.Header }

func (nothing) Accept(context.Context, string, []byte, []contact.Event) (bool, error) {
	return false, nil
}
func (nothing) Quarantine(context.Context, string, []byte, http.Header, string) error { return nil }
func (n nothing) Header() http.Header                                                 { return n.header }
func (nothing) Write(p []byte) (int, error)                                           { return len(p), nil }
func (nothing) WriteHeader(int)                                                       {}

// ready is a source that has its event at hand, so that the benchmark measures the door alone.
type ready struct{ fake }

var one = []contact.Event{{Kind: contact.Upsert, Key: contact.Key{Source: "crm", ID: "1"}}}

func (ready) Decode(http.Header, []byte) ([]contact.Event, error) { return one, nil }

func BenchmarkDoor(b *testing.B) {
	content := bytes.Repeat([]byte("x"), 2048)
	for _, auth := range []string{"basic", "hmac"} {
		b.Run(auth, func(b *testing.B) {
			w := mapping.Webhook{Auth: auth, Header: "X-Sig", Username: "crm", Password: words("p"), Secret: words("s")}
			if auth == "basic" {
				w.Secret = nil
			}
			door := New(Options{Accepter: nothing{}})
			door.Set(map[string]Route{"crm": {Source: ready{fake{answers: source.DefaultAnswers()}}, Verifier: verifier(b, w, "", stamped)}})
			r := request("/hooks/crm", string(content))
			r.SetBasicAuth("crm", "p")
			h := newSigner(algorithms["sha256"], []byte("s"))[0].Get().(io.Writer)
			_, _ = h.Write(content)
			r.Header.Set("X-Sig", fmt.Sprintf("%x", h.(interface{ Sum([]byte) []byte }).Sum(nil)))
			body := bytes.NewReader(content)
			out := nothing{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(content)
				r.Body = io.NopCloser(body)
				door.ServeHTTP(out, r)
			}
		})
	}
}
