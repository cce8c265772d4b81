package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/state"
)

func (c *cli) runsCmd() *cobra.Command {
	limit := 20
	cmd := &cobra.Command{
		Use:   "runs [RUN]",
		Short: c.Say("Lists what was read and compared lately, newest first, or shows one run with its sums", "Lista o que foi lido e comparado ultimamente, o mais novo antes, ou mostra uma execução com suas somas"),
		Args:  c.atMost(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if len(args) > 0 {
				return c.oneRun(ctx, ops, args[0])
			}
			runs, err := ops.Runs(ctx, limit)
			if err != nil {
				return err
			}
			return c.emit(runs, func() { c.runs(runs) })
		}),
	}
	cmd.Flags().Var(c.atLeastOne(&limit), "limit", c.Say("at most so many", "no máximo quantas"))
	return cmd
}

func (c *cli) runs(runs []state.Run) {
	if len(runs) == 0 {
		c.printf("%s\n", c.Say("There was none yet.", "Ainda não houve nenhuma."))
		return
	}
	t := c.table(c.Say("Run", "Execução"), c.Say("Kind", "Tipo"), c.Say("Source", "Fonte"), c.Say("State", "Estado"), c.Say("Started", "Início"),
		"#"+c.Say("Records", "Registros"), "#"+c.Say("People", "Pessoas"), c.Say("Why", "Motivo"))
	for _, r := range runs {
		people := 0 // at whichever target has most
		for _, s := range r.Plan {
			people = max(people, s.People)
		}
		t.row(r.ID, c.RunKind(r.Kind), r.Source, c.RunState(r), c.Ago(contact.FromMicros(r.Started), c.now()), c.Number(r.Records), c.Number(people), c.Told(cmp.Or(r.Err, r.Why)))
	}
	t.print()
}

func (c *cli) oneRun(ctx context.Context, ops console.Operations, id string) error {
	run, err := ops.RunState(ctx, id)
	if err != nil {
		if unknown(err) {
			err = try(err, "syncer runs")
		}
		return err
	}
	s, err := c.statusOf(ctx, ops)
	if err != nil {
		return err
	}
	return c.emit(run, func() {
		c.summary(run, s.Targets, false)
		c.printf("%s %s", c.Say("Started:", "Início:"), c.Stamp(contact.FromMicros(run.Started)))
		if run.Ended != 0 {
			c.printf(" · %s %s", c.Say("ended:", "fim:"), c.Stamp(contact.FromMicros(run.Ended)))
		}
		c.printf("\n")
		if run.State == "released" {
			c.printf("%s syncer undo %s\n", c.Say("Take back:", "Desfazer:"), run.ID)
		}
	})
}
