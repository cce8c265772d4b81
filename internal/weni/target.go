package weni

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/outbound"
)

const (
	// maxMembers is how many contacts one contact_actions call takes.
	maxMembers = 100
	// usualPage is the page of every RapidPro. Weni takes limit=N, without a maximum; others ignore it.
	usualPage = 250
	largePage = 1000
)

// Deps are what a Target needs besides its configuration.
type Deps struct {
	Meter     outbound.Meter
	Transport http.RoundTripper // for tests; a default otherwise
	Logger    *slog.Logger
	Now       func() time.Time
	// PageSize is the page that listings ask for; 1000 by default.
	PageSize int
}

// Target is a Weni or RapidPro workspace. It is safe for concurrent use.
type Target struct {
	http  *resty.Client
	meter outbound.Meter
	log   *slog.Logger
	now   func() time.Time

	create bool // create_missing
	rules  atomic.Pointer[contact.Rules]
	place  atomic.Pointer[Workspace]
	marks  atomic.Uint32 // of the flavour
	page   int64         // that listings ask for
	got    atomic.Int64  // largest page seen
	small  atomic.Int64  // Unix time until which listings ask for the usual page

	defining outbound.Turn // to learn and define
	mu       sync.Mutex    // guards changes of rules, and born
	born     map[string]time.Time
}

// New returns the target that a mapping file describes. It makes no call.
func New(spec mapping.Target, deps Deps) (*Target, error) {
	base, err := baseURL(spec.BaseURL)
	if err != nil {
		return nil, err
	}
	if spec.Token == "" || strings.ContainsAny(spec.Token, " \t\r\n") {
		return nil, errors.New("weni: token is empty or contains blanks")
	}
	if deps.Meter == nil {
		return nil, errors.New("weni: no meter")
	}
	rules := &contact.Rules{
		Can: contact.Capabilities{Create: true, Update: true, Labels: true, Fields: true, Language: true, List: true, Changes: true,
			Delete: true, Block: true, Unique: true, BulkLabels: maxMembers, Notes: notes},
		Catalog:      &contact.Catalog{Fields: map[string]contact.FieldType{}},
		ShortMobiles: spec.URNStyle == "without_nine",
	}
	if rules.Schemes, err = schemes(spec); err != nil {
		return nil, err
	}
	if o := spec.OptOut; o != nil {
		rules.OptOutLabel, rules.OptOutField, rules.OptOutBlock = o.Label, o.Field, o.Block
	}
	t := &Target{
		http: outbound.New(outbound.Options{BaseURL: base, Credential: "Token " + spec.Token,
			Transport: deps.Transport, Logger: deps.Logger}),
		meter: deps.Meter, log: deps.Logger, now: deps.Now, create: spec.CreateMissing, born: map[string]time.Time{},
		defining: outbound.NewTurn(),
		page:     int64(cmp.Or(deps.PageSize, largePage)),
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.rules.Store(rules)
	return t, nil
}

var notes = []string{
	"archived contacts cannot be told from active ones where the API has no status; adding them to a group is refused",
	"adding to a group or writing a date that a campaign uses can send messages; the API cannot suppress that",
	"a contact cannot be un-stopped, and unblocking does not bring back its groups",
}

func baseURL(s string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("weni: base_url must be an address such as https://flows.weni.ai")
	}
	path := strings.TrimRight(u.Path, "/")
	u.Path = strings.TrimRight(strings.TrimSuffix(path, "/api/v2"), "/") + "/api/v2"
	return u.String(), nil
}

func schemes(spec mapping.Target) ([]string, error) {
	var list []string
	for _, s := range spec.URNs {
		if !contact.IsScheme(s) {
			return nil, errors.New("weni: urns: " + strconv.Quote(s) + " is not a kind of address that RapidPro knows")
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		list = []string{contact.SchemeWhatsApp}
	}
	if spec.URNStyle == "tel_only" {
		for i, s := range list {
			if s == contact.SchemeWhatsApp {
				list[i] = contact.SchemeTel
			}
		}
	}
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once, nil
}

// Rules say what the target can do. The result is a snapshot that is never changed; Learn, Define and a server
// that turns out not to have a definition put a new one in its place.
func (t *Target) Rules() *contact.Rules { return t.rules.Load() }

// Workspace is what the token opens.
type Workspace struct {
	UUID      string `json:"uuid"`
	Name      string `json:"name"`
	Country   string `json:"country"`    // how Weni reads numbers without a country code
	Timezone  string `json:"timezone"`   // how it reads dates without an offset
	DateStyle string `json:"date_style"` // day_first, month_first, year_first
	Anon      bool   `json:"anon"`
}

func (w *Workspace) whole() bool { return w.UUID != "" }

// Place reads the workspace that the token opens: the credential check. An anonymous workspace is refused
// with a Suspended error, because the API hides every address there and refuses look-ups by address.
func (t *Target) Place(ctx context.Context) (id, name string, err error) {
	var w Workspace
	c := call{op: "weni: read workspace", method: http.MethodGet, path: workspacePath}
	if err := t.do(ctx, c, &w); err != nil {
		return "", "", err
	}
	t.place.Store(&w)
	if w.Anon {
		return w.UUID, w.Name, &contact.Error{Kind: contact.Suspended, Op: c.op, Message: anonymous}
	}
	return w.UUID, w.Name, nil
}

// Workspace is what Place last read; the zero value before.
func (t *Target) Workspace() Workspace {
	if w := t.place.Load(); w != nil {
		return *w
	}
	return Workspace{}
}

// Get reads one contact.
func (t *Target) Get(ctx context.Context, id string) (contact.Observed, error) {
	const op = "weni: get contact"
	if err := named(op, id); err != nil {
		return contact.Observed{}, err
	}
	p, err := t.contacts(ctx, op, url.Values{"uuid": {id}})
	switch {
	case err != nil:
		return contact.Observed{}, err
	case len(p.Results) == 0:
		return contact.Observed{}, &contact.Error{Kind: contact.Gone, Op: op, Message: "the contact does not exist there any more"}
	case len(p.Results) > 1 || p.Results[0].UUID != id:
		return contact.Observed{}, unfiltered(op)
	}
	return t.observe(&p.Results[0]), nil
}

// Find looks up every candidate address. An address is compared as text by the server, so that each form of a
// number is a candidate, and a call, of its own.
func (t *Target) Find(ctx context.Context, candidates []contact.URN) ([]contact.Observed, error) {
	var found []contact.Observed
	var asked []contact.URN
	for _, u := range candidates {
		if slices.Contains(asked, u.Bare()) {
			continue
		}
		asked = append(asked, u.Bare())
		o, ok, err := t.owner(ctx, u)
		if err != nil {
			return nil, err
		}
		if ok && !slices.ContainsFunc(found, func(f contact.Observed) bool { return f.ID == o.ID }) {
			found = append(found, o)
		}
	}
	return found, nil
}

// owner finds the contact that has an address. An empty address would be answered with every contact there is,
// and a proxy that drops the query does the same: what comes back must show the address.
func (t *Target) owner(ctx context.Context, u contact.URN) (o contact.Observed, ok bool, err error) {
	const op = "weni: look up address"
	if u.Scheme() == "" || u.Path() == "" {
		return o, false, &contact.Error{Kind: contact.Internal, Op: op, Message: "an address without scheme or path was looked up"}
	}
	p, err := t.contacts(ctx, op, url.Values{"urn": {string(u.Bare())}})
	if err != nil || len(p.Results) == 0 {
		return o, false, err
	}
	o = t.observe(&p.Results[0])
	if len(p.Results) > 1 || !slices.ContainsFunc(o.URNs, sameAs(u)) {
		return contact.Observed{}, false, unfiltered(op)
	}
	return o, true, nil
}

func unfiltered(op string) error {
	return &contact.Error{Kind: contact.Unavailable, Op: op, Message: "it answered with other contacts than those asked for; " +
		"a proxy in between may drop the query of the address"}
}

// named refuses an empty id: as a filter it means every contact.
func named(op, id string) error {
	if id == "" {
		return &contact.Error{Kind: contact.Internal, Op: op, Message: "a contact without id was addressed"}
	}
	return nil
}

func (t *Target) contacts(ctx context.Context, op string, query url.Values) (p page[wireContact], err error) {
	err = t.do(ctx, call{op: op, method: http.MethodGet, path: contactsPath, query: query}, &p)
	return p, err
}

// instant is the form in which after and before are sent. Anything that Weni cannot parse, a plus sign that
// became a blank included, is answered with an empty page and no error.
const instant = "2006-01-02T15:04:05.000000Z"

// List reads one page, oldest change first: a contact that is modified meanwhile reappears at the end, while in
// the other order it would slip past the cursor. After a page that failed or took too long, pages of the usual size
// are asked for during an hour; a cursor is a place in the order, so that the size may change on the way.
func (t *Target) List(ctx context.Context, q contact.Query, cursor string) (contact.Listing, error) {
	const op = "weni: list contacts"
	query := url.Values{"reverse": {"true"}}
	if cursor != "" {
		var err error
		if query, err = url.ParseQuery(cursor); err != nil {
			return contact.Listing{}, &contact.Error{Kind: contact.Invalid, Op: op, Message: "the cursor cannot be read; the walk must start again"}
		}
	} else {
		if !q.After.IsZero() {
			query.Set("after", q.After.UTC().Format(instant))
		}
		if !q.Before.IsZero() {
			query.Set("before", q.Before.UTC().Format(instant))
		}
		if q.Gone {
			query.Set("deleted", "true")
		}
	}
	size := t.asking()
	query.Del("limit")
	if size != usualPage {
		query.Set("limit", strconv.FormatInt(size, 10))
	}
	var p page[wireContact]
	l := contact.Listing{}
	err := t.do(ctx, call{op: op, method: http.MethodGet, path: contactsPath, query: query, clock: &l.Now}, &p)
	if err != nil {
		if e := contact.AsError(err); e.Kind == contact.Unavailable && e.Uncertain && size > usualPage && ctx.Err() == nil {
			t.small.Store(t.now().Add(time.Hour).Unix())
		}
		return contact.Listing{}, err
	}
	if n := int64(len(p.Results)); n > t.got.Load() {
		t.got.Store(n)
	}
	l.Next = p.cursor()
	if l.Next != "" && l.Next == cursor {
		return contact.Listing{}, endless(op)
	}
	for i := range p.Results {
		o := t.observe(&p.Results[i])
		if q.Gone {
			l.Gone = append(l.Gone, contact.Observed{ID: o.ID, Modified: o.Modified})
			continue
		}
		l.Contacts = append(l.Contacts, o)
	}
	return l, nil
}

func (t *Target) asking() int64 {
	if t.now().Unix() < t.small.Load() {
		return usualPage
	}
	return t.page
}

// PageSize is how many contacts a page has, for estimates: the usual 250 until the server has shown that it
// gives more when asked.
func (t *Target) PageSize() int {
	if asking := t.asking(); asking <= usualPage || t.got.Load() > usualPage {
		return int(asking)
	}
	return usualPage
}

// Create makes the contact by the plain POST, the only one that refuses a taken address; labels are given in the
// same call. A 500 stays Uncertain: creating is two steps, and the contact may exist without fields and groups.
func (t *Target) Create(ctx context.Context, c *contact.Change, labels []string) (contact.Observed, error) {
	const op = "weni: create contact"
	urns, err := writable(op, c.AddURNs)
	if err != nil {
		return contact.Observed{}, err
	}
	body := attributes(c)
	for key, v := range body {
		if v == nil {
			delete(body, key)
		}
	}
	body["urns"] = urns
	if len(labels) > 0 {
		body["groups"] = labels
	}
	return t.post(ctx, op, nil, body, append(keys(c), labels...))
}

// Update writes what the change names and nothing else: urns and groups, which replace, are left out of the body
// unless an address is added (see readdress).
func (t *Target) Update(ctx context.Context, seen *contact.Observed, c *contact.Change) (contact.Observed, error) {
	const op = "weni: update contact"
	if err := named(op, seen.ID); err != nil {
		return contact.Observed{}, err
	}
	body := attributes(c)
	switch {
	case len(c.AddURNs) > 0:
		return t.readdress(ctx, seen, body, c)
	case len(body) == 0:
		return *seen, nil
	}
	return t.post(ctx, op, url.Values{"uuid": {seen.ID}}, body, keys(c))
}

// attributes are the keys of a body that merge. What is to be empty is null: Weni refuses an empty name and an
// empty language.
func attributes(c *contact.Change) map[string]any {
	body := map[string]any{}
	if c.Name != nil {
		body["name"] = value(*c.Name)
	}
	if c.Language != nil {
		body["language"] = value(*c.Language)
	}
	if len(c.Fields) > 0 {
		fields := map[string]any{}
		for key, v := range c.Fields {
			fields[key] = value(v)
		}
		body["fields"] = fields
	}
	return body
}

func value(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// keys are the definitions that a change uses.
func keys(c *contact.Change) []string {
	var list []string
	for key := range c.Fields {
		list = append(list, key)
	}
	return list
}

// post writes a contact and returns it as the answer shows it. The answer is newer than what a GET would show,
// which is served by a replica.
func (t *Target) post(ctx context.Context, op string, query url.Values, body map[string]any, uses []string) (contact.Observed, error) {
	var w wireContact
	c := call{op: op, method: http.MethodPost, path: contactsPath, query: query, body: body, uses: uses}
	if err := t.do(ctx, c, &w); err != nil {
		return contact.Observed{}, err
	}
	if id := query.Get("uuid"); id != "" && id != w.UUID {
		return contact.Observed{}, &contact.Error{Kind: contact.Unavailable, Op: op, Uncertain: true,
			Message: "it answered with another contact than the one written"}
	}
	return t.observe(&w), nil
}

// Label gives or takes one group for up to 100 contacts. Contacts that may not get it (blocked, stopped, archived,
// deleted) come back in Names; for those that do not exist Weni names only the first.
func (t *Target) Label(ctx context.Context, label string, give bool, ids []string) error {
	action := "remove"
	if give {
		action = "add"
	}
	if len(ids) == 0 {
		return nil
	}
	return t.act(ctx, "weni: "+action+" group", action, label, ids)
}

// Block blocks one contact. It loses its groups by that, and unblocking does not bring them back.
func (t *Target) Block(ctx context.Context, id string) error {
	const op = "weni: block contact"
	if err := named(op, id); err != nil {
		return err
	}
	err := t.act(ctx, op, "block", "", []string{id})
	if e := (*contact.Error)(nil); errors.As(err, &e) && e.Kind == contact.Invalid && slices.Contains(e.Names, id) {
		e.Kind = contact.Gone
	}
	return err
}

func (t *Target) act(ctx context.Context, op, action, group string, ids []string) error {
	body := map[string]any{"contacts": ids, "action": action}
	c := call{op: op, method: http.MethodPost, path: actionsPath, body: body}
	if group != "" {
		body["group"] = group
		c.uses = []string{group}
	}
	return t.do(ctx, c, nil)
}

// Delete deletes one contact for good; one that is already gone is no error.
func (t *Target) Delete(ctx context.Context, id string) error {
	const op = "weni: delete contact"
	if err := named(op, id); err != nil {
		return err
	}
	err := t.do(ctx, call{op: op, method: http.MethodDelete, path: contactsPath, query: url.Values{"uuid": {id}}}, nil)
	if contact.KindOf(err) == contact.Gone {
		return nil
	}
	return err
}
