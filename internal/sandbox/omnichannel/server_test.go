package omnichannel_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"syncer/internal/mapping"
	"syncer/internal/sandbox/omnichannel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caller speaks to a simulator as a client of its API and of its control routes.
type caller struct {
	*testing.T
	sim *omnichannel.Server
	url string
	key string
}

func setup(t *testing.T, o omnichannel.Options) *caller {
	sim := omnichannel.New(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &caller{T: t, sim: sim, url: server.URL, key: "Bearer " + sim.Token()}
}

func (c *caller) raw(method, path, body string) (int, map[string]any) {
	c.Helper()
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", c.key)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	v := map[string]any{}
	if len(text) > 0 && json.Unmarshal(text, &v) != nil {
		v["raw"] = string(text)
	}
	return resp.StatusCode, v
}

// do is raw with the account named in the query and, where there is a body, in it.
func (c *caller) do(method, path, body string) (int, map[string]any) {
	c.Helper()
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	if method != "GET" {
		body = strings.Replace(body, "{", `{"clientIdentifier":"`+c.sim.Client()+`",`, 1)
		body = strings.Replace(body, ",}", "}", 1)
	}
	return c.raw(method, path+mark+"clientIdentifier="+c.sim.Client(), body)
}

const create = `{"channelId":"689a05215b711247e8f54022","contactIdentifier":"5584990000101","name":"Marina","customName":"Marina","type":"individual","channelType":"whatsapp"}`

func TestContacts(t *testing.T) {
	c := setup(t, omnichannel.Options{})
	status, v := c.do("POST", "/contacts", create)
	id, _ := v["_id"].(string)
	if status != 201 || len(id) != 24 || v["platform"] != nil || len(v["tags"].([]any)) != 0 || v["clientIdentifier"] != c.sim.Client() {
		t.Fatal(status, v)
	}
	for from, to := range map[string]string{
		`"name":"Marina",`: ``, `"whatsapp"`: `"telegram"`, `"individual"`: `"bot"`, `5584990000101`: `+55 84`, `"customName":"Marina"`: `"customName":"Marina","tagIds":["none"]`,
	} {
		body := strings.Replace(strings.Replace(create, "0101", "0199", 1), from, to, 1)
		if from == "5584990000101" {
			body = strings.Replace(create, from, to, 1)
		}
		if status, v := c.do("POST", "/contacts", body); status < 400 {
			t.Errorf("%s: %d %v", to, status, v)
		}
	}
	if status, v := c.do("POST", "/contacts", create); status != 409 {
		t.Error(status, v)
	}
	if status, v := c.do("PATCH", "/contacts/"+id, `{"name":"x"}`); status != 400 {
		t.Error("name is not updatable", status, v)
	}
	if status, v := c.do("PATCH", "/contacts/"+id, `{"customName":"Marina (Padaria)","platform":"karoochat","isIgnored":true}`); status != 200 || v["customName"] != "Marina (Padaria)" || v["platform"] != "karoochat" || v["isIgnored"] != true {
		t.Error(status, v)
	}
	if status, v := c.do("DELETE", "/contacts/"+id+"/platform", `{}`); status != 200 || v["platform"] != nil {
		t.Error(status, v)
	}
	if status, _ := c.do("GET", "/contacts/none", ""); status != 404 {
		t.Error(status)
	}
	if status, v := c.do("DELETE", "/contacts/"+id, `{}`); status != 404 || !strings.HasPrefix(v["message"].(string), "Cannot DELETE") {
		t.Error("there is no delete", status, v)
	}
}

func TestTheAccountMustBeNamed(t *testing.T) {
	c := setup(t, omnichannel.Options{})
	for path, want := range map[string]int{"/tags": 400, "/tags?clientIdentifier=other": 403, "/tags?clientIdentifier=" + c.sim.Client(): 200} {
		if status, v := c.raw("GET", path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, v)
		}
	}
	if status, _ := c.raw("POST", "/tags?clientIdentifier="+c.sim.Client(), `{"name":"VIP","color":"#ff0000"}`); status != 400 {
		t.Error("the body does not name the account", status)
	}
	c.key = "Bearer wrong"
	if status, _ := c.do("GET", "/tags", ""); status != 401 {
		t.Error(status)
	}
}

func TestListsAndFilters(t *testing.T) {
	var people []omnichannel.Contact
	for i := range 65 {
		people = append(people, omnichannel.Contact{ContactIdentifier: fmt.Sprintf("55849900001%02d", i), Name: fmt.Sprintf("Pessoa %d", i), Tags: []string{[]string{"Par", "Ímpar"}[i%2]}})
	}
	people = append(people, omnichannel.Contact{ContactIdentifier: "120363000", Name: "Grupo", Type: "group"})
	c := setup(t, omnichannel.Options{Contacts: people})
	ids := func(path string) []string {
		_, v := c.do("GET", path, "")
		var found []string
		for _, item := range v["data"].([]any) {
			found = append(found, item.(map[string]any)["contactIdentifier"].(string))
		}
		return found
	}
	if got := ids("/contacts"); len(got) != 30 || got[0] != "5584990000100" {
		t.Error("30 are the default", got)
	}
	if got := ids("/contacts?page=3&limit=30"); len(got) != 6 {
		t.Error(got)
	}
	if got := ids("/contacts?page=9&limit=30"); len(got) != 0 {
		t.Error(got)
	}
	if got := ids("/contacts?order=desc&limit=1&type=individual&channelType=whatsapp"); !slices.Equal(got, []string{"5584990000164"}) {
		t.Error(got)
	}
	if got := ids("/contacts?contactIdentifier=000010"); len(got) != 10 {
		t.Error("the filter finds substrings", got)
	}
	if got := ids("/contacts?name=pessoa%206"); len(got) != 6 {
		t.Error(got)
	}
	even := c.sim.Tags()[0]
	if got := ids("/contacts?limit=100&tagIds=" + even.ID); even.Name != "Par" || len(got) != 33 {
		t.Error(even, len(got))
	}
	_, v := c.do("GET", "/contacts?limit=20", "")
	if v["total"] != 66.0 || v["totalPages"] != 4.0 || v["page"] != 1.0 || v["limit"] != 20.0 {
		t.Error(v["total"], v["totalPages"])
	}
	if _, v := c.do("GET", "/tags/"+even.ID+"/contacts", ""); len(v["data"].([]any)) != 33 {
		t.Error("contacts of a tag")
	}
}

func TestTags(t *testing.T) {
	c := setup(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina", Tags: []string{"Cliente VIP"}}}})
	id := c.sim.Contacts()[0].ID
	status, v := c.do("POST", "/tags", `{"name":"VIP","color":"#ff0000"}`)
	vip, _ := v["_id"].(string)
	if status != 201 || vip == "" {
		t.Fatal(status, v)
	}
	for _, body := range []string{`{"name":"vip","color":"#ff0000"}`, `{"name":"x","color":"red"}`, `{"color":"#ff0000"}`} {
		if status, v := c.do("POST", "/tags", body); status < 400 {
			t.Errorf("%s: %d %v", body, status, v)
		}
	}
	if _, v := c.do("GET", "/tags?name=vip", ""); len(v["data"].([]any)) != 2 {
		t.Error("the filter by name finds substrings", v)
	}
	if status, v := c.do("POST", "/contacts/"+id+"/tags", `{"tagIds":["`+vip+`"]}`); status != 200 || len(v["tags"].([]any)) != 2 {
		t.Error(status, v)
	}
	for _, body := range []string{`{"tagIds":["none"]}`, `{"tagIds":[]}`} {
		if status, v := c.do("POST", "/contacts/"+id+"/tags", body); status < 400 {
			t.Errorf("%s: %d %v", body, status, v)
		}
	}
	if status, v := c.do("PATCH", "/contacts/"+id, `{"tagIds":["`+vip+`"]}`); status != 200 || len(v["tags"].([]any)) != 1 {
		t.Error("an update replaces the tags", status, v)
	}
	if status, v := c.do("DELETE", "/contacts/"+id+"/tags", `{"tagIds":["`+vip+`"]}`); status != 200 || len(v["tags"].([]any)) != 0 {
		t.Error(status, v)
	}
	if _, v := c.do("PATCH", "/tags/"+vip, `{"name":"Ouro","color":"#00ff00"}`); v["name"] != "Ouro" || v["color"] != "#00ff00" {
		t.Error(v)
	}
	if _, v := c.do("GET", "/tags/"+vip, ""); v["name"] != "Ouro" {
		t.Error(v)
	}
	c.sim.Tag(id, "ouro")
	if _, v := c.do("GET", "/contacts/"+id+"/tags", ""); len(v["data"].([]any)) != 1 {
		t.Error(v)
	}
	if status, _ := c.do("DELETE", "/tags/"+vip, `{}`); status != 204 || len(c.sim.Contacts()[0].Tags) != 0 {
		t.Error(status, c.sim.Contacts())
	}
	for _, path := range []string{"/tags/none", "/tags/none/contacts", "/contacts/none/tags"} {
		if status, _ := c.do("GET", path, ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestControlRoutes(t *testing.T) {
	c := setup(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina"}}})
	for _, call := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/_sandbox/contacts", `{"contactIdentifier":"5511980000101","name":"Bruno","tags":["VIP","vip"]}`, 201},
		{"POST", "/_sandbox/contacts", `{"phone":"x"}`, 400},
		{"POST", "/_sandbox/contacts/5511980000101/rename", `{"name":"Bruno (Loja)"}`, 204},
		{"POST", "/_sandbox/contacts/5511980000101/tag", `{"tag":"Reclamação"}`, 204},
		{"POST", "/_sandbox/contacts/5511980000101/untag", `{"tag":"vip"}`, 204},
		{"POST", "/_sandbox/contacts/5511980000101/ignore", `{"ignored":true}`, 204},
		{"POST", "/_sandbox/contacts/nobody/tag", `{"tag":"x"}`, 404},
		{"POST", "/_sandbox/contacts/5511980000101/tag", `{"tga":"x"}`, 400},
		{"DELETE", "/_sandbox/contacts/5584990000101", ``, 204},
		{"DELETE", "/_sandbox/tags/VIP", ``, 204},
		{"DELETE", "/_sandbox/tags/VIP", ``, 404},
	} {
		if status, v := c.raw(call.method, call.path, call.body); status != call.want {
			t.Errorf("%s %s: %d %v", call.method, call.path, status, v)
		}
	}
	k, ok := c.sim.Contact("5511980000101")
	if !ok || k.CustomName != "Bruno (Loja)" || !k.IsIgnored || !slices.Equal(k.Tags, []string{"Reclamação"}) || len(c.sim.Contacts()) != 1 {
		t.Errorf("%+v", k)
	}
	if _, v := c.raw("GET", "/_sandbox/tags", ""); len(v["tags"].([]any)) != 1 {
		t.Error(v)
	}
	c.raw("POST", "/_sandbox/reset", "")
	if _, v := c.raw("GET", "/_sandbox/contacts", ""); len(v["contacts"].([]any)) != 1 || len(c.sim.Tags()) != 0 {
		t.Error(v)
	}
}

func TestIDsAreTheSameEveryTime(t *testing.T) {
	o := omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Tags: []string{"VIP"}}, {ContactIdentifier: "5511980000101"}}}
	a, b := omnichannel.New(o), omnichannel.New(o)
	for i := range a.Contacts() {
		if x, y := a.Contacts()[i], b.Contacts()[i]; x.ID != y.ID || len(x.ID) != 24 {
			t.Error(x.ID, y.ID)
		}
	}
	if a.Tags()[0] != b.Tags()[0] {
		t.Error(a.Tags(), b.Tags())
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []omnichannel.Options{
		{ArrayQuery: "dots"}, {ClientIn: []string{"/cookie/x"}},
		{Operations: map[string]mapping.Operation{"contact.get": {Path: "/{nothing}"}}},
	} {
		if o.Check() == nil {
			t.Errorf("%+v", o)
		}
	}
}

func BenchmarkAmongTenThousand(b *testing.B) {
	o := omnichannel.Options{}
	for i := range 10_000 {
		o.Contacts = append(o.Contacts, omnichannel.Contact{ContactIdentifier: fmt.Sprintf("55119%08d", i), Name: "Pessoa", Tags: []string{"VIP"}})
	}
	sim := omnichannel.New(o)
	for name, path := range map[string]string{
		"look-up": "/contacts?type=individual&channelType=whatsapp&contactIdentifier=5511900009999",
		"page":    "/contacts?type=individual&channelType=whatsapp&limit=100&page=50",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", path+"&clientIdentifier="+sim.Client(), nil)
				r.Header.Set("Authorization", "Bearer "+sim.Token())
				w := httptest.NewRecorder()
				if sim.ServeHTTP(w, r); !strings.Contains(w.Body.String(), "Pessoa") {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
