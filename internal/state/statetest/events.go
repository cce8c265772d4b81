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

const (
	older = `{"name":"older"}`
	newer = `{"name":"newer"}`
)

var eventRules = []rule{
	{"an accepted state is stored, due and numbered", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 6, newer))
		b.expect(state.Accepted, upsert("2", 5, 6, newer))
		b.reopen()
		rec := b.record(crm("1"))
		at := contact.Micros(b.now)
		if rec.Version != (contact.Version{Source: 5, Event: 6, Arrival: at}) || rec.Seq != 1 || rec.Arrived != at || rec.Due != at || rec.First != at || rec.Events != 1 || rec.Lane != state.LaneLive {
			b.Errorf("got %+v", rec)
		}
		if other := b.record(crm("2")); rec.Num == 0 || other.Num == 0 || rec.Num == other.Num {
			b.Errorf("numbers %d and %d", rec.Num, other.Num)
		}
		if got := b.payload(crm("1")); got != newer {
			b.Errorf("payload %s", got)
		}
		if got := b.due(); !slices.Equal(got, []contact.Key{crm("1"), crm("2")}) {
			b.Errorf("due %v", got)
		}
	}},
	{"many events are stored in one change", func(b *bench) {
		events := []contact.Event{named("a", upsert("1", 1, 1, older)), named("a", upsert("1", 1, 1, older)), named("b", upsert("1", 2, 2, newer)), named("c", upsert("1", 1, 1, older))}
		before := b.store.Stats().Commits
		got, err := state.Accept(context.Background(), b.store, b.now, state.Travel{Lane: state.LaneLive}, events...)
		if want := []state.Receipt{state.Accepted, state.Duplicate, state.Accepted, state.Stale}; err != nil || !slices.Equal(got, want) {
			b.Errorf("got %v, %v; want %v", got, err, want)
		}
		if n := b.store.Stats().Commits - before; n != 1 {
			b.Errorf("%d commits", n)
		}
		if rec := b.record(crm("1")); rec.Events != 2 || rec.Seq != 2 {
			b.Errorf("got %+v", rec)
		}
	}},

	// Duplicates.
	{"an event is known again by its id and record", func(b *bench) {
		b.expect(state.Accepted, named("e1", upsert("1", 1, 1, older)))
		b.expect(state.Duplicate, named("e1", upsert("1", 1, 1, older)))
		b.expect(state.Duplicate, named("e1", upsert("1", 9, 9, newer))) // whatever else it says
		b.expect(state.Accepted, named("e1", upsert("2", 1, 1, older)))
		e := named("e1", upsert("1", 1, 1, older))
		e.Key.Source = "loja"
		b.expect(state.Accepted, e)
		b.expect(state.Accepted, named("e2", upsert("1", 2, 2, newer)))
		b.reopen()
		b.expect(state.Duplicate, named("e1", upsert("1", 1, 1, older)))
	}},
	{"ids cannot be made to collide by their cut", func(b *bench) {
		b.expect(state.Accepted, named("ab", upsert("c", 1, 1, older)))
		b.expect(state.Accepted, named("a", upsert("bc", 1, 1, older)))
	}},
	{"a repeated id changes nothing and costs no commit", func(b *bench) {
		b.expect(state.Accepted, named("e1", upsert("1", 1, 1, older)))
		before, commits := b.record(crm("1")), b.store.Stats().Commits
		b.later(time.Hour)
		b.expect(state.Duplicate, named("e1", upsert("1", 1, 1, older)))
		if after := b.record(crm("1")); !same(before, after) || b.store.Stats().Commits != commits {
			b.Errorf("%+v became %+v with %d commits", before, after, b.store.Stats().Commits-commits)
		}
	}},
	{"without an id only a repeat of the record's last event is a duplicate", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 0, 0, older))
		b.expect(state.Duplicate, upsert("1", 0, 0, older))
		b.expect(state.Accepted, upsert("2", 0, 0, older))
		b.expect(state.Accepted, upsert("1", 0, 0, newer))
		b.expect(state.Accepted, upsert("1", 0, 0, older)) // changed back
		b.expect(state.Accepted, deletion("1", 0, 0))
		b.expect(state.Duplicate, deletion("1", 0, 0))
		b.expect(state.Accepted, upsert("1", 0, 0, older)) // and made again
		if rec := b.record(crm("1")); rec.Deleted || rec.Seq != 5 {
			b.Errorf("got %+v", rec)
		}
	}},
	{"the same words about another time or winner are no repeat", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 1, 1, older))
		b.expect(state.Accepted, deletion("1", 0, 2))
		b.expect(state.Accepted, deletion("1", 0, 4)) // a restore in between was lost
		b.expect(state.Stale, upsert("1", 3, 3, newer))
		merge := contact.Event{Kind: contact.Merge, Key: crm("2"), Into: crm("3")}
		b.expect(state.Accepted, merge)
		b.expect(state.Duplicate, merge)
		merge.Into = crm("4")
		b.expect(state.Accepted, merge)
		if rec := b.record(crm("2")); *rec.Into != crm("4") {
			b.Errorf("merged into %v", rec.Into)
		}
	}},
	{"what was read in between makes the next event no repeat", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 0, 0, older))
		b.later(time.Minute)
		b.expect(state.Accepted, read(upsert("1", 0, 0, newer), b.now))
		b.later(time.Minute)
		b.expect(state.Accepted, upsert("1", 0, 0, older))
		if got := b.payload(crm("1")); got != older {
			b.Errorf("payload %s", got)
		}
	}},
	{"the ids of a record that chatters are all known", func(b *bench) {
		for i := range 200 {
			b.expect(state.Accepted, named(fmt.Sprint(i), upsert("1", 0, int64(i+1), fmt.Sprint(i))))
			b.expect(state.Accepted, named(fmt.Sprint(i), upsert("2", 0, int64(i+1), fmt.Sprint(i))))
			b.later(time.Minute)
		}
		b.reopen()
		for i := range 200 {
			b.expect(state.Duplicate, named(fmt.Sprint(i), upsert("1", 0, 999, "x")))
		}
		b.expect(state.Accepted, named("200", upsert("1", 0, 999, "x")))
		b.expect(state.Stale, named("late", upsert("1", 0, 5, "x"))) // a stale event is known again too
		b.expect(state.Duplicate, named("late", upsert("1", 0, 5, "x")))
	}},
	{"ids are known for at least the retention, and forgotten some time after twice that", func(b *bench) {
		for i := range 3 {
			b.expect(state.Accepted, named(fmt.Sprint("first ", i), upsert("1", 0, int64(i+1), fmt.Sprint(i))))
		}
		first := b.now
		// Ids in between, as they come in life; each generation is at most as old as the retention.
		for i := 0; b.now.Sub(first) <= state.Retention-2*time.Hour; i++ {
			b.later(time.Hour)
			b.expect(state.Accepted, named(fmt.Sprint("between ", i), upsert("2", 0, int64(i+1), fmt.Sprint(i))))
		}
		b.reopen()
		for i := range 3 {
			b.expect(state.Duplicate, named(fmt.Sprint("first ", i), upsert("1", 0, 99, "x")))
		}
		last := named("last of its generation", upsert("3", 0, 1, "x"))
		b.expect(state.Accepted, last)
		began := b.now
		b.later(3 * time.Hour)
		b.expect(state.Accepted, named("turns the generations", upsert("4", 0, 1, "x")))
		for b.now.Sub(began) <= state.Retention-time.Hour {
			b.expect(state.Duplicate, last)
			b.later(time.Hour)
		}
		b.later(2*state.Retention + time.Hour)
		b.expect(state.Accepted, named("turns them again", upsert("4", 0, 2, "x")))
		b.later(state.Retention + time.Hour)
		b.expect(state.Accepted, named("and again", upsert("4", 0, 3, "x")))
		b.expect(state.Accepted, named("first 0", upsert("1", 0, 100, "x")))
	}},

	// The newest version.
	{"an older state is stale and changes nothing", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		before := b.record(crm("1"))
		b.later(time.Minute)
		b.expect(state.Stale, upsert("1", 4, 9, older))
		b.expect(state.Stale, upsert("1", 5, 4, older))
		if after := b.record(crm("1")); !same(before, after) || b.payload(crm("1")) != newer {
			b.Errorf("%+v became %+v", before, after)
		}
	}},
	{"ties go to the later arrival", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, older))
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		b.expect(state.Accepted, upsert("2", 0, 0, older))
		b.expect(state.Accepted, upsert("2", 0, 0, newer))
		b.expect(state.Accepted, upsert("3", 5, 0, older))
		b.expect(state.Accepted, upsert("3", 0, 2, newer)) // nothing in common
		for _, id := range []string{"1", "2", "3"} {
			if got := b.payload(crm(id)); got != newer {
				b.Errorf("record %s: %s", id, got)
			}
		}
	}},
	{"the newest of any states wins in any order of arrival", func(b *bench) {
		b.convergence(func(t *rapid.T) []contact.Event {
			var list []contact.Event
			for _, at := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 20), 2, 6, rapid.ID).Draw(t, "times") {
				switch rapid.IntRange(0, 3).Draw(t, "kind") {
				case 0: // as Pipedrive says it: no data, or the data as they were before
					list = append(list, deletion("x", rapid.Int64Range(0, at-1).Draw(t, "source"), at))
				default:
					list = append(list, upsert("x", at, at, fmt.Sprint(at)))
				}
			}
			return list
		})
	}},
	{"states of a source that says only its own time, or only the event's, converge too", func(b *bench) {
		for _, says := range []func(at int64) (source, event int64){
			func(at int64) (int64, int64) { return at, 0 },
			func(at int64) (int64, int64) { return 0, at },
		} {
			b.convergence(func(t *rapid.T) []contact.Event {
				var list []contact.Event
				for _, at := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 20), 2, 6, rapid.ID).Draw(t, "times") {
					source, event := says(at)
					if rapid.Bool().Draw(t, "deleted") {
						list = append(list, deletion("x", source, event))
					} else {
						list = append(list, upsert("x", source, event, fmt.Sprint(at)))
					}
				}
				return list
			})
		}
	}},
	{"a deletion counts by the time of its event", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, older))
		b.expect(state.Accepted, deletion("1", 4, 7)) // carries the update time from before the last one
		b.expect(state.Stale, upsert("1", 6, 6, newer))
		b.expect(state.Accepted, upsert("2", 5, 5, older))
		b.expect(state.Accepted, deletion("2", 0, 7)) // carries nothing
		b.expect(state.Stale, upsert("2", 6, 6, newer))
		b.expect(state.Accepted, upsert("3", 8, 8, older))
		b.expect(state.Stale, deletion("3", 5, 7)) // restored since
		for id, deleted := range map[string]bool{"1": true, "2": true, "3": false} {
			if b.record(crm(id)).Deleted != deleted {
				b.Errorf("record %s: %+v", id, b.record(crm(id)))
			}
		}
	}},
	{"a deletion may come before the record", func(b *bench) {
		b.expect(state.Accepted, deletion("1", 0, 7))
		b.expect(state.Stale, upsert("1", 5, 5, older))
		if !b.record(crm("1")).Deleted {
			b.Error("a record that was deleted came to life")
		}
	}},
	{"a record may be restored", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, older))
		b.expect(state.Accepted, deletion("1", 5, 7))
		b.mapped(crm("1"))
		b.expect(state.Accepted, upsert("1", 9, 9, newer))
		if rec := b.record(crm("1")); rec.Deleted || rec.Due == 0 || b.payload(crm("1")) != newer {
			b.Errorf("got %+v", rec)
		}
		b.expect(state.Stale, deletion("1", 5, 8))
	}},
	{"a deletion without a time keeps the time of the record", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		b.expect(state.Accepted, deletion("1", 0, 0))
		b.expect(state.Stale, upsert("1", 4, 4, older)) // late
		if !b.record(crm("1")).Deleted {
			b.Error("a late event brought the record back")
		}
		b.expect(state.Accepted, upsert("1", 6, 6, newer))
	}},

	// Readings.
	{"a reading that found what is known changes nothing", func(b *bench) {
		b.expect(state.Accepted, read(upsert("1", 5, 0, newer), b.now))
		b.mapped(crm("1"))
		before, commits := b.record(crm("1")), b.store.Stats().Commits
		for range 3 {
			b.later(time.Hour)
			b.expect(state.Unchanged, read(upsert("1", 5, 0, newer), b.now))
		}
		if after := b.record(crm("1")); !same(before, after) || b.store.Stats().Commits != commits {
			b.Errorf("%+v became %+v with %d commits", before, after, b.store.Stats().Commits-commits)
		}
		b.expect(state.Accepted, read(upsert("1", 6, 0, newer), b.now))
	}},
	{"a reading heals after ten minutes and not before", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 99, 99, older)) // by a clock that is ahead
		b.mapped(crm("1"))
		arrived := b.now
		b.later(time.Hour)
		for _, began := range []time.Duration{-time.Minute, 0, time.Minute, 10*time.Minute - time.Microsecond} {
			b.expect(state.Stale, read(upsert("1", 5, 0, newer), arrived.Add(began)))
		}
		b.expect(state.Regressed, read(upsert("1", 5, 0, newer), arrived.Add(state.Heals)))
		rec := b.record(crm("1"))
		if b.payload(crm("1")) != newer || rec.Version.Source != 5 || rec.Version.Event != 0 || rec.Regressed != 1 || rec.Due == 0 {
			b.Errorf("got %+v", rec)
		}
		b.mapped(crm("1"))
		b.later(time.Hour)
		b.expect(state.Unchanged, read(upsert("1", 5, 0, newer), b.now))
		b.expect(state.Accepted, upsert("1", 6, 6, newer)) // the wrong time does not stand any more
	}},
	{"a reading heals a deletion that was undone without a word", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		b.expect(state.Accepted, deletion("1", 5, 7))
		b.mapped(crm("1"))
		arrived := b.now
		b.later(time.Hour)
		b.expect(state.Stale, read(upsert("1", 5, 0, newer), arrived.Add(9*time.Minute)))
		b.expect(state.Regressed, read(upsert("1", 5, 0, newer), arrived.Add(11*time.Minute)))
		if rec := b.record(crm("1")); rec.Deleted || rec.Due == 0 {
			b.Errorf("got %+v", rec)
		}
	}},
	{"a reading finds a deletion that nobody told", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		b.mapped(crm("1"))
		arrived := b.now
		b.later(time.Minute)
		b.expect(state.Stale, read(deletion("1", 0, 0), arrived.Add(-time.Second))) // it was made while we looked
		b.expect(state.Accepted, read(deletion("1", 0, 0), arrived.Add(time.Second)))
		if rec := b.record(crm("1")); !rec.Deleted || rec.Due == 0 {
			b.Errorf("got %+v", rec)
		}
		b.expect(state.Stale, upsert("1", 4, 4, older)) // a late event does not bring it back
		b.mapped(crm("1"))
		before, commits := b.record(crm("1")), b.store.Stats().Commits
		b.later(time.Hour)
		b.expect(state.Unchanged, read(deletion("1", 0, 0), b.now))
		if after := b.record(crm("1")); !same(before, after) || b.store.Stats().Commits != commits {
			b.Errorf("the same deletion was written again: %+v", after)
		}
		b.expect(state.Accepted, upsert("1", 9, 9, newer))
	}},
	{"a reading is as old as its beginning", func(b *bench) {
		// The page was asked for, a webhook came, the page is stored. Neither says a time.
		began := b.now
		b.expect(state.Accepted, read(upsert("1", 0, 0, older), began))
		b.later(time.Second)
		b.expect(state.Accepted, upsert("1", 0, 0, newer))
		b.later(time.Second)
		b.expect(state.Stale, read(upsert("1", 0, 0, older), began.Add(500*time.Millisecond)))
		if got := b.payload(crm("1")); got != newer {
			b.Errorf("payload %s", got)
		}
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 0, 0, older), b.now)) // changed back, and nobody told
		if got := b.payload(crm("1")); got != older {
			b.Errorf("payload %s", got)
		}
	}},
	{"a reading does not blur the order of two events in its second", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 52, older))
		b.later(time.Second)
		b.expect(state.Confirmed, read(upsert("1", 5, 0, older), b.now))
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 5, 0, newer), b.now)) // changed since, within its second
		b.later(time.Second)
		b.expect(state.Stale, upsert("1", 5, 51, older))
		if got := b.payload(crm("1")); got != newer {
			b.Errorf("payload %s", got)
		}
	}},
	{"a first reading of what an event told makes no work, and later ones are compared with it", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, `{"as":"the event shows it"}`))
		b.mapped(crm("1"))
		b.later(time.Minute)
		listed := upsert("1", 5, 0, `{"as":"the list shows it"}`)
		b.expect(state.Confirmed, read(listed, b.now))
		if rec := b.record(crm("1")); rec.Due != 0 || rec.Seq != 1 || b.payload(crm("1")) != `{"as":"the event shows it"}` {
			b.Errorf("got %+v", rec)
		}
		b.later(time.Minute)
		b.expect(state.Unchanged, read(listed, b.now))
		listed.Payload = []byte(`{"as":"something changed that moves no time"}`)
		b.expect(state.Accepted, read(listed, b.now))
		b.mapped(crm("1"))
		b.expect(state.Unchanged, read(listed, b.now))
		b.expect(state.Accepted, upsert("2", 0, 5, older)) // of a record that tells no time of its own nothing is confirmed
		b.later(time.Minute)
		b.expect(state.Accepted, read(upsert("2", 0, 0, newer), b.now))
	}},

	// Shapes of payloads.
	{"a partial payload is laid over what is stored", func(b *bench) {
		partial := func(payload string) contact.Event {
			e := upsert("1", 0, 0, payload)
			e.Shape = contact.Partial
			return e
		}
		b.expect(state.Accepted, upsert("1", 0, 0, `{"name":"Ana","tags":["a","b"],"custom":{"uf":"RN","cidade":"Natal"},"id":12345678901234567890}`))
		b.expect(state.Accepted, partial(`{"name":null,"tags":["c"],"custom":{"cidade":"Mossoró"},"new":1.50}`))
		if got, want := b.payload(crm("1")), `{"custom":{"cidade":"Mossoró","uf":"RN"},"id":12345678901234567890,"name":null,"new":1.50,"tags":["c"]}`; got != want {
			b.Errorf("got %s\nwant %s", got, want)
		}
		b.expect(state.Accepted, partial(`{"custom":"none"}`))
		b.expect(state.Accepted, partial(`{"custom":{"uf":"PB"}}`))
		if got, want := b.payload(crm("1")), `{"custom":{"uf":"PB"},"id":12345678901234567890,"name":null,"new":1.50,"tags":["c"]}`; got != want {
			b.Errorf("got %s\nwant %s", got, want)
		}
		b.expect(state.Accepted, upsert("1", 0, 0, `{"name":"Bia"}`)) // a full one replaces
		if got := b.payload(crm("1")); got != `{"name":"Bia"}` {
			b.Errorf("got %s", got)
		}
		e := partial(`{"name":"Caio"}`)
		e.Key = crm("2") // and nothing is stored yet
		b.expect(state.Accepted, e)
		if got := b.payload(crm("2")); got != `{"name":"Caio"}` {
			b.Errorf("got %s", got)
		}
	}},
	{"a thin event asks for the record and leaves the payload", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, older))
		b.mapped(crm("1"))
		b.later(time.Second)
		b.expect(state.Accepted, thin("1", 7))
		if rec := b.record(crm("1")); !rec.Thin || rec.Due == 0 || rec.Version.Source != 5 || rec.Version.Event != 7 || b.payload(crm("1")) != older {
			b.Errorf("got %+v", rec)
		}
		b.expect(state.Stale, upsert("1", 0, 6, newer)) // older than what is being asked for
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 7, 0, newer), b.now))
		if rec := b.record(crm("1")); rec.Thin || b.payload(crm("1")) != newer {
			b.Errorf("got %+v", rec)
		}
	}},
	{"the same thin event is a repeat until the record was read", func(b *bench) {
		b.expect(state.Accepted, thin("1", 0))
		b.expect(state.Duplicate, thin("1", 0))
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 0, 0, older), b.now))
		b.later(time.Second)
		b.expect(state.Accepted, thin("1", 0)) // it changed again, in the same words
		if rec := b.record(crm("1")); !rec.Thin {
			b.Errorf("got %+v", rec)
		}
		b.update(func(tx state.Tx) { // the source did not have it; what stands is taken for the best there is
			rec, _ := state.Records.Get(tx, crm("1"))
			rec.Thin = false
			state.Records.Put(tx, crm("1"), rec)
		})
		b.expect(state.Accepted, thin("1", 0))
	}},
	{"a thin event that comes during the reading asks for another", func(b *bench) {
		b.expect(state.Accepted, thin("1", 1))
		b.later(time.Second)
		began := b.now
		b.later(time.Second)
		b.expect(state.Accepted, thin("1", 3))
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 2, 0, older), began))
		if rec := b.record(crm("1")); !rec.Thin || b.payload(crm("1")) != older || rec.Arrived != contact.Micros(began.Add(time.Second)) {
			b.Errorf("got %+v", rec)
		}
		b.expect(state.Stale, read(deletion("1", 0, 0), began)) // it was not there yet
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 3, 0, newer), b.now))
		if rec := b.record(crm("1")); rec.Thin || b.payload(crm("1")) != newer {
			b.Errorf("got %+v", rec)
		}
	}},
	{"a thin event may say that a record was restored", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 5, 5, newer))
		b.expect(state.Accepted, deletion("1", 5, 7))
		b.mapped(crm("1"))
		b.later(time.Second)
		b.expect(state.Accepted, thin("1", 9))
		b.later(time.Second)
		b.expect(state.Accepted, read(upsert("1", 5, 0, newer), b.now)) // its update time did not move
		if rec := b.record(crm("1")); rec.Deleted || rec.Thin {
			b.Errorf("got %+v", rec)
		}
	}},

	// What must not be lost in the crowd.
	{"a merge is kept whatever comes with it", func(b *bench) {
		merge := contact.Event{Kind: contact.Merge, Key: crm("1"), Into: crm("2"), Version: contact.Version{Event: 6}}
		for name, events := range map[string][]contact.Event{
			"before": {upsert("1", 5, 5, older), merge},
			"after":  {merge, upsert("1", 7, 7, newer)},
			"late":   {upsert("1", 7, 7, newer), merge},
			"alone":  {merge},
		} {
			for i, e := range events {
				e.Key = crm(name)
				if got := b.accept(e); got != state.Accepted {
					b.Errorf("%s: event %d is %s", name, i, got)
				}
			}
			rec := b.record(crm(name))
			if rec.Into == nil || *rec.Into != crm("2") || rec.Due == 0 || rec.Seq != uint64(len(events)) {
				b.Errorf("%s: %+v", name, rec)
			}
			if alive := name == "after" || name == "late"; rec.Deleted == alive {
				b.Errorf("%s: deleted %v", name, rec.Deleted)
			}
		}
		older := contact.Event{Kind: contact.Merge, Key: crm("before"), Into: crm("3"), Version: contact.Version{Event: 4}}
		if b.expect(state.Stale, older); *b.record(crm("before")).Into != crm("2") {
			b.Error("an older merge replaced a newer one")
		}
	}},
	{"an erasure is kept whatever comes with it", func(b *bench) {
		erase := contact.Event{Kind: contact.Erase, Key: crm("1"), Version: contact.Version{Event: 1}}
		b.expect(state.Accepted, upsert("1", 5, 5, older))
		b.expect(state.Accepted, erase)
		b.expect(state.Accepted, upsert("1", 7, 7, newer))
		b.expect(state.Accepted, deletion("1", 7, 8))
		if rec := b.record(crm("1")); !rec.Erase || rec.Lane != state.LaneConsent || rec.Due == 0 {
			b.Errorf("got %+v", rec)
		}
		erase.Key = crm("unknown")
		b.expect(state.Accepted, erase)
		if !b.record(crm("unknown")).Erase {
			b.Error("the erasure of an unknown record is lost")
		}
	}},

	// When it is due.
	{"the first event that was not delivered sets the time", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 1, 1, "1"))
		first := contact.Micros(b.now)
		for i := range 50 {
			b.later(time.Minute)
			b.expect(state.Accepted, upsert("1", int64(i+2), 0, fmt.Sprint(i)))
		}
		if rec := b.record(crm("1")); rec.Due != first || rec.First != first || rec.Events != 51 {
			b.Errorf("got %+v", rec)
		}
		if got := b.due(); !slices.Equal(got, []contact.Key{crm("1")}) {
			b.Errorf("due %v", got)
		}
		b.mapped(crm("1"))
		b.expect(state.Accepted, upsert("1", 99, 99, "again"))
		if rec := b.record(crm("1")); rec.Due != contact.Micros(b.now) || rec.First != rec.Due || rec.Events != 1 {
			b.Errorf("after a delivery: %+v", rec)
		}
	}},
	{"a better lane applies at once and a worse one not", func(b *bench) {
		bulk, live := state.Travel{Lane: state.LaneBulk}, state.Travel{Lane: state.LaneLive}
		for i, step := range []struct {
			how  state.Travel
			bulk bool
			want state.Lane
		}{{bulk, false, state.LaneBulk}, {live, true, state.LaneBulk}, {live, false, state.LaneLive}, {bulk, false, state.LaneLive}} {
			e := upsert("1", int64(i+1), 0, fmt.Sprint(i))
			e.Bulk = step.bulk
			b.acceptAs(step.how, e)
			if got := b.record(crm("1")).Lane; got != step.want {
				b.Errorf("step %d: %s, want %s", i, got, step.want)
			}
		}
		if got := b.due(); len(got) != 1 {
			b.Errorf("due %v", got)
		}
	}},
	{"better lanes go first, and within a lane the oldest", func(b *bench) {
		for _, step := range []struct {
			id   string
			lane state.Lane
		}{{"bulk 1", state.LaneBulk}, {"live 1", state.LaneLive}, {"bulk 2", state.LaneBulk}, {"live 2", state.LaneLive}, {"consent", state.LaneConsent}} {
			b.acceptAs(state.Travel{Lane: step.lane}, upsert(step.id, 1, 1, "x"))
			b.later(time.Second)
		}
		want := []contact.Key{crm("consent"), crm("live 1"), crm("live 2"), crm("bulk 1"), crm("bulk 2")}
		if got := b.due(); !slices.Equal(got, want) {
			b.Errorf("due %v", got)
		}
		b.view(func(tx state.Tx) {
			if got, _ := state.DueRecords(tx, b.now, 2); !slices.Equal(got, want[:2]) {
				b.Errorf("the first two: %v", got)
			}
			if got, next := state.DueRecords(tx, b.now.Add(-time.Hour), 9); len(got) != 0 || !next.Equal(b.now.Add(-5*time.Second)) {
				b.Errorf("too early: %v, next %s", got, next)
			}
			if got := state.CountDueRecords(tx, 4); got != 4 {
				b.Errorf("counted %d", got)
			}
		})
	}},
	{"a record that is put off comes back in its time", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 1, 1, "x"))
		b.update(func(tx state.Tx) {
			rec, _ := state.Records.Get(tx, crm("1"))
			state.Requeue(tx, crm("1"), &rec, state.LaneBulk, b.now.Add(time.Minute))
			state.Records.Put(tx, crm("1"), rec)
		})
		if got := b.due(); len(got) != 0 {
			b.Errorf("due %v", got)
		}
		b.view(func(tx state.Tx) {
			if _, next := state.DueRecords(tx, b.now, 9); !next.Equal(b.now.Add(time.Minute)) {
				b.Errorf("next %s", next)
			}
		})
		b.later(time.Minute)
		if got := b.due(); len(got) != 1 {
			b.Errorf("due %v", got)
		}
		b.update(func(tx state.Tx) {
			rec, _ := state.Records.Get(tx, crm("1"))
			state.Requeue(tx, crm("1"), &rec, state.LaneBulk, b.now.Add(time.Hour))
			state.Records.Put(tx, crm("1"), rec)
		})
		b.expect(state.Accepted, upsert("1", 2, 2, "y")) // news come at once
		if got := b.due(); len(got) != 1 {
			b.Errorf("due %v", got)
		}
	}},
	{"live work lifts a hold, and a newer run takes over from an older one", func(b *bench) {
		hold := func(run string) state.Travel { return state.Travel{Lane: state.LaneBulk, Hold: run} }
		b.acceptAs(hold("run 1"), upsert("1", 1, 0, "1"))
		if got := b.record(crm("1")).Hold; got != "run 1" {
			b.Errorf("held by %q", got)
		}
		b.acceptAs(hold("run 2"), upsert("1", 2, 0, "2"))
		if got := b.record(crm("1")).Hold; got != "run 2" {
			b.Errorf("held by %q", got)
		}
		b.expect(state.Accepted, upsert("1", 3, 0, "3"))
		if rec := b.record(crm("1")); rec.Hold != "" || rec.Lane != state.LaneLive {
			b.Errorf("a live event left %+v", rec)
		}
		b.acceptAs(hold("run 3"), upsert("1", 4, 0, "4"))
		if got := b.record(crm("1")).Hold; got != "" {
			b.Errorf("work that travels freely is held by %q", got)
		}
		b.mapped(crm("1"))
		b.acceptAs(hold("run 4"), upsert("1", 5, 0, "5"))
		if got := b.record(crm("1")).Hold; got != "run 4" {
			b.Errorf("held by %q", got)
		}
	}},
	{"keys that cannot be stored are refused", func(b *bench) {
		long := string(make([]byte, 600))
		for id, ok := range map[string]bool{"4821": true, "a/b ç": true, "": false, "a\x00b": false, long: false} {
			if err := state.CheckKey(crm(id)); (err == nil) != ok {
				b.Errorf("%.10q: %v", id, err)
			}
		}
	}},
}

// thin is an event that only names the record.
func thin(id string, event int64) contact.Event {
	return contact.Event{Kind: contact.Upsert, Shape: contact.IDs, Key: crm(id), Version: contact.Version{Event: event}, Payload: []byte(`{"id":"` + id + `"}`)}
}

// convergence accepts the same events in every of many orders, and expects the same outcome: the newest.
func (b *bench) convergence(draw func(*rapid.T) []contact.Event) {
	b.Helper()
	rapid.Check(b, func(t *rapid.T) {
		events := draw(t)
		newest := slices.MaxFunc(events, func(v, w contact.Event) int { return v.Version.CompareDelete(w.Version) })
		for _, order := range [][]contact.Event{events, rapid.Permutation(events).Draw(t, "order")} {
			b.records++
			k := crm(fmt.Sprint("record ", b.records))
			for _, e := range order {
				e.Key = k
				if _, err := state.Accept(context.Background(), b.store, b.now, state.Travel{}, e); err != nil {
					t.Fatal(err)
				}
			}
			rec := b.record(k)
			if rec.Deleted != (newest.Kind == contact.Delete) {
				t.Fatalf("deleted %v, and the newest is %s %+v: %+v", rec.Deleted, newest.Kind, newest.Version, rec)
			}
			if got := b.payload(k); !rec.Deleted && got != string(newest.Payload) {
				t.Fatalf("payload %s, want %s", got, newest.Payload)
			}
		}
	})
}

func same(a, b state.Record) bool {
	return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b)
}
