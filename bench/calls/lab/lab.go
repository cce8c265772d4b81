// Package lab is a whole syncer without sockets: sources in memory, the real store, engine, runner, ledger and
// Weni client, and the simulator where the network would be. The benchmark of calls and the tests with simulated
// hours are built on it; it works inside a testing/synctest bubble. It asserts nothing.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/source"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
	"syncer/internal/weni"
)

// Plenty is a limit that nothing reaches.
const Plenty = 1_000_000_000

// Options are what a Lab is made of. The zero value is Weni without a limit and the mapping Mapping.
type Options struct {
	// Dir keeps the state file; it must exist.
	Dir string
	// Mapping is a mapping file with two verbs, for base_url and token; its sources are replaced by books.
	Mapping string
	Server  rapidpro.Options
	// PerHour is what the ledger believes that Weni allows in each scope; Plenty when 0.
	PerHour int
	// PerHourOther is the same for everything but contacts, when it is another.
	PerHourOther int
	// Page is the page that listings ask for; the client's own when 0.
	Page int
	// Latency is how long every call takes.
	Latency time.Duration
	// Guard lets everything pass when it is zero.
	Guard   engine.Guard
	Logger  *slog.Logger
	Observe engine.Observer
	// Wrap puts something in front of the target.
	Wrap func(engine.Target) engine.Target
	// Tap sees every call after it was answered; it may be called by several at once.
	Tap func(Exchange)
}

// Mapping has people with one field that only says something and three labels.
const Mapping = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, area: "84"}
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
  loja: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true, opt_out: {label: Opt-out}}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      opt_out: yes(record.recusou)
      labels:
        - Clientes
        - {label: VIP, when: record.vip}
        - {label: Inativos, when: record.inativo}
      fields: {cidade: =record.cidade}
  - name: compradores
    from: loja
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Compradores]
      fields: {compras: {value: =record.compras, type: numeric}}
`

// FastDir is a place for state files: in memory, where there is such a place, for nothing that is counted here depends
// on the disk.
func FastDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// Lab is one syncer and the Weni workspace that it writes to. The workspace outlives the syncer.
type Lab struct {
	Weni   *rapidpro.Server
	Books  map[string]*Book
	Plan   *mapping.Plan
	Store  *bolt.Store
	Engine *engine.Engine
	Runner *reconcile.Runner
	Ledger *budget.Ledger
	Log    *Log

	o     Options
	shift atomic.Int64 // how far the clock is ahead
	stop  func()
}

// New makes the workspace with all that the mapping needs, and starts a syncer that knows nothing.
func New(o Options) (*Lab, error) {
	if o.Mapping == "" {
		o.Mapping = Mapping
	}
	if o.PerHour == 0 {
		o.PerHour = Plenty
	}
	if o.Guard == (engine.Guard{}) {
		o.Guard.AtLeast = Plenty
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Lab{o: o, Weni: rapidpro.New(o.Server), Books: map[string]*Book{}, Log: &Log{next: o.Observe}}
	if err := l.Remap(o.Mapping); err != nil {
		return nil, err
	}
	for _, s := range l.Plan.Sources {
		l.Books[s.Name] = newBook(s.Name, l.Now)
	}
	if err := l.define(); err != nil {
		return nil, err
	}
	return l, l.Start()
}

// Remap reads another mapping file; it is used from the next Start on.
func (l *Lab) Remap(text string) error {
	plan, diagnostics := mapping.Load("mappings.yaml", fmt.Appendf(nil, text, "https://weni.invalid", l.Weni.Token()), mapping.Options{Language: "en"})
	if plan == nil {
		return errors.New(diagnostics.String())
	}
	l.Plan = plan
	return nil
}

// define makes the groups and fields, so that no figure has the seconds in it that new ones need.
func (l *Lab) define() error {
	labels, fields := l.Plan.Managed("weni")
	for _, name := range append(labels, "Opt-out") {
		if _, err := l.Weni.AddGroup(name, ""); err != nil {
			return err
		}
	}
	for key, f := range fields {
		if _, err := l.Weni.AddField(key, string(f.Type)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) file() string { return filepath.Join(l.o.Dir, "syncer.db") }

// Start opens the state and runs a syncer on it.
func (l *Lab) Start() (err error) {
	if l.Store, err = bolt.Open(l.file(), bolt.Options{Now: l.Now}); err != nil {
		return err
	}
	contacts, other := budget.Limit{PerHour: l.o.PerHour}, budget.Limit{PerHour: cmp.Or(l.o.PerHourOther, l.o.PerHour)}
	if l.Ledger, err = budget.New(l.Store, "key", map[string]budget.Limit{contact.ScopeContacts: contacts, contact.ScopeOther: other}, budget.Options{Now: l.Now, Logger: l.o.Logger}); err != nil {
		return err
	}
	spec, _ := l.Plan.Target("weni")
	client, err := weni.New(spec, weni.Deps{Meter: l.Ledger, Transport: wire{l.Weni, l.o.Latency, l.o.Tap}, Logger: l.o.Logger, Now: l.Now, PageSize: l.o.Page})
	if err != nil {
		return err
	}
	target := engine.Target(client)
	if l.o.Wrap != nil {
		target = l.o.Wrap(target)
	}
	sources := map[string]source.Source{}
	for name, b := range l.Books {
		sources[name] = b
	}
	l.Engine = engine.New(engine.Options{Store: l.Store, Plan: l.Plan, Sources: sources, Guard: l.o.Guard, Logger: l.o.Logger, Observer: l.Log, Now: l.Now,
		Targets: map[string]engine.TargetOptions{"weni": {Target: target, Budget: l.Ledger, CreateMissing: true, AllowCampaigns: true}}})
	l.Runner = &reconcile.Runner{Store: l.Store, Engine: l.Engine, Sources: sources, Guard: l.o.Guard, Observer: l.Log,
		Prepare: func(context.Context, string) error { return nil }, Logger: l.o.Logger, Now: l.Now}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Engine.Run(ctx) })
	l.stop = func() { cancel(); running.Wait() }
	return nil
}

// Stop ends the syncer after what is under way.
func (l *Lab) Stop() error {
	if l.stop == nil {
		return nil
	}
	l.stop()
	l.stop = nil
	return l.Store.Close()
}

// Forget loses the state, as a volume that was not mounted does.
func (l *Lab) Forget() error {
	if err := l.Stop(); err != nil {
		return err
	}
	return os.Remove(l.file())
}

// Send accepts events as the webhook door does.
func (l *Lab) Send(lane state.Lane, events ...contact.Event) ([]state.Receipt, error) {
	receipts, err := state.Accept(context.Background(), l.Store, l.Now(), state.Travel{Lane: lane}, events...)
	l.Engine.Wake()
	return receipts, err
}

// Reconcile carries out a run of a source and lets whatever it finds pass.
func (l *Lab) Reconcile(source, kind string) (state.Run, error) {
	return l.Runner.Run(context.Background(), reconcile.Ask{Source: source, Kind: kind, Yes: true})
}

// Now is the time of syncer and of Weni.
func (l *Lab) Now() time.Time { return time.Now().Add(time.Duration(l.shift.Load())) }

// Pass lets time pass on both sides, and wakes whoever waited for it.
func (l *Lab) Pass(d time.Duration) {
	l.shift.Add(int64(d))
	l.Weni.Control.Advance(d)
	l.Engine.Wake()
	l.Engine.Conductor("weni").Wake()
}

// Mirror is the mirror of the workspace.
func (l *Lab) Mirror() *engine.Mirror { return l.Engine.Conductor("weni").Mirror() }

// Settle waits until nothing is due any more.
func (l *Lab) Settle(limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if idle, err := l.idle(); idle || err != nil {
			return err
		}
	}
	return fmt.Errorf("the engine did not come to rest within %s: %+v", limit, l.Engine.Conductor("weni").Status())
}

func (l *Lab) idle() (idle bool, err error) {
	err = l.Store.View(func(tx state.Tx) error {
		counts, _ := state.Backlog(tx, "weni", 1)
		idle = counts == [3]int{} && state.CountDueRecords(tx, 1) == 0 && l.Engine.Conductor("weni").Status().Busy == 0
		return nil
	})
	return idle, err
}

// Calls are what was asked of Weni: reads and writes of contacts, which share a scope, and in the other scope
// label calls and everything else, which is definitions and campaigns. Refused ones are in none of them.
type Calls struct{ Reads, Writes, Labels, Other, Refused int }

// Contacts are the calls in the scope of contacts.
func (c Calls) Contacts() int { return c.Reads + c.Writes }

// Calls returns what the simulator has counted since the last time.
func (l *Lab) Calls() (n Calls) {
	for _, c := range l.Weni.Control.Calls() {
		switch {
		case c.Status == http.StatusTooManyRequests:
			n.Refused += c.Count
		case c.Endpoint == "contact_actions.json":
			n.Labels += c.Count
		case c.Scope != "v2.contacts":
			n.Other += c.Count
		case c.Method == http.MethodGet:
			n.Reads += c.Count
		default:
			n.Writes += c.Count
		}
	}
	l.Weni.Control.ClearCalls()
	return n
}
