package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Heals is how much older a stored state must be than the beginning of a reading of the source for that
// reading to win in either direction. It covers replication lag and clocks that disagree.
const Heals = 10 * time.Minute

// Receipt says what became of an event.
type Receipt string

// Accepted: it is the newest state and work is due. Duplicate: this very event came before. Stale: a newer
// state stands. Unchanged: a reading found what is already known. Confirmed: a first reading found the version that
// an event had told, in another form. Regressed: a reading replaced a state that looked newer. Forgotten: the person
// asked to be erased and may not be stored again.
const (
	Accepted  Receipt = "accepted"
	Duplicate Receipt = "duplicate"
	Stale     Receipt = "stale"
	Unchanged Receipt = "unchanged"
	Confirmed Receipt = "confirmed"
	Regressed Receipt = "regressed"
	Forgotten Receipt = "forgotten"
)

// Travel says how the work that an event causes is to be done: in which lane, and held back by which run.
type Travel struct {
	Lane Lane
	Hold string
}

// Arrival is an event made ready for Accept: everything costly is computed before the transaction.
type Arrival struct {
	contact.Event
	id   []byte // hash of the event's identity; nil without an id
	hash []byte // hash of its content
	at   int64
}

// Prepare makes events ready. now is the moment of arrival.
func Prepare(now time.Time, events []contact.Event) []Arrival {
	out := make([]Arrival, len(events))
	for i, e := range events {
		a := Arrival{Event: e, at: micros(now)}
		a.Version.Arrival = a.at
		if e.Read != 0 {
			a.Version.Arrival = min(e.Read, a.at) // it is no younger than the beginning of the reading
		}
		if e.ID != "" {
			a.id = digest([]byte(e.Key.Source), []byte(e.ID), []byte(e.Key.ID))
		}
		a.hash = digest([]byte(e.Kind), e.Payload, recordKey(e.Into), number(uint64(e.Version.Source)), number(uint64(e.Version.Event)))
		out[i] = a
	}
	return out
}

// Accept stores events durably: duplicates are recognised, the newest version kept, the work made due, all in
// one transaction that shares its commit with others.
func Accept(ctx context.Context, s Store, now time.Time, how Travel, events ...contact.Event) ([]Receipt, error) {
	arrivals := Prepare(now, events)
	receipts := make([]Receipt, len(arrivals))
	err := s.Update(ctx, func(tx Tx) error {
		for i := range arrivals {
			receipts[i] = AcceptOne(tx, &arrivals[i], how)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// AcceptOne is Accept inside a transaction.
func AcceptOne(tx Tx, a *Arrival, how Travel) Receipt {
	if a.Kind == contact.OptOut || a.Kind == contact.OptIn {
		if a.id != nil && !remember(tx, a.id, a.at) {
			return Duplicate
		}
		return acceptConsent(tx, a)
	}
	rec, known := Records.Get(tx, a.Key)
	if !known {
		if a.Kind != contact.Erase && forgottenRecord(tx, a.Key) {
			return Forgotten
		}
		rec.Num = tx.Next(Records.Name)
	}
	if a.id != nil {
		if rec.knows(tx, a.id, a.at) {
			return Duplicate
		}
		rec.remember(tx, a.id, a.at)
	}
	receipt := judge(&rec, known, a)
	if receipt == Stale && a.Kind == contact.Merge && rec.Into == nil {
		// The state is old, but who was merged into whom is told only once.
		into := a.Into
		rec.Into = &into
		rec.Seq++
		enqueue(tx, a.Key, &rec, a, how)
		receipt = Accepted
	} else {
		switch receipt {
		case Accepted:
			apply(tx, &rec, a, inherit(a.Version, rec.Version, a.Kind))
			enqueue(tx, a.Key, &rec, a, how)
		case Regressed:
			rec.Regressed++
			noteRegressed(tx, a, &rec)
			apply(tx, &rec, a, a.Version) // the stored time was wrong
			enqueue(tx, a.Key, &rec, a, how)
		case Confirmed:
			// The next reading is compared with this one: what changes without moving the version shows there.
			rec.Read, rec.Listed = a.Read, a.hash
		default:
			if a.id == nil {
				return receipt // there is nothing to remember
			}
		}
	}
	Records.Put(tx, a.Key, rec)
	return receipt
}

// noteRegressed tells the people of a record that a reading of the source set it back.
func noteRegressed(tx Tx, a *Arrival, rec *Record) {
	key, told := a.Key, map[PersonID]bool{}
	for _, p := range rec.Parts {
		if p.Person == 0 || told[p.Person] {
			continue
		}
		told[p.Person] = true
		Note(tx, p.Person, Entry{At: a.at, What: string(Regressed), Record: &key, Text: "the source itself shows an older state than was stored; what it shows counts"})
	}
}

// judge decides whether the event is news.
func judge(rec *Record, known bool, a *Arrival) Receipt {
	switch {
	case !known, a.Kind == contact.Erase:
		return Accepted
	case a.id == nil && a.Read == 0 && bytes.Equal(rec.Last, a.hash) && (a.Shape != contact.IDs || rec.Thin):
		// An event that only names the record says the same words each time; it is a repeat as long as the
		// record was not fetched since.
		return Duplicate
	}
	order := a.Version.Compare(rec.Version)
	if a.Kind != contact.Upsert || rec.Deleted {
		order = a.Version.CompareDelete(rec.Version)
	}
	if a.Read != 0 {
		return judgeReading(rec, a, order)
	}
	if order < 0 {
		return Stale
	}
	return Accepted
}

// judgeReading decides about a state that syncer read itself. It is as old as the beginning of the reading.
func judgeReading(rec *Record, a *Arrival, order int) Receipt {
	fresh := a.Read >= rec.Arrived // the reading began after what is stored had arrived
	switch {
	case a.Kind == contact.Delete && rec.Deleted && !rec.Thin:
		return Unchanged
	case rec.Thin && rec.Deleted && fresh:
		return Accepted // what a thin event asked for: its time says nothing about the state it led to
	case a.Kind == contact.Upsert && order == 0 && !rec.Deleted && !rec.Thin && bytes.Equal(rec.Listed, a.hash):
		return Unchanged
	case order < 0 && a.Read >= rec.Arrived+Heals.Microseconds():
		return Regressed
	case order < 0:
		return Stale
	case order == 0 && !fresh && (!rec.Thin || a.Kind == contact.Delete):
		return Stale
	case a.Kind == contact.Upsert && order == 0 && a.Version.Source != 0 && !rec.Deleted && !rec.Thin && rec.Listed == nil:
		return Confirmed
	}
	return Accepted
}

// inherit keeps what is known of the time of a state where the event that confirms or ends it does not say: a
// late, older event would pass for as new.
func inherit(v, stored contact.Version, kind contact.EventKind) contact.Version {
	if v.Source == 0 && (kind == contact.Delete || kind == contact.Merge) {
		v.Source = stored.Source
	}
	if v.Event == 0 && v.Source == stored.Source {
		v.Event = stored.Event
	}
	return v
}

// apply makes the record what the event says.
func apply(tx Tx, rec *Record, a *Arrival, v contact.Version) {
	// An event that came while the record was being fetched asks for another fetch.
	outrun := rec.Thin && a.Read != 0 && a.Read < rec.Arrived
	rec.Seq++
	rec.Arrived = max(rec.Arrived, a.Version.Arrival)
	rec.Fails = 0
	if a.Read != 0 {
		rec.Read, rec.Listed, rec.Last = a.Read, a.hash, nil
	} else {
		rec.Last, rec.Listed = a.hash, nil
	}
	switch a.Kind {
	case contact.Upsert:
		if a.Shape == contact.IDs {
			// What it is must still be read; until then the version of the record itself stands.
			rec.Thin = true
			rec.Version.Event, rec.Version.Arrival = max(rec.Version.Event, a.Version.Event), a.Version.Arrival
			return
		}
		rec.Version, rec.Deleted, rec.Thin = v, false, outrun
		payload := []byte(a.Payload)
		if a.Shape == contact.Partial {
			payload = merge(tx.Get(payloads, recordKey(a.Key)), payload)
		}
		tx.Put(payloads, recordKey(a.Key), payload)
	case contact.Delete, contact.Merge:
		rec.Version, rec.Deleted, rec.Thin = v, true, false
		if a.Kind == contact.Merge {
			into := a.Into
			rec.Into = &into
		}
	case contact.Erase:
		rec.Erase = true
	}
}

// enqueue makes the record due for mapping. The first undelivered event sets the time, so that a record that
// chatters is not put off for ever; a better lane and a lifted hold apply at once.
func enqueue(tx Tx, k contact.Key, rec *Record, a *Arrival, how Travel) {
	lane := how.Lane
	if a.Bulk && lane == LaneLive {
		lane = LaneBulk
	}
	if a.Kind == contact.Erase {
		lane = LaneConsent
	}
	if rec.Due == 0 {
		rec.First, rec.Events, rec.Due, rec.Lane, rec.Hold = a.at, 1, a.at, lane, how.Hold
		tx.Put(todo, todoKey(rec.Lane, rec.Due, k), nil)
		return
	}
	rec.Events++
	if rec.Hold != "" {
		rec.Hold = how.Hold // live work lifts a hold, and a newer run takes over from an older one
	}
	Requeue(tx, k, rec, min(rec.Lane, lane), contact.FromMicros(rec.First))
}

// Requeue moves a due record to another lane or time. The caller stores the record.
func Requeue(tx Tx, k contact.Key, rec *Record, lane Lane, at time.Time) {
	if rec.Due != 0 {
		if rec.Lane == lane && rec.Due == micros(at) {
			return
		}
		tx.Delete(todo, todoKey(rec.Lane, rec.Due, k))
	}
	rec.Lane, rec.Due = lane, micros(at)
	tx.Put(todo, todoKey(rec.Lane, rec.Due, k), nil)
}

// Dequeue says that the record was mapped and its parts are known. A consent event that came before, and
// named only the record, reaches the ledger of its people here; it returns the identities whose ledger that changed.
// The caller stores the record.
func Dequeue(tx Tx, k contact.Key, rec *Record) (changed []contact.Identity) {
	changed = adoptConsent(tx, k, rec)
	unqueue(tx, k, rec)
	return changed
}

// unqueue takes a record off the queue.
func unqueue(tx Tx, k contact.Key, rec *Record) {
	if rec.Due != 0 {
		tx.Delete(todo, todoKey(rec.Lane, rec.Due, k))
	}
	rec.Due, rec.First, rec.Events, rec.Hold, rec.Fails = 0, 0, 0, "", 0
}

// DueRecords returns up to limit records that are due by now, the better lanes first, and when the next one
// will be due if there are none (zero when nothing waits).
func DueRecords(tx Tx, now time.Time, limit int) (keys []contact.Key, next time.Time) {
	for lane := LaneConsent; lane <= LaneBulk; lane++ {
		for k := range tx.Scan(todo, []byte{byte(lane)}, nil) {
			at := contact.FromMicros(int64(parseNumber(k[1:])))
			if at.After(now) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
				break
			}
			if keys = append(keys, parseRecordKey(k[9:])); len(keys) >= limit {
				return keys, time.Time{}
			}
		}
	}
	return keys, next
}

func todoKey(lane Lane, at int64, k contact.Key) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{byte(lane)}, uint64(at)), recordKey(k)...)
}

// Payload returns the newest payload of a record; nil when there is none.
func Payload(tx Tx, k contact.Key) []byte { return slices.Clone(tx.Get(payloads, recordKey(k))) }

// DropPayload forgets the payload, for records that are deleted for good.
func DropPayload(tx Tx, k contact.Key) { tx.Delete(payloads, recordKey(k)) }

// merge lays a partial payload over the stored one: objects are merged, everything else replaced.
func merge(stored, partial []byte) []byte {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(stored, &a) != nil || a == nil || json.Unmarshal(partial, &b) != nil {
		return partial
	}
	for k, v := range b {
		if old, ok := a[k]; ok && isObject(old) && isObject(v) {
			v = merge(old, v)
		}
		a[k] = v
	}
	out, err := json.Marshal(a)
	if err != nil {
		return partial
	}
	return out
}

func isObject(v json.RawMessage) bool {
	v = bytes.TrimLeft(v, " \t\r\n")
	return len(v) > 0 && v[0] == '{'
}

// digest hashes parts, each with its length, to 16 bytes.
func digest(parts ...[]byte) []byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)[:16]
}

func forgottenRecord(tx Tx, k contact.Key) bool {
	secret := Secret(tx)
	return secret != nil && tx.Get(forgotten, keyed(secret, "record", k.String())) != nil
}

var errKeyTooLong = fmt.Errorf("the record's id is longer than 512 bytes")

// CheckKey refuses keys that cannot be stored.
func CheckKey(k contact.Key) error {
	switch {
	case k.ID == "":
		return fmt.Errorf("the record has no id")
	case len(k.ID) > 512:
		return errKeyTooLong
	case bytes.IndexByte([]byte(k.ID), 0) >= 0:
		return fmt.Errorf("the record's id contains a zero byte")
	}
	return nil
}
