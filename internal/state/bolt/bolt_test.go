package bolt_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
	"syncer/internal/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	statetest.Run(t, func(t *testing.T, dir string) state.Store {
		t.Helper()
		s, err := bolt.Open(filepath.Join(dir, "syncer.db"), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// table is one whose values these tests may fill as they like.
var table = state.Marks.Name

// openFile opens the store of a file for the length of a test.
func openFile(t testing.TB, path string, opts bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func openNew(t testing.TB, opts bolt.Options) *bolt.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "syncer.db"), opts)
}

func put(t testing.TB, s *bolt.Store, key, value string) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx state.Tx) error { tx.Put(table, []byte(key), []byte(value)); return nil }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, s *bolt.Store, key string) (value string) {
	t.Helper()
	if err := s.View(func(tx state.Tx) error { value = string(tx.Get(table, []byte(key))); return nil }); err != nil {
		t.Fatal(err)
	}
	return value
}

func unavailable(err error) bool { return err != nil && contact.KindOf(err) == contact.Unavailable }
