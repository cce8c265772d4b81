package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// fresh is how old a mirror may be when an unknown person is looked up in it.
const fresh = 2 * time.Minute

// deliver brings one person to what is desired at the target, and stores how it went.
func (c *Conductor) deliver(ctx context.Context, p state.PersonID, lane state.Lane) {
	began := c.e.now()
	k := state.LinkKey{Target: c.name, Person: p}
	j, ok, err := c.e.load(k)
	switch {
	case err != nil && contact.KindOf(err) == contact.Unready:
		w := work{c: c, j: j, lane: lane, began: began}
		w.fail(ctx, err)
		c.drop(p)
		return
	case err != nil:
		c.log.Error("a delivery could not be read", "person", p, "error", err)
		c.skip()
		c.drop(p)
		return
	case !ok:
		c.forget(ctx, k)
		c.skip()
		c.drop(p)
		return
	}
	ctx = budget.WithLane(ctx, lane)
	w := work{c: c, j: j, lane: lane, began: began}
	switch {
	case c.e.opts.DryRun && (j.person.Erase || j.link.Undo != ""):
		w.hold(ctx, DryRun, "dry run")
	case j.person.Erase:
		w.erase(ctx)
	default:
		w.deliver(ctx)
	}
	if !w.handedOver {
		c.drop(p)
	}
}

// skip ends a probe that said nothing about the target.
func (c *Conductor) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.skip()
}

// forget removes what is due for a person that no longer exists.
func (c *Conductor) forget(ctx context.Context, k state.LinkKey) {
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, k)
		if !ok {
			return nil
		}
		state.Unschedule(tx, k, &l)
		state.Links.Put(tx, k, l)
		return nil
	})
	if err != nil {
		c.log.Error("the queue could not be changed", "error", err)
	}
}

// work is one delivery under way.
type work struct {
	c     *Conductor
	j     *job
	lane  state.Lane
	began time.Time
	// handedOver says that the label changes of the delivery are still to be sent by the labeler, which
	// ends it.
	handedOver bool
	decided    string
	wrote      bool          // the target was written to
	urns       []contact.URN // the address list before it was changed
	echo       bool          // its failure is that of a call whose failure was counted already
	// whole is the change with its labels, when they are left to another delivery: see lot.
	whole  *contact.Change
	parked bool
}

func (w *work) deliver(ctx context.Context) {
	j := w.j
	switch {
	case j.link.Undo != "":
		w.undo(ctx)
		return
	case !j.wanted:
		w.end(ctx, "unchanged", nil)
		return
	case len(j.desired.Blockers) > 0:
		b := j.desired.Blockers[0]
		w.end(ctx, "dead", &contact.Error{Kind: contact.Invalid, Message: strings.TrimSpace(b.Where + " " + b.Attr + ": " + b.Message)})
		return
	case j.link.Gone && !j.desired.Leaving && j.desired.Policy.OnGone != contact.Recreate:
		w.end(ctx, "waiting", &contact.Error{Kind: contact.Gone, Message: "the contact was deleted at the target by hand and is not made again (on_gone: tombstone)"})
		return
	}
	if err := w.meet(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if err := w.read(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	w.diff()
	if j.change.Empty() {
		w.end(ctx, "unchanged", w.unmet())
		return
	}
	if w.moved() {
		w.hold(ctx, j.link.Run, "it changed at the target or the source since the plan was made")
		return
	}
	if held, why := w.guarded(); held {
		run := guardRun(w.c.name)
		if w.c.e.opts.DryRun {
			run = DryRun
		}
		w.hold(ctx, run, why)
		return
	}
	if err := w.define(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if j.change.Empty() {
		w.end(ctx, "unchanged", nil)
		return
	}
	if w.lane == state.LaneBulk && j.change.Writes() && j.change.Relabels() && w.c.bulkLabels() && !j.change.Create && !j.change.Block && !j.link.Orphan {
		w.putOffLabels()
	}
	if err := w.write(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if j.change.Relabels() && w.c.bulkLabels() && !w.j.change.Create {
		w.handedOver = true
		w.c.labels.add(ctx, w)
		return
	}
	w.end(ctx, "written", nil)
	if w.parked {
		w.c.lot.park(j.key.Person, w.whole, w.c.e.now(), w.c.target.Rules().Can.BulkLabels)
	}
}

// putOffLabels leaves the labels of the change to another delivery, which they can share with others.
func (w *work) putOffLabels() {
	ch := w.j.change
	w.whole = &ch
	w.j.change.AddLabels, w.j.change.RemoveLabels = nil, nil
	w.j.change.Steps = slices.DeleteFunc(slices.Clone(ch.Steps), func(s contact.Step) bool {
		return s.Kept == "" && strings.HasPrefix(s.Attr, "labels.")
	})
}

func (c *Conductor) bulkLabels() bool { return c.target.Rules().Can.BulkLabels > 0 }

// unmet says why a person without a contact got none.
func (w *work) unmet() *contact.Error {
	if w.j.observed != nil || w.j.desired.Leaving {
		return nil
	}
	if len(w.j.shared) > 0 {
		return &contact.Error{Kind: contact.Conflict, Message: "the number is also given by " + keyList(w.j.shared) + " under another name"}
	}
	if w.j.forgotten {
		return &contact.Error{Kind: contact.NoAddress, Message: "the person behind this number asked to be erased; no contact is made for it again"}
	}
	for _, s := range w.j.change.Steps {
		if s.Attr == "contact" && s.Kept == contact.KeptNoAddress {
			return &contact.Error{Kind: contact.NoAddress, Message: s.Kept}
		}
	}
	return nil
}

// meet finds the person's contact if they have none yet: in the mirror, refreshed if need be, or by asking.
func (w *work) meet(ctx context.Context) error {
	j := w.j
	if j.desired.Leaving {
		return nil
	}
	if len(j.shared) > 0 {
		j.desired.Phone = nil
		w.c.e.conflict(ctx, "shared_phone/"+j.desired.Keys[0].String(), state.Conflict{Kind: "shared_phone", Target: w.c.name,
			Records: append(slices.Clone(j.desired.Keys), j.shared...), Message: "records of different names give one number; correct the source, or set shared_phone"})
		return nil
	}
	if j.desired.Phone == nil || j.link.Contact != "" {
		return nil
	}
	if !w.c.target.Rules().Can.Changes {
		return w.ask(ctx)
	}
	age := fresh
	if wait := j.link.Waiting; wait != nil && (j.link.Doubt > 0 || wait.Kind == contact.Conflict) {
		// A create was sent whose answer was lost, or refused because somebody has the address: the contact may be
		// there since, and shows after one reading.
		age = min(age, w.c.e.now().Sub(contact.FromMicros(wait.At)))
	}
	switch err := w.c.mirror.Fresh(ctx, age, w.lane); {
	case errors.Is(err, errSlow):
		return w.ask(ctx)
	case err != nil:
		return err
	}
	var m match
	if err := w.c.e.store.View(func(tx state.Tx) error {
		m = j.find(tx, w.c.target.Rules())
		return nil
	}); err != nil {
		return err
	}
	switch {
	case m.found == nil && m.guess != 0:
		return w.evict(ctx, m.guess, m.taken)
	case m.found == nil && m.taken != "":
		return w.taken(ctx, m.taken)
	case m.found == nil:
		return nil
	}
	seen := m.found.Observed
	if m.found.Slim() {
		j.calls++
		full, err := w.c.target.Get(ctx, seen.ID)
		if contact.KindOf(err) == contact.Gone {
			return w.vanished(ctx, seen.ID)
		}
		if err != nil {
			return err
		}
		seen = full
	}
	return w.adopt(ctx, seen, m)
}

// vanished removes a contact from the mirror that was deleted since it was read, and looks again.
func (w *work) vanished(ctx context.Context, id string) error {
	if err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Unreflect(tx, w.c.name, id)
		return nil
	}); err != nil {
		return err
	}
	return &contact.Error{Kind: contact.Unready, Message: "the contact was deleted a moment ago; looking again", Until: w.c.e.now().Add(time.Second)}
}

// ask looks the person up at a target that cannot be mirrored, or whose mirror is not ready in time.
func (w *work) ask(ctx context.Context) error {
	j := w.j
	j.calls++
	found, err := w.c.target.Find(ctx, j.desired.Phone.Candidates())
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b contact.Observed) int { return preference(&a, &b) })
	var m match
	var use *contact.Observed
	err = w.c.e.store.View(func(tx state.Tx) error {
		m, use = match{}, nil
		for i := range found {
			owner := state.PersonAt(tx, w.c.name, found[i].ID)
			switch {
			case owner != 0 && owner != j.key.Person && alive(tx, owner):
				m.taken = found[i].ID
			case use == nil:
				use = &found[i]
				if owner != j.key.Person {
					m.from = owner
				}
			default:
				m.also = append(m.also, found[i].ID)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case use != nil:
		return w.adopt(ctx, *use, m)
	case m.taken != "":
		return w.taken(ctx, m.taken)
	case j.link.Doubt > 0:
		// A create was sent whose answer was lost. One empty look-up does not prove that it failed.
		return &contact.Error{Kind: contact.Unready, Op: "create", Message: "an earlier create got no answer; looking once more before it is sent again",
			Until: w.c.e.now().Add(15 * time.Second)}
	}
	return nil
}

// evict gives up a contact that was made for somebody whose number was completed by a default area code, now that a
// record spells out whose it is. What was written there is taken back first, then it is found again as nobody's.
func (w *work) evict(ctx context.Context, guess state.PersonID, id string) error {
	now := w.c.e.now()
	err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		k := state.LinkKey{Target: w.c.name, Person: guess}
		l, ok := state.Links.Get(tx, k)
		if !ok || l.Contact != id {
			return nil
		}
		l.Orphan, l.Guess = true, true
		rouse(tx, k, &l, w.lane, now)
		state.Links.Put(tx, k, l)
		state.Note(tx, guess, state.Entry{At: contact.Micros(now), What: "released", Target: w.c.name,
			Text: "its number was completed by the default area code, and another record spells it out: the contact is given up"})
		return nil
	})
	if err != nil {
		return err
	}
	return &contact.Error{Kind: contact.Unready, Message: "the number stands in a contact that was made by guessing an area code; it is given up first", Until: now.Add(2 * time.Second)}
}

// taken reports that the number stands in the contact of somebody else.
func (w *work) taken(ctx context.Context, other string) error {
	w.c.e.conflict(ctx, "taken/"+w.c.name+"/"+other, state.Conflict{Kind: "taken", Target: w.c.name, Contacts: []string{other}, Records: w.j.desired.Keys,
		Message: "the number stands in a contact that belongs to another person; nothing is taken from it"})
	return &contact.Error{Kind: contact.Conflict, Message: "the number stands in the contact of another person (" + other + ")", Names: []string{other}}
}

// adopt links the person to a contact that was there before.
func (w *work) adopt(ctx context.Context, seen contact.Observed, m match) error {
	j := w.j
	p := j.desired.Policy
	sameName := contact.FoldName(seen.Name) == contact.FoldName(j.desired.Name.Value)
	switch {
	case p.Adopt == contact.AdoptNever:
		return &contact.Error{Kind: contact.Conflict, Message: "a contact with this number exists and the mapping does not adopt (adopt: never)", Names: []string{seen.ID}}
	case (p.Adopt == contact.AdoptSameName || j.desired.Phone.AreaAssumed) && !sameName && seen.Name != "":
		w.c.e.conflict(ctx, "other_name/"+w.c.name+"/"+seen.ID, state.Conflict{Kind: "other_name", Target: w.c.name, Contacts: []string{seen.ID}, Records: j.desired.Keys,
			Message: "a contact with this number exists under another name"})
		return &contact.Error{Kind: contact.Conflict, Message: "a contact with this number exists under another name", Names: []string{seen.ID}}
	case len(m.also) > 0 && p.OnDuplicate == contact.Report:
		return &contact.Error{Kind: contact.Conflict, Message: "several contacts have this number (on_duplicate: report)", Names: append([]string{seen.ID}, m.also...)}
	}
	for _, other := range m.also {
		w.c.e.conflict(ctx, "duplicate/"+w.c.name+"/"+other, state.Conflict{Kind: "duplicate", Target: w.c.name, Contacts: []string{seen.ID, other}, Records: j.desired.Keys,
			Message: "one person has several contacts here; the first is used. Merge them by hand or delete the other"})
	}
	// The link is stored at once: whatever happens next, this contact is theirs and no second one is made.
	err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		if owner := state.PersonAt(tx, w.c.name, seen.ID); owner != 0 && owner != j.key.Person {
			if owner != m.from {
				return &contact.Error{Kind: contact.Conflict, Message: "the contact was linked to another person meanwhile", Names: []string{seen.ID}}
			}
			w.c.e.takeOver(tx, w.c.name, owner)
		}
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return errMoved
		}
		state.SetContact(tx, j.key, &l, seen.ID)
		before := seen
		l.Adopted, l.Gone, l.Created = &before, false, false
		at := state.At{Place: w.c.name, ID: seen.ID}
		if kept, ok := state.Keeps.Get(tx, at); ok { // an export remembers what a lost state knew of it
			l.Created, l.Base = kept.Created, kept.Base
			state.Keeps.Delete(tx, at)
		}
		state.Reflect(tx, w.c.name, seen)
		state.Links.Put(tx, j.key, l)
		state.Note(tx, j.key.Person, state.Entry{At: contact.Micros(w.c.e.now()), What: "linked", Target: w.c.name, Text: "adopted the contact " + seen.ID})
		j.link = l
		return nil
	})
	if err != nil {
		return err
	}
	j.adopted, j.observed, j.unread = true, &seen, false
	return nil
}

// errMoved is returned when the person was joined to another one while it was being delivered.
var errMoved = &contact.Error{Kind: contact.Unready, Message: "the person was joined to another one meanwhile"}

// takeOver removes the link of a person for whom no record stands any more.
func (e *Engine) takeOver(tx state.Tx, target string, from state.PersonID) {
	k := state.LinkKey{Target: target, Person: from}
	l, ok := state.Links.Get(tx, k)
	if !ok {
		return
	}
	state.SetContact(tx, k, &l, "")
	state.Unschedule(tx, k, &l)
	l.Link, l.Adopted = contact.Link{}, nil
	state.Links.Put(tx, k, l)
	state.Note(tx, from, state.Entry{At: contact.Micros(e.now()), What: "released", Target: target, Text: "a new record of the same number took the contact over"})
}

// read gets the linked contact when the mirror does not hold it whole.
func (w *work) read(ctx context.Context) error {
	j := w.j
	if j.link.Contact == "" || !j.unread {
		return nil
	}
	j.calls++
	seen, err := w.c.target.Get(ctx, j.link.Contact)
	if err != nil {
		return err
	}
	j.observed, j.unread = &seen, false
	return w.c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Reflect(tx, w.c.name, seen)
		return nil
	})
}

func (w *work) diff() {
	j := w.j
	rules := w.c.target.Rules()
	j.change = contact.Diff(&j.desired, j.optedOut, j.observed, j.link.Link, rules)
}

// define makes sure that every label and field of the change exists at the target. What may not be made is
// left out of the change and said.
func (w *work) define(ctx context.Context) error {
	c := w.c
	rules := c.target.Rules()
	if !w.complete(rules) && c.opts.CreateMissing {
		if err := c.target.Learn(ctx); err != nil {
			return err
		}
		if err := c.define(ctx); err != nil {
			return err
		}
		rules = c.target.Rules()
	}
	c.mu.Lock()
	usable := c.usable
	c.mu.Unlock()
	if usable.After(c.e.now()) {
		return &contact.Error{Kind: contact.Unready, Message: "new labels or fields cannot be used yet", Until: usable}
	}
	if w.complete(rules) {
		return nil
	}
	omit(&w.j.change, rules)
	return nil
}

// omit leaves out of a change what the target has not defined, and says so.
func omit(ch *contact.Change, rules *contact.Rules) {
	for _, key := range slices.Sorted(maps.Keys(ch.Fields)) {
		if _, ok := rules.Catalog.Fields[key]; !ok {
			delete(ch.Fields, key)
			ch.Steps = append(ch.Steps, contact.Step{Attr: "fields." + key, Kept: "the target has no such field; create it or set create_missing"})
		}
	}
	ch.AddLabels = slices.DeleteFunc(ch.AddLabels, func(name string) bool {
		_, ok := rules.Catalog.Label(name)
		if !ok {
			ch.Steps = append(ch.Steps, contact.Step{Attr: "labels." + name, Kept: "the target has no such label; create it or set create_missing"})
		}
		return !ok
	})
}

func (w *work) complete(rules *contact.Rules) bool {
	for key := range w.j.change.Fields {
		if _, ok := rules.Catalog.Fields[key]; !ok {
			return false
		}
	}
	for _, name := range w.j.change.AddLabels {
		if _, ok := rules.Catalog.Label(name); !ok {
			return false
		}
	}
	return true
}

// write carries out everything but bulk labels. It stores what it learns as soon as it learns it, so that a
// crash afterwards finds the contact where it is.
func (w *work) write(ctx context.Context) error {
	j, ch := w.j, &w.j.change
	switch {
	case ch.Create:
		return w.create(ctx)
	case ch.Delete:
		w.decided = "delete"
		j.calls++
		if err := w.c.target.Delete(ctx, j.link.Contact); err != nil && contact.KindOf(err) != contact.Gone {
			return err
		}
		w.wrote = true
		return nil
	}
	if ch.Writes() || ch.Relabels() && !w.c.bulkLabels() {
		w.decided = "update"
		j.calls++
		if len(ch.AddURNs) > 0 {
			w.urns = slices.Clone(j.observed.URNs)
		}
		seen, err := w.c.target.Update(ctx, j.observed, ch)
		if err != nil {
			return err
		}
		w.saw(seen)
	}
	if ch.Block {
		w.decided = "block"
		j.calls++
		if err := w.c.target.Block(ctx, j.link.Contact); err != nil {
			return err
		}
		seen := *j.observed
		seen.Status, seen.Labels = contact.Blocked, nil
		w.saw(seen)
		ch.AddLabels, ch.RemoveLabels = nil, nil // blocking empties the labels
	}
	return nil
}

func (w *work) saw(seen contact.Observed) {
	w.wrote = true
	w.j.observed = &seen
}

func (w *work) create(ctx context.Context) error {
	j, ch := w.j, &w.j.change
	rules := w.c.target.Rules()
	var labels []string
	for _, name := range ch.AddLabels {
		if l, ok := rules.Catalog.Label(name); ok {
			labels = append(labels, l.ID)
		}
	}
	w.decided = "create"
	j.calls++
	seen, err := w.c.target.Create(ctx, ch, labels)
	if err != nil {
		return err
	}
	w.saw(seen)
	return nil
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
		w.unauthorised(ctx, failure)
	case contact.Suspended:
		c.skip()
		c.Pause(ctx, failure.Kind, failure.Error())
		w.later(ctx, failure, j.link.Fails, time.Minute)
	case contact.Unavailable:
		w.unavailable(ctx, failure, now)
	case contact.Gone:
		c.pass(now)
		w.gone(ctx, failure)
	case contact.Conflict:
		c.pass(now)
		w.conflict(ctx, failure)
	case contact.Invalid, contact.Rejected:
		c.pass(now)
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

func (c *Conductor) pass(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.pass(now)
	c.refusals = 0
}

// unavailable counts a failure against the target first. Only a person who failed again and again while
// others passed is at fault themselves.
func (w *work) unavailable(ctx context.Context, failure *contact.Error, now time.Time) {
	c, j := w.c, w.j
	c.mu.Lock()
	lastPass := c.breaker.lastPass
	opened := !w.echo && c.breaker.fail(now, j.key.Person, failure.Error())
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
	if othersPassed && (refused >= rejectAfter || refused == rejectAfter-1 && j.link.Fails >= rejectAfter) {
		failure.Kind = contact.Rejected
		failure.Message += fmt.Sprintf(", %d times for this person while others passed", j.link.Fails+1)
		w.end(ctx, "dead", failure)
		return
	}
	wait := retryIn(failure, j.link.Fails+1, now)
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
	c.refusals++
	refusals := c.refusals
	c.mu.Unlock()
	if err != nil && contact.KindOf(err) == contact.Auth || refusals >= tripAfter {
		c.Pause(ctx, contact.Auth, failure.Error())
	}
	w.later(ctx, failure, w.j.link.Fails, time.Minute)
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
		state.Schedule(tx, j.key, &l, w.lane, c.e.now())
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
	if w.decided == "create" && j.link.Fails == 0 {
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

// lagging is how long the second look waits when the first did not show who has the address: what targets list comes
// from copies that are seconds behind.
const lagging = 15 * time.Second

// shows reports whether the mirror knows a contact with the person's number.
func (w *work) shows() (found bool) {
	id, ok := w.j.desired.Identity()
	err := w.c.e.store.View(func(tx state.Tx) error {
		found = ok && len(state.Bearers(tx, w.c.name, id)) > 0
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
			return nil
		}
		if failure.Uncertain && w.decided == "create" {
			if l.Doubt = 2; c.target.Rules().Can.Unique {
				l.Doubt = 1
			}
		} else if l.Doubt > 0 && failure.Kind == contact.Unready {
			l.Doubt--
		}
		l.Fails, l.Refused = fails, j.link.Refused
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: contact.Micros(now), Seq: j.person.Seq}
		if w.j.observed != nil && w.wrote {
			state.ReflectWrite(tx, c.name, *w.j.observed, now)
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
		state.Schedule(tx, j.key, &l, lane, at)
		state.Links.Put(tx, j.key, l)
		return nil
	})
	if err != nil {
		c.log.Error("a delivery could not be put off", "error", err)
	}
	c.observe(w, "retry", failure)
}

// end stores the outcome of a delivery: written, unchanged, waiting for somebody, or dead.
func (w *work) end(ctx context.Context, outcome string, failure *contact.Error) {
	c, j := w.c, w.j
	now := c.e.now()
	if outcome == "written" {
		c.pass(now)
	} else {
		c.skip()
	}
	if outcome == "unchanged" && failure != nil {
		outcome = "waiting"
	}
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return w.strand(tx)
		}
		seq := j.person.Seq
		if l.Undo != "" {
			seq = l.Done // an undo delivers nothing of what came since
		}
		roused := l.Due != 0 && l.Due != j.link.Due
		w.record(tx, &l, outcome, failure, now)
		orphan := j.link.Orphan && (outcome == "written" || outcome == "unchanged")
		if orphan {
			w.giveUp(tx, &l)
		}
		switch done := state.Finish(tx, j.key, &l, seq, now); {
		case done && (orphan || roused):
			// Who they are without it is another question; what came meanwhile was not looked at.
			state.Schedule(tx, j.key, &l, state.LaneBulk, now.Add(time.Second))
		case outcome != "written":
		case !done:
			c.rest(j.key.Person, now)
		case w.unfinished(&l):
			at := now.Add(time.Second)
			if w.whole != nil {
				w.parked, at = true, contact.FromMicros(j.link.Due)
				l.First, l.Cleared = j.link.First, j.link.Cleared // it is one piece of work to whoever let it pass
			}
			state.Schedule(tx, j.key, &l, state.LaneBulk, at)
		}
		state.Links.Put(tx, j.key, l)
		return nil
	})
	if err != nil {
		c.log.Error("the outcome of a delivery could not be stored; it will be repeated", "person", j.key.Person, "error", err)
		w.pauseAfterStoreError(err)
	}
	if outcome == "dead" && err == nil {
		c.e.opts.Observer.Dead(c.name, state.DeadLetter{Target: c.name, Person: j.key.Person, Records: j.person.Records, Kind: failure.Kind, Message: failure.Error(), At: contact.Micros(now)})
	}
	c.observe(w, outcome, failure)
}

// unfinished reports whether the contact, as the target showed it after the write, is still not as desired:
// somebody edited it unseen, or a value did not stay as it was written. Values that never stay end in Left.
func (w *work) unfinished(l *state.Link) bool {
	j := w.j
	if j.observed == nil || l.Contact == "" {
		return false
	}
	rules := w.c.target.Rules()
	again := contact.Diff(&j.desired, j.optedOut, j.observed, l.Link, rules)
	omit(&again, rules)
	return !again.Empty()
}

// pauseAfterStoreError keeps a store that refuses writes from turning into a loop of repeated deliveries.
func (w *work) pauseAfterStoreError(err error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	now := w.c.e.now()
	w.c.breaker.rest, w.c.breaker.until, w.c.breaker.probing = firstRest, now.Add(firstRest), false
	w.c.breaker.why = "the state cannot be written: " + err.Error()
}

// strand keeps what was written for a person that was joined to another one meanwhile: the mirror knows the
// contact, and the next delivery of the joined person finds it there.
func (w *work) strand(tx state.Tx) error {
	if w.wrote && w.j.observed != nil {
		state.ReflectWrite(tx, w.c.name, *w.j.observed, w.c.e.now())
	}
	return nil
}

func (w *work) record(tx state.Tx, l *state.Link, outcome string, failure *contact.Error, now time.Time) {
	c, j := w.c, w.j
	l.Fails, l.Refused, l.Doubt, l.Waiting = 0, 0, 0, nil
	l.Mapped = c.e.plan.Hash
	defer func() { l.Undo, l.Run, l.Expect, l.Cleared = "", "", nil, 0 }()
	entry := state.Entry{At: contact.Micros(now), What: outcome, Target: c.name, Steps: j.change.Steps, Calls: j.calls, Millis: now.Sub(w.began).Milliseconds()}
	switch outcome {
	case "dead":
		letter := state.DeadLetter{Target: c.name, Person: j.key.Person, Records: j.person.Records, Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq, Calls: j.calls}
		state.Dead.Put(tx, j.key, letter)
		entry.Text = failure.Error()
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq}
	case "waiting":
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq}
		entry.Text = failure.Error()
	case "written":
		l.At = entry.At
		w.forgive(l)
		w.settle(tx, l, now)
	case "unchanged":
		w.forgive(l)
		if j.observed != nil {
			l.Base = contact.Settle(&j.desired, &contact.Change{}, l.Base, c.target.Rules(), j.optedOut)
		}
	}
	if outcome != "unchanged" || len(j.change.Steps) > 0 {
		state.Note(tx, j.key.Person, entry)
	}
}

// settle stores what was written: the link, the base of the next comparison, the mirror.
func (w *work) settle(tx state.Tx, l *state.Link, now time.Time) {
	c, j, ch := w.c, w.j, &w.j.change
	if l.Run != "" {
		whole := ch
		if w.whole != nil {
			whole = w.whole
		}
		done := state.Done{Contact: l.Contact, Change: *whole, URNs: w.urns, At: contact.Micros(now)}
		if j.observed != nil {
			done.Contact = j.observed.ID
		}
		state.Dones.Put(tx, state.HoldKey{Run: l.Run, LinkKey: j.key}, done)
		l.Run, l.Expect = "", nil
	}
	if ch.Delete {
		state.Unreflect(tx, c.name, l.Contact)
		state.SetContact(tx, j.key, l, "")
		// A contact that was made and taken back is not made again by itself.
		l.Link, l.Adopted, l.Gone = contact.Link{}, nil, l.Undo != ""
		return
	}
	if ch.Create && l.Contact == "" {
		state.SetContact(tx, j.key, l, j.observed.ID)
		l.Created, l.Gone = true, false
	}
	base := l.Base
	l.Base = contact.Settle(&j.desired, ch, base, c.target.Rules(), j.optedOut)
	if l.Undo != "" {
		w.leave(l)
	} else {
		w.watchFlips(l, base, now)
	}
	if j.observed != nil {
		state.ReflectWrite(tx, c.name, *j.observed, now)
	}
}

// giveUp unlinks an orphan once nothing of what syncer wrote is left there.
func (w *work) giveUp(tx state.Tx, l *state.Link) {
	l.Orphan, l.Guess = false, false
	state.SetContact(tx, w.j.key, l, "")
	l.Link = contact.Link{}
}

// moved reports whether the change is another one than the plan that let it go had shown. That a contact was found
// where the plan could not look (see planOne) is no other change.
func (w *work) moved() bool {
	l := &w.j.link
	if l.Adopted != nil && l.At == 0 && !w.c.target.Rules().Can.Changes {
		return false
	}
	return l.Run != "" && l.Cleared >= w.j.person.Seq && len(l.Expect) > 0 && !bytes.Equal(l.Expect, digest(&w.j.change))
}

// hold keeps a change back under a run.
func (w *work) hold(ctx context.Context, run, why string) {
	c, j := w.c, w.j
	c.skip()
	var people int
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok || w.outdated(tx) {
			return nil // what came meanwhile is still due, and is judged by itself
		}
		r, known := state.Runs.Get(tx, run)
		if !known || r.Kind == "guard" && r.State != RunHeld {
			r = state.Run{ID: run, Kind: "guard", Started: contact.Micros(c.e.now())}
		}
		r.State, r.Why = RunHeld, why
		r.Held++
		people = r.Held
		state.Runs.Put(tx, run, r)
		held := state.Held{Seq: j.person.Seq, Change: j.change, Why: why, Keys: j.person.Records, Contact: j.link.Contact}
		if j.observed != nil {
			held.Modified = contact.Micros(j.observed.Modified)
		}
		l.Run, l.Expect = "", nil
		state.KeepBack(tx, j.key, &l, run, held)
		state.Links.Put(tx, j.key, l)
		state.Note(tx, j.key.Person, state.Entry{At: contact.Micros(c.e.now()), What: "held", Target: c.name, Text: why, Steps: j.change.Steps, Run: run})
		return nil
	})
	if err != nil {
		c.log.Error("a change could not be held", "error", err)
	}
	c.e.opts.Observer.Held(c.name, run, why, people)
	c.observe(w, "held", nil)
}

// observe emits the one wide event of a delivery.
func (c *Conductor) observe(w *work, outcome string, failure *contact.Error) {
	j := w.j
	now := c.e.now()
	d := Delivery{Target: c.name, Person: j.key.Person, Records: j.person.Records, Outcome: outcome, Decided: w.decided,
		Lane: w.lane, Took: now.Sub(w.began), Fails: j.link.Fails}
	if j.link.First != 0 {
		d.Queued = w.began.Sub(contact.FromMicros(j.link.First))
	}
	for _, s := range j.change.Steps {
		if s.Kept == "" {
			d.Attrs = append(d.Attrs, s.Attr)
		} else {
			d.Kept = append(d.Kept, s.Attr)
		}
	}
	if failure != nil {
		d.Err = failure
	}
	c.e.opts.Observer.Delivered(d)
}

// conflict lists a question for people. One that is already listed keeps its date.
func (e *Engine) conflict(ctx context.Context, id string, q state.Conflict) {
	q.At = contact.Micros(e.now())
	err := e.store.Update(ctx, func(tx state.Tx) error {
		if had, ok := state.Conflicts.Get(tx, id); ok {
			q.At = had.At
		}
		state.Conflicts.Put(tx, id, q)
		return nil
	})
	if err != nil {
		e.log.Error("a conflict could not be listed", "error", err)
	}
}

func keyList(keys []contact.Key) string {
	names := make([]string, 0, 3)
	for i, k := range keys {
		if i == 3 {
			names = append(names, fmt.Sprintf("%d more", len(keys)-3))
			break
		}
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// erase deletes the contact of a person who asked to be forgotten, or asks somebody to, and then forgets them.
func (w *work) erase(ctx context.Context) {
	c, j := w.c, w.j
	if j.link.Cleared < j.person.Seq || j.link.Cleared == 0 {
		if why, held := c.guard.let(j.key.Person, contact.Counts{Deletes: one(j.link.Contact != "")}, c.people()); held {
			w.hold(ctx, guardRun(c.name), why)
			return
		}
	}
	if j.link.Contact != "" {
		rules := c.target.Rules()
		if rules.Can.Delete {
			w.decided = "delete"
			j.calls++
			err := c.target.Delete(ctx, j.link.Contact)
			if err != nil && contact.KindOf(err) != contact.Gone {
				w.fail(ctx, err)
				return
			}
		} else {
			c.e.conflict(ctx, "erase/"+c.name+"/"+j.link.Contact, state.Conflict{Kind: "erase", Target: c.name, Contacts: []string{j.link.Contact},
				Message: "a person asked to be erased and this target cannot delete; erase the contact by hand"})
		}
	}
	c.pass(c.e.now())
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return nil
		}
		if l.Contact != "" {
			id := l.Contact
			state.SetContact(tx, j.key, &l, "")
			state.Unreflect(tx, c.name, id)
		}
		state.Unschedule(tx, j.key, &l)
		state.Links.Delete(tx, j.key)
		state.Dead.Delete(tx, j.key)
		who, ok := state.Persons.Get(tx, j.key.Person)
		if !ok {
			return nil
		}
		who.Targets = slices.DeleteFunc(who.Targets, func(t string) bool { return t == c.name })
		state.Persons.Put(tx, j.key.Person, who)
		if len(who.Targets) == 0 {
			state.ErasePerson(tx, j.key.Person, c.e.now(), j.identities()...)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errMoved) {
		c.log.Error("an erasure could not be stored; it will be repeated", "error", err)
	}
	c.observe(w, "erased", nil)
}
