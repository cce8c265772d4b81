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
		Short: "Reads a source now and writes what differs, unless that would be too much at once",
		Long: "Reads what changed in a source since the last time, or everything with --full, and writes what differs.\n" +
			"The first run of a source, and one that would change too much, is held as a plan until it is applied.",
		Args: exactly(1),
		RunE: c.asking(true, func(ctx context.Context, ops console.Operations, args []string) error {
			ask.Source = args[0]
			if full {
				ask.Kind = "full"
			}
			return c.reconcile(ctx, ops, ask)
		}),
	}
	cmd.Flags().BoolVar(&full, "full", false, "read all records, and find those that are gone")
	cmd.Flags().BoolVar(&ask.Yes, "yes", false, "write whatever is found, however much it is")
	chooseFlags(cmd, &ask.ApplyAsk)
	return cmd
}

// reconcile carries out a run and tells how it ended.
func (c *cli) reconcile(ctx context.Context, ops console.Operations, ask console.RunAsk) error {
	run, err := c.carryOut(ctx, ops, ask)
	if err != nil {
		return err
	}
	s, err := ops.Status(ctx)
	if err != nil {
		return err
	}
	return c.emit(run, func() { c.summary(run, s.Targets, false) })
}

// chooseFlags are the flags that choose people of a plan.
func chooseFlags(cmd *cobra.Command, ask *console.ApplyAsk) {
	cmd.Flags().StringSliceVar(&ask.Only, "only", nil, "only the people of these records, such as crm/4821")
	cmd.Flags().IntVar(&ask.Limit, "limit", 0, "at most so many people, to begin with a few")
}
