package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) quarantineCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: c.Say("Authentic webhooks that could not be read", "Webhooks autênticos que não puderam ser lidos")}
	c.family(cmd)
	cmd.AddCommand(c.quarantineListCmd(), c.quarantineShowCmd(),
		c.quarantineActCmd("retry", c.Say("Reads webhooks again, as after a fix in the mapping file", "Lê webhooks de novo, como depois de uma correção no arquivo de mapeamento"), c.reread),
		c.quarantineActCmd("drop", c.Say("Forgets webhooks that could not be read", "Esquece webhooks que não puderam ser lidos"), func(ctx context.Context, ops console.Operations, id uint64) error {
			n, err := ops.DropQuarantined(ctx, id)
			return c.done(err, c.Count(n, "webhook dropped.", "webhooks dropped.", "webhook descartado.", "webhooks descartados."))
		}))
	return cmd
}

func (c *cli) quarantineListCmd() *cobra.Command {
	limit := 100
	cmd := &cobra.Command{
		Use:   "list",
		Short: c.Say("Lists webhooks that could not be read, newest first", "Lista os webhooks que não puderam ser lidos, os mais novos antes"),
		Args:  c.exactly(0),
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
	cmd.Flags().Var(c.atLeastOne(&limit), "limit", c.Say("at most so many", "no máximo quantos"))
	return cmd
}

func (c *cli) quarantineShowCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: c.Say("Shows one webhook that could not be read, and its body with --show", "Mostra um webhook que não pôde ser lido, e seu corpo com --show"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			id, err := c.isolatedID(args[0])
			if err != nil {
				return err
			}
			q, err := ops.QuarantineBody(ctx, id, c.show)
			if err != nil {
				return err
			}
			return c.emit(q, func() {
				c.printf("%s  %s\n%s\n", c.paint("1", strconv.FormatUint(q.ID, 10)), strings.Join(nonempty(q.Source, c.Ago(q.At, c.now()), c.Bytes(int64(q.Bytes))), " · "), q.Reason)
				for _, name := range slices.Sorted(maps.Keys(q.Header)) {
					c.printf("%s: %s\n", name, q.Header[name])
				}
				if q.Cut {
					c.printf("%s\n", c.Say("Only its beginning was kept.", "Só o começo foi guardado."))
				}
				if !c.show {
					c.printf("%s\n", c.Say("Its body is about people; --show shows it.", "Seu corpo é sobre pessoas; --show o mostra."))
					return
				}
				c.printf("\n%s\n", q.Body)
			})
		}),
	}
}

func (c *cli) isolatedID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, try(c.misuse("%q is no id of a webhook in quarantine", "%q não é id de um webhook em quarentena", text), "syncer quarantine list")
	}
	return id, nil
}

// reread reads again what could not be read, and fails when something still cannot be.
func (c *cli) reread(ctx context.Context, ops console.Operations, id uint64) error {
	r, err := ops.RetryQuarantined(ctx, id)
	if err != nil {
		return err
	}
	if err := c.emit(r, func() {
		c.printf("%s.\n", c.Count(r.Read, "webhook was read and is on its way", "webhooks were read and are on their way", "webhook foi lido e está a caminho", "webhooks foram lidos e estão a caminho"))
	}); err != nil || r.Left == 0 {
		return err
	}
	return try(&failure{1, fmt.Errorf("%s: %s", c.Count(r.Left, "webhook still cannot be read", "webhooks still cannot be read", "webhook ainda não pode ser lido", "webhooks ainda não podem ser lidos"), r.Reason)}, "syncer quarantine list")
}

func (c *cli) quarantineActCmd(name, short string, act func(context.Context, console.Operations, uint64) error) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   name + " [ID]",
		Short: short,
		Args:  c.atMost(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if (len(args) > 0) == all {
				return c.misuse("say which: an id, or else --all", "diga qual: um id ou então --all")
			}
			if all {
				return act(ctx, ops, 0)
			}
			id, err := c.isolatedID(args[0])
			if err != nil {
				return err
			}
			return act(ctx, ops, id)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, c.Say("all of them", "todos"))
	return cmd
}
