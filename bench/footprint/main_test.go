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
	if err := run(t.Context(), &out, dir, 150, 1, 10*time.Millisecond); err != nil && !gauge.OnlyShort(err) {
		t.Fatal(err)
	}
	for _, line := range []string{"\nsize of the stripped binary", "\nRssAnon after the audit", "\nready to accept a webhook, cold", "\nRssAnon idle"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}
