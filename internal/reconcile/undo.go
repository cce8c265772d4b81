package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/state"
)

const undoPrefix = "undo-"

// Undo holds, as a plan, what takes a run back. It can be asked for again: then it goes on, and compares anew.
func (r *Runner) Undo(ctx context.Context, id string) (state.Run, error) {
	run := state.Run{ID: undoPrefix + id, Kind: undo, State: engine.RunPlanning, Started: contact.Micros(r.Now())}
	if err := r.beginUndo(ctx, run, id); err != nil {
		return state.Run{}, err
	}
	if err := r.Engine.Undo(ctx, id, run.ID); err != nil {
		return run, err
	}
	var unplanned, err error
	run.Plan, unplanned = r.Engine.PlanRun(ctx, run.ID, nil)
	if ctx.Err() != nil {
		return run, ctx.Err() // the next start goes on with it
	}
	run.State, run.Ended, run.Why = engine.RunHeld, contact.Micros(r.Now()), "it takes back "+id
	if unplanned != nil {
		run.Why += "; not all of it could be compared: " + unplanned.Error()
	}
	if run.Held, err = r.Engine.HeldPeople(run.ID, nil); err != nil {
		return run, err
	}
	if run.Held == 0 {
		run.State, run.Why = engine.RunDone, "there is nothing left to take back of "+id
	}
	return run, errors.Join(unplanned, r.save(ctx, run))
}

// beginUndo stores the run before anybody is held under it: what is held under a run that is not there, the next one of
// any kind takes for left over and may let go, and nobody would have seen what it takes back.
func (r *Runner) beginUndo(ctx context.Context, run state.Run, of string) error {
	return r.Store.Update(ctx, func(tx state.Tx) error {
		for range state.Dones.Keys(tx, state.Prefix(of)) {
			state.Runs.Put(tx, run.ID, run)
			return nil
		}
		return fmt.Errorf("run %q changed nobody, or too long ago to be undone", of)
	})
}

// resumeUndos goes on with the undos that a stop cut short, which can be neither applied nor discarded until then.
func (r *Runner) resumeUndos(ctx context.Context) error {
	var ids []string
	if err := r.Store.View(func(tx state.Tx) error {
		ids = nil
		for id, run := range state.Runs.All(tx, nil, nil) {
			if run.Kind == undo && interrupted(&run) {
				ids = append(ids, strings.TrimPrefix(id, undoPrefix))
			}
		}
		return nil
	}); err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		_, err := r.Undo(ctx, id)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
