package state

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"syncer/internal/contact"
)

// longestWait is the longest that anything is put off on purpose. What is due later than that was put off by a clock that
// was ahead.
const longestWait = time.Hour + time.Minute

// StartedMark is what the names of the marks begin with that say when a schedule last started a run.
const StartedMark = "started/"

// FromAhead reports whether the state was written while the clock was ahead of what it says now: something is said to
// have happened that is still to come. It looks where that shows first, not everywhere.
func FromAhead(tx Tx, now time.Time) bool {
	at := micros(now)
	for _, row := range Marks.All(tx, []byte(mirrorMark), nil) {
		if readMirrorMark(row).Refreshed > at {
			return true
		}
	}
	for _, r := range Runs.All(tx, nil, nil) {
		if r.Started > at {
			return true
		}
	}
	for lane := LaneConsent; lane <= LaneBulk; lane++ {
		for k := range tx.Scan(todo, []byte{byte(lane)}, binary.BigEndian.AppendUint64([]byte{byte(lane)}, uint64(at))) {
			if r, _ := Records.Get(tx, parseRecordKey(k[min(9, len(k)):])); r.late(at) {
				return true
			}
		}
	}
	for k := range tx.Scan(due, nil, nil) {
		target, rest := cut(k) // lane, moment, person
		if len(rest) != 1+8+8 || int64(binary.BigEndian.Uint64(rest[1:])) <= at {
			continue
		}
		if l, _ := Links.Get(tx, LinkKey{target, parsePersonKey(rest[9:])}); l.late(at) {
			return true
		}
	}
	return false
}

// SetBack puts right what a clock that was ahead has written, once it was set back: nothing has happened in the future.
// What became due then is due now, and what was seen then is looked at again; otherwise a day would have to pass before
// anybody came to it. It looks at everything, and nobody may work with the state meanwhile but those who accept.
func SetBack(ctx context.Context, s Store, now time.Time) error {
	at := micros(now)
	return errors.Join(
		sweep(ctx, s, Records, func(r Record) bool { return r.late(at) }, func(tx Tx, k contact.Key, r Record) {
			r.Arrived, r.Read, r.Version.Arrival = min(r.Arrived, at), min(r.Read, at), min(r.Version.Arrival, at)
			if r.Due != 0 {
				r.First = min(r.First, at)
				Requeue(tx, k, &r, r.Lane, contact.FromMicros(min(r.Due, at)))
			}
			Records.Put(tx, k, r)
		}),
		sweep(ctx, s, Links, func(l Link) bool { return l.late(at) }, func(tx Tx, k LinkKey, l Link) {
			l.First = min(l.First, at)
			if l.Waiting != nil {
				l.Waiting.At = min(l.Waiting.At, at)
			}
			if l.Due != 0 {
				queue(tx, k, &l, l.Lane, min(l.Due, at))
			}
			Links.Put(tx, k, l)
		}),
		sweep(ctx, s, Mirror, func(m Mirrored) bool { return m.Wrote > at }, func(tx Tx, k At, m Mirrored) {
			m.Wrote = at
			Mirror.Put(tx, k, m)
		}),
		sweep(ctx, s, Consents, func(c Consent) bool { return c.late(at) }, func(tx Tx, id contact.Identity, c Consent) {
			for origin, e := range c {
				e.At, e.Came = min(e.At, at), min(e.Came, at)
				c[origin] = e
			}
			Consents.Put(tx, id, c)
		}),
		sweep(ctx, s, Runs, func(r Run) bool { return max(r.Started, r.Ended) > at }, func(tx Tx, id string, r Run) {
			r.Started, r.Ended = min(r.Started, at), min(r.Ended, at)
			Runs.Put(tx, id, r)
		}),
		sweep(ctx, s, Marks, func(m Mark) bool { return m.At > at }, func(tx Tx, name string, m Mark) {
			if strings.HasPrefix(name, StartedMark) {
				m.At = at
				Marks.Put(tx, name, m)
			}
		}),
		s.Update(ctx, func(tx Tx) error {
			marks := map[string]MirrorMark{}
			for name, row := range Marks.All(tx, []byte(mirrorMark), nil) {
				if m := readMirrorMark(row); m.Refreshed > at || m.Began > at {
					marks[name[len(mirrorMark):]] = m
				}
			}
			for target, m := range marks {
				m.Refreshed, m.Began = 0, min(m.Began, at)
				WriteMirrorMark(tx, target, m)
			}
			return nil
		}))
}

// late reports whether something happened to the record that is still to come.
func (r *Record) late(now int64) bool {
	return max(r.First, r.Arrived, r.Read, r.Version.Arrival, r.Due-longestWait.Microseconds()) > now
}

func (l *Link) late(now int64) bool {
	if l.Waiting != nil && l.Waiting.At > now {
		return true
	}
	return max(l.First, l.Due-longestWait.Microseconds()) > now
}

func (c Consent) late(now int64) bool {
	for _, e := range c {
		if max(e.At, e.Came) > now {
			return true
		}
	}
	return false
}
