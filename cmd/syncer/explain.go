package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/contact"
)

func (c *cli) explainCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "explain KEY|URN",
		Short: c.Say("Why a contact looks the way it does: records, contacts, consent and history of one person", "Por que um contato é como é: registros, contatos, consentimento e história de uma pessoa"),
		Example: "  syncer explain crm/4821\n" +
			"  syncer explain whatsapp:5584990000101\n" +
			"  syncer explain '+55 84 99000-0101' --show",
		Args: c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			e, err := ops.Explain(ctx, args[0], c.show)
			if err != nil {
				return err
			}
			return c.emit(e, func() { c.explanation(e) })
		}),
	}
}

func (c *cli) explanation(e console.Explanation) {
	c.Words = c.At(e.Zone)
	now := c.now()
	c.printf("%s %d\n", c.Say("Person", "Pessoa"), e.Person)
	for _, n := range e.Notes {
		c.printf("%s\n", n)
	}
	for _, p := range e.Others {
		c.printf(c.Say("The record also stands for person/%d.", "O registro também representa person/%d.")+"\n", p)
	}
	c.title(c.Say("What the sources say", "O que dizem as fontes"))
	for _, r := range e.Records {
		c.printf("%s  %s\n", c.paint("1", r.Key), strings.Join(nonempty(r.State, c.Ago(r.Arrived, now)), " · "))
		for _, s := range r.Says {
			by := strings.Join(nonempty(c.Kept(s.Kept), strings.TrimSuffix(s.Mapping+"/"+s.Part, "/"), s.Target), ", ")
			c.printf("    %s: %s  %s\n", s.Attr, value(s.New), c.paint("2", "("+by+")"))
		}
		for _, p := range r.Problems {
			c.printf("    %s %s: %s%s\n", c.paint("31", "!"), p.Attr, p.Message, parenthesis(p.Where))
		}
	}
	c.title(c.Say("What the targets have", "O que têm os destinos"))
	for _, t := range e.Targets {
		how := ""
		if t.Contact != "" {
			how = c.How(t.How)
		}
		due := ""
		if !t.Due.IsZero() {
			due = c.Ago(t.Due, now)
		}
		c.printf("%s  %s\n", c.paint("1", t.Target), strings.Join(nonempty(t.Contact, how, t.State, due), " · "))
		c.steps(t.Pending)
	}
	if len(e.Consent) > 0 {
		c.title(c.Say("Consent", "Consentimento"))
		for _, origin := range slices.Sorted(maps.Keys(e.Consent)) {
			says := c.Say("accepts messages", "aceita mensagens")
			if e.Consent[origin] {
				says = c.Say("refuses messages", "recusa mensagens")
			}
			c.printf("%s: %s\n", origin, says)
		}
	}
	c.title(c.Say("Journal", "Diário"))
	if e.Zone != "" {
		c.printf("%s\n", c.paint("2", c.Say("times of %s", "horários de %s", e.Zone)))
	}
	for _, j := range e.Journal {
		record := ""
		if j.Record != nil {
			record = j.Record.String()
		}
		calls := ""
		if j.Calls > 0 {
			calls = c.Count(j.Calls, "call", "calls", "chamada", "chamadas")
		}
		c.printf("%s  %s\n", c.Clock(contact.FromMicros(j.At), now), strings.Join(nonempty(c.Entry(j.What), j.Target, record, j.Run, calls, c.Told(j.Text)), " · "))
		c.steps(j.Steps)
	}
}

func nonempty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
