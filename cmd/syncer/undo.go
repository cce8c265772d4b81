package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) undoCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "undo RUN",
		Short: c.Say("Makes a plan that takes back what a run did; apply it like any other", "Faz um plano que desfaz o que uma execução fez; aplique-o como qualquer outro"),
		Long: c.Say("Makes a plan that takes back what a run did, attribute by attribute, where it still stands as it was written.\n"+
			"What is taken back is left alone until the source says something else.",
			"Faz um plano que desfaz o que uma execução fez, atributo por atributo, onde ainda está como foi escrito.\n"+
				"O que é desfeito fica assim até a fonte dizer outra coisa."),
		Args: c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			run, err := ops.Undo(ctx, args[0])
			if err != nil {
				return err
			}
			return c.emit(run, func() {
				c.printf("%s\n", c.Say("%s: %s would be put back. syncer apply %s", "%s: %s seriam desfeitas. syncer apply %s", run.ID,
					c.Count(run.Held, "person", "people", "pessoa", "pessoas"), run.ID))
			})
		}),
	}
}
