package pipedrive_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/intake"
	"syncer/internal/mapping"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/source"
	crm "syncer/internal/source/pipedrive"
)

// memory is the smallest store that keeps the rules: every event once, the newest state of each record.
type memory struct {
	mu      sync.Mutex
	ids     map[string]bool
	records map[string]contact.Event
	closed  bool
	reasons []string
}

func newMemory() *memory {
	return &memory{ids: map[string]bool{}, records: map[string]contact.Event{}}
}

// Accept keeps events that are newer than what is known.
func (m *memory) Accept(_ context.Context, _ string, _ []byte, events []contact.Event) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, &contact.Error{Kind: contact.Unavailable, Message: "closing"}
	}
	known := true
	for _, e := range events {
		id := e.ID + " " + e.Key.ID
		if e.ID != "" && m.ids[id] {
			continue
		}
		known = false
		m.ids[id] = true
		m.put(e)
	}
	return known, nil
}

func (m *memory) put(e contact.Event) {
	old, ok := m.records[e.Key.ID]
	order := e.Version.Compare(old.Version)
	if gone(e) || gone(old) {
		order = e.Version.CompareDelete(old.Version)
	}
	if !ok || order >= 0 || e.Read != 0 && e.Read > old.Version.Arrival {
		m.records[e.Key.ID] = e
	}
}

func gone(e contact.Event) bool { return e.Kind == contact.Delete || e.Kind == contact.Merge }

// Quarantine notes why.
func (m *memory) Quarantine(_ context.Context, _ string, _ []byte, _ http.Header, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reasons = append(m.reasons, reason)
	return nil
}

// world is a CRM, a source that reads it, and a door to which it delivers.
type world struct {
	*testing.T
	crm     *pipedrive.Server
	source  *crm.Source
	door    *intake.Door
	store   *memory
	address string // of the webhook
	api     *httptest.Server
}

const (
	user, password = "pipedrive", "senha-de-teste-0001"
	pathSecret     = "9f1c7e"
)

func newWorld(t *testing.T, o pipedrive.Options) *world {
	t.Helper()
	w := &world{T: t, crm: pipedrive.New(o), store: newMemory()}
	t.Cleanup(w.crm.Close)
	w.api = httptest.NewServer(w.crm)
	t.Cleanup(w.api.Close)
	hook := mapping.Webhook{Auth: "basic", Username: user, Password: []string{password}, Secret: []string{pathSecret}}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	w.source, err = crm.New(mapping.Source{Name: "crm", Kind: "pipedrive", Webhook: &hook, API: &mapping.API{BaseURL: w.api.URL, Token: w.crm.Token()}},
		crm.Deps{Now: w.crm.Control.Now, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := intake.NewVerifier(hook, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.door = intake.New(intake.Options{Accepter: w.store, Now: w.crm.Control.Now})
	w.door.Set(map[string]intake.Route{"crm": {Source: w.source, Verifier: verifier}})
	server := httptest.NewServer(w.door)
	t.Cleanup(server.Close)
	w.address = server.URL + "/hooks/crm/" + pathSecret
	return w
}

func (w *world) install() {
	w.Helper()
	if _, installed, err := w.source.InstallHook(w.Context(), w.address); err != nil || !installed {
		w.Fatal(installed, err)
	}
	if err := w.source.Prepare(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) settle() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	if err := w.crm.Settle(ctx); err != nil {
		w.Fatal(err, w.crm.Counters())
	}
}

// live changes people in all the ways there are.
func (w *world) live(rounds int, seed uint64) {
	w.Helper()
	dice := rand.New(rand.NewPCG(seed, 1))
	check := func(err error) {
		if err != nil {
			w.Fatal(err)
		}
	}
	var bin []int
	for n := range rounds {
		people := w.crm.Persons()
		pick := func() int { return people[dice.IntN(len(people))].ID }
		switch dice.IntN(12) {
		case 0, 1:
			_, err := w.crm.Create(pipedrive.Invent(90000 + n))
			check(err)
		case 2:
			id := pick()
			check(w.crm.Delete(id))
			bin = append(bin, id)
		case 3:
			if len(bin) > 0 {
				check(w.crm.Restore(bin[0]))
				bin = bin[1:]
			}
		case 4:
			if a, b := pick(), pick(); a != b {
				check(w.crm.Merge(a, b))
			}
		case 5:
			check(w.crm.UpdateAll([]int{pick(), pick()}, func(p *pipedrive.Person) { p.LabelIDs = []int{pipedrive.Cold} }))
		case 6:
			_, err := w.crm.Update(pick(), func(p *pipedrive.Person) {
				p.Phones = []pipedrive.Row{{Label: "mobile", Primary: true, Value: fmt.Sprintf("(84) 99%03d-%04d", n%1000, n)}}
			})
			check(err)
		default:
			_, err := w.crm.Update(pick(), func(p *pipedrive.Person) { p.Custom[pipedrive.City] = "Cidade " + strconv.Itoa(n) })
			check(err)
		}
		w.crm.Control.Advance(time.Duration(1+dice.IntN(900)) * time.Millisecond)
	}
}

// reconcile reads everything and confirms what is missing, as the cron does.
func (w *world) reconcile(window source.Window) {
	w.Helper()
	seen := map[string]bool{}
	for cursor := ""; ; {
		page, err := w.source.List(w.Context(), window, cursor)
		if err != nil {
			w.Fatal(err)
		}
		w.read(page.Events, seen)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !window.Since.IsZero() {
		return
	}
	for id, e := range maps.Clone(w.store.records) {
		if seen[id] || gone(e) {
			continue
		}
		found, err := w.source.Get(w.Context(), []string{id})
		if err != nil {
			w.Fatal(err)
		}
		w.read(found.Events, seen)
		for _, missing := range found.Missing {
			w.store.put(contact.Event{Kind: contact.Delete, Key: contact.Key{Source: "crm", ID: missing}, Read: contact.Micros(w.crm.Control.Now())})
		}
	}
}

func (w *world) read(events []contact.Event, seen map[string]bool) {
	for _, e := range events {
		seen[e.Key.ID] = true
		w.store.mu.Lock()
		w.store.put(e)
		w.store.mu.Unlock()
	}
}

// compare holds what syncer knows against the truth.
func (w *world) compare() {
	w.Helper()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if len(w.store.reasons) > 0 {
		w.Errorf("in quarantine: %q", w.store.reasons)
	}
	alive := map[string]bool{}
	for _, p := range w.crm.Persons() {
		id := strconv.Itoa(p.ID)
		alive[id] = true
		e, ok := w.store.records[id]
		if !ok || gone(e) {
			w.Errorf("person %s is not known (%v %+v)", id, e.Kind, e.Version)
			continue
		}
		record, err := w.source.Record(e.Payload)
		if err != nil {
			w.Fatal(err)
		}
		if got, want := face(record), truth(p); got != want {
			w.Errorf("person %s:\ngot  %s\nwant %s", id, got, want)
		}
	}
	for id, e := range w.store.records {
		if !alive[id] && !gone(e) {
			w.Errorf("person %s lives on", id)
		}
	}
}

// face is what a mapping would use of a record.
func face(record map[string]any) string {
	var phones, labels []string
	for _, row := range record["phones"].([]any) {
		phones = append(phones, row.(map[string]any)["value"].(string))
	}
	for _, label := range record["labels"].([]any) {
		labels = append(labels, label.(string))
	}
	custom := record["custom_fields"].(map[string]any)
	return fmt.Sprint(record["name"], " ", phones, " ", labels, " ", custom["Cidade"], " ", custom["Segmento"], " ", custom["Interesses"])
}

func truth(p pipedrive.Person) string {
	var phones, labels []string
	for _, row := range p.Phones {
		if row.Value != "" {
			phones = append(phones, row.Value)
		}
	}
	names := map[int]string{pipedrive.VIP: "Cliente VIP", pipedrive.Cold: "Lead frio"}
	for _, id := range p.LabelIDs {
		labels = append(labels, names[id])
	}
	var segment, likes any
	if id, ok := p.Custom[pipedrive.Segment].(int); ok {
		segment = map[int]string{41: "Varejo", 42: "Atacado"}[id]
	}
	if _, ok := p.Custom[pipedrive.Likes]; ok {
		likes = []any{"Pães", "Bolos"}
	}
	return fmt.Sprint(p.Name, " ", phones, " ", labels, " ", p.Custom[pipedrive.City], " ", segment, " ", likes)
}

// Deliveries that repeat, come late and overtake each other must still leave the truth behind.
func TestWebhooksAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		options pipedrive.Options
		version string
	}{
		"v2":           {pipedrive.Options{Speed: 500, Seed: 1}, "2.0"},
		"v2 loose ids": {pipedrive.Options{Speed: 500, Seed: 2, LooseIDs: true}, "2.0"},
		"v1":           {pipedrive.Options{Speed: 500, Seed: 3, OldFields: true}, "1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.options)
			if err := w.source.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.crm.Seed(40)
			w.reconcile(source.Window{})
			w.crm.Subscribe(w.address, user, password, tc.version)
			if err := w.crm.Misbehave(pipedrive.Mischief{Duplicate: 0.2, Late: 0.1, Reorder: 0.3}); err != nil {
				t.Fatal(err)
			}
			w.live(400, tc.options.Seed)
			w.settle()
			w.compare()
			if c := w.crm.Counters(); c.Lost > 0 || c.Delivered != c.Events || c.Duplicates == 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What webhooks lose, to a ban and on the way, a full walk brings back.
func TestReconcileHealsWhatIsLost(t *testing.T) {
	w := newWorld(t, pipedrive.Options{Speed: 500, Seed: 4})
	w.crm.Seed(30)
	w.install()
	w.reconcile(source.Window{})
	w.compare()
	if err := w.crm.Misbehave(pipedrive.Mischief{Duplicate: 0.1, Reorder: 0.2, Lose: 0.2}); err != nil {
		t.Fatal(err)
	}
	w.live(150, 4)
	w.store.mu.Lock()
	w.store.closed = true
	w.store.mu.Unlock()
	w.live(60, 5)
	w.settle()
	w.store.mu.Lock()
	w.store.closed = false
	w.store.mu.Unlock()
	c := w.crm.Counters()
	if c.Bans == 0 || c.Lost < 30 {
		t.Fatalf("nothing was lost: %+v", c)
	}
	w.crm.Control.Advance(time.Hour)
	w.reconcile(source.Window{})
	w.compare()
}

// Without any webhook a walk over changes keeps up, except for deletions, which need the full walk.
func TestPollingAlone(t *testing.T) {
	w := newWorld(t, pipedrive.Options{Seed: 6})
	w.crm.Seed(700) // two pages
	if err := w.source.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reconcile(source.Window{})
	w.compare()
	w.crm.Control.Advance(time.Minute)
	mark := w.crm.Control.Now()
	for _, p := range w.crm.Persons()[:5] {
		if _, err := w.crm.Update(p.ID, func(p *pipedrive.Person) { p.Name = "Nova " + p.Name }); err != nil {
			t.Fatal(err)
		}
	}
	before := w.crm.Control.Calls().Count(nil)
	w.reconcile(source.Window{Since: mark})
	if calls := w.crm.Control.Calls().Count(nil) - before; calls != 1 {
		t.Errorf("%d calls for five changes", calls)
	}
	w.compare()
	if err := w.crm.Delete(w.crm.Persons()[3].ID); err != nil {
		t.Fatal(err)
	}
	w.reconcile(source.Window{})
	w.compare()
}

func TestBatchedGet(t *testing.T) {
	w := newWorld(t, pipedrive.Options{})
	ids := w.crm.Seed(120)
	if err := w.crm.Delete(ids[7]); err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, id := range ids[:100] {
		text = append(text, strconv.Itoa(id))
	}
	found, err := w.source.Get(t.Context(), text)
	if err != nil || len(found.Events) != 99 || len(found.Missing) != 0 {
		t.Fatalf("%d found, %v missing, %v", len(found.Events), found.Missing, err)
	}
	one, err := w.source.Get(t.Context(), text[7:8])
	if err != nil || len(one.Events) != 1 || one.Events[0].Kind != contact.Delete {
		t.Errorf("%+v %v", one, err)
	}
	none, err := w.source.Get(t.Context(), []string{"1"})
	if err != nil || !slices.Equal(none.Missing, []string{"1"}) {
		t.Errorf("%+v %v", none, err)
	}
}

// A client that waits as it is told never meets the firewall, and one that does not gets a long pause.
func TestLimitsAreKept(t *testing.T) {
	w := newWorld(t, pipedrive.Options{PerTwoSeconds: 3})
	w.crm.Seed(3)
	good := 0
	for range 60 {
		_, err := w.source.List(t.Context(), source.Window{}, "")
		if err == nil {
			good++
			continue
		}
		e := contact.AsError(err)
		if e.Kind != contact.Throttled || e.Until.IsZero() {
			t.Fatal(err)
		}
		w.crm.Control.Advance(e.Until.Sub(w.crm.Control.Now()) + time.Millisecond)
	}
	if calls := w.crm.Control.Calls(); good < 40 || calls.Count(nil) != good {
		t.Errorf("%d good of\n%s", good, calls)
	}
}

func TestFirewallPausesForMinutes(t *testing.T) {
	w := newWorld(t, pipedrive.Options{PerTwoSeconds: 1})
	other := func() { // somebody else with the same token, who does not care
		req, err := http.NewRequest("GET", w.api.URL+"/api/v1/users/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-api-token", w.crm.Token())
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	for range 13 {
		other()
	}
	_, _, err := w.source.Place(t.Context())
	e := contact.AsError(err)
	if e.Kind != contact.Unavailable || e.Until.Sub(w.crm.Control.Now()) < 5*time.Minute {
		t.Error(err, e.Until)
	}
}

// Whatever stands between syncer and the CRM does, the source says that it should be tried again, and then
// it works.
func TestFaultsPass(t *testing.T) {
	w := newWorld(t, pipedrive.Options{})
	w.crm.Seed(3)
	for _, fault := range []sandbox.Fault{
		{Action: sandbox.FaultStatus, Status: 500}, {Action: sandbox.FaultStatus, Status: 403}, {Action: sandbox.FaultReset}, {Action: sandbox.FaultResetAfter},
		{Action: sandbox.FaultTruncate}, {Action: sandbox.FaultHTML}, {Action: sandbox.FaultThrottle, RetryAfter: new(7)}, {Action: sandbox.FaultThrottle},
	} {
		// Idle connections would be tried again by the transport itself, and the fault would hit nobody.
		w.api.CloseClientConnections()
		fault.Times = 1
		if _, err := w.crm.Control.AddFault(fault); err != nil {
			t.Fatal(err)
		}
		_, err := w.source.List(t.Context(), source.Window{}, "")
		want := contact.Unavailable
		if fault.Action == sandbox.FaultThrottle {
			want = contact.Throttled
		}
		if contact.KindOf(err) != want {
			t.Errorf("%s %d: %v", fault.Action, fault.Status, err)
		}
		w.crm.Control.Advance(time.Minute)
		if page, err := w.source.List(t.Context(), source.Window{}, ""); err != nil || len(page.Events) != 3 {
			t.Errorf("after %s: %v", fault.Action, err)
		}
	}
}

func TestNewLabelMakesRecordsStale(t *testing.T) {
	w := newWorld(t, pipedrive.Options{Speed: 100})
	w.install()
	before := w.source.Definitions()
	label := w.crm.AddLabel("Fornecedor")
	p, err := w.crm.Create(pipedrive.Person{Name: "Noêmia Rangel", LabelIDs: []int{pipedrive.VIP, label}})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	payload := w.store.records[strconv.Itoa(p.ID)].Payload
	record, err := w.source.Record(payload)
	if _, stated := record["labels"]; err != nil || stated || !w.source.Stale() {
		t.Fatalf("%v %v, stale %v", record, err, w.source.Stale())
	}
	if err := w.source.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	record, err = w.source.Record(payload)
	if err != nil || fmt.Sprint(record["labels"]) != "[Cliente VIP Fornecedor]" || w.source.Stale() || w.source.Definitions() == before {
		t.Errorf("%v %v", record, err)
	}
}

func TestHookIsHealed(t *testing.T) {
	w := newWorld(t, pipedrive.Options{Speed: 1e6})
	w.install()
	if _, installed, err := w.source.InstallHook(t.Context(), w.address); installed || err != nil {
		t.Errorf("installed twice: %v", err)
	}
	hooks, err := w.source.Hooks(t.Context())
	if err != nil || len(hooks) != 1 || !hooks[0].Active || strings.Contains(fmt.Sprint(hooks), password) {
		t.Fatal(hooks, err)
	}
	if _, err := w.crm.Create(pipedrive.Invent(1)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.compare()
	if err := w.source.DeleteHook(t.Context(), hooks[0].ID); err != nil {
		t.Fatal(err)
	}
	healed, installed, err := w.source.InstallHook(t.Context(), w.address)
	if err != nil || !installed || healed.ID == hooks[0].ID {
		t.Error(healed, installed, err)
	}
}

func TestWrongPasswordIsSeen(t *testing.T) {
	w := newWorld(t, pipedrive.Options{Speed: 1000})
	w.crm.Subscribe(w.address, user, "velha", "2.0")
	if _, err := w.crm.Create(pipedrive.Invent(1)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	hooks, err := w.source.Hooks(t.Context())
	if err != nil || !hooks[0].Failing() || hooks[0].LastStatus != 401 || len(w.store.records) > 0 {
		t.Error(hooks, err)
	}
	if _, installed, err := w.source.InstallHook(t.Context(), w.address); err != nil || !installed {
		t.Errorf("a webhook with an old password stays: %v", err)
	}
}

func TestPlace(t *testing.T) {
	w := newWorld(t, pipedrive.Options{})
	id, name, err := w.source.Place(t.Context())
	if id != strconv.Itoa(pipedrive.CompanyID) || name != pipedrive.CompanyName || err != nil {
		t.Error(id, name, err)
	}
}

// BenchmarkWalk reads 20,000 people over a socket, with what the simulator takes to write them.
func BenchmarkWalk(b *testing.B) {
	s := pipedrive.New(pipedrive.Options{})
	defer s.Close()
	s.Seed(20000)
	api := httptest.NewServer(s)
	defer api.Close()
	src, err := crm.New(mapping.Source{Name: "crm", API: &mapping.API{BaseURL: api.URL, Token: s.Token()}}, crm.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rows := 0
		for cursor := ""; ; {
			page, err := src.List(b.Context(), source.Window{}, cursor)
			if err != nil {
				b.Fatal(err)
			}
			rows += len(page.Events)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if rows != 20000 {
			b.Fatal(rows)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20000, "ns/row")
}
