package bolt_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// TestStateFileThatWasDeleted: somebody deleted the file while syncer had it open. Events were acknowledged on, and gone
// with the process. Now nothing is accepted any more, and what is there can be rescued.
func TestStateFileThatWasDeleted(t *testing.T) {
	for what, away := range map[string]func(string) error{
		"deleted": os.Remove,
		"replaced": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			s, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			mark := func(name string) error {
				return s.Update(t.Context(), func(tx state.Tx) error {
					state.Marks.Put(tx, name, state.Mark{At: 1})
					return nil
				})
			}
			if err := mark("before"); err != nil {
				t.Fatal(err)
			}
			if err := s.Compact(t.Context()); err != nil { // puts another file in place, which is the right one then
				t.Fatal(err)
			}
			if err := mark("compacted"); err != nil {
				t.Fatal(err)
			}
			if err := away(path); err != nil {
				t.Fatal(err)
			}
			if err := mark("after"); !unavailable(err) || !strings.Contains(err.Error(), "syncer backup") {
				t.Errorf("a change: %v", err)
			}
			var saved bytes.Buffer
			if err := s.Backup(t.Context(), &saved); err != nil {
				t.Fatal(err)
			}
			rescued := filepath.Join(t.TempDir(), "rescued.db")
			if err := os.WriteFile(rescued, saved.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := bolt.Open(rescued, bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if err := again.View(func(tx state.Tx) error {
				if _, ok := state.Marks.Get(tx, "compacted"); !ok {
					t.Error("the rescued state lacks what was acknowledged")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
