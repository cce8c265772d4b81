package reconcile_test

import (
	"context"
	"errors"
	"testing"

	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox"
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

// faltering is a store that stops in the middle of a command, after so many writes.
type faltering struct {
	state.Store
	writes int
}

func (f *faltering) Update(ctx context.Context, do func(state.Tx) error) error {
	if f.writes--; f.writes < 0 {
		return errors.New("syncer was stopped")
	}
	return f.Store.Update(ctx, do)
}

// TestUndoIsNotLetGoUnseen: people were held under an undo before there was such a run, so that the next run of any
// kind took them for left over and deleted their contacts without anybody having seen the plan.
func TestUndoIsNotLetGoUnseen(t *testing.T) {
	r := newRig(t, 8)
	run := r.run(reconcile.Full, true)
	r.settle()
	r.runner.Store = &faltering{r.store, 0}
	if _, err := r.runner.Undo(t.Context(), run.ID); err == nil {
		t.Fatal("the stop was not reported")
	}
	r.runner.Store = r.store
	r.run(reconcile.Changes, false)
	if n := writes(r.settle()); n != 0 {
		t.Errorf("%d writes that nobody has seen", n)
	}
}

// TestUndoSurvivesAStop: syncer was stopped while an undo was compared with the target. The people stayed under a run that
// could be neither applied nor resumed.
func TestUndoSurvivesAStop(t *testing.T) {
	r := newRig(t, 8)
	run := r.run(reconcile.Full, true)
	r.settle()
	r.runner.Store = &faltering{r.store, 1}
	if _, err := r.runner.Undo(t.Context(), run.ID); err == nil {
		t.Fatal("the stop was not reported")
	}
	r.halt()
	r.start()
	undo := r.scheduled("undo-"+run.ID, engine.RunHeld)
	if undo.Held != 8 || undo.Plan["weni"].Deletes != 8 {
		t.Errorf("run: %+v", undo)
	}
	if done, err := r.runner.Apply(t.Context(), undo.ID, nil, 0); err != nil || done.People != 8 || len(done.Moved) != 0 {
		t.Errorf("applied %+v, %v", done, err)
	}
}

// TestUndoTwice: whoever asks again sees the same plan again.
func TestUndoTwice(t *testing.T) {
	r := newRig(t, 8)
	run := r.run(reconcile.Full, true)
	r.settle()
	for range 2 {
		if undo, err := r.runner.Undo(t.Context(), run.ID); err != nil || undo.State != engine.RunHeld || undo.Held != 8 {
			t.Fatalf("undo: %+v, %v", undo, err)
		}
	}
	if undo, err := r.runner.Undo(t.Context(), "crm-full-99"); err == nil {
		t.Errorf("a run that changed nobody: %+v", undo)
	}
}

// TestNobodyIsLetGoUnseen: the target was down while an undo was compared with it, so that its plan showed nothing. Who
// applied it when the target was back deleted contacts that the plan had not named.
func TestNobodyIsLetGoUnseen(t *testing.T) {
	r := newRig(t, 8)
	run := r.run(reconcile.Full, true)
	r.settle()
	_, err := r.weni.Control.AddFault(sandbox.Fault{Method: "GET", Path: "/api/v2/contacts.json", Action: sandbox.FaultReset})
	if err != nil {
		t.Fatal(err)
	}
	undo, err := r.runner.Undo(t.Context(), run.ID)
	if err == nil || undo.State != engine.RunHeld || undo.Held != 8 {
		t.Fatalf("the target was down: %+v, %v", undo, err)
	}
	r.weni.Control.ClearFaults()
	for _, want := range []struct{ people, moved int }{{0, 8}, {8, 0}} {
		if done, err := r.runner.Apply(t.Context(), undo.ID, nil, 0); err != nil || done.People != want.people || len(done.Moved) != want.moved {
			t.Fatalf("applied %+v, %v; want %+v", done, err, want)
		}
	}
}
