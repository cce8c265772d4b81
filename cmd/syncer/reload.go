package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: c.Say("Reads the mapping file again; what it changes is held as a plan", "Lê o arquivo de mapeamento de novo; o que ele muda fica retido como plano"),
		Args:  c.exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			r, err := ops.Reload(ctx)
			if err != nil {
				return err
			}
			return c.emit(r, func() {
				c.printf("%s\n", r.Message)
				if r.Run != "" {
					c.printf("syncer plan %s\n", r.Run)
				}
			})
		}),
	}
}
