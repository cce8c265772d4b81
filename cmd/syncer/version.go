package main

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"syncer/internal/obs"
)

func (c *cli) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: c.Say("Prints the version", "Imprime a versão"),
		Args:  c.exactly(0),
		RunE: do(func(context.Context, []string) error {
			v := map[string]string{"version": obs.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return c.emit(v, func() { c.printf("syncer %s (%s, %s)\n", v["version"], v["go"], v["platform"]) })
		}),
	}
}
