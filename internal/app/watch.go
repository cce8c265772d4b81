package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/notify"
	"syncer/internal/state"
)

// watch turns what happens into logs, metrics and notices, and keeps the counts that status shows.
type watch struct {
	a *App

	mu      sync.Mutex
	sources map[string]*sourceCounts
	targets map[string]map[string]int
}

type sourceCounts struct {
	last   time.Time
	events map[string]int
}

func newWatch(a *App) *watch {
	return &watch{a: a, sources: map[string]*sourceCounts{}, targets: map[string]map[string]int{}}
}

// event counts an event of a webhook.
func (w *watch) event(source string, r state.Receipt, at time.Time) {
	w.a.metrics.Event(source, string(r))
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.sources[source]
	if !ok {
		c = &sourceCounts{events: map[string]int{}}
		w.sources[source] = c
	}
	c.last = at
	c.events[string(r)]++
}

func (w *watch) source(name string) (last time.Time, events map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.sources[name]; ok {
		return c.last, maps.Clone(c.events)
	}
	return time.Time{}, nil
}

func (w *watch) target(name string) map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.targets[name])
}

// Delivered writes the one wide event of a delivery.
func (w *watch) Delivered(d engine.Delivery) {
	w.a.metrics.Delivered(d.Target, d.Outcome, d.Lane.String(), d.Queued, d.Took)
	w.mu.Lock()
	if w.targets[d.Target] == nil {
		w.targets[d.Target] = map[string]int{}
	}
	w.targets[d.Target][d.Outcome]++
	w.mu.Unlock()

	level := slog.LevelInfo
	switch d.Outcome {
	case "unchanged":
		level = slog.LevelDebug
	case "waiting":
		if contact.KindOf(d.Err) != contact.NoAddress {
			level = slog.LevelWarn
		}
	case "retry", "held":
		level = slog.LevelWarn
	case "dead":
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("target", d.Target), slog.Uint64("person", uint64(d.Person)), slog.Any("records", keys(d.Records)),
		slog.String("outcome", d.Outcome), slog.String("lane", d.Lane.String()), slog.Duration("queued", d.Queued), slog.Duration("took", d.Took)}
	if d.Decided != "" {
		attrs = append(attrs, slog.String("decided", d.Decided), slog.Any("wrote", d.Attrs))
	}
	if len(d.Kept) > 0 {
		attrs = append(attrs, slog.Any("kept", d.Kept))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.String("kind", string(contact.KindOf(d.Err))), slog.Int("fails", d.Fails), slog.String("error", d.Err.Error()))
	}
	w.a.log.LogAttrs(context.Background(), level, "delivery", attrs...)
}

func keys(ks []contact.Key) []string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = k.String()
	}
	return out
}

// Paused tells that a target stops or goes on.
func (w *watch) Paused(target string, kind contact.ErrorKind, why string) {
	if why == "" {
		w.a.log.Info("target goes on", "target", target)
		w.notify("target.resumed", target, w.a.say("%s is used again", "%s voltou a ser usado", target), nil)
		return
	}
	w.a.log.Error("target paused", "target", target, "kind", kind, "why", why)
	w.notify("target.paused", target, w.a.say("%s is paused: %s", "%s está pausado: %s", target, w.a.words().Told(why)), map[string]any{"kind": string(kind)})
}

// Held tells that a guard keeps changes back. It is called for every person; notices are collapsed.
func (w *watch) Held(target, run, why string, people int) {
	if run == engine.DryRun {
		return
	}
	w.notify("guard.held", target, w.a.say("%s: %s. Look with `syncer plan %s`, then apply or discard it", "%s: %s. Veja com `syncer plan %s`, depois aplique ou descarte", target, w.a.words().Told(why), run), map[string]any{"run": run, "people": people})
}

// Dead tells that somebody cannot be delivered.
func (w *watch) Dead(target string, d state.DeadLetter) {
	w.notify("dead.letter", target, w.a.say("%s: a delivery failed for good (%s). Look with `syncer dead list`", "%s: uma entrega falhou de vez (%s). Veja com `syncer dead list`", target, w.a.words().Kind(d.Kind)), map[string]any{"kind": string(d.Kind)})
}

// RunEnded tells how a run went.
func (w *watch) RunEnded(r state.Run) {
	outcome, level := r.State, slog.LevelInfo
	if r.Err != "" {
		outcome, level = engine.RunFailed, slog.LevelError // also when the next one will go on where it broke off
	}
	w.a.metrics.Run(r.Source, r.Kind, outcome)
	w.a.log.LogAttrs(context.Background(), level, "run", slog.String("run", r.ID), slog.String("source", r.Source), slog.String("kind", r.Kind),
		slog.String("state", r.State), slog.Int("pages", r.Pages), slog.Int("records", r.Records), slog.Int("unchanged", r.Unchanged),
		slog.Int("unannounced", r.Unannounced), slog.Int("missing", r.Missing), slog.Int("deleted", r.Deleted), slog.Int("held", r.Held),
		slog.String("why", r.Why), slog.String("error", r.Err))
	switch outcome {
	case engine.RunHeld:
		w.notify("run.held", r.ID, w.a.say("run %s would change %s and waits: %s. Look with `syncer plan %s`, then `syncer apply %s`", "a execução %s mudaria %s e aguarda: %s. Veja com `syncer plan %s`, depois `syncer apply %s`",
			r.ID, w.a.words().Count(r.Held, "person", "people", "pessoa", "pessoas"), w.a.words().Told(r.Why), r.ID, r.ID),
			map[string]any{"run": r.ID, "people": r.Held})
	case engine.RunFailed:
		w.notify("run.failed", r.Source, w.a.say("run %s failed: %s", "a execução %s falhou: %s", r.ID, w.a.words().Told(r.Err)), map[string]any{"run": r.ID})
	}
}

func (w *watch) notify(kind, subject, text string, data map[string]any) {
	g := w.a.gen.Load()
	if g == nil || g.notifier == nil {
		return
	}
	g.notifier.Send(notify.Notice{Type: kind, At: w.a.now(), Subject: subject, Text: text, Data: data})
}

// How often the state is looked at for what nobody would otherwise notice, and pruned.
const (
	lookEvery  = time.Minute
	pruneEvery = time.Hour
)

// run looks for silence, for work that falls behind, and keeps the state within its bounds.
func (w *watch) run(ctx context.Context) {
	look, prune := time.NewTicker(lookEvery), time.NewTicker(pruneEvery)
	defer look.Stop()
	defer prune.Stop()
	w.look(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			w.look(ctx)
		case <-prune.C:
			if err := errors.Join(state.Prune(ctx, w.a.store, w.a.now()), w.a.pruneLedgers(ctx)); err != nil {
				w.a.log.Error("old entries could not be removed", "error", err)
			}
		}
	}
}

// pruneLedgers removes the ledgers of keys that are no longer used.
func (a *App) pruneLedgers(ctx context.Context) error {
	var keep []string
	for _, l := range a.gen.Load().ledgers {
		keep = append(keep, l.Credential())
	}
	return budget.Prune(ctx, a.store, a.now(), keep...)
}

// behindAfter is how long a change may wait before the operator is told.
const behindAfter = time.Hour

func (w *watch) look(ctx context.Context) {
	s, err := w.a.Status(ctx)
	if err != nil {
		w.a.log.Error("the state cannot be read", "error", err)
		return
	}
	w.a.gauges(&s)
	now := w.a.now()
	for _, t := range s.Targets {
		if !t.Oldest.IsZero() && now.Sub(t.Oldest) > behindAfter && t.Paused == nil {
			w.notify("work.behind", t.Name, w.a.say("%s: the oldest change waits since %s; %s", "%s: a mudança mais antiga aguarda desde %s; %s", t.Name, w.a.words().Stamp(t.Oldest), t.Doing), nil)
		}
	}
	if s.Store.Lost {
		w.notify("state.lost", "state", w.a.say("the state file was deleted or replaced while syncer has it open; nothing more is accepted",
			"o arquivo de estado foi apagado ou trocado com o syncer em execução; nada mais é aceito"), nil)
	}
	if f := s.Store.Fullness(); f > 0.8 {
		w.notify("state.full", "state", w.a.say("the state file is %d %% full", "o arquivo de estado está %d %% cheio", int(f*100)), nil)
	}
	for _, spec := range w.a.gen.Load().plan.Sources {
		if spec.SilentHours == 0 || spec.Webhook == nil {
			continue
		}
		last, _ := w.source(spec.Name)
		if last.IsZero() {
			last = w.a.started
		}
		if silent := now.Sub(last); silent > time.Duration(spec.SilentHours)*time.Hour {
			w.notify("source.silent", spec.Name, w.a.say("%s has sent no webhook for %d hours", "%s não envia webhook há %d horas", spec.Name, int(silent.Hours())), nil)
		}
	}
}
