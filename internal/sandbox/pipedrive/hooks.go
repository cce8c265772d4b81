package pipedrive

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxHooks is how many webhooks a user may have.
const maxHooks = 40

// hook is one webhook and what the sender remembers about it.
type hook struct {
	ID       int
	URL      string
	Action   string
	Object   string
	Name     string
	Version  string
	User     string
	Password string
	Added    time.Time

	failures    int // first attempts that failed since the last ban
	bannedUntil time.Time
	lastSuccess time.Time
	lastTime    time.Time
	lastStatus  int
}

// wants reports whether a webhook asked for this action.
func (h *hook) wants(action string) bool {
	return (h.Object == "*" || h.Object == "person") && (h.Action == "*" || h.Action == action || h.Action == actionsV1[action])
}

// Subscribe makes a webhook for persons without a call, as somebody does in the settings. Version is "1.0" or
// "2.0".
func (s *Server) Subscribe(address, user, password, version string) int {
	return s.sender.add(&hook{URL: address, Action: "*", Object: "person", Name: "settings", Version: version, User: user, Password: password}).ID
}

func (c *call) createHook() reply {
	var in struct {
		URL      string `json:"subscription_url"`
		Action   string `json:"event_action"`
		Object   string `json:"event_object"`
		Name     string `json:"name"`
		Version  string `json:"version"`
		User     string `json:"http_auth_user"`
		Password string `json:"http_auth_password"`
	}
	if err := json.NewDecoder(c.Body).Decode(&in); err != nil {
		return fail(http.StatusBadRequest, "the body is not JSON")
	}
	in.Version = cmp.Or(in.Version, "2.0")
	u, err := url.Parse(in.URL)
	switch {
	case err != nil || u.Host == "":
		return fail(http.StatusBadRequest, "subscription_url is not a valid address")
	case in.Name == "" || len(in.Name) > 255:
		return fail(http.StatusBadRequest, "name is required and has 255 characters at most")
	case !slices.Contains([]string{"1.0", "2.0"}, in.Version):
		return fail(http.StatusBadRequest, "version must be 1.0 or 2.0")
	case !slices.Contains([]string{"*", "create", "change", "delete", "added", "updated", "deleted", "merged"}, in.Action):
		return fail(http.StatusBadRequest, "event_action is invalid")
	case !slices.Contains([]string{"*", "person", "deal", "organization", "lead", "activity", "note", "product", "user"}, in.Object):
		return fail(http.StatusBadRequest, "event_object is invalid")
	case len(c.s.sender.list()) >= maxHooks:
		return fail(http.StatusUnprocessableEntity, "the limit of webhooks is reached")
	}
	h := c.s.sender.add(&hook{URL: in.URL, Action: in.Action, Object: in.Object, Name: in.Name, Version: in.Version, User: in.User, Password: in.Password})
	return reply{status: http.StatusCreated, data: h.row()}
}

func (c *call) listHooks() reply {
	rows := []map[string]any{}
	for _, h := range c.s.sender.list() {
		rows = append(rows, h.row())
	}
	return ok(rows)
}

func (c *call) deleteHook() reply {
	if !c.s.sender.remove(c.id()) {
		return fail(http.StatusNotFound, "Webhook not found")
	}
	return ok(nil)
}

// row is a webhook as the API shows it, with its password in clear as in reality.
func (h *hook) row() map[string]any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	}
	return map[string]any{
		"id": h.ID, "company_id": CompanyID, "owner_id": adminID, "user_id": adminID, "admin_id": adminID, "event_action": h.Action, "event_object": h.Object,
		"subscription_url": h.URL, "version": h.Version, "is_active": 1, "type": "general", "name": h.Name, "add_time": at(h.Added), "remove_time": nil,
		"remove_reason": nil, "http_auth_user": blank(h.User), "http_auth_password": blank(h.Password), "last_delivery_time": at(h.lastTime),
		"last_http_status": blank(h.lastStatus),
	}
}

// Banned reports until when the sender leaves a webhook alone; the zero time when it does not.
func (s *Server) Banned(id int) time.Time {
	for _, h := range s.sender.list() {
		if h.ID == id && s.now().Before(h.bannedUntil) {
			return h.bannedUntil
		}
	}
	return time.Time{}
}

// hookIDs begin where those of the documentation do.
const hookIDs = 90210
