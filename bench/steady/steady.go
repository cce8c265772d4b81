// Package steady fills a store as months of work leave it: every customer of the shop is a record with its payload, a
// person, a claim, a link with its base, and a mirrored contact; nothing is due, or everything. The steps are those of
// the daemon (accept, map, join, fold, compare, settle); only the calls to the target are left out.
package steady

import (
	"context"
	"fmt"
	"time"

	"syncer/bench/shop"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/source"
	"syncer/internal/source/generic"
	"syncer/internal/state"
)

// Options say what there is to be.
type Options struct {
	// People is how many customers there are, from 1 on.
	People int
	// Now is when all of it happened.
	Now time.Time
	// Due makes everybody wait for a delivery.
	Due bool
	// Make makes a contact at a real target and returns its id; without it, contacts are made up. The contact's
	// labels are names.
	Make func(contact.Observed) (id string, err error)
}

// Fill stores the customers.
func Fill(ctx context.Context, s state.Store, o Options) error {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		return err
	}
	f, err := newFiller(s, plan, o)
	if err != nil {
		return err
	}
	const batch = 500
	for from := 1; from <= o.People; from += batch {
		if err := f.fill(ctx, from, min(from+batch, o.People+1)); err != nil {
			return err
		}
	}
	return nil
}

type filler struct {
	Options
	store  state.Store
	engine *engine.Engine
	rules  *contact.Rules
}

// customer is one of them, ready to be stored.
type customer struct {
	contact.Contact
	payload []byte
	base    contact.Base
	seen    contact.Observed
}

// everything is what Weni can do.
var everything = contact.Capabilities{Create: true, Update: true, Labels: true, Fields: true, Language: true, List: true, Delete: true, Block: true, Changes: true, Unique: true, BulkLabels: 100}

func newFiller(s state.Store, plan *mapping.Plan, o Options) (*filler, error) {
	spec, _ := plan.Source("loja")
	src, err := generic.New(spec, generic.Deps{})
	if err != nil {
		return nil, err
	}
	names, fields := plan.Managed("weni")
	catalog := &contact.Catalog{Fields: map[string]contact.FieldType{}}
	for i, name := range names {
		catalog.Labels = append(catalog.Labels, contact.Label{ID: uuid(i), Name: name})
	}
	for key, field := range fields {
		catalog.Fields[key] = field.Type
	}
	return &filler{Options: o, store: s, rules: &contact.Rules{Can: everything, Catalog: catalog, Schemes: []string{"whatsapp"}},
		engine: engine.New(engine.Options{Store: s, Plan: plan, Sources: map[string]source.Source{"loja": src}, Now: func() time.Time { return o.Now }})}, nil
}

func (f *filler) fill(ctx context.Context, from, to int) error {
	events, people := make([]contact.Event, 0, to-from), make([]customer, 0, to-from)
	for n := from; n < to; n++ {
		e := shop.Event(n, 0)
		e.Read = contact.Micros(f.Now)
		c, err := f.customer(n, &e)
		if err != nil {
			return err
		}
		events, people = append(events, e), append(people, c)
	}
	arrivals := state.Prepare(f.Now, events)
	return f.store.Update(ctx, func(tx state.Tx) error {
		for i := range arrivals {
			if err := f.keep(tx, &arrivals[i], &people[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// customer maps the record and makes the contact.
func (f *filler) customer(n int, e *contact.Event) (c customer, err error) {
	mapped := f.engine.MapAhead(e.Key, e.Payload)
	if len(mapped.Contacts) != 1 || len(mapped.Contacts[0].Problems) > 0 {
		return c, fmt.Errorf("customer %d of the shop is mapped to %+v", n, mapped.Contacts)
	}
	desired, _ := contact.Fold("weni", []contact.Part{{Key: e.Key, Version: e.Version, Contact: mapped.Contacts[0]}})
	change := contact.Diff(&desired, false, nil, contact.Link{}, f.rules)
	c = customer{mapped.Contacts[0], e.Payload, contact.Settle(&desired, &change, contact.Base{}, f.rules, false),
		contact.Observed{ID: uuid(n), Name: *change.Name, Language: *change.Language, URNs: change.AddURNs, Labels: change.AddLabels, Fields: change.Fields,
			Status: contact.Active, Created: f.Now, Modified: f.Now}}
	if f.Make != nil {
		if c.seen.ID, err = f.Make(c.seen); err != nil {
			return c, err
		}
	}
	c.seen.Labels = make([]string, 0, len(change.AddLabels))
	for _, name := range change.AddLabels {
		label, _ := f.rules.Catalog.Label(name)
		c.seen.Labels = append(c.seen.Labels, label.ID)
	}
	return c, nil
}

func (f *filler) keep(tx state.Tx, a *state.Arrival, c *customer) error {
	state.AcceptOne(tx, a, state.Travel{Lane: state.LaneBulk})
	f.engine.Resolve(tx, a.Key, engine.Mapped{Payload: c.payload, Contacts: []contact.Contact{c.Contact}})
	rec, _ := state.Records.Get(tx, a.Key)
	if len(rec.Parts) != 1 || rec.Due != 0 {
		return fmt.Errorf("record %s became %d persons", a.Key, len(rec.Parts))
	}
	k := state.LinkKey{Target: "weni", Person: rec.Parts[0].Person}
	person, _ := state.Persons.Get(tx, k.Person)
	l := state.Link{Link: contact.Link{Created: true, Base: c.base}, Done: person.Seq, At: contact.Micros(f.Now)}
	state.SetContact(tx, k, &l, c.seen.ID)
	if f.Due {
		l.First = contact.Micros(f.Now)
		state.Schedule(tx, k, &l, state.LaneBulk, f.Now)
	}
	state.Links.Put(tx, k, l)
	person.Targets = []string{"weni"}
	state.Persons.Put(tx, k.Person, person)
	state.Reflect(tx, "weni", c.seen)
	return nil
}

func uuid(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n) }
