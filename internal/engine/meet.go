package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// fresh is how old a mirror may be when an unknown person is looked up in it.
const fresh = 2 * time.Minute

// unmet says why a person without a contact got none.
func (w *work) unmet() *contact.Error {
	if w.j.observed != nil || w.j.desired.Leaving {
		return nil
	}
	if len(w.j.shared) > 0 {
		return &contact.Error{Kind: contact.Conflict, Message: "the number is also given by " + keyList(w.j.shared) + " under another name"}
	}
	for _, s := range w.j.change.Steps {
		if s.Attr == "contact" && s.Kept == contact.KeptNoAddress {
			return &contact.Error{Kind: contact.NoAddress, Message: s.Kept}
		}
	}
	return nil
}

// sharedBy says what can be done about a number that records of different names give, where the mapping has already
// said whose it is too.
func sharedBy(rule string) string {
	if rule == contact.UseFirst || rule == contact.UseNewest {
		return "records of different names give one number; it is left to one of them (shared_phone: " + rule + "). Correct the source"
	}
	return "records of different names give one number; correct the source, or set shared_phone"
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
			Records: append(slices.Clone(j.desired.Keys), j.shared...), Message: sharedBy(j.desired.Policy.SharedPhone)})
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
		m = match{}
		if id, ok := j.desired.Identity(); ok {
			m = j.choose(tx, state.Bearers(tx, w.c.name, id))
		}
		return nil
	}); err != nil {
		return err
	}
	_, err := w.use(ctx, m)
	return err
}

// use adopts what was found, or says why nothing is. ok is false when there was nothing to be found.
func (w *work) use(ctx context.Context, m match) (ok bool, err error) {
	j := w.j
	switch {
	case m.found != nil:
	case m.guess != 0 && (w.planning || w.c.e.opts.DryRun):
		return false, nil // it is given up when somebody lets this change go
	case m.guess != 0:
		return true, w.evict(ctx, m.guess, m.taken)
	case m.taken != "":
		return true, w.taken(ctx, m.taken)
	default:
		return false, nil
	}
	seen := m.found.Observed
	if m.found.Slim() {
		j.calls++
		w.read = true
		full, err := w.c.target.Get(ctx, seen.ID)
		if contact.KindOf(err) == contact.Gone {
			return true, w.vanished(ctx, seen.ID)
		}
		if err != nil {
			return true, err
		}
		seen = full
	}
	return true, w.adopt(ctx, seen, m)
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
	w.read = true
	var m match
	if err := w.c.e.store.View(func(tx state.Tx) error {
		bearers := make([]state.Mirrored, len(found))
		for i := range found {
			bearers[i] = state.Mirrored{Observed: found[i], Person: state.PersonAt(tx, w.c.name, found[i].ID)}
		}
		m = j.choose(tx, bearers)
		return nil
	}); err != nil {
		return err
	}
	if ok, err := w.use(ctx, m); ok || err != nil || j.link.Doubt == 0 {
		return err
	}
	// A create was sent whose answer was lost. One empty look-up does not prove that it failed.
	w.vain = true
	return &contact.Error{Kind: contact.Unready, Op: "create", Message: "an earlier create got no answer; looking once more before it is sent again",
		Until: w.c.e.now().Add(15 * time.Second)}
}

// evict gives up a contact that was made for somebody whose number was completed by a default area code, now that a
// record spells out whose it is. What was written there is taken back first, then it is found again as nobody's.
func (w *work) evict(ctx context.Context, guess state.PersonID, id string) error {
	now, stuck := w.c.e.now(), false
	err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		k := state.LinkKey{Target: w.c.name, Person: guess}
		l, ok := state.Links.Get(tx, k)
		if !ok || l.Contact != id {
			return nil
		}
		if l.Orphan { // it is on its way, or waits for somebody
			stuck = l.Hold != "" || l.Waiting != nil
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
	if stuck {
		return w.taken(ctx, id)
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
	if m.from != 0 && m.from != j.key.Person {
		if !w.c.reserve(m.from) {
			return &contact.Error{Kind: contact.Unready, Message: "somebody who is gone is just being delivered to the contact; it is taken over afterwards",
				Until: w.c.e.now().Add(2 * time.Second)}
		}
		defer w.c.drop(m.from)
	}
	// The link is stored at once: whatever happens next, this contact is theirs and no second one is made.
	err := w.c.e.store.Update(ctx, func(tx state.Tx) error {
		var theirs contact.Link // what syncer gave to the contact for somebody who is gone is still its own to take back
		if owner := state.PersonAt(tx, w.c.name, seen.ID); owner != 0 && owner != j.key.Person {
			if owner != m.from {
				return &contact.Error{Kind: contact.Unready, Message: "the contact was linked to another person meanwhile; looking again", Names: []string{seen.ID},
					Until: w.c.e.now().Add(time.Second)}
			}
			before, _ := state.Links.Get(tx, state.LinkKey{Target: w.c.name, Person: owner})
			theirs = before.Link
			w.c.e.takeOver(tx, w.c.name, owner)
		}
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return errMoved
		}
		state.SetContact(tx, j.key, &l, seen.ID)
		before := seen
		l.Adopted, l.Gone, l.TakenBack, l.Link = &before, false, false, theirs
		if w.ours(&l, &seen) {
			made := contact.Diff(&j.desired, j.optedOut, nil, contact.Link{}, w.c.target.Rules())
			l.Created, l.Base = true, contact.Settle(&j.desired, &made, contact.Base{}, w.c.target.Rules(), j.optedOut)
		}
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
	w.c.e.leftover(j)
	if j.elsewhere = m.also; m.taken != "" {
		j.elsewhere = append(j.elsewhere, m.taken)
	}
	return nil
}

// lostFor is how long after its answer was lost a create may still have made a contact; clocks differ a little.
const lostFor = time.Minute

// ours reports whether a contact is what a create made whose answer was lost: it appeared then, under the person's name.
func (w *work) ours(l *state.Link, seen *contact.Observed) bool {
	if l.Doubt == 0 || l.Waiting == nil || seen.Created.IsZero() || contact.FoldName(seen.Name) != contact.FoldName(w.j.desired.Name.Value) {
		return false
	}
	apart := seen.Created.Sub(contact.FromMicros(l.Waiting.At))
	return apart.Abs() < lostFor
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
