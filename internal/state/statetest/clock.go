package statetest

import (
	"context"
	"reflect"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var clockRules = []rule{
	{"A state of the past is not from ahead", func(b *bench) {
		b.expect(state.Accepted, upsert("1", 100, 0, `{"nome":"Ana"}`))
		b.retry(1, time.Hour) // put off as long as anything is
		if b.ahead() {
			b.Error("nothing of it lies in the future")
		}
		before := b.everything()
		b.setBack()
		if after := b.everything(); !reflect.DeepEqual(before, after) {
			b.Errorf("what was right was changed: %v, then %v", before, after)
		}
	}},
	{"What became due under a clock that was ahead is due", func(b *bench) {
		b.later(24 * time.Hour)
		b.expect(state.Accepted, upsert("1", 100, 0, `{"nome":"Ana"}`))
		b.retry(1, 15*time.Second)
		b.later(-24 * time.Hour)
		if len(b.due()) > 0 || len(b.dueLinks()) > 0 {
			b.Fatal("this shows nothing")
		}
		if !b.ahead() {
			b.Error("it is not noticed")
		}
		b.setBack()
		if len(b.due()) != 1 || len(b.dueLinks()) != 1 || b.ahead() {
			b.Errorf("due are the records %v and the people %v", b.due(), b.dueLinks())
		}
		if rec := b.record(crm("1")); rec.First > contact.Micros(b.now) || rec.Arrived > contact.Micros(b.now) || rec.Version.Source != 100 {
			b.Errorf("the record is %+v", rec)
		}
	}},
	{"An event of a record that waits for a clock that was ahead makes it due", func(b *bench) {
		b.later(time.Hour)
		b.expect(state.Accepted, upsert("1", 100, 0, `{"nome":"Ana"}`))
		b.later(-time.Hour)
		b.setBack()
		b.expect(state.Accepted, upsert("1", 200, 0, `{"nome":"Bia"}`))
		if len(b.due()) != 1 {
			b.Error("it is not due")
		}
	}},
	{"A refusal counts against a consent from ahead", func(b *bench) {
		id := contact.Identity("tel:+5584990000101")
		b.update(func(tx state.Tx) { state.SetConsent(tx, id, "loja", arrived(true, contact.Micros(b.now))) })
		b.later(24 * time.Hour)
		b.update(func(tx state.Tx) { state.SetConsent(tx, id, "loja", arrived(false, contact.Micros(b.now))) })
		b.later(-23 * time.Hour)
		b.setBack()
		b.later(time.Second)
		b.update(func(tx state.Tx) {
			if !state.SetConsent(tx, id, "loja", arrived(true, contact.Micros(b.now))) {
				b.Error("the refusal was taken for an old one")
			}
		})
	}},
	{"Runs from ahead are put right once", func(b *bench) {
		ahead := contact.Micros(b.now.Add(24 * time.Hour))
		b.update(func(tx state.Tx) {
			state.Runs.Put(tx, "crm-full-1", state.Run{ID: "crm-full-1", Started: ahead, Ended: ahead})
			state.Marks.Put(tx, state.StartedMark+"crm/full", state.Mark{At: ahead})
			state.Marks.Put(tx, "since/crm", state.Mark{At: ahead}) // by the clock of the source
		})
		if !b.ahead() {
			b.Error("it is not noticed")
		}
		b.setBack()
		b.view(func(tx state.Tx) {
			run, _ := state.Runs.Get(tx, "crm-full-1")
			last, _ := state.Marks.Get(tx, state.StartedMark+"crm/full")
			since, _ := state.Marks.Get(tx, "since/crm")
			if now := contact.Micros(b.now); run.Started != now || run.Ended != now || last.At != now || since.At != ahead {
				b.Errorf("the run %+v, the schedule %+v, the source %+v", run, last, since)
			}
		})
		if b.ahead() {
			b.Error("every start will say so again")
		}
	}},
	{"What is to be told of somebody who is held back stays held under a clock that was set back", func(b *bench) {
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(1), l, "c1") })
		b.hold(1, "run")
		b.later(24 * time.Hour)
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.Tell(tx, at(1), l, b.now) })
		b.later(-24 * time.Hour)
		b.setBack()
		if l := b.link(at(1), nil); l.Hold != "run" || !l.Will || len(b.deliverable(state.LaneConsent)) != 1 {
			b.Errorf("it is %+v", l)
		}
	}},
	{"A mirror from ahead is not fresh", func(b *bench) {
		b.later(24 * time.Hour)
		b.update(func(tx state.Tx) {
			state.WriteMirrorMark(tx, "weni", state.MirrorMark{Refreshed: contact.Micros(b.now), Safe: 5, Fields: "cidade=text"})
			state.ReflectWrite(tx, "weni", contact.Observed{ID: "c-1"}, b.now)
		})
		b.later(-24 * time.Hour)
		if !b.ahead() {
			b.Error("it is not noticed")
		}
		b.setBack()
		b.view(func(tx state.Tx) {
			m, _ := state.Mirror.Get(tx, state.At{Place: "weni", ID: "c-1"})
			if mark := state.ReadMirrorMark(tx, "weni"); mark.Refreshed != 0 || mark.Safe != 5 || mark.Fields == "" || m.Wrote > contact.Micros(b.now) {
				b.Errorf("the mark is %+v, and the contact was written at %d", mark, m.Wrote)
			}
		})
	}},
}

// retry makes a person, due since now, wait at a target.
func (b *bench) retry(p state.PersonID, after time.Duration) {
	b.Helper()
	b.update(func(tx state.Tx) {
		k := state.LinkKey{Target: "weni", Person: p}
		l := state.Link{First: contact.Micros(b.now), Fails: 1}
		state.Schedule(tx, k, &l, state.LaneLive, b.now.Add(after))
		state.Links.Put(tx, k, l)
	})
}

func (b *bench) dueLinks() (people []state.PersonID) {
	b.Helper()
	b.view(func(tx state.Tx) { people, _ = state.DueLinks(tx, "weni", state.LaneLive, b.now, 10, nil) })
	return people
}

func (b *bench) ahead() (yes bool) {
	b.Helper()
	b.view(func(tx state.Tx) { yes = state.FromAhead(tx, b.now) })
	return yes
}

func (b *bench) setBack() {
	b.Helper()
	if err := state.SetBack(context.Background(), b.store, b.now); err != nil {
		b.Fatal(err)
	}
}

// everything is all that is stored.
func (b *bench) everything() map[string]string {
	b.Helper()
	out := map[string]string{}
	b.view(func(tx state.Tx) {
		for _, table := range state.Tables() {
			for k, v := range tx.Scan(table, nil, nil) {
				out[table+"/"+string(k)] = string(v)
			}
		}
	})
	return out
}
