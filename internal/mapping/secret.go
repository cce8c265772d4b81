package mapping

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// placeholder is ${NAME} or ${file:/path}; $${…} stands for itself.
var placeholder = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces what stands in ${…} inside one text, after YAML and before anything looks at it, so that no
// value from outside can change the file's structure. resolved is false when a reference stays unknown; it
// has then been reported.
func (l *loader) expand(n *yaml.Node, text string, secret bool) (expanded string, resolved bool) {
	resolved = true
	found := false
	var outside []string
	expanded = placeholder.ReplaceAllStringFunc(text, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		found = true
		name := ref[2 : len(ref)-1]
		value, m := l.lookup(name)
		if m.isZero() {
			outside = append(outside, value)
			return value
		}
		resolved = false
		if l.opts.Lenient {
			l.warn(l.refSpot(n, ref), "", m)
		} else {
			l.fail(l.refSpot(n, ref), "", m)
		}
		return ref
	})
	for _, value := range outside {
		if secret {
			l.hide(value)
			continue
		}
		for _, part := range inAddress(expanded, value) {
			l.hide(part)
		}
	}
	if secret && found && resolved && expanded != text {
		l.hide(expanded) // "Bearer …" as a whole
	}
	if secret && !found {
		l.hide(text)
	}
	if secret && resolved && strings.TrimSpace(expanded) == "" {
		l.fail(spotOf(n), "", words("this secret is empty", "este segredo está vazio"))
	}
	return expanded, resolved
}

// inAddress is what of a value stands where addresses have secrets: in front of the host, or behind the question mark.
// All else that comes in (addresses, user names, identifiers) may be shown: who looks for a mistake must see it.
func inAddress(text, value string) (parts []string) {
	_, rest, isAddress := strings.Cut(text, "://")
	if !isAddress || value == "" {
		return nil
	}
	rest, query, _ := strings.Cut(rest, "?")
	host, _, _ := strings.Cut(rest, "/")
	user := host[:max(strings.LastIndex(host, "@"), 0)]
	for _, part := range []string{user, query} {
		switch {
		case part == "":
		case strings.Contains(part, value):
			parts = append(parts, value)
		case strings.Contains(value, part): // the whole address came in
			parts = append(parts, part)
		}
	}
	return parts
}

// lookup asks the outside for one reference.
func (l *loader) lookup(name string) (string, message) {
	if path, isFile := strings.CutPrefix(name, "file:"); isFile {
		if l.opts.ReadFile == nil {
			return "", words("the file of ${%s} cannot be read here", "o arquivo de ${%s} não pode ser lido aqui", name)
		}
		data, err := l.opts.ReadFile(path)
		if err != nil {
			return "", words("the file of ${%s} cannot be read", "o arquivo de ${%s} não pode ser lido", name)
		}
		return strings.TrimRight(string(data), "\r\n"), message{}
	}
	if !envName.MatchString(name) {
		return "", words("${%s} is not a name: write ${NAME} or ${file:/path}", "${%s} não é um nome: escreva ${NOME} ou ${file:/caminho}", name)
	}
	if l.opts.Lookup != nil {
		if value, ok := l.opts.Lookup(name); ok {
			return value, message{}
		}
	}
	return "", words("${%s} is not set in the environment", "${%s} não está definida no ambiente", name)
}

// refSpot is where a reference stands inside a scalar.
func (l *loader) refSpot(n *yaml.Node, ref string) spot {
	from := strings.Index(n.Value, ref)
	if from < 0 {
		return spotOf(n)
	}
	start := len([]rune(n.Value[:from]))
	return spotBetween(l.places(n), start, start+len([]rune(ref)))
}
