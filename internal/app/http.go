package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
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
	return oneAtATime(mux)
}

// serverLog takes what the HTTP server says: of broken requests nobody needs to know, of a handler that panicked
// everybody.
type serverLog struct{ log *slog.Logger }

// Write logs one message.
func (l serverLog) Write(p []byte) (int, error) {
	level, text := slog.LevelDebug, strings.TrimSpace(string(p))
	if strings.HasPrefix(text, "http: panic") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "the HTTP server says", "text", text)
	return len(p), nil
}

// oneAtATime ends a connection after a body whose length was not said. Where a proxy in front and this server disagree
// on where such a body ends, the rest of it must not count as somebody else's request.
func oneAtATime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (a *App) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("/", console.Handler(a, console.HandlerOptions{Token: a.opts.Config.AdminToken, Metrics: a.metrics.Handler(),
		Version: obs.Version(), Language: a.opts.Language, Zone: func() *time.Location { return a.gen.Load().plan.Location }}))
	return mux
}

// health says that the process serves. It never asks a target: restarting syncer does not heal Weni.
func (a *App) health(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }

// ready says whether webhooks can be accepted: the state takes a write. A full or broken disk shows here
// before it shows as lost events at the senders.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.readiness.check(r.Context(), a); err != nil {
		answer(w, http.StatusServiceUnavailable, "the state cannot be written")
		return
	}
	answer(w, http.StatusOK, "ready")
}

// readyFor is how long an answer about readiness holds: anybody may ask, and each look costs a write to the disk.
const readyFor = time.Second

type readiness struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

func (c *readiness) check(ctx context.Context, a *App) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < readyFor {
		return c.err
	}
	err := a.store.Update(ctx, func(tx state.Tx) error {
		state.Marks.Put(tx, "ready", state.Mark{At: contact.Micros(a.now())})
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err() // whoever asked has gone; that says nothing
	}
	if err != nil {
		a.log.Warn("not ready", "error", err)
	}
	c.at, c.err = time.Now(), err
	return err
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": text, "at": time.Now().UTC().Format(time.RFC3339)})
}
