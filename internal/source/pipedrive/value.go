package pipedrive

import (
	"maps"
	"strconv"
	"strings"
)

// value gives a custom field the same plain form whether it comes from a webhook as a typed object, from the
// API as a bare value, or from version 1 with its parts beside it. ok is false when an option in it has no
// name yet.
func (r *reader) value(f *field, value any) (plainValue any, ok bool) {
	kind := f.kind
	object, _ := value.(map[string]any)
	if t, typed := object["type"].(string); typed {
		kind = t
	}
	if empty(object, value) {
		return nil, true
	}
	switch kind {
	case "enum":
		return r.option(f, object, value)
	case "set":
		if object != nil {
			value = object["values"]
		}
		return r.names(f, list(value))
	case "people", "org", "user":
		return reference(value), true
	case "double", "int", "integer":
		return decimal(bare(object, value)), true
	case "monetary":
		if object == nil {
			return map[string]any{"value": decimal(value), "currency": r.part(f, "currency")}, true
		}
		return map[string]any{"value": decimal(object["value"]), "currency": object["currency"]}, true
	case "daterange", "timerange":
		if object == nil {
			return map[string]any{"from": value, "until": r.part(f, "until")}, true
		}
		from, ok := object["from"]
		if !ok {
			from = object["value"]
		}
		return map[string]any{"from": from, "until": object["until"]}, true
	case "address":
		return r.address(f, object, value), true
	}
	if _, has := object["value"]; has {
		return object["value"], true
	}
	return value, true // a kind that did not exist when this was written
}

// empty reports whether a value is blank: the API may wrap nothing in an object.
func empty(object map[string]any, value any) bool {
	if object == nil {
		return value == nil
	}
	for name, v := range object {
		if name != "type" && name != "currency" && !strings.HasPrefix(name, "timezone") && v != nil {
			return false
		}
	}
	return true
}

// option reads one choice. A choice that was deleted at the source is left out: the record says nothing
// about it any more.
func (r *reader) option(f *field, object map[string]any, value any) (any, bool) {
	if object != nil {
		value = object["id"]
	}
	if value == nil || value == "" {
		return nil, true
	}
	name, known := r.name(f, value)
	return name, known && name != ""
}

// address is the text with its parts beside it.
func (r *reader) address(f *field, object map[string]any, value any) any {
	out := map[string]any{}
	if object != nil {
		maps.Copy(out, object)
		delete(out, "type")
		return out
	}
	out["value"] = value
	for name, v := range r.raw {
		if part, ok := strings.CutPrefix(name, f.code+"_"); ok {
			out[part] = v
		}
	}
	return out
}

// part is what version 1 puts beside a custom field.
func (r *reader) part(f *field, name string) any { return r.raw[f.code+"_"+name] }

// bare takes the value out of a typed object.
func bare(object map[string]any, value any) any {
	if object != nil {
		return object["value"]
	}
	return value
}

// decimal reads numbers that version 1 writes as text.
func decimal(value any) any {
	s, ok := value.(string)
	if !ok {
		return value
	}
	if n := number(s); n != any(s) {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && strings.Trim(s, "+-.0123456789") == "" {
		return f
	}
	return value
}
