package budget

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// hands is a clock with two hands: what the wall shows and what has passed.
type hands struct {
	wall    time.Time
	elapsed time.Duration
}

func newHands() *hands { return &hands{wall: time.Date(2026, 11, 20, 12, 0, 7, 0, time.UTC)} }

func (h *hands) read() (time.Time, time.Duration) { return h.wall, h.elapsed }

func (h *hands) pass(d time.Duration) { h.wall, h.elapsed = h.wall.Add(d), h.elapsed+d }
func (h *hands) jump(d time.Duration) { h.wall = h.wall.Add(d) }

func mustOpen(t testing.TB, store state.Store, h *hands, limits map[string]Limit) *Ledger {
	t.Helper()
	l, err := open(store, "key", limits, nil, h.read)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func spend(l *Ledger, lane state.Lane, n int) (made int, err error) {
	for range n {
		if err = l.Spend(WithLane(context.Background(), lane), people); err != nil {
			return made, err
		}
		made++
	}
	return made, nil
}

func TestReserveIsNotForBulk(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerHour: 2500}})
	if n, err := spend(l, state.LaneLive, 2395); err != nil {
		t.Fatal(n, err)
	}
	if n, _ := spend(l, state.LaneBulk, 50); n != 5 {
		t.Errorf("bulk made %d calls with 5 left above the reserve", n)
	}
	if n, _ := spend(l, state.LaneLive, 200); n != 100 {
		t.Errorf("live made %d calls of a reserve of 100", n)
	}
	_, err := spend(l, state.LaneConsent, 1)
	var e *contact.Error
	if !errors.As(err, &e) || e.Kind != contact.Throttled {
		t.Fatalf("want Throttled, got %v", err)
	}
	if d := e.Until.Sub(h.wall); d < time.Hour || d > time.Hour+hourSlot+latency {
		t.Errorf("it says to wait %v", d)
	}
	if st := l.Status(people); st.Used != 2500 || st.Left != 0 || st.Limit != 2500 || st.Reserve != 100 || st.NextBulk.IsZero() {
		t.Errorf("status %+v", st)
	}
	if at := l.Ready(people, state.LaneLive, h.wall); !at.Equal(e.Until) {
		t.Errorf("ready at %v, want %v", at, e.Until)
	}
	h.pass(e.Until.Sub(h.wall))
	if at := l.Ready(people, state.LaneLive, h.wall); !at.IsZero() {
		t.Errorf("not ready at the promised time but at %v", at)
	}
}

func TestRestartRemembers(t *testing.T) {
	store, h := newMemory(), newHands()
	limits := map[string]Limit{people: {PerHour: 100, Daily: 150}}
	l := mustOpen(t, store, h, limits)
	if n, err := spend(l, state.LaneLive, 95); n != 95 {
		t.Fatal(n, err)
	}
	l.Refused(people, h.wall.Add(10*time.Minute))
	h.pass(time.Minute)
	l = mustOpen(t, store, h, limits)
	if st := l.Status(people); st.Used != 95 || st.Today != 95 || st.Others != 5 || !st.BlockedUntil.Equal(h.wall.Add(9*time.Minute)) {
		t.Errorf("after the restart: %+v", st)
	}
	h.pass(2 * time.Hour)
	if n, err := spend(l, state.LaneLive, 100); n != 55 {
		t.Errorf("%d calls of 55 left for the day: %v", n, err)
	}
	h.pass(25 * time.Hour)
	if n, err := spend(mustOpen(t, store, h, limits), state.LaneLive, 80); n != 80 {
		t.Errorf("%d calls on the next day: %v", n, err)
	}
}

// In whatever part of a slot a call is made, however late it reaches the server, and whether or not the clock
// is set and syncer restarted afterwards: it is not let go before the server lets it go.
func TestCallsAreHeldLongEnough(t *testing.T) {
	limits := map[string]Limit{people: {PerHour: 3}}
	for phase := time.Duration(0); phase < hourSlot; phase += 499 * time.Millisecond {
		for _, jump := range []time.Duration{0, 2 * time.Second, 14 * time.Second, 22 * time.Second, 29 * time.Second, -14 * time.Second, -22 * time.Second, time.Hour} {
			store, h := newMemory(), newHands()
			h.wall = h.wall.Truncate(hourSlot)
			h.pass(phase)
			l := mustOpen(t, store, h, limits)
			if n, err := spend(l, state.LaneConsent, 3); n != 3 {
				t.Fatal(err)
			}
			made := h.elapsed
			if jump != 0 {
				h.pass(time.Second)
				h.jump(jump)
				if n, _ := spend(l, state.LaneConsent, 1); n != 0 {
					t.Fatalf("phase %v, jump %v: freed at once", phase, jump)
				}
				l = mustOpen(t, store, h, limits)
			}
			at := l.Ready(people, state.LaneConsent, h.wall)
			h.pass(at.Sub(h.wall))
			if held := h.elapsed - made; held < time.Hour+latency || held > time.Hour+latency+3*hourSlot {
				t.Fatalf("phase %v, jump %v: held for %v", phase, jump, held)
			}
		}
	}
}

// A clock without a monotonic part, as in tests of others: set back by a day, it neither frees the window nor
// blocks it for more than the hour.
func TestPlainClockSetBack(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	l, err := New(newMemory(), "key", map[string]Limit{people: {PerHour: 50}}, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := spend(l, state.LaneConsent, 50); n != 50 {
		t.Fatal(err)
	}
	now = now.Add(-24 * time.Hour)
	if n, _ := spend(l, state.LaneConsent, 1); n != 0 {
		t.Error("freed at once")
	}
	now = now.Add(time.Hour + hourSlot + latency)
	if n, err := spend(l, state.LaneConsent, 1); n != 1 {
		t.Errorf("still blocked: %v", err)
	}
}

// A changed mapping file opens a second ledger while the first still finishes its calls.
func TestReloadTakesOver(t *testing.T) {
	store, h := newMemory(), newHands()
	limits := map[string]Limit{people: {PerHour: 100}}
	old, next := mustOpen(t, store, h, limits), mustOpen(t, store, h, limits)
	if n, err := spend(old, state.LaneLive, 30); n != 30 {
		t.Fatal(err)
	}
	for range 2 {
		if err := next.Reload(); err != nil {
			t.Fatal(err)
		}
		if st := next.Status(people); st.Used != 30 {
			t.Errorf("%d of 30 calls are known", st.Used)
		}
	}
}

// The clock is set back by a day: what was spent counts from now, and nothing is blocked for ever.
func TestClockSetBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		store, h := newMemory(), newHands()
		limits := map[string]Limit{people: {PerHour: 50}}
		l := mustOpen(t, store, h, limits)
		if n, err := spend(l, state.LaneLive, 50); n != 50 {
			t.Fatal(n, err)
		}
		l.Refused(people, h.wall.Add(5*time.Minute))
		h.jump(-24 * time.Hour)
		if restart {
			l = mustOpen(t, store, h, limits)
		}
		h.pass(59 * time.Minute)
		if n, _ := spend(l, state.LaneLive, 1); n != 0 {
			t.Errorf("restart %v: the window was freed", restart)
		}
		h.pass(time.Minute + hourSlot + latency)
		if n, err := spend(l, state.LaneLive, 40); n != 40 {
			t.Errorf("restart %v: still blocked after an hour: %v", restart, err)
		}
	}
}

// The clock is set forward: nothing is freed, not even by a restart, once the ledger has noticed.
func TestClockSetForward(t *testing.T) {
	store, h := newMemory(), newHands()
	limits := map[string]Limit{people: {PerHour: 50}}
	l := mustOpen(t, store, h, limits)
	if n, err := spend(l, state.LaneLive, 50); n != 50 {
		t.Fatal(n, err)
	}
	h.jump(5 * time.Hour)
	for range 2 {
		if n, _ := spend(l, state.LaneLive, 1); n != 0 {
			t.Fatal("the window was freed")
		}
		l = mustOpen(t, store, h, limits)
	}
}

func TestFailingStoreSpendsNothing(t *testing.T) {
	store, h := newMemory(), newHands()
	l := mustOpen(t, store, h, map[string]Limit{people: {PerHour: 50, Daily: 100}})
	store.err = &contact.Error{Kind: contact.Unavailable, Message: "full"}
	for range 80 {
		if err := l.Spend(t.Context(), people); contact.KindOf(err) != contact.Unavailable {
			t.Fatalf("want the store's error, got %v", err)
		}
	}
	if st := l.Status(people); st.Used != 0 || st.Today != 0 {
		t.Errorf("calls that were never made are counted: %+v", st)
	}
}

func TestCancelledContextSpendsNothing(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerHour: 50}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Spend(ctx, people); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if st := l.Status(people); st.Used != 0 {
		t.Errorf("%+v", st)
	}
}

// Where no limit is known, one call a second on average, and a piece of work is never stopped in the middle.
func TestUnknownLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		l, err := New(store, "key", nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if l.Limit("anything") != (Limit{PerSecond: 1, InFlight: 4}) {
			t.Errorf("limit %+v", l.Limit("anything"))
		}
		begin, calls := time.Now(), 0
		for time.Since(begin) < time.Hour {
			if at := l.Ready(people, state.LaneBulk, time.Now()); !at.IsZero() {
				time.Sleep(time.Until(at))
				continue
			}
			for range 4 {
				if err := l.Spend(WithLane(t.Context(), state.LaneBulk), people); err != nil {
					t.Fatal(err)
				}
				calls++
			}
		}
		if calls < 3595 || calls > 3610 {
			t.Errorf("%d calls in an hour", calls)
		}
		// A crowd is stopped, and a refusal halves the rate for a while.
		for range 20 {
			err = l.Spend(t.Context(), people)
		}
		if contact.KindOf(err) != contact.Throttled {
			t.Errorf("a crowd was not stopped: %v", err)
		}
		l.Refused(people, time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		begin, calls = time.Now(), 0
		for time.Since(begin) < 10*time.Minute {
			if at := l.Ready(people, state.LaneBulk, time.Now()); !at.IsZero() {
				time.Sleep(time.Until(at))
				continue
			}
			if err := l.Spend(WithLane(t.Context(), state.LaneBulk), people); err != nil {
				t.Fatal(err)
			}
			calls++
		}
		if calls < 295 || calls > 330 {
			t.Errorf("%d calls in ten minutes after a refusal", calls)
		}
		if store.writes != 1 {
			t.Errorf("%d writes for calls that only a rate bounds; only the refusal must be kept", store.writes)
		}
	})
}

// Live work goes before bulk work where only a rate is known.
func TestLiveOvertakesAtARate(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerSecond: 2}})
	if n, err := spend(l, state.LaneBulk, 4); n != 4 {
		t.Fatal(err)
	}
	if at := l.Ready(people, state.LaneLive, h.wall); !at.IsZero() {
		t.Errorf("live waits until %v", at)
	}
	if at := l.Ready(people, state.LaneBulk, h.wall); at.Sub(h.wall) != 2*time.Second {
		t.Errorf("bulk waits for %v", at.Sub(h.wall))
	}
}

func TestBulkLeavesATenthOfTheDay(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerSecond: 1000, Daily: 200}})
	h.pass(time.Hour)
	n := 0
	for range 300 {
		h.pass(time.Second)
		if _, err := spend(l, state.LaneBulk, 1); err == nil {
			n++
		}
	}
	if n != 180 {
		t.Errorf("bulk made %d of 200 calls", n)
	}
	if n, _ := spend(l, state.LaneLive, 15); n != 15 {
		t.Errorf("live made %d", n)
	}
}

func TestRefusedBlocksEverybody(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerHour: 2500}})
	if _, err := spend(l, state.LaneLive, 2450); err != nil {
		t.Fatal(err)
	}
	until := h.wall.Add(30 * time.Second)
	for range 4 { // calls that were under way together
		l.Refused(people, until)
	}
	for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
		if at := l.Ready(people, lane, h.wall); at.Before(until) {
			t.Errorf("%v may go at %v", lane, at)
		}
	}
	if st := l.Status(people); st.Others != 50 || st.Left != 0 || !st.BlockedUntil.Equal(until) {
		t.Errorf("%+v", st)
	}
	h.pass(30 * time.Second)
	if at := l.Ready(people, state.LaneConsent, h.wall); !at.IsZero() {
		t.Errorf("consent waits until %v", at)
	}
	h.pass(time.Hour)
	if st := l.Status(people); st.Others != 0 || st.Left != 2500 {
		t.Errorf("an hour later: %+v", st)
	}
}

// One refusal that has nothing to do with the window (a proxy's) costs bulk work a quarter of it at most.
func TestStrayRefusal(t *testing.T) {
	h := newHands()
	l := mustOpen(t, newMemory(), h, map[string]Limit{people: {PerHour: 2500}})
	l.Refused(people, h.wall.Add(time.Second))
	if st := l.Status(people); st.Others != 625 {
		t.Errorf("%+v", st)
	}
	h.pass(time.Minute)
	if n, err := spend(l, state.LaneBulk, 400); n != 400 {
		t.Errorf("%d calls: %v", n, err)
	}
}

func TestEstimate(t *testing.T) {
	limits := map[string]Limit{people: {PerHour: 2500}}
	for _, c := range []struct {
		used, calls int
		least, most time.Duration
	}{
		{0, 500, 0, 0},
		{0, 2400, 50 * time.Minute, 61 * time.Minute},
		{0, 10_000, 3*time.Hour + 45*time.Minute, 4*time.Hour + 15*time.Minute},
		{2400, 100, time.Hour, time.Hour + time.Minute},
		{0, 1_000_000, 410 * time.Hour, 425 * time.Hour},
	} {
		h := newHands()
		l := mustOpen(t, newMemory(), h, limits)
		if n, err := spend(l, state.LaneLive, c.used); n != c.used {
			t.Fatal(err)
		}
		if d := l.Estimate(people, c.calls, h.wall); d < c.least || d > c.most {
			t.Errorf("%d calls with %d used: %v", c.calls, c.used, d)
		}
		if st := l.Status(people); st.Used != c.used {
			t.Errorf("the estimate spent %d calls", st.Used-c.used)
		}
	}
	l := mustOpen(t, newMemory(), newHands(), nil)
	if d := l.Estimate(people, 1000, time.Time{}); d < 990*time.Second || d > 1000*time.Second {
		t.Errorf("1,000 calls at one a second: %v", d)
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for name, limit := range map[string]Limit{"negative": {PerHour: -1}, "all reserve": {PerHour: 100, Reserve: 100}} {
		if _, err := New(newMemory(), "key", map[string]Limit{people: limit}, Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(newMemory(), "", nil, Options{}); err == nil {
		t.Error("a ledger without a credential")
	}
	l, err := New(newMemory(), "key", map[string]Limit{"b": {PerHour: 300}, "a": {PerHour: 100, Reserve: -1}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if l.Limit("b").Reserve != 30 || l.Limit("a").Reserve != 0 || l.Scopes()[0] != "a" {
		t.Errorf("%+v %+v %v", l.Limit("a"), l.Limit("b"), l.Scopes())
	}
	if l.Credential() != "key" {
		t.Errorf("credential %s", l.Credential())
	}
}

func TestPrune(t *testing.T) {
	store, h := newMemory(), newHands()
	limits := map[string]Limit{people: {PerHour: 50, Daily: 100}}
	for _, key := range []string{"old", "kept", "young"} {
		if key == "young" {
			h.pass(10 * time.Hour)
		}
		l, err := open(store, key, limits, nil, h.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Spend(t.Context(), people); err != nil {
			t.Fatal(err)
		}
	}
	h.pass(16 * time.Hour)
	if err := Prune(t.Context(), store, h.wall, "kept"); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	err := store.View(func(tx state.Tx) error {
		for k := range state.Ledger.All(tx, nil, nil) {
			left[k.Place]++
		}
		return nil
	})
	if err != nil || len(left) != 2 || left["kept"] != 2 || left["young"] != 2 {
		t.Errorf("left: %v %v", left, err)
	}
}

// Many workers on several scopes and a real file: every call that was allowed is on disk.
func TestConcurrentSpendsAreDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]Limit{"a": {PerHour: 100}, "b": {PerHour: 200}, "c": {PerHour: 300}}
	l, err := New(store, "key", limits, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for name := range limits {
		for range 8 {
			wg.Go(func() {
				for range 50 {
					_ = l.Spend(context.Background(), name)
					_ = l.Ready(name, state.LaneBulk, time.Now())
				}
			})
		}
	}
	wg.Wait()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if store, err = bolt.Open(path, bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if l, err = New(store, "key", limits, Options{}); err != nil {
		t.Fatal(err)
	}
	for name, limit := range limits {
		// What live work leaves to bulk work is at most its quota.
		if st := l.Status(name); st.Used > limit.PerHour || st.Used < limit.PerHour*8/10 {
			t.Errorf("%s: %d calls remembered of %d", name, st.Used, limit.PerHour)
		}
	}
}

func BenchmarkSpend(b *testing.B) {
	store, err := bolt.Open(filepath.Join(b.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	h := newHands()
	l := mustOpen(b, store, h, map[string]Limit{people: {PerHour: 1_000_000}})
	for b.Loop() {
		if err := l.Spend(context.Background(), people); err != nil {
			b.Fatal(err)
		}
		h.pass(time.Second)
	}
}

func BenchmarkEstimate(b *testing.B) {
	l := mustOpen(b, newMemory(), newHands(), map[string]Limit{people: {PerHour: 2500}})
	for b.Loop() {
		l.Estimate(people, 100_000, time.Time{})
	}
}

func BenchmarkReady(b *testing.B) {
	h := newHands()
	l := mustOpen(b, newMemory(), h, map[string]Limit{people: {PerHour: 2500}})
	for range 2300 {
		_, _ = spend(l, state.LaneLive, 1)
		h.pass(1500 * time.Millisecond)
	}
	for b.Loop() {
		h.pass(time.Millisecond)
		l.Ready(people, state.LaneBulk, h.wall)
	}
}
