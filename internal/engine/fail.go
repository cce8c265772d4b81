package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// skip ends a probe that said nothing about the target.
func (c *Conductor) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.skip()
}

// fail decides what a failure means for the person and for the target.
func (w *work) fail(ctx context.Context, err error) {
	c, j := w.c, w.j
	failure := contact.AsError(err)
	now := c.e.now()
	switch failure.Kind {
	case contact.Throttled, contact.Unready:
		c.skip()
		w.later(ctx, failure, j.link.Fails, retryIn(failure, 1, now))
	case contact.Auth:
		c.skip()
		if w.echo {
			w.later(ctx, failure, j.link.Fails, time.Minute)
			return
		}
		w.unauthorised(ctx, failure)
	case contact.Suspended:
		c.skip()
		c.Pause(ctx, failure.Kind, failure.Error())
		w.later(ctx, failure, j.link.Fails, 0) // the pause keeps it, and whoever ends that waits for nothing else
	case contact.Unavailable:
		w.unavailable(ctx, failure, now)
	case contact.Gone:
		w.answered(failure, now)
		w.gone(ctx, failure)
	case contact.Conflict:
		w.answered(failure, now)
		w.conflict(ctx, failure)
	case contact.Invalid, contact.Rejected:
		w.answered(failure, now)
		w.end(ctx, "dead", failure)
	default:
		c.skip()
		if j.link.Fails+1 >= giveUpAfter {
			w.end(ctx, "dead", failure)
			return
		}
		w.later(ctx, failure, j.link.Fails+1, retryIn(failure, j.link.Fails+1, now))
	}
}

// answered notes whether the target itself refused: what syncer finds by itself says nothing about it.
func (w *work) answered(failure *contact.Error, now time.Time) {
	if failure.Status != 0 {
		w.c.pass(now)
		return
	}
	w.c.skip()
}

func (c *Conductor) pass(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.pass(now)
	c.refusals, c.refuser = 0, 0
}

// unavailable counts a failure against the target first. Only a person who failed again and again while
// others passed is at fault themselves.
func (w *work) unavailable(ctx context.Context, failure *contact.Error, now time.Time) {
	c, j := w.c, w.j
	c.mu.Lock()
	lastPass := c.breaker.lastPass
	opened := !w.echo && c.breaker.fail(now, j.key.Person, failure.Error())
	resting := c.breaker.rest != 0
	c.mu.Unlock()
	if opened {
		c.log.Warn("the target does not answer; it rests", "error", failure)
	}
	lastTry := int64(0)
	if j.link.Waiting != nil {
		lastTry = j.link.Waiting.At
	}
	othersPassed := lastPass.After(contact.FromMicros(lastTry))
	if j.link.Fails == 0 || othersPassed {
		j.link.Refused++
	}
	refused := j.link.Refused
	if othersPassed && w.among <= 1 && (refused >= rejectAfter || refused == rejectAfter-1 && j.link.Fails >= rejectAfter) {
		failure.Kind = contact.Rejected
		failure.Message += fmt.Sprintf(", %d times for this person while others passed", j.link.Fails+1)
		w.end(ctx, "dead", failure)
		return
	}
	wait := retryIn(failure, j.link.Fails+1, now)
	if resting && failure.Until.IsZero() {
		wait = min(wait, firstRest) // nobody gets through: it is the breaker that says when somebody tries
	}
	if refused > 1 {
		wait = max(wait, patient(j.link.Fails+1)) // others were answered: it is not the target that is away
	}
	w.later(ctx, failure, j.link.Fails+1, wait)
}

// unauthorised checks whether it is the credentials or this one call that is refused.
func (w *work) unauthorised(ctx context.Context, failure *contact.Error) {
	c := w.c
	err := c.checkPlace(ctx)
	c.mu.Lock()
	if c.refuser != w.j.key.Person {
		c.refusals, c.refuser = c.refusals+1, w.j.key.Person
	}
	refusals := c.refusals
	c.mu.Unlock()
	fails := w.j.link.Fails
	switch {
	case err != nil && contact.KindOf(err) == contact.Auth || refusals >= tripAfter:
		c.Pause(ctx, contact.Auth, failure.Error())
	case err == nil:
		if fails++; fails > rejectAfter {
			failure.Kind = contact.Rejected
			failure.Message += ", although the credentials are in order"
			w.end(ctx, "dead", failure)
			return
		}
	}
	w.later(ctx, failure, fails, max(time.Minute, patient(fails)))
}

// gone handles a contact that no longer exists at the target.
func (w *work) gone(ctx context.Context, failure *contact.Error) {
	j, c := w.j, w.c
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok || l.Contact == "" || l.Contact != j.link.Contact {
			return nil
		}
		c.lost(tx, j.key, &l)
		if j.desired.Leaving || j.desired.Policy.OnGone == contact.Recreate {
			l.Gone = false
		}
		if w.telling() {
			w.told(tx, &l) // there is no contact left to be told at
		} else {
			state.Schedule(tx, j.key, &l, w.lane, c.e.now())
		}
		state.Links.Put(tx, j.key, l)
		return nil
	})
	if err != nil {
		c.log.Error("a deleted contact could not be noted", "error", err)
	}
	c.observe(w, "retry", failure)
}

// lost unlinks a contact that was deleted at the target. The caller stores the link.
func (c *Conductor) lost(tx state.Tx, k state.LinkKey, l *state.Link) {
	state.Unreflect(tx, c.name, l.Contact)
	state.SetContact(tx, k, l, "")
	l.Link, l.Adopted, l.Gone = contact.Link{}, nil, true
	state.Note(tx, k.Person, state.Entry{At: contact.Micros(c.e.now()), What: "gone", Target: c.name, Text: "the contact was deleted at the target"})
}

// conflict handles an address that somebody took between our look and our write: look again, and use what is
// found; a second conflict is for people to solve.
func (w *work) conflict(ctx context.Context, failure *contact.Error) {
	c, j := w.c, w.j
	if !w.refusedBefore() && (w.decided == "create" || w.decided == "update" && len(j.change.AddURNs) > 0) {
		in := time.Duration(0)
		if c.target.Rules().Can.Changes {
			if err := c.mirror.Fresh(ctx, 0, w.lane); err != nil && !errors.Is(err, errSlow) {
				w.fail(ctx, err)
				return
			}
			if !w.shows() {
				in = lagging
			}
		}
		w.later(ctx, failure, 1, in)
		return
	}
	w.end(ctx, "waiting", failure)
}

// refusedBefore reports whether the last attempt met a conflict too.
func (w *work) refusedBefore() bool {
	before := w.j.link.Waiting
	return before != nil && before.Kind == contact.Conflict
}

// lagging is how long the second look waits when the first did not show who has the address: what targets list comes
// from copies that are seconds behind.
const lagging = 15 * time.Second

// shows reports whether the mirror knows another contact with the person's number.
func (w *work) shows() (found bool) {
	id, ok := w.j.desired.Identity()
	err := w.c.e.store.View(func(tx state.Tx) error {
		found = ok && slices.ContainsFunc(state.Bearers(tx, w.c.name, id), func(m state.Mirrored) bool { return m.ID != w.j.link.Contact })
		return nil
	})
	return found && err == nil
}

// outdated reports whether the person changed since the delivery began.
func (w *work) outdated(tx state.Tx) bool {
	who, ok := state.Persons.Get(tx, w.j.key.Person)
	return ok && who.Seq > w.j.person.Seq
}

// later puts the delivery off.
func (w *work) later(ctx context.Context, failure *contact.Error, fails int, in time.Duration) {
	c, j := w.c, w.j
	now := c.e.now()
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return w.strand(tx)
		}
		if failure.Uncertain && w.decided == "create" {
			if l.Doubt = 2; c.target.Rules().Can.Unique {
				l.Doubt = 1
			}
		} else if l.Doubt > 0 && w.vain {
			l.Doubt--
		}
		l.Fails, l.Refused = fails, j.link.Refused
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: contact.Micros(now), Seq: j.person.Seq}
		if w.wrote {
			w.settle(tx, &l, now)
		}
		if w.wrote && !w.onlyConsent {
			l.Run, l.Expect = "", nil // what is left to do is a part of what was let go
		}
		lane, at := w.lane, now.Add(in)
		if l.Due != 0 && w.outdated(tx) {
			// Something newer came meanwhile: it travels in its own lane, and is not put off for an older failure
			// unless the target itself must be waited for.
			lane = min(lane, l.Lane)
			if failure.Kind != contact.Throttled && failure.Kind != contact.Unready {
				at = now
			}
		}
		if w.telling() && l.Hold != "" {
			state.Tell(tx, j.key, &l, at)
		} else { // it may have been let go meanwhile
			state.Schedule(tx, j.key, &l, lane, at)
		}
		state.Links.Put(tx, j.key, l)
		return nil
	})
	if err != nil {
		c.log.Error("a delivery could not be put off", "error", err)
	}
	c.observe(w, "retry", failure)
}

// pauseAfterStoreError keeps a store that refuses writes from turning into a loop of repeated deliveries.
func (w *work) pauseAfterStoreError(err error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	now := w.c.e.now()
	w.c.breaker.rest, w.c.breaker.until, w.c.breaker.probing = firstRest, now.Add(firstRest), false
	w.c.breaker.why = "the state cannot be written: " + err.Error()
}
