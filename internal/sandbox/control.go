// Package sandbox is the control plane that every simulator in this tree is built on: a clock that
// tests can move, a journal and a count of the calls, and a plan of faults. A simulator writes an
// ordinary http.Handler for the API it imitates and wraps it; everything under /_sandbox/ is then
// answered here and never reaches it.
//
// The package knows nothing about any API. It is not a proxy: it only stands in front of handlers
// of its own process.
package sandbox

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Prefix is the path below which the control API lives.
const Prefix = "/_sandbox/"

// Config says what a simulator wants of its control plane. The zero value works.
type Config struct {
	// Clock is the time that Now is based on; nil means time.Now. Inside a testing/synctest bubble
	// time.Now is already the bubble's clock.
	Clock func() time.Time
	// Seed makes the probabilities of the fault plan repeatable.
	Seed uint64
	// Classify names the scope that a request is counted in and its endpoint; nil counts all
	// requests in one scope "api" under their path. Where paths hold ids, replace them here, or
	// every id makes a counter of its own.
	Classify func(*http.Request) (scope, endpoint string)
	// ErrorPage is the body of an injected error status, so that it can look like the imitated
	// service's own; nil uses a plain page. retryAfter is negative when there is no such header.
	ErrorPage func(status, retryAfter int) (contentType, body string)
	// JournalSize is how many requests are remembered (1,000 when zero), BodyLimit how many bytes
	// of each of their bodies (4,096 when zero).
	JournalSize, BodyLimit int
}

// Control is the control plane of one simulator. All methods may be called at any time from any
// goroutine.
type Control struct {
	config Config
	mux    *http.ServeMux

	mu        sync.Mutex
	offset    time.Duration
	help      []string
	onReset   []func()
	onAdvance []func(time.Time)
	rand      *rand.Rand

	journal journal
	faults  faults
}

// New returns a control plane without faults, whose clock shows the base clock's time.
func New(config Config) *Control {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.Classify == nil {
		config.Classify = func(r *http.Request) (string, string) { return "api", r.URL.Path }
	}
	if config.ErrorPage == nil {
		config.ErrorPage = errorPage
	}
	if config.JournalSize <= 0 {
		config.JournalSize = 1000
	}
	if config.BodyLimit <= 0 {
		config.BodyLimit = 4096
	}
	c := &Control{
		config: config,
		mux:    http.NewServeMux(),
		rand:   rand.New(rand.NewPCG(config.Seed, 0x5eed)),
	}
	c.journal.clear()
	c.faults.clear()
	c.routes()
	return c
}

// Now is the simulator's time: the base clock plus everything that Advance added.
func (c *Control) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config.Clock().Add(c.offset)
}

// Advance moves the clock on and then tells everyone who asked with OnAdvance. The clock never goes
// back: a negative duration is ignored.
func (c *Control) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	if d > 0 {
		c.offset += d
	}
	now := c.config.Clock().Add(c.offset)
	hooks := c.onAdvance
	c.mu.Unlock()
	for _, hook := range hooks {
		hook(now)
	}
	return now
}

// OnAdvance registers a function that is called after the clock was moved, for simulators that owe
// something at a certain time, such as the retry of a webhook.
func (c *Control) OnAdvance(hook func(now time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onAdvance = append(c.onAdvance, hook)
}

// OnReset registers a function that brings a simulator's own state back to its beginning.
func (c *Control) OnReset(hook func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onReset = append(c.onReset, hook)
}

// Reset drops faults, journal and counts and then runs the hooks of OnReset. The clock stays where
// it is, because a clock that runs backwards would be a fault of its own.
func (c *Control) Reset() {
	c.ClearFaults()
	c.ClearJournal()
	c.ClearCalls()
	c.mu.Lock()
	hooks := c.onReset
	c.mu.Unlock()
	for _, hook := range hooks {
		hook()
	}
}

// Handle adds a route to the control API. The pattern is one of http.ServeMux, such as
// "POST /_sandbox/contacts/{uuid}/block"; help is its line in the text at /_sandbox/.
func (c *Control) Handle(pattern, help string, handler http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.help = append(c.help, strings.TrimSuffix(pattern, "{$}")+"\n    "+help)
	c.mux.HandleFunc(pattern, handler)
}

// Wrap returns the handler to serve: the control API below Prefix, and api, with faults and journal,
// for everything else.
func (c *Control) Wrap(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, Prefix) {
			c.mux.ServeHTTP(w, r)
			return
		}
		c.serve(api, w, r)
	})
}

func (c *Control) chance() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.Float64()
}
