package mapping

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
)

// compiler turns the syntax tree of one expression into closures. The grammar is expr's; the meaning is this
// package's own, because absence, yes and no, and the numbers that CRMs write as text go through every
// operator, and because its faults must speak to the person who wrote the expression.
type compiler struct {
	text    string
	consent bool     // what is empty says nothing: a refusal may not be undone by an empty field
	each    bool     // item may be used
	rowsOf  []string // the path of each:, when it is one
	expand  func(string) string

	canonical string // the expression without what does not change its meaning
	faults    []fault
	warnings  []fault
	fixes     []fix
	reads     []read
	today     bool
	lets      []let
	rows      []rows
	slots     int
}

// fix is the text that belongs where a fault stands.
type fix struct {
	from, to int
	by       string
}

type let struct {
	name string
	slot int
}

// rows is the list that a predicate walks over.
type rows struct {
	elem, index, acc int      // slots
	path             []string // of the list with "[]", when it is a path of the record
}

var grammar = func() *conf.Config {
	c := conf.CreateNew()
	c.MaxNodes = maxNodes
	return c
}()

// compile turns the text of an expression into something that runs, or into faults, all of them at once
// unless the syntax is broken.
func (c *compiler) compile(text string) (run eval) {
	defer func() {
		if r := recover(); r != nil {
			run = nil
			c.fault(0, utf8.RuneCountInString(text), words("this expression cannot be understood", "não dá para entender esta expressão"))
		}
	}()
	c.text = text
	if strings.TrimSpace(text) == "" {
		c.fault(0, 1, words("the expression is empty", "a expressão está vazia"))
		return nil
	}
	tree, err := parse(text)
	if err != nil {
		c.syntax(err)
		return nil
	}
	c.canonical = tree.Node.String()
	return c.node(tree.Node)
}

// parse guards expr's parser: no input may take the process down.
func parse(text string) (tree *parser.Tree, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("unexpected token EOF")
		}
	}()
	return parser.ParseWithConfig(text, grammar)
}

func (c *compiler) fault(from, to int, m message) { c.faults = append(c.faults, fault{from, to, m}) }

// faultWith is a fault whose cure is known.
func (c *compiler) faultWith(from, to int, by string, m message) {
	c.fault(from, to, m)
	c.fixes = append(c.fixes, fix{from, to, by})
}

func (c *compiler) slot() int {
	c.slots++
	return c.slots - 1
}

// constant is a node whose value never changes.
func constant(v any) eval { return func(*frame) (any, *fault) { return v, nil } }

func (c *compiler) node(n ast.Node) eval {
	switch n := n.(type) {
	case *ast.NilNode:
		return constant(nil)
	case *ast.IntegerNode:
		return constant(n.Value)
	case *ast.FloatNode:
		return constant(n.Value)
	case *ast.BoolNode:
		return constant(n.Value)
	case *ast.StringNode:
		if c.expand != nil {
			return constant(c.expand(n.Value))
		}
		return constant(n.Value)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.ChainNode:
		return c.node(n.Node) // every step is optional here, with or without ?.
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.BuiltinNode:
		if loop, ok := loops[n.Name]; ok {
			return c.loop(n, loop)
		}
		return c.function(n, n.Name, n.Arguments)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.PredicateNode:
		return c.node(n.Node)
	case *ast.VariableDeclaratorNode:
		return c.variable(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.MapNode:
		return c.object(n)
	}
	from, to := extent(n)
	if _, several := n.(*ast.SequenceNode); several {
		c.fault(from, to, words("; stands only behind let: an expression has one value", "; só cabe depois de let: uma expressão tem um valor"))
	} else {
		c.fault(from, to, words("this cannot be used in a mapping", "isto não pode ser usado num mapeamento"))
	}
	return constant(nil)
}

// extent is the stretch of text that a node covers.
func extent(n ast.Node) (from, to int) {
	v := &span{from: -1}
	ast.Walk(&n, v)
	return max(v.from, 0), max(v.to, 1)
}

type span struct{ from, to int }

// Visit widens the span by one node. Conditions carry the place of what follows them and are left out.
func (s *span) Visit(n *ast.Node) {
	at := (*n).Location()
	if _, ok := (*n).(*ast.ConditionalNode); ok || at.To <= at.From {
		return
	}
	if s.from < 0 || at.From < s.from {
		s.from = at.From
	}
	s.to = max(s.to, at.To)
}

// argumentOf describes a node for messages.
func argumentOf(n ast.Node) argument {
	from, to := extent(n)
	text := n.String()
	if utf8.RuneCountInString(text) > 60 {
		text = string([]rune(text)[:59]) + "…"
	}
	return argument{text, from, to}
}

func (c *compiler) identifier(n *ast.IdentifierNode) eval {
	for _, l := range slices.Backward(c.lets) {
		if l.name == n.Value {
			slot := l.slot
			return func(fr *frame) (any, *fault) { return fr.vars[slot], nil }
		}
	}
	switch n.Value {
	case "record":
		return func(fr *frame) (any, *fault) { return fr.record, nil }
	case "source":
		return func(fr *frame) (any, *fault) { return fr.source, nil }
	case "today":
		c.today = true
		return func(fr *frame) (any, *fault) { return fr.today, nil }
	case "item":
		if c.each {
			return func(fr *frame) (any, *fault) { return fr.item, nil }
		}
		c.fault(n.Location().From, n.Location().To, words("item is a row of each:, and this mapping has no each:",
			"item é uma linha de each:, e este mapeamento não tem each:"))
		return constant(nil)
	}
	c.unknownName(n)
	return constant(nil)
}

// unknownName says what was probably meant by a word that stands for nothing.
func (c *compiler) unknownName(n *ast.IdentifierNode) {
	from, to := n.Location().From, n.Location().To
	if _, ok := functions[n.Value]; ok {
		c.faultWith(from, to, n.Value+"(…)", words("%s is a function: write %[1]s(…)", "%s é uma função: escreva %[1]s(…)", n.Value))
		return
	}
	switch strings.ToLower(n.Value) {
	case "null", "none", "nulo", "undefined":
		c.faultWith(from, to, "nil", words("%q is not known: nothing is written nil", "%q não existe: nada se escreve nil", n.Value))
		return
	case "verdadeiro", "sim":
		c.faultWith(from, to, "true", words("%q is not known: did you mean true?", "%q não existe: você quis dizer true?", n.Value))
		return
	case "falso", "não", "nao":
		c.faultWith(from, to, "false", words("%q is not known: did you mean false?", "%q não existe: você quis dizer false?", n.Value))
		return
	}
	names := []string{"record", "source", "today", "true", "false", "nil"}
	if c.each {
		names = append(names, "item")
	}
	for _, l := range c.lets {
		names = append(names, l.name)
	}
	if near, ok := closest(n.Value, names); ok {
		c.faultWith(from, to, near, words("%q is not known, did you mean %q?", "%q não existe, você quis dizer %q?", n.Value, near))
		return
	}
	by := "record." + n.Value
	if first, _ := utf8.DecodeRuneInString(n.Value); unicode.IsUpper(first) {
		by = strconv.Quote(n.Value)
	}
	c.faultWith(from, to, by, words("%q is not known: a field of the record is written record.%[1]s, a text %[1]q",
		"%q não existe: um campo do registro se escreve record.%[1]s, um texto %[1]q", n.Value))
}

// pointer compiles # and its parts, and the . of ".primary".
func (c *compiler) pointer(n *ast.PointerNode) eval {
	if len(c.rows) == 0 {
		c.fault(n.Location().From, n.Location().To, words("# and a leading . stand for a row and belong inside map, filter, find and the like",
			"# e um . no início representam uma linha e só cabem dentro de map, filter, find e semelhantes"))
		return constant(nil)
	}
	r := c.rows[len(c.rows)-1]
	slot := r.elem
	switch n.Name {
	case "index":
		slot = r.index
	case "acc":
		slot = r.acc
	}
	missing, consent := &gap{path: n.String()}, c.consent
	return func(fr *frame) (any, *fault) { return spoken(fr.vars[slot], missing, consent), nil }
}

func (c *compiler) variable(n *ast.VariableDeclaratorNode) eval {
	value := c.node(n.Value)
	slot := c.slot()
	c.lets = append(c.lets, let{n.Name, slot})
	body := c.node(n.Expr)
	c.lets = c.lets[:len(c.lets)-1]
	return func(fr *frame) (any, *fault) {
		v, f := value(fr)
		if f != nil {
			return nil, f
		}
		fr.vars[slot] = v
		return body(fr)
	}
}

func (c *compiler) array(n *ast.ArrayNode) eval {
	items := make([]eval, len(n.Nodes))
	for i, item := range n.Nodes {
		items[i] = c.node(item)
	}
	return func(fr *frame) (any, *fault) {
		list := make([]any, 0, len(items))
		for _, item := range items {
			v, f := item(fr)
			if f != nil {
				return nil, f
			}
			if _, absent := v.(*gap); !absent {
				list = append(list, v)
			}
		}
		return list, nil
	}
}

func (c *compiler) object(n *ast.MapNode) eval {
	type pair struct{ key, value eval }
	pairs := make([]pair, len(n.Pairs))
	for i, p := range n.Pairs {
		p := p.(*ast.PairNode)
		pairs[i] = pair{c.node(p.Key), c.node(p.Value)}
	}
	from, to := extent(n)
	return func(fr *frame) (any, *fault) {
		object := make(map[string]any, len(pairs))
		for _, p := range pairs {
			k, f := p.key(fr)
			if f != nil {
				return nil, f
			}
			name, ok := written(k)
			if !ok {
				return nil, &fault{from, to, words("a key must be text", "uma chave precisa ser texto")}
			}
			v, f := p.value(fr)
			if f != nil {
				return nil, f
			}
			if _, absent := v.(*gap); !absent {
				object[name] = v
			}
		}
		return object, nil
	}
}

// call compiles calls of functions that expr does not know, and the few methods that dates have.
func (c *compiler) call(n *ast.CallNode) eval {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.function(n, callee.Value, n.Arguments)
	case *ast.MemberNode:
		name, _ := callee.Property.(*ast.StringNode)
		if name != nil {
			if part, ok := dateParts[name.Value]; ok && len(n.Arguments) == 0 {
				return c.invoke(n, name.Value, []ast.Node{callee.Node}, part)
			}
			from, to := callee.Location().From, callee.Location().To
			if _, ok := functions[name.Value]; ok {
				c.fault(from, to, words("write %s(%s): functions stand before what they work on", "escreva %s(%s): a função vem antes daquilo com que trabalha",
					name.Value, argumentOf(callee.Node).text))
			} else {
				c.fault(from, to, words("there is no %s() here", "não existe %s() aqui", name.Value))
			}
			return constant(nil)
		}
	}
	from, to := extent(n)
	c.fault(from, to, words("only functions can be called", "só funções podem ser chamadas"))
	return constant(nil)
}

// function compiles a call of the vocabulary.
func (c *compiler) function(n ast.Node, name string, args []ast.Node) eval {
	from, to := n.Location().From, n.Location().To
	fn, ok := functions[name]
	if !ok {
		if instead, ok := replaced[name]; ok {
			c.fault(from, to, instead)
		} else if near, ok := closest(name, functionNames()); ok {
			c.faultWith(from, to, near, words("unknown function %q, did you mean %q?", "função desconhecida %q, você quis dizer %q?", name, near))
		} else {
			c.fault(from, to, words("unknown function %q", "função desconhecida %q", name))
		}
		for _, a := range args {
			c.node(a) // for its own faults
		}
		return constant(nil)
	}
	if len(args) < fn.min || fn.max >= 0 && len(args) > fn.max {
		c.fault(from, to, words("%s takes %s: %s", "%s recebe %s: %s", name, arity(fn.min, fn.max), fn.use))
	}
	return c.invoke(n, name, args, fn)
}

func arity(least, most int) message {
	switch {
	case most < 0 && least == 1:
		return words("one value or more", "um valor ou mais")
	case most < 0:
		return words("at least %d values", "pelo menos %d valores", least)
	case least != most:
		return words("%d to %d values", "de %d a %d valores", least, most)
	case least == 1:
		return words("one value", "um valor")
	}
	return words("%d values", "%d valores", least)
}

// invoke compiles the call of one function or operator: the arguments in order, absence first.
func (c *compiler) invoke(n ast.Node, name string, args []ast.Node, fn *function) eval {
	at := &site{name: name}
	at.from, at.to = extent(n)
	run := make([]eval, len(args))
	for i, a := range args {
		run[i] = c.node(a)
		at.args = append(at.args, argumentOf(a))
	}
	if len(at.args) == 0 {
		at.args = []argument{{name, at.from, at.to}}
	}
	do := fn.do
	if fn.prepare != nil {
		prepared, m := fn.prepare(args)
		if !m.isZero() {
			c.fault(at.args[len(at.args)-1].from, at.args[len(at.args)-1].to, m)
		}
		do = prepared
	}
	consent := c.consent
	return func(fr *frame) (any, *fault) {
		base, empty := len(fr.stack), false
		for _, arg := range run {
			v, f := arg(fr)
			if f != nil {
				return nil, f
			}
			if _, absent := v.(*gap); absent && !fn.gaps {
				fr.stack = fr.stack[:base]
				return v, nil
			}
			empty = empty || v == nil
			fr.stack = append(fr.stack, v)
		}
		if empty && !fn.empties {
			fr.stack = fr.stack[:base]
			return nil, nil
		}
		if consent && fn.compares {
			for i, v := range fr.stack[base:] {
				if blank(v) {
					fr.stack = fr.stack[:base]
					return &gap{path: at.args[i].text}, nil
				}
			}
		}
		v, f := do(call{fr, at, fr.stack[base:]})
		fr.stack = fr.stack[:base]
		return v, f
	}
}
