package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"syncer/internal/app"
)

func (c *cli) checkCmd() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: c.Say("Checks settings and mapping, and asks every source and target what they can and have", "Verifica configurações e mapeamento, e pergunta a cada fonte e destino o que podem e têm"),
		Args:  c.exactly(0),
		RunE: do(func(ctx context.Context, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			r, err := app.Check(ctx, c.appOptions(cfg), offline)
			if err != nil {
				return err
			}
			return c.report(r)
		}),
	}
	cmd.Flags().BoolVar(&offline, "offline", false, c.Say("look at the files only; secrets may be missing", "olha só os arquivos; segredos podem faltar"))
	return cmd
}

// report prints what a check found. A wrong mapping file is a matter of configuration, all else a failure.
func (c *cli) report(r app.CheckReport) error {
	err := c.emit(r, func() {
		c.printf("%s", r.Diagnostics.String())
		for _, l := range r.Lines {
			c.printf("%s %s: %s\n", c.level(l.Level), l.About, l.Text)
		}
	})
	switch {
	case err != nil || !r.Failed():
		return err
	case r.Diagnostics.HasErrors():
		return c.misuse("the mapping file cannot be used as it is", "o arquivo de mapeamento não pode ser usado como está")
	}
	return &failure{1, errors.New(c.Say("something must be put right first", "algo precisa ser corrigido antes"))}
}

func (c *cli) level(level string) string {
	switch level {
	case "ok":
		return c.paint("32", "✓")
	case "note":
		return "·"
	case "warning":
		return c.paint("33", "!")
	}
	return c.paint("31", "✗")
}
