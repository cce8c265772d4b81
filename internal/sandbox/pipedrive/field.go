package pipedrive

import (
	"fmt"
	"net/http"
	"slices"
)

// Kinds of custom fields that the simulator knows.
const (
	Varchar  = "varchar"
	Double   = "double"
	Date     = "date"
	Enum     = "enum"
	Set      = "set"
	Monetary = "monetary"
)

// Field is a field of persons. Values of a person are kept under Code in the form in which the second version
// of the API gives them: text, a number, the id of an option, a list of such ids, or {value, currency}.
type Field struct {
	Code    string
	Name    string
	Kind    string
	Options []Option
	custom  bool
}

// Option is one choice of an enum or set field, or a label.
type Option struct {
	ID    int    `json:"id"`
	Label string `json:"label"`
}

const labelField = "label_ids"

// Codes of the custom fields that every shop has.
const (
	City     = "7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10"
	Segment  = "c0ffee5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c1011"
	Likes    = "beef1234e8a4c3d9f6b2a1e0c4d8f7a3b5e9c102"
	LastBuy  = "aa55aa550b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c"
	Limit    = "0dd1e5a9c2b34f7788a0b1c2d3e4f5061728394a"
	OptedOut = "0123456789abcdef0123456789abcdef01234567"
)

// Labels that every shop has.
const (
	VIP  = 12
	Cold = 15
)

func shopFields() []*Field {
	return []*Field{
		{Code: City, Name: "Cidade", Kind: Varchar, custom: true},
		{Code: Segment, Name: "Segmento", Kind: Enum, custom: true, Options: []Option{{41, "Varejo"}, {42, "Atacado"}}},
		{Code: Likes, Name: "Interesses", Kind: Set, custom: true, Options: []Option{{7, "Pães"}, {9, "Bolos"}, {11, "Salgados"}}},
		{Code: LastBuy, Name: "Última compra", Kind: Date, custom: true},
		{Code: Limit, Name: "Limite", Kind: Monetary, custom: true},
		{Code: OptedOut, Name: "Descadastrado", Kind: Enum, custom: true, Options: []Option{{61, "Sim"}, {62, "Não"}}},
		{Code: labelField, Name: "Labels", Kind: Set, Options: []Option{{VIP, "Cliente VIP"}, {Cold, "Lead frio"}}},
		{Code: "name", Name: "Name", Kind: Varchar},
	}
}

// AddField defines a custom field and returns its code.
func (s *Server) AddField(name, kind string, options ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Field{Code: fmt.Sprintf("%016x%016x%08x", s.rand.Uint64(), s.rand.Uint64(), s.rand.Uint32()), Name: name, Kind: kind, custom: true}
	for _, label := range options {
		f.add(label)
	}
	s.fields = append(s.fields, f)
	return f.Code
}

// AddOption adds a choice to a field, named by its code, and returns the id; 0 when there is no such field.
func (s *Server) AddOption(code, label string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.field(code); f != nil {
		return f.add(label)
	}
	return 0
}

// AddLabel adds a label and returns its id.
func (s *Server) AddLabel(label string) int { return s.AddOption(labelField, label) }

func (f *Field) add(label string) int {
	id := 1
	for _, o := range f.Options {
		id = max(id, o.ID+1)
	}
	f.Options = append(f.Options, Option{id, label})
	return id
}

func (s *Server) field(code string) *Field {
	if i := slices.IndexFunc(s.fields, func(f *Field) bool { return f.Code == code }); i >= 0 {
		return s.fields[i]
	}
	return nil
}

// fieldPage is how many fields a page has at most.
const fieldPage = 500

func (c *call) listFields() reply {
	limit, err := c.number("limit", 100, fieldPage)
	if err != nil {
		return fail(http.StatusBadRequest, "%s", err)
	}
	from, err := decodeOffset(c.URL.Query().Get("cursor"))
	if err != nil {
		return fail(http.StatusBadRequest, "cursor is invalid")
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	from = min(from, len(c.s.fields))
	end := min(from+limit, len(c.s.fields))
	rows := []map[string]any{}
	for _, f := range c.s.fields[from:end] {
		rows = append(rows, map[string]any{"field_name": f.Name, "field_code": f.Code, "field_type": f.Kind, "is_custom_field": f.custom,
			"is_optional_response_field": false, "options": f.choices(), "subfields": nil})
	}
	var next any
	if end < len(c.s.fields) {
		next = encodeOffset(end)
	}
	return reply{status: http.StatusOK, data: rows, additional: map[string]any{"next_cursor": next}}
}

// choices is null for fields without any.
func (f *Field) choices() any {
	if len(f.Options) == 0 {
		return nil
	}
	return slices.Clone(f.Options)
}

func (c *call) listFieldsV1() reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	rows := []map[string]any{}
	for i, f := range c.s.fields {
		key, kind := f.Code, f.Kind
		if key == labelField {
			key, kind = "label", Enum
		}
		row := map[string]any{"id": i + 1, "key": key, "name": f.Name, "field_type": kind, "edit_flag": f.custom}
		if f.Options != nil {
			row["options"] = f.choices()
		}
		rows = append(rows, row)
	}
	return reply{status: http.StatusOK, data: rows, additional: map[string]any{"pagination": map[string]any{"start": 0, "limit": len(rows), "more_items_in_collection": false}}}
}
