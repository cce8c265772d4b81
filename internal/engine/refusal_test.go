package engine_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// stop is what a chat channel says when somebody asks for no more messages.
func stop(id contact.Identity) contact.Event {
	return contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "whatsapp", ID: "-"}, Version: contact.Version{Event: time.Now().UnixMicro()}, Identities: []contact.Identity{id}}
}

// TestRefusalOfSomebodyWhoIsHeld: more had changed within the hour than may without being asked, and somebody's change was
// held. They refused messages, and the refusal was held with the rest: five days later they still got messages.
func TestRefusalOfSomebodyWhoIsHeld(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Guard: engine.Guard{AtLeast: 1, Percent: 1, DeletesPercent: 1}}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		time.Sleep(2 * time.Hour)
		h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
		time.Sleep(2 * time.Hour)
		h.put("crm", 2, "Rui Lima", "84 98000-0002", lab.Row{"cidade": "Recife"})
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"cidade": "Natal"})
		h.says(stop(contact.PhoneIdentity("558480000001")))
		c, _ := h.Weni.Contact(anaURN)
		if !slices.Contains(c.Groups, "Opt-out") || c.Fields["cidade"] != "" {
			t.Errorf("her contact: %v %v", c.Groups, c.Fields)
		}
		if n, err := h.Engine.Release(context.Background(), "guard-weni", nil, 0); n != 1 || err != nil {
			t.Errorf("%d are held, %v", n, err)
		}
		h.must(h.Settle(time.Hour))
		if c, _ := h.Weni.Contact(anaURN); c.Fields["cidade"] != "Natal" {
			t.Errorf("the rest was forgotten: %v", c.Fields)
		}
	})
}

// TestRefusalBesideAValueThatIsRefused: a target does not take somebody's name for good. Their refusal died with it.
func TestRefusalBesideAValueThatIsRefused(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"invalid":  {Action: sandbox.FaultStatus, Status: 400, ContentType: "application/json", Response: `{"name":["Null characters are not allowed."]}`},
		"rejected": {Action: sandbox.FaultStatus, Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
				h.put("crm", 1, "Ana Prado", anaFone, nil)
				fault.Method, fault.Path, fault.Body = "POST", "/api/v2/contacts.json", "Veneno"
				_, err := h.Weni.Control.AddFault(fault)
				h.must(err)
				h.Calls()
				_, err = h.Send(state.LaneLive, h.Books["crm"].Put(1, lab.Row{"nome": "Veneno", "fone": anaFone, "recusou": true}))
				h.must(err)
				for range 8 { // others live on meanwhile
					time.Sleep(time.Hour)
					h.live(7)
				}
				if g := h.groups(anaURN); !slices.Contains(g, "Opt-out") {
					t.Errorf("her labels: %v", g)
				}
				if n := h.dead(); n != 1 {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}

// TestLabelsAreTheProbe: after a rest, the first call was one of somebody who waited for two labels. It failed, the delivery
// went on, and the breaker was never told: the target stayed shut until the next start, for everybody.
func TestLabelsAreTheProbe(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		for i := 2; i <= 6; i++ {
			h.put("crm", i, "Rui Lima", somebody(i)["fone"].(string), nil)
		}
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Action: sandbox.FaultStatus, Status: 503})
		h.must(err)
		events := []contact.Event{h.Books["crm"].Edit(1, func(r lab.Row) { r["vip"], r["inativo"] = true, true })}
		for i := 2; i <= 6; i++ {
			events = append(events, h.Books["crm"].Edit(i, func(r lab.Row) { r["cidade"] = "Natal" }))
		}
		_, err = h.Send(state.LaneLive, events...)
		h.must(err)
		time.Sleep(10 * time.Minute)
		h.Weni.Control.ClearFaults()
		time.Sleep(10 * time.Minute)
		if g := h.groups(anaURN); !slices.Equal(g, []string{"Clientes", "Inativos", "VIP"}) {
			t.Errorf("her labels ten minutes after it was back: %v; the target: %+v", g, h.Engine.Conductor("weni").Status())
		}
	})
}

// TestUndoKeepsARefusal: a run took a label from somebody, who then refused messages. Undoing the run gave it back, and took
// the label of the refusal away when the run itself had written it.
func TestUndoKeepsARefusal(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"vip": true})
		h.put("crm", 2, "Rui Lima", "84 98000-0002", lab.Row{"vip": true})
		h.Books["crm"].Edit(1, func(r lab.Row) { r["vip"] = false })
		h.Books["crm"].Edit(2, func(r lab.Row) { r["recusou"] = true })
		run, err := h.Reconcile("crm", "full")
		h.must(err)
		h.must(h.Settle(time.Hour))
		h.says(stop(contact.PhoneIdentity("558480000001")))
		undo := "undo-" + run.ID
		h.must(h.Engine.Undo(context.Background(), run.ID, undo))
		_, err = h.Engine.Release(context.Background(), undo, nil, 0)
		h.must(err)
		h.must(h.Settle(time.Hour))
		if g := h.groups(anaURN); !slices.Equal(g, []string{"Clientes", "Opt-out"}) {
			t.Errorf("her labels: %v", g)
		}
		if g := h.groups(number(2)); !slices.Contains(g, "Opt-out") {
			t.Errorf("his labels: %v", g)
		}
	})
}

// TestErasedWithAnAddressThatNamesNobody: somebody was erased, and a record with their number and an e-mail address came
// again. There was no contact for the number, but one for the address, which had been theirs too.
func TestErasedWithAnAddressThatNamesNobody(t *testing.T) {
	mapping := strings.NewReplacer("opt_out: {label: Opt-out}", "opt_out: {label: Opt-out}, urns: [whatsapp, mailto]", "phones: =record.fone", "phones: =record.fone\n      emails: =record.email").Replace(lab.Mapping)
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: mapping}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"email": "ana@example.test"})
		h.says(contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "1"}})
		if _, ok := h.Weni.Contact(anaURN); ok {
			t.Fatal("she was not erased")
		}
		h.put("loja", 1, "Ana Prado", anaFone, lab.Row{"email": "ana@example.test"})
		h.put("loja", 2, "Ana Prado", "", lab.Row{"email": "ana@example.test"})
		if all := h.Weni.Contacts(); len(all) != 0 {
			t.Errorf("there is a contact again: %+v", all)
		}
	})
}

// TestGuessThatCannotBeGivenUp: a contact was made by completing a number with the default area code, and another record
// spelled the number out. The target did not let the contact be cleared, and it was tried every two seconds for ever.
func TestGuessThatCannotBeGivenUp(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Rui Lima", "98000-0001", lab.Row{"cidade": "São Paulo"})
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultStatus, Status: 400,
			ContentType: "application/json", Response: `{"fields":["refused"]}`})
		h.must(err)
		h.Calls()
		h.says(h.Books["crm"].Put(2, lab.Row{"nome": "Ana Prado", "fone": "+55 84 98000-0001"}))
		time.Sleep(time.Hour)
		if c := h.Calls(); c.Contacts() > 20 {
			t.Errorf("%+v within an hour", c)
		}
		h.Weni.Control.ClearFaults()
		h.must(h.Store.Update(context.Background(), func(tx state.Tx) error {
			for k := range state.Dead.All(tx, nil, nil) {
				l, _ := state.Links.Get(tx, k)
				state.Dead.Delete(tx, k)
				state.Schedule(tx, k, &l, state.LaneLive, h.Now())
				state.Links.Put(tx, k, l)
				break
			}
			return nil
		}))
		h.Engine.WakeAll()
		time.Sleep(time.Minute)
		h.must(h.Settle(time.Hour))
		if c, _ := h.Weni.Contact(number(1)); c.Name != "Ana Prado" || c.Fields["cidade"] != "" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestPlanEvictsNobody: only looking at what a run would do took away what had been written to a contact whose number had
// been guessed.
func TestPlanEvictsNobody(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Guard: engine.Guard{AtLeast: 1, Percent: 1, DeletesPercent: 1}}, func(h *hours) {
		h.put("crm", 1, "Rui Lima", "98000-0001", lab.Row{"cidade": "São Paulo", "vip": true})
		time.Sleep(2 * time.Hour)
		h.Books["crm"].Put(2, lab.Row{"nome": "Ana Prado", "fone": "+55 84 98000-0001"})
		h.Books["crm"].Put(3, lab.Row{"nome": "Bia Reis", "fone": "+55 84 98000-0003"})
		h.Calls()
		run, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: "full", Hold: true})
		h.must(err)
		if run.State != engine.RunHeld {
			t.Fatalf("run: %+v", run)
		}
		time.Sleep(time.Hour)
		if c := h.Calls(); c.Writes+c.Labels != 0 {
			t.Errorf("%+v while it was planned", c)
		}
		_, err = h.Engine.Release(context.Background(), run.ID, nil, 0)
		h.must(err)
		h.must(h.Settle(time.Hour))
		if _, ok := h.Weni.Contact(number(3)); !ok {
			t.Error("what was let go was not done")
		}
	})
}

// TestCursorThatIsRefusedAtOnce: a target refused the cursor that it had given a moment before, and its contacts were read
// from the start again and again, until the hour's calls were used up.
func TestCursorThatIsRefusedAtOnce(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Page: 2}, func(h *hours) {
		for i := 1; i <= 5; i++ {
			_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "Alguém", URNs: []string{number(i)}})
			h.must(err)
		}
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: http.MethodGet, Match: "cursor=", Action: sandbox.FaultStatus, Status: 400,
			ContentType: "application/json", Response: `{"detail":"Invalid cursor"}`})
		h.must(err)
		_, err = h.Send(state.LaneLive, h.Books["crm"].Put(1, somebody(1)))
		h.must(err)
		time.Sleep(time.Hour)
		if c := h.Calls(); c.Contacts() > 200 {
			t.Errorf("%+v within an hour", c)
		}
		h.Weni.Control.ClearFaults()
		h.must(h.Settle(time.Hour))
		if c, _ := h.Weni.Contact(number(1)); c.Name != "Pessoa 1" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestRefusalWhileATargetFails: what was held stays held when the refusal itself needs more than one attempt.
func TestRefusalWhileATargetFails(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Natal" })
		run, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: "full", Hold: true})
		h.must(err)
		_, err = h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Times: 2, Action: sandbox.FaultStatus, Status: 502})
		h.must(err)
		h.says(stop(contact.PhoneIdentity("558480000001")))
		n, err := h.Engine.HeldPeople(run.ID, nil)
		h.must(err)
		if c, _ := h.Weni.Contact(anaURN); !slices.Contains(c.Groups, "Opt-out") || c.Fields["cidade"] != "" || n != 1 {
			t.Errorf("%v %v, %d held", c.Groups, c.Fields, n)
		}
	})
}

// fieldToo says refusals in a field as well.
var fieldToo = strings.Replace(lab.Mapping, "opt_out: {label: Opt-out}", "opt_out: {label: Opt-out, field: recusa}", 1)

// TestRefusalOutlivesItsRecord: somebody refused messages, and their record was merged into another with another number.
// When the merged record was forgotten after ninety days, the refusal was forgotten with it.
func TestRefusalOutlivesItsRecord(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.put("crm", 2, "Ana Prado", "84 98000-0002", nil)
		h.consent(contact.OptOut, whatsapp, anaID)
		h.says(contact.Event{Kind: contact.Merge, Key: contact.Key{Source: "crm", ID: "1"}, Into: contact.Key{Source: "crm", ID: "2"}, Version: contact.Version{Event: h.Now().UnixMicro()}})
		h.Pass(91 * 24 * time.Hour)
		h.must(state.Prune(context.Background(), h.Store, h.Now()))
		h.put("crm", 2, "Ana Prado", "84 98000-0002", lab.Row{"cidade": "Natal"})
		c, _ := h.Weni.Contact(number(2))
		if all := h.Weni.Contacts(); !slices.Contains(c.Groups, "Opt-out") || c.Fields["cidade"] != "Natal" {
			t.Errorf("contacts: %+v", all)
		}
	})
}

// TestPlanForgetsNoRefusal: somebody in a plan refused messages while the target failed, and the next plan found that their
// record could not be read any more. With the change that it dropped went the refusal that was still to be told.
func TestPlanForgetsNoRefusal(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Natal" })
		h.plan("crm")
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Action: sandbox.FaultStatus, Status: 503})
		h.must(err)
		_, err = h.Send(state.LaneLive, stop(anaID))
		h.must(err)
		time.Sleep(5 * time.Minute)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["recusou"] = "talvez" })
		_, err = h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: "full", Hold: true})
		h.must(err)
		h.Weni.Control.ClearFaults()
		h.must(h.Settle(2 * time.Hour))
		h.wantGroups(anaURN, "Clientes", "Opt-out")
	})
}

// TestRefusalWhileAnUndoWaits: an undo waited for somebody's word, and one of its people refused messages, consented, and
// refused again. The undo no longer took anything of theirs back, and the second refusal did not reach the field.
func TestRefusalWhileAnUndoWaits(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: fieldToo}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Natal" })
		run, err := h.Reconcile("crm", "full")
		h.must(err)
		h.must(h.Settle(time.Hour))
		undo, err := h.Runner.Undo(context.Background(), run.ID)
		h.must(err)
		for _, kind := range []contact.EventKind{contact.OptOut, contact.OptIn, contact.OptOut} {
			h.consent(kind, whatsapp, anaID)
			if c, _ := h.Weni.Contact(anaURN); (c.Fields["recusa"] == contact.OptedOutValue) != (kind == contact.OptOut) || c.Fields["cidade"] != "Natal" {
				t.Errorf("after %s: %v", kind, c.Fields)
			}
		}
		h.apply(undo.ID)
		if c, _ := h.Weni.Contact(anaURN); c.Fields["cidade"] != "" || c.Fields["recusa"] != contact.OptedOutValue || !slices.Contains(c.Groups, "Opt-out") {
			t.Errorf("after the undo: %v %v", c.Groups, c.Fields)
		}
	})
}

// TestWholeRefusalInARun: a run found somebody who had refused, and whose name the target did not take. The field of the
// refusal was written, and its label put off for a delivery that never came.
func TestWholeRefusalInARun(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: fieldToo}, func(h *hours) {
		_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{anaURN}})
		h.must(err)
		_, err = h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Body: "Veneno", Action: sandbox.FaultStatus, Status: 400,
			ContentType: "application/json", Response: `{"name":["Null characters are not allowed."]}`})
		h.must(err)
		h.Books["crm"].Put(1, lab.Row{"nome": "Veneno", "fone": anaFone, "recusou": true})
		_, err = h.Reconcile("crm", "full")
		h.must(err)
		h.must(h.Settle(time.Hour))
		if c, _ := h.Weni.Contact(anaURN); !slices.Equal(c.Groups, []string{"Opt-out"}) || c.Fields["recusa"] != contact.OptedOutValue {
			t.Errorf("her contact: %v %v", c.Groups, c.Fields)
		}
	})
}

// TestRefusalInsideARunThatMoved: a plan was let go, somebody edited the contact before it was carried out, and the person
// refused. The first half of the refusal passed, the second did not, and then the edit was written over unseen.
func TestRefusalInsideARunThatMoved(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: fieldToo}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Natal" })
		run := h.plan("crm")
		h.must(h.Weni.Edit(anaURN, rapidpro.Edit{Fields: map[string]string{"cidade": "Recife"}}))
		h.refresh()
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Action: sandbox.FaultStatus, Status: 503})
		h.must(err)
		_, err = h.Send(state.LaneLive, stop(anaID))
		h.must(err)
		time.Sleep(time.Minute)
		_, err = h.Engine.Release(context.Background(), run.ID, nil, 0)
		h.must(err)
		h.Weni.Control.ClearFaults()
		_, err = h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contact_actions.json", Times: 1, Action: sandbox.FaultStatus, Status: 503})
		h.must(err)
		time.Sleep(3 * time.Hour)
		n, err := h.Engine.HeldPeople(run.ID, nil)
		h.must(err)
		if c, _ := h.Weni.Contact(anaURN); c.Fields["cidade"] != "Recife" || !slices.Contains(c.Groups, "Opt-out") || n != 1 {
			t.Errorf("%v %v, %d held", c.Groups, c.Fields, n)
		}
	})
}

// TestRefusalWhereBlockingIsRefused: refusals were to give a label and to block, and the target did not block. The label was
// not given either.
func TestRefusalWhereBlockingIsRefused(t *testing.T) {
	for name, status := range map[string]int{"invalid": 400, "rejected": 500} {
		t.Run(name, func(t *testing.T) {
			mapping := strings.Replace(lab.Mapping, "opt_out: {label: Opt-out}", "opt_out: {label: Opt-out, block: true}", 1)
			simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: mapping}, func(h *hours) {
				h.put("crm", 1, "Ana Prado", anaFone, nil)
				_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contact_actions.json", Body: `"block"`, Action: sandbox.FaultStatus, Status: status,
					ContentType: "application/json", Response: `{"non_field_errors":["refused"]}`})
				h.must(err)
				_, err = h.Send(state.LaneLive, stop(anaID))
				h.must(err)
				for range 8 { // others live on meanwhile
					time.Sleep(time.Hour)
					h.live(7)
				}
				h.wantGroups(anaURN, "Clientes", "Opt-out")
				if n := h.dead(); n != 1 {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}
