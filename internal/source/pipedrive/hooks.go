package pipedrive

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"syncer/internal/contact"
)

const hooksPath = "/api/v1/webhooks" // there is no second version of this one

// Hook is a webhook as Pipedrive lists it. Its password, which the API repeats in clear, is never read.
type Hook struct {
	ID         string
	URL        string
	Action     string
	Object     string
	Version    string
	Active     bool
	LastStatus int
	LastTime   time.Time
}

// String shows the hook without what may be secret in its address.
func (h Hook) String() string {
	url := h.URL
	if i := strings.LastIndexByte(url, '/'); i > len("https://") {
		url = url[:i] + "/…"
	}
	return fmt.Sprintf("webhook %s to %s", h.ID, url)
}

// Failing reports whether Pipedrive's last delivery was refused.
func (h Hook) Failing() bool { return h.LastStatus >= 300 }

func (h Hook) serves(url string) bool {
	return h.URL == url && (h.Object == person || h.Object == "*") && h.Action == "*"
}

type wireHook struct {
	ID         text `json:"id"`
	URL        text `json:"subscription_url"`
	Action     text `json:"event_action"`
	Object     text `json:"event_object"`
	Version    text `json:"version"`
	Active     text `json:"is_active"`
	LastStatus text `json:"last_http_status"`
	LastTime   text `json:"last_delivery_time"`
}

func (w *wireHook) hook() Hook {
	status, _ := strconv.Atoi(string(w.LastStatus)) // none yet reads as 0
	return Hook{ID: string(w.ID), URL: string(w.URL), Action: string(w.Action), Object: string(w.Object), Version: string(w.Version),
		Active: w.Active.yes(), LastStatus: status, LastTime: w.LastTime.moment()}
}

// Hooks lists the webhooks that the token's user has made.
func (s *Source) Hooks(ctx context.Context) ([]Hook, error) {
	var wire []wireHook
	if _, err := s.get(ctx, contact.ScopeOther, "list webhooks", hooksPath, nil, &wire); err != nil {
		return nil, err
	}
	hooks := make([]Hook, len(wire))
	for i := range wire {
		hooks[i] = wire[i].hook()
	}
	return hooks, nil
}

// InstallHook makes sure that Pipedrive delivers persons to url. A webhook that does so already is left
// alone; one that Pipedrive switched off, or whose last delivery was refused with 401 because it still has
// an old password, is replaced. Installed then says that events may be lost: what changed since the last
// good walk must be read again.
func (s *Source) InstallHook(ctx context.Context, url string) (hook Hook, installed bool, err error) {
	hooks, err := s.Hooks(ctx)
	if err != nil {
		return Hook{}, false, err
	}
	var dead []Hook
	for _, h := range hooks {
		switch {
		case !h.serves(url):
		case h.Active && h.LastStatus != http.StatusUnauthorized:
			return h, false, nil
		default:
			dead = append(dead, h)
		}
	}
	for _, h := range dead {
		if err := s.DeleteHook(ctx, h.ID); err != nil && contact.KindOf(err) != contact.Gone {
			return Hook{}, false, err
		}
	}
	hook, err = s.createHook(ctx, url)
	return hook, err == nil, err
}

func (s *Source) createHook(ctx context.Context, url string) (Hook, error) {
	body := map[string]any{"subscription_url": url, "event_action": "*", "event_object": person, "version": "2.0",
		"name": "syncer " + cmp.Or(s.spec.Name, person)}
	if w := s.spec.Webhook; w != nil && w.Auth == "basic" && len(w.Password) > 0 {
		body["http_auth_user"], body["http_auth_password"] = w.Username, w.Password[0]
	}
	var wire wireHook
	_, err := s.call(ctx, http.MethodPost, contact.ScopeOther, "create webhook", hooksPath, nil, body, &wire)
	if err != nil {
		return Hook{}, err
	}
	return wire.hook(), nil
}

// DeleteHook removes a webhook.
func (s *Source) DeleteHook(ctx context.Context, id string) error {
	if !text(id).isID() {
		return &contact.Error{Kind: contact.Invalid, Op: "pipedrive: delete webhook", Message: "ids of webhooks are whole numbers"}
	}
	_, err := s.call(ctx, http.MethodDelete, contact.ScopeOther, "delete webhook", hooksPath+"/"+id, nil, nil, nil)
	return err
}
