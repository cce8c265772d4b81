package contact

import (
	"cmp"
	"maps"
	"slices"
)

// Part is what one record contributes to one person.
type Part struct {
	Key     Key
	Version Version
	Contact Contact
}

// Desired is what all live records of a person together want one target to show.
type Desired struct {
	Attributes
	// Phone is the identity; nil when no record gives a number that can stand for one person.
	Phone *Phone
	// Numbers are the identities of every number that a live record gives, whether it identifies or not.
	Numbers []Identity
	// Emails in order of preference.
	Emails []string
	// Keys are the records that stand for the person, the leading one first.
	Keys []Key
	// Leaving says that no live record stands for the person any more, and Leave what to do then.
	Leaving bool
	Leave   Leave
	Policy  Policy
	// Origins says which record gave an attribute ("name", "fields.cidade", "labels.VIP", "phone").
	Origins map[string]Key
	// Problems of all parts, in order.
	Problems []Problem
	// Blockers are the fatal ones: while there is one, nothing is written for the person.
	Blockers []Problem
}

// Fold joins the parts of a person for one target. Mappings earlier in the file win attribute by attribute;
// within one mapping the record with the newest version does. Labels are the union: a label is wanted if any
// record wants it, and unwanted if some record says so and none wants it. A part that leaves takes its labels
// along but decides about the contact only when no live part is left. ok is false when no part writes to
// the target.
func Fold(target string, parts []Part) (d Desired, ok bool) {
	ordered := slices.DeleteFunc(slices.Clone(parts), func(p Part) bool {
		return !slices.Contains(p.Contact.Targets, target)
	})
	if len(ordered) == 0 {
		return Desired{}, false
	}
	slices.SortStableFunc(ordered, func(a, b Part) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(a.Contact.Rank, b.Contact.Rank),
			cmp.Compare(b.Version.moment(), a.Version.moment()), // newest first, those that say no time last
			cmp.Compare(b.Version.Arrival, a.Version.Arrival),
			a.Key.Compare(b.Key),
			cmp.Compare(a.Contact.Part, b.Contact.Part))
	})
	d = Desired{Policy: ordered[0].Contact.Policy, Leaving: ordered[0].Contact.Leaving, Origins: map[string]Key{}}
	d.Labels, d.Fields = map[string]bool{}, map[string]Field{}
	if d.Leaving {
		d.Leave = d.Policy.OnUnmatch
		if ordered[0].Contact.Removed {
			d.Leave = d.Policy.OnDelete
		}
	}
	for i := range ordered {
		d.add(target, &ordered[i])
	}
	return d, true
}

// rank puts the parts that stay before those that leave.
func rank(p Part) int {
	if p.Contact.Leaving {
		return 1
	}
	return 0
}

func (d *Desired) add(target string, p *Part) {
	c := &p.Contact
	d.Problems = append(d.Problems, c.Problems...)
	for _, problem := range c.Problems {
		if problem.Fatal {
			d.Blockers = append(d.Blockers, problem)
		}
	}
	a := c.For(target)
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		d.label(name, a.Labels[name], p.Key)
	}
	if c.Leaving {
		return
	}
	if !slices.Contains(d.Keys, p.Key) {
		d.Keys = append(d.Keys, p.Key)
	}
	d.prefer("name", &d.Name, a.Name, p.Key)
	d.prefer("language", &d.Language, a.Language, p.Key)
	for key, f := range a.Fields {
		had := d.Fields[key]
		if d.prefer("fields."+key, &had.Attr, f.Attr, p.Key) {
			had.Type = f.Type
			d.Fields[key] = had
		}
	}
	if phone, ok := c.Primary(); ok && d.Phone == nil {
		d.Phone = &phone
		d.Origins["phone"] = p.Key
	}
	for _, n := range c.Phones {
		if id := n.Identity(); !slices.Contains(d.Numbers, id) {
			d.Numbers = append(d.Numbers, id)
		}
	}
	for _, e := range c.Emails {
		if !slices.Contains(d.Emails, e) {
			d.Emails = append(d.Emails, e)
		}
	}
	if _, said := d.Origins["opt_out"]; !said && c.OptOut == Yes {
		d.Origins["opt_out"] = p.Key
	}
}

// label joins one statement about a label to the others. Targets do not tell names apart by case and blanks,
// so two spellings are one label; the first stands.
func (d *Desired) label(name string, wanted bool, key Key) {
	for other := range d.Labels {
		if FoldName(other) == FoldName(name) {
			name = other
		}
	}
	if had, said := d.Labels[name]; !said || wanted && !had {
		d.Labels[name] = wanted
		d.Origins["labels."+name] = key
	}
}

// prefer takes a statement unless an earlier mapping made one; a value beats an earlier blank.
func (d *Desired) prefer(name string, into *Attr, from Attr, key Key) bool {
	if from.State == Absent || into.State == Set || into.State == Blank && from.State == Blank {
		return false
	}
	*into = from
	d.Origins[name] = key
	return true
}

// Identity is the identity of the person for this target; ok is false when there is none.
func (d *Desired) Identity() (Identity, bool) {
	if d.Phone == nil {
		return "", false
	}
	return d.Phone.Identity(), true
}
