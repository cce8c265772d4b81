package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/weni"
)

// CheckReport is what `syncer check` found, for people and as JSON.
type CheckReport struct {
	Diagnostics mapping.Diagnostics `json:"diagnostics,omitempty"`
	Lines       []CheckLine         `json:"lines"`
}

// CheckLine is one finding. Level is ok, note, warning or error.
type CheckLine struct {
	Level string `json:"level"`
	About string `json:"about"`
	Text  string `json:"text"`
}

// Failed reports whether anything must be put right first.
func (r *CheckReport) Failed() bool {
	return r.Diagnostics.HasErrors() || slices.ContainsFunc(r.Lines, func(l CheckLine) bool { return l.Level == "error" })
}

func (r *CheckReport) add(level, about, format string, args ...any) {
	r.Lines = append(r.Lines, CheckLine{level, about, fmt.Sprintf(format, args...)})
}

// Check reads the mapping file and, unless offline, asks every source and target what the mapping needs to
// know of them. It changes nothing anywhere and needs no state.
func Check(ctx context.Context, o Options, offline bool) (CheckReport, error) {
	o.defaults()
	var r CheckReport
	data, err := o.ReadFile(o.Config.Mappings)
	if err != nil {
		return r, fmt.Errorf("the mapping file cannot be read: %w", err)
	}
	plan, diagnostics := mapping.Load(o.Config.Mappings, data, mapping.Options{Lookup: o.Lookup, ReadFile: o.ReadFile, Lenient: offline, Language: o.Language})
	r.Diagnostics = diagnostics
	if plan == nil {
		return r, nil
	}
	for _, s := range plan.Secrets() {
		o.Secrets.Add(s)
	}
	c := checker{r: &r, plan: plan, now: o.Now(), online: !offline}
	a := &App{opts: o, log: o.Logger, now: o.Now}
	for _, spec := range plan.Sources {
		c.source(ctx, a, spec)
	}
	for _, spec := range plan.Targets {
		c.target(ctx, a, spec)
	}
	return r, ctx.Err()
}

type checker struct {
	r      *CheckReport
	plan   *mapping.Plan
	now    time.Time
	online bool
}

func (c *checker) source(ctx context.Context, a *App, spec mapping.Source) {
	about := "source " + spec.Name
	for _, s := range []struct{ name, expr string }{{"changes", spec.Reconcile.Changes}, {"full", spec.Reconcile.Full}} {
		if s.expr == "" {
			continue
		}
		schedule, err := mapping.ParseSchedule(s.expr, c.plan.Location)
		if err != nil {
			c.r.add("error", about, "reconcile.%s: %v", s.name, err)
			continue
		}
		at, times := c.now.In(c.plan.Location), []string(nil)
		for range 3 {
			at = schedule.Next(at)
			times = append(times, at.Format("Mon 02 Jan 15:04"))
		}
		c.r.add("ok", about, "reconcile.%s runs next %s (%s)", s.name, strings.Join(times, ", "), c.plan.Location)
	}
	if spec.Reconcile.Full == "" && spec.Reconcile.Changes == "" {
		c.r.add("warning", about, "it is never reconciled: webhooks that are lost stay lost. Add reconcile: {changes: \"*/15 * * * *\", full: \"7 2 * * *\"}")
	}
	src, err := newSource(spec, unmetered{}, a, c.plan.Location)
	if err != nil {
		c.unmade(about, spec, err)
		return
	}
	if !c.online || !src.Can().List && !src.Can().Get {
		return
	}
	_, name, err := src.Place(ctx)
	if err == nil {
		err = src.Prepare(ctx)
	}
	if err != nil {
		c.r.add("error", about, "%v", err)
		return
	}
	if name == "" {
		name = "the API"
	}
	c.r.add("ok", about, "%s answers", name)
}

// unmade reports a source or target that cannot be made. Offline, values that the environment does not have here
// are no mistake of the file.
func (c *checker) unmade(about string, spec any, err error) {
	if raw, jsonErr := json.Marshal(spec); !c.online && jsonErr == nil && strings.Contains(string(raw), "${") {
		c.r.add("note", about, "values of it come from the environment and are not set here")
		return
	}
	c.r.add("error", about, "%v", err)
}

func (c *checker) target(ctx context.Context, a *App, spec mapping.Target) {
	about := "target " + spec.Name
	t, err := newTarget(spec, unmetered{}, a)
	if err != nil {
		c.unmade(about, spec, err)
		return
	}
	rules := t.Rules()
	c.r.add("ok", about, "%s", abilities(&rules.Can))
	for _, n := range rules.Can.Notes {
		c.r.add("note", about, "%s", n)
	}
	if !c.online {
		return
	}
	_, name, err := t.Place(ctx)
	if err == nil {
		err = t.Learn(ctx)
	}
	if err != nil {
		c.r.add("error", about, "%v", err)
		return
	}
	c.r.add("ok", about, "opens %s", name)
	w, isWeni := t.(*weni.Target)
	if isWeni {
		if err := w.Writable(ctx); err != nil {
			c.r.add("error", about, "%v", err)
		}
	}
	c.definitions(about, t, spec)
	if isWeni {
		c.campaigns(ctx, about, w, spec)
	}
}

func abilities(can *contact.Capabilities) string {
	var yes, no []string
	for _, a := range []struct {
		name string
		can  bool
	}{{"create", can.Create}, {"update", can.Update}, {"labels", can.Labels}, {"fields", can.Fields}, {"language", can.Language}, {"list", can.List}, {"delete", can.Delete}, {"block", can.Block}} {
		if a.can {
			yes = append(yes, a.name)
		} else {
			no = append(no, a.name)
		}
	}
	s := "can: " + strings.Join(yes, ", ")
	if len(no) > 0 {
		s += "; cannot: " + strings.Join(no, ", ")
	}
	return s
}

// definitions compares what the mapping needs with what the target has.
func (c *checker) definitions(about string, t engine.Target, spec mapping.Target) {
	rules := t.Rules()
	labels, fields := c.plan.Managed(spec.Name)
	create := spec.CreateMissing || spec.Kind == "omnichannel"
	more := map[string]int{}
	missing := func(what, name string) {
		why := ""
		if spec.Kind == "weni" && what == "label" {
			why = weni.BadGroup(name)
		}
		switch more[what]++; {
		case why != "":
			c.r.add("error", about, "the %s %q cannot be created: its name %s", what, name, why)
		case create:
			c.r.add("note", about, "the %s %q is missing and will be created", what, name)
		default:
			c.r.add("error", about, "the %s %q is missing; create it there, or set create_missing: true", what, name)
		}
	}
	if rules.Can.Labels {
		for _, name := range labels {
			l, ok := rules.Catalog.Label(name)
			switch {
			case !ok:
				missing("label", name)
			case l.Smart:
				c.r.add("error", about, "the label %q is computed by a query there; it can be neither given nor taken", name)
			}
		}
	}
	if rules.Can.Fields {
		for _, key := range sorted(fields) {
			has, ok := rules.Catalog.Fields[key]
			switch want := fields[key].Type; {
			case !ok:
				missing("field", key)
			case want != "" && has != want && want != contact.TextField:
				c.r.add("error", about, "the field %q is %s there and %s in the mapping", key, has, want)
			case has != want && has != contact.TextField:
				c.r.add("warning", about, "the field %q is %s there: text that is no such value reads back empty. Say type: %s in the mapping", key, has, has)
			}
		}
	}
	for what, has := range map[string]int{"label": len(rules.Catalog.Labels), "field": len(rules.Catalog.Fields)} {
		if n := more[what]; spec.Kind == "weni" && n > 0 && has+n > weni.UsualLimit {
			c.r.add("warning", about, "it has %d %ss and %d more are needed; a workspace holds %d unless its support has raised that. Delete what nobody uses there first", has, what, n, weni.UsualLimit)
		}
	}
}

// campaigns warns of writes that can message people.
func (c *checker) campaigns(ctx context.Context, about string, t *weni.Target, spec mapping.Target) {
	campaigns, err := t.Campaigns(ctx)
	if err != nil {
		c.r.add("warning", about, "its campaigns cannot be read: %v", err)
		return
	}
	labels, fields := c.plan.Managed(spec.Name)
	for _, camp := range campaigns {
		for _, name := range labels {
			if l, ok := t.Rules().Catalog.Label(name); ok && l.ID == camp.Label {
				c.r.add("warning", about, "giving the label %q starts the campaign %q, which may message people", name, camp.Name)
			}
		}
		for _, key := range camp.Dates {
			if _, ok := fields[key]; ok {
				c.r.add("warning", about, "writing the field %q schedules events of the campaign %q, which may message people", key, camp.Name)
			}
		}
	}
}

// unmetered lets the few calls of a check pass without a ledger.
type unmetered struct{}

// Spend allows every call.
func (unmetered) Spend(context.Context, string) error { return nil }

// Refused ignores refusals.
func (unmetered) Refused(string, time.Time) {}
