package mapping

import (
	"unicode"

	"go.yaml.in/yaml/v4"
)

// place is where one character of a scalar stands in the file.
type place struct{ line, col int32 }

// places finds every character of a scalar's value in the file, through quotes, escapes, folding and block
// indentation, so that an error in the middle of an expression points at that very character.
func (f *file) places(n *yaml.Node) []place {
	s := scan{f: f, line: n.Line, rest: []rune(f.line(n.Line)), col: n.Column - 1}
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		s.nextLine()
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		s.col++
	}
	value := []rune(n.Value)
	at := make([]place, 0, len(value)+1)
	for _, r := range value {
		switch {
		case n.Style&yaml.DoubleQuotedStyle != 0 && s.peek() == '\\' && !s.continued():
			at = append(at, s.here())
			s.col += s.escape()
		case unicode.IsSpace(r):
			at = append(at, s.here())
			if s.col >= len(s.rest) {
				s.nextLine()
			} else if unicode.IsSpace(s.peek()) {
				s.col++
			}
		default:
			s.skipSpace(n.Style&yaml.DoubleQuotedStyle != 0)
			at = append(at, s.here())
			if n.Style&yaml.SingleQuotedStyle != 0 && s.peek() == '\'' {
				s.col++
			} else if n.Style&yaml.DoubleQuotedStyle != 0 && s.peek() == '\\' {
				s.col += s.escape() - 1
			}
			s.col++
		}
	}
	return append(at, s.here())
}

// scan walks over the lines of a file.
type scan struct {
	f    *file
	line int
	rest []rune
	col  int
}

func (s *scan) here() place { return place{int32(s.line), int32(s.col + 1)} }

func (s *scan) peek() rune {
	if s.col < 0 || s.col >= len(s.rest) {
		return 0
	}
	return s.rest[s.col]
}

func (s *scan) nextLine() {
	if s.line > len(s.f.lines) {
		return
	}
	s.line++
	s.rest, s.col = []rune(s.f.line(s.line)), 0
}

// skipSpace moves to the next visible character, over line ends, and over the backslash that joins two lines
// of a double-quoted text.
func (s *scan) skipSpace(doubleQuoted bool) {
	for s.line <= len(s.f.lines) {
		switch {
		case s.col >= len(s.rest), doubleQuoted && s.continued():
			s.nextLine()
		case unicode.IsSpace(s.rest[s.col]):
			s.col++
		default:
			return
		}
	}
}

// continued reports a backslash at the end of a line.
func (s *scan) continued() bool { return s.peek() == '\\' && s.col == len(s.rest)-1 }

// escape is the length of the escape sequence that starts here.
func (s *scan) escape() int {
	if s.col+1 >= len(s.rest) {
		return 1
	}
	switch s.rest[s.col+1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
