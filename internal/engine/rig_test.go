package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/outbound"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/source"
	"syncer/internal/source/generic"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
	"syncer/internal/weni"
)

// free is a budget without a limit.
type free struct{}

func (free) Spend(context.Context, string) error { return nil }
func (free) Refused(string, time.Time)           {}

func (free) Estimate(string, int, time.Time) time.Duration         { return 0 }
func (free) Ready(_ string, _ state.Lane, now time.Time) time.Time { return now }

// rig is an engine with two sources, a Weni workspace and nothing in between but HTTP.
type rig struct {
	t      *testing.T
	weni   *rapidpro.Server
	store  *bolt.Store
	engine *engine.Engine
	budget allowance
	path   string
	yaml   string
	stop   func()
	wrap   func(source.Source) source.Source // what stands between a source and the engine
}

// allowance is what an engine and its target are told about calls.
type allowance interface {
	engine.Budget
	outbound.Meter
}

const twoSources = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  crm:
    kind: generic
    webhook: {auth: none}
    record: {id: id, version: v, version_as: number, payload: full}
  loja:
    kind: generic
    webhook: {auth: none}
    record: {id: id, version: v, version_as: number, payload: full}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true, opt_out: {label: Opt-out}}
mappings:
  - name: clientes
    from: crm
    to: [weni]
    when: record.ativo
    contact:
      name: =record.nome
      phones: =record.fone
      opt_out: yes(record.recusou)
      labels:
        - Clientes
        - {label: VIP, when: record.vip}
      fields:
        cidade: =record.cidade
        obs: {value: =record.obs, blank: clear}
  - name: compradores
    from: loja
    to: [weni]
    contact:
      name: =record.nome
      phones: =record.fone
      labels: [Compradores]
      fields:
        cidade: =record.cidade
        compras: {value: =record.compras, type: numeric}
`

func newRig(t *testing.T, yaml string) *rig { return wrappedRig(t, yaml, nil) }

func wrappedRig(t *testing.T, yaml string, wrap func(source.Source) source.Source) *rig {
	t.Helper()
	r := &rig{t: t, wrap: wrap, budget: free{}, weni: rapidpro.New(rapidpro.Options{}), path: filepath.Join(t.TempDir(), "state.db")}
	srv := httptest.NewServer(r.weni)
	t.Cleanup(srv.Close)
	r.defined()
	r.yaml = fmt.Sprintf(yaml, srv.URL, r.weni.Token())
	r.start()
	t.Cleanup(func() { r.halt() })
	return r
}

// defined makes what the mappings need, so that no test waits the seconds that new definitions take.
func (r *rig) defined() {
	r.t.Helper()
	for _, name := range []string{"Clientes", "VIP", "Compradores", "Opt-out"} {
		if _, err := r.weni.AddGroup(name, ""); err != nil {
			r.t.Fatal(err)
		}
	}
	for key, kind := range map[string]string{"cidade": "text", "obs": "text", "compras": "numeric"} {
		if _, err := r.weni.AddField(key, kind); err != nil {
			r.t.Fatal(err)
		}
	}
}

// start opens the state and runs an engine on it.
func (r *rig) start() {
	r.t.Helper()
	plan, diagnostics := mapping.Load("mappings.yaml", []byte(r.yaml), mapping.Options{Language: "en"})
	if plan == nil {
		r.t.Fatal(diagnostics)
	}
	store, err := bolt.Open(r.path, bolt.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.store = store
	sources := map[string]source.Source{}
	for _, s := range plan.Sources {
		src, err := generic.New(s, generic.Deps{Zone: plan.Location})
		if err != nil {
			r.t.Fatal(err)
		}
		sources[s.Name] = src
		if r.wrap != nil {
			sources[s.Name] = r.wrap(src)
		}
	}
	spec, _ := plan.Target("weni")
	target, err := weni.New(spec, weni.Deps{Meter: r.budget})
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = engine.New(engine.Options{Store: store, Plan: plan, Sources: sources, Guard: engine.Guard{AtLeast: 1000},
		Targets: map[string]engine.TargetOptions{"weni": {Target: target, Budget: r.budget, CreateMissing: true}},
		Logger:  slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.engine.Run(ctx); close(done) }()
	r.stop = func() { cancel(); <-done }
}

// halt stops the engine and closes the state.
func (r *rig) halt() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

// send delivers a webhook body of a source.
func (r *rig) send(src string, record string) state.Receipt {
	r.t.Helper()
	return r.event(contact.Event{Kind: contact.Upsert, Key: contact.Key{Source: src}, Shape: contact.Full, Payload: json.RawMessage(record)})
}

func (r *rig) remove(src, id string) state.Receipt {
	r.t.Helper()
	return r.event(contact.Event{Kind: contact.Delete, Key: contact.Key{Source: src, ID: id}, Version: contact.Version{Event: time.Now().UnixMicro()}})
}

func (r *rig) event(e contact.Event) state.Receipt {
	r.t.Helper()
	if e.Key.ID == "" {
		var row struct {
			ID string
			V  int64
		}
		if err := json.Unmarshal(e.Payload, &row); err != nil {
			r.t.Fatal(err)
		}
		e.Key.ID, e.Version.Source = row.ID, row.V
	}
	receipts, err := state.Accept(context.Background(), r.store, time.Now(), state.Travel{Lane: state.LaneLive}, e)
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine.Wake()
	return receipts[0]
}

// settle waits until nothing is due any more.
func (r *rig) settle() {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		busy := r.engine.Conductor("weni").Status().Busy
		idle := false
		err := r.store.View(func(tx state.Tx) error {
			counts, _ := state.Backlog(tx, "weni", 1)
			idle = counts == [3]int{} && state.CountDueRecords(tx, 1) == 0 && busy == 0
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if idle {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.t.Fatalf("the engine did not come to rest: %+v", r.engine.Conductor("weni").Status())
}

// calls returns the calls since the last time, and forgets them.
func (r *rig) calls() sandbox.Calls {
	c := r.weni.Control.Calls()
	r.weni.Control.ClearCalls()
	return c
}

// writes are the calls that change something.
func writes(cs sandbox.Calls) (out []string) {
	for _, c := range cs {
		if c.Method != "GET" {
			out = append(out, c.String())
		}
	}
	return out
}

func (r *rig) wantWrites(want ...string) {
	r.t.Helper()
	got := writes(r.calls())
	if len(want) == 0 && len(got) == 0 {
		return
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		r.t.Errorf("writes:\n got  %s\n want %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

// only returns the single contact of the workspace.
func (r *rig) only() rapidpro.Contact {
	r.t.Helper()
	all := r.weni.Contacts()
	if len(all) != 1 {
		r.t.Fatalf("want one contact, got %d: %+v", len(all), all)
	}
	return all[0]
}
