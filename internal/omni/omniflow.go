package omni

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// OmniFlow is a target for contacts of an OmniFlow tenant: a number and a name. Its SDK shows no tags, list,
// update or delete, so these are not there.
type OmniFlow struct{ core }

// defaultOmniFlow is the address that the SDK uses.
const defaultOmniFlow = "https://api.omniflow.com.br"

// NewOmniFlow builds the target. All problems of the configuration are reported at once.
func NewOmniFlow(spec mapping.Target, deps Deps) (*OmniFlow, error) {
	var problems []error
	oauth := spec.ClientID != "" || spec.ClientSecret != ""
	needed := []string{table.ContactFindByPhone, table.ContactGet}
	switch {
	case oauth && spec.APIKey != "":
		problems = append(problems, errors.New("give either api_key or client_id with client_secret"))
	case oauth && (spec.ClientID == "" || spec.ClientSecret == ""):
		problems = append(problems, errors.New("client_id and client_secret belong together"))
	case !oauth && spec.APIKey == "":
		problems = append(problems, errors.New("api_key is missing (or client_id with client_secret)"))
	case oauth:
		needed = append(needed, table.OAuthToken)
	}
	spec.Operations = withTokenPath(spec.Operations, spec.TokenPath)
	a, err := newAPI(dialect{
		kind: "omniflow", baseURL: defaultOmniFlow, operations: table.OmniFlow, needed: needed, maxWait: time.Minute,
		pointers: pointers{
			atPhone:     {"/phoneNumber", "/phone"},
			atOptedOut:  {"/optedOut"},
			atTenant:    {"/tenantId", "/tenant/id", "/meta/tenantId"},
			atCursor:    {"/nextCursor", "/meta/nextCursor"},
			atToken:     {"/access_token", "/accessToken", "/data/access_token"},
			atExpiresIn: {"/expires_in", "/expiresIn", "/data/expires_in"},
		},
	}, &spec, deps, problems)
	if err != nil {
		return nil, err
	}
	if oauth {
		a.header, _ = credential(&spec, "")
		a.tokens, a.secrets = newTokens(&spec), []string{spec.ClientSecret, spec.ClientID}
	} else {
		a.header, a.value = credential(&spec, spec.APIKey)
		a.secrets = []string{spec.APIKey}
	}
	if !spec.Update {
		a.table[table.ContactUpdate].Disabled = true
	}
	t := &OmniFlow{core{api: a, search: table.ContactFindByPhone}}
	t.query = func(number string) params { return params{"phoneNumber": "+" + number, "limit": pageOfMatches} }
	t.core.next = t.nextCursor
	t.decode = t.read
	t.init(&spec, t.capabilities(spec.Update))
	return t, nil
}

// pageOfMatches is how many contacts a look-up takes at once. One would do if the filter were known to be exact.
const pageOfMatches = 25

// withTokenPath gives token_path the place that the SDK gives it: a short form of operations.oauth.token.path.
func withTokenPath(operations map[string]mapping.Operation, path string) map[string]mapping.Operation {
	if path == "" {
		return operations
	}
	merged := map[string]mapping.Operation{}
	maps.Copy(merged, operations)
	o := merged[table.OAuthToken]
	o.Path = path
	merged[table.OAuthToken] = o
	return merged
}

func (t *OmniFlow) capabilities(update bool) contact.Capabilities {
	can := contact.Capabilities{Create: t.table.Has(table.ContactCreate), Update: t.table.Has(table.ContactUpdate)}
	if !can.Create {
		can.Notes = append(can.Notes, "contacts are not created: contact.create is disabled")
	}
	switch {
	case can.Update:
	case update:
		can.Notes = append(can.Notes, "contacts are not updated: contact.update is disabled")
	default:
		can.Notes = append(can.Notes, "contacts are not updated: OmniFlow's SDK has no such call; where the installation has one, set update: true")
	}
	can.Notes = append(can.Notes, "there are no labels, fields, languages, lists, blocks and deletes; contacts are found by number",
		"a second contact of one number is not known to be refused; a create without an answer is looked up before it is sent again")
	return can
}

// read decodes one contact.
func (t *OmniFlow) read(node map[string]any) (contact.Observed, bool) {
	o := contact.Observed{ID: t.at.text(node, atID), URNs: addressOf(t.at.text(node, atPhone)), Status: contact.Active,
		Created: t.at.moment(node, atCreated), Modified: t.at.moment(node, atUpdated)}
	o.Name = nameOf(t.at.text(node, atName), o.URNs)
	if t.at.flag(node, atOptedOut) {
		o.Status = contact.Stopped
	}
	return o, true
}

// nextCursor moves a look-up on; a cursor that comes back ends it.
func (t *OmniFlow) nextCursor(p params, answer any, _ []contact.Observed, _ string) bool {
	cursor := t.at.text(answer, atCursor)
	if cursor == "" || p["cursor"] == cursor {
		return false
	}
	p["cursor"] = cursor
	return true
}

// impossibleNumber belongs to no country, so that looking it up reads nobody.
const impossibleNumber = "00000000"

// Place checks the credentials with a call that reads and returns the tenant behind them: the host, and the
// tenant's id where the list of inboxes shows one.
func (t *OmniFlow) Place(ctx context.Context) (id, name string, err error) {
	host := outbound.Host(t.base)
	if t.table.Has(table.InboxList) {
		answer, err := t.call(ctx, table.InboxList, nil)
		switch e := contact.AsError(err); {
		case err == nil:
			if tenant := t.at.text(answer, atTenant); tenant != "" {
				return host + "/" + tenant, tenant + " at " + host, nil
			}
			return host, host, nil
		case e.Status != 404 && e.Status != 405:
			return "", "", err
		}
		// This installation has no inboxes; a look-up proves the credentials as well.
	}
	_, err = t.lookUp(ctx, impossibleNumber)
	if err != nil && !understood(err) {
		return "", "", err
	}
	return host, host, nil
}

// understood reports a refusal of the content: who says that has accepted the credentials.
func understood(err error) bool {
	e := contact.AsError(err)
	return (e.Kind == contact.Invalid || e.Kind == contact.Conflict) && slices.Contains([]int{400, 409, 422}, e.Status)
}

// Learn does nothing: OmniFlow has no labels and no fields.
func (t *OmniFlow) Learn(context.Context) error { return nil }

// Define creates nothing: OmniFlow has no labels and no fields.
func (t *OmniFlow) Define(_ context.Context, labels []string, fields map[string]contact.FieldType) (time.Time, error) {
	if len(labels)+len(fields) == 0 {
		return t.now(), nil
	}
	return time.Time{}, t.cannot("define", "OmniFlow has neither labels nor fields")
}

// List is ruled out: OmniFlow has no list of contacts.
func (t *OmniFlow) List(context.Context, contact.Query, string) (contact.Listing, error) {
	return contact.Listing{}, t.cannot("list", "OmniFlow has no list of contacts")
}

// Get reads one contact.
func (t *OmniFlow) Get(ctx context.Context, id string) (contact.Observed, error) {
	return t.get(ctx, "id", id)
}

// Create makes a contact of the change's first number. Labels cannot be given.
func (t *OmniFlow) Create(ctx context.Context, c *contact.Change, _ []string) (contact.Observed, error) {
	number, ok := firstNumber(c.AddURNs)
	if !ok {
		return contact.Observed{}, t.noAddress()
	}
	return t.create(ctx, number, params{"phoneNumber": "+" + number, "name": nameOr(c, "+"+number)})
}

// Update writes name and number, where the installation has a call for it.
func (t *OmniFlow) Update(ctx context.Context, seen *contact.Observed, c *contact.Change) (contact.Observed, error) {
	if !t.table.Has(table.ContactUpdate) {
		return contact.Observed{}, t.cannot(table.ContactUpdate, "contacts are not updated on this installation")
	}
	number, blocked := t.moved(ctx, seen, c)
	if blocked != nil && contact.KindOf(blocked) != contact.Conflict {
		return contact.Observed{}, blocked
	}
	p := params{}
	if c.Name != nil {
		own, _ := firstNumber(seen.URNs)
		p["name"] = nameOr(c, "+"+cmp.Or(number, own))
	}
	if number != "" {
		p["phoneNumber"] = "+" + number
	}
	if len(p) == 0 {
		return *seen, blocked
	}
	p["id"] = seen.ID
	answer, err := t.call(ctx, table.ContactUpdate, p, seen.Name)
	if err != nil {
		return contact.Observed{}, err
	}
	o, err := t.updated(ctx, answer, seen.ID, t.Get)
	if err != nil {
		return o, err
	}
	return o, cmp.Or(blocked, t.took(&o, number))
}
