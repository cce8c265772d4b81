package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox/rapidpro"
)

// TestApplyDoesWhatWasShown edits five contacts between plan and apply: they are named and left out.
func TestApplyDoesWhatWasShown(t *testing.T) {
	r := newRig(t, 60)
	r.run(reconcile.Full, true)
	r.settle()
	for id := 1; id <= 40; id++ {
		x := r.book.rows[id]
		x.City = "Recife"
		r.book.put(x)
	}
	plan, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Changes, Hold: true})
	if err != nil || plan.State != engine.RunHeld || plan.Held != 40 {
		t.Fatalf("plan: %+v, %v", plan, err)
	}
	edited := map[string]bool{}
	for id := 1; id <= 5; id++ {
		c, _ := r.weni.Contact(fmt.Sprintf("whatsapp:558499000%04d", id))
		name := "Editada à mão"
		if err := r.weni.Edit(c.UUID, rapidpro.Edit{Name: &name}); err != nil {
			t.Fatal(err)
		}
		edited[c.UUID] = true
	}
	done, err := r.runner.Apply(context.Background(), plan.ID, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if done.People != 35 || len(done.Moved) != 5 {
		t.Errorf("applied %d, named %d", done.People, len(done.Moved))
	}
	for _, m := range done.Moved {
		if !edited[m.Contact] {
			t.Errorf("%s was named and nobody edited it", m.Contact)
		}
	}
	r.settle()
	for _, c := range r.weni.Contacts() {
		if edited[c.UUID] && c.Fields["cidade"] != "Natal" {
			t.Errorf("an edited contact was changed: %+v", c)
		}
	}

	t.Run("undo puts back what stood before", func(t *testing.T) {
		undo, err := r.runner.Undo(context.Background(), plan.ID)
		if err != nil || undo.Held != 35 {
			t.Fatalf("undo: %+v, %v", undo, err)
		}
		if _, err := r.runner.Apply(context.Background(), undo.ID, nil, 0); err != nil {
			t.Fatal(err)
		}
		r.settle()
		for id := 6; id <= 40; id++ {
			c, _ := r.weni.Contact(fmt.Sprintf("whatsapp:558499000%04d", id))
			if c.Fields["cidade"] != "Natal" || !slices.Contains(c.Groups, "Natal") {
				t.Fatalf("contact: %+v", c)
			}
		}
	})
	t.Run("what was undone stays until the source changes", func(t *testing.T) {
		r.weni.Control.ClearCalls()
		r.run(reconcile.Full, true)
		r.settle()
		c, _ := r.weni.Contact("whatsapp:5584990000020")
		if c.Fields["cidade"] != "Natal" {
			t.Errorf("contact: %+v", c)
		}
		x := r.book.rows[20]
		x.City = "Olinda"
		r.book.put(x)
		r.run(reconcile.Changes, false)
		r.settle()
		if c, _ := r.weni.Contact("whatsapp:5584990000020"); c.Fields["cidade"] != "Olinda" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestCampaignsWait holds a run that would start a campaign for many.
func TestCampaignsWait(t *testing.T) {
	r := newRig(t, 40)
	if _, err := r.weni.AddCampaign(rapidpro.Campaign{Name: "Boas-vindas", Group: "Clientes", Events: []rapidpro.CampaignEvent{{RelativeTo: "created_on", Offset: 1, Message: "Olá"}}}); err != nil {
		t.Fatal(err)
	}
	run := r.run(reconcile.Full, false)
	if run.Plan["weni"].Campaigns["Boas-vindas"] != 40 {
		t.Errorf("plan: %+v", run.Plan["weni"])
	}
}
