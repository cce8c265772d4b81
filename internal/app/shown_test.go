package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncer/internal/config"
	"syncer/internal/state"
)

// TestRunsDoNotShowWhereTheyStand: how a source marks its place in a list is the source's business, and may be the
// address of whoever stands there.
//
// At first the cursor of a run was part of what status and the API say of it: `"cursor":"{\"next\":\"somebody@…\"}"`.
func TestRunsDoNotShowWhereTheyStand(t *testing.T) {
	dir := t.TempDir()
	mappings := filepath.Join(dir, "mappings.yaml")
	if err := os.WriteFile(mappings, []byte(`version: 1
sources:
  loja: {kind: generic, webhook: {auth: none}, record: {id: id}}
targets:
  weni: {kind: weni, base_url: "http://127.0.0.1:1", token: "um-token-inventado"}
mappings:
  - {name: loja, from: loja, to: weni, contact: {name: =record.nome, phones: =record.celular}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(map[string]string{"SYNCER_MAPPINGS": mappings, "SYNCER_STATE": "bolt:" + filepath.Join(dir, "syncer.db")}, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Offline(t.Context(), Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.store.Update(t.Context(), func(tx state.Tx) error {
		state.Runs.Put(tx, "loja-full-1", state.Run{ID: "loja-full-1", Source: "loja", Kind: "full", State: "walking", Cursor: "pessoa@exemplo.com.br"})
		state.Runs.Put(tx, "loja-full-2", state.Run{ID: "loja-full-2", Source: "loja", Kind: "full", State: "held", Cursor: "pessoa@exemplo.com.br"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(context.Context) (any, error){
		"status": func(ctx context.Context) (any, error) { return a.Status(ctx) },
		"runs":   func(ctx context.Context) (any, error) { return a.Runs(ctx, 0) },
		"run":    func(ctx context.Context) (any, error) { return a.RunState(ctx, "loja-full-1") },
	} {
		got, err := ask(t.Context())
		if err != nil {
			t.Fatal(name, err)
		}
		text, err := json.Marshal(got)
		if err != nil || strings.Contains(string(text), "pessoa") || !strings.Contains(string(text), "loja-full-1") {
			t.Errorf("%s: %s %v", name, text, err)
		}
	}
}
