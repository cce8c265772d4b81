package mapping

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// labelUse is one place where a mapping speaks of a label; target is empty when it holds for all.
type labelUse struct {
	label   string
	target  string
	retired bool
	at      spot
}

// labels compiles the rules for labels.
func (l *loader) labels(d *draft, target, prefix string, n *yaml.Node) (rules []labelRule) {
	if l.broken[n] {
		return nil
	}
	if n.Kind == yaml.MappingNode {
		l.fail(spotOf(n), "", words("a list is needed here: every label begins with a dash", "aqui cabe uma lista: cada etiqueta começa com um hífen"))
		return nil
	}
	for _, item := range l.texts(n) {
		switch {
		case l.broken[item]:
		case item.Kind != yaml.MappingNode:
			if label, ok := l.literal(item); ok {
				rules = append(rules, labelRule{label: label})
				d.use(label, target, item)
				d.says(prefix+"label", label)
			}
		case l.colon(item):
		default:
			if rule, ok := l.labelRule(d, target, prefix, item); ok {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

func (d *draft) use(label, target string, n *yaml.Node) {
	d.labelled = append(d.labelled, labelUse{label: label, target: target, at: spotOf(n)})
}

// colon explains "- Etapa: Negociação", which is a key with a value to YAML and a label to people.
func (l *loader) colon(n *yaml.Node) bool {
	if n.Style&yaml.FlowStyle != 0 || len(n.Content) != 2 || n.Content[1].Kind != yaml.ScalarNode || slices.Contains([]string{"label", "pick", "when", "from"}, n.Content[0].Value) {
		return false
	}
	hint, _ := quoted(l.line(n.Line))
	line := l.line(n.Line)
	if at := strings.Index(line, "- "); at >= 0 {
		hint = line[:at+2] + singleQuoted(strings.TrimSpace(line[at+2:]))
	}
	l.fail(spotOf(n.Content[0]), hint, words(`a label with ": " in it needs quotes`, `uma etiqueta com ": " precisa de aspas`))
	return true
}

func labelTable(label, when, pick, from **yaml.Node) []key {
	return []key{
		{name: "label", value: nodeValue{label, formTexts}, doc: "The name of the label."},
		{name: "when", value: nodeValue{when, formExpression}, doc: "Who belongs: an expression without `=`. What is absent says nothing about the label."},
		{name: "pick", value: nodeValue{pick, formEach}, doc: "The value that chooses one label of a closed set: `=record.etapa`."},
		{name: "from", value: nodeValue{from, formFrom}, doc: "What the values mean: `{lead: Lead, customer: Cliente}`. The others of the set are taken away; an unknown value changes nothing and is reported."},
	}
}

func (l *loader) labelRule(d *draft, target, prefix string, n *yaml.Node) (rule labelRule, ok bool) {
	var label, when, pick, from *yaml.Node
	s := l.section(n, words("a label", "uma etiqueta"), labelTable(&label, &when, &pick, &from))
	rule.where = l.where(n)
	switch {
	case s.has("pick") || s.has("from"):
		return l.pickRule(d, target, prefix, s, pick, from)
	case !s.has("label"):
		if len(s.keys) > 0 || len(n.Content) == 0 {
			l.fail(s.start(), "", words("a label is a text, {label: …, when: …} or {pick: …, from: …}", "uma etiqueta é um texto, {label: …, when: …} ou {pick: …, from: …}"))
		}
		return rule, false
	case label == nil:
		return rule, false
	}
	if rule.label, ok = l.literal(label); !ok {
		return rule, false
	}
	rule.path = prefix + "labels." + rule.label
	d.use(rule.label, target, label)
	d.says(rule.path)
	if when != nil {
		rule.when = l.condition(d, when, false)
		return rule, rule.when != nil
	}
	return rule, true
}

func (l *loader) pickRule(d *draft, target, prefix string, s section, pick, from *yaml.Node) (rule labelRule, ok bool) {
	rule.where, rule.path = l.where(s.node), prefix+"labels"
	switch {
	case s.has("label") || s.has("when"):
		l.fail(s.start(), "", words("pick and from stand alone: label and when make another rule", "pick e from ficam sozinhos: label e when formam outra regra"))
		return rule, false
	case !s.has("pick") || !s.has("from"):
		l.fail(s.start(), "", words("pick and from belong together: {pick: =record.etapa, from: {lead: Lead}}", "pick e from andam juntos: {pick: =record.etapa, from: {lead: Lead}}"))
		return rule, false
	case pick == nil || from == nil:
		return rule, false
	}
	rule.from = map[string]string{}
	l.pairs(from, func(k, v *yaml.Node) {
		label, ok := l.literal(v)
		value := strings.ToLower(strings.TrimSpace(k.Value))
		if before, again := rule.from[value]; again && before != label {
			l.fail(spotOf(k), "", words("%q differs from another value only in capitals", "%q só difere de outro valor em maiúsculas", k.Value))
		}
		if !ok {
			return
		}
		rule.from[value] = label
		d.says(prefix+"pick", value, label)
		if label != "" && !slices.Contains(rule.among, label) {
			rule.among = append(rule.among, label)
			d.use(label, target, v)
		}
	})
	if !l.formula(pick) {
		if !l.broken[pick] {
			l.needsEquals(pick, words("pick takes an expression", "pick recebe uma expressão"))
		}
		return rule, false
	}
	rule.pick = l.expression(d, pick, 1, false)
	return rule, rule.pick != nil
}

// checkLabels judges the names of labels and finds those that are spoken of twice.
func (l *loader) checkLabels(d *draft) {
	for i, u := range d.labelled {
		switch {
		case u.label == "":
			l.fail(u.at, "", words("a label needs a name", "uma etiqueta precisa de um nome"))
			continue
		case !printable(u.label, false):
			l.fail(u.at, "", words("a label cannot contain line breaks or control characters", "uma etiqueta não pode conter quebras de linha nem caracteres de controle"))
		}
		for _, t := range l.plan.Targets {
			if t.Kind == "weni" && u.in(d, t.Name) {
				if m := labelProblem(u.label); !m.isZero() {
					l.fail(u.at, "", m)
					break
				}
			}
		}
		for _, before := range d.labelled[:i] {
			if !strings.EqualFold(before.label, u.label) || before.target != u.target && before.target != "" && u.target != "" {
				continue
			}
			if before.retired != u.retired {
				l.fail(u.at, "", words("%q is both used (line %d) and retired here: take one away", "%q é usada e aposentada aqui (linha %d): retire uma", u.label, before.at.line))
			} else {
				l.fail(u.at, "", words("%q is already spoken of in line %d: the two would contradict each other", "já se fala de %q na linha %d: as duas se contradiriam", u.label, before.at.line))
			}
			break
		}
	}
}

// in reports whether the label concerns a target.
func (u labelUse) in(d *draft, target string) bool {
	return u.target == target || u.target == "" && slices.Contains(d.To, target)
}

func labelNames(rules []labelRule) (names []string) {
	for _, r := range rules {
		if r.pick != nil {
			names = append(names, r.among...)
		} else {
			names = append(names, r.label)
		}
	}
	return names
}
