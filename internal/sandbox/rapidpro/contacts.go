package rapidpro

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// contactLookups are the parameters that choose a contact for a write.
func (f *flavour) contactLookups() []string {
	if f.weni {
		return []string{"uuid", "urn", "name"}
	}
	return []string{"uuid", "urn"}
}

var (
	contactByModified = ordering[*contact]{key: func(c *contact) time.Time { return c.modified }}
	contactByCreated  = ordering[*contact]{key: func(c *contact) time.Time { return c.created }}
)

// order reads reverse and order_by. An unknown order_by is ignored.
func (rq *request) order() (o ordering[*contact], byCreation bool) {
	if rq.flavour.weni {
		switch rq.params.get("order_by") {
		case "created_on":
			return contactByCreated, true
		case "-created_on":
			o = contactByCreated
			o.descending = true
			return o, true
		case "modified_on":
			return contactByModified, false
		}
	}
	o = contactByModified
	o.descending = !truthy(rq.params.get("reverse"))
	o.idsDown = o.descending
	return o, false
}

func listContacts(rq *request) *response {
	return rq.listContacts(func(st *store, b []byte, c *contact) []byte { return rq.appendContact(b, st, c, true) })
}

func listContactsLean(rq *request) *response {
	return rq.listContacts(func(_ *store, b []byte, c *contact) []byte { return appendLean(b, c) })
}

func (rq *request) listContacts(write func(*store, []byte, *contact) []byte) *response {
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	st := rq.readonly()
	o, byCreation := rq.order()
	deleted := truthy(rq.params.get("deleted"))
	rows := st.live
	switch {
	case byCreation:
		rows = st.all
	case deleted:
		rows = st.gone
	}
	var only []*contact // what filters leave that can leave one contact at most
	narrow := func(c *contact) {
		if only == nil && c != nil || len(only) == 1 && only[0] == c {
			only = []*contact{c}
		} else {
			only = []*contact{}
		}
	}
	conditions := []func(*contact) bool{func(c *contact) bool { return c.deleted == deleted }}
	if uuid := rq.params.get("uuid"); uuid != "" {
		if unstorable(uuid) {
			return crash()
		}
		if rq.flavour.notes && !validUUID(uuid) {
			return detail(http.StatusBadRequest, "Param 'uuid': "+uuid+" is not a valid UUID.")
		}
		if !rq.flavour.weni {
			uuid = strings.ToLower(uuid)
		}
		narrow(st.byUUID[uuid])
	}
	if v := rq.params.get("urn"); v != "" && !rq.lean() {
		u, refusal := rq.urnParam(v)
		if refusal != nil {
			return refusal
		}
		if unstorable(u.identity()) {
			return crash()
		}
		narrow(st.owner(u.identity()))
	}
	if only != nil {
		rows = only
	}
	if rq.flavour.weni {
		if search := rq.params.get("search"); search != "" {
			if unstorable(search) {
				return crash()
			}
			var owner *contact
			if u, refusal := rq.urnParam(search); refusal == nil {
				owner = st.owner(u.identity())
				rows = repeated(rows, search)
			}
			conditions = append(conditions, func(c *contact) bool { return c == owner || c.name == search })
		}
		if name := rq.params.get("name"); name != "" {
			if unstorable(name) {
				return crash()
			}
			upper := strings.ToUpper(name)
			conditions = append(conditions, func(c *contact) bool { return c.hasName(upper) })
		}
	}
	if ref := rq.params.get("group"); ref != "" {
		if unstorable(ref) {
			return crash()
		}
		i := slices.IndexFunc(st.groups, func(g *group) bool { return g.uuid == ref || g.name == ref })
		if i < 0 {
			rows = nil
		} else {
			id := st.groups[i].id
			conditions = append(conditions, func(c *contact) bool { return c.inGroup(id) })
		}
	}
	rows, conditions = rq.between(rows, conditions, byCreation)
	match := func(c *contact) bool {
		for _, holds := range conditions {
			if !holds(c) {
				return false
			}
		}
		return true
	}
	page, next, previous, refusal := paginate(rq, rows, o, rq.limit(), match)
	if refusal != nil {
		return refusal
	}
	return listing(page, next, previous, func(b []byte, c *contact) []byte { return write(st, b, c) })
}

// repeated lists contacts of that name once for each of their URNs. So does the service when it looks for a
// text among names and URNs alike, because it joins the URNs and does not ask for distinct rows.
func repeated(rows []*contact, name string) []*contact {
	out := make([]*contact, 0, len(rows))
	for _, c := range rows {
		out = append(out, c)
		for i := 1; i < len(c.urns) && c.name == name; i++ {
			out = append(out, c)
		}
	}
	return out
}

// lean says whether this is the list without URNs, which cannot be filtered by them either.
func (rq *request) lean() bool { return strings.HasPrefix(rq.http.URL.Path, "/api/v2/contacts_lean") }

// limit is the page size. Any positive number goes, zero and junk are ignored.
func (rq *request) limit() int64 {
	if n, ok := pyInteger(rq.params.get("limit")); ok && n > 0 && rq.flavour.weni {
		return n
	}
	return pageSize
}

// between applies before and after, both inclusive. A date that cannot be read leaves nothing.
func (rq *request) between(rows []*contact, conditions []func(*contact) bool, byCreation bool) ([]*contact, []func(*contact) bool) {
	compare := func(c *contact, t time.Time) int { return c.modified.Compare(t) }
	for _, name := range []string{"before", "after"} {
		text := rq.params.get(name)
		if text == "" {
			continue
		}
		t, ok := isoDate(text)
		switch {
		case !ok:
			rows = nil
		case byCreation && name == "before":
			conditions = append(conditions, func(c *contact) bool { return !c.modified.After(t) })
		case byCreation:
			conditions = append(conditions, func(c *contact) bool { return !c.modified.Before(t) })
		case name == "before":
			i, _ := slices.BinarySearchFunc(rows, t.Add(1), compare)
			rows = rows[:i]
		default:
			i, _ := slices.BinarySearchFunc(rows, t, compare)
			rows = rows[i:]
		}
	}
	return rows, conditions
}

// within is between for a single moment.
func (rq *request) within(t time.Time) bool {
	for _, name := range []string{"before", "after"} {
		text := rq.params.get(name)
		bound, ok := isoDate(text)
		if text != "" && (!ok || name == "before" && t.After(bound) || name == "after" && t.Before(bound)) {
			return false
		}
	}
	return true
}

func validUUID(s string) bool {
	hex := 0
	for _, r := range strings.ToLower(strings.NewReplacer("urn:", "", "uuid:", "", "-", "", "{", "", "}", "").Replace(s)) {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'f' {
			hex++
		} else {
			return false
		}
	}
	return hex == 32
}

// findByLookup finds the contact that a write is about, deleted ones included. What the database cannot
// even be asked for is not found.
func (rq *request) findByLookup(name, value string, u urn) (c *contact, crashed bool) {
	switch name {
	case "uuid":
		if !rq.flavour.weni {
			value = strings.ToLower(value)
		}
		return rq.primary.byUUID[value], false
	case "urn":
		return rq.primary.owner(u.identity()), false
	}
	for _, other := range rq.primary.live {
		if value != "" && other.name == value {
			if c != nil {
				return nil, true // more than one is more than the API expects
			}
			c = other
		}
	}
	return c, false
}

// postContact creates, updates or does whichever is needed, by what the address says. Checks and write
// are two steps, between which other requests may come.
func postContact(rq *request) *response {
	in, c, refusal := rq.checkContact()
	if refusal != nil {
		return refusal
	}
	rq.delay()
	rq.mu.Lock()
	defer rq.mu.Unlock()
	status := http.StatusOK
	if c == nil {
		status = http.StatusCreated
		var err error
		if c, err = rq.create(in.name.text, in.language.text, in.urns, in.fields, in.groupUUIDs()); err != nil {
			return createRefusal(rq.flavour, err)
		}
	} else if mods := in.modifiers(c, rq.primary); len(mods) > 0 {
		if err := rq.modify([]*contact{c}, mods); err != nil {
			return crash()
		}
	}
	return jsonResponse(status, rq.appendContact(nil, rq.primary, rq.primary.contacts[c.id], false))
}

// delay lets the engine take its time, without the lock.
func (rq *request) delay() {
	rq.mu.Lock()
	wait := time.Duration(rq.set.EngineDelayMS) * time.Millisecond
	rq.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-rq.http.Context().Done():
		}
	}
}

func createRefusal(f *flavour, err error) *response {
	var index takenError
	var text engineError
	switch {
	case errors.As(err, &index):
		urns, element := &object{}, &object{}
		element.raw(itoa(int(index)), messages(index.Error()))
		urns.raw("urns", string(element.end()))
		return jsonResponse(http.StatusBadRequest, urns.end())
	case errors.As(err, &text) && f.weni:
		o := &object{}
		o.str("error", text.Error())
		return jsonResponse(http.StatusBadRequest, o.end())
	}
	return crash()
}

// checkContact looks the contact up, reads the body and validates it.
func (rq *request) checkContact() (in *contactInput, c *contact, refusal *response) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	lookup, value, u, refusal := rq.lookups(rq.flavour.contactLookups()...)
	if refusal != nil {
		return nil, nil, refusal
	}
	if lookup != "" {
		var crashed bool
		// An upsert asks for the first contact with the URN, which unlike asking for the only one can fail.
		if c, crashed = rq.findByLookup(lookup, value, u); crashed || lookup == "urn" && unstorable(u.identity()) {
			return nil, nil, crash()
		}
		if c == nil && lookup == "urn" && rq.set.NinthDigit {
			if twin, ok := ninthDigit(u, false); ok {
				c = rq.primary.owner(twin.identity())
			}
		}
		if c == nil && lookup != "urn" {
			return nil, nil, notFound()
		}
	}
	p, refusal := rq.begin()
	if refusal != nil {
		return nil, nil, refusal
	}
	in, refusal = rq.readContact(p, c, lookup == "urn")
	if refusal != nil {
		return nil, nil, refusal
	}
	if c != nil && c.deleted {
		text := "Inactive contacts can't be modified."
		if !rq.flavour.weni {
			text = "Deleted contacts can't be modified."
		}
		return nil, nil, fieldError("non_field_errors", text)
	}
	if lookup == "urn" && c == nil { // validated only now, and without a country
		checked, problem := rq.flavour.checkURN(u.identity(), "")
		if problem != "" {
			return nil, nil, fieldError("non_field_errors", problem)
		}
		in.urns = []urn{checked}
	}
	return in, c, nil
}

func deleteContact(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	lookup, value, u, refusal := rq.lookups(rq.flavour.contactLookups()...)
	if refusal != nil {
		return refusal
	}
	if lookup == "" {
		return missingLookup(rq.flavour.contactLookups()...)
	}
	c, crashed := rq.findByLookup(lookup, value, u)
	if crashed {
		return crash()
	}
	if c == nil {
		return notFound()
	}
	rq.release(c)
	return noContent()
}
