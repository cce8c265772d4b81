package pipedrive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"syncer/internal/contact"

	"syncer/internal/source/rawjson"
)

// envelope is both versions of a webhook body: the second has data where the first has current, and puts
// the record's id where the first has the event's.
type envelope struct {
	event                   text // version 1
	meta                    meta
	data, current, previous json.RawMessage
}

type meta struct {
	action    text
	entity    text
	object    text // version 1
	id        text // of the event; in version 1 of the record
	entityID  text
	companyID text
	webhookID text
	timestamp text
	micros    text // version 1
	bulk      text
	mergedTo  text
}

func readEnvelope(body []byte) (e envelope) {
	for key, value := range rawjson.Of(body).Members() {
		switch string(key) {
		case "event":
			e.event = textOf(value)
		case "meta":
			e.meta = readMeta(value)
		case "data":
			e.data = json.RawMessage(value)
		case "current":
			e.current = json.RawMessage(value)
		case "previous":
			e.previous = json.RawMessage(value)
		}
	}
	return e
}

func readMeta(object []byte) (m meta) {
	for key, value := range rawjson.Of(object).Members() {
		switch string(key) {
		case "action":
			m.action = textOf(value)
		case "entity":
			m.entity = textOf(value)
		case "object":
			m.object = textOf(value)
		case "id":
			m.id = textOf(value)
		case "entity_id":
			m.entityID = textOf(value)
		case "company_id":
			m.companyID = textOf(value)
		case "webhook_id":
			m.webhookID = textOf(value)
		case "timestamp":
			m.timestamp = textOf(value)
		case "timestamp_micro":
			m.micros = textOf(value)
		case "is_bulk_edit", "is_bulk_update":
			m.bulk = textOf(value)
		case "merged_to_id":
			m.mergedTo = textOf(value)
		}
	}
	return m
}

// row is what every person's row says about itself, wherever it comes from.
type row struct {
	id      text
	updated text
	added   text
	deleted text
	active  text // version 1
}

func readRow(object []byte) (r row) {
	for key, value := range rawjson.Of(object).Members() {
		switch string(key) {
		case "id":
			r.id = textOf(value)
		case "update_time":
			r.updated = textOf(value)
		case "add_time":
			r.added = textOf(value)
		case "is_deleted":
			r.deleted = textOf(value)
		case "active_flag":
			r.active = textOf(value)
		}
	}
	return r
}

func (r *row) gone() bool { return r.deleted.yes() || r.active == "false" }

func (r *row) version() contact.Version {
	at := r.updated.moment()
	if at.IsZero() {
		at = r.added.moment()
	}
	return contact.Version{Source: contact.Micros(at)}
}

const person = "person"

// Decode reads one webhook body. Everything that is not about a person is left out.
func (s *Source) Decode(_ http.Header, body []byte) ([]contact.Event, error) {
	if !json.Valid(body) {
		return nil, unreadable(body)
	}
	e := readEnvelope(body)
	e.translate()
	s.saw(e.meta.companyID)
	switch e.meta.entity {
	case person:
	case "":
		return nil, errors.New("this is no Pipedrive webhook: meta.entity is missing")
	default:
		return nil, nil
	}
	event, err := s.event(&e)
	if err != nil {
		return nil, err
	}
	return []contact.Event{event}, nil
}

// translate turns version 1 into version 2. Version 1 has no id of its own for an event, so the parts that
// stay the same through its retries make one.
func (e *envelope) translate() {
	m := &e.meta
	if m.entity != "" || m.object == "" {
		return
	}
	m.entity, m.entityID, e.data = m.object, m.id, e.current
	at := m.micros
	if at == "" {
		at = m.timestamp
	}
	m.id = ""
	if at != "" && m.entityID != "" {
		m.id = "v1:" + m.webhookID + ":" + e.event + ":" + m.action + ":" + m.entityID + ":" + at
		m.timestamp = at
	}
	if m.action == "deleted" || m.action == "merged" && isNull(e.data) {
		m.action = "delete"
	}
}

func (s *Source) event(e *envelope) (contact.Event, error) {
	m := &e.meta
	state := e.data
	deleted := m.action == "delete"
	if deleted && isNull(state) {
		state = e.previous
	}
	switch {
	case isNull(state) && deleted:
		state = nil
	case isNull(state):
		return contact.Event{}, errors.New("this Pipedrive webhook carries no person: data is empty although nothing was deleted")
	case state[0] != '{':
		return contact.Event{}, errors.New("this Pipedrive webhook carries no person: data is no object")
	}
	r := readRow(state)
	id := m.entityID
	if id == "" {
		id = r.id
	}
	if !id.isID() {
		return contact.Event{}, errors.New("this Pipedrive webhook does not say which person it is about: meta.entity_id is missing or no number")
	}
	out := contact.Event{ID: string(m.id), Kind: contact.Upsert, Key: s.key(id), Version: r.version(), Shape: contact.Full,
		Payload: state, Bulk: m.bulk.yes()}
	out.Version.Event = contact.Micros(m.timestamp.moment())
	switch {
	case deleted && m.mergedTo.isID() && m.mergedTo != id:
		out.Kind, out.Into = contact.Merge, s.key(m.mergedTo)
	case deleted || r.gone():
		out.Kind = contact.Delete
	}
	return out, nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == 'n' }

// unreadable says where a body stops being JSON, without a word of what it says.
func unreadable(body []byte) error {
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(body, new(json.RawMessage)), &syntax) {
		return fmt.Errorf("the body is not JSON: it breaks off or goes wrong at byte %d", syntax.Offset)
	}
	return errors.New("the body is not JSON")
}
