package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// busy keeps the writer busy until release is called, and afterwards knows whether all changes went well.
func busy(t *testing.T, s *bolt.Store) (release func()) {
	t.Helper()
	started, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	done := make(chan error, 1)
	go func() {
		done <- s.Update(context.Background(), func(tx state.Tx) error {
			once.Do(func() { close(started) })
			<-end
			return nil
		})
	}()
	<-started
	return func() {
		t.Helper()
		close(end)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// queue starts changes and returns when all of them wait; results gives their errors in order.
func queue(t *testing.T, s *bolt.Store, changes ...func(state.Tx) error) (results func() []error) {
	t.Helper()
	errs := make([]error, len(changes))
	var wg sync.WaitGroup
	for i, fn := range changes {
		before := s.Waiting()
		wg.Go(func() { errs[i] = s.Update(context.Background(), fn) })
		for deadline := time.Now().Add(10 * time.Second); s.Waiting() == before; time.Sleep(10 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatal("the queue takes no more")
			}
		}
	}
	return func() []error { wg.Wait(); return errs }
}

func TestWhatWaitsSharesOneCommit(t *testing.T) {
	s := openNew(t, bolt.Options{})
	release := busy(t, s)
	var changes []func(state.Tx) error
	for i := range bolt.MaxGroup + 10 {
		changes = append(changes, func(tx state.Tx) error { tx.Put(table, fmt.Appendf(nil, "%d", i), nil); return nil })
	}
	results := queue(t, s, changes...)
	before := s.Stats()
	release()
	for i, err := range results() {
		if err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	after := s.Stats()
	if n := after.Commits - before.Commits; n != 2 {
		t.Errorf("%d commits for %d changes of which %d fit into one", n, len(changes), bolt.MaxGroup)
	}
	if after.Grouped <= 1 {
		t.Errorf("%.1f changes a commit", after.Grouped)
	}
}

func TestAGroupIsBoundedByItsBytes(t *testing.T) {
	s := openNew(t, bolt.Options{})
	release := busy(t, s)
	large := bytes.Repeat([]byte("x"), 1<<20)
	var changes []func(state.Tx) error
	for i := range 12 {
		changes = append(changes, func(tx state.Tx) error { tx.Put(table, fmt.Appendf(nil, "%02d", i), large); return nil })
	}
	results := queue(t, s, changes...)
	before := s.Stats().Commits
	release()
	for i, err := range results() {
		if err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if n := s.Stats().Commits - before; n != 3 {
		t.Errorf("12 MB in %d commits of at most about 4", n)
	}
	for i := range 12 {
		if got := get(t, s, fmt.Sprintf("%02d", i)); len(got) != 1<<20 {
			t.Errorf("change %d has %d bytes", i, len(got))
		}
	}
}

func TestChangesOfAGroupRunInTheOrderOfTheirArrival(t *testing.T) {
	s := openNew(t, bolt.Options{})
	release := busy(t, s)
	var changes []func(state.Tx) error
	for i := range 20 {
		changes = append(changes, func(tx state.Tx) error {
			line := append(slices.Clone(tx.Get(table, []byte("order"))), byte('a'+i))
			tx.Put(table, []byte("order"), line)
			if i%3 == 0 {
				return errors.New("boom")
			}
			return nil
		})
	}
	results := queue(t, s, changes...)
	release()
	for i, err := range results() {
		if (err != nil) != (i%3 == 0) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if got := get(t, s, "order"); got != "bcefhiklnoqrt" {
		t.Errorf("order %s", got)
	}
}

func TestAChangeThatChangesNothingCostsNoCommit(t *testing.T) {
	s := openNew(t, bolt.Options{})
	put(t, s, "a", "1")
	before := s.Stats().Commits
	boom := errors.New("boom")
	for range 10 {
		if err := s.Update(t.Context(), func(tx state.Tx) error {
			tx.Get(table, []byte("a"))
			tx.Delete(table, []byte("never there"))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), func(state.Tx) error { return boom }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Commits - before; n != 0 {
		t.Errorf("%d commits", n)
	}
}

func TestAFullQueueIsUnavailableWhenTheCallersTimeIsUp(t *testing.T) {
	s := openNew(t, bolt.Options{})
	release := busy(t, s)
	changes := slices.Repeat([]func(state.Tx) error{func(state.Tx) error { return nil }}, bolt.MaxQueue)
	results := queue(t, s, changes...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Update(ctx, func(state.Tx) error { return nil }); !unavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	release()
	for i, err := range results() {
		if err != nil {
			t.Errorf("change %d, which was taken: %v", i, err)
		}
	}
	put(t, s, "after", "1")
}

func TestWhoeverWaitsWhenTheStoreClosesIsServedOrTold(t *testing.T) {
	s := openNew(t, bolt.Options{})
	release := busy(t, s)
	changes := slices.Repeat([]func(state.Tx) error{func(tx state.Tx) error { tx.Put(table, []byte("a"), nil); return nil }}, bolt.MaxQueue)
	results := queue(t, s, changes...)
	late := make(chan error, 1)
	go func() { late <- s.Update(context.Background(), func(state.Tx) error { return nil }) }()
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-late: // it found no room in the queue
		if !unavailable(err) {
			t.Errorf("late: %v", err)
		}
		late <- nil
	case <-time.After(5 * time.Second):
		t.Error("somebody waits for a store that closes")
	}
	release()
	for i, err := range results() {
		if err != nil {
			t.Errorf("change %d, which was taken: %v", i, err)
		}
	}
	<-late
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A lone caller must not wait for others who may come: its change takes about as long as a bare transaction.
func TestALoneCallerWaitsForNobody(t *testing.T) {
	const rounds = 101
	value := bytes.Repeat([]byte("x"), 2<<10)
	median := func(change func(i int) error) time.Duration {
		var took []time.Duration
		for i := range rounds {
			began := time.Now()
			if err := change(i); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[rounds/2]
	}
	s := openNew(t, bolt.Options{})
	bare, err := bbolt.Open(filepath.Join(t.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if err := bare.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte(table)); return err }); err != nil {
		t.Fatal(err)
	}
	ours := median(func(i int) error {
		return s.Update(t.Context(), func(tx state.Tx) error { tx.Put(table, fmt.Appendf(nil, "%d", i), value); return nil })
	})
	theirs := median(func(i int) error {
		return bare.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(table)).Put(fmt.Appendf(nil, "%d", i), value)
		})
	})
	t.Logf("one change %s, a bare transaction %s", ours, theirs)
	if ours > 3*theirs+2*time.Millisecond {
		t.Errorf("a lone change takes %s, a bare transaction %s", ours, theirs)
	}
}
