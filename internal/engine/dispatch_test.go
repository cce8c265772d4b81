package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/sandbox"
	"syncer/internal/state"
)

// turnstile counts who is being written, in front of a target.
type turnstile struct {
	engine.Target
	mu    sync.Mutex
	at    map[string]int // deliveries under way, by person
	most  int            // of one person
	total int            // calls under way
	peak  int
}

func (s *turnstile) enter(who string) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[who]++
	s.total++
	s.most, s.peak = max(s.most, s.at[who]), max(s.peak, s.total)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.at[who]--
		s.total--
	}
}

func (s *turnstile) Create(ctx context.Context, c *contact.Change, labels []string) (contact.Observed, error) {
	defer s.enter(string(c.AddURNs[0]))()
	return s.Target.Create(ctx, c, labels)
}

func (s *turnstile) Update(ctx context.Context, seen *contact.Observed, c *contact.Change) (contact.Observed, error) {
	defer s.enter(string(seen.URNs[0]))()
	return s.Target.Update(ctx, seen, c)
}

// TestOneDeliveryAPersonAtATime sends twenty people storms of updates, deletions and refusals while the target throttles
// and fails: nobody is ever written by two deliveries at once, no more than four are under way, and what stands at the
// end is the last word.
func TestOneDeliveryAPersonAtATime(t *testing.T) {
	s := &turnstile{at: map[string]int{}}
	simulate(t, lab.Options{PerHour: lab.Plenty, Latency: 30 * time.Millisecond, Wrap: func(t engine.Target) engine.Target { s.Target = t; return s }}, func(h *hours) {
		for _, f := range []sandbox.Fault{
			{Method: "POST", Probability: 0.02, Action: sandbox.FaultStatus, Status: 502},
			{Method: "POST", Probability: 0.02, Action: sandbox.FaultResetAfter},
			{Method: "POST", Probability: 0.01, Action: sandbox.FaultThrottle, RetryAfter: new(2)},
		} {
			_, err := h.Weni.Control.AddFault(f)
			h.must(err)
		}
		const people, rounds = 20, 61
		var senders sync.WaitGroup
		for i := 1; i <= people; i++ {
			senders.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				for round := range rounds {
					e := h.Books["crm"].Put(i, lab.Row{"nome": fmt.Sprintf("Pessoa %d", i), "fone": number(i)[9:], "cidade": fmt.Sprintf("Cidade %d", round), "vip": round%3 == 0})
					if round%13 == 7 {
						e = h.Books["crm"].Remove(i)
					}
					if _, err := h.Send(state.LaneLive, e); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
				}
			})
		}
		senders.Wait()
		h.Weni.Control.ClearFaults()
		h.must(h.Settle(3 * time.Hour))
		if s.most > 1 || s.peak > 4 || s.peak < 2 {
			t.Errorf("one person was written by %d deliveries at once, %d were under way at most", s.most, s.peak)
		}
		for i := 1; i <= people; i++ {
			if c, _ := h.Weni.Contact(number(i)); c.Fields["cidade"] != fmt.Sprintf("Cidade %d", rounds-1) {
				t.Errorf("person %d is stale: %+v", i, c)
			}
		}
		if n := len(h.Weni.Contacts()); n != people {
			t.Errorf("%d contacts", n)
		}
	})
}

// TestRetryAfterIsObeyed: a 429 silences the scope for as long as it says, apart from what is under way, and the work
// goes on by itself afterwards.
func TestRetryAfterIsObeyed(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.refresh()
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Times: 1, Nth: 20, Action: sandbox.FaultThrottle, RetryAfter: new(90)})
		h.must(err)
		h.bulk(100)
		time.Sleep(10 * time.Second)
		h.Calls()
		time.Sleep(75 * time.Second)
		if c := h.Calls(); c.Contacts() > 0 {
			t.Errorf("%d calls before the time was over", c.Contacts())
		}
		h.live(1)
		time.Sleep(time.Minute)
		worst, never := h.worst()
		if n := len(h.Weni.Contacts()); n != 101 || never > 0 || worst > 30*time.Second {
			t.Errorf("%d contacts; the live event took %v, %d never ended", n, worst, never)
		}
	})
}

// TestFailuresOfOneRestNobody: the breaker is for a target that fails. One record that fails again and again, on a day on
// which nothing else happens, opened it, and the next live event found it open.
func TestFailuresOfOneRestNobody(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Body: "Veneno", Action: sandbox.FaultStatus, Status: 500})
		h.must(err)
		r := somebody(1)
		r["nome"] = "Veneno"
		_, err = h.Send(state.LaneLive, h.Books["crm"].Put(1, r))
		h.must(err)
		time.Sleep(time.Hour + 5*time.Minute + 20*time.Second)
		if s := h.Engine.Conductor("weni").Status(); s.Resting != "" {
			t.Errorf("the target rests because of one record: %s", s.Resting)
		}
		h.live(1)
		time.Sleep(time.Minute)
		if worst, never := h.worst(); worst > 5*time.Second || never > 0 {
			t.Errorf("the live event took %v, %d never ended", worst, never)
		}
	})
}
