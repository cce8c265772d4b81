package contact

import (
	"cmp"
	"fmt"
	"strings"
)

// Key names one record: a row of one source.
type Key struct {
	Source string `json:"source"`
	ID     string `json:"id"`
}

// String renders the key as people type it: source/id.
func (k Key) String() string { return k.Source + "/" + k.ID }

// IsZero reports whether the key names nothing.
func (k Key) IsZero() bool { return k.Source == "" && k.ID == "" }

// Compare orders keys by source, then id.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Source, o.Source), cmp.Compare(k.ID, o.ID))
}

// ParseKey reads source/id. The id may contain slashes, the source may not.
func ParseKey(s string) (Key, error) {
	source, id, ok := strings.Cut(s, "/")
	if !ok || source == "" || id == "" {
		return Key{}, fmt.Errorf("%q is not a record key; write it as source/id, for example crm/4821", s)
	}
	return Key{Source: source, ID: id}, nil
}
