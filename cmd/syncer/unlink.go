package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) unlinkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "unlink KEY TARGET",
		Short: "Takes a link back; the contact stays as it is and is not linked again by itself",
		Args:  exactly(2),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Unlink(ctx, args[0], args[1]), c.Say("%s is no longer linked at %s.", "%s não está mais ligado em %s.", args[0], args[1]))
		}),
	}
}
