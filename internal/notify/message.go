package notify

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"
)

// message is a notice ready to be sent. Its id stays the same at every try, so that a receiver can tell a
// repeated try from a second notice.
type message struct {
	id, kind, subject string
	body              []byte
}

// compose writes the body: type, timestamp and data, as Standard Webhooks recommend.
func (n *Notifier) compose(notice Notice, repeated int) (message, error) {
	data := map[string]any{}
	if masked, ok := n.deps.Secrets.MaskValue(notice.Data).(map[string]any); ok {
		maps.Copy(data, masked)
	}
	m := message{id: "msg_" + rand.Text(), kind: notice.Type, subject: n.deps.Secrets.Mask(notice.Subject)}
	data["subject"], data["text"] = m.subject, n.deps.Secrets.Mask(notice.Text)
	if repeated > 0 {
		data["repeated"] = repeated
	}
	var err error
	m.body, err = json.Marshal(struct {
		Type      string         `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}{notice.Type, notice.At.UTC(), data})
	return m, err
}

// signingKey reads a secret: whsec_ and base64 as Standard Webhooks write it, or any other text as it is.
func signingKey(secret string) ([]byte, error) {
	if secret == "" {
		return nil, errors.New("notify: secret is empty")
	}
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("notify: secret begins with whsec_, but what follows is not base64")
	}
	return key, nil
}

// headers sign a message as sent at a moment.
func (n *Notifier) headers(m message, at time.Time) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, n.key)
	mac.Write([]byte(m.id + "." + stamp + "."))
	mac.Write(m.body)
	return map[string]string{
		"Content-Type":      "application/json",
		"webhook-id":        m.id,
		"webhook-timestamp": stamp,
		"webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
}
