package state

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Reflect writes a contact into a target's mirror and its index. What belongs to a person, or to somebody a
// source knows, is kept whole; of all others only identity hashes, status and moments. It returns what stood
// there before.
func Reflect(tx Tx, target string, seen contact.Observed) (before Mirrored, known bool) {
	k := At{target, seen.ID}
	before, known = Mirror.Get(tx, k)
	now := Mirrored{Observed: seen, Person: PersonAt(tx, target, seen.ID), Wrote: before.Wrote}
	ids := seen.Identities()
	if now.Person == 0 && !claimedByAny(tx, ids) {
		now.Observed = contact.Observed{ID: seen.ID, Status: seen.Status, Created: seen.Created, Modified: seen.Modified, LastSeen: seen.LastSeen}
	}
	secret := Secret(tx)
	for _, id := range ids {
		now.Hidden = append(now.Hidden, hashIdentity(secret, id))
	}
	for _, h := range before.Hidden {
		if !slices.ContainsFunc(now.Hidden, func(n []byte) bool { return bytes.Equal(n, h) }) {
			tx.Delete(mirrorIndex, indexKey(target, h, seen.ID))
		}
	}
	for _, h := range now.Hidden {
		tx.Put(mirrorIndex, indexKey(target, h, seen.ID), nil)
	}
	Mirror.Put(tx, k, now)
	return before, known
}

// ReflectWrite is Reflect for a contact that syncer itself just changed.
func ReflectWrite(tx Tx, target string, seen contact.Observed, now time.Time) {
	Reflect(tx, target, seen)
	m, _ := Mirror.Get(tx, At{target, seen.ID})
	m.Wrote = micros(now)
	Mirror.Put(tx, At{target, seen.ID}, m)
}

// Unreflect removes a contact from the mirror.
func Unreflect(tx Tx, target, id string) {
	m, ok := Mirror.Get(tx, At{target, id})
	if !ok {
		return
	}
	for _, h := range m.Hidden {
		tx.Delete(mirrorIndex, indexKey(target, h, id))
	}
	Mirror.Delete(tx, At{target, id})
}

// Bearers returns the contacts of a target that bear an identity, as mirrored.
func Bearers(tx Tx, target string, id contact.Identity) []Mirrored {
	var out []Mirrored
	p := indexKey(target, hashIdentity(Secret(tx), id), "")
	for k := range tx.Scan(mirrorIndex, p, nil) {
		if m, ok := Mirror.Get(tx, At{target, string(k[len(p):])}); ok {
			out = append(out, m)
		}
	}
	return out
}

// Slim reports whether the mirror holds only the outline of the contact, so that it must be read before it
// can be compared.
func (m *Mirrored) Slim() bool { return len(m.Hidden) > 0 && len(m.URNs) == 0 }

// SameContent reports whether two observations differ in nothing but their moments: a message somebody sent
// moves those, and is no edit.
func SameContent(a, b *contact.Observed) bool {
	return a.Name == b.Name && a.Language == b.Language && a.Status == b.Status && slices.Equal(a.URNs, b.URNs) &&
		sameSet(a.Labels, b.Labels) && maps.Equal(a.Fields, b.Fields)
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}

func claimedByAny(tx Tx, ids []contact.Identity) bool {
	for _, id := range ids {
		if tx.Get(Claims.Name, []byte(id)) != nil {
			return true
		}
	}
	return false
}

func indexKey(target string, hash []byte, id string) []byte {
	k := append(Prefix(target), hash...)
	return append(k, id...)
}

func hashIdentity(secret []byte, id contact.Identity) []byte {
	return keyed(secret, "identity", string(id))[:12]
}
