package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/contact"
	"syncer/internal/mapping"
)

func (c *cli) mapCmd() *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use:   "map FILE",
		Short: c.Say("Shows which contacts the mapping makes of a record or webhook (- for stdin); needs no secrets", "Mostra que contatos o mapeamento faz de um registro ou webhook (- para stdin); dispensa segredos"),
		Long: c.Say("Shows which contacts the mapping makes of a record, of a webhook's body, or of a list of records.\n"+
			"Names that only a source's API knows, such as those of Pipedrive's custom fields, are asked for when its\n"+
			"credentials are set.",
			"Mostra que contatos o mapeamento faz de um registro, do corpo de um webhook ou de uma lista de registros.\n"+
				"Nomes que só a API de uma fonte conhece, como os dos campos personalizados do Pipedrive, são pedidos a ela quando\n"+
				"suas credenciais estão definidas."),
		Args: c.exactly(1),
		RunE: do(func(ctx context.Context, args []string) error {
			cfg, plan, err := c.loadMapping()
			if err != nil {
				return err
			}
			data, err := c.read(args[0])
			if err != nil {
				return &failure{2, err}
			}
			spec, err := c.theSource(plan, source)
			if err != nil {
				return err
			}
			contacts, err := c.mapAll(ctx, cfg, plan, spec, data)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return c.emit(contacts, func() { c.contacts(contacts) })
		}),
	}
	cmd.Flags().StringVar(&source, "source", "", c.Say("the source that it comes from; needed when there are several", "a fonte de que vem; necessária quando há várias"))
	return cmd
}

// read reads a file, or stdin for "-".
func (c *cli) read(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.stdin)
	}
	return os.ReadFile(name)
}

// theSource is the named source, or the only one.
func (c *cli) theSource(plan *mapping.Plan, name string) (mapping.Source, error) {
	var names []string
	for _, s := range plan.Sources {
		if s.Name == name || name == "" && len(plan.Sources) == 1 {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if name == "" {
		return mapping.Source{}, c.misuse("say --source; there are: %s", "diga --source; há: %s", strings.Join(names, ", "))
	}
	return mapping.Source{}, c.noSuch("source", "fonte", name, names)
}

// mappedContact is one contact that came out, ready to be shown.
type mappedContact struct {
	Record   int               `json:"record"` // which record of the file, from 1
	Mapping  string            `json:"mapping"`
	Part     string            `json:"part,omitempty"`
	Targets  []string          `json:"targets"`
	Leaving  bool              `json:"leaving,omitempty"`
	Says     []contact.Step    `json:"says"`
	Problems []contact.Problem `json:"problems,omitempty"`
}

func (c *cli) mapAll(ctx context.Context, cfg config.Config, plan *mapping.Plan, spec mapping.Source, data []byte) ([]mappedContact, error) {
	records, note, err := app.Records(ctx, c.appOptions(cfg), plan, spec, data)
	if err != nil {
		return nil, err
	}
	if note != "" {
		fmt.Fprintln(c.stderr, note)
	}
	out := []mappedContact{}
	for i, record := range records {
		for _, x := range plan.Map(spec.Name, record, c.now()) {
			m := mappedContact{Record: i + 1, Mapping: x.Mapping, Part: x.Part, Targets: x.Targets, Leaving: x.Leaving, Problems: x.Problems}
			m.Says = c.says(x)
			out = append(out, m)
		}
	}
	if note != "" { // under their codes names are missing that the records may have
		for i := range records {
			records[i] = maps.Clone(records[i])
			records[i]["custom_fields"] = nil
		}
	}
	fmt.Fprint(c.stderr, plan.Unseen(spec.Name, records).String())
	return out, nil
}

// says lists what a contact states, masked unless it may be shown.
func (c *cli) says(x contact.Contact) (out []contact.Step) {
	add := func(attr, value string) {
		if value != "" && !c.show {
			value = contact.MaskText(value)
		}
		out = append(out, contact.Step{Attr: attr, New: value})
	}
	for i, p := range x.Phones {
		number := p.Digits
		if !c.show {
			number = contact.MaskDigits(number)
		}
		out = append(out, contact.Step{Attr: fmt.Sprintf("phones.%d", i+1), New: fmt.Sprintf("+%s (%s)", number, p.Line)})
	}
	for i, e := range x.Emails {
		add(fmt.Sprintf("emails.%d", i+1), e)
	}
	switch x.OptOut {
	case contact.Yes:
		out = append(out, contact.Step{Attr: "opt_out", New: c.Say("yes", "sim")})
	case contact.No:
		out = append(out, contact.Step{Attr: "opt_out", New: c.Say("no", "não")})
	}
	attributes := func(prefix string, a contact.Attributes) {
		for _, said := range []struct {
			attr string
			contact.Attr
		}{{"name", a.Name}, {"language", a.Language}} {
			if said.State != contact.Absent {
				add(prefix+said.attr, said.Value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
			word := map[bool]string{true: c.Say("yes", "sim"), false: c.Say("no", "não")}[a.Labels[name]]
			out = append(out, contact.Step{Attr: prefix + "labels." + name, New: word})
		}
		for _, key := range slices.Sorted(maps.Keys(a.Fields)) {
			if f := a.Fields[key]; f.State != contact.Absent {
				add(prefix+"fields."+key, f.Value)
			}
		}
	}
	attributes("", x.Attributes)
	for _, target := range slices.Sorted(maps.Keys(x.Only)) {
		attributes(target+": ", x.Only[target])
	}
	return out
}

func (c *cli) contacts(list []mappedContact) {
	if len(list) == 0 {
		c.printf("%s\n", c.Say("No mapping makes a contact of it.", "Nenhum mapeamento faz um contato disto."))
	}
	for _, x := range list {
		leaving := ""
		if x.Leaving {
			leaving = c.Say("leaving: the record does not stand for it", "de saída: o registro não o representa")
		}
		c.printf("%s  %s\n", c.paint("1", fmt.Sprintf("%d %s", x.Record, x.Mapping)), strings.Join(nonempty(x.Part, "→ "+strings.Join(x.Targets, ", "), leaving), " · "))
		t := c.table(c.Say("Attribute", "Atributo"), c.Say("Value", "Valor"))
		for _, s := range x.Says {
			t.row(s.Attr, value(s.New))
		}
		if len(x.Says) > 0 {
			t.print()
		}
		for _, p := range x.Problems {
			mark := c.level("warning")
			if p.Fatal {
				mark = c.level("error")
			}
			c.printf("%s %s: %s%s\n", mark, p.Attr, p.Message, parenthesis(p.Where))
		}
		c.printf("\n")
	}
}
