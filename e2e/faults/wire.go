package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxic is one thing that goes wrong with the bytes of a connection, in toxiproxy's words. Upstream is the way of the
// requests, downstream that of the answers.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Attributes map[string]any `json:"attributes"`
}

// line is the way from syncer to one server: a toxiproxy, and behind it a door that can bend what is said.
type line struct {
	proxy  *toxiproxy.Proxy
	server *http.Server
	sim    http.Handler
	at     string // the server itself, for those who look at the truth
	bend   atomic.Pointer[bend]
	calls  atomic.Int64 // requests that arrived
	bent   atomic.Int64 // of them, those that a bend answered
}

// control has the prefix of what is no call of syncer's: the simulators' control API.
const control = "/_sandbox/"

var toxics = func() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have loggers of their own
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}()

// newLine puts a line in front of a simulator.
func newLine(sim http.Handler) (*line, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &line{sim: sim, at: ln.Addr().String()}
	l.server = &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: silent, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) >= len(control) && r.URL.Path[:len(control)] == control {
			sim.ServeHTTP(w, r)
			return
		}
		l.calls.Add(1)
		if b := l.bend.Load(); b != nil && (b.only == nil || b.only(r)) {
			l.bent.Add(1)
			b.do(w, r, sim)
			return
		}
		sim.ServeHTTP(w, r)
	})}
	go func() { _ = l.server.Serve(ln) }() // it ends with the line
	l.proxy = toxiproxy.NewProxy(toxics, l.at, "127.0.0.1:0", l.at)
	if err := l.proxy.Start(); err != nil {
		return nil, err
	}
	return l, nil
}

// URL is the address that syncer is told.
func (l *line) URL() string { return "http://" + l.proxy.Listen }

// truth is the address that nothing stands in front of.
func (l *line) truth() string { return "http://" + l.at }

// fail begins a fault.
func (l *line) fail(f *fault) error {
	l.bend.Store(f.bend)
	for _, t := range f.toxics {
		raw, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(raw)); err != nil {
			return err
		}
	}
	if f.down {
		l.proxy.Stop()
	}
	return nil
}

// heal ends it.
func (l *line) heal(f *fault) error {
	l.bend.Store(nil)
	l.proxy.Toxics.ResetToxics(context.Background())
	if f.down {
		return l.proxy.Start()
	}
	return nil
}

// close ends the line and whatever still hangs in it.
func (l *line) close() {
	l.bend.Store(nil)
	l.proxy.Stop()
	_ = l.server.Close() // nobody waits for an answer any more
}

// heard is how often the operator was told something, where the line leads to one.
func (l *line) heard(kind string) int {
	if e, ok := l.sim.(*ears); ok {
		return e.count(kind)
	}
	return 0
}
