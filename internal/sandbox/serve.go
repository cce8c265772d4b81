package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxBody bounds what one request may make the sandbox hold in memory.
const maxBody = 64 << 20

// exchange is one request on its way through faults and handler, and the journal's view of it.
type exchange struct {
	control  *Control
	entry    *Entry
	endpoint string
	params   []string
	recorded bool
}

func (c *Control) serve(api http.Handler, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the client went away while it was sending
	}
	if len(body) > maxBody {
		http.Error(w, "the sandbox takes bodies of 64 MB at most", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	scope, endpoint := c.config.Classify(r)
	x := &exchange{
		control:  c,
		endpoint: endpoint,
		params:   paramNames(r.URL.RawQuery),
		entry: &Entry{
			Time: c.Now(), Method: r.Method, Path: r.URL.RequestURI(), Scope: scope,
			Header: maskHeader(r.Header), Request: string(body[:min(len(body), c.config.BodyLimit)]),
		},
	}
	tap := &tap{ResponseWriter: w, exchange: x, lost: true}
	defer func() { x.record(tap.status()) }() // also when a handler panics, which loses the answer
	fault, released := c.pick(r, scope, body, x)
	switch {
	case fault != nil:
		x.entry.Fault = fault.Action
		c.inject(fault, released, x, api, tap, r)
	case r.Context().Err() != nil:
		return // gone while it was delayed
	default:
		x.entry.Ran = true
		api.ServeHTTP(tap, r)
	}
	tap.lost = false
}

// record enters the exchange in journal and counts, once. It runs before the first byte of the
// answer leaves, so that nobody who has the answer can find the request missing.
func (x *exchange) record(status int) {
	if x.recorded {
		return
	}
	x.recorded = true
	x.entry.Status = status
	x.control.journal.add(x.entry, x.endpoint, x.params, x.control.config.JournalSize)
}

// tap passes an answer on and shows it to the journal.
type tap struct {
	http.ResponseWriter
	exchange *exchange
	code     int
	lost     bool // there will be no answer
}

func (t *tap) WriteHeader(code int) {
	if t.code == 0 {
		t.code = code
		t.exchange.record(code)
	}
	t.ResponseWriter.WriteHeader(code)
}

func (t *tap) Write(p []byte) (int, error) {
	if t.code == 0 {
		t.WriteHeader(http.StatusOK)
	}
	c := t.exchange.control
	c.journal.appendResponse(t.exchange.entry, p, c.config.BodyLimit)
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tap) status() int {
	switch {
	case t.code != 0:
		return t.code
	case t.lost:
		return 0
	}
	return http.StatusOK
}

// paramNames returns the sorted names of a query's parameters, each once.
func paramNames(query string) []string {
	var names []string
	for part := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' }) {
		name, _, _ := strings.Cut(part, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maskHeader copies a header without the credentials in it.
func maskHeader(h http.Header) http.Header {
	out := h.Clone()
	for name := range out {
		lower := strings.ToLower(name)
		if lower == "authorization" || lower == "cookie" || strings.Contains(lower, "token") ||
			strings.Contains(lower, "secret") || strings.Contains(lower, "api-key") {
			out[name] = []string{"(masked)"}
		}
	}
	return out
}

func describe(c Call) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", c.Scope, c.Method, c.Endpoint)
	for i, name := range c.Params {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(name + "=")
	}
	fmt.Fprintf(&b, " %d x%d", c.Status, c.Count)
	return b.String()
}
