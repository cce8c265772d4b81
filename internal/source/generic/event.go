package generic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"syncer/internal/contact"

	"syncer/internal/source/rawjson"
)

// Decode reads one webhook body: one event, or a list of them. Of a list in which some cannot be read it
// returns the others beside the error, so that one broken event does not take its neighbours with it.
func (s *Source) Decode(_ http.Header, body []byte) ([]contact.Event, error) {
	root, err := s.parse(body)
	if err != nil {
		return nil, err
	}
	items := root
	if s.event.items != nil {
		if items = s.event.items.in(root); !items.IsArray() && !items.IsObject() {
			return nil, fmt.Errorf("the body has no list of events at event.items (%s)", s.event.items)
		}
	}
	if !items.IsArray() {
		event, wanted, err := s.one(items, root, 0)
		if err != nil || !wanted {
			return nil, err
		}
		return []contact.Event{event}, nil
	}
	var events []contact.Event
	var first error
	bad, all := 0, 0
	for item := range items.Elements() {
		event, wanted, err := s.one(item, root, all)
		all++
		switch {
		case err != nil:
			if bad++; first == nil {
				first = err
			}
		case wanted:
			events = append(events, event)
		}
	}
	if first != nil {
		return events, fmt.Errorf("%d of %d events cannot be read; the first: %w", bad, all, first)
	}
	return events, nil
}

func (s *Source) parse(body []byte) (rawjson.Value, error) {
	if s.decode != "json" {
		return parseForm(body, s.decode == "php_form")
	}
	root, ok := rawjson.Parse(body)
	if !ok {
		return nil, errors.New("the body is not JSON")
	}
	return root, nil
}

// one reads one event. What describes the event may stand beside the list instead of in each of its items; an
// id that does is the delivery's, so the place in the list tells its events apart.
func (s *Source) one(item, root rawjson.Value, place int) (event contact.Event, wanted bool, err error) {
	beside := func(p path) string {
		if p == nil {
			return ""
		}
		value, ok := p.in(item).Text()
		if !ok {
			value, _ = p.in(root).Text()
		}
		return value
	}
	kind := s.event.otherwise
	if named, ok := s.event.as[beside(s.event.kind)]; ok && s.event.kind != nil {
		kind = named
	}
	if kind == ignore {
		return contact.Event{}, false, nil
	}
	row := s.record.at.in(item)
	if !row.IsObject() {
		return contact.Event{}, false, fmt.Errorf("there is no record at record.at (%s)", s.record.at)
	}
	if event, err = s.state(row); err != nil {
		return contact.Event{}, false, err
	}
	if s.event.id != nil {
		if own, ok := s.event.id.in(item).Text(); ok {
			event.ID = own
		} else if event.ID = beside(s.event.id); event.ID != "" {
			event.ID += "#" + strconv.Itoa(place)
		}
	}
	if event.Version.Event, err = s.event.clock.read(beside(s.event.at)); err != nil {
		return contact.Event{}, false, fmt.Errorf("event.time (%s) is not written as %s: %w", s.event.at, s.event.clock.written, err)
	}
	if kind != contact.Upsert {
		event.Kind = kind
	}
	if event.Shape = s.record.shape; event.Shape == contact.IDs {
		event.Payload = nil
	}
	if kind == contact.Merge {
		into := beside(s.event.into)
		if into == "" || into == event.Key.ID {
			return contact.Event{}, false, fmt.Errorf("a merge does not name another record at event.into (%s)", s.event.into)
		}
		event.Into = contact.Key{Source: s.name, ID: into}
	}
	return event, true, nil
}

const maxID = 256

// state reads what a record says about itself, wherever it comes from. A record that marks itself deleted is deleted,
// whatever else of it can be read: the event returned beside an error is used where there is no other to come.
func (s *Source) state(row rawjson.Value) (contact.Event, error) {
	id, _ := s.record.id.in(row).Text()
	switch id = strings.TrimSpace(id); {
	case id == "":
		return contact.Event{}, fmt.Errorf("a record has no id at record.id (%s)", s.record.id)
	case len(id) > maxID:
		return contact.Event{}, fmt.Errorf("a record's id at record.id (%s) is longer than %d bytes", s.record.id, maxID)
	}
	event := contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: s.name, ID: id}, Shape: contact.Full,
		Payload: json.RawMessage(row[:len(row):len(row)])}
	if s.record.deleted != nil && isSet(s.record.deleted.in(row)) {
		event.Kind = contact.Delete
	}
	if s.record.version != nil {
		said, _ := s.record.version.in(row).Text()
		version, err := s.record.clock.read(said)
		if err != nil {
			return event, fmt.Errorf("record.version (%s) is not written as %s: %w", s.record.version, s.record.clock.written, err)
		}
		event.Version.Source = version
	}
	return event, nil
}

// isSet reads a flag: a word for no, nothing, or anything else, such as the time of the deletion.
func isSet(flag rawjson.Value) bool {
	if flag.IsObject() || flag.IsArray() {
		return true
	}
	word, _ := flag.Text()
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "", "0", "false", "no", "n", "não", "nao", "f":
		return false
	}
	return true
}
