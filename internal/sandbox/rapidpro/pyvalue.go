package rapidpro

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The API is written in Python and lets it show: in what counts as a number, in how values look in
// messages, in what is blank. Request bodies are therefore kept as Python would keep them: nil, bool,
// pyInt, float64, string, []any and *pyDict. Strings may hold lone surrogates, each encoded in three
// bytes as if it were a character (WTF-8), because Python's can.

// pyInt is an integer of any length, in decimal.
type pyInt string

// pyDict is an object that keeps the order of its keys.
type pyDict struct {
	keys   []string
	values map[string]any
}

func newDict() *pyDict { return &pyDict{values: map[string]any{}} }

// set adds or replaces a key; as in Python a repeated key keeps its first place and its last value.
func (d *pyDict) set(key string, value any) {
	if _, known := d.values[key]; !known {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
}

func (d *pyDict) get(key string) (any, bool) {
	v, ok := d.values[key]
	return v, ok
}

// typeName is the name of a value's type in messages such as `got type "str"`.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case pyInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []any:
		return "list"
	}
	return "dict"
}

// size is len() of a value, or -1 where that would be an error.
func size(v any) int {
	switch v := v.(type) {
	case string:
		return runeCount(v)
	case []any:
		return len(v)
	case *pyDict:
		return len(v.keys)
	}
	return -1
}

// pyStr is str() of a value.
func pyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

func pyRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case pyInt:
		return string(v)
	case float64:
		return pyFloat(v)
	case string:
		return pyQuote(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = pyRepr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *pyDict:
		parts := make([]string, len(v.keys))
		for i, k := range v.keys {
			parts[i] = pyQuote(k) + ": " + pyRepr(v.values[k])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return ""
}

// pyFloat is the shortest text that reads back as the same number, in Python's notation: exponents
// only below 1e-4 and from 1e16 on, and always a point or an exponent.
func pyFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func pyQuote(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for len(s) > 0 {
		r, n := decodeRune(s)
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, s[:n]...)
		case r < 0x100:
			b = append(b, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
		case r > 0xffff:
			b = fmt.Appendf(b, `\U%08x`, r)
		default:
			b = appendEscape(b, r)
		}
		s = s[n:]
	}
	return string(append(b, quote))
}

// pyInteger is int() of a text: blanks around it, a sign and single underscores between digits are
// fine, and digits of any script count. It knows fewer blanks than strip.
func pyInteger(s string) (n int64, ok bool) {
	s = strings.TrimSpace(s)
	negative := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	previous := '_'
	for _, r := range s {
		switch {
		case r == '_':
			if previous == '_' {
				return 0, false
			}
		case unicode.Is(unicode.Nd, r):
			if n < math.MaxInt64/10 {
				n = n*10 + int64(digitValue(r))
			} else {
				n = math.MaxInt64
			}
		default:
			return 0, false
		}
		previous = r
	}
	if previous == '_' {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// digitValue relies on decimal digits coming in runs of whole tens.
func digitValue(r rune) int {
	if r < 0x80 {
		return int(r - '0')
	}
	zero := r
	for unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return int(r-zero) % 10
}

// isBlank says what str.isspace says of one character.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// strip is str.strip(): blanks of any script go at both ends.
func strip(s string) string { return strings.TrimFunc(s, isBlank) }

// decodeRune is utf8.DecodeRuneInString that also knows lone surrogates.
func decodeRune(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2]&0xc0 == 0x80 {
		return rune(s[0]&0x0f)<<12 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return r, n
}

func isSurrogate(r rune) bool { return r >= 0xd800 && r <= 0xdfff }

// appendRune is utf8.AppendRune that also takes lone surrogates.
func appendRune(b []byte, r rune) []byte {
	if isSurrogate(r) {
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(b, r)
}

// firstSurrogate finds the first lone surrogate in a text.
func firstSurrogate(s string) (rune, bool) {
	for i := strings.IndexByte(s, 0xed); i >= 0 && i < len(s); {
		r, n := decodeRune(s[i:])
		if isSurrogate(r) {
			return r, true
		}
		i += n
	}
	return 0, false
}

// runeCount is len() of a text.
func runeCount(s string) int {
	n := 0
	for len(s) > 0 {
		_, w := decodeRune(s)
		s = s[w:]
		n++
	}
	return n
}

// truncate keeps the first n characters.
func truncate(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// unstorable says whether the database driver would refuse a text: a NUL character or a lone
// surrogate in a query parameter is an error that nobody catches, a 500.
func unstorable(s string) bool {
	_, lone := firstSurrogate(s)
	return lone || strings.IndexByte(s, 0) >= 0
}

// sameFold compares as the database compares with UPPER() on both sides.
func sameFold(a, b string) bool {
	return strings.ToUpper(a) == strings.ToUpper(b) //nolint:staticcheck // folding is another relation than UPPER()
}
