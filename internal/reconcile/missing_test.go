package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/source"
	"syncer/internal/state"
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

// TestMissingWaitUntilSomebodyAgrees: of 100 records 18 were gone, and the run that found it waited. The next night's run
// found nobody missing, because they counted as deleted by then, took the people over, and took their labels away unasked.
func TestMissingWaitUntilSomebodyAgrees(t *testing.T) {
	for name, elsewhere := range map[string]int{"one source": 0, "a small source among large ones": 1000} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 100)
			r.run(reconcile.Full, true)
			r.settle()
			r.linked(elsewhere)
			for id := 1; id <= 18; id++ {
				delete(r.book.rows, id)
			}
			r.run(reconcile.Full, false)
			for _, kind := range []string{reconcile.Full, reconcile.Changes, reconcile.Full} {
				r.run(kind, false)
				if n := writes(r.settle()); n != 0 {
					t.Fatalf("a run of kind %s wrote %d times before anybody agreed", kind, n)
				}
			}
			r.book.put(newBook(18).rows[18]) // one of them came back
			last := r.run(reconcile.Full, false)
			if last.State != engine.RunHeld || last.Held != 17 || !strings.Contains(last.Why, "too many records are missing from the source: 17 ") {
				t.Fatalf("run: %+v", last)
			}
			if done, err := r.runner.Apply(context.Background(), last.ID, nil, 0); err != nil || done.People != 17 {
				t.Errorf("applied %+v, %v", done, err)
			}
		})
	}
}

// linked makes people of other sources who have a contact at the target.
func (r *rig) linked(n int) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), func(tx state.Tx) error {
		for i := range n {
			state.Links.Put(tx, state.LinkKey{Target: "weni", Person: state.PersonID(100_000 + i)}, state.Link{Contact: "of somebody else"})
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// TestFewMissingPass: what the guard allows is still delivered without anybody being asked.
func TestFewMissingPass(t *testing.T) {
	r := newRig(t, 100)
	r.run(reconcile.Full, true)
	r.settle()
	for id := 1; id <= 10; id++ {
		delete(r.book.rows, id)
	}
	if run := r.run(reconcile.Full, false); run.State != engine.RunReleased || run.Deleted != 10 {
		t.Errorf("run: %+v", run)
	}
}

// TestFailedRunLeavesTheMissing: a run that could not be judged left the people it had found missing to the next run of
// the changes, which let them go.
func TestFailedRunLeavesTheMissing(t *testing.T) {
	r := newRig(t, 100)
	r.run(reconcile.Full, true)
	r.settle()
	for id := 1; id <= 18; id++ {
		delete(r.book.rows, id)
	}
	held := r.run(reconcile.Full, false)
	held.State = engine.RunFailed
	if err := r.store.Update(t.Context(), func(tx state.Tx) error { state.Runs.Put(tx, held.ID, held); return nil }); err != nil {
		t.Fatal(err)
	}
	if run := r.run(reconcile.Changes, false); run.State != engine.RunHeld || run.Held != 18 || writes(r.settle()) != 0 {
		t.Errorf("run: %+v", run)
	}
}

// mute is a book that says nothing of what it does not have, and of which a question is cut off once.
type mute struct {
	*book
	cutAt int
}

func (m *mute) Get(ctx context.Context, ids []string) (source.Found, error) {
	if m.cutAt--; m.cutAt == 0 {
		return source.Found{}, errors.New("the line was cut")
	}
	found, err := m.book.Get(ctx, ids)
	found.Missing = nil
	return found, err
}

// TestOneRunCountsAbsenceOnce: a run was cut off after it had counted a record as absent. It was resumed, walked again and
// counted again: the record was deleted although only one run had missed it.
func TestOneRunCountsAbsenceOnce(t *testing.T) {
	r := newRig(t, 20)
	r.run(reconcile.Full, true)
	r.settle()
	delete(r.book.rows, 1)
	delete(r.book.rows, 2)
	r.runner.Sources = map[string]source.Source{"crm": &mute{r.book, 3}} // both are asked for, then the first, then the second
	if _, err := r.runner.Run(t.Context(), reconcile.Ask{Source: "crm", Kind: reconcile.Full}); err == nil {
		t.Fatal("the cut line was not reported")
	}
	if run := r.run(reconcile.Full, false); run.Missing != 2 || run.Deleted != 0 {
		t.Errorf("one run: %+v", run)
	}
	if run := r.run(reconcile.Full, false); run.Deleted != 2 {
		t.Errorf("two runs: %+v", run)
	}
}
