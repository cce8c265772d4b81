package state

import (
	"encoding/binary"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Schedule makes a delivery due, in a lane, at a time; it lifts a hold. The caller stores the link.
func Schedule(tx Tx, k LinkKey, l *Link, lane Lane, at time.Time) {
	if l.Hold != "" {
		Holds.Delete(tx, HoldKey{l.Hold, k})
		l.Hold = ""
	}
	if l.Due != 0 {
		tx.Delete(due, dueKey(k, l))
	}
	l.Lane, l.Due = lane, micros(at)
	tx.Put(due, dueKey(k, l), nil)
}

// Unschedule takes a delivery out of the queue. The caller stores the link.
func Unschedule(tx Tx, k LinkKey, l *Link) {
	if l.Due != 0 {
		tx.Delete(due, dueKey(k, l))
	}
	if l.Hold != "" {
		Holds.Delete(tx, HoldKey{l.Hold, k})
	}
	l.Due, l.First, l.Hold = 0, 0, ""
}

// KeepBack takes a delivery out of the queue and lists it under a run until that is released. The caller
// stores the link.
func KeepBack(tx Tx, k LinkKey, l *Link, run string, h Held) {
	first := l.First
	Unschedule(tx, k, l)
	l.First, l.Hold = first, run
	Holds.Put(tx, HoldKey{run, k}, h)
}

// DueLinks returns up to limit persons whose delivery to a target is due in a lane by now, oldest first, and
// when the next one will be due if there are none.
func DueLinks(tx Tx, target string, lane Lane, now time.Time, limit int, busy func(PersonID) bool) (people []PersonID, next time.Time) {
	for k := range tx.Scan(due, append(Prefix(target), byte(lane)), nil) {
		k = k[len(target)+2:]
		if at := contact.FromMicros(int64(parseNumber(k))); at.After(now) {
			return people, at
		}
		p := parsePersonKey(k[8:])
		if busy != nil && busy(p) {
			continue
		}
		if people = append(people, p); len(people) >= limit {
			break
		}
	}
	return people, time.Time{}
}

// Backlog counts what is due at a target in each lane (up to a limit per lane) and the oldest moment.
func Backlog(tx Tx, target string, limit int) (counts [3]int, oldest time.Time) {
	for lane := LaneConsent; lane <= LaneBulk; lane++ {
		for k := range tx.Scan(due, append(Prefix(target), byte(lane)), nil) {
			at := contact.FromMicros(int64(parseNumber(k[len(target)+2:])))
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
			if counts[lane]++; counts[lane] >= limit {
				break
			}
		}
	}
	return counts, oldest
}

func dueKey(k LinkKey, l *Link) []byte {
	b := append(Prefix(k.Target), byte(l.Lane))
	b = binary.BigEndian.AppendUint64(b, uint64(l.Due))
	return append(b, personKey(k.Person)...)
}

// Finish ends a delivery of the person's state seq: it is no longer due unless something newer came in the
// meantime, in which case it stays due. It reports whether the person is done. The caller stores the link.
func Finish(tx Tx, k LinkKey, l *Link, seq uint64, now time.Time) bool {
	l.Done = max(l.Done, seq)
	person, ok := Persons.Get(tx, k.Person)
	if !ok || person.Seq <= seq {
		Unschedule(tx, k, l)
		return true
	}
	switch {
	case l.Due == 0:
		Schedule(tx, k, l, LaneLive, now)
	case contact.FromMicros(l.Due).After(now):
		Schedule(tx, k, l, l.Lane, now)
	}
	return false
}

// PersonAt returns whose a contact of a target is; 0 when it is nobody's.
func PersonAt(tx Tx, target, id string) PersonID {
	if v := tx.Get(linked, join(target, id)); v != nil {
		return parsePersonKey(v)
	}
	return 0
}

// SetContact links the person to a contact, or unlinks when id is empty. A contact stands for one person:
// the caller has made sure that it is nobody else's. The caller stores the link.
func SetContact(tx Tx, k LinkKey, l *Link, id string) {
	if l.Contact != "" && PersonAt(tx, k.Target, l.Contact) == k.Person {
		tx.Delete(linked, join(k.Target, l.Contact))
		if m, ok := Mirror.Get(tx, At{k.Target, l.Contact}); ok {
			m.Person = 0
			Mirror.Put(tx, At{k.Target, l.Contact}, m)
		}
	}
	l.Contact = id
	if id != "" {
		tx.Put(linked, join(k.Target, id), personKey(k.Person))
		if m, ok := Mirror.Get(tx, At{k.Target, id}); ok {
			m.Person = k.Person
			Mirror.Put(tx, At{k.Target, id}, m)
		}
	}
}

// JournalLimit is how many lines a person's journal keeps.
const JournalLimit = 40

// Note adds a line to a person's journal and drops the oldest beyond the limit.
func Note(tx Tx, p PersonID, e Entry) {
	Journal.Put(tx, JournalKey{p, tx.Next(Journal.Name)}, e)
	var keys [][]byte
	for k := range tx.Scan(Journal.Name, personKey(p), nil) {
		keys = append(keys, slices.Clone(k))
	}
	for len(keys) > JournalLimit {
		tx.Delete(Journal.Name, keys[0])
		keys = keys[1:]
	}
}

// History returns a person's journal, oldest first.
func History(tx Tx, p PersonID) []Entry {
	var out []Entry
	for _, e := range Journal.All(tx, personKey(p), nil) {
		out = append(out, e)
	}
	return out
}

// QuarantineLimit bounds the quarantine; the oldest go first.
const (
	QuarantineLimit    = 1000
	QuarantineBodySize = 256 << 10
)

// Isolate keeps an authentic body that could not be decoded.
func Isolate(tx Tx, q Quarantined) uint64 {
	if len(q.Body) > QuarantineBodySize {
		q.Body = q.Body[:QuarantineBodySize]
	}
	n := tx.Next(Quarantine.Name)
	Quarantine.Put(tx, n, q)
	if n > QuarantineLimit {
		var old []uint64
		for k := range Quarantine.All(tx, nil, nil) {
			if k > n-QuarantineLimit {
				break
			}
			old = append(old, k)
		}
		for _, k := range old {
			Quarantine.Delete(tx, k)
		}
	}
	return n
}

// Count counts the rows of a table.
func Count(tx Tx, table string) (n int) {
	for range tx.Scan(table, nil, nil) {
		n++
	}
	return n
}
