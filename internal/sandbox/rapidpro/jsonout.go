package rapidpro

import (
	"strconv"
	"time"
)

const hexDigits = "0123456789abcdef"

// Answers are compact JSON in which everything beyond ASCII is escaped, as the API renders it, so
// they are written by hand: encoding/json escapes other characters and cannot keep lone surrogates.

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		r, n := decodeRune(s)
		s = s[n:]
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == '\b':
			b = append(b, '\\', 'b')
		case r == '\f':
			b = append(b, '\\', 'f')
		case r >= 0x20 && r < 0x7f:
			b = append(b, byte(r))
		case r > 0xffff:
			r -= 0x10000
			b = appendEscape(b, 0xd800+r>>10)
			b = appendEscape(b, 0xdc00+r&0x3ff)
		default:
			b = appendEscape(b, r)
		}
	}
	return append(b, '"')
}

func appendEscape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendText writes a text that may be absent; empty means null, as the database keeps it.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

// appendTime writes UTC with Z, and microseconds only when there are any.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05")
	if micros := t.Nanosecond() / 1000; micros != 0 {
		b = append(b, '.')
		for unit := 100000; unit > 0; unit /= 10 {
			b = append(b, byte('0'+micros/unit%10))
		}
	}
	return append(b, 'Z', '"')
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

// object writes keys in the order they are given.
type object struct {
	b     []byte
	count int
}

func (o *object) key(k string) {
	if o.count == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
	o.count++
	o.b = append(appendString(o.b, k), ':')
}

func (o *object) raw(k, json string)         { o.key(k); o.b = append(o.b, json...) }
func (o *object) str(k, v string)            { o.key(k); o.b = appendString(o.b, v) }
func (o *object) text(k, v string)           { o.key(k); o.b = appendText(o.b, v) }
func (o *object) time(k string, v time.Time) { o.key(k); o.b = appendTime(o.b, v) }
func (o *object) bool(k string, v bool)      { o.key(k); o.b = appendBool(o.b, v) }
func (o *object) int(k string, v int)        { o.key(k); o.b = strconv.AppendInt(o.b, int64(v), 10) }

func (o *object) end() []byte {
	if o.count == 0 {
		o.b = append(o.b, '{')
	}
	return append(o.b, '}')
}

// messages writes the usual shape of one field's errors, a list of texts.
func messages(texts ...string) string {
	b := []byte{'['}
	for i, t := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, t)
	}
	return string(append(b, ']'))
}
