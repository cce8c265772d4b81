// Package backend is the serving side of the operation table: what the simulators of table-driven APIs have
// in common. It recognises operations, checks credentials, collects parameters, and dresses answers and
// errors in the variants that the clients must understand. What an operation does is up to the simulator.
package backend

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/omni/table"
	"syncer/internal/sandbox"
)

// Envelope is how answers are wrapped; nobody knows how the real ones are.
type Envelope string

// The envelopes: lists in {"data": […]} and objects as they are, everything as it is, everything in "data".
const (
	Lists   Envelope = ""
	Bare    Envelope = "bare"
	Wrapped Envelope = "wrapped"
)

// ErrorStyle is the shape of error bodies.
type ErrorStyle string

// The shapes: {"error":{"code","message"}}, {"code","message"}, {"error":"code"}, and NestJS's
// {"statusCode","message":[…],"error"}.
const (
	Nested ErrorStyle = ""
	Flat   ErrorStyle = "flat"
	Text   ErrorStyle = "text"
	Nest   ErrorStyle = "nest"
)

// Error is an answer that is no success.
type Error struct {
	Status        int
	Code, Message string
	RetryAfter    int // seconds; no header when negative or zero
}

// Call is one request to one operation.
type Call struct {
	*http.Request
	Op     *table.Operation
	params map[string]any
	query  url.Values
	arrays table.ArrayQuery
}

// Handler carries an operation out. A nil body is an answer without one.
type Handler func(*Call) (body any, err *Error)

// Options describe an API.
type Options struct {
	Clock     func() time.Time // time.Now when nil
	Seed      uint64
	Table     table.Table
	Arrays    table.ArrayQuery
	Envelope  Envelope
	Errors    ErrorStyle
	PerMinute int // calls; 0 is without limit
	// Authorized judges the credentials of a call; the operation that issues tokens is not asked about.
	Authorized func(*http.Request) bool
	Handlers   map[string]Handler
}

// API is a served table under its control plane.
type API struct {
	*sandbox.Control
	o       Options
	wrapped http.Handler

	mu       sync.Mutex
	requests int
	minute   time.Time // start of the running window
	spent    int
}

// New returns an API.
func New(o Options) *API {
	a := &API{o: o}
	a.Control = sandbox.New(sandbox.Config{Clock: o.Clock, Seed: o.Seed, Classify: a.classify, ErrorPage: a.errorPage})
	a.wrapped = a.Wrap(http.HandlerFunc(a.serve))
	a.OnReset(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests, a.spent = 0, 0
	})
	return a
}

// ServeHTTP numbers the request, so that even an injected failure carries an X-Request-Id, and serves it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, sandbox.Prefix) {
		a.mu.Lock()
		a.requests++
		n := a.requests
		a.mu.Unlock()
		w.Header().Set("X-Request-Id", fmt.Sprintf("req_%06d", n))
	}
	a.wrapped.ServeHTTP(w, r)
}

func (a *API) classify(r *http.Request) (scope, endpoint string) {
	op, _ := a.o.Table.Match(r.Method, r.URL.EscapedPath())
	switch {
	case op == nil:
		return contact.ScopeOther, "(unknown)"
	case strings.HasPrefix(op.Name, "contact."):
		return contact.ScopeContacts, op.Path
	}
	return contact.ScopeOther, op.Path
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	op, values := a.o.Table.Match(r.Method, r.URL.EscapedPath())
	if op == nil {
		sendJSON(w, http.StatusNotFound, map[string]any{"statusCode": 404, "message": "Cannot " + r.Method + " " + r.URL.Path, "error": "Not Found"})
		return
	}
	if wait := a.overLimit(); wait > 0 {
		a.fail(w, &Error{Status: http.StatusTooManyRequests, Code: "rate_limited", Message: "too many requests", RetryAfter: wait})
		return
	}
	if op.Name != table.OAuthToken && !a.o.Authorized(r) {
		a.fail(w, &Error{Status: http.StatusUnauthorized, Code: "unauthorized", Message: "the credentials are not valid"})
		return
	}
	call, err := a.read(op, values, r)
	if err == nil {
		var body any
		if body, err = a.o.Handlers[op.Name](call); err == nil {
			a.succeed(w, op, body)
			return
		}
	}
	a.fail(w, err)
}

// read collects the parameters from where the table says that they are.
func (a *API) read(op *table.Operation, values map[string]string, r *http.Request) (*Call, *Error) {
	c := &Call{Request: r, Op: op, params: map[string]any{}, query: r.URL.Query(), arrays: a.o.Arrays}
	if !op.Bodiless() {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Code: "unreadable", Message: err.Error()}
		}
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch form, formErr := url.ParseQuery(string(body)); {
		case len(body) == 0:
		case kind == "application/x-www-form-urlencoded" && formErr == nil:
			for name := range form {
				c.params[name] = form.Get(name)
			}
		case kind != "application/json" || json.Unmarshal(body, &c.params) != nil:
			return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_json", Message: "the body must be a JSON object"}
		}
	}
	for name, v := range values {
		c.params[name] = v
	}
	return c, nil
}

// Text is a parameter as text, empty when it was not given.
func (c *Call) Text(name string) string {
	if c.Op.Bodiless() && c.params[name] == nil {
		return c.query.Get(name)
	}
	text, _ := c.params[name].(string)
	return text
}

// Int is a number of the query.
func (c *Call) Int(name string, fallback int) int {
	if n, err := strconv.Atoi(c.query.Get(name)); err == nil {
		return n
	}
	return fallback
}

// List is a parameter that holds several texts.
func (c *Call) List(name string) []string {
	if c.Op.Bodiless() {
		return c.arrays.Decode(c.query, name)
	}
	var list []string
	items, _ := c.params[name].([]any)
	for _, item := range items {
		if text, ok := item.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

// Given reports whether a parameter was sent at all.
func (c *Call) Given(name string) bool {
	return c.params[name] != nil || c.Op.Bodiless() && (c.query.Has(name) || c.query.Has(name+"[]"))
}

// Bool is a parameter that is a truth value.
func (c *Call) Bool(name string) bool {
	v, _ := c.params[name].(bool)
	return v || c.Text(name) == "true"
}

// InQuery is a text of the query, whatever the operation says about where its parameters are.
func (c *Call) InQuery(name string) string { return c.query.Get(name) }

// InBody is a text of the body, likewise.
func (c *Call) InBody(name string) string { text, _ := c.params[name].(string); return text }

// Page is a list with what an answer says about it.
type Page struct {
	Items any
	About map[string]any // next to the list, unless the envelope is bare
}

func (a *API) succeed(w http.ResponseWriter, op *table.Operation, body any) {
	status := op.OK[0]
	if strings.HasSuffix(op.Name, ".create") && slices.Contains(op.OK, http.StatusCreated) {
		status = http.StatusCreated
	}
	page, isPage := body.(Page)
	switch {
	case body == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case isPage && a.o.Envelope == Bare:
		body = page.Items
	case isPage:
		about := map[string]any{"data": page.Items}
		maps.Copy(about, page.About)
		body = about
	case a.o.Envelope == Wrapped && op.Name != table.OAuthToken:
		body = map[string]any{"data": body}
	}
	sendJSON(w, status, body)
}

func (a *API) fail(w http.ResponseWriter, e *Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	sendJSON(w, e.Status, a.errorBody(e))
}

func (a *API) errorBody(e *Error) any {
	switch a.o.Errors {
	case Flat:
		return map[string]any{"code": e.Code, "message": e.Message}
	case Text:
		return map[string]any{"error": e.Code}
	case Nest:
		return map[string]any{"statusCode": e.Status, "message": []string{e.Message}, "error": e.Code}
	}
	return map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message}}
}

// errorPage is how injected failures look: pages where a proxy speaks, the API's own JSON elsewhere.
func (a *API) errorPage(status, _ int) (contentType, body string) {
	title := http.StatusText(status)
	if status == http.StatusForbidden || status >= 500 {
		return "text/html", fmt.Sprintf("<html><head><title>%d %s</title></head><body><h1>%s</h1></body></html>\n", status, title, title)
	}
	text, err := json.Marshal(a.errorBody(&Error{Status: status, Code: strings.ReplaceAll(strings.ToLower(title), " ", "_"), Message: title}))
	if err != nil {
		return "text/plain", title
	}
	return "application/json", string(text)
}

// overLimit counts a call and returns how many seconds the caller has to wait, 0 when it may pass.
func (a *API) overLimit() int {
	if a.o.PerMinute <= 0 {
		return 0
	}
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.minute) >= time.Minute {
		a.minute, a.spent = now, 0
	}
	if a.spent++; a.spent <= a.o.PerMinute {
		return 0
	}
	return max(1, int(a.minute.Add(time.Minute).Sub(now).Seconds()+0.999))
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// NotFound is the error for an object that does not exist.
func NotFound(what string) *Error {
	return &Error{Status: http.StatusNotFound, Code: what + "_not_found", Message: "there is no such " + what}
}

// Invalid is the error for content that is refused.
func Invalid(code, message string) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: code, Message: message}
}
