// Package table is the operation table: which request stands for which operation of an API whose wire format
// nobody has published. The defaults are the best guess; every entry can be overridden in the mapping file.
// Clients build their requests from it and simulators recognise theirs by it, so an override can be tried
// end to end. It knows neither HTTP clients nor answers.
package table

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"syncer/internal/mapping"
)

// Operation is one entry of the table.
type Operation struct {
	Name, Method, Path string
	// Query says that the parameters travel in the query although the method would allow a body.
	Query    bool
	Disabled bool
	// Statuses that mean success, an object that does not exist, and an object that exists already.
	OK, NotFound, Conflict []int
}

// Table holds the operations of one API by name.
type Table map[string]*Operation

// The names of the operations.
const (
	OAuthToken = "oauth.token"

	ContactCreate         = "contact.create"
	ContactGet            = "contact.get"
	ContactUpdate         = "contact.update"
	ContactFindByPhone    = "contact.find_by_phone"
	ContactList           = "contact.list"
	ContactTags           = "contact.tags"
	ContactAddTags        = "contact.add_tags"
	ContactRemoveTags     = "contact.remove_tags"
	ContactDeletePlatform = "contact.delete_platform"

	TagCreate   = "tag.create"
	TagList     = "tag.list"
	TagGet      = "tag.get"
	TagUpdate   = "tag.update"
	TagDelete   = "tag.delete"
	TagContacts = "tag.contacts"

	InboxList         = "inbox.list"
	ConversationList  = "conversation.list"
	ConversationGet   = "conversation.get"
	WebhookList       = "webhook.list"
	WebhookCreate     = "webhook.create"
	WebhookDelete     = "webhook.delete"
	WebhookDeliveries = "webhook.deliveries"
)

// OmniFlow are the default requests of an OmniFlow installation.
var OmniFlow = []string{
	OAuthToken + " POST /v1/oauth/token",
	ContactCreate + " POST /v1/contacts",
	ContactGet + " GET /v1/contacts/{id}",
	ContactFindByPhone + " GET /v1/contacts",
	ContactUpdate + " PATCH /v1/contacts/{id}",
	InboxList + " GET /v1/inboxes",
	ConversationList + " GET /v1/conversations",
	ConversationGet + " GET /v1/conversations/{id}",
	WebhookList + " GET /v1/webhooks",
	WebhookCreate + " POST /v1/webhooks",
	WebhookDelete + " DELETE /v1/webhooks/{id}",
	WebhookDeliveries + " GET /v1/webhooks/{id}/deliveries",
}

// Omnichannel are the default requests of an omnichannel installation.
var Omnichannel = []string{
	ContactCreate + " POST /contacts",
	ContactUpdate + " PATCH /contacts/{contactId}",
	ContactGet + " GET /contacts/{contactId}",
	ContactList + " GET /contacts",
	ContactDeletePlatform + " DELETE /contacts/{contactId}/platform",
	ContactTags + " GET /contacts/{contactId}/tags",
	ContactAddTags + " POST /contacts/{contactId}/tags",
	ContactRemoveTags + " DELETE /contacts/{contactId}/tags",
	TagCreate + " POST /tags",
	TagList + " GET /tags",
	TagGet + " GET /tags/{tagId}",
	TagUpdate + " PATCH /tags/{tagId}",
	TagDelete + " DELETE /tags/{tagId}",
	TagContacts + " GET /tags/{tagId}/contacts",
}

var (
	placeholder = regexp.MustCompile(`\{([^{}/]*)\}`)
	methods     = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
)

// New merges overrides into defaults and checks the result. Path templates may use the names of the default
// path and the constants, which are the values that the configuration gives. All problems are returned at
// once; the table is usable only when there are none.
func New(defaults []string, overrides map[string]mapping.Operation, constants ...string) (Table, []error) {
	t := Table{}
	names := map[string][]string{}
	for _, line := range defaults {
		part := strings.Fields(line)
		o := &Operation{Name: part[0], Method: part[1], Path: part[2],
			OK: []int{200, 201, 204}, NotFound: []int{404, 410}, Conflict: []int{409}}
		if o.Name == ContactCreate {
			// A create knows no object that could be missing, and some APIs say 422 where others say 409.
			o.NotFound, o.Conflict = nil, []int{409, 422}
		}
		t[o.Name] = o
		names[o.Name] = append(Names(o.Path), constants...)
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		o, known := t[name]
		if !known {
			problems = append(problems, fmt.Errorf("operations: %s is not an operation of this kind of target; there are %s",
				name, strings.Join(slices.Sorted(maps.Keys(t)), ", ")))
			continue
		}
		for _, p := range o.override(overrides[name], names[name]) {
			problems = append(problems, fmt.Errorf("operations: %s: %w", name, p))
		}
	}
	return t, problems
}

func (o *Operation) override(by mapping.Operation, names []string) (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	o.Disabled = by.Disabled
	if by.Method != "" {
		if o.Method = strings.ToUpper(by.Method); !slices.Contains(methods, o.Method) {
			bad("method %q is none of %s", by.Method, strings.Join(methods, ", "))
		}
	}
	if by.Path != "" {
		o.Path = by.Path
		switch rest := placeholder.ReplaceAllString(by.Path, ""); {
		case !strings.HasPrefix(by.Path, "/") || strings.HasPrefix(by.Path, "//"):
			bad("path %q must start with one slash", by.Path)
		case strings.ContainsAny(rest, "?#{} "):
			bad("path %q may hold only text and {name}", by.Path)
		case slices.Contains(strings.Split(by.Path, "/"), ".."):
			bad("path %q must not contain ..", by.Path)
		case slices.ContainsFunc(strings.Split(by.Path, "/"), func(s string) bool { return strings.Count(s, "{") > 1 }):
			bad("path %q has two names between slashes", by.Path)
		}
		for _, name := range Names(by.Path) {
			if !slices.Contains(names, name) {
				bad("path %q wants {%s}, which has no value; there are: %s", by.Path, name, strings.Join(names, ", "))
			}
		}
	}
	switch by.Body {
	case "", "json":
	case "query":
		o.Query = true
	default:
		bad("body %q is neither json nor query", by.Body)
	}
	statuses := func(key string, into *[]int, from []int, low, high int) {
		if len(from) == 0 {
			return
		}
		*into = from
		for _, s := range from {
			if s < low || s > high {
				bad("%s: %d is not a status from %d to %d", key, s, low, high)
			}
		}
	}
	statuses("ok", &o.OK, by.OK, 200, 299)
	statuses("not_found", &o.NotFound, by.NotFound, 400, 499)
	statuses("conflict", &o.Conflict, by.Conflict, 400, 499)
	for _, s := range o.NotFound {
		if slices.Contains(o.Conflict, s) {
			bad("status %d cannot mean both not_found and conflict", s)
		}
	}
	return problems
}

// Has reports whether the operation exists and is not disabled.
func (t Table) Has(name string) bool { return t[name] != nil && !t[name].Disabled }

// Bodiless reports whether the parameters of the operation travel in the query.
func (o *Operation) Bodiless() bool { return o.Query || o.Method == http.MethodGet }

// Names are the names that a path template wants, in order.
func Names(path string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// Expand puts values into the path, escaped. A value that is missing, or that a server would read as a
// different path, is an error; which one it is stays unsaid, because ids may be anything.
func (o *Operation) Expand(values map[string]string) (string, error) {
	var err error
	path := placeholder.ReplaceAllStringFunc(o.Path, func(m string) string {
		name := m[1 : len(m)-1]
		v := values[name]
		if v == "" || v == "." || v == ".." {
			err = fmt.Errorf("%s has no usable value for {%s}", o.Name, name)
		}
		return url.PathEscape(v)
	})
	return path, err
}

// Match finds the operation of a request and the values in its path, unescaped; literal segments win over
// templates. It is the reverse of Expand, for simulators.
func (t Table) Match(method, escapedPath string) (*Operation, map[string]string) {
	var best *Operation
	var found map[string]string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		o := t[name]
		if o.Disabled || o.Method != method || best != nil && len(Names(best.Path)) <= len(Names(o.Path)) {
			continue
		}
		if values, ok := o.match(escapedPath); ok {
			best, found = o, values
		}
	}
	return best, found
}

func (o *Operation) match(path string) (map[string]string, bool) {
	want, got := strings.Split(o.Path, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i, w := range want {
		text, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		// A segment is literal text around at most one name: /contact-{id}.json.
		at := placeholder.FindStringIndex(w)
		if at == nil {
			if w != text {
				return nil, false
			}
			continue
		}
		before, after := w[:at[0]], w[at[1]:]
		if len(text) <= len(before)+len(after) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
			return nil, false
		}
		values[w[at[0]+1:at[1]-1]] = text[len(before) : len(text)-len(after)]
	}
	return values, true
}

// ArrayQuery says how a list of values is written in a query.
type ArrayQuery string

// The ways: tagIds=a&tagIds=b, tagIds=a,b and tagIds[]=a&tagIds[]=b.
const (
	Repeat   ArrayQuery = "repeat"
	Comma    ArrayQuery = "comma"
	Brackets ArrayQuery = "brackets"
)

// ParseArrayQuery reads the setting; empty is Repeat.
func ParseArrayQuery(s string) (ArrayQuery, error) {
	switch a := ArrayQuery(s); a {
	case "":
		return Repeat, nil
	case Repeat, Comma, Brackets:
		return a, nil
	}
	return "", fmt.Errorf("array_query %q is none of %s, %s, %s", s, Repeat, Comma, Brackets)
}

// Encode writes parameters as a query. Values are strings, lists of strings, numbers or booleans; nil is left out.
func (a ArrayQuery) Encode(params map[string]any) url.Values {
	q := url.Values{}
	for key, v := range params {
		switch v := v.(type) {
		case nil:
		case string:
			q.Set(key, v)
		case int:
			q.Set(key, strconv.Itoa(v))
		case bool:
			q.Set(key, strconv.FormatBool(v))
		case []string:
			switch {
			case len(v) == 0:
			case a == Comma:
				q.Set(key, strings.Join(v, ","))
			case a == Brackets:
				q[key+"[]"] = v
			default:
				q[key] = v
			}
		}
	}
	return q
}

// Decode reads a list back from a query.
func (a ArrayQuery) Decode(q url.Values, key string) []string {
	switch a {
	case Comma:
		if q.Get(key) == "" {
			return nil
		}
		return strings.Split(q.Get(key), ",")
	case Brackets:
		return q[key+"[]"]
	default:
		return q[key]
	}
}
