package omniflow

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"syncer/internal/sandbox/backend"
)

// Conversation is a conversation as the API shows it.
type Conversation struct {
	ID            string    `json:"id"`
	ContactID     string    `json:"contactId"`
	InboxID       string    `json:"inboxId"`
	Status        string    `json:"status"` // open, resolved
	LastMessageAt time.Time `json:"lastMessageAt"`
}

type webhook struct {
	ID     string   `json:"id"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	secret string
}

// Delivery is one attempt to bring an event to a webhook.
type Delivery struct {
	ID        string          `json:"id"`
	WebhookID string          `json:"webhookId"`
	Type      string          `json:"type"`
	Status    int             `json:"status"` // 0 when there was no answer
	Error     string          `json:"error,omitempty"`
	Body      json.RawMessage `json:"body"`
	CreatedAt time.Time       `json:"createdAt"`
}

// deliveryTime is how long a receiver may take.
const deliveryTime = 10 * time.Second

// courier keeps no connections, so that a receiver can stop at any time.
var courier = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Sign is the value of the x-omniflow-signature-256 header for a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// OptOut records that a person refuses messages and sends the event.
func (s *Server) OptOut(ctx context.Context, key string) error {
	if !s.edit(key, func(c *Contact) { c.OptedOut = true }) {
		return errNoContact
	}
	c, _ := s.Contact(key)
	return s.Emit(ctx, "contact.opted_out", map[string]any{"contactId": c.ID, "phoneNumber": c.PhoneNumber})
}

// Converse opens a conversation with a contact and sends the event; it returns the conversation's id.
func (s *Server) Converse(ctx context.Context, key string) (string, error) {
	s.mu.Lock()
	c := s.find(key)
	if c == nil {
		s.mu.Unlock()
		return "", errNoContact
	}
	v := Conversation{ID: s.id("cnv"), ContactID: c.ID, InboxID: "inb_01", Status: "open", LastMessageAt: s.Control.Now().UTC().Truncate(time.Millisecond)}
	s.conversations = append(s.conversations, &v)
	s.mu.Unlock()
	return v.ID, s.Emit(ctx, "conversation.created", map[string]any{"conversationId": v.ID, "contactId": v.ContactID, "inboxId": v.InboxID})
}

// Receive lets a message arrive in a conversation and sends the event.
func (s *Server) Receive(ctx context.Context, conversation string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.conversations, func(v *Conversation) bool { return v.ID == conversation })
	if i < 0 {
		s.mu.Unlock()
		return errors.New("there is no such conversation")
	}
	s.conversations[i].LastMessageAt = s.Control.Now().UTC().Truncate(time.Millisecond)
	message := s.id("msg")
	s.mu.Unlock()
	return s.Emit(ctx, "message.received", map[string]any{"messageId": message, "conversationId": conversation, "channel": "whatsapp_official", "direction": "inbound"})
}

var errNoContact = errors.New("there is no such contact")

// Emit sends an event to every webhook that wants its type, signed, and records the deliveries. It returns
// when all have been tried; the error is the first that could not be brought.
func (s *Server) Emit(ctx context.Context, kind string, payload map[string]any) error {
	body, err := json.Marshal(struct {
		Type      string         `json:"type"`
		TenantID  string         `json:"tenantId"`
		Payload   map[string]any `json:"payload"`
		Timestamp time.Time      `json:"timestamp"`
	}{kind, s.o.Tenant, payload, s.Control.Now().UTC().Truncate(time.Millisecond)})
	if err != nil {
		return err
	}
	s.mu.Lock()
	var wanted []webhook
	for _, w := range s.webhooks {
		if slices.Contains(w.Events, kind) {
			wanted = append(wanted, *w)
		}
	}
	s.mu.Unlock()
	for _, w := range wanted {
		if failed := s.deliver(ctx, w, kind, body); err == nil {
			err = failed
		}
	}
	return err
}

// Redeliver sends the bytes of an earlier delivery once more, as a duplicate or out of order.
func (s *Server) Redeliver(ctx context.Context, delivery string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.deliveries, func(d *Delivery) bool { return d.ID == delivery })
	if i < 0 {
		s.mu.Unlock()
		return errors.New("there is no such delivery")
	}
	d := *s.deliveries[i]
	at := slices.IndexFunc(s.webhooks, func(w *webhook) bool { return w.ID == d.WebhookID })
	if at < 0 {
		s.mu.Unlock()
		return errors.New("the webhook of this delivery was removed")
	}
	w := *s.webhooks[at]
	s.mu.Unlock()
	return s.deliver(ctx, w, d.Type, d.Body)
}

func (s *Server) deliver(ctx context.Context, w webhook, kind string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	d := &Delivery{WebhookID: w.ID, Type: kind, Body: body, CreatedAt: s.Control.Now().UTC().Truncate(time.Millisecond)}
	err := post(ctx, w, body, d)
	if err != nil {
		d.Error = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.ID = s.id("dlv")
	s.deliveries = append(s.deliveries, d)
	return err
}

func post(ctx context.Context, w webhook, body []byte, d *Delivery) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Omniflow-Signature-256", Sign(w.secret, body))
	resp, err := courier.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if d.Status = resp.StatusCode; d.Status >= 300 {
		return fmt.Errorf("the receiver answered HTTP %d", d.Status)
	}
	return nil
}

// Deliveries returns all attempts in order.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		all[i] = *d
	}
	return all
}

func (s *Server) listConversations(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := []Conversation{}
	for _, v := range s.conversations {
		if status := c.Text("status"); status != "" && status != v.Status {
			continue
		}
		if inbox := c.Text("inboxId"); inbox == "" || inbox == v.InboxID {
			hits = append(hits, *v)
		}
	}
	return page(c, hits, 25), nil
}

func (s *Server) getConversation(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.conversations {
		if v.ID == c.Text("id") {
			return *v, nil
		}
	}
	return nil, backend.NotFound("conversation")
}

func (s *Server) listWebhooks(*backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []webhook{}
	for _, w := range s.webhooks {
		all = append(all, *w)
	}
	return backend.Page{Items: all}, nil
}

func (s *Server) createWebhook(c *backend.Call) (any, *backend.Error) {
	w := &webhook{URL: c.Text("url"), Events: c.List("events"), secret: c.Text("secret")}
	if w.URL == "" || len(w.Events) == 0 || w.secret == "" {
		return nil, backend.Invalid("invalid_webhook", "url, events and secret are needed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.ID = s.id("whk")
	s.webhooks = append(s.webhooks, w)
	return *w, nil
}

func (s *Server) deleteWebhook(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.webhooks)
	s.webhooks = slices.DeleteFunc(s.webhooks, func(w *webhook) bool { return w.ID == c.Text("id") })
	if len(s.webhooks) == before {
		return nil, backend.NotFound("webhook")
	}
	return nil, nil
}

func (s *Server) listDeliveries(c *backend.Call) (any, *backend.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := []Delivery{}
	for _, d := range slices.Backward(s.deliveries) {
		if d.WebhookID == c.Text("id") {
			hits = append(hits, *d)
		}
	}
	return page(c, hits, 20), nil
}
