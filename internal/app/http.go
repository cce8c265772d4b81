package app

import (
	"encoding/json"
	"net/http"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/intake"
	"syncer/internal/obs"
	"syncer/internal/state"
)

// publicHandler is all that the outside may reach: the webhook door and two health answers.
func (a *App) publicHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(intake.Prefix, a.door)
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.ready)
	return mux
}

func (a *App) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("/", console.Handler(a, console.HandlerOptions{Token: a.opts.Config.AdminToken, Metrics: a.metrics.Handler(),
		Version: obs.Version(), Language: a.opts.Language}))
	return mux
}

// health says that the process serves. It never asks a target: restarting syncer does not heal Weni.
func (a *App) health(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }

// ready says whether webhooks can be accepted: the state takes a write. A full or broken disk shows here
// before it shows as lost events at the senders.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	err := a.store.Update(r.Context(), func(tx state.Tx) error {
		state.Marks.Put(tx, "ready", state.Mark{At: contact.Micros(a.now())})
		return nil
	})
	if err != nil {
		a.log.Warn("not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, "the state cannot be written")
		return
	}
	answer(w, http.StatusOK, "ready")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": text, "at": time.Now().UTC().Format(time.RFC3339)})
}
