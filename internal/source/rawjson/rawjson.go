// Package rawjson walks JSON as it was written. What sources send is kept as it arrived and looked at for a few Members
// only, at a tenth of what decoding it costs.
package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Value is one JSON value as it was written, without blanks around it. Everything here relies on valid JSON: it comes
// from Parse, or was checked elsewhere.
type Value []byte

// Parse checks a body once, so that the walk needs no checks.
func Parse(body []byte) (Value, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	return Of(body), true
}

// Of is the value that a text holds which is known to be valid JSON.
func Of(valid []byte) Value {
	start := skipBlank(valid, 0)
	if start == len(valid) {
		return nil
	}
	return valid[start:skip(valid, start)]
}

// IsObject reports whether it is an object.
func (r Value) IsObject() bool { return len(r) > 0 && r[0] == '{' }

// IsArray reports whether it is an array.
func (r Value) IsArray() bool { return len(r) > 0 && r[0] == '[' }

// IsNull reports whether it is null, or nothing at all.
func (r Value) IsNull() bool { return len(r) == 0 || r[0] == 'n' }

// Members walks an object: its names as they are written between their quotes, and their values. Anything else has none.
func (r Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if !r.IsObject() {
			return
		}
		for i := skipBlank(r, 1); r[i] != '}'; {
			end := skipText(r, i)
			key := r[i+1 : end-1]
			i = skipBlank(r, skipBlank(r, end)+1)
			end = skip(r, i)
			if !yield(key, r[i:end:end]) {
				return
			}
			i = next(r, end)
		}
	}
}

// Elements walks an array. Anything else has none.
func (r Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if !r.IsArray() {
			return
		}
		for i := skipBlank(r, 1); r[i] != ']'; {
			end := skip(r, i)
			if !yield(r[i:end:end]) {
				return
			}
			i = next(r, end)
		}
	}
}

// At is the member of an object, or the element of an array, of that name; nil when there is none.
func (r Value) At(name string) Value {
	if r.IsArray() {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			return nil
		}
		for item := range r.Elements() {
			if n == 0 {
				return item
			}
			n--
		}
		return nil
	}
	var found Value
	for key, value := range r.Members() {
		// The last of several members of one name counts, as it does for every other reader of JSON here.
		if string(key) == name || hasEscape(key) && unquote(append(append([]byte{'"'}, key...), '"')) == name {
			found = value
		}
	}
	return found
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

// Text writes a scalar as text, whole numbers without exponent or fraction; ok is false for null, objects
// and arrays.
func (r Value) Text() (s string, ok bool) {
	switch {
	case r.IsNull(), r.IsObject(), r.IsArray():
		return "", false
	case r[0] == '"':
		return unquote(r), true
	}
	return PlainNumber(string(r)), true
}

func unquote(r []byte) string {
	if inner := r[1 : len(r)-1]; !hasEscape(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(r, &s) // valid, or Parse would have refused it
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

// PlainNumber writes 1.2e7 as 12000000: an id must be the same text however the sender's language prints numbers. What is
// no whole number, or larger than any id, stays as it is: expanding an exponent takes time and memory without bound.
func PlainNumber(s string) string {
	if !strings.ContainsAny(s, ".eE") || s[0] > '9' || len(s) > 40 {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if tiny := f == 0 && strings.ContainsAny(s, "eE"); err != nil || math.Abs(f) > 1e18 || f != math.Trunc(f) || tiny {
		return s
	}
	if n, ok := new(big.Rat).SetString(s); ok && n.IsInt() {
		return n.Num().String()
	}
	return s
}
