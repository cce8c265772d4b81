package engine_test

import (
	"fmt"
	"slices"
	"testing"
)

const threeSources = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, version: v, version_as: number, payload: full}}
  loja: {kind: generic, webhook: {auth: none}, record: {id: id, version: v, version_as: number, payload: full}}
  chat: {kind: generic, webhook: {auth: none}, record: {id: id, version: v, version_as: number, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true}
mappings:
  - {name: clientes, from: crm, to: [weni], contact: {name: =record.nome, phones: =record.fone, labels: [Clientes], fields: {cidade: =record.cidade}}}
  - {name: compradores, from: loja, to: [weni], contact: {name: =record.nome, phones: =record.fone, labels: [Compradores]}}
  - {name: conversas, from: chat, to: [weni], contact: {name: =record.nome, phones: =record.fone, labels: [VIP], fields: {obs: =record.obs}}}
`

// noStranger fails when anybody's contact bears what belongs to Maria of the CRM and to João of the chat.
func (r *rig) noStranger() {
	r.t.Helper()
	for _, c := range r.weni.Contacts() {
		if slices.Contains(c.Groups, "Clientes") && slices.Contains(c.Groups, "VIP") || c.Fields["cidade"] != "" && c.Fields["obs"] != "" {
			r.t.Errorf("two people in one contact: %+v", c)
		}
	}
	if c := r.conflicts(); !slices.Contains(c, "shared_phone") && !slices.Contains(c, "taken") {
		r.t.Errorf("nobody is told of the number they share: %v", c)
	}
}

// TestNoNameJoinsNobodyToAStranger: a record that names nobody, or gives an initial, agrees with both of two people who
// share a number. It joined one of them, and the other one then joined it: both lived in one contact, and no conflict said so.
func TestNoNameJoinsNobodyToAStranger(t *testing.T) {
	people := []struct{ source, name, more string }{{"crm", "Maria", `"cidade":"Natal"`}, {"loja", "", `"compras":"3"`}, {"chat", "João", `"obs":"gosta de café"`}}
	for _, order := range [][3]int{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 1, 0}, {0, 2, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			r := newRig(t, threeSources)
			for _, i := range order {
				p := people[i]
				r.send(p.source, fmt.Sprintf(`{"id":"1","v":1,"nome":%q,"fone":"84 99000-0101",%s}`, p.name, p.more))
				r.settle()
			}
			r.noStranger()
		})
	}
	t.Run("an initial", func(t *testing.T) {
		r := newRig(t, threeSources)
		r.send("crm", `{"id":"1","v":1,"nome":"Maria","fone":"84 99000-0101","cidade":"Natal"}`)
		r.settle()
		r.send("loja", `{"id":"1","v":1,"nome":"M.","fone":"84 99000-0101"}`)
		r.settle()
		r.send("chat", `{"id":"1","v":1,"nome":"Mário","fone":"84 99000-0101","obs":"gosta de café"}`)
		r.settle()
		r.noStranger()
		if c := r.only(); !slices.Equal(c.Groups, []string{"Clientes", "Compradores"}) {
			t.Errorf("her own record without a name is no longer hers: %+v", c)
		}
	})
	t.Run("a number that moves", func(t *testing.T) {
		r := newRig(t, threeSources)
		r.send("crm", `{"id":"1","v":1,"nome":"Maria","fone":"84 99000-0101","cidade":"Natal"}`)
		r.send("chat", `{"id":"1","v":1,"nome":"João","fone":"84 99000-0202","obs":"gosta de café"}`)
		r.settle()
		r.send("loja", `{"id":"1","v":1,"nome":"","fone":"84 99000-0202"}`)
		r.settle()
		r.send("loja", `{"id":"1","v":2,"nome":"","fone":"84 99000-0101"}`)
		r.settle()
		for _, c := range r.weni.Contacts() {
			if slices.Contains(c.Groups, "Clientes") && slices.Contains(c.Groups, "VIP") {
				t.Errorf("two people in one contact: %+v", c)
			}
		}
		if n := len(r.weni.Contacts()); n != 2 {
			t.Errorf("%d contacts of two people", n)
		}
	})
}
