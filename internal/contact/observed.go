package contact

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Status is whether a contact at a target takes part in conversations.
type Status string

// Blocked and stopped people are never revived and get no labels; archived ones (which some targets do not
// tell apart from active ones) get no labels either.
const (
	Active   Status = "active"
	Blocked  Status = "blocked"
	Stopped  Status = "stopped"
	Archived Status = "archived"
)

// Observed is a contact as a target shows it.
type Observed struct {
	ID       string            `json:"id"`
	Name     string            `json:"name,omitempty"`
	Language string            `json:"language,omitempty"`
	URNs     []URN             `json:"urns,omitempty"`
	Labels   []string          `json:"labels,omitempty"` // ids at the target
	Fields   map[string]string `json:"fields,omitempty"` // only those with a value
	Status   Status            `json:"status,omitempty"`
	Created  time.Time         `json:"created,omitzero"`
	Modified time.Time         `json:"modified,omitzero"`
	LastSeen time.Time         `json:"last_seen,omitzero"`
}

// Identities are the canonical identities of its addresses, without repetition.
func (o *Observed) Identities() []Identity {
	var ids []Identity
	for _, u := range o.URNs {
		if id := u.Identity(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Label is a label as a target knows it.
type Label struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Smart labels are computed by the target and can be neither given nor taken.
	Smart bool `json:"smart,omitempty"`
}

// Campaign is something at a target that messages people when they get a label or a date.
type Campaign struct {
	ID    string
	Name  string
	Label string   // id of the label whose members it messages
	Dates []string // keys of the date fields that its events count from
}

// Catalog is what a target has defined: its labels and its fields.
type Catalog struct {
	Labels []Label
	Fields map[string]FieldType
}

// Label finds a label by name, in any case, blanks trimmed.
func (c *Catalog) Label(name string) (Label, bool) {
	folded := FoldName(name)
	for _, l := range c.Labels {
		if FoldName(l.Name) == folded {
			return l, true
		}
	}
	return Label{}, false
}

// FoldName is how names are compared: without case and outer blanks, inner blanks single.
func FoldName(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// Capabilities say what a target can do. What it cannot is printed by check, never discovered at run time.
type Capabilities struct {
	Create, Update, Labels, Fields, Language, List, Delete, Block bool
	// Changes says that List can be asked for what changed since a moment, so that a mirror is cheap to keep.
	Changes bool
	// Unique says that the target itself refuses a second contact with the same address, so that a create
	// whose answer was lost can be repeated safely.
	Unique bool
	// BulkLabels is how many contacts one label call takes; 1 where labels are set contact by contact.
	BulkLabels int
	// Notes are the limits in words, for check.
	Notes []string
}

// SameValue reports whether two texts of a field mean the same: numbers by value, moments by instant.
func SameValue(t FieldType, a, b string) bool {
	if a == b {
		return true
	}
	switch t {
	case NumericField:
		x, okX := canonicalNumber(a)
		y, okY := canonicalNumber(b)
		if okX && okY {
			return x == y
		}
	case DatetimeField:
		x, errX := time.Parse(time.RFC3339Nano, a)
		y, errY := time.Parse(time.RFC3339Nano, b)
		if errX == nil && errY == nil {
			return x.Equal(y)
		}
	}
	return strings.TrimSpace(a) == strings.TrimSpace(b)
}

// canonicalNumber drops what does not change a plain decimal: leading and trailing zeros, the sign of zero.
// ok is false for every other text, the empty one too: no value is not zero.
func canonicalNumber(s string) (n string, ok bool) {
	s = strings.TrimSpace(s)
	if !decimal.MatchString(s) {
		return "", false
	}
	s, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if n = whole + "." + fraction; negative && n != "." {
		n = "-" + n
	}
	return n, true
}

var decimal = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|\.[0-9]+)$`)

// Query is what a listing of a target's contacts asks for.
type Query struct {
	// After and Before bound the time of the last change, both inclusive; zero means open.
	After, Before time.Time
	// Gone asks for deleted contacts instead of live ones.
	Gone bool
}

// Listing is one page of a target's contacts, oldest change first.
type Listing struct {
	Contacts []Observed
	Gone     []Observed // only ID and Modified are set
	Next     string     // cursor of the next page, empty at the end
	// Now is the target's own clock when it answered; zero when it does not tell.
	Now time.Time
}

// Scopes of a target's call budget.
const (
	ScopeContacts = "contacts"
	ScopeOther    = "other"
)
