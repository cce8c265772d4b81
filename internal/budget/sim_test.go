package budget

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncer/internal/contact"
	"syncer/internal/outbound"
	"syncer/internal/state"
)

var _ outbound.Meter = (*Ledger)(nil)

const people = "contacts"

// server is the throttle of RapidPro: a log of the moments of the last hour, oldest dropped after 3,600 s;
// what is refused is not logged; Retry-After is until the oldest one leaves.
type server struct {
	mu      sync.Mutex
	limit   int
	log     []time.Time
	refused int
	most    int
}

func (s *server) call(now time.Time) (retry time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 && !s.log[0].After(now.Add(-time.Hour)) {
		s.log = s.log[1:]
	}
	if len(s.log) >= s.limit {
		s.refused++
		left := time.Hour - now.Sub(s.log[0])
		return time.Duration(math.Ceil(left.Seconds())) * time.Second, false
	}
	s.log = append(s.log, now)
	s.most = max(s.most, len(s.log))
	return 0, true
}

type work struct {
	lane  state.Lane
	since time.Time
}

// world is a dispatcher with four workers, as the engine has, in front of the server.
type world struct {
	ledger *Ledger
	server *server
	begin  time.Time
	calls  int // that a piece of work takes

	mu      sync.Mutex
	waiting [3][]work
	back    [3][]work // thrown back, goes first
	refused int
	done    [3][]time.Time
	waits   [3][]time.Duration
	broken  int // pieces of work that stopped in the middle
	wake    chan struct{}
	slots   chan struct{}
}

func newWorld(t *testing.T, store *memory, limit int) *world {
	l, err := New(store, "key", map[string]Limit{people: {PerHour: limit}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.lazy = true
	return &world{ledger: l, server: &server{limit: limit}, begin: time.Now(), calls: 1,
		wake: make(chan struct{}, 1), slots: make(chan struct{}, 4)}
}

func (w *world) add(lane state.Lane, n int) {
	w.mu.Lock()
	for range n {
		w.waiting[lane] = append(w.waiting[lane], work{lane, time.Now()})
	}
	w.mu.Unlock()
	w.signal()
}

func (w *world) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run dispatches until ctx ends.
func (w *world) run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for ctx.Err() == nil {
		job, next, ok := w.next(time.Now())
		if !ok {
			select {
			case <-ctx.Done():
			case <-w.wake:
			case <-time.After(time.Until(next)):
			}
			continue
		}
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		workers.Go(func() {
			w.deliver(ctx, job)
			<-w.slots
			w.signal()
		})
	}
}

func (w *world) next(now time.Time) (job work, next time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next = now.Add(time.Minute)
	for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
		at := w.ledger.Ready(people, lane, now)
		queue := &w.back[lane]
		if len(*queue) == 0 {
			queue = &w.waiting[lane]
		}
		if len(*queue) == 0 {
			continue
		}
		if at.After(now) {
			if at.Before(next) {
				next = at
			}
			continue
		}
		job, *queue = (*queue)[0], (*queue)[1:]
		return job, now, true
	}
	return work{}, next, false
}

func (w *world) deliver(ctx context.Context, job work) {
	for i := range w.calls {
		err := w.ledger.Spend(WithLane(ctx, job.lane), people)
		var e *contact.Error
		if errors.As(err, &e) {
			if i > 0 {
				w.mu.Lock()
				w.broken++
				w.mu.Unlock()
			}
			w.again(job)
			return
		}
		if err != nil {
			return
		}
		time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
		retry, ok := w.server.call(time.Now())
		if !ok {
			w.ledger.Refused(people, time.Now().Add(retry))
			w.again(job)
			w.mu.Lock()
			w.refused++
			w.mu.Unlock()
			return
		}
		w.mu.Lock()
		w.done[job.lane] = append(w.done[job.lane], time.Now())
		if i == 0 {
			w.waits[job.lane] = append(w.waits[job.lane], time.Since(job.since))
		}
		w.mu.Unlock()
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
	}
}

func (w *world) again(job work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back[job.lane] = append(w.back[job.lane], job)
}

// during counts what was done between two moments after the beginning.
func (w *world) during(lane state.Lane, from, to time.Duration) (n int) {
	for _, t := range w.done[lane] {
		if d := t.Sub(w.begin); d >= from && d < to {
			n++
		}
	}
	return n
}

func (w *world) worst(lane state.Lane) time.Duration {
	if len(w.waits[lane]) == 0 {
		return 0
	}
	return slices.Max(w.waits[lane])
}

// spent puts calls into the past of ledger and server alike.
func spent(t *testing.T, store state.Store, s *server, n int, over time.Duration) {
	t.Helper()
	now := time.Now()
	row := state.Spent{Slots: map[int64]int{}}
	for i := range n {
		at := now.Add(-over + over*time.Duration(i)/time.Duration(n))
		s.log = append(s.log, at)
		row.Slots[at.UnixNano()/int64(hourSlot)]++
	}
	if err := store.Update(t.Context(), func(tx state.Tx) error {
		state.Ledger.Put(tx, hourKey("key", people), row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Three hours with bulk work that never ends: nothing is refused and the window is used.
func TestBulkUsesTheWindow(t *testing.T) {
	for _, calls := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, newMemory(), 2500)
			w.calls = calls
			w.add(state.LaneBulk, 10_000)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
			defer cancel()
			w.run(ctx)
			n := len(w.done[state.LaneBulk])
			t.Logf("%d calls a job: %d calls in three hours, %.1f %% of 7,500; most in an hour %d; broken %d", calls, n, float64(n)/75, w.server.most, w.broken)
			for h := range 3 {
				t.Logf("hour %d: %d", h+1, w.during(state.LaneBulk, time.Duration(h)*time.Hour, time.Duration(h+1)*time.Hour))
			}
			if w.server.refused > 0 {
				t.Errorf("%d calls were refused", w.server.refused)
			}
			if n < 7125 {
				t.Errorf("%d calls are less than 95 %% of 7,500", n)
			}
			if n := w.during(state.LaneBulk, 0, time.Minute*5); n < 625 {
				t.Errorf("the burst was only %d calls", n)
			}
		})
	}
}

// Live events start soon although the window is nearly used up and ten thousand bulk contacts wait.
func TestLiveStartsSoon(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory()
			srv := &server{limit: 2500}
			spent(t, store, srv, 2450, time.Hour)
			w := newWorld(t, store, 2500)
			w.server = srv
			w.add(state.LaneBulk, 10_000)
			random := rand.New(rand.NewPCG(seed, 1))
			var others sync.WaitGroup
			for range 100 {
				at := time.Duration(random.Int64N(int64(3 * time.Hour)))
				others.Go(func() {
					time.Sleep(at)
					w.add(state.LaneLive, 1)
				})
			}
			at := time.Duration(random.Int64N(int64(175 * time.Minute)))
			if seed == 0 {
				at = 0
			}
			others.Go(func() {
				time.Sleep(at)
				w.add(state.LaneLive, 50)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour+time.Minute)
			defer cancel()
			w.run(ctx)
			others.Wait()
			live, bulk := len(w.done[state.LaneLive]), len(w.done[state.LaneBulk])
			t.Logf("worst live wait %v; %d live, %d bulk calls; %.1f %% used; burst at %v", w.worst(state.LaneLive), live, bulk, float64(live+bulk)/75, at)
			if live != 150 || w.worst(state.LaneLive) > 30*time.Second {
				t.Errorf("%d live events, worst wait %v", live, w.worst(state.LaneLive))
			}
			if w.server.refused > 0 {
				t.Errorf("%d calls were refused", w.server.refused)
			}
		})
	}
}

// Live load without end leaves bulk work its tenth, and takes all of it when there is no bulk work.
func TestBulkKeepsATenthUnderLiveLoad(t *testing.T) {
	for _, bulk := range []int{20_000, 0} {
		for _, used := range []int{0, 2450} {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory()
				srv := &server{limit: 2500}
				spent(t, store, srv, used, time.Hour)
				w := newWorld(t, store, 2500)
				w.server = srv
				w.calls = 2
				w.add(state.LaneBulk, bulk)
				w.add(state.LaneLive, 30_000)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
				defer cancel()
				w.run(ctx)
				for h := range 3 {
					from, to := time.Duration(h)*time.Hour, time.Duration(h+1)*time.Hour
					b, l := w.during(state.LaneBulk, from, to), w.during(state.LaneLive, from, to)
					t.Logf("%d used before, hour %d: %d bulk, %d live; broken %d", used, h+1, b, l, w.broken)
					if bulk > 0 && b < 250 {
						t.Errorf("bulk got only %d of 2,500 calls", b)
					}
					if bulk == 0 && l < 2375 {
						t.Errorf("live got only %d of 2,500 calls, and there was no bulk work", l)
					}
				}
				if w.server.refused > 0 {
					t.Errorf("%d calls were refused", w.server.refused)
				}
			})
		}
	}
}

// Somebody else takes a tenth of the key for an hour.
func TestSharedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const from, to, end, theirs = time.Hour, 2 * time.Hour, 5 * time.Hour, 250
		w := newWorld(t, newMemory(), 2500)
		w.add(state.LaneBulk, 20_000)
		var others sync.WaitGroup
		others.Go(func() {
			time.Sleep(from)
			for range theirs {
				w.server.call(time.Now())
				time.Sleep((to - from) / theirs)
			}
		})
		others.Go(func() {
			for i := range 280 {
				w.add(state.LaneLive, 1)
				time.Sleep(time.Minute + time.Duration(i%7)*time.Second/10)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), end)
		defer cancel()
		w.run(ctx)
		others.Wait()
		all := func(from, to time.Duration) int {
			return w.during(state.LaneBulk, from, to) + w.during(state.LaneLive, from, to)
		}
		least := math.MaxInt
		for m := to + 10*time.Minute; m+10*time.Minute <= end; m += 10 * time.Minute {
			least = min(least, all(m, m+10*time.Minute))
		}
		t.Logf("%d refusals; meanwhile %d calls, the hour after %d, least in ten minutes after recovery %d of 417; worst live wait %v",
			w.refused, all(from, to), all(to, to+time.Hour), least, w.worst(state.LaneLive))
		if w.refused > 5 {
			t.Errorf("%d refusals are more than a handful", w.refused)
		}
		if least < 350 {
			t.Errorf("only %d calls in ten minutes after recovery", least)
		}
		if after := all(to+10*time.Minute, to+70*time.Minute); after < 2350 {
			t.Errorf("only %d calls in the hour that began ten minutes after", after)
		}
		if w.worst(state.LaneLive) > 30*time.Second {
			t.Errorf("a live event waited %v", w.worst(state.LaneLive))
		}
	})
}

// A client that takes whatever becomes free must not provoke a refusal for every call that we try.
func TestHungryNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), 2500)
		w.add(state.LaneBulk, 20_000)
		w.add(state.LaneLive, 5_000)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour)
		defer cancel()
		var others sync.WaitGroup
		others.Go(func() {
			time.Sleep(time.Hour)
			for ctx.Err() == nil {
				w.server.call(time.Now())
				time.Sleep(300 * time.Millisecond)
			}
		})
		w.run(ctx)
		others.Wait()
		t.Logf("%d refusals in three hours, %d calls got through", w.refused, w.during(state.LaneLive, time.Hour, 4*time.Hour)+w.during(state.LaneBulk, time.Hour, 4*time.Hour))
		if w.refused > 60 {
			t.Errorf("%d refusals in three hours", w.refused)
		}
	})
}
