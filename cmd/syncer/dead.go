package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
)

func (c *cli) deadCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "dead", Short: c.Say("Deliveries that are not tried again by themselves", "Entregas que não são tentadas de novo sozinhas")}
	c.family(cmd)
	cmd.AddCommand(c.deadListCmd(), c.deadShowCmd(),
		c.deadActCmd("retry", c.Say("Tries dead letters again", "Tenta de novo as entregas não feitas"), func(ctx context.Context, ops console.Operations, f console.DeadFilter) (string, error) {
			n, err := ops.RetryDead(ctx, f)
			return c.Count(n, "person will be tried again", "people will be tried again", "pessoa será tentada de novo", "pessoas serão tentadas de novo"), err
		}),
		c.deadActCmd("drop", c.Say("Forgets dead letters; the people stay as they are until something newer comes", "Esquece entregas não feitas; as pessoas ficam como estão até vir algo mais novo"), func(ctx context.Context, ops console.Operations, f console.DeadFilter) (string, error) {
			n, err := ops.DropDead(ctx, f)
			return c.Count(n, "dead letter dropped", "dead letters dropped", "entrega não feita descartada", "entregas não feitas descartadas"), err
		}))
	return cmd
}

// filterFlags are the flags that choose dead letters.
func (c *cli) filterFlags(cmd *cobra.Command, f *console.DeadFilter) {
	cmd.Flags().StringVar(&f.Target, "target", "", c.Say("only those of a target", "só as de um destino"))
	cmd.Flags().StringVar(&f.Kind, "kind", "", c.Say("only those of a kind, such as invalid or rejected", "só as de um tipo, como invalid ou rejected"))
}

func (c *cli) deadListCmd() *cobra.Command {
	var f console.DeadFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: c.Say("Lists dead letters", "Lista as entregas não feitas"),
		Args:  c.exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			letters, err := ops.DeadLetters(ctx, f)
			if err != nil {
				return err
			}
			return c.emit(letters, func() {
				if len(letters) == 0 {
					c.printf("%s\n", c.Say("There are no dead letters.", "Não há entregas não feitas."))
					return
				}
				t := c.table("Id", c.Say("Records", "Registros"), c.Say("Why", "Motivo"), c.Say("Since", "Desde"), c.Say("Message", "Mensagem"))
				for _, l := range letters {
					t.row(l.ID, keys(l.Records), c.Kind(l.Kind), c.Ago(contact.FromMicros(l.At), c.now()), c.Told(l.Message))
				}
				t.print()
			})
		}),
	}
	c.filterFlags(cmd, &f)
	cmd.Flags().Var(c.atLeastOne(&f.Limit), "limit", c.Say("at most so many", "no máximo quantas"))
	return cmd
}

func (c *cli) deadShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: c.Say("Shows one dead letter, and all that is known of the person", "Mostra uma entrega não feita, e tudo o que se sabe da pessoa"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			letters, err := ops.DeadLetters(ctx, console.DeadFilter{ID: args[0]})
			if err != nil {
				return err
			}
			if len(letters) == 0 {
				return try(console.Errorf(console.NotFound, "%s", c.Say("there is no dead letter %q", "não há entrega não feita %q", args[0])), "syncer dead list")
			}
			l := letters[0]
			var e *console.Explanation
			if len(l.Records) > 0 {
				found, err := ops.Explain(ctx, l.Records[0].String(), c.show)
				if err == nil {
					e = &found
				} else if !unknown(err) { // the record may have gone since
					return err
				}
			}
			return c.emit(map[string]any{"letter": l, "explanation": e}, func() {
				c.printf("%s  %s · %s\n%s\n%s\n", c.paint("1", l.ID), keys(l.Records), c.Ago(contact.FromMicros(l.At), c.now()), c.Kind(l.Kind), c.Told(l.Message))
				if e != nil {
					c.printf("\n")
					c.explanation(*e)
				}
			})
		}),
	}
}

func (c *cli) deadActCmd(name, short string, act func(context.Context, console.Operations, console.DeadFilter) (string, error)) *cobra.Command {
	var f console.DeadFilter
	var all bool
	cmd := &cobra.Command{
		Use:   name + " [ID]",
		Short: short,
		Args:  c.atMost(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if len(args) > 0 {
				f.ID = args[0]
			}
			if f.ID != "" == (all || f.Target != "" || f.Kind != "") {
				return c.misuse("say which: an id, --target, --kind, or else --all", "diga quais: um id, --target, --kind ou então --all")
			}
			said, err := act(ctx, ops, f)
			if err != nil {
				return err
			}
			return c.emit(map[string]string{"message": said}, func() { c.printf("%s.\n", said) })
		}),
	}
	c.filterFlags(cmd, &f)
	cmd.Flags().BoolVar(&all, "all", false, c.Say("all of them", "todas"))
	return cmd
}
