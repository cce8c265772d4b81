package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// overlap is how far behind its own clock a target may still show changes: commits become visible late, and
// lists are read from replicas.
const overlap = 5 * time.Minute

// tieSize is how many contacts with one moment of change make a tie that is not read again.
const tieSize = 200

// mirrorBatch is how many contacts of a page are stored in one transaction, so that webhooks need not wait long for
// their turn.
const mirrorBatch = 100

// Mirror keeps what syncer knows of a target's contacts up to date, by reading only what changed.
type Mirror struct {
	e *Engine
	c *Conductor

	readers sync.WaitGroup // readings that live work began and did not wait for

	mu sync.Mutex
	// stopping is closed when the engine stops: a reading ends with the page it is at, and goes on at the next start.
	stopping chan struct{}
	running  *reading
	learnt   time.Time // when the target's definitions were read last; only a reading uses it
}

// reading is a refresh under way that others may wait for.
type reading struct {
	done  chan struct{}
	began time.Time
	err   error
}

func newMirror(e *Engine, c *Conductor) *Mirror {
	return &Mirror{e: e, c: c}
}

// begin lets readings stop with ctx; whoever calls what it returns no longer needs that.
func (m *Mirror) begin(ctx context.Context) (stop func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stopping := make(chan struct{})
	m.stopping = stopping
	return context.AfterFunc(ctx, func() { close(stopping) })
}

func (m *Mirror) stopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.stopping:
		return true
	default:
		return false
	}
}

// Mark tells how far the mirror has read.
func (m *Mirror) Mark() (mark state.MirrorMark, err error) {
	err = m.e.store.View(func(tx state.Tx) error {
		mark = state.ReadMirrorMark(tx, m.c.name)
		return nil
	})
	return mark, err
}

// slow is how long live work waits for a reading before it asks for the one contact that it wants to know of.
const slow = 5 * time.Second

// errSlow is returned to live work when the mirror cannot be made fresh soon.
var errSlow = errors.New("the contacts of the target are being read")

// Fresh makes sure that the mirror is no older than age. Bulk work waits for that, however long it takes.
func (m *Mirror) Fresh(ctx context.Context, age time.Duration, lane state.Lane) error {
	mark, err := m.Mark()
	if err != nil {
		return err
	}
	if mark.Refreshed != 0 && m.e.now().Sub(contact.FromMicros(mark.Refreshed)) <= age {
		return nil
	}
	if lane == state.LaneBulk {
		return m.Refresh(ctx, lane)
	}
	if m.long() {
		return errSlow
	}
	if mark.Safe == 0 {
		lane = state.LaneBulk // to read everything must not use up what is kept for live work
	}
	done := make(chan error, 1)
	m.readers.Go(func() { done <- m.Refresh(context.WithoutCancel(ctx), lane) })
	select {
	case err := <-done:
		if contact.KindOf(err) == contact.Throttled {
			return errSlow
		}
		return err
	case <-time.After(slow):
		return errSlow
	}
}

// long reports whether a reading under way takes so long already that no more live work should wait for it.
func (m *Mirror) long() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running != nil && m.e.now().Sub(m.running.began) > slow
}

// Refresh reads what changed at the target since the last time. Callers at the same time share one reading.
func (m *Mirror) Refresh(ctx context.Context, lane state.Lane) error {
	r, mine := m.join()
	if !mine {
		return r.wait(ctx)
	}
	r.err = m.refresh(budget.WithLane(ctx, lane))
	m.leave(r)
	return r.err
}

// join returns the reading under way, or begins one, which is the caller's to carry out.
func (m *Mirror) join() (r *reading, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running != nil {
		return m.running, false
	}
	m.running = &reading{done: make(chan struct{}), began: m.e.now()}
	return m.running, true
}

func (m *Mirror) leave(r *reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = nil
	close(r.done)
}

func (r *reading) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Audit reads everything again, from the start. A reading under way would write over that it has to, and is waited for.
func (m *Mirror) Audit(ctx context.Context) error {
	r, mine := m.join()
	for ; !mine; r, mine = m.join() {
		_ = r.wait(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	r.err = m.e.store.Update(ctx, func(tx state.Tx) error {
		mark := state.ReadMirrorMark(tx, m.c.name)
		state.WriteMirrorMark(tx, m.c.name, state.MirrorMark{Fields: mark.Fields})
		return nil
	})
	if r.err == nil {
		r.err = m.refresh(budget.WithLane(ctx, state.LaneBulk))
	}
	m.leave(r)
	return r.err
}

// The phases of a reading: changes, then what came late beside a tie, then deletions.
const (
	phaseLive = "live"
	phaseLate = "late"
	phaseGone = "gone"
)

func (m *Mirror) refresh(ctx context.Context) error {
	mark, err := m.Mark()
	if err != nil {
		return err
	}
	if mark.Phase == "" {
		m.retyped(ctx, &mark)
		mark.Phase, mark.Began, mark.Clock, mark.Newest, mark.Same = phaseLive, contact.Micros(m.e.now()), 0, 0, 0
	}
	var circle Circle
	stored := mark.Cursor != ""
	for mark.Phase != "" {
		if m.stopped() {
			return &contact.Error{Kind: contact.Unready, Message: "syncer is stopping; the contacts are read on at the next start"}
		}
		asked := contact.Micros(m.e.now())
		page, err := m.c.target.List(ctx, m.query(&mark), mark.Cursor)
		switch refused := contact.KindOf(err) == contact.Invalid && mark.Cursor != ""; {
		case refused && stored:
			// The target does not take a cursor of an earlier reading any more: this phase begins again.
			stored, mark.Cursor, circle = false, "", Circle{}
			continue
		case refused: // one that it gave a moment ago: beginning again would lead here again
			return &contact.Error{Kind: contact.Unavailable, Op: "list contacts", Message: "it does not take the cursor that it gave with the page before", Err: err}
		case err != nil:
			return err
		}
		next := m.advance(mark, &page)
		if next.Phase != mark.Phase {
			circle = Circle{} // another list, which may show the same contacts
		}
		endless := next.Cursor != "" && circle.Closes(pageRows(&page))
		if endless {
			next = mark
			next.Cursor = "" // the phase begins again at the next reading
		}
		for some := range slices.Chunk(page.Contacts, mirrorBatch) {
			if err := m.e.store.Update(ctx, func(tx state.Tx) error {
				for i := range some {
					m.seen(tx, some[i], asked)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		if err := m.e.store.Update(ctx, func(tx state.Tx) error {
			for _, g := range page.Gone {
				m.gone(tx, g.ID)
			}
			state.WriteMirrorMark(tx, m.c.name, next)
			return nil
		}); err != nil {
			return err
		}
		if mark = next; endless {
			return &contact.Error{Kind: contact.Unavailable, Op: "list contacts", Message: "its list has no end: a page came again that was read before"}
		}
	}
	m.c.Wake()
	return nil
}

// pageRows are what tells pages apart. A contact that changes while everybody is read comes again, in a new state.
func pageRows(page *contact.Listing) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, list := range [][]contact.Observed{page.Contacts, page.Gone} {
			for i := range list {
				if !yield(binary.AppendVarint([]byte(list[i].ID), contact.Micros(list[i].Modified))) {
					return
				}
			}
		}
	}
}

// relearnEvery is how often a reading looks at the target's definitions first.
const relearnEvery = 5 * time.Minute

// retyped starts from the beginning when a field has another type than at the last reading, or is gone: targets read
// the old values anew then, and that moves no contact's moment of change. A field that is new has no values yet.
func (m *Mirror) retyped(ctx context.Context, mark *state.MirrorMark) {
	if now := m.e.now(); now.Sub(m.learnt) >= relearnEvery {
		if err := m.c.learn(ctx); err != nil {
			m.c.log.Info("the definitions could not be read again", "kind", contact.KindOf(err), "error", err)
			return // contacts are worth more, and the next reading tries again
		}
		m.learnt = now
	}
	_, managed := m.e.plan.Managed(m.c.name)
	defined := m.c.target.Rules().Catalog.Fields
	for f := range strings.FieldsSeq(mark.Fields) {
		key, was, _ := strings.Cut(f, "=")
		if _, ok := managed[key]; ok && string(defined[key]) != was {
			m.c.log.Warn("a field has another type or is gone; all contacts are read again", "field", key)
			mark.Safe, mark.Tie = 0, 0
			break
		}
	}
	var types []string
	for _, key := range slices.Sorted(maps.Keys(managed)) {
		if t, ok := defined[key]; ok {
			types = append(types, key+"="+string(t))
		}
	}
	mark.Fields = strings.Join(types, " ")
}

// query is what the current phase asks for.
func (m *Mirror) query(mark *state.MirrorMark) contact.Query {
	switch mark.Phase {
	case phaseGone:
		return contact.Query{Gone: true, After: contact.FromMicros(mark.GoneSafe)}
	case phaseLate:
		return contact.Query{After: contact.FromMicros(mark.Safe), Before: contact.FromMicros(mark.Tie - 1)}
	}
	if mark.Tie != 0 {
		return contact.Query{After: contact.FromMicros(mark.Tie + 1)}
	}
	return contact.Query{After: contact.FromMicros(mark.Safe)}
}

// advance is the mark after a page.
func (m *Mirror) advance(mark state.MirrorMark, page *contact.Listing) state.MirrorMark {
	if mark.Clock == 0 {
		mark.Clock = contact.Micros(page.Now)
	}
	if mark.Phase == phaseLive {
		for i := range page.Contacts {
			at := contact.Micros(page.Contacts[i].Modified)
			switch {
			case at > mark.Newest:
				mark.Newest, mark.Same = at, 1
			case at == mark.Newest:
				mark.Same++
			}
		}
	}
	if mark.Cursor = page.Next; mark.Cursor != "" {
		return mark
	}
	safe := mark.Clock - overlap.Microseconds()
	if mark.Clock == 0 {
		safe = mark.Newest - overlap.Microseconds()
	}
	switch mark.Phase {
	case phaseLive:
		old := mark.Tie
		switch {
		case mark.Same >= tieSize && mark.Newest > safe:
			mark.Tie = mark.Newest
		case old != 0 && old <= safe:
			mark.Phase = phaseLate // nothing more will appear beside the tie: read around it a last time
			return mark
		}
		if mark.Tie == 0 {
			mark.Safe = max(mark.Safe, safe)
		}
		mark.Phase = phaseGone
	case phaseLate:
		mark.Safe, mark.Tie, mark.Phase = max(mark.Safe, safe), 0, phaseGone
	case phaseGone:
		if mark.Clock != 0 {
			mark.GoneSafe = max(mark.GoneSafe, safe)
		}
		mark.Refreshed, mark.Phase = mark.Began, ""
	}
	return mark
}

// seen writes one contact of a listing that was asked for at a moment. A contact of a person that changed in
// more than its moments is compared again: somebody edited it, or something was lost.
func (m *Mirror) seen(tx state.Tx, o contact.Observed, asked int64) {
	before, known := state.Mirror.Get(tx, state.At{Place: m.c.name, ID: o.ID})
	if known && (before.Wrote >= asked || o.Modified.Before(before.Modified)) {
		return // what we know is newer than this page
	}
	state.Reflect(tx, m.c.name, o)
	m.concerned(tx, &before.Observed, &o)
	person := state.PersonAt(tx, m.c.name, o.ID)
	if person == 0 || !known || before.Slim() || state.SameContent(&before.Observed, &o) {
		return
	}
	m.due(tx, person)
}

// concerned looks again at those without a contact whose number came to a contact or left it: they wait for one to
// appear, or for somebody to give up theirs.
func (m *Mirror) concerned(tx state.Tx, before, now *contact.Observed) {
	had, has := before.Identities(), now.Identities()
	for _, id := range append(slices.Clone(had), has...) {
		if slices.Contains(had, id) && slices.Contains(has, id) {
			continue
		}
		claims, _ := state.Claims.Get(tx, id)
		for _, c := range claims {
			if l, ok := state.Links.Get(tx, state.LinkKey{Target: m.c.name, Person: c.Person}); ok && (l.Contact == "" && !l.Gone || l.Waiting != nil && l.Waiting.Kind == contact.Conflict) {
				m.due(tx, c.Person)
			}
		}
	}
}

// gone notes a contact that was deleted at the target.
func (m *Mirror) gone(tx state.Tx, id string) {
	for _, kind := range []string{"taken", "other_name", "duplicate"} {
		state.Conflicts.Delete(tx, kind+"/"+m.c.name+"/"+id) // whoever was asked about it has answered
	}
	if before, ok := state.Mirror.Get(tx, state.At{Place: m.c.name, ID: id}); ok {
		m.concerned(tx, &before.Observed, &contact.Observed{})
	}
	person := state.PersonAt(tx, m.c.name, id)
	if person == 0 {
		state.Unreflect(tx, m.c.name, id)
		return
	}
	k := state.LinkKey{Target: m.c.name, Person: person}
	l, ok := state.Links.Get(tx, k)
	if !ok || l.Contact != id {
		return
	}
	m.c.lost(tx, k, &l)
	state.Links.Put(tx, k, l)
	m.due(tx, person)
}

func (m *Mirror) due(tx state.Tx, p state.PersonID) {
	k := state.LinkKey{Target: m.c.name, Person: p}
	l, ok := state.Links.Get(tx, k)
	if !ok || l.Hold != "" || poisoned(tx, k) {
		return
	}
	if l.First == 0 {
		l.First = contact.Micros(m.e.now())
	}
	rouse(tx, k, &l, state.LaneBulk, m.e.now())
	state.Links.Put(tx, k, l)
}

// poisoned reports whether what the source says of a person was refused for good: only another word of the source, or
// somebody, makes it worth another call.
func poisoned(tx state.Tx, k state.LinkKey) bool {
	letter, dead := state.Dead.Get(tx, k)
	who, _ := state.Persons.Get(tx, k.Person)
	return dead && letter.Seq >= who.Seq
}
