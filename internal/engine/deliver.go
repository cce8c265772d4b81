package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// deliver brings one person to what is desired at the target, and stores how it went.
func (c *Conductor) deliver(ctx context.Context, p state.PersonID, lane state.Lane) {
	began := c.e.now()
	k := state.LinkKey{Target: c.name, Person: p}
	j, ok, err := c.e.load(k)
	switch {
	case err != nil && (j == nil || !j.nameless):
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
	case j.nameless: // a record that cannot be read may refuse: nothing is taken back
		if !j.optedOut || !w.refuseFirst(ctx, nil) {
			w.fail(ctx, err)
		}
	case w.telling():
		if !w.refuseFirst(ctx, nil) {
			w.nothingToTell(ctx)
		}
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
	// whole is the change with its labels, when some of them are left to another delivery: see lot and labeler.
	whole  *contact.Change
	parked bool
	reread bool // the contact was read again after the change was made out: it may differ in more
	// onlyConsent says that nothing is written but that the person refused messages: see refuseFirst.
	onlyConsent bool
	// withheld says why something of what is desired is not written.
	withheld *contact.Error
	planning bool // nothing is written: the change is made out for people to see
	read     bool // the contact was read from the target in this delivery
	among    int  // people who shared the call that failed
	vain     bool // a look-up for a contact whose create got no answer found nothing
}

func (w *work) deliver(ctx context.Context) {
	j := w.j
	if j.link.Undo != "" {
		w.undo(ctx)
		return
	}
	outcome, why := w.foregone()
	if (why != nil || j.link.Fails > 0) && w.refuseFirst(ctx, why) {
		return
	}
	if outcome != "" {
		w.end(ctx, outcome, why)
		return
	}
	for _, stage := range []func(context.Context) error{w.meet, w.fetch, w.lookAgain} {
		if err := stage(ctx); err != nil {
			w.fail(ctx, err)
			return
		}
	}
	w.reportElsewhere(ctx)
	if j.change.Empty() {
		w.end(ctx, "unchanged", w.unmet())
		return
	}
	if run, why := w.heldBack(); run != "" {
		if !w.refuseFirst(ctx, nil) {
			w.hold(ctx, run, why)
		}
		return
	}
	w.carryOut(ctx)
}

// carryOut writes the change that was made out.
func (w *work) carryOut(ctx context.Context) {
	j := w.j
	if err := w.define(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if j.change.Empty() {
		w.end(ctx, "unchanged", nil)
		return
	}
	if w.lane == state.LaneBulk && !w.onlyConsent && j.change.Writes() && j.change.Relabels() && w.c.bulkLabels() && !j.change.Create && !j.change.Block && !j.link.Orphan {
		w.putOffLabels()
	}
	if err := w.write(ctx); err != nil {
		if w.wrote || !w.hopeless(err) || !w.refuseFirst(ctx, contact.AsError(err)) {
			w.fail(ctx, err)
		}
		return
	}
	if j.change.Relabels() && w.c.bulkLabels() && !j.change.Create {
		w.handedOver = true
		w.c.labels.add(ctx, w)
		return
	}
	w.end(ctx, "written", nil)
	if w.parked {
		w.c.lot.park(j.key.Person, w.whole, w.c.e.now(), w.c.target.Rules().Can.BulkLabels)
	}
}

// reportElsewhere asks people what becomes of a number that stands in another contact too.
func (w *work) reportElsewhere(ctx context.Context) {
	j := w.j
	if !slices.ContainsFunc(j.change.Steps, func(s contact.Step) bool { return s.Kept == keptElsewhere }) {
		return
	}
	w.c.e.conflict(ctx, "duplicate/"+w.c.name+"/"+j.elsewhere[0], state.Conflict{Kind: "duplicate", Target: w.c.name, Contacts: append([]string{j.link.Contact}, j.elsewhere...),
		Records: j.desired.Keys, Message: "the person's number stands in another contact too; it is not taken from there. Merge them by hand or delete the other"})
	w.withheld = &contact.Error{Kind: contact.Conflict, Message: keptElsewhere + " (" + strings.Join(j.elsewhere, ", ") + ")", Names: j.elsewhere}
}

// heldBack names the run that keeps the change back, and why; none when it may go.
func (w *work) heldBack() (run, why string) {
	if w.moved() {
		return w.j.link.Run, "it changed at the target or the source since the plan was made"
	}
	held, why := w.guarded()
	switch {
	case !held:
		return "", ""
	case w.c.e.opts.DryRun:
		return DryRun, why
	}
	return guardRun(w.c.name), why
}

// telling reports whether the delivery is of what the person said about being written to alone, while a run or guard
// holds the rest back.
func (w *work) telling() bool { return w.j.link.Will }

// told ends such a delivery. Another word that came meanwhile is still due, and so is everything when somebody let the
// rest go.
func (w *work) told(tx state.Tx, l *state.Link) {
	if l.Hold != "" && !w.outdated(tx) {
		state.Told(tx, w.j.key, l)
	}
}

// nothingToTell ends such a delivery when there is nothing to do. Where nothing may be done, it is still to be told when
// that changes.
func (w *work) nothingToTell(ctx context.Context) {
	w.c.skip()
	if err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, w.j.key)
		switch {
		case !ok:
			return nil
		case w.c.e.opts.DryRun && l.Hold != "":
			state.Tell(tx, w.j.key, &l, w.c.e.now().Add(time.Hour))
		default:
			w.told(tx, &l)
		}
		state.Links.Put(tx, w.j.key, l)
		return nil
	}); err != nil {
		w.c.log.Error("the outcome of a delivery could not be stored; it will be repeated", "person", w.j.key.Person, "error", err)
		w.pauseAfterStoreError(err)
	}
}

// refuseFirst carries out that the person refused messages, and nothing else, where the rest of what is desired cannot
// go or has to wait: nobody who asked to be left alone goes on getting messages for the sake of a name that the target
// does not take. why says what is wrong with the rest; without a reason, the rest follows in another delivery. It reports
// whether there was anything to carry out: then this delivery is over, or handed on.
func (w *work) refuseFirst(ctx context.Context, why *contact.Error) bool {
	j := w.j
	if w.onlyConsent || !j.optedOut && !w.telling() || j.link.Contact == "" || w.c.e.opts.DryRun {
		return false
	}
	if err := w.fetch(ctx); err != nil {
		w.fail(ctx, err)
		return true
	}
	desired, change := j.desired, j.change
	j.desired = contact.Desired{Keys: desired.Keys, Policy: desired.Policy, Leaving: desired.Leaving, Leave: contact.LeaveKeep}
	w.diff()
	if why == nil && j.link.Fails > 0 && j.change.Relabels() {
		w.leaveUnblocked() // that may be what fails: the label comes first, and another delivery blocks
	}
	if err := w.define(ctx); err != nil {
		w.fail(ctx, err)
		return true
	}
	if j.change.Empty() {
		j.desired, j.change = desired, change
		return false
	}
	w.onlyConsent, w.withheld, w.whole = true, why, nil
	w.carryOut(ctx)
	return true
}

// leaveUnblocked takes the blocking of the contact out of the change.
func (w *work) leaveUnblocked() {
	ch := &w.j.change
	ch.Block = false
	ch.Steps = slices.DeleteFunc(slices.Clone(ch.Steps), func(s contact.Step) bool { return s.Kept == "" && s.Attr == "contact" })
}

// hopeless reports whether a change was refused in a way that trying again does not mend.
func (w *work) hopeless(err error) bool {
	switch contact.KindOf(err) {
	case contact.Invalid:
		return true
	case contact.Conflict: // somebody has the new number
		return w.refusedBefore() && len(w.j.change.AddURNs) > 0 && !w.j.change.Create
	}
	return false
}

// foregone tells how the delivery ends when that is known before anything is looked at; the outcome is empty when it
// is not.
func (w *work) foregone() (outcome string, why *contact.Error) {
	j := w.j
	switch {
	case !j.wanted:
		return "unchanged", nil
	case len(j.desired.Blockers) > 0:
		b := j.desired.Blockers[0]
		return "dead", &contact.Error{Kind: contact.Invalid, Message: strings.TrimSpace(b.Where + " " + b.Attr + ": " + b.Message)}
	case j.forgotten && !j.desired.Leaving:
		return "waiting", &contact.Error{Kind: contact.NoAddress, Message: "the person behind this number asked to be erased; no contact is made for it again"}
	case j.link.TakenBack && !j.desired.Leaving:
		return "waiting", &contact.Error{Kind: contact.Gone, Message: "the contact was taken back by an undo, and is made again when the source says something else"}
	case j.link.Gone && !j.desired.Leaving && j.desired.Policy.OnGone != contact.Recreate:
		return "waiting", &contact.Error{Kind: contact.Gone, Message: "the contact was deleted at the target by hand and is not made again (on_gone: tombstone)"}
	}
	return "", nil
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

// fetch gets the linked contact when the mirror does not hold it whole.
func (w *work) fetch(ctx context.Context) error {
	if w.j.link.Contact == "" || !w.j.unread {
		return nil
	}
	return w.get(ctx)
}

func (w *work) get(ctx context.Context) error {
	j := w.j
	j.calls++
	seen, err := w.c.target.Get(ctx, j.link.Contact)
	if err != nil {
		return err
	}
	j.observed, j.unread, w.read = &seen, false, true
	return w.c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Reflect(tx, w.c.name, seen)
		return nil
	})
}

func (w *work) diff() { w.j.change = w.c.compare(w.j, w.j.link.Link) }

// lookAgain makes out the change, and makes sure that a value which is written only because of what stood there is not
// written over something newer: that was seen a moment ago, or is read now.
func (w *work) lookAgain(ctx context.Context) error {
	j, c := w.j, w.c
	w.diff()
	if w.read || j.change.Create || !w.presumes() {
		return nil
	}
	if !c.target.Rules().Can.Changes {
		return w.reconsider(w.get(ctx))
	}
	mark, err := c.mirror.Mark()
	switch {
	case err != nil:
		return err
	case c.e.now().Sub(contact.FromMicros(mark.Refreshed)) <= fresh:
		return nil
	case w.lane < state.LaneBulk:
		return w.reconsider(w.get(ctx))
	}
	if err := c.mirror.Fresh(ctx, fresh, w.lane); err != nil {
		return err
	}
	return w.reconsider(c.e.store.View(func(tx state.Tx) error {
		m, ok := state.Mirror.Get(tx, state.At{Place: c.name, ID: j.link.Contact})
		if !ok || m.Slim() {
			return &contact.Error{Kind: contact.Unready, Message: "the contact changed at the target; looking again", Until: c.e.now().Add(time.Second)}
		}
		j.observed = &m.Observed
		return nil
	}))
}

func (w *work) reconsider(err error) error {
	if err == nil {
		w.diff()
	}
	return err
}

// presumes reports whether the change writes a value only because of what the target was seen to hold.
func (w *work) presumes() bool {
	d := &w.j.desired
	return slices.ContainsFunc(w.j.change.Steps, func(s contact.Step) bool {
		a := d.Fields[strings.TrimPrefix(s.Attr, "fields.")].Attr
		switch s.Attr {
		case "name":
			a = d.Name
		case "language":
			a = d.Language
		}
		return s.Kept == "" && (a.Write == contact.IfEmpty || a.Write == contact.KeepEdits)
	})
}

// define makes sure that every label and field of the change exists at the target. What may not be made is
// left out of the change and said.
func (w *work) define(ctx context.Context) error {
	c := w.c
	if c.opts.CreateMissing && c.lacks(&w.j.change) {
		if err := c.learn(ctx); err != nil {
			return err
		}
		if err := c.define(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	usable := c.usable
	c.mu.Unlock()
	if usable.After(c.e.now()) {
		return &contact.Error{Kind: contact.Unready, Message: "new labels or fields cannot be used yet", Until: usable}
	}
	c.omit(&w.j.change)
	return nil
}

// omit leaves out of a change what the target has not defined, and says so.
func (c *Conductor) omit(ch *contact.Change) {
	catalog := c.target.Rules().Catalog
	for _, key := range slices.Sorted(maps.Keys(ch.Fields)) {
		if _, ok := catalog.Fields[key]; !ok {
			delete(ch.Fields, key)
			ch.Steps = append(ch.Steps, contact.Step{Attr: "fields." + key, Kept: c.undefined("field", key)})
		}
	}
	ch.AddLabels = slices.DeleteFunc(ch.AddLabels, func(name string) bool {
		_, ok := catalog.Label(name)
		if !ok {
			ch.Steps = append(ch.Steps, contact.Step{Attr: "labels." + name, Kept: c.undefined("label", name)})
		}
		return !ok
	})
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
		w.c.pass(w.c.e.now())
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
		switch err := w.c.target.Block(ctx, j.link.Contact); {
		case contact.KindOf(err) == contact.Invalid && ch.Relabels() && w.c.bulkLabels():
			w.withheld = cmp.Or(w.withheld, contact.AsError(err)) // who cannot be blocked is given the label all the same
			w.leaveUnblocked()
			return nil
		case err != nil:
			if w.c.bulkLabels() {
				ch.AddLabels, ch.RemoveLabels = nil, nil // they were not sent
			}
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
	w.c.pass(w.c.e.now())
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
			if m, ok := state.Mirror.Get(tx, state.At{Place: c.name, ID: id}); ok {
				state.Forget(tx, c.e.now(), m.Identities(), nil) // no record may give its number any more
			}
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
			state.ErasePerson(tx, j.key.Person, c.e.now(), j.own()...)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errMoved) {
		c.log.Error("an erasure could not be stored; it will be repeated", "error", err)
	}
	c.observe(w, "erased", nil)
}
