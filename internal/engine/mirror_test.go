package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// mirrored is a lab for the mirror: no throttle, small pages, and a tap that can be set while it runs.
func mirrored(t *testing.T, page int, play func(h *hours, tap *atomic.Pointer[func(lab.Exchange)])) {
	t.Helper()
	var tap atomic.Pointer[func(lab.Exchange)]
	simulate(t, lab.Options{PerHour: lab.Plenty, Page: page, Latency: time.Millisecond, Tap: func(x lab.Exchange) {
		if f := tap.Load(); f != nil {
			(*f)(x)
		}
	}}, func(h *hours) { play(h, &tap) })
}

// listed reports whether a call is a page of a listing.
func listed(x lab.Exchange) bool {
	return x.Method == "GET" && strings.Contains(x.Path, "contacts.json?") && strings.Contains(x.Path, "reverse=")
}

// people makes n contacts of people whom the CRM knows, so that the mirror keeps them whole.
func (h *hours) people(n int) (ids []string) {
	h.t.Helper()
	for i := 1; i <= n; i++ {
		id, err := h.Weni.AddContact(rapidpro.NewContact{Name: fmt.Sprintf("Pessoa %d", i), URNs: []string{number(i)}, Groups: []string{"Clientes"}, Fields: map[string]string{"cidade": "Natal"}})
		h.must(err)
		h.Books["crm"].Put(i, somebody(i))
		ids = append(ids, id)
	}
	return ids
}

func number(i int) string { return fmt.Sprintf("whatsapp:55849%08d", 80000000+i) }

func (h *hours) refresh() lab.Calls {
	h.t.Helper()
	h.Calls()
	h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
	c := h.Calls()
	h.must(h.Settle(time.Hour))
	return c
}

// sameAsThere compares the mirror with the workspace.
func (h *hours) sameAsThere() {
	h.t.Helper()
	want := map[string]string{}
	for _, c := range h.Weni.Contacts() {
		want[c.UUID] = fmt.Sprint(c.Name, c.URNs, c.Fields, c.ModifiedOn.UnixMicro())
	}
	got := map[string]string{}
	h.must(h.Store.View(func(tx state.Tx) error {
		clear(got)
		for at, m := range state.Mirror.All(tx, nil, nil) {
			if m.Slim() {
				h.t.Errorf("only the outline of %s is known", at.ID)
			}
			got[at.ID] = fmt.Sprint(m.Name, m.URNs, m.Fields, m.Modified.UnixMicro())
		}
		return nil
	}))
	if maps.Equal(got, want) {
		return
	}
	for id, w := range want {
		if got[id] != w {
			h.t.Errorf("contact %s:\n mirror    %s\n workspace %s", id, got[id], w)
			return
		}
	}
	h.t.Errorf("the mirror has %d contacts, the workspace %d", len(got), len(want))
}

// known accepts all records of the CRM and settles, so that everybody is linked.
func (h *hours) linkAll() {
	h.t.Helper()
	_, err := h.Reconcile("crm", "full")
	h.must(err)
	h.must(h.Settle(time.Hour))
}

// Contacts that share one moment of change lie across the borders of pages, in runs shorter than a page, as long as
// one and longer.
func TestMirrorTiesAtPageBorders(t *testing.T) {
	mirrored(t, 10, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		ids := h.people(100)
		at := time.Now().Add(-time.Hour)
		for i, n := 0, 0; i < len(ids); i, n = i+n, n%23+3 {
			at = at.Add(time.Second)
			_, err := h.Weni.Touch(at, ids[i:min(i+max(n, 1), len(ids))]...)
			h.must(err)
		}
		h.linkAll()
		h.sameAsThere()
	})
}

// Contacts change while the list is read: those whose page was read already, and those whose page comes. None is
// missed, because the list is read from the oldest change on.
func TestMirrorWhileRowsChange(t *testing.T) {
	mirrored(t, 10, func(h *hours, tap *atomic.Pointer[func(lab.Exchange)]) {
		ids := h.people(100)
		h.linkAll()
		time.Sleep(time.Hour)
		pages := 0
		change := func(x lab.Exchange) {
			if !listed(x) || strings.Contains(x.Path, "deleted=") {
				return
			}
			if pages++; pages <= 8 {
				for _, i := range []int{pages, 10*pages + 5, 99 - pages} {
					_, _, err := h.Weni.Inbound(number(i+1), "")
					h.must(err)
				}
				h.must(h.Weni.Edit(ids[99], rapidpro.Edit{Fields: map[string]string{"cidade": "Natal"}, AddURNs: []string{fmt.Sprintf("ext:%d", pages)}}))
			}
		}
		tap.Store(&change)
		h.must(h.Mirror().Audit(context.Background()))
		h.must(h.Settle(time.Hour))
		tap.Store(nil)
		h.sameAsThere()
	})
}

// A transaction that took long becomes visible with a moment that was read past already: before and beside a tie.
func TestMirrorOfLateCommits(t *testing.T) {
	mirrored(t, 50, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		ids := h.people(300)
		h.linkAll()
		time.Sleep(time.Hour)
		h.refresh()
		late := func(id, name string, at time.Time) {
			h.must(h.Weni.Edit(id, rapidpro.Edit{AddURNs: []string{"ext:" + name}}))
			_, err := h.Weni.Touch(at, id)
			h.must(err)
		}
		began := time.Now()
		time.Sleep(4 * time.Minute)
		h.refresh()
		late(ids[0], "four-minutes", began)
		h.refresh()
		h.sameAsThere()

		// 250 contacts get one moment, and others appear beside it afterwards.
		time.Sleep(time.Hour)
		h.refresh()
		moment, err := h.Weni.Touch(time.Time{}, ids[:250]...)
		h.must(err)
		h.refresh()
		time.Sleep(2 * time.Minute)
		late(ids[260], "before-the-tie", moment.Add(-time.Second))
		late(ids[261], "behind-the-tie", moment.Add(time.Second))
		if c := h.refresh(); c.Reads > 2 {
			t.Errorf("%d calls beside a tie that is known", c.Reads)
		}
		time.Sleep(4 * time.Minute)
		h.refresh()
		h.sameAsThere()
		time.Sleep(time.Hour)
		h.refresh()
		if c := h.refresh(); c.Reads != 2 {
			t.Errorf("%d calls when all is quiet again", c.Reads)
		}
	})
}

// What is read comes from a replica that lags: what we wrote meanwhile is not undone by it, what others wrote is
// found later, and nothing is written twice.
func TestMirrorOfALaggingReplica(t *testing.T) {
	for _, lag := range []time.Duration{2 * time.Second, time.Minute} {
		mirrored(t, 50, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
			ids := h.people(60)
			h.linkAll()
			h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.ReplicaLagMS = int(lag.Milliseconds()) }))
			time.Sleep(time.Hour)
			h.refresh()
			_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Recife" }))
			h.must(err)
			h.must(h.Settle(time.Minute))
			h.must(h.Weni.Edit(ids[1], rapidpro.Edit{Fields: map[string]string{"cidade": "Outra"}}))
			h.Calls()
			for range 10 {
				h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
				h.must(h.Settle(time.Minute))
				time.Sleep(lag / 3)
			}
			if c := h.Calls(); c.Writes != 1 {
				t.Errorf("lag %v: %d writes; the edit of somebody else wants one", lag, c.Writes)
			}
			time.Sleep(2 * lag)
			h.refresh()
			h.sameAsThere()
		})
	}
}

// TestChatBehindALaggingReplica: somebody wrote to the workspace seconds before the CRM told of them. The address was
// taken, the replica did not show by whom yet, and the second refusal ended as a conflict for people to solve.
func TestChatBehindALaggingReplica(t *testing.T) {
	mirrored(t, 50, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.ReplicaLagMS = 5000 }))
		h.refresh()
		time.Sleep(10 * time.Second)
		_, _, err := h.Weni.Inbound(number(1), "perfil")
		h.must(err)
		_, err = h.Send(state.LaneLive, h.Books["crm"].Put(1, somebody(1)))
		h.must(err)
		h.must(h.Settle(5 * time.Minute))
		c, _ := h.Weni.Contact(number(1))
		if n := len(h.Weni.Contacts()); n != 1 || c.Name != "Pessoa 1" || !slices.Equal(c.Groups, []string{"Clientes"}) {
			t.Errorf("%d contacts; %+v", n, c)
		}
	})
}

// Contacts deleted by hand leave the mirror, and their people are not made again; deletions are asked for from where
// the last reading stood.
func TestMirrorOfDeletions(t *testing.T) {
	mirrored(t, 10, func(h *hours, tap *atomic.Pointer[func(lab.Exchange)]) {
		ids := h.people(40)
		h.linkAll()
		time.Sleep(time.Hour)
		h.refresh()
		for _, id := range ids[:25] {
			h.must(h.Weni.Edit(id, rapidpro.Edit{Delete: true}))
		}
		if c := h.refresh(); c.Reads != 1+3 {
			t.Errorf("%d calls to read 25 deletions", c.Reads)
		}
		h.sameAsThere()
		// One more, while deletions are read; it shows at the next reading.
		once := func(x lab.Exchange) {
			if strings.Contains(x.Path, "deleted=") {
				tap.Store(nil)
				h.must(h.Weni.Edit(ids[30], rapidpro.Edit{Delete: true}))
			}
		}
		tap.Store(&once)
		h.refresh()
		h.refresh()
		h.sameAsThere()
		gone := 0
		h.must(h.Store.View(func(tx state.Tx) error {
			gone = 0
			for _, l := range state.Links.All(tx, nil, nil) {
				if l.Gone && l.Contact == "" {
					gone++
				}
			}
			return nil
		}))
		if gone != 26 || len(h.Weni.Contacts()) != 14 {
			t.Errorf("%d people are known to be gone, %d contacts are there", gone, len(h.Weni.Contacts()))
		}
		time.Sleep(time.Hour)
		h.refresh()
		if c := h.refresh(); c.Reads != 2 {
			t.Errorf("%d calls an hour later", c.Reads)
		}
	})
}

// A reading that was cut off goes on where it stood, in another process too, and sees what changed meanwhile.
func TestMirrorGoesOnAfterARestart(t *testing.T) {
	mirrored(t, 10, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		h.people(100)
		h.linkAll()
		time.Sleep(time.Hour)
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "GET", Path: "/api/v2/contacts.json", Nth: 6, Times: 1, Action: sandbox.FaultStatus, Status: 503})
		h.must(err)
		h.Calls()
		if h.Mirror().Audit(context.Background()) == nil {
			t.Fatal("the cut was not reported")
		}
		if c := h.Calls(); c.Reads != 6 {
			t.Fatalf("%d calls until the cut", c.Reads)
		}
		h.must(h.Stop())
		_, _, err = h.Weni.Inbound(number(3), "")
		h.must(err)
		time.Sleep(10 * time.Minute)
		h.must(h.Start())
		if c := h.refresh(); c.Reads != 5+1+1 { // five pages of ninety-five, with the one that moved to the end, and deletions
			t.Errorf("%d calls to go on", c.Reads)
		}
		h.sameAsThere()
	})
}

// Weni's clock is two hours behind, or ahead: what is safe to skip is reckoned by that clock and not by ours.
func TestMirrorUsesTheClockOfTheServer(t *testing.T) {
	for _, skew := range []time.Duration{-2 * time.Hour, 2 * time.Hour} {
		o := lab.Options{PerHour: lab.Plenty, Latency: time.Millisecond}
		o.Server.Clock = func() time.Time { return time.Now().Add(skew) }
		simulate(t, o, func(h *hours) {
			ids := h.people(30)
			h.linkAll()
			for i := range 5 {
				time.Sleep(7 * time.Minute)
				h.must(h.Weni.Edit(ids[i], rapidpro.Edit{AddURNs: []string{fmt.Sprintf("ext:%d", i)}}))
				h.refresh()
				h.sameAsThere()
			}
			time.Sleep(time.Hour)
			h.refresh()
			if c := h.refresh(); c.Reads != 2 {
				t.Errorf("skew %v: %d calls when nothing changed", skew, c.Reads)
			}
		})
	}
}

// TestFieldThatChangesItsType: Weni reads old values anew when a field gets another type, and moves no contact's
// moment of change by it. Only reading everything again shows what they are now.
func TestFieldThatChangesItsType(t *testing.T) {
	mirrored(t, 50, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		h.people(120)
		h.linkAll()
		time.Sleep(time.Hour)
		h.refresh()
		h.must(h.retype("cidade", "datetime"))
		h.Calls()
		time.Sleep(10 * time.Minute)
		c := h.refresh()
		if c.Reads != 3+1 {
			t.Errorf("%d calls; everything had to be read again", c.Reads)
		}
		h.must(h.Settle(time.Hour))
		h.sameAsThere()
		time.Sleep(10 * time.Minute)
		h.refresh()
		time.Sleep(10 * time.Minute)
		if c := h.refresh(); c.Reads != 2 {
			t.Errorf("%d calls afterwards", c.Reads)
		}
	})
}

// retype changes a field's type as an administrator does.
func (h *hours) retype(key, kind string) error {
	w := h.ask("POST", "fields.json?key="+key, fmt.Sprintf(`{"label":"Cidade","value_type":%q}`, kind))
	if w.Code != 200 {
		return fmt.Errorf("%d %s", w.Code, w.Body)
	}
	return nil
}

// What we write comes back, and people chat: both cost reads and no write, and nobody is due for it.
func TestEchoesCostReadsOnly(t *testing.T) {
	mirrored(t, 50, func(h *hours, _ *atomic.Pointer[func(lab.Exchange)]) {
		h.people(40)
		h.linkAll()
		for i := 1; i <= 40; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(i, func(r lab.Row) { r["cidade"] = "Recife"; r["vip"] = true }))
			h.must(err)
		}
		h.must(h.Settle(time.Minute))
		h.Log.Deliveries(nil)
		for range 5 {
			for i := 1; i <= 40; i++ {
				_, _, err := h.Weni.Inbound(number(i), "")
				h.must(err)
			}
			time.Sleep(time.Minute)
			if c := h.refresh(); c.Writes+c.Labels > 0 || c.Reads != 2 {
				t.Errorf("%+v", c)
			}
		}
		if d := h.Log.Deliveries(nil); len(d) > 0 {
			t.Errorf("%d people were looked at again", len(d))
		}
	})
}

// TestPageThatIsOlderThanOurWrite: a page was asked for, then somebody in it was written, then the page arrived. What it
// showed of them was believed, found to differ from what is desired, and written again.
func TestPageThatIsOlderThanOurWrite(t *testing.T) {
	mirrored(t, 50, func(h *hours, tap *atomic.Pointer[func(lab.Exchange)]) {
		h.people(20)
		h.linkAll()
		time.Sleep(time.Hour)
		h.Calls()
		once := func(x lab.Exchange) {
			if !listed(x) {
				return
			}
			tap.Store(nil)
			_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(7, func(r lab.Row) { r["cidade"] = "Recife" }),
				h.Books["crm"].Edit(8, func(r lab.Row) { r["vip"] = true }))
			h.must(err)
			h.must(h.Settle(time.Minute))
		}
		tap.Store(&once)
		h.must(h.Mirror().Audit(context.Background()))
		h.must(h.Settle(time.Hour))
		if c := h.Calls(); c.Writes != 1 || c.Labels != 1 {
			t.Errorf("%d writes, %d label calls", c.Writes, c.Labels)
		}
		if c := h.refresh(); c.Writes+c.Labels > 0 {
			t.Errorf("written again: %+v", c)
		}
		h.sameAsThere()
	})
}
