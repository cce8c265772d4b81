package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/demo"
)

func (c *cli) demoCmd() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: c.Say("Shows syncer at work against simulators, without an account anywhere", "Mostra o syncer trabalhando com simuladores, sem conta em lugar algum"),
		Args:  c.exactly(0),
		RunE: do(func(ctx context.Context, _ []string) error {
			o.Out, o.Language = c.stdout, c.language()
			return demo.Run(ctx, o)
		}),
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, c.Say("play one act, verify it, and end", "faz um ato, verifica e termina"))
	cmd.Flags().IntVar(&o.People, "people", 0, c.Say("how many people the CRM has", "quantas pessoas o CRM tem"))
	cmd.Flags().StringVar(&o.Admin, "admin", "", c.Say("where the console listens, such as 127.0.0.1:8081 (default: a free port)", "onde o console escuta, como 127.0.0.1:8081 (padrão: uma porta livre)"))
	return cmd
}
