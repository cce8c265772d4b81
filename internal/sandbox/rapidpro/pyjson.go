package rapidpro

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errTooDeep stands for Python's RecursionError, which is not a parse error but a crash.
var errTooDeep = errors.New("maximum recursion depth exceeded")

// maxDepth is about where Python's recursion limit of 1,000 frames is hit inside a request.
const maxDepth = 950

// parseJSON reads a request body as json.load does in the API's Python, which knows NaN and Infinity. The
// texts of its errors, with line, column and character, are what clients see after "JSON parse error - ".
func parseJSON(body []byte, charset string) (value any, err error) {
	text, err := decodeText(body, charset)
	if err != nil {
		return nil, err
	}
	p := &jsonParser{text: text}
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(jsonFailure)
			if !ok {
				panic(r)
			}
			value, err = nil, failure.err
		}
	}()
	if len(text) > 0 && text[0] == 0xfeff {
		p.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
	}
	p.skip()
	value = p.value(0)
	p.skip()
	if p.at < len(p.text) {
		p.fail("Extra data", p.at)
	}
	return value, nil
}

// decodeText turns bytes into characters; positions in error texts count characters. A character that
// is cut off at the end is dropped: the reader waits for the rest of it. Charsets that Python does not know,
// and those that it does but nobody sends, are read as UTF-8.
func decodeText(body []byte, charset string) ([]rune, error) {
	text := make([]rune, 0, len(body))
	switch charset {
	case "latin-1", "latin1", "latin_1", "iso-8859-1", "iso8859-1":
		for _, b := range body {
			text = append(text, rune(b))
		}
		return text, nil
	case "ascii", "us-ascii":
		for i, b := range body {
			if b >= 0x80 {
				return nil, fmt.Errorf("'ascii' codec can't decode byte 0x%02x in position %d: ordinal not in range(128)", b, i)
			}
			text = append(text, rune(b))
		}
		return text, nil
	}
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n <= 1 {
			end, reason := brokenUTF8(body, i)
			if reason == cutOff && end == len(body) {
				break
			}
			return nil, utf8Error(body[i:end], i, reason)
		}
		text = append(text, r)
		i += n
	}
	return text, nil
}

const cutOff = "unexpected end of data"

// utf8Error words a broken byte sequence as Python's utf-8 codec does.
func utf8Error(bad []byte, at int, reason string) error {
	if len(bad) == 1 {
		return fmt.Errorf("'utf-8' codec can't decode byte 0x%02x in position %d: %s", bad[0], at, reason)
	}
	return fmt.Errorf("'utf-8' codec can't decode bytes in position %d-%d: %s", at, at+len(bad)-1, reason)
}

// brokenUTF8 says where a broken sequence that begins at i ends: it is as long as it could still have become
// a character.
func brokenUTF8(body []byte, i int) (end int, reason string) {
	low, high := byte(0x80), byte(0xbf)
	want := 0
	switch b := body[i]; {
	case b >= 0xc2 && b <= 0xdf:
		want = 1
	case b >= 0xe0 && b <= 0xef:
		want = 2
		switch b {
		case 0xe0:
			low = 0xa0
		case 0xed:
			high = 0x9f
		}
	case b >= 0xf0 && b <= 0xf4:
		want = 3
		switch b {
		case 0xf0:
			low = 0x90
		case 0xf4:
			high = 0x8f
		}
	}
	reason, end = "invalid start byte", i+1
	if want > 0 {
		reason = cutOff
		for ; want > 0 && end < len(body); want-- {
			if body[end] < low || body[end] > high {
				reason = "invalid continuation byte"
				break
			}
			low, high = 0x80, 0xbf
			end++
		}
	}
	return end, reason
}

type jsonParser struct {
	text []rune
	at   int
}

type jsonFailure struct{ err error }

func (p *jsonParser) fail(msg string, pos int) {
	line, column := 1, pos+1
	for i, r := range p.text[:min(pos, len(p.text))] {
		if r == '\n' {
			line++
			column = pos - i
		}
	}
	panic(jsonFailure{fmt.Errorf("%s: line %d column %d (char %d)", msg, line, column, pos)})
}

func (p *jsonParser) skip() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() rune {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return -1
}

func (p *jsonParser) word(w string) bool {
	if end := p.at + len(w); end <= len(p.text) && string(p.text[p.at:end]) == w {
		p.at = end
		return true
	}
	return false
}

func (p *jsonParser) value(depth int) any {
	if depth > maxDepth {
		panic(jsonFailure{errTooDeep})
	}
	switch r := p.peek(); {
	case r == '"':
		p.at++
		return p.str()
	case r == '{':
		p.at++
		return p.object(depth)
	case r == '[':
		p.at++
		return p.array(depth)
	case p.word("null"):
		return nil
	case p.word("true"):
		return true
	case p.word("false"):
		return false
	case r >= '0' && r <= '9', r == '-':
		if v := p.number(); v != nil {
			return v
		}
	}
	switch {
	case p.word("NaN"):
		return math.NaN()
	case p.word("Infinity"):
		return math.Inf(1)
	case p.word("-Infinity"):
		return math.Inf(-1)
	}
	p.fail("Expecting value", p.at)
	return nil
}

func (p *jsonParser) object(depth int) any {
	d := newDict()
	p.skip()
	if p.peek() == '}' {
		p.at++
		return d
	}
	for {
		if p.peek() != '"' {
			p.fail("Expecting property name enclosed in double quotes", p.at)
		}
		p.at++
		key := p.str()
		p.skip()
		if p.peek() != ':' {
			p.fail("Expecting ':' delimiter", p.at)
		}
		p.at++
		p.skip()
		d.set(key, p.value(depth+1))
		p.skip()
		switch p.peek() {
		case '}':
			p.at++
			return d
		case ',':
			p.at++
			p.skip()
		default:
			p.fail("Expecting ',' delimiter", p.at)
		}
	}
}

func (p *jsonParser) array(depth int) any {
	list := []any{}
	p.skip()
	if p.peek() == ']' {
		p.at++
		return list
	}
	for {
		list = append(list, p.value(depth+1))
		p.skip()
		switch p.peek() {
		case ']':
			p.at++
			return list
		case ',':
			p.at++
			p.skip()
		default:
			p.fail("Expecting ',' delimiter", p.at)
		}
	}
}

// number returns nil when there is no number here, as a minus sign alone.
func (p *jsonParser) number() any {
	start, i := p.at, p.at
	digits := func() bool {
		from := i
		for i < len(p.text) && p.text[i] >= '0' && p.text[i] <= '9' {
			i++
		}
		return i > from
	}
	if p.text[i] == '-' {
		i++
	}
	if i < len(p.text) && p.text[i] == '0' {
		i++
	} else if !digits() {
		return nil
	}
	end, float := i, false
	if i < len(p.text) && p.text[i] == '.' {
		i++
		if digits() {
			end, float = i, true
		}
	}
	i = end
	if i < len(p.text) && (p.text[i] == 'e' || p.text[i] == 'E') {
		i++
		if i < len(p.text) && (p.text[i] == '+' || p.text[i] == '-') {
			i++
		}
		if digits() {
			end, float = i, true
		}
	}
	p.at = end
	text := string(p.text[start:end])
	if !float {
		if text == "-0" {
			text = "0"
		}
		return pyInt(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil
	}
	return f
}

// str reads a string whose opening quote is just behind.
func (p *jsonParser) str() string {
	begin := p.at - 1
	var b []byte
	for {
		if p.at >= len(p.text) {
			p.fail("Unterminated string starting at", begin)
		}
		r := p.text[p.at]
		switch {
		case r == '"':
			p.at++
			return string(b)
		case r == '\\':
			b = p.escape(b, begin)
		case r <= 0x1f:
			p.fail("Invalid control character at", p.at)
		default:
			b = appendRune(b, r)
			p.at++
		}
	}
}

func (p *jsonParser) escape(b []byte, begin int) []byte {
	p.at++
	if p.at >= len(p.text) {
		p.fail("Unterminated string starting at", begin)
	}
	c := p.text[p.at]
	if c != 'u' {
		i := strings.IndexRune(`"\/bfnrt`, c)
		if i < 0 {
			p.fail(`Invalid \escape`, p.at-1)
		}
		p.at++
		return append(b, "\"\\/\b\f\n\r\t"[i])
	}
	r := p.hex4()
	if r >= 0xd800 && r <= 0xdbff && p.at+6 < len(p.text) && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
		back := p.at
		p.at++
		if low := p.hex4(); low >= 0xdc00 && low <= 0xdfff {
			return appendRune(b, 0x10000+(r-0xd800)<<10+(low-0xdc00))
		}
		p.at = back
	}
	return appendRune(b, r)
}

// hex4 reads the digits after the u that it stands on.
func (p *jsonParser) hex4() rune {
	u := p.at
	if u+5 >= len(p.text) {
		p.fail(`Invalid \uXXXX escape`, u)
	}
	var r rune
	for _, d := range p.text[u+1 : u+5] {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		default:
			p.fail(`Invalid \uXXXX escape`, u)
		}
		r = r<<4 | d
	}
	p.at = u + 5
	return r
}
