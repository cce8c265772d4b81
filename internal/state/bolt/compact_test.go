package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// swing keeps writing the same number into two tables until stop is called, which returns the last number.
func swing(t *testing.T, s *bolt.Store) (stop func() int) {
	t.Helper()
	end, last := make(chan struct{}), make(chan int, 1)
	go func() {
		for n := 1; ; n++ {
			select {
			case <-end:
				last <- n - 1
				return
			default:
			}
			if err := s.Update(context.Background(), func(tx state.Tx) error {
				tx.Put(table, []byte("n"), fmt.Append(nil, n))
				tx.Put(state.Runs.Name, []byte("n"), fmt.Append(nil, n))
				tx.Put(table, fmt.Appendf(nil, "row %06d", n%2000), bytes.Repeat([]byte("x"), 512))
				return nil
			}); err != nil {
				t.Errorf("change %d: %v", n, err)
			}
		}
	}()
	return func() int { close(end); return <-last }
}

// swung is the number in both tables.
func swung(t *testing.T, s *bolt.Store) (n int) {
	t.Helper()
	var a, b int
	if err := s.View(func(tx state.Tx) error {
		_, _ = fmt.Sscan(string(tx.Get(table, []byte("n"))), &a)
		_, _ = fmt.Sscan(string(tx.Get(state.Runs.Name, []byte("n"))), &b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("half a change: %d and %d", a, b)
	}
	return a
}

func large(t *testing.T, s *bolt.Store, rows int) {
	t.Helper()
	value := bytes.Repeat([]byte("x"), 10<<10)
	if err := s.Update(t.Context(), func(tx state.Tx) error {
		for i := range rows {
			tx.Put(table, fmt.Appendf(nil, "large %06d", i), value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABackupIsOneMomentOfAStoreThatIsWritten(t *testing.T) {
	s := openNew(t, bolt.Options{})
	large(t, s, 1000)
	stop := swing(t, s)
	for i := range 3 {
		path := filepath.Join(t.TempDir(), "backup.db")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		before := swung(t, s)
		if err := s.Backup(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		after := swung(t, s)
		copied := openFile(t, path, bolt.Options{})
		if n := swung(t, copied); n < before || n > after {
			t.Errorf("backup %d has change %d and was made between %d and %d", i, n, before, after)
		}
		if got := get(t, copied, "large 000999"); len(got) != 10<<10 {
			t.Errorf("backup %d lacks rows", i)
		}
		if err := copied.Check(); err != nil {
			t.Errorf("backup %d: %v", i, err)
		}
		if copied.Stats().Fresh {
			t.Error("a backup is no fresh store")
		}
		if after == before {
			t.Error("nobody could write during the backup")
		}
	}
	stop()
}

func TestABackupMayBeBrokenOff(t *testing.T) {
	s := openNew(t, bolt.Options{})
	large(t, s, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	w := writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if err := s.Backup(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	full := errors.New("no space left")
	if err := s.Backup(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full })); err == nil {
		t.Error("a backup that could not be written went well")
	}
	put(t, s, "a", "1")
}

func TestClosingBreaksBackupsAndCompactionsOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{})
	large(t, s, 3000)
	started := make(chan struct{})
	var once sync.Once
	backup, compact := make(chan error, 1), make(chan error, 1)
	go func() {
		backup <- s.Backup(context.Background(), writerFunc(func(p []byte) (int, error) {
			once.Do(func() { close(started) })
			time.Sleep(time.Millisecond)
			return len(p), nil
		}))
	}()
	<-started
	go func() { compact <- s.Compact(context.Background()) }()
	time.Sleep(2 * time.Millisecond)
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %s", took)
	}
	if err := <-backup; err == nil {
		t.Error("the backup of a closed store went well")
	}
	if err := <-compact; err != nil && !unavailable(err) {
		t.Errorf("compact: %v", err)
	}
	if got := get(t, openFile(t, path, bolt.Options{}), "large 002999"); len(got) != 10<<10 {
		t.Error("rows are lost")
	}
	alone(t, path)
}

// alone checks that nothing lies beside the store.
func alone(t *testing.T, path string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) != 1 || files[0] != path {
		t.Errorf("beside the store: %v, %v", files, err)
	}
}

func TestCompactingGivesFreeSpaceBackWhileOthersWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{})
	large(t, s, 3000)
	if err := s.Update(t.Context(), func(tx state.Tx) error {
		for i := 10; i < 3000; i++ {
			tx.Delete(table, fmt.Appendf(nil, "large %06d", i))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before := s.Stats()
	stop := swing(t, s)
	var at int
	for range 3 {
		at = swung(t, s)
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if swung(t, s) < at {
			t.Error("changes are lost")
		}
	}
	last := stop()
	after := s.Stats()
	if after.Bytes > before.Bytes/2 {
		t.Errorf("%d bytes became %d", before.Bytes, after.Bytes)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if got := swung(t, s); got != last {
		t.Errorf("the last change is %d, want %d", got, last)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, path, bolt.Options{})
	if got := swung(t, s); got != last {
		t.Errorf("after a restart the last change is %d, want %d", got, last)
	}
	alone(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWhoReadsDuringACompactionGoesOnReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{})
	large(t, s, 100)
	put(t, s, "a", "before")
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	compacted := make(chan error, 1)
	err = s.View(func(tx state.Tx) error {
		go func() { compacted <- s.Compact(context.Background()) }()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			large(t, s, 100) // as fast as it goes
			put(t, s, "a", "after")
			if now, err := os.Stat(path); err == nil && !os.SameFile(old, now) {
				break
			}
			if time.Now().After(deadline) {
				return errors.New("the compaction waits for who reads, or for who writes")
			}
		}
		put(t, s, "a", "after")
		if got := string(tx.Get(table, []byte("a"))); got != "before" {
			t.Errorf("a reading that began before shows %q", got)
		}
		if got := tx.Get(table, []byte("large 000099")); len(got) != 10<<10 {
			t.Errorf("and a row of %d bytes", len(got))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-compacted; err != nil {
		t.Error(err)
	}
	if got := get(t, s, "a"); got != "after" {
		t.Errorf("got %q", got)
	}
}

func TestACompactionThatFailsLeavesTheStoreAsItIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "syncer.db")
	s := openFile(t, path, bolt.Options{})
	large(t, s, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := os.MkdirAll(filepath.Join(path+".compact", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(t.Context()); err == nil {
		t.Error("no error where the new file cannot be made")
	}
	if err := os.RemoveAll(path + ".compact"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", "1")
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	if get(t, s, "a") != "1" || len(get(t, s, "large 000999")) != 10<<10 {
		t.Error("rows are lost")
	}
	alone(t, path)
}

func TestTheStoreIsNobodyElsesDuringAndAfterACompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{})
	large(t, s, 3000)
	done := make(chan error, 1)
	go func() { done <- s.Compact(context.Background()) }()
	refused(t, path)
	if err := <-done; err != nil {
		t.Error(err)
	}
	refused(t, path)
}

type writerFunc func([]byte) (int, error)

// Write calls f.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
