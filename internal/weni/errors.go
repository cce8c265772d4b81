package weni

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/outbound"
)

// learnAfter is how long a write waits for a definition that the workspace does not have: long enough for it
// to be read and defined again.
const learnAfter = time.Minute

const anonymous = "the workspace is anonymous: it hides the addresses of its contacts, so syncer cannot tell who is who. " +
	"Turn anonymity off in the workspace's settings or use another workspace, then resume this target"

// meaning is what one sentence of a 400 says. The order of the table is the order of weight: the errors of all
// keys of a body are reported together.
type meaning struct {
	says  string // part of the server's sentence
	kind  contact.ErrorKind
	words string
}

var meanings = []meaning{
	{"is currently suspended", contact.Suspended, "the workspace is suspended: it can be read but not written until its support lifts that"},
	{"is currently flagged", contact.Suspended, "the workspace is flagged: it can be read but not written until its support lifts that"},
	{"anonymous organizations", contact.Suspended, anonymous},
	{"anonymous workspaces", contact.Suspended, anonymous},
	{"Inactive contacts can't be modified", contact.Gone, "the contact was deleted there"},
	{"Deleted contacts can't be modified", contact.Gone, "the contact was deleted there"},
	{"URN belongs to another contact", contact.Conflict, "an address belongs to another contact"},
	{"URNs in use by other contacts", contact.Conflict, "an address, or its form with or without the ninth digit, belongs to another contact"},
	{"URN is in use by another contact", contact.Conflict, "an address belongs to another contact"},
	// The engine behind the API caches definitions for 5 s.
	{"unknown contact field", contact.Unready, "the workspace's engine does not know a field yet"},
	{"unknown contact group", contact.Unready, "the workspace's engine does not know a group yet"},
	{"Invalid contact field key", contact.Unready, "the workspace has no such field any more"},
	{"Contact group must not be", contact.Unready, "the group is now one whose members the workspace computes itself"},
	{"Non-active contacts cannot be added to groups", contact.Invalid, "blocked, stopped and archived contacts cannot be added to a group"},
	{"limit is", contact.Invalid, "the workspace is full; delete what nobody uses there, or ask its support for a higher limit"},
	{"reached limit", contact.Invalid, "the workspace is full; delete what nobody uses there, or ask its support for a higher limit"},
}

// complaint is one sentence of a 400 and the key of the body it is about.
type complaint struct{ key, text string }

// said is the sentence without what it echoes: values stand after a colon or in quotes. Only this part may decide
// anything, or somebody's data could suspend a target.
func (x complaint) said() string {
	s := quoted.ReplaceAllString(strings.TrimPrefix(x.text, "pq: "), "…")
	s, _, _ = strings.Cut(s, ": ")
	return s
}

// complaints flattens an error body: detail, error and non_field_errors, lists per key, objects per list index
// ("0") or per field. ok is false when the body is no JSON object, as the pages of proxies are not.
func complaints(body []byte) (list []complaint, ok bool) {
	var top map[string]any
	if json.Unmarshal(body, &top) != nil || top == nil {
		return nil, false
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case string:
			list = append(list, complaint{key, v})
		case []any:
			for _, e := range v {
				walk(key, e)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimPrefix(key+"."+k, "."), v[k])
			}
		}
	}
	walk("", top)
	return list, true
}

// refine gives a failed answer the meaning that this API gives it.
func (t *Target) refine(e *contact.Error, c *call, resp *resty.Response) {
	list, isJSON := complaints(resp.Body())
	switch {
	case e.Status == http.StatusTooManyRequests:
		t.meter.Refused(c.scope(), e.Until)
	case e.Status == http.StatusForbidden:
		e.Message = forbidden(e.Message, list)
	case e.Status == http.StatusNotFound || e.Status == http.StatusGone: // this API never says 410 itself
		t.missing(e, c, list)
	case e.Status == http.StatusInternalServerError:
		// Creating is two steps, so only a create may have been carried out in part; its 500 stays uncertain.
		if until := t.usable(c.uses...); !until.IsZero() && (c.path == actionsPath || c.query.Has("uuid")) {
			e.Kind, e.Until, e.Uncertain = contact.Unready, until, false
			e.Message = "it failed (HTTP 500), as it does while its engine does not know a new field or group"
		}
	case (e.Status == http.StatusBadRequest || e.Status == http.StatusConflict) && !isJSON:
		// The API answers these in JSON only. A page comes from something before it and is about no record.
		e.Kind = contact.Unavailable
		e.Message = fmt.Sprintf("something in front of the API refuses the request with a page (HTTP %d); check base_url and the proxies in between", e.Status)
	case e.Status == http.StatusBadRequest || e.Status == http.StatusConflict:
		t.refused(e, c, list)
	case e.Status < 500 && len(list) > 0:
		e.Message += ": " + c.scrub(list)
	}
}

// forbidden says which of the reasons for a 403 it is. There is no 401 in this API.
func forbidden(fallback string, list []complaint) string {
	for _, x := range list {
		switch {
		case strings.HasPrefix(x.text, "You do not have permission"):
			return "the token is valid but may not do this: its user needs the role Administrator or Editor in the workspace"
		case strings.HasPrefix(x.text, "Invalid token"):
			return "it does not know the token: it was revoked, or its user lost the role; create a new one in the workspace"
		case strings.HasPrefix(x.text, "Authentication credentials"):
			return "no token reached it: something in between removes the Authorization header"
		}
	}
	return fallback
}

// missing tells a contact that is gone from an address that is not the API's: a page, or the JSON of a gateway,
// must never make a person look deleted.
func (t *Target) missing(e *contact.Error, c *call, list []complaint) {
	for _, x := range list {
		switch {
		case x.key != "detail":
		case x.text == "Invalid cursor":
			e.Kind, e.Message = contact.Invalid, "the place in the list is not valid any more; the walk must start again"
			return
		case c.query.Has("uuid") && (x.text == "Not found." || strings.Contains(x.text, "matches the given query")):
			e.Message = "the contact does not exist there any more"
			return
		}
	}
	e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("there is no such API at this address (HTTP %d); check base_url", e.Status)
}

var (
	uuidPattern = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
	keyPattern  = regexp.MustCompile(`(?:contact field '|field key: )([a-z][a-z0-9_]*)`)
)

// refused reads a 400, or the 409 with which newer versions say that a workspace is full.
func (t *Target) refused(e *contact.Error, c *call, list []complaint) {
	e.Kind = contact.Invalid
	for _, m := range meanings {
		for _, x := range list {
			if strings.Contains(x.said(), m.says) {
				t.decide(e, c, m, x)
				return
			}
		}
	}
	for _, x := range list {
		_, name, ok := strings.Cut(x.text, "No such object: ")
		switch {
		case !ok:
		case x.key == "group" || x.key == "groups":
			t.decide(e, c, meaning{kind: contact.Unready, words: "the workspace has no such group any more"}, x)
			return
		case x.key == "contacts":
			e.Names = uuidPattern.FindAllString(name, -1)
			e.Message = "a contact does not exist there any more"
			return
		}
	}
	e.Message = "it refuses the content: " + c.scrub(list)
}

func (t *Target) decide(e *contact.Error, c *call, m meaning, x complaint) {
	e.Kind, e.Message = m.kind, m.words
	switch m.kind {
	case contact.Invalid:
		e.Names = uuidPattern.FindAllString(x.text, -1)
		if len(e.Names) == 0 {
			e.Message += " (" + c.scrub([]complaint{x}) + ")"
		}
	case contact.Unready:
		key := ""
		if found := keyPattern.FindStringSubmatch(x.text); found != nil && slices.Contains(c.uses, found[1]) {
			key = found[1]
			e.Message += ": " + key
		}
		if strings.HasPrefix(m.says, "unknown contact") {
			if e.Until = t.usable(c.uses...); e.Until.IsZero() {
				e.Until = t.now().Add(settle)
			}
			return
		}
		t.forget(key, uuidPattern.FindString(x.text))
		e.Until = t.now().Add(learnAfter)
	}
}

var (
	quoted  = regexp.MustCompile(`"[^"]*"|\B'[^']*'`)
	number5 = regexp.MustCompile(`[0-9].*[0-9].*[0-9].*[0-9].*[0-9]`)
)

// scrub repeats what the server says, without what it echoes, without every word that the request itself contained,
// and without everything that is no word of an error message.
func (c *call) scrub(list []complaint) string {
	sent := c.words()
	var out []string
	for _, x := range list {
		words := strings.Fields(x.said())
		for i, w := range words {
			if sent[bare(w)] || strings.ContainsAny(w, "@:") || number5.MatchString(w) || uuidPattern.MatchString(w) {
				words[i] = "…"
			}
		}
		said := strings.Join(words, " ")
		if !c.defines() {
			said = outbound.Said(said) // it may name somebody who was not sent
		}
		said = strings.Trim(said, " .")
		if runes := []rune(said); len(runes) > 160 {
			said = string(runes[:160]) + "…"
		}
		switch key := x.key; key {
		case "detail", "error", "non_field_errors":
		default:
			if !plainKey.MatchString(key) {
				key = "…"
			}
			said = key + ": " + said
		}
		if !slices.Contains(out, said) {
			out = append(out, said)
		}
	}
	if len(out) == 0 {
		return "no reason given"
	}
	return strings.Join(out[:min(len(out), 5)], "; ")
}

var plainKey = regexp.MustCompile(`^[a-z][a-z0-9_]{0,35}(\.([a-z][a-z0-9_]{0,35}|[0-9]{1,3}))?$`)

// defines reports whether the call is about a field or group: its words are the mapping's, and nobody's data.
func (c *call) defines() bool { return c.path == fieldsPath || c.path == groupsPath }

// words are the words of the values that the request carried, unless it is a definition.
func (c *call) words() map[string]bool {
	sent := map[string]bool{}
	if c.defines() {
		return sent
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			for w := range strings.FieldsSeq(v) {
				sent[bare(w)] = true
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	var body any
	if raw, err := json.Marshal(c.body); err == nil && json.Unmarshal(raw, &body) == nil {
		walk(body)
	}
	for _, values := range c.query {
		for _, v := range values {
			walk(v)
		}
	}
	return sent
}

// bare is a word without case and punctuation around it.
func bare(w string) string { return strings.ToLower(strings.Trim(w, `.,;!?"'()[]{}<>«»`)) }
