package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

func crm(id string, v int, name, phone, more string) string {
	return fmt.Sprintf(`{"id":%q,"v":%d,"nome":%q,"fone":%q,"ativo":true%s}`, id, v, name, phone, more)
}

func (r *rig) conflicts() (kinds []string) {
	r.t.Helper()
	if err := r.store.View(func(tx state.Tx) error {
		kinds = nil
		for _, c := range state.Conflicts.All(tx, nil, nil) {
			kinds = append(kinds, c.Kind)
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return kinds
}

func (r *rig) waiting() (kinds []contact.ErrorKind) {
	r.t.Helper()
	if err := r.store.View(func(tx state.Tx) error {
		kinds = nil
		for _, l := range state.Links.All(tx, nil, nil) {
			if l.Waiting != nil {
				kinds = append(kinds, l.Waiting.Kind)
			}
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return kinds
}

func TestTwoSourcesFoldIntoOneContact(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("loja", `{"id":"9","v":1,"nome":"ana","fone":"+55 84 99000-0101","cidade":"Recife","compras":"3"}`)
	r.settle()
	r.send("crm", crm("1", 1, "Ana Prado", "8490000101", `,"cidade":"Natal"`))
	r.settle()
	c := r.only()
	if c.Name != "Ana Prado" || c.Fields["cidade"] != "Natal" || c.Fields["compras"] != "3" || !slices.Equal(c.Groups, []string{"Clientes", "Compradores"}) {
		t.Errorf("contact: %+v", c)
	}
	r.calls()
	t.Run("the lower mapping does not undo the upper one", func(t *testing.T) {
		r.send("loja", `{"id":"9","v":2,"nome":"ana","fone":"+55 84 99000-0101","cidade":"Olinda","compras":"4"}`)
		r.settle()
		r.wantWrites(update)
		if c := r.only(); c.Fields["cidade"] != "Natal" || c.Fields["compras"] != "4" {
			t.Errorf("contact: %+v", c)
		}
	})
	t.Run("a deletion acts only when the last record leaves", func(t *testing.T) {
		r.remove("crm", "1")
		r.settle()
		if c := r.only(); !slices.Equal(c.Groups, []string{"Compradores"}) || c.Name != "ana" {
			t.Errorf("contact: %+v", c)
		}
	})
}

func TestNinthDigitTwinIsMatched(t *testing.T) {
	r := newRig(t, twoSources)
	uuid, err := r.weni.AddContact(rapidpro.NewContact{Name: "Aninha", URNs: []string{"whatsapp:558490000101"}})
	if err != nil {
		t.Fatal(err)
	}
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	c := r.only()
	if c.UUID != uuid || c.Name != "Ana Prado" || !slices.Equal(c.URNs, []string{"whatsapp:558490000101"}) {
		t.Errorf("contact: %+v", c)
	}
}

func TestOneRecordTwiceIsOnePerson(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.send("crm", crm("2", 1, "ana  prado", "84 99000-0101", ""))
	r.settle()
	r.only()
	if c := r.conflicts(); len(c) != 0 {
		t.Errorf("conflicts: %v", c)
	}
}

func TestSharedNumberLinksNobodyNew(t *testing.T) {
	r := newRig(t, twoSources)
	t.Run("two strangers at once: neither", func(t *testing.T) {
		r.event(contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: "crm"}, Shape: contact.Full, Payload: []byte(crm("1", 1, "Ana Prado", "84 99000-0101", ""))})
		r.settle()
		r.send("crm", crm("2", 1, "Rui Prado", "84 99000-0101", ""))
		r.settle()
		if c := r.only(); c.Name != "Ana Prado" {
			t.Errorf("contact: %+v", c)
		}
		if c := r.conflicts(); !slices.Equal(c, []string{"shared_phone"}) {
			t.Errorf("conflicts: %v", c)
		}
	})
	t.Run("corrected at the source, both are there", func(t *testing.T) {
		r.send("crm", crm("2", 2, "Rui Prado", "84 99000-0202", ""))
		r.settle()
		if n := len(r.weni.Contacts()); n != 2 {
			t.Errorf("%d contacts", n)
		}
	})
}

func TestPhoneChangeStealsNothing(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.send("crm", crm("2", 1, "Rui Lima", "84 99000-0202", ""))
	r.settle()
	r.calls()
	t.Run("a free number goes first", func(t *testing.T) {
		r.send("crm", crm("1", 2, "Ana Prado", "84 99000-0303", ""))
		r.settle()
		c, _ := r.weni.Contact("whatsapp:5584990000303")
		if c.Name != "Ana Prado" || !slices.Equal(c.URNs, []string{"whatsapp:5584990000303"}) {
			t.Errorf("contact: %+v", c)
		}
	})
	t.Run("a number that WhatsApp taught stays", func(t *testing.T) {
		if err := r.weni.Edit("whatsapp:5584990000303", rapidpro.Edit{AddURNs: []string{"whatsapp:BR.1502576394655843"}}); err != nil {
			t.Fatal(err)
		}
		r.send("crm", crm("1", 3, "Ana Prado", "84 99000-0404", ""))
		r.settle()
		c, _ := r.weni.Contact("whatsapp:5584990000404")
		if !slices.Equal(c.URNs, []string{"whatsapp:5584990000404", "whatsapp:BR.1502576394655843"}) {
			t.Errorf("urns: %v", c.URNs)
		}
	})
	t.Run("a number in a contact of nobody is not taken", func(t *testing.T) {
		stranger, err := r.weni.AddContact(rapidpro.NewContact{Name: "Outra", URNs: []string{"whatsapp:5584990000505"}})
		if err != nil {
			t.Fatal(err)
		}
		r.send("crm", crm("2", 2, "Rui Lima", "84 99000-0505", ""))
		r.settle()
		if c, _ := r.weni.Contact("whatsapp:5584990000505"); c.UUID != stranger {
			t.Errorf("the number was taken: %+v", c)
		}
		if w := r.waiting(); !slices.Contains(w, contact.Conflict) {
			t.Errorf("waiting: %v", w)
		}
	})
}

func TestMergeRepoints(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	uuid := r.only().UUID
	t.Run("the loser's contact becomes the winner's", func(t *testing.T) {
		r.send("crm", `{"id":"2","v":1,"nome":"Ana P. Prado","ativo":true}`)
		r.settle()
		r.event(contact.Event{Kind: contact.Merge, Key: contact.Key{Source: "crm", ID: "1"}, Into: contact.Key{Source: "crm", ID: "2"},
			Version: contact.Version{Event: time.Now().UnixMicro()}})
		r.settle()
		r.send("crm", crm("2", 2, "Ana P. Prado", "84 99000-0101", ""))
		r.settle()
		if c := r.only(); c.UUID != uuid || c.Name != "Ana P. Prado" || !slices.Equal(c.Groups, []string{"Clientes"}) {
			t.Errorf("contact: %+v", c)
		}
	})
}

func TestOptOut(t *testing.T) {
	r := newRig(t, twoSources)
	out := func(kind contact.EventKind, origin string) {
		r.event(contact.Event{Kind: kind, Key: contact.Key{Source: origin, ID: "-"}, Identities: []contact.Identity{contact.PhoneIdentity("558490000101")},
			Version: contact.Version{Event: time.Now().UnixMicro()}})
		r.settle()
	}
	out(contact.OptOut, "whatsapp")
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", `,"vip":true`))
	r.settle()
	if c := r.only(); !slices.Equal(c.Groups, []string{"Opt-out"}) {
		t.Errorf("a person who refused got %v", c.Groups)
	}
	out(contact.OptIn, "omniflow")
	if c := r.only(); !slices.Equal(c.Groups, []string{"Opt-out"}) {
		t.Errorf("another origin cleared the refusal: %v", c.Groups)
	}
	out(contact.OptIn, "whatsapp")
	if c := r.only(); !slices.Equal(c.Groups, []string{"Clientes", "VIP"}) {
		t.Errorf("after the opt-in: %v", c.Groups)
	}
}

func TestErase(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	r.event(contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: "1"}})
	r.settle()
	if n := len(r.weni.Contacts()); n != 0 {
		t.Fatalf("%d contacts are left", n)
	}
	if got := r.send("crm", crm("1", 2, "Ana Prado", "84 99000-0101", "")); got != state.Forgotten {
		t.Errorf("receipt %s", got)
	}
	r.settle()
	if n := len(r.weni.Contacts()); n != 0 {
		t.Errorf("the person was made again")
	}
}

func TestDeletedAtTheTargetStaysDeleted(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	if err := r.weni.Edit(r.only().UUID, rapidpro.Edit{Delete: true}); err != nil {
		t.Fatal(err)
	}
	r.send("crm", crm("1", 2, "Ana P. Prado", "84 99000-0101", ""))
	r.settle()
	if n := len(r.weni.Contacts()); n != 0 {
		t.Errorf("%d contacts", n)
	}
	if w := r.waiting(); !slices.Equal(w, []contact.ErrorKind{contact.Gone}) {
		t.Errorf("waiting: %v", w)
	}
}

func TestCreateWhoseAnswerWasLost(t *testing.T) {
	r := newRig(t, twoSources)
	if _, err := r.weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultResetAfter, Times: 1}); err != nil {
		t.Fatal(err)
	}
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	c := r.only()
	if !slices.Equal(c.Groups, []string{"Clientes"}) {
		t.Errorf("contact: %+v", c)
	}
	if err := r.store.View(func(tx state.Tx) error {
		for _, l := range state.Links.All(tx, nil, nil) {
			if !l.Created || !slices.Equal(l.Base.Labels, []string{"Clientes"}) {
				t.Errorf("it is taken for somebody else's contact: %+v", l)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
