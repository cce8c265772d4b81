// Package state is what syncer remembers between two moments and between two lives: records, persons, links,
// the mirror of each target, consent, what is due, what failed and why. It says how these things are kept in
// an ordered key-value store with atomic transactions, and which changes of them belong in one transaction;
// the store itself is an implementation of Store (see state/bolt).
package state

import (
	"cmp"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Store keeps tables durably. Every store passes statetest.Run.
type Store interface {
	// Update runs fn in a transaction and returns when it is on disk. Concurrent calls share a commit, one
	// after the other in one transaction, so fn sees what those before it did. fn may run more than once:
	// it must set, not accumulate, what it captures. An error of fn undoes its changes alone, and a panic of fn
	// is the caller's. Changes that change nothing cost no commit.
	// A *contact.Error of kind Unavailable says that the store cannot take more: it is full, busy or closing.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on a consistent snapshot. It must not outlive a network call: old pages stay pinned.
	View(fn func(Tx) error) error
	// Backup writes a consistent copy while work goes on.
	Backup(ctx context.Context, w io.Writer) error
	// Compact gives free space back to the file system while work goes on.
	Compact(ctx context.Context) error
	// Stats tells how large the store is.
	Stats() Stats
	// Close ends the store after everything accepted is on disk.
	Close() error
}

// Stats are the sizes of a store.
type Stats struct {
	Bytes   int64   `json:"bytes"`
	Free    int64   `json:"free_bytes"`
	Max     int64   `json:"max_bytes"`    // 0: no bound
	Usable  int64   `json:"usable_bytes"` // what of Max rows may fill; the rest is for making room again
	Fresh   bool    `json:"fresh"`        // created at this start
	Lost    bool    `json:"lost"`         // deleted or replaced while it is open: nothing more is accepted
	Commits uint64  `json:"commits"`
	Grouped float64 `json:"changes_per_commit"`
}

// Fullness is the used share of what may be used; 0 when there is no bound. Bulk work stops at 0.8.
func (s Stats) Fullness() float64 {
	if s.Max == 0 {
		return 0
	}
	return float64(s.Bytes-s.Free) / float64(cmp.Or(s.Usable, s.Max))
}

// Tx is a transaction. Its methods do not return errors: a failing store, or a value that cannot be read,
// abandons the transaction, and Update or View returns the reason. What Get and Scan return is valid only
// until the transaction ends, and what is given to Put must not be changed before that.
type Tx interface {
	Get(table string, key []byte) []byte
	Put(table string, key, value []byte)
	Delete(table string, key []byte)
	// Scan yields the rows whose keys start with prefix, in order, from the key `from` on (from prefix when
	// nil). The table must not be changed while scanning.
	Scan(table string, prefix, from []byte) iter.Seq2[[]byte, []byte]
	// Next returns a number that the table has not given before, from 1.
	Next(table string) uint64
	// Clear empties a table.
	Clear(table string)
}

// Abandon ends a transaction from within: the store turns it into the error that Update or View returns.
type Abandon struct{ Err error }

// Fail abandons the running transaction.
func Fail(err error) { panic(Abandon{err}) }

// Recover turns an abandoned transaction into its error. Stores defer it around fn; any other panic goes on.
func Recover(err *error) {
	switch r := recover().(type) {
	case nil:
	case Abandon:
		*err = r.Err
	default:
		panic(r)
	}
}

// ErrCorrupt is returned for a row that cannot be read.
var ErrCorrupt = errors.New("the state file holds a row that cannot be read; restore a backup or rebuild it from the sources and targets")

// Table keeps values of one type under keys of one type. Values are JSON, unless their type has a binary form.
type Table[K, V any] struct {
	Name string
	enc  func(K) []byte
	dec  func([]byte) K
}

// Get returns the value under key; ok is false when there is none.
func (t Table[K, V]) Get(tx Tx, k K) (v V, ok bool) {
	raw := tx.Get(t.Name, t.enc(k))
	if raw == nil {
		return v, false
	}
	return t.read(raw), true
}

// Put stores v under key.
func (t Table[K, V]) Put(tx Tx, k K, v V) {
	var raw []byte
	var err error
	switch v := any(v).(type) {
	case encoding.BinaryAppender:
		raw, err = v.AppendBinary(make([]byte, 0, 256))
	default:
		raw, err = json.Marshal(v)
	}
	if err != nil {
		Fail(fmt.Errorf("state: %s: %w", t.Name, err))
	}
	tx.Put(t.Name, t.enc(k), raw)
}

// Delete removes the value under key.
func (t Table[K, V]) Delete(tx Tx, k K) { tx.Delete(t.Name, t.enc(k)) }

// All yields the values whose keys start with prefix, in order, beginning after the key `after` (from the
// start when nil). The table must not be changed while it is read; see Collect.
func (t Table[K, V]) All(tx Tx, prefix []byte, after *K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var from []byte
		if after != nil {
			from = append(t.enc(*after), 0)
		}
		for k, raw := range tx.Scan(t.Name, prefix, from) {
			if !yield(t.dec(k), t.read(raw)) {
				return
			}
		}
	}
}

// Keys walks the keys of a table that begin with a prefix, and reads no rows.
func (t Table[K, V]) Keys(tx Tx, prefix []byte) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range tx.Scan(t.Name, prefix, nil) {
			if !yield(t.dec(k)) {
				return
			}
		}
	}
}

func (t Table[K, V]) read(raw []byte) (v V) {
	var err error
	if b, ok := any(&v).(encoding.BinaryUnmarshaler); ok {
		err = b.UnmarshalBinary(raw)
	} else {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		Fail(fmt.Errorf("%w (table %s: %w)", ErrCorrupt, t.Name, err))
	}
	return v
}
