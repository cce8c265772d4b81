package lab

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// Gate is a door in front of a server that keeps its state while the door is shut: whoever knocks meanwhile is
// refused, as by a machine that is down.
type Gate struct {
	to, at string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	tasks sync.WaitGroup
}

// NewGate opens a gate to an address.
func NewGate(to string) (*Gate, error) {
	for {
		at, err := FreeAddr()
		if err != nil {
			return nil, err
		}
		g := &Gate{to: to, at: at, conns: map[net.Conn]bool{}}
		if err := g.Open(); !errors.Is(err, syscall.EADDRINUSE) { // somebody may have been faster
			return g, err
		}
	}
}

// Addr is where the gate is.
func (g *Gate) Addr() string { return g.at }

// Open lets through.
func (g *Gate) Open() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", g.at)
	if err != nil {
		return err
	}
	g.ln = ln
	g.tasks.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // it was shut
			}
			g.tasks.Go(func() { g.pass(ln, c) })
		}
	})
	return nil
}

// Shut refuses everybody and breaks the connections there are.
func (g *Gate) Shut() error {
	g.mu.Lock()
	var err error
	if g.ln != nil {
		err = g.ln.Close()
		g.ln = nil
	}
	for c := range g.conns {
		err = errors.Join(err, c.Close())
	}
	g.mu.Unlock()
	g.tasks.Wait()
	return err
}

// keep notes a connection, unless the gate was shut since it was accepted.
func (g *Gate) keep(ln net.Listener, c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ln != ln {
		_ = c.Close()
		return false
	}
	g.conns[c] = true
	return true
}

func (g *Gate) drop(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[c] {
		delete(g.conns, c)
		_ = c.Close()
	}
}

func (g *Gate) pass(ln net.Listener, in net.Conn) {
	if !g.keep(ln, in) {
		return
	}
	defer g.drop(in)
	out, err := net.Dial("tcp", g.to)
	if err != nil || !g.keep(ln, out) {
		return
	}
	defer g.drop(out)
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(in, out)
		g.drop(in)
	}()
	_, _ = io.Copy(out, in)
	g.drop(out)
	<-back
}
