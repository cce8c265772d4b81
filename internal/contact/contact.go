package contact

import "maps"

// State says what a record states about an attribute.
type State uint8

// Absent: the record says nothing, leave the target alone. Blank: it says there is no value. Set: it gives one.
const (
	Absent State = iota
	Blank
	Set
)

// WritePolicy says when a stated value replaces what the target has.
type WritePolicy string

// Overwrite puts the source's value back whenever it differs. IfEmpty writes only where nothing stands.
// KeepEdits lets an edit made at the target stand until the source itself changes.
const (
	Overwrite WritePolicy = "overwrite"
	IfEmpty   WritePolicy = "if_empty"
	KeepEdits WritePolicy = "keep_edits"
)

// BlankPolicy says what a blank value does.
type BlankPolicy string

// BlankKeep leaves the target's value. BlankClear empties it.
const (
	BlankKeep  BlankPolicy = "keep"
	BlankClear BlankPolicy = "clear"
)

// Attr is one attribute as a record states it, with the policies its mapping gives it.
type Attr struct {
	State State       `json:"state"`
	Value string      `json:"value,omitempty"`
	Write WritePolicy `json:"write,omitempty"`
	Blank BlankPolicy `json:"blank,omitempty"`
}

// FieldType is how a target reads the text of a field.
type FieldType string

// The field types that syncer writes. Values are always sent in the one form that RapidPro parses: plain
// decimals, and date-times with seconds and an offset.
const (
	TextField     FieldType = "text"
	NumericField  FieldType = "numeric"
	DatetimeField FieldType = "datetime"
)

// Field is a custom field as a record states it.
type Field struct {
	Attr
	Type FieldType `json:"type"`
}

// Tri is a statement that may not have been made.
type Tri uint8

// The three answers.
const (
	Unsaid Tri = iota
	No
	Yes
)

// Problem is one attribute that could not be read from its record. The attribute is skipped and the rest is
// written. Problems of identity, when or consent stop the record instead (see Fatal).
type Problem struct {
	// Attr names it as people write it in the mapping: "name", "fields.cidade", "phones", "labels.VIP".
	Attr string `json:"attr"`
	// Where is the place in the mapping file, file:line:column.
	Where string `json:"where,omitempty"`
	// Message is for the person who wrote the mapping. It names paths and types, never values.
	Message string `json:"message"`
	// Fatal problems stop the record: nothing may be written from it.
	Fatal bool `json:"fatal,omitempty"`
}

// Mode says whether a mapping may create contacts and whether it may change existing ones.
type Mode string

// The modes.
const (
	UpsertMode Mode = "upsert"
	UpdateOnly Mode = "update_only"
	CreateOnly Mode = "create_only"
)

// Leave says what happens to a contact when the last record that stands for it goes away.
type Leave string

// LeaveKeep changes nothing, LeaveUnlabel takes this mapping's labels away, LeaveBlock blocks the contact,
// LeaveDelete deletes it if syncer created it.
const (
	LeaveKeep    Leave = "keep"
	LeaveUnlabel Leave = "unlabel"
	LeaveBlock   Leave = "block"
	LeaveDelete  Leave = "delete"
)

// Policy holds the choices of one mapping that are about people rather than attributes.
type Policy struct {
	Mode          Mode   `json:"mode"`
	OnUnmatch     Leave  `json:"on_unmatch"` // LeaveUnlabel or LeaveKeep
	OnDelete      Leave  `json:"on_delete"`
	DeleteAdopted bool   `json:"delete_adopted"`
	OnGone        string `json:"on_gone"`      // tombstone, recreate
	Adopt         string `json:"adopt"`        // always, same_name, never
	OnDuplicate   string `json:"on_duplicate"` // active, report
	SharedPhone   string `json:"shared_phone"` // report, first, newest
}

// Values of the policies that are plain words.
const (
	Tombstone     = "tombstone"
	Recreate      = "recreate"
	AdoptAlways   = "always"
	AdoptSameName = "same_name"
	AdoptNever    = "never"
	UseActive     = "active"
	Report        = "report"
	UseFirst      = "first"
	UseNewest     = "newest"
)

// DefaultPolicy is what a mapping that says nothing gets.
func DefaultPolicy() Policy {
	return Policy{Mode: UpsertMode, OnUnmatch: LeaveUnlabel, OnDelete: LeaveUnlabel, OnGone: Tombstone,
		Adopt: AdoptAlways, OnDuplicate: UseActive, SharedPhone: Report}
}

// Attributes are what can be stated about a contact, the same for every target or for one (see Only).
type Attributes struct {
	Name     Attr             `json:"name"`
	Language Attr             `json:"language"`
	Labels   map[string]bool  `json:"labels,omitempty"` // true: belongs, false: does not; absent: nothing said
	Fields   map[string]Field `json:"fields,omitempty"`
}

// Contact is the desired state that one record contributes, free of any target's wire format.
type Contact struct {
	// Mapping and Rank name the mapping and its place in the file: earlier ones win attribute by attribute.
	Mapping string
	Rank    int
	// Part tells several contacts of one record apart (each:); empty for the usual one.
	Part string

	Attributes
	Phones []Phone
	Emails []string
	// OptOut is Yes when the record says the person refuses messages, No when it says that they accept.
	OptOut Tri

	// Targets are the names of the targets the mapping writes to.
	Targets []string
	// Only holds what is stated for one target and overrides the rest there.
	Only map[string]Attributes

	Policy Policy
	// Leaving says that the record no longer stands for a contact: deleted, or when is false. Labels then
	// holds this mapping's labels, all false unless it keeps them.
	Leaving bool
	// Removed tells a deleted record from one that only stopped matching.
	Removed bool

	Problems []Problem
}

// Primary returns the number that identifies the contact: the first that can stand for one person.
func (c *Contact) Primary() (Phone, bool) {
	for _, p := range c.Phones {
		if p.Identifies() {
			return p, true
		}
	}
	return Phone{}, false
}

// Fatal reports whether a problem forbids writing anything from this contact.
func (c *Contact) Fatal() bool {
	for _, p := range c.Problems {
		if p.Fatal {
			return true
		}
	}
	return false
}

// For returns what the contact states for one target: its own attributes overridden by those of Only.
func (c *Contact) For(target string) Attributes {
	only, ok := c.Only[target]
	if !ok {
		return c.Attributes
	}
	a := Attributes{Name: c.Name, Language: c.Language, Labels: map[string]bool{}, Fields: map[string]Field{}}
	if only.Name.State != Absent {
		a.Name = only.Name
	}
	if only.Language.State != Absent {
		a.Language = only.Language
	}
	for _, from := range []Attributes{c.Attributes, only} {
		maps.Copy(a.Labels, from.Labels)
		for k, v := range from.Fields {
			if _, said := a.Fields[k]; !said || v.State != Absent {
				a.Fields[k] = v
			}
		}
	}
	return a
}
