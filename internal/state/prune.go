package state

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Bounds of what is kept, by age and by number.
const (
	JournalAge    = 30 * 24 * time.Hour // lines of a journal, and what runs have changed
	TombstoneAge  = 90 * 24 * time.Hour // deleted records
	QuarantineAge = 30 * 24 * time.Hour
	RunLimit      = 200
	DeadLimit     = 10_000
	ConflictLimit = 10_000
)

// pruneBatch is how many rows are removed in one transaction, so that nobody waits long for theirs, and pruneScan
// how many are looked at in one reading, so that it pins no old pages.
const (
	pruneBatch = 500
	pruneScan  = 10_000
)

// Prune removes what is too old or too much. It looks for it in short readings and removes it in small
// transactions, so that nobody waits long for theirs.
func Prune(ctx context.Context, s Store, now time.Time) error {
	before := func(age time.Duration) int64 { return micros(now.Add(-age)) }
	return errors.Join(
		sweep(ctx, s, Journal, func(e Entry) bool { return e.At < before(JournalAge) }, func(tx Tx, k JournalKey, _ Entry) { Journal.Delete(tx, k) }),
		sweep(ctx, s, Dones, func(d Done) bool { return d.At < before(JournalAge) }, func(tx Tx, k HoldKey, _ Done) { Dones.Delete(tx, k) }),
		sweep(ctx, s, Records, func(r Record) bool { return r.Deleted && r.Due == 0 && r.Arrived < before(TombstoneAge) }, dropTombstone),
		s.Update(ctx, func(tx Tx) error { pruneQuarantine(tx, before(QuarantineAge)); return nil }),
		keepNewest(ctx, s, Runs, RunLimit, func(r Run) (int64, bool) { return r.Ended, r.Ended != 0 && r.Held == 0 }), // those that wait for somebody stay
		keepNewest(ctx, s, Dead, DeadLimit, func(d DeadLetter) (int64, bool) { return d.At, true }),
		keepNewest(ctx, s, Conflicts, ConflictLimit, func(c Conflict) (int64, bool) { return c.At, true }),
	)
}

// sweep drops the rows that are too old, a stretch of the table at a time.
func sweep[K, V any](ctx context.Context, s Store, t Table[K, V], old func(V) bool, drop func(Tx, K, V)) error {
	var after *K
	for {
		var found []K
		var last K
		seen := 0
		if err := s.View(func(tx Tx) error {
			for k, v := range t.All(tx, nil, after) {
				if last = k; old(v) {
					found = append(found, k)
				}
				if seen++; seen == pruneScan || len(found) == pruneBatch {
					break
				}
			}
			return nil
		}); err != nil || seen == 0 {
			return err
		}
		after = &last
		if err := remove(ctx, s, t, found, old, drop); err != nil {
			return err
		}
	}
}

// pruneQuarantine knows that its rows are in the order of their age; their bodies are too large to read them all.
func pruneQuarantine(tx Tx, before int64) {
	var old []uint64
	for k, q := range Quarantine.All(tx, nil, nil) {
		if q.At >= before {
			break
		}
		old = append(old, k)
	}
	for _, k := range old {
		Quarantine.Delete(tx, k)
	}
}

// keepNewest drops the oldest of those rows that may go, beyond a number.
func keepNewest[K, V any](ctx context.Context, s Store, t Table[K, V], limit int, when func(V) (at int64, mayGo bool)) error {
	type row struct {
		k  K
		at int64
	}
	var rows []row
	if err := s.View(func(tx Tx) error {
		rows = rows[:0]
		for k, v := range t.All(tx, nil, nil) {
			if at, mayGo := when(v); mayGo {
				rows = append(rows, row{k, at})
			}
		}
		return nil
	}); err != nil || len(rows) <= limit {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	var oldest []K
	for _, r := range rows[:len(rows)-limit] {
		oldest = append(oldest, r.k)
	}
	mayGo := func(v V) bool { _, ok := when(v); return ok }
	return remove(ctx, s, t, oldest, mayGo, func(tx Tx, k K, _ V) { t.Delete(tx, k) })
}

// remove drops rows that are still as they were found.
func remove[K, V any](ctx context.Context, s Store, t Table[K, V], keys []K, still func(V) bool, drop func(Tx, K, V)) error {
	for batch := range slices.Chunk(keys, pruneBatch) {
		if err := s.Update(ctx, func(tx Tx) error {
			for _, k := range batch {
				if v, ok := t.Get(tx, k); ok && still(v) {
					drop(tx, k, v)
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// dropTombstone removes a record that was deleted long ago and whose deletion was delivered, and persons whom
// nothing stands for any more. A deletion that a run holds back, or whose target is paused, is still to be delivered,
// however long that takes.
func dropTombstone(tx Tx, k contact.Key, r Record) {
	if slices.ContainsFunc(r.Parts, func(part RecordPart) bool { return awaited(tx, part.Person) }) {
		return
	}
	for i := range r.Parts {
		bequeath(tx, k, &r.Parts[i])
	}
	DropRecord(tx, k, &r)
	for _, part := range r.Parts {
		leavePerson(tx, part.Person, k)
	}
}

// awaited reports whether something is still to be delivered to a person.
func awaited(tx Tx, p PersonID) bool {
	who, _ := Persons.Get(tx, p)
	return who.Erase || slices.ContainsFunc(who.Targets, func(target string) bool {
		l, _ := Links.Get(tx, LinkKey{target, p})
		return l.Due != 0 || l.Hold != ""
	})
}

func leavePerson(tx Tx, p PersonID, k contact.Key) {
	who, ok := Persons.Get(tx, p)
	if !ok {
		return
	}
	who.Records = slices.DeleteFunc(who.Records, func(r contact.Key) bool { return r == k })
	if len(who.Records) > 0 {
		Persons.Put(tx, p, who)
		return
	}
	dropPerson(tx, p, &who)
}
