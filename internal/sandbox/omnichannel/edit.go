package omnichannel

import (
	"errors"
	"net/http"
	"slices"

	"syncer/internal/sandbox"
)

// Contacts returns all contacts in order of creation.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Contact, len(s.people))
	for i, p := range s.people {
		all[i] = s.view(p)
	}
	return all
}

// Contact returns the contact of an id or of an identifier.
func (s *Server) Contact(key string) (Contact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.find(key); p != nil {
		return s.view(p), true
	}
	return Contact{}, false
}

// view is a contact with the names of its tags.
func (s *Server) view(p *person) Contact {
	c := p.Contact
	c.Tags = []string{}
	for _, id := range p.tags {
		c.Tags = append(c.Tags, s.tagByID(id).Name)
	}
	return c
}

// Tags returns all tags in order of creation.
func (s *Server) Tags() []Tag {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Tag, len(s.tags))
	for i, t := range s.tags {
		all[i] = *t
	}
	return all
}

// Add puts a contact there as an agent would, without any rule; tags that it names are made.
func (s *Server) Add(c Contact) Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view(s.add(c))
}

// Rename changes the custom name of a contact as an agent would; key is an id or an identifier. It reports
// whether there was such a contact, as the other edits do.
func (s *Server) Rename(key, customName string) bool {
	return s.edit(key, func(p *person) { p.CustomName = customName })
}

// Tag gives a contact a tag, which is made if need be.
func (s *Server) Tag(key, name string) bool {
	return s.edit(key, func(p *person) {
		if t := s.ensureTag(name); !slices.Contains(p.tags, t.ID) {
			p.tags = append(p.tags, t.ID)
		}
	})
}

// Untag takes a tag from a contact.
func (s *Server) Untag(key, name string) bool {
	return s.edit(key, func(p *person) {
		if t := s.tagByName(name); t != nil {
			p.tags = slices.DeleteFunc(p.tags, func(id string) bool { return id == t.ID })
		}
	})
}

// Ignore says whether the platform leaves a contact's messages alone.
func (s *Server) Ignore(key string, ignored bool) bool {
	return s.edit(key, func(p *person) { p.IsIgnored = ignored })
}

func (s *Server) edit(key string, change func(*person)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(key)
	if p == nil {
		return false
	}
	change(p)
	p.UpdatedAt = s.now()
	return true
}

// Remove deletes a contact, as an administrator could; clients cannot.
func (s *Server) Remove(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(key)
	if p == nil {
		return false
	}
	s.people = slices.DeleteFunc(s.people, func(o *person) bool { return o == p })
	delete(s.byID, p.ID)
	s.unindex(p.ContactIdentifier)
	return true
}

// RemoveTag deletes a tag, and takes it from everybody.
func (s *Server) RemoveTag(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tagByName(name)
	if t != nil {
		s.dropTag(t)
	}
	return t != nil
}

func (s *Server) find(key string) *person {
	if p := s.byID[key]; p != nil {
		return p
	}
	return s.byNumber[key]
}

var errNoContact = errors.New("there is no such contact or tag")

// routes adds to the control API what an agent does by hand, and the truth.
func (s *Server) routes() {
	s.Control.Handle("GET /_sandbox/contacts", "all contacts, with the names of their tags", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.WriteJSON(w, http.StatusOK, map[string]any{"contacts": s.Contacts()})
	})
	s.Control.Handle("GET /_sandbox/tags", "all tags", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.WriteJSON(w, http.StatusOK, map[string]any{"tags": s.Tags()})
	})
	s.Control.Handle("POST /_sandbox/contacts", "puts a contact there: {\"contactIdentifier\":\"5584990000101\",\"name\":\"Marina\",\"tags\":[\"VIP\"]}", func(w http.ResponseWriter, r *http.Request) {
		var c Contact
		if err := sandbox.ReadJSON(r, &c); err != nil {
			sandbox.WriteError(w, http.StatusBadRequest, err)
			return
		}
		sandbox.WriteJSON(w, http.StatusCreated, s.Add(c))
	})
	s.handleEdit("DELETE /_sandbox/contacts/{id}", "removes a contact; its number will do as id, here and below",
		func(key string, _ edit) bool { return s.Remove(key) })
	s.handleEdit("POST /_sandbox/contacts/{id}/rename", "an agent changes the custom name: {\"name\":\"Marina (Padaria)\"}",
		func(key string, e edit) bool { return s.Rename(key, e.Name) })
	s.handleEdit("POST /_sandbox/contacts/{id}/tag", "an agent gives a tag: {\"tag\":\"VIP\"}",
		func(key string, e edit) bool { return s.Tag(key, e.Tag) })
	s.handleEdit("POST /_sandbox/contacts/{id}/untag", "an agent takes a tag: {\"tag\":\"VIP\"}",
		func(key string, e edit) bool { return s.Untag(key, e.Tag) })
	s.handleEdit("POST /_sandbox/contacts/{id}/ignore", "the platform leaves the contact's messages alone: {\"ignored\":true}",
		func(key string, e edit) bool { return s.Ignore(key, e.Ignored) })
	s.handleEdit("DELETE /_sandbox/tags/{id}", "removes the tag of a name from everybody",
		func(name string, _ edit) bool { return s.RemoveTag(name) })
}

// edit is the body of a control call.
type edit struct {
	Name    string `json:"name"`
	Tag     string `json:"tag"`
	Ignored bool   `json:"ignored"`
}

func (s *Server) handleEdit(pattern, help string, do func(key string, e edit) bool) {
	s.Control.Handle(pattern, help, func(w http.ResponseWriter, r *http.Request) {
		var e edit
		switch err := sandbox.ReadJSON(r, &e); {
		case err != nil:
			sandbox.WriteError(w, http.StatusBadRequest, err)
		case !do(r.PathValue("id"), e):
			sandbox.WriteError(w, http.StatusNotFound, errNoContact)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}
