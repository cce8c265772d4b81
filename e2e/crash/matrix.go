package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/state"
)

// options say how a matrix is run.
type options struct {
	bin, dir string
	kills    int
	seed     uint64
	people   int
	log      func(format string, args ...any)
}

// row is what happened at one point.
type row struct {
	point               point
	kills, missed, acks int
	calls               int
}

// report is what came of a whole matrix. A matrix holds when nothing is wrong.
type report struct {
	seed     uint64
	rows     []*row
	skipped  string
	acks     int
	said     int
	contacts int
	calls    int
	refused  int
	took     time.Duration
	// Everything below is a broken promise, in words.
	lost, stale, backwards, twice, unsound []string
}

func (r *report) wrong() []string {
	return slices.Concat(r.lost, r.stale, r.backwards, r.twice, r.unsound)
}

// kills counts those that were brought about, and the points that were there and never reached.
func (r *report) kills() (n, missed int) {
	for _, row := range r.rows {
		n += row.kills
		if row.kills > 0 && row.missed == row.kills {
			missed++
		}
	}
	return n, missed
}

// run kills syncer so many times, each time at the next of the points, and then compares what there is with what was
// promised.
func run(ctx context.Context, o options) (*report, error) {
	began := time.Now()
	w, err := newWorld(ctx, o.bin, o.dir, o.people)
	if err != nil {
		return nil, err
	}
	defer w.close()
	dice := rand.New(rand.NewPCG(o.seed, 0))
	out := &report{seed: o.seed}
	possible, why := possibleHere(ctx)
	out.skipped = why
	for _, p := range possible {
		out.rows = append(out.rows, &row{point: p})
	}
	if err := w.serve(); err != nil { // the first start is not killed: the state must exist
		return nil, err
	}
	if err := w.read("catalogo"); err != nil {
		return nil, err
	}
	w.syncer.Kill()
	told := &history{shown: map[string]map[string]int{}, made: map[string]int{}}
	for w.round = 1; w.round <= o.kills; w.round++ {
		r := out.rows[(w.round-1)%len(out.rows)]
		acks, calls := w.acks, told.calls
		missed, err := w.die(r.point, dice)
		if err != nil {
			return out, fmt.Errorf("kill %d, %s: %w", w.round, r.point.name, err)
		}
		w.toWeni.settle()
		w.toList.settle()
		if err := out.look(w, told); err != nil {
			return out, fmt.Errorf("after kill %d, %s: %w", w.round, r.point.name, err)
		}
		r.kills++
		if missed {
			r.missed++
		}
		r.acks += w.acks - acks
		r.calls += told.calls - calls
		o.log("kill %3d  %-50s acknowledged %4d  calls %4d%s", w.round, r.point.name, w.acks-acks, told.calls-calls, map[bool]string{true: "  (not reached)"}[missed])
		if len(out.wrong()) > 0 {
			break
		}
	}
	err = out.end(w, told)
	out.acks, out.calls, out.refused, out.took = w.acks, told.calls, told.refused, time.Since(began)
	for _, r := range slices.Concat(w.shop, w.people) {
		out.said += len(r.said)
	}
	return out, err
}

// die starts syncer, sends it events, and kills it at a point.
func (w *world) die(p point, dice *rand.Rand) (missed bool, err error) {
	if p.prepare != nil {
		if err := p.prepare(w, dice); err != nil {
			return false, err
		}
	}
	if err := w.launch(p.tracer(dice)...); err != nil {
		return false, err
	}
	defer w.syncer.Kill()
	if !p.early {
		if ok, err := w.ready(); err != nil {
			return false, err
		} else if !ok { // it met its end while it started
			return false, w.killed()
		}
	}
	stop := w.flood(dice.Uint64())
	if p.kill != nil {
		err = p.kill(w, dice)
	} else {
		err = w.dead(reach)
	}
	if missed = errors.Is(err, errMissed); missed {
		err = nil
	}
	w.syncer.Kill()
	if err = errors.Join(err, stop()); err == nil && !missed {
		err = w.killed()
	}
	return missed, err
}

// killed makes sure that it was a kill by which syncer ended, and not something of its own.
func (w *world) killed() error {
	<-w.syncer.Ended()
	if code := w.syncer.Code(); code > 0 {
		return fmt.Errorf("syncer ended by itself with %d:\n%s", code, w.syncer.Stderr())
	}
	return nil
}

// look examines what a kill left behind.
func (out *report) look(w *world, told *history) error {
	backwards, err := told.read(w)
	if err != nil {
		return err
	}
	out.backwards = append(out.backwards, backwards...)
	lost, err := w.examine(w.path("syncer.db"), w.round)
	out.lost = append(out.lost, lost...)
	if err != nil {
		out.unsound = append(out.unsound, fmt.Sprintf("after kill %d: %v", w.round, err))
	}
	if _, err := os.Stat(w.path("copy.db")); err == nil { // a backup that was finished, in this round or an earlier one
		if _, err := w.examine(w.path("copy.db"), 0); err != nil {
			out.unsound = append(out.unsound, fmt.Sprintf("the backup after kill %d: %v", w.round, err))
		}
	}
	return nil
}

// read reconciles a source in full and lets everything go that it finds.
func (w *world) read(source string) error {
	run, err := w.admin.Reconcile(w.ctx, console.RunAsk{Source: source, Kind: "full", Yes: true})
	if err != nil {
		return err
	}
	return lab.Await(w.ctx, patience, "run "+run.ID+" is over", func() (bool, error) {
		run, err := w.admin.RunState(w.ctx, run.ID)
		if err == nil && run.State == "failed" {
			err = errors.New(run.Err)
		}
		return run.Ended != 0, err
	})
}

// underWay is what a run that is not over is doing; empty when all are.
func (w *world) underWay() (string, error) {
	runs, err := w.admin.Runs(w.ctx, 0)
	for _, r := range runs {
		if r.State == "walking" || r.State == "planning" {
			return r.State, err
		}
	}
	return "", err
}

// applyAll lets go what runs hold back. Somebody who changed after the plan was made is left out of it, shown anew, and
// let go the next time.
func (w *world) applyAll() error {
	return lab.Await(w.ctx, patience, "no run holds anybody back", func() (bool, error) {
		runs, err := w.admin.Runs(w.ctx, 0)
		if err != nil {
			return false, err
		}
		held := slices.ContainsFunc(runs, func(r state.Run) bool { return r.State == "walking" || r.State == "planning" })
		for _, r := range runs {
			if r.State == "held" {
				held = true
				if _, err := w.admin.Apply(w.ctx, r.ID, console.ApplyAsk{}); err != nil {
					return false, fmt.Errorf("run %s: %w", r.ID, err)
				}
			}
		}
		return !held, nil
	})
}

// end lets syncer work off what is left, and compares.
func (out *report) end(w *world, told *history) error {
	if err := errors.Join(w.writeMapping(false), w.serve()); err != nil {
		return err
	}
	stop := w.flood(out.seed) // once without a kill, so that the last word comes while something is under way
	time.Sleep(time.Second)
	if err := stop(); err != nil {
		return err
	}
	if _, err := w.rest(); err != nil {
		return err
	}
	contacts, twice, err := w.contacts()
	if err != nil {
		return err
	}
	out.twice = append(out.twice, twice...)
	out.stale = append(out.stale, compare(slices.Concat(w.shop, w.people), contacts, (*record).possible)...)

	// The sources are read themselves, and what runs held back is let go: now everything is exact.
	for _, source := range []string{"crm", "catalogo"} {
		if err := w.read(source); err != nil {
			return fmt.Errorf("the last reading of %s: %w", source, err)
		}
	}
	if err := w.applyAll(); err != nil {
		return err
	}
	s, err := w.rest()
	if err != nil {
		return err
	}
	if contacts, twice, err = w.contacts(); err != nil {
		return err
	}
	out.contacts = len(contacts)
	out.twice = append(out.twice, twice...)
	out.stale = append(out.stale, compare(w.shop, contacts, (*record).possible)...)
	out.stale = append(out.stale, compare(slices.Concat(w.people, w.rows), contacts, latest)...)
	for urn, n := range told.made {
		if n > 1 {
			out.twice = append(out.twice, fmt.Sprintf("%s was made %d times", urn, n))
		}
	}
	for _, a := range s.Attention {
		out.unsound = append(out.unsound, "status asks for attention: "+a)
	}
	if code, err := w.syncer.Stop(patience); err != nil || code != 0 {
		return fmt.Errorf("syncer ended with %d: %w", code, err)
	}
	w.toWeni.settle()
	return out.look(w, told)
}

// print writes the table.
func (out *report) print(to io.Writer) {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "killed at\tkills\tnot reached\tacknowledged\tcalls\t\n")
	kills, missed := 0, 0
	for _, r := range out.rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", r.point.name, r.kills, r.missed, r.acks, r.calls)
		kills, missed = kills+r.kills, missed+r.missed
	}
	fmt.Fprintf(t, "all, with the end\t%d\t%d\t%d\t%d\t\n", kills, missed, out.acks, out.calls)
	_ = t.Flush()
	if out.skipped != "" {
		fmt.Fprintf(to, "points at system calls are left out: %s\n", out.skipped)
	}
	fmt.Fprintf(to, "\nseed %d, %.0f s: %d events said, %d acknowledged; %d contacts, %d creates refused since the contact was there\n",
		out.seed, out.took.Seconds(), out.said, out.acks, out.contacts, out.refused)
	t = tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "lost\tstale\tbackwards\ttwice\tunsound\t")
	for _, list := range [][]string{out.lost, out.stale, out.backwards, out.twice, out.unsound} {
		fmt.Fprint(t, strconv.Itoa(len(list))+"\t")
	}
	fmt.Fprintln(t)
	_ = t.Flush()
	for _, line := range out.wrong() {
		fmt.Fprintln(to, line)
	}
}
