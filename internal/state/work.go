package state

import (
	"encoding/binary"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Free reports whether a delivery is due and nothing holds it back.
func (l *Link) Free() bool { return l.Due != 0 && l.Hold == "" }

// Schedule makes a delivery due, in a lane, at a time; it lifts a hold. What the person said about being written to
// goes along, and waits for nothing that the rest waits for. The caller stores the link.
func Schedule(tx Tx, k LinkKey, l *Link, lane Lane, at time.Time) {
	when := micros(at)
	if l.Will {
		lane, when = LaneConsent, min(when, l.Due)
	}
	if l.Hold != "" {
		Holds.Delete(tx, HoldKey{l.Hold, k})
		l.Hold = ""
	}
	l.Will = false
	queue(tx, k, l, lane, when)
}

// Tell makes due what a person said about being written to, in the first lane. A run or guard that holds the rest
// back goes on doing so: somebody who asks to be left alone does not wait for anybody to let a plan go, and nothing
// else of theirs is let go by asking. Without a contact there is nothing to be told yet. The caller stores the link.
func Tell(tx Tx, k LinkKey, l *Link, at time.Time) {
	switch {
	case l.Hold == "":
		Schedule(tx, k, l, LaneConsent, at)
	case l.Contact != "":
		l.Will = true
		queue(tx, k, l, LaneConsent, micros(at))
	}
}

// Told ends the delivery of what the person said: what is held back goes on waiting, and what was let go meanwhile is
// still due. The caller stores the link.
func Told(tx Tx, k LinkKey, l *Link) {
	if l.Hold != "" {
		queue(tx, k, l, l.Lane, 0)
		l.Will = false
	}
}

// queue moves a delivery to its place among those that are due; at 0 it is none of them.
func queue(tx Tx, k LinkKey, l *Link, lane Lane, at int64) {
	if l.Due != 0 {
		tx.Delete(due, dueKey(k, l))
	}
	if l.Lane, l.Due = lane, at; at != 0 {
		tx.Put(due, dueKey(k, l), nil)
	}
}

// Unschedule takes a delivery out of the queue. The caller stores the link.
func Unschedule(tx Tx, k LinkKey, l *Link) {
	queue(tx, k, l, l.Lane, 0)
	if l.Hold != "" {
		Holds.Delete(tx, HoldKey{l.Hold, k})
	}
	l.First, l.Hold, l.Will = 0, "", false
}

// KeepBack takes a delivery out of the queue and lists it under a run until that is released; what the person said
// about being written to is told all the same. The caller stores the link.
func KeepBack(tx Tx, k LinkKey, l *Link, run string, h Held) {
	first, will, at := l.First, l.Will, l.Due
	Unschedule(tx, k, l)
	l.First, l.Hold = first, run
	Holds.Put(tx, HoldKey{run, k}, h)
	if will {
		Tell(tx, k, l, contact.FromMicros(at))
	}
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

// Bounds of the quarantine: how many rows it has, how many bytes they take together as they are stored, and how large one
// body may be. The oldest go first.
const (
	QuarantineLimit    = 1000
	QuarantineBytes    = 32 << 20
	QuarantineBodySize = 256 << 10
)

// Isolate keeps an authentic body that could not be decoded, and lets the oldest go that have no room beside it.
func Isolate(tx Tx, q Quarantined) uint64 {
	if len(q.Body) > QuarantineBodySize {
		q.Body = q.Body[:QuarantineBodySize]
	}
	n := tx.Next(Quarantine.Name)
	Quarantine.Put(tx, n, q)
	rows, size := 0, 0
	for _, raw := range tx.Scan(Quarantine.Name, nil, nil) {
		rows, size = rows+1, size+len(raw)
	}
	var oldest [][]byte
	for k, raw := range tx.Scan(Quarantine.Name, nil, nil) {
		if rows <= QuarantineLimit && size <= QuarantineBytes {
			break
		}
		oldest = append(oldest, slices.Clone(k))
		rows, size = rows-1, size-len(raw)
	}
	for _, k := range oldest {
		tx.Delete(Quarantine.Name, k)
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
