package statetest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/state"
)

const (
	ana = contact.Identity("phone:5584990000101")
	bia = contact.Identity("phone:5584990000202")
)

// will says what a source says of a person's will, at a second.
func will(out bool, source string, at int64, ids ...contact.Identity) contact.Event {
	kind := contact.OptIn
	if out {
		kind = contact.OptOut
	}
	return contact.Event{Kind: kind, Key: contact.Key{Source: source}, Version: contact.Version{Event: at}, Identities: ids}
}

// arrived is a word that does not tell when it was said.
func arrived(out bool, at int64) state.ConsentEntry {
	return state.Word(out, 0, at)
}

func (b *bench) optedOut(id contact.Identity) (out bool) {
	b.Helper()
	b.view(func(tx state.Tx) {
		c, _ := state.Consents.Get(tx, id)
		out = c.OptedOut()
	})
	return out
}

// person makes record crm/p stand for somebody with that identity, whose contact is c-p.
func (b *bench) person(p state.PersonID, who contact.Identity) {
	b.Helper()
	id := fmt.Sprint(p)
	b.expect(state.Accepted, upsert(id, 1, 1, "{}"))
	b.mapped(crm(id), state.RecordPart{Mapping: "m", Person: p, Identity: who})
	b.update(func(tx state.Tx) {
		list, _ := state.Claims.Get(tx, who)
		state.Claims.Put(tx, who, append(list, state.Claim{Key: crm(id), Mapping: "m", Person: p}))
		state.Persons.Put(tx, p, state.Person{Records: []contact.Key{crm(id)}, Targets: []string{"weni"}})
	})
	b.link(at(p), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(p), l, "c-"+id) })
}

// bears says that the contact of a person bears an address.
func (b *bench) bears(p state.PersonID, u contact.URN) {
	b.Helper()
	b.update(func(tx state.Tx) { state.Reflect(tx, "weni", observed("c-"+fmt.Sprint(p), u)) })
}

// hold keeps a person back under a run.
func (b *bench) hold(p state.PersonID, run string) {
	b.Helper()
	b.link(at(p), func(tx state.Tx, l *state.Link) { state.KeepBack(tx, at(p), l, run, state.Held{}) })
}

var consentRules = []rule{
	{"the ledger knows people before anything else does", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.reopen()
		if !b.optedOut(ana) || b.optedOut(bia) {
			b.Error("the refusal is lost or another's")
		}
	}},
	{"consenting clears only what the same origin said", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.expect(state.Accepted, will(true, "crm", 6, ana))
		b.expect(state.Accepted, will(false, "wa", 7, ana))
		if !b.optedOut(ana) {
			b.Error("one origin took back what another said")
		}
		b.expect(state.Accepted, will(false, "crm", 8, ana))
		if b.optedOut(ana) {
			b.Error("nobody refuses any more")
		}
	}},
	{"the newest word of an origin stands in any order", func(b *bench) {
		rapid.Check(b, func(t *rapid.T) {
			b.records++
			id := contact.Identity("phone:" + string(rune('a'+b.records%26)) + time.Duration(b.records).String())
			times := rapid.SliceOfNDistinct(rapid.Int64Range(1, 9), 1, 5, rapid.ID).Draw(t, "times")
			var newest int64
			out := false
			for _, at := range times {
				word := rapid.Bool().Draw(t, "out")
				b.accept(will(word, "wa", at, id))
				if at > newest {
					newest, out = at, word
				}
			}
			if b.optedOut(id) != out {
				t.Fatalf("opted out %v, and the newest word is %v", !out, out)
			}
		})
	}},
	{"a refusal from before the consent is stale when it comes late", func(b *bench) {
		b.expect(state.Unchanged, will(false, "wa", 7, ana)) // nothing was withheld, and still it is remembered
		b.expect(state.Stale, will(true, "wa", 5, ana))
		if b.optedOut(ana) {
			b.Error("the older refusal counts")
		}
		b.expect(state.Accepted, will(true, "wa", 9, ana))
		if !b.optedOut(ana) {
			b.Error("the newer refusal does not count")
		}
	}},
	{"a word that repeats itself moves its time", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 1, ana))
		b.expect(state.Unchanged, will(true, "wa", 9, ana))
		b.expect(state.Stale, will(true, "wa", 9, ana))
		b.expect(state.Stale, will(false, "wa", 5, ana))
		if !b.optedOut(ana) {
			b.Error("a consent from before the last refusal counts")
		}
	}},
	{"words of the same moment go to the later arrival", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.expect(state.Accepted, will(false, "wa", 5, ana))
		if b.optedOut(ana) {
			b.Error("the earlier arrival stands")
		}
	}},
	{"a word without a time counts from its arrival", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 0, ana))
		b.later(time.Second)
		b.expect(state.Accepted, will(false, "wa", 0, ana))
		if b.optedOut(ana) {
			b.Error("the earlier arrival stands")
		}
	}},
	{"whoever is concerned becomes due in the first lane, and nobody else", func(b *bench) {
		b.person(1, ana)
		b.person(2, ana)
		b.person(3, bia)
		b.person(4, bia)
		b.bears(4, "whatsapp:5584990000101") // though no record of theirs gives that number
		b.schedule(2, state.LaneBulk, b.now.Add(time.Hour))
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		if got := b.deliverable(state.LaneConsent); !slices.Equal(got, []state.PersonID{1, 2, 4}) || len(b.deliverable(state.LaneBulk)) != 0 {
			b.Errorf("due in the first lane: %v", got)
		}
		b.view(func(tx state.Tx) {
			one, _ := state.Persons.Get(tx, 1)
			three, _ := state.Persons.Get(tx, 3)
			if one.Seq != 1 || three.Seq != 0 {
				b.Errorf("a delivery under way takes it for known: %+v, or looks at nothing: %+v", one, three)
			}
		})
		for p := state.PersonID(1); p <= 4; p++ {
			b.link(at(p), func(tx state.Tx, l *state.Link) { state.Unschedule(tx, at(p), l) })
		}
		b.expect(state.Stale, will(true, "wa", 4, ana))
		b.expect(state.Unchanged, will(true, "wa", 6, ana))
		if got := b.deliverable(state.LaneConsent); len(got) != 0 {
			b.Errorf("a word that changes nothing made somebody due: %v", got)
		}
	}},
	{"a refusal waits for no run, and lets nothing else go", func(b *bench) {
		b.person(1, ana)
		b.person(2, ana)
		b.link(at(2), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(2), l, "") })
		b.acceptAs(state.Travel{Lane: state.LaneBulk, Hold: "run"}, upsert("1", 2, 2, "x")) // not mapped yet
		b.hold(1, "run")
		b.hold(2, "run")
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		one, two := b.link(at(1), nil), b.link(at(2), nil)
		if got := b.deliverable(state.LaneConsent); !slices.Equal(got, []state.PersonID{1}) || !one.Will || one.Hold != "run" || one.Free() {
			b.Errorf("due are %v, and she is %+v", got, one)
		}
		if two.Will || two.Due != 0 || !slices.Equal(b.held("run"), []state.PersonID{1, 2}) {
			b.Errorf("who has no contact cannot be told: %+v; the run holds %v", two, b.held("run"))
		}
		if rec := b.record(crm("1")); rec.Hold != "run" {
			b.Errorf("the record travels freely: %+v", rec)
		}
	}},
	{"an event about a record reaches the people it stands for", func(b *bench) {
		b.person(1, ana)
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e)
		if !b.optedOut(ana) || len(b.deliverable(state.LaneConsent)) != 1 {
			b.Error("the refusal is lost")
		}
	}},
	{"an event about a record that is still to be mapped reaches the number it has by then", func(b *bench) {
		b.person(1, ana)
		b.expect(state.Accepted, upsert("1", 2, 2, "{}"))
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e)
		if rec := b.record(crm("1")); rec.Lane != state.LaneConsent {
			b.Errorf("it is mapped with everybody else's: %+v", rec)
		}
		b.mapped(crm("1"), state.RecordPart{Mapping: "m", Person: 1, Identity: bia})
		if !b.optedOut(ana) || !b.optedOut(bia) {
			b.Error("the refusal is lost")
		}
	}},
	{"what a record was told late is told", func(b *bench) {
		b.person(2, ana)
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e) // before the record itself
		b.expect(state.Accepted, upsert("1", 1, 1, "{}"))
		b.update(func(tx state.Tx) {
			rec, _ := state.Records.Get(tx, crm("1"))
			rec.Parts = []state.RecordPart{{Mapping: "m", Person: 2, Identity: ana}}
			if got := state.Dequeue(tx, crm("1"), &rec); !slices.Equal(got, []contact.Identity{ana}) {
				b.Errorf("nobody learns of %v", got)
			}
			if got := state.Dequeue(tx, crm("1"), &rec); len(got) > 0 {
				b.Errorf("it is told again: %v", got)
			}
		})
	}},
	{"a refusal goes along to the next number of a person", func(b *bench) {
		b.person(1, ana)
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.expect(state.Unchanged, will(false, "crm", 5, ana))
		b.renumbered("1", state.RecordPart{Mapping: "m", Person: 1, Identity: bia})
		b.view(func(tx state.Tx) {
			if c, _ := state.Consents.Get(tx, bia); !c["wa"].Out || c["wa"].At != 5 || len(c) != 1 {
				b.Errorf("her new number: %+v", c)
			}
		})
		b.expect(state.Stale, will(false, "wa", 4, bia))
		b.expect(state.Accepted, will(false, "wa", 6, bia))
	}},
	{"a number that is somebody else's takes over no refusal", func(b *bench) {
		part := state.PartIdentity(crm("1"), "m", "")
		b.person(1, ana)
		b.person(2, bia)
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.renumbered("1", state.RecordPart{Mapping: "m", Person: 1, Identity: bia})
		if b.optedOut(bia) || !b.optedOut(part) {
			b.Error("another person refuses now, or she does not any more")
		}
		b.update(func(tx state.Tx) { state.Claims.Put(tx, bia, []state.Claim{{Key: crm("1"), Mapping: "m", Person: 1}}) })
		b.update(func(tx state.Tx) { state.DropLink(tx, at(1)) })
		b.expect(state.Accepted, will(false, "wa", 6, bia)) // by the number that she has now
		if b.optedOut(part) {
			b.Error("she may never be written to again")
		}
	}},
	{"an event about a record that was not mapped yet waits for it", func(b *bench) {
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e) // before the record itself
		b.reopen()
		b.expect(state.Accepted, upsert("1", 1, 1, "{}"))
		b.expect(state.Accepted, upsert("2", 1, 1, "{}"))
		e.Key, e.Version.Event = crm("2"), 6
		b.expect(state.Accepted, e) // before it was mapped
		if rec := b.record(crm("2")); rec.Lane != state.LaneConsent {
			b.Errorf("got %+v", rec)
		}
		b.mapped(crm("1"), state.RecordPart{Mapping: "m"}) // nobody can be told from it
		if b.optedOut(ana) {
			b.Error("whose record it is was not known")
		}
		b.mapped(crm("1"), state.RecordPart{Mapping: "m", Identity: ana})
		b.mapped(crm("2"), state.RecordPart{Mapping: "m", Identity: bia})
		if !b.optedOut(ana) || !b.optedOut(bia) {
			b.Error("the refusal is lost")
		}
		b.view(func(tx state.Tx) {
			if n := state.Count(tx, state.Consents.Name); n != 2 {
				b.Errorf("%d rows in the ledger", n)
			}
		})
		e = will(false, "crm", 4) // and the ledger knows when it was said
		e.Key = crm("1")
		b.expect(state.Stale, e)
	}},
	{"a word from the future counts from its arrival", func(b *bench) {
		ahead := contact.Micros(b.now.Add(1000 * time.Hour))
		b.expect(state.Accepted, will(true, "wa", ahead, ana))
		b.later(time.Second)
		b.expect(state.Accepted, will(false, "wa", contact.Micros(b.now), ana))
		if b.optedOut(ana) {
			b.Error("what the origin says counts for nothing until then")
		}
	}},
	{"between a word with a time and one without, the refusal stands in doubt", func(b *bench) {
		b.update(func(tx state.Tx) {
			for _, c := range []struct {
				name      string
				had, then state.ConsentEntry
				out       bool
			}{
				{"a consent that came before the refusal, which was said earlier", state.Word(true, 5, 20), arrived(false, 10), true},
				{"a consent that came after the refusal", state.Word(true, 5, 20), arrived(false, 30), false},
				{"a consent of the same moment", state.Word(true, 5, 20), arrived(false, 20), true},
				{"a consent from before a refusal without a time", arrived(true, 20), state.Word(false, 5, 30), true},
				{"a consent that was said after it", arrived(true, 20), state.Word(false, 25, 30), false},
				{"a refusal that may be older than a consent", state.Word(false, 5, 30), arrived(true, 20), true},
				{"a refusal that came before the consent was said", state.Word(false, 25, 30), arrived(true, 20), false},
				{"a refusal said earlier, both with times", state.Word(false, 25, 30), state.Word(true, 20, 40), false},
				{"the same, where the consent came at once", state.Word(false, 25, 25), state.Word(true, 20, 40), false},
				{"a state from before arrivals were kept", state.ConsentEntry{Out: true, At: 20}, state.Word(false, 10, 30), true},
			} {
				id := contact.Identity("phone:" + c.name)
				state.Consents.Put(tx, id, state.Consent{"crm": c.had})
				state.SetConsent(tx, id, "crm", c.then)
				if got, _ := state.Consents.Get(tx, id); got.OptedOut() != c.out {
					b.Errorf("%s: %+v", c.name, got)
				}
			}
		})
	}},
	{"an event about nobody is stale", func(b *bench) {
		b.expect(state.Stale, contact.Event{Kind: contact.OptOut, Version: contact.Version{Event: 5}})
		b.expect(state.Stale, will(true, "wa", 5))
		b.view(func(tx state.Tx) {
			if n := state.Count(tx, state.Consents.Name); n != 0 {
				b.Errorf("%d rows in the ledger", n)
			}
		})
	}},
	{"an event is known again by its id", func(b *bench) {
		b.expect(state.Accepted, named("e1", will(true, "wa", 5, ana)))
		b.expect(state.Duplicate, named("e1", will(false, "wa", 6, ana)))
	}},
	{"ids are forgotten some time after twice the retention, and not before it", func(b *bench) {
		b.expect(state.Accepted, named("e1", will(true, "wa", 5, ana)))
		for n := 1; n <= 3; n++ {
			b.later(state.Retention - time.Hour)
			if b.expect(state.Unchanged, named("later "+time.Duration(n).String(), will(true, "wa", int64(5+n), ana))); n == 1 {
				b.expect(state.Duplicate, named("e1", will(true, "wa", 5, ana)))
			}
		}
		b.later(state.Retention + time.Hour)
		b.expect(state.Unchanged, named("last", will(true, "wa", 99, ana)))
		b.expect(state.Stale, named("e1", will(true, "wa", 5, ana)))
		b.view(func(tx state.Tx) {
			if n := state.Count(tx, "seen_a") + state.Count(tx, "seen_b"); n > 4 {
				b.Errorf("%d ids are kept", n)
			}
		})
	}},
	{"what a record says by itself enters the ledger only when something was withheld", func(b *bench) {
		b.update(func(tx state.Tx) {
			if state.SetConsent(tx, ana, "crm", arrived(false, 5)) || state.Count(tx, state.Consents.Name) != 0 {
				b.Error("consent that was never withheld was written")
			}
			if !state.SetConsent(tx, ana, "crm", arrived(true, 6)) || state.SetConsent(tx, ana, "crm", arrived(true, 7)) || state.SetConsent(tx, ana, "crm", arrived(false, 5)) {
				b.Error("the refusal was not written, written again, or cleared by an older word")
			}
			if !state.SetConsent(tx, ana, "crm", arrived(false, 8)) || state.SetConsent(tx, ana, "crm", arrived(true, 7)) {
				b.Error("the consent was not written, or undone by an older word")
			}
		})
	}},
	{"nobody who was forgotten enters the ledger", func(b *bench) {
		b.update(func(tx state.Tx) {
			state.Forget(tx, b.now, []contact.Identity{ana}, []contact.Key{crm("1")})
		})
		b.expect(state.Forgotten, will(true, "wa", 5, ana))
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Forgotten, e)
		b.expect(state.Accepted, will(true, "wa", 5, ana, bia))
		b.view(func(tx state.Tx) {
			if n := state.Count(tx, state.Consents.Name); n != 1 {
				b.Errorf("%d rows in the ledger", n)
			}
		})
	}},
	{"somebody who shares a number with a person who was forgotten is heard", func(b *bench) {
		b.person(1, ana)
		b.person(2, ana)
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.update(func(tx state.Tx) { state.ErasePerson(tx, 2, b.now) })
		if !b.optedOut(ana) {
			b.Error("her refusal went with another person")
		}
		b.expect(state.Accepted, will(false, "wa", 6, ana))
		e := will(true, "crm", 7)
		e.Key = crm("1")
		b.expect(state.Accepted, e)
		b.update(func(tx state.Tx) { state.ErasePerson(tx, 1, b.now) })
		if b.optedOut(ana) {
			b.Error("the number of somebody who was erased is kept")
		}
	}},
}

// renumbered maps a record anew whose first part has another identity now, as the engine does.
func (b *bench) renumbered(id string, part state.RecordPart) {
	b.Helper()
	b.expect(state.Accepted, upsert(id, 2, 2, "{}"))
	b.update(func(tx state.Tx) {
		rec, _ := state.Records.Get(tx, crm(id))
		state.Carry(tx, crm(id), &rec.Parts[0])
		list, _ := state.Claims.Get(tx, part.Identity)
		state.Claims.Put(tx, part.Identity, append(list, state.Claim{Key: crm(id), Mapping: part.Mapping, Person: part.Person}))
	})
	b.mapped(crm(id), part)
}
