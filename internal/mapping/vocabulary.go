package mapping

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// function is one word of the vocabulary. Unless it says otherwise it is not even called when an argument is
// absent or empty: absent in gives absent out, empty in gives empty out.
type function struct {
	min, max int // number of arguments; max < 0: any
	use      string
	doc      string
	empties  bool // wants to see empty arguments
	gaps     bool // wants to see absent ones too
	compares bool // compares, so that for consent what is empty has no answer
	do       func(call) (any, *fault)
	// prepare specialises the function for arguments that are written out, when the file is loaded.
	prepare func([]ast.Node) (func(call) (any, *fault), message)
}

// functions is the vocabulary; the loops (map, filter, find, …) are beside it.
var functions = map[string]*function{
	"text":       {min: 1, max: -1, use: `text(a, b, …)`, doc: "joins what it is given as one text; empty if a part is empty", do: joinText},
	"first":      {min: 1, max: -1, use: `first(a, b, …)`, doc: "the first of several that is filled", gaps: true, empties: true, do: first},
	"yes":        {min: 1, max: 1, use: `yes(record.field)`, doc: "reads true, \"S\", \"sim\", 1, \"on\" and their opposites as true or false; any other word is an error", do: yesOf},
	"number_br":  {min: 1, max: 1, use: `number_br("1.234,56")`, doc: "a number as people write it in Brazil; an amount of money (`{value, currency}`) counts as its value", do: numberBR},
	"date_br":    {min: 1, max: 1, use: `date_br("20/11/2026 10:41")`, doc: "a date as people write it in Brazil, or as computers do", do: dateBR},
	"date":       {min: 1, max: 1, use: `date("2026-11-20T10:41:07Z")`, doc: "a date as computers write it", do: date},
	"days":       {min: 1, max: 1, use: `days(90)`, doc: "a length of time, to add to a date or to compare with today - date", do: days},
	"duration":   {min: 1, max: 1, use: `duration("36h")`, doc: "a length of time in h, m and s", do: duration},
	"phone":      {min: 1, max: 2, use: `phone(record.fone, "84")`, doc: "a telephone number as +5584990000101; the second value is the area code of numbers without one", do: phoneOf},
	"title":      {min: 1, max: 1, use: `title(record.nome)`, doc: "a name with capital initials, de, da, dos and the like small", do: each1(title)},
	"squeeze":    {min: 1, max: 1, use: `squeeze(record.nome)`, doc: "without blanks and line breaks around, and with one blank between words", do: each1(squeeze)},
	"cpf":        {min: 1, max: 1, use: `cpf(record.documento)`, doc: "the eleven digits of a CPF, checked", do: cpf},
	"lower":      {min: 1, max: 1, use: `lower(text)`, doc: "in small letters", do: each1(strings.ToLower)},
	"upper":      {min: 1, max: 1, use: `upper(text)`, doc: "in capitals", do: each1(strings.ToUpper)},
	"string":     {min: 1, max: 1, use: `string(value)`, doc: "a value as text; nothing is an empty text", empties: true, do: stringOf},
	"trim":       {min: 1, max: 2, use: `trim(text)`, doc: "without blanks, or without the characters given, around it", do: trim},
	"trimPrefix": {min: 2, max: 2, use: `trimPrefix(text, "x")`, doc: "without that beginning", do: text2(strings.TrimPrefix)},
	"trimSuffix": {min: 2, max: 2, use: `trimSuffix(text, "x")`, doc: "without that end", do: text2(strings.TrimSuffix)},
	"hasPrefix":  {min: 2, max: 2, use: `hasPrefix(text, "x")`, doc: "whether it begins so", do: test2(strings.HasPrefix)},
	"hasSuffix":  {min: 2, max: 2, use: `hasSuffix(text, "x")`, doc: "whether it ends so", do: test2(strings.HasSuffix)},
	"replace":    {min: 3, max: 3, use: `replace(text, "old", "new")`, doc: "with every old replaced by new", empties: true, do: replace},
	"repeat":     {min: 2, max: 2, use: `repeat(text, 3)`, doc: "so many times", do: repeat},
	"split":      {min: 2, max: 2, use: `split(text, ",")`, doc: "the parts between separators, as a list", do: split},
	"join":       {min: 1, max: 2, use: `join(list, ", ")`, doc: "the filled rows of a list as one text", do: join},
	"indexOf":    {min: 2, max: 2, use: `indexOf(text, "x")`, doc: "where a part begins, from 0; -1 when it is not there", do: indexOf},
	"len":        {min: 1, max: 1, use: `len(list)`, doc: "how many rows, or characters", empties: true, do: length},
	"int":        {min: 1, max: 1, use: `int(value)`, doc: "a whole number, without what is behind the point", do: toInt},
	"float":      {min: 1, max: 1, use: `float(value)`, doc: "a number", do: toNumber(func(f any) any { return f })},
	"abs":        {min: 1, max: 1, use: `abs(number)`, doc: "without its sign", do: toNumber(absolute)},
	"ceil":       {min: 1, max: 1, use: `ceil(number)`, doc: "rounded up", do: toNumber(rounded(math.Ceil))},
	"floor":      {min: 1, max: 1, use: `floor(number)`, doc: "rounded down", do: toNumber(rounded(math.Floor))},
	"round":      {min: 1, max: 1, use: `round(number)`, doc: "rounded to a whole number", do: toNumber(rounded(math.Round))},
	"max":        {min: 1, max: -1, use: `max(a, b, …)`, doc: "the most of several, or of a list", do: extreme(1)},
	"min":        {min: 1, max: -1, use: `min(a, b, …)`, doc: "the least of several, or of a list", do: extreme(-1)},
	"last":       {min: 1, max: 1, use: `last(list)`, doc: "the last row", do: last},
	"take":       {min: 2, max: 2, use: `take(list, 3)`, doc: "the first rows", do: take},
	"reverse":    {min: 1, max: 1, use: `reverse(list)`, doc: "back to front", do: onList(reversed)},
	"uniq":       {min: 1, max: 1, use: `uniq(list)`, doc: "every value once", do: onList(uniq)},
	"flatten":    {min: 1, max: 1, use: `flatten(list)`, doc: "the rows of lists within lists", do: onList(flat)},
	"concat":     {min: 1, max: -1, use: `concat(list, list, …)`, doc: "one list behind the other", empties: true, do: concat},
	"sort":       {min: 1, max: 2, use: `sort(list, "desc")`, doc: "in order", do: sorted},
	"keys":       {min: 1, max: 1, use: `keys(object)`, doc: "the keys of an object, in order", do: keysOf},
	"values":     {min: 1, max: 1, use: `values(object)`, doc: "the values of an object, in the order of its keys", do: valuesOf},
	"get":        {min: 2, max: 2, use: `get(object, "key")`, doc: "one part of an object or list", do: get},
	"fromJSON":   {min: 1, max: 1, use: `fromJSON(text)`, doc: "what a text in JSON says", do: fromJSON},
	"toJSON":     {min: 1, max: 1, use: `toJSON(value)`, doc: "a value as JSON", do: toJSON},
}

// functionNames are all words that can be called.
func functionNames() []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(functions)), maps.Keys(loops))
}

// replaced are functions that expr has and mappings have not, with what to write instead.
var replaced = map[string]message{
	"now":      words("now() would give another answer every time: write today", "now() daria outra resposta a cada vez: escreva today"),
	"timezone": words("the time zone of a file is defaults.timezone", "o fuso horário do arquivo é defaults.timezone"),
	"type":     words("there is no type(): yes(…), number_br(…) and date_br(…) read a value in any of its spellings", "não há type(): yes(…), number_br(…) e date_br(…) leem um valor em qualquer grafia"),
	"number":   words("there is no number(): a text such as \"2.5\" counts as a number by itself, \"1.234,56\" is read by number_br(…)", "não há number(): um texto como \"2.5\" já conta como número, \"1.234,56\" é lido por number_br(…)"),
	"if":       words("write condition ? this : that", "escreva condição ? isto : aquilo"),
}

// textArg is an argument that must be text or something that has a text.
func textArg(c call, i int) (string, *fault) {
	text, ok := written(c.args[i])
	if !ok {
		_, f := c.wrong(i, "%s is %s, not text", "%s é %s, não texto", kind(c.args[i]))
		return "", f
	}
	return text, nil
}

// listArg is an argument that must be a list; what is blank is an empty one.
func listArg(c call, i int) ([]any, *fault) {
	if items, ok := c.args[i].([]any); ok {
		return items, nil
	}
	if blank(c.args[i]) {
		return nil, nil
	}
	_, f := c.wrong(i, "%s is %s, not a list", "%s é %s, não uma lista", kind(c.args[i]))
	return nil, f
}

// first is the first of several that is filled, or of the rows of one list.
func first(c call) (any, *fault) {
	items := c.args
	if rows, ok := c.args[0].([]any); ok && len(c.args) == 1 {
		items = rows
	}
	return firstFilled(items), nil
}

// firstFilled chooses among values. When none is filled, an absent one keeps the answer open: the record has
// not said that there is nothing.
func firstFilled(items []any) any {
	var none any
	for _, v := range items {
		v = plain(v)
		if !silent(v) {
			return v
		}
		if _, absent := v.(*gap); absent && none == nil {
			none = v
		}
	}
	return none
}

// firstOf is the operator ??. A text written out behind it, as in record.city ?? "", is the person's own
// word for nothing and holds.
func firstOf(last ast.Node) *function {
	_, said := last.(*ast.StringNode)
	return &function{gaps: true, empties: true, do: func(c call) (any, *fault) {
		if said && silent(c.args[0]) {
			return c.args[1], nil
		}
		return firstFilled(c.args), nil
	}}
}

func yesOf(c call) (any, *fault) {
	if blank(c.args[0]) {
		return nil, nil
	}
	is, ok := yes(c.args[0])
	if !ok {
		return c.wrong(0, "%s holds a word that is neither yes nor no", "%s contém uma palavra que não é sim nem não")
	}
	return is, nil
}
