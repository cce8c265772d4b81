package main

import (
	"context"
	"encoding/csv"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
)

func (c *cli) conflictsCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "conflicts", Short: c.Say("Questions that only a person can answer", "Perguntas que só uma pessoa pode responder")}
	c.family(cmd)
	cmd.AddCommand(c.conflictsListCmd(), c.conflictsResolveCmd())
	return cmd
}

func (c *cli) conflictsListCmd() *cobra.Command {
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: c.Say("Lists conflicts, each with both its sides", "Lista os conflitos, cada um com seus dois lados"),
		Args:  c.exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			conflicts, err := ops.Conflicts(ctx, c.show)
			switch {
			case err != nil:
				return err
			case asCSV:
				return c.conflictsCSV(conflicts)
			}
			return c.emit(conflicts, func() {
				if len(conflicts) == 0 {
					c.printf("%s\n", c.Say("There are no conflicts.", "Não há conflitos."))
					return
				}
				t := c.table("Id", c.Say("About", "Sobre"), c.Say("Target", "Destino"), c.Say("Records", "Registros"), c.Say("Contacts", "Contatos"),
					c.Say("Since", "Desde"), c.Say("Message", "Mensagem"))
				for _, x := range conflicts {
					t.row(x.ID, strings.Join(nonempty(c.ConflictKind(x.Kind), string(x.Identity)), " "), x.Target, keys(x.Records), strings.Join(x.Contacts, ", "),
						c.Ago(contact.FromMicros(x.At), c.now()), c.Told(x.Message))
				}
				t.print()
			})
		}),
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, c.Say("as CSV, for a spreadsheet", "como CSV, para uma planilha"))
	return cmd
}

func (c *cli) conflictsCSV(conflicts []console.Conflict) error {
	w := csv.NewWriter(c.stdout)
	rows := [][]string{{"id", "kind", "target", "identity", "records", "contacts", "since", "message"}}
	for _, x := range conflicts {
		rows = append(rows, []string{x.ID, x.Kind, x.Target, string(x.Identity), keys(x.Records), strings.Join(x.Contacts, ", "),
			contact.FromMicros(x.At).Format(time.RFC3339), c.Told(x.Message)})
	}
	return w.WriteAll(rows)
}

func (c *cli) conflictsResolveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "resolve ID",
		Short: c.Say("Takes a conflict off the list and looks at its records again", "Tira um conflito da lista e revê seus registros"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			r, err := ops.ResolveConflict(ctx, args[0])
			if err == nil && r.State == console.Standing {
				err = errors.New(r.Message)
			}
			if err != nil {
				return err
			}
			return c.emit(r, func() { c.printf("%s.\n", r.Message) })
		}),
	}
}

// done says that something was done, unless it was not.
func (c *cli) done(err error, said string) error {
	if err != nil {
		return err
	}
	return c.emit(map[string]string{"message": said}, func() { c.printf("%s\n", said) })
}
