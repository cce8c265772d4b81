package engine

import (
	"cmp"
	"slices"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// job is one person at one target, with everything that decides what is to be done.
type job struct {
	key    state.LinkKey
	link   state.Link
	person state.Person
	parts  []contact.Part

	// desired is what the records want; wanted is false when none of them writes to this target.
	desired  contact.Desired
	wanted   bool
	optedOut bool
	// shared says that the number is shared with records of other names and is not this person's.
	shared []contact.Key
	// forgotten says that the person behind the number asked to be erased: no contact is made for it again.
	forgotten bool

	// elsewhere are other contacts that bear the person's number: it is not taken from them.
	elsewhere []string

	// observed is the linked contact; nil while there is none. unread says that the mirror does not hold it
	// whole, so that it must be read before it can be compared.
	observed *contact.Observed
	unread   bool

	// nameless says that a source's names are not known yet, so that its records cannot be mapped.
	nameless bool

	change  contact.Change
	adopted bool // the contact was found, not made
	calls   int
}

// load collects what is known of a person at a target and folds it. ok is false when there is nothing to do. Whoever is
// to be erased need not be understood; of others whose records cannot be mapped yet, only consent is known.
func (e *Engine) load(k state.LinkKey) (j *job, ok bool, err error) {
	type input struct {
		key     contact.Key
		rec     state.Record
		payload []byte
	}
	var inputs []input
	j = &job{key: k}
	err = e.store.View(func(tx state.Tx) error {
		if j.link, ok = state.Links.Get(tx, k); !ok {
			return nil
		}
		if j.person, ok = state.Persons.Get(tx, k.Person); !ok {
			return nil
		}
		for _, key := range j.person.Records {
			if rec, known := state.Records.Get(tx, key); known {
				inputs = append(inputs, input{key, rec, state.Payload(tx, key)})
			}
		}
		return nil
	})
	if err != nil || !ok {
		return nil, false, err
	}
	for _, in := range inputs {
		if !e.known(in.key.Source) {
			if j.nameless = !j.person.Erase; j.nameless {
				err = e.unknownNames(in.key.Source)
			}
			continue
		}
		contacts := e.mapRecord(in.key, &in.rec, in.payload)
		for _, p := range in.rec.Parts {
			if p.Person == k.Person {
				if c, found := e.contribution(in.key.Source, p, contacts); found {
					j.parts = append(j.parts, contact.Part{Key: in.key, Version: in.rec.Version, Contact: c})
				}
			}
		}
	}
	j.desired, j.wanted = contact.Fold(k.Target, j.parts)
	e.leftover(j)
	if err := e.store.View(func(tx state.Tx) error {
		j.look(tx)
		return nil
	}); err != nil {
		return j, true, err
	}
	return j, true, err
}

// leftover wants those labels away that syncer gave to the contact for somebody who is gone, and of which no mapping of
// the person's own records speaks: the contact was taken over before they were taken back.
func (e *Engine) leftover(j *job) {
	for _, name := range j.link.Base.Labels {
		if _, said := j.desired.Labels[name]; said || !j.wanted {
			continue
		}
		theirs, ours := false, false
		for _, s := range e.plan.Sources {
			for _, c := range e.plan.Leave(s.Name) {
				if _, speaks := c.For(j.key.Target).Labels[name]; speaks && slices.Contains(c.Targets, j.key.Target) {
					mine := slices.ContainsFunc(j.parts, func(p contact.Part) bool { return p.Contact.Mapping == c.Mapping })
					theirs, ours = theirs || !mine, ours || mine
				}
			}
		}
		if theirs && !ours {
			j.desired.Labels[name] = false
		}
	}
}

// contribution is what one part of a record contributes now: its contact, or the leave of a contact that its
// mapping no longer gives.
func (e *Engine) contribution(sourceName string, p state.RecordPart, contacts []contact.Contact) (contact.Contact, bool) {
	same := func(c contact.Contact) bool { return c.Mapping == p.Mapping && c.Part == p.Part }
	if i := slices.IndexFunc(contacts, same); i >= 0 {
		return contacts[i], true
	}
	leaves := e.plan.Leave(sourceName)
	if i := slices.IndexFunc(leaves, func(c contact.Contact) bool { return c.Mapping == p.Mapping }); i >= 0 {
		c := leaves[i]
		c.Part = p.Part
		return c, true
	}
	return contact.Contact{}, false // the mapping itself is gone; what it wrote is left alone
}

// look reads what others know: consent, who shares the number, what the target shows.
func (j *job) look(tx state.Tx) {
	j.optedOut = j.refused(tx)
	if j.link.Orphan {
		j.desired, j.wanted = orphaned(&j.link), true
		j.optedOut = j.optedOut && !j.link.Guess
	}
	if j.link.Contact == "" {
		j.forget(tx)
	}
	j.share(tx)
	if j.link.Contact != "" {
		m, ok := state.Mirror.Get(tx, state.At{Place: j.key.Target, ID: j.link.Contact})
		if j.unread = !ok || m.Slim(); !j.unread {
			j.observed = &m.Observed
		}
		if id, ok := j.desired.Identity(); ok {
			for _, b := range state.Bearers(tx, j.key.Target, id) {
				if b.ID != j.link.Contact {
					j.elsewhere = append(j.elsewhere, b.ID)
				}
			}
		}
	}
}

// forget leaves out the addresses of people who asked to be erased.
func (j *job) forget(tx state.Tx) {
	id, ok := j.desired.Identity()
	j.forgotten = ok && state.IsForgotten(tx, id)
	j.desired.Emails = slices.DeleteFunc(slices.Clone(j.desired.Emails), func(address string) bool {
		u, err := contact.NewURN(contact.SchemeMailto, address)
		return err == nil && state.IsForgotten(tx, u.Identity())
	})
}

// refused reports whether the person refused messages: under any number that a record gives or gave, also one that no
// longer stands for a contact, under any address of the contact itself, or in a record just read.
func (j *job) refused(tx state.Tx) bool {
	for i := range j.parts {
		if c := &j.parts[i].Contact; c.OptOut == contact.Yes && !c.Fatal() {
			return true
		}
	}
	ids := append(j.identities(), state.SpokenUnder(tx, j.key.Person)...)
	if m, ok := state.Mirror.Get(tx, state.At{Place: j.key.Target, ID: j.link.Contact}); ok {
		ids = append(ids, m.Identities()...)
	}
	for _, id := range ids {
		if c, ok := state.Consents.Get(tx, id); ok && c.OptedOut() {
			return true
		}
	}
	return false
}

// identities are those of every number that a record gives and of every address that syncer added.
func (j *job) identities() []contact.Identity {
	return j.known(func(contact.Phone) bool { return true })
}

// own are those of them that are the person's alone: a landline is many people's, who go on being heard under it.
func (j *job) own() []contact.Identity { return j.known(contact.Phone.Identifies) }

func (j *job) known(by func(contact.Phone) bool) (ids []contact.Identity) {
	for i := range j.parts {
		for _, p := range j.parts[i].Contact.Phones {
			if by(p) {
				ids = append(ids, p.Identity())
			}
		}
	}
	for _, u := range j.link.Base.URNs {
		ids = append(ids, u.Identity())
	}
	return ids
}

// orphaned is what a contact without a person should look like: without the labels that syncer gave, and without the
// values too when it never was that person's.
func orphaned(l *state.Link) contact.Desired {
	d := contact.Desired{Leaving: true, Leave: contact.LeaveUnlabel}
	d.Labels = map[string]bool{}
	for _, name := range l.Base.Labels {
		d.Labels[name] = false
	}
	if l.Guess {
		d.Leaving, d.Policy, d.Fields = false, contact.DefaultPolicy(), map[string]contact.Field{}
		for attr, v := range l.Base.Attrs {
			if key, ok := strings.CutPrefix(attr, "fields."); ok && v != "" {
				d.Fields[key] = contact.Field{Attr: contact.Attr{State: contact.Blank, Blank: contact.BlankClear}}
			}
		}
	}
	return d
}

// share finds out whether the person's number is theirs. A number that one source gives for people of
// different names belongs to whoever was linked by it before, or to whom the mapping's shared_phone says.
func (j *job) share(tx state.Tx) {
	id, ok := j.desired.Identity()
	if !ok || j.has(tx, id) {
		return // the contact bears the number already: it was theirs before anybody else gave it
	}
	list, _ := state.Claims.Get(tx, id)
	if !j.desired.Phone.AreaAssumed {
		// A number that somebody completed by guessing is no claim against one that was written out.
		list = slices.DeleteFunc(list, func(c state.Claim) bool { return c.Assumed && c.Person != j.key.Person })
	}
	if len(list) < 2 {
		return
	}
	slices.SortStableFunc(list, func(a, b state.Claim) int { return cmp.Or(cmp.Compare(a.Since, b.Since), a.Key.Compare(b.Key)) })
	var others []contact.Key
	owner := state.PersonID(0)
	for _, c := range list {
		if c.Person == j.key.Person {
			continue
		}
		others = append(others, c.Key)
		if l, ok := state.Links.Get(tx, state.LinkKey{Target: j.key.Target, Person: c.Person}); ok && l.Contact != "" {
			owner = c.Person
		}
	}
	if len(others) == 0 {
		return
	}
	if owner == 0 {
		switch j.desired.Policy.SharedPhone {
		case contact.UseFirst:
			owner = list[0].Person
		case contact.UseNewest:
			owner = list[len(list)-1].Person
		}
	}
	if owner != j.key.Person {
		j.shared = others
	}
}

// has reports whether the linked contact bears an identity.
func (j *job) has(tx state.Tx, id contact.Identity) bool {
	if j.link.Contact == "" {
		return false
	}
	m, ok := state.Mirror.Get(tx, state.At{Place: j.key.Target, ID: j.link.Contact})
	return ok && slices.Contains(m.Identities(), id)
}

// match is the outcome of looking for a person's contact.
type match struct {
	found *state.Mirrored
	// from is the person without live records from whom the contact is taken over; 0 usually.
	from state.PersonID
	// taken names the contact of somebody else that bears the number.
	taken string
	// guess is the person for whom syncer made that contact, if it did so on the word of a default area code only.
	guess state.PersonID
	also  []string
}

// choose looks for the contact of a person who has none yet among those that bear their number.
func (j *job) choose(tx state.Tx, bearers []state.Mirrored) (m match) {
	id, _ := j.desired.Identity()
	slices.SortStableFunc(bearers, func(a, b state.Mirrored) int { return preference(&a.Observed, &b.Observed) })
	for i := range bearers {
		b := &bearers[i]
		switch {
		case b.Person != 0 && b.Person != j.key.Person && alive(tx, b.Person):
			if m.taken == "" {
				m.taken = b.ID
				if !j.desired.Phone.AreaAssumed && guessed(tx, id, state.LinkKey{Target: j.key.Target, Person: b.Person}) {
					m.guess = b.Person
				}
			}
		case m.found == nil:
			m.found = b
			if b.Person != j.key.Person {
				m.from = b.Person
			}
		default:
			m.also = append(m.also, b.ID)
		}
	}
	return m
}

// guessed reports whether syncer made a person's contact under a number that all their records leave incomplete.
func guessed(tx state.Tx, id contact.Identity, k state.LinkKey) bool {
	l, _ := state.Links.Get(tx, k)
	list, _ := state.Claims.Get(tx, id)
	mine := 0
	for _, c := range list {
		if c.Person == k.Person {
			if mine++; !c.Assumed {
				return false
			}
		}
	}
	return l.Created && mine > 0
}

// preference orders several contacts of one person: the active one first, then who was seen last, then who
// has a whatsapp address, then the oldest.
func preference(a, b *contact.Observed) int {
	inactive := func(o *contact.Observed) bool { return o.Status != contact.Active }
	whatsapp := func(o *contact.Observed) bool {
		return !slices.ContainsFunc(o.URNs, func(u contact.URN) bool { return u.Scheme() == contact.SchemeWhatsApp })
	}
	return cmp.Or(
		compareBool(inactive(a), inactive(b)),
		b.LastSeen.Compare(a.LastSeen),
		compareBool(whatsapp(a), whatsapp(b)),
		a.Created.Compare(b.Created),
		cmp.Compare(a.ID, b.ID))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// alive reports whether any record still stands for a person.
func alive(tx state.Tx, p state.PersonID) bool {
	who, ok := state.Persons.Get(tx, p)
	if !ok {
		return false
	}
	for _, k := range who.Records {
		rec, ok := state.Records.Get(tx, k)
		if ok && !rec.Deleted && slices.ContainsFunc(rec.Parts, func(part state.RecordPart) bool {
			return part.Person == p && part.Identity != ""
		}) {
			return true
		}
	}
	return false
}
