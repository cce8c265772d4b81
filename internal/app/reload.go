package app

import (
	"context"
	"errors"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/reconcile"
	"syncer/internal/source"
	"syncer/internal/state"
)

// Reload reads the mapping file again. When it is wrong, the old one stays in use and the error says why.
// When it means something else than before, what that changes is computed and held as a plan.
func (a *App) Reload(ctx context.Context) (console.ReloadResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.gen.Load().plan.Hash
	plan, err := loadPlan(a.opts)
	if err == nil && a.base == nil { // nobody uses it: this process ends with its answer
		return console.ReloadResult{Hash: plan.Hash, Message: a.say("no daemon runs: the mapping file has no mistakes and is used when one starts", "nenhum daemon em execução: o arquivo de mapeamento não tem erros e é usado quando um começar")}, nil
	}
	if err == nil {
		err = a.renew(plan, func() {})
	}
	if err != nil {
		a.reloaded.Store(&reloadError{a.now(), err})
		a.log.Error("the new mapping file is not used; the old one stays", "error", err)
		return console.ReloadResult{Hash: old}, err
	}
	a.reloaded.Store(nil)
	res := console.ReloadResult{Hash: plan.Hash, Changed: plan.Hash != old}
	res.Message = a.say("the mapping file is in use; nobody's mapping changed", "o arquivo de mapeamento está em uso; nenhum mapeamento mudou")
	if res.Changed {
		res.Message = a.say("the mapping file is in use; what it changes is being computed and held as a plan, see status", "o arquivo de mapeamento está em uso; o que ele muda está sendo calculado e fica retido como plano, veja o status")
	}
	return res, nil
}

// renew puts a new generation in the place of the one there is. between is done while none works. The caller holds
// the lock.
func (a *App) renew(plan *mapping.Plan, between func()) error {
	gen, err := a.generate(plan)
	if err != nil {
		return err
	}
	if a.base != nil {
		// The door is open meanwhile: what arrives is stored, and delivered by the new generation.
		a.gen.Load().wait()
		between()
		for _, l := range gen.ledgers {
			if err := l.Reload(); err != nil { // what the old generation spent meanwhile
				a.log.Error("the call ledger could not be read again", "error", err)
			}
		}
	}
	a.gen.Store(gen)
	a.door.Set(gen.routes)
	if a.base != nil {
		gen.start(a.base)
		gen.tasks.Go(func() { a.planMapping(gen.ctx) })
	}
	return nil
}

const mappingMark = "mapping"

// resumeMapping checks at start whether the mapping file is another one than at the last stop.
func (a *App) resumeMapping(ctx context.Context) {
	a.mu.Lock()
	gen := a.gen.Load()
	running := a.base != nil
	if running {
		gen.tasks.Go(func() { a.planMapping(gen.ctx) })
	}
	a.mu.Unlock()
}

// planMapping computes what a changed mapping file changes, and holds it as a plan. It does nothing when the
// file means what it meant before and no such plan was cut short.
func (a *App) planMapping(ctx context.Context) {
	gen := a.gen.Load()
	var known state.Mark
	var have, broken bool
	if err := a.store.View(func(tx state.Tx) error {
		known, have = state.Marks.Get(tx, mappingMark)
		broken = reconcile.Interrupted(tx, "", reconcile.Mapping)
		return nil
	}); err != nil {
		a.log.Error("the mapping in use could not be read", "error", err)
		return
	}
	if have && known.Text == gen.plan.Hash && !broken {
		return // what a broken off run holds back, by another file, must be let go
	}
	if have {
		run, err := gen.runner.Run(ctx, reconcile.Ask{Kind: reconcile.Mapping})
		var failure *contact.Error
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &failure):
			a.log.Warn("what the new mapping changes cannot be computed yet; it is tried again", "error", err)
			select {
			case <-time.After(time.Minute):
				gen.tasks.Go(func() { a.planMapping(ctx) })
			case <-ctx.Done():
			}
			return
		case err != nil:
			a.log.Error("what the new mapping changes cannot be computed", "error", err)
			return
		case run.State == engine.RunHeld:
			a.log.Warn("the mapping file changed; what it changes waits to be applied", "run", run.ID, "people", run.Held)
		}
	}
	if err := a.store.Update(ctx, func(tx state.Tx) error {
		state.Marks.Put(tx, mappingMark, state.Mark{Text: gen.plan.Hash, At: contact.Micros(a.now())})
		return nil
	}); err != nil {
		a.log.Error("the mapping in use could not be noted", "error", err)
	}
}

// How often the definitions of sources are read, and looked at for names that records use and they lack.
const (
	prepareEvery = 24 * time.Hour
	prepareAgain = time.Minute // after a failure, and at most so often for names that are lacking
	staleEvery   = 5 * time.Second
)

// prepareSources loads what each source needs to read its records, at start, then daily, and when a record uses
// a name that is not known. It also checks that the credentials open the place they opened before.
func (g *generation) prepareSources(ctx context.Context) {
	due := map[string]time.Time{}
	tick := time.NewTicker(staleEvery)
	defer tick.Stop()
	for {
		for name, src := range g.sources {
			now := g.a.now()
			s, ok := src.(source.Stale)
			stale := ok && s.Stale() && !due[name].Add(prepareAgain-prepareEvery).After(now)
			if due[name].After(now) && !stale {
				continue
			}
			due[name] = now.Add(prepareEvery)
			if err := g.prepareSource(ctx, name); err != nil && ctx.Err() == nil {
				failure := contact.AsError(err)
				g.a.log.Warn("a source's definitions cannot be read", "source", name, "kind", failure.Kind, "error", failure)
				due[name] = now.Add(prepareAgain)
			}
			g.engine.Wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *generation) prepareSource(ctx context.Context, name string) error {
	src := g.sources[name]
	id, place, err := src.Place(ctx)
	if err != nil {
		return err
	}
	if err := g.engine.Bind(ctx, "source/"+name, id, place); err != nil {
		return err
	}
	if err := src.Prepare(ctx); err != nil {
		return err
	}
	return g.remember(ctx, name)
}

func namesMark(source string) string { return "names/" + source }

// remember keeps what a source loaded, so that a start needs no answer from its API.
func (g *generation) remember(ctx context.Context, name string) error {
	named, ok := g.sources[name].(source.Named)
	if !ok {
		return nil
	}
	data := named.Remember()
	return g.a.store.Update(ctx, func(tx state.Tx) error {
		if m, ok := state.Marks.Get(tx, namesMark(name)); !ok || m.Text != g.sources[name].Definitions() {
			state.Marks.Put(tx, namesMark(name), state.Mark{Text: g.sources[name].Definitions(), At: contact.Micros(g.a.now()), Data: data})
		}
		return nil
	})
}

// recall gives every source what it had loaded in an earlier life.
func (g *generation) recall() error {
	return g.a.store.View(func(tx state.Tx) error {
		for name, src := range g.sources {
			named, ok := src.(source.Named)
			m, known := state.Marks.Get(tx, namesMark(name))
			if !ok || !known || len(m.Data) == 0 {
				continue
			}
			if err := named.Recall(m.Data); err != nil {
				g.a.log.Warn("the remembered names of a source cannot be used; they are read again", "source", name, "error", err)
			}
		}
		return nil
	})
}
