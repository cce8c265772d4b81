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
			e.wakeTargets() // what people say about being written to makes them due without a record
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
	if batch, err = e.thin(ctx, batch); err != nil {
		return next, false, err
	}
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
		e.wakeTargets()
	}
	return next, true, nil // those put off are due at a time that next does not know
}

func (e *Engine) wakeTargets() {
	for _, c := range e.targets {
		c.Wake()
	}
}

// thin has the records read that must be read before they can be mapped, and returns the others. An erasure waits for
// nothing that the source has to say.
func (e *Engine) thin(ctx context.Context, batch []dueRecord) ([]dueRecord, error) {
	var thin []dueRecord
	rest := slices.DeleteFunc(batch, func(d dueRecord) bool {
		ask := d.rec.Thin && !d.rec.Erase
		if ask {
			thin = append(thin, d)
		}
		return ask
	})
	return rest, e.fetchThin(ctx, thin)
}

// early puts off the records of sources whose names are not known yet, and returns the others.
func (e *Engine) early(ctx context.Context, batch []dueRecord) ([]dueRecord, error) {
	wait := map[string][]string{}
	rest := slices.DeleteFunc(batch, func(d dueRecord) bool {
		if e.known(d.key.Source) || d.rec.Deleted || d.rec.Erase {
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
		if d.rec.Erase && !d.rec.Deleted && !e.known(d.key.Source) {
			continue // it waited for no names, and needs none
		}
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
	people := j.standing()
	if !rec.Erase || d.contacts != nil && !rec.Deleted { // whom an erasure is about is known without the record
		people = j.place(d.contacts)
	}
	travel := state.Travel{Lane: rec.Lane, Hold: rec.Hold}
	first, events := rec.First, rec.Events
	rec.Mapped = e.MappedUnder(d.key.Source)
	heard := state.Dequeue(tx, d.key, &rec)
	said, speakers := e.consent(tx, d, &rec)
	if rec.Erase && len(people) == 0 { // it stood for nobody; nothing of it is kept
		state.DropRecord(tx, d.key, &rec)
		state.Forget(tx, e.now(), nil, []contact.Key{d.key})
		return
	}
	state.Records.Put(tx, d.key, rec)
	for _, p := range people {
		e.makeDue(tx, p, d, travel, first, events)
	}
	if heard = append(heard, said...); len(heard) > 0 {
		state.Heed(tx, j.now, heard, speakers) // a refusal waits for no run, the rest of the record does
	}
}

// standing are the people a record stands for.
func (j *joiner) standing() (people []state.PersonID) {
	for _, p := range j.rec.Parts {
		if p.Person != 0 && !slices.Contains(people, p.Person) {
			people = append(people, p.Person)
		}
	}
	return people
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

// consent writes what the record says about the will of its people into the ledger of their numbers, and returns the
// identities whose ledger that changed and whose will it is. A record that no longer stands for a contact still speaks
// for its person here.
func (e *Engine) consent(tx state.Tx, d *dueRecord, rec *state.Record) (changed []contact.Identity, people []state.PersonID) {
	for i := range d.contacts {
		c := &d.contacts[i]
		if c.OptOut == contact.Unsaid || c.Fatal() {
			continue
		}
		word, turned := state.Word(c.OptOut == contact.Yes, rec.Version.Event, rec.Version.Arrival), false
		for _, id := range spokenFor(d.key, c, word.Out) {
			if !state.Erased(tx, id) && state.SetConsent(tx, id, d.key.Source, word) {
				turned, changed = true, append(changed, id)
			}
		}
		for _, p := range rec.Parts {
			if turned && p.Mapping == c.Mapping && p.Part == c.Part {
				people = append(people, p.Person)
			}
		}
	}
	return changed, people
}

// spokenFor are the identities whose will a contact of a record states. A consent also takes back what was refused under
// a number that the record gave before.
func spokenFor(k contact.Key, c *contact.Contact, out bool) (ids []contact.Identity) {
	for _, p := range c.Phones {
		if p.Identifies() {
			ids = append(ids, p.Identity())
		}
	}
	if !out {
		ids = append(ids, state.PartIdentity(k, c.Mapping, c.Part))
	}
	return ids
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
			state.DropLink(tx, k)
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
	case how.Hold != "" && !l.Free() && !RunOpen(tx, l.Hold):
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
