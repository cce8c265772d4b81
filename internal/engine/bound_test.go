package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// remake deletes a group of the workspace and makes it again, or not.
func (h *hours) remake(name string, again bool) {
	h.t.Helper()
	var groups struct{ Results []struct{ UUID string } }
	h.must(json.Unmarshal(h.ask(http.MethodGet, "groups.json?name="+name, "").Body.Bytes(), &groups))
	if w := h.ask(http.MethodDelete, "groups.json?uuid="+groups.Results[0].UUID, ""); w.Code != http.StatusNoContent {
		h.t.Fatalf("the group %s: %d %s", name, w.Code, w.Body)
	}
	if again {
		_, err := h.Weni.AddGroup(name, "")
		h.must(err)
	}
	time.Sleep(6 * time.Minute) // definitions are read again every five
}

// TestLabelsThatBecameOthers: a group that somebody deletes and makes again is another one. Nobody is added to it, for a
// campaign of it would message them all; those who refuse messages are said so in whatever group is there; a group that
// syncer makes itself is no stranger.
func TestLabelsThatBecameOthers(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		const n = 5
		for i := 1; i <= n; i++ {
			r := somebody(i)
			r["vip"] = true
			h.Books["crm"].Put(i, r)
		}
		h.linkAll()
		c := h.Engine.Conductor("weni")
		groups := func(i int) []string {
			got, _ := h.Weni.Contact(number(i))
			return slices.Sorted(slices.Values(got.Groups))
		}

		h.remake("Clientes", true)
		h.linkAll()
		if got := c.Strangers(); !slices.Equal(got, []string{"Clientes"}) || !slices.Equal(groups(1), []string{"VIP"}) {
			t.Errorf("strangers %q, somebody has %q", got, groups(1))
		}
		_, err := h.Send(state.LaneLive, h.Books["crm"].Edit(1, func(r lab.Row) { r["vip"], r["cidade"] = false, "Recife" }))
		h.must(err)
		h.must(h.Settle(5 * time.Minute))
		if got, _ := h.Weni.Contact(number(1)); got.Fields["cidade"] != "Recife" || len(got.Groups) != 0 {
			t.Errorf("what is not about the stranger goes on: %+v", got)
		}

		h.remake("Opt-out", true)
		_, err = h.Send(state.LaneLive, contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "crm", ID: "2"}, Version: contact.Version{Event: h.Now().UnixMicro()}})
		h.must(err)
		h.must(h.Settle(5 * time.Minute))
		if !slices.Contains(groups(2), "Opt-out") {
			t.Errorf("who refused messages has %q", groups(2))
		}

		h.must(h.Engine.Rebind(context.Background(), "weni"))
		h.must(h.Mirror().Audit(context.Background()))
		for i := 1; i <= n; i++ { // everybody is compared again, as after a rebind by hand
			_, err = h.Send(state.LaneLive, h.Books["crm"].Edit(i, func(r lab.Row) { r["obs"] = i }))
			h.must(err)
		}
		h.must(h.Settle(5 * time.Minute))
		if got := c.Strangers(); len(got) > 0 || !slices.Equal(groups(1), []string{"Clientes"}) || !slices.Equal(groups(3), []string{"Clientes", "VIP"}) {
			t.Errorf("after the rebind: strangers %q, %q, %q", got, groups(1), groups(3))
		}
		if err := h.Engine.Rebind(context.Background(), "weni"); contact.KindOf(err) != contact.Invalid {
			t.Errorf("a second rebind: %v", err)
		}

		h.remake("VIP", false)
		_, err = h.Send(state.LaneLive, h.Books["crm"].Edit(1, func(r lab.Row) { r["vip"] = true }))
		h.must(err)
		h.must(h.Settle(5 * time.Minute))
		if got := c.Strangers(); len(got) > 0 || !slices.Equal(groups(1), []string{"Clientes", "VIP"}) {
			t.Errorf("a group that syncer made again: strangers %q, %q", got, groups(1))
		}
	})
}
