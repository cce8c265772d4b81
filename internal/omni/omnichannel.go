package omni

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// Omnichannel is a target for contacts and tags of an omnichannel (Cirrus) account. Tags are written with the
// contact, by id and only by adding and removing: what somebody else tagged stays.
type Omnichannel struct {
	core
	channel, platform, color string
	// defining keeps two callers from making one tag twice, and a reading of the tags from losing a new one.
	defining outbound.Turn
}

// clientIdentifier names the account in every call.
const clientIdentifier = "clientIdentifier"

// NewOmnichannel builds the target. All problems of the configuration are reported at once.
func NewOmnichannel(spec mapping.Target, deps Deps) (*Omnichannel, error) {
	var problems []error
	for _, required := range []struct{ key, value string }{
		{"token", spec.Token}, {"client_identifier", spec.ClientIdentifier}, {"channel_id", spec.ChannelID},
	} {
		if required.value == "" {
			problems = append(problems, fmt.Errorf("%s is missing", required.key))
		}
	}
	color, err := checkColor(spec.TagColor)
	if err != nil {
		problems = append(problems, err)
	}
	a, err := newAPI(dialect{
		kind: "omnichannel", operations: table.Omnichannel, needed: []string{table.ContactList, table.ContactGet},
		constants: map[string]string{clientIdentifier: spec.ClientIdentifier, "channelId": spec.ChannelID},
		pointers: pointers{
			atIdentifier: {"/contactIdentifier"},
			atCustomName: {"/customName"},
			atTags:       {"/tags", "/tagIds"},
			atTagName:    {"/name"},
			atType:       {"/type"},
			atChannel:    {"/channelType"},
			atLastPage:   {"/totalPages", "/pages", "/meta/totalPages", "/data/totalPages"},
			atClient:     {"/query/" + clientIdentifier, "/body/" + clientIdentifier},
		},
	}, &spec, deps, problems)
	if err != nil {
		return nil, err
	}
	a.header, a.value = credential(&spec, spec.Token)
	a.secrets = []string{spec.Token}
	t := &Omnichannel{core: core{api: a, search: table.ContactList}, channel: spec.ChannelID, platform: spec.Platform, color: color, defining: outbound.NewTurn()}
	t.query = func(number string) params {
		return params{"contactIdentifier": number, "type": individual, "channelType": contact.SchemeWhatsApp, "page": 1, "limit": pageOfMatches}
	}
	t.core.next = t.nextPage
	t.decode = t.read
	t.init(&spec, t.capabilities())
	return t, nil
}

// individual is the type of contacts that are people; groups are left alone.
const individual = "individual"

func (t *Omnichannel) capabilities() contact.Capabilities {
	has := t.table.Has
	can := contact.Capabilities{Create: has(table.ContactCreate), Update: has(table.ContactUpdate), List: true, Labels: true}
	note := func(format string, args ...any) { can.Notes = append(can.Notes, fmt.Sprintf(format, args...)) }
	if !can.Create {
		note("contacts are not created: %s is disabled", table.ContactCreate)
	}
	if !can.Update {
		note("names and numbers are not updated: %s is disabled", table.ContactUpdate)
	}
	for _, op := range []string{table.ContactAddTags, table.ContactRemoveTags, table.TagList} {
		if !has(op) {
			can.Labels = false
			note("tags are read-only: %s is disabled", op)
		}
	}
	if can.Labels && !has(table.TagCreate) {
		note("missing tags are not created: %s is disabled", table.TagCreate)
	}
	note("there are no fields, languages, blocks and deletes; names are written to customName, because name cannot be changed")
	note("changes since a moment cannot be asked for: a comparison reads all contacts, %d a call", pageOfContacts)
	note("a second contact of one number is not known to be refused; a create without an answer is looked up before it is sent again")
	return can
}

// read decodes one contact. Labels are nil when the answer does not show them, and empty when there are none.
func (t *Omnichannel) read(node map[string]any) (contact.Observed, bool) {
	o := contact.Observed{ID: t.at.text(node, atID), URNs: addressOf(t.at.text(node, atIdentifier)), Status: contact.Active,
		Created: t.at.moment(node, atCreated), Modified: t.at.moment(node, atUpdated)}
	o.Name = cmp.Or(nameOf(t.at.text(node, atCustomName), o.URNs), nameOf(t.at.text(node, atName), o.URNs))
	if list, _, ok := find(t.at, node, atTags, asList); ok {
		o.Labels = t.labelIDs(list)
	}
	kind, channel := t.at.text(node, atType), t.at.text(node, atChannel)
	return o, (kind == "" || kind == individual) && (channel == "" || channel == contact.SchemeWhatsApp)
}

// nextPage moves a look-up on, as far as the answer says that there are pages or shows that the filter is loose.
func (t *Omnichannel) nextPage(p params, answer any, rows []contact.Observed, number string) bool {
	page := p["page"].(int) + 1
	p["page"] = page
	if last, _, known := find(t.at, answer, atLastPage, asInt); known {
		return page <= last
	}
	return unrelated(rows, number)
}

// Place checks the credentials with a call that reads; the account is named by its client identifier.
func (t *Omnichannel) Place(ctx context.Context) (id, name string, err error) {
	op, p := table.TagList, params(nil)
	if !t.table.Has(op) {
		op, p = table.ContactList, params{"page": 1, "limit": 1}
	}
	if _, err := t.call(ctx, op, p); err != nil {
		return "", "", err
	}
	id = t.constants[clientIdentifier]
	return id, id + " at " + outbound.Host(t.base), nil
}

// Find looks up every number behind the candidates.
func (t *Omnichannel) Find(ctx context.Context, candidates []contact.URN) ([]contact.Observed, error) {
	found, err := t.core.Find(ctx, candidates)
	for i := range found {
		if err == nil {
			err = t.tagged(ctx, &found[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Get reads one contact.
func (t *Omnichannel) Get(ctx context.Context, id string) (contact.Observed, error) {
	o, err := t.get(ctx, "contactId", id)
	if err == nil {
		err = t.tagged(ctx, &o)
	}
	return o, err
}

// Create makes a contact of the change's first number, with the tags of the ids given.
func (t *Omnichannel) Create(ctx context.Context, c *contact.Change, labels []string) (contact.Observed, error) {
	number, ok := firstNumber(c.AddURNs)
	if !ok {
		return contact.Observed{}, t.noAddress()
	}
	name := nameOr(c, number)
	p := params{"channelId": t.channel, "contactIdentifier": number, "name": name, "customName": name,
		"type": individual, "channelType": contact.SchemeWhatsApp}
	if t.platform != "" {
		p["platform"] = t.platform
	}
	if len(labels) > 0 {
		p["tagIds"] = labels
	}
	o, err := t.create(ctx, number, p)
	if o.Labels == nil {
		o.Labels = labels
	}
	return o, t.stale(ctx, labels, err)
}

// Update writes name, number and tags, each with a call of its own and only where they change. A number that
// cannot be replaced does not keep the rest from being written.
func (t *Omnichannel) Update(ctx context.Context, seen *contact.Observed, c *contact.Change) (contact.Observed, error) {
	add, err := t.idsOf(c.AddLabels)
	if err != nil {
		return contact.Observed{}, err
	}
	number, blocked := t.moved(ctx, seen, c)
	if blocked != nil && contact.KindOf(blocked) != contact.Conflict {
		return contact.Observed{}, blocked
	}
	p := params{}
	if c.Name != nil {
		p["customName"] = *c.Name
	}
	if number != "" {
		p["contactIdentifier"] = number
	}
	var answer any
	if len(p) > 0 {
		p["contactId"] = seen.ID
		if answer, err = t.call(ctx, table.ContactUpdate, p, seen.Name); err != nil {
			return contact.Observed{}, err
		}
	}
	for _, step := range []struct {
		op  string
		ids []string
	}{{table.ContactAddTags, add}, {table.ContactRemoveTags, t.knownIDs(c.RemoveLabels)}} {
		if len(step.ids) == 0 {
			continue
		}
		if answer, err = t.retag(ctx, step.op, seen, step.ids); err != nil {
			return contact.Observed{}, err
		}
	}
	o, err := t.updated(ctx, answer, seen.ID, t.Get)
	if err == nil {
		err = t.tagged(ctx, &o)
	}
	if err != nil {
		return o, err
	}
	return o, cmp.Or(blocked, t.took(&o, number))
}

// pageOfContacts is how many contacts a page of the list is asked to hold.
const pageOfContacts = 100

// List reads one page of all contacts. There is no filter by time, so After and Before mean nothing here,
// and deleted contacts are not shown. The cursor is the page and the id that the page before began with.
func (t *Omnichannel) List(ctx context.Context, q contact.Query, cursor string) (contact.Listing, error) {
	if q.Gone {
		return contact.Listing{}, nil
	}
	page, before := 1, ""
	if cursor != "" {
		if _, err := fmt.Sscanf(cursor, "%d %s", &page, &before); err != nil {
			return contact.Listing{}, &contact.Error{Kind: contact.Internal, Op: t.kind + ": " + table.ContactList, Message: "the cursor is not one of this target's"}
		}
	}
	answer, err := t.call(ctx, table.ContactList, params{"page": page, "limit": pageOfContacts, "order": "asc",
		"type": individual, "channelType": contact.SchemeWhatsApp})
	if err != nil {
		return contact.Listing{}, err
	}
	rows, err := t.rows(table.ContactList, answer)
	if err != nil {
		return contact.Listing{}, err
	}
	items, _ := t.at.items(answer)
	last, _, known := find(t.at, answer, atLastPage, asInt)
	first := ""
	if len(items) > 0 {
		first = t.at.text(items[0], atID)
	}
	switch {
	case first != "" && first == before && known && page > last:
		return contact.Listing{}, nil // the last page again, for one behind it
	case first != "" && first == before:
		return contact.Listing{}, &contact.Error{Kind: contact.Unavailable, Op: t.kind + ": " + table.ContactList, Message: "it gives the same page twice; check operations." + table.ContactList}
	}
	if err := t.checkTagsShown(rows); err != nil {
		return contact.Listing{}, err
	}
	l := contact.Listing{Contacts: rows}
	// A last page that is full may have got a successor meanwhile; without a page count only an empty one ends.
	if len(items) > 0 && (!known || page < last || len(items) >= pageOfContacts) {
		l.Next = fmt.Sprintf("%d %s", page+1, first)
	}
	return l, nil
}

// checkTagsShown takes the list away from the capabilities when it does not show tags: compared with it,
// every tagged person would look untagged. People are then looked up one by one.
func (t *Omnichannel) checkTagsShown(rows []contact.Observed) error {
	if len(rows) == 0 || !t.Rules().Can.Labels {
		return nil
	}
	for _, o := range rows {
		if o.Labels != nil {
			return nil
		}
	}
	const why = "the list of contacts does not show their tags; say in decode.tags where they are"
	t.lose(func(can *contact.Capabilities) *bool { return &can.List }, "contacts are looked up one by one: "+why)
	return &contact.Error{Kind: contact.Invalid, Op: t.kind + ": " + table.ContactList, Message: why}
}

// lose takes a capability away that turned out not to be there, and says so once.
func (t *Omnichannel) lose(capability func(*contact.Capabilities) *bool, note string) {
	t.revise(func(r *contact.Rules) {
		if has := capability(&r.Can); *has {
			*has = false
			r.Can.Notes = append(slices.Clone(r.Can.Notes), note)
		}
	})
}

// Learn reads the tags into the catalog.
func (t *Omnichannel) Learn(ctx context.Context) error {
	if !t.table.Has(table.TagList) {
		return nil
	}
	done, err := t.defining.Take(ctx, t.kind+": "+table.TagList)
	if err != nil {
		return err
	}
	defer done()
	labels, err := t.listTags(ctx, "")
	if err != nil {
		return err
	}
	t.revise(func(r *contact.Rules) { r.Catalog = &contact.Catalog{Labels: labels} })
	return nil
}

// Define creates the tags that are missing; whether it may is the caller's to decide. They can be used at once.
func (t *Omnichannel) Define(ctx context.Context, labels []string, fields map[string]contact.FieldType) (time.Time, error) {
	if len(fields) > 0 {
		return time.Time{}, t.cannot("define", "contacts have no fields here")
	}
	done, err := t.defining.Take(ctx, t.kind+": define tags")
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	for _, name := range labels {
		if _, known := t.Rules().Catalog.Label(name); known {
			continue
		}
		label, err := t.ensureTag(ctx, name)
		if err != nil {
			return time.Time{}, err
		}
		t.revise(func(r *contact.Rules) { r.Catalog = withLabel(r.Catalog, label) })
	}
	return t.now(), nil
}
