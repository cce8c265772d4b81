package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) linkCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "link KEY TARGET ID",
		Short:   c.Say("Says by hand which contact of a target a record stands for", "Diz à mão qual contato de um destino um registro representa"),
		Example: "  syncer link crm/4821 weni 0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11",
		Args:    c.exactly(3),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Link(ctx, args[0], args[1], args[2]), c.Say("%s is linked at %s.", "%s está ligado em %s.", args[0], args[1]))
		}),
	}
}
