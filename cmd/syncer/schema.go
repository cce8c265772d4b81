package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/mapping"
)

func (c *cli) schemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   c.Say("Prints the JSON Schema of the mapping file, for editors", "Imprime o JSON Schema do arquivo de mapeamento, para editores"),
		Example: "  syncer schema > mappings.schema.json",
		Args:    c.exactly(0),
		RunE: do(func(context.Context, []string) error {
			_, err := c.stdout.Write(mapping.Schema())
			return err
		}),
	}
}
