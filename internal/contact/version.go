package contact

import (
	"cmp"
	"time"
)

// Version orders the states of one record. The parts are compared only with their own kind: a clock of
// the source is never weighed against our own.
type Version struct {
	// Source is what the record itself says: microseconds of its update time, or a revision number.
	// 0 when the source has none.
	Source int64 `json:"source,omitempty"`
	// Event is when the source says the event happened, in microseconds. 0 when it does not say.
	Event int64 `json:"event,omitempty"`
	// Arrival is when syncer received it, in microseconds by its own clock.
	Arrival int64 `json:"arrival,omitempty"`
}

// Micros turns a time into the unit of Version; the zero time becomes 0, "not said".
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the inverse of Micros.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Compare orders two states of a record, both upserts. What the record says comes first, then the event;
// a tie is 0 and the caller lets the later arrival win.
func (v Version) Compare(o Version) int {
	if v.Source != 0 && o.Source != 0 && v.Source != o.Source {
		return cmp.Compare(v.Source, o.Source)
	}
	if v.Event != 0 && o.Event != 0 {
		return cmp.Compare(v.Event, o.Event)
	}
	return 0
}

// CompareDelete orders two states of which at least one is a deletion. A deletion repeats the last state,
// so the update time it carries is older than the deletion itself: the time of the event decides, and where
// none is said the time of the record. A tie, or a state that says no time at all, is again 0.
func (v Version) CompareDelete(o Version) int {
	a, b := v.moment(), o.moment()
	if a == 0 || b == 0 {
		return 0
	}
	return cmp.Compare(a, b)
}

// moment is the best known time of the event: a state cannot have been announced before it was written.
func (v Version) moment() int64 { return max(v.Event, v.Source) }
