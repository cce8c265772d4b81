package engine

import (
	"bytes"
	"context"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// resolveBatch is how many records are mapped and joined in one transaction.
const resolveBatch = 256

// resolve maps what is due and finds out whose it is, until ctx ends.
func (e *Engine) resolve(ctx context.Context) {
	defer e.fetchers.working.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.wake:
		}
		for ctx.Err() == nil {
			next, more, err := e.ResolveOnce(ctx)
			if err != nil {
				e.log.Error("mapping due records failed", "error", err)
				next, more = e.now().Add(5*time.Second), false
			}
			if !more {
				timer.Reset(wait(e.now(), next, time.Minute))
				break
			}
		}
	}
}

// wait is how long until next, at least a moment and at most limit.
func wait(now, next time.Time, limit time.Duration) time.Duration {
	if next.IsZero() {
		return limit
	}
	return min(max(next.Sub(now), time.Millisecond), limit)
}

// due is a record taken from the queue.
type dueRecord struct {
	key      contact.Key
	rec      state.Record
	payload  []byte
	contacts []contact.Contact
}

// ResolveOnce maps one batch of due records. It returns whether there was any, and otherwise when the next
// will be due.
func (e *Engine) ResolveOnce(ctx context.Context) (next time.Time, more bool, err error) {
	var batch []dueRecord
	err = e.store.View(func(tx state.Tx) error {
		var keys []contact.Key
		keys, next = state.DueRecords(tx, e.now(), resolveBatch)
		for _, k := range keys {
			if rec, ok := state.Records.Get(tx, k); ok {
				batch = append(batch, dueRecord{key: k, rec: rec, payload: state.Payload(tx, k)})
			}
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return next, false, err
	}
	if err := e.fetchThin(ctx, batch); err != nil {
		return next, false, err
	}
	batch = slices.DeleteFunc(batch, func(d dueRecord) bool { return d.rec.Thin })
	if batch, err = e.early(ctx, batch); err != nil {
		return next, false, err
	}
	e.mapAll(batch)
	if len(batch) > 0 {
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			for i := range batch {
				e.settleRecord(tx, &batch[i])
			}
			return nil
		}); err != nil {
			return next, false, err
		}
		for _, c := range e.targets {
			c.Wake()
		}
	}
	return next, true, nil // those put off are due at a time that next does not know
}

// early puts off the records of sources whose names are not known yet, and returns the others.
func (e *Engine) early(ctx context.Context, batch []dueRecord) ([]dueRecord, error) {
	wait := map[string][]string{}
	rest := slices.DeleteFunc(batch, func(d dueRecord) bool {
		if e.known(d.key.Source) || d.rec.Deleted {
			return false
		}
		wait[d.key.Source] = append(wait[d.key.Source], d.key.ID)
		return true
	})
	for name, ids := range wait {
		if err := e.postpone(ctx, name, ids, always(5*time.Second)); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (e *Engine) mapAll(batch []dueRecord) {
	for i := range batch {
		d := &batch[i]
		d.contacts = e.mapRecord(d.key, &d.rec, d.payload)
	}
}

// Mapped is a record mapped ahead of the transaction that accepts it.
type Mapped struct {
	Payload  []byte
	Contacts []contact.Contact
}

// MapAhead maps a payload before it is accepted, so that the transaction need not.
func (e *Engine) MapAhead(k contact.Key, payload []byte) Mapped {
	return Mapped{payload, e.mapRecord(k, &state.Record{}, payload)}
}

// Resolve joins accepted records to their persons inside the transaction that accepted them, for those who
// want the outcome in the same commit: a reconciliation's page. Records whose newest payload is not the one
// that was mapped ahead are left to the engine.
func (e *Engine) Resolve(tx state.Tx, k contact.Key, ahead Mapped) {
	rec, ok := state.Records.Get(tx, k)
	if !ok || rec.Due == 0 || rec.Thin || rec.Erase {
		return
	}
	d := dueRecord{key: k, rec: rec, contacts: ahead.Contacts}
	if rec.Deleted {
		d.contacts = e.mapRecord(k, &rec, nil)
	} else if !bytes.Equal(state.Payload(tx, k), ahead.Payload) {
		return
	}
	e.settleRecord(tx, &d)
}

// settleRecord joins a mapped record to its persons and makes them due. A record that changed since it was
// read stays due as it is.
func (e *Engine) settleRecord(tx state.Tx, d *dueRecord) {
	rec, ok := state.Records.Get(tx, d.key)
	if !ok || rec.Due == 0 || rec.Seq != d.rec.Seq {
		return
	}
	j := joiner{tx: tx, now: contact.Micros(e.now()), key: d.key, rec: &rec}
	if rec.Into != nil && !j.follow(e) {
		return // the winner is not known yet; the record stays due
	}
	if rec.Erase {
		j.forget()
	}
	people := j.place(d.contacts)
	travel := state.Travel{Lane: rec.Lane, Hold: rec.Hold}
	if e.consent(tx, d, &rec) {
		travel = state.Travel{Lane: state.LaneConsent} // a refusal waits for no run
	}
	first, events := rec.First, rec.Events
	rec.Mapped = e.MappedUnder(d.key.Source)
	state.Dequeue(tx, d.key, &rec)
	if rec.Erase && len(people) == 0 { // it stood for nobody; nothing of it is kept
		state.DropRecord(tx, d.key, &rec)
		state.Forget(tx, e.now(), nil, []contact.Key{d.key})
		return
	}
	state.Records.Put(tx, d.key, rec)
	for _, p := range people {
		e.makeDue(tx, p, d, travel, first, events)
	}
}

// forget marks the numbers of a record as erased while they are known: a deletion that came along takes its claims back.
func (j *joiner) forget() {
	var ids []contact.Identity
	for _, p := range j.rec.Parts {
		if p.Identity != "" {
			ids = append(ids, p.Identity)
		}
	}
	state.Forget(j.tx, contact.FromMicros(j.now), ids, nil)
}

// consent writes what the record says about the person's will into the ledger of its numbers. A record that no
// longer stands for a contact still speaks for its person here.
func (e *Engine) consent(tx state.Tx, d *dueRecord, rec *state.Record) (changed bool) {
	at := max(rec.Version.Event, rec.Version.Arrival)
	for i := range d.contacts {
		c := &d.contacts[i]
		if c.OptOut == contact.Unsaid || c.Fatal() {
			continue
		}
		for _, p := range c.Phones {
			if p.Identifies() {
				changed = state.SetConsent(tx, p.Identity(), d.key.Source, c.OptOut == contact.Yes, at) || changed
			}
		}
	}
	return changed
}

// makeDue makes a person due at every target that its records write to, or holds it back under a run.
func (e *Engine) makeDue(tx state.Tx, p state.PersonID, d *dueRecord, how state.Travel, first int64, events int) {
	person, ok := state.Persons.Get(tx, p)
	if !ok {
		return
	}
	person.Seq++
	person.Erase = person.Erase || d.rec.Erase
	for name := range e.targets {
		k := state.LinkKey{Target: name, Person: p}
		l, linked := state.Links.Get(tx, k)
		if !linked && !slices.ContainsFunc(d.contacts, func(c contact.Contact) bool { return slices.Contains(c.Targets, name) }) {
			continue
		}
		if !slices.Contains(person.Targets, name) {
			person.Targets = append(person.Targets, name)
		}
		if events > 0 {
			l.TakenBack = false
		}
		e.push(tx, k, &l, how, first)
		state.Links.Put(tx, k, l)
	}
	if person.Erase {
		e.eraseElsewhere(tx, p, &person)
	}
	state.Persons.Put(tx, p, person)
	if person.Erase && len(person.Targets) == 0 {
		state.ErasePerson(tx, p, e.now())
		return
	}
	key := d.key
	note := state.Entry{At: contact.Micros(e.now()), What: "received", Record: &key, Run: how.Hold}
	switch {
	case d.rec.Erase:
		note.Text = "asked to be erased"
	case d.rec.Deleted:
		note.Text = "deleted at the source"
	case events > 1:
		note.Text = plural(events, "event", "events") + " since the last delivery"
	}
	state.Note(tx, p, note)
}

// eraseElsewhere lists, for erasure by hand, the contacts of a person at targets that the mapping file no longer
// names: nothing can be deleted there.
func (e *Engine) eraseElsewhere(tx state.Tx, p state.PersonID, person *state.Person) {
	person.Targets = slices.DeleteFunc(person.Targets, func(name string) bool {
		if e.targets[name] != nil {
			return false
		}
		k := state.LinkKey{Target: name, Person: p}
		if l, ok := state.Links.Get(tx, k); ok {
			if l.Contact != "" {
				state.Conflicts.Put(tx, "erase/"+name+"/"+l.Contact, state.Conflict{Kind: "erase", Target: name, Contacts: []string{l.Contact}, At: contact.Micros(e.now()),
					Message: "a person asked to be erased, and the mapping file no longer names this target; erase the contact by hand"})
			}
			state.SetContact(tx, k, &l, "")
			state.Unschedule(tx, k, &l)
			state.Links.Delete(tx, k)
			state.Dead.Delete(tx, k)
		}
		return true
	})
}

// push makes a link due or holds it back. Work that already travels freely is not held, and a hold that a
// live event touches is lifted for that person alone.
func (e *Engine) push(tx state.Tx, k state.LinkKey, l *state.Link, how state.Travel, first int64) {
	if l.First == 0 {
		l.First = first
	}
	l.Fails, l.Refused, l.Waiting, l.Undo = 0, 0, nil, "" // what the source says now is not undone
	state.Dead.Delete(tx, k)
	switch {
	case how.Hold != "" && l.Due == 0 && !RunOpen(tx, l.Hold):
		state.KeepBack(tx, k, l, how.Hold, state.Held{})
	case how.Hold != "":
	default:
		lane := how.Lane
		if l.Due != 0 {
			lane = min(lane, l.Lane)
		}
		state.Schedule(tx, k, l, lane, contact.FromMicros(l.First))
	}
}
