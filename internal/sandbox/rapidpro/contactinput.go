package rapidpro

import (
	"slices"
	"strconv"
	"unicode"
)

func itoa(n int) string { return strconv.Itoa(n) }

// optional is a text of a request body: absent, null or there.
type optional struct {
	text          string
	present, null bool
}

// contactInput is a valid body of a write to a contact.
type contactInput struct {
	name, language optional
	urns           []urn
	urnsPresent    bool
	groups         []*group
	groupsPresent  bool
	fields         []setField
}

func (in *contactInput) groupUUIDs() []string {
	var uuids []string
	for _, g := range in.groups {
		if !slices.Contains(uuids, g.uuid) {
			uuids = append(uuids, g.uuid)
		}
	}
	return uuids
}

// readContact validates a body, all keys of it before anything is answered.
func (rq *request) readContact(p *payload, c *contact, byURN bool) (*contactInput, *response) {
	in, failed := &contactInput{}, &failures{}
	var problem string

	in.name, problem = rq.readName(p)
	failed.add("name", problem)

	language := text{null: true, min: 3, max: 3}
	in.language.text, in.language.present, in.language.null, problem = language.read(p, "language")
	if problem == "" && in.language.text != "" && !knownLanguage(in.language.text) {
		problem = messages("Not a valid ISO639-3 language code.")
	}
	failed.add("language", problem)

	in.urns, in.urnsPresent, problem = rq.readURNs(p, c, byURN)
	failed.add("urns", problem)

	var crashed bool
	in.groups, in.groupsPresent, problem, crashed = rq.readGroups(p, c)
	if crashed {
		return nil, crash()
	}
	failed.add("groups", problem)

	in.fields, problem = rq.readFields(p)
	failed.add("fields", problem)

	return in, failed.response()
}

// readName has the rules of either side: Weni counts characters after trimming and has words of its own.
func (rq *request) readName(p *payload) (o optional, problem string) {
	rule := text{null: true, max: 64}
	if rq.flavour.weni {
		rule = text{null: true, blank: true}
	}
	o.text, o.present, o.null, problem = rule.read(p, "name")
	if problem != "" || !o.present || o.null || !rq.flavour.weni {
		return o, problem
	}
	switch {
	case o.text == "":
		problem = messages("Contact name cannot be empty.")
	case runeCount(o.text) > 100:
		problem = messages("Contact name cannot exceed 100 characters.")
	}
	return o, problem
}

func (rq *request) readURNs(p *payload, c *contact, byURN bool) (urns []urn, present bool, problem string) {
	items, present, problem := p.list("urns")
	if !present || problem != "" {
		return nil, present, problem
	}
	elements := &failures{}
	for i, item := range items {
		u, problem := rq.readURN(item)
		if elements.add(itoa(i), problem) {
			urns = append(urns, u)
		}
	}
	if elements.count > 0 {
		return nil, true, string(elements.end())
	}
	switch {
	case byURN:
		return nil, true, messages("Field not allowed when using URN in URL")
	case rq.set.Anon && c != nil:
		return nil, true, messages("Updating URNs not allowed for anonymous organizations")
	case c == nil && rq.flavour.weni:
		for _, u := range urns {
			if rq.ownerOfURN(u) != nil {
				return nil, true, messages("URN belongs to another contact: " + u.String())
			}
		}
	}
	return urns, true, ""
}

func (rq *request) readURN(item any) (urn, string) {
	switch item.(type) {
	case nil:
		return urn{}, messages(msgNull)
	case string:
	default:
		return urn{}, messages(msgString)
	}
	value := strip(item.(string))
	if value == "" {
		return urn{}, messages(msgBlank)
	}
	u, problem := rq.flavour.checkURN(value, rq.set.Country)
	if problem != "" {
		return urn{}, messages(problem)
	}
	if bad := badCharacters(u.String()); bad != nil {
		return urn{}, messages(bad...)
	}
	return u, ""
}

// ownerOfURN finds who has a URN. A Twitter handle also belongs to who has it beside their Twitter id.
func (s *Server) ownerOfURN(u urn) *contact {
	if u.scheme == schemeTwitter {
		if row := s.primary.handles[u.path]; row != nil && row.owner != 0 {
			return s.primary.contacts[row.owner]
		}
	}
	return s.primary.owner(u.identity())
}

func (rq *request) readGroups(p *payload, c *contact) (groups []*group, present bool, problem string, crashed bool) {
	items, present, problem := p.references("groups")
	if !present || problem != "" {
		return nil, present, problem, false
	}
	for _, item := range items {
		g, problem, crashed := rq.findGroup(item)
		if problem != "" || crashed {
			return nil, true, problem, crashed
		}
		groups = append(groups, g)
	}
	if c != nil && c.status != active && len(groups) > 0 {
		return nil, true, messages("Non-active contacts can't be added to groups"), false
	}
	return groups, true, "", false
}

// readFields reads the custom values. Types of values are judged before the keys are, and of unknown keys
// the first is named. A form cannot carry any.
func (rq *request) readFields(p *payload) (fields []setField, problem string) {
	v, ok := p.dict.lookup("fields")
	if p.form != nil || !ok {
		return nil, ""
	}
	if v == nil {
		return nil, messages(msgNull)
	}
	if problem := tooMany(v); problem != "" {
		return nil, problem
	}
	d, ok := v.(*pyDict)
	if !ok {
		return nil, messages(`Expected a dictionary of items but got type "` + typeName(v) + `".`)
	}
	elements, rule := &failures{}, text{null: true, blank: true}
	for _, key := range d.keys {
		value, _, problem := rule.check(d.values[key])
		if elements.add(key, problem) {
			fields = append(fields, setField{key, value})
		}
	}
	if elements.count > 0 {
		return nil, string(elements.end())
	}
	for _, f := range fields {
		if rq.primary.field(f.key) == nil {
			return nil, messages("Invalid contact field key: " + f.key)
		}
	}
	return fields, ""
}

// modifiers is what the engine has to be asked for. Name, language and groups are compared first, so a
// body that changes none of them costs the engine nothing; fields and URNs are always passed on.
func (in *contactInput) modifiers(c *contact, st *store) (mods []modifier) {
	if in.name.present && in.name.text != c.name {
		mods = append(mods, setName(in.name.text))
	}
	if in.language.present && in.language.text != c.language {
		mods = append(mods, setLanguage(in.language.text))
	}
	if in.urnsPresent {
		mods = append(mods, setURNs(in.urns))
	}
	for _, f := range in.fields {
		mods = append(mods, f)
	}
	if !in.groupsPresent {
		return mods
	}
	wanted := in.groupUUIDs()
	var add, remove []string
	for _, id := range c.groups {
		if g := st.groupByID(id); g != nil && g.query == nil && !slices.Contains(wanted, g.uuid) {
			remove = append(remove, g.uuid)
		}
	}
	for _, g := range in.groups {
		if !c.inGroup(g.id) && !slices.Contains(add, g.uuid) {
			add = append(add, g.uuid)
		}
	}
	if remove != nil {
		mods = append(mods, setGroups{false, remove})
	}
	if add != nil {
		mods = append(mods, setGroups{true, add})
	}
	return mods
}

// wordCharacters are what \w is in the API's regular expressions.
var wordCharacters = []*unicode.RangeTable{
	unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control,
}

// validGroupName is the rule for names of groups: the first character must be a letter, digit or underscore
// of any script. Upstream also refuses quotes and backslashes.
func validGroupName(s string, weni bool) bool {
	if first, _ := decodeRune(s); !unicode.IsOneOf(wordCharacters, first) {
		return false
	}
	return weni || !slices.ContainsFunc([]rune(s), func(r rune) bool { return r == '"' || r == '\\' })
}
