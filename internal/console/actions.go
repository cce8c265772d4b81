package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// actions declares the buttons of the pages. Each does one operation and leads back to a page that says so.
func (d *door) actions(mux *http.ServeMux) {
	act := func(path string, do func(r *http.Request) (back string, n int, err error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			patient(w)
			if err := r.ParseForm(); err != nil {
				d.errorPage(w, r, Errorf(BadRequest, "the form cannot be read: %v", err))
				return
			}
			back, n, err := do(r)
			if err != nil {
				d.errorPage(w, r, errorOf(err))
				return
			}
			http.Redirect(w, r, back+"&n="+strconv.Itoa(n), http.StatusSeeOther)
		})
	}
	act("/runs", func(r *http.Request) (string, int, error) {
		run, err := d.ops.Reconcile(r.Context(), RunAsk{Source: r.FormValue("source"), Kind: r.FormValue("kind")})
		return "/runs/" + url.PathEscape(run.ID) + "?said=started", 0, err
	})
	act("/runs/{id}/apply", func(r *http.Request) (string, int, error) {
		ask := ApplyAsk{Only: r.Form["only"]}
		if r.FormValue("chosen") != "" && len(ask.Only) == 0 {
			return "", 0, Errorf(BadRequest, "nobody is ticked")
		}
		done, err := d.ops.Apply(r.Context(), r.PathValue("id"), ask)
		word := "applied"
		if len(done.Moved) > 0 {
			word = "left"
		}
		return "/runs/" + url.PathEscape(r.PathValue("id")) + "?said=" + word, done.People, err
	})
	act("/runs/{id}/undo", func(r *http.Request) (string, int, error) {
		run, err := d.ops.Undo(r.Context(), r.PathValue("id"))
		return "/runs/" + url.PathEscape(run.ID) + "?said=undoing", run.Held, err
	})
	act("/runs/{id}/discard", func(r *http.Request) (string, int, error) {
		n, err := d.ops.Discard(r.Context(), r.PathValue("id"))
		return "/?said=discarded", n, err
	})
	act("/targets/{name}/pause", func(r *http.Request) (string, int, error) {
		return "/?said=paused", 0, d.ops.Pause(r.Context(), r.PathValue("name"), r.FormValue("why"))
	})
	act("/targets/{name}/resume", func(r *http.Request) (string, int, error) {
		return "/?said=resumed", 0, d.ops.Resume(r.Context(), r.PathValue("name"))
	})
	act("/reload", func(r *http.Request) (string, int, error) {
		result, err := d.ops.Reload(r.Context())
		if result.Changed {
			return "/?said=remapped", 0, err
		}
		return "/?said=reloaded", 0, err
	})
	act("/dead/retry", func(r *http.Request) (string, int, error) {
		return d.letters(r, "/dead?said=retried", d.ops.RetryDead)
	})
	act("/dead/drop", func(r *http.Request) (string, int, error) {
		return d.letters(r, "/dead?said=dropped", d.ops.DropDead)
	})
	act("/conflicts/resolve", func(r *http.Request) (string, int, error) {
		done, err := d.ops.ResolveConflict(r.Context(), r.FormValue("id"))
		return "/conflicts?said=" + done.State, 0, err
	})
	act("/quarantine/retry", func(r *http.Request) (string, int, error) {
		id, err := isolatedID(r)
		if err != nil {
			return "", 0, err
		}
		done, err := d.ops.RetryQuarantined(r.Context(), id)
		if done.Left > 0 {
			return "/quarantine?said=unread", done.Left, err
		}
		return "/quarantine?said=read", done.Read, err
	})
	act("/quarantine/drop", func(r *http.Request) (string, int, error) {
		id, err := isolatedID(r)
		if err != nil {
			return "", 0, err
		}
		n, err := d.ops.DropQuarantined(r.Context(), id)
		return "/quarantine?said=unkept", n, err
	})
}

// letters acts on one dead letter, or on all of a filter when the form says so.
func (d *door) letters(r *http.Request, back string, do func(ctx context.Context, f DeadFilter) (int, error)) (string, int, error) {
	f := DeadFilter{ID: r.FormValue("id"), Target: r.FormValue("target"), Kind: r.FormValue("kind")}
	if f.ID == "" && r.FormValue("all") == "" {
		return "", 0, Errorf(BadRequest, "no dead letter is chosen")
	}
	n, err := do(r.Context(), f)
	return back, n, err
}

// isolatedID is the webhook that a form names, or 0 when it says that it means all.
func isolatedID(r *http.Request) (uint64, error) {
	if r.FormValue("all") != "" {
		return 0, nil
	}
	id, err := strconv.ParseUint(r.FormValue("id"), 10, 64)
	if err != nil || id == 0 {
		return 0, Errorf(BadRequest, "no webhook is chosen")
	}
	return id, nil
}

// said tells what a button did, from a closed set: an address cannot put words into the page's mouth.
func said(w Words, q url.Values) string {
	n, _ := strconv.Atoi(q.Get("n")) // without a number it is none
	switch q.Get("said") {
	case "started":
		return w.Say("The run has begun.", "A execução começou.")
	case "applied":
		return w.Say("%s on the way to the targets.", "%s a caminho dos destinos.", w.people(n))
	case "left":
		return w.Say("%s on the way to the targets. For others something changed since the plan was made: they were left out.",
			"%s a caminho dos destinos. Para outras, algo mudou desde que o plano foi feito: ficaram de fora.", w.people(n))
	case "undoing":
		return w.Say("This would put %s back. Look, then apply it.", "Isto desfaria as mudanças de %s. Veja, depois aplique.", w.people(n))
	case "discarded":
		return w.Say("The plan is discarded: %s.", "O plano foi descartado: %s.", w.people(n))
	case "paused":
		return w.Say("Nothing is written there until you resume it.", "Nada é escrito lá até você retomar.")
	case "resumed":
		return w.Say("It goes on.", "Segue em frente.")
	case "reloaded":
		return w.Say("The mapping file is in use; nobody's mapping changed.", "O arquivo de mapeamento está em uso; nenhum mapeamento mudou.")
	case "remapped":
		return w.Say("The mapping file is in use. What it changes is being worked out and will wait here as a plan.",
			"O arquivo de mapeamento está em uso. O que ele muda está sendo calculado e vai aguardar aqui como um plano.")
	case "retried":
		return w.Say("%s will be tried again.", "%s será tentado de novo.", w.people(n))
	case "dropped":
		return w.Count(n, "dead letter dropped.", "dead letters dropped.", "entrega não feita descartada.", "entregas não feitas descartadas.")
	case Settled:
		return w.Say("The conflict is settled.", "O conflito está resolvido.")
	case Standing:
		return w.Say("Its records were looked at again: the cause still stands.", "Seus registros foram revistos: a causa permanece.")
	case Looking:
		return w.Say("It is off the list. Its records are still to be looked at; it comes back if the cause stands.", "Saiu da lista. Seus registros ainda serão revistos; ele volta se a causa permanecer.")
	case "read":
		return w.Count(n, "webhook was read and is on its way.", "webhooks were read and are on their way.", "webhook foi lido e está a caminho.", "webhooks foram lidos e estão a caminho.")
	case "unread":
		return w.Count(n, "webhook still cannot be read.", "webhooks still cannot be read.", "webhook ainda não pode ser lido.", "webhooks ainda não podem ser lidos.")
	case "unkept":
		return w.Count(n, "webhook dropped.", "webhooks dropped.", "webhook descartado.", "webhooks descartados.")
	}
	return ""
}

func (w Words) people(n int) string { return w.Count(n, "person", "people", "pessoa", "pessoas") }
