package generic

import (
	"bytes"
	"encoding/json"
	"iter"
	"math/big"
	"strconv"
	"strings"
)

// raw is one JSON value as it was written, without blanks around it. Values are looked up in the text itself
// instead of being decoded: the record is kept as it arrived, and a webhook costs no tree.
//
// Everything here relies on valid JSON; parse is the only way to get a raw from outside.
type raw []byte

// parse checks a body once, so that the walk needs no checks.
func parse(body []byte) (raw, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	start := skipBlank(body, 0)
	return body[start:skip(body, start)], true
}

func (r raw) isObject() bool { return len(r) > 0 && r[0] == '{' }
func (r raw) isArray() bool  { return len(r) > 0 && r[0] == '[' }
func (r raw) isNull() bool   { return len(r) == 0 || r[0] == 'n' }

// members walks an object.
func (r raw) members() iter.Seq2[[]byte, raw] {
	return func(yield func([]byte, raw) bool) {
		if !r.isObject() {
			return
		}
		for i := skipBlank(r, 1); r[i] != '}'; {
			end := skipText(r, i)
			key := r[i+1 : end-1]
			i = skipBlank(r, skipBlank(r, end)+1)
			end = skip(r, i)
			if !yield(key, r[i:end]) {
				return
			}
			i = next(r, end)
		}
	}
}

// elements walks an array.
func (r raw) elements() iter.Seq[raw] {
	return func(yield func(raw) bool) {
		if !r.isArray() {
			return
		}
		for i := skipBlank(r, 1); r[i] != ']'; {
			end := skip(r, i)
			if !yield(r[i:end]) {
				return
			}
			i = next(r, end)
		}
	}
}

// next steps over the comma, if there is one.
func next(b []byte, i int) int {
	if i = skipBlank(b, i); b[i] == ',' {
		i = skipBlank(b, i+1)
	}
	return i
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipText returns the end of the text that starts at i: behind the first quote that is not escaped.
func skipText(b []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(b[i:], '"')
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// skip returns the end of the value that starts at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipText(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipText(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && b[i] > ' ' && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// text writes a scalar as text, whole numbers without exponent or fraction; ok is false for null, objects
// and arrays.
func (r raw) text() (s string, ok bool) {
	switch {
	case r.isNull(), r.isObject(), r.isArray():
		return "", false
	case r[0] == '"':
		return unquote(r), true
	}
	return plainNumber(string(r)), true
}

func unquote(r []byte) string {
	if inner := r[1 : len(r)-1]; !hasEscape(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(r, &s) // valid, or parse would have refused it
	return s
}

func hasEscape(b []byte) bool {
	for _, c := range b {
		if c == '\\' || c >= 0x80 {
			return true
		}
	}
	return false
}

// plainNumber writes 1.2e7 as 12000000: an id must be the same text however the sender's language prints
// numbers.
func plainNumber(s string) string {
	if !strings.ContainsAny(s, ".eE") || s[0] > '9' || len(s) > 40 {
		return s
	}
	if f, err := strconv.ParseFloat(s, 64); err != nil || f > 1e18 || f < -1e18 {
		return s
	}
	if n, ok := new(big.Rat).SetString(s); ok && n.IsInt() {
		return n.Num().String()
	}
	return s
}
