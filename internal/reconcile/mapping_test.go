package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/state"
)

// TestAReloadDuringAReload: the mapping file is reloaded while the plan of an earlier reload is being made. Whom that
// one had done with is looked at again by the newest file.
//
// At first the broken off run went on where it stood: whoever the file before had nothing to change for was let go, and
// what the newest file changes for them was neither planned nor written.
func TestAReloadDuringAReload(t *testing.T) {
	l, err := lab.New(lab.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { _ = l.Stop() })
	for i, name := range []string{"Marina", "Otávio", "Caio"} {
		l.Books["crm"].Put(i+1, lab.Row{"nome": name, "fone": "+55 84 99000-000" + string(rune('1'+i)), "cidade": "Natal"})
	}
	_, err = l.Reconcile("crm", reconcile.Full)
	must(t, err)
	must(t, l.Settle(time.Minute))

	must(t, l.Stop())
	must(t, l.Remap(strings.Replace(lab.Mapping, "        - Clientes\n", "        - Clientes\n        - Fregueses\n", 1)))
	must(t, l.Start())
	ctx := context.Background()
	must(t, l.Store.Update(ctx, func(tx state.Tx) error { // all three were done with, by the file before
		state.Runs.Put(tx, "mapping-9", state.Run{ID: "mapping-9", Kind: reconcile.Mapping, State: engine.RunPlanning, Started: time.Now().UnixMicro()})
		return nil
	}))
	run, err := l.Runner.Run(ctx, reconcile.Ask{Kind: reconcile.Mapping})
	if err != nil || run.State != engine.RunHeld || run.Held != 3 || run.Plan["weni"].Changes != 3 {
		t.Errorf("%+v, %v", run, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
