package weni_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
)

const serverError = "Server Error. Site administrators have been notified."

func html() http.Header { return http.Header{"Content-Type": {"text/html; charset=utf-8"}} }

// The operations that fail in the table.
var (
	creating = func(r *rig) error {
		_, err := r.Create(r.t.Context(), &contact.Change{Create: true, Name: new("Marina Exemplo"), Language: new("por"),
			Fields: map[string]string{"race_b": "Pitanguinha"}, AddURNs: []contact.URN{"whatsapp:5584993100011"}}, []string{vip})
		return err
	}
	updating = func(r *rig) error {
		_, err := r.Update(r.t.Context(), &contact.Observed{ID: ana}, &contact.Change{Name: new("Marina Exemplo"), Fields: map[string]string{"race_b": "Pitanguinha"}})
		return err
	}
	labelling = func(r *rig) error { return r.Label(r.t.Context(), vip, true, []string{ana, bia}) }
	blocking  = func(r *rig) error { return r.Block(r.t.Context(), ana) }
	getting   = func(r *rig) error { _, err := r.Get(r.t.Context(), ana); return err }
	finding   = func(r *rig) error {
		_, err := r.Find(r.t.Context(), []contact.URN{"whatsapp:5584993100011"})
		return err
	}
)

// Every shape of a failure, with what it decides and the words people get.
var failures = []struct {
	name      string
	do        func(*rig) error
	status    int
	answer    string
	header    http.Header
	kind      contact.ErrorKind
	words     string
	until     time.Duration // after now; 0 is none
	names     []string
	uncertain bool
}{
	{name: "throttled", do: getting, status: 429, answer: `{"detail":"Request was throttled. Expected available in 3290 seconds."}`,
		header: http.Header{"Retry-After": {"3290"}}, kind: contact.Throttled, words: "slow down", until: 3290 * time.Second},
	{name: "throttled without a time", do: getting, status: 429, answer: `{"detail":"Request was throttled."}`, kind: contact.Throttled, words: "slow down", until: time.Minute},
	{name: "throttled by a proxy", do: getting, status: 429, answer: `<html>slow</html>`, header: html(), kind: contact.Throttled, words: "slow down", until: time.Minute},

	{name: "no token arrived", do: getting, status: 403, answer: `{"detail":"Authentication credentials were not provided."}`, kind: contact.Auth, words: "removes the Authorization header"},
	{name: "unknown token", do: getting, status: 403, answer: `{"detail":"Invalid token"}`, kind: contact.Auth, words: "does not know the token"},
	{name: "token header", do: getting, status: 403, answer: `{"detail":"Invalid token header. No credentials provided."}`, kind: contact.Auth, words: "does not know the token"},
	{name: "token with blanks", do: getting, status: 403, answer: `{"detail":"Invalid token header. Token string should not contain spaces."}`, kind: contact.Auth, words: "does not know the token"},
	{name: "viewer token", do: updating, status: 403, answer: `{"detail":"You do not have permission to perform this action."}`, kind: contact.Auth, words: "role Administrator or Editor"},
	{name: "forbidden page", do: updating, status: 403, answer: `<html>Forbidden</html>`, header: html(), kind: contact.Auth, words: "refuses the credentials (HTTP 403)"},
	{name: "409 of a proxy", do: creating, status: 409, answer: `<html>Conflict</html>`, header: html(), kind: contact.Unavailable, words: "something in front of the API refuses the request with a page (HTTP 409)"},
	{name: "401 of a proxy", do: getting, status: 401, answer: ``, header: html(), kind: contact.Auth, words: "refuses the credentials (HTTP 401)"},

	{name: "suspended", do: updating, status: 400, answer: `{"non_field_errors":["Sorry, your workspace is currently suspended. To re-enable starting flows and sending messages, please contact support."]}`,
		kind: contact.Suspended, words: "the workspace is suspended"},
	{name: "flagged", do: labelling, status: 400, answer: `{"non_field_errors":["Sorry, your workspace is currently flagged. To re-enable starting flows and sending messages, please contact support."]}`,
		kind: contact.Suspended, words: "the workspace is flagged"},
	{name: "anonymous look-up", do: finding, status: 400, answer: `{"detail":"URN lookups not allowed for anonymous organizations"}`, kind: contact.Suspended, words: "the workspace is anonymous"},
	{name: "anonymous update", do: updating, status: 400, answer: `{"urns":["Updating URNs not allowed for anonymous organizations"]}`, kind: contact.Suspended, words: "the workspace is anonymous"},

	{name: "address taken", do: creating, status: 400, answer: `{"urns":["URN belongs to another contact: whatsapp:5584993100011"]}`, kind: contact.Conflict, words: "an address belongs to another contact"},
	{name: "address taken, with other errors", do: creating, status: 400, answer: `{"name":["Contact name cannot be empty."],"urns":["URN belongs to another contact: tel:+5584993100011"]}`,
		kind: contact.Conflict, words: "an address belongs to another contact"},
	{name: "address taken, engine", do: creating, status: 400, answer: `{"error":"URNs in use by other contacts"}`, kind: contact.Conflict, words: "ninth digit"},
	{name: "address taken, upstream", do: creating, status: 400, answer: `{"urns":{"0":["URN is in use by another contact."]}}`, kind: contact.Conflict, words: "an address belongs to another contact"},

	{name: "new field", do: creating, status: 400, answer: `{"error":"unknown contact field 'race_b'"}`, kind: contact.Unready, words: "does not know a field yet: race_b", until: 6 * time.Second},
	{name: "new group", do: creating, status: 400, answer: `{"error":"unknown contact group '` + vip + `'"}`, kind: contact.Unready, words: "does not know a group yet", until: 6 * time.Second},
	{name: "deleted field", do: updating, status: 400, answer: `{"fields":["Invalid contact field key: race_b"]}`, kind: contact.Unready, words: "no such field any more: race_b", until: time.Minute},
	{name: "deleted group in a create", do: creating, status: 400, answer: `{"groups":["No such object: ` + vip + `"]}`, kind: contact.Unready, words: "no such group any more", until: time.Minute},
	{name: "deleted group", do: labelling, status: 400, answer: `{"group":["No such object: ` + vip + `"]}`, kind: contact.Unready, words: "no such group any more", until: time.Minute},
	{name: "smart group", do: labelling, status: 400, answer: `{"group":["Contact group must not be dynamic: ` + vip + `"]}`, kind: contact.Unready, words: "computes itself", until: time.Minute},
	{name: "smart group, upstream", do: labelling, status: 400, answer: `{"group":["Contact group must not be query based: ` + vip + `"]}`, kind: contact.Unready, words: "computes itself", until: time.Minute},

	{name: "not found", do: updating, status: 404, answer: `{"detail":"Not found."}`, kind: contact.Gone, words: "does not exist there any more"},
	{name: "not found, newer", do: updating, status: 404, answer: `{"detail":"No Contact matches the given query."}`, kind: contact.Gone, words: "does not exist there any more"},
	{name: "deleted contact", do: updating, status: 400, answer: `{"non_field_errors":["Inactive contacts can't be modified."]}`, kind: contact.Gone, words: "was deleted there"},
	{name: "deleted contact, upstream", do: updating, status: 400, answer: `{"non_field_errors":["Deleted contacts can't be modified."]}`, kind: contact.Gone, words: "was deleted there"},
	{name: "unknown path", do: updating, status: 404, answer: `<!doctype html><h1>Not Found</h1>`, header: html(), kind: contact.Unavailable, words: "check base_url"},
	{name: "gateway's not found", do: updating, status: 404, answer: `{"message":"no Route matched with those values"}`, kind: contact.Unavailable, words: "check base_url"},
	{name: "not found without a contact", do: labelling, status: 404, answer: `{"detail":"Not found."}`, kind: contact.Unavailable, words: "check base_url"},

	{name: "blocked in a group", do: labelling, status: 400, answer: `{"non_field_errors":["Non-active contacts cannot be added to groups: ` + ana + `, ` + bia + `"]}`,
		kind: contact.Invalid, words: "cannot be added to a group", names: []string{ana, bia}},
	{name: "unknown contact in a group", do: labelling, status: 400, answer: `{"contacts":["No such object: ` + bia + `"]}`, kind: contact.Invalid, words: "does not exist there", names: []string{bia}},
	{name: "unknown contact to block", do: blocking, status: 400, answer: `{"contacts":["No such object: ` + ana + `"]}`, kind: contact.Gone, words: "does not exist there", names: []string{ana}},
	{name: "unnamed contact", do: labelling, status: 400, answer: `{"contacts":["No such object: tel:+5584993100011"]}`, kind: contact.Invalid, words: "does not exist there"},
	{name: "non-active in a create", do: creating, status: 400, answer: `{"groups":["Non-active contacts can't be added to groups"]}`, kind: contact.Invalid, words: "groups: Non-active contacts can't be added to groups"},
	{name: "bad action", do: labelling, status: 400, answer: `{"action":["\"like\" is not a valid choice."]}`, kind: contact.Invalid, words: "action: … is not a valid choice"},
	{name: "too many", do: labelling, status: 400, answer: `{"contacts":["This field can only contain up to 100 items."]}`, kind: contact.Invalid, words: "contacts: This field can only contain up to 100 items"},

	{name: "detail", do: finding, status: 400, answer: `{"detail":"Invalid URN: 5584993100011"}`, kind: contact.Invalid, words: "it refuses the content: Invalid URN"},
	{name: "keys", do: updating, status: 400, answer: `{"name":["Contact name cannot exceed 100 characters."],"language":["Not a valid ISO639-3 language code."]}`,
		kind: contact.Invalid, words: "language: Not a valid ISO639-3 language code; name: Contact name cannot exceed 100 characters"},
	{name: "list index", do: creating, status: 400, answer: `{"urns":{"0":["Invalid URN: tel:5584993100011. Ensure phone numbers contain country codes."]}}`, kind: contact.Invalid, words: "urns.0: Invalid URN"},
	{name: "field", do: updating, status: 400, answer: `{"fields":{"race_b":["Not a valid string."]}}`, kind: contact.Invalid, words: "fields.race_b: Not a valid string"},
	{name: "whole object", do: updating, status: 400, answer: `{"non_field_errors":["Request body should be a single JSON object"]}`, kind: contact.Invalid, words: "Request body should be a single JSON object"},
	{name: "engine", do: creating, status: 400, answer: `{"error":"can't insert invalid URN 'jiochat:marina': invalid jiochat id: marina"}`, kind: contact.Invalid, words: "can't insert invalid URN …"},
	{name: "database", do: creating, status: 400, answer: `{"error":"pq: value too long for type character varying(255)"}`, kind: contact.Invalid, words: "value too long for type character varying(255)"},
	{name: "echo in plain words", do: creating, status: 400, answer: `{"error":"contact Marina Exemplo of Pitanguinha already has 5584993100011 and marina@exemplo.com.br"}`,
		kind: contact.Invalid, words: "contact … … of … already has … and …"},
	// At first only what had been sent was left out, and the other contact's name was shown.
	{name: "another contact", do: creating, status: 400, answer: `{"error":"o número é do contato marina do bairro novo"}`,
		kind: contact.Invalid, words: "o número é do contato … do … novo"},
	{name: "echo as key", do: creating, status: 400, answer: `{"whatsapp:5584993100011":["taken"]}`, kind: contact.Invalid, words: "…: taken"},
	{name: "data that reads like a decision", do: creating, status: 400, answer: `{"urns":{"0":["Invalid URN: ext:is currently suspended. Ensure phone numbers contain country codes."]}}`,
		kind: contact.Invalid, words: "urns.0: Invalid URN"},
	{name: "parse error", do: updating, status: 400, answer: `{"detail":"JSON parse error - Expecting value: line 1 column 2 (char 1)"}`, kind: contact.Invalid, words: "JSON parse error - Expecting value"},
	{name: "no reason", do: updating, status: 400, answer: `{}`, kind: contact.Invalid, words: "no reason given"},
	{name: "full, upstream", do: creating, status: 409, answer: `{"detail":"Cannot create object because workspace has reached limit."}`, kind: contact.Invalid, words: "the workspace is full"},
	{name: "page for 400", do: updating, status: 400, answer: `<h1>Bad Request (400)</h1>`, header: html(), kind: contact.Unavailable, words: "something in front of the API"},
	{name: "method", do: updating, status: 405, answer: `{"detail":"Method \"POST\" not allowed."}`, kind: contact.Invalid, words: "(HTTP 405): Method … not allowed"},
	{name: "media type", do: updating, status: 415, answer: `{"detail":"Unsupported media type \"text/plain\" in request."}`, kind: contact.Invalid, words: "(HTTP 415)"},
	{name: "too large", do: updating, status: 413, answer: `<html>413</html>`, header: html(), kind: contact.Invalid, words: "(HTTP 413)"},

	{name: "server error", do: updating, status: 500, answer: serverError, header: html(), kind: contact.Unavailable, words: "HTTP 500", uncertain: true},
	{name: "server error on create", do: creating, status: 500, answer: serverError, header: html(), kind: contact.Unavailable, words: "HTTP 500", uncertain: true},
	{name: "proxy", do: updating, status: 502, answer: `<html>502</html>`, header: html(), kind: contact.Unavailable, words: "HTTP 502", uncertain: true},
	{name: "overload", do: updating, status: 503, answer: ``, header: http.Header{"Retry-After": {"30"}}, kind: contact.Unavailable, words: "HTTP 503", until: 30 * time.Second, uncertain: true},
	{name: "redirect", do: updating, status: 301, answer: ``, header: http.Header{"Location": {"https://other.example/"}}, kind: contact.Unavailable, words: "redirect"},
	{name: "page for 200", do: creating, status: 200, answer: `<html>please sign in</html>`, header: html(), kind: contact.Unavailable, words: "base_url", uncertain: true},
	{name: "half an answer", do: creating, status: 201, answer: row(ana, ``)[:200], kind: contact.Unavailable, words: "base_url", uncertain: true},
	{name: "other JSON", do: creating, status: 201, answer: `{"status":"ok"}`, kind: contact.Unavailable, words: "base_url", uncertain: true},
	{name: "page for a list", do: finding, status: 200, answer: `[]`, kind: contact.Unavailable, words: "base_url"},
}

func TestFailures(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			r := failing(t, step{status: f.status, answer: f.answer, header: f.header})
			e := asError(t, f.do(r))
			if e.Kind != f.kind || !strings.Contains(e.Error(), f.words) || e.Uncertain != f.uncertain || !slices.Equal(e.Names, f.names) {
				t.Errorf("got %s %q uncertain=%v names=%v", e.Kind, e, e.Uncertain, e.Names)
			}
			if want := start.Add(f.until); f.until == 0 && !e.Until.IsZero() || f.until != 0 && !e.Until.Equal(want) {
				t.Errorf("until %v", e.Until)
			}
			if !strings.HasPrefix(e.Error(), "weni: ") || e.Status != f.status {
				t.Errorf("%d %v", e.Status, e)
			}
			if _, told := r.meter.refused[contact.ScopeContacts]; told != (f.kind == contact.Throttled) {
				t.Error("the meter was told", told)
			}
			leaks(t, e, r.logs.String())
		})
	}
}

func TestTransportFailures(t *testing.T) {
	for name, f := range map[string]struct {
		err       error
		words     string
		uncertain bool
	}{
		"broken":    {io.ErrUnexpectedEOF, "the connection broke", true},
		"timeout":   {context.DeadlineExceeded, "no answer in time", true},
		"cancelled": {context.Canceled, "cancelled", true},
		"refused":   {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, "cannot be reached", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := failing(t, step{err: f.err})
			e := asError(t, creating(r))
			if e.Kind != contact.Unavailable || !strings.Contains(e.Message, f.words) || e.Uncertain != f.uncertain {
				t.Errorf("%+v", e)
			}
			leaks(t, e, r.logs.String())
		})
	}
}

// failing answers any one request with a failure.
func failing(t *testing.T, s step) *rig {
	r := newRig(t, mapping.Target{})
	r.any = &s
	return r
}

// leaks fails when an error or a log line shows the token or anybody's data.
func leaks(t *testing.T, err error, logs string) {
	t.Helper()
	var e *contact.Error
	text := logs
	if errors.As(err, &e) {
		text += fmt.Sprintf("%v %s %s %s", err, e.Message, e.Op, e.RequestID)
	}
	text = strings.ToLower(text)
	for _, secret := range []string{token, token[:12], "5584993100011", "84993100011", "4993100", "marina", "pitanguinha", "exemplo.com.br", "bairro novo"} {
		if strings.Contains(text, secret) {
			t.Errorf("shows %q: %s", secret, text)
		}
	}
}
