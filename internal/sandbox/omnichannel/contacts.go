package omnichannel

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"syncer/internal/sandbox/backend"
)

var identifier = regexp.MustCompile(`^[A-Za-z0-9._:-]{3,64}$`)

func (s *Server) createContact(c *backend.Call) (any, *backend.Error) {
	number := c.Text("contactIdentifier")
	for _, name := range []string{"channelId", "contactIdentifier", "name", "customName", "type", "channelType"} {
		if c.Text(name) == "" {
			return nil, backend.Invalid("validation", name+" should not be empty")
		}
	}
	switch {
	case !identifier.MatchString(number):
		return nil, backend.Invalid("validation", "contactIdentifier "+number+" must be digits without +")
	case c.Text("channelType") != "whatsapp":
		return nil, backend.Invalid("validation", "channelType must be whatsapp")
	case c.Text("type") != "individual" && c.Text("type") != "group":
		return nil, backend.Invalid("validation", "type must be individual or group")
	}
	if err := s.unused(number, nil); err != nil {
		return nil, err
	}
	tags, err := s.knownTags(c.List("tagIds"))
	if err != nil {
		return nil, err
	}
	p := s.add(Contact{ChannelID: c.Text("channelId"), ContactIdentifier: number, Name: c.Text("name"), CustomName: c.Text("customName"),
		Type: c.Text("type"), ChannelType: c.Text("channelType"), Platform: c.Text("platform"), IsIgnored: c.Bool("isIgnored")})
	p.tags = tags
	return s.show(p), nil
}

// unused refuses a number that another contact has.
func (s *Server) unused(number string, except *person) *backend.Error {
	status := s.o.DuplicateStatus
	if status == 0 {
		status = http.StatusConflict
	}
	if other := s.byNumber[number]; other != nil && other != except && status >= 300 {
		return &backend.Error{Status: status, Code: "duplicate", Message: "contactIdentifier " + number + " belongs to " + other.Name}
	}
	return nil
}

func (s *Server) updateContact(c *backend.Call) (any, *backend.Error) {
	p, err := s.named(c)
	if err != nil {
		return nil, err
	}
	if c.Given("name") {
		return nil, &backend.Error{Status: http.StatusBadRequest, Code: "Bad Request", Message: "property name should not exist"}
	}
	tags := p.tags
	if c.Given("tagIds") {
		if tags, err = s.knownTags(c.List("tagIds")); err != nil {
			return nil, err
		}
	}
	if c.Given("contactIdentifier") {
		number := c.Text("contactIdentifier")
		if !identifier.MatchString(number) {
			return nil, backend.Invalid("validation", "contactIdentifier "+number+" must be digits without +")
		}
		if err := s.unused(number, p); err != nil {
			return nil, err
		}
		s.rename(p, number)
	}
	if c.Given("customName") {
		p.CustomName = c.Text("customName")
	}
	if c.Given("platform") {
		p.Platform = c.Text("platform")
	}
	if c.Given("isIgnored") {
		p.IsIgnored = c.Bool("isIgnored")
	}
	p.tags, p.UpdatedAt = tags, s.now()
	return s.show(p), nil
}

func (s *Server) getContact(c *backend.Call) (any, *backend.Error) {
	p, err := s.named(c)
	if err != nil {
		return nil, err
	}
	return s.show(p), nil
}

func (s *Server) deletePlatform(c *backend.Call) (any, *backend.Error) {
	p, err := s.named(c)
	if err != nil {
		return nil, err
	}
	p.Platform, p.UpdatedAt = "", s.now()
	return s.show(p), nil
}

func (s *Server) listContacts(c *backend.Call) (any, *backend.Error) {
	name, number, tags := strings.ToLower(c.Text("name")), c.Text("contactIdentifier"), c.List("tagIds")
	kind, channel := c.Text("type"), c.Text("channelType")
	var hits []*person
	for _, p := range s.people {
		switch {
		case s.o.IgnoreFilters:
		case kind != "" && kind != p.Type, channel != "" && channel != p.ChannelType:
			continue
		case name != "" && !strings.Contains(strings.ToLower(p.Name), name) && !strings.Contains(strings.ToLower(p.CustomName), name):
			continue
		case !strings.Contains(p.ContactIdentifier, number):
			continue
		case slices.ContainsFunc(tags, func(id string) bool { return !slices.Contains(p.tags, id) }):
			continue
		}
		hits = append(hits, p)
	}
	if c.Text("order") == "desc" {
		slices.Reverse(hits)
	}
	cut := page(s, c, hits)
	shown := []map[string]any{}
	for _, p := range cut.Items.([]*person) {
		shown = append(shown, s.show(p))
	}
	cut.Items = shown
	return cut, nil
}

// named finds the contact that a call is about.
func (s *Server) named(c *backend.Call) (*person, *backend.Error) {
	if p := s.byID[c.Text("contactId")]; p != nil {
		return p, nil
	}
	return nil, backend.NotFound("contact")
}

// show is a contact as the API shows it.
func (s *Server) show(p *person) map[string]any {
	shown := map[string]any{
		s.idKey(): p.ID, "clientIdentifier": s.o.Client, "channelId": p.ChannelID, "contactIdentifier": p.ContactIdentifier,
		"name": p.Name, "customName": p.CustomName, "type": p.Type, "channelType": p.ChannelType, "platform": nil,
		"isIgnored": p.IsIgnored, "createdAt": p.CreatedAt, "updatedAt": p.UpdatedAt,
	}
	if p.Platform != "" {
		shown["platform"] = p.Platform
	}
	switch s.o.Tags {
	case TagObjects:
		shown["tags"] = s.tagsOf(p)
	case TagIDs:
		shown["tagIds"] = append([]string{}, p.tags...)
	}
	return shown
}

func (s *Server) idKey() string {
	if s.o.PlainID {
		return "id"
	}
	return "_id"
}

func (s *Server) add(c Contact) *person {
	if c.ID == "" {
		c.ID = s.id("68e5")
	}
	for text, fallback := range map[*string]string{&c.Type: "individual", &c.ChannelType: "whatsapp", &c.ChannelID: "689a05215b711247e8f54022"} {
		if *text == "" {
			*text = fallback
		}
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.now()
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	p := &person{Contact: c}
	for _, name := range c.Tags {
		p.tags = append(p.tags, s.ensureTag(name).ID)
	}
	p.Tags = nil
	s.people = append(s.people, p)
	s.byID[p.ID] = p
	if s.byNumber[p.ContactIdentifier] == nil {
		s.byNumber[p.ContactIdentifier] = p
	}
	return p
}

// rename gives a contact another identifier and keeps the index right.
func (s *Server) rename(p *person, number string) {
	old := p.ContactIdentifier
	p.ContactIdentifier = number
	s.unindex(old)
	if s.byNumber[number] == nil {
		s.byNumber[number] = p
	}
}

func (s *Server) unindex(number string) {
	delete(s.byNumber, number)
	for _, p := range s.people {
		if p.ContactIdentifier == number {
			s.byNumber[number] = p
			return
		}
	}
}
