package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) discardCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "discard RUN",
		Short: c.Say("Drops a held run: nothing of it is written until its people change again", "Descarta uma execução retida: nada dela é escrito até que suas pessoas mudem de novo"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			n, err := ops.Discard(ctx, args[0])
			if err != nil {
				return err
			}
			return c.emit(map[string]any{"run": args[0], "people": n}, func() {
				c.printf("%s.\n", c.Count(n, "person let go", "people let go", "pessoa liberada do plano", "pessoas liberadas do plano"))
			})
		}),
	}
}
