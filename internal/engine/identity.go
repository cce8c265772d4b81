package engine

import (
	"slices"
	"strconv"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// joiner decides which person each contact of one record belongs to.
type joiner struct {
	tx  state.Tx
	now int64
	key contact.Key
	rec *state.Record
}

// place assigns the contacts of the record to persons and returns everyone who is touched.
func (j *joiner) place(contacts []contact.Contact) []state.PersonID {
	var touched []state.PersonID
	touch := func(p state.PersonID) {
		if p != 0 && !slices.Contains(touched, p) {
			touched = append(touched, p)
		}
	}
	for i := range contacts {
		c := &contacts[i]
		at := slices.IndexFunc(j.rec.Parts, func(p state.RecordPart) bool { return p.Mapping == c.Mapping && p.Part == c.Part })
		switch {
		case at < 0 && (c.Leaving || j.erased(c)):
			// It never stood for anybody, or does not any more.
		case c.Leaving:
			j.release(&j.rec.Parts[at])
			touch(j.rec.Parts[at].Person)
		case c.Fatal() && at >= 0:
			// Nothing may change until it can be read; the person is told so.
			touch(j.rec.Parts[at].Person)
		default:
			if at < 0 {
				j.rec.Parts = append(j.rec.Parts, state.RecordPart{Mapping: c.Mapping, Part: c.Part})
				at = len(j.rec.Parts) - 1
			}
			before := j.rec.Parts[at].Person
			j.claim(&j.rec.Parts[at], c)
			touch(j.rec.Parts[at].Person)
			if before != 0 && before != j.rec.Parts[at].Person {
				if _, alive := state.Persons.Get(j.tx, before); alive {
					touch(before)
				}
			}
		}
	}
	for i := range j.rec.Parts {
		p := &j.rec.Parts[i]
		if !slices.ContainsFunc(contacts, func(c contact.Contact) bool { return p.Mapping == c.Mapping && p.Part == c.Part }) {
			j.release(p)
			touch(p.Person)
		}
	}
	return touched
}

// erased reports whether a row among others is about somebody who asked to be erased: it is left out. A record that is
// about nobody else is kept, to say why it has no contact.
func (j *joiner) erased(c *contact.Contact) bool {
	phone, ok := c.Primary()
	return ok && c.Part != "" && state.IsForgotten(j.tx, phone.Identity())
}

// claim gives the part its person: whoever already has the identity, the person it had before, or a new one.
func (j *joiner) claim(p *state.RecordPart, c *contact.Contact) {
	id, assumed := contact.Identity(""), false
	if phone, ok := c.Primary(); ok {
		id, assumed = phone.Identity(), phone.AreaAssumed
	}
	name := contact.FoldName(c.Name.Value)
	if p.Identity != id {
		j.release(p)
	}
	p.Name, p.Identity = name, id
	person := p.Person
	if id != "" && !state.IsForgotten(j.tx, id) {
		if owner := j.owner(p, assumed); owner != 0 && owner != person {
			person = j.join(person, owner)
		}
	}
	if person == 0 {
		person = state.PersonID(j.tx.Next(state.Persons.Name))
	}
	p.Person = person
	who, _ := state.Persons.Get(j.tx, person)
	if !slices.Contains(who.Records, j.key) {
		who.Records = append(who.Records, j.key)
	}
	state.Persons.Put(j.tx, person, who)
	if id != "" {
		j.write(id, p, assumed)
	}
}

// owner is the person who has the identity and whom this part may join. A number that two records of one
// source give under different names is a shared line, and joins nobody; so is one that two sources give under names
// that cannot be one human's. One that was completed by a default area code joins nobody of another name.
func (j *joiner) owner(p *state.RecordPart, assumed bool) state.PersonID {
	list, _ := state.Claims.Get(j.tx, p.Identity)
	for _, c := range list {
		if c.Key == j.key && c.Mapping == p.Mapping && c.Part == p.Part {
			continue
		}
		sameSource := c.Key.Source == j.key.Source && (c.Key != j.key || c.Mapping == p.Mapping) // rows of one record are people apart
		if c.Name != p.Name && (sameSource || assumed || c.Assumed || !contact.NamesAgree(c.Name, p.Name)) {
			continue
		}
		if j.fits(c.Person, j.key, p) {
			return c.Person
		}
	}
	return 0
}

// fits reports whether a part of a record can be the same human as a person: no other live record that stands for them
// bears a name that cannot be the same human's, nor any of the same source another one at all. One claim that agrees is
// not enough: a record without a name agrees with everybody, and through it two strangers would become one person.
func (j *joiner) fits(person state.PersonID, key contact.Key, part *state.RecordPart) bool {
	who, ok := state.Persons.Get(j.tx, person)
	if !ok {
		return false
	}
	for _, k := range who.Records {
		rec, ok := state.Records.Get(j.tx, k)
		if !ok || rec.Deleted || k == key {
			continue
		}
		for _, p := range rec.Parts {
			stands := p.Identity != "" && part.Identity != ""
			if p.Person == person && p.Name != part.Name && (k.Source == key.Source || stands && !contact.NamesAgree(p.Name, part.Name)) {
				return false
			}
		}
	}
	return true
}

// write stores the claim of a part.
func (j *joiner) write(id contact.Identity, p *state.RecordPart, assumed bool) {
	list, _ := state.Claims.Get(j.tx, id)
	claim := state.Claim{Key: j.key, Mapping: p.Mapping, Part: p.Part, Person: p.Person, Name: p.Name, Assumed: assumed, Since: j.now}
	for i, c := range list {
		if c.Key == j.key && c.Mapping == p.Mapping && c.Part == p.Part {
			claim.Since = c.Since
			list[i] = claim
			state.Claims.Put(j.tx, id, list)
			return
		}
	}
	state.Claims.Put(j.tx, id, append(list, claim))
	j.wakeSharers(list, p)
}

// wakeSharers makes the other claimants of a number due: with one more it may have become a shared line.
func (j *joiner) wakeSharers(list []state.Claim, p *state.RecordPart) {
	for _, c := range list {
		if c.Person != p.Person {
			recheck(j.tx, c.Person, j.now)
		}
	}
}

// recheck makes a person due wherever they have a link, because something around them changed.
func recheck(tx state.Tx, p state.PersonID, now int64) {
	for _, name := range targetsOf(tx, p) {
		k := state.LinkKey{Target: name, Person: p}
		if l, ok := state.Links.Get(tx, k); ok && l.Hold == "" {
			rouse(tx, k, &l, state.LaneBulk, contact.FromMicros(now))
			state.Links.Put(tx, k, l)
		}
	}
}

// rouse makes a delivery due for another reason than a record. One that is due already is moved by a moment: when it is
// under way, it sees by that at its end that something came which it did not look at.
func rouse(tx state.Tx, k state.LinkKey, l *state.Link, lane state.Lane, now time.Time) {
	if l.Due != 0 {
		lane, now = min(lane, l.Lane), contact.FromMicros(l.Due+1)
	}
	state.Schedule(tx, k, l, lane, now)
}

// release takes back the claim of a part.
func (j *joiner) release(p *state.RecordPart) {
	if p.Identity == "" {
		return
	}
	state.Carry(j.tx, j.key, p)
	list, _ := state.Claims.Get(j.tx, p.Identity)
	list = slices.DeleteFunc(list, func(c state.Claim) bool {
		return c.Key == j.key && c.Mapping == p.Mapping && c.Part == p.Part
	})
	if len(list) == 0 {
		state.Claims.Delete(j.tx, p.Identity)
	} else {
		state.Claims.Put(j.tx, p.Identity, list)
		j.wakeSharers(list, p) // with one less it may have ceased to be a shared line
	}
	p.Identity = ""
}

// join makes one person of two, and returns the one that stays: the one with a contact, or the older.
func (j *joiner) join(a, b state.PersonID) state.PersonID {
	if a == 0 || a == b {
		return b
	}
	if !j.compatible(a, b) {
		return a
	}
	keep, go_ := a, b
	if contacts(j.tx, b) > contacts(j.tx, a) || contacts(j.tx, a) == contacts(j.tx, b) && b < a {
		keep, go_ = b, a
	}
	mergePersons(j.tx, j.now, go_, keep, j.rec, j.key)
	return keep
}

// compatible reports whether every live record on one side fits the person on the other.
func (j *joiner) compatible(a, b state.PersonID) bool {
	who, _ := state.Persons.Get(j.tx, a)
	for _, k := range who.Records {
		rec, ok := state.Records.Get(j.tx, k)
		if k == j.key {
			rec, ok = *j.rec, true
		}
		if !ok || rec.Deleted {
			continue
		}
		for i := range rec.Parts {
			if p := &rec.Parts[i]; p.Person == a && !j.fits(b, k, p) {
				return false
			}
		}
	}
	return true
}

func contacts(tx state.Tx, p state.PersonID) (n int) {
	for _, name := range targetsOf(tx, p) {
		if l, ok := state.Links.Get(tx, state.LinkKey{Target: name, Person: p}); ok && l.Contact != "" {
			n++
		}
	}
	return n
}

// targetsOf are the targets at which a person has a link.
func targetsOf(tx state.Tx, p state.PersonID) []string {
	who, _ := state.Persons.Get(tx, p)
	return who.Targets
}

// mergePersons moves everything of one person to another. Where both have a contact at a target, the one
// seen more recently stays and the other is given back without syncer's labels and listed. held is the
// record being worked on, whose stored form is stale.
func mergePersons(tx state.Tx, now int64, from, into state.PersonID, held *state.Record, heldKey contact.Key) {
	loser, _ := state.Persons.Get(tx, from)
	winner, _ := state.Persons.Get(tx, into)
	for _, k := range loser.Records {
		rec, ok := state.Records.Get(tx, k)
		if k == heldKey {
			rec, ok = *held, true
		}
		if !ok {
			continue
		}
		for i := range rec.Parts {
			if rec.Parts[i].Person == from {
				rec.Parts[i].Person = into
				repoint(tx, &rec.Parts[i], k)
			}
		}
		if k == heldKey {
			*held = rec
		} else {
			state.Records.Put(tx, k, rec)
		}
		if !slices.Contains(winner.Records, k) {
			winner.Records = append(winner.Records, k)
		}
	}
	rest := moveLinks(tx, now, from, into, &winner)
	winner.Seq, winner.Erase = max(winner.Seq, loser.Seq)+1, winner.Erase || loser.Erase
	state.Persons.Put(tx, into, winner)
	if rest {
		loser.Records = nil
		loser.Seq++
		state.Persons.Put(tx, from, loser)
	} else {
		state.Persons.Delete(tx, from)
	}
	state.Note(tx, into, state.Entry{At: now, What: "joined", Text: "person " + strconv.FormatUint(uint64(from), 10) + " is the same human"})
}

func repoint(tx state.Tx, p *state.RecordPart, k contact.Key) {
	if p.Identity == "" {
		return
	}
	list, _ := state.Claims.Get(tx, p.Identity)
	for i, c := range list {
		if c.Key == k && c.Mapping == p.Mapping && c.Part == p.Part {
			list[i].Person = p.Person
		}
	}
	state.Claims.Put(tx, p.Identity, list)
}

// moveLinks moves the links of one person to another; it reports whether some stay behind to be cleaned up.
func moveLinks(tx state.Tx, now int64, from, into state.PersonID, winner *state.Person) (rest bool) {
	for _, name := range targetsOf(tx, from) {
		kf, ki := state.LinkKey{Target: name, Person: from}, state.LinkKey{Target: name, Person: into}
		lf, ok := state.Links.Get(tx, kf)
		if !ok {
			continue
		}
		li, _ := state.Links.Get(tx, ki)
		if !slices.Contains(winner.Targets, name) {
			winner.Targets = append(winner.Targets, name)
		}
		if lf.Contact != "" && li.Contact != "" && lf.Contact != li.Contact {
			a, _ := state.Mirror.Get(tx, state.At{Place: name, ID: lf.Contact})
			b, _ := state.Mirror.Get(tx, state.At{Place: name, ID: li.Contact})
			if a.LastSeen.After(b.LastSeen) {
				swap(tx, kf, ki, &lf, &li)
			}
			listDuplicate(tx, now, name, li.Contact, lf.Contact, winner.Records)
			lf.Orphan = true
			state.Schedule(tx, kf, &lf, state.LaneBulk, contact.FromMicros(now))
			state.Links.Put(tx, kf, lf)
			state.Links.Put(tx, ki, li)
			rest = true
			continue
		}
		if lf.Contact != "" {
			id := lf.Contact
			state.SetContact(tx, kf, &lf, "")
			li.Link, li.Adopted, li.At = lf.Link, lf.Adopted, lf.At
			state.SetContact(tx, ki, &li, id)
		}
		li.Gone, li.Doubt = li.Contact == "" && (li.Gone || lf.Gone), max(li.Doubt, lf.Doubt)
		lane, free, hold, will := lf.Lane, lf.Free(), lf.Hold, lf.Will
		if lf.First != 0 && (li.First == 0 || lf.First < li.First) {
			li.First = lf.First
		}
		state.Unschedule(tx, kf, &lf)
		state.Links.Delete(tx, kf)
		state.Dead.Delete(tx, kf)
		switch {
		case li.Free():
		case free:
			state.Schedule(tx, ki, &li, lane, contact.FromMicros(now))
		case hold != "" && li.Hold == "": // what waits for somebody's word goes on waiting
			state.KeepBack(tx, ki, &li, hold, state.Held{})
		}
		if will {
			state.Tell(tx, ki, &li, contact.FromMicros(now))
		}
		state.Links.Put(tx, ki, li)
	}
	return rest
}

// swap exchanges the contacts of two links.
func swap(tx state.Tx, ka, kb state.LinkKey, a, b *state.Link) {
	idA, idB := a.Contact, b.Contact
	state.SetContact(tx, ka, a, "")
	state.SetContact(tx, kb, b, "")
	a.Link, b.Link = b.Link, a.Link
	a.Adopted, b.Adopted = b.Adopted, a.Adopted
	state.SetContact(tx, ka, a, idB)
	state.SetContact(tx, kb, b, idA)
}

func listDuplicate(tx state.Tx, now int64, target, used, other string, keys []contact.Key) {
	state.Conflicts.Put(tx, "duplicate/"+target+"/"+other, state.Conflict{Kind: "duplicate", Target: target,
		Contacts: []string{used, other}, Records: keys, At: now,
		Message: "one person has two contacts here; the first is used, the second got no more labels. Merge them by hand or delete one"})
}

// follow carries out a merge: the record's persons become the winner's. It returns false while the winner is
// unknown; then the winner is asked for, and after a while the record counts as deleted.
func (j *joiner) follow(e *Engine) bool {
	winner, known := state.Records.Get(j.tx, *j.rec.Into)
	var into state.PersonID
	for _, p := range winner.Parts {
		if p.Person != 0 {
			into = p.Person
			break
		}
	}
	if !known || into == 0 && winner.Due != 0 {
		src, ok := e.opts.Sources[j.rec.Into.Source]
		if j.rec.Fails++; j.rec.Fails <= 10 {
			if !known && ok && src.Can().Get {
				ask := state.Prepare(contact.FromMicros(j.now), []contact.Event{{Kind: contact.Upsert, Key: *j.rec.Into, Shape: contact.IDs}})
				state.AcceptOne(j.tx, &ask[0], state.Travel{Lane: j.rec.Lane, Hold: j.rec.Hold})
			}
			state.Requeue(j.tx, j.key, j.rec, j.rec.Lane, contact.FromMicros(j.now).Add(time.Duration(j.rec.Fails)*2*time.Second))
			state.Records.Put(j.tx, j.key, *j.rec)
			return false
		}
	}
	j.rec.Into = nil
	if into == 0 {
		return true // the winner stands for nobody; this is a plain deletion
	}
	for i := range j.rec.Parts {
		p := &j.rec.Parts[i]
		from := p.Person
		j.release(p)
		if from != 0 && from != into {
			mergePersons(j.tx, j.now, from, into, j.rec, j.key)
		}
	}
	return true
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
