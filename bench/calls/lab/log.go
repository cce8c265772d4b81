package lab

import (
	"slices"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/state"
)

// Log collects what the engine tells its observer.
type Log struct {
	next engine.Observer

	mu         sync.Mutex
	deliveries []Told
}

// Told is a delivery and when it was reported.
type Told struct {
	engine.Delivery
	At time.Time
}

// Delivered notes a delivery.
func (l *Log) Delivered(d engine.Delivery) {
	l.mu.Lock()
	l.deliveries = append(l.deliveries, Told{d, time.Now()})
	l.mu.Unlock()
	if l.next != nil {
		l.next.Delivered(d)
	}
}

// Deliveries returns those that a filter chooses, and forgets all.
func (l *Log) Deliveries(choose func(Told) bool) []Told {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.deliveries
	l.deliveries = nil
	return slices.DeleteFunc(all, func(d Told) bool { return choose != nil && !choose(d) })
}

// Paused is told to nobody.
func (l *Log) Paused(string, contact.ErrorKind, string) {}

// Held is told to nobody.
func (l *Log) Held(string, string, string, int) {}

// Dead is told to nobody.
func (l *Log) Dead(string, state.DeadLetter) {}

// RunEnded is told to nobody.
func (l *Log) RunEnded(state.Run) {}
