package mapping

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// each1 makes a function of one text.
func each1(do func(string) string) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		text, f := textArg(c, 0)
		if f != nil {
			return nil, f
		}
		return do(text), nil
	}
}

// text2 makes a function of two texts.
func text2(do func(s, part string) string) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		a, f := textArg(c, 0)
		if f != nil {
			return nil, f
		}
		b, f := textArg(c, 1)
		if f != nil {
			return nil, f
		}
		return do(a, b), nil
	}
}

func test2(test func(s, part string) bool) func(call) (any, *fault) {
	return func(c call) (any, *fault) { return textTest(c, test) }
}

// joinText is text(…). A blank part makes all of it empty: half an address is worse than none.
func joinText(c call) (any, *fault) {
	var b strings.Builder
	for i := range c.args {
		part, f := textArg(c, i)
		if f != nil {
			return nil, f
		}
		if len(c.args) > 1 && part == "" {
			return nil, nil
		}
		if b.WriteString(part); b.Len() > maxText {
			return c.tooMuch()
		}
	}
	return b.String(), nil
}

// particles stay small inside a Portuguese name.
var particles = map[string]bool{"de": true, "da": true, "do": true, "das": true, "dos": true, "e": true, "di": true, "du": true, "del": true, "van": true, "von": true}

// title writes a name with capital initials. "D'ÁVILA-SÁ" becomes "D'Ávila-Sá".
func title(s string) string {
	list := strings.Fields(strings.ToLower(s))
	for i, word := range list {
		if i > 0 && i < len(list)-1 && particles[word] {
			continue
		}
		var b strings.Builder
		start := true
		for _, r := range word {
			if start {
				b.WriteString(strings.ToTitle(string(r)))
			} else {
				b.WriteRune(r)
			}
			start = r == '-' || r == '\'' || r == '’' || r == '.' || r == '('
		}
		list[i] = b.String()
	}
	return strings.Join(list, " ")
}

// squeeze also takes away the invisible characters that copying from web pages brings along.
func squeeze(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case r == '\u200b' || r == '\u200e' || r == '\u200f' || r == '\u2060' || r == '\ufeff':
			return -1
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, s)), " ")
}

func cpf(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	if blank(text) {
		return nil, nil
	}
	if _, isNumber := c.args[0].(int); isNumber && len(text) < 11 {
		text = strings.Repeat("0", 11-len(text)) + text // a number has lost its zeros
	}
	digits := make([]byte, 0, 11)
	for i := range len(text) {
		switch d := text[i]; {
		case '0' <= d && d <= '9':
			digits = append(digits, d)
		case d != '.' && d != '-' && d != ' ' && d != '/':
			return c.wrong(0, "%s is no CPF", "%s não é um CPF")
		}
	}
	if len(digits) != 11 || strings.Count(string(digits), string(digits[:1])) == 11 ||
		digits[9] != checkDigit(digits[:9]) || digits[10] != checkDigit(digits[:10]) {
		return c.wrong(0, "%s is no valid CPF", "%s não é um CPF válido")
	}
	return string(digits), nil
}

func checkDigit(digits []byte) byte {
	sum := 0
	for i, d := range digits {
		sum += int(d-'0') * (len(digits) + 1 - i)
	}
	return '0' + byte(sum*10%11%10)
}

func stringOf(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	return text, nil
}

func trim(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	if len(c.args) == 1 {
		return strings.TrimSpace(text), nil
	}
	cutset, f := textArg(c, 1)
	if f != nil {
		return nil, f
	}
	return strings.Trim(text, cutset), nil
}

func replace(c call) (any, *fault) {
	var t [3]string
	for i := range t {
		var f *fault
		if t[i], f = textArg(c, i); f != nil {
			return nil, f
		}
	}
	if n := strings.Count(t[0], t[1]); len(t[0])+n*len(t[2]) > maxText {
		return c.tooMuch()
	}
	if c.args[0] == nil {
		return nil, nil
	}
	return strings.ReplaceAll(t[0], t[1], t[2]), nil
}

func repeat(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	n, ok := c.args[1].(int)
	if !ok || n < 0 {
		return c.wrong(1, "%s is no number of times", "%s não é um número de vezes")
	}
	if n > maxText || n*len(text) > maxText {
		return c.tooMuch()
	}
	return strings.Repeat(text, n), nil
}

func split(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	sep, f := textArg(c, 1)
	if f != nil {
		return nil, f
	}
	if !c.spend(strings.Count(text, sep)) {
		return c.tooMuch()
	}
	items := []any{}
	for part := range strings.SplitSeq(text, sep) {
		items = append(items, part)
	}
	return items, nil
}

func join(c call) (any, *fault) {
	items, f := listArg(c, 0)
	if f != nil {
		return nil, f
	}
	sep := ""
	if len(c.args) > 1 {
		if sep, f = textArg(c, 1); f != nil {
			return nil, f
		}
	}
	var b strings.Builder
	for _, item := range items {
		text, ok := written(plain(item))
		if !ok {
			return c.wrong(0, "%s has rows that are %s, not text: write join(map(%[1]s, .field), \", \")", "%s tem linhas que são %s, não texto: escreva join(map(%[1]s, .campo), \", \")", kind(plain(item)))
		}
		if blank(text) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(sep)
		}
		if b.WriteString(text); b.Len() > maxText {
			return c.tooMuch()
		}
	}
	return b.String(), nil
}

func indexOf(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	part, f := textArg(c, 1)
	if f != nil {
		return nil, f
	}
	at := strings.Index(text, part)
	if at < 0 {
		return -1, nil
	}
	return utf8.RuneCountInString(text[:at]), nil
}

func fromJSON(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	if blank(text) {
		return nil, nil
	}
	v, err := decode([]byte(text))
	if err != nil {
		return c.wrong(0, "%s is no JSON", "%s não é JSON")
	}
	return v, nil
}

func toJSON(c call) (any, *fault) {
	text, err := json.Marshal(jsonable(c.args[0]))
	if err != nil || len(text) > maxText {
		return c.failed("this cannot be written as JSON", "isto não pode ser escrito como JSON")
	}
	return string(text), nil
}

// jsonable replaces the values that only this package knows by their text.
func jsonable(v any) any {
	switch x := plain(v).(type) {
	case moment, time.Duration:
		text, _ := written(x)
		return text
	case []any:
		items := make([]any, len(x))
		for i := range x {
			items[i] = jsonable(x[i])
		}
		return items
	case map[string]any:
		object := make(map[string]any, len(x))
		for k := range x {
			object[k] = jsonable(x[k])
		}
		return object
	default:
		return x
	}
}
