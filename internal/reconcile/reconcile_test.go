package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/source"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
	"syncer/internal/weni"
)

// book is a source in memory: rows by id, listed in pages.
type book struct {
	mu     sync.Mutex
	rows   map[int]row
	pages  int
	failAt int // the page at which List breaks, once
	gets   int
}

type row struct {
	ID   int    `json:"id"`
	Name string `json:"nome"`
	Fone string `json:"fone"`
	City string `json:"cidade,omitempty"`
	At   int64  `json:"at"`
}

const pageSize = 50

func newBook(n int) *book {
	b := &book{rows: map[int]row{}}
	for i := 1; i <= n; i++ {
		b.put(row{ID: i, Name: fmt.Sprintf("Pessoa %d", i), Fone: fmt.Sprintf("+55 84 9%04d-%04d", 9000+i/10000, i%10000), City: "Natal"})
	}
	return b
}

var clock = time.Now().Add(-time.Hour).UnixMicro()

func (b *book) put(r row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clock += 1000
	r.At = clock
	b.rows[r.ID] = r
}

func (b *book) event(r row) contact.Event {
	raw, _ := json.Marshal(r)
	return contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: "crm", ID: strconv.Itoa(r.ID)}, Shape: contact.Full,
		Version: contact.Version{Source: r.At}, Payload: raw}
}

func (b *book) Decode(http.Header, []byte) ([]contact.Event, error) { return nil, nil }
func (b *book) Record(p []byte) (map[string]any, error)             { return mapping.DecodeRecord(p) }
func (b *book) Prepare(context.Context) error                       { return nil }
func (b *book) Definitions() string                                 { return "" }
func (b *book) Place(context.Context) (string, string, error)       { return "book", "book", nil }
func (b *book) Answers() source.Answers                             { return source.DefaultAnswers() }
func (b *book) Can() source.Abilities {
	return source.Abilities{List: true, Since: true, Get: true, Batch: 100, Deletes: true}
}

func (b *book) List(_ context.Context, w source.Window, cursor string) (source.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages++
	if b.failAt > 0 && b.pages == b.failAt {
		b.failAt = 0
		return source.Page{}, errors.New("the line was cut")
	}
	from, _ := strconv.Atoi(cursor)
	var ids []int
	for id, r := range b.rows {
		if id > from && r.At >= w.Since.UnixMicro() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	page := source.Page{Calls: 1}
	for i, id := range ids {
		if i == pageSize {
			page.Next = strconv.Itoa(ids[i-1])
			break
		}
		page.Events = append(page.Events, b.event(b.rows[id]))
	}
	return page, nil
}

func (b *book) Get(_ context.Context, ids []string) (f source.Found, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gets++
	for _, s := range ids {
		id, _ := strconv.Atoi(s)
		if r, ok := b.rows[id]; ok {
			f.Events = append(f.Events, b.event(r))
		} else {
			f.Missing = append(f.Missing, s)
		}
	}
	return f, nil
}

type free struct{}

func (free) Spend(context.Context, string) error                   { return nil }
func (free) Refused(string, time.Time)                             {}
func (free) Ready(_ string, _ state.Lane, now time.Time) time.Time { return now }
func (free) Estimate(string, int, time.Time) time.Duration         { return 0 }
func (free) RunEnded(state.Run)                                    {}

const file = `version: 1
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true}
mappings:
  - name: clientes
    from: crm
    to: [weni]
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Clientes, {label: Natal, when: record.cidade == "Natal"}]
      fields: {cidade: =record.cidade}
`

type rig struct {
	t      *testing.T
	book   *book
	weni   *rapidpro.Server
	store  *bolt.Store
	runner *reconcile.Runner
	engine *engine.Engine
	stop   func()
	path   string
	url    string
}

func newRig(t *testing.T, n int) *rig {
	r := &rig{t: t, book: newBook(n), weni: rapidpro.New(rapidpro.Options{}), path: filepath.Join(t.TempDir(), "state.db")}
	srv := httptest.NewServer(r.weni)
	t.Cleanup(srv.Close)
	r.url = srv.URL
	for _, name := range []string{"Clientes", "Natal"} {
		if _, err := r.weni.AddGroup(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.weni.AddField("cidade", "text"); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(r.halt)
	return r
}

func (r *rig) start() {
	r.t.Helper()
	plan, diagnostics := mapping.Load("mappings.yaml", fmt.Appendf(nil, file, r.url, r.weni.Token()), mapping.Options{Language: "en"})
	if plan == nil {
		r.t.Fatal(diagnostics)
	}
	store, err := bolt.Open(r.path, bolt.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	spec, _ := plan.Target("weni")
	target, err := weni.New(spec, weni.Deps{Meter: free{}})
	if err != nil {
		r.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	sources := map[string]source.Source{"crm": r.book}
	r.store = store
	r.engine = engine.New(engine.Options{Store: store, Plan: plan, Sources: sources, Logger: log,
		Targets: map[string]engine.TargetOptions{"weni": {Target: target, Budget: free{}, CreateMissing: true}}})
	r.runner = &reconcile.Runner{Store: store, Engine: r.engine, Sources: sources, Observer: free{}, Prepare: func(context.Context, string) error { return nil }, Logger: log, Now: time.Now}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.engine.Run(ctx); close(done) }()
	r.stop = func() { cancel(); <-done }
}

func (r *rig) halt() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
		if err := r.store.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) run(kind string, yes bool) state.Run {
	r.t.Helper()
	run, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: kind, Yes: yes})
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

// settle waits until nothing is due and returns the calls made meanwhile.
func (r *rig) settle() sandbox.Calls {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		idle := false
		if err := r.store.View(func(tx state.Tx) error {
			counts, _ := state.Backlog(tx, "weni", 1)
			idle = counts == [3]int{} && r.engine.Conductor("weni").Status().Busy == 0
			return nil
		}); err != nil {
			r.t.Fatal(err)
		}
		if idle {
			defer r.weni.Control.ClearCalls()
			return r.weni.Control.Calls()
		}
	}
	r.t.Fatal("the engine did not come to rest")
	return nil
}

func writes(cs sandbox.Calls) int {
	return cs.Count(func(c sandbox.Call) bool { return c.Method != "GET" })
}

func TestFirstRunWaitsAsAPlan(t *testing.T) {
	r := newRig(t, 300)
	run := r.run(reconcile.Full, false)
	if run.State != engine.RunHeld || run.Plan["weni"].Creates != 300 || run.Held != 300 {
		t.Fatalf("run: %+v", run)
	}
	if n := writes(r.settle()); n != 0 {
		t.Fatalf("%d writes before anybody agreed", n)
	}
	n, err := r.runner.Apply(context.Background(), run.ID, nil, 0)
	if err != nil || n.People != 300 || len(n.Moved) != 0 {
		t.Fatalf("applied %+v, %v", n, err)
	}
	calls := r.settle()
	if got := len(r.weni.Contacts()); got != 300 {
		t.Fatalf("%d contacts", got)
	}
	if n := calls.Scope("v2.contacts").Count(nil); n > 306 {
		t.Errorf("%d calls for 300 people", n)
	}

	t.Run("a second full run writes nothing", func(t *testing.T) {
		run := r.run(reconcile.Full, false)
		if run.State != engine.RunDone || run.Unchanged != 300 {
			t.Errorf("run: %+v", run)
		}
		if c := r.settle(); writes(c) != 0 {
			t.Errorf("calls: %s", c)
		}
	})
	t.Run("37 changes are 37 writes", func(t *testing.T) {
		for id := 1; id <= 37; id++ {
			x := r.book.rows[id]
			x.Name += " Silva"
			r.book.put(x)
		}
		run := r.run(reconcile.Changes, false)
		if run.State != engine.RunReleased {
			t.Errorf("run: %+v", run)
		}
		if c := r.settle(); writes(c) != 37 {
			t.Errorf("calls: %s", c)
		}
	})
	t.Run("label changes share calls", func(t *testing.T) {
		for id := 50; id < 90; id++ {
			x := r.book.rows[id]
			x.City = "Natal "
			r.book.put(x)
		}
		r.run(reconcile.Changes, false)
		c := r.settle()
		if n := c.Scope("v2").Count(func(c sandbox.Call) bool { return c.Method == "POST" }); n > 1 {
			t.Errorf("calls: %s", c)
		}
	})
	t.Run("an edit by hand is put back once, an unmanaged group stays", func(t *testing.T) {
		if _, err := r.weni.AddGroup("Da equipe", ""); err != nil {
			t.Fatal(err)
		}
		c, _ := r.weni.Contact("whatsapp:5584990000100")
		name := "Editada"
		if err := r.weni.Edit(c.UUID, rapidpro.Edit{Name: &name, AddGroups: []string{"Da equipe"}, RemoveGroups: []string{"Clientes"}}); err != nil {
			t.Fatal(err)
		}
		r.run(reconcile.Full, false)
		if got := writes(r.settle()); got != 2 {
			t.Errorf("%d writes", got)
		}
		c, _ = r.weni.Contact("whatsapp:5584990000100")
		if c.Name != "Pessoa 100" || !slices.Contains(c.Groups, "Da equipe") || !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("contact: %+v", c)
		}
	})
	t.Run("three deleted records are found, confirmed and unlabelled", func(t *testing.T) {
		for _, id := range []int{3, 5, 7} {
			delete(r.book.rows, id)
		}
		r.book.gets = 0
		run := r.run(reconcile.Full, false)
		if run.Deleted != 3 || r.book.gets == 0 {
			t.Errorf("run: %+v", run)
		}
		r.settle()
		if c, _ := r.weni.Contact("whatsapp:5584990000003"); len(c.Groups) != 0 {
			t.Errorf("contact: %+v", c)
		}
	})
	t.Run("an empty list deletes nobody", func(t *testing.T) {
		rows := r.book.rows
		r.book.rows = map[int]row{}
		run := r.run(reconcile.Full, true)
		r.book.rows = rows
		if run.Deleted != 0 || writes(r.settle()) != 0 {
			t.Errorf("run: %+v", run)
		}
	})
	t.Run("too many changes wait", func(t *testing.T) {
		for id, x := range r.book.rows {
			x.City = "Recife"
			r.book.rows[id] = x
			r.book.put(x)
		}
		run := r.run(reconcile.Changes, false)
		if run.State != engine.RunHeld || writes(r.settle()) != 0 {
			t.Errorf("run: %+v", run)
		}
		t.Run("a newer run takes its place", func(t *testing.T) {
			again := r.run(reconcile.Changes, false)
			if again.State != engine.RunHeld || again.Held != run.Held {
				t.Errorf("run: %+v", again)
			}
		})
	})
}

func TestInterruptedRunGoesOn(t *testing.T) {
	r := newRig(t, 300)
	r.book.failAt = 4
	if _, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true}); err == nil {
		t.Fatal("the cut line was not reported")
	}
	r.halt()
	r.start()
	r.book.pages = 0
	run := r.run(reconcile.Full, false)
	if r.book.pages != 3 {
		t.Errorf("read %d pages; 3 were left", r.book.pages)
	}
	if run.State != engine.RunReleased || run.Records != 300 {
		t.Errorf("run: %+v", run)
	}
	r.settle()
	if n := len(r.weni.Contacts()); n != 300 {
		t.Errorf("%d contacts", n)
	}
}
