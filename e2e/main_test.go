// Package e2e runs the real binary as its users do: `syncer serve` with mappings.example.yaml and demo.env against
// `syncer sandbox` processes, over real sockets, and looks only at what comes out: answers, calls, exit codes and
// words. Nothing is replaced and nothing is asserted on time. What all processes said is searched at the end for the
// secrets they were given and the people they heard of: one line with either fails the run.
//
// These variables change a run:
//
//	SYNCER_E2E_BIN=PATH      is a binary that is built already, such as one about to be released
//	SYNCER_E2E_FLAGS=-race   builds the binary with more flags
//	SYNCER_E2E_OUTAGE=2m     is how long Weni is down where it is down (3s)
//	SYNCER_E2E_PEOPLE=10000  is how many people the big reconciliation has (10,000, and 600 with -short)
//	SYNCER_E2E_KEEP=1        shows the whole log of syncer at the end of every test
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncer/e2e/lab"
)

// bin is the binary, built once, and heard what all processes say.
var (
	bin   string
	heard *lab.Recorder
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	flag.Parse()
	// The processes wait for each other more than they work: a few worlds at once do not take longer than one.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set("6")
	}
	dir, err := os.MkdirTemp("", "syncer-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if bin = os.Getenv("SYNCER_E2E_BIN"); bin == "" {
		if bin, err = lab.Build(context.Background(), dir, strings.Fields(os.Getenv("SYNCER_E2E_FLAGS"))...); err != nil {
			return 1, err
		}
	}
	if heard, err = lab.Record(filepath.Join(dir, "said")); err != nil {
		return 1, err
	}
	code := m.Run()
	found, err := heard.Search()
	if len(found) > 0 {
		return 1, fmt.Errorf("FAIL: syncer said what it must not, %d times:\n%s", len(found), strings.Join(found[:min(len(found), 30)], "\n"))
	}
	return code, err
}

// The files that users begin with, as they stand in the repository.
var (
	exampleFile = filepath.Join("..", "mappings.example.yaml")
	demoEnvFile = filepath.Join("..", "demo.env")
)
