package omniflow

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"syncer/internal/sandbox/backend"
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)

func (s *Server) createContact(c *backend.Call) (any, *backend.Error) {
	number, name := c.Text("phoneNumber"), strings.TrimSpace(c.Text("name"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(number, name, nil); err != nil {
		return nil, err
	}
	if s.o.Quota > 0 && len(s.contacts) >= s.o.Quota {
		status := s.o.QuotaStatus
		if status == 0 {
			status = http.StatusUnprocessableEntity
		}
		return nil, &backend.Error{Status: status, Code: "quota_exceeded", Message: "Limite mensal de contatos atingido"}
	}
	return *s.add(Contact{PhoneNumber: number, Name: name}), nil
}

// check judges number and name; except is the contact that may have the number already.
func (s *Server) check(number, name string, except *Contact) *backend.Error {
	status := s.o.DuplicateStatus
	if status == 0 {
		status = http.StatusConflict
	}
	switch other := s.byPhone[number]; {
	case !e164.MatchString(number):
		return backend.Invalid("invalid_phone_number", "phoneNumber "+number+" is not E.164")
	case name == "":
		return backend.Invalid("invalid_name", "name must not be blank")
	case other != nil && other != except && status >= 300:
		return &backend.Error{Status: status, Code: "contact_already_exists", Message: "phoneNumber " + number + " belongs to " + other.Name}
	}
	return nil
}

func (s *Server) getContact(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byID[c.Text("id")]; found != nil {
		return *found, nil
	}
	return nil, backend.NotFound("contact")
}

func (s *Server) findContact(c *backend.Call) (any, *backend.Error) {
	number := c.Text("phoneNumber")
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := []Contact{}
	if first := s.byPhone[number]; first != nil || s.o.Loose {
		for _, k := range s.contacts {
			if k.PhoneNumber == number || s.o.Loose && strings.Contains(k.PhoneNumber, strings.TrimPrefix(number, "+")) {
				hits = append(hits, *k)
			}
		}
	}
	return page(c, hits, 25), nil
}

func (s *Server) updateContact(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.byID[c.Text("id")]
	if found == nil {
		return nil, backend.NotFound("contact")
	}
	number, name := found.PhoneNumber, found.Name
	if c.Given("phoneNumber") {
		number = c.Text("phoneNumber")
	}
	if c.Given("name") {
		name = strings.TrimSpace(c.Text("name"))
	}
	if err := s.check(number, name, found); err != nil {
		return nil, err
	}
	if number != found.PhoneNumber {
		s.rephone(found, number)
	}
	found.Name = name
	s.touch(found)
	return *found, nil
}

// Add puts a contact there as an agent would, without any rule.
func (s *Server) Add(c Contact) Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.add(c)
}

// Rename changes the name of a contact as an agent would; key is an id or a number. It reports whether there
// was such a contact, as the other edits do.
func (s *Server) Rename(key, name string) bool {
	return s.edit(key, func(c *Contact) { c.Name = name })
}

// Renumber gives a contact another number as an agent would.
func (s *Server) Renumber(key, number string) bool {
	return s.edit(key, func(c *Contact) { s.rephone(c, number) })
}

func (s *Server) edit(key string, change func(*Contact)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(key)
	if c == nil {
		return false
	}
	change(c)
	s.touch(c)
	return true
}

// Remove deletes a contact, as an administrator could; clients cannot.
func (s *Server) Remove(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(key)
	if c == nil {
		return false
	}
	s.contacts = slices.DeleteFunc(s.contacts, func(o *Contact) bool { return o == c })
	delete(s.byID, c.ID)
	s.unindex(c.PhoneNumber)
	return true
}
