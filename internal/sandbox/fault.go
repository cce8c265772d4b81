package sandbox

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The actions a Fault can take.
const (
	// FaultLatency only delays; the request is then answered as usual.
	FaultLatency = "latency"
	// FaultStatus answers with Fault.Status and an error page.
	FaultStatus = "status"
	// FaultThrottle answers 429, with a Retry-After header when Fault.RetryAfter is set.
	FaultThrottle = "throttle"
	// FaultReset breaks the connection before the simulator saw the request.
	FaultReset = "reset"
	// FaultResetAfter lets the simulator do its work and then breaks the connection: the change is made,
	// the client sees an error.
	FaultResetAfter = "reset_after"
	// FaultTruncate sends the first half of the simulator's answer as if that were all of it.
	FaultTruncate = "truncate"
	// FaultHTML answers 200 with a page, as a proxy or a captive portal does.
	FaultHTML = "html"
	// FaultContentType sends the simulator's own answer under the type in Fault.ContentType
	// ("text/html; charset=utf-8" when empty).
	FaultContentType = "content_type"
	// FaultHang keeps the client waiting until it gives up, the rule is removed or Fault.LatencyMS have
	// passed, and then breaks the connection.
	FaultHang = "hang"
)

var actions = []string{
	FaultLatency, FaultStatus, FaultThrottle, FaultReset, FaultResetAfter, FaultTruncate, FaultHTML, FaultContentType, FaultHang,
}

// Fault is one rule of the fault plan: which requests, how often, and what happens to them. All
// conditions must hold; those that are empty always do.
type Fault struct {
	ID string `json:"id"` // given by AddFault

	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`  // the path starts with this
	Match  string `json:"match,omitempty"` // regular expression over path and query, as sent
	Body   string `json:"body,omitempty"`  // regular expression over the request body
	Scope  string `json:"scope,omitempty"`

	Nth         int     `json:"nth,omitempty"`         // starts with the nth request that fits; Times is then 1 unless set
	Probability float64 `json:"probability,omitempty"` // 0 means always
	Times       int     `json:"times,omitempty"`       // acts this often, then no more; 0 means without end
	ForSeconds  float64 `json:"for_seconds,omitempty"` // acts for this long, by the sandbox's clock

	Action      string `json:"action"`
	Status      int    `json:"status,omitempty"`
	LatencyMS   int    `json:"latency_ms,omitempty"`   // real time, before anything else happens; with any action
	RetryAfter  *int   `json:"retry_after,omitempty"`  // seconds, with throttle and status
	ContentType string `json:"content_type,omitempty"` // of the injected answer
	Response    string `json:"response,omitempty"`     // body of the injected answer, instead of the usual page
	Commit      bool   `json:"commit,omitempty"`       // status, throttle, html: the simulator does its work first and its answer is lost

	Seen int `json:"seen"` // requests that fitted
	Hits int `json:"hits"` // requests it acted on

	match, body *regexp.Regexp
	since       time.Time
}

// RetryAfter is a convenience for Fault.RetryAfter.
func RetryAfter(seconds int) *int { return new(seconds) }

type faults struct {
	mu       sync.Mutex
	rules    []*Fault
	lastID   int
	released chan struct{} // closed when rules are removed, so that hanging requests end
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
	f.release()
}

func (f *faults) release() {
	if f.released != nil {
		close(f.released)
	}
	f.released = make(chan struct{})
}

func (f *Fault) check() error {
	switch f.Action {
	case FaultLatency:
		if f.LatencyMS <= 0 {
			return fmt.Errorf("a %s fault needs latency_ms", f.Action)
		}
	case FaultStatus:
		if f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("a status fault needs a status from 200 to 599, not %d", f.Status)
		}
	case FaultThrottle, FaultReset, FaultResetAfter, FaultTruncate, FaultHTML, FaultContentType, FaultHang:
	default:
		return fmt.Errorf("unknown action %q: want %s", f.Action,
			strings.Join(actions, ", "))
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("probability must be between 0 and 1, not %v", f.Probability)
	}
	for _, n := range []int{f.Nth, f.Times, f.LatencyMS} {
		if n < 0 {
			return fmt.Errorf("nth, times and latency_ms cannot be negative")
		}
	}
	if f.ForSeconds < 0 {
		return fmt.Errorf("for_seconds cannot be negative")
	}
	var err error
	if f.Match != "" {
		if f.match, err = regexp.Compile(f.Match); err != nil {
			return fmt.Errorf("match: %w", err)
		}
	}
	if f.Body != "" {
		if f.body, err = regexp.Compile(f.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
	}
	return nil
}

// AddFault appends a rule to the plan and returns its id. Delays of all rules that fit a request add
// up; of the other actions the first rule that fits is taken.
func (c *Control) AddFault(fault Fault) (string, error) {
	if err := fault.check(); err != nil {
		return "", err
	}
	if fault.Nth > 0 && fault.Times == 0 {
		fault.Times = 1
	}
	fault.Seen, fault.Hits, fault.since = 0, 0, c.Now()
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.lastID++
	fault.ID = strconv.Itoa(c.faults.lastID)
	c.faults.rules = append(c.faults.rules, &fault)
	return fault.ID, nil
}

// Faults returns the plan with its counters, in order.
func (c *Control) Faults() []Fault {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	out := make([]Fault, len(c.faults.rules))
	for i, f := range c.faults.rules {
		out[i] = *f
	}
	return out
}

// RemoveFault drops one rule and reports whether there was one. Requests that hang end.
func (c *Control) RemoveFault(id string) bool {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	i := slices.IndexFunc(c.faults.rules, func(f *Fault) bool { return f.ID == id })
	if i < 0 {
		return false
	}
	c.faults.rules = slices.Delete(c.faults.rules, i, i+1)
	c.faults.release()
	return true
}

// ClearFaults drops all rules. Requests that hang end.
func (c *Control) ClearFaults() { c.faults.clear() }

// pick finds the rule for a request, after it has waited out the delays of all that fit.
func (c *Control) pick(r *http.Request, scope string, body []byte, x *exchange) (*Fault, <-chan struct{}) {
	now := c.Now()
	var chosen *Fault
	delay := 0
	c.faults.mu.Lock()
	released := c.faults.released
	for _, f := range c.faults.rules {
		if chosen != nil && f.Action != FaultLatency || !f.fits(r, scope, body) {
			continue
		}
		if f.ForSeconds > 0 && now.Sub(f.since) >= time.Duration(f.ForSeconds*float64(time.Second)) {
			continue
		}
		f.Seen++
		if f.Seen < f.Nth || f.Times > 0 && f.Hits >= f.Times || f.Probability > 0 && c.chance() >= f.Probability {
			continue
		}
		f.Hits++
		if f.Action != FaultHang {
			delay += f.LatencyMS
		}
		if f.Action == FaultLatency {
			x.entry.Fault = FaultLatency
			continue
		}
		copied := *f
		chosen = &copied
	}
	c.faults.mu.Unlock()
	if delay > 0 {
		wait(r, released, time.Duration(delay)*time.Millisecond)
	}
	return chosen, released
}

func (f *Fault) fits(r *http.Request, scope string, body []byte) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) &&
		strings.HasPrefix(r.URL.Path, f.Path) &&
		(f.Scope == "" || f.Scope == scope) &&
		(f.match == nil || f.match.MatchString(r.URL.RequestURI())) &&
		(f.body == nil || f.body.Match(body))
}

// wait returns when the time is over, the client has gone or the rules were removed.
func wait(r *http.Request, released <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-released:
	case <-r.Context().Done():
	}
}
