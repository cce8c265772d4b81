package mapping

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncer/internal/contact"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// person1 maps one record with a mapping whose contact: has these lines.
func person1(t *testing.T, lines, rec string) contact.Contact {
	t.Helper()
	return load(t, "mappings:\n  - name: m\n    from: erp\n    to: [weni, omni]\n    contact:\n"+indented(lines, 6)).Map("erp", record(t, rec), noon)[0]
}

func indented(lines string, by int) string {
	pad := strings.Repeat(" ", by)
	return pad + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n"+pad) + "\n"
}

// problems are what went wrong, one a line.
func problems(c contact.Contact) string {
	var b strings.Builder
	for _, p := range c.Problems {
		fatal := ""
		if p.Fatal {
			fatal = " (fatal)"
		}
		fmt.Fprintf(&b, "%s %s: %s%s\n", p.Where, p.Attr, p.Message, fatal)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ rec, name, problem string }{
		{`{"n": " Ana Lima "}`, "Ana Lima", ""},
		{`{"n": 12}`, "12", ""},
		{`{"n": "` + strings.Repeat("á", 100) + `"}`, strings.Repeat("á", 100), ""},
		{`{"n": "` + strings.Repeat("á", 101) + `"}`, "", "mappings.yaml:6:14 name: the name has more than 100 characters, and a cut one would be wrong"},
		{`{"n": "Ana\nLima"}`, "", "mappings.yaml:6:14 name: the name contains line breaks or control characters: write squeeze(…) around it"},
		{`{"n": ["Ana"]}`, "", "mappings.yaml:6:14 name: a name is text, and this is a list"},
	} {
		got := person1(t, "name: =record.n\nphones: =record.f", c.rec)
		if got.Name.Value != c.name || problems(got) != c.problem || got.Fatal() {
			t.Errorf("%.40s\n got %q %s\nwant %q %s", c.rec, got.Name.Value, problems(got), c.name, c.problem)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct{ said, value, problem string }{
		{"por", "por", ""}, {"ENG", "eng", ""}, {"yrl", "yrl", ""},
		{"pt-BR", "", "mappings.yaml:6:18 language: the language is no ISO 639-3 code of three letters: por is what was probably meant"},
		{"fre", "", "mappings.yaml:6:18 language: the language is no ISO 639-3 code of three letters, such as por"},
	} {
		got := person1(t, "language: =record.l\nphones: =record.f", `{"l": "`+c.said+`"}`)
		if got.Language.Value != c.value || problems(got) != c.problem {
			t.Errorf("%s: %+v %s", c.said, got.Language, problems(got))
		}
		if c.value != "" && got.Language.Write != contact.IfEmpty {
			t.Errorf("a language is written only where there is none: %+v", got.Language)
		}
	}
}

func TestPhones(t *testing.T) {
	for _, c := range []struct{ rec, phones, problem string }{
		{`{"f": "(84) 99000-0101 / 3200-0102 ou 84 9000-0103"}`, "5584990000101 5584990000103", "mappings.yaml:6:16 phones: number 2 is not used: it has no area code"},
		{`{"f": ["84 99000-0101", "+55 84 9000-0101", {"value": "8432000102"}]}`, "5584990000101 558432000102", ""},
		{`{"f": [{"value": "8432000102", "primary": false}, {"value": "84990000101", "primary": "true"}]}`, "5584990000101 558432000102", ""},
		{`{"f": [{"value": "84990000103"}, {"value": "8432000102", "primary": 1}]}`, "558432000102 5584990000103", ""},
		{`{"f": 84990000101}`, "5584990000101", ""},
		{`{"f": 5.58499E+12}`, "", "mappings.yaml:6:16 phones: number 1 is not used: a spreadsheet turned it into a decimal number"},
		{`{"f": "0800 700 0101"}`, "", "mappings.yaml:6:16 phones: number 1 is not used: it is a service number, not a person's"},
		{`{"f": [{"value": "", "primary": true}, null, " "]}`, "", ""},
		{`{"f": [{"numero": "84990000101"}]}`, "", "mappings.yaml:6:16 phones: a row has no value: rows are {value, primary}"},
		{`{"f": [true]}`, "", "mappings.yaml:6:16 phones: this is true or false, not text, a list or rows of {value, primary}"},
		{`{"f": "+1 415 555 0101"}`, "14155550101", ""},
		{`{"f": "+1 800 555 0101"}`, "", "mappings.yaml:6:16 phones: number 1 is not used: it is not a number of its country"},
		{`{}`, "", ""}, {`{"f": null}`, "", ""},
	} {
		got := person1(t, "phones: =record.f", c.rec)
		var digits []string
		for _, p := range got.Phones {
			digits = append(digits, p.Digits)
		}
		if strings.Join(digits, " ") != c.phones || problems(got) != c.problem {
			t.Errorf("%s\n got %v %s\nwant %s %s", c.rec, digits, problems(got), c.phones, c.problem)
		}
	}
	if got := person1(t, "phones: =record.f", `{}`); got.Phones != nil {
		t.Error("absent numbers are not a list of none")
	}
	if got := person1(t, "phones: =record.f", `{"f": []}`); got.Phones == nil {
		t.Error("a list of none is a statement")
	}
	// A fault in the expression itself is about identity: nothing may be written.
	got := person1(t, "phones: =record.f.value", `{"f": "x"}`)
	if want := "mappings.yaml:6:16 phones: record.f is text and has no parts (fatal)"; problems(got) != want {
		t.Error(problems(got))
	}
}

func TestEmails(t *testing.T) {
	got := person1(t, "phones: =record.f\nemails: [=record.e, =record.e2]", `{"e": [{"value": "b@exemplo.com.br"}, {"value": "A@Exemplo.com.br", "primary": true}], "e2": "a@exemplo.com.br; x@, c@exemplo.com.br"}`)
	if !slices.Equal(got.Emails, []string{"a@exemplo.com.br", "b@exemplo.com.br", "c@exemplo.com.br"}) {
		t.Error(got.Emails)
	}
	if want := "mappings.yaml:7:17 emails: e-mail 4 is not used: it is not a valid address"; problems(got) != want {
		t.Error(problems(got))
	}
}

func TestLabels(t *testing.T) {
	rules := `
phones: =record.f
labels:
  - Sempre
  - {label: Vip, when: record.vip}
  - {pick: =record.etapa, from: {lead: Lead, cliente: Cliente, 41: Varejo, nada: ""}}
retired: [Antigo]`
	for _, c := range []struct {
		rec     string
		labels  map[string]bool
		problem string
	}{
		{`{}`, map[string]bool{"Sempre": true, "Antigo": false}, ""},
		{`{"vip": true, "etapa": "Cliente "}`, map[string]bool{"Sempre": true, "Antigo": false, "Vip": true, "Lead": false, "Cliente": true, "Varejo": false}, ""},
		{`{"vip": "não", "etapa": 41}`, map[string]bool{"Sempre": true, "Antigo": false, "Vip": false, "Lead": false, "Cliente": false, "Varejo": true}, ""},
		{`{"vip": null, "etapa": ["lead"]}`, map[string]bool{"Sempre": true, "Antigo": false, "Vip": false, "Lead": true, "Cliente": false, "Varejo": false}, ""},
		{`{"etapa": ""}`, map[string]bool{"Sempre": true, "Antigo": false, "Lead": false, "Cliente": false, "Varejo": false}, ""},
		{`{"etapa": "nada"}`, map[string]bool{"Sempre": true, "Antigo": false, "Lead": false, "Cliente": false, "Varejo": false}, ""},
		{`{"vip": "ouro", "etapa": "outra"}`, map[string]bool{"Sempre": true, "Antigo": false},
			"mappings.yaml:9:30 labels.Vip: record.vip is text, not true or false: compare it with something; to choose what is filled write first(a, b)\n" +
				"mappings.yaml:10:19 labels: record.etapa has a value that is not under from: these labels stay as they are"},
		{`{"etapa": ["lead", "cliente"]}`, map[string]bool{"Sempre": true, "Antigo": false}, "mappings.yaml:10:19 labels: record.etapa is a list, and only one value can choose a label"},
	} {
		got := person1(t, rules, c.rec)
		if fmt.Sprint(got.Labels) != fmt.Sprint(c.labels) || problems(got) != c.problem || got.Fatal() {
			t.Errorf("%s\n got %v %s\nwant %v %s", c.rec, got.Labels, problems(got), c.labels, c.problem)
		}
	}
}

func TestPolicies(t *testing.T) {
	got := person1(t, `
name: {value: =record.n, write: keep_edits, blank: clear}
phones: =record.f
fields:
  a: {value: =record.a, write: if_empty}
  b: ==x
  c: {value: "literal", blank: clear}
  d: ${SECRET}`, `{"n": "", "a": "A"}`)
	if want := (contact.Attr{State: contact.Blank, Write: contact.KeepEdits, Blank: contact.BlankClear}); got.Name != want {
		t.Errorf("%+v", got.Name)
	}
	for key, want := range map[string]contact.Attr{
		"a": {State: contact.Set, Value: "A", Write: contact.IfEmpty, Blank: contact.BlankKeep},
		"b": {State: contact.Set, Value: "=x", Write: contact.Overwrite, Blank: contact.BlankKeep},
		"c": {State: contact.Set, Value: "literal", Write: contact.Overwrite, Blank: contact.BlankClear},
		"d": {State: contact.Set, Value: "s3cr3t-SECRET", Write: contact.Overwrite, Blank: contact.BlankKeep},
	} {
		if f := got.Fields[key]; f.Attr != want || f.Type != contact.TextField {
			t.Errorf("%s: %+v", key, f)
		}
	}
	plan := load(t, `mappings:
  - {name: m, from: erp, to: weni, mode: create_only, on_unmatch: keep, on_delete: delete, delete_adopted: true, on_gone: recreate, adopt: never, on_duplicate: report, shared_phone: newest, contact: {phones: =record.f}}
`)
	if want := (contact.Policy{Mode: contact.CreateOnly, OnUnmatch: contact.LeaveKeep, OnDelete: contact.LeaveDelete, DeleteAdopted: true, OnGone: contact.Recreate,
		Adopt: contact.AdoptNever, OnDuplicate: contact.Report, SharedPhone: contact.UseNewest}); plan.Map("erp", nil, noon)[0].Policy != want {
		t.Errorf("%+v", plan.Mappings[0].Policy)
	}
}

// TestWhen is about what decides whether a record stands for a contact at all.
func TestWhen(t *testing.T) {
	text := `mappings:
  - name: m
    from: erp
    to: [weni, omni]
    when: %s
    contact: {name: =record.n, phones: =record.f, opt_out: record.sair, labels: [A], retired: [B]}
    only: {omni: {labels: [C]}}
    on_unmatch: %s
`
	for _, c := range []struct{ when, rec, leaving, problem string }{
		{"record.ativo", `{"ativo": true}`, "stays", ""},
		{"=record.ativo", `{"ativo": "S"}`, "stays", ""},
		{"true", `{}`, "stays", ""},
		{"record.ativo", `{"ativo": false, "f": "84 99000-0101", "sair": "S"}`, "leaves", ""},
		{"record.ativo and record.x", `{"ativo": 0}`, "leaves", ""},
		{"record.situacao.ativo", `{"n": "Ana"}`, "fatal", "mappings.yaml:5:11 when: record.situacao is absent: nothing is changed until it is known (fatal)"},
		{"record.ativo", `{"ativo": null}`, "fatal", "mappings.yaml:5:11 when: the condition comes out empty: nothing is changed until it is known (fatal)"},
		{"record.ativo", `{"ativo": "sempre"}`, "fatal", "mappings.yaml:5:11 when: record.ativo is text, not true or false: compare it with something; to choose what is filled write first(a, b) (fatal)"},
		{"len(record.n) > 0", `{"n": 1}`, "fatal", "mappings.yaml:5:15 when: record.n is a number and has no length (fatal)"},
	} {
		got := load(t, fmt.Sprintf(text, c.when, "unlabel")).Map("erp", record(t, c.rec), noon)[0]
		state := "stays"
		if got.Leaving {
			state = "leaves"
		}
		if got.Fatal() {
			state = "fatal"
			if got.Name.State != contact.Absent || len(got.Labels) > 0 {
				t.Errorf("%s of %s is fatal and says %+v", c.when, c.rec, got)
			}
		}
		if state != c.leaving || problems(got) != c.problem {
			t.Errorf("%s of %s: %s %s", c.when, c.rec, state, problems(got))
		}
	}
	left := load(t, fmt.Sprintf(text, "record.ativo", "unlabel")).Map("erp", record(t, `{"ativo": false, "n": "Ana", "f": "84 99000-0101", "sair": "S"}`), noon)[0]
	if fmt.Sprint(left.Labels, left.Only["omni"].Labels) != "map[A:false B:false] map[C:false]" || left.Removed || left.Name.State != contact.Absent {
		t.Errorf("%+v", left)
	}
	if left.OptOut != contact.Yes || len(left.Phones) != 1 {
		t.Error("a refusal counts even where the record stands for nobody")
	}
	kept := load(t, fmt.Sprintf(text, "record.ativo", "keep")).Map("erp", record(t, `{"ativo": false}`), noon)[0]
	if !kept.Leaving || len(kept.Labels)+len(kept.Only) > 0 {
		t.Errorf("%+v", kept)
	}
}

func TestLeave(t *testing.T) {
	plan := load(t, `mappings:
  - {name: a, from: erp, to: weni, contact: {phones: =record.f, labels: [A, {pick: =record.x, from: {x: X, y: Y}}], retired: [B]}}
  - {name: b, from: erp, to: [weni, omni], on_delete: keep, contact: {phones: =record.f, labels: [C]}, only: {omni: {labels: [D]}}}
  - {name: c, from: erp, to: weni, on_delete: block, contact: {phones: =record.f, labels: [E]}}
`)
	got := plan.Leave("erp")
	if len(got) != 3 || plan.Leave("other") != nil {
		t.Fatalf("%+v", got)
	}
	for i, want := range []string{"a 0 map[A:false B:false X:false Y:false] map[]", "b 1 map[] map[]", "c 2 map[E:false] map[]"} {
		c := got[i]
		if s := fmt.Sprint(c.Mapping, " ", c.Rank, " ", c.Labels, " ", c.Only); s != want || !c.Leaving || !c.Removed {
			t.Errorf("%s, want %s", s, want)
		}
	}
}

func TestOnly(t *testing.T) {
	plan := load(t, `mappings:
  - name: m
    from: erp
    to: [weni, omni]
    contact:
      name: =record.n
      phones: =record.f
      labels: [A]
      fields: {cidade: =record.c}
    only:
      weni:
        name: =upper(record.n)
        labels: [{label: B, when: record.b}]
        fields: {cidade: =upper(record.c), url: {value: =record.u, type: text, write: if_empty}, n: {value: =record.c, type: numeric}}
`)
	c := plan.Map("erp", record(t, `{"n": "Ana", "c": "Natal", "b": true, "f": []}`), noon)[0]
	weni, omni := c.For("weni"), c.For("omni")
	if weni.Name.Value != "ANA" || omni.Name.Value != "Ana" || weni.Fields["cidade"].Value != "NATAL" || omni.Fields["cidade"].Value != "Natal" || !weni.Labels["A"] || !weni.Labels["B"] || omni.Labels["B"] {
		t.Errorf("%+v\n%+v", weni, omni)
	}
	if want := "mappings.yaml:14:110 only.weni.fields.n: this text is no plain number: write number_br(…) if it is one as people write it"; problems(c) != want {
		t.Error(problems(c))
	}
	labels, fields := plan.Managed("weni")
	if fmt.Sprint(labels) != "[A B]" || len(fields) != 3 || fields["url"].Write != contact.IfEmpty || fields["n"].Type != contact.NumericField {
		t.Errorf("%v %+v", labels, fields)
	}
	if labels, fields := plan.Managed("omni"); fmt.Sprint(labels) != "[A]" || len(fields) != 1 {
		t.Errorf("%v %+v", labels, fields)
	}
}

// TestEach is about several people in one record: each keeps its own place whatever happens to the others.
func TestEach(t *testing.T) {
	plan := load(t, `mappings:
  - {name: m, from: erp, to: weni, each: =record.p, when: item.ativo ?? true, contact: {name: =item.n, phones: =item.f, labels: [A], fields: {dono: =record.dono}}}
`)
	parts := func(rec string) string {
		var b strings.Builder
		for _, c := range plan.Map("erp", record(t, rec), noon) {
			fmt.Fprintf(&b, "%s=%s%v ", c.Part, c.Name.Value, map[bool]string{true: "!"}[c.Fatal()])
		}
		return b.String()
	}
	both := parts(`{"p": [{"id": 7, "n": "Ana"}, {"n": "Bia", "f": "84 99000-0101"}], "dono": "x"}`)
	moved := parts(`{"p": [null, {"n": "Bia", "f": "+55 84 9000-0101"}, {"id": 7, "n": "Ana"}]}`)
	bia := strings.Fields(both)[1]
	if !strings.HasPrefix(both, "7=Ana ") || moved != bia+" 7=Ana " {
		t.Errorf("%s / %s", both, moved)
	}
	if got := parts(`{"p": [{"id": 7, "n": "Ana"}, {"id": 7, "n": "Bia"}, {"n": "Cid"}]}`); got != "7=Ana 7-2=Bia! row-3=Cid! " {
		t.Error(got)
	}
	if got := plan.Map("erp", record(t, `{"p": [{"id": 1, "ativo": false, "n": "Ana"}]}`), noon); !got[0].Leaving || got[0].Part != "1" {
		t.Errorf("%+v", got)
	}
	if got := plan.Map("erp", record(t, `{"p": null}`), noon); len(got) != 1 || !got[0].Leaving || got[0].Part != "" {
		t.Errorf("%+v", got)
	}
	for rec, want := range map[string]string{
		`{}`:         "mappings.yaml:2:43 each: record.p is absent: nothing is changed until it is known (fatal)",
		`{"p": "x"}`: "mappings.yaml:2:43 each: this is text, not a list (fatal)",
		`{"p": {}}`:  "mappings.yaml:2:43 each: this is an object, not a list (fatal)",
	} {
		if got := plan.Map("erp", record(t, rec), noon); len(got) != 1 || problems(got[0]) != want {
			t.Errorf("%s: %+v", rec, got)
		}
	}
}

func TestConsent(t *testing.T) {
	for _, c := range []struct {
		expr, value string
		want        contact.Tri
		fatal       bool
	}{
		{"record.v", `true`, contact.Yes, false}, {"record.v", `"S"`, contact.Yes, false}, {"record.v", `0`, contact.No, false}, {"record.v", `"false"`, contact.No, false},
		{"record.v", `null`, contact.Unsaid, false}, {"record.v", `""`, contact.Unsaid, false}, {"record.x", `1`, contact.Unsaid, false},
		{"record.v", `"talvez"`, contact.Unsaid, true}, {"record.v", `[]`, contact.Unsaid, true}, {"record.v", `2`, contact.Unsaid, true},
		{`record.v == "descadastrado"`, `"descadastrado"`, contact.Yes, false}, {`record.v == "descadastrado"`, `"ativo"`, contact.No, false},
		// An empty field is no consent, whatever it is compared with.
		{`record.v == "descadastrado"`, `null`, contact.Unsaid, false}, {`record.v == "descadastrado"`, `""`, contact.Unsaid, false}, {`record.v == "descadastrado"`, `0`, contact.Unsaid, true}, {`record.v == "descadastrado"`, `false`, contact.Unsaid, true},
		{`record.v in ["sair", "parar"]`, `"sair"`, contact.Yes, false}, {`record.v in ["sair", "parar"]`, `null`, contact.Unsaid, false}, {`record.v in ["sair", "parar"]`, `true`, contact.Unsaid, true},
		{`any(record.v, # == "sair")`, `[null, ""]`, contact.Unsaid, false}, {`replace(record.v, "x", "") == "sair"`, `"x"`, contact.Unsaid, false},
		{`any(record.v, .canal == "whatsapp" and .status == "recusado")`, `[{"canal": "whatsapp", "status": "recusado"}]`, contact.Yes, false},
		{`any(record.v, .canal == "whatsapp" and .status == "recusado")`, `[{"canal": "whatsapp"}]`, contact.Unsaid, false},
	} {
		got := person1(t, "phones: =record.f\nopt_out: "+singleQuoted(c.expr), `{"v": `+c.value+`}`)
		if got.OptOut != c.want || got.Fatal() != c.fatal {
			t.Errorf("%s of %s: %v %s", c.expr, c.value, got.OptOut, problems(got))
		}
	}
}

// TestWordsInPortuguese reads what a Portuguese reader is told at run time.
func TestWordsInPortuguese(t *testing.T) {
	plan, found := Load("m.yaml", []byte(completed(`mappings:
  - name: m
    from: erp
    to: weni
    when: record.ativo
    contact: {phones: =record.f, name: =record.n, fields: {a: {value: '=record.n > 5 ? 1 : 2', type: numeric}}}
`)), Options{Lookup: environment, Language: "pt_BR.UTF-8"})
	if plan == nil {
		t.Fatal(found)
	}
	for rec, want := range map[string]string{
		`{"n": "Ana"}`: "m.yaml:5:11 when: record.ativo está ausente: nada muda até que se saiba (fatal)",
		`{"ativo": true, "n": "a\nb", "f": "9000-0101"}`: "m.yaml:6:24 phones: o número 1 não é usado: não tem DDD\n" +
			"m.yaml:6:41 name: o nome contém quebras de linha ou caracteres de controle: escreva squeeze(…) em volta\n" +
			"m.yaml:6:73 fields.a: record.n é um texto que não é número simples e 5 é um número: escreva number_br(record.n) para \"1.234,56\", text(5) para comparar palavras",
	} {
		if got := problems(plan.Map("erp", record(t, rec), noon)[0]); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	for reason := range phoneReasons {
		if m := phoneReason(reason); m.in("pt") == m.in("en") || m.in("pt") == "" {
			t.Errorf("%s has no Portuguese", reason)
		}
	}
}

// TestDefaults is about numbers and dates that lean on the place a file speaks of.
func TestDefaults(t *testing.T) {
	plan := load(t, `defaults: {country: PT, timezone: Europe/Lisbon}
sources:
  erp: {kind: generic, webhook: {auth: none}, record: {id: id}}
mappings:
  - {name: m, from: erp, to: weni, contact: {phones: =record.f, fields: {d: {value: =date_br(record.d), type: datetime}, hoje: {value: =today, type: datetime}}}}
`)
	c := plan.Map("erp", record(t, `{"f": "912 345 678", "d": "01/07/2026 09:00"}`), time.Date(2026, 7, 1, 23, 30, 0, 0, time.UTC))[0]
	if len(c.Phones) != 1 || c.Phones[0].Digits != "351912345678" || c.Phones[0].Line != contact.Mobile {
		t.Errorf("%+v %s", c.Phones, problems(c))
	}
	if c.Fields["d"].Value != "2026-07-01T09:00:00+01:00" || c.Fields["hoje"].Value != "2026-07-02T12:00:00+01:00" {
		t.Errorf("%+v", c.Fields)
	}
	area := load(t, `defaults: {area: "84"}
sources:
  erp: {kind: generic, webhook: {auth: none}, record: {id: id}}
  rio: {kind: generic, webhook: {auth: none}, record: {id: id}, area: "21"}
mappings:
  - {name: a, from: erp, to: weni, contact: {phones: =record.f}}
  - {name: b, from: rio, to: weni, contact: {phones: =record.f}}
`)
	for source, want := range map[string]string{"erp": "5584990000101", "rio": "5521990000101"} {
		if p := area.Map(source, record(t, `{"f": "99000-0101"}`), noon)[0].Phones; len(p) != 1 || p[0].Digits != want || !p[0].AreaAssumed {
			t.Errorf("%s: %+v", source, p)
		}
	}
}

// TestConcurrentMap runs one plan in many goroutines; the race detector watches.
func TestConcurrentMap(t *testing.T) {
	plan, rec := load(t, shop), record(t, person)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if c := plan.Map("erp", rec, noon); c[0].Name.Value != "MARINA QUARESMA LOPES" {
					t.Errorf("%+v", c)
				}
			}
		})
	}
	wg.Wait()
}
