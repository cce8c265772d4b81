package generic

import (
	"context"
	"testing"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// TestADeletionNeedsNoVersion: a shop marked deleted rows and blanked their time as MySQL does, "0000-00-00 00:00:00". The
// version could not be read, the mark behind it was not looked at any more, and a walk brought the deleted people back.
func TestADeletionNeedsNoVersion(t *testing.T) {
	const row = `{"id":1,"v":"0000-00-00 00:00:00","deleted":true}`
	s, mock := walker(t, func(spec *mapping.Source, _ *Deps) {
		spec.Record = &mapping.Record{ID: "id", Version: "v", VersionAs: "yyyy-mm-dd hh:mm:ss", Deleted: "deleted"}
		spec.Fetch = &mapping.Fetch{URL: listURL + "/{id}"}
	})
	mock.RegisterResponder("GET", listURL, answer(200, `{"data":[`+row+`]}`))
	mock.RegisterResponder("GET", listURL+"/1", answer(200, row))
	page, err := s.List(context.Background(), source.Window{}, "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Get(context.Background(), []string{"1"})
	if err != nil {
		t.Fatal(err)
	}
	for door, events := range map[string][]contact.Event{"list": page.Events, "get": found.Events} {
		if len(events) != 1 || events[0].Kind != contact.Delete || events[0].Version.Source != 0 {
			t.Errorf("%s: %+v", door, events)
		}
	}
}
