package statetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var boundRules = []rule{
	{"a journal keeps its newest lines", func(b *bench) {
		for i := range state.JournalLimit + 5 {
			b.update(func(tx state.Tx) {
				state.Note(tx, 1, state.Entry{At: int64(i), What: "wrote"})
				state.Note(tx, 2, state.Entry{At: int64(i), What: "kept"})
			})
		}
		b.reopen()
		b.view(func(tx state.Tx) {
			for p, what := range map[state.PersonID]string{1: "wrote", 2: "kept"} {
				lines := state.History(tx, p)
				if len(lines) != state.JournalLimit {
					b.Fatalf("person %d has %d lines", p, len(lines))
				}
				for i, e := range lines {
					if e.At != int64(i+5) || e.What != what {
						b.Errorf("person %d, line %d: %+v", p, i, e)
					}
				}
			}
			if got := state.History(tx, 3); len(got) != 0 {
				b.Errorf("person 3: %v", got)
			}
		})
	}},
	{"a quarantine keeps its newest bodies, up to a size", func(b *bench) {
		large := make([]byte, state.QuarantineBodySize+1)
		b.update(func(tx state.Tx) {
			for i := range state.QuarantineLimit + 5 {
				q := state.Quarantined{Source: "loja", At: int64(i), Body: []byte("{")}
				if i == state.QuarantineLimit {
					q.Body = large
				}
				if n := state.Isolate(tx, q); n != uint64(i+1) {
					b.Fatalf("body %d has number %d", i, n)
				}
			}
		})
		b.view(func(tx state.Tx) {
			all := readAll(state.Quarantine, tx)
			if len(all) != state.QuarantineLimit || all[0].At != 5 || all[len(all)-1].At != state.QuarantineLimit+4 {
				b.Errorf("%d bodies, from %d to %d", len(all), all[0].At, all[len(all)-1].At)
			}
			if q, ok := state.Quarantine.Get(tx, state.QuarantineLimit+1); !ok || len(q.Body) != state.QuarantineBodySize {
				b.Errorf("the large one has %d bytes", len(q.Body))
			}
		})
	}},
	{"a quarantine keeps its newest bodies, up to a size together", func(b *bench) {
		body := make([]byte, state.QuarantineBodySize)
		first := contact.Micros(b.now)
		last := first - 1
		isolate := func(n int) {
			for range n {
				last++
				b.update(func(tx state.Tx) { state.Isolate(tx, state.Quarantined{Source: "loja", At: last, Body: body}) })
			}
		}
		// What one body takes is known only once it is stored: bodies are written in base64.
		isolate(1)
		row := 0
		b.view(func(tx state.Tx) {
			for _, raw := range tx.Scan(state.Quarantine.Name, nil, nil) {
				row = len(raw)
			}
		})
		room := state.QuarantineBytes / row
		isolate(room + 4)
		b.view(func(tx state.Tx) {
			all := readAll(state.Quarantine, tx)
			if len(all) != room || all[0].At != first+5 || all[room-1].At != last {
				b.Errorf("%d bodies are kept where %d have room, from %d to %d of %d", len(all), room, all[0].At-first, all[len(all)-1].At-first, last-first)
			}
		})
	}},
	{"pruning removes what is too old and nothing else", func(b *bench) {
		ago := func(d time.Duration) int64 { return contact.Micros(b.now.Add(-d)) }
		b.update(func(tx state.Tx) {
			for i := range 1200 { // more than one transaction's worth
				state.Note(tx, state.PersonID(100+i), state.Entry{At: ago(state.JournalAge + time.Second)})
			}
			state.Note(tx, 1, state.Entry{At: ago(state.JournalAge - time.Second)})
			state.Dones.Put(tx, state.HoldKey{Run: "old", LinkKey: at(2)}, state.Done{At: ago(state.JournalAge + time.Second)})
			state.Dones.Put(tx, state.HoldKey{Run: "young", LinkKey: at(2)}, state.Done{At: ago(state.JournalAge - time.Second)})
			state.Isolate(tx, state.Quarantined{At: ago(state.QuarantineAge + time.Second)})
			state.Isolate(tx, state.Quarantined{At: ago(state.QuarantineAge - time.Second)})

			old, young := ago(state.TombstoneAge+time.Second), ago(state.TombstoneAge-time.Second)
			parts := func(p state.PersonID) []state.RecordPart {
				return []state.RecordPart{{Mapping: "m", Person: p, Identity: ana}}
			}
			state.Records.Put(tx, crm("old and deleted"), state.Record{Deleted: true, Arrived: old, Parts: parts(1)})
			state.Records.Put(tx, crm("its person has another"), state.Record{Deleted: true, Arrived: old, Parts: parts(2)})
			state.Records.Put(tx, crm("young and deleted"), state.Record{Deleted: true, Arrived: young, Parts: parts(3)})
			state.Records.Put(tx, crm("old and alive"), state.Record{Arrived: old, Parts: parts(2)})
			due := state.Record{Deleted: true, Arrived: old}
			state.Requeue(tx, crm("old and not delivered"), &due, state.LaneBulk, b.now)
			state.Records.Put(tx, crm("old and not delivered"), due)
			state.Persons.Put(tx, 1, state.Person{Records: []contact.Key{crm("old and deleted")}, Targets: []string{"weni"}})
			state.Persons.Put(tx, 2, state.Person{Records: []contact.Key{crm("its person has another"), crm("old and alive")}})
			state.Claims.Put(tx, ana, []state.Claim{{Key: crm("old and deleted"), Mapping: "m", Person: 1}, {Key: crm("old and alive"), Mapping: "m", Person: 2}})
			l := state.Link{}
			state.SetContact(tx, at(1), &l, "c1")
			state.Reflect(tx, "weni", observed("c1", "whatsapp:5584990000101"))
			state.Links.Put(tx, at(1), l)
			state.Dead.Put(tx, at(1), state.DeadLetter{At: ago(0)})
		})
		if err := state.Prune(context.Background(), b.store, b.now); err != nil {
			b.Fatal(err)
		}
		b.view(func(tx state.Tx) {
			if n, q := state.Count(tx, state.Journal.Name), state.Count(tx, state.Quarantine.Name); n != 0 || q != 1 {
				b.Errorf("%d lines (the person of the only young one is gone), %d bodies", n, q)
			}
			if _, ok := state.Dones.Get(tx, state.HoldKey{Run: "young", LinkKey: at(2)}); !ok || state.Count(tx, state.Dones.Name) != 1 {
				b.Error("what an old run changed is kept, or what a young one did is not")
			}
			var left []string
			for k := range state.Records.All(tx, nil, nil) {
				left = append(left, k.ID)
			}
			if want := []string{"old and alive", "old and not delivered", "young and deleted"}; !slices.Equal(left, want) {
				b.Errorf("records %q", left)
			}
			if _, ok := state.Persons.Get(tx, 1); ok || state.PersonAt(tx, "weni", "c1") != 0 {
				b.Error("a person whom nothing stands for is left")
			}
			if _, ok := state.Links.Get(tx, at(1)); ok || state.Count(tx, state.Dead.Name) != 0 {
				b.Error("the link or dead letter of a person who is gone is left")
			}
			if p, ok := state.Persons.Get(tx, 2); !ok || !slices.Equal(p.Records, []contact.Key{crm("old and alive")}) {
				b.Errorf("the other person: %+v", p)
			}
			if list, _ := state.Claims.Get(tx, ana); len(list) != 1 || list[0].Person != 2 {
				b.Errorf("claims %v", list)
			}
		})
	}},
	{"a deletion that is still to be delivered is not pruned, however old", func(b *bench) {
		later := map[state.PersonID]func(state.Tx, *state.Link){
			1: func(tx state.Tx, l *state.Link) { state.KeepBack(tx, at(1), l, "guard-weni", state.Held{}) },
			2: func(tx state.Tx, l *state.Link) { state.Schedule(tx, at(2), l, state.LaneBulk, b.now) }, // its target is paused
			3: func(state.Tx, *state.Link) {},
			4: func(state.Tx, *state.Link) {}, // asked to be erased
		}
		for p, wait := range later {
			b.person(p, contact.Identity(fmt.Sprint("phone:558499000010", p)))
			b.bears(p, contact.URN(fmt.Sprint("whatsapp:558499000010", p)))
			b.expect(state.Accepted, deletion(fmt.Sprint(p), 2, 2))
			b.mapped(crm(fmt.Sprint(p)))
			b.link(at(p), wait)
		}
		b.update(func(tx state.Tx) {
			who, _ := state.Persons.Get(tx, 4)
			who.Erase = true
			state.Persons.Put(tx, 4, who)
		})
		b.later(state.TombstoneAge + time.Hour)
		if err := state.Prune(context.Background(), b.store, b.now); err != nil {
			b.Fatal(err)
		}
		for p := range later {
			b.view(func(tx state.Tx) {
				_, rec := state.Records.Get(tx, crm(fmt.Sprint(p)))
				_, who := state.Persons.Get(tx, p)
				l, _ := state.Links.Get(tx, at(p))
				if kept := p != 3; rec != kept || who != kept || (l.Contact != "") != kept {
					b.Errorf("%d: record %v, person %v, link %+v", p, rec, who, l)
				}
			})
		}
		if m := b.mirrored("c-3"); !m.Slim() || m.Person != 0 {
			b.Errorf("the mirror keeps of somebody who is nobody's any more: %+v", m)
		}
		if m := b.mirrored("c-1"); m.Slim() {
			b.Errorf("the mirror forgot %+v", m)
		}
	}},
	{"pruning keeps the newest of what is bounded by number", func(b *bench) {
		const extra = 3
		b.update(func(tx state.Tx) {
			for i := range state.RunLimit + extra {
				state.Runs.Put(tx, fmt.Sprint("run ", i), state.Run{ID: fmt.Sprint("run ", i), Ended: int64(i + 1)})
			}
			state.Runs.Put(tx, "holds", state.Run{ID: "holds", Ended: 1, Held: 1})
			state.Runs.Put(tx, "goes on", state.Run{ID: "goes on"})
			for i := range state.DeadLimit + extra {
				state.Dead.Put(tx, at(state.PersonID(i)), state.DeadLetter{At: int64(i)})
				state.Conflicts.Put(tx, fmt.Sprint(i), state.Conflict{At: int64(i)})
			}
		})
		if err := state.Prune(context.Background(), b.store, b.now); err != nil {
			b.Fatal(err)
		}
		b.view(func(tx state.Tx) {
			for i := range extra + 1 {
				_, run := state.Runs.Get(tx, fmt.Sprint("run ", i))
				_, dead := state.Dead.Get(tx, at(state.PersonID(i)))
				_, conflict := state.Conflicts.Get(tx, fmt.Sprint(i))
				if want := i == extra; run != want || dead != want || conflict != want {
					b.Errorf("row %d: run %v, dead letter %v, conflict %v", i, run, dead, conflict)
				}
			}
			if r, d, c := state.Count(tx, state.Runs.Name), state.Count(tx, state.Dead.Name), state.Count(tx, state.Conflicts.Name); r != state.RunLimit+2 || d != state.DeadLimit || c != state.ConflictLimit {
				b.Errorf("%d runs, %d dead letters, %d conflicts", r, d, c)
			}
		})
	}},
	{"a walk knows which records it has seen", func(b *bench) {
		rapid.Check(b, func(t *rapid.T) {
			b.records++
			run := fmt.Sprint("run ", b.records)
			number := rapid.OneOf(rapid.Uint64Range(0, 70), rapid.Uint64Range(4090, 4100), rapid.Uint64Range(1<<20, 1<<20+20))
			seen := map[uint64]bool{}
			for range rapid.IntRange(1, 3).Draw(t, "pages") {
				page := rapid.SliceOf(number).Draw(t, "page")
				given := slices.Clone(page)
				b.update(func(tx state.Tx) { state.MarkWalked(tx, run, page) })
				if !slices.Equal(page, given) {
					t.Fatal("the caller's page was changed")
				}
				for _, n := range page {
					seen[n] = true
				}
			}
			b.view(func(tx state.Tx) {
				for range 50 {
					n := number.Draw(t, "asked")
					if got := state.WasWalked(tx, run, n); got != seen[n] {
						t.Fatalf("record %d: %v", n, got)
					}
					if state.WasWalked(tx, run+"0", n) {
						t.Fatalf("another run saw record %d", n)
					}
				}
			})
		})
		b.update(func(tx state.Tx) {
			state.MarkWalked(tx, "a", []uint64{1, 5000})
			state.MarkWalked(tx, "ab", []uint64{1})
			state.DropWalked(tx, "a")
		})
		b.reopen()
		b.view(func(tx state.Tx) {
			if state.WasWalked(tx, "a", 1) || state.WasWalked(tx, "a", 5000) || !state.WasWalked(tx, "ab", 1) {
				b.Error("dropping one run's set left some of it, or took another's")
			}
		})
	}},
}
