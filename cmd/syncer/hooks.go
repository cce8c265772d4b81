package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) hooksCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "hooks", Short: c.Say("The webhooks that senders know", "Os webhooks que os remetentes conhecem")}
	c.family(cmd)
	cmd.AddCommand(c.hooksListCmd(), c.hooksInstallCmd())
	return cmd
}

func (c *cli) hooksListCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "list [SOURCE]",
		Short: c.Say("Lists the webhooks of a source's sender, and how their last delivery went", "Lista os webhooks do remetente de uma fonte, e como foi a última entrega"),
		Args:  c.atMost(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			source := ""
			if len(args) > 0 {
				source = args[0]
			}
			hooks, err := ops.Hooks(ctx, source)
			if err != nil {
				return err
			}
			return c.emit(hooks, func() {
				if len(hooks) == 0 {
					c.printf("%s\n", c.Say("There are no webhooks; `syncer hooks install SOURCE` makes one.", "Não há webhooks; `syncer hooks install SOURCE` cria um."))
					return
				}
				t := c.table(c.Say("Source", "Fonte"), "Id", c.Say("State", "Estado"), c.Say("Last delivery", "Última entrega"), c.Say("Answer", "Resposta"), c.Say("Address", "Endereço"))
				for _, h := range hooks {
					t.row(h.Source, h.ID, c.hookState(h), c.Ago(h.LastTime, c.now()), lastStatus(h), h.URL)
				}
				t.print()
			})
		}),
	}
}

func (c *cli) hookState(h console.Hook) string {
	switch {
	case !h.Active:
		return c.Say("switched off", "desligado")
	case h.Ours:
		return c.Say("ours", "nosso")
	}
	return c.Say("active", "ativo")
}

func lastStatus(h console.Hook) string {
	if h.LastStatus == 0 {
		return ""
	}
	return strconv.Itoa(h.LastStatus)
}

func (c *cli) hooksInstallCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "install SOURCE",
		Short: c.Say("Makes sure that a source's sender delivers to SYNCER_PUBLIC_URL", "Garante que o remetente de uma fonte entregue em SYNCER_PUBLIC_URL"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			h, err := ops.InstallHook(ctx, args[0])
			if err != nil {
				return err
			}
			said := c.Say("Webhook %s was there already.", "O webhook %s já existia.", h.ID)
			if h.New {
				said = c.Say("Webhook %s is installed. Read what changed before: syncer reconcile %s --full", "O webhook %s foi instalado. Leia o que mudou antes: syncer reconcile %s --full", h.ID, args[0])
			}
			return c.emit(h, func() { c.printf("%s\n", said) })
		}),
	}
}
