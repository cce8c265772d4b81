package pipedrive

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer is a simulator that ends with its test.
func newServer(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// ask makes a call without a socket.
func ask(t testing.TB, s *Server, method, target, body string) (int, map[string]any, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("X-Api-Token", s.Token())
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var answer map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return w.Code, answer, w.Header()
}

// pages walks a list and returns the ids.
func pages(t testing.TB, s *Server, query string, between func(page int)) []int {
	t.Helper()
	var ids []int
	cursor := ""
	for page := 0; ; page++ {
		code, answer, _ := ask(t, s, "GET", "/api/v2/persons?"+query+"&cursor="+url.QueryEscape(cursor), "")
		if code != 200 {
			t.Fatal(code, answer)
		}
		for _, row := range answer["data"].([]any) {
			ids = append(ids, int(row.(map[string]any)["id"].(float64)))
		}
		next, _ := answer["additional_data"].(map[string]any)["next_cursor"].(string)
		if next == "" {
			return ids
		}
		if between != nil {
			between(page)
		}
		cursor = next
	}
}

func TestKeyset(t *testing.T) {
	s := newServer(t, Options{})
	want := s.Seed(250)
	if got := pages(t, s, "limit=40", nil); !slices.Equal(got, want) {
		t.Errorf("by id: %v", got)
	}
	down := slices.Clone(want)
	slices.Reverse(down)
	if got := pages(t, s, "limit=40&sort_direction=desc", nil); !slices.Equal(got, down) {
		t.Errorf("downwards: %v", got)
	}
	if got := pages(t, s, "limit=40&sort_by=update_time", nil); !slices.Equal(got, want) {
		t.Errorf("of one time: %v", got)
	}
	// Rows that change during the walk move to its end; none is missed and none of the others repeats.
	seen := map[int]int{}
	for _, id := range pages(t, s, "limit=40&sort_by=update_time", func(page int) {
		s.Control.Advance(2 * time.Second)
		if _, err := s.Update(want[page], func(p *Person) { p.Name += " Neto" }); err != nil {
			t.Fatal(err)
		}
	}) {
		seen[id]++
	}
	for i, id := range want {
		if n := seen[id]; n == 0 || n > 1 && i > 6 {
			t.Errorf("person %d came %d times", id, n)
		}
	}
}

func TestListParameters(t *testing.T) {
	s := newServer(t, Options{})
	ids := s.Seed(5)
	s.Control.Advance(time.Minute)
	changed, err := s.Update(ids[3], func(p *Person) { p.OrgID = 999; p.MarketingStatus = "subscribed" })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ids[4]); err != nil {
		t.Fatal(err)
	}
	since := changed.Updated.Format(time.RFC3339)
	after := changed.Updated.Add(time.Second).Format(time.RFC3339)
	for query, want := range map[string][]int{
		"":                       ids[:4],
		"updated_since=" + since: {ids[3]},
		"updated_since=" + after: {},
		"updated_until=" + since: ids[:3],
		"org_id=999":             {ids[3]},
		fmt.Sprintf("ids=%d,%d,%d,1", ids[2], ids[0], ids[4]): {ids[0], ids[2]},
		fmt.Sprintf("owner_id=%d", adminID):                   ids[:4],
	} {
		if got := pages(t, s, query, nil); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{"limit=0", "limit=501", "limit=x", "sort_by=name", "cursor=x", "updated_since=ontem", "ids=a", "ids=" + strings.Repeat("1,", 100) + "1"} {
		if code, answer, _ := ask(t, s, "GET", "/api/v2/persons?"+bad, ""); code != 400 || answer["success"] != false || answer["error"] == "" {
			t.Errorf("%s: %d %v", bad, code, answer)
		}
	}
	_, answer, _ := ask(t, s, "GET", fmt.Sprintf("/api/v2/persons/%d?include_fields=marketing_status", ids[3]), "")
	row := answer["data"].(map[string]any)
	if row["marketing_status"] != "subscribed" || row["is_deleted"] != false || len(row["custom_fields"].(map[string]any)) != 6 {
		t.Errorf("%v", row)
	}
}

func TestLifeOfAPerson(t *testing.T) {
	s := newServer(t, Options{})
	code, answer, _ := ask(t, s, "POST", "/api/v2/persons", `{"name":"Marina Quaresma","phones":[{"value":"84990000101","primary":true}],"label_ids":[12],"custom_fields":{"`+Segment+`":41,"`+Likes+`":[7,9]}}`)
	if code != 201 {
		t.Fatal(code, answer)
	}
	id := int(answer["data"].(map[string]any)["id"].(float64))
	at := "/api/v2/persons/" + strconv.Itoa(id)
	if code, answer, _ = ask(t, s, "PATCH", at, `{"marketing_status":"unsubscribed","custom_fields":{"`+Segment+`":null}}`); code != 200 {
		t.Fatal(code, answer)
	}
	p, _ := s.Person(id)
	if p.MarketingStatus != "unsubscribed" || p.Custom[Segment] != nil || len(p.Custom[Likes].([]int)) != 2 || p.Name != "Marina Quaresma" {
		t.Errorf("%+v", p)
	}
	for body, want := range map[string]int{`{`: 400, `{"name":" "}`: 400, `{"marketing_status":"x"}`: 400, `{"custom_fields":{"zz":1}}`: 400} {
		if code, _, _ := ask(t, s, "PATCH", at, body); code != want {
			t.Errorf("%s: %d", body, code)
		}
	}
	if code, _, _ := ask(t, s, "DELETE", at, ""); code != 200 {
		t.Error(code)
	}
	if code, answer, _ := ask(t, s, "GET", at, ""); code != 200 || answer["data"].(map[string]any)["is_deleted"] != true {
		t.Error(code, answer)
	}
	if got := pages(t, s, "", nil); len(got) != 0 {
		t.Errorf("a deleted person is listed: %v", got)
	}
	if code, _, _ := ask(t, s, "PATCH", at, `{"name":"x"}`); code != 404 {
		t.Error(code)
	}
	if err := s.Restore(id); err != nil {
		t.Fatal(err)
	}
	if got := pages(t, s, "", nil); len(got) != 1 {
		t.Error("a restored person is not listed")
	}
	if err := s.Delete(id); err != nil {
		t.Fatal(err)
	}
	s.Control.Advance(31 * 24 * time.Hour)
	if code, _, _ := ask(t, s, "GET", at, ""); code != 404 || s.Restore(id) == nil {
		t.Errorf("after 30 days: %d", code)
	}
	if s.Delete(id) == nil || s.Merge(1, 2) == nil {
		t.Error("people who do not exist can be changed")
	}
}

func TestMerge(t *testing.T) {
	s := newServer(t, Options{})
	ids := s.Seed(2)
	loser, _ := s.Person(ids[0])
	if code, answer, _ := ask(t, s, "PUT", fmt.Sprintf("/api/v1/persons/%d/merge", ids[0]), fmt.Sprintf(`{"merge_with_id":%d}`, ids[1])); code != 200 {
		t.Fatal(code, answer)
	}
	gone, _ := s.Person(ids[0])
	winner, _ := s.Person(ids[1])
	if !gone.Deleted || gone.MergedInto != ids[1] || !slices.ContainsFunc(winner.Phones, func(r Row) bool { return r.Value == loser.Phones[0].Value }) {
		t.Errorf("%+v\n%+v", gone, winner)
	}
}

func TestLimits(t *testing.T) {
	s := newServer(t, Options{PerTwoSeconds: 5, PerDay: 100})
	get := func() (int, http.Header) {
		code, _, h := ask(t, s, "GET", "/api/v2/persons", "")
		return code, h
	}
	for i := range 5 {
		if code, h := get(); code != 200 || h.Get("X-Ratelimit-Limit") != "5" || h.Get("X-Ratelimit-Remaining") != strconv.Itoa(4-i) {
			t.Fatal(i, code, h)
		}
	}
	if code, h := get(); code != 429 || h.Get("X-Ratelimit-Reset") != "2" {
		t.Fatal(code, h)
	}
	s.Control.Advance(2 * time.Second)
	for range 5 {
		if code, _ := get(); code != 200 {
			t.Fatal(code)
		}
	}
	s.Control.Advance(2 * time.Second)
	if code, _ := get(); code != 429 || s.Spent() != 100 {
		t.Fatalf("the day's budget: %d after %d tokens", code, s.Spent())
	}
	s.Control.Advance(24 * time.Hour)
	if code, _ := get(); code != 200 {
		t.Fatal(code)
	}
}

func TestFirewall(t *testing.T) {
	s := newServer(t, Options{PerTwoSeconds: 1})
	var codes []int
	for range 13 {
		code, _, h := ask(t, s, "GET", "/api/v1/users/me", "")
		codes = append(codes, code)
		if code == 403 && !strings.Contains(h.Get("Content-Type"), "html") {
			t.Error("the firewall answers JSON")
		}
	}
	if codes[0] != 200 || codes[10] != 429 || codes[11] != 403 || codes[12] != 403 {
		t.Errorf("%v", codes)
	}
	s.Control.Advance(5 * time.Minute)
	if code, _, _ := ask(t, s, "GET", "/api/v1/users/me", ""); code != 200 {
		t.Error("the firewall stays")
	}
}

func TestAccess(t *testing.T) {
	s := newServer(t, Options{Token: "ficha"})
	for name, change := range map[string]func(*http.Request){
		"header": func(r *http.Request) { r.Header.Set("x-api-token", "ficha") },
		"bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer ficha") },
		"query":  func(r *http.Request) { r.URL.RawQuery = "api_token=ficha" },
	} {
		r := httptest.NewRequest("GET", "/api/v1/users/me", nil)
		change(r)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest("GET", "/api/v2/persons", nil)); w.Code != 401 || !strings.Contains(w.Body.String(), `"errorCode":401`) {
		t.Error(w.Code, w.Body)
	}
	if code, _, _ := ask(t, s, "GET", "/api/v9/persons", ""); code != 404 {
		t.Error(code)
	}
}

func TestFields(t *testing.T) {
	s := newServer(t, Options{})
	code := s.AddField("Porte", Enum, "pequeno", "grande")
	label := s.AddLabel("Fornecedor")
	_, answer, _ := ask(t, s, "GET", "/api/v2/personFields?limit=4", "")
	next := answer["additional_data"].(map[string]any)["next_cursor"].(string)
	_, more, _ := ask(t, s, "GET", "/api/v2/personFields?cursor="+url.QueryEscape(next), "")
	text := fmt.Sprint(answer, more)
	if len(code) != 40 || label == 0 || !strings.Contains(text, code) || !strings.Contains(text, "Fornecedor") || !strings.Contains(text, "Cidade") {
		t.Error(text)
	}
	if s.AddOption("nada", "x") != 0 {
		t.Error("an option for no field")
	}
	if code, _, _ := ask(t, s, "GET", "/api/v2/personFields?cursor=*", ""); code != 400 {
		t.Error(code)
	}
	old := newServer(t, Options{OldFields: true})
	if code, _, _ := ask(t, old, "GET", "/api/v2/personFields", ""); code != 404 {
		t.Error(code)
	}
	if code, answer, _ := ask(t, old, "GET", "/api/v1/personFields", ""); code != 200 || !strings.Contains(fmt.Sprint(answer), "edit_flag") {
		t.Error(code)
	}
}

func TestHookManagement(t *testing.T) {
	s := newServer(t, Options{})
	const body = `{"subscription_url":"https://ponte.exemplo.com.br/h","event_action":"*","event_object":"person","name":"x","http_auth_user":"u","http_auth_password":"p"}`
	code, answer, _ := ask(t, s, "POST", "/api/v1/webhooks", body)
	if hook := answer["data"].(map[string]any); code != 201 || hook["version"] != "2.0" || hook["is_active"] != 1.0 || hook["http_auth_password"] != "p" || hook["last_http_status"] != nil {
		t.Error(code, answer)
	}
	for _, bad := range []string{`{`, `{}`, strings.Replace(body, `"x"`, `""`, 1), strings.Replace(body, `"*"`, `"all"`, 1), strings.Replace(body, `"person"`, `"people"`, 1), strings.Replace(body, `"x"`, `"x","version":"3.0"`, 1)} {
		if code, _, _ := ask(t, s, "POST", "/api/v1/webhooks", bad); code != 400 {
			t.Errorf("%s: %d", bad, code)
		}
	}
	for range maxHooks - 1 {
		s.Subscribe("https://ponte.exemplo.com.br/h", "", "", "2.0")
	}
	if code, _, _ := ask(t, s, "POST", "/api/v1/webhooks", body); code != 422 {
		t.Errorf("webhook 41: %d", code)
	}
	if code, _, _ := ask(t, s, "DELETE", "/api/v1/webhooks/90211", ""); code != 200 {
		t.Error(code)
	}
	if code, _, _ := ask(t, s, "DELETE", "/api/v1/webhooks/90211", ""); code != 404 {
		t.Error(code)
	}
	if _, answer, _ := ask(t, s, "GET", "/api/v1/webhooks", ""); len(answer["data"].([]any)) != maxHooks-1 {
		t.Error("wrong number of webhooks")
	}
}

// receiver notes what a webhook gets and answers with what status says.
type receiver struct {
	mu     sync.Mutex
	times  []time.Time
	bodies [][]byte
	status func(n int) int
}

// RoundTrip stands in for the network, so that a receiver works inside a synctest bubble.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times, r.bodies = append(r.times, time.Now()), append(r.bodies, body)
	status := 200
	if r.status != nil {
		status = r.status(len(r.times))
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{}, Request: req}, nil
}

func (r *receiver) got() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []map[string]any
	for _, body := range r.bodies {
		var m map[string]any
		_ = json.Unmarshal(body, &m)
		all = append(all, m)
	}
	return all
}

// bubble runs a simulator with a webhook whose time passes at once.
func bubble(t *testing.T, o Options, version string, status func(n int) int, test func(*testing.T, *Server, *receiver, int)) {
	synctest.Test(t, func(t *testing.T) {
		s := New(o)
		defer s.Close()
		r := &receiver{status: status}
		s.sender.client.Transport = r
		test(t, s, r, s.Subscribe("https://ponte.exemplo.com.br/h", "u", "p", version))
	})
}

func TestAttempts(t *testing.T) {
	for _, speed := range []float64{1, 100} {
		bubble(t, Options{Speed: speed}, "2.0", func(int) int { return 500 }, func(t *testing.T, s *Server, r *receiver, _ int) {
			start := time.Now()
			p, err := s.Create(Invent(1))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []time.Duration
			for _, at := range r.times {
				got = append(got, time.Duration(float64(at.Sub(start))*speed))
			}
			want := []time.Duration{0, 3 * time.Second, 33 * time.Second, 183 * time.Second}
			if !slices.Equal(got, want) {
				t.Errorf("attempts at %v", got)
			}
			events := r.got()
			for i, e := range events {
				meta := e["meta"].(map[string]any)
				if meta["attempt"] != float64(i+1) || meta["id"] != events[0]["meta"].(map[string]any)["id"] || meta["entity_id"] != strconv.Itoa(p.ID) {
					t.Errorf("attempt %d: %v", i+1, meta)
				}
			}
			if c := s.Counters(); c != (Counters{Events: 1, Attempts: 4, Retried: 3, Lost: 1}) {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	bubble(t, Options{}, "1.0", func(n int) int { return []int{200, 302, 200}[n%3] }, func(t *testing.T, s *Server, r *receiver, _ int) {
		if _, err := s.Create(Invent(1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := s.Counters(); c.Delivered != 1 || c.Retried != 1 || c.Lost != 0 {
			t.Errorf("%+v", c)
		}
		events := r.got()
		if len(events) != 2 || events[1]["retry"] != 1.0 || events[0]["event"] != "added.person" {
			t.Errorf("%v", events)
		}
	})
}

func TestBanLosesEvents(t *testing.T) {
	down := true
	bubble(t, Options{}, "2.0", func(int) int {
		if down {
			return 503
		}
		return 200
	}, func(t *testing.T, s *Server, r *receiver, hook int) {
		for i := range 10 {
			if _, err := s.Create(Invent(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s.Banned(hook).IsZero() {
			t.Fatal("no ban after ten failures")
		}
		before := len(r.times)
		down = false
		if _, err := s.Create(Invent(11)); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := s.Counters(); c.Lost != 11 || c.Bans != 1 || len(r.times) != before {
			t.Errorf("%+v, %d attempts", c, len(r.times)-before)
		}
		time.Sleep(banTime)
		if _, err := s.Create(Invent(12)); err != nil {
			t.Fatal(err)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := s.Counters(); c.Delivered != 1 || c.Lost != 11 {
			t.Errorf("after the ban: %+v", c)
		}
	})
}

func TestDeadWebhookIsDeleted(t *testing.T) {
	bubble(t, Options{}, "2.0", func(int) int { return 0 }, func(t *testing.T, s *Server, _ *receiver, _ int) {
		for day := range 5 {
			if _, err := s.Create(Invent(day)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
		}
		if c := s.Counters(); c.Removed != 1 || len(s.sender.list()) != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestMischief(t *testing.T) {
	bubble(t, Options{Seed: 3}, "2.0", nil, func(t *testing.T, s *Server, r *receiver, _ int) {
		if s.Misbehave(Mischief{Lose: 2}) == nil || s.Misbehave(Mischief{LateBy: -1}) == nil {
			t.Error("nonsense is accepted")
		}
		if err := s.Misbehave(Mischief{Duplicate: 0.3, Late: 0.2, Reorder: 0.3, Lose: 0.1}); err != nil {
			t.Fatal(err)
		}
		const n = 300
		for i := range n {
			if _, err := s.Create(Invent(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := s.Counters()
		if c.Events != n || c.Delivered+c.Lost != n || c.Lost < 15 || c.Duplicates < 50 || c.Attempts != c.Delivered+c.Duplicates {
			t.Errorf("%+v", c)
		}
		last, disorder := "", 0
		for _, e := range r.got() {
			id := e["meta"].(map[string]any)["entity_id"].(string)
			if id < last {
				disorder++
			}
			last = max(last, id)
		}
		if disorder < 50 {
			t.Errorf("only %d deliveries came out of order", disorder)
		}
	})
}

func TestPayloads(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		version string
	}{"v2": {Options{}, "2.0"}, "v2-loose": {Options{LooseIDs: true}, "2.0"}, "v1": {Options{}, "1.0"}} {
		bubble(t, tc.options, tc.version, nil, func(t *testing.T, s *Server, r *receiver, _ int) {
			a, err := s.Create(Invent(20))
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Create(Invent(21))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if _, err := s.Update(a.ID, func(p *Person) { p.Custom[City] = "Caicó"; delete(p.Custom, Limit) }); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Update(a.ID, func(*Person) {}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Merge(b.ID, a.ID); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.UpdateAll([]int{a.ID}, func(p *Person) { p.LabelIDs = []int{Cold} }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Restore(b.ID); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			var lines []string
			for _, e := range r.got() {
				lines = append(lines, summary(e))
			}
			slices.Sort(lines[:2]) // two at once come in any order
			slices.Sort(lines[3:5])
			got, file := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "payloads."+name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%s differs (%v):\n%s", file, err, got)
			}
		})
	}
}

// summary is what an event says, without what is random.
func summary(e map[string]any) string {
	meta := e["meta"].(map[string]any)
	pick := func(from any, names ...string) string {
		m, _ := from.(map[string]any)
		var out []string
		for _, name := range names {
			if v, ok := m[name]; ok {
				text, _ := json.Marshal(v)
				out = append(out, name[:min(len(name), 9)]+"="+string(text))
			}
		}
		return strings.Join(out, " ")
	}
	custom := func(from any) any {
		if m, ok := from.(map[string]any); ok && m["custom_fields"] != nil {
			return m["custom_fields"]
		}
		return from
	}
	state, old := e["data"], e["previous"]
	if _, ok := e["current"]; ok {
		state = e["current"]
	}
	return fmt.Sprint(pick(meta, "action", "entity_id", "object", "is_bulk_edit", "is_bulk_update", "merged_to_id", "merged_from_id"),
		" | ", pick(state, "id", "is_deleted", "active_flag", "label_ids", "label"), " ", pick(custom(state), City, Limit, Limit+"_currency", Likes),
		" | ", pick(old, "id", "name", "label_ids", "is_deleted", "active_flag"), " ", pick(custom(old), City, Limit))
}

func TestControlRoutes(t *testing.T) {
	s := newServer(t, Options{})
	do := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "/_sandbox/"+path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	if code, text := do("POST", "seed?n=3", ""); code != 200 || !strings.Contains(text, "4003") {
		t.Fatal(code, text)
	}
	for path, want := range map[string]int{"seed?n=x": 400, "persons/4001/rename": 400, "persons/1/restore": 404, "labels": 400, "sender": 204} {
		if code, text := do("POST", path, ""); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := do("POST", "persons/4001/rename", `{"name":"Marina"}`); code != 200 || !strings.Contains(text, "Marina") {
		t.Error(code, text)
	}
	if code, text := do("POST", "labels", `{"label":"Fornecedor"}`); code != 200 || !strings.Contains(text, "16") {
		t.Error(code, text)
	}
	if code, _ := do("POST", "sender", `{"lose":1,"late_seconds":3}`); code != 204 || s.sender.mischief.Lose != 1 || s.sender.mischief.LateBy != 3*time.Second {
		t.Error(code, s.sender.mischief)
	}
	if code, text := do("GET", "sender", ""); code != 200 || !strings.Contains(text, `"events"`) {
		t.Error(code, text)
	}
	if code, text := do("GET", "persons", ""); code != 200 || !strings.Contains(text, "Marina") {
		t.Error(code, text)
	}
	if code, _ := do("POST", "reset", ""); code != 204 || len(s.Persons()) != 0 {
		t.Error("a reset keeps people")
	}
}

func TestRepeatable(t *testing.T) {
	one, other := newServer(t, Options{Seed: 7}), newServer(t, Options{Seed: 7})
	one.Seed(50)
	other.Seed(50)
	for i, p := range one.Persons() {
		if q := other.Persons()[i]; p.Name != q.Name || fmt.Sprint(p.Phones) != fmt.Sprint(q.Phones) {
			t.Fatalf("%v, %v", p, q)
		}
	}
	if a, b := one.AddField("x", Varchar), other.AddField("x", Varchar); a != b {
		t.Error(a, b)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	s := New(Options{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does a server notice that the client has gone
		<-r.Context().Done()
	}))
	defer slow.Close()
	s.Subscribe(slow.URL, "", "", "2.0")
	if _, err := s.Create(Invent(1)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if s.Settle(ctx) == nil {
		t.Error("settled while a delivery hangs")
	}
	s.Close()
	s.Close()
}

func TestCheck(t *testing.T) {
	for _, bad := range []Options{{PerDay: -1}, {PerTwoSeconds: -1}, {Speed: -1}} {
		if bad.Check() == nil {
			t.Errorf("%+v", bad)
		}
	}
}
