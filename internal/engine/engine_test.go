package engine_test

import (
	"slices"
	"testing"

	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

const ana = `{"id":"1","v":1,"nome":"Ana Prado","fone":"84 99000-0101","ativo":true,"vip":false,"cidade":"Natal"}`

const (
	create = "v2.contacts POST contacts.json 201 x1"
	update = "v2.contacts POST contacts.json?uuid= 200 x1"
	label  = "v2 POST contact_actions.json 204 x1"
)

func TestOneRecordIsOneCreate(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", ana)
	r.settle()
	c := r.only()
	if c.Name != "Ana Prado" || c.Fields["cidade"] != "Natal" || !slices.Equal(c.Groups, []string{"Clientes"}) || !slices.Equal(c.URNs, []string{"whatsapp:5584990000101"}) {
		t.Errorf("the contact is not as desired: %+v", c)
	}
	r.calls()

	t.Run("one changed field is one POST by uuid", func(t *testing.T) {
		r.send("crm", `{"id":"1","v":2,"nome":"Ana Prado","fone":"84 99000-0101","ativo":true,"vip":false,"cidade":"Mossoró"}`)
		r.settle()
		r.wantWrites(update)
		if got := r.only().Fields["cidade"]; got != "Mossoró" {
			t.Errorf("cidade is %q", got)
		}
	})
	t.Run("a label gained is one contact action", func(t *testing.T) {
		r.send("crm", `{"id":"1","v":3,"nome":"Ana Prado","fone":"84 99000-0101","ativo":true,"vip":true,"cidade":"Mossoró"}`)
		r.settle()
		r.wantWrites(label)
		if !slices.Contains(r.only().Groups, "VIP") {
			t.Error("the label was not given")
		}
	})
	t.Run("an older version is stale and causes no call", func(t *testing.T) {
		if got := r.send("crm", ana); got != state.Stale {
			t.Errorf("receipt is %s", got)
		}
		r.settle()
		r.wantWrites()
	})
	t.Run("a change the mapping does not use causes no call", func(t *testing.T) {
		r.send("crm", `{"id":"1","v":4,"nome":"Ana Prado","fone":"84 99000-0101","ativo":true,"vip":true,"cidade":"Mossoró","outro":7}`)
		r.settle()
		if c := r.calls(); len(c) != 0 {
			t.Errorf("calls: %s", c)
		}
	})
	t.Run("what a payload does not carry stays", func(t *testing.T) {
		r.send("crm", `{"id":"1","v":5,"nome":"Ana Prado","fone":"84 99000-0101","ativo":true}`)
		r.settle()
		r.wantWrites()
		if c := r.only(); c.Fields["cidade"] != "Mossoró" || !slices.Contains(c.Groups, "VIP") {
			t.Errorf("something was cleared: %+v", c)
		}
	})
	t.Run("groups and fields of others survive", func(t *testing.T) {
		if _, err := r.weni.AddGroup("Da equipe", ""); err != nil {
			t.Fatal(err)
		}
		if err := r.weni.Edit(r.only().UUID, rapidpro.Edit{AddGroups: []string{"Da equipe"}}); err != nil {
			t.Fatal(err)
		}
		r.send("crm", `{"id":"1","v":6,"nome":"Ana P. Prado","fone":"84 99000-0101","ativo":true,"vip":false}`)
		r.settle()
		r.wantWrites(label, update)
		if c := r.only(); !slices.Contains(c.Groups, "Da equipe") || slices.Contains(c.Groups, "VIP") || c.Name != "Ana P. Prado" {
			t.Errorf("contact: %+v", c)
		}
	})
	t.Run("a deleted record loses the labels of its mapping only", func(t *testing.T) {
		r.remove("crm", "1")
		r.settle()
		r.wantWrites(label)
		if c := r.only(); !slices.Equal(c.Groups, []string{"Da equipe"}) {
			t.Errorf("groups: %v", c.Groups)
		}
	})
	t.Run("a restored record comes back to its contact", func(t *testing.T) {
		uuid := r.only().UUID
		r.send("crm", `{"id":"1","v":9999999999999999,"nome":"Ana P. Prado","fone":"84 99000-0101","ativo":true,"vip":false}`)
		r.settle()
		if c := r.only(); c.UUID != uuid || !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("contact: %+v", c)
		}
	})
}
