package app

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// mostConns is how many connections of senders are kept at once: far more than deliver at the same time, and little
// memory. A process that may open few files keeps fewer, so that there are always some for the targets and the state.
const mostConns = 1024

// crowd bounds the connections of a listener. When there are too many, the one that has been silent for longest makes
// room: thousands of idle connections cannot keep a sender out.
type crowd struct {
	most   int
	mu     sync.Mutex
	silent list.List // of net.Conn: longest first
	all    map[net.Conn]*list.Element
}

func newCrowd() *crowd {
	return &crowd{most: min(mostConns, openFiles()/2), all: map[net.Conn]*list.Element{}}
}

// state is told by the server whatever becomes of a connection.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.all[conn]; e != nil {
		c.silent.Remove(e)
	}
	switch s {
	case http.StateNew, http.StateIdle:
		c.all[conn] = c.silent.PushBack(conn)
	case http.StateActive:
		c.all[conn] = nil
	default:
		delete(c.all, conn)
	}
	if oldest := c.silent.Front(); len(c.all) > c.most && oldest != nil {
		longest := c.silent.Remove(oldest).(net.Conn)
		delete(c.all, longest)
		_ = longest.Close() // the server notices, and tells once more
	}
}
