// Package reconcile walks sources on a schedule and makes the same events of what it finds as webhooks do.
// Nothing of a run is delivered before the whole run is known and judged: a run that would change too much
// waits for somebody to look at it.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/source"
	"syncer/internal/state"
)

// Kinds of run.
const (
	Changes = "changes"
	Full    = "full"
	Mapping = "mapping"
	Replay  = "replay"
	undo    = "undo"
)

// overlap is how far before the newest record seen a changes run begins: clocks differ, and sources index late.
const overlap = 3 * time.Minute

// campaignLimit is for how many people a run may start a campaign unless the target allows campaigns.
const campaignLimit = 20

// chunk is how many records of a page are accepted in one transaction, so that webhooks need not wait long
// for their turn.
const chunk = 100

// resumeWithin is how old an interrupted run may be to go on where it stood.
const resumeWithin = 24 * time.Hour

// Observer is told how runs go.
type Observer interface {
	RunEnded(state.Run)
}

// Runner carries out runs, one at a time per source.
type Runner struct {
	Store    state.Store
	Engine   *engine.Engine
	Sources  map[string]source.Source
	Guard    engine.Guard
	Observer Observer
	// Prepare loads the definitions of a source and remembers them.
	Prepare func(ctx context.Context, source string) error
	Logger  *slog.Logger
	Now     func() time.Time

	mu    sync.Mutex
	locks map[string]chan struct{}
}

// Ask is what somebody wants a run to be.
type Ask struct {
	Source string
	Kind   string
	// Yes releases whatever the run finds.
	Yes bool
	// Hold keeps it as a plan whatever it finds.
	Hold bool
	// Only and Limit narrow what is released: to the people of these records (nil: everybody), to so many (0: no limit).
	Only  []contact.Key
	Limit int
	// Began is told once the run exists.
	Began func(state.Run)
	// Progress is told of every page and every planned person.
	Progress func(state.Run)
}

// ErrBusy is returned when a run of the source is already waiting behind the one under way.
var ErrBusy = errors.New("a run of this source is under way and another one waits already")

// lock takes the source: one run works, one may wait, further ones are turned away.
func (r *Runner) lock(ctx context.Context, name string) (release func(), err error) {
	r.mu.Lock()
	if r.locks == nil {
		r.locks = map[string]chan struct{}{}
	}
	waiting, ok := r.locks[name+"/waiting"]
	if !ok {
		waiting = make(chan struct{}, 1)
		r.locks[name+"/waiting"], r.locks[name] = waiting, make(chan struct{}, 1)
	}
	working := r.locks[name]
	r.mu.Unlock()
	select {
	case waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	defer func() { <-waiting }()
	select {
	case working <- struct{}{}:
		return func() { <-working }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Run carries out one run to its end: released, held, or failed.
func (r *Runner) Run(ctx context.Context, ask Ask) (state.Run, error) {
	release, err := r.lock(ctx, ask.Source)
	if err != nil {
		return state.Run{}, err
	}
	defer release()
	run, err := r.begin(ctx, ask)
	if err != nil {
		return run, err
	}
	if ask.Began != nil {
		ask.Began(run)
	}
	if err = r.carryOut(ctx, &run, ask); err != nil {
		run.Err = err.Error()
		if ctx.Err() == nil && run.State != engine.RunWalking {
			run.State, run.Ended = engine.RunFailed, contact.Micros(r.Now())
		}
	} else {
		run.Err = ""
	}
	saveErr := r.save(context.WithoutCancel(ctx), run)
	if ctx.Err() == nil {
		r.Observer.RunEnded(run)
	}
	return run, errors.Join(err, saveErr)
}

// begin finds an interrupted run to go on with, or makes a new one.
func (r *Runner) begin(ctx context.Context, ask Ask) (run state.Run, err error) {
	if _, ok := r.Sources[ask.Source]; !ok && ask.Kind != Mapping {
		return run, fmt.Errorf("there is no source %q", ask.Source)
	}
	now := r.Now()
	err = r.Store.Update(ctx, func(tx state.Tx) error {
		var given []state.Run
		for _, old := range state.Runs.All(tx, nil, nil) {
			switch {
			case old.Source != ask.Source || old.Kind != ask.Kind || !interrupted(&old):
			case now.Sub(contact.FromMicros(old.Started)) < resumeWithin:
				run = old // what it broke off for is told until it gets further
				ask.note(&run)
				if run.Kind == Mapping {
					run.State = engine.RunWalking // whom it had done with, it had by a file that may not be in use any more
				}
				state.Runs.Put(tx, run.ID, run)
				return nil
			default:
				given = append(given, old)
			}
		}
		run = state.Run{Source: ask.Source, Kind: ask.Kind, State: engine.RunWalking, Started: contact.Micros(now)}
		for _, old := range given { // what they hold back is taken over by the new one, which shows it if they were to show it
			run.Hold = run.Hold || old.Hold
			old.State, old.Ended, old.Err = engine.RunFailed, contact.Micros(now), "it was interrupted, and too long ago to go on"
			state.DropWalked(tx, old.ID)
			state.Runs.Put(tx, old.ID, old)
		}
		ask.note(&run)
		if ask.Kind == Changes {
			mark, ok := state.Marks.Get(tx, watermark(ask.Source))
			if !ok || !r.Sources[ask.Source].Can().Since {
				run.Kind = Full
			} else {
				run.Since = mark.At
			}
		}
		run.ID = runID(tx, &run)
		state.Marks.Put(tx, started(ask.Source, ask.Kind), state.Mark{At: contact.Micros(now)})
		state.Runs.Put(tx, run.ID, run)
		return nil
	})
	return run, err
}

// note writes down what was asked of a run. The clock, or whoever only lets a run go on, asks for nothing: then what was
// asked for before still holds. Else the last word does.
func (a Ask) note(run *state.Run) {
	if a.Yes || a.Hold || len(a.Only) > 0 || a.Limit > 0 {
		run.Yes, run.Hold, run.Only, run.Limit = a.Yes, a.Hold, a.Only, a.Limit
	}
}

// interrupted reports whether a run that is not under way was cut short and is still to go on.
func interrupted(run *state.Run) bool {
	return run.State == engine.RunWalking || run.State == engine.RunPlanning
}

func watermark(source string) string     { return "since/" + source }
func started(source, kind string) string { return state.StartedMark + source + "/" + kind }
func released(source string) string      { return "released/" + source }

// runID is short enough to type: what, of which source, number.
func runID(tx state.Tx, run *state.Run) string {
	name := run.Kind
	if run.Source != "" {
		name = run.Source + "-" + run.Kind
	}
	return fmt.Sprintf("%s-%d", name, tx.Next(state.Runs.Name))
}

// save stores a run. What it still holds back is counted, not remembered: a delivery that turned out to be
// another one than the plan had shown may have come back meanwhile.
func (r *Runner) save(ctx context.Context, run state.Run) error {
	return r.Store.Update(ctx, func(tx state.Tx) error {
		after := run
		if after.State == engine.RunReleased || after.State == engine.RunDone {
			if held := engine.HeldPeople(tx, run.ID, nil); held > 0 {
				after.State, after.Held, after.Why = engine.RunHeld, held, "they changed since the plan was made"
			}
		}
		if after.State != engine.RunWalking {
			state.DropWalked(tx, run.ID)
		}
		state.Runs.Put(tx, run.ID, after)
		return nil
	})
}

func (r *Runner) carryOut(ctx context.Context, run *state.Run, ask Ask) error {
	if ask.Progress == nil {
		ask.Progress = func(state.Run) {}
	}
	if run.State == engine.RunWalking {
		if err := r.gather(ctx, run, ask); err != nil {
			return err
		}
		run.State = engine.RunPlanning
		if err := r.save(ctx, *run); err != nil {
			return err
		}
	}
	if err := r.takeOverHeld(ctx, run); err != nil {
		return err
	}
	unplanned, err := r.plan(ctx, run, ask)
	if err != nil {
		return err
	}
	if err := r.judge(ctx, run, unplanned); err != nil || unplanned == nil {
		return err
	}
	if run.State == engine.RunHeld {
		run.Why += "; " + unplanned.Error()
		return nil
	}
	return unplanned // what concerns those targets stays under this run until the next one judges it anew
}

// plan works out what the run would do. It waits when a budget is used up, but not for a target that is down or
// paused: unplanned names those.
func (r *Runner) plan(ctx context.Context, run *state.Run, ask Ask) (unplanned, err error) {
	for waits := 0; ; waits++ {
		run.Plan, unplanned = r.Engine.PlanRun(ctx, run.ID, func(done int) {
			run.Held = done
			ask.Progress(*run)
		})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case unplanned == nil || contact.KindOf(unplanned) != contact.Throttled && contact.KindOf(unplanned) != contact.Unready || waits >= maxWaits || !r.rest(ctx, run, unplanned):
			return unplanned, ctx.Err()
		}
	}
}

// prepare reads the source's definitions, with as much patience as its rows are read.
func (r *Runner) prepare(ctx context.Context, run *state.Run) error {
	for waits := 0; ; waits++ {
		err := r.Prepare(ctx, run.Source)
		if err == nil || waits >= maxWaits || !r.rest(ctx, run, err) {
			return err
		}
	}
}

// gather makes due, held back under the run, everybody whom it may change.
func (r *Runner) gather(ctx context.Context, run *state.Run, ask Ask) error {
	switch run.Kind {
	case Mapping:
		for name := range r.Sources {
			if err := r.Engine.HoldAll(ctx, name, run.ID); err != nil {
				return err
			}
		}
		return nil
	case Replay:
		return r.Engine.HoldAll(ctx, run.Source, run.ID)
	}
	if err := r.prepare(ctx, run); err != nil {
		return fmt.Errorf("the source's definitions cannot be read: %w", err)
	}
	if err := r.walk(ctx, run, ask); err != nil {
		return err
	}
	if run.Kind != Full {
		return r.finishWalk(ctx, run)
	}
	if err := r.missing(ctx, run); err != nil {
		return err
	}
	return r.finishWalk(ctx, run)
}

// finishWalk moves the watermark: everything up to it has been read.
func (r *Runner) finishWalk(ctx context.Context, run *state.Run) error {
	return r.Store.Update(ctx, func(tx state.Tx) error {
		state.DropWalked(tx, run.ID)
		if run.Mark > 0 {
			state.Marks.Put(tx, watermark(run.Source), state.Mark{At: run.Mark})
		}
		return nil
	})
}

// takeOverHeld lets a newer run of the same kind take the place of those that still wait: what they would
// have done is judged anew. What is left under runs that are over, for whatever reason, is judged with it.
func (r *Runner) takeOverHeld(ctx context.Context, run *state.Run) error {
	var replaced []state.Run
	var left []string
	if err := r.Store.View(func(tx state.Tx) error {
		replaced, left = nil, nil
		for _, o := range state.Runs.All(tx, nil, nil) {
			// What a guard kept back under the old mapping file is another question under the new one.
			// What a full reading found says all that one of the changes did.
			same := o.Source == run.Source && (o.Kind == run.Kind || o.Kind == Changes && run.Kind == Full) || o.Kind == "guard" && run.Kind == Mapping
			if o.ID != run.ID && o.State == engine.RunHeld && same {
				replaced = append(replaced, o)
			}
		}
		last := ""
		for k := range state.Holds.All(tx, nil, nil) {
			if k.Run != last && k.Run != run.ID && !engine.RunOpen(tx, k.Run) {
				left = append(left, k.Run)
			}
			last = k.Run
		}
		return nil
	}); err != nil {
		return err
	}
	for _, id := range left {
		if err := r.Engine.Replace(ctx, id, run.ID); err != nil {
			return err
		}
	}
	for _, o := range replaced {
		if err := r.Engine.Replace(ctx, o.ID, run.ID); err != nil {
			return err
		}
		o.State, o.Ended, o.Why = engine.RunReplaced, contact.Micros(r.Now()), "replaced by "+run.ID
		if err := r.save(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// judge releases the finished plan or holds it. Where a target could not be planned, the run does not count as one
// that was let through.
func (r *Runner) judge(ctx context.Context, run *state.Run, unplanned error) error {
	planned := func(target string) bool { _, ok := run.Plan[target]; return ok }
	people, err := r.Engine.HeldPeople(run.ID, planned)
	if err != nil {
		return err
	}
	run.Held, run.Ended = people, contact.Micros(r.Now())
	note := func(any bool) error {
		if unplanned != nil {
			return nil //nolint:nilerr // it is no run that was let through; carryOut says why
		}
		return r.noteReleased(ctx, run, any)
	}
	if people == 0 {
		run.State = engine.RunDone
		if run.Kind == Mapping {
			run.Why = dropped(run)
		}
		return note(false)
	}
	if run.Why, err = r.reason(ctx, run); err != nil {
		return err
	}
	if run.Why != "" && !run.Yes {
		run.State = engine.RunHeld
		return nil
	}
	n, err := r.Engine.Release(ctx, run.ID, func(p engine.Planned) bool {
		return planned(p.Target) && p.Among(run.Only)
	}, run.Limit)
	if err != nil {
		return err
	}
	if run.Held -= n; run.Held > 0 {
		run.State, run.Why = engine.RunHeld, fmt.Sprintf("%d people were released, the rest waits", n)
		return nil
	}
	run.State, run.Why = engine.RunReleased, ""
	return note(true)
}

// reason says why a plan must wait for somebody; empty when it need not.
func (r *Runner) reason(ctx context.Context, run *state.Run) (string, error) {
	if run.Hold {
		return "it was asked for as a plan", nil
	}
	if run.Kind == Mapping {
		why := []string{"the mapping file changed", r.alarm(run), dropped(run)}
		return strings.Join(slices.DeleteFunc(why, func(s string) bool { return s == "" }), "; "), nil
	}
	if why, err := r.exodus(ctx, run.ID); err != nil || why != "" {
		return why, err
	}
	first := true
	if err := r.Store.View(func(tx state.Tx) error {
		_, ok := state.Marks.Get(tx, released(run.Source))
		first = !ok
		return nil
	}); err != nil {
		return "", err
	}
	if first {
		return "it is the first run of this source", nil
	}
	return r.alarm(run), nil
}

// dropped asks what is to become of labels that left the mapping file; empty when none did.
func dropped(run *state.Run) string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(run.Plan)) {
		for _, label := range slices.Sorted(maps.Keys(run.Plan[name].Dropped)) {
			labels = append(labels, fmt.Sprintf("%q", label))
		}
	}
	if len(labels) == 0 {
		return ""
	}
	return "people keep the labels " + strings.Join(labels, ", ") + ", which the file no longer names; list them under `retired` to have them taken away"
}

// alarm says what of a plan is more than passes without somebody's consent; empty when nothing is.
func (r *Runner) alarm(run *state.Run) string {
	for _, name := range slices.Sorted(maps.Keys(run.Plan)) {
		s := run.Plan[name]
		for campaign, n := range s.Campaigns {
			if n > campaignLimit && !r.Engine.AllowsCampaigns(name) {
				return fmt.Sprintf("%s: it would start the campaign %q for %d people; allow_campaigns: true lets that pass", name, campaign, n)
			}
		}
		if s.Unread && s.People > campaignLimit && !r.Engine.AllowsCampaigns(name) {
			return name + ": its campaigns cannot be read, so nobody knows whom it would message; allow_campaigns: true lets that pass"
		}
		if why, held := r.Guard.Judge(s.Counts, max(s.Linked, s.People-s.Creates)); held {
			return name + ": " + why
		}
	}
	return ""
}

// noteReleased remembers that a run of the source was let through once: the next ones are not the first.
func (r *Runner) noteReleased(ctx context.Context, run *state.Run, any bool) error {
	if run.Source == "" || run.Records == 0 && !any {
		return nil
	}
	return r.Store.Update(ctx, func(tx state.Tx) error {
		state.Marks.Put(tx, released(run.Source), state.Mark{At: run.Ended, Text: run.ID})
		return nil
	})
}

// Applied says what an apply did.
type Applied struct {
	People int
	// Moved are those for whom something changed since the plan was made: they were left out, and the run
	// goes on holding them with what would be done now.
	Moved []engine.Planned
}

// Apply releases a held run, or those of it whom some records stand for, after comparing it with the targets once
// more: what is released is what was shown.
func (r *Runner) Apply(ctx context.Context, id string, only []contact.Key, limit int) (done Applied, err error) {
	var run state.Run
	if err := r.Store.View(func(tx state.Tx) error {
		var ok bool
		if run, ok = state.Runs.Get(tx, id); !ok {
			return fmt.Errorf("there is no run %q", id)
		}
		if run.State != engine.RunHeld {
			return fmt.Errorf("run %s is %s; only a held run can be applied", id, run.State)
		}
		return nil
	}); err != nil {
		return done, err
	}
	if done.Moved, err = r.Engine.Replan(ctx, id); err != nil {
		return done, err
	}
	moved, people := map[state.LinkKey]bool{}, map[state.PersonID]bool{}
	for _, p := range done.Moved {
		moved[p.LinkKey], people[p.Person] = true, true
	}
	if done.People, err = r.Engine.Release(ctx, id, func(p engine.Planned) bool {
		return !moved[p.LinkKey] && p.Among(only)
	}, limit); err != nil {
		return done, err
	}
	if run.Held, err = r.Engine.HeldPeople(id, nil); err != nil {
		return done, err
	}
	if run.Held == 0 {
		run.State, run.Why = engine.RunReleased, ""
	} else if len(people) > 0 {
		run.Why = fmt.Sprintf("%d people changed since the plan was made", len(people))
	}
	if err := r.save(ctx, run); err != nil || run.Held > len(people) || done.People == 0 {
		return done, err // who begins with a few has not agreed to the rest
	}
	return done, r.noteReleased(ctx, &run, true)
}

// Discard drops what a run holds back: nothing of it is delivered until the people change again.
func (r *Runner) Discard(ctx context.Context, id string) (n int, err error) {
	rows, err := r.Engine.Held(id, nil, 0)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(rows, chunk) {
		if err := r.Store.Update(ctx, func(tx state.Tx) error {
			for _, row := range batch {
				if l, ok := state.Links.Get(tx, row.LinkKey); ok && l.Hold == id {
					will := l.Will
					state.Unschedule(tx, row.LinkKey, &l)
					if l.Undo = ""; will { // what they said about being written to was no part of the run
						state.Tell(tx, row.LinkKey, &l, r.Now())
					}
					state.Links.Put(tx, row.LinkKey, l)
				}
			}
			return nil
		}); err != nil {
			return n, err
		}
		n += len(batch)
	}
	return n, r.Store.Update(ctx, func(tx state.Tx) error {
		run, ok := state.Runs.Get(tx, id)
		if ok {
			run.State, run.Held, run.Why = engine.RunReplaced, 0, "discarded"
			state.Runs.Put(tx, id, run)
		}
		return nil
	})
}
