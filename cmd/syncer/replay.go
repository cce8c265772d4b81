package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) replayCmd() *cobra.Command {
	ask := console.RunAsk{Kind: "replay"}
	cmd := &cobra.Command{
		Use:   "replay SOURCE",
		Short: c.Say("Maps the newest stored state of a source's records again and writes what differs", "Mapeia de novo o estado guardado mais novo dos registros de uma fonte e escreve o que difere"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			ask.Source = args[0]
			return c.reconcile(ctx, ops, ask)
		}),
	}
	cmd.Flags().BoolVar(&ask.Yes, "yes", false, c.Say("write whatever is found, however much it is", "escreve o que for achado, por mais que seja"))
	c.chooseFlags(cmd, &ask.ApplyAsk)
	return cmd
}
