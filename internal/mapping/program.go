package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/parser/utils"

	"syncer/internal/contact"
)

// program is one compiled expression. It is immutable and may run in any number of goroutines.
type program struct {
	run       eval
	text      string  // as the person wrote it
	file      string  // the file it stands in
	places    []place // where each of its characters stands
	usesToday bool
	reads     []read
	slots     int // of the frame: let variables and the rows that predicates look at
}

// read is a path of the record that an expression looks at; "[]" stands for every row of a list.
type read struct {
	path     []string
	from, to int
}

// eval is one compiled node of an expression.
type eval func(*frame) (any, *fault)

// fault is what went wrong inside an expression, and between which of its characters.
type fault struct {
	from, to int
	say      message
}

// frame is what an expression sees while it runs. Frames are pooled: nothing may be kept from one.
type frame struct {
	record any
	item   any
	source string
	today  moment
	zone   *time.Location
	rules  contact.PhoneRules

	vars  []any // by slot
	stack []any // arguments of the calls under way
	steps int   // how much work is left
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// Bounds of one expression. They stop a runaway expression, not a real one.
const (
	maxSteps = 100_000
	maxText  = 64 << 10
	maxRange = 10_000
	maxNodes = 2_000
)

// eval runs the program. It never panics: what nobody foresaw becomes a fault of this expression alone.
func (p *program) eval(fr *frame) (v any, f *fault) {
	defer func() {
		if r := recover(); r != nil {
			v, f = nil, &fault{0, len(p.places), words("this expression failed in a way that nobody foresaw",
				"esta expressão falhou de um modo que ninguém previu")}
		}
	}()
	fr.steps = maxSteps
	for len(fr.vars) < p.slots {
		fr.vars = append(fr.vars, nil)
	}
	fr.stack = fr.stack[:0]
	return p.run(fr)
}

// where is a place in the program as people write it: file:line:column.
func (p *program) where(from, to int) string {
	at := spotBetween(p.places, from, to)
	return p.file + ":" + strconv.Itoa(at.line) + ":" + strconv.Itoa(at.col)
}

// spotBetween is the stretch of the file where characters from..to stand.
func spotBetween(places []place, from, to int) spot {
	if len(places) == 0 {
		return spot{1, 1, 1}
	}
	a := places[min(max(from, 0), len(places)-1)]
	b := places[min(max(to-1, from, 0), len(places)-1)]
	length := 1
	if a.line == b.line && b.col >= a.col {
		length = int(b.col-a.col) + 1
	}
	return spot{int(a.line), int(a.col), length}
}

// spend counts work and reports whether the expression may go on.
func (fr *frame) spend(n int) bool {
	fr.steps -= n
	return fr.steps >= 0
}

// site is what is known of a call before it runs: where it stands and how its arguments are written.
type site struct {
	name     string // of the function or operator
	from, to int
	args     []argument
}

// argument is one argument of a call as the person wrote it.
type argument struct {
	text     string
	from, to int
}

// call is one call of a function or an operator. The arguments are lent: they may not be kept.
type call struct {
	*frame
	*site
	args []any
}

// wrong is a fault of one argument, whose text is the message's first value.
func (c call) wrong(arg int, en, pt string, args ...any) (any, *fault) {
	a := c.site.args[min(arg, len(c.site.args)-1)]
	return nil, &fault{a.from, a.to, words(en, pt, append([]any{a.text}, args...)...)}
}

// failed is a fault of the call as a whole.
func (c call) failed(en, pt string, args ...any) (any, *fault) {
	return nil, &fault{c.from, c.to, words(en, pt, args...)}
}

// tooMuch is the fault of an expression that does more than any real one.
func (c call) tooMuch() (any, *fault) {
	return c.failed("this does too much work for one expression", "isto é trabalho demais para uma expressão")
}

// String renders a path the way it is written in expressions.
func (r read) String() string {
	var b strings.Builder
	b.WriteString("record")
	for _, step := range r.path {
		b.WriteString(stepText(step))
	}
	return b.String()
}

func stepText(step string) string {
	switch {
	case step == "[]":
		return "[]"
	case utils.IsValidIdentifier(step):
		return "." + step
	}
	return fmt.Sprintf("[%q]", step)
}
