package statetest

import (
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

func (b *bench) optedOut(id contact.Identity) (out bool) {
	b.Helper()
	b.view(func(tx state.Tx) {
		c, _ := state.Consents.Get(tx, id)
		out = c.OptedOut()
	})
	return out
}

// person makes a record stand for somebody with that identity.
func (b *bench) person(id string, who contact.Identity) {
	b.Helper()
	b.expect(state.Accepted, upsert(id, 1, 1, "{}"))
	b.mapped(crm(id), state.RecordPart{Mapping: "m", Person: 1, Identity: who})
	b.update(func(tx state.Tx) {
		list, _ := state.Claims.Get(tx, who)
		state.Claims.Put(tx, who, append(list, state.Claim{Key: crm(id), Mapping: "m", Person: 1}))
	})
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
	{"whoever is concerned becomes due in the first lane", func(b *bench) {
		b.person("1", ana)
		b.person("2", ana)
		b.person("3", bia)
		b.acceptAs(state.Travel{Lane: state.LaneBulk, Hold: "run"}, upsert("2", 2, 2, "x"))
		first := b.record(crm("2")).First
		seq := b.record(crm("1")).Seq
		b.later(time.Minute)
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		one, two, three := b.record(crm("1")), b.record(crm("2")), b.record(crm("3"))
		if one.Due != contact.Micros(b.now) || one.Lane != state.LaneConsent || one.Seq != seq+1 || one.Events != 1 {
			b.Errorf("one: %+v", one)
		}
		if two.Due != first || two.Lane != state.LaneConsent || two.Hold != "" || two.Events != 2 {
			b.Errorf("two: %+v", two)
		}
		if three.Due != 0 {
			b.Errorf("three: %+v", three)
		}
		b.mapped(crm("1"))
		b.expect(state.Stale, will(true, "wa", 4, ana))
		b.expect(state.Unchanged, will(true, "wa", 6, ana))
		if one := b.record(crm("1")); one.Due != 0 {
			b.Errorf("a word that changes nothing made somebody due: %+v", one)
		}
	}},
	{"an event about a record reaches the people it stands for", func(b *bench) {
		b.person("1", ana)
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e)
		if !b.optedOut(ana) || b.record(crm("1")).Lane != state.LaneConsent {
			b.Error("the refusal is lost")
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
			if state.SetConsent(tx, ana, "crm", false, 5) || state.Count(tx, state.Consents.Name) != 0 {
				b.Error("consent that was never withheld was written")
			}
			if !state.SetConsent(tx, ana, "crm", true, 6) || state.SetConsent(tx, ana, "crm", true, 7) || state.SetConsent(tx, ana, "crm", false, 5) {
				b.Error("the refusal was not written, written again, or cleared by an older word")
			}
			if !state.SetConsent(tx, ana, "crm", false, 8) || state.SetConsent(tx, ana, "crm", true, 7) {
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
}
