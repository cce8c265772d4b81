package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/source"
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

// add notes a finding in the reader's language.
func (c *checker) add(level, about, en, pt string, args ...any) {
	c.r.Lines = append(c.r.Lines, CheckLine{level, about, c.Say(en, pt, args...)})
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
	c := checker{Words: console.WordsFor(o.Language).In(plan.Location), r: &r, plan: plan, now: o.Now(), online: !offline}
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
	console.Words
	r      *CheckReport
	plan   *mapping.Plan
	now    time.Time
	online bool
}

func (c *checker) source(ctx context.Context, a *App, spec mapping.Source) {
	about := c.Say("source ", "fonte ") + spec.Name
	for _, s := range []struct{ name, expr string }{{"changes", spec.Reconcile.Changes}, {"full", spec.Reconcile.Full}} {
		if s.expr == "" {
			continue
		}
		schedule, err := mapping.ParseSchedule(s.expr, c.plan.Location)
		if err != nil {
			c.add("error", about, "reconcile.%s: %v", "reconcile.%s: %v", s.name, err)
			continue
		}
		at, times := c.now.In(c.plan.Location), []string(nil)
		for range 3 {
			at = schedule.Next(at)
			times = append(times, c.Day(at))
		}
		c.add("ok", about, "reconcile.%s runs next %s (%s)", "reconcile.%s roda em %s (%s)", s.name, strings.Join(times, ", "), c.plan.Location)
	}
	switch way := map[string]string{"generic": "list", "pipedrive": "api"}[spec.Kind]; {
	case spec.Reconcile.Full != "" || spec.Reconcile.Changes != "":
	case spec.API == nil && spec.List == nil:
		c.add("warning", about, "it is never reconciled: webhooks that are lost stay lost. That needs %s, the way to read its records, and reconcile: {full: \"7 2 * * *\"}",
			"nunca é reconciliada: webhooks perdidos ficam perdidos. Isso precisa de %s, o modo de ler os registros, e de reconcile: {full: \"7 2 * * *\"}", way)
	case spec.List != nil && spec.List.Since == nil:
		c.add("warning", about, "it is never reconciled: webhooks that are lost stay lost. Add reconcile: {full: \"7 2 * * *\"}",
			"nunca é reconciliada: webhooks perdidos ficam perdidos. Acrescente reconcile: {full: \"7 2 * * *\"}")
	default:
		c.add("warning", about, "it is never reconciled: webhooks that are lost stay lost. Add reconcile: {changes: \"*/15 * * * *\", full: \"7 2 * * *\"}",
			"nunca é reconciliada: webhooks perdidos ficam perdidos. Acrescente reconcile: {changes: \"*/15 * * * *\", full: \"7 2 * * *\"}")
	}
	src, err := newSource(spec, unmetered{}, a, c.plan.Location)
	if err != nil {
		c.unmade(about, spec, err)
		return
	}
	can := src.Can()
	if !c.online || !can.List && !can.Get {
		return
	}
	_, name, err := src.Place(ctx)
	if err == nil {
		err = src.Prepare(ctx)
	}
	switch {
	case err != nil:
		c.add("error", about, "%s", "%s", c.Told(err.Error()))
		return
	case name != "":
		c.add("ok", about, "%s answers", "%s responde", name)
	}
	if !can.List {
		c.add("note", about, "its API reads single records, none of which is known here: it was not asked", "sua API lê registros avulsos, e nenhum é conhecido aqui: ela não foi consultada")
		return
	}
	c.sample(ctx, about, src, spec.Name)
}

// sample reads one page of a source, as large as the walks read them, so that what is said of the records holds for
// more than one of them, and maps it.
func (c *checker) sample(ctx context.Context, about string, src source.Source, name string) {
	page, err := src.List(ctx, source.Window{}, "")
	if err != nil {
		c.add("error", about, "%s", "%s", c.Told(err.Error()))
		return
	}
	var records []map[string]any
	for _, e := range page.Events {
		if e.Kind != contact.Upsert {
			continue
		}
		record, err := src.Record(e.Payload)
		if err != nil {
			c.add("error", about, "a record cannot be read: %v", "um registro não pode ser lido: %v", err)
			return
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		c.add("warning", about, "the list answers and is empty: nothing can be said of its records", "a lista responde e está vazia: nada se pode dizer de seus registros")
		return
	}
	c.add("ok", about, "the list answers: %s on its first page", "a lista responde: %s na primeira página", c.Count(len(records), "record", "records", "registro", "registros"))
	c.mapped(about, name, records)
}

// mapped warns of what a mapping reads and no record has, of what it cannot read, and of people without a number.
func (c *checker) mapped(about, name string, records []map[string]any) {
	c.r.Diagnostics = append(c.r.Diagnostics, c.plan.Unseen(name, records)...)
	if !slices.ContainsFunc(c.plan.Mappings, func(m mapping.MappingInfo) bool { return m.From == name }) {
		return
	}
	type trouble struct{ attr, where string }
	troubles, first := map[trouble]int{}, map[trouble]string{}
	contacts, reachable := 0, 0
	for _, record := range records {
		for _, x := range c.plan.Map(name, record, c.now) {
			for _, p := range x.Problems {
				t := trouble{p.Attr, p.Where}
				troubles[t]++
				first[t] = p.Message
			}
			if x.Leaving {
				continue
			}
			contacts++
			if _, ok := x.Primary(); ok {
				reachable++
			}
		}
	}
	switch {
	case contacts == 0:
		c.add("warning", about, "no mapping makes a contact of any of these records: look at `when`", "nenhum mapeamento faz um contato de qualquer destes registros: veja `when`")
	case reachable == 0:
		c.add("warning", about, "none of these records gives a mobile number: nobody would be written to. Look at `phones`, and at defaults.country and defaults.area",
			"nenhum destes registros dá um número de celular: ninguém seria escrito. Veja `phones`, defaults.country e defaults.area")
	}
	for _, t := range slices.SortedFunc(maps.Keys(troubles), func(a, b trouble) int { return cmp.Or(cmp.Compare(a.where, b.where), cmp.Compare(a.attr, b.attr)) }) {
		c.add("warning", about, "%s: %s cannot be read in %d of %d records: %s", "%s: %s não pode ser lido em %d de %d registros: %s", t.where, t.attr, troubles[t], len(records), first[t])
	}
}

// unmade reports a source or target that cannot be made. Offline, values that the environment does not have here
// are no mistake of the file.
func (c *checker) unmade(about string, spec any, err error) {
	if raw, jsonErr := json.Marshal(spec); !c.online && jsonErr == nil && strings.Contains(string(raw), "${") {
		c.add("note", about, "values of it come from the environment and are not set here", "há valores que vêm do ambiente e não estão definidos aqui")
		return
	}
	c.add("error", about, "%s", "%s", c.Told(err.Error()))
}

func (c *checker) target(ctx context.Context, a *App, spec mapping.Target) {
	about := c.Say("target ", "destino ") + spec.Name
	t, err := newTarget(spec, unmetered{}, a)
	if err != nil {
		c.unmade(about, spec, err)
		return
	}
	rules := t.Rules()
	c.add("ok", about, "%s", "%s", c.abilities(&rules.Can))
	for _, n := range rules.Can.Notes {
		c.add("note", about, "%s", "%s", c.Told(n))
	}
	if !c.online {
		return
	}
	_, name, err := t.Place(ctx)
	if err == nil {
		err = t.Learn(ctx)
	}
	if err != nil {
		c.add("error", about, "%s", "%s", c.Told(err.Error()))
		return
	}
	c.add("ok", about, "opens %s", "abre %s", name)
	w, isWeni := t.(*weni.Target)
	if isWeni {
		if err := w.Writable(ctx); err != nil {
			c.add("error", about, "%s", "%s", c.Told(err.Error()))
		}
	}
	c.definitions(about, t, spec)
	if isWeni {
		c.campaigns(ctx, about, w, spec)
	}
}

// abilities are what a target can do and what it cannot.
func (c *checker) abilities(can *contact.Capabilities) string {
	var yes, no []string
	for _, a := range []struct {
		name string
		can  bool
	}{{c.Say("create", "criar"), can.Create}, {c.Say("update", "mudar"), can.Update}, {c.Say("labels", "etiquetas"), can.Labels}, {c.Say("fields", "campos"), can.Fields},
		{c.Say("language", "idioma"), can.Language}, {c.Say("list", "listar"), can.List}, {c.Say("delete", "apagar"), can.Delete}, {c.Say("block", "bloquear"), can.Block}} {
		if a.can {
			yes = append(yes, a.name)
		} else {
			no = append(no, a.name)
		}
	}
	s := c.Say("can: ", "pode: ") + strings.Join(yes, ", ")
	if len(no) > 0 {
		s += c.Say("; cannot: ", "; não pode: ") + strings.Join(no, ", ")
	}
	return s
}

// definitions compares what the mapping needs with what the target has.
func (c *checker) definitions(about string, t engine.Target, spec mapping.Target) {
	rules := t.Rules()
	labels, fields := c.plan.Managed(spec.Name)
	create := spec.CreateMissing || spec.Kind == "omnichannel"
	more := map[string]int{}
	called := map[string]string{"label": c.Say("label", "etiqueta"), "field": c.Say("field", "campo")}
	missing := func(what, name string) {
		why := ""
		if spec.Kind == "weni" && what == "label" {
			why = weni.BadGroup(name)
		}
		switch more[what]++; {
		case why != "":
			c.add("error", about, "the %s %q cannot be created: its name %s", "não é possível criar %s %q: o nome %s", called[what], name, c.Told(why))
		case create:
			c.add("note", about, "the %s %q is missing and will be created", "falta lá %s %q, que o syncer vai criar", called[what], name)
		default:
			c.add("error", about, "the %s %q is missing; create it there, or set create_missing: true", "falta lá %s %q; crie lá ou defina create_missing: true", called[what], name)
		}
	}
	if rules.Can.Labels {
		for _, name := range labels {
			l, ok := rules.Catalog.Label(name)
			switch {
			case !ok:
				missing("label", name)
			case l.Smart:
				c.add("error", about, "the label %q is computed by a query there; it can be neither given nor taken", "a etiqueta %q é calculada lá por uma consulta; não pode ser dada nem tirada", name)
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
				c.add("error", about, "the field %q is %s there and %s in the mapping", "o campo %q é %s lá e %s no mapeamento", key, has, want)
			case has != want && has != contact.TextField:
				c.add("warning", about, "the field %q is %s there: text that is no such value reads back empty. Say type: %s in the mapping", "o campo %q é %s lá: texto que não é um valor assim volta vazio. Diga type: %s no mapeamento", key, has, has)
			}
		}
	}
	for what, has := range map[string]int{"label": len(rules.Catalog.Labels), "field": len(rules.Catalog.Fields)} {
		if n := more[what]; spec.Kind == "weni" && n > 0 && has+n > weni.UsualLimit {
			c.add("warning", about, "it has %d %ss and %d more are needed; a workspace holds %d unless its support has raised that. Delete what nobody uses there first",
				"ele tem %d %ss e faltam %d; um espaço comporta %d, a menos que o suporte tenha aumentado. Apague antes o que ninguém usa lá", has, called[what], n, weni.UsualLimit)
		}
	}
}

// campaigns warns of writes that can message people.
func (c *checker) campaigns(ctx context.Context, about string, t *weni.Target, spec mapping.Target) {
	campaigns, err := t.Campaigns(ctx)
	if err != nil {
		c.add("warning", about, "its campaigns cannot be read: %v", "suas campanhas não podem ser lidas: %v", err)
		return
	}
	labels, fields := c.plan.Managed(spec.Name)
	for _, camp := range campaigns {
		for _, name := range labels {
			if l, ok := t.Rules().Catalog.Label(name); ok && l.ID == camp.Label {
				c.add("warning", about, "giving the label %q starts the campaign %q, which may message people", "dar a etiqueta %q começa a campanha %q, que pode enviar mensagens", name, camp.Name)
			}
		}
		for _, key := range camp.Dates {
			if _, ok := fields[key]; ok {
				c.add("warning", about, "writing the field %q schedules events of the campaign %q, which may message people", "escrever o campo %q agenda eventos da campanha %q, que pode enviar mensagens", key, camp.Name)
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
