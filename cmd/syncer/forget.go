package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) forgetCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget KEY|URN",
		Short: "Erases a person everywhere it can, and all that syncer knows of them (LGPD)",
		Args:  exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if !yes {
				return misuse("this cannot be undone; look with `syncer explain` first, then say --yes")
			}
			said, err := ops.Forget(ctx, args[0])
			return c.done(err, said)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "yes, erase the person")
	return cmd
}
