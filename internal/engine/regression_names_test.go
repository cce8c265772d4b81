package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"syncer/internal/source"
)

// lateNames is a source whose API has not told yet what its fields are called.
type lateNames struct {
	source.Source
	ready *atomic.Bool
}

func (s lateNames) Ready() bool         { return s.ready.Load() }
func (s lateNames) Remember() []byte    { return nil }
func (s lateNames) Recall([]byte) error { return nil }

// TestNothingIsMappedBeforeNamesAreKnown: a daemon that started faster than the CRM answered mapped the first
// webhooks without the names of custom fields. Everything named by them seemed absent, contacts were made
// without it, and nothing was due any more when the names came.
func TestNothingIsMappedBeforeNamesAreKnown(t *testing.T) {
	var ready atomic.Bool
	r := wrappedRig(t, twoSources, func(s source.Source) source.Source { return lateNames{s, &ready} })
	r.send("crm", ana)
	time.Sleep(300 * time.Millisecond)
	if n := len(r.weni.Contacts()); n != 0 {
		t.Fatalf("%d contacts were made of records that could not be read yet", n)
	}
	ready.Store(true)
	r.settle()
	if c := r.only(); c.Fields["cidade"] != "Natal" {
		t.Errorf("contact: %+v", c)
	}
}
