package weni

import (
	"bytes"
	"encoding/json"
	"time"

	"syncer/internal/contact"
)

// wireContact is a contact as the API shows it. Keys that only some versions have are pointers or raw, so
// that their presence can be seen.
type wireContact struct {
	UUID       string          `json:"uuid"`
	Name       text            `json:"name"`
	Language   text            `json:"language"`
	URNs       []contact.URN   `json:"urns"`
	Groups     []reference     `json:"groups"`
	Fields     map[string]text `json:"fields"`
	Blocked    bool            `json:"blocked"`
	Stopped    bool            `json:"stopped"`
	CreatedOn  time.Time       `json:"created_on"`
	ModifiedOn time.Time       `json:"modified_on"`
	LastSeenOn time.Time       `json:"last_seen_on"`

	Status json.RawMessage `json:"status"` // upstream from 7.3.58
	Flow   json.RawMessage `json:"flow"`   // upstream from 7.1.61
	Notes  json.RawMessage `json:"notes"`  // upstream from 9.3.4
}

func (w *wireContact) whole() bool { return w.UUID != "" }

// text is a value that the API gives as a string or null, and some versions as a number.
type text string

// UnmarshalJSON takes null as "" and anything but a string as it is written.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch {
	case bytes.Equal(raw, []byte("null")):
		*t = ""
		return nil
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	}
	*t = text(raw)
	return nil
}

type reference struct {
	UUID string `json:"uuid"`
	Name string `json:"name"`
}

// observed translates a contact; fields without a value are dropped.
func (w *wireContact) observed() contact.Observed {
	o := contact.Observed{
		ID: w.UUID, Name: string(w.Name), Language: string(w.Language), URNs: w.URNs, Status: contact.Active,
		Created: w.CreatedOn.UTC(), Modified: w.ModifiedOn.UTC(), LastSeen: w.LastSeenOn.UTC(),
	}
	for _, g := range w.Groups {
		o.Labels = append(o.Labels, g.UUID)
	}
	for key, v := range w.Fields {
		if v != "" {
			if o.Fields == nil {
				o.Fields = map[string]string{}
			}
			o.Fields[key] = string(v)
		}
	}
	var status contact.Status
	switch {
	case json.Unmarshal(w.Status, &status) == nil && status != "":
		o.Status = status
	case w.Blocked:
		o.Status = contact.Blocked
	case w.Stopped:
		o.Status = contact.Stopped
	}
	return o
}

// wireField is a contact field. Up to 7.2, and so in Weni, it has label and value_type only.
type wireField struct {
	Key       string          `json:"key"`
	Label     string          `json:"label"`
	ValueType string          `json:"value_type"`
	Name      string          `json:"name"`     // from 7.5.120
	Type      string          `json:"type"`     // from 7.5.120, with "number" for "numeric"
	Priority  json.RawMessage `json:"priority"` // from 7.3
}

func (w *wireField) whole() bool { return w.Key != "" }

// number is what newer versions call a numeric field; Weni refuses the word.
const number = "number"

func (w *wireField) fieldType() contact.FieldType {
	t := w.Type
	if t == "" {
		t = w.ValueType
	}
	if t == number {
		return contact.NumericField
	}
	return contact.FieldType(t)
}

// wireGroup is a contact group. One with a query is smart: the workspace computes who is in it.
type wireGroup struct {
	UUID   string  `json:"uuid"`
	Name   string  `json:"name"`
	Query  *string `json:"query"`
	System *bool   `json:"system"` // from 7.3.10
}

func (w *wireGroup) whole() bool { return w.UUID != "" }

func (w *wireGroup) label() contact.Label {
	return contact.Label{ID: w.UUID, Name: w.Name, Smart: w.Query != nil || w.System != nil && *w.System}
}

// Flavours of the API, told apart by the keys of what it answers, since it names no version.
const (
	Weni       = "weni"        // Weni Flows, and RapidPro from 6.4 to 7.2
	RapidPro7  = "rapidpro-7"  // 7.3 and 7.4
	RapidPro9  = "rapidpro-9"  // 8.0 to 9.2
	RapidPro26 = "rapidpro-26" // 9.3 and later
)

// Marks of a flavour, as they are met.
const (
	sawDefinitions uint32 = 1 << iota
	sawPriority           // a field has priority, a group system, a contact status or flow
	sawName               // a field has name and type
	sawNotes              // a contact has notes
)

// Flavour says which dialect the server speaks; empty before Learn or before it has shown anything. A server
// with nothing defined yet passes for Weni, whose dialect all versions understand when fields are created.
func (t *Target) Flavour() string {
	switch marks := t.marks.Load(); {
	case marks&sawNotes != 0:
		return RapidPro26
	case marks&sawName != 0:
		return RapidPro9
	case marks&sawPriority != 0:
		return RapidPro7
	case marks != 0:
		return Weni
	}
	return ""
}

func (t *Target) mark(bits uint32, seen bool) {
	if seen {
		t.marks.Or(bits)
	}
}

// observe translates a contact and takes notice of the dialect it is written in.
func (t *Target) observe(w *wireContact) contact.Observed {
	t.mark(sawPriority, w.Status != nil || w.Flow != nil)
	t.mark(sawNotes, w.Notes != nil)
	return w.observed()
}
