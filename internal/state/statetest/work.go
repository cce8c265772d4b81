package statetest

import (
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// at is a person at the target weni.
func at(p state.PersonID) state.LinkKey { return state.LinkKey{Target: "weni", Person: p} }

// link edits a stored link.
func (b *bench) link(k state.LinkKey, edit func(state.Tx, *state.Link)) (l state.Link) {
	b.Helper()
	b.update(func(tx state.Tx) {
		l, _ = state.Links.Get(tx, k)
		if edit != nil {
			edit(tx, &l)
			state.Links.Put(tx, k, l)
		}
	})
	return l
}

func (b *bench) schedule(p state.PersonID, lane state.Lane, when time.Time) {
	b.Helper()
	b.link(at(p), func(tx state.Tx, l *state.Link) { state.Schedule(tx, at(p), l, lane, when) })
}

// deliverable lists who is due at weni in a lane.
func (b *bench) deliverable(lane state.Lane) (people []state.PersonID) {
	b.Helper()
	b.view(func(tx state.Tx) { people, _ = state.DueLinks(tx, "weni", lane, b.now, 100, nil) })
	return people
}

func (b *bench) held(run string) (people []state.PersonID) {
	b.Helper()
	b.view(func(tx state.Tx) {
		for k := range state.Holds.All(tx, state.Prefix(run), nil) {
			people = append(people, k.Person)
		}
	})
	return people
}

var workRules = []rule{
	{"who is due comes lane by lane and oldest first", func(b *bench) {
		b.schedule(3, state.LaneLive, b.now.Add(-time.Minute))
		b.schedule(1, state.LaneLive, b.now)
		b.schedule(2, state.LaneLive, b.now.Add(-time.Hour))
		b.schedule(4, state.LaneLive, b.now.Add(time.Minute))
		b.schedule(5, state.LaneBulk, b.now)
		other := state.LinkKey{Target: "weni2", Person: 9}
		b.link(other, func(tx state.Tx, l *state.Link) { state.Schedule(tx, other, l, state.LaneLive, b.now) })
		b.reopen()
		if got := b.deliverable(state.LaneLive); !slices.Equal(got, []state.PersonID{2, 3, 1}) {
			b.Errorf("live: %v", got)
		}
		if got := b.deliverable(state.LaneBulk); !slices.Equal(got, []state.PersonID{5}) {
			b.Errorf("bulk: %v", got)
		}
		if got := b.deliverable(state.LaneConsent); len(got) != 0 {
			b.Errorf("consent: %v", got)
		}
		b.view(func(tx state.Tx) {
			if got, _ := state.DueLinks(tx, "weni", state.LaneLive, b.now, 2, func(p state.PersonID) bool { return p == 2 }); !slices.Equal(got, []state.PersonID{3, 1}) {
				b.Errorf("without who is busy: %v", got)
			}
			if got, next := state.DueLinks(tx, "weni", state.LaneLive, b.now.Add(-2*time.Hour), 9, nil); len(got) != 0 || !next.Equal(b.now.Add(-time.Hour)) {
				b.Errorf("too early: %v, next %s", got, next)
			}
			counts, oldest := state.Backlog(tx, "weni", 3)
			if counts != [3]int{0, 3, 1} || !oldest.Equal(b.now.Add(-time.Hour)) {
				b.Errorf("backlog %v since %s", counts, oldest)
			}
		})
	}},
	{"a delivery is due once, wherever it was before", func(b *bench) {
		b.schedule(1, state.LaneBulk, b.now.Add(-time.Minute))
		b.schedule(1, state.LaneLive, b.now)
		if bulk, live := b.deliverable(state.LaneBulk), b.deliverable(state.LaneLive); len(bulk) != 0 || len(live) != 1 {
			b.Errorf("bulk %v, live %v", bulk, live)
		}
		b.schedule(1, state.LaneLive, b.now.Add(time.Hour)) // tried again later
		if live := b.deliverable(state.LaneLive); len(live) != 0 {
			b.Errorf("live %v", live)
		}
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.Unschedule(tx, at(1), l) })
		b.later(2 * time.Hour)
		if live := b.deliverable(state.LaneLive); len(live) != 0 {
			b.Errorf("live %v", live)
		}
	}},
	{"a delivery that ends is no longer due", func(b *bench) {
		b.update(func(tx state.Tx) { state.Persons.Put(tx, 1, state.Person{Seq: 7}) })
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			l.First = contact.Micros(b.now)
			state.Schedule(tx, at(1), l, state.LaneLive, b.now)
			if !state.Finish(tx, at(1), l, 7, b.now) {
				b.Error("not done")
			}
		})
		b.reopen()
		if l := b.link(at(1), nil); l.Due != 0 || l.First != 0 || l.Done != 7 || len(b.deliverable(state.LaneLive)) != 0 {
			b.Errorf("got %+v", l)
		}
	}},
	{"unless something newer came meanwhile", func(b *bench) {
		for _, tt := range []struct {
			name string
			lane state.Lane
			when time.Time // when it is due again; zero: it is not
			want state.Lane
			due  time.Time
		}{
			{"made due by what came", state.LaneLive, b.now.Add(-time.Minute), state.LaneLive, b.now.Add(-time.Minute)},
			{"bulk work stays bulk work", state.LaneBulk, b.now.Add(-time.Minute), state.LaneBulk, b.now.Add(-time.Minute)},
			{"put off by a failure before", state.LaneBulk, b.now.Add(time.Hour), state.LaneBulk, b.now},
			{"not due at all", state.LaneBulk, time.Time{}, state.LaneLive, b.now},
		} {
			b.update(func(tx state.Tx) { state.Persons.Put(tx, 1, state.Person{Seq: 8}) })
			b.link(at(1), func(tx state.Tx, l *state.Link) {
				*l = state.Link{}
				if !tt.when.IsZero() {
					state.Schedule(tx, at(1), l, tt.lane, tt.when)
				}
				if state.Finish(tx, at(1), l, 7, b.now) {
					b.Errorf("%s: done", tt.name)
				}
				if l.Done != 7 || l.Lane != tt.want || l.Due != contact.Micros(tt.due) {
					b.Errorf("%s: %+v", tt.name, l)
				}
			})
			if got := b.deliverable(tt.want); !slices.Equal(got, []state.PersonID{1}) {
				b.Errorf("%s: due %v", tt.name, got)
			}
			b.link(at(1), func(tx state.Tx, l *state.Link) { state.Unschedule(tx, at(1), l) })
		}
	}},
	{"a late end does not undo a later one", func(b *bench) {
		b.update(func(tx state.Tx) { state.Persons.Put(tx, 1, state.Person{Seq: 9}) })
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			state.Finish(tx, at(1), l, 9, b.now)
			state.Finish(tx, at(1), l, 7, b.now)
			if l.Done != 9 {
				b.Errorf("done up to %d", l.Done)
			}
		})
	}},
	{"who does not exist any more is done", func(b *bench) {
		b.link(at(5), func(tx state.Tx, l *state.Link) {
			state.Schedule(tx, at(5), l, state.LaneLive, b.now)
			if !state.Finish(tx, at(5), l, 1, b.now) {
				b.Error("not done")
			}
		})
	}},
	{"what is kept back is not due and is listed under its run", func(b *bench) {
		held := state.Held{Seq: 3, Why: "more than 20 %"}
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			l.First = 42
			state.Schedule(tx, at(1), l, state.LaneLive, b.now)
			state.KeepBack(tx, at(1), l, "run 1", held)
		})
		b.reopen()
		if l := b.link(at(1), nil); l.Due != 0 || l.Hold != "run 1" || l.First != 42 || len(b.deliverable(state.LaneLive)) != 0 {
			b.Errorf("got %+v", l)
		}
		b.view(func(tx state.Tx) {
			if h, ok := state.Holds.Get(tx, state.HoldKey{Run: "run 1", LinkKey: at(1)}); !ok || h.Seq != 3 || h.Why != held.Why {
				b.Errorf("listed as %+v", h)
			}
		})
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.KeepBack(tx, at(1), l, "run 2", held) })
		if one, two := b.held("run 1"), b.held("run 2"); len(one) != 0 || !slices.Equal(two, []state.PersonID{1}) {
			b.Errorf("run 1 holds %v, run 2 holds %v", one, two)
		}
		b.schedule(1, state.LaneLive, b.now)
		if l := b.link(at(1), nil); l.Hold != "" || len(b.held("run 2")) != 0 || len(b.deliverable(state.LaneLive)) != 1 {
			b.Errorf("live work did not lift the hold: %+v", l)
		}
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			state.KeepBack(tx, at(1), l, "run 3", held)
			state.Unschedule(tx, at(1), l)
		})
		if l := b.link(at(1), nil); l.Hold != "" || l.First != 0 || len(b.held("run 3")) != 0 {
			b.Errorf("nothing is wanted any more: %+v", l)
		}
	}},
	{"what a person said is told while the rest is kept back", func(b *bench) {
		tell := func() { b.link(at(1), func(tx state.Tx, l *state.Link) { state.Tell(tx, at(1), l, b.now) }) }
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(1), l, "c1") })
		b.hold(1, "run 1")
		tell()
		tell()
		b.hold(1, "run 2") // a newer run takes over
		b.reopen()
		if l := b.link(at(1), nil); !l.Will || l.Hold != "run 2" || len(b.deliverable(state.LaneConsent)) != 1 || len(b.held("run 2")) != 1 || len(b.held("run 1")) != 0 {
			b.Errorf("to be told: %+v", l)
		}
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.Told(tx, at(1), l) })
		if l := b.link(at(1), nil); l.Will || l.Due != 0 || l.Hold != "run 2" || len(b.deliverable(state.LaneConsent)) != 0 || len(b.held("run 2")) != 1 {
			b.Errorf("told: %+v", l)
		}
		tell()
		b.schedule(1, state.LaneBulk, b.now.Add(time.Hour)) // the run is let go
		if l := b.link(at(1), nil); l.Will || l.Hold != "" || len(b.deliverable(state.LaneConsent)) != 1 || len(b.held("run 2")) != 0 {
			b.Errorf("let go: %+v", l)
		}
		b.link(at(1), func(tx state.Tx, l *state.Link) { state.Told(tx, at(1), l) }) // by a delivery that had begun before
		if len(b.deliverable(state.LaneConsent)) != 1 {
			b.Error("what was let go is forgotten")
		}
	}},
	{"a contact is one person's", func(b *bench) {
		owner := func(id string) (p state.PersonID) {
			b.view(func(tx state.Tx) { p = state.PersonAt(tx, "weni", id) })
			return p
		}
		set := func(p state.PersonID, id string) {
			b.link(at(p), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(p), l, id) })
		}
		set(1, "c1")
		b.reopen()
		if owner("c1") != 1 || owner("c2") != 0 {
			b.Errorf("c1 is %d's, c2 is %d's", owner("c1"), owner("c2"))
		}
		set(1, "c2")
		if owner("c1") != 0 || owner("c2") != 1 {
			b.Errorf("c1 is %d's, c2 is %d's", owner("c1"), owner("c2"))
		}
		set(2, "c2") // taken over, as the caller has decided
		set(1, "")
		if owner("c2") != 2 || b.link(at(1), nil).Contact != "" {
			b.Errorf("letting go of a contact took it from its new person: %d", owner("c2"))
		}
		b.view(func(tx state.Tx) {
			if p := state.PersonAt(tx, "omni", "c2"); p != 0 {
				b.Errorf("another target's contact is %d's", p)
			}
		})
	}},
}
