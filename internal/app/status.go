package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/budget"
	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/obs"
	"syncer/internal/state"
)

// countLimit bounds how far queues are counted for status: beyond it, "many" says enough.
const countLimit = 200_000

// statusCache keeps the last status: counting reads every link, which takes a while where there are many. It is
// counted again when twenty times as long has passed as counting takes, so that somebody who watches costs a
// twentieth of a processor at most. A small state is counted every time.
type statusCache struct {
	mu   sync.Mutex
	at   time.Time
	cost time.Duration
	last console.Status
}

// Status tells the state of everything.
func (a *App) Status(_ context.Context) (console.Status, error) {
	c := &a.status
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cost > 500*time.Millisecond && time.Since(c.at) < 20*c.cost {
		return c.last, nil
	}
	began := time.Now()
	s, err := a.count()
	if err == nil {
		c.at, c.cost, c.last = time.Now(), time.Since(began), s
	}
	return s, err
}

func (a *App) count() (console.Status, error) {
	g := a.gen.Load()
	s := console.Status{Version: obs.Version(), At: a.now(), Store: a.store.Stats(), Mapping: console.MappingStatus{File: a.opts.Config.Mappings, Hash: g.plan.Hash}}
	if a.serving.Load() {
		s.Started = a.started
	}
	if r := a.reloaded.Load(); r != nil {
		s.Mapping.Error = r.err.Error()
	}
	now := a.now()
	err := a.store.View(func(tx state.Tx) error {
		if m, ok := state.Marks.Get(tx, mappingMark); ok {
			s.Mapping.Since = contact.FromMicros(m.At)
		}
		s.Records, s.People = state.Count(tx, state.Records.Name), state.Count(tx, state.Persons.Name)
		s.Strangers = strangers(tx, g)
		s.Conflicts = state.Count(tx, state.Conflicts.Name)
		s.Mapless = state.CountDueRecords(tx, countLimit)
		s.Runs = currentRuns(tx)
		quarantined := map[string]int{}
		for _, q := range state.Quarantine.All(tx, nil, nil) {
			quarantined[q.Source]++
		}
		for _, spec := range g.plan.Sources {
			src := console.SourceStatus{Name: spec.Name, Kind: spec.Kind, Quarantined: quarantined[spec.Name]}
			for range state.ScanRecords(tx, spec.Name) {
				src.Records++
			}
			src.LastWebhook, src.Events = a.watch.source(spec.Name)
			src.Budget = budgets(g.ledgers["source/"+spec.Name])
			src.NextRun = g.scheduler.Next(spec.Name, now)
			s.Sources = append(s.Sources, src)
		}
		for _, spec := range g.plan.Targets {
			t := console.TargetStatus{Name: spec.Name, Kind: spec.Kind}
			a.targetStatus(tx, g, &t, now)
			s.Targets = append(s.Targets, t)
		}
		return nil
	})
	s.Attention = attention(&s, now)
	return s, err
}

// currentRuns are the runs that wait for somebody and the latest of each source and kind.
func currentRuns(tx state.Tx) []state.Run {
	latest := map[string]state.Run{}
	var out []state.Run
	for _, r := range state.Runs.All(tx, nil, nil) {
		if r = shown(r); r.State == engine.RunHeld {
			out = append(out, r)
			continue
		}
		k := r.Source + "/" + r.Kind
		if l, ok := latest[k]; !ok || r.Started > l.Started {
			latest[k] = r
		}
	}
	for _, r := range latest {
		out = append(out, r)
	}
	slices.SortFunc(out, func(x, y state.Run) int { return strings.Compare(x.Source+x.Kind, y.Source+y.Kind) })
	return out
}

func (a *App) targetStatus(tx state.Tx, g *generation, t *console.TargetStatus, now time.Time) {
	if p, ok := state.Places.Get(tx, "target/"+t.Name); ok {
		t.Place = p.Name
	}
	counts, oldest := state.Backlog(tx, t.Name, countLimit)
	t.Due = map[string]int{}
	for lane, n := range counts {
		t.Due[state.Lane(lane).String()] = n
	}
	t.Oldest, t.Waiting = oldest, map[string]int{}
	var again retries
	for k, l := range state.Links.All(tx, state.Prefix(t.Name), nil) {
		if l.Contact != "" {
			t.Linked++
		}
		if l.Hold != "" {
			t.Held++
		}
		if l.Waiting != nil {
			t.Waiting[string(l.Waiting.Kind)]++
			again.add(&l, now)
		}
		if l.Adopted != nil && l.At == 0 && l.Contact != "" && l.Due == 0 && l.Hold == "" && l.Waiting == nil {
			t.Found++
		}
		countLeft(tx, t, k.Person, &l)
	}
	for range state.Dead.All(tx, state.Prefix(t.Name), nil) {
		t.Dead++
	}
	t.Contacts = state.CountMirror(tx, t.Name)
	if p, ok := state.Pauses.Get(tx, "target/"+t.Name); ok {
		t.Paused = &p
	}
	c := g.engine.Conductor(t.Name)
	t.Labels = c.Strangers()
	t.Mirror = contact.FromMicros(state.ReadMirrorMark(tx, t.Name).Refreshed)
	ledger := g.ledgers["target/"+t.Name]
	t.Budget = budgets(ledger)
	t.Delivered = a.watch.target(t.Name)
	total := counts[0] + counts[1] + counts[2]
	if total > 0 {
		t.Done = now.Add(ledger.Estimate(contact.ScopeContacts, total, now))
	}
	t.Doing = doing(t, c.Status(), ledger, total, again, now)
}

// countLeft adds what is left alone for one person because it does not stay. What was taken back by hand is nobody's
// concern.
func countLeft(tx state.Tx, t *console.TargetStatus, p state.PersonID, l *state.Link) {
	any := false
	for _, attr := range sorted(l.Left) {
		if l.Flips[attr].Wrote != l.Left[attr] {
			continue
		}
		any = true
		name := strings.TrimPrefix(strings.TrimPrefix(attr, "fields."), "labels.")
		i := slices.IndexFunc(t.Values, func(v console.LeftValue) bool { return v.Attr == name })
		if i < 0 {
			who, _ := state.Persons.Get(tx, p)
			i = len(t.Values)
			t.Values = append(t.Values, console.LeftValue{Attr: name, Example: strings.Join(keys(who.Records[:min(1, len(who.Records))]), "")})
		}
		t.Values[i].People++
	}
	if any {
		t.Left++
	}
}

// strangers lists what the state knows and the mapping file does not: after a name was changed, nothing of the old
// name is looked at any more, and somebody should know.
func strangers(tx state.Tx, g *generation) (out []console.Stranger) {
	for _, name := range state.Names(tx, state.Records.Name) {
		if _, ok := g.plan.Source(name); !ok {
			n := 0
			for range state.ScanRecords(tx, name) {
				n++
			}
			out = append(out, console.Stranger{What: "source", Name: name, Rows: n})
		}
	}
	for _, name := range state.Names(tx, state.Links.Name) {
		if _, ok := g.plan.Target(name); !ok {
			n := 0
			for _, l := range state.Links.All(tx, state.Prefix(name), nil) {
				if l.Contact != "" {
					n++
				}
			}
			out = append(out, console.Stranger{What: "target", Name: name, Rows: n})
		}
	}
	return out
}

// retries are the deliveries that failed and are tried again by themselves at a later moment.
type retries struct {
	n     int
	first time.Time
	why   string // the first of them failed
}

func (r *retries) add(l *state.Link, now time.Time) {
	at := contact.FromMicros(l.Due)
	if l.Due == 0 || !at.After(now) {
		return
	}
	if r.n++; r.first.IsZero() || at.Before(r.first) {
		r.first, r.why = at, l.Waiting.Message
	}
}

// doing says in words what a target is doing, or what it waits for and why.
func doing(t *console.TargetStatus, s engine.Status, l *budget.Ledger, total int, again retries, now time.Time) string {
	switch {
	case t.Paused != nil && t.Paused.How == "":
		return "paused by hand: " + t.Paused.Why
	case t.Paused != nil:
		return "paused: " + t.Paused.Why
	case s.Resting != "":
		return fmt.Sprintf("%d people wait; it does not answer (%s); next try %s", total, s.Resting, in(s.Until, now))
	case total == 0 && t.Held > 0:
		return fmt.Sprintf("%d people are held back, see runs", t.Held)
	case total == 0:
		return "nothing to do"
	}
	if at := l.Ready(contact.ScopeContacts, state.LaneBulk, now); at.After(now) {
		return fmt.Sprintf("%d people wait for the call budget; next call %s, done about %s", total, in(at, now), in(t.Done, now))
	}
	later := ""
	if again.n > 0 {
		later = fmt.Sprintf("%d people are tried again, the first %s: %s", again.n, in(again.first, now), again.why)
	}
	switch {
	case later == "":
		return fmt.Sprintf("delivering to %d people, done about %s", total, in(t.Done, now))
	case again.n >= total:
		return later
	}
	return fmt.Sprintf("delivering to %d people, done about %s; %s", total-again.n, in(t.Done, now), later)
}

func in(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d <= 0 {
		return "now"
	}
	return "in " + d.String()
}

func budgets(l *budget.Ledger) []console.Budget {
	if l == nil {
		return nil
	}
	var out []console.Budget
	for _, scope := range l.Scopes() {
		s := l.Status(scope)
		out = append(out, console.Budget{Scope: scope, Used: s.Used, Left: s.Left, Limit: s.Limit, Blocked: s.BlockedUntil})
	}
	return out
}

// attention lists what needs somebody, the most urgent first.
func attention(s *console.Status, now time.Time) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if f := s.Store.Fullness(); f > 0.8 {
		add("the state file is %d %% full: run compact, or raise its maximum", int(f*100))
	}
	if s.Mapping.Error != "" {
		add("the newest mapping file is not in use: %s", firstLine(s.Mapping.Error))
	}
	for _, t := range s.Targets {
		if t.Paused != nil {
			add("%s is paused: %s", t.Name, t.Paused.Why)
		}
	}
	for _, r := range s.Runs {
		if r.State == engine.RunHeld {
			add("run %s holds %d people back (%s): look with `syncer plan %s`, then `syncer apply %s` or `syncer discard %s`", r.ID, r.Held, r.Why, r.ID, r.ID, r.ID)
		}
		if r.State == engine.RunWalking && r.Err != "" {
			add("run %s broke off: %s; it goes on at the next start of this schedule", r.ID, r.Err)
		}
		if r.State == engine.RunFailed {
			add("run %s failed: %s", r.ID, r.Err)
		}
	}
	for _, r := range s.Runs {
		if r.Records == 0 && r.Missing > 0 {
			add("%s: run %s got no record at all, although %d are known; nothing counts as deleted. Look at the source and its credentials", r.Source, r.ID, r.Missing)
		}
	}
	for _, t := range s.Targets {
		if t.Dead > 0 {
			add("%s: %d dead letters: look with `syncer dead list`", t.Name, t.Dead)
		}
		if !t.Oldest.IsZero() && now.Sub(t.Oldest) > time.Hour && t.Paused == nil {
			add("%s: the oldest change waits since %s", t.Name, t.Oldest.Format(time.RFC3339))
		}
		for _, name := range t.Labels {
			add("%s: the label %q is another one than before: somebody deleted it and made it again, or gave its name to another. It is neither given nor taken until `syncer rebind target/%s`", t.Name, name, t.Name)
		}
		for _, v := range t.Values {
			add("%s: %s of %s is left alone until the source says something else: something at the target keeps changing it back. See `syncer explain %s`",
				t.Name, v.Attr, console.Words{}.Count(v.People, "person", "people", "", ""), v.Example)
		}
		if s.Store.Fresh && t.Found > t.Linked/2 {
			add("the state file is new, but %d of %d people were found at %s just as syncer leaves them. If an earlier state was lost: who refused messages, who was erased and the bases "+
				"of keep_edits are not known any more. If you have an export, stop syncer, remove the state file, run `syncer import FILE` and start again", t.Found, t.Linked, t.Name)
		}
	}
	if s.Conflicts > 0 {
		add("%d conflicts: look with `syncer conflicts list`", s.Conflicts)
	}
	for _, src := range s.Sources {
		if src.Quarantined > 0 {
			add("%s: %d webhooks could not be read: look with `syncer quarantine list`", src.Name, src.Quarantined)
		}
	}
	return out
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
