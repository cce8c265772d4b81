package rapidpro

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

var recordByCreated = ordering[record]{
	key: record.createdOn, descending: true, idsDown: true,
}

func getWorkspace(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	o := &object{}
	o.str("uuid", rq.uuid)
	o.str("name", rq.set.Name)
	o.text("country", rq.set.Country)
	o.raw("languages", "[]")
	if rq.flavour.weni {
		o.raw("primary_language", "null")
	}
	o.str("timezone", rq.set.Timezone)
	o.str("date_style", rq.set.DateStyle)
	o.bool("anon", rq.set.Anon)
	return jsonResponse(http.StatusOK, o.end())
}

// listRecords pages through a table, newest first.
func (rq *request) listRecords(table string, match func(record) bool, write func([]byte, *store, record) []byte) *response {
	return rq.listOrdered(table, recordByCreated, match, write)
}

func (rq *request) listOrdered(table string, o ordering[record], match func(record) bool, write func([]byte, *store, record) []byte) *response {
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	st := rq.readonly()
	rows := slices.SortedStableFunc(slices.Values(st.extra[table]), func(a, b record) int { return a.createdOn().Compare(b.createdOn()) })
	page, next, previous, refusal := paginate(rq, rows, o, pageSize, match)
	if refusal != nil {
		return refusal
	}
	return listing(page, next, previous, func(b []byte, r record) []byte { return write(b, st, r) })
}

func listNothing(rq *request) *response { return rq.listRecords("", nil, nil) }

func listCampaigns(rq *request) *response {
	uuid := rq.params.get("uuid")
	return rq.listRecords(tableCampaigns,
		func(r record) bool { c := r.(*campaign); return !c.archived && (uuid == "" || c.uuid == uuid) },
		func(b []byte, st *store, r record) []byte {
			c := r.(*campaign)
			o := &object{b: b}
			o.str("uuid", c.uuid)
			o.str("name", c.name)
			o.bool("archived", c.archived)
			o.key("group")
			o.b = appendGroupRef(o.b, st.groupByID(c.group))
			o.time("created_on", c.created)
			return o.end()
		})
}

func listCampaignEvents(rq *request) *response {
	if refusal := rq.exclusive("uuid", "campaign"); refusal != nil && !rq.flavour.weni {
		return refusal
	}
	uuid, ref := rq.params.get("uuid"), rq.params.get("campaign")
	match := func(r record) bool {
		e := r.(*campaignEvent)
		return (uuid == "" || e.uuid == uuid) && (ref == "" || e.campaign.uuid == ref || e.campaign.name == ref)
	}
	return rq.listRecords(tableEvents, match, func(b []byte, st *store, r record) []byte {
		return appendCampaignEvent(b, st, r.(*campaignEvent), rq.flavour)
	})
}

// listArchives is the one list that counts and has no cursors. Nothing is ever old enough to be in it.
func listArchives(rq *request) *response {
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	return jsonResponse(http.StatusOK, []byte(`{"count":0,"next":null,"previous":null,"results":[]}`))
}

func listUsers(rq *request) *response {
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	write := func(b []byte, _ int) []byte {
		o := &object{b: b}
		o.str("email", rq.options.User)
		o.str("first_name", "")
		o.str("last_name", "")
		o.str("role", rq.set.Role)
		o.time("created_on", rq.born)
		return o.end()
	}
	return listing([]int{0}, "", "", write)
}

// entry is a global or a label: a name, and for globals a key and a value.
type entry struct {
	uuid, key, name, value string
	modified               time.Time
}

func (e *entry) createdOn() time.Time { return e.modified }

func (e *entry) global(b []byte) []byte {
	o := &object{b: b}
	o.str("key", e.key)
	o.str("name", e.name)
	o.str("value", e.value)
	o.time("modified_on", e.modified)
	return o.end()
}

func (e *entry) label(b []byte) []byte {
	o := &object{b: b}
	o.str("uuid", e.uuid)
	o.str("name", e.name)
	o.int("count", 0)
	return o.end()
}

func (s *Server) findEntry(table string, match func(*entry) bool) *entry {
	for _, r := range s.primary.extra[table] {
		if e := r.(*entry); match(e) {
			return e
		}
	}
	return nil
}

// putEntry stores a new version of an entry, or takes it away.
func (s *Server) putEntry(table string, old, row *entry) {
	s.commit(func(st *store) {
		rows := slices.DeleteFunc(slices.Clone(st.extra[table]), func(r record) bool { return old != nil && r == record(old) })
		if row != nil {
			rows = append(rows, row)
		}
		st.extra[table] = rows
	})
}

// maxEntries is how many globals and how many labels a workspace can have.
const maxEntries = 250

// fullOf refuses to write when there are as many as there can be. Weni does so also when nothing would be added.
func (rq *request) fullOf(table, text string, old *entry) *response {
	n := len(rq.primary.extra[table])
	switch {
	case n < maxEntries || old != nil && !rq.flavour.weni:
		return nil
	case !rq.flavour.weni:
		return detail(http.StatusConflict, "Cannot create object because workspace has reached limit.")
	}
	return fieldError("non_field_errors", fmt.Sprintf(text+" You must delete existing ones before you can create new ones.", n, maxEntries))
}

func listGlobals(rq *request) *response {
	key := rq.params.get("key")
	o := recordByCreated
	o.descending = !truthy(rq.params.get("reverse"))
	o.idsDown = o.descending
	return rq.listOrdered(tableGlobals, o,
		func(r record) bool { return (key == "" || r.(*entry).key == key) && rq.within(r.createdOn()) },
		func(b []byte, _ *store, r record) []byte { return r.(*entry).global(b) })
}

func postGlobal(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	lookup, key, _, refusal := rq.lookups("key")
	if refusal != nil {
		return refusal
	}
	var old *entry
	if lookup != "" {
		if old = rq.findEntry(tableGlobals, func(e *entry) bool { return e.key == key }); old == nil {
			return notFound()
		}
	}
	p, refusal := rq.begin()
	if refusal != nil {
		return refusal
	}
	failed := &failures{}
	value, _, _, problem := text{required: true, max: 10000}.read(p, "value")
	failed.add("value", problem)
	name, present, _, problem := text{max: maxLabel, taken: func(s string) bool {
		return rq.findEntry(tableGlobals, func(e *entry) bool { return e != old && sameFold(e.name, s) }) != nil
	}}.read(p, "name")
	if problem == "" && present && !labelPattern.MatchString(name) {
		problem = messages("Name contains illegal characters.")
	} else if problem == "" && present && !keyPattern.MatchString(makeKey(name)) {
		problem = messages("Name creates Key that is invalid")
	}
	failed.add("name", problem)
	if refusal := failed.response(); refusal != nil {
		return refusal
	}
	status, row := http.StatusOK, &entry{}
	if old == nil {
		if !present {
			return fieldError("non_field_errors", "Name is required when creating new global.")
		}
		status = http.StatusCreated
		*row = entry{uuid: rq.newUUID(), key: makeKey(name), name: name}
	} else {
		*row = *old
	}
	if refusal := rq.fullOf(tableGlobals, "This org has %d globals and the limit is %d.", old); refusal != nil {
		return refusal
	}
	row.value, row.modified = value, rq.transaction()
	rq.putEntry(tableGlobals, old, row)
	return jsonResponse(status, row.global(nil))
}

func listLabels(rq *request) *response {
	if refusal := rq.exclusive("uuid", "name"); refusal != nil {
		return refusal
	}
	uuid, name := rq.params.get("uuid"), rq.params.get("name")
	return rq.listRecords(tableLabels,
		func(r record) bool {
			e := r.(*entry)
			return (uuid == "" || e.uuid == uuid) && (name == "" || sameFold(e.name, name))
		},
		func(b []byte, _ *store, r record) []byte { return r.(*entry).label(b) })
}

func (rq *request) lookupLabel() (old *entry, given bool, refusal *response) {
	lookup, uuid, _, refusal := rq.lookups("uuid")
	if refusal != nil || lookup == "" {
		return nil, false, refusal
	}
	if old = rq.findEntry(tableLabels, func(e *entry) bool { return e.uuid == uuid }); old == nil {
		return nil, true, notFound()
	}
	return old, true, nil
}

func postLabel(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	old, _, refusal := rq.lookupLabel()
	if refusal != nil {
		return refusal
	}
	p, refusal := rq.begin()
	if refusal != nil {
		return refusal
	}
	name, _, _, problem := text{required: true, max: 64, taken: func(s string) bool {
		return rq.findEntry(tableLabels, func(e *entry) bool { return e != old && sameFold(e.name, s) }) != nil
	}}.read(p, "name")
	if problem == "" && !validGroupName(name, rq.flavour.weni) {
		problem = messages("Name contains illegal characters.")
	}
	failed := &failures{}
	if !failed.add("name", problem) {
		return failed.response()
	}
	status, row := http.StatusOK, &entry{}
	if old == nil {
		status = http.StatusCreated
		*row = entry{uuid: rq.newUUID(), modified: rq.transaction()}
	} else {
		*row = *old
	}
	if refusal := rq.fullOf(tableLabels, "This workspace has %d labels and the limit is %d.", old); refusal != nil {
		return refusal
	}
	row.name = name
	rq.putEntry(tableLabels, old, row)
	return jsonResponse(status, row.label(nil))
}

func deleteLabel(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	old, given, refusal := rq.lookupLabel()
	if refusal != nil {
		return refusal
	}
	if !given {
		return missingLookup("uuid")
	}
	rq.putEntry(tableLabels, old, nil)
	return noContent()
}
