package weni_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/weni"
)

const (
	fieldCidade = `{"key":"cidade","label":"Cidade","value_type":"text","pinned":false}`
	fieldIdade  = `{"key":"idade","label":"Idade","value_type":"numeric","pinned":false}`
	groupVIP    = `{"uuid":"` + vip + `","name":"VIP","query":null,"status":"ready","count":0}`
	groupSmart  = `{"uuid":"1b3438e6-dc94-4646-ab6b-dcb959cb6b34","name":"Falantes","query":"language = por","status":"ready","count":3}`
)

var defining = mapping.Target{CreateMissing: true}

func learned(fields, groups string) []step {
	return []step{{request: "GET fields.json", answer: fields}, {request: "GET groups.json", answer: groups}}
}

// answerDefinitions is a server that knows two definitions and refuses every write for want of a field.
func answerDefinitions(req *http.Request) (*http.Response, error) {
	switch {
	case req.Method == http.MethodPost:
		return httpmock.NewStringResponse(400, `{"fields":["Invalid contact field key: cidade"]}`), nil
	case strings.HasSuffix(req.URL.Path, "fields.json"):
		return httpmock.NewStringResponse(200, page(fieldCidade)), nil
	}
	return httpmock.NewStringResponse(200, page(groupVIP)), nil
}

func TestLearn(t *testing.T) {
	next := func(rows, query string) string {
		return strings.Replace(rows, `"next":null`, `"next":"http://internal/api/v2/fields.json?`+query+`"`, 1)
	}
	r := newRig(t, mapping.Target{},
		step{request: "GET fields.json", answer: next(page(fieldCidade), "cursor=cD1h")},
		step{request: "GET fields.json?cursor=cD1h", answer: page(fieldIdade, `{"key":"uf","label":"UF","value_type":"state","pinned":false}`)},
		step{request: "GET groups.json", answer: page(groupVIP, groupSmart)})
	before := r.Rules()
	if r.Flavour() != "" {
		t.Error("a flavour before anything was read")
	}
	if err := r.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Rules().Catalog
	if len(before.Catalog.Fields) != 0 || len(c.Fields) != 3 || c.Fields["idade"] != contact.NumericField || c.Fields["uf"] != "state" {
		t.Errorf("%+v", c)
	}
	if l, ok := c.Label(" vip "); !ok || l.ID != vip || l.Smart {
		t.Error(l, ok)
	}
	if l, _ := c.Label("Falantes"); !l.Smart {
		t.Error("a group with a query is not smart")
	}
	if r.Flavour() != weni.Weni || !slices.Equal(r.meter.spent, []string{"other", "other", "other"}) {
		t.Error(r.Flavour(), r.meter.spent)
	}
}

func TestLearnEnds(t *testing.T) {
	loop := strings.Replace(page(fieldCidade), `"next":null`, `"next":"https://flows.example/api/v2/fields.json?cursor=cD1h"`, 1)
	r := newRig(t, mapping.Target{}, step{request: "GET fields.json", answer: loop}, step{request: "GET fields.json?cursor=cD1h", answer: loop})
	if e := asError(t, r.Learn(t.Context())); e.Kind != contact.Unavailable || !strings.Contains(e.Message, "no end") {
		t.Error(e)
	}
	// Cursors that never repeat and never end.
	n := 0
	target, err := weni.New(mapping.Target{BaseURL: "https://flows.example", Token: token}, weni.Deps{Meter: &meter{}, Transport: tripper(func(*http.Request) (*http.Response, error) {
		n++
		return httpmock.NewStringResponse(200, strings.Replace(loop, "cD1h", fmt.Sprint(n), 1)), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if e := asError(t, target.Learn(t.Context())); e.Kind != contact.Unavailable || n > 1000 {
		t.Error(n, e)
	}
}

func TestFlavours(t *testing.T) {
	field9 := `{"key":"cidade","name":"Cidade","type":"text","featured":false,"priority":0,"usages":{"flows":0,"groups":0,"campaign_events":0},"agent_access":"view","label":"Cidade","value_type":"text"}`
	group9 := `{"uuid":"` + vip + `","name":"VIP","query":null,"status":"ready","system":false,"count":0}`
	for _, f := range []struct {
		name, want, fields, groups, contact, create string
	}{
		{"weni", weni.Weni, fieldCidade, groupVIP, "", `{"label":"Idade","value_type":"numeric"}`},
		{"empty", weni.Weni, "", "", "", `{"label":"Idade","value_type":"numeric"}`},
		{"7", weni.RapidPro7, `{"key":"cidade","label":"Cidade","value_type":"text","pinned":false,"priority":0}`, group9, "", `{"label":"Idade","value_type":"numeric"}`},
		{"7 by group", weni.RapidPro7, "", group9, "", `{"label":"Idade","value_type":"numeric"}`},
		{"9", weni.RapidPro9, field9, group9, `"status":"active","flow":null,`, `{"name":"Idade","type":"number"}`},
		{"26", weni.RapidPro26, field9, group9, `"status":"active","flow":null,"notes":[],`, `{"name":"Idade","type":"number"}`},
	} {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t, defining, learned(page(f.fields), page(f.groups))...)
			if err := r.Learn(t.Context()); err != nil {
				t.Fatal(err)
			}
			if f.contact != "" {
				r.script(step{request: "GET contacts.json?uuid=" + ana, answer: page(strings.Replace(row(ana, ``), `"language"`, f.contact+`"language"`, 1))})
				if o, err := r.Get(t.Context(), ana); err != nil || o.Status != contact.Active {
					t.Error(o, err)
				}
			}
			if r.Flavour() != f.want {
				t.Errorf("flavour %q", r.Flavour())
			}
			r.script(learned(page(f.fields), page(f.groups))...)
			r.script(step{request: "POST fields.json", status: 201, body: f.create, answer: fieldIdade})
			if _, err := r.Define(t.Context(), nil, map[string]contact.FieldType{"idade": contact.NumericField}); err != nil {
				t.Error(err)
			}
			if r.Rules().Catalog.Fields["idade"] != contact.NumericField {
				t.Error(r.Rules().Catalog.Fields)
			}
		})
	}
}

func TestDefine(t *testing.T) {
	r := newRig(t, defining, learned(page(fieldCidade), page(groupVIP))...)
	r.script(
		step{request: "POST groups.json", status: 201, body: `{"name":"Clientes de São Paulo"}`,
			answer: `{"uuid":"612cd8d3-f1bd-449d-b21b-5dc880e4158c","name":"Clientes de São Paulo","query":null,"status":"ready","count":0}`},
		step{request: "POST fields.json", status: 201, body: `{"label":"Ultima compra","value_type":"datetime"}`,
			answer: `{"key":"ultima_compra","label":"Ultima compra","value_type":"datetime","pinned":false}`})
	labels := []string{"vip", " Clientes de São Paulo ", "clientes de são paulo"}
	fields := map[string]contact.FieldType{"cidade": contact.TextField, "ultima_compra": contact.DatetimeField}
	until, err := r.Define(t.Context(), labels, fields)
	if err != nil || !until.Equal(start.Add(6*time.Second)) {
		t.Fatal(until, err)
	}
	c := r.Rules().Catalog
	if l, ok := c.Label("Clientes de São Paulo"); !ok || l.ID != "612cd8d3-f1bd-449d-b21b-5dc880e4158c" || c.Fields["ultima_compra"] != contact.DatetimeField {
		t.Errorf("%+v", c)
	}
	// Once defined no call is made, and the wait is what is left of it.
	r.advance(2 * time.Second)
	if until, err = r.Define(t.Context(), labels, fields); err != nil || !until.Equal(start.Add(6*time.Second)) {
		t.Error(until, err)
	}
	r.advance(5 * time.Second)
	if until, err = r.Define(t.Context(), labels, fields); err != nil || until.After(start.Add(7*time.Second)) {
		t.Error(until, err)
	}
}

// A write that meets a definition too early is told until when to wait; a create always stays uncertain, since the
// contact may exist.
func TestYoungDefinitions(t *testing.T) {
	r := newRig(t, defining, learned(page(fieldCidade), page())...)
	r.script(step{request: "POST groups.json", status: 201, body: `{"name":"VIP"}`, answer: groupVIP},
		step{request: "POST fields.json", status: 201, body: `{"label":"Race b","value_type":"text"}`, answer: `{"key":"race_b","label":"Race b","value_type":"text","pinned":false}`})
	if _, err := r.Define(t.Context(), []string{"VIP"}, map[string]contact.FieldType{"race_b": ""}); err != nil {
		t.Fatal(err)
	}
	r.advance(2 * time.Second)
	r.any = &step{status: 500, answer: serverError, header: html()}
	for name, do := range map[string]func(*rig) error{"update": updating, "label": labelling} {
		if e := asError(t, do(r)); e.Kind != contact.Unready || e.Uncertain || !e.Until.Equal(start.Add(6*time.Second)) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := asError(t, creating(r)); e.Kind != contact.Unavailable || !e.Uncertain {
		t.Errorf("create: %+v", e)
	}
	if e := asError(t, blocking(r)); e.Kind != contact.Unavailable {
		t.Errorf("block uses no definition: %+v", e)
	}
	r.any = &step{status: 400, answer: `{"error":"unknown contact field 'race_b'"}`}
	if e := asError(t, creating(r)); e.Kind != contact.Unready || !e.Until.Equal(start.Add(6*time.Second)) {
		t.Errorf("create: %+v", e)
	}
	r.any = &step{status: 500, answer: serverError, header: html()}
	r.advance(5 * time.Second)
	if e := asError(t, updating(r)); e.Kind != contact.Unavailable || !e.Uncertain {
		t.Errorf("later: %+v", e)
	}
}

// What somebody else has just defined is as young as what syncer defines.
func TestLearnedDefinitionsAreYoung(t *testing.T) {
	r := newRig(t, defining, learned(page(fieldCidade), page())...)
	r.script(learned(page(fieldCidade, `{"key":"race_b","label":"Race b","value_type":"text","pinned":false}`), page())...)
	if err := r.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.advance(time.Minute)
	until, err := r.Define(t.Context(), nil, map[string]contact.FieldType{"race_b": contact.TextField})
	if err != nil || !until.Equal(start.Add(66*time.Second)) {
		t.Error(until, err)
	}
}

func TestDefineRefusesBeforehand(t *testing.T) {
	r := newRig(t, defining, learned(page(), page())...)
	fields := map[string]contact.FieldType{}
	for _, key := range []string{"name", "whatsapp", "created_on", "1visita", "Cidade", "endereço", "a__b", "fim_", "_x", strings.Repeat("x", 37)} {
		fields[key] = contact.TextField
	}
	groups := []string{"", "!!!x", "+x", strings.Repeat("x", 65), `a"b`}
	_, err := r.Define(t.Context(), groups, fields)
	e := asError(t, err)
	if e.Kind != contact.Invalid {
		t.Error(e)
	}
	if n := strings.Count(e.Message, ";") - strings.Count(e.Message, "itself; choose") + 1; n != len(fields)+len(groups) {
		t.Errorf("%d problems: %s", n, e.Message)
	}
	// email and modified_on are no reserved words, and labels of 36 characters fit.
	long := strings.Repeat("x", 36)
	r.script(learned(page(), page())...)
	for key, label := range map[string]string{"email": "Email"} {
		r.script(step{request: "POST fields.json", status: 201, body: `{"label":"` + label + `","value_type":"text"}`, answer: `{"key":"` + key + `","label":"` + label + `","value_type":"text","pinned":false}`})
	}
	r.script(step{request: "POST fields.json", status: 201, body: `{"label":"X` + long[1:] + `","value_type":"text"}`, answer: `{"key":"` + long + `","label":"X","value_type":"text","pinned":false}`})
	if _, err := r.Define(t.Context(), nil, map[string]contact.FieldType{"email": contact.TextField, long: contact.TextField}); err != nil {
		t.Error(err)
	}
}

func TestDefineWithoutPermission(t *testing.T) {
	r := newRig(t, mapping.Target{}, learned(page(fieldCidade), page())...)
	_, err := r.Define(t.Context(), []string{"VIP"}, map[string]contact.FieldType{"cidade": contact.TextField, "idade": contact.NumericField})
	if e := asError(t, err); e.Kind != contact.Unready || !strings.Contains(e.Message, `group "VIP", field "idade"; create them there or set create_missing: true`) {
		t.Error(e)
	}
}

// A field that was relabelled keeps its key and blocks the label; a group that somebody made meanwhile is found.
func TestDefineRaces(t *testing.T) {
	r := newRig(t, defining, learned(page(), page())...)
	r.script(step{request: "POST groups.json", status: 400, body: `{"name":"VIP"}`, answer: `{"name":["This field must be unique."]}`})
	r.script(learned(page(`{"key":"age","label":"Idade","value_type":"numeric","pinned":false}`), page(groupVIP))...)
	r.script(step{request: "POST fields.json", status: 400, body: `{"label":"Idade","value_type":"numeric"}`, answer: `{"label":["This field must be unique."]}`})
	r.script(learned(page(`{"key":"age","label":"Idade","value_type":"numeric","pinned":false}`), page(groupVIP))...)
	r.script(step{request: "POST fields.json", status: 201, body: `{"label":"idade -","value_type":"numeric"}`, answer: `{"key":"idade","label":"idade -","value_type":"numeric","pinned":false}`})
	if _, err := r.Define(t.Context(), []string{"VIP"}, map[string]contact.FieldType{"idade": contact.NumericField}); err != nil {
		t.Error(err)
	}
	if l, ok := r.Rules().Catalog.Label("VIP"); !ok || l.ID != vip {
		t.Error(l)
	}
	// The same key under another label: made by somebody in between.
	r.script(learned(page(), page())...)
	r.script(step{request: "POST fields.json", status: 400, body: `{"label":"Ultima compra","value_type":"text"}`, answer: `{"label":["Generated key \"ultima_compra\" conflicts with an existing contact field."]}`})
	r.script(learned(page(`{"key":"ultima_compra","label":"última","value_type":"datetime","pinned":false}`), page())...)
	if _, err := r.Define(t.Context(), nil, map[string]contact.FieldType{"ultima_compra": contact.TextField}); err != nil || r.Rules().Catalog.Fields["ultima_compra"] != contact.DatetimeField {
		t.Error(err)
	}
	// A smart group that is being evaluated is hidden.
	r.script(learned(page(), page())...)
	r.script(step{request: "POST groups.json", status: 400, body: `{"name":"Novos"}`, answer: `{"name":["This field must be unique."]}`})
	r.script(learned(page(), page())...)
	if _, err := r.Define(t.Context(), []string{"Novos"}, nil); contact.KindOf(err) != contact.Unready {
		t.Error(err)
	}
}

func TestDefineAtTheLimit(t *testing.T) {
	for status, answer := range map[int]string{
		400: `{"non_field_errors":["This org has 250 contact fields and the limit is 250. You must delete existing ones before you can create new ones."]}`,
		409: `{"detail":"Cannot create object because workspace has reached limit of 250."}`,
	} {
		r := newRig(t, defining, learned(page(), page())...)
		r.script(step{request: "POST fields.json", status: status, body: `{"label":"Idade","value_type":"numeric"}`, answer: answer})
		_, err := r.Define(t.Context(), nil, map[string]contact.FieldType{"idade": contact.NumericField})
		if e := asError(t, err); e.Kind != contact.Invalid || !strings.Contains(e.Error(), "create field idade: the workspace is full; delete what nobody uses") || !strings.Contains(e.Message, "250") {
			t.Error(e)
		}
	}
}

// A definition that somebody deleted is dropped from the catalog, so that it is made again.
func TestForget(t *testing.T) {
	r := newRig(t, defining, learned(page(fieldCidade, `{"key":"race_b","label":"Race b","value_type":"text","pinned":false}`), page(groupVIP, groupSmart))...)
	if err := r.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.any = &step{status: 400, answer: `{"fields":["Invalid contact field key: race_b"]}`}
	_ = updating(r)
	r.any = &step{status: 400, answer: `{"group":["No such object: ` + vip + `"]}`}
	_ = labelling(r)
	r.any = nil
	c := r.Rules().Catalog
	if _, ok := c.Label("VIP"); ok || len(c.Labels) != 1 || len(c.Fields) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestCampaigns(t *testing.T) {
	r := newRig(t, mapping.Target{},
		step{request: "GET campaigns.json", answer: page(
			`{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c00","name":"Boas-vindas","archived":false,"group":{"uuid":"`+vip+`","name":"VIP"},"created_on":"2026-08-19T19:11:21.088Z"}`,
			`{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c01","name":"Antiga","archived":true,"group":{"uuid":"`+vip+`","name":"VIP"},"created_on":"2026-08-19T19:11:21.088Z"}`)},
		step{request: "GET campaign_events.json", answer: page(
			`{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c10","campaign":{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c00","name":"Boas-vindas"},"relative_to":{"key":"ultima_compra","label":"Ultima compra"},"offset":7,"unit":"days","delivery_hour":9,"flow":null,"message":{"por":"Oi"},"created_on":"2026-08-19T19:11:21.088Z"}`,
			`{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c11","campaign":{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c00","name":"Boas-vindas"},"relative_to":{"key":"ultima_compra","name":"Ultima compra"},"offset":9,"unit":"days","delivery_hour":9,"flow":null,"message":null,"created_on":"2026-08-19T19:11:21.088Z"}`,
			`{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c12","campaign":{"uuid":"f14e4ff0-724d-43fe-a953-1d16aefd1c01","name":"Antiga"},"relative_to":{"key":"nascimento","label":"Nascimento"},"offset":0,"unit":"days","delivery_hour":9,"flow":null,"message":null,"created_on":"2026-08-19T19:11:21.088Z"}`)})
	got, err := r.Campaigns(t.Context())
	if err != nil || len(got) != 1 || got[0].Label != vip || !slices.Equal(got[0].Dates, []string{"ultima_compra"}) || got[0].Name != "Boas-vindas" {
		t.Errorf("%+v %v", got, err)
	}
}
