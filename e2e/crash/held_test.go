package main

import (
	"net/http"
	"testing"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox"
)

// TestARunThatNobodyGoesOnWith: a run that was cut short while it worked out what it would do holds people back. It goes
// on at the next start also when nobody would begin it again by themselves: when the mapping file was taken back
// meanwhile, or when it was asked for by hand. What a reading finds afterwards is delivered.
func TestARunThatNobodyGoesOnWith(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*world) error{
		"the mapping file was taken back": func(w *world) error {
			if err := w.writeMapping(true); err != nil {
				return err
			}
			go func() { _, _ = w.admin.Reload(w.ctx) }() // it is broken off
			return nil
		},
		"a replay was asked for": func(w *world) error {
			go func() { _, _ = w.admin.Reconcile(w.ctx, console.RunAsk{Source: "catalogo", Kind: "replay"}) }()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, 12)
			must(t, w.read("catalogo"))
			_, err := w.rest()
			must(t, err)
			idle := func() {
				t.Helper()
				must(t, lab.Await(t.Context(), patience, "all runs are over", func() (bool, error) {
					busy, err := w.underWay()
					return busy == "", err
				}))
			}
			idle()
			must(t, w.weni.Fail(t.Context(), sandbox.Fault{Method: http.MethodGet, Path: "/api/", Action: sandbox.FaultHang}))
			must(t, begin(w))
			must(t, lab.Await(t.Context(), patience, "the run is being planned", func() (bool, error) {
				busy, err := w.underWay()
				return busy == "planning", err
			}))
			w.syncer.Kill()
			must(t, w.weni.Heal(t.Context()))
			must(t, w.writeMapping(false))
			must(t, w.serve())
			idle()
			for i := range w.rows {
				w.list.bump(i)
			}
			must(t, w.read("catalogo"))
			_, err = w.rest()
			must(t, err)
			contacts, _, err := w.contacts()
			must(t, err)
			for _, line := range compare(w.rows, contacts, latest) {
				t.Error(line)
			}
		})
	}
}
