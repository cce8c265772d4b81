package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) applyCmd() *cobra.Command {
	var choose console.ApplyAsk
	cmd := &cobra.Command{
		Use:   "apply RUN|FILE",
		Short: c.Say("Carries out a held run, or exactly the plan that a file holds", "Executa uma execução retida, ou exatamente o plano que um arquivo guarda"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			run := args[0]
			if info, err := os.Stat(run); err == nil && info.Mode().IsRegular() {
				if len(choose.Only) > 0 || choose.Limit > 0 {
					return c.misuse("a saved plan is applied as it stands; save another one with `syncer plan --only`", "um plano guardado é aplicado como está; guarde outro com `syncer plan --only`")
				}
				if run, choose, err = c.planFile(ctx, ops, run); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
			}
			done, err := ops.Apply(ctx, run, choose)
			if err != nil {
				return err
			}
			said := c.Say("%s on the way to the targets; `syncer status` shows how far", "%s a caminho dos destinos; `syncer status` mostra o andamento",
				c.Count(done.People, "person", "people", "pessoa", "pessoas"))
			return c.emit(map[string]any{"run": run, "people": done.People, "moved": done.Moved}, func() {
				c.printf("%s.\n", said)
				if len(done.Moved) > 0 {
					c.printf("%s\n", c.Say("Left out, because something changed since the plan was made:", "Ficaram de fora, porque algo mudou desde que o plano foi feito:"))
					c.people(done.Moved)
				}
			})
		}),
	}
	c.chooseFlags(cmd, &choose)
	return cmd
}

// planFile reads a saved plan and makes sure that applying the run does what stands in it, no more and no less.
func (c *cli) planFile(ctx context.Context, ops console.Operations, path string) (string, console.ApplyAsk, error) {
	var none console.ApplyAsk
	data, err := os.ReadFile(path)
	if err != nil {
		return "", none, err
	}
	p, err := readPlan(data)
	if err != nil {
		return "", none, fmt.Errorf(c.Say("it is not a plan that this version of `syncer plan --save` made: %w", "não é um plano feito por esta versão de `syncer plan --save`: %w"), err)
	}
	again := fmt.Sprintf("syncer plan %s --save %s", p.Run.ID, path)
	s, err := c.statusOf(ctx, ops)
	if err != nil {
		return "", none, err
	}
	run, err := ops.RunState(ctx, p.Run.ID)
	if err != nil {
		return "", none, err
	}
	rows, err := planRows(ctx, ops, run.ID, nil, 0, true)
	if err != nil {
		return "", none, err
	}
	if err := p.fits(run, rows, s, c.now()); err != nil {
		return "", none, try(errors.New(c.Told(err.Error())), again)
	}
	if len(p.People) == 0 {
		return "", none, errors.New(c.Say("there is nobody in the plan", "não há ninguém no plano"))
	}
	if len(p.People) == len(rows) {
		return run.ID, none, nil
	}
	var only []string
	for _, row := range p.People {
		only = append(only, row.Records...)
	}
	slices.Sort(only)
	only = slices.Compact(only)
	chosen, err := planRows(ctx, ops, run.ID, only, 0, false)
	if err != nil {
		return "", none, err
	}
	if len(chosen) != len(p.People) {
		return "", none, try(errors.New(c.Say("others have joined the people of the plan since it was made", "outros se juntaram às pessoas do plano desde que foi feito")), again)
	}
	return run.ID, console.ApplyAsk{Only: only}, nil
}
