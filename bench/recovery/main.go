// Command recovery measures how soon a store that was left with everybody waiting for a delivery works again: the
// file is opened, everything that is due is counted, the first delivery is read with all that it needs, and a write
// is made durable. Warm, the file is in the page cache; cold, it was dropped from it, as after a restart of the machine.
//
//	go run ./bench/recovery                       # 100,000 and 1,000,000 people, about 6 minutes
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"syncer/bench/gauge"
	"syncer/bench/steady"
	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

func main() {
	people := flag.String("people", "100000,1000000", "how many people, separated by commas")
	rounds := flag.Int("rounds", 5, "how often each start is measured")
	dir := flag.String("dir", os.TempDir(), "where the state files go; a million people take 7 GB")
	flag.Parse()
	gauge.End("recovery", run(context.Background(), os.Stdout, *dir, *people, *rounds))
}

// moments of a start, each since its beginning.
type moments struct{ open, counted, first, written time.Duration }

func run(ctx context.Context, w io.Writer, dir, people string, rounds int) error {
	sizes, err := gauge.Parse("-people", people)
	if err != nil {
		return err
	}
	t := gauge.Table{Title: "start with everybody due", Heads: []string{"people", "", "file", "open", "all due counted", "first delivery read", "first write durable", ""}}
	for _, n := range sizes {
		if err := measure(ctx, &t, dir, n, rounds); err != nil {
			return err
		}
	}
	return t.Print(w)
}

func measure(ctx context.Context, t *gauge.Table, dir string, n, rounds int) error {
	dir, err := os.MkdirTemp(dir, "recovery-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "syncer.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(steady.Fill(ctx, store, steady.Options{People: n, Now: time.Now().Add(-time.Hour), Due: true}), store.Close()); err != nil {
		return err
	}
	for _, kind := range []string{"warm", "cold"} {
		var all [4][]time.Duration
		size := int64(0)
		for range rounds {
			if kind == "cold" {
				if err := gauge.DropCache(path); err != nil {
					return err
				}
			}
			var m moments
			if m, size, err = start(ctx, path, n); err != nil {
				return err
			}
			for i, d := range []time.Duration{m.open, m.counted, m.first, m.written} {
				all[i] = append(all[i], d)
			}
		}
		row := []any{gauge.Count(n), kind, gauge.MB(size)}
		for _, durations := range all {
			row = append(row, gauge.Ms(gauge.Median(durations)))
		}
		verdict := ""
		if n == 100_000 {
			verdict = t.Verdict(gauge.Median(all[3]) <= 2*time.Second, "2 s")
		}
		t.Row(append(row, verdict)...)
	}
	return nil
}

// start opens the store and does what comes first.
func start(ctx context.Context, path string, n int) (m moments, size int64, err error) {
	began := time.Now()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return m, 0, err
	}
	m.open = time.Since(began)
	err = store.View(func(tx state.Tx) error {
		if counts, _ := state.Backlog(tx, "weni", n+1); counts != [3]int{0, 0, n} {
			return fmt.Errorf("%v people are due, not %d", counts, n)
		}
		m.counted = time.Since(began)
		people, _ := state.DueLinks(tx, "weni", state.LaneBulk, time.Now(), 1, nil)
		person, _ := state.Persons.Get(tx, people[0])
		link, ok := state.Links.Get(tx, state.LinkKey{Target: "weni", Person: people[0]})
		seen, known := state.Mirror.Get(tx, state.At{Place: "weni", ID: link.Contact})
		if len(person.Records) != 1 || state.Payload(tx, person.Records[0]) == nil || !ok || !known || seen.Name == "" {
			return errors.New("the first delivery lacks something")
		}
		m.first = time.Since(began)
		return nil
	})
	if err == nil {
		err = store.Update(ctx, func(tx state.Tx) error {
			state.Marks.Put(tx, "ready", state.Mark{At: contact.Micros(time.Now())})
			return nil
		})
		m.written = time.Since(began)
	}
	size = store.Stats().Bytes
	return m, size, errors.Join(err, store.Close())
}
