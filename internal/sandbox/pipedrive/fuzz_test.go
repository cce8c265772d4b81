package pipedrive

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest asks the simulator for anything: it answers, whatever the cursor, the query and the body are, and goes on
// answering.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/api/v2/persons?cursor=eyJpZCI6MX0&limit=9999999999&sort_by=update_time&updated_since=2026-11-20T00:00:00Z", "")
	f.Add("GET", "/api/v2/persons?ids=1,2,,x,-1", "")
	f.Add("GET", "/api/v2/persons/0", "")
	f.Add("POST", "/api/v2/persons", `{"name":"Ana","phones":[{"value":"84 99000-0101","primary":1}],"custom_fields":[]}`)
	f.Add("PUT", "/api/v1/persons/1/merge", `{"merge_with_id":1}`)
	f.Add("GET", "/v1/personFields?start=-1", "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if strings.HasPrefix(target, "/_") {
			t.Skip("the control API may be told to hang and to break")
		}
		s := New(Options{Seed: 1})
		defer s.Close()
		for range 2 {
			r, err := http.NewRequest(method, "http://sandbox.example"+target, strings.NewReader(body))
			if err != nil || !strings.HasPrefix(target, "/") {
				t.Skip("no client can ask this")
			}
			if strings.Contains(r.URL.Path, "webhooks") {
				t.Skip("a webhook might be sent anywhere")
			}
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", DefaultToken)
			r.Header.Set("X-Api-Token", DefaultToken)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 599 {
				t.Fatalf("%s %s is answered with %d", method, target, w.Code)
			}
		}
	})
}
