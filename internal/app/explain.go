package app

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
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
					return a.wrong("the record %s is known, but stands for nobody yet", "o registro %s é conhecido, mas ainda não representa ninguém", k)
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
		err = a.wrong("nothing is known of %s; give a record (crm/4821), an address (whatsapp:5584…), a number with country code, or a contact's id",
			"nada se sabe de %s; dê um registro (crm/4821), um endereço (whatsapp:5584…), um número com código do país ou o id de um contato", a.describe(what))
	}
	return people, err
}

// describe repeats what was asked for without showing a number.
func (a *App) describe(what string) string {
	if u := contact.URN(what); u.Scheme() != "" && contact.IsScheme(u.Scheme()) {
		return contact.MaskURN(u)
	}
	if _, err := contact.ParsePhone(what, contact.PhoneRules{}); err == nil {
		return a.say("this number", "este número")
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
	g := a.gen.Load()
	x.Person, x.Others, x.Zone = people[0], people[1:], g.plan.Location.String()
	err = a.store.View(func(tx state.Tx) error {
		who, _ := state.Persons.Get(tx, x.Person)
		x.Records, x.Targets = nil, nil
		for _, k := range who.Records {
			if rec, ok := state.Records.Get(tx, k); ok {
				x.Records = append(x.Records, a.explainRecord(k, &rec))
			}
		}
		for _, id := range state.SpokenUnder(tx, x.Person) {
			c, _ := state.Consents.Get(tx, id)
			for origin, e := range c {
				if x.Consent == nil {
					x.Consent = map[string]bool{}
				}
				x.Consent[origin] = x.Consent[origin] || e.Out
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
		t, err := a.explainTarget(spec.Name, &view, x.Journal, show)
		if err != nil {
			return x, err
		}
		x.Targets = append(x.Targets, t)
		for i := range x.Records {
			a.contributes(&x.Records[i], view.Parts, show)
		}
	}
	return x, nil
}

// explainTarget says how a person stands at a target.
func (a *App) explainTarget(target string, view *engine.View, journal []state.Entry, show bool) (console.ExplainTarget, error) {
	l := &view.Link
	unseen := false // what was written last was not read back yet: what the mirror lacks says nothing
	if err := a.store.View(func(tx state.Tx) error {
		unseen = l.Contact != "" && l.At > state.ReadMirrorMark(tx, target).Refreshed
		return nil
	}); err != nil {
		return console.ExplainTarget{}, err
	}
	t := console.ExplainTarget{Target: target, Contact: l.Contact, How: "none", Pending: steps(view.Change.Steps, show)}
	switch {
	case l.Contact != "" && l.Created:
		t.How = "created"
	case l.Contact != "":
		t.How = "adopted"
	}
	w := a.words()
	switch last := lastAt(journal, target); {
	case l.Waiting != nil:
		t.State = w.Say("waiting: %s", "aguarda: %s", w.Told(l.Waiting.Message))
	case l.Hold != "":
		t.State = w.Say("held back by run %s", "retido pela execução %s", l.Hold)
	case l.Due != 0:
		t.State, t.Due = w.Say("due", "na fila"), contact.FromMicros(l.Due)
	case last == dropped:
		t.State = w.Say("its delivery failed and was dropped by hand; it is tried again when the record changes", "a entrega falhou e foi descartada à mão; é tentada de novo quando o registro mudar")
	case !view.Change.Empty() && unseen:
		t.State, t.Pending = w.Say("written, and not read back yet", "escrito, e ainda não relido"), nil
	case !view.Change.Empty():
		t.State = w.Say("differs; it is compared again at the next run", "difere; é comparado de novo na próxima execução")
	case l.Contact != "":
		t.State = w.Say("as desired", "como desejado")
	}
	if none := w.Say("no contact there", "nenhum contato lá"); l.Contact == "" && t.State == "" {
		t.State = none
	} else if l.Contact == "" {
		t.State = none + "; " + t.State
	}
	return t, nil
}

// lastAt is what the journal last told of a target.
func lastAt(journal []state.Entry, target string) string {
	for _, e := range slices.Backward(journal) {
		if e.Target == target {
			return e.What
		}
	}
	return ""
}

func (a *App) explainRecord(k contact.Key, rec *state.Record) console.ExplainRecord {
	r := console.ExplainRecord{Key: k.String(), Version: rec.Version, Arrived: contact.FromMicros(rec.Arrived), State: a.say("live", "vivo")}
	switch {
	case rec.Erase:
		r.State = a.say("asked to be erased", "pediu para ser apagado")
	case rec.Deleted:
		r.State = a.say("deleted", "apagado")
	case rec.Thin:
		r.State = a.say("not read from the source yet", "ainda não lido da fonte")
	case rec.Due != 0:
		r.State = a.say("waiting to be mapped", "aguarda o mapeamento")
	}
	return r
}

// contributes adds what mappings make of a record, attribute by attribute: what is said to all targets once, and what
// single ones get besides.
func (a *App) contributes(r *console.ExplainRecord, parts []contact.Part, show bool) {
	for _, p := range parts {
		c := &p.Contact
		if p.Key.String() != r.Key || slices.ContainsFunc(r.Says, func(s console.Said) bool { return s.Mapping == c.Mapping && s.Part == c.Part }) {
			continue
		}
		add := func(target string, list []contact.Step) {
			for _, s := range steps(list, show) {
				r.Says = append(r.Says, console.Said{Step: s, Mapping: c.Mapping, Part: c.Part, Target: target})
			}
		}
		var numbers []contact.Step
		for _, n := range c.Phones {
			numbers = append(numbers, contact.Step{Attr: "urns", New: "tel:+" + n.Digits})
		}
		add("", append(numbers, a.attributes(&c.Attributes)...))
		for _, target := range sorted(c.Only) {
			only := c.Only[target]
			add(target, a.attributes(&only))
		}
		r.Problems = append(r.Problems, c.Problems...)
	}
}

// attributes lists what is said, in the order in which people read it.
func (a *App) attributes(x *contact.Attributes) (out []contact.Step) {
	add := func(attr string, v contact.Attr) {
		switch v.State {
		case contact.Set:
			out = append(out, contact.Step{Attr: attr, New: v.Value})
		case contact.Blank:
			out = append(out, contact.Step{Attr: attr, Kept: contact.KeptBlank})
		}
	}
	add("name", x.Name)
	add("language", x.Language)
	for _, key := range sorted(x.Fields) {
		add("fields."+key, x.Fields[key].Attr)
	}
	for _, name := range sorted(x.Labels) {
		word := a.say("no", "não")
		if x.Labels[name] {
			word = a.say("yes", "sim")
		}
		out = append(out, contact.Step{Attr: "labels." + name, New: word})
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
