package state

import (
	"bytes"
	"encoding/binary"

	"syncer/internal/contact"
)

// LinkKey names a person at a target: the unit of work.
type LinkKey struct {
	Target string
	Person PersonID
}

// At names something of a target: a contact in its mirror, a scope in its ledger.
type At struct{ Place, ID string }

// JournalKey names one entry of a person's journal.
type JournalKey struct {
	Person PersonID
	N      uint64
}

// HoldKey names a person held back at a target by a run.
type HoldKey struct {
	Run string
	LinkKey
}

// Keys are joined with a zero byte, which none but the last part may contain; numbers are big-endian so that
// they sort.

func join(parts ...string) []byte {
	n := len(parts)
	for _, p := range parts {
		n += len(p)
	}
	k := make([]byte, 0, n)
	for i, p := range parts {
		if i > 0 {
			k = append(k, 0)
		}
		k = append(k, p...)
	}
	return k
}

// Prefix is what every key below these parts starts with.
func Prefix(parts ...string) []byte { return append(join(parts...), 0) }

func cut(k []byte) (string, []byte) {
	head, rest, _ := bytes.Cut(k, []byte{0})
	return string(head), rest
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func parseNumber(k []byte) uint64 {
	if len(k) < 8 {
		Fail(ErrCorrupt)
	}
	return binary.BigEndian.Uint64(k)
}

func textKey[T ~string](s T) []byte    { return []byte(s) }
func parseText[T ~string](k []byte) T  { return T(k) }
func personKey(p PersonID) []byte      { return number(uint64(p)) }
func parsePersonKey(k []byte) PersonID { return PersonID(parseNumber(k)) }
func recordKey(k contact.Key) []byte   { return join(k.Source, k.ID) }

func parseRecordKey(k []byte) contact.Key {
	source, id := cut(k)
	return contact.Key{Source: source, ID: string(id)}
}

func (k At) encode() []byte { return join(k.Place, k.ID) }

func parseAt(k []byte) At {
	place, id := cut(k)
	return At{place, string(id)}
}

func (k LinkKey) encode() []byte { return append(Prefix(k.Target), number(uint64(k.Person))...) }

func parseLinkKey(k []byte) LinkKey {
	target, rest := cut(k)
	return LinkKey{target, parsePersonKey(rest)}
}

func (k JournalKey) encode() []byte { return append(number(uint64(k.Person)), number(k.N)...) }

func parseJournalKey(k []byte) JournalKey {
	return JournalKey{parsePersonKey(k), parseNumber(k[min(8, len(k)):])}
}

func (k HoldKey) encode() []byte { return append(Prefix(k.Run), k.LinkKey.encode()...) }

func parseHoldKey(k []byte) HoldKey {
	run, rest := cut(k)
	return HoldKey{run, parseLinkKey(rest)}
}
