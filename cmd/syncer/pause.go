package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) pauseCmd() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "pause TARGET",
		Short: c.Say("Stops writing to a target; what comes meanwhile waits", "Para de escrever em um destino; o que chega nesse meio-tempo aguarda"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Pause(ctx, args[0], why), c.Say("%s is paused: nothing is written there until `syncer resume %s`.", "%s está pausado: nada é escrito lá até `syncer resume %s`.", args[0], args[0]))
		}),
	}
	cmd.Flags().StringVar(&why, "why", "", c.Say("the reason, for whoever looks at the status", "o motivo, para quem olhar o status"))
	return cmd
}
