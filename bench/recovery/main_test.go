package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncer/bench/steady"
	"syncer/internal/state/bolt"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, "20,700", 2); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"20      warm", "700     warm", "700     cold"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// A store in which not everybody is due is not measured.
func TestEverybodyIsDue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := steady.Fill(t.Context(), store, steady.Options{People: 7, Now: time.Now(), Due: true}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if m, _, err := start(t.Context(), path, 7); err != nil || m.open <= 0 || m.written < m.first {
		t.Error(m, err)
	}
	if _, _, err := start(t.Context(), path, 8); err == nil || !strings.Contains(err.Error(), "due") {
		t.Errorf("of 8 people 7 are due: %v", err)
	}
}
