package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/state"
)

func (c *cli) planCmd() *cobra.Command {
	var save string
	var full bool
	var choose console.ApplyAsk
	cmd := &cobra.Command{
		Use:   "plan [SOURCE|RUN]",
		Short: c.Say("Shows what a run would do before it does it: every person, the sums, the calls and the time", "Mostra o que uma execução faria antes de fazer: cada pessoa, as somas, as chamadas e o tempo"),
		Long: c.Say("Shows what a held run would do. With a source, a run is made first and held whatever it finds.\n"+
			"Without either, the run that waits is shown.",
			"Mostra o que uma execução retida faria. Com uma fonte, uma execução é feita antes e retida, ache o que achar.\n"+
				"Sem nenhum dos dois, é mostrada a execução que aguarda."),
		Args: c.atMost(1),
		RunE: c.asking(true, func(ctx context.Context, ops console.Operations, args []string) error {
			if save != "" && choose.Limit > 0 {
				return c.misuse("--save keeps a plan that is applied as it stands; choose from it with --only, not with --limit", "--save guarda um plano que é aplicado como está; escolha dele com --only, não com --limit")
			}
			run, err := c.heldRun(ctx, ops, args, full)
			if err != nil {
				return err
			}
			return c.plan(ctx, ops, run, choose, save)
		}),
	}
	cmd.Flags().BoolVar(&full, "full", false, c.Say("with a source: read all records, and find those that are gone", "com uma fonte: lê todos os registros e acha os que sumiram"))
	cmd.Flags().StringVar(&save, "save", "", c.Say("keep the plan in `FILE`, which syncer apply FILE carries out exactly", "guarda o plano em `ARQUIVO`, que syncer apply ARQUIVO executa exatamente"))
	c.chooseFlags(cmd, &choose)
	return cmd
}

// heldRun finds the run to show, or makes one.
func (c *cli) heldRun(ctx context.Context, ops console.Operations, args []string, full bool) (state.Run, error) {
	s, err := c.statusOf(ctx, ops)
	if err != nil {
		return state.Run{}, err
	}
	if len(args) == 0 {
		return c.theHeldRun(s.Runs)
	}
	for _, source := range s.Sources {
		if source.Name == args[0] {
			ask := console.RunAsk{Source: source.Name, Kind: "changes", Hold: true}
			if full {
				ask.Kind = "full"
			}
			return c.carryOut(ctx, ops, ask)
		}
	}
	run, err := ops.RunState(ctx, args[0])
	if err != nil && unknown(err) {
		names := make([]string, len(s.Sources))
		for i := range s.Sources {
			names[i] = s.Sources[i].Name
		}
		return run, try(c.noSuch("run or source", "execução nem fonte", args[0], names), "syncer runs")
	}
	return run, err
}

// theHeldRun is the one run that waits.
func (c *cli) theHeldRun(runs []state.Run) (state.Run, error) {
	var held []state.Run
	for _, r := range runs {
		if r.State == "held" {
			held = append(held, r)
		}
	}
	switch len(held) {
	case 0:
		return state.Run{}, try(console.Errorf(console.NotFound, "%s", c.Say("no run waits", "nenhuma execução aguarda")), "syncer plan SOURCE")
	case 1:
		return held[0], nil
	}
	ids := make([]string, len(held))
	for i, r := range held {
		ids[i] = r.ID
	}
	return state.Run{}, c.misuse("several runs wait, name one: %s", "várias execuções aguardam, diga uma: %s", strings.Join(ids, " "))
}

func (c *cli) plan(ctx context.Context, ops console.Operations, run state.Run, choose console.ApplyAsk, save string) error {
	s, err := c.statusOf(ctx, ops)
	if err != nil {
		return err
	}
	if save != "" {
		rows, err := planRows(ctx, ops, run.ID, choose.Only, 0, true)
		if err != nil {
			return err
		}
		if err := newSavedPlan(run, rows, s, c.now()).save(save); err != nil {
			return err
		}
	}
	rows, err := planRows(ctx, ops, run.ID, choose.Only, choose.Limit, c.show)
	if err != nil {
		return err
	}
	return c.emit(newSavedPlan(run, rows, s, c.now()), func() {
		c.people(rows)
		if len(rows) > 0 {
			c.printf("\n")
		}
		c.summary(run, s.Targets, true)
		if save != "" {
			c.printf(c.Say("Saved for a day: syncer apply %s", "Guardado por um dia: syncer apply %s")+"\n", save)
		}
	})
}

// savedPlan is a plan as a file: what was seen is what is applied, or nothing.
type savedPlan struct {
	Format  int               `json:"format"`
	Made    time.Time         `json:"made"`
	Run     state.Run         `json:"run"`
	Mapping string            `json:"mapping"` // the hash under which it was made
	Places  map[string]string `json:"places"`  // what the targets' credentials opened
	People  []console.PlanRow `json:"people"`
}

const (
	planFormat = 1
	planLife   = 24 * time.Hour
)

func newSavedPlan(run state.Run, rows []console.PlanRow, s console.Status, now time.Time) *savedPlan {
	p := &savedPlan{Format: planFormat, Made: now.UTC(), Run: run, Mapping: s.Mapping.Hash, Places: map[string]string{}, People: rows}
	for _, t := range s.Targets {
		p.Places[t.Name] = t.Place
	}
	return p
}

func (p *savedPlan) save(path string) error {
	return store(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(p)
	})
}

// errForeignPlan says that a file holds something else, or what a later version saved.
var errForeignPlan = errors.New("its format is not known")

func readPlan(data []byte) (*savedPlan, error) {
	p := &savedPlan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, err
	}
	if p.Format != planFormat || p.Run.ID == "" {
		return nil, errForeignPlan
	}
	return p, nil
}

// fits says why the plan may no longer be applied; nil when it may. rows are the run as it stands.
func (p *savedPlan) fits(run state.Run, rows []console.PlanRow, s console.Status, now time.Time) error {
	switch {
	case now.Sub(p.Made) > planLife || p.Made.After(now.Add(time.Hour)):
		return fmt.Errorf("the plan was made %s; plans are good for a day", p.Made.Format(time.RFC3339))
	case p.Mapping != s.Mapping.Hash:
		return fmt.Errorf("the mapping file has changed since the plan was made")
	case run.State != "held":
		return fmt.Errorf("run %s is %s; only a held run can be applied", run.ID, run.State)
	}
	for _, t := range s.Targets {
		if was, ok := p.Places[t.Name]; ok && was != t.Place {
			return fmt.Errorf("the plan was made for %s at %q, which is %q now", t.Name, was, t.Place)
		}
	}
	type unit struct {
		target string
		person state.PersonID
	}
	current := map[unit][]byte{}
	for _, row := range rows {
		current[unit{row.Target, row.Person}] = rowBytes(row)
	}
	differ := 0
	for _, row := range p.People {
		if !bytes.Equal(current[unit{row.Target, row.Person}], rowBytes(row)) {
			differ++
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of the %d people have changed since the plan was made", differ, len(p.People))
	}
	return nil
}

func rowBytes(row console.PlanRow) []byte {
	data, _ := json.Marshal(row) // of texts and numbers; it cannot fail
	return data
}
