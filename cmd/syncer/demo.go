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
		Short: "Shows syncer at work against simulators, without an account anywhere",
		Args:  exactly(0),
		RunE: do(func(ctx context.Context, _ []string) error {
			o.Out = c.stdout
			return demo.Run(ctx, o)
		}),
	}
	cmd.Flags().BoolVar(&o.Once, "once", false, "play one act, verify it, and end")
	cmd.Flags().IntVar(&o.People, "people", 0, "how many people the CRM has")
	cmd.Flags().StringVar(&o.Admin, "admin", "", "where the console listens, such as 127.0.0.1:8081 (default: a free port)")
	return cmd
}
