package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/sandbox/pipedrive"
)

// ear is an address that hears what the CRM sends, in its own bytes: the test hands it on when and as often as
// it likes.
type ear struct {
	*httptest.Server
	heard chan []byte
}

func newEar(t *testing.T) *ear {
	e := &ear{heard: make(chan []byte, 1000)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			e.heard <- body
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// subscribe makes the CRM send its webhooks to the ear.
func (w *world) subscribe() {
	w.Helper()
	w.must(w.pipedrive(http.MethodPost, "v1/webhooks", map[string]string{"subscription_url": w.hooks.URL, "event_action": "*",
		"event_object": "person", "name": "ear", "version": "2.0"}, nil))
}

// pipedrive calls the CRM's API, as its users' other programs do.
func (w *world) pipedrive(method, path string, in, out any) error {
	var answer struct{ Data json.RawMessage }
	err := lab.Do(w.ctx, method, w.crm.URL+"/api/"+path, http.Header{"X-Api-Token": {w.crm.Token}}, in, &answer)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer.Data, out)
}

// next is the next webhook that the CRM sends.
func (w *world) next() []byte {
	w.Helper()
	select {
	case body := <-w.hooks.heard:
		return body
	case <-time.After(patience):
		w.Fatal("the CRM sent nothing")
		return nil
	}
}

// someone is a customer as the CRM's form has them. Nobody may read of them in what syncer says.
func someone(name, phone string) map[string]any {
	heard.Name(name)
	heard.Number(phone)
	heard.Email("pessoa@exemplo.com.br")
	return map[string]any{"name": name, "phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: phone}},
		"emails":        []pipedrive.Row{{Label: "work", Primary: true, Value: "pessoa@exemplo.com.br"}},
		"custom_fields": map[string]any{pipedrive.City: "Natal", pipedrive.Segment: 41}}
}

// create adds a person to the CRM and returns the webhook about it.
func (w *world) create(person map[string]any) (id int, hook []byte) {
	w.Helper()
	var made struct{ ID int }
	w.must(w.pipedrive(http.MethodPost, "v2/persons", person, &made))
	return made.ID, w.next()
}

// change edits a person in the CRM and returns the webhook about it.
func (w *world) change(id int, edit map[string]any) []byte {
	w.Helper()
	w.must(w.pipedrive(http.MethodPatch, fmt.Sprint("v2/persons/", id), edit, nil))
	return w.next()
}

// remove deletes a person in the CRM and returns the webhook about it.
func (w *world) remove(id int) []byte {
	w.Helper()
	w.must(w.pipedrive(http.MethodDelete, fmt.Sprint("v2/persons/", id), nil, nil))
	return w.next()
}

// send delivers a webhook's body to syncer as the CRM does, and returns the answer's status.
func (w *world) send(body []byte) int {
	w.Helper()
	status, err := w.trySend(body)
	w.must(err)
	return status
}

func (w *world) trySend(body []byte) (int, error) {
	return w.post("crm", body, func(r *http.Request) { r.SetBasicAuth(w.env["CRM_HOOK_USER"], w.env["CRM_HOOK_PASSWORD"]) })
}

// deliver sends a body that must be taken, and waits until all that comes of it has been delivered.
func (w *world) deliver(body []byte) {
	w.Helper()
	if status := w.send(body); status != http.StatusOK && status != http.StatusAccepted {
		w.Fatalf("the webhook was answered with %d", status)
	}
	w.settle()
}

// post delivers a body to one source.
func (w *world) post(source string, body []byte, prove func(*http.Request)) (int, error) {
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.env["SYNCER_PUBLIC_URL"]+"/hooks/"+source, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if prove != nil {
		prove(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	return resp.StatusCode, err
}

// edited changes a webhook's body where the dotted path says; nil takes the key away.
func edited(t *testing.T, body []byte, at string, value any) []byte {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(body, &root); err != nil {
		t.Fatal(err)
	}
	here, path := root, strings.Split(at, ".")
	for _, key := range path[:len(path)-1] {
		here = here[key].(map[string]any)
	}
	if key := path[len(path)-1]; value == nil {
		delete(here, key)
	} else {
		here[key] = value
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shop is the online store of the example: a list that pages, and webhooks that are signed.
type shop struct {
	*httptest.Server
	mu        sync.Mutex
	customers []map[string]any
	events    int
	broken    int // how many answers are only this status and these words
	status    int
	words     string
}

// breaks makes the list answer so often with a status and these words.
func (s *shop) breaks(times, status int, words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken, s.status, s.words = times, status, words
}

func newShop(t *testing.T, token string) *shop {
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.broken > 0 {
			s.broken--
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(s.status)
			_, _ = io.WriteString(w, s.words)
			return
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		to := min(from+limit, len(s.customers))
		answer := map[string]any{"data": append([]map[string]any{}, s.customers[from:to]...), "next_cursor": nil}
		if to < len(s.customers) {
			answer["next_cursor"] = strconv.Itoa(to)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// order is a webhook of the shop about a customer, who is in its list from then on.
func (s *shop) order(id string, customer map[string]any) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events++
	customer = maps.Clone(customer)
	for key, value := range customer {
		switch text := fmt.Sprint(value); key {
		case "nome", "nome_social":
			heard.Name(text)
		case "celular", "telefone":
			heard.Number(text)
		case "email":
			heard.Email(text)
		}
	}
	customer["id"], customer["updated_at"] = id, time.Now().UTC().Format(time.RFC3339Nano)
	s.customers = append(s.customers, customer)
	body, _ := json.Marshal(map[string]any{"id": fmt.Sprint("evento-", s.events), "event": "customer.updated", "data": customer})
	return body
}

// sendOrder delivers a body of the shop, signed with a secret.
func (w *world) sendOrder(body []byte, secret string) int {
	w.Helper()
	status, err := w.post("loja", body, func(r *http.Request) {
		r.Header.Set("X-Signature", "sha256="+hmacHex(body, secret))
	})
	w.must(err)
	return status
}

func hmacHex(body []byte, secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// operator receives notices and believes only those that are signed as Standard Webhooks say.
type operator struct {
	*httptest.Server
	secret string

	mu      sync.Mutex
	notices []notice
	forged  []string
}

type notice struct {
	Type      string
	Timestamp time.Time
	Data      map[string]any
}

func newOperator(t *testing.T) *operator {
	key := []byte("uma chave inventada para o teste")
	o := &operator{secret: "whsec_" + base64.StdEncoding.EncodeToString(key)}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		n, err := verify(key, r.Header, body)
		if err != nil {
			o.forged = append(o.forged, err.Error())
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		o.notices = append(o.notices, n)
	}))
	t.Cleanup(o.Close)
	return o
}

// verify does what the specification asks of a receiver, without any code of syncer's.
func verify(key []byte, h http.Header, body []byte) (n notice, err error) {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return n, fmt.Errorf("the time stamp is %q", stamp)
	}
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s.%s.%s", id, stamp, body)
	for given := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		version, signature, _ := strings.Cut(given, ",")
		raw, err := base64.StdEncoding.DecodeString(signature)
		if id != "" && version == "v1" && err == nil && hmac.Equal(raw, m.Sum(nil)) {
			return n, json.Unmarshal(body, &n)
		}
	}
	return n, fmt.Errorf("no signature fits: %q", h.Get("Webhook-Signature"))
}

// toldOf waits until the operator has been told of something, in these words too.
func (w *world) toldOf(kind, words string) notice {
	w.Helper()
	var found notice
	w.await("the operator is told of "+kind, func() (bool, error) {
		w.told.mu.Lock()
		defer w.told.mu.Unlock()
		if len(w.told.forged) > 0 {
			return false, fmt.Errorf("a notice came that proves nothing: %s", w.told.forged[0])
		}
		for _, n := range w.told.notices {
			if n.Type == kind && strings.Contains(fmt.Sprint(n.Data["text"]), words) {
				found = n
				return true, nil
			}
		}
		return false, nil
	})
	return found
}
