package state

import (
	"slices"
	"time"

	"syncer/internal/contact"
)

// ErasePerson removes everything that is known of a person who asked to be forgotten, and leaves only keyed
// hashes that keep them from being made again. also are identities of theirs that no record claims: second
// numbers, addresses of their contacts. What others are known by who share a number or a record with them stays.
func ErasePerson(tx Tx, p PersonID, now time.Time, also ...contact.Identity) {
	who, ok := Persons.Get(tx, p)
	if !ok {
		return
	}
	ids, theirs := slices.Clone(also), make([]contact.Key, 0, len(who.Records))
	for _, part := range partsOf(tx, p) {
		if part.Identity != "" {
			ids = append(ids, part.Identity)
		}
	}
	for _, k := range who.Records {
		rec, ok := Records.Get(tx, k)
		switch {
		case ok && rec.othersThan(p):
			leaveRecord(tx, k, &rec, p)
			continue
		case ok:
			DropRecord(tx, k, &rec)
		}
		theirs = append(theirs, k)
	}
	Forget(tx, now, ids, theirs)
	dropPerson(tx, p, &who)
	for _, id := range ids {
		if !stands(tx, id) { // what somebody else refused under a number that they share stays refused
			Consents.Delete(tx, id)
		}
	}
	dropConflicts(tx, ids, theirs)
	dropDones(tx, p)
}

// dropPerson removes a person, their links and their journal, when no record stands for them any more.
func dropPerson(tx Tx, p PersonID, who *Person) {
	for _, target := range who.Targets {
		DropLink(tx, LinkKey{target, p})
	}
	DropJournal(tx, p)
	Persons.Delete(tx, p)
}

// DropLink removes what is known of a person at a target, but for the outline of the contact that was theirs. The claims
// of records that are to be dropped too must be gone: by them the mirror keeps a contact whole.
func DropLink(tx Tx, k LinkKey) {
	if l, ok := Links.Get(tx, k); ok {
		at := At{k.Target, l.Contact}
		Unschedule(tx, k, &l)
		SetContact(tx, k, &l, "")
		if m, ok := Mirror.Get(tx, at); ok && !m.Slim() {
			Reflect(tx, k.Target, m.Observed) // now that it is nobody's, only the outline stays
		}
		Keeps.Delete(tx, at)
	}
	Links.Delete(tx, k)
	Dead.Delete(tx, k)
}

// othersThan reports whether a record stands for somebody else too.
func (r *Record) othersThan(p PersonID) bool {
	return slices.ContainsFunc(r.Parts, func(part RecordPart) bool { return part.Person != 0 && part.Person != p })
}

// leaveRecord takes a person out of a record that stands for others too. The record stays, or whatever is said of them
// later, even that they are gone, would be refused as being about somebody who was erased. Its payload stays as well:
// without it the others would lose what it says of them, and the source would only give it back as it is.
func leaveRecord(tx Tx, k contact.Key, rec *Record, p PersonID) {
	rec.Parts = slices.DeleteFunc(rec.Parts, func(part RecordPart) bool {
		if part.Person != p {
			return false
		}
		disclaim(tx, k, &part)
		return true
	})
	Records.Put(tx, k, *rec)
}

// DropRecord removes a record, its payload, its place in the queue and its claims.
func DropRecord(tx Tx, k contact.Key, rec *Record) {
	unqueue(tx, k, rec)
	for i := range rec.Parts {
		disclaim(tx, k, &rec.Parts[i])
	}
	DropPayload(tx, k)
	Consents.Delete(tx, unmapped(k))
	Records.Delete(tx, k)
}

// disclaim removes the claim of a part, and what was carried along for it.
func disclaim(tx Tx, k contact.Key, p *RecordPart) {
	Consents.Delete(tx, p.identity(k))
	if p.Identity == "" {
		return
	}
	list := slices.DeleteFunc(claims(tx, p.Identity), func(c Claim) bool { return c.Key == k && c.Mapping == p.Mapping && c.Part == p.Part })
	if len(list) == 0 {
		Claims.Delete(tx, p.Identity)
	} else {
		Claims.Put(tx, p.Identity, list)
	}
}

// dropDones removes what runs have changed for a person. Only keys are read: there are many, and few are theirs.
func dropDones(tx Tx, p PersonID) {
	var theirs []HoldKey
	for raw := range tx.Scan(Dones.Name, nil, nil) {
		if k := parseHoldKey(raw); k.Person == p {
			theirs = append(theirs, k)
		}
	}
	for _, k := range theirs {
		Dones.Delete(tx, k)
	}
}

// dropConflicts removes the questions that name any of the identities or records.
func dropConflicts(tx Tx, ids []contact.Identity, keys []contact.Key) {
	var names []string
	for name, c := range Conflicts.All(tx, nil, nil) {
		if slices.Contains(ids, c.Identity) || slices.ContainsFunc(c.Records, func(k contact.Key) bool { return slices.Contains(keys, k) }) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		Conflicts.Delete(tx, name)
	}
}

// DropJournal removes a person's journal.
func DropJournal(tx Tx, p PersonID) {
	var keys []JournalKey
	for k := range Journal.All(tx, personKey(p), nil) {
		keys = append(keys, k)
	}
	for _, k := range keys {
		Journal.Delete(tx, k)
	}
}
