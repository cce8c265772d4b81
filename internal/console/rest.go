package console

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"syncer/internal/state"
)

// Ping is the answer by which a daemon is recognised.
type Ping struct {
	Service string `json:"service"` // syncer
	Version string `json:"version"`
}

// count is the answer of what was done to several things at once.
type count struct {
	Count int `json:"count"`
}

// The bodies of requests. What may be a phone number or a name travels in a body, because addresses are logged
// and remembered by whatever stands between.
type (
	explainAsk struct {
		What string `json:"what"`
		Show bool   `json:"show,omitempty"`
	}
	pauseAsk struct {
		Why string `json:"why,omitempty"`
	}
	whatAsk struct {
		What string `json:"what"`
	}
	idAsk struct {
		ID string `json:"id"`
	}
	numberAsk struct {
		ID  uint64 `json:"id,omitempty"`
		All bool   `json:"all,omitempty"`
	}
	linkAsk struct {
		Key    string `json:"key"`
		Target string `json:"target"`
		ID     string `json:"id,omitempty"`
	}
	sourceAsk struct {
		Source string `json:"source"`
	}
	nothing struct{}
)

// chosen refuses a question that names neither one nor all: nothing said must not be taken for everything.
func (a numberAsk) chosen() error {
	if (a.ID != 0) == a.All {
		return Errorf(BadRequest, "say which: an id, or else all")
	}
	return nil
}

// api declares the routes of the API. Each is one operation.
func (d *door) api(mux *http.ServeMux) {
	ops := d.ops
	get(mux, "/ping", func(*http.Request, *query) (any, error) { return Ping{"syncer", d.opts.Version}, nil })
	get(mux, "/status", func(r *http.Request, _ *query) (any, error) { return ops.Status(r.Context()) })
	post(mux, "/explain", func(r *http.Request, in explainAsk) (any, error) { return ops.Explain(r.Context(), in.What, in.Show) })

	get(mux, "/dead", func(r *http.Request, q *query) (any, error) {
		f := DeadFilter{ID: q.text("id"), Target: q.text("target"), Kind: q.text("kind"), Limit: q.number("limit", 0)}
		return list(q, func() ([]DeadLetter, error) { return ops.DeadLetters(r.Context(), f) })
	})
	post(mux, "/dead/retry", func(r *http.Request, f DeadFilter) (any, error) { return counted(ops.RetryDead(r.Context(), f)) })
	post(mux, "/dead/drop", func(r *http.Request, f DeadFilter) (any, error) { return counted(ops.DropDead(r.Context(), f)) })
	get(mux, "/quarantine", func(r *http.Request, q *query) (any, error) {
		limit := q.number("limit", 100)
		return list(q, func() ([]QuarantineItem, error) { return ops.Quarantined(r.Context(), limit) })
	})

	get(mux, "/quarantine/{id}", func(r *http.Request, q *query) (any, error) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		show := q.flag("show")
		if err != nil {
			q.errs = append(q.errs, "the id must be a whole number")
		}
		if err := q.wrong(); err != nil {
			return nil, err
		}
		return ops.QuarantineBody(r.Context(), id, show)
	})
	post(mux, "/quarantine/retry", func(r *http.Request, in numberAsk) (any, error) {
		if err := in.chosen(); err != nil {
			return nil, err
		}
		return ops.RetryQuarantined(r.Context(), in.ID)
	})
	post(mux, "/quarantine/drop", func(r *http.Request, in numberAsk) (any, error) {
		if err := in.chosen(); err != nil {
			return nil, err
		}
		return counted(ops.DropQuarantined(r.Context(), in.ID))
	})

	post(mux, "/runs", func(r *http.Request, in RunAsk) (any, error) { return ops.Reconcile(r.Context(), in) })
	get(mux, "/runs", func(r *http.Request, q *query) (any, error) {
		limit := q.number("limit", 20)
		return list(q, func() ([]state.Run, error) { return ops.Runs(r.Context(), limit) })
	})
	get(mux, "/runs/{id}", func(r *http.Request, _ *query) (any, error) { return ops.RunState(r.Context(), r.PathValue("id")) })
	get(mux, "/runs/{id}/plan", func(r *http.Request, q *query) (any, error) {
		after, limit, show := q.text("after"), min(q.number("limit", 100), 1000), q.flag("show")
		if err := q.wrong(); err != nil {
			return nil, err
		}
		return ops.Plan(r.Context(), r.PathValue("id"), after, limit, show)
	})
	post(mux, "/runs/{id}/apply", func(r *http.Request, in ApplyAsk) (any, error) {
		return ops.Apply(r.Context(), r.PathValue("id"), in)
	})
	post(mux, "/runs/{id}/undo", func(r *http.Request, _ nothing) (any, error) {
		return ops.Undo(r.Context(), r.PathValue("id"))
	})
	post(mux, "/runs/{id}/discard", func(r *http.Request, _ nothing) (any, error) {
		return counted(ops.Discard(r.Context(), r.PathValue("id")))
	})

	post(mux, "/targets/{name}/pause", func(r *http.Request, in pauseAsk) (any, error) {
		return nothing{}, ops.Pause(r.Context(), r.PathValue("name"), in.Why)
	})
	post(mux, "/targets/{name}/resume", func(r *http.Request, _ nothing) (any, error) {
		return nothing{}, ops.Resume(r.Context(), r.PathValue("name"))
	})
	post(mux, "/rebind", func(r *http.Request, in whatAsk) (any, error) { return nothing{}, ops.Rebind(r.Context(), in.What) })
	post(mux, "/reload", func(r *http.Request, _ nothing) (any, error) { return ops.Reload(r.Context()) })

	get(mux, "/conflicts", func(r *http.Request, q *query) (any, error) {
		show := q.flag("show")
		return list(q, func() ([]Conflict, error) { return ops.Conflicts(r.Context(), show) })
	})
	post(mux, "/conflicts/resolve", func(r *http.Request, in idAsk) (any, error) {
		return ops.ResolveConflict(r.Context(), in.ID)
	})
	post(mux, "/link", func(r *http.Request, in linkAsk) (any, error) {
		return nothing{}, ops.Link(r.Context(), in.Key, in.Target, in.ID)
	})
	post(mux, "/unlink", func(r *http.Request, in linkAsk) (any, error) {
		return nothing{}, ops.Unlink(r.Context(), in.Key, in.Target)
	})
	post(mux, "/forget", func(r *http.Request, in whatAsk) (any, error) { return ops.Forget(r.Context(), in.What) })

	get(mux, "/hooks", func(r *http.Request, q *query) (any, error) {
		return list(q, func() ([]Hook, error) { return ops.Hooks(r.Context(), q.text("source")) })
	})
	post(mux, "/hooks", func(r *http.Request, in sourceAsk) (any, error) { return ops.InstallHook(r.Context(), in.Source) })

	mux.HandleFunc("GET /api/v1/backup", stream("syncer-backup.db", ops.Backup))
	mux.HandleFunc("GET /api/v1/export", stream("syncer-export.jsonl", ops.Export))
	post(mux, "/compact", func(r *http.Request, _ nothing) (any, error) { return ops.Compact(r.Context()) })
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, Errorf(NotFound, "there is no %s %s", r.Method, r.URL.Path))
	})
}

// get serves a question.
func get(mux *http.ServeMux, path string, do func(*http.Request, *query) (any, error)) {
	mux.HandleFunc("GET /api/v1"+path, func(w http.ResponseWriter, r *http.Request) {
		answer(w)(do(r, &query{values: r.URL.Query()}))
	})
}

// post serves whatever changes something, or must not stand in an address. An empty body is an empty object.
func post[In any](mux *http.ServeMux, path string, do func(*http.Request, In) (any, error)) {
	mux.HandleFunc("POST /api/v1"+path, func(w http.ResponseWriter, r *http.Request) {
		patient(w)
		var in In
		if err := readJSON(r, &in); err != nil {
			writeError(w, errorOf(err))
			return
		}
		answer(w)(do(r, in))
	})
}

// patient takes away the moment at which the answer must have been written: some operations take long.
func patient(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // where it cannot be set there is none
}

// answer writes what an operation returned.
func answer(w http.ResponseWriter) func(out any, err error) {
	return func(out any, err error) {
		if err != nil {
			writeError(w, errorOf(err))
			return
		}
		writeJSON(w, http.StatusOK, out)
	}
}

func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return Errorf(Unsupported, "the body must be application/json")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Errorf(BadRequest, "the body cannot be read: %v", err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written","kind":"internal"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the asker has gone; there is nobody to tell
}

// problem is how an error travels.
type problem struct {
	Error string    `json:"error"`
	Kind  string    `json:"kind"`
	Until time.Time `json:"until,omitzero"`
}

func writeError(w http.ResponseWriter, e *Error) {
	if !e.Until.IsZero() {
		seconds := math.Ceil(max(time.Until(e.Until).Seconds(), 1))
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	writeJSON(w, e.Status(), problem{e.Message, e.Kind, e.Until})
}

// stream sends a file that is made while it is sent. When it breaks off, so does the connection: half a backup
// must not look whole.
func stream(name string, write func(context.Context, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		patient(w)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		sent := &sentinel{w: w}
		err := write(r.Context(), sent)
		switch {
		case err == nil:
		case !sent.begun:
			w.Header().Del("Content-Disposition")
			writeError(w, errorOf(err))
		default:
			panic(http.ErrAbortHandler)
		}
	}
}

// sentinel remembers whether anything was written.
type sentinel struct {
	w     io.Writer
	begun bool
}

func (s *sentinel) Write(p []byte) (int, error) {
	s.begun = true
	return s.w.Write(p)
}

func counted(n int, err error) (any, error) { return count{n}, err }

// list asks for several things, unless the parameters were wrong; none is an empty list.
func list[T any](q *query, ask func() ([]T, error)) (any, error) {
	if err := q.wrong(); err != nil {
		return nil, err
	}
	items, err := ask()
	if items == nil {
		items = []T{}
	}
	return items, err
}

// query reads the parameters of an address and keeps what is wrong with them.
type query struct {
	values url.Values
	errs   []string
}

func (q *query) text(name string) string { return q.values.Get(name) }

func (q *query) number(name string, otherwise int) int {
	said := q.text(name)
	if said == "" {
		return otherwise
	}
	n, err := strconv.Atoi(said)
	if err != nil || n < 0 {
		q.errs = append(q.errs, name+" must be a whole number")
	}
	return n
}

func (q *query) flag(name string) bool {
	said := q.text(name)
	on, err := strconv.ParseBool(said)
	if said != "" && err != nil {
		q.errs = append(q.errs, name+" must be true or false")
	}
	return on
}

func (q *query) wrong() error {
	if len(q.errs) == 0 {
		return nil
	}
	return Errorf(BadRequest, "%s", strings.Join(q.errs, "; "))
}
