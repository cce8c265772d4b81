package mapping

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The values of expressions are nil (said to be empty), *gap (not said), bool, int, float64, string, moment,
// time.Duration, []any and map[string]any. Everything else that a record may hold is turned into one of these
// by plain when it is read.

// gap is the value of what a record does not carry. It is not nil: a null is a statement, a gap is none. It
// names the first step of the path that is missing, so that a person can be told.
type gap struct{ path string }

// plain turns what decoders and adapters put into records into the values of expressions.
func plain(v any) any {
	switch x := v.(type) {
	case nil, *gap, bool, int, float64, string, moment, time.Duration, []any, map[string]any:
		return v
	case json.Number:
		return number(string(x))
	case time.Time:
		return moment{at: x}
	case []string:
		list := make([]any, len(x))
		for i := range x {
			list[i] = x[i]
		}
		return list
	case []map[string]any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = x[i]
		}
		return list
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if u := r.Uint(); u > math.MaxInt {
			return strconv.FormatUint(u, 10)
		}
		return int(r.Uint())
	case reflect.Float32, reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	case reflect.Bool:
		return r.Bool()
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = plain(r.Index(i).Interface())
		}
		return list
	case reflect.Map:
		object := make(map[string]any, r.Len())
		for _, k := range r.MapKeys() {
			object[fmt.Sprint(k.Interface())] = r.MapIndex(k).Interface()
		}
		return object
	case reflect.Pointer, reflect.Interface:
		if r.IsNil() {
			return nil
		}
		return plain(r.Elem().Interface())
	}
	return nil
}

// kind names what a value is, in the words of a person.
func kind(v any) message {
	switch v.(type) {
	case nil:
		return words("empty", "vazio")
	case *gap:
		return words("absent", "ausente")
	case bool:
		return words("true or false", "verdadeiro ou falso")
	case int, float64:
		return words("a number", "um número")
	case string:
		return words("text", "texto")
	case moment:
		return words("a date", "uma data")
	case time.Duration:
		return words("a length of time", "um intervalo de tempo")
	case []any:
		return words("a list", "uma lista")
	}
	return words("an object", "um objeto")
}

// blank reports a value that the record states to be empty: null, or a text without visible characters.
func blank(v any) bool {
	if v == nil {
		return true
	}
	s, ok := v.(string)
	return ok && strings.TrimSpace(s) == ""
}

// silent reports a value that says nothing: blank or not carried at all.
func silent(v any) bool {
	_, absent := v.(*gap)
	return absent || blank(v)
}

// number reads digits as a number that keeps them all: an int if it fits, else the nearest float64, else the
// digits themselves.
func number(digits string) any {
	if i, err := strconv.ParseInt(digits, 10, 0); err == nil {
		return int(i)
	}
	if !strings.ContainsAny(digits, ".eE") {
		return digits
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil {
		return f
	}
	return digits
}

// numeric reads a number, or a text that is written as a plain one: digits, at most one point, a minus.
func numeric(v any) (any, bool) {
	switch x := v.(type) {
	case int, float64:
		return v, true
	case string:
		x = strings.TrimSpace(x)
		if !plainDigits(x) {
			return nil, false
		}
		if i, err := strconv.Atoi(x); err == nil {
			return i, true
		}
		f, err := strconv.ParseFloat(x, 64)
		return f, err == nil
	}
	return nil, false
}

// plainDigits reports -12, 12 and 12.5, and nothing that only some programs take for a number.
func plainDigits(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, part, point := strings.Cut(s, ".")
	return allDigits(whole) && (!point || allDigits(part))
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func float(v any) float64 {
	switch x := v.(type) {
	case int:
		return float64(x)
	case float64:
		return x
	}
	return math.NaN()
}

// written is a value as text: integers stay integers, decimals stay plain, dates are ISO. ok is false for
// lists and objects, which have no text of their own.
func written(v any) (text string, ok bool) {
	switch x := v.(type) {
	case nil:
		return "", true
	case string:
		return x, true
	case int:
		return strconv.Itoa(x), true
	case float64:
		return decimal(x), true
	case bool:
		return strconv.FormatBool(x), true
	case moment:
		return x.String(), true
	case time.Duration:
		return x.String(), true
	}
	return "", false
}

// decimal writes a number without an exponent and without the zeros that mean nothing.
func decimal(f float64) string {
	if f == 0 {
		return "0" // and not "-0"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// yesWords are the ways in which forms and databases write true and false. Any other word is an error: a
// refusal in an unknown language must not pass for consent.
var yesWords = map[string]bool{
	"true": true, "t": true, "1": true, "s": true, "sim": true, "y": true, "yes": true, "on": true, "verdadeiro": true,
	"false": false, "f": false, "0": false, "n": false, "não": false, "nao": false, "no": false, "off": false, "falso": false,
}

// yes reads true and false in any of their spellings.
func yes(v any) (is, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case int:
		return x == 1, x == 0 || x == 1
	case float64:
		return x == 1, x == 0 || x == 1
	case string:
		is, ok = yesWords[strings.ToLower(strings.TrimSpace(x))]
		return is, ok
	}
	return false, false
}
