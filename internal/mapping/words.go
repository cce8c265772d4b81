package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// message is a sentence for a person in both languages that syncer speaks. The two stand side by side at the
// place where they are said, so that neither can be forgotten.
type message struct {
	en, pt string
	args   []any
}

// words builds a message; args follow fmt's verbs and may be messages themselves.
func words(en, pt string, args ...any) message { return message{en: en, pt: pt, args: args} }

// isZero reports whether nothing is said.
func (m message) isZero() bool { return m.en == "" }

// in renders the message for a reader of lang: "pt" in any of its spellings, else English.
func (m message) in(lang string) string {
	text := m.en
	if portuguese(lang) {
		text = m.pt
	}
	if len(m.args) == 0 {
		return text
	}
	args := make([]any, len(m.args))
	for i, a := range m.args {
		if inner, ok := a.(message); ok {
			a = inner.in(lang)
		}
		args[i] = a
	}
	return fmt.Sprintf(text, args...)
}

// Error makes a message usable where Go wants an error; it then speaks English.
func (m message) Error() string { return m.in("en") }

// portuguese reads "pt", "pt_BR.UTF-8", "pt-BR".
func portuguese(lang string) bool {
	lang = strings.ToLower(lang)
	return lang == "pt" || strings.HasPrefix(lang, "pt_") || strings.HasPrefix(lang, "pt-")
}

// closest finds the candidate that was probably meant: equal but for case, or at most two edits away, and
// never so far that a short word becomes another one.
func closest(word string, candidates []string) (string, bool) {
	best, least := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if d < least && d < max(len([]rune(c)), len([]rune(word)))-d {
			best, least = c, d
		}
	}
	return best, best != ""
}

// Near finds the name that was probably meant by one that does not exist.
func Near(name string, names []string) (string, bool) { return closest(name, names) }

// distance is the number of insertions, deletions, replacements and swaps of neighbours between two words.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, above := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range above {
		above[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(y)]
}

// listed joins names for a sentence: a, b or c.
func listed(names []string) message {
	if len(names) < 2 {
		return words("%s", "%s", strings.Join(names, ""))
	}
	head, last := strings.Join(names[:len(names)-1], ", "), names[len(names)-1]
	return words("%s or %s", "%s ou %s", head, last)
}

// printable reports whether a text has only characters that people write, line breaks included if allowed.
func printable(text string, breaks bool) bool {
	for _, r := range text {
		if breaks && (r == '\n' || r == '\t') {
			continue
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return false
		}
	}
	return true
}
