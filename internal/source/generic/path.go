package generic

import (
	"encoding/json"
	"strconv"
	"strings"
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
func (p path) in(r raw) raw {
	for _, name := range p {
		if r = r.at(name); r == nil {
			return nil
		}
	}
	return r
}

func (r raw) at(name string) raw {
	if r.isArray() {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 {
			return nil
		}
		for item := range r.elements() {
			if n == 0 {
				return item
			}
			n--
		}
		return nil
	}
	var found raw
	for key, value := range r.members() {
		// The last of several members of one name counts, as it does for every other reader of JSON here.
		if string(key) == name || hasEscape(key) && unquoteKey(key) == name {
			found = value
		}
	}
	return found
}

func unquoteKey(key []byte) string {
	var s string
	_ = json.Unmarshal([]byte(`"`+string(key)+`"`), &s)
	return s
}

// String is the path as people write it.
func (p path) String() string { return strings.Join(p, ".") }
