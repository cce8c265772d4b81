package budget

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/state"
)

// Whatever is called when, through restarts and clocks that are set, the server never sees more than its
// limit in any hour, and an hour of silence always helps.
func TestNeverMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.OneOf(rapid.IntRange(1, 60), rapid.IntRange(200, 900)).Draw(t, "limit")
		limits := map[string]Limit{people: {PerHour: limit, Reserve: rapid.SampledFrom([]int{0, -1}).Draw(t, "reserve"), InFlight: rapid.IntRange(0, 3).Draw(t, "in flight")}}
		store, h := newMemory(), newHands()
		l := reopen(t, store, h, limits)
		var arrived []time.Duration
		try := func(lane state.Lane, n int) int {
			made, _ := spend(l, lane, n)
			for range made {
				late := time.Duration(rapid.Int64Range(0, int64(latency)).Draw(t, "late"))
				arrived = append(arrived, h.elapsed+late)
			}
			return made
		}
		span := rapid.OneOf(
			rapid.Int64Range(0, int64(20*time.Second)),
			rapid.Int64Range(0, int64(10*time.Minute)),
			rapid.Int64Range(int64(58*time.Minute), int64(62*time.Minute)))
		lanes := rapid.SampledFrom([]state.Lane{state.LaneConsent, state.LaneLive, state.LaneBulk})
		t.Repeat(map[string]func(*rapid.T){
			"spend": func(t *rapid.T) {
				try(lanes.Draw(t, "lane"), rapid.IntRange(1, limit).Draw(t, "calls"))
			},
			"dispatch": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "rounds") {
					for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
						if l.Ready(people, lane, h.wall).IsZero() {
							try(lane, rapid.IntRange(1, 1+limit/20).Draw(t, "calls"))
							break
						}
					}
					h.pass(time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "time")))
				}
			},
			"pass": func(t *rapid.T) { h.pass(time.Duration(span.Draw(t, "time"))) },
			"ask": func(t *rapid.T) {
				l.Ready(people, lanes.Draw(t, "lane"), h.wall)
				l.Status(people)
				l.Estimate(people, 10, h.wall)
			},
			"set the clock": func(t *rapid.T) {
				h.jump(time.Duration(rapid.Int64Range(-int64(3*time.Hour), int64(3*time.Hour)).Draw(t, "jump")))
				try(lanes.Draw(t, "lane"), 1) // the next call, made or refused, is when it is noticed
			},
			"restart": func(t *rapid.T) {
				h.pass(time.Duration(span.Draw(t, "down")))
				if rapid.Bool().Draw(t, "set back meanwhile") {
					h.jump(-time.Duration(span.Draw(t, "jump")))
				}
				l = reopen(t, store, h, limits)
			},
			"": func(t *rapid.T) {
				slices.Sort(arrived)
				for i := range max(0, len(arrived)-limit) {
					if d := arrived[i+limit] - arrived[i]; d < time.Hour {
						t.Fatalf("the server saw %d calls within %v", limit+1, d)
					}
				}
				if n := len(l.scope(people).hour.rows); n > int(time.Hour/hourSlot)+4 {
					t.Fatalf("%d slots are kept", n)
				}
			},
		})
		h.pass(time.Hour + hourSlot + latency)
		if try(state.LaneLive, 1) == 0 && limit > 1 {
			t.Fatalf("nothing may be called after an hour of silence: %+v", l.Status(people))
		}
	})
}

func reopen(t *rapid.T, store state.Store, h *hands, limits map[string]Limit) *Ledger {
	l, err := open(store, "key", limits, nil, h.read)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
