// Command footprint measures what the released binary takes: its size, how soon it accepts webhooks, and how much
// memory of its own it has when nothing happens, during its first run (which reads all records of the source and
// audits all contacts of Weni), and after it. The binary is a child process; the shop and Weni are served by this one.
//
//	go run ./bench/footprint                       # 100,000 contacts, about 4 minutes
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"syncer/bench/gauge"
	"syncer/bench/house"
	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

func main() {
	people := flag.Int("people", 100_000, "how many contacts")
	starts := flag.Int("starts", 5, "how often each start is measured")
	rest := flag.Duration("rest", 30*time.Second, "how long after something the memory counts as idle")
	dir := flag.String("dir", os.TempDir(), "where the state file goes")
	flag.Parse()
	gauge.End("footprint", run(context.Background(), os.Stdout, *dir, *people, *starts, *rest))
}

// Bars.
const (
	memoryBar = 40_000_000
	binaryBar = 27_000_000
)

func run(ctx context.Context, w io.Writer, dir string, people, starts int, rest time.Duration) error {
	dir, err := os.MkdirTemp(dir, "footprint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := house.Build(ctx, dir, people)
	if err != nil {
		return err
	}
	t := gauge.Table{Title: fmt.Sprintf("the binary with %s contacts", gauge.Count(people)), Heads: []string{"", "measured", ""}}
	return errors.Join(measure(ctx, &t, h, people, starts, rest), t.Print(w), h.Close())
}

func measure(ctx context.Context, t *gauge.Table, h *house.House, people, starts int, rest time.Duration) error {
	bin, err := os.Stat(h.Bin)
	if err != nil {
		return err
	}
	t.Row("size of the stripped binary", gauge.MB(bin.Size()), t.Verdict(bin.Size() < binaryBar, "under 27 MB"))
	if _, err := h.Start(ctx); err != nil {
		return err
	}
	if err := firstRun(ctx, t, h, people, rest); err != nil {
		return err
	}
	if err := secondRun(ctx, t, h, people, rest); err != nil {
		return err
	}
	if err := h.Stop(); err != nil {
		return err
	}
	for _, kind := range []string{"warm", "cold"} {
		bar := map[string]time.Duration{"warm": 100 * time.Millisecond, "cold": time.Second}[kind]
		var all []time.Duration
		for range starts {
			if kind == "cold" {
				if err := errors.Join(gauge.DropCache(h.State), gauge.DropCache(h.Bin)); err != nil {
					return err
				}
			}
			d, err := h.Start(ctx)
			if err := errors.Join(err, h.Stop()); err != nil {
				return err
			}
			all = append(all, d)
		}
		t.Row("ready to accept a webhook, "+kind, gauge.Ms(gauge.Median(all)), t.Verdict(gauge.Median(all) <= bar, bar.String()))
	}
	if _, err := h.Start(ctx); err != nil {
		return err
	}
	return idle(ctx, t, h, "RssAnon idle after a start", rest)
}

// firstRun waits for the run with which a new installation begins.
func firstRun(ctx context.Context, t *gauge.Table, h *house.House, people int, rest time.Duration) error {
	peak := gauge.Peak(h.Syncer.PID())
	began := time.Now()
	var run state.Run
	err := lab.Await(ctx, 20*time.Minute, "the first run has ended", func() (bool, error) {
		runs, err := h.Console.Runs(ctx, 1)
		if err != nil || len(runs) == 0 || runs[0].Ended == 0 && runs[0].Err == "" {
			return false, nil //nolint:nilerr // it may not listen yet
		}
		run = runs[0]
		return true, nil
	})
	if err != nil {
		return err
	}
	if run.State != "done" || run.Unchanged != people {
		return fmt.Errorf("the first run was to find everything unchanged: %+v\n%s", run, h.Syncer.Stderr())
	}
	t.Row("the first run, with the audit of all contacts", fmt.Sprintf("%.1f s, %d calls at Weni", time.Since(began).Seconds(), calls(h)), "")
	t.Row("RssAnon at its peak meanwhile", gauge.MB(peak()), "")
	return idle(ctx, t, h, "RssAnon after the audit", rest)
}

// secondRun asks for another full run.
func secondRun(ctx context.Context, t *gauge.Table, h *house.House, people int, rest time.Duration) error {
	peak := gauge.Peak(h.Syncer.PID())
	began := time.Now()
	run, err := h.Console.Reconcile(ctx, console.RunAsk{Source: "loja", Kind: reconcile.Full})
	if err != nil {
		return err
	}
	if err := lab.Await(ctx, 20*time.Minute, "the second run has ended", func() (_ bool, err error) {
		run, err = h.Console.RunState(ctx, run.ID)
		return run.Ended != 0, err
	}); err != nil {
		return err
	}
	if run.State != "done" || run.Unchanged != people {
		return fmt.Errorf("the second run was to find everything unchanged: %+v\n%s", run, h.Syncer.Stderr())
	}
	t.Row("a full run later", fmt.Sprintf("%.1f s", time.Since(began).Seconds()), "")
	t.Row("RssAnon at its peak meanwhile", gauge.MB(peak()), "")
	return idle(ctx, t, h, "RssAnon after it", rest)
}

// idle lets the process rest and looks at its memory.
func idle(ctx context.Context, t *gauge.Table, h *house.House, what string, rest time.Duration) error {
	select {
	case <-time.After(rest):
	case <-ctx.Done():
		return ctx.Err()
	}
	anon, err := gauge.RssAnon(h.Syncer.PID())
	if err != nil {
		return err
	}
	t.Row(fmt.Sprintf("%s, %s later", what, rest), gauge.MB(anon), t.Verdict(anon < memoryBar, "under 40 MB"))
	return nil
}

func calls(h *house.House) (n int) {
	for _, c := range h.Weni.Control.Calls() {
		if c.Status == http.StatusOK {
			n += c.Count
		}
	}
	return n
}
