package pipedrive

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// news is something that happened to a person.
type news struct {
	action     string  // create, change, delete
	before     *Person // null for a create
	now        *Person // null for a delete
	mergedTo   int
	mergedFrom int
	bulk       bool
}

// event is news as it is sent to one webhook. Only the number of the attempt differs between attempts.
type event struct {
	meta     map[string]any
	data     any
	previous any
	v1       bool
}

// body writes an event for an attempt, counted from 1.
func (e *event) body(attempt int) []byte {
	var out map[string]any
	if e.v1 {
		out = map[string]any{"v": 1, "matches_filters": map[string]any{"current": []any{}, "previous": []any{}}, "meta": e.meta, "retry": attempt - 1,
			"current": e.data, "previous": e.previous, "event": fmt.Sprint(e.meta["action"], ".", e.meta["object"])}
	} else {
		meta := maps.Clone(e.meta)
		meta["attempt"] = attempt
		out = map[string]any{"meta": meta, "data": e.data, "previous": e.previous}
	}
	text, _ := json.Marshal(out)
	return text
}

// event writes news for a webhook. The server is locked.
func (s *Server) event(n news, h *hook) *event {
	if h.Version == "1.0" {
		return s.eventV1(n, h)
	}
	at := s.now()
	id := func(n int) any { return strconv.Itoa(n) }
	if s.o.LooseIDs {
		id = func(n int) any { return n }
	}
	meta := map[string]any{
		"action": n.action, "entity": "person", "company_id": id(CompanyID), "correlation_id": s.uuid(), "entity_id": id(n.id()), "id": s.uuid(),
		"is_bulk_edit": n.bulk, "timestamp": at.Format("2006-01-02T15:04:05.000Z07:00"), "type": "general", "user_id": id(adminID), "version": "2.0",
		"webhook_id": id(h.ID), "webhook_owner_id": id(adminID), "change_source": "app", "host": host, "permitted_user_ids": []any{id(adminID)},
	}
	if s.o.LooseIDs {
		meta["timestamp"] = at.UnixMilli()
	}
	if n.mergedTo != 0 {
		meta["merged_to_id"] = id(n.mergedTo)
	}
	if n.mergedFrom != 0 {
		meta["merged_from_id"] = id(n.mergedFrom)
	}
	e := &event{meta: meta}
	switch {
	case n.now == nil:
		e.previous = s.typed(n.before, nil)
	case n.before == nil:
		e.data = s.typed(n.now, nil)
	default:
		data, previous := s.typed(n.now, n.before), s.typed(n.before, n.now)
		e.data, e.previous = data, changed(previous, data)
	}
	return e
}

func (n *news) id() int {
	if n.now != nil {
		return n.now.ID
	}
	return n.before.ID
}

// typed is a person as webhooks show it. Custom fields without a value are left out, unless they have one in
// the other state: then they are null.
func (s *Server) typed(p, other *Person) map[string]any {
	row := p.standard()
	row["label"], row["visible_to"] = nil, strconv.Itoa(p.VisibleTo)
	if s.o.LooseIDs {
		row["id"] = strconv.Itoa(p.ID)
	}
	if p.MarketingStatus != "" {
		row["marketing_status"] = p.MarketingStatus
	}
	if other != nil && p.Deleted != other.Deleted {
		row["is_deleted"] = p.Deleted
	}
	custom := map[string]any{}
	for _, f := range s.fields {
		if value := p.Custom[f.Code]; value != nil {
			custom[f.Code] = f.typed(value)
		} else if other != nil && other.Custom[f.Code] != nil {
			custom[f.Code] = nil
		}
	}
	row["custom_fields"] = custom
	return row
}

func (f *Field) typed(value any) any {
	switch v := value.(type) {
	case int:
		if f.Kind == Enum {
			return map[string]any{"type": f.Kind, "id": v}
		}
	case []int:
		ids := []map[string]int{}
		for _, id := range v {
			ids = append(ids, map[string]int{"id": id})
		}
		return map[string]any{"type": f.Kind, "values": ids}
	case map[string]any:
		out := maps.Clone(v)
		out["type"] = f.Kind
		return out
	}
	return map[string]any{"type": f.Kind, "value": value}
}

// changed keeps the old values that differ from the new ones.
func changed(old, data map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range old {
		if name == "custom_fields" {
			before, _ := value.(map[string]any)
			after, _ := data[name].(map[string]any)
			if custom := changed(before, after); len(custom) > 0 {
				out[name] = custom
			}
			continue
		}
		if !reflect.DeepEqual(value, data[name]) {
			out[name] = value
		}
	}
	return out
}

var actionsV1 = map[string]string{"create": "added", "change": "updated", "delete": "deleted"}

func (s *Server) eventV1(n news, h *hook) *event {
	at := s.now()
	meta := map[string]any{
		"v": 1, "action": actionsV1[n.action], "object": "person", "id": n.id(), "company_id": CompanyID, "user_id": adminID, "host": host,
		"timestamp": at.Unix(), "timestamp_micro": at.UnixMicro(), "permitted_user_ids": []int{adminID}, "trans_pending": false,
		"is_bulk_update": n.bulk, "change_source": "app", "webhook_id": strconv.Itoa(h.ID),
	}
	e := &event{meta: meta, v1: true}
	switch {
	case n.now == nil:
		e.previous = s.flat(n.before)
	case n.before == nil:
		e.data = s.flat(n.now)
	default:
		data := s.flat(n.now)
		e.data, e.previous = data, changed(s.flat(n.before), data)
	}
	return e
}

// flat is a person as the first version shows it: custom fields among the others, and their parts beside them.
func (s *Server) flat(p *Person) map[string]any {
	row := p.standard()
	row["phone"], row["email"], row["label"], row["active_flag"] = row["phones"], row["emails"], nil, !p.Deleted
	row["add_time"], row["update_time"] = p.Added.Format(time.DateTime), p.Updated.Format(time.DateTime)
	delete(row, "phones")
	delete(row, "emails")
	if len(p.LabelIDs) > 0 {
		row["label"] = p.LabelIDs[0]
	}
	for _, f := range s.fields {
		if !f.custom {
			continue
		}
		row[f.Code] = nil
		switch v := p.Custom[f.Code].(type) {
		case int:
			row[f.Code] = strconv.Itoa(v)
		case []int:
			ids := make([]string, len(v))
			for i, id := range v {
				ids[i] = strconv.Itoa(id)
			}
			row[f.Code] = strings.Join(ids, ",")
		case map[string]any:
			row[f.Code], row[f.Code+"_currency"] = v["value"], v["currency"]
		default:
			row[f.Code] = v
		}
	}
	return row
}

// uuid is one of version 4, from the server's own dice.
func (s *Server) uuid() string {
	a, b := s.rand.Uint64(), s.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, 0x8000|b>>48&0x3fff, b&0xffffffffffff)
}
