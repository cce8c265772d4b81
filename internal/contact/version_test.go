package contact_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

func TestWhichOfTwoStatesIsNewer(t *testing.T) {
	type v = contact.Version
	for _, tt := range []struct {
		name          string
		a, b          v
		upsert, death int
	}{
		{"the record's own time comes first", v{Source: 5, Event: 1}, v{Source: 4, Event: 9}, 1, -1},
		{"the event breaks a tie", v{Source: 5, Event: 7}, v{Source: 5, Event: 6}, 1, 1},
		{"one record does not say its time", v{Event: 7}, v{Source: 5, Event: 6}, 1, 1},
		{"one event does not say its time", v{Source: 5}, v{Source: 5, Event: 6}, 0, -1},
		{"nothing in common", v{Source: 5}, v{Event: 6}, 0, -1},
		{"neither says anything", v{Arrival: 1}, v{Arrival: 2}, 0, 0},
		{"one says nothing", v{}, v{Source: 5, Event: 6}, 0, 0},
		{"our own clock is never weighed", v{Source: 5, Arrival: 1}, v{Source: 5, Arrival: 9}, 0, 0},
		{"a deletion carries the old update time", v{Source: 5, Event: 9}, v{Source: 7, Event: 7}, -1, 1},
		{"a deletion without payload", v{Event: 9}, v{Source: 7, Event: 7}, 1, 1},
		{"a deletion without event time", v{Source: 9}, v{Source: 7}, 1, 1},
		{"revisions", v{Source: 18}, v{Source: 17}, 1, 1},
	} {
		if got := tt.a.Compare(tt.b); got != tt.upsert {
			t.Errorf("%s: Compare = %d, want %d", tt.name, got, tt.upsert)
		}
		if got := tt.a.CompareDelete(tt.b); got != tt.death {
			t.Errorf("%s: CompareDelete = %d, want %d", tt.name, got, tt.death)
		}
	}
}

func versions() *rapid.Generator[contact.Version] {
	part := rapid.Int64Range(0, 4)
	return rapid.Custom(func(t *rapid.T) contact.Version {
		return contact.Version{Source: part.Draw(t, "source"), Event: part.Draw(t, "event"), Arrival: part.Draw(t, "arrival")}
	})
}

func TestComparingVersionsIsAntisymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := versions().Draw(t, "a"), versions().Draw(t, "b")
		if a.Compare(b) != -b.Compare(a) || a.CompareDelete(b) != -b.CompareDelete(a) {
			t.Fatalf("Compare %d and %d, CompareDelete %d and %d", a.Compare(b), b.Compare(a), a.CompareDelete(b), b.CompareDelete(a))
		}
		if a.Compare(a) != 0 || a.CompareDelete(a) != 0 {
			t.Fatal("a state is newer than itself")
		}
	})
}

// States that all say the same things are in one order; a source never mixes.
func TestComparingVersionsIsTransitive(t *testing.T) {
	part := rapid.Int64Range(1, 4)
	for _, kind := range []struct{ source, event bool }{{true, true}, {true, false}, {false, true}} {
		rapid.Check(t, func(t *rapid.T) {
			draw := func(label string) (v contact.Version) {
				if kind.source {
					v.Source = part.Draw(t, label+" source")
				}
				if kind.event {
					v.Event = part.Draw(t, label+" event")
				}
				return v
			}
			a, b, c := draw("a"), draw("b"), draw("c")
			for name, compare := range map[string]func(v, w contact.Version) int{"Compare": contact.Version.Compare, "CompareDelete": contact.Version.CompareDelete} {
				if compare(a, b) >= 0 && compare(b, c) >= 0 && compare(a, c) < 0 {
					t.Fatalf("%s: %v >= %v >= %v", name, a, b, c)
				}
			}
		})
	}
}

func TestMomentsInMicroseconds(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 41, 7, 123456000, time.UTC)
	if got := contact.FromMicros(contact.Micros(at)); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("got %s", got)
	}
	if contact.Micros(time.Time{}) != 0 || !contact.FromMicros(0).IsZero() {
		t.Error("the zero time does not stay zero")
	}
}
