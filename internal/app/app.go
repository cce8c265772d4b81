// Package app is the composition root: New wires, Run serves and stops in the mirrored order. It is the only
// package that knows all others, and the only one that names concrete sources, targets and stores.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"syncer/internal/config"
	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/intake"
	"syncer/internal/mapping"
	"syncer/internal/obs"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// Options are what an App is made of. Lookup and ReadFile resolve ${…} in the mapping file.
type Options struct {
	Config   config.Config
	Lookup   func(string) (string, bool)
	ReadFile func(string) ([]byte, error)
	Logger   *slog.Logger
	Secrets  *obs.Secrets
	DryRun   bool
	Language string
	Now      func() time.Time
	// Transport replaces the network, in tests.
	Transport http.RoundTripper
}

// App is one syncer.
type App struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	started time.Time

	store   *bolt.Store
	metrics *obs.Metrics
	watch   *watch
	door    *intake.Door
	public  *http.Server
	admin   *http.Server
	hooks   net.Listener
	console net.Listener

	// gen is what the mapping file decides: sources, targets, engine, runs. A reload makes a new one.
	mu  sync.Mutex // held while one generation takes the place of another
	gen atomic.Pointer[generation]
	// base is the context in which generations run, nil while nothing is served; it belongs to mu. serving is
	// the same question for those who do not hold it.
	base    context.Context
	serving atomic.Bool
	// transports are those of the places that a mapping file has named; only who makes a generation uses them.
	transports map[string]http.RoundTripper

	flood     floods
	status    statusCache
	readiness readiness

	cleanups []cleanup
	reloaded atomic.Pointer[reloadError]
}

type cleanup struct {
	name string
	do   func(context.Context) error
}

type reloadError struct {
	at  time.Time
	err error
}

var _ console.Operations = (*App)(nil)

// defaults fills what a caller may leave out.
func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lookup == nil {
		o.Lookup = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Secrets == nil {
		o.Secrets = &obs.Secrets{}
	}
}

// New wires everything and binds the listeners; nothing is served and nothing is called before Run. When it
// fails, whatever it had opened is closed again.
func New(ctx context.Context, o Options) (*App, error) {
	a, err := assemble(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := a.bind(ctx); err != nil {
		return nil, errors.Join(err, a.close(ctx))
	}
	return a, nil
}

// Offline opens the state for one command while no daemon runs: no listeners, no schedules.
func Offline(ctx context.Context, o Options) (*App, error) { return assemble(ctx, o) }

func assemble(ctx context.Context, o Options) (*App, error) {
	o.defaults()
	plan, err := loadPlan(o)
	if err != nil {
		return nil, err
	}
	a := &App{opts: o, log: o.Logger, now: o.Now, started: o.Now(), metrics: obs.NewMetrics(), transports: map[string]http.RoundTripper{}}
	path, max, err := o.Config.StateFile()
	if err != nil {
		return nil, err
	}
	if a.store, err = bolt.Open(path, bolt.Options{MaxBytes: max, Logger: o.Logger, Now: o.Now}); err != nil {
		return nil, err
	}
	a.push("state", func(context.Context) error { return a.store.Close() })
	if a.store.Stats().Fresh {
		o.Logger.Warn("the state file is new: nothing is remembered of earlier deliveries. If that is not expected, check the volume it lies on. Links are found again from the targets; what people said about being written to, erasures and the bases of keep_edits are not, unless you import an export (syncer import) before the first run", "file", path)
	}
	a.watch = newWatch(a)
	a.door = intake.New(intake.Options{Accepter: a, Observer: a.metrics, Logger: o.Logger, Now: o.Now})
	gen, err := a.generate(plan)
	if err != nil {
		return nil, errors.Join(err, a.close(ctx))
	}
	a.gen.Store(gen)
	return a, nil
}

func (a *App) push(name string, do func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, do})
}

// close undoes what was opened, last first.
func (a *App) close(ctx context.Context) error {
	var errs []error
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		c := a.cleanups[i]
		if err := c.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", c.name, err))
		}
	}
	a.cleanups = nil
	return errors.Join(errs...)
}

// Close closes an App that was opened by Offline.
func (a *App) Close() error { return a.close(context.Background()) }

// bind opens the listeners, so that a port in use is known before anything else happens.
func (a *App) bind(ctx context.Context) error {
	var lc net.ListenConfig
	cfg := a.opts.Config
	for _, l := range []struct {
		into *net.Listener
		addr string
		what string
	}{{&a.hooks, cfg.Listen, "SYNCER_LISTEN"}, {&a.console, cfg.AdminListen, "SYNCER_ADMIN_LISTEN"}} {
		ln, err := lc.Listen(ctx, "tcp", l.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
		*l.into = ln
		a.push(l.what, func(context.Context) error {
			if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	a.public = a.server(a.publicHandler(), 30*time.Second)
	a.public.ConnState = newCrowd().state
	a.admin = a.server(a.adminHandler(), 5*time.Minute)
	return nil
}

// server bounds what a client may take: slow headers, slow bodies, idle connections.
func (a *App) server(h http.Handler, write time.Duration) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(serverLog{a.log}, "", 0)}
}

// Addr is where webhooks are received, AdminAddr where the admin door is.
func (a *App) Addr() string { return a.hooks.Addr().String() }

// AdminAddr is the address of the admin door.
func (a *App) AdminAddr() string { return a.console.Addr().String() }

// Run serves until ctx ends, then stops in order: no new webhooks, webhooks under way are answered, deliveries
// under way end, the state is closed. The whole takes no longer than the shutdown timeout.
func (a *App) Run(ctx context.Context) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	a.setBack(base)
	var tasks sync.WaitGroup
	failed := make(chan error, 2)
	for _, s := range []struct {
		srv *http.Server
		ln  net.Listener
	}{{a.public, a.hooks}, {a.admin, a.console}} {
		tasks.Go(func() {
			if err := s.srv.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	tasks.Go(func() { a.watchClock(base) })
	a.mu.Lock()
	a.base = base
	a.serving.Store(true)
	a.gen.Load().start(base)
	a.mu.Unlock()
	a.door.Set(a.gen.Load().routes)
	tasks.Go(func() { a.watch.run(base) }) // not before: what it counts says that a daemon runs
	tasks.Go(func() { a.resumeMapping(base) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, a.shutdown(stop, &tasks))
}

func (a *App) shutdown(stop context.CancelFunc, tasks *sync.WaitGroup) error {
	ctx, cancel := context.WithTimeout(context.Background(), a.opts.Config.ShutdownTimeout)
	defer cancel()
	a.log.Info("stopping")
	a.hangUp(ctx)
	var errs []error
	stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.mu.Lock()
		a.base = nil
		a.serving.Store(false)
		a.gen.Load().wait()
		a.mu.Unlock()
		tasks.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		// What is under way is still due and will be repeated; the state file is closed by the system.
		return errors.Join(append(errs, fmt.Errorf("not everything ended within %s; what was under way is repeated at the next start", a.opts.Config.ShutdownTimeout))...)
	}
	return errors.Join(append(errs, a.close(ctx))...)
}

// hangUp answers who is being answered, for half of the time there is: the rest belongs to deliveries under way, and
// whoever still sends or downloads by then is cut off.
func (a *App) hangUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.Config.ShutdownTimeout/2)
	defer cancel()
	for _, s := range []*http.Server{a.public, a.admin} {
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
	}
}

// loadPlan reads and checks the mapping file.
func loadPlan(o Options) (*mapping.Plan, error) {
	data, err := o.ReadFile(o.Config.Mappings)
	if err != nil {
		return nil, fmt.Errorf("the mapping file cannot be read: %w", err)
	}
	plan, diagnostics := mapping.Load(o.Config.Mappings, data, mapping.Options{Lookup: o.Lookup, ReadFile: o.ReadFile, Language: o.Language})
	if plan == nil {
		return nil, &BadMapping{diagnostics}
	}
	for _, s := range plan.Secrets() {
		o.Secrets.Add(s)
	}
	return plan, nil
}

// BadMapping is returned when the mapping file has mistakes.
type BadMapping struct{ Diagnostics mapping.Diagnostics }

// Error renders all of them.
func (e *BadMapping) Error() string { return e.Diagnostics.String() }

// Accept keeps events durably; it is what the door does with them.
func (a *App) Accept(ctx context.Context, source string, _ []byte, events []contact.Event) (duplicate bool, err error) {
	receipts, err := a.keep(ctx, source, events)
	if err != nil {
		return false, err
	}
	duplicate = true
	for _, r := range receipts {
		a.watch.event(source, r, a.now())
		duplicate = duplicate && r == state.Duplicate
	}
	return duplicate, nil
}

// keep stores events of a source, and has their records looked at.
func (a *App) keep(ctx context.Context, source string, events []contact.Event) ([]state.Receipt, error) {
	for _, e := range events {
		if e.Kind != contact.OptOut && e.Kind != contact.OptIn || !e.Key.IsZero() && e.Key.ID != "" {
			if err := state.CheckKey(e.Key); err != nil {
				return nil, &contact.Error{Kind: contact.Invalid, Op: source, Message: err.Error()}
			}
		}
	}
	now := a.now()
	how := state.Travel{Lane: a.flood.lane(source, len(events), now)}
	receipts, err := state.Accept(ctx, a.store, now, how, events...)
	if err == nil {
		a.gen.Load().engine.Wake()
	}
	return receipts, err
}

// Quarantine keeps an authentic body that could not be read.
func (a *App) Quarantine(ctx context.Context, source string, body []byte, header http.Header, reason string) error {
	q := state.Quarantined{Source: source, At: contact.Micros(a.now()), Reason: reason, Body: body, Header: map[string]string{"Content-Type": header.Get("Content-Type")}}
	return a.store.Update(ctx, func(tx state.Tx) error {
		state.Isolate(tx, q)
		return nil
	})
}

// floods sends a source that floods behind the others: what people do one by one must not wait for an import.
type floods struct {
	mu      sync.Mutex
	sources map[string]*allowance
}

type allowance struct {
	left float64
	at   time.Time
}

// A source may cause this many live events at once, and so many more each second.
const (
	liveBurst     = 100
	livePerSecond = 2
)

func (f *floods) lane(source string, events int, now time.Time) state.Lane {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sources == nil {
		f.sources = map[string]*allowance{}
	}
	s, ok := f.sources[source]
	if !ok {
		s = &allowance{left: liveBurst, at: now}
		f.sources[source] = s
	}
	s.left = min(liveBurst, s.left+now.Sub(s.at).Seconds()*livePerSecond)
	s.at = now
	if s.left < float64(events) {
		return state.LaneBulk
	}
	s.left -= float64(events)
	return state.LaneLive
}

var (
	_ intake.Accepter = (*App)(nil)
	_ io.Closer       = (*App)(nil)
)
