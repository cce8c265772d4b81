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
		Short: c.Say("Lists all settings, what they mean and what is in force", "Lista todas as configurações, o que significam e o que está valendo"),
		Args:  c.exactly(0),
		RunE: do(func(context.Context, []string) error {
			cfg, wrong := config.Load(c.environ, os.ReadFile)
			variables := config.DescribeIn(cfg, c.Tag() != "en")
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
