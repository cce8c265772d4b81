package app

import (
	"net"
	"net/http"
	"testing"
)

// visitor is a connection that only knows whether it was closed.
type visitor struct {
	net.Conn
	closed bool
}

func (v *visitor) Close() error {
	v.closed = true
	return nil
}

// TestTheLongestSilentMakesRoom: whoever is being served stays, and of the others the one that has been silent for
// longest goes.
func TestTheLongestSilentMakesRoom(t *testing.T) {
	c := newCrowd()
	if c.most < 16 || c.most > mostConns {
		t.Fatalf("%d connections are kept", c.most)
	}
	c.most = 3
	var conns []*visitor
	closed := func(i int) bool { return conns[i].closed }
	come := func(states ...http.ConnState) int {
		conn := &visitor{}
		conns = append(conns, conn)
		for _, s := range states {
			c.state(conn, s)
		}
		return len(conns) - 1
	}
	busy := come(http.StateNew, http.StateActive)
	idle := come(http.StateNew, http.StateActive, http.StateIdle)
	fresh := come(http.StateNew)
	c.state(conns[idle], http.StateActive)
	c.state(conns[idle], http.StateIdle) // has just spoken
	fourth := come(http.StateNew)
	if closed(busy) || closed(idle) || !closed(fresh) || closed(fourth) {
		t.Errorf("busy %v, idle %v, fresh %v, fourth %v", closed(busy), closed(idle), closed(fresh), closed(fourth))
	}
	c.state(conns[fresh], http.StateClosed) // as the server tells afterwards
	if len(c.all) != 3 || c.silent.Len() != 2 {
		t.Errorf("%d are known, %d of them silent", len(c.all), c.silent.Len())
	}
	c.state(conns[idle], http.StateActive)
	c.state(conns[fourth], http.StateActive)
	if last := come(http.StateNew); !closed(last) || closed(busy) || closed(idle) || closed(fourth) {
		t.Error("somebody who is served had to go")
	}
	for _, conn := range conns {
		c.state(conn, http.StateClosed)
	}
	if len(c.all) != 0 || c.silent.Len() != 0 {
		t.Errorf("%d and %d are left", len(c.all), c.silent.Len())
	}
}
