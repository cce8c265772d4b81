package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// scheduled lets the clock work until a run has come so far.
func (r *rig) scheduled(id, want string) (run state.Run) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error)
	s := reconcile.Scheduler{Runner: r.runner, Store: r.store, Timetable: []reconcile.Timetable{{Source: "crm"}}, Location: time.UTC, Now: time.Now}
	go func() { done <- s.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); run.State != want && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := r.store.View(func(tx state.Tx) error { run, _ = state.Runs.Get(tx, id); return nil }); err != nil {
			r.t.Error(err)
		}
	}
	cancel()
	if err := <-done; err != nil || run.State != want {
		r.t.Fatalf("run: %+v, %v", run, err)
	}
	return run
}

// brokenOff begins a run and stops syncer as soon as the run has shown that it gets on.
func (r *rig) brokenOff(ask reconcile.Ask) (id string) {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	ask.Progress = func(state.Run) { stop() }
	run, err := r.runner.Run(ctx, ask)
	if !errors.Is(err, context.Canceled) {
		r.t.Fatalf("the run was not broken off: %+v, %v", run, err)
	}
	r.halt()
	r.start()
	return run.ID
}

// editedRig has 20 people who are in order, but for one whose name somebody changed at the target.
func editedRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, 20)
	r.run(reconcile.Full, true)
	r.settle()
	name := "Editada à mão"
	if err := r.weni.Edit("whatsapp:5584990000003", rapidpro.Edit{Name: &name}); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestResumedRunIsWhatWasAskedFor: a run went on after a restart, but without what had been asked of it: what was to be
// shown first was written, and who had wanted to begin with a few wrote to everybody.
func TestResumedRunIsWhatWasAskedFor(t *testing.T) {
	t.Run("a plan stays a plan", func(t *testing.T) {
		r := editedRig(t)
		id := r.brokenOff(reconcile.Ask{Source: "crm", Kind: reconcile.Replay, Hold: true})
		if run := r.scheduled(id, engine.RunHeld); run.Held != 1 || writes(r.settle()) != 0 {
			t.Errorf("run: %+v", run)
		}
	})
	t.Run("also when it is too old to go on", func(t *testing.T) {
		r := editedRig(t)
		r.brokenOff(reconcile.Ask{Source: "crm", Kind: reconcile.Replay, Hold: true})
		r.runner.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
		if run := r.run(reconcile.Replay, false); run.State != engine.RunHeld || run.Held != 1 || writes(r.settle()) != 0 {
			t.Errorf("run: %+v", run)
		}
	})
	for name, ask := range map[string]reconcile.Ask{
		"a few stay a few":       {Limit: 2},
		"the chosen stay chosen": {Only: []contact.Key{{Source: "crm", ID: "7"}, {Source: "crm", ID: "55"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 60)
			ask.Source, ask.Kind, ask.Yes = "crm", reconcile.Full, true
			id := r.brokenOff(ask)
			run := r.scheduled(id, engine.RunHeld)
			r.settle()
			if n := len(r.weni.Contacts()); run.Held != 58 || n != 2 {
				t.Errorf("%d contacts were made: %+v", n, run)
			}
		})
	}
	t.Run("who says something else is obeyed", func(t *testing.T) {
		r := newRig(t, 60)
		id := r.brokenOff(reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true})
		run, err := r.runner.Run(t.Context(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Hold: true})
		if err != nil || run.ID != id || run.State != engine.RunHeld || writes(r.settle()) != 0 {
			t.Errorf("run: %+v, %v", run, err)
		}
	})
}
