package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"syncer/e2e/lab"
)

var seed = flag.Uint64("seed", 0, "repeats the choices of a run; 0 takes new ones")

// dice prints its seed, so that a failure can be repeated.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("seed %d", n)
	return rand.New(rand.NewPCG(n, 1))
}

// start makes a world in which syncer serves.
func start(t *testing.T, people int) *world {
	t.Helper()
	w, err := newWorld(t.Context(), bin, t.TempDir(), people)
	must(t, err)
	t.Cleanup(w.close)
	must(t, w.serve())
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The binary is built once.
var bin string

func TestMain(m *testing.M) { os.Exit(all(m)) }

func all(m *testing.M) int {
	flag.Parse()
	// The processes wait for each other and for the disk more than they work.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set("4")
	}
	if bin = os.Getenv("SYNCER_E2E_BIN"); bin != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "syncer-crash-")
	if err == nil {
		defer os.RemoveAll(dir)
		bin, err = lab.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
