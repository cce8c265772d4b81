package engine_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// The tests of this file play hours of a throttled Weni in a bubble of their own time: the real store, engine,
// ledger and client, and the simulator with its throttle on. `go run ./bench/calls` runs them and prints the rows.

const perHour = 2500

var seed = flag.Uint64("hours.seed", 7, "of the moments at which live events come")

// hours is a lab in a bubble.
type hours struct {
	*lab.Lab
	t     *testing.T
	began time.Time
	sent  map[contact.Key]time.Time // live events, and when they came
	mu    sync.Mutex
}

// simulate runs a test in a bubble.
func simulate(t *testing.T, o lab.Options, play func(*hours)) {
	t.Helper()
	if testing.Short() {
		t.Skip("hours are simulated")
	}
	dir, err := os.MkdirTemp(lab.FastDir(), "hours-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	synctest.Test(t, func(t *testing.T) {
		if o.PerHour == 0 {
			o.PerHour, o.Server.PerHour = perHour, perHour
		}
		if o.Latency == 0 {
			o.Latency = 100 * time.Millisecond
		}
		l, err := lab.New(o)
		if err != nil {
			t.Fatal(err)
		}
		h := &hours{Lab: l, t: t, began: time.Now(), sent: map[contact.Key]time.Time{}}
		play(h)
		h.must(l.Stop())
	})
}

func (h *hours) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// row reports a figure against its bar; bench/calls prints it.
func (h *hours) row(ok bool, what, measured, bar, push, lookup string) {
	h.t.Helper()
	h.t.Logf("row|%s|%s|%s|%t|%s|%s", what, measured, bar, ok, push, lookup)
	if !ok {
		h.t.Errorf("%s: %s; the bar is %s", what, measured, bar)
	}
}

func somebody(i int) lab.Row {
	return lab.Row{"nome": fmt.Sprintf("Pessoa %d", i), "fone": fmt.Sprintf("+55 84 9%08d", 80000000+i), "cidade": "Natal"}
}

// waiting makes people n of the CRM due in the bulk lane, as a released run does.
func (h *hours) waiting(n int) {
	h.t.Helper()
	for i := 1; i <= n; i++ {
		h.Books["crm"].Put(i, somebody(i))
	}
	if run, err := h.Reconcile("crm", "full"); err != nil || run.Records != n {
		h.t.Fatalf("run: %+v, %v", run, err)
	}
}

// bulk accepts n people in the bulk lane, as a flood of webhooks.
func (h *hours) bulk(n int) {
	h.t.Helper()
	var events []contact.Event
	for i := 1; i <= n; i++ {
		events = append(events, h.Books["crm"].Put(i, somebody(i)))
	}
	for batch := range slices.Chunk(events, 500) {
		_, err := h.Send(state.LaneBulk, batch...)
		h.must(err)
	}
}

// live sends what somebody did in the shop, and remembers when.
func (h *hours) live(i int) {
	e := h.Books["loja"].Put(i, lab.Row{"nome": fmt.Sprintf("Cliente %d", i), "fone": fmt.Sprintf("+55 11 9%08d", 70000000+i), "compras": "3"})
	h.mu.Lock()
	h.sent[e.Key] = time.Now()
	h.mu.Unlock()
	if _, err := h.Send(state.LaneLive, e); err != nil {
		h.t.Error(err)
	}
}

// known sends a live event about somebody who waits in the bulk lane, or has been delivered from it.
func (h *hours) known(i int) {
	e := h.Books["crm"].Edit(i, func(r lab.Row) { r["cidade"] = "Recife" })
	h.mu.Lock()
	h.sent[e.Key] = time.Now()
	h.mu.Unlock()
	if _, err := h.Send(state.LaneLive, e); err != nil {
		h.t.Error(err)
	}
}

// worst is how long the slowest live event took until it was written, and how many never were.
func (h *hours) worst() (worst time.Duration, never int) {
	done := map[contact.Key]time.Time{}
	for _, d := range h.Log.Deliveries(func(d lab.Told) bool { return d.Outcome == "written" }) {
		for _, k := range d.Records {
			if sent, ok := h.sent[k]; ok && done[k].IsZero() && !d.At.Before(sent) {
				done[k] = d.At
				worst = max(worst, d.At.Sub(sent))
			}
		}
	}
	return worst, len(h.sent) - len(done)
}

// neighbour is another client of the same key.
func (h *hours) neighbour() bool {
	return h.ask("GET", "contacts.json?uuid=3f1c7f0e-0000-4000-8000-000000000000", "").Code != http.StatusTooManyRequests
}

// ask makes a call that is not syncer's.
func (h *hours) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/api/v2/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Token "+h.Weni.Token())
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.Weni.ServeHTTP(w, r)
	return w
}

// spend uses up calls in ledger and server alike, spread over a time that ends now.
func (h *hours) spend(n int, over time.Duration) {
	h.t.Helper()
	ctx := budget.WithLane(context.Background(), state.LaneConsent)
	for range n {
		h.must(h.Ledger.Spend(ctx, contact.ScopeContacts))
		if !h.neighbour() {
			h.t.Fatal("the window was full already")
		}
		time.Sleep(over / time.Duration(n))
	}
}

// spread sends live events at random times, in turns about new and known people, and a burst of 50.
func (h *hours) spread(n int, over time.Duration, burst time.Duration, random *rand.Rand) {
	var senders sync.WaitGroup
	for i := 1; i <= n; i++ {
		at := time.Duration(random.Int64N(int64(over)))
		senders.Go(func() {
			time.Sleep(at)
			if i%2 == 0 {
				h.live(i)
			} else {
				h.known(i * 90)
			}
		})
	}
	senders.Go(func() {
		time.Sleep(burst)
		for i := n + 1; i <= n+50; i++ {
			h.live(i)
		}
	})
	senders.Wait()
}

func TestHoursOfBacklog(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		h.waiting(10_000)
		h.spread(100, 170*time.Minute, 77*time.Minute, rand.New(rand.NewPCG(1, *seed)))
		time.Sleep(3*time.Hour - time.Since(h.began))
		c := h.Calls()
		used := float64(c.Contacts()) / (3 * perHour)
		worst, never := h.worst()
		h.row(c.Refused == 0 && used >= 0.95, "3 hours, 10,000 waiting", fmt.Sprintf("%d refused, %.1f %% of 7,500 used", c.Refused, 100*used), "0; 95 %",
			"2,500 in minutes, then refused", "the same, at half the people")
		h.row(worst <= 30*time.Second && never == 0, "  100 live events and a burst of 50", fmt.Sprintf("slowest %.1f s, %d never", worst.Seconds(), never), "30 s; 0",
			"up to 59 min", "up to 59 min")
	})
}

func TestHoursWithANeighbour(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		h.waiting(14_000)
		var others sync.WaitGroup
		others.Go(func() {
			time.Sleep(time.Hour)
			for range perHour / 10 {
				h.neighbour()
				time.Sleep(time.Hour / (perHour / 10))
			}
		})
		others.Go(func() { h.spread(100, 220*time.Minute, 90*time.Minute, rand.New(rand.NewPCG(3, *seed))) })
		var refused, least = 0, perHour
		for minute := 10; minute <= 240; minute += 10 {
			time.Sleep(time.Duration(minute)*time.Minute - time.Since(h.began))
			c := h.Calls()
			refused += c.Refused
			if minute > 130 {
				least = min(least, c.Contacts())
			}
		}
		others.Wait()
		worst, never := h.worst()
		h.row(least >= 375 && refused <= 10, "another client takes 10 % for an hour", fmt.Sprintf("%d refused; from 10 min after it, at least %d calls in 10 min", refused, least), "10; 375 of 417",
			"refused all along", "refused all along")
		h.row(worst <= 30*time.Second && never == 0, "  live events meanwhile", fmt.Sprintf("slowest %.1f s, %d never", worst.Seconds(), never), "30 s; 0", "up to 59 min", "up to 59 min")
	})
}

// Live events without end: bulk work gets its tenth all the same, and live work the rest.
func TestHoursOfAFlood(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		h.waiting(3000)
		h.Log.Deliveries(nil)
		h.Calls()
		const times = 2 * 3600
		for i := 1; i <= times; i++ {
			h.live(i)
			time.Sleep(time.Second)
		}
		c, lanes := h.Calls(), map[state.Lane]int{}
		for _, d := range h.Log.Deliveries(func(d lab.Told) bool { return d.Outcome == "written" && d.At.After(h.began.Add(time.Hour)) }) {
			lanes[d.Lane]++
		}
		h.row(c.Refused == 0 && lanes[state.LaneBulk] >= perHour/10 && lanes[state.LaneLive] >= perHour*6/10, "3,600 live events an hour, 3,000 waiting in bulk: the second hour",
			fmt.Sprintf("%d refused, %d bulk, %d live", c.Refused, lanes[state.LaneBulk], lanes[state.LaneLive]), "0; 250; 1,500", "bulk starves", "bulk starves")
	})
}

// A window that is nearly used up at the start, evenly or in the last ten minutes, so that next to nothing
// becomes free.
func TestHoursFromANearlyFullWindow(t *testing.T) {
	for _, over := range []time.Duration{time.Hour, 10 * time.Minute} {
		simulate(t, lab.Options{}, func(h *hours) {
			h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
			h.spend(2448, over)
			h.Calls()
			began := time.Now()
			h.bulk(10_000)
			for i := 1; i <= 15; i++ {
				time.Sleep(30 * time.Second)
				h.live(i)
			}
			time.Sleep(10*time.Minute - time.Since(began))
			c := h.Calls()
			worst, never := h.worst()
			h.row(c.Refused == 0 && worst <= 30*time.Second && never == 0, fmt.Sprintf("2,450 of 2,500 used in the last %.0f min, 10,000 waiting, 10 min", over.Minutes()),
				fmt.Sprintf("%d refused; slowest live event %.1f s, %d never; %d calls", c.Refused, worst.Seconds(), never, c.Contacts()), "0; 30 s; 0", "refused for 50 min", "refused for 50 min")
		})
	}
}

// TestHoursOfPoison has a record that can never be written among others that can.
func TestHoursOfPoison(t *testing.T) {
	poison := func(h *hours, f sandbox.Fault) {
		h.t.Helper()
		f.Method, f.Path, f.Body = "POST", "/api/v2/contacts.json", "Veneno"
		_, err := h.Weni.Control.AddFault(f)
		h.must(err)
	}
	hits := func(h *hours) int { return h.Weni.Control.Faults()[0].Hits }
	bad := func(h *hours, v int) {
		r := somebody(1)
		r["nome"] = fmt.Sprintf("Veneno %d", v)
		_, err := h.Send(state.LaneLive, h.Books["crm"].Put(1, r))
		h.must(err)
	}
	// Others are written all day, and every hour the source is read as a whole.
	day := func(h *hours) {
		for hour := range 24 {
			for i := range 20 {
				time.Sleep(3 * time.Minute)
				h.live(20*hour + i + 1)
			}
			if hour%6 == 0 {
				_, err := h.Reconcile("crm", "full")
				h.must(err)
			}
		}
		time.Sleep(time.Minute)
	}
	simulate(t, lab.Options{}, func(h *hours) {
		poison(h, sandbox.Fault{Action: sandbox.FaultStatus, Status: 400, ContentType: "application/json", Response: `{"name":["Null characters are not allowed."]}`})
		bad(h, 1)
		time.Sleep(time.Minute)
		bad(h, 2)
		day(h)
		_, never := h.worst()
		h.row(hits(h) == 2 && never == 0, "a record answered 400 for ever, two versions, a day", fmt.Sprintf("%d calls; %d of 480 others not written", hits(h), never), "2; 0", "1 a push", "2 a push")
	})
	simulate(t, lab.Options{}, func(h *hours) {
		poison(h, sandbox.Fault{Action: sandbox.FaultStatus, Status: 500})
		bad(h, 1)
		day(h)
		_, never := h.worst()
		h.row(hits(h) <= 4 && never == 0, "a record answered 500 for ever, a day", fmt.Sprintf("%d calls; %d of 480 others not written", hits(h), never), "4; 0", "1 a retry", "2 a retry")
	})
}

// TestHoursOfAnEngineThatIsDown lets Weni's engine fail every write for ten minutes while ten thousand people wait.
func TestHoursOfAnEngineThatIsDown(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
		h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.EngineDown = true }))
		h.bulk(10_000)
		h.Calls()
		time.Sleep(10 * time.Minute)
		down := h.Calls()
		h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.EngineDown = false }))
		time.Sleep(6 * time.Minute)
		up := h.Calls()
		h.row(down.Contacts() <= 30 && up.Writes > 100, "the engine is down for 10 min, 10,000 due", fmt.Sprintf("%d calls; %d in the 6 min after", down.Contacts(), up.Writes), "30; it goes on",
			"one a retry: 10,000 and more", "20,000 and more")
	})
}

// TestHoursFoldLabels has a backlog in which everybody changes in name and label: the labels must share calls
// although the names are paced.
func TestHoursFoldLabels(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		const n = 1200
		for i := 1; i <= n; i++ {
			h.Books["crm"].Put(i, somebody(i))
			_, err := h.Weni.AddContact(rapidpro.NewContact{Name: fmt.Sprintf("Outro nome %d", i), URNs: []string{fmt.Sprintf("whatsapp:55849%08d", 80000000+i)}})
			h.must(err)
		}
		h.spend(1500, 20*time.Minute)
		h.Calls()
		_, err := h.Reconcile("crm", "full")
		h.must(err)
		h.must(h.Settle(6 * time.Hour))
		c := h.Calls()
		h.row(c.Labels <= n/100+2 && c.Writes == n, "1,200 people change in name and label, paced", fmt.Sprintf("%d writes + %d label", c.Writes, c.Labels), "1200 + 12 (14)", "1200 + 1200", "2400 + 1200")
	})
}
