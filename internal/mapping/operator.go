package mapping

import (
	"cmp"
	"math"
	"math/bits"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// operators are the binary operators but for and, or and ??.
var operators = map[string]*function{
	"==":         {empties: true, compares: true, do: func(c call) (any, *fault) { return equal(c, true) }},
	"!=":         {empties: true, compares: true, do: func(c call) (any, *fault) { return equal(c, false) }},
	"<":          {do: func(c call) (any, *fault) { return order(c, func(d int) bool { return d < 0 }) }},
	"<=":         {do: func(c call) (any, *fault) { return order(c, func(d int) bool { return d <= 0 }) }},
	">":          {do: func(c call) (any, *fault) { return order(c, func(d int) bool { return d > 0 }) }},
	">=":         {do: func(c call) (any, *fault) { return order(c, func(d int) bool { return d >= 0 }) }},
	"+":          {do: add},
	"-":          {do: subtract},
	"*":          {do: multiply},
	"/":          {do: divide},
	"%":          {do: remainder},
	"**":         {do: power},
	"^":          {do: power},
	"..":         {do: upTo},
	"in":         {empties: true, compares: true, do: in},
	"contains":   {empties: true, compares: true, do: func(c call) (any, *fault) { return textTest(c, strings.Contains) }},
	"startsWith": {empties: true, compares: true, do: func(c call) (any, *fault) { return textTest(c, strings.HasPrefix) }},
	"endsWith":   {empties: true, compares: true, do: func(c call) (any, *fault) { return textTest(c, strings.HasSuffix) }},
	"matches":    {empties: true, compares: true, prepare: pattern},
}

// signs are the unary operators but for not.
var signs = map[string]*function{
	"+": {do: func(c call) (any, *fault) { return signed(c, 1) }},
	"-": {do: func(c call) (any, *fault) { return signed(c, -1) }},
}

// same compares two values as the person means it: a number equals the text of that number, empty equals
// empty. ok is false where an answer would be a guess: true against a word, a word against a number.
func same(l, r any) (is, ok bool) {
	if blank(l) || blank(r) {
		return blank(l) && blank(r), true
	}
	switch x := l.(type) {
	case string:
		if y, isText := r.(string); isText {
			return x == y, true
		}
	case bool:
		y, isBool := r.(bool)
		return x == y, isBool
	case []any:
		y, isList := r.([]any)
		return isList && reflect.DeepEqual(x, y), isList
	case map[string]any:
		y, isObject := r.(map[string]any)
		return isObject && reflect.DeepEqual(x, y), isObject
	case time.Duration:
		y, isSpan := r.(time.Duration)
		return x == y, isSpan
	}
	d, ok := ordered(l, r, time.UTC)
	return d == 0, ok
}

func equal(c call, wanted bool) (any, *fault) {
	l, r := dated(c.args[0], c.args[1], c.zone), dated(c.args[1], c.args[0], c.zone)
	if x, ok := l.(moment); ok {
		if y, ok := r.(moment); ok {
			return (x.compare(y, c.zone) == 0) == wanted, nil
		}
	}
	is, ok := same(l, r)
	if !ok {
		return unlike(c, l, r)
	}
	return is == wanted, nil
}

// unlike is the fault of comparing what cannot be compared.
func unlike(c call, l, r any) (any, *fault) {
	a, b := c.site.args[0].text, c.site.args[1].text
	_, leftBool := l.(bool)
	_, rightBool := r.(bool)
	_, rightList := r.([]any)
	switch {
	case leftBool != rightBool:
		word := a
		if leftBool {
			word = b
		}
		return c.failed("%s is %s and %s is %s: write yes(%s), which reads true, \"S\", \"sim\", 1 and their opposites",
			"%s é %s e %s é %s: escreva yes(%s), que lê true, \"S\", \"sim\", 1 e seus opostos", a, kind(l), b, kind(r), word)
	case rightList:
		return c.failed("%[3]s is a list: write %[1]s in %[3]s", "%[3]s é uma lista: escreva %[1]s in %[3]s", a, "", b)
	}
	if _, ok := l.([]any); ok {
		return c.failed("%s is a list: write %[3]s in %[1]s", "%s é uma lista: escreva %[3]s in %[1]s", a, "", b)
	}
	if _, ok := l.(moment); ok {
		return c.failed("%s is a date and %s is %s: write date_br(%[2]s)", "%s é uma data e %s é %s: escreva date_br(%[2]s)", a, b, kind(r))
	}
	if _, ok := r.(moment); ok {
		return c.failed("%[2]s is a date and %[1]s is %[3]s: write date_br(%[1]s)", "%[2]s é uma data e %[1]s é %[3]s: escreva date_br(%[1]s)", a, b, kind(l))
	}
	if _, ok := l.(string); ok {
		return c.failed("%s is text that is no plain number and %s is %s: write number_br(%[1]s) for \"1.234,56\", text(%[2]s) to compare words",
			"%s é um texto que não é número simples e %s é %s: escreva number_br(%[1]s) para \"1.234,56\", text(%[2]s) para comparar palavras", a, b, kind(r))
	}
	if _, ok := r.(string); ok {
		return c.failed("%[2]s is text that is no plain number and %[1]s is %[3]s: write number_br(%[2]s) for \"1.234,56\", text(%[1]s) to compare words",
			"%[2]s é um texto que não é número simples e %[1]s é %[3]s: escreva number_br(%[2]s) para \"1.234,56\", text(%[1]s) para comparar palavras", a, b, kind(l))
	}
	return c.failed("%s is %s and %s is %s: they cannot be compared", "%s é %s e %s é %s: não dá para comparar", a, kind(l), b, kind(r))
}

// ordered compares two numbers, texts, dates or lengths of time. Texts that are both numbers are compared
// as numbers: "10" is more than "9".
func ordered(l, r any, zone *time.Location) (int, bool) {
	if x, ok := numeric(l); ok {
		if y, ok := numeric(r); ok {
			i, first := x.(int)
			j, second := y.(int)
			if first && second {
				return cmp.Compare(i, j), true
			}
			return cmp.Compare(float(x), float(y)), true
		}
	}
	l, r = dated(l, r, zone), dated(r, l, zone)
	switch x := l.(type) {
	case string:
		y, ok := r.(string)
		return strings.Compare(x, y), ok
	case moment:
		if y, ok := r.(moment); ok {
			return x.compare(y, zone), true
		}
	case time.Duration:
		y, ok := r.(time.Duration)
		return cmp.Compare(x, y), ok
	}
	return 0, false
}

// dated reads a text as a date where it stands beside one, if it is written as computers write dates.
func dated(v, beside any, zone *time.Location) any {
	text, isText := v.(string)
	if _, isDate := beside.(moment); isText && isDate {
		if m, ok := parseISO(strings.TrimSpace(text), zone); ok {
			return m
		}
	}
	return v
}

func order(c call, is func(int) bool) (any, *fault) {
	l, r := c.args[0], c.args[1]
	if blank(l) || blank(r) {
		return nil, nil // nothing is neither more nor less
	}
	d, ok := ordered(l, r, c.zone)
	if !ok {
		return unlike(c, l, r)
	}
	return is(d), nil
}

// plus adds two numbers without losing digits: an overflow becomes a float64, never another number.
func plus(a, b any) any {
	if i, ok := a.(int); ok {
		if j, ok := b.(int); ok {
			if sum := i + j; (sum > i) == (j > 0) {
				return sum
			}
		}
	}
	return float(a) + float(b)
}

func add(c call) (any, *fault) {
	l, r := dated(c.args[0], c.args[1], c.zone), c.args[1]
	if x, ok := l.(string); ok {
		if y, ok := r.(string); ok {
			if len(x)+len(y) > maxText {
				return c.tooMuch()
			}
			return x + y, nil
		}
	}
	if x, ok := l.(moment); ok {
		if d, ok := r.(time.Duration); ok {
			return x.add(d), nil
		}
	}
	if d, ok := l.(time.Duration); ok {
		switch y := r.(type) {
		case moment:
			return y.add(d), nil
		case time.Duration:
			return d + y, nil
		}
	}
	_, leftText := l.(string)
	_, rightText := r.(string)
	if leftText != rightText {
		return c.failed("+ cannot join %s and %s: write text(%s, %s) to join, number_br(…) around the text to add",
			"+ não junta %s e %s: escreva text(%s, %s) para juntar, number_br(…) em volta do texto para somar", kind(l), kind(r), c.site.args[0].text, c.site.args[1].text)
	}
	return arithmetic(c, plus)
}

func subtract(c call) (any, *fault) {
	l, r := dated(c.args[0], c.args[1], c.zone), dated(c.args[1], c.args[0], c.zone)
	switch x := l.(type) {
	case moment:
		switch y := r.(type) {
		case moment:
			return x.since(y, c.zone), nil
		case time.Duration:
			return x.add(-y), nil
		}
	case time.Duration:
		if y, ok := r.(time.Duration); ok {
			return x - y, nil
		}
	}
	return arithmetic(c, func(a, b any) any {
		if j, ok := b.(int); ok && j != math.MinInt {
			return plus(a, -j)
		}
		return float(a) - float(b)
	})
}

func multiply(c call) (any, *fault) {
	for i, a := range c.args {
		if d, ok := a.(time.Duration); ok {
			if n, ok := numeric(c.args[1-i]); ok {
				return time.Duration(float64(d) * float(n)), nil
			}
		}
	}
	return arithmetic(c, func(a, b any) any {
		if i, ok := a.(int); ok {
			if j, ok := b.(int); ok {
				if high, low := bits.Mul64(magnitude(i), magnitude(j)); high == 0 && low <= math.MaxInt {
					return i * j
				}
			}
		}
		return float(a) * float(b)
	})
}

func magnitude(i int) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

func divide(c call) (any, *fault) {
	if n, ok := numeric(c.args[1]); ok && float(n) == 0 {
		return c.wrong(1, "%s is zero, and nothing can be divided by it", "%s é zero, e não se divide por zero")
	}
	return arithmetic(c, func(a, b any) any {
		i, first := a.(int)
		j, second := b.(int)
		if first && second && i%j == 0 {
			return i / j
		}
		return float(a) / float(b)
	})
}

func remainder(c call) (any, *fault) {
	l, _ := numeric(c.args[0])
	r, _ := numeric(c.args[1])
	i, first := l.(int)
	j, second := r.(int)
	if !first || !second || j == 0 {
		return c.failed("% needs two whole numbers, the second not zero", "% precisa de dois números inteiros, o segundo diferente de zero")
	}
	return i % j, nil
}

func power(c call) (any, *fault) {
	return arithmetic(c, func(a, b any) any { return whole(math.Pow(float(a), float(b))) })
}

// whole turns a float64 without a fraction into an int where that loses nothing.
func whole(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// arithmetic applies an operation to two numbers, or to texts that are written as plain ones.
func arithmetic(c call, do func(a, b any) any) (any, *fault) {
	var n [2]any
	for i, a := range c.args {
		if blank(a) {
			return nil, nil
		}
		v, ok := numeric(a)
		if !ok {
			return c.wrong(i, "%s is %s, not a number: write number_br(%[1]s) if it is one as people write it", "%s é %s, não um número: escreva number_br(%[1]s) se for um número escrito por pessoas", kind(a))
		}
		n[i] = v
	}
	return finite(c, do(n[0], n[1]))
}

// finite refuses what no target can store as a number.
func finite(c call, v any) (any, *fault) {
	if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return c.failed("the result is no number", "o resultado não é um número")
	}
	return v, nil
}

func signed(c call, sign int) (any, *fault) {
	if d, ok := c.args[0].(time.Duration); ok {
		return d * time.Duration(sign), nil
	}
	n, ok := numeric(c.args[0])
	if !ok {
		return c.wrong(0, "%s is %s, not a number", "%s é %s, não um número", kind(c.args[0]))
	}
	if i, ok := n.(int); ok && i != math.MinInt {
		return i * sign, nil
	}
	return float(n) * float64(sign), nil
}

func upTo(c call) (any, *fault) {
	from, first := c.args[0].(int)
	to, second := c.args[1].(int)
	if !first || !second {
		return c.failed(".. needs two whole numbers", ".. precisa de dois números inteiros")
	}
	if to >= from && (uint(to)-uint(from) >= maxRange || !c.spend(to-from)) {
		return c.tooMuch()
	}
	items := []any{}
	for i := from; i <= to; i++ {
		items = append(items, i)
	}
	return items, nil
}

// in looks for a value in a list or for a key in an object. A row that cannot be compared with the value
// makes "not found" a guess, and that is a fault.
func in(c call) (any, *fault) {
	wanted := c.args[0]
	switch box := c.args[1].(type) {
	case nil:
		return false, nil
	case map[string]any:
		name, ok := written(wanted)
		if !ok {
			return c.wrong(0, "%s is %s, not the name of a key", "%s é %s, não o nome de uma chave", kind(wanted))
		}
		_, found := box[name]
		return found, nil
	case []any:
		if !c.spend(len(box) / 8) {
			return c.tooMuch()
		}
		var odd any
		for _, item := range box {
			item = plain(item)
			is, ok := same(wanted, item)
			if is {
				return true, nil
			}
			if !ok && odd == nil {
				odd = item
			}
		}
		if odd != nil {
			return c.failed("%[2]s is in the list %[1]s, which cannot be compared with %[3]s", "há %[2]s na lista %[1]s, que não se compara com %[3]s",
				c.site.args[1].text, kind(odd), kind(wanted))
		}
		return false, nil
	case string:
		if blank(box) {
			return false, nil
		}
		return c.failed("%[2]s is text, not a list: write %[2]s contains %[1]s, or split(%[2]s, \",\") to make a list",
			"%[2]s é texto, não uma lista: escreva %[2]s contains %[1]s, ou split(%[2]s, \",\") para fazer uma lista", c.site.args[0].text, c.site.args[1].text)
	}
	return c.wrong(1, "%s is %s, not a list", "%s é %s, não uma lista", kind(c.args[1]))
}

func textTest(c call, test func(s, part string) bool) (any, *fault) {
	var t [2]string
	for i, a := range c.args {
		if _, isList := a.([]any); isList && i == 0 {
			return c.failed("%[1]s is a list: write %[2]s in %[1]s", "%[1]s é uma lista: escreva %[2]s in %[1]s", c.site.args[0].text, c.site.args[1].text)
		}
		text, ok := written(a)
		if !ok {
			return c.wrong(i, "%s is %s, not text", "%s é %s, não texto", kind(a))
		}
		t[i] = text
	}
	return test(t[0], t[1]), nil
}

func matches(c call) (any, *fault) {
	pattern, ok := c.args[1].(string)
	if len(pattern) > 1000 {
		return c.tooMuch()
	}
	if !ok {
		return c.wrong(1, "%s is %s, not a pattern", "%s é %s, não um padrão", kind(c.args[1]))
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return c.wrong(1, "%s is not a regular expression", "%s não é uma expressão regular")
	}
	return textTest(c, func(s, _ string) bool { return re.MatchString(s) })
}

// pattern compiles a pattern that is written out once, when the file is loaded.
func pattern(args []ast.Node) (func(call) (any, *fault), message) {
	written, ok := args[1].(*ast.StringNode)
	if !ok {
		return matches, message{}
	}
	re, err := regexp.Compile(written.Value)
	if err != nil {
		return nil, words("%q is not a regular expression", "%q não é uma expressão regular", written.Value)
	}
	return func(c call) (any, *fault) {
		return textTest(c, func(s, _ string) bool { return re.MatchString(s) })
	}, message{}
}
