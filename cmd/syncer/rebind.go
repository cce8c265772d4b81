package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) rebindCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "rebind TARGET|source/NAME",
		Short: "Accepts that credentials open another workspace or account than before",
		Long: "A target or source is bound to the workspace or account that its credentials opened first, and is paused\n" +
			"when they open another one. This accepts the new one: what is linked there is found anew.",
		Args: exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Rebind(ctx, args[0]), c.Say("%s is bound to what its credentials open now.", "%s está vinculado ao que suas credenciais abrem agora.", args[0]))
		}),
	}
}
