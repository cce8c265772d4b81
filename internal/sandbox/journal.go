package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one request as the journal remembers it. Credentials are masked in Header.
type Entry struct {
	Seq    int64       `json:"seq"`
	Time   time.Time   `json:"time"`
	Method string      `json:"method"`
	Path   string      `json:"path"` // with the query, as sent
	Scope  string      `json:"scope"`
	Status int         `json:"status"` // 0 when the client got no answer
	Fault  string      `json:"fault,omitempty"`
	Ran    bool        `json:"ran"` // whether the simulator itself saw the request
	Header http.Header `json:"header,omitempty"`
	// Request and Response are the beginnings of the bodies.
	Request  string `json:"request,omitempty"`
	Response string `json:"response,omitempty"`
}

// Call counts the requests that were alike. Params holds the sorted names of the query parameters
// without their values, so that "POST contacts.json?uuid=…" is one line whatever the uuid.
type Call struct {
	Scope    string   `json:"scope"`
	Method   string   `json:"method"`
	Endpoint string   `json:"endpoint"`
	Params   []string `json:"params"`
	Status   int      `json:"status"`
	Count    int      `json:"count"`
}

// String shows a call as "scope METHOD endpoint?param= status xN".
func (c Call) String() string { return describe(c) }

// Calls is what was counted since the start, the last Reset or the last ClearCalls.
type Calls []Call

// Count adds up the calls for which match holds; a nil match adds up all.
func (cs Calls) Count(match func(Call) bool) int {
	n := 0
	for _, c := range cs {
		if match == nil || match(c) {
			n += c.Count
		}
	}
	return n
}

// Scope returns the calls of one scope only.
func (cs Calls) Scope(name string) Calls {
	return slices.DeleteFunc(slices.Clone(cs), func(c Call) bool { return c.Scope != name })
}

// String lists the calls one a line, sorted; made to be compared with a wanted text in tests.
func (cs Calls) String() string {
	lines := make([]string, len(cs))
	for i, c := range cs {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}

type callKey struct {
	scope, method, endpoint, params string
	status                          int
}

// maxCallKeys bounds the counters when a simulator's Classify lets ids into endpoint names.
const maxCallKeys = 10000

type journal struct {
	mu      sync.Mutex
	seq     int64
	entries []*Entry // a ring once it is full
	next    int
	counts  map[callKey]int
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries, j.next = nil, 0
	j.counts = map[callKey]int{}
}

// add enters a request in the ring and in the counts.
func (j *journal) add(e *Entry, endpoint string, params []string, size int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	if len(j.entries) < size {
		j.entries = append(j.entries, e)
	} else {
		j.entries[j.next] = e
		j.next = (j.next + 1) % size
	}
	key := callKey{e.Scope, e.Method, endpoint, strings.Join(params, "\x00"), e.Status}
	if _, known := j.counts[key]; !known && len(j.counts) >= maxCallKeys {
		key = callKey{scope: e.Scope, method: e.Method, endpoint: "(more)", status: e.Status}
	}
	j.counts[key]++
}

func (j *journal) appendResponse(e *Entry, p []byte, limit int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if room := limit - len(e.Response); room > 0 {
		e.Response += string(p[:min(room, len(p))])
	}
}

// Journal returns the remembered requests, oldest first.
func (c *Control) Journal() []Entry {
	j := &c.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Entry, 0, len(j.entries))
	for i := range j.entries {
		out = append(out, *j.entries[(j.next+i)%len(j.entries)])
	}
	return out
}

// ClearJournal forgets the requests; the counts stay.
func (c *Control) ClearJournal() {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	c.journal.entries, c.journal.next = nil, 0
}

// Calls returns the counts, sorted by scope, endpoint, method, parameters and status. A request is
// counted before its answer is sent, so a test may look as soon as its client has returned.
func (c *Control) Calls() Calls {
	j := &c.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make(Calls, 0, len(j.counts))
	for k, n := range j.counts {
		call := Call{Scope: k.scope, Method: k.method, Endpoint: k.endpoint, Params: []string{}, Status: k.status, Count: n}
		if k.params != "" {
			call.Params = strings.Split(k.params, "\x00")
		}
		out = append(out, call)
	}
	slices.SortFunc(out, func(a, b Call) int {
		return cmp.Or(
			cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Method, b.Method),
			slices.Compare(a.Params, b.Params), cmp.Compare(a.Status, b.Status))
	})
	return out
}

// ClearCalls sets all counts to zero.
func (c *Control) ClearCalls() {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	c.journal.counts = map[callKey]int{}
}
