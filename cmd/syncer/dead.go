package main

import (
	"context"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
)

func (c *cli) deadCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "dead", Short: "Deliveries that are not tried again by themselves"}
	family(cmd)
	cmd.AddCommand(c.deadListCmd(), c.deadShowCmd(),
		c.deadActCmd("retry", "Tries dead letters again", func(ctx context.Context, ops console.Operations, f console.DeadFilter) (string, error) {
			n, err := ops.RetryDead(ctx, f)
			return c.Count(n, "person will be tried again", "people will be tried again", "pessoa será tentada de novo", "pessoas serão tentadas de novo"), err
		}),
		c.deadActCmd("drop", "Forgets dead letters; the people stay as they are until something newer comes", func(ctx context.Context, ops console.Operations, f console.DeadFilter) (string, error) {
			n, err := ops.DropDead(ctx, f)
			return c.Count(n, "dead letter dropped", "dead letters dropped", "entrega perdida descartada", "entregas perdidas descartadas"), err
		}))
	return cmd
}

// filterFlags are the flags that choose dead letters.
func filterFlags(cmd *cobra.Command, f *console.DeadFilter) {
	cmd.Flags().StringVar(&f.Target, "target", "", "only those of a target")
	cmd.Flags().StringVar(&f.Kind, "kind", "", "only those of a kind, such as invalid or rejected")
}

func (c *cli) deadListCmd() *cobra.Command {
	var f console.DeadFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists dead letters",
		Args:  exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			letters, err := ops.DeadLetters(ctx, f)
			if err != nil {
				return err
			}
			return c.emit(letters, func() {
				if len(letters) == 0 {
					c.printf("%s\n", c.Say("There are no dead letters.", "Não há entregas perdidas."))
					return
				}
				t := c.table("Id", c.Say("Records", "Registros"), c.Say("Why", "Motivo"), c.Say("Since", "Desde"), c.Say("Message", "Mensagem"))
				for _, l := range letters {
					t.row(l.ID, keys(l.Records), c.Kind(l.Kind), c.Ago(contact.FromMicros(l.At), c.now()), l.Message)
				}
				t.print()
			})
		}),
	}
	filterFlags(cmd, &f)
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "at most so many")
	return cmd
}

func (c *cli) deadShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Shows one dead letter, and all that is known of the person",
		Args:  exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			letters, err := ops.DeadLetters(ctx, console.DeadFilter{ID: args[0]})
			if err != nil {
				return err
			}
			if len(letters) == 0 {
				return try(console.Errorf(console.NotFound, "there is no dead letter %q", args[0]), "syncer dead list")
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
				c.printf("%s  %s · %s\n%s\n%s\n", c.paint("1", l.ID), keys(l.Records), c.Ago(contact.FromMicros(l.At), c.now()), c.Kind(l.Kind), l.Message)
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
		Args:  atMost(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if len(args) > 0 {
				f.ID = args[0]
			}
			if chosen := f.ID != "" || f.Target != "" || f.Kind != ""; chosen == all {
				return misuse("say which: an id, --target, --kind, or else --all")
			}
			said, err := act(ctx, ops, f)
			if err != nil {
				return err
			}
			return c.emit(map[string]string{"message": said}, func() { c.printf("%s.\n", said) })
		}),
	}
	filterFlags(cmd, &f)
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}
