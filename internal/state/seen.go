package state

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Retention is how long an event's id is remembered at least. Senders retry for up to seven days.
const Retention = 9 * 24 * time.Hour

// A record remembers the ids of its newest events itself: it is read and written for each of them anyway, while
// in a table of all ids every one costs a page of its own. When it has twice recentIDs, the older half goes to the
// table, where the ids of one record lie side by side: a record that chatters touches a page there once in a while
// instead of another one with every event. The table also has the ids of events about no record.
const (
	recentIDs = 16
	shortID   = 8             // bytes of a hash that tell the events of one record apart
	idSize    = shortID + 4   // and the minute it came
	perMinute = 60 * 1000_000 // microseconds
)

// knows reports whether an event of this id came before. It drops those that are old enough to be forgotten.
func (r *Record) knows(tx Tx, id []byte, now int64) bool {
	oldest := uint32((now - Retention.Microseconds()) / perMinute)
	for len(r.IDs) >= idSize && binary.BigEndian.Uint32(r.IDs[shortID:]) < oldest {
		r.IDs = r.IDs[idSize:]
	}
	for ids := r.IDs; len(ids) >= idSize; ids = ids[idSize:] {
		if bytes.Equal(ids[:shortID], id[:shortID]) {
			return true
		}
	}
	return r.Spilled && remembered(tx, r.spilled(id))
}

// remember adds an id.
func (r *Record) remember(tx Tx, id []byte, now int64) {
	if len(r.IDs) >= 2*recentIDs*idSize {
		young := generation(tx, now)
		for range recentIDs {
			tx.Put(young, r.spilled(r.IDs), []byte{1})
			r.IDs = r.IDs[idSize:]
		}
		r.Spilled = true
	}
	ids := append(append(make([]byte, 0, len(r.IDs)+idSize), r.IDs...), id[:shortID]...)
	r.IDs = binary.BigEndian.AppendUint32(ids, uint32(now/perMinute))
}

// spilled is the key in the table of the id that begins here.
func (r *Record) spilled(id []byte) []byte { return append(number(r.Num), id[:shortID]...) }

// remember notes an id in the table; false when it was known.
func remember(tx Tx, id []byte, now int64) bool {
	if remembered(tx, id) {
		return false
	}
	tx.Put(generation(tx, now), id, []byte{1})
	return true
}

func remembered(tx Tx, id []byte) bool { return tx.Get(seenA, id) != nil || tx.Get(seenB, id) != nil }

// generation returns the table that takes new ids. There are two: when the younger one is Retention old, the
// older is emptied and takes its place, so that forgetting costs nothing per id.
func generation(tx Tx, now int64) string {
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
	switch {
	case since != 0 && now-since <= Retention.Microseconds():
		return young
	case since != 0:
		young, gen = old, gen^1
		tx.Clear(young)
	}
	tx.Put(Meta, seenMeta, binary.BigEndian.AppendUint64([]byte{gen}, uint64(now)))
	return young
}

var seenMeta = []byte("seen")
