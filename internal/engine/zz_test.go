package engine_test

import (
	"fmt"

	"syncer/internal/state"
)

func (h *hours) dump(n int) {
	_ = h.Store.View(func(tx state.Tx) error {
		for k, l := range state.Links.All(tx, nil, nil) {
			fmt.Printf("%v due=%d hold=%q waiting=%+v done=%d fails=%d left=%v\n", k, l.Due, l.Hold, l.Waiting, l.Done, l.Fails, l.Left)
			who, _ := state.Persons.Get(tx, k.Person)
			fmt.Printf("   seq %d %v\n", who.Seq, who.Records)
			hist := state.History(tx, k.Person)
			for _, e := range hist[max(0, len(hist)-8):] {
				fmt.Printf("   %d %s %s %s\n", e.At/1000, e.What, e.Text, fmt.Sprint(e.Steps))
			}
			if n--; n == 0 {
				break
			}
		}
		return nil
	})
}
