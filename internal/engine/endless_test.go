package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/state"
)

// endless is a target whose list gives its first page whatever cursor it is asked with, and a new cursor every time.
type endless struct {
	engine.Target
	on    bool
	lists int
}

func (e *endless) List(ctx context.Context, q contact.Query, cursor string) (contact.Listing, error) {
	if e.lists++; !e.on {
		return e.Target.List(ctx, q, cursor)
	}
	page, err := e.Target.List(ctx, q, "")
	page.Next = fmt.Sprint("cursor=c", e.lists)
	return page, err
}

// TestAMirrorOfAListWithoutEnd: behind a broken cache the contacts' first page came again and again. The reading took
// every call that bulk work may have, for as long as that lasted, and never said a word.
func TestAMirrorOfAListWithoutEnd(t *testing.T) {
	var e *endless
	simulate(t, lab.Options{PerHour: lab.Plenty, Page: 10, Latency: time.Millisecond, Wrap: func(t engine.Target) engine.Target {
		e = &endless{Target: t}
		return e
	}}, func(h *hours) {
		h.people(30)
		_, err := h.Reconcile("crm", "full")
		h.must(err)
		h.must(h.Settle(time.Hour))
		e.on, e.lists = true, 0
		err = h.Mirror().Refresh(context.Background(), state.LaneBulk)
		if contact.KindOf(err) != contact.Unavailable || !strings.Contains(err.Error(), "has no end") {
			t.Errorf("a list without end: %v", err)
		}
		if e.lists > 4 {
			t.Errorf("%d pages were read to find that out", e.lists)
		}
		e.on = false
		h.refresh()
		h.sameAsThere()
	})
}
