package main

import (
	"fmt"
	"os"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/mapping"
)

// loadMapping reads the mapping file for commands that only look at it: secrets may be missing, remarks go to
// stderr.
func (c *cli) loadMapping() (config.Config, *mapping.Plan, error) {
	cfg, err := c.config()
	if err != nil {
		return cfg, nil, err
	}
	data, err := os.ReadFile(cfg.Mappings)
	if err != nil {
		return cfg, nil, &failure{2, try(fmt.Errorf(c.Say("the mapping file cannot be read: %w", "o arquivo de mapeamento não pode ser lido: %w"), err), c.Say("set SYNCER_MAPPINGS to where it is", "defina SYNCER_MAPPINGS com o caminho dele"))}
	}
	plan, remarks := mapping.Load(cfg.Mappings, data, c.mappingOptions())
	if plan == nil {
		return cfg, nil, &app.BadMapping{Diagnostics: remarks}
	}
	fmt.Fprint(c.stderr, remarks.String())
	return cfg, plan, nil
}

func (c *cli) mappingOptions() mapping.Options {
	return mapping.Options{Lookup: c.lookup, ReadFile: os.ReadFile, Lenient: true, Language: c.language()}
}
