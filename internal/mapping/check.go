package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"syncer/internal/contact"
)

func (l *loader) checkNames(d *draft) {
	if n := d.keys.vals["name"]; n != nil && (strings.TrimSpace(d.Name) == "" || !printable(d.Name, false) || utf8.RuneCountInString(d.Name) > 64) {
		l.fail(spotOf(n), "", words("a mapping needs a name of at most 64 characters", "um mapeamento precisa de um nome de no máximo 64 caracteres"))
	}
	if n := d.keys.vals["from"]; n != nil && d.From != "" {
		l.optionAt(n, l.sources, words("source", "fonte"))
	}
	if n := d.keys.vals["to"]; n != nil {
		for i, node := range l.texts(n) {
			if l.optionAt(node, l.targets, words("target", "destino")) && slices.Index(d.To, node.Value) < i {
				l.fail(spotOf(node), "", words("%s is said twice", "%s aparece duas vezes", node.Value))
			}
		}
	}
}

func (u fieldUse) in(d *draft, target string) bool {
	return u.target == target || u.target == "" && slices.Contains(d.To, target)
}

// checkFields judges the keys of fields and finds two that say the same.
func (l *loader) checkFields(d *draft) {
	for i, u := range d.fielded {
		for _, t := range l.plan.Targets {
			if t.Kind != "weni" || !u.in(d, t.Name) {
				continue
			}
			if m := fieldProblem(u.key); !m.isZero() {
				hint := ""
				if key := fieldKeyFor(u.key); key != u.key && !slices.Contains(reservedFields, u.key) && len(u.key) <= 36 {
					hint = l.rewritten(u.at, key)
				}
				l.fail(u.at, hint, m)
				break
			}
		}
		for _, before := range d.fielded[:i] {
			if before.target == u.target && before.says == u.says && strings.HasPrefix(u.says, "=") {
				l.warn(u.at, "", words("%s says the same as %s in line %d", "%s diz o mesmo que %s na linha %d", u.key, before.key, before.at.line))
				break
			}
		}
	}
}

// checkTargets says what a target cannot hold of this mapping, and what the mapping forgets.
func (l *loader) checkTargets(d *draft, m *compiled) {
	identified := len(m.phones) > 0
	refused := false
	for _, node := range l.texts(d.keys.vals["to"]) {
		t, known := l.plan.Target(node.Value)
		if !known || t.Kind == "" {
			continue
		}
		identified = identified || slices.Contains(t.URNs, contact.SchemeMailto) && len(m.emails) > 0
		refused = refused || t.OptOut != nil
		var lost []string
		holds := can[t.Kind]
		if !holds.labels && (len(m.all.labels) > 0 || len(m.only[t.Name].labels) > 0 || len(m.retired) > 0) {
			lost = append(lost, "labels")
		}
		if !holds.fields && (len(m.all.fields) > 0 || len(m.only[t.Name].fields) > 0) {
			lost = append(lost, "fields")
		}
		if !holds.language && (m.all.language != nil || m.only[t.Name].language != nil) {
			lost = append(lost, "language")
		}
		if len(lost) > 0 {
			l.warn(spotOf(node), "", words("%s is %s, which has no %s: that is not written there", "%s é %s, que não tem %s: isso não é escrito lá", t.Name, t.Kind, listed(lost)))
		}
	}
	if d.phones == nil && !identified && len(d.To) > 0 && d.keys.has("contact") && !l.found.HasErrors() { // phones may be what is misspelt
		l.warn(d.keys.at("contact"), "", words("without phones nobody can be found or created", "sem phones ninguém pode ser encontrado nem criado"))
	}
	if d.optOut != nil && !refused && len(d.To) > 0 {
		l.warn(spotOf(d.optOut), "", words("no target of this mapping says in opt_out what to write for a refusal", "nenhum destino deste mapeamento diz em opt_out o que escrever para uma recusa"))
	}
}

// checkTogether judges what only all mappings together can tell.
func (l *loader) checkTogether() {
	for i, d := range l.drafts {
		for _, before := range l.drafts[:i] {
			if n := d.keys.vals["name"]; n != nil && before.Name == d.Name {
				l.fail(spotOf(n), "", words("mapping %q is there twice, first in line %d: what is remembered hangs on the name", "o mapeamento %q aparece duas vezes, antes na linha %d: o que é lembrado depende do nome", d.Name, before.node.Line))
			}
			for _, t := range l.plan.Targets {
				l.checkPair(t.Name, before, d)
			}
		}
		for _, t := range l.plan.Targets {
			l.checkRefusal(t, d)
		}
	}
}

// checkPair finds where two mappings contradict each other in one target.
func (l *loader) checkPair(target string, a, b *draft) {
	for _, later := range b.labelled {
		for _, before := range a.labelled {
			if !later.in(b, target) || !before.in(a, target) || !strings.EqualFold(before.label, later.label) {
				continue
			}
			if before.retired != later.retired {
				l.fail(later.at, "", words("%q is used in one mapping and retired in another (line %d): it would come and go", "%q é usada num mapeamento e aposentada em outro (linha %d): ela iria e viria", later.label, before.at.line))
			} else if before.label != later.label {
				l.fail(later.at, "", words("%q and %q (line %d) differ only in capitals and are one group", "%q e %q (linha %d) só diferem em maiúsculas e são um só grupo", later.label, before.label, before.at.line))
			}
		}
	}
	for _, later := range b.fielded {
		for _, before := range a.fielded {
			if later.in(b, target) && before.in(a, target) && before.key == later.key && before.typ != later.typ {
				l.fail(later.at, "", words("%s is %s here and %s in line %d", "%s é %s aqui e %s na linha %d", later.key, string(later.typ), string(before.typ), before.at.line))
			}
		}
	}
}

// checkRefusal keeps mappings away from the label and field that stand for a refusal.
func (l *loader) checkRefusal(t Target, d *draft) {
	if t.OptOut == nil {
		return
	}
	for _, u := range d.labelled {
		if u.in(d, t.Name) && t.OptOut.Label != "" && strings.EqualFold(u.label, t.OptOut.Label) {
			l.fail(u.at, "", words("%q stands for refusals in %s (opt_out): a mapping may not give or take it", "%q representa recusas em %s (opt_out): um mapeamento não pode dá-la nem tirá-la", u.label, t.Name))
		}
	}
	for _, u := range d.fielded {
		if u.in(d, t.Name) && t.OptOut.Field == u.key {
			l.fail(u.at, "", words("%s stands for refusals in %s (opt_out): a mapping may not write it", "%s representa recusas em %s (opt_out): um mapeamento não pode escrevê-lo", u.key, t.Name))
		}
	}
}
