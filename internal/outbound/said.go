package outbound

import (
	_ "embed"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed words.txt
var wordList string

// known are the words in which systems speak of errors, in English and Portuguese.
var known = func() map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(wordList) {
		set[w] = true
	}
	return set
}()

var (
	lookalike = regexp.MustCompile(`[^\s@"'<>]+@[^\s@"'<>]+|\+?\d[\d\s().-]{5,}\d`)
	said      = regexp.MustCompile(`[\pL\pM\pN_'’]+`)
)

// mostDigits is how many digits a word may have: limits and positions have few, what belongs to somebody has more.
const mostDigits = 4

// Said repeats what another system says about a failure, as far as it can be shown. A refusal may quote what was
// sent, and it may name somebody who was not sent at all, in small letters too: so only words in which errors are
// described are kept, and identifiers made of them. Everything else becomes an ellipsis.
func Said(text string) string {
	text = lookalike.ReplaceAllString(text, "…")
	text = said.ReplaceAllStringFunc(text, func(w string) string {
		digits := 0
		for part := range strings.FieldsFuncSeq(apart(w), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }) {
			if unicode.IsDigit([]rune(part)[0]) {
				digits += len(part)
			} else if utf8.RuneCountInString(part) > 1 && !known[strings.ToLower(part)] {
				return "…"
			}
		}
		if digits > mostDigits {
			return "…"
		}
		return w
	})
	return strings.Join(strings.Fields(text), " ")
}

// apart puts spaces between the parts of an identifier: phoneNumber, ISO639, HTTPError.
func apart(w string) string {
	var b strings.Builder
	r := []rune(w)
	for i, c := range r {
		if i > 0 {
			before, capital := r[i-1], unicode.IsUpper(c)
			next := i+1 < len(r) && unicode.IsLower(r[i+1])
			if capital && (unicode.IsLower(before) || unicode.IsUpper(before) && next) || unicode.IsDigit(c) != unicode.IsDigit(before) {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(c)
	}
	return b.String()
}
