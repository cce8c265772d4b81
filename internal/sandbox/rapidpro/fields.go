package rapidpro

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9\-_ ]+$`)
	namePattern  = regexp.MustCompile(`^[A-Za-z0-9\- ]+$`) // upstream forbids the underscore
	keyPattern   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	notKey       = regexp.MustCompile(`[^a-z0-9]+`)
)

// fieldKinds are the types of fields. Upstream has new names for them and still takes the old ones.
var fieldKinds = []string{"text", "numeric", "datetime", "state", "district", "ward"}

const maxLabel = 36

// makeKey derives a field's key from its label, once and for all.
func makeKey(label string) string {
	return notKey.ReplaceAllString(strings.TrimSpace(notKey.ReplaceAllString(strings.ToLower(label), " ")), "_")
}

func (f *flavour) validKey(key string) bool {
	return keyPattern.MatchString(key) && len(key) <= maxLabel && !slices.Contains(f.reserved, key)
}

var fieldByCreated = ordering[*field]{
	key: func(f *field) time.Time { return f.created }, descending: true, idsDown: true,
}

func listFields(rq *request) *response {
	if docs := rq.documentation(); docs != nil {
		return docs
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	key := rq.params.get("key")
	if unstorable(key) {
		return crash()
	}
	st := rq.readonly()
	match := func(f *field) bool { return key == "" || f.key == key }
	page, next, previous, refusal := paginate(rq, st.fields, fieldByCreated, pageSize, match)
	if refusal != nil {
		return refusal
	}
	return listing(page, next, previous, func(b []byte, f *field) []byte { return rq.appendField(b, st, f) })
}

func postField(rq *request) *response {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	lookup, key, _, refusal := rq.lookups("key")
	if refusal != nil {
		return refusal
	}
	var f *field
	if lookup != "" {
		if f = rq.primary.field(key); f == nil {
			return notFound()
		}
	}
	p, refusal := rq.begin()
	if refusal != nil {
		return refusal
	}
	label, kind, refusal := rq.readField(p, f)
	if refusal != nil {
		return refusal
	}
	if f == nil {
		if n := len(rq.primary.fields); n >= rq.set.MaxFields {
			return rq.full("contact fields", n, rq.set.MaxFields)
		}
	}
	if f != nil && f.kind == "datetime" && kind != "datetime" && rq.usedByCampaign(f.key) {
		if rq.flavour.weni {
			return crash() // nobody catches the complaint
		}
		return fieldError("non_field_errors", "Can't change type of date field being used by campaign events.")
	}
	if f == nil && rq.primary.field(makeKey(label)) != nil {
		return crash() // upstream asserts that this cannot be
	}
	status, row := http.StatusOK, &field{}
	if f == nil {
		status = http.StatusCreated
		*row = field{id: rq.newID(), uuid: rq.newUUID(), key: makeKey(label), created: rq.transaction()}
	} else {
		*row = *f
	}
	row.label, row.kind = label, kind
	rq.commit(func(st *store) { st.putField(row) })
	return jsonResponse(status, rq.appendField(nil, rq.primary, row))
}

// full is the refusal of one more. Weni answers 400 and counts, upstream 409.
func (rq *request) full(what string, count, limit int) *response {
	if !rq.flavour.weni {
		return detail(http.StatusConflict, "Cannot create object because workspace has reached limit.")
	}
	return fieldError("non_field_errors", fmt.Sprintf(
		"This org has %d %s and the limit is %d. You must delete existing ones before you can create new ones.", count, what, limit))
}

func (s *Server) usedByCampaign(key string) bool {
	return slices.ContainsFunc(s.primary.extra[tableEvents], func(r record) bool { return r.(*campaignEvent).relativeTo == key })
}

// readField validates a body. Label and type are both needed, also for an update.
func (rq *request) readField(p *payload, f *field) (label, kind string, refusal *response) {
	labelName, kindName, required := "label", "value_type", true
	if !rq.flavour.weni {
		required = false
		if _, ok := p.dict.lookup("name"); ok {
			labelName = "name"
		}
		if _, ok := p.dict.lookup("type"); ok {
			kindName = "type"
		}
	}
	failed := &failures{}
	rule := text{required: required, max: maxLabel, taken: func(s string) bool {
		return slices.ContainsFunc(rq.primary.fields, func(o *field) bool { return (f == nil || o.id != f.id) && sameFold(o.label, s) })
	}}
	label, present, _, problem := rule.read(p, labelName)
	if problem == "" && present {
		problem = rq.badLabel(label, f)
	}
	failed.add(labelName, problem)

	_, kindPresent := p.dict.lookup(kindName)
	if kindPresent || required || p.form != nil {
		kinds := fieldKinds
		if kindName == "type" {
			kinds = []string{"text", "number", "datetime", "state", "district", "ward"}
		}
		kind, problem = choice(p, kindName, kinds)
		failed.add(kindName, problem)
	}
	if refusal = failed.response(); refusal != nil {
		return "", "", refusal
	}
	if !present {
		return "", "", fieldError("non_field_errors", "Field 'name' is required.")
	}
	if kind == "" {
		return "", "", fieldError("non_field_errors", "Field 'type' is required.")
	}
	if kind == "number" {
		kind = "numeric"
	}
	return label, kind, nil
}

func (rq *request) badLabel(label string, f *field) string {
	pattern, text := labelPattern, "Can only contain letters, numbers, hyphens and underscores."
	if !rq.flavour.weni {
		pattern, text = namePattern, "Can only contain letters, numbers and hypens."
	}
	key := makeKey(label)
	switch {
	case !pattern.MatchString(label):
		return messages(text)
	case !rq.flavour.validKey(key):
		return messages(`Generated key "` + key + `" is invalid or a reserved name.`)
	}
	if other := rq.primary.field(key); rq.flavour.weni && other != nil && (f == nil || other.id != f.id) {
		return messages(`Generated key "` + key + `" conflicts with an existing contact field.`)
	}
	return ""
}
