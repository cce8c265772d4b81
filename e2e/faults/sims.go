package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

// The columns: what the fault stands in front of, and what syncer wants there.
const (
	weni     = "Weni, live"
	mirror   = "Weni, mirror"
	flow     = "OmniFlow, live"
	inbox    = "omnichannel, live"
	crm      = "Pipedrive, walk"
	list     = "list, walk"
	fetch    = "list, fetch"
	operator = "notify"
)

var columns = []string{weni, mirror, flow, inbox, crm, list, fetch, operator}

// someone is a contact as a target has it.
type someone struct{ Phone, Name string }

// newWeni is a workspace with everything that the mapping needs.
func newWeni() (*rapidpro.Server, error) {
	s := rapidpro.New(rapidpro.Options{})
	if _, err := s.AddGroup("Clientes", ""); err != nil {
		return nil, err
	}
	s.Control.Advance(10 * time.Second) // new groups cannot be used at once
	return s, nil
}

func weniPeople(s *rapidpro.Server) (out []someone, err error) {
	var found struct{ Contacts []rapidpro.Contact }
	if err := peek(s, "contacts", &found); err != nil {
		return nil, err
	}
	for _, c := range found.Contacts {
		for _, u := range c.URNs {
			out = append(out, someone{strings.TrimPrefix(u, "whatsapp:"), c.Name})
		}
	}
	return out, nil
}

func flowPeople(s *omniflow.Server) (out []someone, _ error) {
	for _, c := range s.Contacts() {
		out = append(out, someone{strings.TrimPrefix(c.PhoneNumber, "+"), c.Name})
	}
	return out, nil
}

func inboxPeople(s *omnichannel.Server) (out []someone, _ error) {
	for _, c := range s.Contacts() {
		name := c.CustomName
		if name == "" {
			name = c.Name
		}
		out = append(out, someone{strings.TrimPrefix(c.ContactIdentifier, "+"), name})
	}
	return out, nil
}

// peek asks a simulator's control API, past every line.
func peek(h http.Handler, path string, into any) error {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, control+path, http.NoBody))
	return json.Unmarshal(rec.Body.Bytes(), into)
}

// people of a Pipedrive by the ids of this program.
type people struct {
	*pipedrive.Server
	ids map[string]int
}

func (p *people) put(c customer) error {
	rows := []pipedrive.Row{{Label: "mobile", Primary: true, Value: c.Phone}}
	p.Control.Advance(2 * time.Second) // its moments are whole seconds
	if id, known := p.ids[c.ID]; known {
		_, err := p.Update(id, func(o *pipedrive.Person) { o.Name, o.Phones = c.Name, rows })
		return err
	}
	made, err := p.Create(pipedrive.Person{Name: c.Name, Phones: rows})
	p.ids[c.ID] = made.ID
	return err
}

// ears are the operator's: what notices came, by type.
type ears struct {
	mu    sync.Mutex
	heard map[string]int
}

// ServeHTTP takes a notice.
func (e *ears) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var n struct{ Type string }
	if err != nil || json.Unmarshal(body, &n) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[n.Type]++
	w.WriteHeader(http.StatusNoContent)
}

func (e *ears) count(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[kind]
}
