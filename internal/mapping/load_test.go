package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
)

// TestDesign loads the example of the design and looks at every section of what it becomes.
func TestDesign(t *testing.T) {
	text, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan, found := Load("mappings.yaml", text, Options{Lookup: environment})
	if plan == nil {
		t.Fatal(found)
	}
	golden(t, "testdata/design.golden", found.String())
	crm, _ := plan.Source("crm")
	loja, _ := plan.Source("loja")
	weni, _ := plan.Target("weni")
	omni, _ := plan.Target("atendimento")
	flow, _ := plan.Target("omniflow")
	for _, c := range []struct{ got, want any }{
		{crm.Webhook, &Webhook{Auth: "basic", Username: "s3cr3t-CRM_HOOK_USER", Password: []string{"s3cr3t-CRM_HOOK_PASSWORD"}, Decode: "json", MaxBytes: 1 << 20}},
		{crm.API, &API{BaseURL: "https://acme.pipedrive.com", Token: "s3cr3t-PIPEDRIVE_TOKEN", Auth: "token"}},
		{crm.Reconcile, Schedule{Changes: "*/15 * * * *", Full: "7 2 * * *"}},
		{loja.Webhook, &Webhook{Auth: "hmac", Header: "X-Signature", Secret: []string{"s3cr3t-LOJA_SECRET"}, Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=", Template: "{body}", Decode: "json", MaxBytes: 1 << 20}},
		{loja.Event, &Event{ID: "id", Type: "event", As: map[string]string{"customer.deleted": "delete"}, Otherwise: "upsert"}},
		{loja.Record, &Record{At: "data", ID: "id", Version: "updated_at", VersionAs: "rfc3339", Payload: contact.Full}},
		{loja.List, &List{URL: "https://loja.exemplo.com.br/api/customers", Auth: "Bearer s3cr3t-LOJA_TOKEN", Items: "data", Format: "json", Next: Next{Cursor: "next_cursor", Param: "cursor", First: 1, Until: "empty"}, Since: &Since{Param: "updated_since", As: "rfc3339"}}},
		{weni, Target{Name: "weni", Kind: "weni", BaseURL: "https://flows.weni.ai", Token: "s3cr3t-WENI_TOKEN", URNs: []string{"whatsapp"}, CreateMissing: true, OptOut: &OptOutRule{Label: "Opt-out"}, URNStyle: "with_nine"}},
		{omni, Target{Name: "atendimento", Kind: "omnichannel", BaseURL: "https://omni.exemplo.com.br/api", Token: "s3cr3t-OMNI_TOKEN", ClientIdentifier: "s3cr3t-OMNI_CLIENT", ChannelID: "s3cr3t-OMNI_CHANNEL", ArrayQuery: "repeat", AuthHeader: "Authorization", AuthScheme: "Bearer"}},
		{flow, Target{Name: "omniflow", Kind: "omniflow", BaseURL: "https://api.omniflow.com.br", APIKey: "s3cr3t-OMNIFLOW_API_KEY", ArrayQuery: "repeat", AuthHeader: "Authorization", AuthScheme: "Bearer"}},
		{plan.Defaults, Defaults{Country: "BR", Timezone: "America/Sao_Paulo"}},
		{plan.Location.String(), "America/Sao_Paulo"},
	} {
		got, _ := json.Marshal(c.got)
		want, _ := json.Marshal(c.want)
		if string(got) != string(want) {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	info := plan.Mappings[0]
	if info.Name != "customers" || info.Position != "mappings.yaml:25:5" || !slices.Equal(info.Labels, []string{"Clientes", "VIP", "Varejo", "Atacado"}) || info.Fields["ultima_compra"].Type != contact.DatetimeField {
		t.Errorf("%+v", info)
	}
	if _, ok := plan.Source("nobody"); ok {
		t.Error("there is no such source")
	}
}

// TestTargetDetails reads the parts of targets that installations of their own need.
func TestTargetDetails(t *testing.T) {
	plan := load(t, `targets:
  weni: {kind: weni, token: "${TOKEN}", urns: [whatsapp, tel, mailto], urn_style: tel_only, allow_campaigns: true, rate: {contacts: 2000, other: 500, reserve: 50}}
  tel: {kind: weni, token: "${TOKEN}", urn_style: tel_only}
  omni:
    kind: omnichannel
    base_url: "https://omni.exemplo.com.br/api"
    token: "${TOKEN}"
    client_identifier: 3f0c7a52
    channel_id: 12
    tag_color: "#3b82f6"
    array_query: brackets
    auth_header: X-Api-Key
    decode: {object: [/data, ""], id: /_id}
    operations:
      contact.remove_tags: {method: POST, path: "/contacts/{contactId}/tags/remove", ok: 204, not_found: [404, 410], conflict: [409]}
      contact.delete_platform: {disabled: true}
  flow: {kind: omniflow, client_id: abc, client_secret: "${TOKEN}", update: true}
`)
	weni, _ := plan.Target("weni")
	tel, _ := plan.Target("tel")
	omni, _ := plan.Target("omni")
	flow, _ := plan.Target("flow")
	got, _ := json.Marshal([]any{weni.URNs, weni.Rate, weni.AllowCampaign, tel.URNs, omni.ChannelID, omni.Decode, omni.Operations, omni.AuthHeader, flow.TokenPath, flow.Update})
	want := `[["whatsapp","tel","mailto"],{"Contacts":2000,"Other":500,"Reserve":50},true,["tel"],"12",{"id":["/_id"],"object":["/data",""]},` +
		`{"contact.delete_platform":{"Method":"","Path":"","Body":"","Disabled":true,"OK":null,"NotFound":null,"Conflict":null},` +
		`"contact.remove_tags":{"Method":"POST","Path":"/contacts/{contactId}/tags/remove","Body":"","Disabled":false,"OK":[204],"NotFound":[404,410],"Conflict":[409]}},"X-Api-Key","/v1/oauth/token",true]`
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if secrets := plan.Secrets(); !slices.Equal(secrets, []string{"s3cr3t-SECRET", "s3cr3t-TOKEN"}) {
		t.Errorf("%q", secrets)
	}
}

// TestFineYAML is about forms of YAML that look dangerous and are not.
func TestFineYAML(t *testing.T) {
	accepted(t, completed(`mappings:
  - name: m
    from: erp
    to: weni
    when: record.a != nil
    contact:
      phones: =record.fones ?? record.celular   # a comment
      name: =record.nome | lower() | title()
      language:
        'por'
      labels:
        - "VIP #1"
        - 'Etapa: Negociação'
        - Cliente de São José
        - {label: B, when: record.b > 1}
      fields:
        a: =first(record.a,
              record.b)
        b: |
          =record.a > 1
            ? "x: y"
            : "z # w"
        c: >-
          ="a: " +
          record.c
        d: "=text(\"d\", record.d)"
        e: '=text("it''s", record.e)'
        f: "# no comment"
        g: ==literal
        h: 12
        i: true
`))
}

func TestHash(t *testing.T) {
	base := completed(`mappings:
  - {name: m, from: erp, to: weni, contact: {phones: =record.f, name: '=upper( record.n )'}}
`)
	hash := func(text string, lookup func(string) (string, bool)) string {
		plan, found := Load("m.yaml", []byte(text), Options{Lookup: lookup})
		if plan == nil {
			t.Fatal(found)
		}
		return plan.Hash
	}
	first := hash(base, environment)
	for what, same := range map[string]string{
		"comments":   "# a comment\n" + base,
		"blanks":     strings.Replace(base, "upper( record.n )", "upper(record.n)", 1),
		"a schedule": strings.Replace(base, "record: {id: id}}", "record: {id: id}, list: {url: \"https://exemplo.com.br\"}, reconcile: {full: \"@daily\"}}", 1),
		"a guard":    strings.Replace(base, "{country: BR,", "{guard: {percent: 50}, country: BR,", 1),
		"a rate":     strings.Replace(base, `token: "${TOKEN}", opt_out`, `token: "${TOKEN}", rate: {contacts: 100}, opt_out`, 1),
	} {
		if same == base || hash(same, environment) != first {
			t.Errorf("%s change no people", what)
		}
	}
	if hash(base, func(string) (string, bool) { return "another-secret", true }) != first {
		t.Error("secrets change no people")
	}
	seen := map[string]string{first: "nothing"}
	for what, other := range map[string]string{
		"an expression": strings.Replace(base, "record.f", "record.fones", 1),
		"a label":       strings.Replace(base, "contact: {phones", "contact: {labels: [A], phones", 1),
		"a retired one": strings.Replace(base, "contact: {phones", "contact: {retired: [A], phones", 1),
		"another place": strings.Replace(base, "contact: {phones: =record.f,", "contact: {phones: =record.g, emails: =record.f,", 1),
		"a condition":   strings.Replace(base, "contact: {phones", "when: record.a, contact: {phones", 1),
		"a refusal":     strings.Replace(base, "contact: {phones", "contact: {opt_out: record.a, phones", 1),
		"a policy":      strings.Replace(base, "to: weni, contact", "to: weni, on_delete: block, contact", 1),
		"a target":      strings.Replace(base, "to: weni, contact", "to: [weni, omni], contact", 1),
		"a time zone":   strings.Replace(base, "America/Sao_Paulo", "America/Manaus", 1),
		"an opt-out":    strings.Replace(base, "label: Opt-out", "label: Recusou", 1),
	} {
		got := hash(other, environment)
		if other == base || seen[got] != "" {
			t.Errorf("%s changes people, and not as %q does", what, seen[got])
		}
		seen[got] = what
	}
}

func TestReferences(t *testing.T) {
	text := completed(`sources:
  erp: {kind: generic, webhook: {auth: bearer, secret: ["${NEW}", "${file:/run/secrets/old}"]}, record: {id: id}}
mappings:
  - {name: m, from: erp, to: weni, contact: {phones: =record.f, fields: {a: "$${TOKEN}", b: '="${SITE}/" + record.x + "$${Y}"'}}}
`)
	read := func(path string) ([]byte, error) {
		if path != "/run/secrets/old" {
			return nil, errors.New("no such file: " + path)
		}
		return []byte("s3cr3t-old\n"), nil
	}
	plan, found := Load("m.yaml", []byte(text), Options{Lookup: environment, ReadFile: read})
	if plan == nil {
		t.Fatal(found)
	}
	if s, _ := plan.Source("erp"); !slices.Equal(s.Webhook.Secret, []string{"s3cr3t-NEW", "s3cr3t-old"}) {
		t.Errorf("%q", s.Webhook.Secret)
	}
	c := plan.Map("erp", record(t, `{"x": "1"}`), noon)[0]
	if c.Fields["a"].Value != "${TOKEN}" || c.Fields["b"].Value != "s3cr3t-SITE/1${Y}" {
		t.Errorf("%+v", c.Fields)
	}
	// What is missing is an error in service and a warning for those who only look.
	missing := func(string) (string, bool) { return "", false }
	if plan, found := Load("m.yaml", []byte(text), Options{Lookup: missing}); plan != nil || !found.HasErrors() || !strings.Contains(found.String(), "m.yaml:2:58: ${NEW} is not set in the environment") ||
		!strings.Contains(found.String(), "the file of ${file:/run/secrets/old} cannot be read here") {
		t.Error(found)
	}
	plan, found = Load("m.yaml", []byte(text), Options{Lookup: missing, Lenient: true})
	if plan == nil || found.HasErrors() || len(found) < 4 {
		t.Error(found)
	}
	for _, empty := range []string{"", "  "} {
		if plan, found := Load("m.yaml", []byte(text), Options{Lookup: func(string) (string, bool) { return empty, true }, ReadFile: read}); plan != nil || !strings.Contains(found.String(), "this secret is empty") {
			t.Error(found)
		}
	}
}

func TestDecodeRecord(t *testing.T) {
	r := record(t, `{"i": 9007199254740993, "n": -5, "d": 1.50, "e": 1e3, "big": 123456789012345678901, "far": 1e400, "l": [1, {"x": 2}], "s": "1", "b": true, "z": null}`)
	if got := fmt.Sprintf("%T %T %T %T %T %T %v %v", r["i"], r["n"], r["d"], r["e"], r["big"], r["far"], r["i"], r["big"]); got != "int int float64 float64 string string 9007199254740993 123456789012345678901" {
		t.Error(got)
	}
	for _, bad := range []string{"", "[]", "1", `{"a": 1} x`, `{"cpf": 123`, "null"} {
		if r, err := DecodeRecord([]byte(bad)); err == nil || strings.Contains(err.Error(), "cpf") || strings.Contains(err.Error(), "123") {
			t.Errorf("%s: %v %v", bad, r, err)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		"*/15 * * * *": "2026-11-20T12:15:00-03:00", "7 2 * * *": "2026-11-21T02:07:00-03:00", "@daily": "2026-11-21T00:00:00-03:00", "0 9 * * 1-5": "2026-11-23T09:00:00-03:00",
		"@every 1h30m": "2026-11-20T13:30:00-03:00", "0 12 29 2 *": "2028-02-29T12:00:00-03:00", " 0 0 1 jan * ": "2027-01-01T00:00:00-03:00",
	} {
		s, err := ParseSchedule(expr, zone)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := s.Next(noon.In(zone)).Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
	for _, bad := range []string{"", "0 2 31 2 *", "*/70 * * * *", "0 */24 * * *", "* * * * * *", "0 2 * *", "CRON_TZ=America/Sao_Paulo", "TZ=UTC 0 2 * * *", "@every 0s", "@every 59s", "@every x", "@fortnightly", "61 * * * *", "a b c d e", "*/0 * * * *", "0-59/x * * * *"} {
		if s, err := ParseSchedule(bad, zone); err == nil || s != nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestNumbering(t *testing.T) {
	for _, c := range []struct {
		digits string
		line   contact.Line
		ok     bool
	}{
		{"351912345678", contact.Mobile, true}, {"351212345678", contact.Landline, true}, {"14155550101", contact.UnknownLine, true}, {"525512345678", contact.UnknownLine, true},
		{"18005550101", "", false}, {"99912", "", false}, {"", "", false},
	} {
		if line, ok := Numbering().Line(c.digits); line != c.line && (!c.ok || !ok || line == "") || ok != c.ok {
			t.Errorf("%s: %s %v", c.digits, line, ok)
		}
	}
	if d, ok := Numbering().National("912 345 678", "PT"); d != "351912345678" || !ok {
		t.Error(d, ok)
	}
	if _, ok := Numbering().National("12", "PT"); ok {
		t.Error("12 is no number")
	}
}

// TestUnseen finds fields that no record carries: a misspelt one is absent without a word.
func TestUnseen(t *testing.T) {
	plan := load(t, `mappings:
  - name: m
    from: erp
    to: weni
    contact:
      name: =record.nmae
      phones: =map(record.fones, .valeu)
      labels: [{label: A, when: 'record.endereco.cidade == "Natal" and record.xyz'}]
`)
	got := plan.Unseen("erp", []map[string]any{record(t, `{"name": "Ana", "fones": [{"value": "1"}], "endereco": {"cidade": "Natal"}}`), {}})
	golden(t, "testdata/unseen.golden", got.String())
	if got := plan.Unseen("erp", nil); got != nil {
		t.Error(got)
	}
	if got := plan.Unseen("erp", []map[string]any{record(t, `{"nmae": null, "fones": [], "endereco": {"cidade": 1}, "xyz": 1}`)}); got != nil {
		t.Error(got)
	}
}

// TestCasesThatFail reads what a person is shown when a case does not come out as expected.
func TestCasesThatFail(t *testing.T) {
	plan := load(t, `mappings:
  - name: m
    from: erp
    to: [weni, omni]
    contact: {name: =title(record.n), phones: =record.f, labels: [A, {label: B, when: record.b}], fields: {cidade: =record.c, visto: '=today > date(record.d) ? "sim" : "não"'}, opt_out: record.o}
    only: {weni: {fields: {x: =record.x}}}
`)
	text, err := os.ReadFile("testdata/failing.cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, lang := range []string{"en", "pt"} {
		results, found := RunCases(plan, "failing.cases.yaml", text, Options{Language: lang, ReadFile: func(path string) ([]byte, error) {
			if path == "ana.json" {
				return []byte(`{"n": "ANA LIMA", "f": "84 99000-0101", "d": "2026-01-01"}`), nil
			}
			return nil, errors.New("no such file")
		}})
		for _, r := range results {
			fmt.Fprintf(&b, "%s %s %v\n%s", r.Position, r.Name, r.Passed, r.Diff)
		}
		b.WriteString(found.String() + "\n")
	}
	golden(t, "testdata/failing.golden", b.String())
}

// TestDiagnostics is about the form of remarks: they serve editors and CI as JSON too.
func TestDiagnostics(t *testing.T) {
	_, found := Load("m.yaml", []byte(completed("mappings:\r\n\t\r\n  - {name: é, from: erp, to: weni, contact: {phones: =record.f, name: =trimm(record.n)}}\r\n")), Options{Lookup: environment})
	text, err := json.Marshal(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"file":"m.yaml","line":3,"column":72,"length":5,"severity":"error","message":"unknown function \"trimm\", did you mean \"trim\"?",` +
		`"hint":"  - {name: é, from: erp, to: weni, contact: {phones: =record.f, name: =trim(record.n)}}","excerpt":"  - {name: é, from: erp, to: weni, contact: {phones: =record.f, name: =trimm(record.n)}}"}`
	if string(text) != want {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
	var none Diagnostics
	if none.HasErrors() || none.String() != "" {
		t.Error("nothing is no error")
	}
}
