package rapidpro

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
)

// query is the condition of a smart group. This is the part of the contact query language that groups
// are made of: comparisons of attributes, fields and URNs, joined by AND, OR and parentheses.
type query struct {
	text string
	root node
}

// node is a condition, or a list of nodes of which all (AND) or any (OR) must hold.
type node struct {
	property, operator, value string
	all                       bool
	children                  []node
}

// parseQuery compiles a query, or says what it cannot read.
func parseQuery(text string) (*query, error) {
	p := &queryParser{rest: text}
	root, err := p.or()
	if err == nil && p.peek() != "" {
		err = fmt.Errorf("unexpected %q", p.peek())
	}
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", text, err)
	}
	return &query{text: text, root: root}, nil
}

type queryParser struct{ rest string }

// peek returns the next token: a parenthesis, an operator, a quoted text with its quotes or a word.
func (p *queryParser) peek() string {
	p.rest = strings.TrimLeft(p.rest, " \t\n\r")
	if p.rest == "" {
		return ""
	}
	switch p.rest[0] {
	case '(', ')', '=', '~':
		return p.rest[:1]
	case '!', '<', '>':
		if strings.HasPrefix(p.rest[1:], "=") {
			return p.rest[:2]
		}
		return p.rest[:1]
	case '"':
		for i := 1; i < len(p.rest); i++ {
			switch p.rest[i] {
			case '\\':
				i++
			case '"':
				return p.rest[:i+1]
			}
		}
		return p.rest
	}
	if i := strings.IndexAny(p.rest, " \t\n\r()=~!<>\""); i > 0 {
		return p.rest[:i]
	}
	return p.rest
}

func (p *queryParser) next() string {
	t := p.peek()
	p.rest = p.rest[len(t):]
	return t
}

func (p *queryParser) or() (node, error)  { return p.list("OR", p.and) }
func (p *queryParser) and() (node, error) { return p.list("AND", p.condition) }

// list reads operands joined by a word. Between conditions AND may be left out.
func (p *queryParser) list(word string, operand func() (node, error)) (node, error) {
	first, err := operand()
	if err != nil {
		return node{}, err
	}
	n := node{all: word == "AND", children: []node{first}}
	for {
		switch t := p.peek(); {
		case strings.EqualFold(t, word):
			p.next()
		case n.all && t != "" && t != ")" && !strings.EqualFold(t, "OR"):
		default:
			if len(n.children) == 1 {
				return first, nil
			}
			return n, nil
		}
		next, err := operand()
		if err != nil {
			return node{}, err
		}
		n.children = append(n.children, next)
	}
}

func (p *queryParser) condition() (node, error) {
	t := p.next()
	if t == "(" {
		n, err := p.or()
		if err == nil && p.next() != ")" {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return n, err
	}
	if t == "" || !unicode.IsLetter(rune(t[0])) {
		return node{}, fmt.Errorf("want a property, not %q", t)
	}
	n := node{property: strings.ToLower(t), operator: strings.ToLower(p.next())}
	switch n.operator {
	case "is":
		n.operator = "="
	case "has":
		n.operator = "~"
	case "=", "!=", "~", ">", ">=", "<", "<=":
	default:
		return node{}, fmt.Errorf("want an operator after %q, not %q", t, n.operator)
	}
	v := p.next()
	if v == "" || v == "(" || v == ")" {
		return node{}, fmt.Errorf("want a value after %q", t)
	}
	if v[0] == '"' {
		if len(v) < 2 || v[len(v)-1] != '"' {
			return node{}, fmt.Errorf("a quotation mark is not closed")
		}
		v = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(v[1 : len(v)-1])
	}
	n.value = v
	return n, nil
}

// subject is a contact as a query sees it.
type subject struct {
	contact *contact
	fields  []*field
	groups  []*group
	env     environment
}

func (q *query) matches(s subject) bool { return q.root.matches(s) }

func (n node) matches(s subject) bool {
	if len(n.children) > 0 {
		one := func(c node) bool { return c.matches(s) }
		if n.all {
			return !slices.ContainsFunc(n.children, func(c node) bool { return !one(c) })
		}
		return slices.ContainsFunc(n.children, one)
	}
	values := s.values(n.property)
	if n.value == "" { // is there any?
		return n.operator == "=" && len(values) == 0 || n.operator == "!=" && len(values) > 0
	}
	if len(values) == 0 {
		return false
	}
	holds := func(v any) bool { return n.compare(v, s.env) }
	if n.operator == "!=" {
		return !slices.ContainsFunc(values, func(v any) bool { return !holds(v) })
	}
	return slices.ContainsFunc(values, holds)
}

// values returns what a contact has under a property: texts, *big.Rat or time.Time.
func (s subject) values(property string) []any {
	text := func(v string) []any {
		if v == "" {
			return nil
		}
		return []any{v}
	}
	moment := func(t time.Time) []any {
		if t.IsZero() {
			return nil
		}
		return []any{t}
	}
	switch property {
	case "uuid":
		return text(s.contact.uuid)
	case "id":
		return text(fmt.Sprint(s.contact.id))
	case "name":
		return text(s.contact.name)
	case "language":
		return text(s.contact.language)
	case "created_on":
		return moment(s.contact.created)
	case "last_seen_on":
		return moment(s.contact.lastSeen)
	case "tickets":
		return []any{new(big.Rat)}
	case "group":
		var names []any
		for _, g := range s.groups {
			if s.contact.inGroup(g.id) && g.query == nil {
				names = append(names, g.name)
			}
		}
		return names
	}
	key, isField := strings.CutPrefix(property, "fields.")
	scheme, isURN := strings.CutPrefix(property, "urns.")
	if !isURN {
		for _, f := range s.fields {
			if f.key != key {
				continue
			}
			shown := s.contact.values[f.id].shown(f.kind)
			switch {
			case shown == "":
				return nil
			case f.kind == "numeric":
				r, _ := new(big.Rat).SetString(shown)
				return []any{r}
			case f.kind == "datetime":
				return []any{s.contact.values[f.id].datetime}
			}
			return []any{shown}
		}
	}
	if isField {
		return nil
	}
	var paths []any
	for _, u := range s.contact.urns {
		if u.scheme == scheme || property == "urn" {
			paths = append(paths, u.path)
		}
	}
	return paths
}

func (n node) compare(v any, env environment) bool {
	switch v := v.(type) {
	case *big.Rat:
		number := parseNumber(n.value)
		if number == "" {
			return false
		}
		w, _ := new(big.Rat).SetString(number)
		return ordered(n.operator, v.Cmp(w))
	case time.Time:
		day, ok := parseDatetime(n.value, env)
		if !ok {
			return false
		}
		day = day.In(env.zone)
		start := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, env.zone)
		order := 0 // within that day
		if v.Before(start) {
			order = -1
		} else if !v.Before(start.AddDate(0, 0, 1)) {
			order = 1
		}
		return ordered(n.operator, order)
	case string:
		a, b := strings.ToLower(strings.TrimSpace(v)), strings.ToLower(strings.TrimSpace(n.value))
		switch n.operator {
		case "=":
			return a == b
		case "!=":
			return a != b
		case "~":
			if n.property == "name" { // one word that begins one of the name's will do; eight characters count
				names := strings.Fields(a)
				return slices.ContainsFunc(strings.Fields(b), func(word string) bool {
					return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, truncate(word, 8)) })
				})
			}
			return strings.Contains(a, b)
		}
	}
	return false
}

func ordered(operator string, order int) bool {
	switch operator {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	}
	return false
}
