package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

func TestAFullDiskRefusesWordsReadsOnAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no small disk can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "syncer.db")
	s := openFile(t, path, bolt.Options{})
	rows := fill(t, s, 20<<10)
	if rows == 0 || len(get(t, s, fmt.Sprintf("%06d", rows-1))) != 20<<10 || get(t, s, fmt.Sprintf("%06d", rows)) != "" {
		t.Error("rows that were taken cannot be read, or one that was refused can")
	}
	err := s.Update(context.Background(), func(tx state.Tx) error { tx.Put(table, []byte("more"), make([]byte, 1<<20)); return nil })
	if !unavailable(err) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	put(t, s, "after", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, path, bolt.Options{})
	if get(t, s, "after") != "1" || len(get(t, s, fmt.Sprintf("%06d", rows-1))) != 20<<10 {
		t.Error("rows are lost")
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil { // before the disk goes
		t.Error(err)
	}
}
