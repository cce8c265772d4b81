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
	err := run(t.Context(), &out, options{limit: 2500 * time.Millisecond, every: 500 * time.Millisecond, people: 50, rate: 40, seed: 1, dir: dir})
	if err != nil && !gauge.OnlyShort(err) {
		t.Fatal(err)
	}
	for _, line := range []string{"-seed 1\n", "goroutines  files", "\ngoroutines ", "\nstate file "} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// Growth is told from a process that warmed up.
func TestJudge(t *testing.T) {
	rows := func(grow func(i int) look) *soak {
		s := &soak{sent: 1}
		for i := range 9 {
			s.rows = append(s.rows, grow(i))
		}
		return s
	}
	for name, c := range map[string]struct {
		grow func(i int) look
		ok   bool
	}{
		"flat":           {func(int) look { return look{anon: 20e6, goroutines: 30, files: 20} }, true},
		"warming up":     {func(i int) look { return look{anon: int64(min(i, 3)) * 20e6, goroutines: 30, files: 20} }, true},
		"memory leaks":   {func(i int) look { return look{anon: int64(20e6 + i*3e6), goroutines: 30, files: 20} }, false},
		"routines leak":  {func(i int) look { return look{anon: 20e6, goroutines: 30 + 5*i} }, false},
		"files leak":     {func(i int) look { return look{anon: 20e6, files: 20 + 3*i} }, false},
		"work piles up":  {func(i int) look { return look{anon: 20e6, due: 100 * i} }, false},
		"the file grows": {func(i int) look { return look{anon: 20e6, file: int64(i) * 30e6} }, false},
	} {
		var out bytes.Buffer
		if err := rows(c.grow).judge(&out); (err == nil) != c.ok {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	if err := (&soak{}).judge(&bytes.Buffer{}); err == nil || gauge.OnlyShort(err) {
		t.Errorf("nothing was judged: %v", err)
	}
}
