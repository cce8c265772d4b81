package engine_test

import (
	"context"
	"fmt"
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

// The tests of this file tell what TestEngineAgainstModel has found, each story as short as it can be told.

const (
	anaFone = "84 98000-0001"
	anaURN  = "whatsapp:5584980000001"
)

func (h *hours) says(e contact.Event) {
	h.t.Helper()
	_, err := h.Send(state.LaneLive, e)
	h.must(err)
	h.must(h.Settle(time.Hour))
}

func (h *hours) consent(kind contact.EventKind, key contact.Key, ids ...contact.Identity) {
	h.t.Helper()
	time.Sleep(time.Second)
	h.says(contact.Event{Kind: kind, Key: key, Version: contact.Version{Event: h.Now().UnixMicro()}, Identities: ids})
}

func (h *hours) groups(urn string) []string {
	c, _ := h.Weni.Contact(urn)
	return c.Groups
}

// TestCreateRefusedAfterAFailure: somebody chatted while a delivery was failing for another reason. The create was
// then refused, and because the person had failed before, nobody looked whose the number was: they waited for ever.
func TestCreateRefusedAfterAFailure(t *testing.T) {
	var chat func()
	tap := func(x lab.Exchange) {
		if chat != nil && x.Method == "GET" && x.Status == 200 && strings.HasPrefix(x.Path, "/api/v2/contacts.json") && strings.Contains(x.Path, "deleted") {
			chat() // just after the list was read
			chat = nil
		}
	}
	simulate(t, lab.Options{PerHour: lab.Plenty, Tap: tap}, func(h *hours) {
		h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
		time.Sleep(time.Hour)
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Method: "GET", Path: "/api/v2/contacts.json", Times: 1, Action: sandbox.FaultReset})
		h.must(err)
		chat = func() {
			_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{anaURN}})
			h.must(err)
		}
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		if c, _ := h.Weni.Contact(anaURN); c.Name != "Ana Prado" || !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("her contact: %+v", c)
		}
	})
}

// TestOptOutAfterTheLastRecordLeft: the contact of somebody whose records are all deleted stays, and so do other
// systems that write to it. A refusal that named their number or their record reached nobody.
func TestOptOutAfterTheLastRecordLeft(t *testing.T) {
	key := contact.Key{Source: "crm", ID: "1"}
	for name, refuse := range map[string]func(*hours){
		"by number": func(h *hours) {
			h.consent(contact.OptOut, contact.Key{Source: "loja"}, contact.URN(anaURN).Identity())
		},
		"by record": func(h *hours) { h.consent(contact.OptOut, key) },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
				h.put("crm", 1, "Ana Prado", anaFone, nil)
				h.says(h.Books["crm"].Remove(1))
				refuse(h)
				if g := h.groups(anaURN); !slices.Equal(g, []string{"Opt-out"}) {
					t.Errorf("her labels: %v", g)
				}
			})
		})
	}
}

// TestTakenOverWithWhatSyncerGave: a new record took over the contact of somebody whose records were gone, and syncer
// no longer knew what it had given itself: who opted in again kept the label of their refusal for ever.
func TestTakenOverWithWhatSyncerGave(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.consent(contact.OptOut, contact.Key{Source: "loja"}, contact.URN(anaURN).Identity())
		h.says(h.Books["crm"].Remove(1))
		h.put("loja", 1, "Ana Prado", anaFone, nil)
		h.consent(contact.OptIn, contact.Key{Source: "loja"}, contact.URN(anaURN).Identity())
		if g := h.groups(anaURN); !slices.Equal(g, []string{"Compradores"}) {
			t.Errorf("her labels: %v", g)
		}
	})
}

// TestTakenOverBeforeLabelsWereTakenBack: a record's deletion was found by a run, which held the delivery; meanwhile a
// record of the other source took the contact over, and the labels of the first one stayed.
func TestTakenOverBeforeLabelsWereTakenBack(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		h.Books["crm"].Remove(1) // nobody tells
		time.Sleep(time.Hour)
		run, err := h.Runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: "full", Hold: true})
		h.must(err)
		if run.State != "held" {
			t.Fatalf("run: %+v", run)
		}
		h.put("loja", 1, "Ana Prado", anaFone, nil)
		if g := h.groups(anaURN); !slices.Equal(g, []string{"Compradores"}) {
			t.Errorf("her labels: %v", g)
		}
	})
}

// TestTwoContactsOfOnePerson: an agent entered somebody as tel:, who then chatted and became a second contact. The
// address that stood in the other contact kept everything else from being written to the first one.
func TestTwoContactsOfOnePerson(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{"tel:+5584980000001"}})
		h.must(err)
		h.refresh()
		_, err = h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{anaURN}})
		h.must(err)
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"cidade": "Natal"})
		c, _ := h.Weni.Contact("tel:+5584980000001")
		if c.Name != "Ana Prado" || c.Fields["cidade"] != "Natal" || !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("her contact: %+v", c)
		}
	})
}

// TestTwoContactsFoundAtOnce is the same where both stood there before the record came.
func TestTwoContactsFoundAtOnce(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		first, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{"tel:+5584980000001"}})
		h.must(err)
		second, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{anaURN}})
		h.must(err)
		h.must(h.Weni.Edit(second, rapidpro.Edit{Status: "blocked"})) // so that the first one is used
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"cidade": "Natal"})
		if c, _ := h.Weni.Contact(first); c.Fields["cidade"] != "Natal" || !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("her contact: %+v", c)
		}
		if c, _ := h.Weni.Contact(second); c.Name != "ana" || c.Status != "blocked" || len(c.Groups) > 0 {
			t.Errorf("the other one: %+v", c)
		}
		if kinds := h.listedConflicts(); !slices.Contains(kinds, "duplicate") {
			t.Errorf("listed: %v", kinds)
		}
	})
}

// TestEditedAndStoppedTogether: an agent renamed a contact and stopped it while a label was being given. The label was
// refused, the contact read anew, and the name that had come with that reading was taken for known: it stayed.
func TestEditedAndStoppedTogether(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", anaFone, nil)
		name := "Sem nome"
		h.must(h.Weni.Edit(anaURN, rapidpro.Edit{Name: &name, Status: "stopped"}))
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"vip": true})
		h.refresh()
		if c, _ := h.Weni.Contact(anaURN); c.Name != "Ana Prado" || c.Status != "stopped" {
			t.Errorf("her contact: %+v", c)
		}
	})
}

// TestTwoWantOneContactAtOnce: two deliveries found the same contact of nobody. The first to take it was of a person
// whose record had just been deleted; the other was refused as if that were somebody's, and never looked again.
func TestTwoWantOneContactAtOnce(t *testing.T) {
	for wait := 100 * time.Millisecond; wait < time.Second; wait += 100 * time.Millisecond {
		simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
			h.put("crm", 9, "Rui Lima", "84 98000-0009", nil)
			time.Sleep(time.Hour)
			var first, then []contact.Event
			for i := 1; i <= 2; i++ {
				fone := fmt.Sprintf("84 98000-%04d", i)
				_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{number(i)}})
				h.must(err)
				first = append(first, h.Books["crm"].Put(i, lab.Row{"nome": "Ana Prado", "fone": fone}))
				then = append(then, h.Books["crm"].Remove(i), h.Books["loja"].Put(i, lab.Row{"nome": "Ana Prado", "fone": fone}))
			}
			_, err := h.Send(state.LaneLive, first...)
			h.must(err)
			time.Sleep(wait - 50*time.Millisecond) // the contacts are being read
			_, err = h.Send(state.LaneLive, then...)
			h.must(err)
			h.must(h.Settle(time.Hour))
			for i := 1; i <= 2; i++ {
				if g := h.groups(number(i)); !slices.Equal(g, []string{"Compradores"}) {
					t.Errorf("after %s, labels of %d: %v", wait, i, g)
				}
			}
		})
	}
}

// TestOptInWithMoreThanALabel: somebody opted in again while their record changed in more, in the bulk lane, where
// labels are put off. After the first half syncer no longer knew that the label of the refusal was its own.
func TestOptInWithMoreThanALabel(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Guard: engine.Guard{AtLeast: 1, Percent: 1, DeletesPercent: 1}}, func(h *hours) {
		h.put("crm", 2, "Rui Lima", "84 98000-0002", nil)
		time.Sleep(2 * time.Hour)
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"recusou": true})
		time.Sleep(2 * time.Hour)
		h.put("crm", 2, "Rui Lima", "84 98000-0002", lab.Row{"cidade": "Natal"})
		h.put("crm", 1, "Ana Prado", anaFone, lab.Row{"recusou": false, "cidade": "Natal"}) // more than may change in an hour
		if n, err := h.Engine.Release(context.Background(), "guard-weni", nil, 0); n != 1 || err != nil {
			t.Errorf("%d were held, %v", n, err)
		}
		h.must(h.Settle(time.Hour))
		if g := h.groups(anaURN); !slices.Equal(g, []string{"Clientes"}) {
			t.Errorf("her labels: %v", g)
		}
	})
}

// TestErasedAndDeleted: a CRM erases somebody and deletes the record, in the same second or the day before. The deletion
// took the number along before it was marked, and the next record with it made a contact again.
func TestErasedAndDeleted(t *testing.T) {
	erase := contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "1"}}
	for name, leave := range map[string]func(*hours){
		"at once": func(h *hours) {
			_, err := h.Send(state.LaneLive, erase, h.Books["crm"].Remove(1))
			h.must(err)
			h.must(h.Settle(time.Hour))
		},
		"deleted first": func(h *hours) { h.says(h.Books["crm"].Remove(1)); h.says(erase) },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
				_, err := h.Weni.AddContact(rapidpro.NewContact{Name: "ana", URNs: []string{anaURN}})
				h.must(err)
				h.put("crm", 1, "Ana Prado", anaFone, nil)
				leave(h)
				h.put("loja", 1, "Ana Prado", anaFone, nil)
				if all := h.Weni.Contacts(); len(all) != 0 {
					t.Errorf("there is a contact again: %+v", all)
				}
			})
		})
	}
}
