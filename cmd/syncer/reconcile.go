package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) reconcileCmd() *cobra.Command {
	ask := console.RunAsk{Kind: "changes"}
	var full bool
	cmd := &cobra.Command{
		Use:   "reconcile SOURCE",
		Short: c.Say("Reads a source now and writes what differs, unless that would be too much at once", "Lê uma fonte agora e escreve o que difere, a menos que seja demais de uma vez"),
		Long: c.Say("Reads what changed in a source since the last time, or everything with --full, and writes what differs.\n"+
			"The first run of a source, and one that would change too much, is held as a plan until it is applied.",
			"Lê o que mudou em uma fonte desde a última vez, ou tudo com --full, e escreve o que difere.\n"+
				"A primeira execução de uma fonte, e a que mudaria demais, fica retida como plano até ser aplicada."),
		Args: c.exactly(1),
		RunE: c.asking(true, func(ctx context.Context, ops console.Operations, args []string) error {
			ask.Source = args[0]
			if full {
				ask.Kind = "full"
			}
			return c.reconcile(ctx, ops, ask)
		}),
	}
	cmd.Flags().BoolVar(&full, "full", false, c.Say("read all records, and find those that are gone", "lê todos os registros e acha os que sumiram"))
	cmd.Flags().BoolVar(&ask.Yes, "yes", false, c.Say("write whatever is found, however much it is", "escreve o que for achado, por mais que seja"))
	c.chooseFlags(cmd, &ask.ApplyAsk)
	return cmd
}

// reconcile carries out a run and tells how it ended.
func (c *cli) reconcile(ctx context.Context, ops console.Operations, ask console.RunAsk) error {
	run, err := c.carryOut(ctx, ops, ask)
	if err != nil {
		return err
	}
	s, err := c.statusOf(ctx, ops)
	if err != nil {
		return err
	}
	return c.emit(run, func() { c.summary(run, s.Targets, false) })
}
