package rapidpro

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Rows are never changed once they are in a store: a change puts a new row in the old one's place.
// So the replica can share them with the primary, and a page can be rendered while others write.

type status byte

const (
	active   status = 'A'
	blocked  status = 'B'
	stopped  status = 'S'
	archived status = 'V'
)

var statusNames = map[status]string{active: "active", blocked: "blocked", stopped: "stopped", archived: "archived"}

// contact is a row of the contact table with what hangs on it.
type contact struct {
	id             int64
	uuid           string
	name, language string // "" is null
	status         status
	deleted        bool
	urns           []*urnRow       // best first
	groups         []int64         // in the order of joining
	values         map[int64]value // by field id
	created        time.Time
	modified       time.Time
	lastSeen       time.Time // zero is null
}

// urnRow is a row of the URN table. The display stays what it was when the row was made, whoever owns
// it later.
type urnRow struct {
	urn
	owner int64 // 0 when detached
}

type field struct {
	id         int64
	uuid       string
	key, label string
	kind       string // as the API names it: text, numeric, datetime, state, district, ward
	created    time.Time
}

type group struct {
	id         int64
	uuid, name string
	query      *query // nil for a static group
	system     bool
	created    time.Time
}

// store is one copy of the workspace's tables with the indexes that the API needs.
type store struct {
	contacts map[int64]*contact
	byUUID   map[string]*contact
	urns     map[string]*urnRow  // by identity
	handles  map[string]*urnRow  // twitterid URNs by their display
	live     []*contact          // by modified, id
	gone     []*contact          // deleted ones, by modified, id
	all      []*contact          // by created, id
	counts   map[int64]int       // members of a group
	fields   []*field            // by id
	groups   []*group            // by id
	extra    map[string][]record // tables that are only read and written as they are
}

func newStore() *store {
	return &store{
		contacts: map[int64]*contact{}, byUUID: map[string]*contact{}, urns: map[string]*urnRow{}, handles: map[string]*urnRow{},
		counts: map[int64]int{}, extra: map[string][]record{},
	}
}

func (st *store) clone() *store {
	c := *st
	c.contacts, c.byUUID, c.urns, c.handles = maps.Clone(st.contacts), maps.Clone(st.byUUID), maps.Clone(st.urns), maps.Clone(st.handles)
	c.live, c.gone, c.all = slices.Clone(st.live), slices.Clone(st.gone), slices.Clone(st.all)
	c.counts, c.extra = maps.Clone(st.counts), maps.Clone(st.extra)
	c.fields, c.groups = slices.Clone(st.fields), slices.Clone(st.groups)
	return &c
}

func byModified(a, b *contact) int {
	return cmp.Or(a.modified.Compare(b.modified), cmp.Compare(a.id, b.id))
}

func byCreated(a, b *contact) int {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
}

// put stores new versions of contacts. Many at once are sorted in together; one alone costs a binary
// search and a shift of pointers.
func (st *store) put(rows ...*contact) {
	bulk := len(rows) > 1000
	for _, c := range rows {
		if old := st.contacts[c.id]; old != nil {
			st.count(old, -1)
			if bulk {
				continue
			}
			list := st.listOf(old)
			if i, found := slices.BinarySearchFunc(*list, old, byModified); found {
				*list = slices.Delete(*list, i, i+1)
			}
			if i, found := slices.BinarySearchFunc(st.all, old, byCreated); found {
				st.all[i] = c
			}
		} else if !bulk {
			st.all = insert(st.all, c, byCreated)
		}
		if !bulk {
			list := st.listOf(c)
			*list = insert(*list, c, byModified)
		}
	}
	for _, c := range rows {
		st.contacts[c.id], st.byUUID[c.uuid] = c, c
		st.count(c, 1)
	}
	if bulk {
		st.reindex()
	}
}

func (st *store) reindex() {
	st.all, st.live, st.gone = slices.SortedFunc(maps.Values(st.contacts), byCreated), nil, nil
	for _, c := range st.all {
		list := st.listOf(c)
		*list = append(*list, c)
	}
	slices.SortFunc(st.live, byModified)
	slices.SortFunc(st.gone, byModified)
}

func insert(list []*contact, c *contact, order func(a, b *contact) int) []*contact {
	i, _ := slices.BinarySearchFunc(list, c, order)
	return slices.Insert(list, i, c)
}

func (st *store) listOf(c *contact) *[]*contact {
	if c.deleted {
		return &st.gone
	}
	return &st.live
}

func (st *store) count(c *contact, n int) {
	for _, g := range c.groups {
		st.counts[g] += n
	}
}

// putURN stores a row of the URN table. The owner's own list is the caller's business.
func (st *store) putURN(row *urnRow) {
	st.urns[row.identity()] = row
	if row.scheme == schemeTwitterID && row.display != "" {
		st.handles[row.display] = row
	}
}

func (st *store) dropURN(row *urnRow) {
	delete(st.urns, row.identity())
	if st.handles[row.display] == row {
		delete(st.handles, row.display)
	}
}

// owner finds the contact that has a URN now.
func (st *store) owner(identity string) *contact {
	if row := st.urns[identity]; row != nil && row.owner != 0 {
		return st.contacts[row.owner]
	}
	return nil
}

func (st *store) field(key string) *field {
	for _, f := range st.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

func (st *store) group(uuid string) *group {
	for _, g := range st.groups {
		if g.uuid == uuid {
			return g
		}
	}
	return nil
}

func (st *store) groupByID(id int64) *group {
	if i, found := slices.BinarySearchFunc(st.groups, id, func(g *group, id int64) int { return cmp.Compare(g.id, id) }); found {
		return st.groups[i]
	}
	return nil
}

// groupByRef finds a group by uuid or by name in any case of letters, as write requests name them.
func (st *store) groupByRef(ref string) *group {
	for _, g := range st.groups {
		if g.uuid == ref || sameFold(g.name, ref) {
			return g
		}
	}
	return nil
}

// putField and putGroup replace the row with the same id or append a new one. Ids only grow.
func (st *store) putField(f *field) {
	for i, old := range st.fields {
		if old.id == f.id {
			st.fields = slices.Clone(st.fields)
			st.fields[i] = f
			return
		}
	}
	st.fields = append(slices.Clip(st.fields), f)
}

func (st *store) putGroup(g *group) {
	for i, old := range st.groups {
		if old.id == g.id {
			st.groups = slices.Clone(st.groups)
			st.groups[i] = g
			return
		}
	}
	st.groups = append(slices.Clip(st.groups), g)
}

func (st *store) dropGroup(id int64) {
	st.groups = slices.DeleteFunc(slices.Clone(st.groups), func(g *group) bool { return g.id == id })
	delete(st.counts, id)
}

// hasName is the filter "name contains", in any case of letters.
func (c *contact) hasName(upper string) bool { return strings.Contains(strings.ToUpper(c.name), upper) }

func (c *contact) inGroup(id int64) bool { return slices.Contains(c.groups, id) }

// clone is the beginning of every change.
func (c *contact) clone() *contact {
	n := *c
	return &n
}
