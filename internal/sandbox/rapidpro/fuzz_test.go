package rapidpro

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest asks the simulator for anything: it answers, whatever the cursor, the query and the body are, and goes on
// answering.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/api/v2/contacts.json?cursor=cD0yMDI2LTExLTIw&after=2026-11-20&reverse=1", "")
	f.Add("GET", "/api/v2/contacts.json?urn=tel:%2B558490000101&deleted=x&limit=-1", "")
	f.Add("GET", "/api/v2/contacts.json?cursor=bz05OTk5OTk5OTk5OTk5OTk5OTk5", "")
	f.Add("POST", "/api/v2/contacts.json", `{"name":"Ana","urns":["whatsapp:5584990000101","tel:+"],"fields":{"cidade":"20/11/2026 25:61","x":1e999},"groups":[null]}`)
	f.Add("POST", "/api/v2/contacts.json?urn=whatsapp:5584990000101", `{"urns":["mailto:a@b","\ud800"],"language":[]}`)
	f.Add("POST", "/api/v2/contact_actions.json", `{"contacts":["x",{}],"action":"add","group":"VIP"}`)
	f.Add("POST", "/api/v2/fields.json", `{"label":"Cidade natal","value_type":"text"}`)
	f.Add("POST", "/api/v2/groups.json", "{\"name\":\"VIP\"\x00}")
	f.Add("POST", "/_sandbox/faults", `{"action":"latency","match":"("}`)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if strings.HasPrefix(target, "/_") {
			t.Skip("the control API may be told to hang and to break")
		}
		s := New(Options{Rand: rand.New(rand.NewPCG(1, 2))})
		for range 2 {
			r, err := http.NewRequest(method, "http://sandbox.example"+target, strings.NewReader(body))
			if err != nil || !strings.HasPrefix(target, "/") {
				t.Skip("no client can ask this")
			}
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Token "+DefaultToken)
			r.Header.Set("X-Api-Token", DefaultToken)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 599 {
				t.Fatalf("%s %s is answered with %d", method, target, w.Code)
			}
		}
	})
}
