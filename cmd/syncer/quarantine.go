package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) quarantineCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: "Authentic webhooks that could not be read"}
	family(cmd)
	cmd.AddCommand(c.quarantineListCmd())
	return cmd
}

func (c *cli) quarantineListCmd() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists webhooks that could not be read, newest first",
		Args:  exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			items, err := ops.Quarantined(ctx, limit)
			if err != nil {
				return err
			}
			return c.emit(items, func() {
				if len(items) == 0 {
					c.printf("%s\n", c.Say("The quarantine is empty.", "A quarentena está vazia."))
					return
				}
				t := c.table("Id", c.Say("Source", "Fonte"), c.Say("Received", "Recebido"), "#"+c.Say("Size", "Tamanho"), c.Say("Why", "Motivo"))
				for _, q := range items {
					t.row(strconv.FormatUint(q.ID, 10), q.Source, c.Ago(q.At, c.now()), c.Bytes(int64(q.Bytes)), q.Reason)
				}
				t.print()
			})
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	return cmd
}
