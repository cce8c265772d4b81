package omniflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncer/internal/mapping"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/backend"
	"syncer/internal/sandbox/omniflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const marina = "+5584990000101"

// caller speaks to a simulator as a client of its API and of its control routes.
type caller struct {
	*testing.T
	sim *omniflow.Server
	url string
	key string
}

func setup(t *testing.T, o omniflow.Options) *caller {
	sim := omniflow.New(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &caller{T: t, sim: sim, url: server.URL, key: "Bearer " + sim.Token()}
}

// do sends a request and decodes the answer, which it returns with status and headers.
func (c *caller) do(method, path, contentType, body string) (int, map[string]any, http.Header) {
	c.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", c.key)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var v map[string]any
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &v); err != nil {
			c.Fatalf("%s: %v", text, err)
		}
	} else if len(text) > 0 {
		v = map[string]any{"raw": string(text)}
	}
	return resp.StatusCode, v, resp.Header
}

func (c *caller) json(method, path, body string) (int, map[string]any) {
	c.Helper()
	status, v, _ := c.do(method, path, "application/json", body)
	return status, v
}

func TestContacts(t *testing.T) {
	c := setup(t, omniflow.Options{Update: true})
	status, v := c.json("POST", "/v1/contacts", `{"phoneNumber":"`+marina+`","name":"Marina"}`)
	if status != 201 || v["id"] != "ctt_00000001" || v["optedOut"] != false {
		t.Fatal(status, v)
	}
	for body, want := range map[string]string{
		`{"phoneNumber":"5584990000101","name":"Marina"}`:   "invalid_phone_number",
		`{"phoneNumber":"+5584990000102","name":" "}`:       "invalid_name",
		`{"phoneNumber":"` + marina + `","name":"Another"}`: "contact_already_exists",
	} {
		status, v := c.json("POST", "/v1/contacts", body)
		if e, _ := v["error"].(map[string]any); status < 400 || e["code"] != want {
			t.Errorf("%s: %d %v", body, status, v)
		}
	}
	if status, v := c.json("GET", "/v1/contacts?phoneNumber="+url.QueryEscape(marina)+"&limit=1", ""); status != 200 || len(v["data"].([]any)) != 1 || v["nextCursor"] != nil {
		t.Error(status, v)
	}
	if _, v := c.json("GET", "/v1/contacts?phoneNumber=%2B558490000101", ""); len(v["data"].([]any)) != 0 {
		t.Error("the other form of the number is another contact", v)
	}
	if status, v := c.json("PATCH", "/v1/contacts/ctt_00000001", `{"name":"Marina Lopes","phoneNumber":"+5584990000777"}`); status != 200 || v["name"] != "Marina Lopes" {
		t.Error(status, v)
	}
	if _, gone := c.sim.Contact(marina); gone {
		t.Error("the old number still finds the contact")
	}
	for path, want := range map[string]int{"/v1/contacts/ctt_9": 404, "/v1/nothing": 404, "/v1/contacts/ctt_00000001": 200} {
		if status, v := c.json("GET", path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, v)
		}
	}
	if status, _, h := c.do("POST", "/v1/contacts", "text/plain", "x"); status != 400 || h.Get("X-Request-Id") == "" {
		t.Error(status, h)
	}
	c.key = "Bearer wrong"
	if status, v := c.json("GET", "/v1/contacts/ctt_00000001", ""); status != 401 {
		t.Error(status, v)
	}
}

func TestUpdateIsThereOnlyWhenAskedFor(t *testing.T) {
	c := setup(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	if status, v := c.json("PATCH", "/v1/contacts/ctt_00000001", `{"name":"x"}`); status != 404 || !strings.HasPrefix(v["message"].(string), "Cannot PATCH") {
		t.Error(status, v)
	}
}

func TestTokensExpire(t *testing.T) {
	c := setup(t, omniflow.Options{ClientID: "client_123", ClientSecret: "secret_123", TokenLife: time.Minute})
	form := "grant_type=client_credentials&client_id=client_123&client_secret="
	const kind = "application/x-www-form-urlencoded"
	for body, want := range map[string]int{form + "wrong": 401, "client_id=client_123&client_secret=secret_123&grant_type=password": 400, "": 401} {
		if status, v, _ := c.do("POST", "/v1/oauth/token", kind, body); status != want {
			t.Errorf("%s: %d %v", body, status, v)
		}
	}
	status, v, _ := c.do("POST", "/v1/oauth/token", kind, form+"secret_123")
	if status != 200 || v["token_type"] != "Bearer" || v["expires_in"] != 60.0 {
		t.Fatal(status, v)
	}
	c.key = "Bearer " + v["access_token"].(string)
	if status, _ := c.json("GET", "/v1/inboxes", ""); status != 200 {
		t.Error(status)
	}
	c.sim.Control.Advance(time.Minute)
	if status, _ := c.json("GET", "/v1/inboxes", ""); status != 401 {
		t.Error("the token outlived its end", status)
	}
}

func TestPagesByCursor(t *testing.T) {
	c := setup(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	for range 7 {
		if status, v := c.json("POST", "/_sandbox/contacts/"+url.PathEscape(marina)+"/conversation", ""); status != 201 {
			t.Fatal(status, v)
		}
	}
	var ids []string
	cursor := ""
	for pages := 1; ; pages++ {
		_, v := c.json("GET", "/v1/conversations?status=open&limit=3&cursor="+cursor, "")
		for _, item := range v["data"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, more := v["nextCursor"].(string)
		if !more {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		cursor = next
	}
	if len(ids) != 7 || ids[6] != "cnv_00000007" {
		t.Error(ids)
	}
	if status, v := c.json("GET", "/v1/conversations/cnv_00000002", ""); status != 200 || v["contactId"] != "ctt_00000001" {
		t.Error(status, v)
	}
	if status, _ := c.json("GET", "/v1/conversations/cnv_9", ""); status != 404 {
		t.Error(status)
	}
}

// receiver collects deliveries.
type receiver struct {
	mu     sync.Mutex
	bodies [][]byte
	signed []string
	status int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.signed = append(r.bodies, body), append(r.signed, req.Header.Get("X-Omniflow-Signature-256"))
	w.WriteHeader(r.status)
}

func TestSignedEvents(t *testing.T) {
	hook := &receiver{status: 202}
	server := httptest.NewServer(hook)
	defer server.Close()
	c := setup(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	if status, v := c.json("POST", "/v1/webhooks", `{"url":"`+server.URL+`","events":["contact.opted_out","message.received"],"secret":"segredo"}`); status != 201 || v["id"] != "whk_00000001" || v["secret"] != nil {
		t.Fatal(status, v)
	}
	if status, _ := c.json("POST", "/v1/webhooks", `{"url":"x"}`); status != 422 {
		t.Error(status)
	}
	if status, v := c.json("POST", "/_sandbox/contacts/ctt_00000001/opt-out", ""); status != 204 {
		t.Fatal(status, v)
	}
	if _, v := c.json("POST", "/_sandbox/contacts/ctt_00000001/conversation", ""); v["id"] != "cnv_00000001" {
		t.Error(v)
	}
	if status, v := c.json("POST", "/_sandbox/conversations/cnv_00000001/message", ""); status != 204 {
		t.Error(status, v)
	}
	if status, v := c.json("POST", "/_sandbox/deliveries/dlv_00000001/again", ""); status != 204 {
		t.Error(status, v)
	}
	if len(hook.bodies) != 3 || !bytes.Equal(hook.bodies[0], hook.bodies[2]) {
		t.Fatalf("%d deliveries: %s", len(hook.bodies), hook.bodies)
	}
	for i, body := range hook.bodies {
		if hook.signed[i] != omniflow.Sign("segredo", body) {
			t.Errorf("the signature of %s is %s", body, hook.signed[i])
		}
	}
	var event struct {
		Type, TenantID string
		Payload        struct{ ContactID, PhoneNumber string }
		Timestamp      time.Time
	}
	if err := json.Unmarshal(hook.bodies[0], &event); err != nil || event.Type != "contact.opted_out" || event.TenantID != "ten_01JQ8Z0A7M" ||
		event.Payload.PhoneNumber != marina || event.Payload.ContactID != "ctt_00000001" || event.Timestamp.IsZero() {
		t.Errorf("%+v %v", event, err)
	}
	if _, v := c.json("GET", "/v1/webhooks/whk_00000001/deliveries?limit=2", ""); len(v["data"].([]any)) != 2 || v["nextCursor"] == nil {
		t.Error(v)
	}
	hook.status = 500
	if status, _ := c.json("POST", "/_sandbox/contacts/ctt_00000001/opt-out", ""); status != 502 || c.sim.Deliveries()[3].Status != 500 {
		t.Errorf("%d %+v", status, c.sim.Deliveries())
	}
	if status, _ := c.json("DELETE", "/v1/webhooks/whk_00000001", ""); status != 204 {
		t.Error(status)
	}
	if _, v := c.json("GET", "/v1/webhooks", ""); len(v["data"].([]any)) != 0 {
		t.Error(v)
	}
}

// The bytes and the signature are those of the contract's known-answer vector.
func TestSignatureVector(t *testing.T) {
	body := `{"type":"contact.opted_out","tenantId":"ten_01JQ8Z0A7M","payload":{"contactId":"ctt_01JQ8ZC4","phoneNumber":"+5584990000101"},"timestamp":"2026-11-20T14:05:09.120Z"}`
	if got := omniflow.Sign("segredo-omniflow-teste", []byte(body)); got != "sha256=f36f19336d1835caf835cd48ce10c9876140184f46fe752218b2a333f49dba92" {
		t.Error(got)
	}
}

func TestControlRoutes(t *testing.T) {
	c := setup(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}, ClientID: "a", ClientSecret: "b"})
	if status, v := c.json("POST", "/_sandbox/contacts", `{"phoneNumber":"+5511980000101","name":"Bruno"}`); status != 201 || v["id"] != "ctt_00000002" {
		t.Error(status, v)
	}
	for _, call := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/_sandbox/contacts/+5511980000101/rename", `{"name":"Bruno Silva"}`, 204},
		{"POST", "/_sandbox/contacts/nobody/rename", `{"name":"x"}`, 404},
		{"POST", "/_sandbox/contacts/ctt_00000002/rename", `{"nome":"x"}`, 400},
		{"POST", "/_sandbox/contacts", `{`, 400},
		{"POST", "/_sandbox/contacts/nobody/opt-out", ``, 502},
		{"POST", "/_sandbox/conversations/none/message", ``, 502},
		{"POST", "/_sandbox/deliveries/none/again", ``, 502},
		{"DELETE", "/_sandbox/contacts/ctt_00000001", ``, 204},
		{"DELETE", "/_sandbox/contacts/ctt_00000001", ``, 404},
		{"DELETE", "/_sandbox/tokens", ``, 204},
	} {
		if status, v := c.json(call.method, call.path, call.body); status != call.want {
			t.Errorf("%s %s: %d %v", call.method, call.path, status, v)
		}
	}
	if all := c.sim.Contacts(); len(all) != 1 || all[0].Name != "Bruno Silva" {
		t.Errorf("%+v", all)
	}
	c.sim.Renumber("ctt_00000002", "+5511980000999")
	if k, ok := c.sim.Contact("+5511980000999"); !ok || k.ID != "ctt_00000002" {
		t.Error("the new number does not find the contact")
	}
	c.json("POST", "/_sandbox/reset", "")
	if _, v := c.json("GET", "/_sandbox/contacts", ""); len(v["contacts"].([]any)) != 1 {
		t.Error(v)
	}
	if status, v := c.json("GET", "/_sandbox/", ""); status != 200 || !strings.Contains(v["raw"].(string), "opt-out") {
		t.Error(status, v)
	}
}

func TestLimitsAndInjectedFaults(t *testing.T) {
	c := setup(t, omniflow.Options{PerMinute: 1, Errors: backend.Flat})
	c.json("GET", "/v1/inboxes", "")
	if status, v, h := c.do("GET", "/v1/inboxes", "", ""); status != 429 || h.Get("Retry-After") == "" || v["code"] != "rate_limited" {
		t.Error(status, v, h)
	}
	if _, err := c.sim.Control.AddFault(sandbox.Fault{Action: sandbox.FaultThrottle, RetryAfter: new(120)}); err != nil {
		t.Fatal(err)
	}
	if status, v, h := c.do("GET", "/v1/inboxes", "", ""); status != 429 || h.Get("Retry-After") != "120" || h.Get("X-Request-Id") != "req_000003" || v["code"] != "too_many_requests" {
		t.Error(status, v, h)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []omniflow.Options{
		{ClientID: "a"},
		{Operations: map[string]mapping.Operation{"contact.get": {Path: "/{nothing}"}}},
	} {
		if o.Check() == nil {
			t.Errorf("%+v", o)
		}
	}
}

func BenchmarkLookUpAmongTenThousand(b *testing.B) {
	o := omniflow.Options{}
	for i := range 10_000 {
		o.Contacts = append(o.Contacts, omniflow.Contact{PhoneNumber: fmt.Sprintf("+55119%08d", i), Name: "Pessoa"})
	}
	sim := omniflow.New(o)
	for i := 0; b.Loop(); i++ {
		r := httptest.NewRequest("GET", fmt.Sprintf("/v1/contacts?phoneNumber=%%2B55119%08d", i%10_000), nil)
		r.Header.Set("Authorization", "Bearer "+sim.Token())
		w := httptest.NewRecorder()
		if sim.ServeHTTP(w, r); !strings.Contains(w.Body.String(), "Pessoa") {
			b.Fatal(w.Body)
		}
	}
}
