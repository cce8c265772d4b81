package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// end stores the outcome of a delivery: written, unchanged, waiting for somebody, or dead.
func (w *work) end(ctx context.Context, outcome string, failure *contact.Error) {
	c, j := w.c, w.j
	now := c.e.now()
	c.skip()
	if failure == nil {
		failure = w.withheld
	}
	if outcome == "unchanged" || outcome == "written" {
		outcome = outcomeOf(outcome, failure)
	}
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		l, ok := state.Links.Get(tx, j.key)
		if !ok {
			return w.strand(tx)
		}
		was, seq := l, j.person.Seq
		if l.Undo != "" {
			seq = l.Done // an undo delivers nothing of what came since
		}
		roused := l.Due != 0 && l.Due != j.link.Due
		if outcome == "written" || outcome == "unchanged" {
			w.answer(tx, &l)
		}
		w.record(tx, &l, outcome, failure, now)
		if w.telling() || w.onlyConsent && w.withheld == nil && outcome != "dead" {
			w.goOn(tx, &l, &was, now)
			state.Links.Put(tx, j.key, l)
			return nil
		}
		orphan := j.link.Orphan && w.whole == nil && (outcome == "written" || outcome == "unchanged")
		if orphan {
			w.giveUp(tx, &l)
		}
		switch done := state.Finish(tx, j.key, &l, seq, now); {
		case done && (orphan || roused):
			// Who they are without it is another question; what came meanwhile was not looked at.
			state.Schedule(tx, j.key, &l, state.LaneBulk, now.Add(time.Second))
		case !w.changed(outcome):
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
		if m, ok := state.Mirror.Get(tx, state.At{Place: c.name, ID: j.link.Contact}); orphan && ok {
			c.mirror.concerned(tx, &m.Observed, &contact.Observed{}) // it is free for those whose number it bears
		}
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

// outcomeOf is how a delivery that went well ends after all when something of what was wanted is withheld.
func outcomeOf(well string, withheld *contact.Error) string {
	switch {
	case withheld == nil:
		return well
	case withheld.Kind == contact.Invalid:
		return "dead"
	}
	return "waiting"
}

// changed reports whether the contact is another one than was compared, so that it must be compared again: it was
// written, if only in part, or read anew.
func (w *work) changed(outcome string) bool {
	return outcome == "written" || w.reread || outcome == "waiting" && w.wrote && w.withheld != nil
}

// goOn leaves the rest of a delivery as it was before the refusal was carried out: due, or held back.
func (w *work) goOn(tx state.Tx, l, was *state.Link, now time.Time) {
	l.Fails, l.Refused, l.Doubt, l.Waiting = was.Fails, was.Refused, was.Doubt, was.Waiting
	l.Run, l.Expect, l.Cleared, l.Undo = was.Run, was.Expect, was.Cleared, was.Undo
	if w.telling() {
		w.told(tx, l)
	} else {
		state.Schedule(tx, w.j.key, l, w.lane, now)
	}
}

// answer takes the questions about a person off the list that came up while they could not be delivered.
func (w *work) answer(tx state.Tx, l *state.Link) {
	if l.Waiting == nil || l.Waiting.Kind != contact.Conflict {
		return
	}
	var over []string
	for id, c := range state.Conflicts.All(tx, nil, nil) {
		ours := c.Target == w.c.name && slices.ContainsFunc(c.Records, func(k contact.Key) bool { return slices.Contains(w.j.person.Records, k) })
		if ours && (c.Kind == "taken" || c.Kind == "other_name" || c.Kind == "shared_phone") {
			over = append(over, id)
		}
	}
	for _, id := range over {
		state.Conflicts.Delete(tx, id)
	}
}

// unfinished reports whether the contact, as the target showed it after the write, is still not as desired:
// somebody edited it unseen, or a value did not stay as it was written. Values that never stay end in Left.
func (w *work) unfinished(l *state.Link) bool {
	j := w.j
	if j.observed == nil || l.Contact == "" {
		return false
	}
	again := w.c.compare(j, l.Link)
	w.c.omit(&again)
	return !again.Empty()
}

// strand keeps what was written for a person that was joined to another one meanwhile: with the link, if that came
// along, and otherwise for whoever adopts the contact.
func (w *work) strand(tx state.Tx) error {
	c, j := w.c, w.j
	if !w.wrote || j.observed == nil {
		return nil
	}
	state.ReflectWrite(tx, c.name, *j.observed, c.e.now())
	settle := func(base contact.Base) contact.Base {
		return contact.Settle(&j.desired, &j.change, base, c.target.Rules(), j.optedOut)
	}
	if p := state.PersonAt(tx, c.name, j.observed.ID); p != 0 {
		k := state.LinkKey{Target: c.name, Person: p}
		if l, ok := state.Links.Get(tx, k); ok {
			l.Base = settle(l.Base)
			state.Links.Put(tx, k, l)
		}
		return nil
	}
	state.Keeps.Put(tx, state.At{Place: c.name, ID: j.observed.ID}, state.Kept{Created: j.change.Create, Base: settle(j.link.Base)})
	return nil
}

func (w *work) record(tx state.Tx, l *state.Link, outcome string, failure *contact.Error, now time.Time) {
	c, j := w.c, w.j
	l.Fails, l.Refused, l.Doubt, l.Waiting = 0, 0, 0, nil
	defer func() { l.Undo, l.Run, l.Expect, l.Cleared = "", "", nil, 0 }()
	entry := state.Entry{At: contact.Micros(now), What: outcome, Target: c.name, Steps: j.change.Steps, Calls: j.calls, Millis: now.Sub(w.began).Milliseconds()}
	if w.wrote || outcome == "written" {
		l.At = entry.At
		w.forgive(l)
		w.settle(tx, l, now)
	}
	if (outcome == "written" || outcome == "unchanged") && l.Undo == "" && !w.onlyConsent {
		state.Dead.Delete(tx, j.key) // what was refused while the rest was held has been written with it
	}
	switch outcome {
	case "dead":
		letter := state.DeadLetter{Target: c.name, Person: j.key.Person, Records: j.person.Records, Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq, Calls: j.calls}
		state.Dead.Put(tx, j.key, letter)
		entry.Text = failure.Error()
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq}
	case "waiting":
		l.Waiting = &state.Waiting{Kind: failure.Kind, Message: failure.Error(), At: entry.At, Seq: j.person.Seq}
		entry.Text = failure.Error()
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
	if l.Run != "" && !w.onlyConsent { // what somebody said is no part of what a run did
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
		l.Link, l.Adopted, l.TakenBack = contact.Link{}, nil, l.Undo != ""
		return
	}
	if ch.Create && l.Contact == "" {
		state.SetContact(tx, j.key, l, j.observed.ID)
		l.Created, l.Gone = true, false
	}
	base := l.Base
	l.Base = contact.Settle(&j.desired, ch, base, c.target.Rules(), j.optedOut)
	if w.whole != nil && !ch.Relabels() {
		for _, name := range base.Labels {
			if slices.Contains(w.whole.RemoveLabels, name) && !slices.Contains(l.Base.Labels, name) {
				l.Base.Labels = append(l.Base.Labels, name) // it is still there: taking it back was put off
			}
		}
	}
	if l.Undo != "" && !w.onlyConsent {
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
	return l.Run != "" && l.Cleared >= w.j.person.Seq && len(l.Expect) > 0 && !bytes.Equal(l.Expect, w.c.digest(&w.j.change))
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
		if !c.e.heldElsewhere(tx, run, j.key) {
			r.Held++ // people are counted, not what is to be done for them
		}
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
	q.At, q.Records = contact.Micros(e.now()), distinct(q.Records)
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

// distinct leaves out what was listed before: several parts of one record may give the same number.
func distinct(keys []contact.Key) (out []contact.Key) {
	for _, k := range keys {
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

func keyList(keys []contact.Key) string {
	keys = distinct(keys)
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
