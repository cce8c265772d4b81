package statetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var modelRules = []rule{
	{"rows behave as a sorted map does, also across restarts", func(b *bench) {
		rapid.Check(b, func(t *rapid.T) {
			model, last := map[string]string{}, uint64(0)
			b.update(func(tx state.Tx) { tx.Clear(table); last = tx.Next(table) })
			key := rapid.StringMatching(`[ab\x00]{1,2}`)
			t.Repeat(map[string]func(*rapid.T){
				"change": func(t *rapid.T) {
					draft, numbers := maps.Clone(model), last
					type step struct {
						what       string
						key, value string
					}
					steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
						return step{rapid.SampledFrom([]string{"put", "put", "put", "delete", "next", "clear"}).Draw(t, "what"), key.Draw(t, "key"), rapid.StringMatching(`x{0,3}`).Draw(t, "value")}
					}), 1, 6).Draw(t, "steps")
					fails := rapid.IntRange(0, 3).Draw(t, "fails") == 0
					boom := errors.New("boom")
					err := b.store.Update(context.Background(), func(tx state.Tx) error {
						draft, numbers = maps.Clone(model), last
						for _, s := range steps {
							switch s.what {
							case "put":
								tx.Put(table, []byte(s.key), []byte(s.value))
								draft[s.key] = s.value
							case "delete":
								tx.Delete(table, []byte(s.key))
								delete(draft, s.key)
							case "clear":
								tx.Clear(table)
								clear(draft)
							case "next":
								if n := tx.Next(table); n <= numbers {
									return fmt.Errorf("gave %d after %d", n, numbers)
								} else {
									numbers = n
								}
							}
							for _, k := range []string{s.key, "a"} {
								want, there := draft[k]
								if v := tx.Get(table, []byte(k)); string(v) != want || (v != nil) != there {
									return fmt.Errorf("%q is %q, want %q", k, v, want)
								}
							}
						}
						if fails {
							return boom
						}
						return nil
					})
					switch {
					case fails && errors.Is(err, boom):
					case err != nil:
						t.Fatal(err)
					default:
						model, last = draft, numbers
					}
				},
				"restart": func(t *rapid.T) {
					if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
						b.reopen()
					}
				},
				"compact": func(t *rapid.T) {
					if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
						if err := b.store.Compact(context.Background()); err != nil {
							t.Fatal(err)
						}
					}
				},
				"": func(t *rapid.T) {
					prefix := rapid.StringMatching(`[ab\x00]{0,1}`).Draw(t, "prefix")
					from := rapid.StringMatching(`[ab\x00]{0,2}`).Draw(t, "from")
					var want, got []string
					for _, k := range slices.Sorted(maps.Keys(model)) {
						if len(k) >= len(prefix) && k[:len(prefix)] == prefix && k >= from {
							want = append(want, k+"="+model[k])
						}
					}
					b.view(func(tx state.Tx) {
						for k, v := range tx.Scan(table, []byte(prefix), []byte(from)) {
							got = append(got, string(k)+"="+string(v))
						}
					})
					if !slices.Equal(got, want) {
						t.Fatalf("prefix %q from %q: %q, want %q", prefix, from, got, want)
					}
				},
			})
		})
	}},
	{"no accepted state is lost and none overtakes a newer one, whatever happens in between", func(b *bench) {
		rapid.Check(b, func(t *rapid.T) { newModel(b, t).run() })
	}},
}

// model is a small engine: records are accepted, mapped and delivered, each standing for a person of its own at
// one target. It knows what must have become of every one of them.
type model struct {
	*bench
	t       *rapid.T
	records map[string]*modelled
	ids     map[string]bool // ids of events that were accepted
}

type modelled struct {
	key     contact.Key
	person  state.PersonID
	version int64 // of the newest state
	payload string
	deleted bool

	// waits says since when the record has been due, and how.
	waits bool
	first int64
	lane  state.Lane
	hold  string

	// due says the same of the delivery.
	due      bool
	dueFirst int64
	dueAt    int64
	dueLane  state.Lane
	dueHold  string
	seq      uint64 // the person's

	delivered string // what the target was last given
}

func newModel(b *bench, t *rapid.T) *model {
	b.update(func(tx state.Tx) {
		for _, table := range state.Tables() {
			if table != state.Meta {
				tx.Clear(table)
			}
		}
	})
	return &model{bench: b, t: t, records: map[string]*modelled{}, ids: map[string]bool{}}
}

func (m *model) run() {
	m.t.Repeat(map[string]func(*rapid.T){
		"accept":  m.acceptSomething,
		"map":     m.mapSomething,
		"deliver": m.deliverSomething,
		"release": m.releaseSomething,
		"restart": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
				m.reopen()
			}
		},
		"wait": func(t *rapid.T) { m.later(time.Duration(rapid.IntRange(1, 100).Draw(t, "seconds")) * time.Second) },
		"":     m.compare,
	})
	m.finish()
}

// acceptSomething sends a state of a record: new, old, or seen before.
func (m *model) acceptSomething(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "record")
	at := rapid.Int64Range(1, 30).Draw(t, "version")
	lane := rapid.SampledFrom([]state.Lane{state.LaneLive, state.LaneBulk}).Draw(t, "lane")
	hold := ""
	if lane == state.LaneBulk && rapid.Bool().Draw(t, "held") {
		hold = fmt.Sprint("run ", rapid.IntRange(1, 2).Draw(t, "run"))
	}
	gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
	e := upsert(name, at, at, fmt.Sprintf(`{"v":%d}`, at))
	if gone {
		e = deletion(name, at-1, at)
	}
	e.ID = fmt.Sprint(e.Kind, at)

	r := m.records[name]
	want := state.Accepted
	switch {
	case m.ids[name+e.ID]:
		want = state.Duplicate
	case r != nil && at < r.version:
		want = state.Stale
	}
	m.ids[name+e.ID] = true
	receipts, err := state.Accept(context.Background(), m.store, m.now, state.Travel{Lane: lane, Hold: hold}, e)
	if err != nil || receipts[0] != want {
		t.Fatalf("%s: %v, %v; want %s", e.ID, receipts, err, want)
	}
	if want != state.Accepted {
		return
	}
	if r == nil {
		r = &modelled{key: crm(name), person: state.PersonID(len(m.records) + 1)}
		m.records[name] = r
	}
	r.version, r.deleted = at, gone
	if !gone {
		r.payload = string(e.Payload)
	}
	if !r.waits {
		r.waits, r.first, r.lane, r.hold = true, contact.Micros(m.now), lane, hold
		return
	}
	r.lane = min(r.lane, lane)
	if r.hold != "" {
		r.hold = hold
	}
}

// mapSomething maps the first record that is due, and makes its person due or holds the delivery back.
func (m *model) mapSomething(t *rapid.T) {
	due := m.bench.due()
	if len(due) == 0 {
		return
	}
	r := m.records[due[0].ID]
	m.update(func(tx state.Tx) {
		person, _ := state.Persons.Get(tx, r.person)
		person.Seq++
		state.Persons.Put(tx, r.person, person)
		l, _ := state.Links.Get(tx, at(r.person))
		if l.First == 0 {
			l.First = r.first
		}
		switch {
		case r.hold != "" && l.Due == 0:
			state.KeepBack(tx, at(r.person), &l, r.hold, state.Held{Seq: person.Seq})
		case r.hold == "":
			lane := r.lane
			if l.Due != 0 {
				lane = min(lane, l.Lane)
			}
			state.Schedule(tx, at(r.person), &l, lane, contact.FromMicros(l.First))
		}
		state.Links.Put(tx, at(r.person), l)
		markMapped(tx, r.key)
	})
	r.seq++
	if r.dueFirst == 0 {
		r.dueFirst = r.first
	}
	switch {
	case r.hold != "" && !r.due:
		r.dueHold = r.hold
	case r.hold == "":
		lane := r.lane
		if r.due {
			lane = min(lane, r.dueLane)
		}
		r.due, r.dueHold, r.dueLane, r.dueAt = true, "", lane, r.dueFirst
	}
	r.waits, r.first, r.hold = false, 0, ""
}

// deliverSomething delivers to somebody who is due. Sometimes it fails, and sometimes the record changes and is
// mapped while it goes on.
func (m *model) deliverSomething(t *rapid.T) {
	var due []*modelled
	for _, r := range m.records {
		if r.due && r.dueAt <= contact.Micros(m.now) {
			due = append(due, r)
		}
	}
	if len(due) == 0 {
		return
	}
	slices.SortFunc(due, func(a, b *modelled) int { return cmp.Compare(a.person, b.person) })
	r := rapid.SampledFrom(due).Draw(t, "delivered")
	seq, text := r.seq, m.stored(r)
	if rapid.Bool().Draw(t, "interrupted") {
		m.acceptSomething(t)
		m.mapSomething(t)
	}
	if rapid.IntRange(0, 3).Draw(t, "fails") == 0 {
		again := m.now.Add(time.Minute)
		m.link(at(r.person), func(tx state.Tx, l *state.Link) { state.Schedule(tx, at(r.person), l, l.Lane, again) })
		r.dueAt = contact.Micros(again)
		return
	}
	var done bool
	m.link(at(r.person), func(tx state.Tx, l *state.Link) { done = state.Finish(tx, at(r.person), l, seq, m.now) })
	r.delivered = text
	if done != (r.seq == seq) {
		t.Fatalf("done %v, and the person is at %d after %d", done, r.seq, seq)
	}
	if done {
		r.due, r.dueFirst = false, 0
	} else {
		r.dueAt = min(r.dueAt, contact.Micros(m.now))
	}
}

// releaseSomething lets go what a run holds.
func (m *model) releaseSomething(t *rapid.T) {
	run := fmt.Sprint("run ", rapid.IntRange(1, 2).Draw(t, "run"))
	for _, p := range m.held(run) {
		m.schedule(p, state.LaneBulk, m.now)
		for _, r := range m.records {
			if r.person == p {
				r.due, r.dueHold, r.dueLane, r.dueAt = true, "", state.LaneBulk, contact.Micros(m.now)
			}
		}
	}
}

// stored is what a delivery would give the target now.
func (m *model) stored(r *modelled) string {
	if m.record(r.key).Deleted {
		return "deleted"
	}
	return m.payload(r.key)
}

func (r *modelled) newest() string {
	if r.deleted {
		return "deleted"
	}
	return r.payload
}

// compare holds the store to the model.
func (m *model) compare(t *rapid.T) {
	var waiting, due []*modelled
	held := map[string][]state.PersonID{}
	for name, r := range m.records {
		rec := m.record(r.key)
		if rec.Version.Event != r.version || m.stored(r) != r.newest() {
			t.Fatalf("record %s is %+v %s, want version %d %s", name, rec, m.stored(r), r.version, r.newest())
		}
		if (rec.Due != 0) != r.waits || r.waits && (rec.Due != r.first || rec.Lane != r.lane || rec.Hold != r.hold) {
			t.Fatalf("record %s waits as %+v, want %+v", name, rec, r)
		}
		l := m.link(at(r.person), nil)
		if (l.Due != 0) != r.due || r.due && (l.Due != r.dueAt || l.Lane != r.dueLane) || l.Hold != r.dueHold {
			t.Fatalf("the delivery of %s is %+v, want %+v", name, l, r)
		}
		switch {
		case r.waits:
			waiting = append(waiting, r)
		case !r.due && r.dueHold == "" && r.delivered != r.newest():
			t.Fatalf("%s is not due, and the target has %s instead of %s", name, r.delivered, r.newest())
		}
		if r.due {
			due = append(due, r)
		}
		if r.dueHold != "" {
			held[r.dueHold] = append(held[r.dueHold], r.person)
		}
	}
	slices.SortFunc(waiting, func(a, b *modelled) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.first, b.first), a.key.Compare(b.key))
	})
	var want []contact.Key
	for _, r := range waiting {
		want = append(want, r.key)
	}
	if got := m.bench.due(); !slices.Equal(got, want) {
		t.Fatalf("records due %v, want %v", got, want)
	}
	slices.SortFunc(due, func(a, b *modelled) int {
		return cmp.Or(cmp.Compare(a.dueAt, b.dueAt), cmp.Compare(a.person, b.person))
	})
	for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
		var want []state.PersonID
		for _, r := range due {
			if r.dueLane == lane && r.dueAt <= contact.Micros(m.now) {
				want = append(want, r.person)
			}
		}
		if got := m.deliverable(lane); !slices.Equal(got, want) {
			t.Fatalf("%s deliveries due %v, want %v", lane, got, want)
		}
	}
	for _, run := range []string{"run 1", "run 2"} {
		slices.Sort(held[run])
		if got := m.held(run); !slices.Equal(got, held[run]) {
			t.Fatalf("%s holds %v, want %v", run, got, held[run])
		}
	}
}

// finish lets everything come to its end: then the target has the newest state of everybody.
func (m *model) finish() {
	for len(m.bench.due()) > 0 {
		m.mapSomething(m.t)
	}
	m.later(time.Hour)
	for _, run := range []string{"run 1", "run 2"} {
		for _, p := range m.held(run) {
			m.schedule(p, state.LaneBulk, m.now)
		}
	}
	for name, r := range m.records {
		m.link(at(r.person), func(tx state.Tx, l *state.Link) {
			if l.Due != 0 {
				state.Finish(tx, at(r.person), l, r.seq, m.now)
				r.delivered = ""
			}
		})
		if r.delivered == "" {
			r.delivered = m.stored(r)
		}
		if r.delivered != r.newest() {
			m.t.Fatalf("the target has %s of %s instead of %s", r.delivered, name, r.newest())
		}
	}
}
