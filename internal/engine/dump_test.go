package engine_test

import (
	"fmt"

	"syncer/internal/state"
)

// dump prints what is known of the first n people, when a test fails for reasons that it cannot tell.
func (h *hours) dump(n int) {
	_ = h.Store.View(func(tx state.Tx) error {
		for k, l := range state.Links.All(tx, nil, nil) {
			h.t.Logf("%v due=%d hold=%q waiting=%+v done=%d fails=%d left=%v", k, l.Due, l.Hold, l.Waiting, l.Done, l.Fails, l.Left)
			who, _ := state.Persons.Get(tx, k.Person)
			h.t.Logf("   seq %d %v", who.Seq, who.Records)
			hist := state.History(tx, k.Person)
			for _, e := range hist[max(0, len(hist)-8):] {
				h.t.Logf("   %d %s %s %s", e.At/1000, e.What, e.Text, fmt.Sprint(e.Steps))
			}
			if n--; n == 0 {
				break
			}
		}
		return nil
	})
}
