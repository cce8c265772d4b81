package pipedrive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

const (
	base   = "https://padariatresirmas.pipedrive.com"
	token  = "token-de-teste-0001"
	secret = "senha-de-teste-0001"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// ledger is a meter that notes what it hears.
type ledger struct {
	spent   []string
	refused []time.Time
	full    error
}

func (l *ledger) Spend(_ context.Context, scope string) error {
	l.spent = append(l.spent, scope)
	return l.full
}
func (l *ledger) Refused(_ string, until time.Time) { l.refused = append(l.refused, until) }

// api is a source whose calls go to a mock.
func api(t testing.TB, change func(*mapping.Source, *Deps)) (*Source, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	spec := mapping.Source{Name: "crm", Kind: "pipedrive", API: &mapping.API{BaseURL: base, Token: token},
		Webhook: &mapping.Webhook{Auth: "basic", Username: "pipedrive", Password: []string{secret, "velha"}}}
	deps := Deps{Transport: mock, Now: func() time.Time { return noon }}
	if change != nil {
		change(&spec, &deps)
	}
	s, err := New(spec, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s, mock
}

func jsonAnswer(status int, body string) httpmock.Responder {
	return httpmock.NewStringResponder(status, body).HeaderSet(http.Header{"Content-Type": {"application/json; charset=utf-8"}})
}

func TestList(t *testing.T) {
	s, mock := api(t, func(spec *mapping.Source, _ *Deps) { spec.API.Properties = []string{"marketing_status"} })
	var asked []string
	mock.RegisterResponder("GET", "=~^"+base+"/api/v2/persons", func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Api-Token") != token {
			t.Error("no token")
		}
		asked = append(asked, r.URL.RawQuery)
		return jsonAnswer(200, string(load(t, "api-persons")))(r)
	})
	page, err := s.List(context.Background(), source.Window{}, "")
	if err != nil || len(page.Events) != 1 || page.Next != "eyJmaWVsZCI6InVwZGF0ZV90aW1lIn0" || page.Calls != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	e := page.Events[0]
	if e.Kind != contact.Upsert || e.Key.String() != "crm/4821" || e.Read != noon.UnixMicro() || e.ID != "" ||
		e.Version != (contact.Version{Source: us("2026-11-20T13:55:29Z")}) || e.Shape != contact.Full {
		t.Errorf("%+v", e)
	}
	since := time.Date(2026, 11, 20, 9, 30, 0, 5, time.FixedZone("", -3*3600))
	if _, err := s.List(context.Background(), source.Window{Since: since}, "abc=="); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"include_fields=marketing_status&limit=500&sort_by=id&sort_direction=asc",
		"cursor=abc%3D%3D&include_fields=marketing_status&limit=500&sort_by=update_time&sort_direction=asc&updated_since=2026-11-20T12%3A30%3A00Z",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked\n%s", strings.Join(asked, "\n"))
	}
	if _, err := s.List(context.Background(), source.Window{}, "eyJmaWVsZCI6InVwZGF0ZV90aW1lIn0"); contact.KindOf(err) != contact.Unavailable {
		t.Errorf("a cursor that repeats must end the walk: %v", err)
	}
}

func TestEmptyList(t *testing.T) {
	for _, body := range []string{`{"success":true,"data":[]}`, ` { "success" : true , "data" : null , "additional_data" : null } `} {
		s, mock := api(t, nil)
		mock.RegisterResponder("GET", base+"/api/v2/persons", jsonAnswer(200, body))
		if page, err := s.List(context.Background(), source.Window{}, ""); err != nil || len(page.Events) != 0 || page.Next != "" {
			t.Error(body, page, err)
		}
	}
}

func TestBearer(t *testing.T) {
	s, mock := api(t, func(spec *mapping.Source, _ *Deps) {
		spec.API.Auth, spec.API.BaseURL = "bearer", "https://api.pipedrive.com/api/v2/"
	})
	mock.RegisterResponder("GET", "https://api.pipedrive.com/api/v2/persons", func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("X-Api-Token") != "" {
			t.Error("the credential is in the wrong place")
		}
		return jsonAnswer(200, `{"success":true,"data":[],"additional_data":{"next_cursor":null}}`)(r)
	})
	if page, err := s.List(context.Background(), source.Window{}, ""); err != nil || page.Next != "" || len(page.Events) != 0 {
		t.Error(page, err)
	}
}

func TestGet(t *testing.T) {
	s, mock := api(t, nil)
	mock.RegisterResponder("GET", base+"/api/v2/persons", func(r *http.Request) (*http.Response, error) {
		if ids := r.URL.Query().Get("ids"); ids != "1,2,3" {
			t.Errorf("ids=%s", ids)
		}
		return jsonAnswer(200, `{"success":true,"data":[{"id":1,"is_deleted":false},{"id":"3","is_deleted":true}]}`)(r)
	})
	mock.RegisterResponder("GET", base+"/api/v2/persons/1", jsonAnswer(200, `{"success":true,"data":{"id":1}}`))
	mock.RegisterResponder("GET", base+"/api/v2/persons/2", jsonAnswer(404, `{"success":false,"error":"Person not found"}`))
	mock.RegisterResponder("GET", base+"/api/v2/persons/3", jsonAnswer(200, `{"success":true,"data":{"id":3,"is_deleted":true,"update_time":"2026-11-20T10:00:00Z"}}`))
	mock.RegisterResponder("GET", base+"/api/v2/persons/4", jsonAnswer(403, `{"success":false,"error":"forbidden"}`))
	cases := map[string]struct {
		ids     []string
		found   string
		missing []string
	}{
		"none":      {nil, "", nil},
		"several":   {[]string{"1", "2", "3"}, "upsert crm/1, delete crm/3", nil},
		"one":       {[]string{"1"}, "upsert crm/1", nil},
		"missing":   {[]string{"2"}, "", []string{"2"}},
		"deleted":   {[]string{"3"}, "delete crm/3", nil},
		"invisible": {[]string{"4"}, "", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := s.Get(context.Background(), tc.ids)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, e := range got.Events {
				found = append(found, fmt.Sprint(e.Kind, " ", e.Key))
				if e.Read != noon.UnixMicro() {
					t.Error("the reading has no time")
				}
			}
			if strings.Join(found, ", ") != tc.found || !slices.Equal(got.Missing, tc.missing) {
				t.Errorf("found %v, missing %v", found, got.Missing)
			}
		})
	}
	if _, err := s.Get(context.Background(), []string{"1/../2"}); contact.KindOf(err) != contact.Invalid {
		t.Error(err)
	}
}

func TestPrepare(t *testing.T) {
	s, mock := api(t, nil)
	mock.RegisterResponder("GET", base+"/api/v2/personFields", func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("cursor") == "" {
			return jsonAnswer(200, `{"success":true,"data":[{"field_code":"7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10","field_name":"Cidade","field_type":"varchar"}],"additional_data":{"next_cursor":"p2"}}`)(r)
		}
		return jsonAnswer(200, `{"success":true,"data":[{"field_code":"label_ids","options":[{"id":12,"label":"VIP"}]}],"additional_data":{"next_cursor":null}}`)(r)
	})
	if before := s.Definitions(); before != "" {
		t.Errorf("definitions before any were read: %q", before)
	}
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	record, err := s.Record([]byte(`{"id":1,"label_ids":[12],"custom_fields":{"7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10":"Natal"}}`))
	if err != nil || record["labels"].([]any)[0] != "VIP" || record["custom_fields"].(map[string]any)["Cidade"] != "Natal" {
		t.Error(record, err)
	}
	if s.Definitions() == "" {
		t.Error("no definitions")
	}
}

func TestPrepareFallsBackToVersion1(t *testing.T) {
	s, mock := api(t, nil)
	mock.RegisterResponder("GET", base+"/api/v2/personFields", jsonAnswer(404, `{"success":false,"error":"Unknown method ."}`))
	mock.RegisterResponder("GET", base+"/api/v1/personFields", func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("start") == "" {
			return jsonAnswer(200, `{"success":true,"data":[],"additional_data":{"pagination":{"more_items_in_collection":true,"next_start":500}}}`)(r)
		}
		return jsonAnswer(200, string(load(t, "api-fields-v1")))(r)
	})
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := s.defs.Load(); len(d.fields) != 13 || d.labels == nil || d.labels.options["12"] != "Cliente VIP" {
		t.Errorf("%+v", d)
	}
}

// An option that appears while the definitions travel was not asked for, and must make the record stale again.
func TestPrepareDoesNotSettleWhatItDidNotAskFor(t *testing.T) {
	s, mock := api(t, nil)
	late := []byte(`{"id":1,"label_ids":[77]}`)
	mock.RegisterResponder("GET", base+"/api/v2/personFields", func(r *http.Request) (*http.Response, error) {
		if _, err := s.Record(late); err != nil {
			t.Error(err)
		}
		return jsonAnswer(200, string(load(t, "api-fields")))(r)
	})
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !s.Stale() {
		t.Error("the late option was taken for a deleted one")
	}
	if err := s.Prepare(context.Background()); err != nil || s.Stale() {
		t.Error(err, "still stale after it was asked for")
	}
}

func TestPlace(t *testing.T) {
	s, mock := api(t, nil)
	mock.RegisterResponder("GET", base+"/api/v1/users/me", jsonAnswer(200, `{"success":true,"data":{"id":22110044,"company_id":13579246,"company_name":"Padaria Três Irmãs"}}`))
	id, name, err := s.Place(context.Background())
	if id != "13579246" || name != "Padaria Três Irmãs" || err != nil {
		t.Error(id, name, err)
	}
}

func TestFailures(t *testing.T) {
	page := func(status int, header http.Header) httpmock.Responder {
		return httpmock.NewStringResponder(status, "<html>Attention Required! | Cloudflare</html>").HeaderSet(header)
	}
	cases := map[string]struct {
		answer httpmock.Responder
		kind   contact.ErrorKind
		until  time.Duration
		says   string
	}{
		"burst":     {jsonAnswer(429, `{}`).HeaderSet(http.Header{"X-Ratelimit-Reset": {"1.5"}}), contact.Throttled, 1500 * time.Millisecond, "slow down"},
		"burst 2":   {jsonAnswer(429, `{}`), contact.Throttled, 2 * time.Second, "slow down"},
		"wait":      {jsonAnswer(429, `{}`).HeaderSet(http.Header{"Retry-After": {"30"}}), contact.Throttled, 30 * time.Second, "slow down"},
		"firewall":  {page(403, http.Header{"Content-Type": {"text/html; charset=UTF-8"}}), contact.Unavailable, 10 * time.Minute, "firewall"},
		"forbidden": {jsonAnswer(403, `{"success":false,"error":"Scope and URL mismatch"}`), contact.Auth, 0, "Scope and URL mismatch"},
		"token":     {jsonAnswer(401, `{"success":false,"error":"unauthorized access","errorCode":401}`), contact.Auth, 0, "unauthorized access"},
		"closed":    {jsonAnswer(402, `{}`), contact.Suspended, 0, "billing"},
		"address":   {page(404, nil), contact.Invalid, 0, "base_url"},
		"request":   {jsonAnswer(400, `{"success":false,"error":"limit is wrong"}`), contact.Invalid, 0, "limit is wrong"},
		"server":    {page(502, nil), contact.Unavailable, 0, "502"},
		"portal":    {page(200, nil), contact.Unavailable, 0, "no complete JSON"},
		"half":      {jsonAnswer(200, `{"success":true,"data":[{"id":`), contact.Unavailable, 0, "no complete JSON"},
		"no":        {jsonAnswer(200, `{"success":false,"error":"something"}`), contact.Invalid, 0, "something"},
		"no ids":    {jsonAnswer(200, `{"success":true,"data":[{"name":"Ana"}]}`), contact.Unavailable, 0, "no person"},
		"no list":   {jsonAnswer(200, `{"success":true,"data":{"id":1}}`), contact.Unavailable, 0, "no list"},
		"no data":   {jsonAnswer(200, `{"success":true}`), contact.Unavailable, 0, "no list"},
		"no frame":  {jsonAnswer(200, `[]`), contact.Unavailable, 0, "no list"},
		"redirect":  {jsonAnswer(302, ``).HeaderSet(http.Header{"Location": {"https://example.com/"}}), contact.Unavailable, 0, "pipedrive: list persons"},
		"broken":    {httpmock.NewErrorResponder(io.ErrUnexpectedEOF), contact.Unavailable, 0, "connection broke"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			l := &ledger{}
			s, mock := api(t, func(_ *mapping.Source, d *Deps) {
				d.Meter, d.Logger = l, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			mock.RegisterResponder("GET", base+"/api/v2/persons", tc.answer)
			_, err := s.List(context.Background(), source.Window{}, "")
			var e *contact.Error
			if !errors.As(err, &e) || e.Kind != tc.kind || !strings.Contains(e.Error(), tc.says) {
				t.Fatalf("%v", err)
			}
			if wait := e.Until.Sub(noon); tc.until != 0 && wait != tc.until || tc.until == 0 && !e.Until.IsZero() {
				t.Errorf("until %v", e.Until)
			}
			if throttled := tc.kind == contact.Throttled; throttled != (len(l.refused) == 1) {
				t.Errorf("the meter heard %v", l.refused)
			}
			if text := err.Error() + log.String(); strings.Contains(text, token) || strings.Contains(text, "Ana") {
				t.Errorf("leaks: %s", text)
			}
			if len(l.spent) != 1 || l.spent[0] != contact.ScopeContacts {
				t.Errorf("spent %v", l.spent)
			}
		})
	}
}

func TestBudgetStopsTheCall(t *testing.T) {
	l := &ledger{full: &contact.Error{Kind: contact.Throttled, Op: "budget", Message: "used up"}}
	s, mock := api(t, func(_ *mapping.Source, d *Deps) { d.Meter = l })
	err := s.Prepare(context.Background())
	if e := contact.AsError(err); e.Kind != contact.Throttled || e.Op != "pipedrive: read person fields" || mock.GetTotalCallCount() != 0 || l.spent[0] != contact.ScopeOther {
		t.Error(err, mock.GetTotalCallCount())
	}
}

func TestPacing(t *testing.T) {
	now := noon
	l := &ledger{}
	s, mock := api(t, func(_ *mapping.Source, d *Deps) { d.Meter, d.Now = l, func() time.Time { return now } })
	list := func() *contact.Error {
		_, err := s.List(context.Background(), source.Window{}, "")
		if err == nil {
			return nil
		}
		return contact.AsError(err)
	}
	mock.RegisterResponder("GET", base+"/api/v2/persons", jsonAnswer(200, `{"success":true,"data":[]}`).
		HeaderSet(http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1"}}))
	if err := list(); err != nil {
		t.Fatal(err)
	}
	if err := list(); err == nil || err.Kind != contact.Throttled || !err.Until.Equal(noon.Add(time.Second)) || mock.GetTotalCallCount() != 1 {
		t.Fatalf("%v after %d calls", err, mock.GetTotalCallCount())
	}
	if len(l.spent) != 1 || len(l.refused) != 0 {
		t.Errorf("waiting is neither a call nor a refusal: %v %v", l.spent, l.refused)
	}
	mock.RegisterResponder("GET", base+"/api/v2/persons", jsonAnswer(429, `{}`).HeaderSet(http.Header{"X-Ratelimit-Reset": {"2"}}))
	for i := range 6 {
		now = now.Add(3 * time.Second)
		err := list()
		want := 2 * time.Second
		if i == 5 {
			want = time.Hour
		}
		if err == nil || err.Until.Sub(now) != want {
			t.Fatalf("refusal %d: %v until %v", i+1, err, err.Until)
		}
	}
	now = now.Add(time.Hour)
	mock.RegisterResponder("GET", base+"/api/v2/persons", jsonAnswer(200, `{"success":true,"data":[]}`))
	if err := list(); err != nil {
		t.Error(err)
	}
}

func TestHooks(t *testing.T) {
	const url = "https://ponte.exemplo.com.br/hooks/crm/9f1c7e"
	hook := func(id int, url, action string, active, status any) map[string]any {
		return map[string]any{"id": id, "subscription_url": url, "event_action": action, "event_object": "person", "version": "2.0",
			"is_active": active, "http_auth_password": secret, "last_http_status": status, "last_delivery_time": "2026-11-20T12:00:00.000Z"}
	}
	cases := map[string]struct {
		listed    []map[string]any
		installed bool
		deleted   string
	}{
		"none":           {nil, true, ""},
		"there":          {[]map[string]any{hook(1, "https://outro.exemplo.com.br/", "*", 1, 200), hook(2, url, "*", 1, 200)}, false, ""},
		"only deletions": {[]map[string]any{hook(1, url, "delete", 1, 200)}, true, ""},
		"switched off":   {[]map[string]any{hook(7, url, "*", 0, nil)}, true, "7"},
		"old password":   {[]map[string]any{hook(8, url, "*", 1, "401")}, true, "8"},
		"boolean":        {[]map[string]any{hook(9, url, "*", true, 500)}, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, mock := api(t, nil)
			deleted := ""
			listed, err := json.Marshal(map[string]any{"success": true, "data": tc.listed})
			if err != nil {
				t.Fatal(err)
			}
			mock.RegisterResponder("GET", base+"/api/v1/webhooks", jsonAnswer(200, string(listed)))
			mock.RegisterResponder("DELETE", "=~^"+base+"/api/v1/webhooks/(\\d+)$", func(r *http.Request) (*http.Response, error) {
				deleted = httpmock.MustGetSubmatch(r, 1)
				return jsonAnswer(200, `{"status":"ok","success":true}`)(r)
			})
			mock.RegisterResponder("POST", base+"/api/v1/webhooks", func(r *http.Request) (*http.Response, error) {
				var body map[string]string
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				want := map[string]string{"subscription_url": url, "event_action": "*", "event_object": "person", "version": "2.0",
					"name": "syncer crm", "http_auth_user": "pipedrive", "http_auth_password": secret}
				if fmt.Sprint(body) != fmt.Sprint(want) {
					t.Errorf("asked for %v", body)
				}
				answer, err := json.Marshal(map[string]any{"success": true, "data": hook(90211, url, "*", 1, nil)})
				if err != nil {
					t.Fatal(err)
				}
				return jsonAnswer(201, string(answer))(r)
			})
			got, installed, err := s.InstallHook(context.Background(), url)
			if err != nil || installed != tc.installed || got.URL != url || !got.Active || deleted != tc.deleted {
				t.Errorf("%+v %v %v, deleted %q", got, installed, err, deleted)
			}
			if text := fmt.Sprintf("%v %s", got, got); strings.Contains(text, secret) || strings.Contains(text, "9f1c7e") {
				t.Errorf("leaks: %s", text)
			}
		})
	}
}

func TestCreateHookFailureHidesTheAnswer(t *testing.T) {
	s, mock := api(t, nil)
	mock.RegisterResponder("GET", base+"/api/v1/webhooks", jsonAnswer(200, `{"success":true,"data":[]}`))
	mock.RegisterResponder("POST", base+"/api/v1/webhooks", jsonAnswer(422, `{"success":false,"error":"bad `+secret+`"}`))
	_, _, err := s.InstallHook(context.Background(), "https://ponte.exemplo.com.br/hooks/crm")
	if contact.KindOf(err) != contact.Invalid || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	for name, spec := range map[string]mapping.Source{
		"nothing":  {Name: "crm"},
		"no host":  {Name: "crm", API: &mapping.API{BaseURL: "acme"}},
		"no http":  {Name: "crm", API: &mapping.API{BaseURL: "ftp://acme.pipedrive.com"}},
		"no colon": {Name: "crm", API: &mapping.API{BaseURL: "https://%zz"}},
	} {
		if _, err := New(spec, Deps{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	s := listener(t)
	if can := s.Can(); can.List || can.Get || can.Since || can.Deletes {
		t.Errorf("without an api: %+v", can)
	}
	if _, err := s.List(context.Background(), source.Window{}, ""); contact.KindOf(err) != contact.Invalid {
		t.Error(err)
	}
	if err := s.Prepare(context.Background()); err != nil {
		t.Error(err)
	}
	polling, _ := api(t, func(spec *mapping.Source, _ *Deps) { spec.Webhook = nil })
	if can := polling.Can(); !can.List || !can.Get || !can.Since || !can.Deletes || can.Batch != 100 {
		t.Errorf("without a webhook: %+v", can)
	}
	if a := polling.Answers(); a.Accepted != 200 || a.Duplicate != 200 || a.Undecodable != 200 {
		t.Errorf("%+v", a)
	}
}

// BenchmarkList reads pages of 500 rows, without a network; the baseline is what encoding/json takes to read the
// same bytes into maps.
func BenchmarkList(b *testing.B) {
	row := bytes.TrimSpace(load(b, "api-typed"))
	page := append([]byte(`{"success":true,"data":[`), bytes.Join(slices.Repeat([][]byte{row}, pageSize), []byte(","))...)
	page = append(page, `],"additional_data":{"next_cursor":null}}`...)
	s, mock := api(b, nil)
	mock.RegisterResponder("GET", "=~^"+base, jsonAnswer(200, string(page)))
	b.Run("list", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			if got, err := s.List(b.Context(), source.Window{}, ""); err != nil || len(got.Events) != pageSize {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pageSize, "ns/row")
	})
	b.Run("maps", func(b *testing.B) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			var all map[string]any
			if err := json.Unmarshal(page, &all); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pageSize, "ns/row")
	})
}
