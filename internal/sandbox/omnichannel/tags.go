package omnichannel

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/sandbox/backend"
)

var hexColor = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

func (s *Server) contactTags(c *backend.Call) (any, *backend.Error) {
	p, err := s.named(c)
	if err != nil {
		return nil, err
	}
	return backend.Page{Items: s.tagsOf(p)}, nil
}

func (s *Server) addTags(c *backend.Call) (any, *backend.Error) {
	return s.retag(c, func(p *person, ids []string) {
		for _, id := range ids {
			if !slices.Contains(p.tags, id) {
				p.tags = append(p.tags, id)
			}
		}
	})
}

func (s *Server) removeTags(c *backend.Call) (any, *backend.Error) {
	return s.retag(c, func(p *person, ids []string) {
		p.tags = slices.DeleteFunc(p.tags, func(id string) bool { return slices.Contains(ids, id) })
	})
}

func (s *Server) retag(c *backend.Call, change func(*person, []string)) (any, *backend.Error) {
	p, err := s.named(c)
	if err != nil {
		return nil, err
	}
	ids, err := s.knownTags(c.List("tagIds"))
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, backend.Invalid("validation", "tagIds should not be empty")
	}
	change(p, ids)
	p.UpdatedAt = s.now()
	return s.show(p), nil
}

// knownTags refuses ids of tags that do not exist.
func (s *Server) knownTags(ids []string) ([]string, *backend.Error) {
	for _, id := range ids {
		if s.tagByID(id) == nil {
			return nil, backend.NotFound("tag")
		}
	}
	return slices.Clone(ids), nil
}

func (s *Server) createTag(c *backend.Call) (any, *backend.Error) {
	name := strings.TrimSpace(c.Text("name"))
	switch {
	case name == "":
		return nil, backend.Invalid("validation", "name should not be empty")
	case !hexColor.MatchString(c.Text("color")):
		return nil, backend.Invalid("validation", "color must be a hexadecimal color")
	case s.tagByName(name) != nil:
		return nil, &backend.Error{Status: http.StatusConflict, Code: "duplicate", Message: "there is a tag of this name"}
	}
	t := &Tag{ID: s.id("68f1"), Name: name, Color: c.Text("color")}
	s.tags = append(s.tags, t)
	return s.showTag(t), nil
}

func (s *Server) listTags(c *backend.Call) (any, *backend.Error) {
	filter := strings.ToLower(c.Text("name"))
	shown := []map[string]any{}
	for _, t := range s.tags {
		if strings.Contains(strings.ToLower(t.Name), filter) {
			shown = append(shown, s.showTag(t))
		}
	}
	return backend.Page{Items: shown}, nil
}

func (s *Server) getTag(c *backend.Call) (any, *backend.Error) {
	if t := s.tagByID(c.Text("tagId")); t != nil {
		return s.showTag(t), nil
	}
	return nil, backend.NotFound("tag")
}

func (s *Server) updateTag(c *backend.Call) (any, *backend.Error) {
	t := s.tagByID(c.Text("tagId"))
	if t == nil {
		return nil, backend.NotFound("tag")
	}
	if name := strings.TrimSpace(c.Text("name")); name != "" {
		t.Name = name
	}
	if color := c.Text("color"); hexColor.MatchString(color) {
		t.Color = color
	}
	return s.showTag(t), nil
}

func (s *Server) deleteTag(c *backend.Call) (any, *backend.Error) {
	t := s.tagByID(c.Text("tagId"))
	if t == nil {
		return nil, backend.NotFound("tag")
	}
	s.dropTag(t)
	return nil, nil
}

func (s *Server) tagContacts(c *backend.Call) (any, *backend.Error) {
	t := s.tagByID(c.Text("tagId"))
	if t == nil {
		return nil, backend.NotFound("tag")
	}
	shown := []map[string]any{}
	for _, p := range s.people {
		if slices.Contains(p.tags, t.ID) {
			shown = append(shown, s.show(p))
		}
	}
	return backend.Page{Items: shown}, nil
}

func (s *Server) showTag(t *Tag) map[string]any {
	return map[string]any{s.idKey(): t.ID, "name": t.Name, "color": t.Color}
}

func (s *Server) tagsOf(p *person) []map[string]any {
	shown := []map[string]any{}
	for _, id := range p.tags {
		shown = append(shown, s.showTag(s.tagByID(id)))
	}
	return shown
}

func (s *Server) tagByID(id string) *Tag {
	return s.firstTag(func(t *Tag) bool { return t.ID == id })
}

func (s *Server) tagByName(name string) *Tag {
	return s.firstTag(func(t *Tag) bool { return contact.FoldName(t.Name) == contact.FoldName(name) })
}

func (s *Server) firstTag(fits func(*Tag) bool) *Tag {
	if i := slices.IndexFunc(s.tags, fits); i >= 0 {
		return s.tags[i]
	}
	return nil
}

// ensureTag returns the tag of a name and makes it if there is none.
func (s *Server) ensureTag(name string) *Tag {
	t := s.tagByName(name)
	if t == nil {
		t = &Tag{ID: s.id("68f1"), Name: name, Color: "#607d8b"}
		s.tags = append(s.tags, t)
	}
	return t
}

// dropTag removes a tag from everybody.
func (s *Server) dropTag(t *Tag) {
	s.tags = slices.DeleteFunc(s.tags, func(o *Tag) bool { return o == t })
	for _, p := range s.people {
		p.tags = slices.DeleteFunc(p.tags, func(id string) bool { return id == t.ID })
	}
}
