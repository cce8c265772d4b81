package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// trap is another server: nobody has any business there. It notes who comes.
type trap struct {
	addr   string
	server *http.Server

	mu     sync.Mutex
	caught []string
}

func newTrap() (*trap, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trap{addr: ln.Addr().String()}
	t.server = &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: silent, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.caught = append(t.caught, fmt.Sprintf("%s %s, Authorization %q", r.Method, r.URL.Path, r.Header.Get("Authorization")))
		w.WriteHeader(http.StatusNoContent)
	}), ConnState: func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.caught = append(t.caught, "a connection")
		}
	}}
	go func() { _ = t.server.Serve(ln) }() // it ends with close
	return t, nil
}

// url is the trap under a name that is no server's here.
func (t *trap) url(r *http.Request) string {
	_, port, _ := net.SplitHostPort(t.addr)
	return "http://localhost:" + port + r.URL.Path + "?cursor=c1"
}

func (t *trap) found() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.caught)
}

func (t *trap) close() { _ = t.server.Close() }
