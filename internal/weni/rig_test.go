package weni_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"go.uber.org/goleak"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/weni"
)

var _ engine.Target = (*weni.Target)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Invented data, used in all tests.
const (
	token = "0123456789abcdef0123456789abcdef01234567"
	ana   = "c0ea1348-5490-4d32-bb4b-ed5df5785217"
	bia   = "6cd164c0-cc51-4d3b-a533-2cf927932102"
	vip   = "79867882-c6ef-484f-b8b0-d24daa39267a"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// step is one exchange: what must be asked and what is answered. The request is compared in full: method, path
// below /api/v2 with the query, JSON body.
type step struct {
	request string
	body    string // "" is no body
	status  int    // 200 by default
	answer  string
	header  http.Header
	err     error // instead of an answer
}

// rig is a target whose server says what a test wrote down.
type rig struct {
	*weni.Target
	t     *testing.T
	meter *meter
	logs  *bytes.Buffer

	mu    sync.Mutex
	now   time.Time
	steps []step
	any   *step // answers every request, whatever it is
	calls []string
}

func newRig(t *testing.T, spec mapping.Target, steps ...step) *rig {
	t.Helper()
	r := &rig{t: t, meter: &meter{refused: map[string]time.Time{}}, logs: &bytes.Buffer{}, now: start, steps: steps}
	spec.BaseURL, spec.Token = "https://flows.example", token
	mock := httpmock.NewMockTransport()
	mock.RegisterNoResponder(r.respond)
	target, err := weni.New(spec, weni.Deps{Meter: r.meter, Transport: mock, Now: r.clock,
		Logger: slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r.Target = target
	t.Cleanup(func() {
		if len(r.steps) > 0 {
			t.Errorf("%d expected calls were not made; the next: %s", len(r.steps), r.steps[0].request)
		}
	})
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) script(steps ...step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, steps...)
}

func (r *rig) respond(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path, ok := strings.CutPrefix(req.URL.RequestURI(), "/api/v2/")
	got := req.Method + " " + path
	if !ok {
		got = req.Method + " " + req.URL.RequestURI()
	}
	r.calls = append(r.calls, got)
	if req.URL.Host != "flows.example" || req.Header.Get("Authorization") != "Token "+token {
		r.t.Errorf("call to %s with the wrong credential", req.URL.Host)
	}
	s := step{}
	switch {
	case r.any != nil:
		s = *r.any
	case len(r.steps) == 0:
		r.t.Errorf("unexpected call: %s", got)
		return httpmock.NewStringResponse(http.StatusTeapot, "{}"), nil
	default:
		s, r.steps = r.steps[0], r.steps[1:]
		body := ""
		if req.Body != nil {
			raw, _ := io.ReadAll(req.Body)
			body = string(raw)
		}
		if got != s.request || !sameJSON(body, s.body) {
			r.t.Errorf("called %s %s\nwanted %s %s", got, body, s.request, s.body)
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	if s.status == 0 {
		s.status = http.StatusOK
	}
	resp := httpmock.NewStringResponse(s.status, s.answer)
	maps.Copy(resp.Header, s.header)
	if resp.Header.Get("Content-Type") == "" {
		resp.Header.Set("Content-Type", "application/json")
	}
	return resp, nil
}

func sameJSON(a, b string) bool {
	var x, y any
	if a == "" || b == "" {
		return a == b
	}
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// meter counts what is spent and refuses when told to.
type meter struct {
	mu      sync.Mutex
	spent   []string
	refused map[string]time.Time
	err     error
}

func (m *meter) Spend(_ context.Context, scope string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.spent = append(m.spent, scope)
	return nil
}

func (m *meter) Refused(scope string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[scope] = until
}

func page(rows ...string) string {
	return `{"next":null,"previous":null,"results":[` + strings.Join(rows, ",") + `]}`
}

// row is a contact as Weni writes it.
func row(uuid, urns string) string {
	return `{"uuid":"` + uuid + `","name":"Ana Exemplo","language":"por","urns":[` + urns + `],` +
		`"groups":[{"uuid":"6190733d-49bb-4322-a140-571a9b054e56","name":"Clientes"}],` +
		`"fields":{"cidade":"Natal","idade":"39","uf":null},"blocked":false,"stopped":false,` +
		`"created_on":"2026-11-20T11:44:36.308108Z","modified_on":"2026-11-20T11:45:14.574733Z","last_seen_on":null}`
}

func asError(t *testing.T, err error) *contact.Error {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if contact.KindOf(err) == contact.Internal {
		t.Fatalf("not a decided error: %v", err)
	}
	return contact.AsError(err)
}
