package app

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// find returns the people behind a record key, an address, a phone number or a contact id at a target.
func (a *App) find(what string) (people []state.PersonID, err error) {
	what = strings.TrimSpace(what)
	add := func(p state.PersonID) {
		if p != 0 && !slices.Contains(people, p) {
			people = append(people, p)
		}
	}
	err = a.store.View(func(tx state.Tx) error {
		people = nil
		if k, err := contact.ParseKey(what); err == nil {
			if rec, ok := state.Records.Get(tx, k); ok {
				for _, part := range rec.Parts {
					add(part.Person)
				}
				if len(people) == 0 {
					return wrong("the record %s is known, but stands for nobody yet", k)
				}
				return nil
			}
		}
		for _, id := range identities(what) {
			list, _ := state.Claims.Get(tx, id)
			for _, c := range list {
				add(c.Person)
			}
		}
		for _, spec := range a.gen.Load().plan.Targets {
			add(state.PersonAt(tx, spec.Name, what))
		}
		if n, err := strconv.ParseUint(strings.TrimPrefix(what, "person/"), 10, 32); err == nil && strings.HasPrefix(what, "person/") {
			if _, ok := state.Persons.Get(tx, state.PersonID(n)); ok {
				add(state.PersonID(n))
			}
		}
		return nil
	})
	if err == nil && len(people) == 0 {
		err = wrong("nothing is known of %s; give a record (crm/4821), an address (whatsapp:5584…), a number with country code, or a contact's id", describe(what))
	}
	return people, err
}

// describe repeats what was asked for without showing a number.
func describe(what string) string {
	if u := contact.URN(what); u.Scheme() != "" && contact.IsScheme(u.Scheme()) {
		return contact.MaskURN(u)
	}
	if _, err := contact.ParsePhone(what, contact.PhoneRules{}); err == nil {
		return "this number"
	}
	return what
}

func identities(what string) (ids []contact.Identity) {
	if u := contact.URN(what); contact.IsScheme(u.Scheme()) {
		ids = append(ids, u.Identity())
	}
	if p, err := contact.ParsePhone(what, contact.PhoneRules{}); err == nil {
		ids = append(ids, p.Identity())
	}
	return ids
}

// Explain tells everything that is known of a record or person.
func (a *App) Explain(_ context.Context, what string, show bool) (x console.Explanation, err error) {
	people, err := a.find(what)
	if err != nil {
		return x, err
	}
	x.Person, x.Others = people[0], people[1:]
	g := a.gen.Load()
	err = a.store.View(func(tx state.Tx) error {
		who, _ := state.Persons.Get(tx, x.Person)
		x.Records, x.Targets = nil, nil
		for _, k := range who.Records {
			if rec, ok := state.Records.Get(tx, k); ok {
				x.Records = append(x.Records, explainRecord(k, &rec))
				for _, part := range rec.Parts {
					c, _ := state.Consents.Get(tx, part.Identity)
					for origin, e := range c {
						if x.Consent == nil {
							x.Consent = map[string]bool{}
						}
						x.Consent[origin] = e.Out
					}
				}
			}
		}
		x.Journal = state.History(tx, x.Person)
		return nil
	})
	if err != nil {
		return x, err
	}
	for i := range x.Journal {
		x.Journal[i].Steps = steps(x.Journal[i].Steps, show)
	}
	for _, spec := range g.plan.Targets {
		view, ok, err := g.engine.View(state.LinkKey{Target: spec.Name, Person: x.Person})
		if err != nil {
			return x, err
		}
		if !ok {
			continue
		}
		t := console.ExplainTarget{Target: spec.Name, Contact: view.Link.Contact, How: "none", State: "as desired", Pending: steps(view.Change.Steps, show)}
		switch {
		case view.Link.Contact != "" && view.Link.Created:
			t.How = "created"
		case view.Link.Contact != "":
			t.How = "adopted"
		}
		switch {
		case view.Link.Waiting != nil:
			t.State = "waiting: " + view.Link.Waiting.Message
		case view.Link.Hold != "":
			t.State = "held back by run " + view.Link.Hold
		case view.Link.Due != 0:
			t.State, t.Due = "due", contact.FromMicros(view.Link.Due)
		case !view.Change.Empty():
			t.State = "differs; it is compared again at the next run"
		}
		x.Targets = append(x.Targets, t)
		for i := range x.Records {
			if x.Records[i].Says == nil {
				x.Records[i].Says, x.Records[i].Problems, x.Records[i].Mapping = says(view.Parts, x.Records[i].Key, spec.Name, show)
			}
		}
	}
	return x, nil
}

func explainRecord(k contact.Key, rec *state.Record) console.ExplainRecord {
	r := console.ExplainRecord{Key: k.String(), Version: rec.Version, Arrived: contact.FromMicros(rec.Arrived), State: "live"}
	switch {
	case rec.Erase:
		r.State = "asked to be erased"
	case rec.Deleted:
		r.State = "deleted"
	case rec.Thin:
		r.State = "not read from the source yet"
	case rec.Due != 0:
		r.State = "waiting to be mapped"
	}
	return r
}

// says is what a record contributes, attribute by attribute.
func says(parts []contact.Part, key, target string, show bool) (out []contact.Step, problems []contact.Problem, mapping string) {
	for _, p := range parts {
		if p.Key.String() != key {
			continue
		}
		mapping = p.Contact.Mapping
		attrs := p.Contact.For(target)
		add := func(attr string, a contact.Attr) {
			switch a.State {
			case contact.Set:
				out = append(out, contact.Step{Attr: attr, New: a.Value})
			case contact.Blank:
				out = append(out, contact.Step{Attr: attr, Kept: "blank"})
			}
		}
		add("name", attrs.Name)
		add("language", attrs.Language)
		for _, n := range p.Contact.Phones {
			out = append(out, contact.Step{Attr: "urns", New: "tel:+" + n.Digits})
		}
		for _, key := range sorted(attrs.Fields) {
			add("fields."+key, attrs.Fields[key].Attr)
		}
		for _, name := range sorted(attrs.Labels) {
			word := "no"
			if attrs.Labels[name] {
				word = "yes"
			}
			out = append(out, contact.Step{Attr: "labels." + name, New: word})
		}
		problems = append(problems, p.Contact.Problems...)
	}
	return steps(out, show), problems, mapping
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
