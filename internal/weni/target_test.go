package weni_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/weni"
)

func TestNew(t *testing.T) {
	bad := map[string]mapping.Target{
		"no address":       {Token: token},
		"no scheme":        {BaseURL: "flows.example", Token: token},
		"query":            {BaseURL: "https://flows.example/?x=1", Token: token},
		"user in address":  {BaseURL: "https://u:p@flows.example", Token: token},
		"no token":         {BaseURL: "https://flows.example"},
		"blank in token":   {BaseURL: "https://flows.example", Token: "Token abc"},
		"unknown urn kind": {BaseURL: "https://flows.example", Token: token, URNs: []string{"fax"}},
	}
	for name, spec := range bad {
		_, err := weni.New(spec, weni.Deps{Meter: &meter{}})
		if err == nil || strings.Contains(err.Error(), "abc") || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := weni.New(mapping.Target{BaseURL: "https://flows.example", Token: token}, weni.Deps{}); err == nil {
		t.Error("a target without a meter was made")
	}
	for _, base := range []string{"https://flows.example", "https://flows.example/", "https://flows.example/api/v2", "https://flows.example/api/v2/"} {
		var asked string
		target, err := weni.New(mapping.Target{BaseURL: base, Token: token}, weni.Deps{Meter: &meter{}, Transport: tripper(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return nil, errors.New("enough")
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = target.Place(t.Context())
		if asked != "https://flows.example/api/v2/workspace.json" {
			t.Errorf("%s: asked %s", base, asked)
		}
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRules(t *testing.T) {
	rules := newRig(t, mapping.Target{}).Rules()
	can := rules.Can
	if !can.Create || !can.Update || !can.Labels || !can.Fields || !can.Language || !can.List || !can.Delete || !can.Block || !can.Unique ||
		can.BulkLabels != 100 || !slices.Equal(rules.Schemes, []string{"whatsapp"}) || rules.ShortMobiles || rules.Catalog == nil {
		t.Errorf("%+v", rules)
	}
	rules = newRig(t, mapping.Target{URNs: []string{"whatsapp", "tel", "mailto"}, URNStyle: "tel_only",
		OptOut: &mapping.OptOutRule{Label: "Opt-out", Field: "descadastro", Block: true}}).Rules()
	if !slices.Equal(rules.Schemes, []string{"tel", "mailto"}) || rules.OptOutLabel != "Opt-out" || rules.OptOutField != "descadastro" || !rules.OptOutBlock {
		t.Errorf("%+v", rules)
	}
	if !newRig(t, mapping.Target{URNStyle: "without_nine"}).Rules().ShortMobiles {
		t.Error("without_nine is not taken over")
	}
}

func TestPlace(t *testing.T) {
	const w = `{"uuid":"0f9a1c36-0d1e-4f5e-8d0c-3b1f3c1f6a01","name":"Loja Exemplo","country":"BR","languages":[],"primary_language":null,"timezone":"America/Sao_Paulo","date_style":"day_first","anon":false}`
	r := newRig(t, mapping.Target{}, step{request: "GET workspace.json", answer: w},
		step{request: "GET workspace.json", answer: strings.Replace(w, `"anon":false`, `"anon":true`, 1)},
		step{request: "GET workspace.json", answer: `{"message":"welcome"}`})
	id, name, err := r.Place(t.Context())
	if err != nil || id != "0f9a1c36-0d1e-4f5e-8d0c-3b1f3c1f6a01" || name != "Loja Exemplo" {
		t.Fatal(id, name, err)
	}
	if got := r.Workspace(); got.Country != "BR" || got.Timezone != "America/Sao_Paulo" || got.DateStyle != "day_first" || got.Anon {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(r.meter.spent, []string{contact.ScopeOther}) {
		t.Errorf("spent %v", r.meter.spent)
	}
	_, _, err = r.Place(t.Context())
	if e := asError(t, err); e.Kind != contact.Suspended || !strings.Contains(e.Message, "Turn anonymity off") {
		t.Errorf("anonymous: %s %v", e.Kind, e)
	}
	_, _, err = r.Place(t.Context())
	if e := asError(t, err); e.Kind != contact.Unavailable || !strings.Contains(e.Message, "base_url") {
		t.Errorf("another API: %s %v", e.Kind, e)
	}
}

func TestGet(t *testing.T) {
	r := newRig(t, mapping.Target{}, step{request: "GET contacts.json?uuid=" + ana, answer: page(row(ana, `"tel:+558499310001","telegram:123#ana"`))},
		step{request: "GET contacts.json?uuid=" + ana, answer: page()},
		step{request: "GET contacts.json?uuid=" + ana, answer: page(row(bia, ``))},
		step{request: "GET contacts.json?uuid=" + ana, answer: page(row(ana, ``), row(bia, ``))})
	got, err := r.Get(t.Context(), ana)
	want := contact.Observed{
		ID: ana, Name: "Ana Exemplo", Language: "por", URNs: []contact.URN{"tel:+558499310001", "telegram:123#ana"},
		Labels: []string{"6190733d-49bb-4322-a140-571a9b054e56"}, Fields: map[string]string{"cidade": "Natal", "idade": "39"}, Status: contact.Active,
		Created:  time.Date(2026, 11, 20, 11, 44, 36, 308108000, time.UTC),
		Modified: time.Date(2026, 11, 20, 11, 45, 14, 574733000, time.UTC),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v\n%v", got, want, err)
	}
	for _, kind := range []contact.ErrorKind{contact.Gone, contact.Unavailable, contact.Unavailable} {
		_, err = r.Get(t.Context(), ana)
		if asError(t, err).Kind != kind {
			t.Errorf("wanted %s: %v", kind, err)
		}
	}
	// An empty filter would answer with every contact.
	if _, err := r.Get(t.Context(), ""); err == nil {
		t.Error("an empty id was looked up")
	}
	if r.meter.spent[0] != contact.ScopeContacts {
		t.Errorf("spent %v", r.meter.spent)
	}
}

func TestStatus(t *testing.T) {
	active := row(ana, ``)
	for want, answer := range map[contact.Status]string{
		contact.Active:   active,
		contact.Blocked:  strings.Replace(active, `"blocked":false`, `"blocked":true`, 1),
		contact.Stopped:  strings.Replace(active, `"stopped":false`, `"stopped":true`, 1),
		contact.Archived: strings.Replace(active, `"language"`, `"status":"archived","language"`, 1),
	} {
		r := newRig(t, mapping.Target{}, step{request: "GET contacts.json?uuid=" + ana, answer: page(answer)})
		if o, err := r.Get(t.Context(), ana); err != nil || o.Status != want {
			t.Errorf("%s: %s %v", want, o.Status, err)
		}
	}
}

// A plus that is not escaped arrives as a blank, and an address without path would match everybody.
func TestFind(t *testing.T) {
	r := newRig(t, mapping.Target{},
		step{request: "GET contacts.json?urn=whatsapp%3A5584993100011", answer: page()},
		step{request: "GET contacts.json?urn=whatsapp%3A558493100011", answer: page(row(ana, `"whatsapp:558493100011","tel:+5584993100011"`))},
		step{request: "GET contacts.json?urn=tel%3A%2B5584993100011", answer: page(row(ana, `"whatsapp:558493100011","tel:+5584993100011"`))},
		step{request: "GET contacts.json?urn=mailto%3Abia%40exemplo.com.br", answer: page(row(bia, `"mailto:bia@exemplo.com.br"`))})
	found, err := r.Find(t.Context(), []contact.URN{"whatsapp:5584993100011", "whatsapp:558493100011", "tel:+5584993100011",
		"tel:+5584993100011", "mailto:bia@exemplo.com.br"})
	if err != nil || len(found) != 2 || found[0].ID != ana || found[1].ID != bia {
		t.Errorf("%v %v", found, err)
	}
	for _, u := range []contact.URN{"", "tel:", "5584993100011"} {
		if _, err := r.Find(t.Context(), []contact.URN{u}); err == nil {
			t.Errorf("%q was looked up", u)
		}
	}
}

// A proxy that drops the query makes every look-up answer with somebody.
func TestFindRefusesStrangers(t *testing.T) {
	for _, answer := range []string{page(row(bia, `"whatsapp:5511988880000"`)), page(row(ana, `"whatsapp:5584993100011"`), row(bia, ``))} {
		r := newRig(t, mapping.Target{}, step{request: "GET contacts.json?urn=whatsapp%3A5584993100011", answer: answer})
		_, err := r.Find(t.Context(), []contact.URN{"whatsapp:5584993100011"})
		if asError(t, err).Kind != contact.Unavailable {
			t.Error(err)
		}
	}
}

func TestList(t *testing.T) {
	const next = `"next":"http://internal.example/api/v2/contacts.json?after=2026-11-20T10%3A00%3A00.123456Z&cursor=cD0yMDI2%3D&limit=1000&reverse=true"`
	r := newRig(t, mapping.Target{},
		step{request: "GET contacts.json?after=2026-11-20T10%3A00%3A00.123456Z&before=2026-11-20T13%3A00%3A00.000000Z&limit=1000&reverse=true",
			answer: strings.Replace(page(row(ana, ``), row(bia, ``)), `"next":null`, next, 1)},
		step{request: "GET contacts.json?after=2026-11-20T10%3A00%3A00.123456Z&cursor=cD0yMDI2%3D&limit=1000&reverse=true", answer: page(row(ana, ``))},
		step{request: "GET contacts.json?deleted=true&limit=1000&reverse=true",
			answer: page(`{"uuid":"` + ana + `","name":null,"language":null,"urns":[],"groups":[],"fields":{},"blocked":null,"stopped":null,` +
				`"created_on":"2026-01-01T00:00:00Z","modified_on":"2026-11-20T11:00:00Z","last_seen_on":null}`)})
	q := contact.Query{After: time.Date(2026, 11, 20, 7, 0, 0, 123456789, time.FixedZone("", -3*3600)), Before: start.Add(time.Hour)}
	l, err := r.List(t.Context(), q, "")
	if err != nil || len(l.Contacts) != 2 || l.Next == "" {
		t.Fatalf("%+v %v", l, err)
	}
	// The second link names a host that is not ours: only its query is followed.
	if l, err = r.List(t.Context(), q, l.Next); err != nil || len(l.Contacts) != 1 || l.Next != "" {
		t.Fatalf("%+v %v", l, err)
	}
	l, err = r.List(t.Context(), contact.Query{Gone: true}, "")
	want := contact.Observed{ID: ana, Modified: time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)}
	if err != nil || len(l.Contacts) != 0 || len(l.Gone) != 1 || !reflect.DeepEqual(l.Gone[0], want) {
		t.Errorf("%+v %v", l, err)
	}
}

func TestListEnds(t *testing.T) {
	const loop = `"next":"https://flows.example/api/v2/contacts.json?cursor=cj0x&reverse=true"`
	r := newRig(t, mapping.Target{},
		step{request: "GET contacts.json?cursor=cj0x&limit=1000&reverse=true", answer: strings.Replace(page(row(ana, ``)), `"next":null`, loop, 1)},
		step{request: "GET contacts.json?cursor=cj0x&limit=1000&reverse=true", answer: strings.Replace(page(), `"next":null`, loop, 1)},
		step{request: "GET contacts.json?cursor=xxx&limit=1000&reverse=true", status: 404, answer: `{"detail":"Invalid cursor"}`})
	_, err := r.List(t.Context(), contact.Query{}, "cursor=cj0x&reverse=true")
	if e := asError(t, err); e.Kind != contact.Unavailable || !strings.Contains(e.Message, "no end") {
		t.Error(err)
	}
	if l, err := r.List(t.Context(), contact.Query{}, "cursor=cj0x&reverse=true"); err != nil || l.Next != "" {
		t.Errorf("an empty page has a successor: %+v %v", l, err)
	}
	_, err = r.List(t.Context(), contact.Query{}, "cursor=xxx&reverse=true")
	if e := asError(t, err); e.Kind != contact.Invalid || !strings.Contains(e.Message, "start again") {
		t.Error(err)
	}
	if _, err = r.List(t.Context(), contact.Query{}, "a=%zz"); contact.KindOf(err) != contact.Invalid {
		t.Error(err)
	}
}

func TestListFallsBackToTheUsualPage(t *testing.T) {
	r := newRig(t, mapping.Target{},
		step{request: "GET contacts.json?limit=1000&reverse=true", status: 502, answer: "<html>Bad gateway</html>"},
		step{request: "GET contacts.json?reverse=true", answer: page()},
		step{request: "GET contacts.json?cursor=cD0x&reverse=true", answer: page()},
		step{request: "GET contacts.json?limit=1000&reverse=true", answer: page(slices.Repeat([]string{row(ana, ``)}, 251)...)})
	if n := r.PageSize(); n != 250 {
		t.Errorf("page size %d before the server has shown one", n)
	}
	if _, err := r.List(t.Context(), contact.Query{}, ""); contact.KindOf(err) != contact.Unavailable {
		t.Error(err)
	}
	if _, err := r.List(t.Context(), contact.Query{}, ""); err != nil {
		t.Error(err)
	}
	if _, err := r.List(t.Context(), contact.Query{}, "cursor=cD0x&limit=1000&reverse=true"); err != nil {
		t.Error(err)
	}
	r.advance(61 * time.Minute)
	if _, err := r.List(t.Context(), contact.Query{}, ""); err != nil || r.PageSize() != 1000 {
		t.Error(r.PageSize(), err)
	}
}

func TestCreate(t *testing.T) {
	r := newRig(t, mapping.Target{}, step{request: "POST contacts.json", status: 201, answer: row(ana, `"whatsapp:5584993100011"`),
		body: `{"name":"Ana Exemplo","language":"por","urns":["whatsapp:5584993100011","tel:+5584993100011"],"fields":{"cidade":"Natal"},"groups":["` + vip + `"]}`},
		step{request: "POST contacts.json", status: 201, answer: row(ana, `"whatsapp:5584993100011"`), body: `{"urns":["whatsapp:5584993100011"]}`})
	o, err := r.Create(t.Context(), &contact.Change{Create: true, Name: new("Ana Exemplo"), Language: new("por"), Fields: map[string]string{"cidade": "Natal"},
		AddURNs: []contact.URN{"whatsapp:5584993100011", "tel:+5584993100011", "whatsapp:5584993100011"}}, []string{vip})
	if err != nil || o.ID != ana {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := r.Create(t.Context(), &contact.Change{Create: true, Name: new(""), AddURNs: []contact.URN{"whatsapp:5584993100011"}}, nil); err != nil {
		t.Error(err)
	}
	for u, kind := range map[contact.URN]contact.ErrorKind{"tel:84993100011": contact.Invalid, "5584993100011": contact.Invalid,
		"whatsapp:+5584993100011": contact.Invalid, "fax:1": contact.Invalid} {
		_, err := r.Create(t.Context(), &contact.Change{Create: true, AddURNs: []contact.URN{u}}, nil)
		if e := asError(t, err); e.Kind != kind || strings.Contains(e.Error(), "84993") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if _, err := r.Create(t.Context(), &contact.Change{Create: true, Name: new("Sem endereço")}, nil); contact.KindOf(err) != contact.NoAddress {
		t.Error(err)
	}
}

// An update sends what changed and nothing else, in one call: urns and groups in a body replace.
func TestUpdate(t *testing.T) {
	seen := &contact.Observed{ID: ana, URNs: []contact.URN{"whatsapp:5584993100011"}, Labels: []string{vip}}
	r := newRig(t, mapping.Target{}, step{request: "POST contacts.json?uuid=" + ana, body: `{"fields":{"cidade":"Mossoró"}}`, answer: row(ana, `"whatsapp:5584993100011"`)},
		step{request: "POST contacts.json?uuid=" + ana, body: `{"name":null,"language":null,"fields":{"cidade":null,"idade":"40"}}`, answer: row(ana, ``)},
		step{request: "POST contacts.json?uuid=" + ana, body: `{"name":"Bia"}`, answer: row(bia, ``)})
	if _, err := r.Update(t.Context(), seen, &contact.Change{Fields: map[string]string{"cidade": "Mossoró"},
		DropURNs: []contact.URN{"whatsapp:5584993100011"}, AddLabels: []string{"VIP"}}); err != nil {
		t.Error(err)
	}
	if _, err := r.Update(t.Context(), seen, &contact.Change{Name: new(""), Language: new(""), Fields: map[string]string{"cidade": "", "idade": "40"}}); err != nil {
		t.Error(err)
	}
	_, err := r.Update(t.Context(), seen, &contact.Change{Name: new("Bia")})
	if e := asError(t, err); e.Kind != contact.Unavailable || !e.Uncertain {
		t.Errorf("another contact in the answer: %v", err)
	}
	if o, err := r.Update(t.Context(), seen, &contact.Change{AddLabels: []string{"VIP"}}); err != nil || o.ID != ana {
		t.Errorf("nothing to write: %+v %v", o, err)
	}
	if _, err := r.Update(t.Context(), &contact.Observed{}, &contact.Change{Name: new("x")}); err == nil {
		t.Error("a contact without id was written")
	}
}

func TestActions(t *testing.T) {
	r := newRig(t, mapping.Target{},
		step{request: "POST contact_actions.json", status: 204, body: `{"contacts":["` + ana + `","` + bia + `"],"action":"add","group":"` + vip + `"}`},
		step{request: "POST contact_actions.json", status: 204, body: `{"contacts":["` + ana + `"],"action":"remove","group":"` + vip + `"}`},
		step{request: "POST contact_actions.json", status: 204, body: `{"contacts":["` + ana + `"],"action":"block"}`},
		step{request: "POST contact_actions.json", status: 400, body: `{"contacts":["` + ana + `"],"action":"block"}`, answer: `{"contacts":["No such object: ` + ana + `"]}`},
		step{request: "DELETE contacts.json?uuid=" + ana, status: 204},
		step{request: "DELETE contacts.json?uuid=" + ana, status: 404, answer: `{"detail":"Not found."}`},
		step{request: "DELETE contacts.json?uuid=" + ana, status: 404, answer: `<h1>Not Found</h1>`})
	ctx := t.Context()
	for i, err := range []error{
		r.Label(ctx, vip, true, []string{ana, bia}), r.Label(ctx, vip, false, []string{ana}), r.Label(ctx, vip, true, nil), r.Block(ctx, ana),
	} {
		if err != nil {
			t.Error(i, err)
		}
	}
	if err := r.Block(ctx, ana); contact.KindOf(err) != contact.Gone {
		t.Error(err)
	}
	if err := r.Delete(ctx, ana); err != nil {
		t.Error(err)
	}
	if err := r.Delete(ctx, ana); err != nil {
		t.Error("already gone:", err)
	}
	if err := r.Delete(ctx, ana); contact.KindOf(err) != contact.Unavailable {
		t.Error("a page is not a deleted contact:", err)
	}
	if r.Block(ctx, "") == nil || r.Delete(ctx, "") == nil {
		t.Error("an empty id was sent")
	}
	want := []string{"other", "other", "other", "other", "contacts", "contacts", "contacts"}
	if !slices.Equal(r.meter.spent, want) {
		t.Errorf("spent %v", r.meter.spent)
	}
}

// A call that the meter refuses is not made, and can be repeated safely.
func TestMeterRefuses(t *testing.T) {
	r := newRig(t, mapping.Target{})
	until := start.Add(time.Minute)
	r.meter.err = &contact.Error{Kind: contact.Throttled, Message: "the budget is used up", Until: until}
	_, err := r.Get(t.Context(), ana)
	if e := asError(t, err); e.Kind != contact.Throttled || !e.Until.Equal(until) || e.Op != "weni: get contact" || e.Uncertain {
		t.Errorf("%+v", e)
	}
	r.meter.err = context.Canceled
	_, err = r.Create(t.Context(), &contact.Change{AddURNs: []contact.URN{"whatsapp:5584993100011"}}, nil)
	if e := asError(t, err); e.Kind != contact.Unavailable || e.Uncertain {
		t.Errorf("%+v", e)
	}
	if len(r.calls) != 0 {
		t.Errorf("called %v", r.calls)
	}
}

// Rules is read by every worker while definitions are learned and forgotten.
func TestRulesConcurrently(t *testing.T) {
	target, err := weni.New(mapping.Target{BaseURL: "https://flows.example", Token: token, CreateMissing: true}, weni.Deps{Meter: &meter{}, Transport: tripper(answerDefinitions)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				if err := target.Learn(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				_, err := target.Update(t.Context(), &contact.Observed{ID: ana}, &contact.Change{Fields: map[string]string{"cidade": "Natal"}})
				if contact.KindOf(err) != contact.Unready {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 500 {
				rules := target.Rules()
				if _, ok := rules.Catalog.Label("vip"); len(rules.Catalog.Labels) > 0 && !ok {
					t.Error("a snapshot changed", i)
				}
				for range rules.Catalog.Fields {
				}
				_ = target.Flavour()
			}
		})
	}
	wg.Wait()
}
