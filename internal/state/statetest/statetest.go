// Package statetest is the conformance suite of state.Store: what a store promises, and what the rules of
// package state make of that promise. Every store runs it.
package statetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Open opens the store that lives in a folder, making it the first time. Opening the same folder again after
// Close is a restart.
type Open func(t *testing.T, dir string) state.Store

// Run holds a store to its promises.
func Run(t *testing.T, open Open) {
	for _, group := range []struct {
		name  string
		rules []rule
	}{
		{"Store", storeRules},
		{"Events", eventRules},
		{"Consent", consentRules},
		{"Work", workRules},
		{"Mirror", mirrorRules},
		{"Bounds", boundRules},
		{"Erasure", erasureRules},
		{"Export", exportRules},
		{"Clock", clockRules},
		{"Links", linkRules},
		{"Models", modelRules},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, r := range group.rules {
				t.Run(r.name, func(t *testing.T) { r.check(newBench(t, open)) })
			}
		})
	}
}

type rule struct {
	name  string
	check func(*bench)
}

// bench is a store under test.
type bench struct {
	*testing.T
	open  Open
	dir   string
	store state.Store
	now   time.Time
	// records counts those that properties have used up.
	records int
}

func newBench(t *testing.T, open Open) *bench {
	b := &bench{T: t, open: open, dir: t.TempDir(), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	b.store = open(t, b.dir)
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return b
}

// reopen restarts the store.
func (b *bench) reopen() {
	b.Helper()
	if err := b.store.Close(); err != nil {
		b.Fatalf("closing: %v", err)
	}
	b.store = b.open(b.T, b.dir)
}

func (b *bench) update(fn func(state.Tx)) {
	b.Helper()
	if err := b.store.Update(context.Background(), func(tx state.Tx) error { fn(tx); return nil }); err != nil {
		b.Fatalf("update: %v", err)
	}
}

func (b *bench) view(fn func(state.Tx)) {
	b.Helper()
	if err := b.store.View(func(tx state.Tx) error { fn(tx); return nil }); err != nil {
		b.Fatalf("view: %v", err)
	}
}

// later moves the clock.
func (b *bench) later(d time.Duration) { b.now = b.now.Add(d) }

// accept stores one event that arrives now, in the live lane.
func (b *bench) accept(e contact.Event) state.Receipt {
	b.Helper()
	return b.acceptAs(state.Travel{Lane: state.LaneLive}, e)
}

func (b *bench) acceptAs(how state.Travel, e contact.Event) state.Receipt {
	b.Helper()
	receipts, err := state.Accept(context.Background(), b.store, b.now, how, e)
	if err != nil {
		b.Fatalf("accept: %v", err)
	}
	return receipts[0]
}

// expect accepts an event and checks its receipt.
func (b *bench) expect(want state.Receipt, e contact.Event) {
	b.Helper()
	if got := b.accept(e); got != want {
		b.Fatalf("%s %s: %s, want %s", e.Kind, e.Key, got, want)
	}
}

func (b *bench) record(k contact.Key) (rec state.Record) {
	b.Helper()
	b.view(func(tx state.Tx) { rec, _ = state.Records.Get(tx, k) })
	return rec
}

func (b *bench) payload(k contact.Key) (payload string) {
	b.Helper()
	b.view(func(tx state.Tx) { payload = string(state.Payload(tx, k)) })
	return payload
}

// due lists the records that are due now.
func (b *bench) due() (keys []contact.Key) {
	b.Helper()
	b.view(func(tx state.Tx) { keys, _ = state.DueRecords(tx, b.now, 100) })
	return keys
}

// mapped says that a record was mapped, as the engine does: it is no longer due, and stands for a person.
func (b *bench) mapped(k contact.Key, parts ...state.RecordPart) {
	b.Helper()
	b.update(func(tx state.Tx) { markMapped(tx, k, parts...) })
}

func markMapped(tx state.Tx, k contact.Key, parts ...state.RecordPart) {
	rec, _ := state.Records.Get(tx, k)
	if len(parts) > 0 {
		rec.Parts = parts
	}
	state.Dequeue(tx, k, &rec)
	state.Records.Put(tx, k, rec)
}

func crm(id string) contact.Key { return contact.Key{Source: "crm", ID: id} }

// upsert says that record crm/id is now like this, by its own time and the event's, in seconds.
func upsert(id string, source, event int64, payload string) contact.Event {
	return contact.Event{Kind: contact.Upsert, Shape: contact.Full, Key: crm(id), Version: contact.Version{Source: source, Event: event}, Payload: []byte(payload)}
}

func deletion(id string, source, event int64) contact.Event {
	return contact.Event{Kind: contact.Delete, Key: crm(id), Version: contact.Version{Source: source, Event: event}}
}

// read says that syncer itself read the state, beginning at that moment.
func read(e contact.Event, began time.Time) contact.Event {
	e.Read = contact.Micros(began)
	return e
}

func named(id string, e contact.Event) contact.Event {
	e.ID = id
	return e
}

func unavailable(err error) bool {
	var e *contact.Error
	return errors.As(err, &e) && e.Kind == contact.Unavailable
}
