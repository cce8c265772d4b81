package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) undoCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "undo RUN",
		Short: "Makes a plan that takes back what a run did; apply it like any other",
		Long: "Makes a plan that takes back what a run did, attribute by attribute, where it still stands as it was written.\n" +
			"What is taken back is left alone until the source says something else.",
		Args: exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			run, err := ops.Undo(ctx, args[0])
			if err != nil {
				return err
			}
			return c.emit(run, func() {
				c.printf("%s\n", c.Say("%s: %s would be put back. syncer apply %s", "%s: %s seriam desfeitas. syncer apply %s", run.ID,
					c.Count(run.Held, "person", "people", "pessoa", "pessoas"), run.ID))
			})
		}),
	}
}
