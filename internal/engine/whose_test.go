package engine_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// put tells syncer of a record and lets it settle.
func (h *hours) put(source string, id int, name, fone string, more lab.Row) {
	h.t.Helper()
	r := lab.Row{"nome": name, "fone": fone}
	maps.Copy(r, more)
	_, err := h.Send(state.LaneLive, h.Books[source].Put(id, r))
	h.must(err)
	if err := h.Settle(5 * time.Minute); err != nil {
		h.dump(5)
		h.t.Fatal(err)
	}
}

func (h *hours) listedConflicts() (kinds []string) {
	h.must(h.Store.View(func(tx state.Tx) error {
		kinds = nil
		for _, c := range state.Conflicts.All(tx, nil, nil) {
			kinds = append(kinds, c.Kind)
		}
		return nil
	}))
	return kinds
}

// TestFamilyLineAcrossSources: a mother is in the CRM and her son in the shop, with one telephone. They were taken for
// one human, because the rule about names looked within one source only: his purchases went to her contact.
func TestFamilyLineAcrossSources(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Maria Souza", "84 98000-0001", lab.Row{"cidade": "Natal"})
		h.put("loja", 1, "João Souza", "+55 84 98000-0001", lab.Row{"compras": "3"})
		c, _ := h.Weni.Contact(number(1))
		if len(h.Weni.Contacts()) != 1 || c.Name != "Maria Souza" || c.Fields["compras"] != "" || !slices.Equal(c.Groups, []string{"Clientes"}) {
			t.Errorf("contact: %+v", c)
		}
		if k := h.listedConflicts(); !slices.Equal(k, []string{"shared_phone"}) {
			t.Errorf("listed: %v", k)
		}
		// Another spelling of her name is she.
		h.put("loja", 2, "maria de souza", "84 8000-0001", lab.Row{"compras": "5"})
		if c, _ := h.Weni.Contact(number(1)); c.Fields["compras"] != "5" {
			t.Errorf("contact: %+v", c)
		}
		// He gets a telephone of his own, and is somebody.
		h.put("loja", 1, "João Souza", "84 98000-0002", lab.Row{"compras": "3"})
		if c, _ := h.Weni.Contact(number(2)); c.Name != "João Souza" || c.Fields["compras"] != "3" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestNumberThatWasGuessed: somebody's number came without its area code, the default one made it somebody else's, and
// when that one appeared, their number was taken: they waited, and their telephone bore a stranger's data.
func TestNumberThatWasGuessed(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Rui Lima", "98000-0001", lab.Row{"cidade": "São Paulo", "vip": true})
		h.put("crm", 2, "Ana Prado", "+55 84 98000-0001", nil)
		c, _ := h.Weni.Contact(number(1))
		if len(h.Weni.Contacts()) != 1 || c.Name != "Ana Prado" || c.Fields["cidade"] != "" || !slices.Equal(c.Groups, []string{"Clientes"}) {
			t.Errorf("contact: %+v", c)
		}
		h.must(h.Store.View(func(tx state.Tx) error {
			for _, key := range []contact.Key{{Source: "crm", ID: "1"}, {Source: "crm", ID: "2"}} {
				rec, _ := state.Records.Get(tx, key)
				l, _ := state.Links.Get(tx, state.LinkKey{Target: "weni", Person: rec.Parts[0].Person})
				switch {
				case key.ID == "1" && (l.Contact != "" || l.Waiting == nil || l.Waiting.Kind != contact.Conflict):
					t.Errorf("who was guessed is linked to %q and waits for %+v", l.Contact, l.Waiting)
				case key.ID == "2" && l.Contact != c.UUID:
					t.Errorf("who wrote the number out is linked to %q", l.Contact)
				}
			}
			return nil
		}))
		// With the area code put right, he is somebody too.
		h.put("crm", 1, "Rui Lima", "11 98000-0001", lab.Row{"cidade": "São Paulo", "vip": true})
		if c, _ := h.Weni.Contact("whatsapp:5511980000001"); c.Name != "Rui Lima" || c.Fields["cidade"] != "São Paulo" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestSlowSourceDelaysNobodyElse: events of one source carry no payload, and its API does not answer. The records of all
// sources waited for it, since one loop maps them.
func TestSlowSourceDelaysNobodyElse(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		var events []contact.Event
		for i := 1; i <= 500; i++ {
			e := h.Books["crm"].Put(i, somebody(i))
			e.Payload, e.Shape, e.Version = nil, contact.IDs, contact.Version{Event: e.Version.Source}
			events = append(events, e)
		}
		h.Books["crm"].Hang(30 * time.Second)
		_, err := h.Send(state.LaneLive, events...)
		h.must(err)
		time.Sleep(time.Second)
		h.live(1)
		time.Sleep(5 * time.Minute)
		if worst, never := h.worst(); worst > 5*time.Second || never > 0 {
			t.Errorf("the live event of another source took %v, %d never ended", worst, never)
		}
		h.Books["crm"].Hang(0)
		h.must(h.Settle(time.Hour))
		if n := len(h.Weni.Contacts()); n != 501 {
			t.Errorf("%d contacts", n)
		}
	})
}
