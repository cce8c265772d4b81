package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"syncer/internal/budget"
	"syncer/internal/engine"
	"syncer/internal/intake"
	"syncer/internal/mapping"
	"syncer/internal/notify"
	"syncer/internal/omni"
	"syncer/internal/outbound"
	"syncer/internal/reconcile"
	"syncer/internal/source"
	"syncer/internal/source/generic"
	"syncer/internal/source/pipedrive"
	"syncer/internal/weni"
)

// generation is everything that a mapping file decides. It remembers nothing: all of that is in the store, so
// one can take the place of another at any time.
type generation struct {
	a         *App
	plan      *mapping.Plan
	sources   map[string]source.Source
	targets   map[string]engine.Target
	ledgers   map[string]*budget.Ledger // by "source/name" and "target/name"
	routes    map[string]intake.Route
	engine    *engine.Engine
	runner    *reconcile.Runner
	scheduler *reconcile.Scheduler

	notifier *notify.Notifier

	ctx   context.Context // while it runs
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// generate wires a generation. All mistakes are reported at once.
func (a *App) generate(plan *mapping.Plan) (*generation, error) {
	g := &generation{a: a, plan: plan, sources: map[string]source.Source{}, targets: map[string]engine.Target{},
		ledgers: map[string]*budget.Ledger{}, routes: map[string]intake.Route{}}
	var errs []error
	for _, spec := range plan.Sources {
		if err := g.addSource(spec); err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", spec.Name, err))
		}
	}
	options := map[string]engine.TargetOptions{}
	for _, spec := range plan.Targets {
		t, err := g.addTarget(spec)
		if err != nil {
			errs = append(errs, fmt.Errorf("target %s: %w", spec.Name, err))
			continue
		}
		options[spec.Name] = engine.TargetOptions{Target: t, Budget: g.ledgers["target/"+spec.Name], CreateMissing: spec.CreateMissing || spec.Kind == "omnichannel", AllowCampaigns: spec.AllowCampaign}
	}
	if plan.Notify != nil {
		n, err := notify.New(*plan.Notify, notify.Deps{Transport: a.opts.Transport, Logger: a.log, Now: a.now, Secrets: a.opts.Secrets})
		if err != nil {
			errs = append(errs, fmt.Errorf("notify: %w", err))
		}
		g.notifier = n
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := g.recall(); err != nil {
		return nil, err
	}
	guard := engine.Guard{AtLeast: plan.Defaults.Guard.AtLeast, Percent: plan.Defaults.Guard.Percent, DeletesPercent: plan.Defaults.Guard.DeletesPercent}
	g.engine = engine.New(engine.Options{Store: a.store, Plan: plan, Sources: g.sources, Targets: options, Observer: a.watch,
		Logger: a.log, Now: a.now, DryRun: a.opts.DryRun, Guard: guard})
	g.runner = &reconcile.Runner{Store: a.store, Engine: g.engine, Sources: g.sources, Guard: guard, Observer: a.watch, Prepare: g.prepareSource, Logger: a.log, Now: a.now}
	g.scheduler = &reconcile.Scheduler{Runner: g.runner, Store: a.store, Location: plan.Location, Now: a.now}
	for _, spec := range plan.Sources {
		t := reconcile.Timetable{Source: spec.Name}
		var err error
		if spec.Reconcile.Changes != "" {
			t.Changes, err = mapping.ParseSchedule(spec.Reconcile.Changes, plan.Location)
			errs = append(errs, err)
		}
		if spec.Reconcile.Full != "" {
			t.Full, err = mapping.ParseSchedule(spec.Reconcile.Full, plan.Location)
			errs = append(errs, err)
		}
		g.scheduler.Timetable = append(g.scheduler.Timetable, t)
	}
	return g, errors.Join(errs...)
}

func (g *generation) addSource(spec mapping.Source) error {
	a := g.a
	meter, err := g.ledger("source/"+spec.Name, sourceCredential(spec), sourceLimits(spec))
	if err != nil {
		return err
	}
	src, err := newSource(spec, meter, a, g.plan.Location)
	if err != nil {
		return err
	}
	g.sources[spec.Name] = src
	if spec.Webhook == nil {
		return nil
	}
	verifier, err := intake.NewVerifier(*spec.Webhook, a.opts.Config.PublicURL, a.now)
	if err != nil {
		return err
	}
	g.routes[spec.Name] = intake.Route{Source: src, Verifier: verifier, MaxBytes: spec.Webhook.MaxBytes}
	return nil
}

func (g *generation) addTarget(spec mapping.Target) (engine.Target, error) {
	a := g.a
	meter, err := g.ledger("target/"+spec.Name, targetCredential(spec), targetLimits(spec))
	if err != nil {
		return nil, err
	}
	t, err := newTarget(spec, meter, a)
	if err != nil {
		return nil, err
	}
	g.targets[spec.Name] = t
	return t, nil
}

func newSource(spec mapping.Source, meter outbound.Meter, a *App, zone *time.Location) (source.Source, error) {
	switch spec.Kind {
	case "pipedrive":
		return pipedrive.New(spec, pipedrive.Deps{Meter: meter, Transport: a.transport(spec.Name), Logger: a.log, Now: a.now})
	case "generic":
		return generic.New(spec, generic.Deps{Meter: meter, Transport: a.transport(spec.Name), Logger: a.log, Now: a.now, Zone: zone})
	}
	return nil, fmt.Errorf("this version of syncer has no source of kind %q", spec.Kind)
}

func newTarget(spec mapping.Target, meter outbound.Meter, a *App) (engine.Target, error) {
	switch spec.Kind {
	case "weni":
		return weni.New(spec, weni.Deps{Meter: meter, Transport: a.transport(spec.Name), Logger: a.log, Now: a.now})
	case "omniflow":
		return omni.NewOmniFlow(spec, omni.Deps{Meter: meter, Transport: a.transport(spec.Name), Logger: a.log, Now: a.now})
	case "omnichannel":
		return omni.NewOmnichannel(spec, omni.Deps{Meter: meter, Transport: a.transport(spec.Name), Logger: a.log, Now: a.now})
	}
	return nil, fmt.Errorf("this version of syncer has no target of kind %q", spec.Kind)
}

// ledger makes the call ledger of a source or target. Two that use one key share it.
func (g *generation) ledger(what, credential string, limits map[string]budget.Limit) (outbound.Meter, error) {
	for _, l := range g.ledgers {
		if l.Credential() == credential {
			g.ledgers[what] = l
			return l, nil
		}
	}
	l, err := budget.New(g.a.store, credential, limits, budget.Options{Now: g.a.now, Logger: g.a.log})
	if err != nil {
		return nil, err
	}
	g.ledgers[what] = l
	return l, nil
}

// credentialID names a key without showing it.
func credentialID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		p = strings.TrimRight(p, "/") // an address is the same with a slash at its end
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func targetCredential(s mapping.Target) string {
	return credentialID(s.Kind, s.BaseURL, s.Token, s.APIKey, s.ClientID)
}

func sourceCredential(s mapping.Source) string {
	switch {
	case s.API != nil:
		return credentialID(s.Kind, s.API.BaseURL, s.API.Token)
	case s.List != nil:
		return credentialID(s.Kind, s.List.URL, s.List.Auth)
	}
	return credentialID(s.Kind, s.Name)
}

// start runs the generation until stop.
func (g *generation) start(ctx context.Context) {
	g.ctx, g.stop = context.WithCancel(ctx)
	ctx = g.ctx
	g.tasks.Go(func() { g.engine.Run(ctx) })
	if !g.a.opts.DryRun {
		g.tasks.Go(func() {
			if err := g.scheduler.Run(ctx); err != nil {
				g.a.log.Error("the schedules do not run", "error", err)
			}
		})
	}
	g.tasks.Go(func() { g.prepareSources(ctx) })
	if g.notifier != nil {
		g.tasks.Go(func() { g.notifier.Run(ctx) })
	}
}

// wait ends the generation and waits for what is under way.
func (g *generation) wait() {
	if g.stop != nil {
		g.stop()
	}
	g.tasks.Wait()
}
