package rapidpro

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// The engine applies all changes of contacts, but for deletions. It keeps the definitions of fields
// and groups for five seconds after it has read them, so that what is younger does not exist for it.

const assetsLifetime = 5 * time.Second

// assets is what the engine knows of the workspace.
type assets struct {
	read   time.Time
	fields []*field
	groups []*group
}

var (
	// errEngine is any trouble with the engine that the web application does not expect; it answers 500.
	errEngine = errors.New("engine failure")
	errTaken  = engineError("URNs in use by other contacts")
)

// engineError is a refusal of a create, which Weni answers with 400 and this text.
type engineError string

func (e engineError) Error() string { return string(e) }

// takenError is a refusal of a create by the engine of RapidPro, which says which URN it is about.
type takenError int

func (takenError) Error() string { return "URN is in use by another contact." }

// callEngine is the beginning of every use of the engine.
func (s *Server) callEngine() (*assets, error) {
	if s.set.EngineDown {
		return nil, errEngine
	}
	if now := s.Control.Now(); s.assets.read.IsZero() || now.Sub(s.assets.read) > assetsLifetime {
		s.assets = *s.fresh()
		s.assets.read = now
	}
	return &s.assets, nil
}

// fresh is what an engine knows that has just read everything.
func (s *Server) fresh() *assets { return &assets{fields: s.primary.fields, groups: s.primary.groups} }

func (a *assets) field(key string) *field {
	for _, f := range a.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

func (a *assets) group(uuid string) *group {
	for _, g := range a.groups {
		if g.uuid == uuid {
			return g
		}
	}
	return nil
}

// modifier is one change that the engine is asked to make.
type modifier interface{ modifier() }

type (
	setName     string
	setLanguage string
	setURNs     []urn
	setField    struct{ key, value string }
	setStatus   status
	setGroups   struct {
		add   bool
		uuids []string
	}
)

func (setName) modifier()     {}
func (setLanguage) modifier() {}
func (setURNs) modifier()     {}
func (setField) modifier()    {}
func (setStatus) modifier()   {}
func (setGroups) modifier()   {}

// contactChange is one contact on its way through the modifiers.
type contactChange struct {
	old, new *contact
	changed  bool
	urns     []urn // the new list, when urnsSet
	urnsSet  bool
}

// create inserts a contact and then, in a transaction of its own, sets fields and groups. Nothing is
// left behind when it fails.
func (s *Server) create(name, language string, urns []urn, fields []setField, groups []string) (*contact, error) {
	a, err := s.callEngine()
	if err != nil {
		return nil, err
	}
	return s.createWith(a, name, language, urns, fields, groups)
}

func (s *Server) createWith(a *assets, name, language string, urns []urn, fields []setField, groups []string) (*contact, error) {
	var mods []modifier
	for _, f := range fields {
		if a.field(f.key) == nil {
			return nil, engineError("unknown contact field '" + f.key + "'")
		}
		if f.value != "" {
			mods = append(mods, f)
		}
	}
	for _, uuid := range groups {
		if a.group(uuid) == nil {
			return nil, engineError("unknown contact group '" + uuid + "'")
		}
	}
	if len(groups) > 0 {
		mods = append(mods, setGroups{true, groups})
	}
	if err := s.checkInsert(urns); err != nil {
		return nil, err
	}
	now := s.transaction()
	c := &contact{
		id: s.newID(), uuid: s.newUUID(), name: truncate(name, 128), language: strings.ToLower(language), status: active,
		created: now, modified: now,
	}
	rows := make([]*urnRow, len(urns))
	for i, u := range urns {
		row := &urnRow{urn: urn{scheme: u.scheme, path: u.path, display: u.display}, owner: c.id}
		if orphan := s.primary.urns[u.identity()]; orphan != nil {
			row.display = orphan.display
		}
		rows[i] = row
	}
	c.urns = rows
	s.reevaluate(a, c)
	s.commit(func(st *store) {
		for _, row := range rows {
			st.putURN(row)
		}
		st.put(c)
	})
	s.scheduleFor(now, nil, c, a)
	if len(mods) > 0 {
		if err := s.modifyWith(a, []*contact{c}, mods); err != nil {
			return nil, err
		}
	}
	return s.primary.contacts[c.id], nil
}

// checkInsert is everything that can be said against the URNs of a new contact.
func (s *Server) checkInsert(urns []urn) error {
	for i, u := range urns {
		taken := s.primary.owner(u.identity()) != nil
		if twin, ok := ninthDigit(u, true); ok && !taken && s.set.NinthDigit {
			taken = s.primary.owner(twin.identity()) != nil
		}
		if taken && s.flavour.weni {
			return errTaken
		} else if taken {
			return takenError(i)
		}
	}
	for _, u := range urns {
		if problem := s.flavour.engineRefusal(u); problem != "" {
			return engineError("can't insert invalid URN '" + u.String() + "': " + problem)
		}
	}
	seen := map[string]bool{}
	for i, u := range urns {
		if s.primary.urns[u.identity()] == nil || seen[u.identity()] { // else an orphan to attach
			if problem := tableRefusal(u); problem != "" {
				return engineError(problem)
			}
		}
		if seen[u.identity()] {
			if s.flavour.weni {
				return errTaken
			}
			return takenError(i)
		}
		seen[u.identity()] = true
	}
	return nil
}

// modify applies modifiers to contacts, all in one transaction or not at all.
func (s *Server) modify(contacts []*contact, mods []modifier) error {
	a, err := s.callEngine()
	if err != nil {
		return err
	}
	return s.modifyWith(a, contacts, mods)
}

func (s *Server) modifyWith(a *assets, contacts []*contact, mods []modifier) error {
	mods, err := readable(a, mods)
	if err != nil {
		return err
	}
	now := s.transaction()
	env := s.environment()
	rows := map[int64]*contact{} // new versions
	latest := func(c *contact) *contact {
		if n := rows[c.id]; n != nil {
			return n
		}
		return c
	}
	var urnRows []*urnRow
	for _, c := range contacts {
		if c = s.primary.contacts[c.id]; c == nil || c.deleted || rows[c.id] != nil {
			continue // gone meanwhile, or named twice
		}
		ch := &contactChange{old: c, new: c.clone()}
		for _, m := range mods {
			s.apply(ch, m, a, env)
		}
		if ch.urnsSet {
			attached, lost, err := s.attach(ch)
			if err != nil {
				return err
			}
			urnRows = append(urnRows, attached...)
			for _, l := range lost {
				owner := latest(s.primary.contacts[l.owner]).clone()
				owner.urns = slices.DeleteFunc(slices.Clone(owner.urns), func(r *urnRow) bool { return r.identity() == l.identity() })
				owner.modified = now
				rows[owner.id] = owner
			}
		} else {
			ch.new.urns = c.urns // a list that was dropped is still seen by the modifiers after it
		}
		if ch.changed {
			ch.new.modified = now
			rows[c.id] = ch.new
		}
	}
	if len(rows) == 0 {
		return nil
	}
	list := make([]*contact, 0, len(rows))
	old := make(map[int64]*contact, len(rows))
	for id, c := range rows {
		list, old[id] = append(list, c), s.primary.contacts[id]
	}
	s.commit(func(st *store) {
		for _, row := range urnRows {
			st.putURN(row)
		}
		st.put(list...)
	})
	for _, c := range list {
		s.scheduleFor(now, old[c.id], c, a)
	}
	return nil
}

// readable drops what the engine does not know. A modifier of which nothing is left is an error, but
// one that still adds the contact to another group is not.
func readable(a *assets, mods []modifier) ([]modifier, error) {
	out := make([]modifier, 0, len(mods))
	for _, m := range mods {
		switch m := m.(type) {
		case setField:
			if a.field(m.key) == nil {
				return nil, errEngine
			}
		case setGroups:
			known := slices.DeleteFunc(slices.Clone(m.uuids), func(uuid string) bool { return a.group(uuid) == nil })
			if len(known) == 0 {
				return nil, errEngine
			}
			out = append(out, setGroups{m.add, known})
			continue
		}
		out = append(out, m)
	}
	return out, nil
}

func (s *Server) apply(ch *contactChange, m modifier, a *assets, env environment) {
	c := ch.new
	changed := false
	switch m := m.(type) {
	case setName:
		name := truncate(string(m), 128)
		changed, c.name = c.name != name, name
	case setLanguage:
		changed, c.language = c.language != string(m), string(m)
	case setField:
		changed = c.setValue(a.field(m.key), m.value, env)
	case setStatus:
		changed, c.status = c.status != status(m), status(m)
	case setURNs:
		changed = s.replaceURNs(ch, m)
	case setGroups:
		if c.status == blocked || c.status == stopped {
			return
		}
		for _, uuid := range m.uuids {
			g := a.group(uuid)
			if g.query != nil || c.inGroup(g.id) == m.add || s.primary.groupByID(g.id) == nil {
				continue
			}
			changed = true
			if m.add {
				c.groups = append(slices.Clip(c.groups), g.id)
			} else {
				c.groups = without(c.groups, g.id)
			}
		}
		ch.changed = ch.changed || changed
		return
	}
	if changed {
		ch.changed = true
		s.reevaluate(a, c)
	}
}

func without(ids []int64, id int64) []int64 {
	return slices.DeleteFunc(slices.Clone(ids), func(other int64) bool { return other == id })
}

// setValue sets or clears a field. A date without a time has another time of day at every write, so it
// always counts as a change; so does one with more decimals than are kept.
func (c *contact) setValue(f *field, text string, env environment) bool {
	old, had := c.values[f.id]
	if text == "" {
		if !had {
			return false
		}
	} else if v := parseValue(text, env); had && v.equal(old) {
		return false
	} else {
		values := make(map[int64]value, len(c.values)+1)
		maps.Copy(values, c.values)
		v.datetime = v.datetime.Truncate(time.Microsecond)
		values[f.id] = v
		c.values = values
		return true
	}
	values := make(map[int64]value, len(c.values))
	for id, other := range c.values {
		if id != f.id {
			values[id] = other
		}
	}
	c.values = values
	return true
}

// replaceURNs clears the list and adds one URN after the other. Whether the list counts as changed is
// decided by the last one alone: when it repeats an earlier one, the whole change is dropped.
func (s *Server) replaceURNs(ch *contactChange, list setURNs) bool {
	changed := len(ch.new.urns) > 0
	ch.urns = nil
	var rows []*urnRow
	for _, u := range list {
		if s.flavour.engineRefusal(u) != "" {
			continue // thrown away without a word
		}
		if owner := s.primary.owner(u.identity()); s.flavour.keepTaken && owner != nil && owner.id != ch.new.id {
			continue
		}
		repeated := slices.ContainsFunc(ch.urns, func(other urn) bool { return other.identity() == u.identity() })
		if repeated && !s.flavour.weni {
			continue
		}
		changed = !repeated
		if changed {
			ch.urns = append(ch.urns, u)
			rows = append(rows, &urnRow{urn: u, owner: ch.new.id})
		}
	}
	ch.new.urns = rows
	ch.urnsSet = ch.urnsSet || changed
	return changed
}

// attach makes the rows for a contact's new list of URNs. Rows that exist are taken over, from whoever
// has them, with their display part.
func (s *Server) attach(ch *contactChange) (rows []*urnRow, lost []*urnRow, err error) {
	c := ch.new
	c.urns = nil
	kept := map[string]bool{}
	for _, u := range ch.urns {
		row := &urnRow{urn: urn{scheme: u.scheme, path: u.path, display: u.display}, owner: c.id}
		if old := s.primary.urns[u.identity()]; old != nil {
			row.display = old.display
			if old.owner != 0 && old.owner != c.id {
				lost = append(lost, old)
			}
		} else if tableRefusal(u) != "" {
			return nil, nil, errEngine
		}
		kept[u.identity()] = true
		rows = append(rows, row)
		c.urns = append(c.urns, row)
	}
	for _, old := range ch.old.urns {
		if !kept[old.identity()] {
			detached := *old
			detached.owner = 0
			rows = append(rows, &detached)
		}
	}
	return rows, lost, nil
}

// reevaluate puts a contact into the smart groups that it belongs to and takes it out of the others.
// One that is not active belongs to no group at all.
func (s *Server) reevaluate(a *assets, c *contact) (changed bool) {
	if c.status != active {
		changed = len(c.groups) > 0
		c.groups = nil
		return changed
	}
	subject := subject{contact: c, fields: a.fields, groups: a.groups, env: s.environment()}
	for _, g := range a.groups {
		if g.query == nil || s.primary.groupByID(g.id) == nil {
			continue
		}
		switch in := c.inGroup(g.id); {
		case in == g.query.matches(subject):
		case in:
			c.groups, changed = without(c.groups, g.id), true
		default:
			c.groups, changed = append(slices.Clip(c.groups), g.id), true
		}
	}
	return changed
}

// release deletes a contact. This is done by the web application itself, so it works without the
// engine, and again on a contact that is deleted already.
func (s *Server) release(c *contact) {
	now := s.transaction()
	n := &contact{id: c.id, uuid: c.uuid, status: c.status, language: c.language, deleted: true, created: c.created, modified: now, lastSeen: c.lastSeen}
	s.commit(func(st *store) {
		for _, row := range c.urns {
			st.dropURN(row)
		}
		st.put(n)
	})
	s.fires.drop(func(k fireKey) bool { return k.contact == c.id })
}
