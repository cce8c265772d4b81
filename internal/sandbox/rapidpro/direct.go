package rapidpro

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Contact is a contact as it really is, whatever the API shows of it.
type Contact struct {
	UUID       string            `json:"uuid"`
	Name       string            `json:"name"`
	Language   string            `json:"language"`
	Status     string            `json:"status"` // active, blocked, stopped or archived
	Deleted    bool              `json:"deleted"`
	URNs       []string          `json:"urns"`   // best first
	Groups     []string          `json:"groups"` // names, in the order of their making
	Fields     map[string]string `json:"fields"` // by key, as read in the field's type; unset ones are absent
	CreatedOn  time.Time         `json:"created_on"`
	ModifiedOn time.Time         `json:"modified_on"`
	LastSeenOn *time.Time        `json:"last_seen_on"`
}

func (s *Server) truth(c *contact) Contact {
	out := Contact{
		UUID: c.uuid, Name: c.name, Language: c.language, Status: statusNames[c.status], Deleted: c.deleted,
		URNs: []string{}, Groups: []string{}, Fields: map[string]string{}, CreatedOn: c.created, ModifiedOn: c.modified,
	}
	if !c.lastSeen.IsZero() {
		seen := c.lastSeen
		out.LastSeenOn = &seen
	}
	for _, u := range c.urns {
		out.URNs = append(out.URNs, u.shown())
	}
	for _, id := range slices.Sorted(slices.Values(c.groups)) {
		if g := s.primary.groupByID(id); g != nil {
			out.Groups = append(out.Groups, g.name)
		}
	}
	for _, f := range s.primary.fields {
		if v := c.values[f.id].shown(f.kind); v != "" {
			out.Fields[f.key] = v
		}
	}
	return out
}

// Contacts returns all contacts that are not deleted, oldest first.
func (s *Server) Contacts() []Contact { return s.all(false) }

// DeletedContacts returns what is left of the deleted ones, oldest first.
func (s *Server) DeletedContacts() []Contact { return s.all(true) }

func (s *Server) all(deleted bool) []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Contact{}
	for _, c := range s.primary.all {
		if c.deleted == deleted {
			out = append(out, s.truth(c))
		}
	}
	return out
}

// Contact finds a contact by uuid, deleted ones too, or by URN as it is stored.
func (s *Server) Contact(ref string) (Contact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(ref)
	if c == nil {
		return Contact{}, false
	}
	return s.truth(c), true
}

func (s *Server) find(ref string) *contact {
	if c := s.primary.byUUID[ref]; c != nil {
		return c
	}
	if u, err := parseURN(ref); err == nil {
		return s.primary.owner(u.identity())
	}
	return nil
}

// Snapshot is the whole state, made for comparing and for looking at.
type Snapshot struct {
	Now      time.Time `json:"now"`
	Flavour  Flavour   `json:"flavour"`
	Settings Settings  `json:"settings"`
	Fields   []Field   `json:"fields"`
	Groups   []Group   `json:"groups"`
	Contacts []Contact `json:"contacts"`
	Deleted  []Contact `json:"deleted"`
	Pending  []Fire    `json:"pending"`
}

// Field is a field of the workspace.
type Field struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Type  string `json:"type"` // text, numeric, datetime, state, district or ward
}

// Group is a group of the workspace, a smart one when it has a query.
type Group struct {
	UUID  string `json:"uuid"`
	Name  string `json:"name"`
	Query string `json:"query,omitempty"`
	Count int    `json:"count"`
}

// Snapshot returns the state as it is now.
func (s *Server) Snapshot() Snapshot {
	out := Snapshot{
		Now: s.Control.Now(), Flavour: s.flavour.name, Settings: s.Settings(), Fields: []Field{}, Groups: []Group{},
		Contacts: s.Contacts(), Deleted: s.DeletedContacts(),
	}
	out.Pending, _ = s.Fires()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.primary.fields {
		out.Fields = append(out.Fields, Field{f.key, f.label, f.kind})
	}
	for _, g := range s.primary.groups {
		row := Group{UUID: g.uuid, Name: g.name, Count: s.primary.counts[g.id]}
		if g.query != nil {
			row.Query = g.query.text
		}
		out.Groups = append(out.Groups, row)
	}
	return out
}

// AddField makes a field, as an administrator would, and returns its key. The engine sees it when it next
// reads the definitions.
func (s *Server) AddField(label, kind string) (key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.addField(label, kind)
	if err != nil {
		return "", err
	}
	return f.key, nil
}

func (s *Server) addField(label, kind string) (*field, error) {
	key := makeKey(label)
	switch {
	case !s.flavour.validKey(key):
		return nil, fmt.Errorf("label %q makes the key %q, which cannot be", label, key)
	case s.primary.field(key) != nil:
		return nil, fmt.Errorf("there is a field %q already", key)
	case !slices.Contains(fieldKinds, kind):
		return nil, fmt.Errorf("unknown type %q: want one of %s", kind, strings.Join(fieldKinds, ", "))
	}
	f := &field{id: s.newID(), uuid: s.newUUID(), key: key, label: label, kind: kind, created: s.transaction()}
	s.commit(func(st *store) { st.putField(f) })
	return f, nil
}

// AddGroup makes a group, as an administrator would: a smart one, with its members, when there is a query.
// It returns the uuid.
func (s *Server) AddGroup(name, query string) (uuid string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.addGroup(name, query)
	if err != nil {
		return "", err
	}
	return g.uuid, nil
}

func (s *Server) addGroup(name, condition string) (*group, error) {
	if name == "" || s.primary.groupByRef(name) != nil {
		return nil, fmt.Errorf("there is a group %q already", name)
	}
	g := &group{id: s.newID(), uuid: s.newUUID(), name: name}
	if condition != "" {
		var err error
		if g.query, err = parseQuery(condition); err != nil {
			return nil, err
		}
	}
	g.created = s.transaction()
	s.commit(func(st *store) { st.putGroup(g) })
	if g.query == nil {
		return g, nil
	}
	var members []*contact
	a, now := s.fresh(), s.transaction()
	for _, c := range s.primary.live {
		n := c.clone()
		if s.reevaluate(a, n) {
			n.modified = now
			members = append(members, n)
		}
	}
	s.commit(func(st *store) { st.put(members...) })
	return g, nil
}

// NewContact is a contact to be made with AddContact.
type NewContact struct {
	Name     string            `json:"name"`
	Language string            `json:"language"`
	URNs     []string          `json:"urns"`
	Groups   []string          `json:"groups"` // uuids or names
	Fields   map[string]string `json:"fields"` // by key
}

// AddContact makes a contact, as an agent would, and returns its uuid. URNs are taken as they are.
func (s *Server) AddContact(n NewContact) (uuid string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	urns, err := parseURNs(n.URNs)
	if err != nil {
		return "", err
	}
	groups, err := s.staticGroups(n.Groups)
	if err != nil {
		return "", err
	}
	var fields []setField
	for _, key := range slices.Sorted(maps.Keys(n.Fields)) {
		fields = append(fields, setField{key, n.Fields[key]})
	}
	c, err := s.createWith(s.fresh(), n.Name, n.Language, urns, fields, groups)
	if err != nil {
		return "", err
	}
	return c.uuid, nil
}

func parseURNs(texts []string) ([]urn, error) {
	urns := make([]urn, 0, len(texts))
	for _, t := range texts {
		u, err := parseURN(t)
		if err != nil {
			return nil, fmt.Errorf("%q is no URN", t)
		}
		urns = append(urns, u)
	}
	return urns, nil
}

func (s *Server) staticGroups(refs []string) (uuids []string, err error) {
	for _, ref := range refs {
		g := s.primary.groupByRef(ref)
		if g == nil || g.query != nil {
			return nil, fmt.Errorf("no group %q that contacts can be put into", ref)
		}
		uuids = append(uuids, g.uuid)
	}
	return uuids, nil
}

// Edit is a change of one contact by hand. What is nil or empty stays as it is.
type Edit struct {
	Name         *string           `json:"name"`
	Language     *string           `json:"language"`
	Fields       map[string]string `json:"fields"` // by key; an empty value clears
	AddGroups    []string          `json:"add_groups"`
	RemoveGroups []string          `json:"remove_groups"`
	Status       string            `json:"status"` // active, blocked, stopped or archived
	URNs         *[]string         `json:"urns"`   // the whole list
	AddURNs      []string          `json:"add_urns"`
	RemoveURNs   []string          `json:"remove_urns"`
	Delete       bool              `json:"delete"`
}

// Edit changes a contact, named by uuid or URN, as an agent would: no rate, no checks of the API, no
// stale definitions. All of an edit is one transaction, but for deletion.
func (s *Server) Edit(ref string, e Edit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(ref)
	if c == nil || c.deleted {
		return fmt.Errorf("no contact %q", ref)
	}
	mods, err := s.editModifiers(c, e)
	if err != nil {
		return err
	}
	if len(mods) > 0 {
		if err := s.modifyWith(s.fresh(), []*contact{c}, mods); err != nil {
			return err
		}
	}
	if e.Delete {
		s.release(s.primary.contacts[c.id])
	}
	return nil
}

func (s *Server) editModifiers(c *contact, e Edit) (mods []modifier, err error) {
	if e.Name != nil {
		mods = append(mods, setName(*e.Name))
	}
	if e.Language != nil {
		mods = append(mods, setLanguage(*e.Language))
	}
	if e.URNs != nil || e.AddURNs != nil || e.RemoveURNs != nil {
		texts := []string{}
		if e.URNs != nil {
			texts = append(texts, *e.URNs...)
		} else {
			for _, u := range c.urns {
				texts = append(texts, u.shown())
			}
		}
		texts = append(texts, e.AddURNs...)
		urns, err := parseURNs(texts)
		if err != nil {
			return nil, err
		}
		gone, err := parseURNs(e.RemoveURNs)
		if err != nil {
			return nil, err
		}
		kept := setURNs{}
		for _, u := range urns {
			same := func(o urn) bool { return o.identity() == u.identity() }
			if !slices.ContainsFunc(gone, same) && !slices.ContainsFunc(kept, same) {
				kept = append(kept, u)
			}
		}
		mods = append(mods, kept)
	}
	for _, key := range slices.Sorted(maps.Keys(e.Fields)) {
		if s.primary.field(key) == nil {
			return nil, fmt.Errorf("no field %q", key)
		}
		mods = append(mods, setField{key, e.Fields[key]})
	}
	for _, change := range []struct {
		add  bool
		refs []string
	}{{false, e.RemoveGroups}, {true, e.AddGroups}} {
		uuids, err := s.staticGroups(change.refs)
		if err != nil {
			return nil, err
		}
		if uuids != nil {
			mods = append(mods, setGroups{change.add, uuids})
		}
	}
	if e.Status != "" {
		found := false
		for st, name := range statusNames {
			if name == e.Status {
				mods, found = append(mods, setStatus(st)), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown status %q: want active, blocked, stopped or archived", e.Status)
		}
	}
	return mods, nil
}

// RewriteURN changes a URN in its place, as the service does when a channel reports that somebody's
// number is written differently, and moves modified_on of its owner.
func (s *Server) RewriteURN(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	urns, err := parseURNs([]string{from, to})
	if err != nil {
		return err
	}
	old := s.primary.urns[urns[0].identity()]
	if old == nil || old.owner == 0 {
		return fmt.Errorf("nobody has %q", from)
	}
	if s.primary.owner(urns[1].identity()) != nil {
		return fmt.Errorf("%q is taken", to)
	}
	row := &urnRow{urn: urn{scheme: urns[1].scheme, path: urns[1].path, display: old.display}, owner: old.owner}
	c := s.primary.contacts[old.owner].clone()
	c.urns = slices.Clone(c.urns)
	c.urns[slices.IndexFunc(c.urns, func(r *urnRow) bool { return r.identity() == old.identity() })] = row
	c.modified = s.transaction()
	s.commit(func(st *store) {
		st.dropURN(old)
		st.putURN(row)
		st.put(c)
	})
	return nil
}

// Inbound is a message from somebody: it is found by its URN, by the other form of a Brazilian WhatsApp
// number too, or made; it counts as seen, and is no longer stopped.
func (s *Server) Inbound(from, name string) (uuid string, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.flavour.normalize(from, s.set.Country)
	if err != nil {
		return "", false, fmt.Errorf("%q is no URN", from)
	}
	c := s.primary.owner(u.identity())
	if c == nil && s.set.NinthDigit {
		if twin, ok := ninthDigit(u, true); ok {
			c = s.primary.owner(twin.identity())
		}
	}
	if c == nil {
		if c, err = s.createWith(s.fresh(), name, "", []urn{u}, nil, nil); err != nil {
			return "", false, err
		}
		created = true
	}
	old, now := c, s.transaction()
	c = c.clone()
	c.lastSeen, c.modified = now, now
	if c.status == stopped {
		c.status = active
	}
	s.reevaluate(s.fresh(), c)
	s.commit(func(st *store) { st.put(c) })
	s.scheduleFor(now, old, c, s.fresh())
	return c.uuid, created, nil
}

// Touch gives contacts one and the same modified_on, as a bulk operation does: the time given, or now when
// it is zero; the contacts named, or all when none is. It returns the time.
func (s *Server) Touch(at time.Time, uuids ...string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsZero() {
		at = s.transaction()
	}
	at = at.UTC().Truncate(time.Microsecond)
	rows := slices.Clone(s.primary.live)
	if len(uuids) > 0 {
		rows = nil
		for _, uuid := range uuids {
			c := s.primary.byUUID[uuid]
			if c == nil || c.deleted {
				return time.Time{}, fmt.Errorf("no contact %q", uuid)
			}
			rows = append(rows, c)
		}
	}
	for i, c := range rows {
		rows[i] = c.clone()
		rows[i].modified = at
	}
	s.commit(func(st *store) { st.put(rows...) })
	return at, nil
}

// maxSeed bounds what one call of Seed may make.
const maxSeed = 5_000_000

// Seed makes n contacts at once, each with a name, a WhatsApp number under an area code that does not
// exist, and times a millisecond apart that end now. It returns their uuids.
func (s *Server) Seed(n int) ([]string, error) {
	if n < 0 || n > maxSeed {
		return nil, errors.New("between 0 and 5,000,000 contacts, please")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.transaction()
	rows, uuids := make([]*contact, n), make([]string, n)
	for i := range rows {
		id := s.newID()
		at := now.Add(-time.Duration(n-1-i) * time.Millisecond)
		row := &urnRow{urn: urn{scheme: schemeWhatsApp, path: fmt.Sprintf("55009%08d", id)}, owner: id}
		rows[i] = &contact{
			id: id, uuid: s.newUUID(), name: fmt.Sprintf("Pessoa %d", id), status: active, urns: []*urnRow{row}, created: at, modified: at,
		}
		uuids[i] = rows[i].uuid
	}
	a := s.fresh()
	if slices.ContainsFunc(a.groups, func(g *group) bool { return g.query != nil }) {
		for _, c := range rows {
			s.reevaluate(a, c)
		}
	}
	s.commit(func(st *store) {
		for _, c := range rows {
			st.putURN(c.urns[0])
		}
		st.put(rows...)
	})
	return uuids, nil
}
