package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// sayEvery is how often progress is told where no terminal shows it as it goes.
const sayEvery = 10 * time.Second

// carryOut asks for a run and waits for its end, whether the daemon carries it out or this process does.
func (c *cli) carryOut(ctx context.Context, ops console.Operations, ask console.RunAsk) (state.Run, error) {
	type result struct {
		run state.Run
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	asked, answered := make(chan result, 1), false
	defer func() {
		cancel()
		if !answered {
			<-asked // it works on a state that is about to be closed
		}
	}()
	began := contact.Micros(c.now())
	go func() {
		run, err := ops.Reconcile(ctx, ask)
		asked <- result{run, err}
	}()
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	p := progress{c: c, next: c.now().Add(sayEvery)}
	defer p.clear()
	var run state.Run
	for {
		select {
		case r := <-asked:
			answered = true
			if r.err != nil {
				return r.run, r.err
			}
			run = r.run
		case <-tick.C:
			now, err := c.look(ctx, ops, run.ID, ask.Source, began)
			if err != nil {
				return run, err
			}
			run = now
		case <-ctx.Done():
			if answered {
				return run, errors.New(c.Say("interrupted; run %s goes on in the daemon", "interrompido; a execução %s continua no daemon", run.ID))
			}
			return run, ctx.Err()
		}
		if answered && !console.UnderWay(run) {
			if run.Err != "" {
				return run, errors.New(c.Say("run %s failed: %s", "a execução %s falhou: %s", run.ID, c.Told(run.Err)))
			}
			return run, nil
		}
		p.say(run)
	}
}

// look finds the run, by its id or, while that is not known yet, as the newest of its source.
func (c *cli) look(ctx context.Context, ops console.Operations, id, source string, began int64) (state.Run, error) {
	if id != "" {
		return ops.RunState(ctx, id)
	}
	runs, err := ops.Runs(ctx, 5)
	for _, r := range runs {
		if r.Source == source && r.Started >= began {
			return r, err
		}
	}
	return state.Run{}, err
}

// progress tells how far a run is: in place on a terminal, as a line every ten seconds elsewhere.
type progress struct {
	c     *cli
	next  time.Time
	drawn bool
}

func (p *progress) say(r state.Run) {
	c := p.c
	if r.ID == "" || !c.chatty && c.now().Before(p.next) {
		return
	}
	line := fmt.Sprintf("%s: %s · %s", r.ID, c.RunState(r), c.Count(r.Records, "record", "records", "registro", "registros"))
	if r.State == "planning" {
		line += " · " + c.Count(r.Held, "person compared", "people compared", "pessoa comparada", "pessoas comparadas")
	}
	if c.chatty {
		fmt.Fprintf(c.stderr, "\r\x1b[K%s", line)
		p.drawn = true
		return
	}
	fmt.Fprintln(c.stderr, line)
	p.next = c.now().Add(sayEvery)
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.c.stderr, "\r\x1b[K")
	}
}

// summary tells how a run ended and what is to be done about it; shown says that its plan stands above.
func (c *cli) summary(r state.Run, targets []console.TargetStatus, shown bool) {
	c.printf("%s: %s", c.paint("1", r.ID), c.RunKind(r.Kind))
	for _, part := range []struct {
		n                     int
		one, many, um, muitos string
	}{
		{r.Records, "record read", "records read", "registro lido", "registros lidos"},
		{r.Unchanged, "unchanged", "unchanged", "sem mudança", "sem mudança"},
		{r.Unannounced, "changed without a webhook", "changed without a webhook", "mudou sem webhook", "mudaram sem webhook"},
		{r.Missing, "missing", "missing", "ausente", "ausentes"},
		{r.Deleted, "deleted", "deleted", "apagado", "apagados"},
	} {
		if part.n > 0 {
			c.printf(" · %s", c.Count(part.n, part.one, part.many, part.um, part.muitos))
		}
	}
	c.printf("\n")
	c.sums(r, targets)
	people := c.Count(r.Held, "person waits", "people wait", "pessoa aguarda", "pessoas aguardam")
	switch r.State {
	case "held":
		c.printf("%s: %s\n", people, c.Told(r.Why))
		if !shown {
			c.printf("%s syncer plan %s\n", c.Say("Look:   ", "Ver:      "), r.ID)
		}
		c.printf("%s syncer apply %s\n", c.Say("Apply:  ", "Aplicar:  "), r.ID)
		c.printf("%s syncer discard %s\n", c.Say("Discard:", "Descartar:"), r.ID)
	case "released":
		c.printf("%s\n", c.Say("Released: the changes are on their way; `syncer status` shows how far.", "Liberada: as mudanças estão a caminho; `syncer status` mostra o andamento."))
	case "done":
		c.printf("%s\n", c.Say("Nobody needs a change.", "Ninguém precisa de mudança."))
	default:
		c.printf("%s %s\n", c.RunState(r), c.Told(r.Why))
	}
}

// sums is the table of what a plan does at each target where it does something.
func (c *cli) sums(r state.Run, targets []console.TargetStatus) {
	t := c.table(c.Say("Target", "Destino"), "#"+c.Say("People", "Pessoas"), "#"+c.Say("Created", "Criadas"), "#"+c.Say("Changed", "Mudadas"),
		"#"+c.Say("Emptied", "Esvaziadas"), "#"+c.Say("Unlabelled", "Sem etiqueta"), "#"+c.Say("Deleted", "Apagadas"), "#"+c.Say("Calls", "Chamadas"), "#"+c.Say("At least", "No mínimo"))
	for _, name := range slices.Sorted(maps.Keys(r.Plan)) {
		s := r.Plan[name]
		if s.People == 0 {
			continue
		}
		var budgets []console.Budget
		if i := slices.IndexFunc(targets, func(t console.TargetStatus) bool { return t.Name == name }); i >= 0 {
			budgets = targets[i].Budget
		}
		t.row(name, c.Number(s.People), c.Number(s.Creates), c.Number(s.Changes), c.Number(s.Clears), c.Number(s.Unlabels), c.Number(s.Deletes),
			c.Number(s.Calls+s.Other), c.Span(console.Takes(s, budgets)))
	}
	if len(t.rows) > 0 {
		c.printf("\n")
		t.print()
		c.printf("\n")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Plan)) {
		c.besides(name, r.Plan[name])
	}
}

// besides tells what a plan does at a target apart from its people: what it makes first, whom it messages.
func (c *cli) besides(target string, s state.PlanSums) {
	people := func(n int) string { return c.Count(n, "person", "people", "pessoa", "pessoas") }
	if len(s.Missing) > 0 {
		missing := make([]string, len(s.Missing))
		for i, name := range s.Missing {
			what, name, _ := strings.Cut(name, " ")
			missing[i] = c.Say(what, map[string]string{"label": "etiqueta", "field": "campo"}[what]) + " " + name
		}
		c.printf("%s: %s %s\n", target, strings.Join(missing, ", "), c.Say("would be made first", "(a criar antes)"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Campaigns)) {
		c.printf("%s: %s\n", target, c.paint("33", c.Say("the campaign %q would start for %s and may message them", "a campanha %q começaria para %s e pode enviar mensagens", name, people(s.Campaigns[name]))))
	}
	for _, label := range slices.Sorted(maps.Keys(s.Dropped)) {
		c.printf("%s: %s\n", target, c.Say("the label %q, which syncer gave to %s, is no longer in the mapping file and stays; list it under `retired` to have it taken away",
			"a etiqueta %q, que o syncer deu a %s, não está mais no arquivo de mapeamento e fica; coloque-a em `retired` para que seja retirada", label, people(s.Dropped[label])))
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Waiting)) {
		c.printf("%s: %s\n", target, c.Say("%s left out: %s", "%s de fora: %s", people(s.Waiting[kind]), c.Kind(contact.ErrorKind(kind))))
	}
}

// planRows reads a whole plan, page by page.
func planRows(ctx context.Context, ops console.Operations, run string, only []string, limit int, show bool) (rows []console.PlanRow, err error) {
	for after := ""; ; {
		page, err := ops.Plan(ctx, run, after, 500, show)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			if len(only) > 0 && !slices.ContainsFunc(row.Records, func(k string) bool { return slices.Contains(only, k) }) {
				continue
			}
			if rows = append(rows, row); len(rows) == limit {
				return rows, nil
			}
		}
		if after = page.Next; after == "" {
			return rows, nil
		}
	}
}

// people prints what would be done for each person.
func (c *cli) people(rows []console.PlanRow) {
	for _, row := range rows {
		c.printf("%s  %s  %s\n", c.paint("1", c.What(row.What)), strings.Join(row.Records, ", "), c.paint("2", strings.Join(nonempty(row.Target, row.Contact), " ")))
		c.steps(row.Steps)
	}
}
