package rapidpro

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The messages of the framework that the API is built with.
const (
	msgRequired = "This field is required."
	msgNull     = "This field may not be null."
	msgBlank    = "This field may not be blank."
	msgString   = "Not a valid string."
	msgUnique   = "This field must be unique."
	msgRef      = "Must be a string or integer"
	maxItems    = 100
)

// failures collects the errors of all fields of a request, in the order of the fields.
type failures struct{ object }

// add enters one field's errors, as JSON; "" is no error.
func (f *failures) add(field, json string) bool {
	if json != "" {
		f.raw(field, json)
	}
	return json == ""
}

func (f *failures) response() *response {
	if f.count == 0 {
		return nil
	}
	return jsonResponse(http.StatusBadRequest, f.end())
}

// text is a field that takes text, and numbers as text.
type text struct {
	required, null, blank bool
	min, max              int               // characters, 0 for any
	taken                 func(string) bool // whether the value exists already
}

// read validates one value. It returns the text, whether there was a value and whether it was null.
func (t text) read(p *payload, name string) (value string, present, null bool, problem string) {
	v, ok := p.dict.lookup(name)
	if p.form != nil {
		if v, ok = p.formText(name, t); !ok && !t.required {
			return "", false, false, ""
		}
	}
	if !ok {
		if t.required {
			return "", false, false, messages(msgRequired)
		}
		return "", false, false, ""
	}
	value, null, problem = t.check(v)
	return value, true, null, problem
}

func (d *pyDict) lookup(name string) (any, bool) {
	if d == nil {
		return nil, false
	}
	return d.get(name)
}

// formText reads a form's field; an empty one stands for null or for absence where text cannot be blank.
func (p *payload) formText(name string, t text) (any, bool) {
	s, ok := p.form.lookup(name)
	if !ok || s != "" || t.blank {
		return s, ok
	}
	if t.null {
		return nil, true
	}
	return s, t.required
}

func (t text) check(v any) (value string, null bool, problem string) {
	switch v := v.(type) {
	case nil:
		if t.null {
			return "", true, ""
		}
		return "", false, messages(msgNull)
	case string:
		value = strip(v)
		if value == "" {
			if t.blank {
				return "", false, ""
			}
			return "", false, messages(msgBlank)
		}
	case pyInt, float64:
		value = pyStr(v)
	default:
		return "", false, messages(msgString)
	}
	var problems []string
	if t.taken != nil && t.taken(value) {
		problems = append(problems, msgUnique)
	}
	if n := runeCount(value); t.max > 0 && n > t.max {
		problems = append(problems, fmt.Sprintf("Ensure this field has no more than %d characters.", t.max))
	} else if n < t.min {
		problems = append(problems, fmt.Sprintf("Ensure this field has at least %d characters.", t.min))
	}
	problems = append(problems, badCharacters(value)...)
	if problems != nil {
		return "", false, messages(problems...)
	}
	return value, false, ""
}

// badCharacters refuses what the database cannot keep.
func badCharacters(s string) (problems []string) {
	if strings.IndexByte(s, 0) >= 0 {
		problems = append(problems, "Null characters are not allowed.")
	}
	if r, found := firstSurrogate(s); found {
		problems = append(problems, fmt.Sprintf("Surrogate characters are not allowed: U+%X.", r))
	}
	return problems
}

// choice is a field that takes one of a few words.
func choice(p *payload, name string, words []string) (value, problem string) {
	v, ok := p.dict.lookup(name)
	if p.form != nil {
		v, ok = p.form.lookup(name)
	}
	switch {
	case !ok:
		return "", messages(msgRequired)
	case v == nil:
		return "", messages(msgNull)
	}
	if value = pyStr(v); slices.Contains(words, value) {
		return value, ""
	}
	return "", messages(`"` + value + `" is not a valid choice.`)
}

func tooMany(v any) string {
	if size(v) > maxItems {
		return messages(fmt.Sprintf("This field can only contain up to %d items.", maxItems))
	}
	return ""
}

func notAList(v any) string {
	return messages(fmt.Sprintf(`Expected a list of items but got type "%s".`, typeName(v)))
}

// list reads a field that takes a list and checks everything but its elements.
func (p *payload) list(name string) (items []any, present bool, problem string) {
	v, ok := p.dict.lookup(name)
	if p.form != nil {
		v, ok = p.formList(name)
	}
	switch {
	case !ok:
		return nil, false, ""
	case v == nil:
		return nil, true, messages(msgNull)
	}
	if problem := tooMany(v); problem != "" {
		return nil, true, problem
	}
	items, isList := v.([]any)
	if !isList {
		return nil, true, notAList(v)
	}
	return items, true, ""
}

var indexed = regexp.MustCompile(`^(.+)\[([0-9]+)\]$`)

// formList reads a list from a form, as repeated fields or as name[0], name[1] and so on.
func (p *payload) formList(name string) (any, bool) {
	var items []any
	for _, s := range p.form[name] {
		items = append(items, s)
	}
	if items != nil {
		return items, true
	}
	byIndex := map[int]string{}
	for key, values := range p.form {
		if m := indexed.FindStringSubmatch(key); m != nil && m[1] == name {
			i, _ := strconv.Atoi(m[2])
			byIndex[i] = values[len(values)-1]
		}
	}
	for i := range len(p.form) + maxItems {
		if s, ok := byIndex[i]; ok {
			items = append(items, s)
		}
	}
	return items, items != nil
}

// references reads a field that names several objects. Of an object its keys are taken, as Python
// iterates over them; a form always has such a field, if only an empty one.
func (p *payload) references(name string) (items []any, present bool, problem string) {
	v, ok := p.dict.lookup(name)
	if p.form != nil {
		items = []any{}
		for _, s := range p.form[name] {
			items = append(items, s)
		}
		v, ok = items, true
	}
	if !ok {
		return nil, false, ""
	}
	if problem := tooMany(v); problem != "" {
		return nil, true, problem
	}
	switch v := v.(type) {
	case nil:
		return nil, true, messages(msgNull)
	case []any:
		return v, true, ""
	case *pyDict:
		items = []any{}
		for _, k := range v.keys {
			items = append(items, k)
		}
		return items, true, ""
	}
	return nil, true, notAList(v)
}

// reference reads a field that names one object; empty text is as good as null.
func (p *payload) reference(name string) (value any, present bool, problem string) {
	v, ok := p.dict.lookup(name)
	if p.form != nil {
		s, given := p.form.lookup(name)
		v, ok = s, given && s != ""
	}
	switch {
	case !ok:
		return nil, false, ""
	case v == nil || v == "":
		return nil, true, messages(msgNull)
	}
	return v, true, ""
}

// isReference says whether a value can name an object at all; booleans count as integers.
func isReference(v any) bool {
	switch v.(type) {
	case string, pyInt, bool:
		return true
	}
	return false
}

// findGroup resolves one group of a request. A number or a boolean passes the check of types and then
// breaks the query, which is a crash and no error of the field.
func (s *Server) findGroup(v any) (g *group, problem string, crashed bool) {
	if !isReference(v) {
		return nil, messages(msgRef), false
	}
	ref, ok := v.(string)
	if !ok || unstorable(ref) {
		return nil, "", true
	}
	if g = s.primary.groupByRef(ref); g == nil {
		return nil, messages("No such object: " + ref), false
	}
	if g.query != nil {
		what := "dynamic"
		if !s.flavour.weni {
			what = "query based"
		}
		return nil, messages("Contact group must not be " + what + ": " + ref), false
	}
	return g, "", false
}

// findContact resolves one contact of a request, by uuid or by URN. The URN is read without a country,
// so phone numbers must be international.
func (s *Server) findContact(v any) (c *contact, problem string, crashed bool) {
	if !isReference(v) {
		return nil, messages(msgRef), false
	}
	ref := pyStr(v)
	if unstorable(ref) {
		return nil, "", true
	}
	identity := ref
	if u, err := s.flavour.normalize(ref, ""); err == nil {
		identity = u.identity()
	}
	if c = s.primary.byUUID[ref]; c == nil || c.deleted {
		c = s.primary.owner(identity)
	}
	if c == nil || c.deleted {
		return nil, messages("No such object: " + ref), false
	}
	return c, "", false
}

// lookups reads the parameters that choose the object of a write. A urn is normalised at once, so that a
// bad one is reported before too many parameters are.
func (rq *request) lookups(names ...string) (name, value string, u urn, refusal *response) {
	found := 0
	for _, n := range names {
		v, ok := rq.params.lookup(n)
		if !ok {
			continue
		}
		if n == "urn" {
			if u, refusal = rq.urnParam(v); refusal != nil {
				return "", "", urn{}, refusal
			}
		}
		found++
		name, value = n, v
	}
	if found > 1 {
		slices.Sort(names)
		return "", "", urn{}, detail(http.StatusBadRequest, "URL can only contain one of the following parameters: "+strings.Join(names, ", "))
	}
	return name, value, u, nil
}

// urnParam normalises a urn of the address.
func (rq *request) urnParam(v string) (urn, *response) {
	if rq.set.Anon {
		return urn{}, detail(http.StatusBadRequest, "URN lookups not allowed for anonymous organizations")
	}
	u, err := rq.flavour.lookupURN(v, rq.set.Country)
	if err != nil {
		return urn{}, detail(http.StatusBadRequest, "Invalid URN: "+v)
	}
	return u, nil
}

// missingLookup is the answer to a DELETE that does not say what.
func missingLookup(names ...string) *response {
	slices.Sort(names)
	return detail(http.StatusBadRequest, "URL must contain one of the following parameters: "+strings.Join(names, ", "))
}
