package generic

import (
	"strings"

	"syncer/internal/source/rawjson"
)

// path is a dotted path: names of members, or positions in lists.
type path []string

// parsePath reads a path. A dot that belongs to a name is written \. and a backslash \\.
func parsePath(s string) path {
	if s == "" {
		return nil
	}
	var p path
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			part.WriteByte(s[i])
		case s[i] == '.':
			p = append(p, part.String())
			part.Reset()
		default:
			part.WriteByte(s[i])
		}
	}
	return append(p, part.String())
}

// in follows the path; nil means that there is nothing there.
func (p path) in(r rawjson.Value) rawjson.Value {
	for _, name := range p {
		if r = r.At(name); r == nil {
			return nil
		}
	}
	return r
}

// String is the path as people write it.
func (p path) String() string { return strings.Join(p, ".") }
