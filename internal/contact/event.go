package contact

import "encoding/json"

// EventKind says what an event does to its record.
type EventKind string

// The kinds of events. Merge, erase and consent events are never coalesced away.
const (
	Upsert EventKind = "upsert"
	Delete EventKind = "delete"
	Merge  EventKind = "merge"
	Erase  EventKind = "erase"
	OptOut EventKind = "opt_out"
	OptIn  EventKind = "opt_in"
)

// Shape says how much of the record an event carries.
type Shape string

// Full: the payload is the record. Partial: only what it names changed. IDs: nothing, the record must be
// fetched from the source.
const (
	Full    Shape = "full"
	Partial Shape = "partial"
	IDs     Shape = "ids"
)

// Event says "record Key is now Payload", or that something happened to it.
type Event struct {
	// ID is the source's own id of the event, stable across its retries. Empty when it has none; then only
	// a repeat of the record's last event is recognised, by the hash of its content.
	ID      string
	Kind    EventKind
	Key     Key
	Version Version
	Shape   Shape
	// Payload is the record as the source wrote it, in the shape that source knows how to read.
	Payload json.RawMessage
	// Into is the surviving record of a merge.
	Into Key
	// Identities are the canonical identities of a consent event that names a person and no record.
	Identities []Identity
	// Read is set when syncer itself read this state from the source (a list or a get), to the moment the
	// reading began, in microseconds. Such a state can heal what a lost or misdated webhook left behind.
	Read int64
	// Bulk marks an event of a mass edit: it travels behind what people do one by one.
	Bulk bool
}
