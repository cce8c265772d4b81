package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"syncer/bench/gauge"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	err := run(t.Context(), &out, options{connections: []int{1, 32}, waiting: []int{1, 50}, rounds: 2, round: 20 * time.Millisecond, copies: true, dir: dir})
	if err != nil && !gauge.OnlyShort(err) {
		t.Fatal(err)
	}
	for _, line := range []string{"accept, 1 records waiting", "accept, 50 records waiting", "32           sequential put", "1            bare handler", "at least 0.8", "\ncompaction"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// The doors do what they are named after: the real one knows a duplicate and a wrong signature, and what it accepts
// is due.
func TestDoors(t *testing.T) {
	s, err := newStand(t.Context(), t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	for side, d := range s.doors {
		c, err := dial(t.Context(), d.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.conn.Close()
		if err := c.send(1, 1); err != nil {
			t.Errorf("side %d: %v", side, err)
		}
		err = c.send(1, 1)
		if refused := err != nil; refused != (side == accepting) {
			t.Errorf("side %d is sent the same twice: %v", side, err)
		}
	}
	if n := s.puts.Stats().Commits; n != 2 {
		t.Errorf("two puts took %d commits", n)
	}
}
