package rapidpro

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

var groupByCreated = ordering[*group]{
	key: func(g *group) time.Time { return g.created }, descending: true, idsDown: true,
}

// exclusive refuses filters that do not go together.
func (rq *request) exclusive(names ...string) *response {
	given := 0
	for _, n := range names {
		if rq.params.get(n) != "" {
			given++
		}
	}
	if given > 1 {
		return detail(http.StatusBadRequest, "You may only specify one of the "+strings.Join(names, ", ")+" parameters")
	}
	return nil
}

func listGroups(rq *request) *response {
	if refusal := rq.exclusive("uuid", "name"); refusal != nil {
		return refusal
	}
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	uuid, name := rq.params.get("uuid"), rq.params.get("name")
	if unstorable(uuid) || unstorable(name) {
		return crash()
	}
	st := rq.readonly()
	match := func(g *group) bool { return (uuid == "" || g.uuid == uuid) && (name == "" || sameFold(g.name, name)) }
	page, next, previous, refusal := paginate(rq, st.groups, groupByCreated, pageSize, match)
	if refusal != nil {
		return refusal
	}
	return listing(page, next, previous, func(b []byte, g *group) []byte { return rq.appendGroup(b, st, g) })
}

func (rq *request) lookupGroup() (g *group, given bool, refusal *response) {
	lookup, uuid, _, refusal := rq.lookups("uuid")
	if refusal != nil || lookup == "" {
		return nil, false, refusal
	}
	if g = rq.primary.group(uuid); g == nil {
		return nil, true, notFound()
	}
	return g, true, nil
}

// postGroup creates a static group or renames any group. The name in the address is no lookup.
func postGroup(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	g, given, refusal := rq.lookupGroup()
	if refusal != nil {
		return refusal
	}
	p, refusal := rq.begin()
	if refusal != nil {
		return refusal
	}
	if given && g.system {
		return detail(http.StatusForbidden, "Cannot modify system object.")
	}
	rule := text{required: true, max: 64, taken: func(s string) bool {
		return slices.ContainsFunc(rq.primary.groups, func(o *group) bool { return (g == nil || o.id != g.id) && sameFold(o.name, s) })
	}}
	name, _, _, problem := rule.read(p, "name")
	if problem == "" && !validGroupName(name, rq.flavour.weni) {
		problem = messages("Name contains illegal characters.")
	}
	failed := &failures{}
	if !failed.add("name", problem) {
		return failed.response()
	}
	// Weni refuses even a new name when the workspace is full.
	if n := rq.countGroups(); n >= rq.set.MaxGroups && (g == nil || rq.flavour.weni) {
		return rq.full("groups", n, rq.set.MaxGroups)
	}
	status, row := http.StatusOK, &group{}
	if g == nil {
		status = http.StatusCreated
		*row = group{id: rq.newID(), uuid: rq.newUUID(), created: rq.transaction()}
	} else {
		*row = *g
	}
	row.name = name
	rq.commit(func(st *store) { st.putGroup(row) })
	return jsonResponse(status, rq.appendGroup(nil, rq.primary, row))
}

func (s *Server) countGroups() int {
	n := 0
	for _, g := range s.primary.groups {
		if !g.system {
			n++
		}
	}
	return n
}

func deleteGroup(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	g, given, refusal := rq.lookupGroup()
	switch {
	case refusal != nil:
		return refusal
	case !given:
		return missingLookup("uuid")
	case g.system:
		return detail(http.StatusForbidden, "Cannot delete system object.")
	}
	var users []string
	for _, r := range rq.primary.extra[tableCampaigns] {
		if c := r.(*campaign); c.group == g.id && !c.archived {
			users = append(users, c.uuid)
		}
	}
	if users != nil {
		return detail(http.StatusBadRequest, "Group is being used by the following campaigns which must be archived first: "+strings.Join(users, ", "))
	}
	rq.removeGroup(g)
	return noContent()
}

// removeGroup deletes a group. Its members lose it without being modified.
func (s *Server) removeGroup(g *group) {
	s.commit(func(st *store) {
		var members []*contact
		for _, c := range st.live {
			if c.inGroup(g.id) {
				n := c.clone()
				n.groups = without(c.groups, g.id)
				members = append(members, n)
			}
		}
		st.put(members...)
		st.dropGroup(g.id)
	})
}
