package mapping

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse reads the YAML of a file into nodes. Anchors, tags, repeated keys and whatever else YAML would accept
// and misread is reported here, so that the rest of the package sees a plain tree of keys and values.
func (f *file) parse(data []byte) (root *yaml.Node) {
	if at, m := unreadable(data); !m.isZero() {
		f.fail(at, "", m)
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			f.fail(spot{1, 1, 1}, "", words("this YAML cannot be read", "não foi possível ler este YAML"))
			root = nil
		}
	}()
	var docs []*yaml.Node
	loader, err := yaml.NewLoader(strings.NewReader(string(data)))
	for err == nil {
		var doc yaml.Node
		if err = loader.Load(&doc); err == nil {
			docs = append(docs, &doc)
		}
		if len(docs) > 1 {
			f.fail(spot{f.separator(docs[1]), 1, 3}, "", words(
				"only one document is read: remove the line --- and what does not belong here",
				"só um documento é lido: remova a linha --- e o que não pertence aqui"))
			return nil
		}
	}
	if broken := (*yaml.LoadError)(nil); errors.As(err, &broken) {
		f.syntax(broken)
		return nil
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || docs[0].Content[0].Tag == "!!null" {
		f.fail(spot{1, 1, 1}, "", words("the file is empty", "o arquivo está vazio"))
		return nil
	}
	f.plain(docs[0].Content[0], map[*yaml.Node]bool{})
	return docs[0].Content[0]
}

// separator is the line of the --- before a document.
func (f *file) separator(doc *yaml.Node) int {
	for i := max(doc.Line, 1); i > 0; i-- {
		if strings.HasPrefix(f.line(i), "---") {
			return i
		}
	}
	return max(doc.Line, 1)
}

// unreadable finds bytes that no YAML may contain; the parser reports them without a place.
func unreadable(data []byte) (spot, message) {
	line, col := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return spot{line, col, 1}, words("the file is not UTF-8: save it with that encoding", "o arquivo não está em UTF-8: salve-o com essa codificação")
		case r == '\n':
			line, col = line+1, 0
		case r != '\t' && unicode.IsControl(r) && r != '\u0085':
			return spot{line, col, 1}, words("an invisible control character stands here", "há um caractere de controle invisível aqui")
		}
		data, col = data[size:], col+1
	}
	return spot{}, message{}
}

// syntax reports what the YAML parser refused, in words about the line rather than about the parser.
func (f *file) syntax(err *yaml.LoadError) {
	at := spot{max(err.Mark.Line, 1), max(err.Mark.Column, 1), 1}
	m := words("this is not valid YAML: %s", "isto não é YAML válido: %s", err.Message)
	char := ""
	if line := []rune(f.line(at.line)); at.col <= len(line) {
		char = string(line[at.col-1])
	}
	has := func(s string) bool { return strings.Contains(err.Message, s) }
	open := words("the quote that opens here is never closed", "a aspa aberta aqui nunca é fechada")
	goesOn := textThatGoesOn(f.line(at.line))
	switch unclosed := f.unclosedQuote(at.line); {
	case goesOn > 0:
		at, m = spot{at.line, goesOn, 1}, words("the value ends with the quoted text, and more stands behind it: put the whole expression in single quotes",
			"o valor termina no texto entre aspas, e há mais depois dele: coloque a expressão inteira entre aspas simples")
	case strings.Contains(err.ContextMsg, "quoted scalar"):
		at, m = spot{err.ContextMark.Line, err.ContextMark.Column, 1}, open
	case unclosed.line > 0:
		at, m = unclosed, open
	case strings.Contains(err.ContextMsg, "alias"), strings.Contains(err.ContextMsg, "anchor"), has("unknown anchor"):
		if start := starColumn(f.line(at.line)); start <= at.col {
			at.col = start
		}
		m = words("a value cannot start with * or &: put it in quotes", "um valor não pode começar com * ou &: coloque-o entre aspas")
	case char == "\t":
		m = words("tabs cannot indent YAML: use spaces", "tabulações não servem de recuo em YAML: use espaços")
	case has("cannot start any token"):
		m = words("a value cannot start with %s: put it in quotes", "um valor não pode começar com %s: coloque-o entre aspas", char)
	case has("mapping values are not allowed"):
		m = words(`": " is not possible here: the line is indented wrongly, or its text needs quotes`,
			`": " não é possível aqui: o recuo da linha está errado ou o texto precisa de aspas`)
	case has("',' or '}'"), has("',' or ']'"):
		m = words("a bracket is not closed here, or a value inside { } or [ ] needs quotes",
			"um colchete ou chave não foi fechado aqui, ou um valor dentro de { } ou [ ] precisa de aspas")
	case has("expected '-' indicator"), has("expected key"), has("expected ':'"):
		m = words("this line does not continue the one above: its indentation is wrong, or its text needs quotes",
			"esta linha não continua a anterior: o recuo está errado ou o texto precisa de aspas")
	case has("node content"):
		m = words("a value is missing here", "falta um valor aqui")
	case has("limit"), has("exceeded"), has("depth"):
		m = words("this YAML is nested too deeply", "este YAML tem níveis demais")
	}
	hint, ok := quoted(f.line(at.line))
	if !ok || !asksForQuotes(f.line(at.line)) {
		hint = ""
	}
	f.fail(at, hint, m)
}

// unclosedQuote finds a value, up to a line, whose quote is not closed on its own line: where a quote is
// forgotten, YAML complains much later.
func (f *file) unclosedQuote(to int) spot {
	for n := 1; n <= to; n++ {
		line := f.line(n)
		value := line[len(valueStart.FindString(line)):]
		if value == "" || value[0] != '"' && value[0] != '\'' {
			continue
		}
		if rest := strings.ReplaceAll(value[1:], `\"`, ""); !strings.Contains(rest, value[:1]) {
			return spot{n, valueColumn(line), 1}
		}
	}
	return spot{}
}

// valueColumn is where the value of a line begins.
func valueColumn(line string) int {
	return utf8.RuneCountInString(valueStart.FindString(line)) + 1
}

// starColumn is where the value of a line begins that starts with * or &: in the middle of the line inside { } or [ ].
func starColumn(line string) int {
	start := len(valueStart.FindString(line))
	for i := start; i < len(line); i++ {
		if strings.ContainsRune("*&", rune(line[i])) && startsValue(line[start:i]) {
			return utf8.RuneCountInString(line[:i]) + 1
		}
	}
	return valueColumn(line)
}

// asksForQuotes reports whether quotes are the likely cure of a line that YAML refused.
func asksForQuotes(line string) bool {
	value := line[len(valueStart.FindString(line)):]
	return textThatGoesOn(line) > 0 || strings.Contains(value, "=") || strings.Contains(value, "${") || strings.Contains(value, ": ") ||
		value != "" && strings.ContainsRune("*&@%`[!", rune(value[0]))
}

// plain refuses what YAML has and mappings have not.
func (f *file) plain(n *yaml.Node, seen map[*yaml.Node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	at := spotOf(n)
	switch {
	case n.Kind == yaml.AliasNode:
		f.broken[n] = true
		hint, _ := quoted(f.line(at.line))
		f.fail(at, hint, words("* refers to an anchor, which mappings do not have: write the value out, or put it in quotes",
			"* se refere a uma âncora, que os mapeamentos não têm: escreva o valor, ou coloque-o entre aspas"))
		return
	case n.Anchor != "":
		hint, _ := quoted(f.line(at.line))
		f.fail(at, hint, words("& begins an anchor, which mappings do not have: write the value out, or put it in quotes",
			"& inicia uma âncora, que os mapeamentos não têm: escreva o valor, ou coloque-o entre aspas"))
	case n.Style&yaml.TaggedStyle != 0:
		f.broken[n] = true
		f.tag(n, at)
	}
	if n.Kind == yaml.MappingNode {
		keys := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode {
				continue
			}
			if k.Tag == "!!merge" {
				f.broken[n.Content[i+1]] = true
				f.fail(spotOf(k), "", words("<< merges an anchor, which mappings do not have: write the keys out", "<< mescla uma âncora, que os mapeamentos não têm: escreva as chaves"))
			}
			if first, again := keys[k.Value]; again {
				f.fail(spotOf(k), "", words("%q is said twice, the first time in line %d", "%q aparece duas vezes, a primeira na linha %d", k.Value, first))
			} else {
				keys[k.Value] = k.Line
			}
		}
	}
	for _, c := range n.Content {
		f.plain(c, seen)
	}
}

// tag explains "when: !record.x", of which YAML keeps nothing.
func (f *file) tag(n *yaml.Node, at spot) {
	line := []rune(f.line(n.Line))
	from := min(max(n.Column-1, 0), len(line))
	rest := string(line[from:])
	hint := ""
	if strings.HasPrefix(rest, "!") && !strings.HasPrefix(rest, "!!") {
		hint = string(line[:from]) + "not " + strings.TrimPrefix(rest, "!")
	}
	at.length = max(utf8.RuneCountInString(n.Tag), 1)
	f.fail(at, hint, words("! at the beginning is a YAML tag and takes the value away: write not, or put the value in quotes",
		"! no início é uma etiqueta do YAML e apaga o valor: escreva not, ou coloque o valor entre aspas"))
}

// spotOf is where a node stands; scalars are underlined to the end of their first line.
func spotOf(n *yaml.Node) spot {
	s := spot{max(n.Line, 1), max(n.Column, 1), 1}
	if n.Kind == yaml.ScalarNode {
		s.length = max(utf8.RuneCountInString(n.Value), 1)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			s.length += 2
		}
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(n.Value, "\n") {
			s.length = 1
		}
	}
	return s
}

// describe names the kind of a node as people see it.
func describe(n *yaml.Node) message {
	switch {
	case n.Kind == yaml.MappingNode:
		return words("a group of keys", "um grupo de chaves")
	case n.Kind == yaml.SequenceNode:
		return words("a list", "uma lista")
	case n.Tag == "!!null":
		return words("nothing", "nada")
	}
	return words("%s", "%s", fmt.Sprintf("%q", n.Value))
}
