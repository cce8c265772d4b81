package mapping

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"syncer/internal/contact"
)

// draft is one mapping as it stands in the file, before its expressions are compiled.
type draft struct {
	Name   string
	From   string
	To     []string
	Policy contact.Policy

	when, each, name, language, phones, emails, optOut, labels, retired, fields, only *yaml.Node

	node     *yaml.Node
	keys     section
	hasEach  bool
	rowsOf   []string // the path of each:, when it is one
	labelled []labelUse
	fielded  []fieldUse
	meaning  []string // what the hash is made of
}

// fieldUse is one place where a mapping writes a field.
type fieldUse struct {
	key    string
	target string
	typ    contact.FieldType
	says   string // the expression or text, to find two that say the same
	at     spot
}

func (d *draft) table() []key {
	p := &d.Policy
	return []key{
		{name: "name", must: true, value: text(&d.Name), doc: "The name of the mapping, for messages and for what is remembered of it. Keep it when you change the rest."},
		{name: "from", must: true, value: text(&d.From), doc: "The source whose records it reads."},
		{name: "to", must: true, value: textsValue{to: &d.To}, doc: "The target or targets that it writes to."},
		{name: "when", value: nodeValue{&d.when, formExpression}, doc: "Which records it is for: an expression without `=`. A record that no longer fits leaves as `on_unmatch` says; one for which it cannot be known changes nothing."},
		{name: "each", value: nodeValue{&d.each, formEach}, doc: "The list of people within one record: `=record.contatos`. The expressions then see each row as `item`."},
		{name: "contact", must: true, value: groupValue{owner: words("contact", "contact"), keys: d.contactTable}, doc: "What the record says about the person."},
		{name: "only", value: nodeValue{&d.only, formOnly}, doc: "What is said in one target only: `only: {weni: {fields: {…}}}`."},
		{name: "mode", value: choice(&p.Mode, contact.UpsertMode, contact.UpdateOnly, contact.CreateOnly), doc: "Whether contacts are created and changed (`upsert`), only changed, or only created. `upsert` when not said."},
		{name: "on_unmatch", value: choice(&p.OnUnmatch, contact.LeaveUnlabel, contact.LeaveKeep), doc: "When `when` no longer holds: take this mapping's labels away (`unlabel`) or change nothing (`keep`). `unlabel` when not said."},
		{name: "on_delete", value: choice(&p.OnDelete, contact.LeaveUnlabel, contact.LeaveKeep, contact.LeaveBlock, contact.LeaveDelete), doc: "When the record is deleted: `unlabel`, `keep`, `block` or `delete` the contact. `unlabel` when not said; `delete` acts only on contacts that syncer created."},
		{name: "delete_adopted", value: flagValue{&p.DeleteAdopted}, doc: "Whether `on_delete: delete` may also delete contacts that were there before syncer."},
		{name: "on_gone", value: text(&p.OnGone, contact.Tombstone, contact.Recreate), doc: "When somebody deleted the contact by hand: leave it so (`tombstone`) or create it again. `tombstone` when not said."},
		{name: "adopt", value: text(&p.Adopt, contact.AdoptAlways, contact.AdoptSameName, contact.AdoptNever), doc: "Whether a contact that is there with the same number is taken for the same person. `always` when not said."},
		{name: "on_duplicate", value: text(&p.OnDuplicate, contact.UseActive, contact.Report), doc: "When there are several contacts for one person: use the active one, or only report. `active` when not said."},
		{name: "shared_phone", value: text(&p.SharedPhone, contact.Report, contact.UseFirst, contact.UseNewest), doc: "When several records have one number: `report`, or let the `first` or the `newest` have it. `report` when not said."},
	}
}

func (d *draft) contactTable() []key {
	return []key{
		{name: "name", value: nodeValue{&d.name, formValue}, doc: "The name of the person, at most 100 characters."},
		{name: "language", value: nodeValue{&d.language, formValue}, doc: "The language as an ISO 639-3 code such as `por`. It is written only where the target has none, unless `write` says otherwise."},
		{name: "phones", value: nodeValue{&d.phones, formValues}, doc: "The numbers: text, lists or rows of `{value, primary}`, in any mix. The first mobile number is the identity."},
		{name: "emails", value: nodeValue{&d.emails, formValues}, doc: "The e-mail addresses, in the same forms."},
		{name: "opt_out", value: nodeValue{&d.optOut, formExpression}, doc: "Whether the person refuses messages: an expression without `=`. What is absent or empty says nothing; a word that is neither yes nor no stops the record."},
		{name: "labels", value: nodeValue{&d.labels, formLabels}, doc: "The groups or tags that the person belongs to: a text; `{label, when}`; or `{pick, from}` for exactly one of a closed set."},
		{name: "retired", value: nodeValue{&d.retired, formTexts}, doc: "Labels that this mapping used to give and that are now taken away."},
		{name: "fields", value: nodeValue{&d.fields, formFields}, doc: "Custom fields: a value, or `{value, type, write, blank}`."},
	}
}

// choice is a text of one of the domain's own types.
func choice[T ~string](to *T, options ...T) textValue {
	list := make([]string, len(options))
	for i, o := range options {
		list[i] = string(o)
	}
	return textValue{set: func(said string) { *to = T(said) }, options: list}
}

func (l *loader) mapping(n *yaml.Node) {
	d := &draft{node: n, Policy: contact.DefaultPolicy()}
	keys := d.table()
	d.keys = l.section(n, words("a mapping", "um mapeamento"), keys)
	l.required(d.keys, keys, "")
	l.drafts = append(l.drafts, d)
}

// compile turns a draft into a mapping that runs, and checks it against sources and targets.
func (l *loader) compile(d *draft) {
	m := &compiled{rank: len(l.plan.compiled), policy: d.Policy, language: l.opts.Language}
	l.checkNames(d)
	source := l.sourceNamed(d.From)
	m.rules = contact.PhoneRules{Country: l.plan.Defaults.Country, Area: or(source.Area, l.plan.Defaults.Area), Numbering: Numbering()}
	m.zone = l.plan.Location
	if d.each != nil {
		d.says("each")
		m.each = l.each(d)
	}
	if d.when != nil {
		d.says("when")
		m.when = l.condition(d, d.when, false)
	}
	if d.optOut != nil {
		d.says("opt_out")
		m.optOut = l.condition(d, d.optOut, true)
	}
	m.phones = l.values(d, d.phones, "phones")
	m.emails = l.values(d, d.emails, "emails")
	m.all = l.attributes(d, "", d.name, d.language, d.labels, d.fields)
	for _, node := range l.texts(d.retired) {
		if label, ok := l.literal(node); ok {
			d.says("retired", label)
			d.labelled = append(d.labelled, labelUse{label: label, retired: true, at: spotOf(node)})
			m.retired = append(m.retired, label)
		}
	}
	m.only = l.only(d)
	l.checkLabels(d)
	l.checkFields(d)
	l.checkTargets(d, m)
	m.info = d.info(m, l.where(d.node))
	m.usesToday = slices.ContainsFunc(m.programs(), func(p *program) bool { return p.usesToday })
	l.plan.compiled = append(l.plan.compiled, m)
	l.plan.Mappings = append(l.plan.Mappings, m.info)
}

// says adds to what the hash is made of.
func (d *draft) says(parts ...string) { d.meaning = append(d.meaning, parts...) }

func (l *loader) sourceNamed(name string) Source {
	s, _ := l.plan.Source(name)
	return s
}

// texts are the nodes of one text or of a list of them.
func (l *loader) texts(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil || l.broken[n]:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

// literal is a text that may not be an expression.
func (l *loader) literal(n *yaml.Node) (string, bool) {
	if l.broken[n] {
		return "", false
	}
	said, ok := l.scalar(n)
	if !ok {
		return "", false
	}
	if forgotten(said) || strings.HasPrefix(said, "=") && !strings.HasPrefix(said, "==") {
		l.fail(spotOf(n), "", words("the names of labels are fixed, so that they can be taken away again: choose among them with {label: …, when: …} or {pick: …, from: …}",
			"os nomes de etiquetas são fixos, para que possam ser retiradas: escolha entre elas com {label: …, when: …} ou {pick: …, from: …}"))
		return "", false
	}
	said, _ = l.expand(n, strings.TrimPrefix(said, "="), false)
	return strings.TrimSpace(said), true
}

// expression compiles the text of a node from a certain character on.
func (l *loader) expression(d *draft, n *yaml.Node, skip int, consent bool) *program {
	text := string([]rune(n.Value)[skip:])
	c := &compiler{consent: consent, each: d.hasEach, rowsOf: d.rowsOf, expand: func(literal string) string {
		expanded, _ := l.expand(n, literal, false)
		return expanded
	}}
	p := &program{text: strings.TrimSpace(text), file: l.name, places: l.places(n)[skip:]}
	p.run = c.compile(text)
	p.usesToday, p.reads, p.slots = c.today, c.reads, c.slots
	for _, f := range c.faults {
		at, hint := spotBetween(p.places, f.from, f.to), ""
		for _, fix := range c.fixes {
			if fix.from == f.from && fix.to == f.to {
				hint = l.rewritten(at, fix.by)
			}
		}
		l.fail(at, hint, f.say)
	}
	for _, w := range c.warnings {
		l.warn(spotBetween(p.places, w.from, w.to), "", w.say)
	}
	d.says(c.canonical)
	if p.run == nil || len(c.faults) > 0 {
		return nil
	}
	return p
}

// condition compiles when and opt_out, which are expressions without =. One with it is understood.
func (l *loader) condition(d *draft, n *yaml.Node, consent bool) *program {
	if l.broken[n] {
		return nil
	}
	said, ok := l.scalar(n)
	if !ok {
		return nil
	}
	skip := 0
	if strings.HasPrefix(said, "=") {
		skip = 1
	}
	return l.expression(d, n, skip, consent)
}

// each compiles the list of people within a record.
func (l *loader) each(d *draft) *program {
	if !l.formula(d.each) {
		if !l.broken[d.each] {
			l.needsEquals(d.each, words("each takes an expression", "each recebe uma expressão"))
		}
		d.hasEach = true
		return nil
	}
	p := l.expression(d, d.each, 1, false)
	d.hasEach = true
	if p != nil && len(p.reads) == 1 {
		d.rowsOf = append(slices.Clone(p.reads[0].path), "[]")
	}
	return p
}

// formula reports whether a node holds an expression: a text that begins with one =.
func (l *loader) formula(n *yaml.Node) bool {
	return !l.broken[n] && n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, "=") && !strings.HasPrefix(n.Value, "==")
}

// needsEquals reports a literal where only an expression makes sense.
func (l *loader) needsEquals(n *yaml.Node, m message) {
	hint := ""
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		hint = l.withEquals(n)
	}
	l.fail(spotOf(n), hint, words("%s: begin it with =", "%s: comece com =", m))
}

// withEquals is the line with = before a value, and in quotes if it needs them.
func (l *loader) withEquals(n *yaml.Node) string {
	fixed := "=" + n.Value
	if strings.ContainsAny(fixed, `:#"'{}[],`) {
		fixed = singleQuoted(fixed)
	}
	return l.rewritten(spotOf(n), fixed)
}

// mentionsRecord finds the beginning of a path into the record.
var mentionsRecord = regexp.MustCompile(`\b(?:record|item)\s*(?:\?\.|\.|\[)|^today$`)

// forgotten reports a text that was meant to be an expression: it reads the record, and nobody writes such
// sentences.
func forgotten(said string) bool {
	if !mentionsRecord.MatchString(said) {
		return false
	}
	_, err := parse(said)
	return err == nil
}

// value compiles a literal or an expression into an attribute.
func (l *loader) value(d *draft, n *yaml.Node, a *attr) bool {
	if l.broken[n] {
		return false
	}
	if l.formula(n) {
		a.program = l.expression(d, n, 1, false)
		a.where = l.where(n)
		return a.program != nil
	}
	said, ok := l.scalar(n)
	if !ok {
		return false
	}
	if trimmed := strings.TrimLeft(said, " \t\n"); trimmed != said && strings.HasPrefix(trimmed, "=") {
		l.fail(spotOf(n), "", words("a blank stands before the =: without it this is an expression, with it a text for everybody", "há um espaço antes do =: sem ele isto é uma expressão, com ele um texto igual para todos"))
		return false
	}
	if forgotten(said) {
		l.fail(spotOf(n), l.withEquals(n), words("this would write the text %q for everybody: begin it with = to take the value from the record",
			"isto escreveria o texto %q para todos: comece com = para tomar o valor do registro", said))
		return false
	}
	literal, _ := l.expand(n, strings.TrimPrefix(said, "="), false)
	a.literal, a.where = literal, l.where(n)
	d.says("literal", literal)
	return true
}

// values compiles phones or emails: one expression or a list of them.
func (l *loader) values(d *draft, n *yaml.Node, what string) (programs []*program) {
	if n == nil {
		return nil
	}
	d.says(what)
	for _, node := range l.texts(n) {
		switch {
		case l.broken[node]:
		case l.formula(node):
			if p := l.expression(d, node, 1, false); p != nil {
				programs = append(programs, p)
			}
		case node.Kind == yaml.ScalarNode && node.Tag != "!!null":
			l.needsEquals(node, words("%s would be the same for everybody", "%s seria igual para todos", what))
		default:
			l.scalar(node)
		}
	}
	return programs
}

// attributes compiles what can be said for all targets or for one.
func (l *loader) attributes(d *draft, target string, name, language, labels, fields *yaml.Node) attributes {
	prefix := ""
	if target != "" {
		prefix = "only." + target + "."
	}
	var as attributes
	if name != nil {
		as.name = l.attribute(d, name, attr{path: prefix + "name", write: contact.Overwrite, blank: contact.BlankKeep, check: checkName})
	}
	if language != nil {
		as.language = l.attribute(d, language, attr{path: prefix + "language", write: contact.IfEmpty, blank: contact.BlankKeep, check: checkLanguage})
	}
	if labels != nil {
		as.labels = l.labels(d, target, prefix, labels)
	}
	if fields != nil {
		l.pairs(fields, func(k, v *yaml.Node) {
			a := l.attribute(d, v, attr{path: prefix + "fields." + k.Value, key: k.Value, typ: contact.TextField, write: contact.Overwrite, blank: contact.BlankKeep, check: checkField})
			if a != nil {
				as.fields = append(as.fields, a)
				d.fielded = append(d.fielded, fieldUse{key: k.Value, target: target, typ: a.typ, says: sayingOf(v), at: spotOf(k)})
			}
		})
	}
	return as
}

// sayingOf is what a value says, to find two that say the same.
func sayingOf(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "value" {
				return n.Content[i+1].Value
			}
		}
	}
	return n.Value
}

// attribute compiles a value, or a group of a value and how it is written.
func (l *loader) attribute(d *draft, n *yaml.Node, a attr) *attr {
	if n.Kind == yaml.MappingNode {
		var value *yaml.Node
		keys := attributeTable(&a, &value)
		s := l.section(n, words("%s", "%s", a.path), keys)
		l.required(s, keys, "")
		if value == nil {
			return nil
		}
		if a.key == "" && s.has("type") {
			l.fail(s.at("type"), "", words("%s has no type", "%s não tem tipo", a.path))
		}
		n = value
		a.typed = s.has("type")
	}
	if !l.value(d, n, &a) {
		return nil
	}
	d.says(a.path, string(a.typ), string(a.write), string(a.blank))
	if a.program == nil {
		v, m := a.check(&a, a.literal, l.plan.Location)
		if !m.isZero() {
			l.fail(spotOf(n), "", m)
			return nil
		}
		a.fixed = v
		return &a
	}
	l.hintType(n, a)
	return &a
}

// attributeTable are the keys of a value that says more than itself.
func attributeTable(a *attr, value **yaml.Node) []key {
	return []key{
		{name: "value", must: true, value: nodeValue{value, formValue}, doc: "The value: a literal, or an expression that begins with `=`."},
		{name: "type", value: choice(&a.typ, contact.TextField, contact.NumericField, contact.DatetimeField), doc: "For fields: how the target reads it, `text`, `numeric` or `datetime`. `text` when not said."},
		{name: "write", value: choice(&a.write, contact.Overwrite, contact.IfEmpty, contact.KeepEdits), doc: "`overwrite`: the record always wins. `if_empty`: only where nothing stands. `keep_edits`: what somebody changed in the target stays until the record changes."},
		{name: "blank", value: choice(&a.blank, contact.BlankKeep, contact.BlankClear), doc: "What an empty value does: `keep` what stands there, or `clear` it. `keep` when not said."},
	}
}

// hintType warns of a date or number that would be written as text.
func (l *loader) hintType(n *yaml.Node, a attr) {
	if a.typ != contact.TextField || a.typed || a.key == "" {
		return
	}
	call := strings.TrimPrefix(strings.TrimSpace(n.Value), "=")
	for prefix, typ := range map[string]contact.FieldType{"date_br(": contact.DatetimeField, "date(": contact.DatetimeField, "number_br(": contact.NumericField} {
		if strings.HasPrefix(call, prefix) {
			hint := ""
			if n.Style == 0 && n.Column > 1 && !strings.Contains(n.Value, "\n") {
				hint = l.rewritten(spotOf(n), "{value: "+singleQuoted(n.Value)+", type: "+string(typ)+"}")
			}
			l.warn(spotOf(n), hint, words("%s is written as text: say {value: …, type: %s} to make it one the target can compare", "%s é escrito como texto: diga {value: …, type: %s} para que o destino possa compará-lo", a.path, string(typ)))
		}
	}
}

// only compiles what is said for single targets.
func (l *loader) only(d *draft) map[string]attributes {
	if d.only == nil {
		return nil
	}
	only := map[string]attributes{}
	l.pairs(d.only, func(k, v *yaml.Node) {
		if !l.optionAt(k, d.To, words("target of this mapping", "destino deste mapeamento")) {
			return
		}
		var name, language, labels, fields *yaml.Node
		l.section(v, words("only.%s", "only.%s", k.Value), onlyTable(&name, &language, &labels, &fields))
		only[k.Value] = l.attributes(d, k.Value, name, language, labels, fields)
	})
	return only
}

func onlyTable(name, language, labels, fields **yaml.Node) []key {
	return []key{
		{name: "name", value: nodeValue{name, formValue}, doc: "The name in this target."},
		{name: "language", value: nodeValue{language, formValue}, doc: "The language in this target."},
		{name: "labels", value: nodeValue{labels, formLabels}, doc: "More labels, in this target only."},
		{name: "fields", value: nodeValue{fields, formFields}, doc: "More fields, or other values, in this target only."},
	}
}

// info is what can be told of a mapping without a record.
func (d *draft) info(m *compiled, where string) MappingInfo {
	info := MappingInfo{Name: d.Name, From: d.From, To: d.To, Retired: m.retired, Fields: map[string]contact.Field{}, Each: d.each != nil, Policy: d.Policy, Position: where}
	info.Labels = labelNames(m.all.labels)
	for _, a := range m.all.fields {
		info.Fields[a.key] = a.field()
	}
	for target, as := range m.only {
		if info.Only == nil {
			info.Only = map[string]TargetInfo{}
		}
		one := TargetInfo{Labels: labelNames(as.labels), Fields: map[string]contact.Field{}}
		for _, a := range as.fields {
			one.Fields[a.key] = a.field()
		}
		info.Only[target] = one
	}
	return info
}
