package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity tells what stops a file from being used from what only deserves a look.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is one remark about a file, with everything an editor or a terminal needs to show it. It never
// contains a secret: neither one from the environment nor one written into the file.
type Diagnostic struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`   // from 1
	Column   int      `json:"column"` // from 1, in characters
	Length   int      `json:"length"` // characters to underline, at least 1
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	// Hint is the line as it should be written, when that is known.
	Hint string `json:"hint,omitempty"`
	// Excerpt is the line as it stands.
	Excerpt string `json:"excerpt,omitempty"`
}

// Diagnostics are all remarks about one file, in the order of the file.
type Diagnostics []Diagnostic

// HasErrors reports whether any remark stops the file from being used.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == SeverityError })
}

// String renders every remark with its line, a caret and the line as it should be.
func (ds Diagnostics) String() string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString(d.String())
	}
	return b.String()
}

// String renders the remark the way compilers do:
//
//	mappings.yaml:14:12: unknown function "trimm", did you mean "trim"?
//	   14 |     value: =trimm(record.name)
//	      |             ^~~~~
//	    = |     value: =trim(record.name)
func (d Diagnostic) String() string {
	var b strings.Builder
	kind := ""
	if d.Severity == SeverityWarning {
		kind = "warning: "
	}
	fmt.Fprintf(&b, "%s: %s%s\n", d.place(), kind, d.Message)
	if d.Excerpt == "" {
		return b.String()
	}
	room := max(d.Length, 1)
	if left := utf8.RuneCountInString(d.Excerpt) - d.Column + 1; room > left {
		room = max(left, 1)
	}
	fmt.Fprintf(&b, "%5d | %s\n", d.Line, d.Excerpt)
	fmt.Fprintf(&b, "      | %s^%s\n", indentLike(d.Excerpt, d.Column-1), strings.Repeat("~", room-1))
	if d.Hint != "" {
		fmt.Fprintf(&b, "    = | %s\n", d.Hint)
	}
	return b.String()
}

func (d Diagnostic) place() string {
	if d.Line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
}

// indentLike is as wide as the first n characters of line: tabs stay tabs so that the caret lands right.
func indentLike(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String() + strings.Repeat(" ", max(n, 0))
}

// sorted puts the remarks in the order of the file and drops repetitions.
func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity))
	})
	return slices.Compact(ds)
}
