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
		Short: c.Say("Erases a person everywhere it can, and all that syncer knows of them (LGPD)", "Apaga uma pessoa onde for possível, e tudo o que o syncer sabe dela (LGPD)"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if !yes {
				return c.misuse("this cannot be undone; look with `syncer explain` first, then say --yes", "isto não pode ser desfeito; veja antes com `syncer explain`, depois diga --yes")
			}
			said, err := ops.Forget(ctx, args[0])
			return c.done(err, said)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, c.Say("yes, erase the person", "sim, apague a pessoa"))
	return cmd
}
