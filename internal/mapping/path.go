package mapping

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// member compiles record.a.b[0]["c d"]: every step may be missing.
func (c *compiler) member(n *ast.MemberNode) eval {
	if ident, ok := n.Node.(*ast.IdentifierNode); ok && ident.Value == "$env" {
		from, to := extent(n)
		c.fault(from, to, words("$env cannot be used in a mapping", "$env não pode ser usado num mapeamento"))
		return constant(nil)
	}
	before := len(c.reads)
	base, key := c.node(n.Node), c.node(n.Property)
	if path, ok := c.path(n); ok {
		from, to := extent(n)
		c.reads = append(c.reads[:before], read{path, from, to}) // and not what leads there
	}
	arg := argumentOf(n)
	missing, of, consent := &gap{path: arg.text}, argumentOf(n.Node).text, c.consent
	fixed, isFixed := n.Property.(*ast.StringNode)
	below := `["…"]`
	if isFixed {
		below = stepText(fixed.Value)
	}
	return func(fr *frame) (any, *fault) {
		from, f := base(fr)
		if f != nil {
			return nil, f
		}
		if object, ok := from.(map[string]any); ok && isFixed {
			if v, ok := object[fixed.Value]; ok {
				return spoken(plain(v), missing, consent), nil
			}
			return missing, nil
		}
		k, f := key(fr)
		if f != nil {
			return nil, f
		}
		v, m := step(from, k, missing, of, below)
		if !m.isZero() {
			return nil, &fault{arg.from, arg.to, m}
		}
		return spoken(v, missing, consent), nil
	}
}

// spoken is a value that was read. For consent, an empty one says nothing.
func spoken(v any, missing *gap, consent bool) any {
	if consent && blank(v) {
		return missing
	}
	return v
}

// step takes one step into a value. of and below are how the person wrote the value and the step.
func step(from, key any, missing *gap, of, below string) (any, message) {
	if _, absent := key.(*gap); absent || key == nil {
		return key, message{}
	}
	switch x := from.(type) {
	case nil, *gap:
		return from, message{}
	case map[string]any:
		name, ok := written(key)
		if !ok {
			return nil, words("a key in [ ] must be text", "uma chave em [ ] precisa ser texto")
		}
		if v, ok := x[name]; ok {
			return plain(v), message{}
		}
		return missing, message{}
	case []any:
		if i, ok := key.(int); ok {
			if i < 0 {
				i += len(x)
			}
			if i < 0 || i >= len(x) {
				return missing, message{}
			}
			return plain(x[i]), message{}
		}
		if len(x) == 0 {
			return nil, message{} // an empty object of PHP arrives as an empty list
		}
		return nil, words("%s is a list: take one row with %[1]s[0]%[2]s, or all with map(%[1]s, %[2]s)",
			"%s é uma lista: pegue uma linha com %[1]s[0]%[2]s, ou todas com map(%[1]s, %[2]s)", of, below)
	}
	if blank(from) {
		return nil, message{}
	}
	return nil, words("%s is %s and has no parts", "%s é %s e não tem partes", of, kind(from))
}

// path is the way from the record to what a node reads, when every step is written out.
func (c *compiler) path(n ast.Node) ([]string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if n.Value == "item" && c.each && c.rowsOf != nil {
			return c.rowsOf, true
		}
		return nil, n.Value == "record"
	case *ast.PointerNode:
		if n.Name == "" && len(c.rows) > 0 && c.rows[len(c.rows)-1].path != nil {
			return c.rows[len(c.rows)-1].path, true
		}
	case *ast.ChainNode:
		return c.path(n.Node)
	case *ast.MemberNode:
		base, ok := c.path(n.Node)
		if !ok {
			return nil, false
		}
		switch p := n.Property.(type) {
		case *ast.StringNode:
			return append(slices.Clone(base), p.Value), true
		case *ast.IntegerNode:
			return append(slices.Clone(base), "[]"), true
		}
	}
	return nil, false
}

func (c *compiler) slice(n *ast.SliceNode) eval {
	nodes := []ast.Node{n.Node}
	from, to := -1, -1
	if n.From != nil {
		from, nodes = len(nodes), append(nodes, n.From)
	}
	if n.To != nil {
		to, nodes = len(nodes), append(nodes, n.To)
	}
	return c.invoke(n, "[:]", nodes, &function{empties: true, do: func(c call) (any, *fault) { return cut(c, from, to) }})
}
