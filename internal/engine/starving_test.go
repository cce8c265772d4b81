package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// TestLiveEventsDoNotWaitForAnAudit: whoever has no contact yet is looked up in a mirror that is at most two minutes old.
// While the mirror was read as a whole, for the first time or again, which takes minutes in a large workspace, every
// new person waited for the end of it.
func TestLiveEventsDoNotWaitForAnAudit(t *testing.T) {
	for _, first := range []bool{true, false} {
		simulate(t, lab.Options{PerHour: lab.Plenty, Page: 20, Latency: 2 * time.Second}, func(h *hours) {
			_, err := h.Weni.Seed(2000)
			h.must(err)
			there, err := h.Weni.AddContact(rapidpro.NewContact{Name: "perfil", URNs: []string{"whatsapp:551170000002"}})
			h.must(err)
			var audit sync.WaitGroup
			if !first {
				h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
				time.Sleep(time.Hour)
				audit.Go(func() { h.must(h.Mirror().Audit(context.Background())) })
				time.Sleep(10 * time.Second)
			}
			h.live(1)
			h.live(2)
			time.Sleep(10 * time.Minute)
			audit.Wait()
			worst, never := h.worst()
			if worst > 30*time.Second || never > 0 {
				t.Errorf("first reading %t: the slowest took %v, %d never ended", first, worst, never)
			}
			if c, _ := h.Weni.Contact(there); c.Name != "Cliente 2" || len(h.Weni.Contacts()) != 2002 {
				t.Errorf("%d contacts; who was there: %+v", len(h.Weni.Contacts()), c)
			}
			if mark, err := h.Mirror().Mark(); err != nil || mark.Refreshed == 0 {
				t.Errorf("the reading did not end: %+v, %v", mark, err)
			}
		})
	}
}

// TestLabelsWithoutABudget: label calls have a window of their own. When that is used up, bulk work must neither pile up
// in memory nor keep live events from their turn.
func TestLabelsWithoutABudget(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, PerHourOther: 20, Latency: 20 * time.Millisecond}, func(h *hours) {
		const n = 5000
		for i := 1; i <= n; i++ {
			r := somebody(i)
			h.Books["crm"].Put(i, r)
			_, err := h.Weni.AddContact(rapidpro.NewContact{Name: fmt.Sprintf("Pessoa %d", i), URNs: []string{number(i)}, Groups: []string{"Clientes"}, Fields: map[string]string{"cidade": "Natal"}})
			h.must(err)
		}
		h.linkAll()
		for i := 1; i <= n; i++ {
			h.Books["crm"].Edit(i, func(r lab.Row) { r["vip"] = true })
		}
		_, err := h.Reconcile("crm", "changes")
		h.must(err)
		time.Sleep(time.Minute)
		if busy := h.Engine.Conductor("weni").Status().Busy; busy > 1010 {
			t.Errorf("%d people wait in memory", busy)
		}
		h.live(1)
		time.Sleep(time.Minute)
		if worst, never := h.worst(); worst > 30*time.Second || never > 0 {
			t.Errorf("a live event took %v, %d never ended", worst, never)
		}
	})
}

// TestLiveEventsWhileReadingHasNoBudget: the first reading of a large workspace ran out of budget half way. Everybody new
// inherited its refusal, and with it the moment at which bulk work may go on.
func TestLiveEventsWhileReadingHasNoBudget(t *testing.T) {
	simulate(t, lab.Options{Page: 20}, func(h *hours) {
		_, err := h.Weni.Seed(4000)
		h.must(err)
		h.spend(2380, 10*time.Minute)
		h.Calls()
		for i := 1; i <= 5; i++ {
			h.live(i)
			time.Sleep(time.Minute)
		}
		worst, never := h.worst()
		if c := h.Calls(); worst > 30*time.Second || never > 0 || c.Refused > 0 {
			t.Errorf("the slowest took %v, %d never ended; %+v", worst, never, c)
		}
	})
}

// TestPoisonAndChat: a record that Weni refuses for good was sent again whenever somebody edited the contact, or a flow
// did at every chat.
func TestPoisonAndChat(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		ids := h.people(3)
		h.linkAll()
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Body: "Veneno", Action: sandbox.FaultStatus, Status: 400,
			ContentType: "application/json", Response: `{"name":["Null characters are not allowed."]}`})
		h.must(err)
		_, err = h.Send(state.LaneLive, h.Books["crm"].Edit(1, func(r lab.Row) { r["nome"] = "Veneno" }))
		h.must(err)
		h.must(h.Settle(time.Minute))
		for i := range 10 {
			time.Sleep(time.Hour)
			h.must(h.Weni.Edit(ids[0], rapidpro.Edit{AddURNs: []string{fmt.Sprintf("ext:%d", i)}}))
			h.refresh()
		}
		if hits := h.Weni.Control.Faults()[0].Hits; hits != 1 {
			t.Errorf("the same record was sent %d times", hits)
		}
		// What changes at the source is another attempt, and what was put off is made up for by it.
		_, err = h.Send(state.LaneLive, h.Books["crm"].Edit(1, func(r lab.Row) { r["nome"] = "Pessoa" }))
		h.must(err)
		h.must(h.Settle(time.Minute))
		if c, _ := h.Weni.Contact(ids[0]); c.Name != "Pessoa" {
			t.Errorf("contact: %+v", c)
		}
	})
}
