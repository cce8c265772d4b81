package main

import (
	"strings"
	"testing"
)

// TestTables keeps the command working: its quick tables, with few people, have rows and none is short of its bar.
func TestTables(t *testing.T) {
	for title, rows := range map[string]int{"economy with 400": 10, "pages of 250": 1, "drift": 4, "state lost": 6} {
		var out strings.Builder
		if err := run(&out, "400", t.TempDir(), title, false, 7); err != nil {
			t.Errorf("%s: %v\n%s", title, err, out.String())
		}
		if n := strings.Count(out.String(), "  pass  "); n != rows {
			t.Errorf("%s: %d rows pass, want %d\n%s", title, n, rows, out.String())
		}
	}
}
