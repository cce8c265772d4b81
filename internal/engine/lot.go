package engine

import (
	"slices"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// parkFor is how long somebody's labels wait at most for those of others.
const parkFor = 5 * time.Minute

// lot keeps people in whom bulk work has changed more than labels, after their contact was written, until the
// labels of a hundred can share a call: contacts are written one by one at the pace of the budget, far too slowly for
// the labeler to wait. They stay due in their old place of the queue, so that a crash forgets only that they waited.
type lot struct {
	mu     sync.Mutex
	parked map[state.PersonID]parked
	count  map[string]int // people who wait, by label and direction
}

type parked struct {
	ops   []string
	since time.Time
}

func newLot() lot { return lot{parked: map[state.PersonID]parked{}, count: map[string]int{}} }

// park adds somebody, and lets go all who wait for the same when they fill a call of size.
func (l *lot) park(p state.PersonID, c *contact.Change, now time.Time, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ops []string
	for _, name := range c.AddLabels {
		ops = append(ops, "+"+name)
	}
	for _, name := range c.RemoveLabels {
		ops = append(ops, "-"+name)
	}
	l.drop(p)
	l.parked[p] = parked{ops, now}
	full := false
	for _, op := range ops {
		l.count[op]++
		full = full || l.count[op] >= size
	}
	if full {
		l.leave(func(q parked) bool { return sharesAny(q.ops, ops) })
	}
}

func sharesAny(a, b []string) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}

// has reports whether somebody waits; nobody does for ever.
func (l *lot) has(p state.PersonID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	q, ok := l.parked[p]
	if ok && now.Sub(q.since) >= parkFor {
		l.leave(func(r parked) bool { return sharesAny(r.ops, q.ops) })
		return false
	}
	return ok
}

// clear lets everybody go; it reports whether there was anybody.
func (l *lot) clear() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	any := len(l.parked) > 0
	clear(l.parked)
	clear(l.count)
	return any
}

// forget is for somebody who is delivered before the others.
func (l *lot) forget(p state.PersonID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p)
}

func (l *lot) leave(who func(parked) bool) {
	for p, q := range l.parked {
		if who(q) {
			l.drop(p)
		}
	}
}

func (l *lot) drop(p state.PersonID) {
	for _, op := range l.parked[p].ops {
		if l.count[op]--; l.count[op] == 0 {
			delete(l.count, op)
		}
	}
	delete(l.parked, p)
}
