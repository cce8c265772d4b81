// Package budget keeps the ledger of calls: what a credential has spent in each scope during the last hour,
// and therefore when the next call of which lane may start. The servers count over a sliding hour and tell
// nobody where they stand, so every call is on disk before it is made and a restart never believes in a
// fresh window. The package never waits and never calls anybody; it only says when.
package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Limit is what one scope allows. The zero Limit stands for an API whose limits nobody knows: one call a
// second, four pieces of work at once.
type Limit struct {
	// PerHour is the size of the sliding window of an hour; 0 when there is none.
	PerHour int
	// Reserve is the part of the window that bulk work never touches; 0 is 100 calls or a tenth of the
	// window, whichever is less, and below 0 there is none.
	Reserve int
	// PerSecond bounds the rate, with four calls a piece of work of lumpiness; 0 leaves it to the window.
	PerSecond float64
	// InFlight is how many pieces of work the dispatcher should have under way at once; 4 by default.
	InFlight int
	// Daily bounds any 24 hours, in calls; where the other side counts in tokens, divide them by the price
	// of a call. 0: no bound.
	Daily int
}

func (l Limit) complete() (Limit, error) {
	if l.PerHour < 0 || l.PerSecond < 0 || l.InFlight < 0 || l.Daily < 0 {
		return l, errors.New("a limit is negative")
	}
	if l.InFlight == 0 {
		l.InFlight = 4
	}
	if l.PerHour == 0 && l.PerSecond == 0 {
		l.PerSecond = 1
	}
	if l.Reserve == 0 {
		l.Reserve = min(100, l.PerHour/10)
	}
	l.Reserve = max(0, l.Reserve)
	if l.PerHour > 0 && l.Reserve > l.PerHour/2 {
		return l, fmt.Errorf("a reserve of %d of %d calls an hour leaves too little for bulk work; half is the most", l.Reserve, l.PerHour)
	}
	return l, nil
}

// nominal is the hour's capacity as far as it is known.
func (l Limit) nominal() float64 {
	if l.PerHour > 0 {
		return float64(l.PerHour)
	}
	return l.PerSecond * time.Hour.Seconds()
}

// Options are what a ledger works with besides the store.
type Options struct {
	Now    func() time.Time // time.Now when nil
	Logger *slog.Logger
}

// Ledger is the budget of one credential. Everything that uses the same key must share one Ledger. It is
// safe for concurrent use, and its scopes do not wait for each other.
type Ledger struct {
	store      state.Store
	credential string
	scopes     map[string]*scope
	other      *scope // all scopes without a limit of their own
	read       reading
	log        *slog.Logger
}

type scope struct {
	name string

	mu sync.Mutex
	rules
	clock  clock
	stored time.Duration // the clock's shift when it was last saved
}

// New opens the ledger of a credential with what the store remembers of it. The credential is a stable id of
// the key that does not give it away, such as a hash. Scopes that limits does not name share one without a
// known limit.
func New(store state.Store, credential string, limits map[string]Limit, opts Options) (*Ledger, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return open(store, credential, limits, opts.Logger, readings(opts.Now))
}

func open(store state.Store, credential string, limits map[string]Limit, log *slog.Logger, read reading) (*Ledger, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if credential == "" {
		return nil, errors.New("budget: a ledger needs the id of its credential")
	}
	l := &Ledger{store: store, credential: credential, scopes: map[string]*scope{}, read: read, log: log}
	for name, limit := range limits {
		limit, err := limit.complete()
		if err != nil {
			return nil, fmt.Errorf("budget: scope %s: %w", name, err)
		}
		l.scopes[name] = &scope{name: name, rules: newRules(limit)}
	}
	unknown, _ := Limit{}.complete()
	l.other = &scope{name: "*", rules: newRules(unknown)}
	return l, l.Reload()
}

// Reload reads again what the store remembers. A ledger that was opened while another one was still spending
// on the same key, as when a changed mapping file takes over, is reloaded once that one has ended.
func (l *Ledger) Reload() error {
	return l.store.View(func(tx state.Tx) error {
		for _, s := range l.all() {
			s.mu.Lock()
			s.clock, s.stored = clock{}, 0 // what is kept under the time of day is read under it
			s.load(tx, l.credential, s.clock.tick(l.read))
			s.mu.Unlock()
		}
		return nil
	})
}

func (l *Ledger) all() []*scope {
	return append(slices.Collect(maps.Values(l.scopes)), l.other)
}

func (l *Ledger) scope(name string) *scope {
	if s, ok := l.scopes[name]; ok {
		return s
	}
	return l.other
}

type laneKey struct{}

// WithLane says in which lane the calls made under a context travel. Without it they are live.
func WithLane(ctx context.Context, lane state.Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}

func laneOf(ctx context.Context) state.Lane {
	if lane, ok := ctx.Value(laneKey{}).(state.Lane); ok {
		return lane
	}
	return state.LaneLive
}

// Spend records a call, durably, before it is made. When the lane has no room it returns a Throttled error
// that says until when; it never waits for room.
func (l *Ledger) Spend(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, lane := l.scope(name), laneOf(ctx)
	s.mu.Lock()
	now := s.tick(l.read)
	at := s.ready(lane, now, false)
	if at.After(now) {
		until, moved := s.clock.wall.Add(at.Sub(now)), s.moved()
		s.mu.Unlock()
		if moved {
			l.keep(ctx, s)
		}
		return &contact.Error{Kind: contact.Throttled, Op: "budget", Message: "the budget of scope " + name + " is used up", Until: until}
	}
	s.take(lane, now)
	durable := s.durable()
	s.mu.Unlock()
	if !durable {
		return nil
	}
	if err := l.save(ctx, s); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hour.takeBack(now)
		s.day.takeBack(now)
		return err
	}
	return nil
}

// Refused tells of a 429: nothing more in this scope until the moment given. Since syncer counts its own
// calls, somebody else must be using the key, and what bulk work may take shrinks by what they seem to use.
func (l *Ledger) Refused(name string, until time.Time) {
	s := l.scope(name)
	s.mu.Lock()
	now := s.tick(l.read)
	fresh := !now.Before(s.until)
	s.refuse(now, until.Sub(s.clock.wall))
	used, others, rest := s.hour.used, s.shared(now), s.until.Sub(now)
	s.mu.Unlock()
	if fresh {
		l.log.Warn("throttled: somebody else seems to use the same key", "scope", name, "used", used, "others", int(others), "rest", rest.Round(time.Second))
	}
	l.keep(context.Background(), s)
}

// Ready returns when a call of a lane may start; the zero time is at once. now is the caller's clock, in
// whose terms the answer is given. A dispatcher asks before it takes work, and asks again at that time.
func (l *Ledger) Ready(name string, lane state.Lane, now time.Time) time.Time {
	s := l.scope(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.tick(l.read)
	at := s.ready(lane, own, true)
	if !at.After(own) {
		return time.Time{}
	}
	return now.Add(at.Sub(own))
}

// Credential is the id of the key that the ledger is kept for.
func (l *Ledger) Credential() string { return l.credential }

// Limit returns a scope's limit with its defaults filled in.
func (l *Ledger) Limit(name string) Limit { return l.scope(name).limit }

// Scopes are the names of the scopes that have a limit of their own, sorted.
func (l *Ledger) Scopes() []string { return slices.Sorted(maps.Keys(l.scopes)) }

// Status is where a scope stands.
type Status struct {
	Limit   int `json:"limit"` // calls an hour; 0 when there is no window
	Reserve int `json:"reserve"`
	Used    int `json:"used"`
	Left    int `json:"left"`
	// Others is how many calls of the window somebody else seems to use.
	Others int `json:"others,omitempty"`
	// BlockedUntil is set while the other side has asked for silence.
	BlockedUntil time.Time `json:"blocked_until,omitzero"`
	// NextBulk is when bulk work may go on; zero when it may now.
	NextBulk time.Time `json:"next_bulk,omitzero"`
	Daily    int       `json:"daily,omitempty"`
	Today    int       `json:"today,omitempty"` // calls in the last 24 hours, where a day is bounded
}

// Status tells where a scope stands.
func (l *Ledger) Status(name string) Status {
	s := l.scope(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.tick(l.read)
	st := Status{Limit: s.limit.PerHour, Reserve: s.limit.Reserve, Used: s.hour.used, Others: int(math.Round(s.shared(now))), Daily: s.limit.Daily, Today: s.day.used}
	st.Left = max(0, st.Limit-st.Used-st.Others)
	if s.until.After(now) {
		st.BlockedUntil = s.clock.wall.Add(s.until.Sub(now))
	}
	if at := s.peek(now); at.After(now) {
		st.NextBulk = s.clock.wall.Add(at.Sub(now))
	}
	return st
}

// peek is when bulk work may start, asked for information only.
func (s *scope) peek(now time.Time) time.Time {
	r := s.rules
	return r.ready(state.LaneBulk, now, true)
}

// Estimate says how long a number of bulk calls will take when nothing else goes on. It plays them on a copy
// of the scope; what goes beyond two windows goes on at the steady rate.
func (l *Ledger) Estimate(name string, calls int, _ time.Time) time.Duration {
	s := l.scope(name)
	s.mu.Lock()
	start := s.tick(l.read)
	r := s.clone()
	s.mu.Unlock()
	at := start
	steady := r.limit.steady()
	played := min(calls, max(2*r.limit.PerHour, 100))
	for range played {
		for next := r.ready(state.LaneBulk, at, true); next.After(at); next = r.ready(state.LaneBulk, at, true) {
			at = next
			r.advance(at)
		}
		r.take(state.LaneBulk, at)
	}
	return at.Sub(start) + time.Duration(float64(calls-played)/steady*1e9)
}

// steady is the rate, in calls a second, that bulk work keeps up for ever.
func (l Limit) steady() float64 {
	rate := l.PerSecond
	if l.PerHour > 0 {
		hourly := float64(l.PerHour-l.Reserve) / time.Hour.Seconds()
		if rate == 0 || hourly < rate {
			rate = hourly
		}
	}
	if l.Daily > 0 {
		rate = min(rate, dayShare*float64(l.Daily)/(24*time.Hour).Seconds())
	}
	return rate
}

// tick lets the time pass that has passed.
func (s *scope) tick(read reading) time.Time {
	now := s.clock.tick(read)
	s.advance(now)
	return now
}

// durable reports whether a call must be on disk before it is made; where only the rate counts it need not.
func (s *scope) durable() bool { return s.limit.PerHour > 0 || s.limit.Daily > 0 }

// moved reports whether the time of day was set since the ledger was saved: its rows are kept under the time
// of day and must be written again, or a restart would take them for older or younger than they are.
func (s *scope) moved() bool { return s.durable() && s.clock.shift() != s.stored }

func (l *Ledger) keep(ctx context.Context, s *scope) {
	if err := l.save(ctx, s); err != nil {
		l.log.Error("the call ledger could not be stored", "scope", s.name, "error", err)
	}
}

func (l *Ledger) save(ctx context.Context, s *scope) error {
	return l.store.Update(ctx, func(tx state.Tx) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.store(tx, l.credential)
		return nil
	})
}

func hourKey(credential, scope string) state.At { return state.At{Place: credential, ID: scope} }
func dayKey(credential, scope string) state.At {
	return state.At{Place: credential, ID: scope + "/day"}
}

func (s *scope) store(tx state.Tx, credential string) {
	shift := s.clock.shift()
	wall := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return contact.Micros(t.Add(shift))
	}
	row := state.Spent{Slots: s.hour.save(shift), Until: wall(s.until), Others: s.others, Seen: wall(s.seen)}
	state.Ledger.Put(tx, hourKey(credential, s.name), row)
	if s.limit.Daily > 0 {
		state.Ledger.Put(tx, dayKey(credential, s.name), state.Spent{Slots: s.day.save(shift)})
	}
	s.stored = shift
}

// load reads what was spent before this start. What seems to lie in the future was spent under a clock that
// has been set back since: it counts as spent now.
func (s *scope) load(tx state.Tx, credential string, now time.Time) {
	s.rules = newRules(s.limit)
	row, _ := state.Ledger.Get(tx, hourKey(credential, s.name))
	day, _ := state.Ledger.Get(tx, dayKey(credential, s.name))
	for w, slots := range map[*window]map[int64]int{&s.hour: row.Slots, &s.day: day.Slots} {
		for _, k := range slices.Sorted(maps.Keys(slots)) {
			at := time.Unix(0, k*int64(w.slot))
			if at.After(now) {
				at = now
			}
			w.add(at, slots[k])
		}
	}
	s.others = row.Others
	if s.seen = contact.FromMicros(row.Seen); s.seen.After(now) {
		s.seen = now
	}
	// A block lasts from now at most as long as it did when it was given.
	until, given := contact.FromMicros(row.Until), contact.FromMicros(row.Seen)
	if rest := min(until.Sub(now), until.Sub(given), mostBlock); row.Until != 0 && rest > 0 {
		s.until = now.Add(rest)
	}
	s.advance(now)
}

// Prune forgets the ledgers of credentials that are no longer used, once their last call is out of every
// window: a key that comes back within the day must not find a fresh one.
func Prune(ctx context.Context, store state.Store, now time.Time, keep ...string) error {
	return store.Update(ctx, func(tx state.Tx) error {
		var old []state.At
		for k, row := range state.Ledger.All(tx, nil, nil) {
			slot := hourSlot
			if strings.HasSuffix(k.ID, "/day") {
				slot = daySlot
			}
			last := contact.FromMicros(row.Until)
			for n := range row.Slots {
				if at := time.Unix(0, n*int64(slot)); at.After(last) {
					last = at
				}
			}
			if !slices.Contains(keep, k.Place) && now.Sub(last) > 25*time.Hour {
				old = append(old, k)
			}
		}
		for _, k := range old {
			state.Ledger.Delete(tx, k)
		}
		return nil
	})
}
