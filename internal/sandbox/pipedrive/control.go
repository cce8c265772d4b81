package pipedrive

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"syncer/internal/sandbox"
)

// controls adds to the control API what people do in the CRM, the truth, and the sender.
func (s *Server) controls() {
	handle := func(pattern, help string, f func(*http.Request) (any, error)) {
		s.Control.Handle(pattern, help, func(w http.ResponseWriter, r *http.Request) {
			switch answer, err := f(r); {
			case errors.Is(err, ErrNoPerson):
				sandbox.WriteError(w, http.StatusNotFound, err)
			case err != nil:
				sandbox.WriteError(w, http.StatusBadRequest, err)
			case answer == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				sandbox.WriteJSON(w, http.StatusOK, answer)
			}
		})
	}
	p := sandbox.Prefix
	id := func(r *http.Request) int { n, _ := strconv.Atoi(r.PathValue("id")); return n }
	handle("POST "+p+"seed", "adds invented people without telling webhooks: ?n=1000", func(r *http.Request) (any, error) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n < 1 || n > 1_000_000 {
			return nil, errors.New("n must be a number of people, a million at most")
		}
		return map[string]any{"ids": s.Seed(n)}, nil
	})
	handle("GET "+p+"persons", "everybody who is not deleted", func(*http.Request) (any, error) {
		return map[string]any{"persons": s.Persons()}, nil
	})
	handle("POST "+p+"persons/{id}/rename", `somebody changes a name: {"name":"Marina"}`, func(r *http.Request) (any, error) {
		var edit struct {
			Name string `json:"name"`
		}
		if err := sandbox.ReadJSON(r, &edit); err != nil {
			return nil, err
		}
		return s.Update(id(r), func(p *Person) { p.Name = edit.Name })
	})
	handle("POST "+p+"persons/{id}/restore", "takes a person out of the bin", func(r *http.Request) (any, error) { return nil, s.Restore(id(r)) })
	handle("POST "+p+"labels", `adds a label: {"label":"Fornecedor"}`, func(r *http.Request) (any, error) {
		var label struct {
			Label string `json:"label"`
		}
		if err := sandbox.ReadJSON(r, &label); err != nil || label.Label == "" {
			return nil, errors.New("label is missing")
		}
		return map[string]any{"id": s.AddLabel(label.Label)}, nil
	})
	handle("GET "+p+"sender", "what the sender of webhooks has done", func(*http.Request) (any, error) { return s.Counters(), nil })
	handle("POST "+p+"sender", `what goes wrong with webhooks: {"duplicate":0.1,"late":0.1,"late_seconds":60,"reorder":0.2,"lose":0.01}`, func(r *http.Request) (any, error) {
		var m struct {
			Duplicate, Late, Reorder, Lose float64
			LateSeconds                    float64 `json:"late_seconds"`
		}
		if err := sandbox.ReadJSON(r, &m); err != nil {
			return nil, err
		}
		return nil, s.Misbehave(Mischief{m.Duplicate, m.Late, m.Reorder, m.Lose, time.Duration(m.LateSeconds * float64(time.Second))})
	})
}
