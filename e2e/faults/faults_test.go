package main

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncer/e2e/lab"
)

var binary = flag.String("bin", os.Getenv("SYNCER_E2E_BIN"), "a syncer that is built already")

// TestMain looks for goroutines that stay: lines, traps and processes must end with their cells. The one that starts
// processes lives as long as the program, which the kernel wants.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("syncer/e2e/lab.init.func1.1"))
}

// short are the cells that tell most in twenty seconds: one of each way to end, at every place.
var short = map[string][]string{
	weni:     {"reset after it was carried out", "502 HTML after it was carried out", "JSON cut in half", "down", "429, Retry-After 3", "409 JSON", "302 to another host"},
	mirror:   {"always a new cursor", "next is on another host"},
	flow:     {"reset after it was carried out", "409 HTML"},
	inbox:    {"400 HTML", "302 to another host"},
	crm:      {"cursors in a circle", "500 HTML"},
	list:     {"next is on another host", "JSON cut in half", "307 to another host"},
	fetch:    {"404 HTML", "200 with null"},
	operator: {"401"},
}

// TestShort plays a few cells of the matrix; `make faults` plays all.
func TestShort(t *testing.T) {
	bin := built(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	want := 0
	for _, faults := range short {
		want += len(faults)
	}
	results, err := play(ctx, plan{bin: bin, dir: t.TempDir(), choose: func(column, fault string) bool {
		for _, f := range short[column] {
			if f == fault {
				return true
			}
		}
		return false
	}})
	var table strings.Builder
	show(&table, results, false)
	t.Logf("\n%s", table.String())
	if err != nil {
		t.Error(err)
	}
	if len(results) != want {
		t.Errorf("%d cells, not %d", len(results), want)
	}
	for _, r := range results {
		if len(r.wrong) > 0 {
			t.Errorf("%s, %s: %s", r.column, r.fault, strings.Join(r.wrong, "; "))
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func built(t *testing.T) string {
	t.Helper()
	if *binary != "" {
		return *binary
	}
	bin, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestTheTrapCatches: a trap that nobody can fall into proves nothing.
func TestTheTrapCatches(t *testing.T) {
	trap, err := newTrap()
	if err != nil {
		t.Fatal(err)
	}
	defer trap.close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+trap.addr+"/api", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Token x")
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if found := strings.Join(trap.found(), " "); !strings.Contains(found, `GET /api, Authorization "Token x"`) || !strings.Contains(found, "a connection") {
		t.Errorf("found %q", found)
	}
}

// TestTheJudgeCanBeDispleased: each thing that a cell must not do makes it wrong.
func TestTheJudgeCanBeDispleased(t *testing.T) {
	good := result{ends: byItself, calls: 4, words: []string{"weni: create contact: it failed (HTTP 500)"}}
	for name, c := range map[string]struct {
		spoil func(*result)
		wrong string
	}{
		"as it should be": {func(*result) {}, ""},
		"stuck":           {func(r *result) { r.ends = stuck }, "it ends stuck"},
		"too many calls":  {func(r *result) { r.calls = mostCalls + 1 }, "calls"},
		"silent":          {func(r *result) { r.words = nil }, "no word of it"},
		"indiscreet":      {func(r *result) { r.words = append(r.words, "84990070001 failed") }, "a number"},
		"too much memory": {func(r *result) { r.memory = "big" }, "MB"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.spoil(&r)
			memory, f := 50, fault{name: "500 HTML", heavy: r.memory == "big"}
			if f.heavy {
				memory = mostMemory + 1
			}
			cell := &cell{column: weni, n: 7, f: f, d: &daemon{Process: &lab.Process{}}}
			cell.judge(&r, memory)
			if got := strings.Join(r.wrong, "; "); (c.wrong == "") != (got == "") || !strings.Contains(got, c.wrong) {
				t.Errorf("wrong: %q", got)
			}
		})
	}
}
