package mapping

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// loop is a function that looks at the rows of a list one by one. It is given the value of its condition or
// expression for a row and answers whether it has seen enough; what it returns is decided at the end.
type loop struct {
	use, doc  string
	condition bool // the second argument is a yes or no
	backwards bool
	begin     func() walk
}

// walk is one run over a list.
type walk interface {
	// row takes the value for row i and reports whether the walk may stop.
	row(c call, i int, row, value any) (stop bool, f *fault)
	// result is the outcome after the last row that was looked at.
	result(c call) (any, *fault)
}

var loops = map[string]loop{
	"map":           {use: `map(list, .field)`, doc: "the value for every row, as a list; rows that lack it are left out", begin: func() walk { return &collecting{} }},
	"filter":        {use: `filter(list, .field == "x")`, doc: "the rows for which it holds", condition: true, begin: func() walk { return &filtering{} }},
	"find":          {use: `find(list, .field == "x")`, doc: "the first row for which it holds", condition: true, begin: func() walk { return &finding{} }},
	"findLast":      {use: `findLast(list, .field == "x")`, doc: "the last row for which it holds", condition: true, backwards: true, begin: func() walk { return &finding{} }},
	"findIndex":     {use: `findIndex(list, .field == "x")`, doc: "the number of the first row for which it holds, from 0", condition: true, begin: func() walk { return &finding{index: true} }},
	"findLastIndex": {use: `findLastIndex(list, .field == "x")`, doc: "the number of the last row for which it holds", condition: true, backwards: true, begin: func() walk { return &finding{index: true} }},
	"any":           {use: `any(list, .field == "x")`, doc: "whether it holds for a row", condition: true, begin: func() walk { return &deciding{on: true, then: true} }},
	"all":           {use: `all(list, .field == "x")`, doc: "whether it holds for every row", condition: true, begin: func() walk { return &deciding{on: false, then: false} }},
	"none":          {use: `none(list, .field == "x")`, doc: "whether it holds for no row", condition: true, begin: func() walk { return &deciding{on: true, then: false} }},
	"one":           {use: `one(list, .field == "x")`, doc: "whether it holds for exactly one row", condition: true, begin: func() walk { return &counting{one: true} }},
	"count":         {use: `count(list, .field == "x")`, doc: "for how many rows it holds", condition: true, begin: func() walk { return &counting{} }},
	"sum":           {use: `sum(list, .field)`, doc: "the sum of a number of every row", begin: func() walk { return &adding{total: 0} }},
	"sortBy":        {use: `sortBy(list, .field, "desc")`, doc: "the rows in the order of a value", begin: func() walk { return &sorting{} }},
	"groupBy":       {use: `groupBy(list, .field)`, doc: "the rows under the text of a value", begin: func() walk { return &grouping{groups: map[string]any{}} }},
	"reduce":        {use: `reduce(list, #acc + #, 0)`, doc: "one value from all rows; `#acc` is what came out so far"},
}

// loop compiles one of them.
func (c *compiler) loop(n *ast.BuiltinNode, l loop) eval {
	list, at := c.node(n.Arguments[0]), &site{name: n.Name}
	at.from, at.to = extent(n)
	for _, a := range n.Arguments {
		at.args = append(at.args, argumentOf(a))
	}
	r := rows{elem: c.slot(), index: c.slot(), acc: c.slot()}
	if path, ok := c.path(n.Arguments[0]); ok {
		r.path = append(slices.Clone(path), "[]")
	}
	each := func(fr *frame) (any, *fault) { return fr.vars[r.elem], nil }
	if len(n.Arguments) > 1 {
		c.rows = append(c.rows, r)
		each = c.node(n.Arguments[1])
		c.rows = c.rows[:len(c.rows)-1]
	}
	var third eval
	if len(n.Arguments) > 2 {
		third = c.node(n.Arguments[2])
	}
	return func(fr *frame) (any, *fault) {
		v, f := list(fr)
		if f != nil {
			return nil, f
		}
		if _, absent := v.(*gap); absent {
			return v, nil
		}
		cl := call{frame: fr, site: at}
		items, ok := v.([]any)
		if !ok && !blank(v) {
			return cl.wrong(0, "%s is %s, not a list", "%s é %s, não uma lista", kind(v))
		}
		var extra any
		if third != nil {
			if extra, f = third(fr); f != nil {
				return nil, f
			}
		}
		if l.begin == nil {
			return reduce(cl, items, each, r, extra, third != nil)
		}
		w := l.begin()
		if s, ok := w.(*sorting); ok {
			s.descending = fmt.Sprint(extra) == "desc"
		}
		for k := range items {
			i := k
			if l.backwards {
				i = len(items) - 1 - k
			}
			if !fr.spend(1) {
				return cl.tooMuch()
			}
			fr.vars[r.elem], fr.vars[r.index] = plain(items[i]), i
			v, f := each(fr)
			if f != nil {
				return nil, f
			}
			if l.condition {
				is, known, ok := condition(v)
				if !ok {
					return nil, notYesNo(at.args[len(at.args)-1], v)
				}
				if known {
					v = is
				}
			}
			stop, f := w.row(cl, i, plain(items[i]), v)
			if f != nil {
				return nil, f
			}
			if stop {
				break
			}
		}
		return w.result(cl)
	}
}

func reduce(c call, items []any, each eval, r rows, acc any, started bool) (any, *fault) {
	for i, item := range items {
		if !c.spend(1) {
			return c.tooMuch()
		}
		if !started {
			acc, started = plain(item), true
			continue
		}
		c.vars[r.elem], c.vars[r.index], c.vars[r.acc] = plain(item), i, acc
		v, f := each(c.frame)
		if f != nil {
			return nil, f
		}
		acc = v
	}
	return acc, nil
}

// collecting gathers the value of every row; rows that lack it are left out.
type collecting struct{ list []any }

func (w *collecting) row(_ call, _ int, _, v any) (bool, *fault) {
	if _, absent := v.(*gap); !absent {
		w.list = append(w.list, v)
	}
	return false, nil
}

func (w *collecting) result(call) (any, *fault) { return list(w.list), nil }

// list is never a nil slice: an empty list is a value.
func list(items []any) any {
	if items == nil {
		return []any{}
	}
	return items
}

// filtering keeps the rows that certainly match.
type filtering struct{ list []any }

func (w *filtering) row(_ call, _ int, row, v any) (bool, *fault) {
	if v == true {
		w.list = append(w.list, row)
	}
	return false, nil
}

func (w *filtering) result(call) (any, *fault) { return list(w.list), nil }

// finding stops at the first row that matches; without one there is nothing to speak of.
type finding struct {
	index bool
	found any
}

func (w *finding) row(_ call, i int, row, v any) (bool, *fault) {
	if v != true {
		return false, nil
	}
	w.found = row
	if w.index {
		w.found = i
	}
	return true, nil
}

func (w *finding) result(c call) (any, *fault) {
	if w.found == nil {
		return &gap{path: fmt.Sprintf("%s(%s, …)", c.name, c.site.args[0].text)}, nil
	}
	return w.found, nil
}

// deciding is any, all and none: one row decides, and a row that does not say leaves the answer open.
type deciding struct {
	on, then bool
	decided  bool
	open     *gap
}

func (w *deciding) row(_ call, _ int, _, v any) (bool, *fault) {
	if g, absent := v.(*gap); absent {
		w.open = g
		return false, nil
	}
	w.decided = v == w.on
	return w.decided, nil
}

func (w *deciding) result(call) (any, *fault) {
	if !w.decided && w.open != nil {
		return w.open, nil
	}
	return w.decided == w.then, nil
}

// counting counts the rows that certainly match; one() asks whether it is exactly one.
type counting struct {
	one  bool
	n    int
	open *gap
}

func (w *counting) row(_ call, _ int, _, v any) (bool, *fault) {
	if g, absent := v.(*gap); absent {
		w.open = g
	} else if v == true {
		w.n++
	}
	return false, nil
}

func (w *counting) result(call) (any, *fault) {
	switch {
	case !w.one:
		return w.n, nil
	case w.n < 2 && w.open != nil:
		return w.open, nil
	}
	return w.n == 1, nil
}

// adding sums numbers; rows without one are left out.
type adding struct{ total any }

func (w *adding) row(c call, _ int, _, v any) (bool, *fault) {
	if silent(v) {
		return false, nil
	}
	n, ok := numeric(v)
	if !ok {
		_, f := c.wrong(len(c.site.args)-1, "%s is %s, not a number: write number_br(…) around it", "%s é %s, não um número: escreva number_br(…) em volta", kind(v))
		return true, f
	}
	w.total = plus(w.total, n)
	return false, nil
}

func (w *adding) result(call) (any, *fault) { return w.total, nil }

// sorting orders rows by a value; rows without one go last.
type sorting struct {
	descending bool
	rows, keys []any
}

func (w *sorting) row(_ call, _ int, row, v any) (bool, *fault) {
	w.rows, w.keys = append(w.rows, row), append(w.keys, v)
	return false, nil
}

func (w *sorting) result(c call) (any, *fault) {
	order := make([]int, len(w.rows))
	for i := range order {
		order[i] = i
	}
	var bad *fault
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := w.keys[i], w.keys[j]
		switch {
		case silent(a) && silent(b):
			return 0
		case silent(a):
			return 1
		case silent(b):
			return -1
		}
		d, ok := ordered(a, b, c.zone)
		if !ok && bad == nil {
			_, bad = c.wrong(len(c.site.args)-1, "%s is %s in one row and %s in another", "%s é %s numa linha e %s em outra", kind(a), kind(b))
		}
		if w.descending {
			return -d
		}
		return d
	})
	if bad != nil {
		return nil, bad
	}
	sorted := make([]any, len(order))
	for i, from := range order {
		sorted[i] = w.rows[from]
	}
	return sorted, nil
}

// grouping collects rows under the text of a value.
type grouping struct{ groups map[string]any }

func (w *grouping) row(_ call, _ int, row, v any) (bool, *fault) {
	if name, ok := written(v); ok && !silent(v) {
		rows, _ := w.groups[name].([]any)
		w.groups[name] = append(rows, row)
	}
	return false, nil
}

func (w *grouping) result(call) (any, *fault) { return w.groups, nil }
