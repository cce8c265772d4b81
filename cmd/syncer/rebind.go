package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) rebindCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "rebind TARGET|source/NAME",
		Short: c.Say("Accepts that credentials open another place than before, or that a label is another one", "Aceita que as credenciais abrem outro lugar que antes, ou que uma etiqueta é outra"),
		Long: c.Say("A target or source is bound to the workspace or account that its credentials opened first, and is paused\n"+
			"when they open another one. This accepts the new one: what is linked there is found anew.\n"+
			"So is the name of a label bound to the label that it meant first: one that was deleted and made again is left\n"+
			"alone until it is accepted. What that changes is held as a plan.",
			"Um destino ou fonte está vinculado ao espaço ou conta que suas credenciais abriram primeiro, e é pausado quando elas\n"+
				"abrem outro. Isto aceita o novo: o que está ligado lá é procurado de novo.\n"+
				"Assim também o nome de uma etiqueta está vinculado à etiqueta que significou primeiro: uma que foi apagada e feita de\n"+
				"novo fica como está até ser aceita. O que isso muda fica retido como plano."),
		Args: c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			return c.done(ops.Rebind(ctx, args[0]), c.Say("%s is bound to what its credentials open now.", "%s está vinculado ao que suas credenciais abrem agora.", args[0]))
		}),
	}
}
