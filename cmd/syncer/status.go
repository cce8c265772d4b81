package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
)

// watchEvery is how often status --watch looks again.
const watchEvery = 2 * time.Second

func (c *cli) statusCmd() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: c.Say("What needs you, what each target is doing, what is left of the call budgets", "O que precisa de você, o que cada destino faz, o que resta das chamadas"),
		Args:  c.exactly(0),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, _ []string) error {
			for {
				s, err := ops.Status(ctx)
				if err != nil {
					return err
				}
				if watch && c.width > 0 && c.output == "table" {
					c.printf("\x1b[H\x1b[2J")
				}
				if err := c.emit(s, func() { c.status(s) }); err != nil || !watch {
					return err
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(watchEvery):
				}
			}
		}),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, c.Say("look again every two seconds until interrupted", "olha de novo a cada dois segundos até ser interrompido"))
	return cmd
}

func (c *cli) status(s console.Status) {
	c.Words = c.At(s.Zone)
	now := c.now()
	running := c.Say("not running", "parado")
	if !s.Started.IsZero() {
		running = c.Say("up %s", "ativo há %s", c.Span(now.Sub(s.Started)))
	}
	c.printf("syncer %s · %s · %s %s\n", s.Version, running, s.Mapping.File, s.Mapping.Hash)
	c.printf(c.Say("%s people · %s records · %s to be mapped · state %s", "%s pessoas · %s registros · %s a mapear · estado %s")+"\n",
		c.Number(s.People), c.Number(s.Records), c.Number(s.Mapless), c.Bytes(s.Store.Bytes))
	if s.Mapping.Error != "" {
		c.title(c.Say("The newest mapping file is not in use", "O arquivo de mapeamento mais novo não está em uso"))
		c.printf("%s\n", strings.TrimRight(s.Mapping.Error, "\n"))
	}
	if len(s.Attention) > 0 {
		c.title(c.Say("Needs you", "Precisa de você"))
		for i, a := range s.Attention {
			c.printf("%d. %s\n", i+1, c.paint("33", a))
		}
	}
	c.title(c.Say("Targets", "Destinos"))
	t := c.table(c.Say("Name", "Nome"), c.Say("Kind", "Tipo"), "#"+c.Say("Linked", "Ligadas"), "#"+c.Say("Waiting", "Na fila"), "#"+c.Say("Held", "Retidas"),
		"#"+c.Say("Dead", "Não feitas"), "#"+c.Say("Calls left", "Chamadas livres"), c.Say("Doing", "Fazendo"))
	for _, x := range s.Targets {
		waiting := 0
		for _, n := range x.Due {
			waiting += n
		}
		t.row(x.Name, x.Kind, c.Number(x.Linked), c.Number(waiting), c.Number(x.Held), c.Number(x.Dead), c.callsLeft(x.Budget), x.Doing)
	}
	t.print()
	c.title(c.Say("Sources", "Fontes"))
	t = c.table(c.Say("Name", "Nome"), c.Say("Kind", "Tipo"), "#"+c.Say("Records", "Registros"), c.Say("Last webhook", "Último webhook"),
		c.Say("Next run", "Próxima execução"), "#"+c.Say("Quarantine", "Quarentena"))
	for _, x := range s.Sources {
		t.row(x.Name, x.Kind, c.Number(x.Records), c.Ago(x.LastWebhook, now), c.Ago(x.NextRun, now), c.Number(x.Quarantined))
	}
	t.print()
	if len(s.Strangers) > 0 {
		c.title(c.Say("Known, but not in the mapping file", "Conhecido, mas fora do arquivo de mapeamento"))
		t = c.table(c.Say("What", "O quê"), c.Say("Name", "Nome"), "#"+c.Say("Rows", "Linhas"), "")
		for _, x := range s.Strangers {
			t.row(c.Say(x.What, map[string]string{"source": "fonte", "target": "destino"}[x.What]), x.Name, c.Number(x.Rows),
				c.Say("what it wrote stays as it is; if it was renamed, give it its old name back", "o que escreveu fica como está; se foi renomeado, devolva o nome antigo"))
		}
		t.print()
	}
	if len(s.Runs) == 0 {
		return
	}
	c.title(c.Say("Runs", "Execuções"))
	t = c.table(c.Say("Run", "Execução"), c.Say("Kind", "Tipo"), c.Say("State", "Estado"), c.Say("Started", "Início"), "#"+c.Say("Records", "Registros"), "#"+c.Say("Held", "Retidas"), c.Say("Why", "Motivo"))
	for _, r := range s.Runs {
		t.row(r.ID, c.RunKind(r.Kind), c.RunState(r), c.Ago(contact.FromMicros(r.Started), now), c.Number(r.Records), c.Number(r.Held), c.Told(cmp.Or(r.Err, r.Why)))
	}
	t.print()
}

// callsLeft is what is left of the scope that has least.
func (c *cli) callsLeft(budgets []console.Budget) string {
	least := ""
	fewest := 0
	for _, b := range budgets {
		if b.Limit > 0 && (least == "" || b.Left < fewest) {
			fewest, least = b.Left, fmt.Sprintf("%s/%s", c.Number(b.Left), c.Number(b.Limit))
		}
	}
	return least
}
