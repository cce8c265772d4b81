package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"syncer/internal/mapping"
)

func (c *cli) testCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "test [FILES]",
		Short: c.Say("Maps the records of your test cases and compares what comes out (default: *.test.yaml beside the mapping)", "Mapeia os registros de seus casos de teste e compara o resultado (padrão: *.test.yaml ao lado do mapeamento)"),
		RunE: do(func(_ context.Context, files []string) error {
			cfg, plan, err := c.loadMapping()
			if err != nil {
				return err
			}
			if len(files) == 0 {
				if files = casesBeside(cfg.Mappings); len(files) == 0 {
					return try(c.misuse("there is no *.test.yaml beside %s", "não há *.test.yaml ao lado de %s", cfg.Mappings), "syncer test FILE")
				}
			}
			return c.test(plan, files)
		}),
	}
}

func casesBeside(mappings string) (files []string) {
	for _, pattern := range []string{"*.test.yaml", "*.test.yml"} {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(mappings), pattern)) // the pattern is right
		files = append(files, found...)
	}
	slices.Sort(files)
	return files
}

func (c *cli) test(plan *mapping.Plan, files []string) error {
	results := []mapping.CaseResult{}
	var wrong mapping.Diagnostics
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return &failure{2, err}
		}
		options := c.mappingOptions()
		options.ReadFile = func(path string) ([]byte, error) { // a case names files as they lie beside it
			if !filepath.IsAbs(path) {
				path = filepath.Join(filepath.Dir(name), path)
			}
			return os.ReadFile(path)
		}
		r, remarks := mapping.RunCases(plan, name, data, options)
		results, wrong = append(results, r...), append(wrong, remarks...)
	}
	fmt.Fprint(c.stderr, wrong.String())
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	err := c.emit(results, func() {
		for _, r := range results {
			if r.Passed {
				c.printf("%s %s\n", c.level("ok"), r.Name)
				continue
			}
			c.printf("%s %s  %s\n%s\n", c.level("error"), r.Name, c.paint("2", r.Position), indent(r.Diff))
		}
		c.printf(c.Say("%d passed, %d failed", "%d passaram, %d falharam")+"\n", len(results)-failed, failed)
	})
	switch {
	case err != nil:
		return err
	case wrong.HasErrors():
		return c.misuse("the cases cannot be used as they are", "os casos não podem ser usados como estão")
	case failed > 0:
		return fmt.Errorf(c.Say("%d of %d cases failed", "%d de %d casos falharam"), failed, len(results))
	}
	return nil
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}
