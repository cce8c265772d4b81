package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"syncer/internal/contact"
)

// CaseResult is the outcome of one test case of a mapping.
type CaseResult struct {
	Name     string            `json:"name"`
	Position string            `json:"position"` // file:line:column
	Passed   bool              `json:"passed"`
	Diff     string            `json:"diff,omitempty"` // what was expected and what came instead, line by line
	Contacts []contact.Contact `json:"-"`
}

// testCase is one case of a file of cases.
type testCase struct {
	name, source, file, today string
	payload, expect           *yaml.Node
	node                      *yaml.Node
}

func (t *testCase) table() []key {
	return []key{
		{name: "name", must: true, value: text(&t.name), doc: "What the case shows."},
		{name: "source", must: true, value: text(&t.source), doc: "The source that the record comes from."},
		{name: "payload", value: nodeValue{&t.payload, formAnything}, doc: "The record, as YAML or as JSON."},
		{name: "file", value: text(&t.file), doc: "A file with the record as JSON, instead of `payload`."},
		{name: "today", value: text(&t.today), doc: "The day on which it is mapped, such as `2026-11-20`, for mappings that use `today`."},
		{name: "expect", must: true, value: nodeValue{&t.expect, formAnything}, doc: "The contacts that should come out, each with the parts that matter."},
	}
}

// expected is one contact that a case expects; what was not said is not compared.
type expected struct {
	mapping, part, name, language, optOut string
	phones, emails                        *yaml.Node
	labels, fields, problems, only        *yaml.Node
	leaving, fatal                        bool
	said                                  section
}

func (e *expected) table() []key {
	return []key{
		{name: "mapping", value: text(&e.mapping), doc: "The mapping that makes it."},
		{name: "part", value: text(&e.part), doc: "Which person of the record, with `each`."},
		{name: "name", value: text(&e.name), doc: "The name; `\"\"` for none."},
		{name: "language", value: text(&e.language), doc: "The language."},
		{name: "phones", value: nodeValue{&e.phones, formTexts}, doc: "The numbers, with country and area code, in order."},
		{name: "emails", value: nodeValue{&e.emails, formTexts}, doc: "The e-mail addresses, in order."},
		{name: "opt_out", value: text(&e.optOut, "yes", "no", "unsaid"), doc: "`yes`, `no` or `unsaid`."},
		{name: "labels", value: nodeValue{&e.labels, formAnything}, doc: "The labels that it must have: a list; or `{VIP: true, Lead: false, Novo: unsaid}`."},
		{name: "fields", value: nodeValue{&e.fields, formAnything}, doc: "The fields: a value, `\"\"` for one that is blank, `unsaid` for one that is not spoken of."},
		{name: "only", value: nodeValue{&e.only, formAnything}, doc: "Labels and fields of single targets: `{weni: {fields: {…}}}`."},
		{name: "leaving", value: flagValue{&e.leaving}, doc: "Whether the record does not stand for a contact."},
		{name: "fatal", value: flagValue{&e.fatal}, doc: "Whether nothing may be written from it."},
		{name: "problems", value: nodeValue{&e.problems, formTexts}, doc: "The attributes with problems, such as `phones` or `fields.cidade`, or parts of their messages; `[]` for none."},
	}
}

// RunCases maps the records of a file of cases and compares what comes out. Paths of the record that no case
// carries are reported as warnings at the expressions that read them: a misspelt field is absent in silence.
func RunCases(plan *Plan, name string, data []byte, opts Options) ([]CaseResult, Diagnostics) {
	f, text := newFile(name, data, opts.Language)
	l := &loader{file: f, opts: opts, plan: plan}
	root := l.parse(text)
	if root == nil {
		return nil, l.results()
	}
	var results []CaseResult
	records := map[string][]map[string]any{}
	for _, t := range l.cases(root) {
		record, ok := l.payload(t)
		if !ok || t.expect == nil {
			continue
		}
		if r, ok := l.run(plan, t, record); ok {
			results = append(results, r)
			records[t.source] = append(records[t.source], record)
		}
	}
	found := l.results()
	for _, source := range slices.Sorted(maps.Keys(records)) {
		found = append(found, plan.Unseen(source, records[source])...)
	}
	return results, found
}

func (l *loader) cases(root *yaml.Node) (cases []*testCase) {
	one := func(l *loader, n *yaml.Node) {
		t := &testCase{node: n}
		keys := t.table()
		l.required(l.section(n, words("a case", "um caso"), keys), keys, "")
		cases = append(cases, t)
	}
	if root.Kind == yaml.SequenceNode {
		listValue{one: one}.read(l, root)
		return cases
	}
	keys := []key{{name: "cases", must: true, value: listValue{one: one, keys: new(testCase).table}, doc: "The cases."}}
	l.required(l.section(root, words("the file", "o arquivo"), keys), keys, "")
	return cases
}

func (l *loader) run(plan *Plan, t *testCase, record map[string]any) (CaseResult, bool) {
	if !slices.ContainsFunc(plan.Mappings, func(m MappingInfo) bool { return m.From == t.source }) {
		l.fail(spotOf(t.node), "", words("no mapping reads the source %q", "nenhum mapeamento lê a fonte %q", t.source))
		return CaseResult{}, false
	}
	var now time.Time
	if day, ok := parseISO(t.today, plan.Location); ok {
		now = day.at
	} else if t.today != "" || plan.UsesToday(t.source) {
		l.fail(spotOf(t.node), "", words("today is missing: the mapping looks at the date, so the case must say one, such as today: 2026-11-20",
			"falta today: o mapeamento olha a data, então o caso precisa dizer uma, como today: 2026-11-20"))
		return CaseResult{}, false
	}
	r := CaseResult{Name: t.name, Position: l.where(t.node), Contacts: plan.Map(t.source, record, now)}
	r.Diff = l.compare(t, r.Contacts)
	r.Passed = r.Diff == ""
	return r, true
}

func (l *loader) payload(t *testCase) (map[string]any, bool) {
	switch {
	case t.payload != nil && t.file != "" || t.payload == nil && t.file == "":
		l.fail(spotOf(t.node), "", words("a case needs payload or file, not both", "um caso precisa de payload ou de file, não dos dois"))
		return nil, false
	case t.payload != nil && t.payload.Kind == yaml.ScalarNode:
		return l.decoded(t, []byte(t.payload.Value))
	case t.payload != nil:
		record, ok := fromYAML(t.payload).(map[string]any)
		if !ok {
			l.fail(spotOf(t.payload), "", words("a record is an object", "um registro é um objeto"))
		}
		return record, ok
	case l.opts.ReadFile == nil:
		return nil, false
	}
	data, err := l.opts.ReadFile(t.file)
	if err != nil {
		l.fail(spotOf(t.node), "", words("the file %q cannot be read", "o arquivo %q não pode ser lido", t.file))
		return nil, false
	}
	return l.decoded(t, data)
}

func (l *loader) decoded(t *testCase, data []byte) (map[string]any, bool) {
	record, err := DecodeRecord(data)
	if err != nil {
		l.fail(spotOf(t.node), "", words("the record of this case is not a JSON object", "o registro deste caso não é um objeto JSON"))
	}
	return record, err == nil
}

// fromYAML is a value as JSON would have it.
func fromYAML(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			object[n.Content[i].Value] = fromYAML(n.Content[i+1])
		}
		return object
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, fromYAML(item))
		}
		return list
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		return number(n.Value)
	}
	return n.Value
}

// compare lists what differs; nothing when all is as expected.
func (l *loader) compare(t *testCase, got []contact.Contact) string {
	nodes := l.texts(t.expect)
	if t.expect.Kind == yaml.MappingNode && len(t.expect.Content) == 2 && t.expect.Content[0].Value == "contacts" {
		nodes = l.texts(t.expect.Content[1])
	}
	var b strings.Builder
	if len(nodes) != len(got) {
		fmt.Fprintf(&b, "- %s\n+ %s\n", l.say(words("contacts: %d", "contatos: %d", len(nodes))), l.say(words("contacts: %d", "contatos: %d", len(got))))
	}
	left := slices.Clone(got)
	for _, n := range nodes {
		var e expected
		e.said = l.section(n, words("an expected contact", "um contato esperado"), e.table())
		at := slices.IndexFunc(left, func(c contact.Contact) bool {
			return (!e.said.has("mapping") || c.Mapping == e.mapping) && (!e.said.has("part") || c.Part == e.part)
		})
		if at < 0 {
			fmt.Fprintf(&b, "- %s\n", strings.TrimSpace(e.mapping+" "+e.part))
			continue
		}
		e.compare(l, &b, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return b.String()
}

func (l *loader) say(m message) string { return m.in(l.lang) }

// compare writes a pair of lines for every part that differs.
func (e *expected) compare(l *loader, b *strings.Builder, c contact.Contact) {
	line := func(what, wanted, got string) {
		if wanted != got {
			fmt.Fprintf(b, "- %s: %s\n+ %s: %s\n", what, wanted, what, got)
		}
	}
	if e.said.has("name") {
		line("name", e.name, c.Name.Value)
	}
	if e.said.has("language") {
		line("language", e.language, c.Language.Value)
	}
	if e.said.has("opt_out") {
		line("opt_out", e.optOut, [...]string{"unsaid", "no", "yes"}[c.OptOut])
	}
	if e.said.has("leaving") {
		line("leaving", fmt.Sprint(e.leaving), fmt.Sprint(c.Leaving))
	}
	if e.said.has("fatal") {
		line("fatal", fmt.Sprint(e.fatal), fmt.Sprint(c.Fatal()))
	}
	if e.phones != nil {
		var got []string
		for _, p := range c.Phones {
			got = append(got, p.Digits)
		}
		line("phones", strings.ReplaceAll(strings.Join(l.said(e.phones), ", "), "+", ""), strings.Join(got, ", "))
	}
	if e.emails != nil {
		line("emails", strings.Join(l.said(e.emails), ", "), strings.Join(c.Emails, ", "))
	}
	e.attributes(l, "", c.Attributes, e.labels, e.fields, line)
	if e.only != nil {
		l.pairs(e.only, func(target, n *yaml.Node) {
			var labels, fields, name, language *yaml.Node
			l.section(n, words("only", "only"), onlyTable(&name, &language, &labels, &fields))
			e.attributes(l, "only."+target.Value+".", c.Only[target.Value], labels, fields, line)
		})
	}
	if e.problems != nil {
		e.compareProblems(l, b, c)
	}
}

func (e *expected) attributes(l *loader, prefix string, as contact.Attributes, labels, fields *yaml.Node, line func(what, wanted, got string)) {
	of := func(label string) string {
		has, said := as.Labels[label]
		if !said {
			return "unsaid"
		}
		return fmt.Sprint(has)
	}
	switch {
	case labels == nil:
	case labels.Kind == yaml.MappingNode:
		l.pairs(labels, func(k, v *yaml.Node) { line(prefix+"labels."+k.Value, v.Value, of(k.Value)) })
	default:
		for _, label := range l.said(labels) {
			line(prefix+"labels."+label, "true", of(label))
		}
	}
	if fields == nil {
		return
	}
	for i := 0; i+1 < len(fields.Content); i += 2 {
		k, v := fields.Content[i], fields.Content[i+1]
		field, said := as.Fields[k.Value]
		got := field.Value
		if !said {
			got = "unsaid"
		}
		wanted, _ := written(fromYAML(v))
		line(prefix+"fields."+k.Value, wanted, got)
	}
}

// compareProblems wants every expected problem to be there, and none when none is expected.
func (e *expected) compareProblems(l *loader, b *strings.Builder, c contact.Contact) {
	wanted := l.said(e.problems)
	for _, w := range wanted {
		if !slices.ContainsFunc(c.Problems, func(p contact.Problem) bool { return p.Attr == w || strings.Contains(p.Message, w) }) {
			fmt.Fprintf(b, "- problem: %s\n", w)
		}
	}
	for _, p := range c.Problems {
		if len(wanted) == 0 {
			fmt.Fprintf(b, "+ problem: %s: %s\n", p.Attr, p.Message)
		}
	}
}

// said are the texts of a list in a case.
func (l *loader) said(n *yaml.Node) (all []string) {
	for _, item := range l.texts(n) {
		all = append(all, item.Value)
	}
	return all
}

// Unseen reports, as warnings at the expressions, the paths that the mappings of a source read and that none
// of the records carries: a field that is misspelt is absent, and absence says nothing.
func (p *Plan) Unseen(source string, records []map[string]any) Diagnostics {
	if len(records) == 0 {
		return nil
	}
	f := *p.text
	f.found = nil
	for _, m := range p.compiled {
		if m.info.From != source {
			continue
		}
		for _, prog := range m.programs() {
			for _, r := range prog.reads {
				missing, near := unseen(r.path, records)
				if missing == nil {
					continue
				}
				name, at, hint := read{path: missing}.String(), spotBetween(prog.places, r.from, r.to), ""
				say := words("%s is in none of the records that were looked at", "%s não está em nenhum dos registros examinados", name)
				if near != "" {
					say = words("%s is in none of the records that were looked at, did you mean %q?", "%s não está em nenhum dos registros examinados, você quis dizer %q?", name, near)
					hint = strings.Replace(f.line(at.line), stepText(missing[len(missing)-1]), stepText(near), 1)
				}
				f.warn(at, hint, say)
			}
		}
	}
	return f.results()
}

// unseen follows a path through records and returns it up to the first step that none of them has, with the
// key that was probably meant.
func unseen(path []string, records []map[string]any) (missing []string, near string) {
	var level []any
	for _, r := range records {
		level = append(level, r)
	}
	for i, step := range path {
		var next []any
		keys := map[string]bool{}
		empty := true
		for _, v := range level {
			switch x := plain(v).(type) {
			case []any:
				empty = empty && len(x) == 0
				if step == "[]" {
					next = append(next, x...)
				}
			case map[string]any:
				empty = false
				for k := range x {
					keys[k] = true
				}
				if inner, ok := x[step]; ok {
					next = append(next, inner)
				}
			case nil:
			default:
				empty = false
			}
		}
		if len(next) == 0 {
			if empty || step == "[]" {
				return nil, "" // nothing there to tell
			}
			near, _ = closest(step, slices.Collect(maps.Keys(keys)))
			return path[:i+1], near
		}
		level = next
	}
	return nil, ""
}
