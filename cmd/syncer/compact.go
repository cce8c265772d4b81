package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) compactCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: c.Say("Gives free space of the state file back to the disk", "Devolve ao disco o espaço livre do arquivo de estado"),
		Args:  c.exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			r, err := ops.Compact(ctx)
			if err != nil {
				return err
			}
			return c.emit(r, func() { c.printf("%s → %s\n", c.Bytes(r.Before), c.Bytes(r.After)) })
		}),
	}
}
