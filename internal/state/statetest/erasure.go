package statetest

import (
	"bytes"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var erasureRules = []rule{
	{"who was forgotten is known again and can be read by nobody", func(b *bench) {
		b.update(func(tx state.Tx) {
			state.Forget(tx, b.now, []contact.Identity{ana}, []contact.Key{crm("4821-secret")})
		})
		b.reopen()
		b.view(func(tx state.Tx) {
			if !state.IsForgotten(tx, ana) || state.IsForgotten(tx, bia) {
				b.Error("the wrong person is forgotten")
			}
			for _, table := range state.Tables() {
				for k, v := range tx.Scan(table, nil, nil) {
					for _, secret := range []string{"84990000101", "4821-secret"} {
						if bytes.Contains(k, []byte(secret)) || bytes.Contains(v, []byte(secret)) {
							b.Errorf("table %s shows %s", table, secret)
						}
					}
				}
			}
		})
		b.expect(state.Forgotten, upsert("4821-secret", 1, 1, "{}"))
		b.expect(state.Forgotten, read(upsert("4821-secret", 1, 0, "{}"), b.now))
		b.expect(state.Forgotten, deletion("4821-secret", 1, 2))
		b.expect(state.Accepted, contact.Event{Kind: contact.Erase, Key: crm("4821-secret")}) // asked again
		b.expect(state.Accepted, upsert("other", 1, 1, "{}"))
	}},
	{"installations forget under keys of their own", func(b *bench) {
		var one, two uint64
		b.view(func(tx state.Tx) { one = state.Installation(tx) })
		b.reopen()
		b.view(func(tx state.Tx) { two = state.Installation(tx) })
		other := newBench(b.T, b.open)
		var three uint64
		other.view(func(tx state.Tx) { three = state.Installation(tx) })
		if one != two || one == three {
			b.Errorf("this one is %d and then %d, another is %d", one, two, three)
		}
	}},
	{"a record that is dropped takes along what waited for it", func(b *bench) {
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, upsert("1", 1, 1, "{}"))
		b.expect(state.Accepted, e)
		b.update(func(tx state.Tx) {
			rec, _ := state.Records.Get(tx, crm("1"))
			state.DropRecord(tx, crm("1"), &rec)
			for _, name := range []string{state.Records.Name, state.Consents.Name, "payloads", "todo"} {
				if n := state.Count(tx, name); n != 0 {
					b.Errorf("table %s has %d rows", name, n)
				}
			}
		})
	}},
	{"erasing a person leaves nothing of them", func(b *bench) {
		const secret = "Ana-da-Silva"
		b.expect(state.Accepted, upsert("1", 1, 1, `{"name":"`+secret+`","fone":"84990000101"}`))
		b.expect(state.Accepted, upsert("2", 1, 1, `{"name":"Bia"}`))
		e := will(true, "crm", 5)
		e.Key = crm("1")
		b.expect(state.Accepted, e) // waits for the record to be mapped
		b.mapped(crm("1"), state.RecordPart{Mapping: "m", Person: 1, Identity: ana, Name: strings.ToLower(secret)})
		b.mapped(crm("2"), state.RecordPart{Mapping: "m", Person: 2, Identity: bia})
		b.expect(state.Accepted, upsert("1", 2, 2, `{"name":"`+secret+`","fone":"84990000101"}`))
		b.update(func(tx state.Tx) {
			state.Claims.Put(tx, ana, []state.Claim{{Key: crm("1"), Mapping: "m", Person: 1, Name: strings.ToLower(secret)}})
			state.Claims.Put(tx, bia, []state.Claim{{Key: crm("2"), Mapping: "m", Person: 2}})
			state.Persons.Put(tx, 1, state.Person{Records: []contact.Key{crm("1")}, Targets: []string{"weni", "omni"}})
			state.Persons.Put(tx, 2, state.Person{Records: []contact.Key{crm("2")}, Targets: []string{"weni"}})
			for _, target := range []string{"weni", "omni"} {
				k, l := state.LinkKey{Target: target, Person: 1}, state.Link{Adopted: &contact.Observed{ID: "c1", Name: secret}}
				o := observed("c1", "whatsapp:5584990000101")
				o.Name = secret
				state.SetContact(tx, k, &l, "c1")
				state.Reflect(tx, target, o)
				if target == "weni" {
					state.Schedule(tx, k, &l, state.LaneConsent, b.now)
				} else {
					state.KeepBack(tx, k, &l, "run", state.Held{Keys: []contact.Key{crm("1")}})
				}
				state.Links.Put(tx, k, l)
				state.Dead.Put(tx, k, state.DeadLetter{Person: 1, Records: []contact.Key{crm("1")}})
			}
			state.Reflect(tx, "weni", observed("c2", "whatsapp:5584990000202"))
			for run, p := range map[string]state.PersonID{"run 1": 1, "run 2": 1, "run 3": 2} {
				name := map[state.PersonID]string{1: secret, 2: "Bia"}[p]
				state.Dones.Put(tx, state.HoldKey{Run: run, LinkKey: at(p)}, state.Done{Change: contact.Change{Name: &name}})
			}
			state.Keeps.Put(tx, state.At{Place: "weni", ID: "c1"}, state.Kept{Base: contact.Base{Attrs: map[string]string{"name": secret}}})
			state.Keeps.Put(tx, state.At{Place: "weni", ID: "c2"}, state.Kept{Base: contact.Base{Attrs: map[string]string{"name": "Bia"}}})
			state.Note(tx, 1, state.Entry{Text: secret})
			state.Note(tx, 2, state.Entry{Text: "Bia"})
			state.Conflicts.Put(tx, "shared", state.Conflict{Identity: ana, Records: []contact.Key{crm("1")}})
			state.Conflicts.Put(tx, "duplicate", state.Conflict{Records: []contact.Key{crm("1"), crm("9")}})
			state.Conflicts.Put(tx, "another", state.Conflict{Identity: bia, Records: []contact.Key{crm("2")}})
		})
		b.update(func(tx state.Tx) { state.ErasePerson(tx, 1, b.now); state.ErasePerson(tx, 77, b.now) })
		b.reopen()
		b.view(func(tx state.Tx) {
			for _, table := range state.Tables() {
				for k, v := range tx.Scan(table, nil, nil) {
					for _, word := range []string{secret, strings.ToLower(secret), "84990000101", "8490000101"} {
						if bytes.Contains(k, []byte(word)) || bytes.Contains(v, []byte(word)) {
							b.Errorf("table %s shows %s", table, word)
						}
					}
				}
			}
			for name, n := range map[string]int{state.Records.Name: 1, state.Persons.Name: 1, state.Claims.Name: 1, state.Journal.Name: 1, state.Conflicts.Name: 1,
				state.Links.Name: 0, state.Dead.Name: 0, state.Consents.Name: 0, state.Holds.Name: 0, state.Dones.Name: 1, state.Keeps.Name: 1, "payloads": 1, "todo": 0, "due": 0, "linked": 0} {
				if got := state.Count(tx, name); got != n {
					b.Errorf("table %s has %d rows, want %d", name, got, n)
				}
			}
			if !state.IsForgotten(tx, ana) || state.IsForgotten(tx, bia) {
				b.Error("the wrong person is forgotten")
			}
		})
		if m := b.mirrored("c1"); !m.Slim() || m.Person != 0 {
			b.Errorf("the mirror shows %+v", m)
		}
		b.expect(state.Forgotten, upsert("1", 9, 9, "{}"))
		b.expect(state.Accepted, upsert("2", 9, 9, "{}"))
	}},
	{"erasing one person of a record leaves it to the others", func(b *bench) {
		b.expect(state.Accepted, upsert("7", 1, 1, `{"contatos":[]}`))
		b.expect(state.Accepted, upsert("1", 1, 1, `{}`))
		b.mapped(crm("7"), state.RecordPart{Mapping: "m", Part: "a", Person: 1, Identity: ana}, state.RecordPart{Mapping: "m", Part: "b", Person: 2, Identity: bia})
		b.mapped(crm("1"), state.RecordPart{Mapping: "m", Person: 1, Identity: ana})
		b.update(func(tx state.Tx) {
			state.Claims.Put(tx, ana, []state.Claim{{Key: crm("7"), Mapping: "m", Part: "a", Person: 1}, {Key: crm("1"), Mapping: "m", Person: 1}})
			state.Claims.Put(tx, bia, []state.Claim{{Key: crm("7"), Mapping: "m", Part: "b", Person: 2}})
			state.Persons.Put(tx, 1, state.Person{Records: []contact.Key{crm("1"), crm("7")}})
			state.Persons.Put(tx, 2, state.Person{Records: []contact.Key{crm("7")}})
			state.ErasePerson(tx, 1, b.now)
		})
		if rec := b.record(crm("7")); len(rec.Parts) != 1 || rec.Parts[0].Identity != bia || b.payload(crm("7")) == "" {
			b.Errorf("what is left of it: %+v", rec)
		}
		b.view(func(tx state.Tx) {
			theirs, _ := state.Claims.Get(tx, bia)
			if n := state.Count(tx, state.Claims.Name); n != 1 || len(theirs) != 1 {
				b.Errorf("%d numbers are claimed, and the other's by %v", n, theirs)
			}
		})
		b.expect(state.Accepted, upsert("7", 2, 2, `{"contatos":[1]}`))
		b.expect(state.Accepted, deletion("7", 3, 3))
		b.expect(state.Forgotten, upsert("1", 2, 2, `{}`))
	}},
}
