package bolt_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// A reading of the source that sets a record back is told to the person: whoever asks why a contact shows an older
// value finds it in the journal. Once only a number on the record said so, which nobody could see.
func TestWhatARegressionTells(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "syncer.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx, now := context.Background(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	key := contact.Key{Source: "crm", ID: "1"}
	accept := func(e contact.Event, want state.Receipt) {
		t.Helper()
		got, err := state.Accept(ctx, store, now, state.Travel{Lane: state.LaneLive}, e)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Fatalf("%v, %v; want %s", got, err, want)
		}
	}
	event := contact.Event{Kind: contact.Upsert, Key: key, Shape: contact.Full, Version: contact.Version{Source: 99}, Payload: []byte(`{"nome":"Marina"}`)}
	accept(event, state.Accepted)
	if err := store.Update(ctx, func(tx state.Tx) error {
		rec, _ := state.Records.Get(tx, key)
		rec.Parts = []state.RecordPart{{Mapping: "a", Person: 7}, {Mapping: "b", Person: 7}, {Mapping: "c", Person: 8}, {Mapping: "d"}}
		state.Dequeue(tx, key, &rec)
		state.Records.Put(tx, key, rec)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	event.Version.Source, event.Read = 5, now.UnixMicro()
	accept(event, state.Regressed)
	if err := store.View(func(tx state.Tx) error {
		for person, want := range map[state.PersonID]int{7: 1, 8: 1, 9: 0} {
			h := state.History(tx, person)
			if len(h) != want || want > 0 && (h[0].What != "regressed" || *h[0].Record != key || h[0].Text == "") {
				t.Errorf("person %d is told %+v", person, h)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNamesOfATable(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "syncer.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	names := func() (got []string) {
		t.Helper()
		if err := store.View(func(tx state.Tx) error { got = state.Names(tx, state.Records.Name); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := names(); len(got) != 0 {
		t.Errorf("an empty table has %q", got)
	}
	if err := store.Update(context.Background(), func(tx state.Tx) error {
		for _, k := range []contact.Key{{Source: "crm", ID: "1"}, {Source: "crm", ID: "\xff\xff"}, {Source: "crm-2", ID: "1"}, {Source: "loja", ID: ""}, {Source: "loja", ID: "x"}} {
			state.Records.Put(tx, k, state.Record{})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"crm", "crm-2", "loja"}) {
		t.Errorf("the names are %q", got)
	}
}
