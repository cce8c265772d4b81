package contact

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Base is what syncer last settled for a person at a target: the common ancestor of later comparisons.
type Base struct {
	// Attrs holds, for name, language and fields.*, the source's value when the attribute was last settled.
	Attrs map[string]string `json:"attrs,omitempty"`
	// Labels are the names of labels that syncer gave.
	Labels []string `json:"labels,omitempty"`
	// URNs are the addresses that syncer added.
	URNs []URN `json:"urns,omitempty"`
}

// Rules are what a diff must know about a target besides the contact.
type Rules struct {
	Can     Capabilities
	Catalog *Catalog
	// Schemes are the kinds of address that are written, in order of preference.
	Schemes []string
	// ShortMobiles writes Brazilian mobiles without the ninth digit when a contact is created.
	ShortMobiles bool
	OptOutLabel  string
	OptOutField  string
	OptOutBlock  bool
}

// Link is what a diff must know about how a person and a contact came together.
type Link struct {
	Created bool // syncer created the contact
	Base    Base
	// Left maps an attribute to the value that the target keeps changing back: it is not written again until
	// the source's value differs.
	Left map[string]string
}

// Step is one attribute of a change, for people.
type Step struct {
	Attr string `json:"attr"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	// Kept says why a difference is left alone; such a step changes nothing.
	Kept string `json:"kept,omitempty"`
}

// Change is the smallest set of operations that takes a contact from what it is to what is desired.
type Change struct {
	Create   bool              `json:"create,omitempty"`
	Name     *string           `json:"name,omitempty"`     // "" clears
	Language *string           `json:"language,omitempty"` // "" clears
	Fields   map[string]string `json:"fields,omitempty"`   // "" clears
	// AddURNs go first in the list, in this order; DropURNs are addresses that syncer added and no record
	// claims any more.
	AddURNs      []URN    `json:"add_urns,omitempty"`
	DropURNs     []URN    `json:"drop_urns,omitempty"`
	AddLabels    []string `json:"add_labels,omitempty"`    // names
	RemoveLabels []string `json:"remove_labels,omitempty"` // names
	Block        bool     `json:"block,omitempty"`
	Delete       bool     `json:"delete,omitempty"`
	Steps        []Step   `json:"steps,omitempty"`
}

// Empty reports whether there is nothing to do.
func (c *Change) Empty() bool {
	return !c.Create && !c.Writes() && !c.Relabels() && !c.Block && !c.Delete
}

// Writes reports whether the contact itself is written: its name, language, fields or addresses.
func (c *Change) Writes() bool {
	return c.Name != nil || c.Language != nil || len(c.Fields) > 0 || len(c.AddURNs) > 0
}

// Relabels reports whether labels are given or taken.
func (c *Change) Relabels() bool { return len(c.AddLabels)+len(c.RemoveLabels) > 0 }

// Counts weighs a change for the guards, kind by kind.
type Counts struct {
	Creates  int `json:"creates,omitempty"`
	Changes  int `json:"changes,omitempty"`
	Clears   int `json:"clears,omitempty"`
	Unlabels int `json:"unlabels,omitempty"`
	Deletes  int `json:"deletes,omitempty"` // blocks too
}

// Counts returns 0 or 1 of each kind: guards count people, not attributes.
func (c *Change) Counts() Counts {
	var n Counts
	clears, sets := false, len(c.AddURNs) > 0 || len(c.AddLabels) > 0
	for _, v := range []*string{c.Name, c.Language} {
		if v != nil {
			clears, sets = clears || *v == "", sets || *v != ""
		}
	}
	for _, v := range c.Fields {
		clears, sets = clears || v == "", sets || v != ""
	}
	n.Creates, n.Deletes = one(c.Create), one(c.Delete || c.Block)
	n.Changes, n.Clears = one(!c.Create && sets), one(!c.Create && clears)
	n.Unlabels = one(len(c.RemoveLabels) > 0 && !c.Delete)
	return n
}

// Add sums two counts.
func (n Counts) Add(o Counts) Counts {
	return Counts{n.Creates + o.Creates, n.Changes + o.Changes, n.Clears + o.Clears, n.Unlabels + o.Unlabels, n.Deletes + o.Deletes}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Reasons why a difference is kept, as they stand in Step.Kept.
const (
	KeptBlank     = "the source is blank"
	KeptFilled    = "the target already has a value"
	KeptEdit      = "it was edited at the target and the source has not changed since"
	KeptSettling  = "the target keeps changing it back"
	KeptStatus    = "the contact is blocked, stopped or archived"
	KeptOptOut    = "the person refused messages"
	KeptSmart     = "the target computes this label itself"
	KeptAdopted   = "syncer did not create this contact"
	KeptMode      = "the mapping only creates contacts"
	KeptUpdate    = "the mapping only updates contacts"
	KeptCannot    = "the target cannot do this"
	KeptUndone    = "it was taken back at the target, or undone; it is left until the source says something else"
	KeptNoAddress = "no number identifies the person"
)

// Diff compares what is desired with what is observed; observed is nil when the person has no contact yet.
func Diff(d *Desired, optedOut bool, observed *Observed, link Link, rules *Rules) Change {
	b := differ{d: d, optedOut: optedOut, link: link, rules: rules}
	if observed == nil {
		b.seen = &Observed{Status: Active}
		b.create()
	} else {
		b.seen = observed
		b.update()
	}
	return b.c
}

type differ struct {
	d        *Desired
	optedOut bool
	seen     *Observed
	link     Link
	rules    *Rules
	c        Change
}

func (b *differ) create() {
	switch {
	case b.d.Leaving:
		return
	case b.d.Policy.Mode == UpdateOnly:
		b.kept("contact", KeptUpdate)
		return
	case !b.rules.Can.Create:
		b.kept("contact", KeptCannot)
		return
	}
	urns := b.addresses()
	if len(urns) == 0 {
		b.kept("contact", KeptNoAddress)
		return
	}
	b.c.Create, b.c.AddURNs = true, urns
	b.step("contact", "", string(urns[0]))
	b.attributes()
	b.labels()
	b.consent()
}

func (b *differ) update() {
	if b.d.Leaving {
		b.leave()
		return
	}
	if b.d.Policy.Mode == CreateOnly {
		b.kept("contact", KeptMode)
	} else {
		b.attributes()
		b.urns()
		b.labels()
	}
	b.consent()
}

func (b *differ) leave() {
	b.labels()
	if b.optedOut {
		b.consent() // nothing is taken back here: without records nobody knows what the person last said
	}
	switch {
	case b.d.Leave == LeaveBlock && !b.rules.Can.Block:
		b.kept("contact", KeptCannot)
	case b.d.Leave == LeaveBlock && b.seen.Status == Active && !b.c.Block:
		b.c.Block = true
		b.step("contact", string(b.seen.Status), string(Blocked))
	case b.d.Leave == LeaveDelete && !b.rules.Can.Delete:
		b.kept("contact", KeptCannot)
	case b.d.Leave == LeaveDelete && (b.link.Created || b.d.Policy.DeleteAdopted):
		// A deleted contact needs no other operation.
		b.c = Change{Delete: true, Steps: []Step{{Attr: "contact", Old: b.seen.ID}}}
	case b.d.Leave == LeaveDelete:
		b.kept("contact", KeptAdopted)
	}
}

func (b *differ) attributes() {
	if v, ok := b.value("name", b.d.Name, b.seen.Name, TextField); ok {
		b.c.Name = &v
	}
	if b.rules.Can.Language {
		if v, ok := b.value("language", b.d.Language, b.seen.Language, TextField); ok {
			b.c.Language = &v
		}
	}
	if !b.rules.Can.Fields {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(b.d.Fields)) {
		f := b.d.Fields[key]
		if key == b.rules.OptOutField {
			continue // see consent: two writers of one field would take turns for ever
		}
		t := f.Type
		if defined, ok := b.rules.Catalog.Fields[key]; ok {
			t = defined // the target's type decides how the text reads back
		}
		if v, ok := b.value("fields."+key, f.Attr, b.seen.Fields[key], t); ok {
			b.setField(key, v)
		}
	}
}

func (b *differ) setField(key, v string) {
	if b.c.Fields == nil {
		b.c.Fields = map[string]string{}
	}
	b.c.Fields[key] = v
}

// value decides one attribute; ok says that it must be written, as v.
func (b *differ) value(attr string, a Attr, seen string, t FieldType) (v string, ok bool) {
	if a.State == Blank {
		a.Value = ""
	}
	switch {
	case a.State == Absent:
		return "", false
	case a.Value == "" && seen != "" && a.Blank != BlankClear:
		b.keptStep(attr, seen, "", KeptBlank)
		return "", false
	case SameValue(t, a.Value, seen):
		return "", false
	}
	base, settled := b.link.Base.Attrs[attr]
	left, isLeft := b.link.Left[attr]
	why := ""
	switch {
	case b.c.Create:
	case isLeft && SameValue(t, left, a.Value):
		why = KeptSettling
	case seen == "":
		if !b.rules.Can.Update {
			why = KeptCannot
		}
		if a.Write == KeepEdits && settled && SameValue(t, base, a.Value) {
			why = KeptEdit // somebody emptied it on purpose
		}
	case !b.rules.Can.Update:
		why = KeptCannot
	case a.Write == IfEmpty:
		why = KeptFilled
	case a.Write == KeepEdits && (!settled || SameValue(t, base, a.Value)):
		why = KeptEdit
	}
	if why != "" {
		b.keptStep(attr, seen, a.Value, why)
		return "", false
	}
	b.step(attr, seen, a.Value)
	return a.Value, true
}

// urns adds the addresses that are missing. An address whose number is there in another form is not missing.
func (b *differ) urns() {
	if !b.rules.Can.Update {
		return
	}
	for _, u := range b.addresses() {
		if u.Scheme() == SchemeExt || b.hasAddress(u) {
			continue // ext: addresses are given at creation only
		}
		b.c.AddURNs = append(b.c.AddURNs, u)
		b.step("urns", "", string(u))
	}
	if len(b.c.AddURNs) == 0 {
		return
	}
	for _, u := range b.seen.URNs {
		if slices.Contains(b.link.Base.URNs, u.Bare()) && !b.claimed(u) {
			b.c.DropURNs = append(b.c.DropURNs, u)
			b.step("urns", string(u), "")
		}
	}
}

func (b *differ) hasAddress(want URN) bool {
	return slices.ContainsFunc(b.seen.URNs, func(u URN) bool {
		return u.Scheme() == want.Scheme() && u.Identity() == want.Identity()
	})
}

// claimed reports whether a live record still gives the address.
func (b *differ) claimed(u URN) bool {
	id := u.Identity()
	if slices.Contains(b.d.Numbers, id) {
		return true
	}
	return u.Scheme() == SchemeMailto && slices.ContainsFunc(b.d.Emails, func(e string) bool {
		return strings.EqualFold(strings.TrimSpace(e), u.Path())
	})
}

// addresses are the URNs the person should have, in the order of the target's schemes.
func (b *differ) addresses() []URN {
	var urns []URN
	for _, scheme := range b.rules.Schemes {
		switch scheme {
		case SchemeWhatsApp, SchemeTel:
			if b.d.Phone == nil {
				continue
			}
			number := b.d.Phone.Digits
			if short := otherForm(number); b.rules.ShortMobiles && scheme == SchemeWhatsApp && short != "" && strings.HasPrefix(number, "55") {
				number = short
			}
			if scheme == SchemeTel {
				number = "+" + number
			}
			urns = append(urns, URN(scheme+":"+number))
		case SchemeMailto:
			if len(b.d.Emails) > 0 {
				if u, err := NewURN(SchemeMailto, b.d.Emails[0]); err == nil {
					urns = append(urns, u)
				}
			}
		case SchemeExt:
			if len(b.d.Keys) > 0 {
				k := b.d.Keys[0]
				if u, err := NewURN(SchemeExt, k.Source+"-"+k.ID); err == nil {
					urns = append(urns, u)
				}
			}
		}
	}
	return urns
}

func (b *differ) labels() {
	if !b.rules.Can.Labels {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(b.d.Labels)) {
		if FoldName(name) == FoldName(b.rules.OptOutLabel) {
			continue // see consent
		}
		wanted := b.d.Labels[name]
		label, known := b.rules.Catalog.Label(name)
		member := known && slices.Contains(b.seen.Labels, label.ID)
		switch {
		case wanted == member:
		case b.link.Left["labels."+name] == strconv.FormatBool(wanted):
			b.kept("labels."+name, KeptUndone)
		case known && label.Smart:
			b.kept("labels."+name, KeptSmart)
		case !wanted:
			b.unlabel(name)
		case b.d.Leaving:
			// Whoever leaves may keep a label and gets none.
		case b.optedOut:
			b.kept("labels."+name, KeptOptOut)
		case b.seen.Status != Active:
			b.kept("labels."+name, KeptStatus)
		default:
			b.label(name)
		}
	}
}

func (b *differ) label(name string) {
	b.c.AddLabels = append(b.c.AddLabels, name)
	b.step("labels."+name, "", name)
}

func (b *differ) unlabel(name string) {
	b.c.RemoveLabels = append(b.c.RemoveLabels, name)
	b.step("labels."+name, name, "")
}

// consent writes what the target's opt_out says, and takes back only what syncer itself wrote for it.
func (b *differ) consent() {
	if name := b.rules.OptOutLabel; name != "" && b.rules.Can.Labels {
		label, known := b.rules.Catalog.Label(name)
		member := known && slices.Contains(b.seen.Labels, label.ID)
		switch {
		case known && label.Smart:
			if b.optedOut != member {
				b.kept("labels."+name, KeptSmart)
			}
		case b.optedOut && !member && b.seen.Status == Active:
			b.label(name)
		case !b.optedOut && member && slices.Contains(b.link.Base.Labels, name):
			b.unlabel(name)
		}
	}
	if key := b.rules.OptOutField; key != "" && b.rules.Can.Fields && (b.rules.Can.Update || b.c.Create) {
		attr := "fields." + key
		switch {
		case b.optedOut && b.seen.Fields[key] != OptedOutValue && b.link.Left[attr] == OptedOutValue:
			b.keptStep(attr, b.seen.Fields[key], OptedOutValue, KeptSettling)
		case b.optedOut && b.seen.Fields[key] != OptedOutValue:
			b.setField(key, OptedOutValue)
			b.step(attr, b.seen.Fields[key], OptedOutValue)
		case !b.optedOut && b.seen.Fields[key] == OptedOutValue && b.link.Base.Attrs[attr] == OptedOutValue:
			b.setField(key, "")
			b.step(attr, OptedOutValue, "")
		}
	}
	if b.rules.OptOutBlock && b.optedOut && b.rules.Can.Block && b.seen.Status == Active && !b.c.Block {
		b.c.Block = true
		b.step("contact", string(Active), string(Blocked))
	}
}

// OptedOutValue is what an opt-out writes into the field that a target names for it.
const OptedOutValue = "sim"

func (b *differ) step(attr, old, new string) { b.c.Steps = append(b.c.Steps, Step{attr, old, new, ""}) }
func (b *differ) kept(attr, why string)      { b.keptStep(attr, "", "", why) }
func (b *differ) keptStep(attr, old, new, why string) {
	b.c.Steps = append(b.c.Steps, Step{attr, old, new, why})
}

// Settle returns the base after a change was carried out or found unnecessary: what the source says now
// becomes the ancestor of the next comparison.
func Settle(d *Desired, c *Change, base Base, rules *Rules, optedOut bool) Base {
	next := Base{Attrs: map[string]string{}, Labels: slices.Clone(base.Labels), URNs: slices.Clone(base.URNs)}
	maps.Copy(next.Attrs, base.Attrs)
	note := func(attr string, a Attr) {
		if a.State != Absent {
			next.Attrs[attr] = a.Value
		}
	}
	note("name", d.Name)
	note("language", d.Language)
	for key, f := range d.Fields {
		note("fields."+key, f.Attr)
	}
	if key := rules.OptOutField; key != "" {
		// Only what syncer wrote itself is noted, and only while the person is opted out: what stands there
		// afterwards is somebody else's.
		attr := "fields." + key
		delete(next.Attrs, attr)
		if (optedOut || d.Leaving) && (c.Fields[key] == OptedOutValue || base.Attrs[attr] == OptedOutValue) {
			next.Attrs[attr] = OptedOutValue
		}
	}
	for _, name := range c.AddLabels {
		if !slices.Contains(next.Labels, name) {
			next.Labels = append(next.Labels, name)
		}
	}
	next.Labels = slices.DeleteFunc(next.Labels, func(n string) bool {
		return slices.Contains(c.RemoveLabels, n) || n == rules.OptOutLabel && !optedOut && !d.Leaving // see leave: nothing of it was taken back
	})
	for _, u := range c.AddURNs {
		if !slices.Contains(next.URNs, u) {
			next.URNs = append(next.URNs, u)
		}
	}
	next.URNs = slices.DeleteFunc(next.URNs, func(u URN) bool {
		return slices.ContainsFunc(c.DropURNs, func(d URN) bool { return d.Bare() == u.Bare() })
	})
	return next
}
