package mapping

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// key is one key of a section: its name, what it means to a person, and what may stand behind it. One table of
// keys serves the reader, the JSON Schema and the editor's hover text, so that they cannot drift apart.
type key struct {
	name  string
	doc   string // Markdown
	value value
	must  bool
	only  []string // the kinds of the section that have this key; empty: all
}

// value reads what stands behind a key.
type value interface {
	read(l *loader, n *yaml.Node)
}

// section is one group of keys as it was read, for checks that look at several of them.
type section struct {
	node *yaml.Node            // the group of keys
	keys map[string]*yaml.Node // the key nodes that were said
	vals map[string]*yaml.Node
	// meant are keys that were misspelt, which need not be reported as missing too.
	meant map[string]bool
}

// at is where a key stands, or the section when it was not said.
func (s section) at(name string) spot {
	if k := s.keys[name]; k != nil {
		return spotOf(k)
	}
	return s.start()
}

// value is where what is behind a key stands.
func (s section) value(name string) spot {
	if v := s.vals[name]; v != nil {
		return spotOf(v)
	}
	return s.at(name)
}

func (s section) has(name string) bool { return s.keys[name] != nil }

func (s section) start() spot { return spot{max(s.node.Line, 1), max(s.node.Column, 1), 1} }

// section reads a group of keys; owner says in words whose keys they are.
func (l *loader) section(n *yaml.Node, owner message, keys []key) section {
	s := section{node: n, keys: map[string]*yaml.Node{}, vals: map[string]*yaml.Node{}, meant: map[string]bool{}}
	if l.broken[n] {
		return s
	}
	if n.Kind != yaml.MappingNode {
		l.fail(spotOf(n), l.commented(n), words("%s needs keys here, not %s", "%s precisa de chaves aqui, não %s", owner, describe(n)))
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(keys, func(known key) bool { return known.name == k.Value })
		if at < 0 || k.Kind != yaml.ScalarNode {
			s.meant[l.unknownKey(k, owner, keys)] = true
			continue
		}
		if s.keys[k.Value] != nil {
			continue // said twice, which the parser has reported
		}
		s.keys[k.Value], s.vals[k.Value] = k, v
		switch {
		case l.broken[v]:
		case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
			l.nothing(v, spotOf(k))
		default:
			keys[at].value.read(l, v)
		}
	}
	return s
}

// required reports keys that must be said and were not.
func (l *loader) required(s section, keys []key, kind string) {
	if s.node == nil || s.node.Kind != yaml.MappingNode || l.broken[s.node] {
		return
	}
	for _, k := range keys {
		if s.has(k.name) && len(k.only) > 0 && kind != "" && !slices.Contains(k.only, kind) {
			l.fail(s.at(k.name), "", words("%s belongs to kind %s, and this is %s", "%s é do tipo %s, e este é %s", k.name, listed(k.only), kind))
		}
		if k.must && !s.has(k.name) && !s.meant[k.name] && (len(k.only) == 0 || slices.Contains(k.only, kind)) {
			l.fail(s.start(), "", words("%s is missing: %s", "falta %[1]s", k.name, plainDoc(k.doc)))
		}
	}
}

// plainDoc is the first sentence of a key's description, without Markdown.
func plainDoc(doc string) string {
	doc, _, _ = strings.Cut(doc, ". ")
	doc = strings.NewReplacer("`", "", "*", "").Replace(strings.TrimSuffix(doc, "."))
	first, size := utf8.DecodeRuneInString(doc)
	if second, _ := utf8.DecodeRuneInString(doc[size:]); unicode.IsUpper(second) {
		return doc // an abbreviation
	}
	return string(unicode.ToLower(first)) + doc[size:]
}

// unknownKey reports a key that does not exist, and returns the one that was probably meant.
func (l *loader) unknownKey(k *yaml.Node, owner message, keys []key) string {
	var names []string
	for _, known := range keys {
		names = append(names, known.name)
	}
	near, ok := closest(k.Value, names)
	if english := inEnglish[strings.ToLower(k.Value)]; slices.Contains(names, english) {
		near, ok = english, true
	}
	if ok && k.Kind == yaml.ScalarNode {
		l.fail(spotOf(k), l.rewritten(spotOf(k), near), words("%s has no key %q, did you mean %q?", "%s não tem a chave %q, você quis dizer %q?", owner, k.Value, near))
		return near
	}
	if where, ok := elsewhere[k.Value]; ok && k.Kind == yaml.ScalarNode {
		l.fail(spotOf(k), "", words("%s has no key %q: it belongs under %s", "%s não tem a chave %q: ela fica em %s", owner, k.Value, where))
		return ""
	}
	slices.Sort(names)
	l.fail(spotOf(k), "", words("%s has no key %q; it has %s", "%s não tem a chave %q; tem %s", owner, k.Value, strings.Join(names, ", ")))
	return ""
}

// inEnglish are keys as people write them in their own language, or in the words of the systems they know.
var inEnglish = map[string]string{
	"nome": "name", "idioma": "language", "telefone": "phones", "telefones": "phones", "fones": "phones", "celular": "phones",
	"etiquetas": "labels", "grupos": "labels", "groups": "labels", "tags": "labels", "campos": "fields", "custom_fields": "fields",
}

// elsewhere are keys that people put one level too high or too low.
var elsewhere = map[string]string{
	"name": "contact:", "language": "contact:", "phones": "contact:", "emails": "contact:", "opt_out": "contact:", "labels": "contact:",
	"retired": "contact:", "fields": "contact:", "country": "defaults:", "timezone": "defaults:",
	"when": "mappings:", "each": "mappings:", "only": "mappings:", "on_delete": "mappings:", "on_unmatch": "mappings:",
}

// nothing reports an empty value, or one that YAML took for a comment.
func (l *loader) nothing(n *yaml.Node, at spot) {
	if hint := l.commented(n); hint != "" {
		l.fail(at, hint, words("nothing is left here: # begins a comment", "não resta nada aqui: # inicia um comentário"))
		return
	}
	l.fail(at, "", words("nothing stands here: remove it or say something", "não há nada aqui: remova ou diga algo"))
}

// commented is the cure for a value that YAML took for a comment: "- #VIP".
func (l *loader) commented(n *yaml.Node) string {
	line := l.line(n.Line)
	if n.Tag != "!!null" || n.Value != "" || !strings.Contains(line, "#") {
		return ""
	}
	hint, _ := quotedComment(line)
	return hint
}

// scalar is the text of a node that must be one value.
func (l *loader) scalar(n *yaml.Node) (string, bool) {
	if l.broken[n] {
		return "", false
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		l.nothing(n, spotOf(n))
		return "", false
	}
	if n.Kind != yaml.ScalarNode {
		l.fail(spotOf(n), "", words("one value is needed here, not %s", "aqui cabe um valor, não %s", describe(n)))
		return "", false
	}
	return n.Value, true
}

// textValue is a text. Secrets are kept out of everything that is shown.
type textValue struct {
	to      *string
	set     func(string)       // instead of to, for texts of the domain's own types
	options []string           // the only words allowed
	later   map[string]message // words that people expect and that do not exist yet, with what to do instead
	secret  bool
	check   func(l *loader, n *yaml.Node, text string)
	example string
}

func text(to *string, options ...string) textValue { return textValue{to: to, options: options} }

func secret(to *string) textValue { return textValue{to: to, secret: true} }

func (t textValue) read(l *loader, n *yaml.Node) {
	said, ok := t.text(l, n)
	switch {
	case !ok:
	case t.set != nil:
		t.set(said)
	default:
		*t.to = said
	}
}

// text is what a node says, with references replaced and checked as far as they are known.
func (t textValue) text(l *loader, n *yaml.Node) (said string, ok bool) {
	written, ok := l.scalar(n)
	if !ok {
		return "", false
	}
	said, resolved := l.expand(n, written, t.secret)
	if !resolved {
		return said, true
	}
	if instead, awaited := t.later[said]; awaited {
		l.fail(spotOf(n), "", instead)
		return "", false
	}
	if len(t.options) > 0 && !l.option(n, said, t.options) {
		return "", false
	}
	if t.check != nil {
		t.check(l, n, said)
	}
	return said, true
}

// option checks a word of a closed set.
func (l *loader) option(n *yaml.Node, word string, options []string) bool {
	if slices.Contains(options, word) {
		return true
	}
	hint := ""
	if near, ok := closest(word, options); ok {
		hint = l.rewritten(spotOf(n), near)
	}
	l.fail(spotOf(n), hint, words("%q is not possible here: %s", "%q não é possível aqui: %s", word, listed(options)))
	return false
}

// textsValue is one text or a list of texts.
type textsValue struct {
	to      *[]string
	options []string
	secret  bool
	check   func(l *loader, n *yaml.Node, text string)
}

func (t textsValue) read(l *loader, n *yaml.Node) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
		if len(nodes) == 0 {
			l.fail(spotOf(n), "", words("the list is empty", "a lista está vazia"))
		}
	}
	*t.to = nil
	for _, item := range nodes {
		if one, ok := (textValue{options: t.options, secret: t.secret, check: t.check}).text(l, item); ok {
			*t.to = append(*t.to, one)
		}
	}
}

// numberValue is a whole number within bounds.
type numberValue[T int | int64] struct {
	to          *T
	least, most int64
}

func integer[T int | int64](to *T, least, most int64) numberValue[T] {
	return numberValue[T]{to, least, most}
}

func (v numberValue[T]) read(l *loader, n *yaml.Node) {
	written, ok := l.scalar(n)
	if !ok {
		return
	}
	said, resolved := l.expand(n, written, false)
	if !resolved {
		return
	}
	i, err := strconv.ParseInt(said, 10, 64)
	if err != nil || i < v.least || i > v.most {
		l.fail(spotOf(n), "", words("a whole number from %d to %d is needed here", "aqui cabe um número inteiro de %d a %d", v.least, v.most))
		return
	}
	*v.to = T(i)
}

// versionValue is the version of the language.
type versionValue struct{ numberValue[int] }

func (v versionValue) read(l *loader, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Value != "1" {
		l.fail(spotOf(n), l.rewritten(spotOf(n), "1"), words("this syncer reads version 1 of the language", "este syncer lê a versão 1 da linguagem"))
		return
	}
	v.numberValue.read(l, n)
}

// flagValue is true or false.
type flagValue struct{ to *bool }

func (v flagValue) read(l *loader, n *yaml.Node) {
	written, ok := l.scalar(n)
	if !ok {
		return
	}
	said, resolved := l.expand(n, written, false)
	if !resolved {
		return
	}
	switch strings.ToLower(said) {
	case "true":
		*v.to = true
	case "false":
		*v.to = false
	default:
		hint := ""
		if is, known := yes(said); known {
			hint = l.rewritten(spotOf(n), strconv.FormatBool(is))
		}
		l.fail(spotOf(n), hint, words("true or false is needed here", "aqui cabe true ou false"))
	}
}

// groupValue is a group of keys.
type groupValue struct {
	owner message
	keys  func() []key // makes what the keys fill
	after func(*loader, section)
}

func (v groupValue) read(l *loader, n *yaml.Node) {
	keys := v.keys()
	s := l.section(n, v.owner, keys)
	l.required(s, keys, "")
	if v.after != nil {
		v.after(l, s)
	}
}

// group is a group of keys that is a pointer in the result: nil when it was not said.
func group[T any](to **T, owner message, keys func(*T) []key) groupValue {
	made := new(T)
	return groupValue{owner: owner, keys: func() []key {
		*to = made
		return keys(made)
	}}
}

// inline is a group of keys that is always there in the result.
func inline[T any](to *T, owner message, keys func(*T) []key, after func(*loader, section, *T)) groupValue {
	return groupValue{owner: owner, keys: func() []key { return keys(to) }, after: func(l *loader, s section) {
		if after != nil {
			after(l, s, to)
		}
	}}
}

// dictValue is a group of keys that the person chooses, with a text behind each.
type dictValue struct {
	to      *map[string]string
	options []string
	secret  bool
}

func (v dictValue) read(l *loader, n *yaml.Node) {
	*v.to = map[string]string{}
	l.pairs(n, func(k, val *yaml.Node) {
		if one, ok := (textValue{options: v.options, secret: v.secret}).text(l, val); ok {
			(*v.to)[k.Value] = one
		}
	})
}

// listsValue is a group of keys that the person chooses, with one or more texts behind each.
type listsValue struct{ to *map[string][]string }

func (v listsValue) read(l *loader, n *yaml.Node) {
	*v.to = map[string][]string{}
	l.pairs(n, func(k, val *yaml.Node) {
		var some []string
		textsValue{to: &some}.read(l, val)
		(*v.to)[k.Value] = some
	})
}

// namedValue is a group of names that the person chooses, with a group of keys behind each.
type namedValue struct {
	one  func(l *loader, name, n *yaml.Node)
	keys func() []key // of each, for the schema
}

func (v namedValue) read(l *loader, n *yaml.Node) {
	l.pairs(n, func(k, val *yaml.Node) { v.one(l, k, val) })
}

// pairs walks over a group of keys that the person chooses.
func (l *loader) pairs(n *yaml.Node, do func(k, v *yaml.Node)) {
	if l.broken[n] {
		return
	}
	if n.Kind != yaml.MappingNode {
		l.fail(spotOf(n), l.commented(n), words("names with something behind each are needed here, not %s", "aqui cabem nomes com algo depois de cada um, não %s", describe(n)))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			l.fail(spotOf(k), "", words("a name is needed here", "aqui cabe um nome"))
		case val.Tag == "!!null" && val.Kind == yaml.ScalarNode:
			l.nothing(val, spotOf(k))
		case seen[k.Value], l.broken[val]:
		default:
			do(k, val)
		}
		seen[k.Value] = true
	}
}

// listValue is a list of groups of keys.
type listValue struct {
	one  func(l *loader, n *yaml.Node)
	keys func() []key // of each, for the schema
}

func (v listValue) read(l *loader, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		l.fail(spotOf(n), "", words("a list is needed here: every entry begins with a dash", "aqui cabe uma lista: cada item começa com um hífen"))
		return
	}
	for _, item := range n.Content {
		if !l.broken[item] {
			v.one(l, item)
		}
	}
}

// nodeValue keeps what stands behind a key for later: expressions are compiled when the whole file is known.
type nodeValue struct {
	to   **yaml.Node
	form form
}

// form says what a node that is read later may be, for the schema.
type form int

const (
	formExpression form = iota // an expression without =
	formValue                  // a literal or an expression with =
	formValues                 // the same, or a list of them
	formLabels
	formFields
	formOnly
	formEach
	formTexts
	formFrom
	formAnything
)

func (v nodeValue) read(_ *loader, n *yaml.Node) { *v.to = n }
