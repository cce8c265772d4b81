package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/source"
	"syncer/internal/state"
)

var (
	whatsapp = contact.Key{Source: "whatsapp"}
	anaID    = contact.URN(anaURN).Identity()
)

func (h *hours) erase(source, id string) {
	h.t.Helper()
	h.says(contact.Event{Kind: contact.Erase, Key: contact.Key{Source: source, ID: id}})
}

func (h *hours) wantGroups(urn string, want ...string) {
	h.t.Helper()
	if got := h.groups(urn); !slices.Equal(got, want) {
		h.t.Errorf("labels of %s: %v, want %v", urn, got, want)
	}
}

// plan makes a full run that waits to be applied.
func (h *hours) plan(source string) state.Run {
	h.t.Helper()
	run, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: source, Kind: "full", Hold: true})
	h.must(err)
	if run.State != engine.RunHeld {
		h.t.Fatalf("run: %+v", run)
	}
	h.must(h.Settle(time.Hour))
	return run
}

func (h *hours) apply(run string) {
	h.t.Helper()
	done, err := h.Runner.Apply(context.Background(), run, nil, 0)
	h.must(err)
	if len(done.Moved) > 0 {
		h.t.Errorf("%d people are shown anew", len(done.Moved))
	}
	h.must(h.Settle(time.Hour))
}

// TestErasedBesideSomebodyWhoRefused: two people gave one number, and one of them asked to be erased. The refusal of the
// other went with them, and no word of hers under that number was heard any more.
func TestErasedBesideSomebodyWhoRefused(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.put("crm", 2, "Rui Lima", anaFone, nil)
		h.consent(contact.OptOut, whatsapp, anaID)
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		h.erase("crm", "2")
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"cidade": "Natal"})
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		h.consent(contact.OptIn, whatsapp, anaID)
		h.wantGroups(anaURN, "Clientes")
		h.consent(contact.OptOut, contact.Key{Source: "crm", ID: "1"})
		h.wantGroups(anaURN, "Clientes", "Opt-out")
	})
}

// TestErasedBesideALandline: two people gave the line of their office as a second number. One of them was erased, and the
// refusal that came from there with her.
func TestErasedBesideALandline(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		office := "84 3222-0001"
		phones := func(mobile string) lab.Row { return lab.Row{"fone": []string{mobile, office}} }
		h.put("crm", 1, "Ana Prado", "", phones(anaFone))
		h.put("crm", 2, "Rui Lima", "", phones("84 98000-0002"))
		h.says(contact.Event{Kind: contact.OptOut, Key: whatsapp, Identities: []contact.Identity{contact.PhoneIdentity("558432220001")}})
		h.put("crm", 2, "Rui Lima", "", phones("84 98000-0002"))
		h.put("crm", 1, "Ana Prado", "", phones(anaFone))
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		h.erase("crm", "2")
		h.put("crm", 1, "Ana Prado", "", phones(anaFone))
		h.wantGroups(anaURN, "Clientes", "Opt-out")
	})
}

// TestRefusalUnderAnotherNumber: somebody refused messages, and the CRM gave them another number later. Nobody had ever said
// that they consent, and with the next delivery they were written to again.
func TestRefusalUnderAnotherNumber(t *testing.T) {
	refuse := map[string]func(*hours){
		"by number": func(h *hours) { h.consent(contact.OptOut, whatsapp, anaID) },
		"by record": func(h *hours) { h.consent(contact.OptOut, contact.Key{Source: "crm", ID: "1"}) },
		"by record, before the new number is mapped": func(h *hours) {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Put(1, lab.Row{"nome": "Ana Prado", "fone": "84 98000-0003"}),
				contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "crm", ID: "1"}})
			h.must(err)
			h.must(h.Settle(time.Hour))
		},
	}
	for name, refuse := range refuse {
		t.Run(name, func(t *testing.T) {
			simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
				h.put("crm", 1, "Ana Prado", anaFone, nil)
				refuse(h)
				h.put("crm", 1, "Ana Prado", "84 98000-0003", nil)
				h.put("crm", 1, "Ana Prado", "84 98000-0003", lab.Row{"cidade": "Natal"})
				h.wantGroups(number(3), "Clientes", "Opt-out")
				h.put("crm", 1, "Ana Prado", "", nil) // the CRM loses it, and learns another one
				h.put("crm", 1, "Ana Prado", "84 98000-0004", nil)
				h.put("crm", 1, "Ana Prado", "84 98000-0004", lab.Row{"cidade": "Recife"})
				h.wantGroups(number(4), "Clientes", "Opt-out")
			})
		})
	}
	t.Run("and a consent under it is heard", func(t *testing.T) {
		simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
			h.put("crm", 1, "Ana Prado", anaFone, nil)
			h.consent(contact.OptOut, whatsapp, anaID)
			h.put("crm", 1, "Ana Prado", "84 98000-0003", nil)
			h.consent(contact.OptIn, whatsapp, contact.URN(number(3)).Identity())
			h.put("crm", 1, "Ana Prado", "84 98000-0003", lab.Row{"cidade": "Natal"})
			h.wantGroups(number(3), "Clientes")
		})
	})
	t.Run("and a number of somebody else's is theirs", func(t *testing.T) {
		simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
			h.put("crm", 1, "Ana Prado", anaFone, nil)
			h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
			h.consent(contact.OptOut, whatsapp, anaID)
			h.put("crm", 1, "Ana Prado", "84 98000-0002", nil)
			h.put("crm", 2, "Rui Lima", "84 98000-0002", lab.Row{"cidade": "Natal"})
			h.wantGroups(number(2), "Clientes")
			h.put("crm", 2, "Rui Lima", "84 98000-0005", nil) // it is hers now
			h.refresh()
			h.put("crm", 1, "Ana Prado", "84 98000-0002", lab.Row{"cidade": "Natal"})
			h.put("crm", 1, "Ana Prado", "84 98000-0002", lab.Row{"cidade": "Recife"})
			h.wantGroups(number(5), "Clientes")
			h.wantGroups(number(2), "Clientes", "Opt-out")
		})
	})
}

// TestRecordThatSaysNothingNew: a CRM tells refusals by events, and in a field of the record. The field says what it said
// before, and took the refusal back when the record was read, or mapped, once more.
func TestRecordThatSaysNothingNew(t *testing.T) {
	key := contact.Key{Source: "crm", ID: "1"}
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		said := h.Now()
		time.Sleep(time.Hour)
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"recusou": false})
		time.Sleep(time.Hour)
		h.says(contact.Event{Kind: contact.OptOut, Key: key, Version: contact.Version{Event: said.UnixMicro()}})
		h.must(h.Engine.HoldAll(context.Background(), "crm", "again"))
		_, err := h.Engine.Release(context.Background(), "again", nil, 0)
		h.must(err)
		h.must(h.Settle(time.Hour))
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		// What happened before the refusal, and came after it.
		late := h.Books["crm"].Put(1, lab.Row{"nome": "Ana Prado", "fone": anaFone, "recusou": false, "cidade": "Natal"})
		late.Version.Event = said.Add(-time.Hour).UnixMicro()
		h.says(late)
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		time.Sleep(time.Hour)
		now := h.Books["crm"].Put(1, lab.Row{"nome": "Ana Prado", "fone": anaFone, "recusou": false, "cidade": "Recife"})
		now.Version.Event = h.Now().UnixMicro()
		h.says(now)
		h.wantGroups(anaURN, "Clientes")
	})
}

// TestRecordRefusesUnderAnotherPersonsNumber: a record says that whoever has a number refuses messages. The number stands in
// the contact of somebody else, and that one went on getting them.
func TestRecordRefusesUnderAnotherPersonsNumber(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("loja", 1, "Ana Prado", anaFone, nil)
		h.put("crm", 2, "Rui Lima", anaFone, nil)
		h.put("crm", 2, "Rui Lima", anaFone, lab.Row{"recusou": true})
		h.wantGroups(anaURN, "Compradores", "Opt-out")
		h.put("crm", 2, "Rui Lima", anaFone, lab.Row{"recusou": false})
		h.wantGroups(anaURN, "Compradores")
	})
}

// TestRefusalBeforeItsRecord: a refusal named a record that nobody knew. A run that waited to be applied brought it, and the
// refusal waited along; and when it did not, everything else of that person was let go with it.
func TestRefusalBeforeItsRecord(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.consent(contact.OptOut, contact.Key{Source: "loja", ID: "9"})
		h.Books["loja"].Put(9, lab.Row{"nome": "Ana Prado", "fone": anaFone, "compras": "3"})
		run := h.plan("loja")
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		if c, _ := h.Weni.Contact(anaURN); run.Held != 1 || c.Fields["compras"] != "" {
			t.Errorf("it holds %d people, and her contact is %+v", run.Held, c)
		}
		h.apply(run.ID)
		if c, _ := h.Weni.Contact(anaURN); c.Fields["compras"] != "3" {
			t.Errorf("after it was applied: %+v", c)
		}
	})
}

// TestPlanOfPeopleWhoRefused: the first run of a new installation is only shown. People whose records say that they refused
// messages were created and written to all the same.
func TestPlanOfPeopleWhoRefused(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		for i := 1; i <= 30; i++ {
			h.Books["crm"].Put(i, lab.Row{"nome": "Ana Prado", "fone": somebody(i)["fone"], "cidade": "Natal", "recusou": true})
		}
		_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "Aninha", URNs: []string{number(1)}, Fields: map[string]string{"cidade": "Recife"}})
		h.must(err)
		h.Calls()
		run := h.plan("crm")
		if c := h.Calls(); run.Held != 30 || c.Writes+c.Labels != 0 {
			t.Errorf("it holds %d people, and wrote %+v", run.Held, c)
		}
		h.apply(run.ID)
		if n := len(h.Weni.Contacts()); n != 30 {
			t.Errorf("%d contacts", n)
		}
		h.wantGroups(number(30), "Opt-out")
	})
}

// TestRefusalOfSomebodyInAPlan: somebody refused messages, and consented again, while a plan that concerned them waited.
// Either let go what the plan had shown and nobody applied.
func TestRefusalOfSomebodyInAPlan(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Edit(1, func(r lab.Row) { r["cidade"] = "Natal" })
		run := h.plan("crm")
		h.consent(contact.OptOut, whatsapp, anaID)
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		h.consent(contact.OptIn, whatsapp, anaID)
		h.wantGroups(anaURN, "Clientes")
		h.consent(contact.OptOut, whatsapp, anaID)
		if c, _ := h.Weni.Contact(anaURN); c.Fields["cidade"] != "" {
			t.Errorf("what was planned is written: %v", c.Fields)
		}
		h.apply(run.ID)
		if c, _ := h.Weni.Contact(anaURN); c.Fields["cidade"] != "Natal" || !slices.Equal(c.Groups, []string{"Clientes", "Opt-out"}) {
			t.Errorf("after it was applied: %+v", c)
		}
	})
}

// TestWhatDoesNotWaitForTheSource: a webhook named a record, and the CRM's API could not be read. Refusals and erasures of
// the person waited until it could.
func TestWhatDoesNotWaitForTheSource(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
		h.Books["crm"].Hang(time.Second)
		for _, id := range []string{"1", "2", "3"} {
			_, err := h.Send(state.LaneLive, contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: "crm", ID: id}, Shape: contact.IDs, Version: contact.Version{Event: h.Now().UnixMicro()}})
			h.must(err)
		}
		time.Sleep(time.Hour)
		_, err := h.Send(state.LaneLive, contact.Event{Kind: contact.OptOut, Key: whatsapp, Identities: []contact.Identity{anaID}},
			contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "2"}},
			contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "3"}}) // of whom nothing is known yet
		h.must(err)
		time.Sleep(time.Minute)
		h.wantGroups(anaURN, "Clientes", "Opt-out")
		if _, ok := h.Weni.Contact(number(2)); ok {
			t.Error("he is not erased")
		}
		h.must(h.Store.View(func(tx state.Tx) error {
			for id, want := range map[string]bool{"1": true, "2": false, "3": false} {
				if _, known := state.Records.Get(tx, contact.Key{Source: "crm", ID: id}); known != want {
					t.Errorf("record %s is kept: %v", id, known)
				}
			}
			return nil
		}))
	})
}

// TestErasedFromARecordOfSeveral: a record stood for several people, and one of them was erased, by another record of
// theirs. All that was said of the others later was refused as being about somebody who was erased.
func TestErasedFromARecordOfSeveral(t *testing.T) {
	mapping := strings.Replace(lab.Mapping, "from: loja\n    to: weni\n", "from: loja\n    to: weni\n    each: =record.contatos\n", 1)
	mapping = strings.NewReplacer("name: =record.nome\n      phones: =record.fone\n      labels: [Compradores]", "name: =item.nome\n      phones: =item.fone\n      labels: [Compradores]",
		"value: =record.compras", "value: =item.compras").Replace(mapping)
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: mapping}, func(h *hours) {
		row := func(compras int) lab.Row {
			return lab.Row{"contatos": []lab.Row{{"id": "a", "nome": "Ana Prado", "fone": anaFone},
				{"id": "r", "nome": "Rui Lima", "fone": "84 98000-0002", "compras": compras}, {"id": "b", "nome": "Bia Reis", "fone": "84 98000-0003"}}}
		}
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.says(h.Books["loja"].Put(7, row(1)))
		h.wantGroups(anaURN, "Clientes", "Compradores")
		h.erase("crm", "1")
		h.says(h.Books["loja"].Put(7, row(2)))
		if all := h.Weni.Contacts(); len(all) != 2 {
			t.Errorf("contacts: %+v", all)
		}
		if c, _ := h.Weni.Contact(number(2)); c.Fields["compras"] != "2" || !slices.Equal(c.Groups, []string{"Compradores"}) {
			t.Errorf("he: %+v", c)
		}
		h.must(h.Store.View(func(tx state.Tx) error {
			if rec, _ := state.Records.Get(tx, contact.Key{Source: "loja", ID: "7"}); len(rec.Parts) != 2 {
				t.Errorf("it stands for her again: %+v", rec.Parts)
			}
			return nil
		}))
		h.says(h.Books["loja"].Remove(7))
		h.wantGroups(number(2))
		h.wantGroups(number(3))
	})
}

// TestWhatDoesNotWaitForNames is the same of a source whose API has not told yet what its fields are called.
func TestWhatDoesNotWaitForNames(t *testing.T) {
	var ready atomic.Bool
	ready.Store(true)
	r := wrappedRig(t, twoSources, func(s source.Source) source.Source { return lateNames{s, &ready} })
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.send("crm", crm("2", 1, "Rui Lima", "84 99000-0202", ""))
	r.settle()
	ready.Store(false)
	r.send("crm", crm("2", 2, "Rui Lima", "84 99000-0202", `,"cidade":"Natal"`))
	r.event(contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "whatsapp", ID: "-"}, Identities: []contact.Identity{contact.PhoneIdentity("5584990000101")}})
	r.event(contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "2"}})
	done := func() bool {
		all := r.weni.Contacts()
		return len(all) == 1 && slices.Equal(all[0].Groups, []string{"Clientes", "Opt-out"})
	}
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("contacts: %+v", r.weni.Contacts())
		}
	}
}
