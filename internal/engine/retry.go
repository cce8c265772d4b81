package engine

import (
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// retryIn says how long to wait after a failure. It is a function of the failure alone: nobody sleeps in a
// worker.
func retryIn(e *contact.Error, fails int, now time.Time) time.Duration {
	if d := e.Until.Sub(now); !e.Until.IsZero() && d > 0 {
		return min(d, time.Hour)
	}
	switch e.Kind {
	case contact.Throttled, contact.Suspended, contact.Auth:
		return time.Minute
	case contact.Unready:
		return 6 * time.Second
	}
	if e.Kind == contact.Unavailable && e.Status == 0 {
		// Nobody answers at all: that is the target's fault, and the breaker's business.
		return min(15*time.Second<<min(max(fails, 1)-1, 10), time.Minute)
	}
	return patient(fails)
}

// patient is how long a person waits whose delivery failed so many times: not long for what passes by itself,
// then long for what does not, so that a record that can never be written costs a handful of calls.
func patient(fails int) time.Duration {
	switch {
	case fails <= 1:
		return 15 * time.Second
	case fails == 2:
		return 5 * time.Minute
	}
	return time.Hour
}

// Limits of the breaker and of retries.
const (
	tripAfter   = 3 // failures in a row, of different people
	rejectAfter = 3 // failures of one person while others pass, or one more if they passed at the end only
	giveUpAfter = 8 // failures of syncer's own on one person
	firstRest   = 15 * time.Second
	longestRest = 2 * time.Minute
)

// breaker stops a target from being asked while it fails: after three failures in a row it rests, then lets
// one delivery through to see. It is used by one goroutine.
type breaker struct {
	failures int
	last     state.PersonID // who failed last
	rest     time.Duration
	until    time.Time
	probing  bool
	lastPass time.Time
	why      string
}

// open reports whether nothing may be sent now, and until when.
func (b *breaker) open(now time.Time) (until time.Time, open bool) {
	if b.rest == 0 {
		return time.Time{}, false
	}
	if b.probing {
		return now.Add(time.Second), true
	}
	return b.until, now.Before(b.until)
}

// start notes that a delivery is sent.
func (b *breaker) start() {
	if b.rest != 0 {
		b.probing = true
	}
}

// pass notes that the target answered.
func (b *breaker) pass(now time.Time) {
	b.failures, b.last, b.rest, b.probing, b.lastPass, b.why = 0, 0, 0, false, now, ""
}

// fail notes that it did not, for somebody or, with 0, for the target as a whole; it reports whether the breaker
// has just opened. Failures of deliveries that were already under way when it opened say nothing new, and
// neither does one person who fails again and again.
func (b *breaker) fail(now time.Time, who state.PersonID, why string) (opened bool) {
	if who == 0 || who != b.last {
		b.failures++
	}
	b.last = who
	switch {
	case b.rest == 0 && b.failures < tripAfter:
		return false
	case b.rest == 0:
		b.rest, opened = firstRest, true
	case !b.probing:
		return false
	default:
		b.rest = min(b.rest*2, longestRest)
	}
	b.probing, b.why, b.until = false, why, now.Add(b.rest)
	return opened
}

// skip notes that a probe ended without saying anything about the target.
func (b *breaker) skip() { b.probing = false }
