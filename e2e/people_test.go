package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

// TestOnDelete shows every word of on_delete, by webhooks alone.
func TestOnDelete(t *testing.T) {
	t.Parallel()
	for word, check := range map[string]func(w *world, adopted bool){
		"keep": func(w *world, _ bool) {
			w.wrote("keep")
		},
		"block": func(w *world, _ bool) {
			w.wrote("block", "POST contact_actions.json action,contacts")
			if c := w.contacts()[0]; c.Status != "blocked" {
				w.Errorf("the contact is %s", c.Status)
			}
		},
		"delete": func(w *world, adopted bool) {
			if adopted {
				w.wrote("delete of a contact that was there before syncer", "POST contact_actions.json action,contacts,group", "POST contact_actions.json action,contacts,group")
				if c := w.contacts()[0]; len(c.Groups) != 0 || c.Deleted {
					w.Errorf("the contact that was there before is %+v", c)
				}
			} else if w.wrote("delete", "DELETE contacts.json?uuid"); len(w.contacts()) != 0 {
				w.Errorf("the contact is still there")
			}
		},
	} {
		for _, adopted := range []bool{false, true} {
			if adopted && word != "delete" {
				continue
			}
			t.Run(fmt.Sprint(word, " adopted=", adopted), func(t *testing.T) {
				t.Parallel()
				w := serve(t, replace("on_delete: unlabel", "on_delete: "+word))
				if adopted {
					w.must(w.weni.Control(w.ctx, http.MethodPost, "contacts", map[string]any{"name": "Marina", "urns": []string{"whatsapp:5584990000101"}}, nil))
				}
				id, created := w.create(someone("Marina Quaresma", "84990000101"))
				w.deliver(created)
				w.forget()
				w.deliver(w.remove(id))
				check(w, adopted)
			})
		}
	}
}

// TestMergeRepoints: of two customers that are merged the loser's contact is left without syncer's groups, the
// winner keeps theirs, and what comes later goes to the winner, whichever of the two webhooks comes first.
func TestMergeRepoints(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"winner first", "loser first"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			w := serve(t)
			loser, one := w.create(someone("Marina Quaresma", "84990000101"))
			winner, two := w.create(someone("Marina Q. Lopes", "84990000202"))
			w.deliver(one)
			w.deliver(two)
			w.forget()
			w.must(w.pipedrive(http.MethodPut, fmt.Sprintf("v1/persons/%d/merge", loser), map[string]int{"merge_with_id": winner}, nil))
			hooks := [][]byte{w.next(), w.next()}
			slices.SortFunc(hooks, func(a, b []byte) int {
				first := strings.Contains(string(a), `"action":"change"`)
				if first == (order == "winner first") {
					return -1
				}
				return 1
			})
			for _, h := range hooks {
				w.deliver(h)
			}
			a, b := w.contact("5584990000101"), w.contact("5584990000202")
			if len(a.Groups) != 0 || !slices.Equal(sorted(b.Groups), []string{"Clientes", "Varejo"}) {
				t.Errorf("the loser's contact has %v, the winner's %v", a.Groups, b.Groups)
			}
			if n := len(w.contacts()); n != 2 {
				t.Errorf("there are %d contacts", n)
			}
			w.forget()
			w.deliver(w.change(winner, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}}))
			w.wrote("an edit of the winner", "POST contacts.json?uuid fields")
			if c := w.contact("5584990000202"); c.Fields["cidade"] != "Caicó" {
				t.Errorf("the winner's city is %q", c.Fields["cidade"])
			}
			out := w.ok("explain", fmt.Sprint("crm/", loser))
			if !strings.Contains(out, fmt.Sprint("crm/", winner)) {
				t.Errorf("explain of the loser does not speak of the winner:\n%s", out)
			}
		})
	}
}

// TestTwoSourcesOnOnePersonFold: a customer of the CRM buys in the shop. Both speak of one contact, the earlier
// mapping wins where they differ, groups add up, and neither undoes what the other wrote.
func TestTwoSourcesOnOnePersonFold(t *testing.T) {
	t.Parallel()
	w := serve(t)
	id, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.deliver(created)
	w.forget()

	secret := w.env["LOJA_SECRET"]
	customer := map[string]any{"nome": "MARINA QUARESMA", "celular": "+55 84 99000-0101", "telefone": "", "email": "marina@exemplo.com.br",
		"aceita_mensagens": "sim", "pedidos": []map[string]any{{"total": 120.5}, {"total": 80}}, "ultimo_pedido": map[string]any{"data": "2026-11-01"}}
	if status := w.sendOrder(w.shop.order("c-1", customer), secret); status != http.StatusAccepted {
		t.Fatalf("the shop is answered with %d", status)
	}
	w.settle()
	c := w.contact("5584990000101")
	if !slices.Equal(sorted(c.Groups), []string{"Clientes", "Loja", "Varejo"}) || c.Fields["pedidos"] != "2" || c.Fields["total_gasto"] != "200.5" ||
		c.Fields["cidade"] != "Natal" || c.Name != "Marina Quaresma" {
		t.Errorf("folded: %+v", c)
	}
	w.wrote("the first order", "POST contacts.json?uuid fields", "POST contact_actions.json action,contacts,group")

	// The CRM moves on; what the shop gave stays. The shop moves on; what the CRM gave stays.
	w.deliver(w.change(id, map[string]any{"label_ids": []int{pipedrive.VIP}, "name": "Marina Lopes"}))
	customer["nome"], customer["pedidos"] = "OTÍLIA BORBOREMA", append(customer["pedidos"].([]map[string]any), map[string]any{"total": 99})
	if status := w.sendOrder(w.shop.order("c-1", customer), secret); status != http.StatusAccepted {
		t.Fatalf("the shop is answered with %d", status)
	}
	w.settle()
	c = w.contact("5584990000101")
	if c.Name != "Marina Lopes" || c.Fields["pedidos"] != "3" || c.Fields["cidade"] != "Natal" ||
		!slices.Equal(sorted(c.Groups), []string{"Clientes", "Loja", "VIP", "Varejo"}) {
		t.Errorf("after both moved on: %+v", c)
	}

	// Deleted in the CRM only: the CRM's groups go, the shop's stays. Then the shop forgets them too.
	w.deliver(w.remove(id))
	if c = w.contact("5584990000101"); !slices.Equal(c.Groups, []string{"Loja"}) {
		t.Errorf("after the CRM's delete: %v", c.Groups)
	}
	deleted := edited(t, w.shop.order("c-1", customer), "event", "customer.deleted")
	if status := w.sendOrder(deleted, secret); status != http.StatusAccepted {
		t.Fatalf("the shop's delete is answered with %d", status)
	}
	w.settle()
	if c = w.contact("5584990000101"); len(c.Groups) != 0 {
		t.Errorf("after both deletes: %v", c.Groups)
	}
	if n := len(w.contacts()); n != 1 {
		t.Errorf("there are %d contacts", n)
	}
}

// TestWhatPeopleAddInWeniSurvives: groups, fields and addresses that an agent gave a contact are there after every
// kind of update, and the other addresses of the contact too when its number changes.
func TestWhatPeopleAddInWeniSurvives(t *testing.T) {
	t.Parallel()
	w := serve(t)
	id, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.deliver(created)
	w.must(w.weni.Control(w.ctx, http.MethodPost, "groups", map[string]string{"name": "Da equipe"}, nil))
	w.must(w.weni.Control(w.ctx, http.MethodPost, "fields", map[string]string{"label": "apelido", "type": "text"}, nil))
	uuid := w.contact("5584990000101").UUID
	w.edit(uuid, map[string]any{"add_groups": []string{"Da equipe"}, "fields": map[string]string{"apelido": "Nina"}, "add_urns": []string{"telegram:900000101", "mailto:nina@exemplo.com.br"}})

	for name, edit := range map[string]map[string]any{
		"a field":       {"custom_fields": map[string]any{pipedrive.City: "Mossoró"}},
		"a label":       {"label_ids": []int{pipedrive.VIP}},
		"a segment":     {"custom_fields": map[string]any{pipedrive.Segment: 42}},
		"a name":        {"name": "Marina Lopes"},
		"another phone": {"phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: "84990000202"}}},
	} {
		w.deliver(w.change(id, edit))
		i := slices.IndexFunc(w.contacts(), func(c rapidpro.Contact) bool { return c.UUID == uuid })
		c := w.contacts()[i]
		if !slices.Contains(c.Groups, "Da equipe") || c.Fields["apelido"] != "Nina" ||
			!slices.Contains(c.URNs, "telegram:900000101") || !slices.Contains(c.URNs, "mailto:nina@exemplo.com.br") {
			t.Errorf("after %s: %+v", name, c)
		}
	}
	w.deliver(w.remove(id))
	if c := w.contact("5584990000202"); !slices.Equal(c.Groups, []string{"Da equipe"}) || c.Fields["apelido"] != "Nina" || len(c.URNs) != 3 {
		t.Errorf("after the delete: %+v", c)
	}
}

// TestNoAddressIsTakenFromAnybody: a customer whose number stands in the contact of somebody else is reported, and
// the contact of the other keeps the number.
func TestNoAddressIsTakenFromAnybody(t *testing.T) {
	t.Parallel()
	w := serve(t)
	_, one := w.create(someone("Marina Quaresma", "84990000101"))
	two, hook := w.create(someone("Otávio Brandão", "84990000202"))
	w.deliver(one)
	w.deliver(hook)
	before := w.contact("5584990000101")
	w.forget()

	// Otávio's number becomes Marina's, in the CRM.
	w.deliver(w.change(two, map[string]any{"phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: "84990000101"}}}))
	after := w.contact("5584990000101")
	if after.UUID != before.UUID || after.Name != "Marina Quaresma" || w.contact("5584990000202").Name != "Otávio Brandão" {
		t.Errorf("the number went over: %+v", w.contacts())
	}
	w.wrote("a number of somebody else")

	// A third customer with it creates nothing either, and both sides are named.
	_, third := w.create(someone("Caio Teixeira", "84990000101"))
	w.deliver(third)
	w.wrote("a third customer with the number")
	if out := w.ok("conflicts", "list"); !strings.Contains(out, "crm/4001") || !strings.Contains(out, "crm/4003") {
		t.Errorf("conflicts list:\n%s", out)
	}

	// The number is corrected: now there is a contact for the third.
	w.deliver(w.change(4003, map[string]any{"phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: "84990000303"}}}))
	w.wrote("the number was corrected", "POST contacts.json fields,groups,language,name,urns")
}

// TestTheNinthDigitTwinIsMatched: somebody who wrote to the business from a number without the ninth digit is the
// customer whose number has it. No second contact is made, and the address stays as the channel knows it, whether
// they wrote long ago or in the seconds before the webhook, when syncer cannot have seen them yet.
func TestTheNinthDigitTwinIsMatched(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"long ago", "just now"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := build(t)
			w.define()
			var talk struct{ UUID string }
			writes := func() {
				w.must(w.weni.Control(w.ctx, http.MethodPost, "inbound", map[string]string{"urn": "whatsapp:558490000101", "name": "marina"}, &talk))
			}
			if when == "long ago" {
				writes()
			}
			w.start()
			w.firstRuns()
			w.subscribe()
			_, warm := w.create(someone("Otávio Brandão", "84990000202"))
			w.deliver(warm) // from now on syncer knows Weni's contacts
			if when == "just now" {
				writes()
			}
			_, created := w.create(someone("Marina Quaresma", "(84) 99000-0101"))
			w.forget()
			w.deliver(created)
			c := w.contact("558490000101")
			if len(w.contacts()) != 2 || c.UUID != talk.UUID || len(c.URNs) != 1 || c.Name != "Marina Quaresma" ||
				!slices.Equal(sorted(c.Groups), []string{"Clientes", "Varejo"}) {
				t.Errorf("contacts: %+v", w.contacts())
			}
			refused := 0
			for _, e := range w.writes(w.weni) {
				if e.Status >= 400 {
					refused++
				} else if strings.Contains(e.Request, `"urns"`) {
					t.Errorf("addresses were written: %s", e.Request)
				}
			}
			if want := map[string]int{"long ago": 0, "just now": 1}[when]; refused != want {
				t.Errorf("Weni refused %d calls, want %d", refused, want)
			}
		})
	}
}

// TestAbsentIsNotBlank: what a payload does not carry neither clears a field nor takes a group; what it carries as
// blank keeps the field, unless the mapping says clear.
func TestAbsentIsNotBlank(t *testing.T) {
	t.Parallel()
	w := serve(t)
	person := someone("Marina Quaresma", "84990000101")
	person["label_ids"] = []int{pipedrive.VIP}
	person["custom_fields"].(map[string]any)[pipedrive.LastBuy] = "2026-10-05"
	id, created := w.create(person)
	w.deliver(created)
	w.forget()

	changed := w.change(id, map[string]any{"org_id": 5})
	for i, key := range []string{"data.custom_fields", "data.label_ids", "data.emails", "data.name"} {
		thin := edited(t, edited(t, changed, "meta.id", fmt.Sprintf("9d0a7f5e-0000-4000-8000-00000000001%d", i)), key, nil)
		w.deliver(thin)
		w.wrote("a payload without " + key)
	}
	c := w.contact("5584990000101")
	if !slices.Equal(sorted(c.Groups), []string{"Clientes", "VIP", "Varejo"}) || c.Fields["cidade"] != "Natal" || !strings.HasPrefix(c.Fields["ultima_compra"], "2026-10-05") {
		t.Errorf("after payloads with less in them: %+v", c)
	}

	w.deliver(w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: nil, pipedrive.LastBuy: nil}}))
	c = w.contact("5584990000101")
	if c.Fields["cidade"] != "Natal" || c.Fields["ultima_compra"] != "" {
		t.Errorf("cidade is kept when blank, ultima_compra has blank: clear; they are %q and %q", c.Fields["cidade"], c.Fields["ultima_compra"])
	}
	if calls := w.calls(); calls != "POST contacts.json?uuid fields" {
		t.Errorf("written:\n%s", calls)
	}
}
