package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
)

// outage is how long a target is away where it is away.
func outage(t *testing.T) time.Duration {
	text := os.Getenv("SYNCER_E2E_OUTAGE")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SYNCER_E2E_OUTAGE: %v", err)
	}
	return d
}

// TestWeniGoesAway: whatever is wrong with Weni while customers come in, their webhooks are taken, the other targets
// go on, `syncer status` says what waits and why, and when Weni is back everybody is there, made once.
func TestWeniGoesAway(t *testing.T) {
	t.Parallel()
	seconds := 3
	for name, c := range map[string]struct {
		fault sandbox.Fault // none: nobody listens
		says  string        // status
	}{
		"down":                      {says: "4 people wait; it does not answer (weni: create contact: it cannot be reached"},
		"500 with a page":           {sandbox.Fault{Path: "/api/", Action: sandbox.FaultStatus, Status: 500}, "4 people wait; it does not answer (weni: create contact: it failed (HTTP 500)"},
		"429 with Retry-After":      {sandbox.Fault{Path: "/api/", Action: sandbox.FaultThrottle, RetryAfter: &seconds}, "4 people wait for the call budget; next call in "},
		"cut after the commit":      {sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultResetAfter}, "4 people wait; it does not answer (weni: create contact: the connection broke"},
		"lost answers of the proxy": {sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultStatus, Status: 504, Commit: true}, "4 people wait; it does not answer (weni: create contact: it failed (HTTP 504)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serve(t)
			_, warm := w.create(someone("Otávio Brandão", "84990000909"))
			w.deliver(warm)
			w.forget()
			if c.fault.Action == "" {
				w.must(w.gate.Shut())
			} else {
				w.must(w.weni.Fail(w.ctx, c.fault))
			}
			began := time.Now()
			for i := range 4 {
				_, hook := w.create(someone(fmt.Sprint("Cliente ", i), fmt.Sprintf("8499000010%d", i)))
				if status := w.send(hook); status != http.StatusOK {
					t.Fatalf("while Weni is away the CRM is answered with %d", status)
				}
			}
			w.settle("atendimento", "omniflow")
			if n := len(w.inboxContacts()); n != 5 {
				t.Errorf("omnichannel has %d contacts", n)
			}
			w.await("status says "+c.says, func() (bool, error) { return strings.Contains(target(w.status(), "weni").Doing, c.says), nil })
			if out := w.ok("status"); !strings.Contains(out, c.says) {
				t.Errorf("syncer status does not say %q:\n%s", c.says, out)
			}
			time.Sleep(time.Until(began.Add(outage(t))))
			w.must(w.gate.Open())
			w.must(w.weni.Heal(w.ctx))
			back := time.Now()
			w.settleLong()
			t.Logf("as desired %.1f s after Weni was back", time.Since(back).Seconds())
			if refused := w.madeOnce(4); refused > 0 {
				t.Errorf("%d creates were repeated although the first had made the contact", refused)
			}
			if s := w.status(); len(s.Attention) > 0 {
				t.Errorf("attention: %v", s.Attention)
			}
		})
	}
}

// TestWhatIsTriedAgainSaysWhy: one delivery that failed is no reason to rest, but it waits, and status says for what.
func TestWhatIsTriedAgainSaysWhy(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.must(w.weni.Fail(w.ctx, sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultStatus, Status: 500, Times: 1}))
	_, hook := w.create(someone("Cliente 0", "84990000100"))
	w.send(hook)
	w.settle("atendimento", "omniflow")
	const says = "1 person is tried again, the first in "
	w.await("status says that it is tried again", func() (bool, error) { return strings.Contains(target(w.status(), "weni").Doing, says), nil })
	if out := w.ok("status"); !strings.Contains(out, says) || !strings.Contains(out, "it failed (HTTP 500)") {
		t.Errorf("syncer status:\n%s", out)
	}
	if out := w.ok("explain", "crm/4001"); !strings.Contains(out, "waiting: weni: create contact: it failed (HTTP 500)") {
		t.Errorf("syncer explain:\n%s", out)
	}
	w.settle()
	w.madeOnce(1)
}

// madeOnce checks that the first n customers have one contact each in Weni and that nothing made a second one. It
// returns how many creates Weni had to refuse.
func (w *world) madeOnce(n int) (refused int) {
	w.Helper()
	made := map[string]int{}
	for _, e := range w.writes(w.weni) {
		if !e.Ran || !strings.HasPrefix(e.Path, "/api/v2/contacts.json") {
			continue
		}
		urns, ok := body(w.T, e)["urns"].([]any)
		switch {
		case !ok:
		case e.Status == http.StatusBadRequest:
			refused++
		default:
			made[fmt.Sprint(urns[0])]++
		}
	}
	for i := range n {
		number := fmt.Sprintf("558499000010%d", i)
		w.contact(number)
		if times := made["whatsapp:"+number]; times != 1 {
			w.Errorf("customer %d was made %d times", i, times)
		}
	}
	return refused
}

// TestKilledAfterTheAnswer: kill -9 between the answer to the CRM and the delivery loses nothing and repeats
// nothing: not when Weni had not been asked, not when it was being asked, and not when it had made the contact
// and its answer was lost.
func TestKilledAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"not asked":            {},
		"being asked":          {Path: "/api/", Action: sandbox.FaultHang},
		"made, without answer": {Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultResetAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serve(t)
			_, warm := w.create(someone("Otávio Brandão", "84990000909"))
			w.deliver(warm)
			w.forget()
			if fault.Action == "" {
				w.must(w.gate.Shut())
			} else {
				w.must(w.weni.Fail(w.ctx, fault))
			}
			_, hook := w.create(someone("Cliente 0", "84990000100"))
			if status := w.send(hook); status != http.StatusOK {
				t.Fatalf("the CRM is answered with %d", status)
			}
			if fault.Action != "" {
				w.hangs()
			}
			w.syncer.Kill()
			w.must(w.gate.Open())
			w.must(w.weni.Heal(w.ctx))
			w.start()
			w.settle()
			w.madeOnce(1)
			if status := w.send(hook); status != http.StatusOK || w.status().Mapless > 0 {
				t.Errorf("the CRM's repetition is answered with %d", status)
			}
		})
	}
}

// TestKilledAtAnyMoment: syncer is killed again and again at random moments under a flood of webhooks. The CRM
// repeats what was not answered, as senders do; at the end everybody is there, once, as the CRM says.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const people, rounds = 60, 12
	w := serve(t, raised)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))

	// Everybody is created, and then edited twice. The CRM's clock moves on between, for people do not edit twice
	// within the millisecond that tells events apart.
	var hooks [][]byte
	moment := func() { w.must(w.crm.Advance(w.ctx, 5*time.Millisecond)) }
	for i := range people {
		id, hook := w.create(someone(fmt.Sprintf("Cliente %c%c", 'A'+i/26, 'a'+i%26), fmt.Sprintf("849900001%02d", i)))
		moment()
		city := w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}})
		moment()
		hooks = append(hooks, hook, city, w.change(id, map[string]any{"label_ids": []int{pipedrive.VIP}}))
	}
	dice.Shuffle(len(hooks), func(i, j int) { hooks[i], hooks[j] = hooks[j], hooks[i] })

	var mu sync.Mutex
	answered := map[int]bool{}
	for round := range rounds {
		var senders sync.WaitGroup
		for worker := range 4 {
			senders.Go(func() {
				for i := worker; i < len(hooks)*(round+1)/rounds; i += 4 {
					mu.Lock()
					done := answered[i]
					mu.Unlock()
					if done {
						continue
					}
					status, err := w.trySend(hooks[i])
					if err != nil {
						return // it was killed; the rest is repeated
					}
					if status == http.StatusOK {
						mu.Lock()
						answered[i] = true
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
		w.syncer.Kill()
		senders.Wait()
		w.start()
	}
	for i, hook := range hooks {
		if !answered[i] {
			w.send(hook)
		}
	}
	w.settle("weni")
	t.Logf("%d of %d webhooks were answered before a kill", len(answered), len(hooks))
	if n := len(w.contacts()); n != people {
		t.Errorf("Weni has %d contacts, not %d", n, people)
	}
	for i := range people {
		c := w.contact(fmt.Sprintf("55849900001%02d", i))
		if c.Fields["cidade"] != "Caicó" || !slices.Equal(sorted(c.Groups), []string{"Clientes", "VIP", "Varejo"}) {
			t.Errorf("customer %d is %+v", i, c)
		}
	}
}

// raised lets a test edit everybody at once: no guard, no budget to speak of, and only Weni as target.
func raised(text string) string {
	for _, edit := range []func(string) string{
		replace("defaults:\n", "defaults:\n  guard: {at_least: 100000}\n"),
		replace("    urns: [whatsapp]  ", "    rate: {contacts: 1000000, other: 1000000}\n    urns: [whatsapp]  "),
	} {
		text = edit(text)
	}
	return text
}
