package mapping

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// condition reads a value as yes or no. Empty is no: the record states that there is nothing. Absent is
// neither, and known is false.
func condition(v any) (is, known, ok bool) {
	if _, absent := v.(*gap); absent {
		return false, false, true
	}
	if blank(v) {
		return false, true, true
	}
	is, ok = yes(v)
	return is, true, ok
}

// notYesNo is the fault of something that should be true or false and is neither.
func notYesNo(a argument, v any) *fault {
	return &fault{a.from, a.to, words(`%s is %s, not true or false: compare it with something; to choose what is filled write first(a, b)`,
		`%s é %s, não verdadeiro ou falso: compare com algo; para escolher o que está preenchido escreva first(a, b)`, a.text, kind(v))}
}

// condition compiles a node whose value must be yes or no.
func (c *compiler) condition(n ast.Node) func(*frame) (is bool, missing *gap, f *fault) {
	run, arg := c.node(n), argumentOf(n)
	return func(fr *frame) (bool, *gap, *fault) {
		v, f := run(fr)
		if f != nil {
			return false, nil, f
		}
		is, known, ok := condition(v)
		if !ok {
			return false, nil, notYesNo(arg, v)
		}
		if !known {
			return false, v.(*gap), nil
		}
		return is, nil, nil
	}
}

func (c *compiler) unary(n *ast.UnaryNode) eval {
	switch n.Operator {
	case "!", "not":
		operand := c.condition(n.Node)
		return func(fr *frame) (any, *fault) {
			is, missing, f := operand(fr)
			if f != nil {
				return nil, f
			}
			if missing != nil {
				return missing, nil
			}
			return !is, nil
		}
	}
	return c.invoke(n, n.Operator, []ast.Node{n.Node}, signs[n.Operator])
}

func (c *compiler) binary(n *ast.BinaryNode) eval {
	switch n.Operator {
	case "and", "&&":
		return c.both(n, false)
	case "or", "||":
		return c.both(n, true)
	case "??":
		return c.invoke(n, "??", []ast.Node{n.Left, n.Right}, firstOf(n.Right))
	case "==", "!=":
		c.refuses(n)
		if _, isNil := n.Right.(*ast.NilNode); isNil {
			return c.isNil(n.Left, n.Operator == "==")
		}
		if _, isNil := n.Left.(*ast.NilNode); isNil {
			return c.isNil(n.Right, n.Operator == "==")
		}
	}
	if key, ok := dashed(n); ok {
		base := argumentOf(n.Left.(*ast.MemberNode).Node).text
		from, to := extent(n)
		written := base + `["` + key + `"]`
		c.faultWith(from, to, written, words("- subtracts here: the field is written %s", "- subtrai aqui: o campo se escreve %s", written))
		return constant(nil)
	}
	op, ok := operators[n.Operator]
	if !ok {
		from, to := extent(n)
		c.fault(from, to, words("there is no operator %s", "não existe o operador %s", n.Operator))
		return constant(nil)
	}
	return c.invoke(n, n.Operator, []ast.Node{n.Left, n.Right}, op)
}

// both compiles "and" and "or" in three values: what one side decides alone holds, whatever is missing on
// the other; what hangs on something absent is absent.
func (c *compiler) both(n *ast.BinaryNode, decides bool) eval {
	left, right := c.condition(n.Left), c.condition(n.Right)
	return func(fr *frame) (any, *fault) {
		l, missing, f := left(fr)
		if f != nil {
			return nil, f
		}
		if missing == nil && l == decides {
			return decides, nil
		}
		r, alsoMissing, f := right(fr)
		switch {
		case f != nil:
			return nil, f
		case alsoMissing == nil && r == decides:
			return decides, nil
		case missing != nil:
			return missing, nil
		case alsoMissing != nil:
			return alsoMissing, nil
		}
		return !decides, nil
	}
}

// isNil compiles "x == nil", the one question that absence answers.
func (c *compiler) isNil(n ast.Node, wanted bool) eval {
	run := c.node(n)
	return func(fr *frame) (any, *fault) {
		v, f := run(fr)
		if f != nil {
			return nil, f
		}
		_, absent := v.(*gap)
		return (absent || v == nil) == wanted, nil
	}
}

func (c *compiler) conditional(n *ast.ConditionalNode) eval {
	cond, yes, no := c.condition(n.Cond), c.node(n.Exp1), c.node(n.Exp2)
	return func(fr *frame) (any, *fault) {
		is, missing, f := cond(fr)
		switch {
		case f != nil:
			return nil, f
		case missing != nil:
			return missing, nil
		case is:
			return yes(fr)
		}
		return no(fr)
	}
}

// refuses finds, in an expression about consent, a comparison with one word of yes or no: every other word,
// and every other spelling, would be read as its opposite.
func (c *compiler) refuses(n *ast.BinaryNode) {
	if !c.consent || n.Operator != "==" && n.Operator != "!=" {
		return
	}
	for _, side := range []ast.Node{n.Left, n.Right} {
		word, ok := side.(*ast.StringNode)
		if !ok {
			continue
		}
		if _, known := yesWords[strings.ToLower(word.Value)]; known {
			from, to := extent(n)
			c.warnings = append(c.warnings, fault{from, to, words("every other word would count as the opposite, \"Não\" and \"nao\" included: write yes(…) or not yes(…)",
				"qualquer outra palavra valeria como o oposto, até \"Não\" e \"nao\": escreva yes(…) ou not yes(…)")})
		}
	}
}
