// Package generic reads records from any system that sends JSON or forms, or has a list to ask: where things
// are is said in the mapping file. What it cannot do is know a vendor's habits; for those there are packages
// of their own beside this one.
package generic

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/outbound"
	"syncer/internal/source"
)

// Deps are what the source needs from outside. All of them may be left out.
type Deps struct {
	Meter     outbound.Meter    // asked before every call; nil spends freely
	Transport http.RoundTripper // for tests
	Logger    *slog.Logger
	Now       func() time.Time
	// Zone is where times without an offset are; UTC when nil.
	Zone *time.Location
}

// Source is one source as the mapping file describes it. It is safe for concurrent use.
type Source struct {
	name   string
	decode string // json, form, php_form
	event  eventPaths
	record recordPaths
	list   *lister
	fetch  *fetcher
}

var _ source.Source = (*Source)(nil)

type eventPaths struct {
	id, kind, at, items, into path
	as                        map[string]contact.EventKind
	otherwise                 contact.EventKind
	clock                     clock
}

type recordPaths struct {
	at, id, version, deleted path
	clock                    clock
	shape                    contact.Shape
}

// ignore is what a mapping says of event types that do not matter.
const ignore contact.EventKind = "ignore"

// New returns the source that spec describes, or the first thing in it that cannot work. It makes no calls.
func New(spec mapping.Source, deps Deps) (*Source, error) {
	if deps.Zone == nil {
		deps.Zone = time.UTC
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Meter == nil {
		deps.Meter = outbound.Free{}
	}
	s := &Source{name: spec.Name, decode: "json"}
	if err := s.configure(spec, deps); err != nil {
		return nil, &contact.Error{Kind: contact.Invalid, Message: "source " + spec.Name + ": " + err.Error()}
	}
	return s, nil
}

func (s *Source) configure(spec mapping.Source, deps Deps) (err error) {
	if spec.Webhook == nil && spec.List == nil {
		return fmt.Errorf("it has neither webhook nor list: nothing would ever arrive")
	}
	if spec.Webhook != nil && spec.Webhook.Decode != "" {
		s.decode = spec.Webhook.Decode
	}
	switch s.decode {
	case "json", "form", "php_form":
	default:
		return fmt.Errorf("webhook.decode is %q; it can be json, form or php_form", s.decode)
	}
	if spec.Record == nil || spec.Record.ID == "" {
		return fmt.Errorf("record.id is missing: it says where the id of a record is")
	}
	if s.record, err = recordOf(spec.Record, deps.Zone); err != nil {
		return err
	}
	if s.event, err = eventOf(spec.Event, deps.Zone); err != nil {
		return err
	}
	if s.list, err = newLister(spec, deps); err != nil {
		return err
	}
	s.fetch, err = newFetcher(spec, deps)
	return err
}

func recordOf(r *mapping.Record, zone *time.Location) (recordPaths, error) {
	c, err := newClock(r.VersionAs, zone)
	if err != nil {
		return recordPaths{}, fmt.Errorf("record.version_as: %w", err)
	}
	shape := cmp.Or(r.Payload, contact.Full)
	switch shape {
	case contact.Full, contact.Partial, contact.IDs:
	default:
		return recordPaths{}, fmt.Errorf("record.payload is %q; it can be full, partial or ids", shape)
	}
	return recordPaths{at: parsePath(r.At), id: parsePath(r.ID), version: parsePath(r.Version), deleted: parsePath(r.Deleted), clock: c, shape: shape}, nil
}

func eventOf(e *mapping.Event, zone *time.Location) (eventPaths, error) {
	if e == nil {
		e = &mapping.Event{}
	}
	c, err := newClock(e.TimeAs, zone)
	if err != nil {
		return eventPaths{}, fmt.Errorf("event.time_as: %w", err)
	}
	if c.form == asNumber {
		return eventPaths{}, fmt.Errorf("event.time_as is number, which is no time; it can be rfc3339, unix, unix_ms or a layout")
	}
	p := eventPaths{id: parsePath(e.ID), kind: parsePath(e.Type), at: parsePath(e.Time), items: parsePath(e.Items), into: parsePath(e.Into),
		as: make(map[string]contact.EventKind, len(e.As)), otherwise: contact.Upsert, clock: c}
	if e.Otherwise != "" {
		p.otherwise = contact.EventKind(e.Otherwise)
	}
	for word, kind := range e.As {
		p.as[word] = contact.EventKind(kind)
	}
	for _, kind := range append(kindsOf(p.as), p.otherwise) {
		switch kind {
		case contact.Upsert, contact.Delete, contact.Erase, contact.OptOut, contact.OptIn, ignore:
		case contact.Merge:
			if p.into == nil {
				return eventPaths{}, fmt.Errorf("event.as names a merge, but event.into does not say where the surviving record's id is")
			}
		default:
			return eventPaths{}, fmt.Errorf("event: %q is nothing that can happen to a record; it can be upsert, delete, merge, erase, opt_out, opt_in or ignore", kind)
		}
	}
	return p, nil
}

func kindsOf(as map[string]contact.EventKind) []contact.EventKind {
	kinds := make([]contact.EventKind, 0, len(as)+1)
	for _, kind := range as {
		kinds = append(kinds, kind)
	}
	return kinds
}

// Record reads a payload: it is the record already.
func (s *Source) Record(payload []byte) (map[string]any, error) { return mapping.DecodeRecord(payload) }

// Prepare does nothing: records carry their own names.
func (s *Source) Prepare(context.Context) error { return nil }

// Definitions never change.
func (s *Source) Definitions() string { return "" }

// Place cannot be told.
func (s *Source) Place(context.Context) (id, name string, err error) { return "", "", nil }

// Answers are the usual ones.
func (s *Source) Answers() source.Answers { return source.DefaultAnswers() }

// Can says what the mapping file makes possible.
func (s *Source) Can() source.Abilities {
	can := source.Abilities{List: s.list != nil, Deletes: s.list != nil, Get: s.fetch != nil}
	can.Since = can.List && s.list.since != nil
	if can.Get {
		can.Batch = s.fetch.batch
	}
	return can
}
