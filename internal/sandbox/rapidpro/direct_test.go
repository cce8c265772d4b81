package rapidpro

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/sandbox"
)

func TestDirectEdits(t *testing.T) {
	c := newClient(t, Options{})
	must(c.AddField("Cidade", "text"))
	must(c.AddGroup("VIP", ""))
	must(c.AddGroup("Natal", `cidade = "natal" AND name != ""`))
	uuid := must(c.AddContact(NewContact{Name: "Ana", Language: "por", URNs: []string{"whatsapp:5500900000001"}, Groups: []string{"vip"}, Fields: map[string]string{"cidade": "Natal"}}))
	got := c.contact(uuid)
	if !slices.Equal(got.Groups, []string{"VIP", "Natal"}) || got.Fields["cidade"] != "Natal" || got.Status != "active" {
		t.Errorf("%+v", got)
	}
	edit := func(e Edit) Contact {
		t.Helper()
		before := c.contact(uuid).ModifiedOn
		if err := c.Edit(uuid, e); err != nil {
			t.Fatal(err)
		}
		after := c.contact(uuid)
		if !after.ModifiedOn.After(before) {
			t.Errorf("%+v did not move modified_on", e)
		}
		return after
	}
	text := func(s string) *string { return &s }
	if got := edit(Edit{Name: text(""), Language: text("eng"), RemoveGroups: []string{"VIP"}}); len(got.Groups) != 0 || got.Language != "eng" {
		t.Errorf("%+v", got)
	}
	if got := edit(Edit{AddURNs: []string{"ext:1"}}); !slices.Equal(got.URNs, []string{"whatsapp:5500900000001", "ext:1"}) {
		t.Errorf("%+v", got)
	}
	if got := edit(Edit{RemoveURNs: []string{"whatsapp:5500900000001"}, Name: text("Bia")}); !slices.Equal(got.URNs, []string{"ext:1"}) || !slices.Equal(got.Groups, []string{"Natal"}) {
		t.Errorf("%+v", got)
	}
	if got := edit(Edit{Status: "archived"}); got.Status != "archived" || len(got.Groups) != 0 {
		t.Errorf("%+v", got)
	}
	c.want("GET", "contacts.json", "", 200, `{"$contains":{"results":[{"$contains":{"blocked":false,"stopped":false,"groups":[]}}]}}`)
	c.want("POST", "contact_actions.json", `{"contacts":["`+uuid+`"],"action":"add","group":"VIP"}`, 400, `{"non_field_errors":["Non-active contacts cannot be added to groups: `+uuid+`"]}`)
	if got := edit(Edit{Status: "active", Fields: map[string]string{"cidade": ""}}); len(got.Groups) != 0 {
		t.Errorf("%+v", got)
	}
	for _, bad := range []Edit{{Status: "x"}, {AddGroups: []string{"Natal"}}, {Fields: map[string]string{"x": ""}}, {AddURNs: []string{"x"}}} {
		if err := c.Edit(uuid, bad); err == nil {
			t.Errorf("%+v was done", bad)
		}
	}
	if err := c.Edit("ext:1", Edit{Delete: true}); err != nil || !c.contact(uuid).Deleted {
		t.Error(err)
	}
	if err := c.Edit(uuid, Edit{}); err == nil {
		t.Error("a deleted contact was edited")
	}
}

func TestInbound(t *testing.T) {
	c := newClient(t, Options{})
	uuid := must(c.AddContact(NewContact{Name: "Ana", URNs: []string{"whatsapp:550090000001"}}))
	if err := c.Edit(uuid, Edit{Status: "stopped"}); err != nil {
		t.Fatal(err)
	}
	got, created, err := c.Inbound("whatsapp:5500990000001", "Outra")
	if err != nil || created || got != uuid {
		t.Errorf("%s %v %v", got, created, err)
	}
	after := c.contact(uuid)
	if after.LastSeenOn == nil || !after.LastSeenOn.Equal(after.ModifiedOn) || after.Status != "active" || after.Name != "Ana" {
		t.Errorf("%+v", after)
	}
	got, created, err = c.Inbound("telegram:7", "Bia")
	if err != nil || !created || c.contact(got).Name != "Bia" || c.contact("telegram:7").UUID != got {
		t.Errorf("%s %v %v", got, created, err)
	}
	if err := c.RewriteURN("whatsapp:550090000001", "whatsapp:5500990000001"); err != nil || c.contact("whatsapp:5500990000001").UUID != uuid {
		t.Error(err)
	}
	if err := c.RewriteURN("whatsapp:5500990000001", "telegram:7"); err == nil {
		t.Error("a URN of another contact was taken")
	}
	c.want("GET", "contacts.json?urn=whatsapp:550090000001", "", 200, `{"$contains":{"results":[]}}`)
}

func TestReplicaLag(t *testing.T) {
	c := newClient(t, Options{Setup: []string{"replica-lag"}})
	uuid := c.create(`{"urns":["ext:1"]}`)
	c.want("GET", "contacts.json?uuid="+uuid, "", 200, `{"$contains":{"results":[]}}`)
	c.want("POST", "contacts.json?urn=ext:1", `{"name":"Ana"}`, 200, `{"$contains":{"uuid":"`+uuid+`","name":"Ana"}}`)
	c.Control.Advance(2 * time.Second)
	c.want("GET", "contacts.json?urn=ext:1", "", 200, `{"$contains":{"results":[{"$contains":{"name":"Ana"}}]}}`)
	c.want("DELETE", "contacts.json?uuid="+uuid, "", 204, "")
	c.want("GET", "contacts.json?urn=ext:1", "", 200, `{"$contains":{"results":{"$len":1}}}`)
	if err := c.Change(func(s *Settings) { s.ReplicaLagMS = 0 }); err != nil {
		t.Fatal(err)
	}
	c.want("GET", "contacts.json?urn=ext:1", "", 200, `{"$contains":{"results":[]}}`)
}

func TestCampaigns(t *testing.T) {
	start := time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)
	c := newClient(t, Options{Clock: func() time.Time { return start }})
	must(c.AddField("Compra", "datetime"))
	g := must(c.AddGroup("Clientes", ""))
	hour := 9
	uuid := must(c.AddCampaign(Campaign{Name: "Depois", Group: "Clientes", Events: []CampaignEvent{
		{RelativeTo: "compra", Offset: 2, Unit: "days", Hour: &hour, Message: "Gostou?"},
		{RelativeTo: "created_on", Offset: 3, Unit: "hours", Flow: "Boas-vindas"},
	}}))
	ana := c.create(`{"fields":{"compra":"2026-03-01T10:00:00-03:00"}}`)
	if pending, _ := c.Fires(); len(pending) != 0 {
		t.Errorf("before the group: %+v", pending)
	}
	c.want("POST", "contact_actions.json", `{"contacts":["`+ana+`"],"action":"add","group":"`+g+`"}`, 204, "")
	pending, _ := c.Fires()
	want := []string{"2026-03-02T15:01:00Z group", "2026-03-03T12:00:00Z group"} // three hours later; nine o'clock at home
	if got := describeFires(pending); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	c.want("POST", "contacts.json?uuid="+ana, `{"fields":{"compra":"2026-03-04T10:00:00-03:00"}}`, 200, "")
	pending, log := c.Fires()
	if got := describeFires(pending); !slices.Equal(got, []string{want[0], "2026-03-06T12:00:00Z field"}) || len(log) != 3 {
		t.Errorf("%v, log of %d", got, len(log))
	}
	c.want("GET", "campaigns.json", "", 200, `{"next":null,"previous":null,"results":[{"uuid":"`+uuid+`","name":"Depois","archived":false,"group":{"uuid":"`+g+`","name":"Clientes"},"created_on":"$datetime"}]}`)
	c.want("GET", "campaign_events.json?campaign="+uuid, "", 200, `{"$contains":{"results":[
		{"uuid":"$uuid","campaign":{"uuid":"`+uuid+`","name":"Depois"},"relative_to":{"key":"created_on","label":"Created On"},"offset":3,"unit":"hours","delivery_hour":-1,"flow":{"uuid":"$uuid","name":"Boas-vindas"},"message":null,"created_on":"$datetime"},
		{"$contains":{"relative_to":{"key":"compra","label":"Compra"},"delivery_hour":9,"flow":null,"message":{"base":"Gostou?"}}}]}}`)
	c.want("DELETE", "groups.json?uuid="+g, "", 400, `{"detail":"Group is being used by the following campaigns which must be archived first: `+uuid+`"}`)
	c.want("POST", "fields.json?key=compra", `{"label":"Compra","value_type":"text"}`, 500, "")
	c.want("POST", "contacts.json?uuid="+ana, `{"groups":[]}`, 200, "")
	if pending, _ := c.Fires(); len(pending) != 0 {
		t.Errorf("after leaving the group: %+v", pending)
	}
}

func describeFires(fires []Fire) (out []string) {
	for _, f := range fires {
		out = append(out, f.Scheduled.UTC().Format(time.RFC3339)+" "+f.Cause)
	}
	return out
}

func TestQueries(t *testing.T) {
	f := &field{id: 1, key: "idade", kind: "numeric"}
	d := &field{id: 2, key: "compra", kind: "datetime"}
	env := environment{now: time.Now(), zone: time.UTC, dateStyle: "day_first"}
	c := &contact{
		name: "Ana Maria", language: "POR", status: active, urns: []*urnRow{{urn: urn{scheme: "tel", path: "+5500900000001"}}},
		values: map[int64]value{1: parseValue("39.50", env), 2: parseValue("2020-01-31T10:00:00Z", env)},
	}
	s := subject{contact: c, fields: []*field{f, d}, env: env}
	for text, want := range map[string]bool{
		`language = "por"`: true, `language != por`: false, `name = "ana maria"`: true, `name ~ "mar"`: true, `name ~ "aria"`: false, `name ~ "bia ana"`: true,
		`name has ana and idade > 39`: true, `idade = 39.5`: true, `idade < 39.5 or idade <= 39.5`: true, `idade > abc`: false,
		`fields.idade != ""`: true, `cidade = ""`: true, `cidade = x`: false, `cidade != x`: false, `tel = +5500900000001`: true, `urns.tel ~ 0001`: true, `urn = ""`: false,
		`compra = 31-01-2020`: true, `compra > 30/01/2020`: true, `compra < 31/01/2020`: false, `(name = x or language is por) idade >= 1`: true, `tickets > 0`: false,
		`whatsapp != ""`: false,
	} {
		q, err := parseQuery(text)
		if err != nil || q.matches(s) != want {
			t.Errorf("%s: want %v, %v", text, want, err)
		}
	}
	for _, bad := range []string{"", "name", "name =", `name = "x`, "(name = x", "name = x)", "= x", "name x y"} {
		if _, err := parseQuery(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSettings(t *testing.T) {
	c := newClient(t, Options{Setup: []string{"flagged", "full"}})
	c.want("POST", "groups.json", `{"name":"x"}`, 400, `{"non_field_errors":["Sorry, your workspace is currently flagged. To re-enable starting flows and sending messages, please contact support."]}`)
	c.want("POST", "/_sandbox/settings", `{"flagged":false,"anon":true}`, 200, `{"$contains":{"flagged":false,"anon":true,"max_groups":1}}`)
	c.want("POST", "groups.json", `{"name":"x"}`, 400, `{"non_field_errors":["This org has 1 groups and the limit is 1. You must delete existing ones before you can create new ones."]}`)
	for _, bad := range []string{`{"role":"king"}`, `{"timezone":"Mars"}`, `{"date_style":"x"}`, `{"window_seconds":0,"requests":1}`, `{"x":1}`, `[`} {
		c.want("POST", "/_sandbox/settings", bad, 400, "")
	}
	c.want("POST", "/_sandbox/reset", "", 204, "")
	c.want("GET", "/_sandbox/settings", "", 200, `{"$contains":{"flagged":true,"anon":false}}`)
	c.want("GET", "fields.json", "", 200, `{"$contains":{"results":[{"key":"unico","label":"Unico","value_type":"text","pinned":false}]}}`)
	for _, o := range []Options{{Setup: []string{"x"}}, {Flavour: "x"}, {PerHour: -1}} {
		if o.Check() == nil {
			t.Errorf("%+v is fine", o)
		}
	}
}

func TestControlRoutes(t *testing.T) {
	c := newClient(t, Options{})
	c.want("POST", "/_sandbox/fields", `{"label":"Cidade","type":"text"}`, 200, `{"key":"cidade"}`)
	c.want("POST", "/_sandbox/groups", `{"name":"VIP"}`, 200, `{"uuid":"$uuid"}`)
	c.want("POST", "/_sandbox/groups", `{"name":"vip"}`, 400, "")
	made := c.want("POST", "/_sandbox/contacts", `{"name":"Ana","urns":["ext:1"],"groups":["VIP"],"fields":{"cidade":"Natal"}}`, 200, `{"uuid":"$uuid"}`)
	uuid := made.(map[string]any)["uuid"].(string)
	c.want("POST", "/_sandbox/contacts/ext:1", `{"name":"Bia","status":"blocked"}`, 204, "")
	c.want("POST", "/_sandbox/contacts/ext:9", `{}`, 400, "")
	c.want("GET", "/_sandbox/contacts?ref="+uuid, "", 200, `{"$contains":{"name":"Bia","status":"blocked","groups":[]}}`)
	c.want("POST", "/_sandbox/inbound", `{"urn":"whatsapp:5500900000001","name":"Caio"}`, 200, `{"uuid":"$uuid","created":true}`)
	c.want("POST", "/_sandbox/urns", `{"from":"whatsapp:5500900000001","to":"whatsapp:550000000001"}`, 204, "")
	c.want("POST", "/_sandbox/touch", `{"at":"2026-01-01T00:00:00Z"}`, 200, `{"at":"2026-01-01T00:00:00Z"}`)
	c.want("POST", "/_sandbox/seed?n=1200", "", 200, `{"made":1200}`)
	c.want("POST", "/_sandbox/seed?n=x", "", 400, "")
	c.want("POST", "/_sandbox/campaigns", `{"name":"Oi","group":"VIP","events":[{"relative_to":"created_on","offset":1,"unit":"days","message":"Oi"}]}`, 200, `{"uuid":"$uuid"}`)
	c.want("POST", "/_sandbox/campaigns", `{"name":"Oi","group":"nobody"}`, 400, "")
	c.want("GET", "/_sandbox/fires", "", 200, `{"pending":[],"log":[]}`)
	c.want("GET", "/_sandbox/state", "", 200, `{"$contains":{"fields":{"$len":1},"groups":{"$len":1},"contacts":{"$len":1202}}}`)
	c.want("GET", "contacts.json?before=2026-01-01", "", 200, `{"$contains":{"results":{"$len":2}}}`)
	if _, text := c.do("GET", "/_sandbox/", ""); !strings.Contains(text.(string), "POST /_sandbox/inbound") {
		t.Error(text)
	}
}

// TestCounting shows how a test says: exactly one update by uuid, and nothing else in that scope.
func TestCounting(t *testing.T) {
	c := newClient(t, Options{})
	uuid := c.create(`{}`)
	c.Control.ClearCalls()
	c.want("POST", "contacts.json?uuid="+uuid, `{"name":"Ana"}`, 200, "")
	c.want("GET", "fields.json", "", 200, "")
	if got := c.Control.Calls().Scope(scopeContacts).String(); got != "v2.contacts POST contacts.json?uuid= 200 x1" {
		t.Errorf("calls:\n%s", got)
	}
}

// TestLostAnswer is the classic accident: the contact was made and nobody was told.
func TestLostAnswer(t *testing.T) {
	s := New(Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	if _, err := s.Control.AddFault(sandbox.Fault{Method: "POST", Scope: scopeContacts, Times: 1, Action: sandbox.FaultResetAfter}); err != nil {
		t.Fatal(err)
	}
	post := func() (int, map[string]any, error) {
		req, _ := http.NewRequest("POST", server.URL+"/api/v2/contacts.json", strings.NewReader(`{"urns":["ext:1"]}`))
		req.Header.Set("Authorization", "Token "+s.Token())
		req.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(req)
		if err != nil {
			return 0, nil, err
		}
		defer resp.Body.Close()
		var body map[string]any
		return resp.StatusCode, body, json.NewDecoder(resp.Body).Decode(&body)
	}
	if code, _, err := post(); err == nil {
		t.Errorf("an answer came: %d", code)
	}
	code, body, err := post()
	if err != nil || code != 400 || diff(map[string]any{"urns": []any{"URN belongs to another contact: ext:1"}}, body, "") != "" {
		t.Errorf("%d %v %v", code, body, err)
	}
}
