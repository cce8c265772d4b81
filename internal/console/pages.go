package console

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncer/internal/state"
)

//go:embed assets
var assets embed.FS

// parsePages makes one template of each page and the layout around it.
func parsePages() map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"overview", "run", "dead", "conflicts", "quarantine", "isolated", "explain", "login", "error"} {
		pages[name] = template.Must(template.ParseFS(assets, "assets/layout.html", "assets/"+name+".html"))
	}
	return pages
}

// pages declares what people look at. Every page works without JavaScript, and shows names and numbers only
// when it is asked to.
func (d *door) pages(mux *http.ServeMux) {
	page := func(pattern string, show func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := show(w, r); err != nil {
				d.errorPage(w, r, errorOf(err))
			}
		})
	}
	page("GET /{$}", d.overview)
	page("GET /runs/{id}", d.runPage)
	page("GET /dead", d.deadPage)
	page("GET /conflicts", d.conflictsPage)
	page("GET /quarantine", d.quarantinePage)
	page("GET /quarantine/{id}", d.isolatedPage)
	page("GET /explain", d.explainPage)
	page("POST /explain", d.explainPage) // so that a phone number does not stay in the browser's history
	d.actions(mux)

	page("GET /login", func(w http.ResponseWriter, r *http.Request) error {
		return d.render(w, r, http.StatusOK, "login", "", loginPage{Next: localPath(r.URL.Query().Get("next"))})
	})
	page("POST /login", d.login)
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		d.setSession(w, r, false)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
	for _, name := range []string{"style.css", "console.js", "icon.svg"} {
		mux.Handle("GET /assets/"+name, http.FileServerFS(assets))
	}
	page("/", func(_ http.ResponseWriter, r *http.Request) error {
		return Errorf(NotFound, "there is no page %s", r.URL.Path)
	})
}

// The data of the pages.
type (
	loginPage struct {
		Next  string
		Wrong bool
	}
	runView struct {
		Run  state.Run
		Sums []sumsView
		Page PlanPage
		Show bool
	}
	sumsView struct {
		Target string
		state.PlanSums
		AllCalls int
		Takes    time.Duration
	}
	deadView struct {
		Letters  []DeadLetter
		Filter   DeadFilter
		Filtered bool
		More     bool
		Limit    int
	}
	conflictsView struct {
		Conflicts []Conflict
		Show      bool
	}
	isolatedView struct {
		Item QuarantineBody
		Show bool
	}
	explainView struct {
		What, Title, Wrong string
		Known, Show        bool
		Explanation        Explanation
	}
)

func (d *door) overview(w http.ResponseWriter, r *http.Request) error {
	s, err := d.ops.Status(r.Context())
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "overview", "overview", s)
}

// planRows is how many people of a plan a page shows.
const planRows = 100

func (d *door) runPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	run, err := d.ops.RunState(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	v := runView{Run: run, Show: q.Get("show") != ""}
	if len(run.Plan) > 0 {
		s, err := d.ops.Status(ctx)
		if err != nil {
			return err
		}
		v.Sums = sumsOf(run, s.Targets)
	}
	if run.State == "held" {
		if v.Page, err = d.ops.Plan(ctx, run.ID, q.Get("after"), planRows, v.Show); err != nil {
			return err
		}
	}
	return d.render(w, r, http.StatusOK, "run", "overview", v)
}

func sumsOf(run state.Run, targets []TargetStatus) (out []sumsView) {
	for name, sums := range run.Plan {
		if sums.People == 0 {
			continue
		}
		v := sumsView{Target: name, PlanSums: sums, AllCalls: sums.Calls + sums.Other, Takes: Takes(sums, nil)}
		for _, t := range targets {
			if t.Name == name {
				v.Takes = Takes(sums, t.Budget)
			}
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b sumsView) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// deadRows is how many dead letters a page shows.
const deadRows = 200

func (d *door) deadPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v := deadView{Filter: DeadFilter{Target: q.Get("target"), Kind: q.Get("kind"), Limit: deadRows + 1}, Limit: deadRows}
	letters, err := d.ops.DeadLetters(r.Context(), v.Filter)
	if err != nil {
		return err
	}
	v.More, v.Filtered = len(letters) > deadRows, v.Filter.Target+v.Filter.Kind != ""
	v.Letters = letters[:min(len(letters), deadRows)]
	return d.render(w, r, http.StatusOK, "dead", "dead", v)
}

func (d *door) conflictsPage(w http.ResponseWriter, r *http.Request) error {
	show := r.URL.Query().Get("show") != ""
	conflicts, err := d.ops.Conflicts(r.Context(), show)
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "conflicts", "conflicts", conflictsView{conflicts, show})
}

func (d *door) quarantinePage(w http.ResponseWriter, r *http.Request) error {
	items, err := d.ops.Quarantined(r.Context(), 200)
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "quarantine", "quarantine", items)
}

func (d *door) isolatedPage(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return Errorf(NotFound, "there is no page %s", r.URL.Path)
	}
	v := isolatedView{Show: r.URL.Query().Get("show") != ""}
	if v.Item, err = d.ops.QuarantineBody(r.Context(), id, v.Show); err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "isolated", "quarantine", v)
}

func (d *door) explainPage(w http.ResponseWriter, r *http.Request) error {
	v := explainView{What: strings.TrimSpace(r.FormValue("what")), Show: r.FormValue("show") != ""}
	status := http.StatusOK
	if v.What != "" {
		e, err := d.ops.Explain(r.Context(), v.What, v.Show)
		if err != nil {
			refusal := errorOf(err)
			v.Wrong, status = refusal.Message, refusal.Status()
		} else {
			v.Explanation, v.Known, v.Title = e, true, titleOf(e)
		}
	}
	return d.render(w, r, status, "explain", "explain", v)
}

// titleOf names a person by their records; what was asked for may be a number.
func titleOf(e Explanation) string {
	var keys []string
	for _, r := range e.Records {
		if !slices.Contains(keys, r.Key) {
			keys = append(keys, r.Key)
		}
	}
	return strings.Join(keys, ", ")
}

func (d *door) errorPage(w http.ResponseWriter, r *http.Request, e *Error) {
	menu := "error"
	if e.Kind == Unauthorized || e.Kind == Forbidden {
		menu = ""
	}
	if err := d.render(w, r, e.Status(), "error", menu, e); err != nil {
		http.Error(w, e.Message, e.Status())
	}
}

func (d *door) login(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.FormValue("next"))
	if !d.isToken(r.FormValue("token")) {
		return d.render(w, r, http.StatusUnauthorized, "login", "", loginPage{Next: next, Wrong: true})
	}
	d.setSession(w, r, true)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// render writes a page. Nothing is sent before all of it is made.
func (d *door) render(w http.ResponseWriter, r *http.Request, status int, name, menu string, data any) error {
	words := accepted(r.Header.Get("Accept-Language"), d.opts.Language)
	if d.opts.Zone != nil {
		words = words.In(d.opts.Zone())
	}
	f := frame{Words: words, Now: d.opts.Now(), Version: d.opts.Version,
		Page: menu, URL: r.URL, Session: d.opts.Token != "" && d.session(r), Data: data}
	f.Said = said(f.Words, r.URL.Query())
	switch v := data.(type) {
	case Status:
		f.Refresh = 10
	case runView:
		if UnderWay(v.Run) {
			f.Refresh = 2
		}
	}
	var page bytes.Buffer
	if err := d.templates[name].ExecuteTemplate(&page, "layout.html", f); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the reader has gone; there is nobody to tell
	return nil
}
