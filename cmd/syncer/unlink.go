package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) unlinkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "unlink KEY TARGET",
		Short: c.Say("Takes a link back; the contact stays as it is and is not linked again by itself", "Desfaz uma ligação; o contato fica como está e não é ligado de novo sozinho"),
		Args:  c.exactly(2),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Unlink(ctx, args[0], args[1]), c.Say("%s is no longer linked at %s.", "%s não está mais ligado em %s.", args[0], args[1]))
		}),
	}
}
