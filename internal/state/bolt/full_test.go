package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// fill writes rows until the store takes no more, and returns how many it took.
func fill(t *testing.T, s *bolt.Store, size int) (rows int) {
	t.Helper()
	value := bytes.Repeat([]byte("x"), size)
	for ; rows < 1e6; rows++ {
		err := s.Update(context.Background(), func(tx state.Tx) error {
			tx.Put(table, fmt.Appendf(nil, "%06d", rows), value)
			return nil
		})
		if unavailable(err) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the store is never full")
	return 0
}

func remove(s *bolt.Store, from, to int) error {
	return s.Update(context.Background(), func(tx state.Tx) error {
		for i := from; i < to; i++ {
			tx.Delete(table, fmt.Appendf(nil, "%06d", i))
		}
		return nil
	})
}

func TestAFullStoreRefusesWordsReadsOnAndRecovers(t *testing.T) {
	for _, tt := range []struct {
		most int64
		row  int
	}{{1 << 20, 400}, {1 << 20, 3 << 10}, {3 << 20, 100 << 10}, {40 << 20, 20 << 10}} {
		t.Run(fmt.Sprintf("%d bytes in rows of %d", tt.most, tt.row), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "syncer.db")
			s := openFile(t, path, bolt.Options{MaxBytes: tt.most})
			rows := fill(t, s, tt.row)
			size := func() int64 {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				return info.Size()
			}
			if size() > tt.most {
				t.Errorf("the file has %d bytes", size())
			}
			if got := s.Stats().Fullness(); got > 1 || got < 0.8 && int64(tt.row) < tt.most/100 {
				t.Errorf("it is full at %.2f: bulk work would not have stopped before", got)
			}
			if got := get(t, s, "000000"); len(got) != tt.row {
				t.Error("rows cannot be read any more")
			}
			for range 3 { // and it stays so, at once
				if err := s.Update(t.Context(), func(tx state.Tx) error { tx.Put(table, []byte("more"), make([]byte, 256<<10)); return nil }); !unavailable(err) {
					t.Errorf("got %v", err)
				}
			}

			// A small change that makes room passes, even where not one page is free.
			for i := range 50 {
				if err := remove(s, i, i+1); err != nil {
					t.Fatalf("removing row %d: %v", i, err)
				}
			}
			if err := remove(s, 50, rows/2); err != nil {
				t.Fatalf("removing half of the rows: %v", err)
			}
			if got := s.Stats().Fullness(); got > 0.8 {
				t.Errorf("with half of the rows it is full at %.2f", got)
			}
			put(t, s, "again", "1")
			if again := fill(t, s, tt.row); again < rows/4 {
				t.Errorf("it took %d rows and then %d", rows, again)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}

			// Opening a full store, and emptying it.
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openFile(t, path, bolt.Options{MaxBytes: tt.most})
			if err := s.Update(t.Context(), func(tx state.Tx) error { tx.Clear(table); return nil }); err != nil {
				t.Errorf("emptying a table: %v", err)
			}
			put(t, s, "again", "2")
			if size() > tt.most {
				t.Errorf("the file has %d bytes", size())
			}
		})
	}
}

func TestInAFullStoreEverybodyIsToldForThemselves(t *testing.T) {
	s := openNew(t, bolt.Options{MaxBytes: 1 << 20})
	rows := fill(t, s, 1<<10)
	boom := errors.New("boom")
	grow := func(tx state.Tx) error { tx.Put(table, []byte("large"), make([]byte, 512<<10)); return nil }
	shrink := func(i int) func(state.Tx) error {
		return func(tx state.Tx) error { tx.Delete(table, fmt.Appendf(nil, "%06d", i)); return nil }
	}
	release := busy(t, s)
	results := queue(t, s, grow, shrink(1), grow, shrink(2), func(tx state.Tx) error { tx.Put(table, []byte("x"), nil); return boom }, func(state.Tx) error { return nil }, shrink(3))
	release()
	errs := results()
	for i, want := range []bool{true, false, true, false, false, false, false} {
		if unavailable(errs[i]) != want {
			t.Errorf("change %d: %v", i, errs[i])
		}
	}
	if !errors.Is(errs[4], boom) || errs[1] != nil || errs[3] != nil || errs[5] != nil || errs[6] != nil {
		t.Errorf("got %v", errs)
	}
	for i := 1; i <= 3; i++ {
		if get(t, s, fmt.Sprintf("%06d", i)) != "" {
			t.Errorf("row %d was not removed", i)
		}
	}
	if get(t, s, "large") != "" || get(t, s, fmt.Sprintf("%06d", rows-1)) == "" {
		t.Error("a change that was refused stayed, or took others along")
	}
}

func TestAChangeLargerThanTheStoreDoesNotShutOthersOut(t *testing.T) {
	s := openNew(t, bolt.Options{MaxBytes: 1 << 20})
	if err := s.Update(t.Context(), func(tx state.Tx) error { tx.Put(table, []byte("large"), make([]byte, 2<<20)); return nil }); !unavailable(err) {
		t.Errorf("got %v", err)
	}
	put(t, s, "small", "1")
}
