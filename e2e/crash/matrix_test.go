package main

import (
	"os"
	"strings"
	"testing"
)

// TestKilledAtEveryPoint is the short form of the program: each point a few times.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	times := 3
	if testing.Short() {
		times = 1
	}
	possible, why := possibleHere(t.Context())
	if why != "" {
		t.Logf("points at system calls are left out: %s", why)
	}
	out, err := run(t.Context(), options{bin: bin, dir: t.TempDir(), kills: times * len(possible), people: 48, seed: dice(t).Uint64(), log: t.Logf})
	if out != nil {
		var table strings.Builder
		out.print(&table)
		t.Logf("\n%s", table.String())
	}
	must(t, err)
	if wrong := out.wrong(); len(wrong) > 0 {
		t.Errorf("%d promises were broken", len(wrong))
	}
	if kills, missed := out.kills(); out.acks < 5*kills || out.calls < kills || missed > len(possible)/6 {
		t.Errorf("%d events were acknowledged and %d calls made in %d kills, and %d points never reached: this shows too little", out.acks, out.calls, kills, missed)
	}
}

// TestKilledWhileTheStateIsMade: of a first start that is cut short nothing is left that keeps the next one from
// beginning anew.
func TestKilledWhileTheStateIsMade(t *testing.T) {
	t.Parallel()
	if _, why := possibleHere(t.Context()); why != "" {
		t.Skip(why)
	}
	random := dice(t)
	w, err := newWorld(t.Context(), bin, t.TempDir(), 6)
	must(t, err)
	t.Cleanup(w.close)
	died := 0
	for i, calls := range []string{"pwrite64", "fdatasync", "fsync", "ftruncate", "linkat,link", "unlinkat,unlink", "pwrite64", "fdatasync"} {
		must(t, os.RemoveAll(w.path("syncer.db")))
		must(t, w.launch(point{calls: calls, most: 1 + i/4}.tracer(random)...))
		ok, err := w.ready()
		must(t, err)
		if !ok {
			must(t, w.killed())
			died++
		}
		w.syncer.Kill()
		if err := w.serve(); err != nil {
			t.Fatalf("after a first start that was killed at %s: %v", calls, err)
		}
		if left := leftovers(t, w); len(left) > 0 {
			t.Errorf("after a first start that was killed at %s there is %v", calls, left)
		}
		w.syncer.Kill()
	}
	if died < 5 {
		t.Errorf("only %d of 8 first starts were killed in time", died)
	}
}

// leftovers are the files beside the state that nobody will ask for.
func leftovers(t *testing.T, w *world) (names []string) {
	t.Helper()
	files, err := os.ReadDir(w.dir)
	must(t, err)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "syncer.db.") {
			names = append(names, f.Name())
		}
	}
	return names
}
