package rapidpro

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// client talks to a server without a network, so that it also works in a synctest bubble.
type client struct {
	testing.TB
	*Server
	headers map[string]string
}

func newClient(t testing.TB, o Options) *client { return &client{TB: t, Server: New(o)} }

// do sends a request and returns status and body, decoded when it is JSON.
func (c *client) do(method, path, body string) (int, any) {
	w := c.send(method, path, body)
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		return w.Code, w.Body.String()
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		c.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	return w.Code, v
}

func (c *client) send(method, path, body string) *httptest.ResponseRecorder {
	if !strings.HasPrefix(path, "/") {
		path = "/api/v2/" + path
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	r.Header.Set("Authorization", "Token "+c.Token())
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.headers {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// want sends a request and compares status and body with what is wanted, in the language of the recordings.
func (c *client) want(method, path, body string, status int, wanted string) any {
	c.Helper()
	code, got := c.do(method, path, body)
	if code != status {
		c.Errorf("%s %s %.200s: status %d, want %d: %v", method, path, body, code, status, got)
		return got
	}
	if wanted == "" {
		return got
	}
	var w any
	if err := json.Unmarshal([]byte(wanted), &w); err != nil {
		w = wanted
	}
	if d := diff(w, got, "body"); d != "" {
		c.Errorf("%s %s %.200s: %s", method, path, body, d)
	}
	return got
}

// create makes a contact through the API and returns its uuid.
func (c *client) create(body string) string {
	c.Helper()
	got := c.want("POST", "contacts.json", body, http.StatusCreated, "")
	if m, ok := got.(map[string]any); ok {
		return fmt.Sprint(m["uuid"])
	}
	return ""
}

func (c *client) contact(ref string) Contact {
	c.Helper()
	got, ok := c.Contact(ref)
	if !ok {
		c.Fatalf("no contact %q", ref)
	}
	return got
}

func (c *client) settle() { c.Control.Advance(6 * time.Second) }
