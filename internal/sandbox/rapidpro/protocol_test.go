package rapidpro

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestNegotiation(t *testing.T) {
	c := newClient(t, Options{})
	for _, tc := range []struct {
		path, accept string
		status       int
		kind         string
	}{
		{"contacts.json", "", 200, "application/json"},
		{"contacts.json", "*/*", 200, "application/json"},
		{"contacts.json", "application/*", 200, "application/json"},
		{"contacts.json", "text/html", 406, "text/html; charset=utf-8"},
		{"contacts", "application/json", 200, "application/json"},
		{"contacts", "application/json, text/plain, */*", 200, "application/json"},
		{"contacts", "*/*", 200, "text/html; charset=utf-8"},
		{"contacts", "text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/html; charset=utf-8"},
		{"contacts", "text/html, application/json; version=2", 200, "application/json"},
		{"contacts", "text/html, application/json; q=0.1", 200, "text/html; charset=utf-8"},
		{"contacts?format=json", "", 200, "application/json"},
		{"contacts?format=json", "text/html", 406, "text/html; charset=utf-8"},
		{"contacts?format=api", "*/*", 200, "text/html; charset=utf-8"},
		{"contacts?format=xml", "", 404, "text/html; charset=utf-8"},
		{"contacts.json?format=xml", "", 200, "application/json"},
		{"contacts.api", "text/html", 200, "text/html; charset=utf-8"},
		{"contacts.xml", "", 404, "text/html"},
		{"contacts.json/", "", 200, "application/json"},
		{"contacts/", "", 404, "text/html"},
	} {
		c.headers = map[string]string{"Accept": tc.accept}
		w := c.send("GET", tc.path, "")
		if w.Code != tc.status || w.Header().Get("Content-Type") != tc.kind {
			t.Errorf("%s with %q: %d %q", tc.path, tc.accept, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestMethods(t *testing.T) {
	c := newClient(t, Options{})
	for path, allow := range map[string]string{
		"contacts.json": "GET, POST, DELETE, HEAD, OPTIONS", "contacts_lean.json": "GET, HEAD, OPTIONS", "contact_actions.json": "POST, OPTIONS",
		"fields.json": "GET, POST, HEAD, OPTIONS", "groups.json": "GET, POST, DELETE, HEAD, OPTIONS", "workspace.json": "GET, HEAD, OPTIONS",
	} {
		w := c.send("TRACE", path, "")
		if w.Code != 405 || w.Header().Get("Allow") != allow {
			t.Errorf("%s: %d %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := c.send("HEAD", "contacts.json", ""); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}

func TestAuthentication(t *testing.T) {
	c := newClient(t, Options{User: "ana@example.com"})
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for header, want := range map[string]string{
		"TOKEN " + c.Token():                  "",
		basic("ana@example.com:" + c.Token()): "",
		basic("bia@example.com:" + c.Token()): "Invalid token or email",
		"Basic":                               "Invalid basic header. No credentials provided.",
		"Basic a b":                           "Invalid basic header. Credentials string should not contain spaces.",
		"Basic abc":                           "Invalid basic header. Credentials not correctly base64 encoded.",
		"Basic !":                             "Invalid token or email", // what is not base64 is skipped
		"Token \xff":                          "Invalid token header. Token string should not contain invalid characters.",
		"Token " + strings.ToUpper(c.Token()): "Invalid token",
		"Bearer " + c.Token():                 "Authentication credentials were not provided.",
	} {
		c.headers = map[string]string{"Authorization": header}
		code, got := c.do("GET", "workspace.json", "")
		if want == "" && code != 200 || want != "" && (code != 403 || diff(map[string]any{"detail": want}, got, "") != "") {
			t.Errorf("%s: %d %v", header, code, got)
		}
	}
}

func TestThrottle(t *testing.T) {
	c := newClient(t, Options{PerHour: 3})
	for range 3 {
		c.want("GET", "contacts.json?uuid=x", "", 200, "")
		c.Control.Advance(time.Minute)
	}
	w := c.send("POST", "contacts.json", "{}")
	if w.Code != 429 || w.Header().Get("Retry-After") != "3420" {
		t.Errorf("%d %q %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	c.want("GET", "fields.json", "", 200, "") // a scope of its own
	c.Control.Advance(57 * time.Minute)
	c.want("GET", "contacts.json?uuid=x", "", 200, "")
	c.want("GET", "contacts.json?uuid=x", "", 429, `{"detail":"Request was throttled. Expected available in 60 seconds."}`)
	c.Control.Advance(59500 * time.Millisecond)
	c.want("GET", "contacts.json?uuid=x", "", 429, `{"detail":"Request was throttled. Expected available in 1 second."}`)
	if err := c.Change(func(s *Settings) { s.Requests = 2 }); err != nil {
		t.Fatal(err)
	}
	w = c.send("GET", "contacts.json?uuid=x", "")
	if w.Code != 429 || w.Header().Get("Retry-After") != "" || w.Body.String() != `{"detail":"Request was throttled."}` {
		t.Errorf("a lowered limit: %d %q %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}

func TestBodies(t *testing.T) {
	c := newClient(t, Options{})
	c.want("POST", "contacts.json", `{"name":"x",}`, 400, `{"detail":"JSON parse error - Expecting property name enclosed in double quotes: line 1 column 13 (char 12)"}`)
	c.want("POST", "contacts.json", "{\n \"name\": tru}", 400, `{"detail":"JSON parse error - Expecting value: line 2 column 10 (char 11)"}`)
	c.want("POST", "contacts.json", `{} x`, 400, `{"detail":"JSON parse error - Extra data: line 1 column 4 (char 3)"}`)
	c.want("POST", "contacts.json", ` `, 400, `{"detail":"JSON parse error - Expecting value: line 1 column 2 (char 1)"}`)
	c.want("POST", "contacts.json", `{"name":NaN}`, 201, `{"$contains":{"name":"nan"}}`)
	c.want("POST", "contacts.json", `-Infinity`, 400, `{"non_field_errors":["Request body should be a single JSON object"]}`)
	c.want("POST", "contacts.json", "{\"name\":\"\xff\"}", 400, `{"detail":"JSON parse error - 'utf-8' codec can't decode byte 0xff in position 9: invalid start byte"}`)
	c.want("POST", "contacts.json", strings.Repeat("[", 5000), 500, "")
	c.want("POST", "contacts.json?uuid=x", `{bad`, 404, "")
	c.headers = map[string]string{"Content-Type": "text/csv; charset=utf-8"}
	c.want("POST", "contacts.json", `a`, 415, `{"detail":"Unsupported media type \"text/csv; charset=utf-8\" in request."}`)
	c.want("POST", "contacts.json", ``, 201, "")
	c.headers = map[string]string{"Content-Type": "application/json; charset=iso-8859-1"}
	c.want("POST", "contacts.json", "{\"name\":\"Jo\xe3o\"}", 201, `{"$contains":{"name":"João"}}`)
}

func TestForms(t *testing.T) {
	c := newClient(t, Options{})
	g := must(c.AddGroup("VIP", ""))
	c.settle()
	c.headers = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	form := url.Values{"name": {"Ana Maria"}, "language": {"por"}, "urns": {"ext:1", "ext:2"}, "groups": {g}}
	c.want("POST", "contacts.json", form.Encode(), 201, `{"$contains":{"name":"Ana Maria","language":"por","urns":["ext:1","ext:2"],"groups":[{"uuid":"`+g+`","name":"VIP"}]}}`)
	// A form without groups names no groups, and an empty language is null.
	c.want("POST", "contacts.json?urn=ext:1", "language=", 200, `{"$contains":{"name":"Ana Maria","language":null,"groups":[]}}`)
	c.want("POST", "contacts.json?urn=ext:1", "name=", 400, `{"name":["Contact name cannot be empty."]}`)
	c.want("POST", "contact_actions.json", "action=block", 400, `{"contacts":["Contacts can't be empty."]}`)
	c.want("POST", "contacts.json", "urns[0]=ext:3&urns[1]=ext:4", 201, `{"$contains":{"urns":["ext:3","ext:4"]}}`)
	c.headers = map[string]string{"Content-Type": "multipart/form-data; boundary=b"}
	c.want("POST", "contacts.json", "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nBia\r\n--b--\r\n", 201, `{"$contains":{"name":"Bia"}}`)
}

func TestEscaping(t *testing.T) {
	c := newClient(t, Options{})
	w := c.send("POST", "contacts.json", `{"name":"Jo\u00e3o \ud83d\ude00 \u007f \"/<"}`)
	if want := `"name":"Jo\u00e3o \ud83d\ude00 \u007f \"/<"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("want %s in %s", want, w.Body)
	}
	if strings.ContainsAny(w.Body.String(), "\n") || strings.Contains(w.Body.String(), `": `) {
		t.Errorf("not compact: %s", w.Body)
	}
	c.want("POST", "contacts.json", `{"name":"a\ud83d"}`, 400, `{"name":["Surrogate characters are not allowed: U+D83D."]}`)
	c.want("POST", "contacts.json", `{"fields":{"\ud83d":"x"}}`, 400, "")
}

func TestUnstorableParameters(t *testing.T) {
	c := newClient(t, Options{})
	for _, path := range []string{"contacts.json?uuid=%00", "contacts.json?name=%00", "contacts.json?group=%00", "fields.json?key=%00", "groups.json?name=%00", "contacts.json?cursor=cD14"} {
		if w := c.send("GET", path, ""); w.Code != 500 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestErrorPages(t *testing.T) {
	for status, want := range map[int]string{500: "Server Error. Site", 502: "<html>", 429: "Request was throttled.", 401: "Invalid token", 404: "Not found.", 409: "reached limit"} {
		if _, body := errorPage(status, -1); !strings.Contains(body, want) {
			t.Errorf("%d: %s", status, body)
		}
	}
	if _, body := errorPage(http.StatusTooManyRequests, 9); !strings.Contains(body, "in 9 seconds") {
		t.Error(body)
	}
}
