package engine

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// unreadable is a store that cannot be read for a while.
type unreadable struct {
	state.Store
	broken bool
}

func (u *unreadable) View(do func(state.Tx) error) error {
	if u.broken {
		return errors.New("the disk does not answer")
	}
	return u.Store.View(do)
}

// TestPeopleThatCannotBeCounted: a reading that failed was taken for a target where nobody has a contact, and for a minute
// the guard held more than ten changes of however many people.
func TestPeopleThatCannotBeCounted(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Now()
	u := &unreadable{Store: store}
	c := &Conductor{e: &Engine{store: u}, name: "weni", log: slog.New(slog.DiscardHandler), guard: newGuard(Guard{}, func() time.Time { return now })}
	link := func(from, to int) {
		t.Helper()
		if err := store.Update(t.Context(), func(tx state.Tx) error {
			for i := from; i <= to; i++ {
				state.Links.Put(tx, state.LinkKey{Target: "weni", Person: state.PersonID(i)}, state.Link{Contact: strconv.Itoa(i)})
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	link(1, 100)
	if n := c.people(); n != 100 {
		t.Fatalf("%d people", n)
	}
	link(101, 150)
	now, u.broken = now.Add(2*time.Minute), true
	if n := c.people(); n != 100 {
		t.Errorf("%d people while nobody can be counted", n)
	}
	if u.broken = false; c.people() != 150 {
		t.Errorf("%d people after that", c.people())
	}
}
