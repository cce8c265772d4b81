package state

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Format is the version of everything in this package. A store of a newer format is refused; an older one is
// migrated, after a backup, by the steps in migrations.
const Format = 1

var (
	formatKey  = []byte("format")
	secretKey  = []byte("secret")
	createdKey = []byte("created")
)

// migrations[i] turns format i+1 into i+2.
var migrations []func(Tx)

// Initialise writes what a new store must hold.
func Initialise(tx Tx, secret []byte, now time.Time) {
	tx.Put(Meta, formatKey, number(Format))
	tx.Put(Meta, secretKey, secret)
	tx.Put(Meta, createdKey, number(uint64(micros(now))))
}

// FormatOf returns the format of a store; 0 when it is empty.
func FormatOf(tx Tx) uint64 {
	v := tx.Get(Meta, formatKey)
	if len(v) != 8 {
		return 0
	}
	return parseNumber(v)
}

// Migrate brings a store to the current format.
func Migrate(tx Tx) error {
	from := FormatOf(tx)
	switch {
	case from == 0:
		return errors.New("this is not a state file of syncer")
	case from > Format:
		return fmt.Errorf("the state file was written by a newer syncer (format %d, this one reads up to %d); use that version, or restore an older backup", from, Format)
	}
	for f := from; f < Format; f++ {
		migrations[f-1](tx)
	}
	tx.Put(Meta, formatKey, number(Format))
	return nil
}

// Secret is this installation's own key: with it identities are hashed that must not be readable.
func Secret(tx Tx) []byte { return tx.Get(Meta, secretKey) }

// Installation is a stable number of this installation, for spreading schedules.
func Installation(tx Tx) uint64 {
	return binary.BigEndian.Uint64(keyed(Secret(tx), "installation", ""))
}

func keyed(secret []byte, kind, value string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(kind))
	m.Write([]byte{0})
	m.Write([]byte(value))
	return m.Sum(nil)
}

// Forget notes that an identity or record was erased, so that it is not made again, and can be read by nobody.
func Forget(tx Tx, now time.Time, ids []contact.Identity, keys []contact.Key) {
	at := number(uint64(micros(now)))
	for _, id := range ids {
		tx.Put(forgotten, keyed(Secret(tx), "identity", string(id)), at)
	}
	for _, k := range keys {
		tx.Put(forgotten, keyed(Secret(tx), "record", k.String()), at)
	}
}

// IsForgotten reports whether the person behind an identity asked to be erased.
func IsForgotten(tx Tx, id contact.Identity) bool {
	return tx.Get(forgotten, keyed(Secret(tx), "identity", string(id))) != nil
}

// Walked is the set of records that a run has seen, a bit a record, in chunks that are written with each page.
const walkedChunk = 4096

// MarkWalked adds records, by their numbers, to the set of a run.
func MarkWalked(tx Tx, run string, nums []uint64) {
	nums = slices.Sorted(slices.Values(nums))
	var chunk []byte
	var at uint64
	flush := func() {
		if chunk != nil {
			tx.Put(walked, append(Prefix(run), number(at)...), chunk)
		}
	}
	for _, n := range nums {
		if c := n / walkedChunk; chunk == nil || c != at {
			flush()
			at = c
			chunk = make([]byte, walkedChunk/8)
			copy(chunk, tx.Get(walked, append(Prefix(run), number(at)...)))
		}
		chunk[n%walkedChunk/8] |= 1 << (n % 8)
	}
	flush()
}

// WasWalked reports whether a run has seen a record.
func WasWalked(tx Tx, run string, num uint64) bool {
	chunk := tx.Get(walked, append(Prefix(run), number(num/walkedChunk)...))
	at := num % walkedChunk / 8
	return at < uint64(len(chunk)) && chunk[at]&(1<<(num%8)) != 0
}

// DropWalked forgets the set of a run.
func DropWalked(tx Tx, run string) {
	var keys [][]byte
	for k := range tx.Scan(walked, Prefix(run), nil) {
		keys = append(keys, slices.Clone(k))
	}
	for _, k := range keys {
		tx.Delete(walked, k)
	}
}
