package state

import (
	"slices"
	"time"

	"syncer/internal/contact"
)

// ErasePerson removes everything that is known of a person who asked to be forgotten, and leaves only keyed
// hashes that keep them from being made again. also are identities of theirs that no record claims: second
// numbers, addresses of their contacts.
func ErasePerson(tx Tx, p PersonID, now time.Time, also ...contact.Identity) {
	who, ok := Persons.Get(tx, p)
	if !ok {
		return
	}
	ids := slices.Clone(also)
	for _, k := range who.Records {
		rec, ok := Records.Get(tx, k)
		if !ok {
			continue
		}
		for _, part := range rec.Parts {
			if part.Person == p && part.Identity != "" {
				ids = append(ids, part.Identity)
			}
		}
		DropRecord(tx, k, &rec)
	}
	Forget(tx, now, ids, who.Records)
	for _, id := range ids {
		Consents.Delete(tx, id)
	}
	for _, target := range who.Targets {
		k := LinkKey{target, p}
		if l, ok := Links.Get(tx, k); ok {
			id := l.Contact
			Unschedule(tx, k, &l)
			SetContact(tx, k, &l, "")
			if m, ok := Mirror.Get(tx, At{target, id}); ok && !m.Slim() {
				Reflect(tx, target, m.Observed) // now that it is nobody's, only the outline stays
			}
			Keeps.Delete(tx, At{target, id})
		}
		Links.Delete(tx, k)
		Dead.Delete(tx, k)
	}
	dropConflicts(tx, ids, who.Records)
	dropDones(tx, p)
	DropJournal(tx, p)
	Persons.Delete(tx, p)
}

// DropRecord removes a record, its payload, its place in the queue and its claims.
func DropRecord(tx Tx, k contact.Key, rec *Record) {
	Dequeue(tx, k, rec)
	for _, part := range rec.Parts {
		if part.Identity == "" {
			continue
		}
		list, _ := Claims.Get(tx, part.Identity)
		list = slices.DeleteFunc(list, func(c Claim) bool { return c.Key == k })
		if len(list) == 0 {
			Claims.Delete(tx, part.Identity)
		} else {
			Claims.Put(tx, part.Identity, list)
		}
	}
	DropPayload(tx, k)
	Consents.Delete(tx, unmapped(k))
	Records.Delete(tx, k)
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
