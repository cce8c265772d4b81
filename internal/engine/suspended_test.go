package engine_test

import (
	"context"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// TestASuspensionThatIsLifted: whoever was refused when the workspace was suspended is written as soon as somebody resumes
// the target. At first those few waited a minute more than everybody else.
func TestASuspensionThatIsLifted(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.must(h.Mirror().Refresh(context.Background(), state.LaneBulk))
		h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.Suspended = true }))
		_, err := h.Send(state.LaneLive, h.Books["crm"].Put(1, somebody(1)))
		h.must(err)
		time.Sleep(5 * time.Second)
		c := h.Engine.Conductor("weni")
		if p := c.Status().Paused; p == nil || p.How != contact.Suspended || h.Calls().Writes != 1 {
			t.Fatalf("paused: %+v", p)
		}
		h.must(h.Weni.Change(func(s *rapidpro.Settings) { s.Suspended = false }))
		h.must(c.Resume(context.Background()))
		h.must(h.Settle(10 * time.Second))
		if _, ok := h.Weni.Contact(number(1)); !ok {
			t.Error("nobody was written")
		}
	})
}
