// Package omnichannel imitates the contacts and tags of omnichannel (Cirrus). Its wire format is not
// published; the simulator speaks the one that the operation table supposes, with every override, and with
// the looseness that the real one may have: filters that find substrings, ids under _id, tags shown as
// objects, as ids or not at all. State is in memory.
package omnichannel

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"syncer/internal/mapping"
	"syncer/internal/omni/table"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/backend"
)

// What clients have to send when Options names nothing else.
const (
	DefaultToken  = "omc_sandbox_7d41f0b29c6e4a58"
	DefaultClient = "3f0c7a52-91de-4c1f-8c55-0b7a2f64d9e1"
)

// TagsShown says how contacts show their tags.
type TagsShown string

// The ways: objects with id, name and colour; bare ids under tagIds; only when asked for.
const (
	TagObjects TagsShown = ""
	TagIDs     TagsShown = "ids"
	TagsHidden TagsShown = "hidden"
)

// Options of a simulator. The zero value takes the defaults and answers as the operation table supposes.
type Options struct {
	Token string
	// Client is the account's clientIdentifier. ClientIn says where every call must carry it: places such as
	// /query/clientIdentifier and /body/clientIdentifier, which are the default.
	Client   string
	ClientIn []string
	// Header and Scheme carry the credential: Authorization and Bearer when empty; with another header, the
	// bare key.
	Header, Scheme string
	// Operations overrides the table as in the mapping file.
	Operations map[string]mapping.Operation
	ArrayQuery string // repeat when empty

	Envelope backend.Envelope
	Errors   backend.ErrorStyle
	PlainID  bool // ids are under id instead of _id
	Tags     TagsShown
	NoPages  bool // lists do not say how many pages there are
	// MaxLimit is the largest page, whatever the limit asked for; 100 when zero.
	MaxLimit int
	// DuplicateStatus answers a create for a number that is known: 409 when zero; 201 makes a second contact.
	DuplicateStatus int
	// IgnoreFilters makes contact.list return everybody.
	IgnoreFilters bool
	PerMinute     int // calls; 0 is without limit
	// Contacts are there from the beginning; what they leave out is filled in, and tags they name are made.
	Contacts []Contact
	Clock    func() time.Time
	Seed     uint64
}

// Contact is a contact as an agent sees it: Tags holds names.
type Contact struct {
	ID                string    `json:"id"`
	ChannelID         string    `json:"channelId"`
	ContactIdentifier string    `json:"contactIdentifier"`
	Name              string    `json:"name"`
	CustomName        string    `json:"customName"`
	Type              string    `json:"type"`
	ChannelType       string    `json:"channelType"`
	Platform          string    `json:"platform,omitempty"`
	IsIgnored         bool      `json:"isIgnored"`
	Tags              []string  `json:"tags"`
	CreatedAt         time.Time `json:"createdAt"`
	UpdatedAt         time.Time `json:"updatedAt"`
}

// Tag is a tag as the API shows it, but for the name of its id.
type Tag struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Color string `json:"color"`
}

// person is a stored contact; tags holds ids in the order in which they were given.
type person struct {
	Contact
	tags []string
}

// Server is a simulator; it is an http.Handler for the API and its control API. All methods may be called
// from any goroutine.
type Server struct {
	// Control has the clock, the journal, the counts and the fault plan.
	Control *sandbox.Control

	o   Options
	api *backend.API

	mu       sync.Mutex
	people   []*person // in order of creation
	byID     map[string]*person
	byNumber map[string]*person // the first of each identifier
	tags     []*Tag
	lastID   int
}

// Check says what is wrong with the options, if anything.
func (o Options) Check() error {
	_, problems := table.New(table.Omnichannel, o.Operations, "clientIdentifier", "channelId")
	if _, err := table.ParseArrayQuery(o.ArrayQuery); err != nil {
		problems = append(problems, err)
	}
	for _, place := range o.ClientIn {
		part, name, ok := strings.Cut(strings.TrimPrefix(place, "/"), "/")
		if !ok || name == "" || part != "query" && part != "body" && part != "header" {
			problems = append(problems, fmt.Errorf("%q is no place of a request", place))
		}
	}
	return errors.Join(problems...)
}

// New returns a simulator in its first state. It panics when Options.Check has something to say.
func New(o Options) *Server {
	if err := o.Check(); err != nil {
		panic("omnichannel: " + err.Error())
	}
	for text, fallback := range map[*string]string{&o.Token: DefaultToken, &o.Client: DefaultClient, &o.Header: "Authorization"} {
		if *text == "" {
			*text = fallback
		}
	}
	if o.Scheme == "" && o.Header == "Authorization" {
		o.Scheme = "Bearer"
	}
	if o.ClientIn == nil {
		o.ClientIn = []string{"/query/clientIdentifier", "/body/clientIdentifier"}
	}
	if o.MaxLimit == 0 {
		o.MaxLimit = 100
	}
	s := &Server{o: o}
	operations, _ := table.New(table.Omnichannel, o.Operations, "clientIdentifier", "channelId")
	arrays, _ := table.ParseArrayQuery(o.ArrayQuery)
	handlers := map[string]backend.Handler{
		table.ContactCreate:         s.createContact,
		table.ContactUpdate:         s.updateContact,
		table.ContactGet:            s.getContact,
		table.ContactList:           s.listContacts,
		table.ContactDeletePlatform: s.deletePlatform,
		table.ContactTags:           s.contactTags,
		table.ContactAddTags:        s.addTags,
		table.ContactRemoveTags:     s.removeTags,
		table.TagCreate:             s.createTag,
		table.TagList:               s.listTags,
		table.TagGet:                s.getTag,
		table.TagUpdate:             s.updateTag,
		table.TagDelete:             s.deleteTag,
		table.TagContacts:           s.tagContacts,
	}
	for name, handler := range handlers {
		handlers[name] = s.ofAccount(handler)
	}
	s.api = backend.New(backend.Options{Clock: o.Clock, Seed: o.Seed, Table: operations, Arrays: arrays, Envelope: o.Envelope,
		Errors: o.Errors, PerMinute: o.PerMinute, Authorized: s.authorized, Handlers: handlers})
	s.Control = s.api.Control
	s.Control.OnReset(s.reset)
	s.routes()
	s.reset()
	return s
}

// Token is what clients have to send.
func (s *Server) Token() string { return s.o.Token }

// Client is the clientIdentifier that clients have to send.
func (s *Server) Client() string { return s.o.Client }

// ServeHTTP answers the API and the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people, s.tags, s.lastID = nil, nil, 0
	s.byID, s.byNumber = map[string]*person{}, map[string]*person{}
	for _, c := range s.o.Contacts {
		s.add(c)
	}
}

func (s *Server) authorized(r *http.Request) bool {
	key := r.Header.Get(s.o.Header)
	if s.o.Scheme == "" {
		return key == s.o.Token
	}
	scheme, rest, _ := strings.Cut(key, " ")
	return strings.EqualFold(scheme, s.o.Scheme) && rest == s.o.Token
}

// ofAccount refuses calls that do not name the account where they must.
func (s *Server) ofAccount(next backend.Handler) backend.Handler {
	return func(c *backend.Call) (any, *backend.Error) {
		for _, place := range s.o.ClientIn {
			part, name, _ := strings.Cut(strings.TrimPrefix(place, "/"), "/")
			var got string
			switch {
			case part == "query":
				got = c.InQuery(name)
			case part == "header":
				got = c.Header.Get(name)
			case c.Op.Bodiless():
				continue
			default:
				got = c.InBody(name)
			}
			switch got {
			case s.o.Client:
			case "":
				return nil, &backend.Error{Status: http.StatusBadRequest, Code: "missing_client", Message: name + " is missing in the " + part}
			default:
				return nil, &backend.Error{Status: http.StatusForbidden, Code: "unknown_client", Message: name + " names another account"}
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return next(c)
	}
}

// id gives the next id, 24 hexadecimal digits; the same calls give the same ids.
func (s *Server) id(prefix string) string {
	s.lastID++
	return fmt.Sprintf("%s%0*x", prefix, 24-len(prefix), s.lastID)
}

func (s *Server) now() time.Time { return s.Control.Now().UTC().Truncate(time.Millisecond) }

// limits reads the page that a list is asked for.
func (s *Server) limits(c *backend.Call) (page, limit int) {
	return max(c.Int("page", 1), 1), min(max(c.Int("limit", 30), 1), s.o.MaxLimit)
}

// page cuts one page out of a list.
func page[T any](s *Server, c *backend.Call, all []T) backend.Page {
	n, limit := s.limits(c)
	from := min((n-1)*limit, len(all))
	about := map[string]any{"page": n, "limit": limit, "total": len(all), "totalPages": (len(all) + limit - 1) / limit}
	if s.o.NoPages {
		about = nil
	}
	return backend.Page{Items: append([]T{}, all[from:min(from+limit, len(all))]...), About: about}
}
