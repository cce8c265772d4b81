// Package omniflow imitates the contacts of OmniFlow, with what surrounds them: OAuth tokens, inboxes,
// conversations and signed webhooks. OmniFlow's wire format is not published; the simulator speaks the one
// that the operation table supposes, with every override, and in the variants in which answers and errors
// may come. State is in memory; events are sent only to webhooks that a client registered.
package omniflow

import (
	"encoding/base64"
	"encoding/json"
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

// DefaultToken is the API key when Options names none.
const DefaultToken = "omf_live_sandbox_3f9c1d7e5b2a4860"

// Options of a simulator. The zero value takes DefaultToken and answers as the operation table supposes.
type Options struct {
	// Token is the API key; DefaultToken when empty.
	Token string
	// ClientID and ClientSecret, when given, can be exchanged for tokens that live for TokenLife (one hour).
	ClientID, ClientSecret string
	TokenLife              time.Duration
	// Header and Scheme carry the credential: Authorization and Bearer when empty; with another header, the
	// bare key.
	Header, Scheme string
	// Tenant is named in events, and in the list of inboxes when ShowTenant is set.
	Tenant     string
	ShowTenant bool
	// Operations overrides the table as in the mapping file. contact.update exists only with Update.
	Operations map[string]mapping.Operation
	Update     bool

	Envelope backend.Envelope
	Errors   backend.ErrorStyle
	// Loose makes the filter by number find every number that contains it.
	Loose bool
	// DuplicateStatus answers a create for a number that is known: 409 when zero; 201 makes a second contact.
	DuplicateStatus int
	// Quota is how many contacts the account may have, 0 is without limit; a create beyond it is answered
	// with QuotaStatus (422 when zero) and quota_exceeded.
	Quota, QuotaStatus int
	PerMinute          int // calls; 0 is without limit
	// Contacts are there from the beginning; ids and times are given where they are missing.
	Contacts []Contact
	Clock    func() time.Time
	Seed     uint64
}

// Contact is a contact as the API shows it.
type Contact struct {
	ID          string    `json:"id"`
	PhoneNumber string    `json:"phoneNumber"`
	Name        string    `json:"name"`
	OptedOut    bool      `json:"optedOut"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

// Server is a simulator; it is an http.Handler for the API and its control API. All methods may be called
// from any goroutine.
type Server struct {
	// Control has the clock, the journal, the counts and the fault plan.
	Control *sandbox.Control

	o   Options
	api *backend.API

	mu            sync.Mutex
	ids           map[string]int // the last number given, by kind
	contacts      []*Contact     // in order of creation
	byID          map[string]*Contact
	byPhone       map[string]*Contact // the first of each number
	tokens        map[string]time.Time
	conversations []*Conversation
	webhooks      []*webhook
	deliveries    []*Delivery
}

// Check says what is wrong with the options, if anything.
func (o Options) Check() error {
	_, problems := o.table()
	if (o.ClientID == "") != (o.ClientSecret == "") {
		problems = append(problems, errors.New("ClientID and ClientSecret belong together"))
	}
	return errors.Join(problems...)
}

func (o Options) table() (table.Table, []error) {
	t, problems := table.New(table.OmniFlow, o.Operations)
	if !o.Update {
		t[table.ContactUpdate].Disabled = true
	}
	return t, problems
}

// New returns a simulator in its first state. It panics when Options.Check has something to say.
func New(o Options) *Server {
	if err := o.Check(); err != nil {
		panic("omniflow: " + err.Error())
	}
	for text, fallback := range map[*string]string{&o.Token: DefaultToken, &o.Header: "Authorization", &o.Tenant: "ten_01JQ8Z0A7M"} {
		if *text == "" {
			*text = fallback
		}
	}
	if o.Scheme == "" && o.Header == "Authorization" {
		o.Scheme = "Bearer"
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	s := &Server{o: o}
	operations, _ := o.table()
	s.api = backend.New(backend.Options{Clock: o.Clock, Seed: o.Seed, Table: operations, Envelope: o.Envelope, Errors: o.Errors,
		PerMinute: o.PerMinute, Authorized: s.authorized, Handlers: map[string]backend.Handler{
			table.OAuthToken:         s.issueToken,
			table.ContactCreate:      s.createContact,
			table.ContactGet:         s.getContact,
			table.ContactFindByPhone: s.findContact,
			table.ContactUpdate:      s.updateContact,
			table.InboxList:          s.listInboxes,
			table.ConversationList:   s.listConversations,
			table.ConversationGet:    s.getConversation,
			table.WebhookList:        s.listWebhooks,
			table.WebhookCreate:      s.createWebhook,
			table.WebhookDelete:      s.deleteWebhook,
			table.WebhookDeliveries:  s.listDeliveries,
		}})
	s.Control = s.api.Control
	s.Control.OnReset(s.reset)
	s.routes()
	s.reset()
	return s
}

// Token is the API key that clients have to send.
func (s *Server) Token() string { return s.o.Token }

// ServeHTTP answers the API and the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids, s.byID, s.byPhone, s.tokens = map[string]int{}, map[string]*Contact{}, map[string]*Contact{}, map[string]time.Time{}
	s.contacts, s.conversations, s.webhooks, s.deliveries = nil, nil, nil, nil
	for _, c := range s.o.Contacts {
		s.add(c)
	}
}

// id gives the next id of a kind; the same calls give the same ids.
func (s *Server) id(kind string) string {
	s.ids[kind]++
	return fmt.Sprintf("%s_%08d", kind, s.ids[kind])
}

func (s *Server) add(c Contact) *Contact {
	if c.ID == "" {
		c.ID = s.id("ctt")
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.Control.Now().UTC().Truncate(time.Millisecond)
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	s.contacts = append(s.contacts, &c)
	s.byID[c.ID] = &c
	if s.byPhone[c.PhoneNumber] == nil {
		s.byPhone[c.PhoneNumber] = &c
	}
	return &c
}

func (s *Server) touch(c *Contact) { c.UpdatedAt = s.Control.Now().UTC().Truncate(time.Millisecond) }

// rephone gives a contact another number and keeps the index right.
func (s *Server) rephone(c *Contact, number string) {
	old := c.PhoneNumber
	c.PhoneNumber = number
	s.unindex(old)
	if s.byPhone[number] == nil {
		s.byPhone[number] = c
	}
}

func (s *Server) unindex(number string) {
	delete(s.byPhone, number)
	for _, c := range s.contacts {
		if c.PhoneNumber == number {
			s.byPhone[number] = c
			return
		}
	}
}

func (s *Server) authorized(r *http.Request) bool {
	key := r.Header.Get(s.o.Header)
	if s.o.Scheme != "" {
		scheme, rest, ok := strings.Cut(key, " ")
		if !ok || !strings.EqualFold(scheme, s.o.Scheme) {
			return false
		}
		key = rest
	}
	if key == s.o.Token {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	expires, known := s.tokens[key]
	return known && s.Control.Now().Before(expires)
}

func (s *Server) issueToken(c *backend.Call) (any, *backend.Error) {
	if s.o.ClientID == "" || c.Text("client_id") != s.o.ClientID || c.Text("client_secret") != s.o.ClientSecret {
		return nil, &backend.Error{Status: http.StatusUnauthorized, Code: "invalid_client", Message: "the client is not known"}
	}
	if c.Text("grant_type") != "client_credentials" {
		return nil, &backend.Error{Status: http.StatusBadRequest, Code: "unsupported_grant_type", Message: "only client_credentials"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.id("omt")
	s.tokens[token] = s.Control.Now().Add(s.o.TokenLife)
	return map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(s.o.TokenLife.Seconds())}, nil
}

// RevokeTokens makes every token that was issued invalid before its time.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// page cuts the part of a list that a cursor names.
func page[T any](c *backend.Call, all []T, fallback int) backend.Page {
	from := 0
	if text, err := base64.RawURLEncoding.DecodeString(c.Text("cursor")); err == nil && len(text) > 0 {
		var at struct {
			O int `json:"o"`
		}
		_ = json.Unmarshal(text, &at)
		from = min(max(at.O, 0), len(all))
	}
	to := min(from+min(max(c.Int("limit", fallback), 1), 100), len(all))
	about := map[string]any{"nextCursor": nil}
	if to < len(all) {
		about["nextCursor"] = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"o":%d}`, to))
	}
	return backend.Page{Items: append([]T{}, all[from:to]...), About: about}
}

func (s *Server) listInboxes(*backend.Call) (any, *backend.Error) {
	about := map[string]any{}
	if s.o.ShowTenant {
		about["tenantId"] = s.o.Tenant
	}
	return backend.Page{Items: []map[string]any{{"id": "inb_01", "name": "WhatsApp", "channel": "whatsapp_official"}}, About: about}, nil
}

// Contacts returns all contacts in order of creation.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Contact, len(s.contacts))
	for i, c := range s.contacts {
		all[i] = *c
	}
	return all
}

// Contact returns the contact of an id or of a number.
func (s *Server) Contact(key string) (Contact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.find(key); c != nil {
		return *c, true
	}
	return Contact{}, false
}

func (s *Server) find(key string) *Contact {
	if c := s.byID[key]; c != nil {
		return c
	}
	return s.byPhone[key]
}
