package reconcile_test

import (
	"context"
	"testing"

	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

// TestUndoIsShownBeforeItIsDone: the plan of an undo listed "nothing" for everybody, and applying it deleted their contacts.
// They were then said to have been deleted by hand, and never came back.
func TestUndoIsShownBeforeItIsDone(t *testing.T) {
	r := newRig(t, 20)
	run := r.run(reconcile.Full, true)
	r.settle()
	edited := r.book.rows[3]
	edited.Name = "Outro Nome"
	r.book.put(edited)
	r.run(reconcile.Changes, true)
	r.settle()

	undo, err := r.runner.Undo(context.Background(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if p := undo.Plan["weni"]; undo.State != engine.RunHeld || undo.Held != 19 || p.Deletes != 19 {
		t.Errorf("of 20, one was written again since: %+v", undo)
	}
	rows, err := r.engine.Held(undo.ID, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if !row.Change.Delete || len(row.Keys) != 1 {
			t.Errorf("row: %+v", row)
		}
	}
	if done, err := r.runner.Apply(context.Background(), undo.ID, nil, 0); err != nil || done.People != 19 {
		t.Fatalf("applied %+v, %v", done, err)
	}
	r.settle()
	if n := len(r.weni.Contacts()); n != 1 {
		t.Fatalf("%d contacts are left", n)
	}
	// They stay away until the CRM says something else.
	r.run(reconcile.Full, true)
	r.settle()
	if n := len(r.weni.Contacts()); n != 1 {
		t.Errorf("%d contacts after another run", n)
	}
	back := r.book.rows[5]
	back.City = "Recife"
	r.book.put(back)
	r.run(reconcile.Changes, true)
	r.settle()
	if n := len(r.weni.Contacts()); n != 2 {
		t.Errorf("%d contacts after the CRM spoke of one", n)
	}
}

// TestLimitCountsPeople: the first five of a run at several targets were five deliveries, all of them at the first target.
func TestLimitCountsPeople(t *testing.T) {
	r := newRig(t, 20)
	run := r.run(reconcile.Full, false)
	hold := func(tx state.Tx, other string) {
		for k, h := range state.Holds.All(tx, state.Prefix(run.ID, "weni"), nil) {
			at := state.LinkKey{Target: other, Person: k.Person}
			l := state.Link{}
			state.KeepBack(tx, at, &l, run.ID, h)
			state.Links.Put(tx, at, l)
		}
	}
	if err := r.store.Update(t.Context(), func(tx state.Tx) error {
		hold(tx, "atendimento")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n, err := r.engine.Release(t.Context(), run.ID, nil, 5)
	if err != nil || n != 5 {
		t.Fatalf("released %d, %v", n, err)
	}
	r.settle()
	if n := len(r.weni.Contacts()); n != 5 {
		t.Errorf("%d contacts at Weni", n)
	}
	if left, err := r.engine.HeldPeople(run.ID, nil); left != 15 || err != nil {
		t.Errorf("%d people are held, %v", left, err)
	}
}
