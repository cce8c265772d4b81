package state

import (
	"cmp"
	"slices"

	"syncer/internal/contact"
)

// The ledger of consent is kept by identity. Where it is not known which identity a word is about, it is kept under a
// name of its own: of the record that it named, until that is mapped, and of a part of a record, when what was refused
// under the number that the part had is still to be found under the number that it has now.

// unmapped is what the will of a person is kept under while it is not known whose record it came from.
func unmapped(k contact.Key) contact.Identity { return contact.Identity("record:" + k.String()) }

// PartIdentity is what the will of the person of a part is kept under when the number it was said under is no longer
// theirs.
func PartIdentity(k contact.Key, mapping, part string) contact.Identity {
	return contact.Identity("part:" + k.String() + " " + mapping + " " + part)
}

func (p *RecordPart) identity(k contact.Key) contact.Identity {
	return PartIdentity(k, p.Mapping, p.Part)
}

// acceptConsent writes the ledger and makes everyone concerned due in the first lane.
func acceptConsent(tx Tx, a *Arrival) Receipt {
	ids, people := meant(tx, a)
	named := len(ids)
	ids = slices.DeleteFunc(ids, func(id contact.Identity) bool { return Erased(tx, id) })
	if named > 0 && len(ids) == 0 || named == 0 && a.Key.ID != "" && forgottenRecord(tx, a.Key) {
		return Forgotten
	}
	if named == 0 && a.Key.ID != "" {
		ids = append(ids, unmapped(a.Key)) // see Dequeue
	}
	ids = append(ids, carried(tx, concerned(tx, ids, people), a.Key.Source)...)
	word := Word(a.Kind == contact.OptOut, a.Version.Event, a.at)
	receipt := Stale
	for _, id := range ids {
		switch changed, newer := setConsent(tx, id, a.Key.Source, word, true); {
		case changed:
			receipt = Accepted
		case newer && receipt == Stale:
			receipt = Unchanged
		}
	}
	if receipt == Accepted {
		Heed(tx, a.at, ids, people)
		hasten(tx, a.Key)
	}
	return receipt
}

// meant are the identities that a consent event is about, and the people of the record that it names. While a newer
// state of that record is still to be read or mapped, the word is also kept for the numbers which that will give.
func meant(tx Tx, a *Arrival) (ids []contact.Identity, people []PersonID) {
	ids = slices.Clone(a.Identities)
	rec, ok := Records.Get(tx, a.Key)
	if !ok {
		return ids, nil
	}
	for _, p := range rec.Parts {
		people = append(people, p.Person)
		if p.Identity != "" {
			ids = append(ids, p.Identity)
		} else {
			ids = append(ids, addresses(tx, p.Person)...) // the record is gone, its person need not be
		}
	}
	if _, waits := Consents.Get(tx, unmapped(a.Key)); waits || rec.Due != 0 || rec.Thin {
		ids = append(ids, unmapped(a.Key))
	}
	return ids, people
}

// concerned are some people and all who claim or bear one of the identities.
func concerned(tx Tx, ids []contact.Identity, people []PersonID) []PersonID {
	people = slices.Clone(people)
	for _, id := range ids {
		for _, c := range claims(tx, id) {
			people = append(people, c.Person)
		}
		people = append(people, bearers(tx, id)...)
	}
	slices.Sort(people)
	return slices.DeleteFunc(slices.Compact(people), func(p PersonID) bool { return p == 0 })
}

// Heed makes due, in the first lane, what people said about being written to: those who claim or bear one of the
// identities, and others who are known to be meant. What a run holds back of theirs stays held: see Tell.
func Heed(tx Tx, now int64, ids []contact.Identity, people []PersonID) {
	for _, p := range concerned(tx, ids, people) {
		who, ok := Persons.Get(tx, p)
		if !ok {
			continue
		}
		who.Seq++ // a delivery under way has not looked at this
		Persons.Put(tx, p, who)
		for _, target := range who.Targets {
			k := LinkKey{target, p}
			if l, ok := Links.Get(tx, k); ok {
				l.First = cmp.Or(l.First, now)
				Dead.Delete(tx, k)
				Tell(tx, k, &l, contact.FromMicros(now))
				Links.Put(tx, k, l)
			}
		}
		Note(tx, p, Entry{At: now, What: "received", Text: "what they said about being written to changed"})
	}
}

// hasten lets a record that is due be mapped before others, because somebody waits whom it may stand for.
func hasten(tx Tx, k contact.Key) {
	if rec, ok := Records.Get(tx, k); ok && rec.Due != 0 {
		Requeue(tx, k, &rec, LaneConsent, contact.FromMicros(rec.First))
		Records.Put(tx, k, rec)
	}
}

// stands reports whether somebody has an identity: a record gives it, or the contact of a person bears it.
func stands(tx Tx, id contact.Identity) bool {
	return len(concerned(tx, []contact.Identity{id}, nil)) > 0
}

// Erased reports whether nobody is left behind an identity but somebody who asked to be erased. Others may share a
// number with them, and are still heard under it.
func Erased(tx Tx, id contact.Identity) bool { return IsForgotten(tx, id) && !stands(tx, id) }

// bearers are the persons whose contacts bear an identity, whether or not a record of theirs still gives it.
func bearers(tx Tx, id contact.Identity) (people []PersonID) {
	for _, target := range Names(tx, Mirror.Name) {
		for _, m := range Bearers(tx, target, id) {
			if m.Person != 0 {
				people = append(people, m.Person)
			}
		}
	}
	return people
}

// addresses are the identities of the numbers and contacts that a person is known by.
func addresses(tx Tx, p PersonID) (ids []contact.Identity) {
	who, _ := Persons.Get(tx, p)
	for _, part := range partsOf(tx, p) {
		if part.Identity != "" {
			ids = append(ids, part.Identity)
		}
	}
	for _, target := range who.Targets {
		l, _ := Links.Get(tx, LinkKey{target, p})
		if m, ok := Mirror.Get(tx, At{target, l.Contact}); ok && l.Contact != "" {
			ids = append(ids, m.Identities()...)
		}
	}
	return ids
}

// keyedPart is a part and the record that it belongs to.
type keyedPart struct {
	RecordPart
	key contact.Key
}

// partsOf are the parts of records that stand for a person.
func partsOf(tx Tx, p PersonID) (parts []keyedPart) {
	who, _ := Persons.Get(tx, p)
	for _, k := range who.Records {
		rec, _ := Records.Get(tx, k)
		for _, part := range rec.Parts {
			if part.Person == p {
				parts = append(parts, keyedPart{part, k})
			}
		}
	}
	return parts
}

// SetConsent records what one origin says of a person's will; false when a later word of that origin stands
// or nothing changes. Consent that was never withheld needs no entry.
func SetConsent(tx Tx, id contact.Identity, origin string, e ConsentEntry) bool {
	changed, _ := setConsent(tx, id, origin, e, false)
	return changed
}

// setConsent reports whether the will changed, and whether the word was newer than the one that stood. always
// keeps a first consent too, so that a refusal from before it is recognised when it comes late.
func setConsent(tx Tx, id contact.Identity, origin string, e ConsentEntry, always bool) (changed, newer bool) {
	c, _ := Consents.Get(tx, id)
	had, said := c[origin]
	switch {
	case said && !e.over(had), said && had.Out == e.Out && had.At == e.At, !said && !e.Out && !always:
		return false, false
	}
	if c == nil {
		c = Consent{}
	}
	c[origin] = e
	Consents.Put(tx, id, c)
	return had.Out != e.Out, true
}

// Carry keeps what was refused under the number that a part of a record is about to lose: it was a person who refused,
// and who does not consent by getting another number.
func Carry(tx Tx, k contact.Key, p *RecordPart) {
	refused, _ := Consents.Get(tx, p.Identity)
	for origin, e := range refused {
		if e.Out {
			setConsent(tx, p.identity(k), origin, e, true)
		}
	}
}

// bequeath leaves what was carried along for a part to another of its person, whose own record goes.
func bequeath(tx Tx, k contact.Key, p *RecordPart) {
	for _, other := range partsOf(tx, p.Person) {
		if other.key != k {
			spread(tx, p.identity(k), other.identity(other.key))
			return
		}
	}
}

// SpokenUnder are the identities under which the will of a person is kept, as far as their records were mapped: the
// numbers that they give, and what was carried along from those that they gave before.
func SpokenUnder(tx Tx, p PersonID) (ids []contact.Identity) {
	for _, part := range partsOf(tx, p) {
		if ids = append(ids, part.identity(part.key)); part.Identity != "" {
			ids = append(ids, part.Identity)
		}
	}
	return ids
}

// carried are those of the people's identities under which an origin's word was carried along.
func carried(tx Tx, people []PersonID, origin string) (ids []contact.Identity) {
	for _, p := range people {
		for _, part := range partsOf(tx, p) {
			id := part.identity(part.key)
			c, _ := Consents.Get(tx, id)
			if _, said := c[origin]; said {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// adoptConsent moves what was said before it was known whose the record is to the identities of its parts, and what
// was carried along to the number that a part has now, unless that is somebody else's too, who refused nothing. It
// returns the identities whose ledger that changed.
func adoptConsent(tx Tx, k contact.Key, rec *Record) (changed []contact.Identity) {
	known := false
	for i := range rec.Parts {
		p := &rec.Parts[i]
		if p.Identity == "" {
			continue
		}
		known = true
		turned := spread(tx, unmapped(k), p.Identity)
		if own := p.identity(k); tx.Get(Consents.Name, []byte(own)) != nil && alone(tx, p) {
			turned = spread(tx, own, p.Identity) || turned
			Consents.Delete(tx, own)
		}
		if turned {
			changed = append(changed, p.Identity)
		}
	}
	if known {
		Consents.Delete(tx, unmapped(k))
	}
	return changed
}

// alone reports whether the number of a part is nobody else's.
func alone(tx Tx, p *RecordPart) bool {
	for _, other := range concerned(tx, []contact.Identity{p.Identity}, nil) {
		if other != p.Person {
			return false
		}
	}
	return true
}

// spread says under one identity what was said under another.
func spread(tx Tx, from, to contact.Identity) (changed bool) {
	said, _ := Consents.Get(tx, from)
	for origin, e := range said {
		turned, _ := setConsent(tx, to, origin, e, true)
		changed = turned || changed
	}
	return changed
}

func claims(tx Tx, id contact.Identity) []Claim {
	list, _ := Claims.Get(tx, id)
	return list
}
