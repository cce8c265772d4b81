package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"syncer/internal/config"
	"syncer/internal/sandbox/rapidpro"
)

// stage is a shop with a list API, a Weni, and a mapping file between them.
type stage struct {
	t        *testing.T
	weni     *rapidpro.Server
	weniURL  string
	shopURL  string
	records  atomic.Value // []map[string]any
	mappings string
	state    string
	language string
}

const stageFile = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  loja:
    kind: generic
    webhook: {auth: none}
    event: {type: tipo, otherwise: upsert}
    record: {at: data, id: id, payload: full}
    list: {url: "SHOP/api", items: data}
    reconcile: {full: "7 2 * * *"}
targets:
  weni: {kind: weni, base_url: "WENI", token: "TOKEN", urns: [whatsapp], create_missing: true}
mappings:
  - name: clientes
    from: loja
    to: weni
    contact:
      name: =record.nome
      phones: =record.celular
      labels: [Clientes]
      fields: {cidade: =record.cidade}
`

func newStage(t *testing.T, records ...map[string]any) *stage {
	t.Helper()
	s := &stage{t: t, weni: rapidpro.New(rapidpro.Options{}), state: filepath.Join(t.TempDir(), "syncer.db")}
	s.records.Store(records)
	weni := httptest.NewServer(s.weni)
	t.Cleanup(weni.Close)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": s.records.Load()})
	}))
	t.Cleanup(shop.Close)
	s.weniURL, s.shopURL = weni.URL, shop.URL
	s.mappings = stageFile
	return s
}

func somebody(id int, name, number string) map[string]any {
	return map[string]any{"id": id, "nome": name, "celular": number, "cidade": "Natal"}
}

func (s *stage) options() Options {
	s.t.Helper()
	file := filepath.Join(filepath.Dir(s.state), "mappings.yaml")
	text := strings.NewReplacer("SHOP", s.shopURL, "WENI", s.weniURL, "TOKEN", s.weni.Token()).Replace(s.mappings)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cfg, err := config.Load(map[string]string{"SYNCER_MAPPINGS": file, "SYNCER_STATE": "bolt:" + s.state}, os.ReadFile)
	if err != nil {
		s.t.Fatal(err)
	}
	return Options{Config: cfg, Language: s.language}
}

// served are the options of a daemon that listens wherever there is room.
func (s *stage) served() Options {
	o := s.options()
	o.Config.Listen, o.Config.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	return o
}

// open is one command on the state itself, while no daemon runs.
func (s *stage) open() *App {
	s.t.Helper()
	a, err := Offline(s.t.Context(), s.options())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.Close() })
	return a
}

func (s *stage) check() string {
	s.t.Helper()
	r, err := Check(s.t.Context(), s.options(), false)
	if err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(r.Diagnostics.String())
	for _, l := range r.Lines {
		fmt.Fprintf(&text, "%s %s: %s\n", l.Level, l.About, l.Text)
	}
	return text.String()
}

func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("it lacks %q:\n%s", w, text)
		}
	}
}

func silent(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(text, w) {
			t.Errorf("it says %q:\n%s", w, text)
		}
	}
}
