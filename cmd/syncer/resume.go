package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) resumeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "resume TARGET",
		Short: c.Say("Writes to a paused target again", "Volta a escrever em um destino pausado"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Resume(ctx, args[0]), c.Say("%s is used again.", "%s está em uso de novo.", args[0]))
		}),
	}
}
