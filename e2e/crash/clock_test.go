package main

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"syncer/e2e/lab"
	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/console"
)

// clock is a time of day that somebody sets while the process runs, as an administrator or NTP does: what has passed
// is not touched by it. The binary takes its time from the kernel, so these tests run syncer in this process.
type clock struct{ ahead atomic.Int64 } // seconds

// now moves the seconds of the day and leaves the monotonic reading beside them alone, which no function of package
// time does.
func (c *clock) now() time.Time {
	const hasMonotonic, secondShift = 1 << 63, 30
	t := time.Now()
	wall := (*uint64)(unsafe.Pointer(&t))
	if *wall&hasMonotonic == 0 {
		panic("this version of Go keeps its times in another way")
	}
	*wall += uint64(c.ahead.Load()) << secondShift
	return t
}

func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead.Seconds())) }

// TestTheClockOfTheseTests: it does what the clock of a machine does when somebody sets it.
func TestTheClockOfTheseTests(t *testing.T) {
	var c clock
	before := c.now()
	c.set(-time.Hour)
	after := c.now()
	if wall := after.Round(0).Sub(before.Round(0)); wall > -59*time.Minute || wall < -61*time.Minute || after.Before(before) || after.Sub(before) > time.Minute {
		t.Fatalf("from %v to %v: %v on the wall, %v passed", before, after, wall, after.Sub(before))
	}
}

// within runs syncer in this process until the returned function is called.
func (w *world) within(t *testing.T, c *clock) (stop func()) {
	t.Helper()
	cfg, err := config.Load(w.env, os.ReadFile)
	must(t, err)
	lookup := func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }
	a, err := app.New(t.Context(), app.Options{Config: cfg, Lookup: lookup, Now: c.now, Language: "en"})
	must(t, err)
	w.now, w.admin = c.now, &console.Client{Base: w.admin.Base} // no connection to an earlier one is used
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		must(t, <-ended)
	}
}

// TestTheClockIsSet: events wait while the clock is set, an hour back or a day ahead and right again, while syncer runs
// or while it does not. They are delivered soon all the same, and so is what is said afterwards.
func TestTheClockIsSet(t *testing.T) {
	t.Parallel()
	const soon = 30 * time.Second
	for name, steps := range map[string][2]time.Duration{
		"an hour back":              {0, -time.Hour},
		"an hour ahead":             {0, time.Hour},
		"a day ahead and corrected": {24 * time.Hour, 0},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", restarted"}[restarted], func(t *testing.T) {
				t.Parallel()
				w, c := idle(t, 8), &clock{}
				c.set(steps[0])
				stop := w.within(t, c)
				sendAll(t, w)
				asPromised(t, w)
				must(t, w.admin.Pause(t.Context(), "weni", "the clock is set"))
				sendAll(t, w) // waits at the target
				must(t, lab.Await(t.Context(), patience, "everything is mapped", func() (bool, error) {
					s, err := w.status()
					return err == nil && s.Mapless == 0, err
				}))
				if restarted {
					stop()
				}
				c.set(steps[1])
				if restarted {
					stop = w.within(t, c)
				}
				defer func() { stop() }()
				began := time.Now()
				must(t, w.admin.Resume(t.Context(), "weni"))
				for _, what := range []string{"what waited", "what is said afterwards"} {
					if err := w.restWithin(soon); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					asPromised(t, w)
					if what == "what waited" {
						sendAll(t, w)
					}
				}
				t.Logf("everything is as desired %.1f s after the clock was set", time.Since(began).Seconds())
			})
		}
	}
}

func sendAll(t *testing.T, w *world) {
	t.Helper()
	for i := range w.shop {
		if status := sendNew(t, w, i, 0); status/100 != 2 {
			t.Fatalf("an event is answered with %d", status)
		}
	}
}
