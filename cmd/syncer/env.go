package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"syncer/internal/config"
)

func (c *cli) envCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Lists all settings, what they mean and what is in force",
		Args:  exactly(0),
		RunE: do(func(context.Context, []string) error {
			cfg, wrong := config.Load(c.environ, os.ReadFile)
			variables := config.Describe(cfg)
			err := c.emit(variables, func() {
				t := c.table(c.Say("Variable", "Variável"), c.Say("Value", "Valor"), c.Say("Meaning", "Significado"))
				for _, v := range variables {
					t.row(v.Name, v.Value, v.Meaning)
				}
				t.print()
			})
			if err == nil && wrong != nil {
				err = &failure{2, wrong}
			}
			return err
		}),
	}
}
