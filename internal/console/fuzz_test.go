package console_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"syncer/internal/console/consoletest"
)

// FuzzAPI asks the admin door for anything, as a program on this machine would: every answer is one, and those of the
// API are JSON.
func FuzzAPI(f *testing.F) {
	f.Add("POST", "/api/v1/explain", `{"what":"crm/4821","show":true}`)
	f.Add("POST", "/api/v1/runs", `{"source":"crm","kind":"full","only":[""],"limit":-1}`)
	f.Add("POST", "/api/v1/runs/%00/apply", `{"only":null,"limit":1e9}`)
	f.Add("GET", "/api/v1/runs/x/plan?after=%ff&limit=99999999999999999999&show=maybe", "")
	f.Add("GET", "/api/v1/dead?limit=-1&target=%zz", "")
	f.Add("POST", "/api/v1/link", `{"key":"/","target":"","id":{}}`)
	f.Add("POST", "/api/v1/forget", `{"what":"+55 84 90000-0101"}{`)
	f.Add("POST", "/api/v1/hooks", `[]`)
	f.Add("GET", "/runs/../../x", "")
	f.Add("POST", "/login", "token=x&token=y&%")
	f.Add("GET", "/explain?what=%3Cscript%3E", "")
	door := handler(&consoletest.Fake{}, "")
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if r, err := http.NewRequest(method, "http://127.0.0.1"+target, nil); err != nil || !strings.HasPrefix(target, "/") || r.URL.RequestURI() != target || strings.ContainsAny(target, " \t") {
			t.Skip("no client can ask this")
		}
		w := ask(door, method, target, body, "Content-Type", "application/json")
		switch {
		case w.Code < 200 || w.Code > 599:
			t.Fatalf("%s %s is answered with %d", method, target, w.Code)
		case strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()):
			t.Fatalf("%s %s: no JSON: %s", method, target, w.Body)
		case strings.Contains(w.Body.String(), "<script>"):
			t.Fatalf("%s %s: what was asked is a script in the answer", method, target)
		}
	})
}
