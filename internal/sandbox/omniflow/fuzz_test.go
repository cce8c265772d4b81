package omniflow

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest asks the simulator for anything: it answers, whatever the cursor, the query and the body are, and goes on
// answering.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/contacts?phone=5584990000101&cursor=%FF", "")
	f.Add("POST", "/contacts", `{"name":["Ana"],"phone":{},"inbox":-1}`)
	f.Add("POST", "/oauth/token", `grant_type=client_credentials&client_id=%`)
	f.Add("GET", "/inboxes?limit=0", "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if strings.HasPrefix(target, "/_") {
			t.Skip("the control API may be told to hang and to break")
		}
		s := New(Options{Update: true})
		for range 2 {
			r, err := http.NewRequest(method, "http://sandbox.example"+target, strings.NewReader(body))
			if err != nil || !strings.HasPrefix(target, "/") {
				t.Skip("no client can ask this")
			}
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+DefaultToken)
			r.Header.Set("X-Api-Token", DefaultToken)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code < 200 || w.Code > 599 {
				t.Fatalf("%s %s is answered with %d", method, target, w.Code)
			}
		}
	})
}
