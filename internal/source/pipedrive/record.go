package pipedrive

import (
	"strconv"
	"strings"
	"time"

	"syncer/internal/mapping"
)

// Record reads a person from either version of the webhooks or from the API. What the payload does not name
// is not in the record either: absent is not blank. Custom fields stand under their display name and under
// their code.
func (s *Source) Record(payload []byte) (map[string]any, error) {
	raw, err := mapping.DecodeRecord(payload)
	if err != nil {
		return nil, err
	}
	r := reader{source: s, defs: s.defs.Load(), record: make(map[string]any, len(raw)+4), raw: raw}
	for name, value := range raw {
		r.attribute(name, value)
	}
	r.labels()
	return r.record, nil
}

// reader turns one payload into a record.
type reader struct {
	source *Source
	defs   *definitions
	raw    map[string]any
	record map[string]any
	custom map[string]any
}

func (r *reader) attribute(name string, value any) {
	switch name {
	case "phones", "phone":
		r.record["phones"] = rows(value)
	case "emails", "email":
		r.record["emails"] = rows(value)
	case "custom_fields":
		r.customs(value)
	case "label_ids", "label":
		// labels reads both.
	case "id", "visible_to":
		r.record[name] = number(value)
	case "owner_id", "org_id":
		r.record[name] = reference(value)
	case "add_time", "update_time", "delete_time":
		r.record[name] = moment(value)
	default:
		switch code, part, _ := strings.Cut(name, "_"); {
		case !isHash(code):
			r.record[name] = value
		case part == "": // version 1 has custom fields among the others
			r.set(code, value)
		}
	}
}

func (r *reader) customs(value any) {
	fields, _ := value.(map[string]any)
	if r.custom == nil {
		r.custom = make(map[string]any, 2*len(fields))
		r.record["custom_fields"] = r.custom
	}
	for code, v := range fields {
		r.set(code, v)
	}
}

// set puts a custom field into the record, unless it holds an option whose name is not known yet.
func (r *reader) set(code string, value any) {
	if r.custom == nil {
		r.customs(nil)
	}
	f := r.defs.fields[code]
	if f == nil {
		if r.source.http != nil {
			r.source.unknown.add(code)
		}
		f = &field{code: code}
	}
	plain, ok := r.value(f, value)
	if !ok {
		return
	}
	r.custom[code] = plain
	if f.name != "" {
		r.custom[f.name] = plain
	}
}

// labels gives the names beside the ids. Version 1 may have only one id, as a number; version 2 has that
// attribute too, always null, and there it says nothing.
func (r *reader) labels() {
	value, ok := r.raw["label_ids"]
	if !ok {
		if value = r.raw["label"]; value == nil {
			return
		}
	}
	ids := list(value)
	r.record["label_ids"] = ids
	f := r.defs.labels
	if f == nil {
		f = &field{code: "label_ids"}
	}
	if names, known := r.names(f, ids); known {
		r.record["labels"] = names
	}
}

// name resolves an option. known is false while a refresh of the definitions may still explain it; text is
// empty when the option does not exist any more. Without an api there are no names and ids stand for
// themselves.
func (r *reader) name(f *field, id any) (name string, known bool) {
	key := plain(id)
	if name, ok := f.options[key]; ok {
		return name, true
	}
	if r.source.http == nil {
		return key, true
	}
	return "", !r.source.unknown.add(f.code + ":" + key)
}

func (r *reader) names(f *field, ids []any) (names []any, known bool) {
	names = make([]any, 0, len(ids))
	known = true
	for _, id := range ids {
		name, ok := r.name(f, id)
		known = known && ok
		if name != "" {
			names = append(names, name)
		}
	}
	return names, known
}

// rows reads phones or e-mails: rows of value, primary and label, without the blank ones.
func rows(value any) []any {
	out := []any{}
	for _, item := range list(value) {
		row, ok := item.(map[string]any)
		if !ok {
			row = map[string]any{"value": item}
		}
		text := strings.TrimSpace(plain(row["value"]))
		if text == "" {
			continue
		}
		primary := plain(row["primary"])
		out = append(out, map[string]any{"value": text, "primary": primary == "true" || primary == "1", "label": plain(row["label"])})
	}
	return out
}

// list reads several values however they are written: a list, one alone, or version 1's "7,9". Items that
// are objects with nothing but an id become the id.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return []any{}
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if o, ok := item.(map[string]any); ok && o["value"] == nil && o["id"] != nil {
				item = o["id"]
			}
			if item != nil {
				out = append(out, number(item))
			}
		}
		return out
	case string:
		out := []any{}
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, number(part))
			}
		}
		return out
	}
	return []any{value}
}

// reference reads the id of another object, which version 1 wraps.
func reference(value any) any {
	if o, ok := value.(map[string]any); ok {
		if id, ok := o["id"]; ok {
			return number(id)
		}
		value = o["value"]
	}
	return number(value)
}

// number turns text that is a whole number into one, and leaves everything else as it is.
func number(value any) any {
	if s, ok := value.(string); ok && len(s) > 0 && len(s) < 19 {
		if n, err := strconv.Atoi(s); err == nil && strconv.Itoa(n) == s {
			return n
		}
	}
	return value
}

// moment writes times in the one form that mappings know. What cannot be read stays as it is.
func moment(value any) any {
	s, ok := value.(string)
	if !ok {
		return value
	}
	if at := text(s).moment(); !at.IsZero() {
		return at.Format(time.RFC3339)
	}
	return value
}

// plain writes a scalar as text; nothing and objects are empty.
func plain(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}
