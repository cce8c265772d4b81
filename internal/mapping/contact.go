package mapping

import (
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
)

// compiled is one mapping, ready to run.
type compiled struct {
	info      MappingInfo
	rank      int
	policy    contact.Policy
	rules     contact.PhoneRules
	zone      *time.Location
	language  string
	usesToday bool

	when, each, optOut *program
	phones, emails     []*program
	all                attributes
	only               map[string]attributes
	retired            []string
}

// attributes are what a mapping says for all targets, or for one.
type attributes struct {
	name, language *attr
	labels         []labelRule
	fields         []*attr
}

// attr is one attribute: a literal, which was checked when the file was loaded, or a program.
type attr struct {
	path    string // "fields.cidade", for messages
	key     string // of a field
	literal string
	fixed   string // the literal in the form that targets take
	program *program
	where   string
	typ     contact.FieldType
	typed   bool // the type was said
	write   contact.WritePolicy
	blank   contact.BlankPolicy
	check   func(a *attr, v any, zone *time.Location) (string, message)
}

// labelRule is one label with its condition, or a pick of one among several.
type labelRule struct {
	label string
	when  *program // nil: everybody
	pick  *program
	from  map[string]string // value, in small letters -> label, or nothing
	among []string          // the closed set
	path  string
	where string
}

// programs are all expressions of the mapping.
func (m *compiled) programs() (all []*program) {
	all = append(all, m.when, m.each, m.optOut)
	all = append(append(all, m.phones...), m.emails...)
	parts := []attributes{m.all}
	for _, as := range m.only {
		parts = append(parts, as)
	}
	for _, as := range parts {
		for _, a := range append([]*attr{as.name, as.language}, as.fields...) {
			if a != nil {
				all = append(all, a.program)
			}
		}
		for _, r := range as.labels {
			all = append(all, r.when, r.pick)
		}
	}
	return slices.DeleteFunc(all, func(p *program) bool { return p == nil })
}

// Map turns a record into the contacts that the mappings of its source make of it: one for each mapping, or
// several where it has each:. A contact that is Leaving says that the record does not stand for it (any
// more); a Fatal one, that nothing may be written from it. Map never panics and may be called concurrently.
func (p *Plan) Map(source string, record map[string]any, now time.Time) []contact.Contact {
	fr := frames.Get().(*frame)
	defer func() {
		*fr = frame{vars: fr.vars[:0], stack: fr.stack[:0]}
		clear(fr.vars[:cap(fr.vars)])
		clear(fr.stack[:cap(fr.stack)])
		frames.Put(fr)
	}()
	fr.record, fr.source, fr.zone = record, source, p.Location
	fr.today = dayOf(now, p.Location)
	var contacts []contact.Contact
	for _, m := range p.compiled {
		if m.info.From != source {
			continue
		}
		fr.rules, fr.item = m.rules, nil
		if m.each == nil {
			contacts = append(contacts, m.contact(fr, ""))
		} else {
			contacts = append(contacts, m.people(fr)...)
		}
	}
	return contacts
}

// Leave returns what a deleted record contributes: for every mapping of its source a contact that is Leaving
// and Removed, without the mapping's labels unless it keeps them.
func (p *Plan) Leave(source string) []contact.Contact {
	var contacts []contact.Contact
	for _, m := range p.compiled {
		if m.info.From == source {
			c := m.blank("")
			m.leave(&c, m.policy.OnDelete)
			c.Removed = true
			contacts = append(contacts, c)
		}
	}
	return contacts
}

func (m *compiled) blank(part string) contact.Contact {
	return contact.Contact{Mapping: m.info.Name, Rank: m.rank, Part: part, Targets: slices.Clip(m.info.To), Policy: m.policy}
}

// leave takes the mapping's labels away, unless its policy keeps them.
func (m *compiled) leave(c *contact.Contact, how contact.Leave) {
	c.Leaving = true
	if how == contact.LeaveKeep {
		return
	}
	c.Labels = map[string]bool{}
	for _, label := range append(labelNames(m.all.labels), m.retired...) {
		c.Labels[label] = false
	}
	for target, as := range m.only {
		if len(as.labels) == 0 {
			continue
		}
		away := map[string]bool{}
		for _, label := range labelNames(as.labels) {
			away[label] = false
		}
		if c.Only == nil {
			c.Only = map[string]contact.Attributes{}
		}
		c.Only[target] = contact.Attributes{Labels: away}
	}
}

// contact runs the mapping once.
func (m *compiled) contact(fr *frame, part string) contact.Contact {
	c := m.blank(part)
	if m.when != nil && !m.matches(fr, &c) && c.Fatal() {
		return c
	}
	m.consent(fr, &c)
	m.readPhones(fr, &c)
	m.readEmails(fr, &c)
	if c.Leaving {
		return c
	}
	c.Attributes = m.read(fr, m.all, &c)
	for _, label := range m.retired {
		if c.Labels == nil {
			c.Labels = map[string]bool{}
		}
		c.Labels[label] = false
	}
	for target, as := range m.only {
		if c.Only == nil {
			c.Only = make(map[string]contact.Attributes, len(m.only))
		}
		c.Only[target] = m.read(fr, as, &c)
	}
	return c
}

// matches asks when. What cannot be known leaves everything as it is.
func (m *compiled) matches(fr *frame, c *contact.Contact) bool {
	v, f := m.when.eval(fr)
	if f != nil {
		c.Problems = append(c.Problems, m.problem("when", m.when, f, true))
		return false
	}
	if g, absent := v.(*gap); absent {
		c.Problems = append(c.Problems, m.undecided("when", m.when, g.path))
		return false
	}
	if blank(v) {
		c.Problems = append(c.Problems, m.problem("when", m.when, &fault{0, len(m.when.places), words(
			"the condition comes out empty: nothing is changed until it is known", "a condição resulta vazia: nada muda até que se saiba")}, true))
		return false
	}
	is, ok := yes(v)
	if !ok {
		c.Problems = append(c.Problems, m.problem("when", m.when, notYesNo(argument{m.when.text, 0, len(m.when.places)}, v), true))
		return false
	}
	if !is {
		m.leave(c, m.policy.OnUnmatch)
	}
	return is
}

// consent reads opt_out. A word that is neither yes nor no stops the record: it might be a refusal.
func (m *compiled) consent(fr *frame, c *contact.Contact) {
	if m.optOut == nil {
		return
	}
	v, f := m.optOut.eval(fr)
	if f != nil {
		c.Problems = append(c.Problems, m.problem("opt_out", m.optOut, f, true))
		return
	}
	if silent(v) {
		return
	}
	switch is, ok := yes(v); {
	case !ok:
		c.Problems = append(c.Problems, m.problem("opt_out", m.optOut, &fault{0, len(m.optOut.places), words(
			"%s holds a word that is neither yes nor no: nothing is changed until it is known whether the person refuses",
			"%s contém uma palavra que não é sim nem não: nada muda até que se saiba se a pessoa recusa", m.optOut.text)}, true))
	case is:
		c.OptOut = contact.Yes
	default:
		c.OptOut = contact.No
	}
}

// problem puts a fault of a program into the words of the reader.
func (m *compiled) problem(attr string, p *program, f *fault, fatal bool) contact.Problem {
	return contact.Problem{Attr: attr, Where: p.where(f.from, f.to), Message: f.say.in(m.language), Fatal: fatal}
}

func (m *compiled) undecided(attr string, p *program, path string) contact.Problem {
	return m.problem(attr, p, &fault{0, len(p.places), words("%s is absent: nothing is changed until it is known", "%s está ausente: nada muda até que se saiba", path)}, true)
}

// read evaluates attributes. What fails becomes a problem of c and says nothing.
func (m *compiled) read(fr *frame, as attributes, c *contact.Contact) contact.Attributes {
	var out contact.Attributes
	if as.name != nil {
		out.Name, _ = m.attr(fr, as.name, c)
	}
	if as.language != nil {
		out.Language, _ = m.attr(fr, as.language, c)
	}
	if len(as.labels) > 0 {
		out.Labels = make(map[string]bool, len(as.labels))
		for i := range as.labels {
			m.label(fr, &as.labels[i], c, out.Labels)
		}
	}
	if len(as.fields) > 0 {
		out.Fields = make(map[string]contact.Field, len(as.fields))
		for _, a := range as.fields {
			if value, said := m.attr(fr, a, c); said {
				out.Fields[a.key] = contact.Field{Attr: value, Type: a.typ}
			}
		}
	}
	return out
}

// attr evaluates one attribute; said is false when it makes no statement.
func (m *compiled) attr(fr *frame, a *attr, c *contact.Contact) (out contact.Attr, said bool) {
	out = contact.Attr{Write: a.write, Blank: a.blank}
	if a.program == nil {
		out.State, out.Value = contact.Set, a.fixed
		if a.fixed == "" {
			out.State = contact.Blank
		}
		return out, true
	}
	v, f := a.program.eval(fr)
	if f != nil {
		c.Problems = append(c.Problems, m.problem(a.path, a.program, f, false))
		return contact.Attr{}, false
	}
	if _, absent := v.(*gap); absent {
		return contact.Attr{}, false
	}
	if blank(v) {
		out.State = contact.Blank
		return out, true
	}
	text, bad := a.check(a, v, m.zone)
	if !bad.isZero() {
		c.Problems = append(c.Problems, m.problem(a.path, a.program, &fault{0, len(a.program.places), bad}, false))
		return contact.Attr{}, false
	}
	if out.State = contact.Set; text == "" {
		out.State = contact.Blank // a date that databases write when they have none
	}
	out.Value = text
	return out, true
}

// field is what is known of a field without a record.
func (a *attr) field() contact.Field {
	return contact.Field{Attr: contact.Attr{Write: a.write, Blank: a.blank}, Type: a.typ}
}

// label evaluates one rule. Absent says nothing, empty says no.
func (m *compiled) label(fr *frame, r *labelRule, c *contact.Contact, out map[string]bool) {
	switch {
	case r.pick != nil:
		m.pick(fr, r, c, out)
	case r.when == nil:
		out[r.label] = true
	default:
		v, f := r.when.eval(fr)
		if f == nil {
			is, known, ok := condition(v)
			if ok {
				if known {
					out[r.label] = is
				}
				return
			}
			f = notYesNo(argument{r.when.text, 0, len(r.when.places)}, v)
		}
		c.Problems = append(c.Problems, m.problem(r.path, r.when, f, false))
	}
}

// pick chooses one label of a closed set and takes the others away. A value that is not in the set says
// nothing, so that a new stage in the CRM does not strip people of what they have.
func (m *compiled) pick(fr *frame, r *labelRule, c *contact.Contact, out map[string]bool) {
	v, f := r.pick.eval(fr)
	if rows, ok := v.([]any); ok && f == nil {
		switch len(rows) {
		case 0:
			v = nil
		case 1:
			v = plain(rows[0])
		}
	}
	var chosen string
	switch _, absent := v.(*gap); {
	case f != nil:
	case absent:
		return
	case blank(v):
	default:
		text, ok := written(v)
		if !ok {
			f = &fault{0, len(r.pick.places), words("%s is %s, and only one value can choose a label", "%s é %s, e só um valor pode escolher uma etiqueta", r.pick.text, kind(v))}
			break
		}
		var known bool
		if chosen, known = r.from[strings.ToLower(strings.TrimSpace(text))]; !known {
			f = &fault{0, len(r.pick.places), words("%s has a value that is not under from: these labels stay as they are", "%s tem um valor que não está em from: estas etiquetas ficam como estão", r.pick.text)}
		}
	}
	if f != nil {
		c.Problems = append(c.Problems, m.problem(r.path, r.pick, f, false))
		return
	}
	for _, label := range r.among {
		out[label] = label == chosen
	}
}
