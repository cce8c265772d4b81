package bolt_test

import (
	"fmt"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// TestChattyRecordsKeepToThemselves: what a record could not remember of its events' ids went to a table in the order
// of their hashes, so that every event of a record that chatters touched a page of the file that nobody else touched.
// Now the ids of a record lie side by side and go there sixteen at a time. Each is still known.
func TestChattyRecordsKeepToThemselves(t *testing.T) {
	const records, events, alone = 40, 10_000, 300
	s := openNew(t, bolt.Options{})
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	accept := func(from, to int, want state.Receipt) {
		t.Helper()
		batch := make([]contact.Event, 0, to-from)
		for n := from; n < to; n++ {
			batch = append(batch, contact.Event{ID: fmt.Sprint("event-", n), Kind: contact.Upsert, Shape: contact.Full, Payload: fmt.Appendf(nil, `{"n":%d}`, n),
				Key: contact.Key{Source: "crm", ID: fmt.Sprint(n % records)}, Version: contact.Version{Source: int64(n + 1)}})
		}
		receipts, err := state.Accept(t.Context(), s, now, state.Travel{Lane: state.LaneLive}, batch...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range receipts {
			if r != want {
				t.Fatalf("event %d is %s, not %s", from+i, r, want)
			}
		}
	}
	for n := 0; n < events; n += 500 {
		accept(n, n+500, state.Accepted)
	}
	before := s.PagesWritten()
	for n := events; n < events+alone; n++ {
		accept(n, n+1, state.Accepted)
	}
	if pages := float64(s.PagesWritten()-before) / alone; pages > 7 {
		t.Errorf("an event of a chatty record writes %.1f pages", pages)
	}
	accept(0, events+alone, state.Duplicate)
}
