package omni

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni/table"
)

// core is what both targets share: rules that are replaced as a whole, the look-up by number, the move to
// another number, and the operations that neither API has.
type core struct {
	*api
	rules atomic.Pointer[contact.Rules]
	// search is the operation that looks numbers up.
	search string
	// query are the parameters of a look-up of one number; next moves them to the page behind an answer and
	// reports whether there is one.
	query func(number string) params
	next  func(p params, answer any, rows []contact.Observed, number string) bool
	// decode reads one contact of an answer; ok is false for rows that are no person's.
	decode func(node map[string]any) (o contact.Observed, ok bool)
}

// init gives the target its first rules.
func (c *core) init(spec *mapping.Target, can contact.Capabilities) {
	r := &contact.Rules{Can: can, Catalog: &contact.Catalog{}, Schemes: []string{contact.SchemeWhatsApp}}
	if out := spec.OptOut; out != nil {
		if out.Label != "" && can.Labels {
			r.OptOutLabel = out.Label
		} else if out.Label != "" {
			r.Can.Notes = append(r.Can.Notes, "opt_out.label has no effect: labels cannot be written here")
		}
		if out.Field != "" || out.Block {
			r.Can.Notes = append(r.Can.Notes, "opt_out.field and opt_out.block have no effect: there are no fields and no blocking here")
		}
	}
	c.rules.Store(r)
}

// Rules say what the target can do. The value is never changed; Learn and Define replace it.
func (c *core) Rules() *contact.Rules { return c.rules.Load() }

// revise replaces the rules by a changed copy.
func (c *core) revise(change func(*contact.Rules)) {
	for {
		old := c.rules.Load()
		next := *old
		change(&next)
		if c.rules.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Find looks up every number behind the candidates, in all its forms, and keeps only contacts whose number
// is exactly one of them: the filters of these APIs may be looser.
func (c *core) Find(ctx context.Context, candidates []contact.URN) ([]contact.Observed, error) {
	var found []contact.Observed
	for _, number := range numbers(candidates) {
		hits, err := c.lookUp(ctx, number)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			if !slices.ContainsFunc(found, func(o contact.Observed) bool { return o.ID == h.ID }) {
				found = append(found, h)
			}
		}
	}
	return found, nil
}

// maxPages is how far a look-up follows an answer that does not hold the number: a filter that finds more
// than this besides is no filter.
const maxPages = 5

func (c *core) lookUp(ctx context.Context, number string) ([]contact.Observed, error) {
	p := c.query(number)
	want := contact.PhoneIdentity(number)
	for range maxPages {
		answer, err := c.call(ctx, c.search, p)
		switch {
		case contact.KindOf(err) == contact.Gone:
			return nil, nil // some APIs answer 404 to a look-up that finds nobody
		case err != nil:
			return nil, err
		}
		rows, err := c.rows(c.search, answer)
		if err != nil {
			return nil, err
		}
		hits := slices.DeleteFunc(slices.Clone(rows), func(o contact.Observed) bool { return !slices.Contains(o.Identities(), want) })
		if len(hits) > 0 {
			return hits, nil
		}
		if !c.next(p, answer, rows, number) {
			if len(rows) >= pageOfMatches && unrelated(rows, number) {
				break // a full page of others, and no way to the next
			}
			return nil, nil
		}
	}
	// Taking this for "not found" would create the contact a second time.
	return nil, &contact.Error{Kind: contact.Unavailable, Op: c.kind + ": " + c.search,
		Message: "the filter by number does not filter, so nobody can be found; check operations." + c.search}
}

// rows decodes the contacts of a list.
func (c *core) rows(op string, answer any) ([]contact.Observed, error) {
	items, ok := c.at.items(answer)
	if !ok {
		return nil, c.misread(op, atItems)
	}
	rows := make([]contact.Observed, 0, len(items))
	for _, item := range items {
		node, isObject := asObject(item)
		if !isObject {
			return nil, c.misread(op, atItems)
		}
		o, person := c.decode(node)
		if !person {
			continue
		}
		if o.ID == "" {
			return nil, c.misread(op, atID)
		}
		rows = append(rows, o)
	}
	return rows, nil
}

// one decodes the contact of an answer; ok is false when the answer holds none.
func (c *core) one(answer any) (o contact.Observed, ok bool) {
	node, ok := c.at.object(answer)
	if !ok {
		return o, false
	}
	o, _ = c.decode(node)
	return o, true
}

// get reads one contact by the name that its id has in paths.
func (c *core) get(ctx context.Context, name, id string) (contact.Observed, error) {
	answer, err := c.call(ctx, table.ContactGet, params{name: id})
	if err != nil {
		return contact.Observed{}, err
	}
	o, ok := c.one(answer)
	if !ok {
		return o, c.misread(table.ContactGet, atID)
	}
	return o, nil
}

// create posts a contact and makes sure that the answer is about the same number.
func (c *core) create(ctx context.Context, number string, p params) (contact.Observed, error) {
	answer, err := c.call(ctx, table.ContactCreate, p)
	if err != nil {
		return contact.Observed{}, c.refused(ctx, number, err)
	}
	o, ok := c.one(answer)
	switch {
	case !ok:
		return o, c.misread(table.ContactCreate, atID)
	case len(o.URNs) == 0: // the answer is no more than an id
		o.URNs = []contact.URN{whatsapp(number)}
		name, _ := p["name"].(string)
		o.Name = nameOf(name, o.URNs)
	case !slices.Contains(o.Identities(), contact.PhoneIdentity(number)):
		return o, &contact.Error{Kind: contact.Conflict, Op: c.kind + ": " + table.ContactCreate, Names: []string{o.ID},
			Message: "it answered with the contact of another number"}
	}
	return o, nil
}

// noAddress is the refusal to create a contact that nothing would identify.
func (c *core) noAddress() error {
	return &contact.Error{Kind: contact.NoAddress, Op: c.kind + ": " + table.ContactCreate, Message: "the person has no number that a contact could be made of"}
}

// refused tells a create that failed because the contact exists from one that breaks a rule: a status other
// than 409 may mean both, and only a look-up knows.
func (c *core) refused(ctx context.Context, number string, err error) error {
	e := contact.AsError(err)
	if e.Kind != contact.Conflict || e.Status == 409 {
		return err
	}
	found, failed := c.Find(ctx, []contact.URN{whatsapp(number)})
	if failed != nil {
		return failed
	}
	if len(found) == 0 {
		e.Kind = contact.Invalid
		return e
	}
	for _, o := range found {
		e.Names = append(e.Names, o.ID)
	}
	return e
}

// moved returns the number that a change gives the contact, empty when it keeps its own. Contacts here have
// one number: another replaces it, which is done only where syncer put the old one and nobody claims it any
// more, and where no other contact has the new one. Otherwise the error is a Conflict.
func (c *core) moved(ctx context.Context, seen *contact.Observed, change *contact.Change) (string, error) {
	number, ok := firstNumber(change.AddURNs)
	if !ok || slices.Contains(seen.Identities(), contact.PhoneIdentity(number)) {
		return "", nil
	}
	conflict := &contact.Error{Kind: contact.Conflict, Op: c.kind + ": " + table.ContactUpdate}
	for _, id := range seen.Identities() {
		if !slices.ContainsFunc(change.DropURNs, func(u contact.URN) bool { return u.Identity() == id }) {
			conflict.Message = "the contact has room for one number, and the one it has is not syncer's to replace; change it by hand"
			return "", conflict
		}
	}
	owners, err := c.Find(ctx, []contact.URN{whatsapp(number)})
	if err != nil {
		return "", err
	}
	for _, o := range owners {
		if o.ID != seen.ID {
			conflict.Names = append(conflict.Names, o.ID)
		}
	}
	if len(conflict.Names) > 0 {
		conflict.Message = "another contact has the new number"
		return "", conflict
	}
	return number, nil
}

// updated is the contact after an update: what the answer shows, or what a read does when it shows too little.
func (c *core) updated(ctx context.Context, answer any, id string, get func(context.Context, string) (contact.Observed, error)) (contact.Observed, error) {
	if o, ok := c.one(answer); ok && o.ID == id && len(o.URNs) > 0 {
		return o, nil
	}
	return get(ctx, id)
}

// took checks that a new number was taken over; an API may ignore what it does not let be changed.
func (c *core) took(o *contact.Observed, number string) error {
	if number == "" || slices.Contains(o.Identities(), contact.PhoneIdentity(number)) {
		return nil
	}
	return &contact.Error{Kind: contact.Conflict, Op: c.kind + ": " + table.ContactUpdate, Message: "it did not take the new number; change it by hand"}
}

// Label is ruled out: labels are written with the contact, or not at all.
func (c *core) Label(context.Context, string, bool, []string) error {
	return c.cannot("label", "there are no calls that label several contacts here")
}

// Block is ruled out by the API.
func (c *core) Block(context.Context, string) error {
	return c.cannot("block", "contacts cannot be blocked here")
}

// Delete is ruled out by the API.
func (c *core) Delete(context.Context, string) error {
	return c.cannot("delete", "contacts cannot be deleted here")
}

// numbers are the distinct numbers behind candidate addresses, each in every form it may be registered under.
func numbers(candidates []contact.URN) []string {
	var all []string
	add := func(u contact.URN) {
		if n, ok := u.Phone(); ok && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	for _, u := range candidates {
		add(u)
	}
	for _, n := range slices.Clone(all) {
		if phone, err := contact.ParsePhone("+"+n, contact.PhoneRules{}); err == nil {
			for _, u := range phone.Candidates() {
				add(u)
			}
		}
	}
	return all
}

func firstNumber(urns []contact.URN) (string, bool) {
	for _, u := range urns {
		if n, ok := u.Phone(); ok {
			return n, true
		}
	}
	return "", false
}

func whatsapp(number string) contact.URN { return contact.URN(contact.SchemeWhatsApp + ":" + number) }

// addressOf reads what an API shows as the number of a contact; what is none gives no address.
func addressOf(text string) []contact.URN {
	u, err := contact.NewURN(contact.SchemeWhatsApp, strings.TrimPrefix(strings.TrimSpace(text), "+"))
	if err != nil {
		return nil
	}
	return []contact.URN{u}
}

// nameOf returns a name as people gave it. Where there is none, contacts carry their number as name: syncer
// writes it that way too, and takes it for no name when it reads it.
func nameOf(name string, urns []contact.URN) string {
	name = strings.TrimSpace(name)
	if strings.ContainsFunc(name, unicode.IsLetter) {
		return name
	}
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, name)
	if slices.ContainsFunc(urns, func(u contact.URN) bool { return digits != "" && u.Identity() == contact.PhoneIdentity(digits) }) {
		return ""
	}
	return name
}

// nameOr is the name a new contact gets: the APIs want one, so the number stands in for a name nobody gave.
func nameOr(c *contact.Change, number string) string {
	if c.Name == nil || strings.TrimSpace(*c.Name) == "" {
		return number
	}
	return *c.Name
}

// unrelated reports whether a look-up brought a contact that no filter by that number could have let pass.
func unrelated(rows []contact.Observed, number string) bool {
	tail := number[max(0, len(number)-8):]
	return slices.ContainsFunc(rows, func(o contact.Observed) bool {
		return !slices.ContainsFunc(o.URNs, func(u contact.URN) bool { return strings.Contains(string(u), tail) })
	})
}
