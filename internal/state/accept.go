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

// Retention is how long an event's id is remembered at least. Senders retry for up to seven days.
const Retention = 9 * 24 * time.Hour

// Heals is how much older a stored state must be than the beginning of a reading of the source for that
// reading to win in either direction. It covers replication lag and clocks that disagree.
const Heals = 10 * time.Minute

// Receipt says what became of an event.
type Receipt string

// Accepted: it is the newest state and work is due. Duplicate: this very event came before. Stale: a newer
// state stands. Unchanged: a reading found what is already known. Regressed: a reading replaced a state that
// looked newer. Forgotten: the person asked to be erased and may not be stored again.
const (
	Accepted  Receipt = "accepted"
	Duplicate Receipt = "duplicate"
	Stale     Receipt = "stale"
	Unchanged Receipt = "unchanged"
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
		if e.ID != "" {
			a.id = digest([]byte(e.Key.Source), []byte(e.ID), []byte(e.Key.ID))
		}
		a.hash = digest([]byte(e.Kind), e.Payload)
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
	if a.id != nil && !remember(tx, a.id, a.at) {
		return Duplicate
	}
	if a.Kind == contact.OptOut || a.Kind == contact.OptIn {
		return acceptConsent(tx, a)
	}
	rec, known := Records.Get(tx, a.Key)
	if !known {
		if a.Read == 0 && a.Kind != contact.Erase || a.Read != 0 {
			if forgottenRecord(tx, a.Key) {
				return Forgotten
			}
		}
		rec.Num = tx.Next(Records.Name)
	}
	receipt := judge(&rec, known, a)
	switch receipt {
	case Duplicate, Stale:
		return receipt
	case Unchanged:
		return receipt
	case Regressed:
		rec.Regressed++
	}
	if rec.Deleted && a.Kind == contact.Delete && known && receipt == Accepted && rec.Due == 0 && a.Read != 0 {
		return Unchanged // a reading confirms a deletion that was already carried out
	}
	apply(tx, &rec, a)
	enqueue(tx, a.Key, &rec, a, how)
	Records.Put(tx, a.Key, rec)
	return receipt
}

// judge decides whether the event is news.
func judge(rec *Record, known bool, a *Arrival) Receipt {
	switch {
	case !known:
		return Accepted
	case a.Kind == contact.Erase:
		return Accepted
	case a.id == nil && a.Read == 0 && bytes.Equal(rec.Last, a.hash):
		return Duplicate
	}
	order := a.Version.Compare(rec.Version)
	if a.Kind != contact.Upsert || rec.Deleted {
		order = a.Version.CompareDelete(rec.Version)
	}
	switch {
	case a.Read != 0 && a.Kind == contact.Upsert && order == 0 && !rec.Deleted && !rec.Thin && bytes.Equal(rec.Listed, a.hash):
		return Unchanged
	case order < 0 && a.Read != 0 && a.Read >= rec.Arrived+Heals.Microseconds():
		return Regressed
	case order < 0:
		return Stale
	}
	return Accepted
}

// apply makes the record what the event says.
func apply(tx Tx, rec *Record, a *Arrival) {
	rec.Seq++
	rec.Arrived = a.at
	rec.Fails = 0
	if a.Read != 0 {
		rec.Read, rec.Listed = a.Read, a.hash
	} else {
		rec.Last = a.hash
	}
	switch a.Kind {
	case contact.Upsert:
		if a.Shape == contact.IDs {
			// What it is must still be read; until then the version of the record itself stands.
			rec.Thin = true
			rec.Version.Event, rec.Version.Arrival = max(rec.Version.Event, a.Version.Event), a.at
			return
		}
		rec.Version, rec.Deleted, rec.Thin = a.Version, false, false
		payload := []byte(a.Payload)
		if a.Shape == contact.Partial {
			payload = merge(tx.Get(payloads, recordKey(a.Key)), payload)
		}
		tx.Put(payloads, recordKey(a.Key), payload)
	case contact.Delete, contact.Merge:
		rec.Version, rec.Deleted, rec.Thin = a.Version, true, false
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
	if how.Hold == "" {
		rec.Hold = ""
	}
	Requeue(tx, k, rec, min(rec.Lane, lane), contact.FromMicros(rec.First))
}

// Requeue moves a due record to another lane or time. The caller stores the record.
func Requeue(tx Tx, k contact.Key, rec *Record, lane Lane, at time.Time) {
	if rec.Due != 0 {
		tx.Delete(todo, todoKey(rec.Lane, rec.Due, k))
	}
	rec.Lane, rec.Due = lane, micros(at)
	tx.Put(todo, todoKey(rec.Lane, rec.Due, k), nil)
}

// Dequeue says that the record was mapped. The caller stores the record.
func Dequeue(tx Tx, k contact.Key, rec *Record) {
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
			at := contact.FromMicros(int64(binary.BigEndian.Uint64(k[1:9])))
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

// acceptConsent writes the ledger and makes the records of everyone concerned due in the first lane.
func acceptConsent(tx Tx, a *Arrival) Receipt {
	ids := slices.Clone(a.Identities)
	if rec, ok := Records.Get(tx, a.Key); ok && !a.Key.IsZero() {
		for _, p := range rec.Parts {
			if p.Identity != "" {
				ids = append(ids, p.Identity)
			}
		}
	}
	if len(ids) == 0 {
		return Stale
	}
	at, changed := a.Version.Event, false
	if at == 0 {
		at = a.at
	}
	for _, id := range ids {
		if SetConsent(tx, id, a.Key.Source, a.Kind == contact.OptOut, at) {
			changed = true
			touchClaimants(tx, id, a.at)
		}
	}
	if !changed {
		return Stale
	}
	return Accepted
}

// SetConsent records what one origin says of a person's will; false when a later word of that origin stands
// or nothing changes.
func SetConsent(tx Tx, id contact.Identity, origin string, out bool, at int64) bool {
	c, _ := Consents.Get(tx, id)
	if had, ok := c[origin]; ok && (had.At > at || had.Out == out) {
		return false
	} else if !ok && !out {
		return false // consent that was never withheld needs no record
	}
	if c == nil {
		c = Consent{}
	}
	c[origin] = ConsentEntry{Out: out, At: at}
	Consents.Put(tx, id, c)
	return true
}

func touchClaimants(tx Tx, id contact.Identity, at int64) {
	list, _ := Claims.Get(tx, id)
	for _, c := range list {
		rec, ok := Records.Get(tx, c.Key)
		if !ok {
			continue
		}
		rec.Seq++
		if rec.Due == 0 {
			rec.First, rec.Events = at, 1
			rec.Due = at
		}
		rec.Hold = ""
		Requeue(tx, c.Key, &rec, LaneConsent, contact.FromMicros(rec.First))
		Records.Put(tx, c.Key, rec)
	}
}

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

// remember notes an event id; false when it was known. Ids live in two generations: when the younger one is
// Retention old, the older is emptied and takes its place, so that forgetting costs nothing per id.
func remember(tx Tx, id []byte, now int64) bool {
	young, old := seenA, seenB
	meta := tx.Get(Meta, seenMeta)
	var gen byte
	var since int64
	if len(meta) == 9 {
		gen, since = meta[0], int64(binary.BigEndian.Uint64(meta[1:]))
	}
	if gen == 1 {
		young, old = old, young
	}
	if since == 0 || now-since > Retention.Microseconds() {
		if since != 0 {
			young, old = old, young
			tx.Clear(young)
			gen ^= 1
		}
		tx.Put(Meta, seenMeta, binary.BigEndian.AppendUint64([]byte{gen}, uint64(now)))
	}
	if tx.Get(young, id) != nil || tx.Get(old, id) != nil {
		return false
	}
	tx.Put(young, id, []byte{1})
	return true
}

var seenMeta = []byte("seen")

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
