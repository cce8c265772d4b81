package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox/pipedrive"
)

// patience is how long anything may take that happens by itself.
const patience = 60 * time.Second

// mappings has three sources that say the same kind of thing, each with a field and two labels of its own. %s is one
// more field, by which two files with different meanings are made of it.
const mappings = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, guard: {at_least: 1000000}}
sources:
  crm:
    kind: pipedrive
    webhook: {auth: basic, username: crm, password: "uma-senha-inventada-da-prova"}
    api: {base_url: "${CRM_URL}", token: "${CRM_TOKEN}", per_two_secs: 10000, per_day: 10000000}
    reconcile: {changes: "0 4 29 2 *", full: "7 2 29 2 *"}
  loja:
    kind: generic
    webhook: {auth: hmac, header: X-Signature, secret: "${LOJA_SECRET}", prefix: "sha256="}
    event: {id: id, type: tipo, as: {cliente.apagado: delete}, otherwise: upsert}
    record: {at: dados, id: id, version: atualizado, version_as: rfc3339}
  catalogo:
    kind: generic
    record: {id: id, version: atualizado, version_as: rfc3339}
    list: {url: "${LIST_URL}/", items: data, next: {cursor: next_cursor, param: cursor}, per_hour: 1000000}
    reconcile: {full: "37 3 29 2 *"}
targets:
  weni: {kind: weni, base_url: "${WENI_URL}", token: "${WENI_TOKEN}", urns: [whatsapp], create_missing: true, rate: {contacts: 1000000, other: 1000000}}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact:
      name: =record.name
      phones: =record.phones
      labels: [Crm, {label: Crm par, when: '"Cliente VIP" in record.labels'}]
      fields: {crm: =record.custom_fields.Cidade%[1]s}
  - name: loja
    from: loja
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Loja, {label: Loja par, when: record.extra}]
      fields: {loja: =record.versao%[1]s}
  - name: catalogo
    from: catalogo
    to: weni
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Catalogo, {label: Catalogo par, when: record.extra}]
      fields: {catalogo: =record.versao%[1]s}
`

// labels are the one that a source always gives and the one that comes and goes.
var labels = map[string][2]string{"crm": {"Crm", "Crm par"}, "loja": {"Loja", "Loja par"}, "catalogo": {"Catalogo", "Catalogo par"}}

const shopSecret = "segredo-inventado-da-loja"

// world is an installation that is killed again and again, with all that it talks to. What it talks to lives on.
type world struct {
	ctx context.Context
	bin string
	dir string
	env lab.Env

	weni, crm          *lab.Sandbox
	toWeni, toList     *front
	list               *catalogue
	heard              chan []byte // what the CRM sends, to be handed on by us
	ear                *httptest.Server
	admin              *console.Client
	syncer             *lab.Process
	http               *http.Client
	now                func() time.Time // syncer's clock
	closers            []func()
	shop, people, rows []*record

	mu    sync.Mutex // guards what was said by shop and people, and the CRM
	round int
	acks  int
	later []*event  // got no answer, and are sent again
	clock time.Time // the CRM's, at its last edit
}

// newWorld starts everything but syncer itself. dir must exist.
func newWorld(ctx context.Context, bin, dir string, size int) (_ *world, err error) {
	w := &world{ctx: ctx, now: time.Now, bin: bin, dir: dir, heard: make(chan []byte, 100), http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	for i := range size {
		name, digits := fmt.Sprintf("Cliente %c%c", 'A'+i/26, 'a'+i%26), fmt.Sprintf("5584990%06d", 1000+i)
		w.shop = append(w.shop, &record{source: "loja", id: fmt.Sprintf("L-%d", i), name: name, digits: digits})
		if i%3 == 0 { // the same people, in both
			w.people = append(w.people, &record{source: "crm", name: name, digits: digits})
		}
		if i%2 == 0 {
			r := &record{source: "catalogo", id: fmt.Sprintf("C-%d", i), name: name, digits: fmt.Sprintf("5584991%06d", 1000+i)}
			r.next(false)
			w.rows = append(w.rows, r)
		}
	}
	if w.weni, err = w.sandbox("weni"); err != nil {
		return nil, err
	}
	if w.crm, err = w.sandbox("pipedrive"); err != nil {
		return nil, err
	}
	w.list = newCatalogue(w.rows)
	w.closers = append(w.closers, w.list.Close)
	if w.toWeni, err = w.front(w.weni.URL); err != nil {
		return nil, err
	}
	if w.toList, err = w.front(w.list.URL); err != nil {
		return nil, err
	}
	w.toWeni.slow = 15 * time.Millisecond
	w.ear = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			w.heard <- body
		}
	}))
	w.closers = append(w.closers, w.ear.Close)
	listen, err := lab.FreeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := lab.FreeAddr()
	if err != nil {
		return nil, err
	}
	w.admin = &console.Client{Base: "http://" + admin}
	w.env = lab.Env{"LANG": "en", "SYNCER_MAPPINGS": w.path("mappings.yaml"), "SYNCER_STATE": "bolt:" + w.path("syncer.db"), "SYNCER_LISTEN": listen,
		"SYNCER_ADMIN_LISTEN": admin, "SYNCER_PUBLIC_URL": "http://" + listen, "CRM_URL": w.crm.URL, "CRM_TOKEN": w.crm.Token,
		"LOJA_SECRET": shopSecret, "LIST_URL": w.toList.URL, "WENI_URL": w.toWeni.URL, "WENI_TOKEN": w.weni.Token}
	return w, errors.Join(w.writeMapping(false), w.define(), w.subscribe())
}

func (w *world) sandbox(kind string) (*lab.Sandbox, error) {
	s, err := lab.StartSandbox(w.ctx, w.bin, kind)
	if err == nil {
		w.closers = append(w.closers, s.Kill)
	}
	return s, err
}

func (w *world) front(to string) (*front, error) {
	f, err := newFront(w.ctx, to)
	if err == nil {
		w.closers = append(w.closers, func() { _ = f.close() })
	}
	return f, err
}

// close ends everything, last first.
func (w *world) close() {
	if w.syncer != nil {
		w.syncer.Kill()
	}
	w.http.CloseIdleConnections()
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// writeMapping writes one of two mapping files that mean different things.
func (w *world) writeMapping(other bool) error {
	more := ""
	if other {
		more = ", rodada: outra"
	}
	return os.WriteFile(w.path("mappings.yaml"), fmt.Appendf(nil, mappings, more), 0o600)
}

// define makes the groups and fields of the mapping, and lets Weni notice them.
func (w *world) define() error {
	var errs []error
	for _, pair := range labels {
		for _, name := range pair {
			errs = append(errs, w.weni.Control(w.ctx, http.MethodPost, "groups", map[string]string{"name": name}, nil))
		}
	}
	for _, label := range []string{"crm", "loja", "catalogo", "rodada"} {
		errs = append(errs, w.weni.Control(w.ctx, http.MethodPost, "fields", map[string]string{"label": label, "type": "text"}, nil))
	}
	return errors.Join(append(errs, w.weni.Advance(w.ctx, 6*time.Second))...)
}

func (w *world) subscribe() error {
	return w.pipedrive(http.MethodPost, "v1/webhooks", map[string]string{"subscription_url": w.ear.URL, "event_action": "*",
		"event_object": "person", "name": "ear", "version": "2.0"}, nil)
}

func (w *world) pipedrive(method, path string, in, out any) error {
	var answer struct{ Data json.RawMessage }
	err := lab.Do(w.ctx, method, w.crm.URL+"/api/"+path, http.Header{"X-Api-Token": {w.crm.Token}}, in, &answer)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer.Data, out)
}

// edit makes the next version of one of the CRM's people there and returns it with the webhook that the CRM sent. The
// caller holds the lock.
func (w *world) edit(r *record, gone bool) (*event, error) {
	// The CRM tells its records' times in whole seconds. Of two edits within one second only the webhooks say which is the
	// newer, so that one which never came is not found by a reading either: people do not edit that fast.
	step := 3 * time.Millisecond
	if w.clock.Sub(r.edited) < time.Second {
		step = time.Second
	}
	err := w.crm.Advance(w.ctx, step)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.said) > 0 && r.newest().gone: // it comes back as it was
		err = w.crm.Control(w.ctx, http.MethodPost, fmt.Sprintf("persons/%d/restore", r.crm), nil, nil)
		last := r.said[len(r.said)-2]
		e := r.next(false)
		e.value, e.extra = last.value, last.extra
	case gone && r.crm != 0:
		r.next(true)
		err = w.pipedrive(http.MethodDelete, fmt.Sprint("v2/persons/", r.crm), nil, nil)
	default:
		e := r.next(false)
		form := map[string]any{"custom_fields": map[string]any{pipedrive.City: e.value}, "label_ids": []int{}}
		if e.extra {
			form["label_ids"] = []int{pipedrive.VIP}
		}
		if r.crm != 0 {
			err = w.pipedrive(http.MethodPatch, fmt.Sprint("v2/persons/", r.crm), form, nil)
			break
		}
		form["name"], form["phones"] = r.name, []pipedrive.Row{{Label: "mobile", Primary: true, Value: "+" + r.digits}}
		var made struct{ ID int }
		err = w.pipedrive(http.MethodPost, "v2/persons", form, &made)
		r.crm, r.id = made.ID, fmt.Sprint(made.ID)
	}
	if err != nil {
		return nil, err
	}
	select {
	case body := <-w.heard:
		var hook struct{ Meta struct{ Timestamp time.Time } }
		err := json.Unmarshal(body, &hook)
		r.newest().body, r.edited, w.clock = body, hook.Meta.Timestamp, hook.Meta.Timestamp
		return r.newest(), err
	case <-time.After(patience):
		return nil, errors.New("the CRM sent no webhook")
	}
}

// post delivers an event to syncer, as its sender does.
func (w *world) post(e *event) (int, error) { return w.postWith(w.ctx, w.http, e) }

func (w *world) postWith(ctx context.Context, client *http.Client, e *event) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.env["SYNCER_PUBLIC_URL"]+"/hooks/"+e.rec.source, strings.NewReader(string(e.body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.rec.source == "crm" {
		req.SetBasicAuth("crm", "uma-senha-inventada-da-prova")
	} else {
		m := hmac.New(sha256.New, []byte(shopSecret))
		m.Write(e.body)
		req.Header.Set("X-Signature", "sha256="+hex.EncodeToString(m.Sum(nil)))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// launch starts syncer, behind other programs if some are named, and waits for nothing.
func (w *world) launch(before ...string) error {
	args := slices.Concat(before, []string{w.bin, "serve"})
	p, err := lab.Start(args[0], w.env, args[1:]...)
	if err == nil {
		w.syncer = p
	}
	return err
}

// ready waits until syncer accepts webhooks; false when it ended instead.
func (w *world) ready() (ok bool, err error) {
	err = lab.Await(w.ctx, patience, "syncer is ready", func() (bool, error) {
		select {
		case <-w.syncer.Ended():
			return true, nil
		default:
		}
		ok = lab.Do(w.ctx, http.MethodGet, w.env["SYNCER_PUBLIC_URL"]+"/readyz", nil, nil, nil) == nil
		return ok, nil
	})
	return ok, err
}

// serve starts syncer and waits until it accepts webhooks.
func (w *world) serve() error {
	if err := w.launch(); err != nil {
		return err
	}
	if ok, err := w.ready(); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("syncer did not start:\n%s", w.syncer.Stderr()))
	}
	return nil
}

// status is how things stand now: syncer may answer with what it counted a moment ago, and says so.
func (w *world) status() (s console.Status, err error) {
	asked := w.now()
	err = lab.Await(w.ctx, patience, "a status of now", func() (bool, error) {
		var err error
		s, err = w.admin.Status(w.ctx)
		return !s.At.Before(asked), err
	})
	return s, err
}

// rest waits until everything that was accepted has been delivered.
func (w *world) rest() (console.Status, error) {
	var s console.Status
	err := w.restWithin(patience)
	if err == nil {
		s, err = w.status()
	}
	return s, err
}

func (w *world) restWithin(patience time.Duration) error {
	var s console.Status
	err := lab.Await(w.ctx, patience, "everything is delivered", func() (bool, error) {
		var err error
		if s, err = w.status(); err != nil {
			return false, err
		}
		n := s.Mapless
		for _, t := range s.Targets {
			for _, due := range t.Due {
				n += due
			}
		}
		return n == 0, nil
	})
	if err != nil {
		for _, t := range s.Targets {
			err = fmt.Errorf("%w; %s: %s, due %v, waiting %v", err, t.Name, t.Doing, t.Due, t.Waiting)
		}
	}
	return err
}
