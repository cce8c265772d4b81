package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
)

// body reads what a call sent.
func body(t *testing.T, e sandbox.Entry) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.Request), &out); err != nil {
		t.Fatalf("%s %s: %v", e.Method, e.Path, err)
	}
	return out
}

// events counts the CRM's events by what became of them.
func (w *world) events() map[string]int {
	w.Helper()
	for _, s := range w.status().Sources {
		if s.Name == "crm" {
			return s.Events
		}
	}
	return nil
}

// TestOneCustomersLife follows one customer of the CRM through what happens to them, one webhook after the other,
// and counts the calls that each costs.
func TestOneCustomersLife(t *testing.T) {
	t.Parallel()
	w := serve(t)
	const number = "5584990000101"
	id, created := w.create(someone("MARINA QUARESMA", "(84) 99000-0101"))
	w.forget()

	// The create: one call, with everything in it.
	w.deliver(created)
	sent := body(t, w.wrote("a create", "POST contacts.json fields,groups,language,name,urns")[0])
	if sent["name"] != "Marina Quaresma" || sent["language"] != "por" || !reflect.DeepEqual(sent["urns"], []any{"whatsapp:" + number}) {
		t.Errorf("the create says %v", sent)
	}
	if c := w.contact(number); !slices.Equal(sorted(c.Groups), []string{"Clientes", "Varejo"}) || c.Fields["cidade"] != "Natal" {
		t.Errorf("Weni has %+v", c)
	}
	if c := w.inboxContacts(); len(c) != 1 || c[0].CustomName != "Marina Quaresma" || !slices.Equal(c[0].Tags, []string{"Clientes"}) {
		t.Errorf("omnichannel has %+v", c)
	}
	if c := w.flowContacts(); len(c) != 1 || c[0].PhoneNumber != "+"+number {
		t.Errorf("OmniFlow has %+v", c)
	}

	// A change of one field: one call, to the contact by its uuid, with that field alone.
	moved := w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Mossoró"}})
	w.deliver(moved)
	update := w.wrote("a change of one field", "POST contacts.json?uuid fields")[0]
	if want := map[string]any{"fields": map[string]any{"cidade": "Mossoró"}}; !reflect.DeepEqual(body(t, update), want) {
		t.Errorf("the update says %s, want %v", update.Request, want)
	}
	if uuid := w.contact(number).UUID; !strings.HasSuffix(update.Path, "uuid="+uuid) {
		t.Errorf("the update went to %s, not to %s", update.Path, uuid)
	}

	// A label gained and a label lost: one call each, for the group alone.
	for _, step := range []struct {
		labels []int
		action string
		groups []string
	}{{[]int{pipedrive.VIP}, "add", []string{"Clientes", "VIP", "Varejo"}}, {[]int{}, "remove", []string{"Clientes", "Varejo"}}} {
		w.deliver(w.change(id, map[string]any{"label_ids": step.labels}))
		call := w.wrote("a label: "+step.action, "POST contact_actions.json action,contacts,group")[0]
		if action := body(t, call)["action"]; action != step.action || !slices.Equal(sorted(w.contact(number).Groups), step.groups) {
			t.Errorf("action %v, and the groups are %v, want %v", action, w.contact(number).Groups, step.groups)
		}
	}

	// One choice of a closed set for another: both groups change, nothing else does.
	w.deliver(w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.Segment: 42}}))
	for _, e := range w.writes(w.weni) {
		if !strings.HasPrefix(e.Path, "/api/v2/contact_actions.json") {
			t.Errorf("another segment wrote %s %s", e.Method, e.Path)
		}
	}
	if got := sorted(w.contact(number).Groups); !slices.Equal(got, []string{"Atacado", "Clientes"}) {
		t.Errorf("the groups are %v", got)
	}
	w.forget()

	// What came before comes again, in any order, and costs nothing: duplicates are recognised and answered 200,
	// an older state that was never delivered is stale.
	before := w.events()
	for _, again := range [][]byte{created, moved, moved} {
		if status := w.send(again); status != http.StatusOK {
			t.Errorf("a delivery that came before is answered with %d", status)
		}
	}
	w.deliver(edited(t, moved, "meta.id", "9d0a7f5e-0000-4000-8000-000000000001"))
	w.settle()
	w.wrote("old news")
	after := w.events()
	if d, s := after["duplicate"]-before["duplicate"], after["stale"]-before["stale"]; d != 3 || s != 1 {
		t.Errorf("%d duplicates and %d stale events, want 3 and 1", d, s)
	}

	// A change that the mapping does not use.
	w.deliver(w.change(id, map[string]any{"org_id": 777, "custom_fields": map[string]any{pipedrive.Likes: []int{7, 9}}}))
	w.wrote("a change that the mapping does not use")
	if n := w.events()["accepted"] - after["accepted"]; n != 1 {
		t.Errorf("%d events were accepted, want 1", n)
	}

	// Another number: it comes first, and the old one, which syncer had added, goes.
	w.deliver(w.change(id, map[string]any{"phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: "+55 84 99000-0202"}}}))
	w.wrote("another number", "POST contacts.json?uuid urns")
	const second = "5584990000202"
	if c := w.contact(second); !slices.Equal(c.URNs, []string{"whatsapp:" + second}) {
		t.Errorf("the addresses are %v", c.URNs)
	}

	// Deleted: the webhook has no data, and its previous state is as old as the last edit. on_delete: unlabel.
	gone := w.remove(id)
	if !strings.Contains(string(gone), `"data":null`) {
		t.Fatalf("the CRM's delete carries data: %s", gone)
	}
	w.deliver(gone)
	w.wrote("a delete", "POST contact_actions.json action,contacts,group", "POST contact_actions.json action,contacts,group")
	if c := w.contact(second); len(c.Groups) != 0 || c.Name != "Marina Quaresma" {
		t.Errorf("after the delete: %+v", c)
	}

	// An edit that was under way when it was deleted comes late and revives nothing.
	w.deliver(edited(t, moved, "meta.id", "9d0a7f5e-0000-4000-8000-000000000002"))
	w.wrote("an edit from before the delete")

	// Restored: back in the groups, the same contact.
	w.must(w.crm.Control(w.ctx, http.MethodPost, fmt.Sprintf("persons/%d/restore", id), nil, nil))
	w.deliver(w.next())
	w.wrote("a restore", "POST contact_actions.json action,contacts,group", "POST contact_actions.json action,contacts,group")
	if c := w.contact(second); !slices.Equal(sorted(c.Groups), []string{"Atacado", "Clientes"}) {
		t.Errorf("after the restore the groups are %v", c.Groups)
	}
	if s := w.status(); len(s.Attention) > 0 || len(w.contacts()) != 1 || len(w.flowContacts()) != 1 {
		t.Errorf("%d contacts; attention: %v", len(w.contacts()), s.Attention)
	}
}
