package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

func letterID(k state.LinkKey) string {
	return k.Target + "/" + strconv.FormatUint(uint64(k.Person), 10)
}

func (a *App) parseLetter(id string) (state.LinkKey, error) {
	target, person, ok := strings.Cut(id, "/")
	n, err := strconv.ParseUint(person, 10, 64)
	if !ok || err != nil {
		return state.LinkKey{}, a.wrong("%q is no id of a dead letter; `syncer dead list` shows them", "%q não é id de uma entrega não feita; `syncer dead list` as mostra", id)
	}
	return state.LinkKey{Target: target, Person: state.PersonID(n)}, nil
}

// DeadLetters lists dead letters.
func (a *App) DeadLetters(_ context.Context, f console.DeadFilter) (out []console.DeadLetter, err error) {
	err = a.store.View(func(tx state.Tx) error {
		out = nil
		if err := a.knownLetters(tx, f); err != nil {
			return err
		}
		for k, d := range state.Dead.All(tx, nil, nil) {
			if f.Target != "" && f.Target != d.Target || f.Kind != "" && f.Kind != string(d.Kind) || f.ID != "" && f.ID != letterID(k) {
				continue
			}
			if out = append(out, console.DeadLetter{ID: letterID(k), DeadLetter: d}); f.Limit > 0 && len(out) == f.Limit {
				break
			}
		}
		return nil
	})
	return out, err
}

// knownLetters refuses a filter by names that do not exist: it would find nothing, which looks as if all were well.
func (a *App) knownLetters(tx state.Tx, f console.DeadFilter) error {
	targets := append(a.gen.Load().engine.Targets(), state.Names(tx, state.Dead.Name)...)
	slices.Sort(targets)
	targets = slices.Compact(targets)
	if f.Target != "" && !slices.Contains(targets, f.Target) {
		return a.noSuch("target", "destino", f.Target, targets)
	}
	if f.Kind != "" && !slices.Contains(console.DeadKinds, f.Kind) {
		return a.noSuch("kind of dead letter", "tipo de entrega não feita", f.Kind, console.DeadKinds)
	}
	return nil
}

// RetryDead makes dead letters due again.
func (a *App) RetryDead(ctx context.Context, f console.DeadFilter) (int, error) {
	return a.eachDead(ctx, f, func(tx state.Tx, k state.LinkKey, l *state.Link) {
		l.Fails, l.Refused, l.Waiting = 0, 0, nil
		if l.Hold != "" {
			state.Tell(tx, k, l, a.now()) // that is all of theirs that was tried
		} else {
			state.Schedule(tx, k, l, state.LaneBulk, a.now())
		}
		state.Links.Put(tx, k, *l)
	})
}

// dropped is what the journal says of somebody whose dead letter was dropped.
const dropped = "dropped"

// DropDead removes dead letters: the person is left as they are until something newer comes.
func (a *App) DropDead(ctx context.Context, f console.DeadFilter) (int, error) {
	return a.eachDead(ctx, f, func(tx state.Tx, k state.LinkKey, l *state.Link) {
		l.Waiting = nil
		state.Links.Put(tx, k, *l)
		state.Note(tx, k.Person, state.Entry{At: contact.Micros(a.now()), What: dropped, Target: k.Target})
	})
}

func (a *App) eachDead(ctx context.Context, f console.DeadFilter, do func(state.Tx, state.LinkKey, *state.Link)) (n int, err error) {
	letters, err := a.DeadLetters(ctx, f)
	if err != nil {
		return 0, err
	}
	if f.ID != "" && len(letters) == 0 {
		return 0, a.wrong("there is no dead letter %q", "não há entrega não feita %q", f.ID)
	}
	for batch := range slices.Chunk(letters, 200) {
		if err := a.store.Update(ctx, func(tx state.Tx) error {
			for _, d := range batch {
				k, err := a.parseLetter(d.ID)
				if err != nil {
					return err
				}
				state.Dead.Delete(tx, k)
				if l, ok := state.Links.Get(tx, k); ok {
					do(tx, k, &l)
				}
			}
			return nil
		}); err != nil {
			return n, err
		}
		n += len(batch)
	}
	a.wakeTargets()
	return n, nil
}

func (a *App) wakeTargets() {
	g := a.gen.Load()
	for _, name := range g.engine.Targets() {
		g.engine.Conductor(name).Wake()
	}
}

// Reconcile starts a run. In a daemon it returns at once; a command that works on the state itself waits for
// the end and then delivers what was released.
func (a *App) Reconcile(ctx context.Context, ask console.RunAsk) (state.Run, error) {
	g := a.gen.Load()
	if _, ok := g.plan.Source(ask.Source); !ok {
		return state.Run{}, a.noSuch("source", "fonte", ask.Source, sourceNames(g))
	}
	switch kinds := []string{reconcile.Changes, reconcile.Full, reconcile.Replay}; {
	case ask.Kind == "":
		ask.Kind = reconcile.Changes
	case !slices.Contains(kinds, ask.Kind):
		return state.Run{}, a.noSuch("kind of run", "tipo de execução", ask.Kind, kinds)
	}
	only, err := a.chosen(ask.ApplyAsk)
	if err != nil {
		return state.Run{}, err
	}
	req := reconcile.Ask{Source: ask.Source, Kind: ask.Kind, Yes: ask.Yes, Hold: ask.Hold, Only: only, Limit: ask.Limit}
	if !a.serving.Load() {
		run, err := g.runner.Run(ctx, req)
		if err == nil && run.State == engine.RunReleased {
			err = a.deliverAll(ctx, g)
		}
		return run, err
	}
	began := make(chan state.Run, 1)
	ended := make(chan error, 1)
	req.Began = func(r state.Run) { began <- r }
	a.mu.Lock()
	base := g.ctx
	g.tasks.Go(func() {
		_, err := g.runner.Run(base, req)
		ended <- err
	})
	a.mu.Unlock()
	select {
	case r := <-began:
		return shown(r), nil
	case err := <-ended:
		if errors.Is(err, reconcile.ErrBusy) {
			return state.Run{}, console.Errorf(console.Busy, "%s", a.say("a run of this source is under way and another one waits already", "uma execução desta fonte está em curso e outra já aguarda"))
		}
		return state.Run{}, err
	case <-ctx.Done():
		return state.Run{}, ctx.Err()
	}
}

func sourceNames(g *generation) (names []string) {
	for _, s := range g.plan.Sources {
		names = append(names, s.Name)
	}
	return names
}

// deliverAll works off what is due, for a command that runs without a daemon.
func (a *App) deliverAll(ctx context.Context, g *generation) error {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.engine.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		rest, err := a.underWay(g)
		if err != nil || !rest {
			return err
		}
	}
}

// underWay reports whether anything is due now or being delivered. What waits for a later moment, or at a
// target that is paused, does not count.
func (a *App) underWay(g *generation) (busy bool, err error) {
	soon := a.now().Add(time.Minute)
	err = a.store.View(func(tx state.Tx) error {
		busy = state.CountDueRecords(tx, 1) > 0
		for _, name := range g.engine.Targets() {
			s := g.engine.Conductor(name).Status()
			busy = busy || s.Busy > 0
			if s.Paused != nil {
				continue
			}
			for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
				people, _ := state.DueLinks(tx, name, lane, soon, 1, nil)
				busy = busy || len(people) > 0
			}
		}
		return nil
	})
	return busy, err
}

// chosen are the records whose people are wanted, nil for everybody. What chooses nobody is refused: it must not be taken
// for everybody.
func (a *App) chosen(ask console.ApplyAsk) (only []contact.Key, err error) {
	if ask.Limit < 0 {
		return nil, a.misused("a limit must be at least 1, not %d", "um limite deve ser ao menos 1, não %d", ask.Limit)
	}
	for _, s := range ask.Only {
		k, err := a.key(s)
		if err != nil {
			return nil, err
		}
		only = append(only, k)
	}
	return only, nil
}

// shown is a run as people see it: how a source marks its place in a list may be somebody's address.
func shown(r state.Run) state.Run {
	r.Cursor = ""
	return r
}

// Runs lists runs, newest first.
func (a *App) Runs(_ context.Context, limit int) (out []state.Run, err error) {
	err = a.store.View(func(tx state.Tx) error {
		out = nil
		for _, r := range state.Runs.All(tx, nil, nil) {
			out = append(out, shown(r))
		}
		return nil
	})
	slices.SortFunc(out, func(x, y state.Run) int { return int(min(max(y.Started-x.Started, -1), 1)) })
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, err
}

// RunState returns one run.
func (a *App) RunState(_ context.Context, id string) (r state.Run, err error) {
	err = a.store.View(func(tx state.Tx) error {
		var ok bool
		if r, ok = state.Runs.Get(tx, id); !ok {
			return a.wrong("there is no run %q; `syncer runs` lists them", "não há execução %q; `syncer runs` as lista", id)
		}
		return nil
	})
	return shown(r), err
}

// Plan lists what a held run would do, page by page.
func (a *App) Plan(_ context.Context, run, after string, limit int, show bool) (page console.PlanPage, err error) {
	var from *state.HoldKey
	if after != "" {
		k, err := a.parseLetter(after)
		if err != nil {
			return page, err
		}
		from = &state.HoldKey{Run: run, LinkKey: k}
	}
	if limit <= 0 || limit > 1000 {
		limit = 200
	}
	rows, err := a.gen.Load().engine.Held(run, from, limit)
	if err != nil {
		return page, err
	}
	page.Rows = make([]console.PlanRow, 0, len(rows))
	for _, p := range rows {
		page.Rows = append(page.Rows, planRow(p, show))
		page.Next = letterID(p.LinkKey)
	}
	if len(rows) < limit {
		page.Next = ""
	}
	return page, nil
}

func planRow(p engine.Planned, show bool) console.PlanRow {
	row := console.PlanRow{Target: p.Target, Person: p.Person, Contact: p.Contact, What: what(&p.Change), Steps: steps(p.Change.Steps, show)}
	for _, k := range p.Keys {
		row.Records = append(row.Records, k.String())
	}
	return row
}

func what(c *contact.Change) string {
	switch {
	case c.Create:
		return "create"
	case c.Delete:
		return "delete"
	case c.Block:
		return "block"
	case c.Writes() && c.Relabels():
		return "update and label"
	case c.Writes():
		return "update"
	case c.Relabels():
		return "label"
	}
	return "nothing"
}

// steps masks what a change shows, unless the viewer asked to see it.
func steps(in []contact.Step, show bool) []contact.Step {
	out := slices.Clone(in)
	if show {
		return out
	}
	for i := range out {
		s := &out[i]
		if strings.HasPrefix(s.Attr, "labels.") {
			continue // names of labels are the operator's own words
		}
		s.Old, s.New = mask(s.Attr, s.Old), mask(s.Attr, s.New)
	}
	return out
}

func mask(attr, v string) string {
	if v == "" {
		return ""
	}
	if attr == "urns" || attr == "contact" && strings.Contains(v, ":") {
		return contact.MaskURN(contact.URN(v))
	}
	if attr == "contact" {
		return v
	}
	return contact.MaskText(v)
}

// Apply releases a held run, or some of it.
func (a *App) Apply(ctx context.Context, run string, ask console.ApplyAsk) (out console.Applied, err error) {
	only, err := a.chosen(ask)
	if err != nil {
		return out, err
	}
	g := a.gen.Load()
	done, err := g.runner.Apply(ctx, run, only, ask.Limit)
	if err != nil {
		return out, err
	}
	out.People = done.People
	for _, p := range done.Moved {
		out.Moved = append(out.Moved, planRow(p, false))
	}
	if !a.serving.Load() {
		err = a.deliverAll(ctx, g)
	}
	return out, err
}

// Undo makes a plan that takes back what a run did.
func (a *App) Undo(ctx context.Context, run string) (state.Run, error) {
	r, err := a.gen.Load().runner.Undo(ctx, run)
	if err != nil {
		return r, a.wrong("%v", "%v", a.words().Told(err.Error()))
	}
	return r, nil
}

// Discard drops a held run.
func (a *App) Discard(ctx context.Context, run string) (int, error) {
	if _, err := a.RunState(ctx, run); err != nil {
		return 0, err
	}
	return a.gen.Load().runner.Discard(ctx, run)
}

// byHand is why a target is paused when nobody said why.
const byHand = "paused by hand"

// Pause stops a target from being used; Resume uses it again.
func (a *App) Pause(ctx context.Context, target, why string) error {
	c, err := a.conductor(target)
	if err != nil {
		return err
	}
	if why == "" {
		why = byHand
	}
	c.Pause(ctx, "", why)
	return nil
}

// Resume uses a paused target again.
func (a *App) Resume(ctx context.Context, target string) error {
	c, err := a.conductor(target)
	if err != nil {
		return err
	}
	return c.Resume(ctx)
}

func (a *App) conductor(target string) (*engine.Conductor, error) {
	e := a.gen.Load().engine
	if c := e.Conductor(target); c != nil {
		return c, nil
	}
	return nil, a.noSuch("target", "destino", target, e.Targets())
}

// Rebind accepts that the credentials of a target or source open another place than before. At a target everybody
// is looked for anew, and what that would write is held as a plan for each source.
func (a *App) Rebind(ctx context.Context, what string) error {
	if !strings.Contains(what, "/") {
		what = "target/" + what
	}
	g := a.gen.Load()
	if target, ok := strings.CutPrefix(what, "target/"); ok {
		if _, err := a.conductor(target); err != nil {
			return err
		}
		if err := g.engine.Rebind(ctx, target); err != nil {
			return err
		}
		return errors.Join(a.Resume(ctx, target), a.planEverybody(ctx, g))
	}
	return a.store.Update(ctx, func(tx state.Tx) error {
		if _, ok := state.Places.Get(tx, what); !ok {
			if name, ok := strings.CutPrefix(what, "source/"); ok && slices.Contains(sourceNames(g), name) {
				return a.wrong("%q is not bound to a place", "%q não está vinculado a um lugar", what)
			}
			return a.noSuch("source or target", "fonte ou destino", what, bindable(g))
		}
		state.Places.Delete(tx, what)
		return nil
	})
}

// bindable is whatever may be bound to a place.
func bindable(g *generation) (out []string) {
	for _, name := range sourceNames(g) {
		out = append(out, "source/"+name)
	}
	for _, name := range g.engine.Targets() {
		out = append(out, "target/"+name)
	}
	return out
}

// planEverybody compares all that is known of every source with the targets and holds the differences as plans.
// In a daemon it goes on after it has returned.
func (a *App) planEverybody(ctx context.Context, g *generation) error {
	plan := func(ctx context.Context) error {
		var errs []error
		for _, name := range sourceNames(g) {
			_, err := g.runner.Run(ctx, reconcile.Ask{Source: name, Kind: reconcile.Replay, Hold: true})
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.serving.Load() {
		return plan(ctx)
	}
	g.tasks.Go(func() {
		if err := plan(g.ctx); err != nil && g.ctx.Err() == nil {
			a.log.Error("what is to be written to the new place could not be planned", "error", err)
		}
	})
	return nil
}

// Link says by hand that a record's person is a certain contact.
func (a *App) Link(ctx context.Context, key, target, id string) error {
	k, err := a.key(key)
	if err != nil {
		return err
	}
	if _, err := a.conductor(target); err != nil {
		return err
	}
	return a.gen.Load().engine.LinkByHand(ctx, k, target, id)
}

// Unlink takes a link back; the contact is left as it is, and not linked again by itself.
func (a *App) Unlink(ctx context.Context, key, target string) error {
	k, err := a.key(key)
	if err != nil {
		return err
	}
	if _, err := a.conductor(target); err != nil {
		return err
	}
	return a.gen.Load().engine.UnlinkByHand(ctx, k, target)
}

// Forget erases a person everywhere it can, and everything syncer knows of them.
func (a *App) Forget(ctx context.Context, what string) (string, error) {
	people, err := a.find(what)
	if err != nil {
		return "", err
	}
	records := 0
	err = a.store.Update(ctx, func(tx state.Tx) error {
		records = 0
		for _, p := range people {
			who, _ := state.Persons.Get(tx, p)
			for _, k := range who.Records {
				e := state.Prepare(a.now(), []contact.Event{{Kind: contact.Erase, Key: k}})
				state.AcceptOne(tx, &e[0], state.Travel{Lane: state.LaneConsent})
				records++
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	g := a.gen.Load()
	g.engine.Wake()
	if !a.serving.Load() {
		if err := a.deliverAll(ctx, g); err != nil {
			return "", err
		}
	}
	w := a.words()
	return w.Say("%s with %s: erasure is under way. Where a target cannot delete, a conflict says what to erase by hand",
		"%s com %s: a exclusão está em curso. Onde um destino não sabe apagar, um conflito diz o que apagar à mão",
		w.Count(len(people), "person", "people", "pessoa", "pessoas"), w.Count(records, "record", "records", "registro", "registros")), nil
}

// Backup writes a consistent copy of the state.
func (a *App) Backup(ctx context.Context, w io.Writer) error { return a.store.Backup(ctx, w) }

// Export writes what cannot be rebuilt from sources and targets.
func (a *App) Export(_ context.Context, w io.Writer) error { return state.Export(a.store, w) }

// Import reads an export into a new state.
func (a *App) Import(ctx context.Context, r io.Reader) (int, error) {
	n, err := state.Import(ctx, a.store, r)
	if err != nil {
		return n, a.wrong("%v", "%v", err)
	}
	g := a.gen.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.serving.Load() { // what was known of the targets may have been forgotten, also by a reading under way
		for _, name := range g.engine.Targets() {
			c := g.engine.Conductor(name)
			if !c.Target().Rules().Can.Changes {
				continue
			}
			g.tasks.Go(func() {
				if err := c.Mirror().Audit(g.ctx); err != nil && g.ctx.Err() == nil {
					a.log.Warn("the contacts could not be read again after the import", "target", name, "error", err)
				}
			})
		}
	}
	return n, nil
}

// Compact gives free space back.
func (a *App) Compact(ctx context.Context) (console.CompactResult, error) {
	before := a.store.Stats().Bytes
	err := a.store.Compact(ctx)
	return console.CompactResult{Before: before, After: a.store.Stats().Bytes}, err
}
