package mapping

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"
)

func length(c call) (any, *fault) {
	switch x := c.args[0].(type) {
	case nil:
		return 0, nil
	case string:
		return utf8.RuneCountInString(x), nil
	case []any:
		return len(x), nil
	case map[string]any:
		return len(x), nil
	}
	return c.wrong(0, "%s is %s and has no length", "%s é %s e não tem tamanho", kind(c.args[0]))
}

func last(c call) (any, *fault) {
	items, f := listArg(c, 0)
	if f != nil {
		return nil, f
	}
	if len(items) == 0 {
		return &gap{path: "last(" + c.site.args[0].text + ")"}, nil
	}
	return plain(items[len(items)-1]), nil
}

func take(c call) (any, *fault) {
	items, f := listArg(c, 0)
	if f != nil {
		return nil, f
	}
	n, ok := c.args[1].(int)
	if !ok || n < 0 {
		return c.wrong(1, "%s is no number of rows", "%s não é um número de linhas")
	}
	return list(items[:min(n, len(items))]), nil
}

// cut is a[from:to] of a list or a text; from and to are the places of the bounds among the arguments.
func cut(c call, from, to int) (any, *fault) {
	size := 0
	text, isText := c.args[0].(string)
	letters := []rune(text)
	items, isList := c.args[0].([]any)
	switch {
	case c.args[0] == nil:
		return nil, nil
	case isText:
		size = len(letters)
	case isList:
		size = len(items)
	default:
		return c.wrong(0, "%s is %s and cannot be cut", "%s é %s e não pode ser cortado", kind(c.args[0]))
	}
	bound := func(arg, otherwise int) (int, bool) {
		if arg < 0 {
			return otherwise, true
		}
		i, ok := c.args[arg].(int)
		if i < 0 {
			i += size
		}
		return min(max(i, 0), size), ok
	}
	a, ok1 := bound(from, 0)
	b, ok2 := bound(to, size)
	if !ok1 || !ok2 {
		return c.failed("[:] needs whole numbers", "[:] precisa de números inteiros")
	}
	b = max(a, b)
	if isText {
		return string(letters[a:b]), nil
	}
	return list(items[a:b]), nil
}

// onList makes a function of one list.
func onList(do func([]any) []any) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		items, f := listArg(c, 0)
		if f != nil {
			return nil, f
		}
		if !c.spend(len(items)) {
			return c.tooMuch()
		}
		return list(do(items)), nil
	}
}

func reversed(items []any) []any {
	items = slices.Clone(items)
	slices.Reverse(items)
	return items
}

func uniq(items []any) []any {
	var once []any
	seen := map[string]bool{}
	for _, v := range items {
		v = plain(v)
		text, ok := written(v)
		if !ok {
			whole, err := json.Marshal(jsonable(v))
			if err != nil {
				continue
			}
			text = "json " + string(whole)
		}
		if !seen[text] {
			seen[text] = true
			once = append(once, v)
		}
	}
	return once
}

func flat(items []any) []any {
	var all []any
	for _, v := range items {
		if inner, ok := plain(v).([]any); ok {
			all = append(all, flat(inner)...)
		} else {
			all = append(all, v)
		}
	}
	return all
}

func concat(c call) (any, *fault) {
	all := []any{}
	for i := range c.args {
		items, f := listArg(c, i)
		if f != nil {
			return nil, f
		}
		all = append(all, items...)
	}
	if !c.spend(len(all)) {
		return c.tooMuch()
	}
	return all, nil
}

func sorted(c call) (any, *fault) {
	items, f := listArg(c, 0)
	if f != nil {
		return nil, f
	}
	w := &sorting{descending: len(c.args) > 1 && c.args[1] == "desc"}
	for _, v := range items {
		v = plain(v)
		w.rows, w.keys = append(w.rows, v), append(w.keys, v)
	}
	return w.result(c)
}

func objectArg(c call) (map[string]any, *fault) {
	if object, ok := c.args[0].(map[string]any); ok {
		return object, nil
	}
	_, f := c.wrong(0, "%s is %s, not an object", "%s é %s, não um objeto", kind(c.args[0]))
	return nil, f
}

func keysOf(c call) (any, *fault) {
	object, f := objectArg(c)
	if f != nil {
		return nil, f
	}
	items := []any{}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		items = append(items, k)
	}
	return items, nil
}

func valuesOf(c call) (any, *fault) {
	object, f := objectArg(c)
	if f != nil {
		return nil, f
	}
	items := []any{}
	for _, k := range slices.Sorted(maps.Keys(object)) {
		items = append(items, plain(object[k]))
	}
	return items, nil
}

func get(c call) (any, *fault) {
	v, m := step(c.args[0], c.args[1], &gap{path: "get(" + c.site.args[0].text + ", …)"}, c.site.args[0].text, `["…"]`)
	if !m.isZero() {
		return nil, &fault{c.from, c.to, m}
	}
	return v, nil
}
