package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// Conductor delivers to one target. One goroutine takes work, lane by lane, when the budget has room for it;
// a few workers carry it out, one person at a time each; label changes are gathered and sent a hundred at a
// time.
type Conductor struct {
	e      *Engine
	name   string
	target Target
	opts   TargetOptions
	log    *slog.Logger
	mirror *Mirror
	labels *labeler
	guard  *guard
	lot    lot

	wake chan struct{}

	defining chan struct{} // full while a delivery makes definitions, which takes calls

	mu        sync.Mutex
	busy      map[state.PersonID]bool
	resting   map[state.PersonID]time.Time // people who change while they are written, and until when they are left
	breaker   breaker
	ready     bool               // place checked, catalog learnt, definitions made
	usable    time.Time          // when definitions made last may be used
	refusals  int                // credential refusals in a row, of different people, while the credential check passes
	refuser   state.PersonID     // whose was the last
	refused   map[string]refusal // definitions that the target does not let be made
	strangers map[string]string  // labels whose name has come to mean another one, by folded name

	paused atomic.Pointer[state.Paused]
}

func newConductor(e *Engine, name string, o TargetOptions) *Conductor {
	if o.InFlight == 0 {
		o.InFlight = 4
	}
	c := &Conductor{e: e, name: name, target: o.Target, opts: o, log: e.log.With("target", name),
		wake: make(chan struct{}, 1), busy: map[state.PersonID]bool{}, resting: map[state.PersonID]time.Time{}, refused: map[string]refusal{}, defining: make(chan struct{}, 1)}
	c.mirror = newMirror(e, c)
	c.labels = newLabeler(c)
	c.guard = newGuard(e.opts.Guard, e.now)
	c.lot = newLot()
	return c
}

// Wake tells the conductor that something is due.
func (c *Conductor) Wake() { signal(c.wake) }

// Mirror is the target's mirror.
func (c *Conductor) Mirror() *Mirror { return c.mirror }

// Target is the target itself.
func (c *Conductor) Target() Target { return c.target }

// Status says how the target is doing, in a form for people and metrics.
type Status struct {
	Paused  *state.Paused
	Resting string // why the breaker is open; empty when it is not
	Until   time.Time
	Ready   bool
	Busy    int
}

// Status says how the target is doing.
func (c *Conductor) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Paused: c.paused.Load(), Ready: c.ready, Busy: len(c.busy)}
	if until, open := c.breaker.open(c.e.now()); open && c.breaker.rest != 0 {
		s.Resting, s.Until = c.breaker.why, until
	}
	return s
}

// run delivers until ctx ends, then waits for what is under way.
func (c *Conductor) run(ctx context.Context) {
	var workers sync.WaitGroup
	slots := make(chan struct{}, c.opts.InFlight)
	workers.Go(func() { c.labels.run(ctx) })
	defer c.mirror.readers.Wait()
	defer workers.Wait()
	defer c.mirror.begin(ctx)()
	c.loadPause()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		next := c.dispatch(ctx, slots, &workers)
		timer.Reset(wait(c.e.now(), next, time.Minute))
	}
}

// dispatch starts everything that may start now and returns when to look again.
func (c *Conductor) dispatch(ctx context.Context, slots chan struct{}, workers *sync.WaitGroup) time.Time {
	for ctx.Err() == nil {
		now := c.e.now()
		if next, ok := c.open(ctx, now); !ok {
			return next
		}
		person, lane, next, err := c.next(now)
		if err != nil {
			c.log.Error("reading due work failed", "error", err)
			return now.Add(5 * time.Second)
		}
		if person == 0 {
			return next
		}
		select {
		case slots <- struct{}{}:
		default:
			return now.Add(time.Minute) // a worker that ends wakes us
		}
		if !c.take(person) {
			<-slots // somebody else has just reserved them
			continue
		}
		workers.Go(func() {
			// A delivery that has begun is finished even when ctx ends meanwhile: its outcome must be known.
			c.deliver(context.WithoutCancel(ctx), person, lane)
			<-slots
			c.Wake()
		})
	}
	return time.Time{}
}

// open reports whether the target may be used now: not paused, not resting, prepared.
func (c *Conductor) open(ctx context.Context, now time.Time) (next time.Time, ok bool) {
	if p := c.paused.Load(); p != nil {
		return c.recheck(ctx, p, now)
	}
	c.mu.Lock()
	until, resting := c.breaker.open(now)
	ready, usable := c.ready, c.usable
	c.mu.Unlock()
	switch {
	case resting:
		return until, false
	case usable.After(now):
		return usable, false // definitions were just made; nobody tries in vain
	case !ready:
		return c.prepare(ctx, now)
	}
	return time.Time{}, true
}

// next chooses the person to deliver: the best lane that has something due and room in the budget.
func (c *Conductor) next(now time.Time) (p state.PersonID, lane state.Lane, next time.Time, err error) {
	earliest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	earliest(c.rested(now))
	err = c.e.store.View(func(tx state.Tx) error {
		for lane = state.LaneConsent; lane <= state.LaneBulk; lane++ {
			if at := c.opts.Budget.Ready(contact.ScopeContacts, lane, now); at.After(now) {
				people, due := state.DueLinks(tx, c.name, lane, now, 1, c.isBusy)
				if len(people) > 0 {
					due = at
				}
				earliest(due) // what falls due while the budget is used up wakes nobody else
				continue
			}
			skip := c.isBusy
			if c.crowded(lane) {
				continue // whoever is done wakes us
			}
			if lane == state.LaneBulk {
				skip = func(p state.PersonID) bool { return c.isBusy(p) || c.lot.has(p, now) }
			}
			people, at := state.DueLinks(tx, c.name, lane, now, 1, skip)
			if lane == state.LaneBulk && len(people) == 0 && c.lot.clear() {
				people, at = state.DueLinks(tx, c.name, lane, now, 1, c.isBusy)
			}
			if len(people) > 0 {
				p = people[0]
				return nil
			}
			earliest(at)
		}
		return nil
	})
	return p, lane, next, err
}

// admit reports whether a call may be made that is no delivery of its own: the target is neither paused nor resting. After
// a rest, the call is the probe.
func (c *Conductor) admit(now time.Time) (next time.Time, ok bool) {
	if c.paused.Load() != nil {
		return now.Add(time.Second), false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if until, open := c.breaker.open(now); open {
		return until, false
	}
	c.breaker.start()
	return time.Time{}, true
}

func (c *Conductor) isBusy(p state.PersonID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy[p] || !c.resting[p].IsZero()
}

// crowd is how many people may be under way before bulk work waits, and twice as many before live work does: those whose
// labels wait for a call that their own budget does not allow.
const crowd = 1000

func (c *Conductor) crowded(lane state.Lane) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return lane != state.LaneConsent && len(c.busy) >= crowd*(1+int(state.LaneBulk-lane))
}

// restFor is how long somebody is left alone who changed again while they were written: whoever chatters goes on
// chattering, and one call says it all afterwards.
const restFor = 3 * time.Second

func (c *Conductor) rest(p state.PersonID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resting[p] = now.Add(restFor)
}

// rested lets those go who have rested, and returns when the next one will have.
func (c *Conductor) rested(now time.Time) (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, until := range c.resting {
		switch {
		case !until.After(now):
			delete(c.resting, p)
		case next.IsZero() || until.Before(next):
			next = until
		}
	}
	return next
}

// take reserves a person for a delivery that begins.
func (c *Conductor) take(p state.PersonID) bool {
	if !c.reserve(p) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lot.forget(p)
	c.breaker.start()
	return true
}

// reserve keeps anybody else from delivering to a person; it reports whether nobody is. drop ends it.
func (c *Conductor) reserve(p state.PersonID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[p] {
		return false
	}
	c.busy[p] = true
	return true
}

func (c *Conductor) drop(p state.PersonID) {
	c.mu.Lock()
	delete(c.busy, p)
	c.mu.Unlock()
	c.Wake()
}

// prepare makes the target ready: the place is the one it was, and what it defines is known.
func (c *Conductor) prepare(ctx context.Context, now time.Time) (next time.Time, ok bool) {
	ctx = budget.WithLane(ctx, state.LaneLive) // somebody may be waiting who need not wait for what others use of the key
	err := c.checkPlace(ctx)
	if err == nil {
		err = c.learn(ctx)
	}
	if err != nil {
		failure := contact.AsError(err)
		c.log.Warn("the target is not ready", "kind", failure.Kind, "error", failure)
		return c.unable(ctx, failure, now), false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
	c.breaker.pass(now)
	return time.Time{}, true
}

// unable handles a failure that concerns the target as a whole and returns when to try again.
func (c *Conductor) unable(ctx context.Context, failure *contact.Error, now time.Time) time.Time {
	switch failure.Kind {
	case contact.Auth, contact.Suspended:
		c.Pause(ctx, failure.Kind, failure.Error())
		return now.Add(recheckEvery)
	case contact.Throttled:
		return now.Add(retryIn(failure, 1, now))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.start()
	c.breaker.fail(now, 0, failure.Error())
	if until, open := c.breaker.open(now); open {
		return until
	}
	return now.Add(5 * time.Second)
}

// recheckEvery is how often a target that was paused for its credentials is tried again.
const recheckEvery = 10 * time.Minute

// checkPlace makes sure that the credentials open the place they opened before.
func (c *Conductor) checkPlace(ctx context.Context) error {
	id, name, err := c.target.Place(ctx)
	if err != nil {
		return err
	}
	return c.e.Bind(ctx, "target/"+c.name, id, name)
}

// Bind remembers a place at its first use, and refuses another one later.
func (e *Engine) Bind(ctx context.Context, what, id, name string) error {
	if id == "" {
		return nil
	}
	return e.store.Update(ctx, func(tx state.Tx) error {
		known, ok := state.Places.Get(tx, what)
		switch {
		case !ok:
			state.Places.Put(tx, what, state.Place{ID: id, Name: name, At: contact.Micros(e.now())})
		case known.ID != id:
			return &contact.Error{Kind: contact.Auth, Op: what, Message: "its credentials open another place (" + name + ") than before (" + known.Name +
				"). Nothing was written. If that is meant, run: syncer rebind " + what}
		}
		return nil
	})
}

// Pause stops the target from being used until somebody resumes it or its credentials work again. kind is
// empty when a person asked for it.
func (c *Conductor) Pause(ctx context.Context, kind contact.ErrorKind, why string) {
	if p := c.paused.Load(); p != nil && (kind != "" || p.How == "") {
		return // somebody's word outlasts credentials that work again
	}
	p := &state.Paused{Why: why, How: kind, At: contact.Micros(c.e.now())}
	if err := c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Pauses.Put(tx, "target/"+c.name, *p)
		return nil
	}); err != nil {
		c.log.Error("the pause could not be stored", "error", err)
	}
	c.paused.Store(p)
	c.e.opts.Observer.Paused(c.name, kind, why)
}

// Resume uses the target again.
func (c *Conductor) Resume(ctx context.Context) error {
	if err := c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Pauses.Delete(tx, "target/"+c.name)
		return nil
	}); err != nil {
		return err
	}
	if c.paused.Swap(nil) != nil {
		c.e.opts.Observer.Paused(c.name, "", "")
	}
	c.mu.Lock()
	c.ready, c.refusals, c.refuser = false, 0, 0
	c.breaker = breaker{}
	c.mu.Unlock()
	c.Wake()
	return nil
}

func (c *Conductor) loadPause() {
	err := c.e.store.View(func(tx state.Tx) error {
		if p, ok := state.Pauses.Get(tx, "target/"+c.name); ok {
			if p.How == contact.Auth || p.How == contact.Suspended {
				p.At = 0 // the credentials may have been put right before this start: check at once
			}
			c.paused.Store(&p)
		}
		return nil
	})
	if err != nil {
		c.log.Error("reading the pause failed", "error", err)
	}
}

// recheck asks whether a target that refused its credentials accepts them now. A pause by hand stays.
func (c *Conductor) recheck(ctx context.Context, p *state.Paused, now time.Time) (next time.Time, ok bool) {
	if p.How == "" {
		return time.Time{}, false
	}
	if due := contact.FromMicros(p.At).Add(recheckEvery); p.At != 0 && now.Before(due) {
		return due, false
	}
	if err := c.checkPlace(ctx); err != nil {
		again := *p
		again.At = contact.Micros(now)
		c.paused.Store(&again)
		return now.Add(recheckEvery), false
	}
	if err := c.Resume(ctx); err != nil {
		c.log.Error("the target could not be resumed", "error", err)
		return now.Add(time.Minute), false
	}
	return now, false
}
