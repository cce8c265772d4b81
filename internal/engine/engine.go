// Package engine is the one path by which anything is delivered: what is due is mapped, joined to a person,
// folded, compared with what the target shows, and the difference, if there is one, is written. Webhooks and
// reconciliations differ only in how work becomes due.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
	"syncer/internal/state"
)

// Budget says when a call may start. It is asked before work is taken, so that no worker ever waits.
type Budget interface {
	Ready(scope string, lane state.Lane, now time.Time) time.Time
	// Estimate is how long so many bulk calls will take.
	Estimate(scope string, calls int, now time.Time) time.Duration
}

// Observer is told what happened, for metrics, logs and notices. Its methods must not block.
type Observer interface {
	// Delivered is called once per delivery, with its outcome: written, unchanged, waiting, retry, dead, held.
	Delivered(d Delivery)
	// Paused is called when a target stops being used and, with an empty reason, when it is used again.
	Paused(target string, kind contact.ErrorKind, why string)
	// Held is called when a guard keeps changes back.
	Held(target, run, why string, people int)
	// Dead is called for every new dead letter.
	Dead(target string, d state.DeadLetter)
}

// Delivery is the wide event of one delivery.
type Delivery struct {
	Target  string
	Person  state.PersonID
	Records []contact.Key
	Outcome string
	Decided string   // create, update, labels, block, delete, adopt, none
	Attrs   []string // names of the attributes written; never values
	Kept    []string
	Lane    state.Lane
	Queued  time.Duration // since the first event
	Took    time.Duration
	Fails   int
	Err     error
}

// Options are what an engine works with.
type Options struct {
	Store    state.Store
	Plan     *mapping.Plan
	Sources  map[string]source.Source
	Targets  map[string]TargetOptions
	Observer Observer
	Logger   *slog.Logger
	Now      func() time.Time
	// DryRun accepts, maps and compares, and writes to no target.
	DryRun bool
	// Guard bounds what may change without somebody's consent.
	Guard Guard
}

// TargetOptions are a target and what belongs to it.
type TargetOptions struct {
	Target        Target
	Budget        Budget
	CreateMissing bool
	// AllowCampaigns lets a run make any number of changes that start campaigns.
	AllowCampaigns bool
	// InFlight is how many people are delivered at once; 4 by default.
	InFlight int
}

// Engine delivers. Everything it knows is in the store: it can be stopped at any moment and another one
// started in its place.
type Engine struct {
	opts     Options
	store    state.Store
	plan     *mapping.Plan
	now      func() time.Time
	log      *slog.Logger
	targets  map[string]*Conductor
	wake     chan struct{}
	fetchers fetchers
}

// New wires an engine; nothing runs before Run.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	e := &Engine{opts: o, store: o.Store, plan: o.Plan, now: o.Now, log: o.Logger, wake: make(chan struct{}, 1), targets: map[string]*Conductor{}}
	e.fetchers.queues = map[string][]string{}
	for name, t := range o.Targets {
		e.targets[name] = newConductor(e, name, t)
	}
	return e
}

// Run works until ctx ends. Deliveries under way are finished first; whoever needs them to stop sooner gives
// the targets a context of their own.
func (e *Engine) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { e.resolve(ctx) })
	for _, c := range e.targets {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
}

// Wake tells the engine that records have become due.
func (e *Engine) Wake() { signal(e.wake) }

// WakeAll tells the engine that records or deliveries may have become due: whoever calls Resolve in a transaction
// of their own calls it after the commit.
func (e *Engine) WakeAll() {
	e.Wake()
	for _, c := range e.targets {
		c.Wake()
	}
}

// Conductor returns the conductor of a target; nil when there is no such target.
func (e *Engine) Conductor(target string) *Conductor { return e.targets[target] }

// Targets are the names of the targets, sorted.
func (e *Engine) Targets() []string { return slices.Sorted(maps.Keys(e.targets)) }

// AllowsCampaigns reports whether runs may start campaigns at a target for any number of people.
func (e *Engine) AllowsCampaigns(target string) bool {
	c := e.targets[target]
	return c != nil && c.opts.AllowCampaigns
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// MappedUnder names everything besides the payload that decides how a record of a source is mapped: the
// mapping file, the source's own definitions, and the day where an expression asks for it. A record mapped
// under the same name and with the same payload need not be mapped again.
func (e *Engine) MappedUnder(sourceName string) string {
	name := e.plan.Hash
	if s, ok := e.opts.Sources[sourceName]; ok {
		name += "/" + s.Definitions()
	}
	if e.plan.UsesToday(sourceName) {
		name += "/" + e.now().In(e.plan.Location).Format(time.DateOnly)
	}
	return name
}

// known reports whether records of a source can be mapped: whether the names behind their ids are known.
func (e *Engine) known(sourceName string) bool {
	named, ok := e.opts.Sources[sourceName].(source.Named)
	return !ok || named.Ready()
}

// unknownNames is the failure of everything that would need to map a record too early.
func (e *Engine) unknownNames(sourceName string) *contact.Error {
	return &contact.Error{Kind: contact.Unready, Op: sourceName, Message: "the names of its fields and options are not read yet", Until: e.now().Add(5 * time.Second)}
}

// mapRecord turns a record into the contacts it contributes. It never fails: what cannot be read becomes a
// fatal problem of the contact, so that it is listed and nothing is written.
func (e *Engine) mapRecord(k contact.Key, rec *state.Record, payload []byte) []contact.Contact {
	if rec.Deleted {
		return e.plan.Leave(k.Source)
	}
	src, ok := e.opts.Sources[k.Source]
	if !ok || payload == nil {
		return nil
	}
	record, err := src.Record(payload)
	if err != nil {
		return e.unreadable(k.Source, err)
	}
	return e.plan.Map(k.Source, record, e.now())
}

func (e *Engine) unreadable(sourceName string, err error) []contact.Contact {
	out := e.plan.Leave(sourceName)
	for i := range out {
		out[i].Leaving, out[i].Removed, out[i].Labels, out[i].Only = false, false, nil, nil
		out[i].Problems = []contact.Problem{{Attr: "record", Message: fmt.Sprintf("the record cannot be read: %v", err), Fatal: true}}
	}
	return out
}

type silent struct{}

// Delivered, Paused, Held and Dead do nothing.
func (silent) Delivered(Delivery)                       {}
func (silent) Paused(string, contact.ErrorKind, string) {}
func (silent) Held(string, string, string, int)         {}
func (silent) Dead(string, state.DeadLetter)            {}
