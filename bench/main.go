// Command bench prints all measured figures of this repository, each beside what it is compared with and beside its
// bar. It says on what machine they were measured, builds the programs in the folders beside it, and runs one after
// the other, each in a process of its own so that none disturbs the next.
//
//	go run ./bench                        # all of it, about 25 minutes
//	go run ./bench -only accept,mapping
//	go run ./bench -quick                 # does everything work: sizes that say nothing, in a minute
//
// What a program can be told besides is in its own comment: go doc ./bench/accept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"syncer/bench/gauge"
)

// program is a benchmark of its own.
type program struct {
	name  string
	quick []string // arguments for sizes that say nothing
	disk  bool     // it is told where state files go
}

var programs = []program{
	{"accept", []string{"-connections", "1,32", "-waiting", "1,100", "-rounds", "2", "-round", "50ms"}, true},
	{"mapping", []string{"-rounds", "3", "-records", "100"}, false},
	{"walk", []string{"-records", "500,1000", "-rounds", "1"}, true},
	{"recovery", []string{"-people", "1000", "-rounds", "2"}, true},
	{"footprint", []string{"-people", "1000", "-starts", "2", "-rest", "1s"}, true},
	{"calls", []string{"-n", "1000", "-hours=false", "-rows", "economy"}, false},
	{"soak", []string{"-for", "4s", "-every", "1s", "-people", "200"}, true},
}

func main() {
	var names []string
	for _, p := range programs {
		names = append(names, p.name)
	}
	only := flag.String("only", strings.Join(names[:len(names)-1], ","), "which programs, separated by commas; there is also soak")
	quick := flag.Bool("quick", false, "tiny sizes, to see that everything works")
	dir := flag.String("dir", os.TempDir(), "where state files go; it should be on the disk that is meant, with 8 GB free")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	gauge.End("bench", run(ctx, os.Stdout, *only, *dir, *quick))
}

func run(ctx context.Context, w io.Writer, only, dir string, quick bool) error {
	var chosen []program
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
		if i < 0 {
			return fmt.Errorf("-only: there is no program %q", name)
		}
		chosen = append(chosen, programs[i])
	}
	bin, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	if err := gauge.Machine(w, dir); err != nil {
		return err
	}
	var failed []error
	for _, p := range chosen {
		if err := p.run(ctx, w, bin, dir, quick); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

func (p program) run(ctx context.Context, w io.Writer, bin, dir string, quick bool) error {
	path := filepath.Join(bin, p.name)
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "syncer/bench/"+p.name).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var args []string
	if p.disk {
		args = append(args, "-dir", dir)
	}
	if quick {
		args = append(args, p.quick...)
	}
	fmt.Fprintf(w, "\n--- %s\n", p.name)
	began := time.Now()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it may have processes of its own to end
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == gauge.ExitShort {
		err = &gauge.ShortError{Title: "see above"}
		if quick {
			err = nil // such sizes are short of everything
		}
	}
	fmt.Fprintf(w, "--- %s, %s\n", p.name, time.Since(began).Round(time.Second))
	return err
}
