package mapping

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// spot is a stretch of one line of a file; line and column count from 1, in characters.
type spot struct{ line, col, length int }

// file is a text that is being judged: it knows its lines, collects the remarks about them and keeps secrets
// out of what it shows.
type file struct {
	name    string
	lang    string
	lines   []string
	secrets []string // values that may be shown nowhere
	found   Diagnostics
	broken  map[*yaml.Node]bool // nodes that YAML read otherwise than the person meant, which has been reported
}

// newFile reads a text the way every editor shows it: without a byte order mark and with one kind of line end.
func newFile(name string, data []byte, lang string) (*file, []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	return &file{name: name, lang: lang, lines: strings.Split(string(data), "\n"), broken: map[*yaml.Node]bool{}}, data
}

// fail reports what stops the file from being used; hint is the line as it should be, or nothing.
func (f *file) fail(at spot, hint string, m message) { f.report(SeverityError, at, hint, m) }

// warn reports what deserves a look.
func (f *file) warn(at spot, hint string, m message) { f.report(SeverityWarning, at, hint, m) }

func (f *file) report(severity Severity, at spot, hint string, m message) {
	if last := len(f.lines); at.line > last { // YAML complains behind the end of what was left open
		at = spot{last, utf8.RuneCountInString(f.line(last)) + 1, 1}
	}
	f.found = append(f.found, Diagnostic{File: f.name, Line: at.line, Column: max(at.col, 1), Length: max(at.length, 1),
		Severity: severity, Message: m.in(f.lang), Hint: hint, Excerpt: f.line(at.line)})
}

// results are the remarks in order, with every secret masked. Masking comes last because a secret may be
// known only after the remark that quotes its line.
func (f *file) results() Diagnostics {
	for i := range f.found {
		d := &f.found[i]
		d.Message, d.Hint, d.Excerpt = f.mask(d.Message), maskKeys(f.mask(d.Hint)), maskKeys(f.mask(d.Excerpt))
	}
	return f.found.sorted()
}

func (f *file) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

// rewritten is the line of a spot with the spot's text replaced.
func (f *file) rewritten(at spot, by string) string {
	line := []rune(f.line(at.line))
	from := min(max(at.col-1, 0), len(line))
	to := min(from+at.length, len(line))
	return string(line[:from]) + by + string(line[to:])
}

// hide keeps a secret out of everything that is shown. Of fewer than four characters it would mask ordinary
// words.
func (f *file) hide(secret string) { f.secrets = hidden(f.secrets, secret, 4) }

// hidden adds a value to a list in which the longest stand first.
func hidden(values []string, value string, least int) []string {
	if utf8.RuneCountInString(value) < least || slices.Contains(values, value) {
		return values
	}
	values = append(values, value)
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return values
}

var (
	secretKeys   = regexp.MustCompile(`\b(\w+)["']?\s*:\s*(\[[^\]]*\]?|"[^"]*"?|'[^']*'?|(?:\$\{[^}]*\}|[^\s,}#])(?:\$\{[^}]*\}|[^,}])*)`)
	secretInURL  = regexp.MustCompile(`(://)(?:[^/@\s"':]*:)?([^@/\s"']+)@`)
	secretSchema = regexp.MustCompile(`(?i)\b(bearer|basic|token)\s+([^\s"',}]+)`)
	reference    = regexp.MustCompile(`\$\{[^}]*\}`)
)

// mask replaces known secrets by as many stars, so that a caret under the line still points to its place.
func (f *file) mask(text string) string {
	for _, s := range f.secrets {
		text = strings.ReplaceAll(text, s, strings.Repeat("*", utf8.RuneCountInString(s)))
	}
	return text
}

// isSecret reports whether a key is one of secrets, or was to be one: behind a misspelt token stands a token.
func isSecret(key string) bool {
	_, near := closest(key, []string{"password", "secret", "token", "api_key", "client_secret", "verify"})
	return near
}

// maskKeys hides what stands behind a key of secrets in a line of the file, known or not: in a file that YAML
// cannot read nobody knows yet what is secret.
func maskKeys(text string) string {
	for _, pattern := range []*regexp.Regexp{secretKeys, secretSchema, secretInURL} {
		var b strings.Builder
		last := 0
		for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
			if pattern == secretKeys && !isSecret(text[m[2]:m[3]]) {
				continue
			}
			b.WriteString(text[last:m[4]])
			b.WriteString(starred(text[m[4]:m[5]]))
			last = m[5]
		}
		text = b.String() + text[last:]
	}
	return text
}

// starred hides a value but keeps quotes, brackets and references, which are no secrets.
func starred(value string) string {
	var b strings.Builder
	last := 0
	stars := func(s string) {
		for _, r := range s {
			if !strings.ContainsRune(`"'[], `, r) {
				r = '*'
			}
			b.WriteRune(r)
		}
	}
	for _, m := range reference.FindAllStringIndex(value, -1) {
		stars(value[last:m[0]])
		b.WriteString(value[m[0]:m[1]])
		last = m[1]
	}
	stars(value[last:])
	return b.String()
}
