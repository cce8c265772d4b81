package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/state"
)

// point is a place at which syncer is killed.
type point struct {
	name string
	// calls are the system calls of which one, at random, is the last: the kernel ends the process as it enters it.
	calls string
	most  int // how many of them there may be before
	// early says that it is killed while it starts, before it accepts anything.
	early bool
	// prepare is done while it is down, kill while it is up and under load. kill returns once the process has ended or
	// the point was not reached; nil waits for the system call.
	prepare func(*world, *rand.Rand) error
	kill    func(*world, *rand.Rand) error
}

// reach is how long a point may take to be reached.
const reach = 3 * time.Second

// errMissed says that a point was not reached.
var errMissed = errors.New("the point was not reached")

var points = []point{
	{name: "any moment", kill: func(w *world, dice *rand.Rand) error { return w.killIn(dice, 500*time.Millisecond) }},
	{name: "before a page of a commit", calls: "pwrite64", most: 150},
	{name: "before an fdatasync of a commit", calls: "fdatasync", most: 40},
	{name: "before an answer, a call or a line of the log", calls: "write", most: 150},
	{name: "target not asked yet", kill: func(w *world, dice *rand.Rand) error { return w.atWrite(asked, dice) }},
	{name: "target has done it, syncer does not know", kill: func(w *world, dice *rand.Rand) error { return w.atWrite(answered, dice) }},
	{name: "target has answered, before Finish", kill: func(w *world, dice *rand.Rand) error { return w.atWrite(told, dice) }},
	{name: "backup", kill: backUp},
	{name: "compaction: copying", kill: compact},
	{name: "compaction: before the new file takes its place", calls: "renameat,renameat2", most: 1, kill: compactUntilDead},
	{name: "compaction: before it is sure of its place", calls: "fsync", most: 2, kill: compactUntilDead},
	{name: "start", early: true, kill: func(w *world, dice *rand.Rand) error { return w.killIn(dice, 60*time.Millisecond) }},
	{name: "migration", early: true, calls: "pwrite64,fdatasync", most: 2, prepare: loseTable},
	{name: "reload", prepare: otherMapping, kill: reload},
	{name: "page of a reconciliation", kill: func(w *world, dice *rand.Rand) error { return w.atPage(dice, dice.IntN(len(w.rows)/pageSize)) }},
	{name: "between stage and release", kill: func(w *world, dice *rand.Rand) error { return w.atPage(dice, (len(w.rows)-1)/pageSize) }},
	{name: "stopping", kill: stopping},
}

// possibleHere leaves out the points that this machine cannot reach, and says why.
func possibleHere(ctx context.Context) (_ []point, why string) {
	if _, err := exec.LookPath("strace"); err != nil {
		why = "there is no strace here"
	} else if out, err := exec.CommandContext(ctx, "strace", "-qq", "-f", "-D", "-o", os.DevNull, "-e", "inject=fdatasync:signal=SIGKILL:when=1", os.Args[0], "-h").CombinedOutput(); err != nil && strings.Contains(string(out), "strace:") {
		why = "strace does not work here: " + strings.TrimSpace(string(out))
	}
	if why == "" {
		return points, ""
	}
	return slices.DeleteFunc(slices.Clone(points), func(p point) bool { return p.calls != "" }), why
}

// tracer is what syncer is started behind so that the kernel ends it at a system call.
func (p point) tracer(dice *rand.Rand) []string {
	if p.calls == "" {
		return nil
	}
	return []string{"strace", "-D", "-f", "-qq", "-o", os.DevNull, "-e", "trace=" + p.calls,
		"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", p.calls, 1+dice.IntN(p.most))}
}

// dead waits for the end that somebody else brings about.
func (w *world) dead(within time.Duration) error {
	select {
	case <-w.syncer.Ended():
		return nil
	case <-time.After(within):
		return errMissed
	}
}

func (w *world) killIn(dice *rand.Rand, most time.Duration) error {
	time.Sleep(time.Duration(dice.Int64N(int64(most))))
	w.syncer.Kill()
	return nil
}

// atWrite kills at a stage of one of the next writes to Weni.
func (w *world) atWrite(stage string, dice *rand.Rand) error {
	t := w.toWeni.set(&trap{stage: stage, nth: 1 + dice.IntN(20), spring: func() {
		if stage == told {
			time.Sleep(time.Duration(dice.IntN(1500)) * time.Microsecond)
		}
		w.syncer.Kill()
	}, fits: func(r *http.Request) bool { return r.Method != http.MethodGet }})
	return sprung(t)
}

func sprung(t *trap) error {
	select {
	case <-t.sprung:
		return nil
	case <-time.After(reach):
		return errMissed
	}
}

// atPage kills when a page of the catalogue has been handed over.
func (w *world) atPage(dice *rand.Rand, n int) error {
	for range 1 + dice.IntN(len(w.rows)/4) {
		w.list.bump(dice.IntN(len(w.rows)))
	}
	stage := told
	if dice.IntN(3) == 0 {
		stage = answered
	}
	t := w.toList.set(&trap{stage: stage, nth: 1, fits: page(n), spring: func() {
		if stage == told {
			time.Sleep(time.Duration(dice.IntN(25)) * time.Millisecond)
		}
		w.syncer.Kill()
	}})
	go func() { _, _ = w.admin.Reconcile(w.ctx, console.RunAsk{Source: "catalogo", Kind: "full", Yes: true}) }() // it is broken off
	return sprung(t)
}

// backUp kills while a backup is being written. What is there under its name stays what it was.
func backUp(w *world, dice *rand.Rand) error {
	time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
	p, err := lab.Start(w.bin, w.env, "backup", "--force", w.path("copy.db"))
	if err != nil {
		return err
	}
	defer func() { <-p.Ended() }()
	for deadline := time.Now().Add(reach); ; time.Sleep(100 * time.Microsecond) {
		files, err := filepath.Glob(w.path(".copy.db-*"))
		if err != nil {
			return err
		}
		if len(files) > 0 {
			break
		}
		if time.Now().After(deadline) {
			return errMissed
		}
	}
	return w.killIn(dice, 10*time.Millisecond)
}

func compact(w *world, dice *rand.Rand) error {
	time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
	go func() { _, _ = w.admin.Compact(w.ctx) }() // it is broken off
	for deadline := time.Now().Add(reach); ; time.Sleep(100 * time.Microsecond) {
		if _, err := os.Stat(w.path("syncer.db.compact")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return errMissed
		}
	}
	return w.killIn(dice, 40*time.Millisecond)
}

func compactUntilDead(w *world, dice *rand.Rand) error {
	time.Sleep(time.Duration(dice.IntN(100)) * time.Millisecond)
	for range 8 {
		if _, err := w.admin.Compact(w.ctx); err != nil {
			break
		}
	}
	return w.dead(reach)
}

// loseTable takes an empty table out of the state file: the start makes it again, which is the one change of format
// that there is so far.
func loseTable(w *world, _ *rand.Rand) error {
	db, err := bbolt.Open(w.path("syncer.db"), 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		name := []byte(state.Quarantine.Name)
		if b := tx.Bucket(name); b == nil || b.Stats().KeyN > 0 {
			return nil // the last kill came before it was made again
		}
		return tx.DeleteBucket(name)
	})
	return errors.Join(err, db.Close())
}

// otherMapping changes what the file means, while nobody reads it; the next reload reads the usual one.
func otherMapping(w *world, dice *rand.Rand) error { return w.writeMapping(dice.IntN(2) == 0) }

func reload(w *world, dice *rand.Rand) error {
	time.Sleep(time.Duration(dice.IntN(150)) * time.Millisecond)
	for other := range 1 + dice.IntN(3) { // one, or a storm of them
		if err := w.writeMapping(other%2 == 0); err != nil {
			return err
		}
		if err := w.syncer.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
	}
	return w.killIn(dice, 60*time.Millisecond)
}

func stopping(w *world, dice *rand.Rand) error {
	time.Sleep(time.Duration(dice.IntN(200)) * time.Millisecond)
	if err := w.syncer.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return w.killIn(dice, 30*time.Millisecond)
}
