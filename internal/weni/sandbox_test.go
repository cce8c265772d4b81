package weni_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/weni"
)

// world is a target before a simulated workspace, whose clock both read.
type world struct {
	*weni.Target
	t      *testing.T
	sim    *rapidpro.Server
	url    string
	meter  *meter
	logs   *bytes.Buffer
	before func(*http.Request, string) // sees a request of the target, and its body, before the server does
}

func newWorld(t *testing.T, o rapidpro.Options) *world {
	t.Helper()
	o.Token = token
	w := &world{t: t, sim: rapidpro.New(o), meter: &meter{refused: map[string]time.Time{}}, logs: &bytes.Buffer{}}
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	w.url = server.URL
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	target, err := weni.New(mapping.Target{BaseURL: server.URL, Token: token, CreateMissing: true, URNs: []string{"whatsapp"}},
		weni.Deps{Meter: w.meter, Now: w.sim.Control.Now, Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Transport: tripper(func(r *http.Request) (*http.Response, error) {
				if w.before != nil {
					body := ""
					if r.Body != nil {
						raw, err := io.ReadAll(r.Body)
						if err != nil {
							return nil, err
						}
						body, r.Body = string(raw), io.NopCloser(bytes.NewReader(raw))
					}
					w.before(r, body)
				}
				return transport.RoundTrip(r)
			})})
	if err != nil {
		t.Fatal(err)
	}
	w.Target = target
	return w
}

// other makes a call as somebody else who works on the same workspace.
func (w *world) other(method, path string, body any) map[string]any {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/api/v2/"+path, bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	if resp.StatusCode >= 300 || resp.StatusCode != http.StatusNoContent && json.NewDecoder(resp.Body).Decode(&out) != nil {
		w.t.Fatalf("%s %s: %d", method, path, resp.StatusCode)
	}
	return out
}

// calls returns what was called since the last time.
func (w *world) calls() string {
	defer w.sim.Control.ClearCalls()
	return w.sim.Control.Calls().String()
}

// ready defines a group and fields and waits until they can be used.
func (w *world) ready() (group string) {
	w.t.Helper()
	usable, err := w.Define(w.t.Context(), []string{"VIP"}, map[string]contact.FieldType{"cidade": contact.TextField, "idade": contact.NumericField, "ultima_compra": contact.DatetimeField})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sim.Control.Advance(usable.Sub(w.sim.Control.Now()))
	l, ok := w.Rules().Catalog.Label("VIP")
	if !ok {
		w.t.Fatal("the group is not in the catalog")
	}
	w.calls()
	return l.ID
}

func (w *world) add(urns ...contact.URN) contact.Observed {
	w.t.Helper()
	o, err := w.Create(w.t.Context(), &contact.Change{Create: true, Name: new("Marina Exemplo"), AddURNs: urns}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.calls()
	return o
}

func (w *world) get(id string) contact.Observed {
	w.t.Helper()
	o, err := w.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.calls()
	return o
}

func (w *world) wants(err error, kind contact.ErrorKind, words string) *contact.Error {
	w.t.Helper()
	e := asError(w.t, err)
	if e.Kind != kind || !strings.Contains(e.Error(), words) {
		w.t.Errorf("wanted %s %q, got %s %q", kind, words, e.Kind, e)
	}
	leaks(w.t, err, w.logs.String())
	return e
}

const (
	oldURN = contact.URN("whatsapp:5584993100011")
	newURN = contact.URN("whatsapp:5584993200022")
)

var flavours = map[rapidpro.Flavour]string{
	rapidpro.Weni: weni.Weni, rapidpro.RapidPro9: weni.RapidPro9, rapidpro.RapidPro26: weni.RapidPro26,
}

// The whole life of a contact on every line of the software.
func TestSandboxLife(t *testing.T) {
	for flavour, name := range flavours {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Flavour: flavour})
			ctx := t.Context()
			if _, workspace, err := w.Place(ctx); err != nil || workspace != "Sandbox" || w.Workspace().Timezone != "America/Sao_Paulo" {
				t.Fatal(workspace, err)
			}
			vip := w.ready()
			o, err := w.Create(ctx, &contact.Change{Create: true, Name: new("Marina Exemplo"), Language: new("por"), AddURNs: []contact.URN{oldURN},
				Fields: map[string]string{"cidade": "Natal", "idade": "39", "ultima_compra": "2020-01-31T09:27:39-03:00"}}, []string{vip})
			if err != nil {
				t.Fatal(err)
			}
			if o.Fields["idade"] != "39" || !contact.SameValue(contact.DatetimeField, o.Fields["ultima_compra"], "2020-01-31T09:27:39-03:00") ||
				!slices.Equal(o.Labels, []string{vip}) || o.Status != contact.Active || o.Modified.IsZero() {
				t.Errorf("%+v", o)
			}
			if w.Flavour() != name {
				t.Errorf("flavour %q", w.Flavour())
			}
			w.calls()

			o, err = w.Update(ctx, &o, &contact.Change{Fields: map[string]string{"cidade": "Mossoró"}})
			if err != nil || o.Fields["cidade"] != "Mossoró" || o.Fields["idade"] != "39" || !slices.Equal(o.URNs, []contact.URN{oldURN}) || !slices.Equal(o.Labels, []string{vip}) {
				t.Errorf("%+v %v", o, err)
			}
			if got := w.calls(); got != "v2.contacts POST contacts.json?uuid= 200 x1" {
				t.Error(got)
			}
			journal := w.sim.Control.Journal()
			if last := journal[len(journal)-1].Request; last != `{"fields":{"cidade":"Mossoró"}}` {
				t.Error(last)
			}

			o, err = w.Update(ctx, &o, &contact.Change{Name: new(""), Language: new(""), Fields: map[string]string{"idade": ""}})
			if err != nil || o.Name != "" || o.Language != "" || o.Fields["idade"] != "" || o.Fields["cidade"] == "" {
				t.Errorf("%+v %v", o, err)
			}
			found, err := w.Find(ctx, []contact.URN{newURN, oldURN, oldURN})
			if err != nil || len(found) != 1 || found[0].ID != o.ID {
				t.Error(found, err)
			}
			if _, err = w.Create(ctx, &contact.Change{Create: true, AddURNs: []contact.URN{oldURN}}, nil); err == nil {
				t.Fatal("a taken address made a contact")
			}
			w.wants(err, contact.Conflict, "address")

			if err := w.Label(ctx, vip, false, []string{o.ID}); err != nil || len(w.get(o.ID).Labels) != 0 {
				t.Error(err)
			}
			if err := w.Label(ctx, vip, true, []string{o.ID}); err != nil {
				t.Error(err)
			}
			if err := w.Block(ctx, o.ID); err != nil {
				t.Error(err)
			}
			if o = w.get(o.ID); o.Status != contact.Blocked || len(o.Labels) != 0 {
				t.Errorf("%+v", o)
			}
			e := w.wants(w.Label(ctx, vip, true, []string{o.ID}), contact.Invalid, "cannot be added to a group")
			if !slices.Equal(e.Names, []string{o.ID}) {
				t.Error(e.Names)
			}
			for range 2 {
				if err := w.Delete(ctx, o.ID); err != nil {
					t.Error(err)
				}
			}
			_, err = w.Get(ctx, o.ID)
			w.wants(err, contact.Gone, "does not exist")
			_, err = w.Update(ctx, &o, &contact.Change{Name: new("Marina")})
			w.wants(err, contact.Gone, "")
			w.wants(w.Block(ctx, o.ID), contact.Gone, "")
			gone, err := w.List(ctx, contact.Query{Gone: true}, "")
			if err != nil || len(gone.Gone) != 1 || gone.Gone[0].ID != o.ID {
				t.Error(gone, err)
			}
		})
	}
}

func TestSandboxList(t *testing.T) {
	for flavour, name := range flavours {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Flavour: flavour})
			for range 251 {
				w.other("POST", "contacts.json", map[string]any{})
			}
			w.calls()
			var ids []string
			var marks []time.Time
			cursor, pages := "", 0
			for {
				l, err := w.List(t.Context(), contact.Query{After: w.sim.Control.Now().Add(-time.Hour)}, cursor)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range l.Contacts {
					ids, marks = append(ids, o.ID), append(marks, o.Modified)
				}
				pages++
				if cursor = l.Next; cursor == "" {
					break
				}
			}
			slices.Sort(ids)
			if ids = slices.Compact(ids); len(ids) != 251 || !slices.IsSortedFunc(marks, time.Time.Compare) {
				t.Errorf("%d contacts", len(ids))
			}
			wantPages, wantSize := 2, 250
			if flavour == rapidpro.Weni {
				wantPages, wantSize = 1, 1000
			}
			if pages != wantPages || w.PageSize() != wantSize {
				t.Errorf("%d pages of %d", pages, w.PageSize())
			}
			// The bounds are inclusive, to the microsecond.
			l, err := w.List(t.Context(), contact.Query{After: marks[100], Before: marks[100]}, "")
			if err != nil || len(l.Contacts) == 0 || !l.Contacts[0].Modified.Equal(marks[100]) {
				t.Error(l, err)
			}
		})
	}
}

func TestSandboxAssetCache(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	ctx := t.Context()
	o := w.add(oldURN) // the engine has read the definitions now
	usable, err := w.Define(ctx, []string{"VIP"}, map[string]contact.FieldType{"cidade": contact.TextField})
	if err != nil {
		t.Fatal(err)
	}
	vip, _ := w.Rules().Catalog.Label("VIP")
	change := &contact.Change{Fields: map[string]string{"cidade": "Natal"}}
	_, err = w.Update(ctx, &o, change)
	if e := w.wants(err, contact.Unready, "HTTP 500"); e.Until.After(usable) || e.Until.Before(w.sim.Control.Now()) {
		t.Error(e.Until, usable)
	}
	w.wants(w.Label(ctx, vip.ID, true, []string{o.ID}), contact.Unready, "HTTP 500")
	_, err = w.Create(ctx, &contact.Change{Create: true, AddURNs: []contact.URN{newURN}, Fields: change.Fields}, nil)
	w.wants(err, contact.Unready, "cidade")
	_, err = w.Create(ctx, &contact.Change{Create: true, AddURNs: []contact.URN{newURN}}, []string{vip.ID})
	w.wants(err, contact.Unready, "group")
	w.sim.Control.Advance(usable.Sub(w.sim.Control.Now()))
	if o, err = w.Update(ctx, &o, change); err != nil || o.Fields["cidade"] != "Natal" {
		t.Error(o, err)
	}
	if err := w.Label(ctx, vip.ID, true, []string{o.ID}); err != nil {
		t.Error(err)
	}
}

// A group that somebody deleted is forgotten and can be defined anew.
func TestSandboxDefinitionsVanish(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	vip := w.ready()
	o := w.add(oldURN)
	w.other("DELETE", "groups.json?uuid="+vip, nil)
	w.wants(w.Label(t.Context(), vip, true, []string{o.ID}), contact.Unready, "no such group")
	usable, err := w.Define(t.Context(), []string{"VIP"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Control.Advance(usable.Sub(w.sim.Control.Now()))
	l, _ := w.Rules().Catalog.Label("VIP")
	if err := w.Label(t.Context(), l.ID, true, []string{o.ID}); err != nil || l.ID == vip {
		t.Error(l, err)
	}
	_, err = w.Update(t.Context(), &o, &contact.Change{Fields: map[string]string{"nunca_definido": "x"}})
	w.wants(err, contact.Unready, "no such field any more: nunca_definido")
}

func TestSandboxSmartGroup(t *testing.T) {
	w := newWorld(t, rapidpro.Options{Setup: []string{"smart-group"}})
	if err := w.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, ok := w.Rules().Catalog.Label("falantes")
	if !ok || !l.Smart {
		t.Fatal(l)
	}
	w.wants(w.Label(t.Context(), l.ID, true, []string{w.add(oldURN).ID}), contact.Unready, "computes itself")
}

// The mirror knows the old number only. What WhatsApp taught the workspace meanwhile survives.
func TestSandboxPhoneChangeKeepsTaughtAddresses(t *testing.T) {
	for flavour, name := range flavours {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Flavour: flavour})
			seen := w.add(oldURN)
			w.other("POST", "contacts.json?uuid="+seen.ID, map[string]any{"urns": []contact.URN{oldURN, "whatsapp:558493100011", "telegram:123"}})
			w.calls()
			o, err := w.Update(t.Context(), &seen, &contact.Change{AddURNs: []contact.URN{newURN}, DropURNs: []contact.URN{oldURN}})
			if err != nil || !slices.Equal(o.URNs, []contact.URN{newURN, "whatsapp:558493100011", "telegram:123"}) {
				t.Error(o.URNs, err)
			}
			want := "v2.contacts GET contacts.json?after=&before= 200 x1\nv2.contacts GET contacts.json?urn= 200 x1\n" +
				"v2.contacts GET contacts.json?uuid= 200 x1\nv2.contacts POST contacts.json?uuid= 200 x1"
			if got := w.calls(); got != want {
				t.Error(got)
			}
		})
	}
}

func TestSandboxPhoneChangeConflict(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	a, b := w.add(oldURN), w.add(newURN)
	_, err := w.Update(t.Context(), &a, &contact.Change{AddURNs: []contact.URN{newURN}})
	if e := w.wants(err, contact.Conflict, "belongs to another contact"); !slices.Equal(e.Names, []string{b.ID}) {
		t.Error(e.Names)
	}
	if got := w.calls(); strings.Contains(got, "POST") {
		t.Error(got)
	}
}

// meanwhile runs once, after all look-ups and right before the list of addresses is posted.
func (w *world) meanwhile(do func()) {
	w.before = func(r *http.Request, body string) {
		if r.Method == http.MethodPost && strings.Contains(body, `"urns"`) {
			w.before = nil
			do()
		}
	}
}

// Somebody writes from the new number between the look-up and the write: the workspace makes a contact of it. Weni
// and older engines take the number from it, newer ones leave it out without a word.
func TestSandboxPhoneChangeNeverSteals(t *testing.T) {
	for flavour, name := range flavours {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Flavour: flavour})
			a := w.add(oldURN)
			var b string
			w.meanwhile(func() {
				b = w.other("POST", "contacts.json", map[string]any{"urns": []contact.URN{newURN}})["uuid"].(string)
			})
			_, err := w.Update(t.Context(), &a, &contact.Change{AddURNs: []contact.URN{newURN}, DropURNs: []contact.URN{oldURN}})
			if e := w.wants(err, contact.Conflict, "another contact"); !slices.Equal(e.Names, []string{b}) {
				t.Error(e.Names)
			}
			if got := w.get(b).URNs; !slices.Equal(got, []contact.URN{newURN}) {
				t.Errorf("the other contact has %v", got)
			}
			if flavour != rapidpro.RapidPro26 && !slices.Equal(w.get(a.ID).URNs, []contact.URN{oldURN}) {
				t.Errorf("the contact has %v", w.get(a.ID).URNs)
			}
		})
	}
}

// An address of the contact goes to another one between the read and the write. It cannot be told which address
// the other contact lost, so people are asked.
func TestSandboxPhoneChangeNamesTheLoser(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	a, b := w.add(oldURN, "ext:crm-1"), w.add("whatsapp:5511988880000")
	w.sim.Control.Advance(time.Hour)
	w.meanwhile(func() {
		w.other("POST", "contacts.json?uuid="+b.ID, map[string]any{"urns": []string{"whatsapp:5511988880000", "ext:crm-1"}})
	})
	_, err := w.Update(t.Context(), &a, &contact.Change{AddURNs: []contact.URN{newURN}})
	if e := w.wants(err, contact.Conflict, "cannot be told"); !slices.Equal(e.Names, []string{b.ID}) {
		t.Error(e.Names)
	}
	if found, err := w.Find(t.Context(), []contact.URN{newURN}); err != nil || len(found) != 0 {
		t.Error("the change stands", found, err)
	}
}

// A copy that is behind must not decide which addresses a contact keeps.
func TestSandboxReplicaLag(t *testing.T) {
	w := newWorld(t, rapidpro.Options{Setup: []string{"replica-lag"}})
	a := w.add(oldURN)
	w.sim.Control.Advance(5 * time.Second)
	seen, err := w.Update(t.Context(), &a, &contact.Change{Name: new("Marina Outra")})
	if err != nil {
		t.Fatal(err)
	}
	change := &contact.Change{AddURNs: []contact.URN{newURN}}
	_, err = w.Update(t.Context(), &seen, change)
	e := w.wants(err, contact.Unready, "behind")
	w.sim.Control.Advance(e.Until.Sub(w.sim.Control.Now()))
	if o, err := w.Update(t.Context(), &seen, change); err != nil || o.URNs[0] != newURN {
		t.Error(o, err)
	}
}

func TestSandboxRefusals(t *testing.T) {
	for setup, want := range map[string]struct {
		kind  contact.ErrorKind
		words string
	}{
		"suspended":   {contact.Suspended, "the workspace is suspended"},
		"flagged":     {contact.Suspended, "the workspace is flagged"},
		"viewer":      {contact.Auth, "role Administrator or Editor"},
		"engine-down": {contact.Unavailable, "HTTP 500"},
	} {
		t.Run(setup, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Setup: []string{setup}})
			_, err := w.Create(t.Context(), &contact.Change{Create: true, Name: new("Marina"), AddURNs: []contact.URN{oldURN}}, nil)
			if e := w.wants(err, want.kind, want.words); e.Uncertain != (setup == "engine-down") {
				t.Error("uncertain", e.Uncertain)
			}
			_, _, err = w.Place(t.Context())
			if setup == "viewer" {
				w.wants(err, contact.Auth, "role Administrator or Editor")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	w := newWorld(t, rapidpro.Options{Setup: []string{"anon"}})
	_, _, err := w.Place(t.Context())
	w.wants(err, contact.Suspended, "Turn anonymity off")
	_, err = w.Find(t.Context(), []contact.URN{oldURN})
	w.wants(err, contact.Suspended, "Turn anonymity off")

	w = newWorld(t, rapidpro.Options{Setup: []string{"full"}})
	_, err = w.Define(t.Context(), []string{"VIP"}, nil)
	w.wants(err, contact.Invalid, "the workspace is full")
	_, err = w.Define(t.Context(), nil, map[string]contact.FieldType{"cidade": contact.TextField})
	w.wants(err, contact.Invalid, "the workspace is full")
}

func TestSandboxEngineDownLater(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	vip := w.ready()
	a := w.add(oldURN)
	if err := w.sim.Change(func(s *rapidpro.Settings) { s.EngineDown = true }); err != nil {
		t.Fatal(err)
	}
	_, err := w.Update(t.Context(), &a, &contact.Change{Fields: map[string]string{"cidade": "Natal"}})
	w.wants(err, contact.Unavailable, "HTTP 500")
	w.wants(w.Label(t.Context(), vip, true, []string{a.ID}), contact.Unavailable, "HTTP 500")
	if err := w.Delete(t.Context(), a.ID); err != nil {
		t.Error("deleting does not need the engine:", err)
	}
}

func TestSandboxThrottle(t *testing.T) {
	w := newWorld(t, rapidpro.Options{Setup: []string{"throttle"}})
	for range 5 {
		if _, err := w.List(t.Context(), contact.Query{}, ""); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.List(t.Context(), contact.Query{}, "")
	e := w.wants(err, contact.Throttled, "slow down")
	if until := w.meter.refused[contact.ScopeContacts]; !until.Equal(e.Until) || !until.After(w.sim.Control.Now()) || until.After(w.sim.Control.Now().Add(time.Minute)) {
		t.Error(until)
	}
	if _, _, err := w.Place(t.Context()); err != nil {
		t.Error("the other scope has its own limit:", err)
	}
	w.sim.Control.Advance(e.Until.Sub(w.sim.Control.Now()))
	if _, err := w.List(t.Context(), contact.Query{}, ""); err != nil {
		t.Error(err)
	}
}

// A create that failed may have been made; repeating it is refused as taken and finds the contact.
func TestSandboxLostAnswers(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"500 after insert": {Action: sandbox.FaultStatus, Status: 500, Commit: true},
		"connection cut":   {Action: sandbox.FaultResetAfter},
		"half an answer":   {Action: sandbox.FaultTruncate},
		"page":             {Action: sandbox.FaultHTML, Commit: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{})
			fault.Method, fault.Times = "POST", 1
			if _, err := w.sim.Control.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			change := &contact.Change{Create: true, Name: new("Marina Exemplo"), AddURNs: []contact.URN{oldURN}}
			_, err := w.Create(t.Context(), change, nil)
			if e := w.wants(err, contact.Unavailable, ""); !e.Uncertain {
				t.Error("certain")
			}
			_, err = w.Create(t.Context(), change, nil)
			w.wants(err, contact.Conflict, "address")
			if found, err := w.Find(t.Context(), []contact.URN{oldURN}); err != nil || len(found) != 1 {
				t.Error(found, err)
			}
		})
	}
	// JSON that is called a page is still JSON.
	w := newWorld(t, rapidpro.Options{})
	if _, err := w.sim.Control.AddFault(sandbox.Fault{Action: sandbox.FaultContentType}); err != nil {
		t.Fatal(err)
	}
	w.add(oldURN)
}

func TestSandboxDefine(t *testing.T) {
	for flavour, name := range flavours {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, rapidpro.Options{Flavour: flavour})
			w.other("POST", "fields.json", map[string]any{"label": "Age", "value_type": "numeric"})
			w.other("POST", "fields.json?key=age", map[string]any{"label": "Idade", "value_type": "numeric"})
			fields := map[string]contact.FieldType{"idade": contact.NumericField, "ultima_compra": contact.DatetimeField, "crm_url": contact.TextField}
			if _, err := w.Define(t.Context(), []string{"Clientes de São Paulo", "VIP"}, fields); err != nil {
				t.Fatal(err)
			}
			if err := w.Learn(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := w.Rules().Catalog
			for key, ft := range fields {
				if c.Fields[key] != ft {
					t.Errorf("%s is %q", key, c.Fields[key])
				}
			}
			if l, ok := c.Label("clientes de são paulo"); !ok || l.Smart {
				t.Error(l, ok)
			}
			w.calls()
			if _, err := w.Define(t.Context(), []string{"VIP"}, fields); err != nil || w.calls() != "" {
				t.Error(err)
			}
			if _, err := w.Campaigns(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Cursors and instants survive their way into an address and back.
func TestSandboxPlusSigns(t *testing.T) {
	w := newWorld(t, rapidpro.Options{})
	a := w.add("tel:+442079460123")
	var asked url.Values
	w.before = func(r *http.Request, _ string) { asked = r.URL.Query() }
	if found, err := w.Find(t.Context(), a.URNs); err != nil || len(found) != 1 || asked.Get("urn") != string(a.URNs[0]) {
		t.Error(a.URNs, found, err)
	}
}
