package reconcile_test

import (
	"context"
	"strings"
	"testing"

	"syncer/internal/engine"
	"syncer/internal/reconcile"
)

// TestTooManyAreMissing: half of a CRM was gone, which the guard did not let pass, but the run ended as if all were well:
// nobody was told, and nobody could agree to it.
func TestTooManyAreMissing(t *testing.T) {
	r := newRig(t, 100)
	r.run(reconcile.Full, true)
	r.settle()
	for id := 1; id <= 50; id++ {
		delete(r.book.rows, id)
	}
	run := r.run(reconcile.Full, false)
	if run.State != engine.RunHeld || run.Held != 50 || !strings.Contains(run.Why, "too many records are missing") {
		t.Fatalf("run: %+v", run)
	}
	if n := writes(r.settle()); n != 0 {
		t.Errorf("%d writes before anybody agreed", n)
	}
	done, err := r.runner.Apply(context.Background(), run.ID, nil, 0)
	if err != nil || done.People != 50 {
		t.Fatalf("applied %+v, %v", done, err)
	}
	r.settle()
	labelled := 0
	for _, c := range r.weni.Contacts() {
		if len(c.Groups) > 0 {
			labelled++
		}
	}
	if labelled != 50 {
		t.Errorf("%d contacts have labels", labelled)
	}
}

// TestFullRunTakesOverHeldChanges: what a run of the changes held stayed held although a full reading had found the same
// people, and was right about them.
func TestFullRunTakesOverHeldChanges(t *testing.T) {
	r := newRig(t, 100)
	r.run(reconcile.Full, true)
	r.settle()
	for _, x := range r.book.rows {
		x.City = "Recife"
		r.book.put(x)
	}
	held := r.run(reconcile.Changes, false)
	full := r.run(reconcile.Full, false)
	if held.State != engine.RunHeld || full.State != engine.RunHeld || full.Held != 100 {
		t.Fatalf("runs: %+v and %+v", held, full)
	}
	if n, err := r.engine.HeldPeople(held.ID, nil); n != 0 || err != nil {
		t.Errorf("%d people are still held by the first, %v", n, err)
	}
}
