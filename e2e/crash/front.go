package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// The stages of a call at which a trap may spring: before the server has seen it, when the server has answered and the
// client does not know yet, and when the client has been told.
const (
	asked    = "asked"
	answered = "answered"
	told     = "told"
)

// front stands before a server and lets everything through. A trap that is set in it springs once, at a stage of a call
// that fits.
type front struct {
	URL  string
	to   string
	slow time.Duration // how long a call takes at most, on its way there and on its way back

	srv *http.Server

	mu    sync.Mutex
	epoch int // calls on connections of an earlier epoch come from a process that is dead
	trap  *trap

	calls sync.RWMutex // held for reading while a call is carried out
}

// trap is what happens at the nth call that fits.
type trap struct {
	stage  string
	fits   func(*http.Request) bool
	nth    int
	spring func()
	sprung chan struct{}
}

type epochKey struct{}

func newFront(ctx context.Context, to string) (*front, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{URL: "http://" + ln.Addr().String(), to: to}
	f.srv = &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second, ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
		f.mu.Lock()
		defer f.mu.Unlock()
		return context.WithValue(ctx, epochKey{}, f.epoch)
	}}
	go func() { _ = f.srv.Serve(ln) }() // it ends with close
	return f, nil
}

func (f *front) close() error { return f.srv.Close() }

// set arms a trap; what was armed before is forgotten.
func (f *front) set(t *trap) *trap {
	t.sprung = make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trap = t
	return t
}

// settle waits until nothing of a process that is dead is under way, and lets nothing more of it through. A call that
// lingers in the network and is carried out after a newer one is not what is to be shown here.
func (f *front) settle() {
	f.mu.Lock()
	f.epoch++
	f.trap = nil
	f.mu.Unlock()
	f.calls.Lock()
	defer f.calls.Unlock()
}

// springs reports whether the trap was for this stage of this call, after it has sprung.
func (f *front) springs(stage string, r *http.Request) bool {
	f.mu.Lock()
	t := f.trap
	if t == nil || t.stage != stage || !t.fits(r) {
		f.mu.Unlock()
		return false
	}
	if t.nth--; t.nth > 0 {
		f.mu.Unlock()
		return false
	}
	f.trap = nil
	f.mu.Unlock()
	t.spring()
	close(t.sprung)
	return true
}

func (f *front) alive(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.Context().Value(epochKey{}) == f.epoch
}

// ServeHTTP passes a call on. Once it has reached the server it is carried out, whether or not the client is still there.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.calls.RLock()
	defer f.calls.RUnlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || !f.alive(r) || f.springs(asked, r) {
		panic(http.ErrAbortHandler)
	}
	f.dawdle()
	status, header, answer, err := f.pass(r, body)
	f.dawdle()
	if err != nil || f.springs(answered, r) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, err = w.Write(answer)
	if err = errors.Join(err, http.NewResponseController(w).Flush()); err == nil {
		f.springs(told, r)
	}
}

// dawdle makes it likely that something newer comes while a call is under way.
func (f *front) dawdle() {
	if f.slow > 0 {
		time.Sleep(rand.N(f.slow))
	}
}

func (f *front) pass(r *http.Request, body []byte) (int, http.Header, []byte, error) {
	out, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, f.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	out.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}
