package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"syncer/internal/app"
	"syncer/internal/console"
)

func (c *cli) exportCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE",
		Short: "Writes what cannot be rebuilt if the state is lost: consent, erasures, what was last written (- for stdout)",
		Long: "Writes what cannot be found again from sources and targets when the state is lost: what people said about being\n" +
			"written to, whom syncer must not make again, and for every contact what syncer wrote last. It holds numbers of people.",
		Args: exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if args[0] == "-" {
				return ops.Export(ctx, c.stdout)
			}
			var size counter
			if err := store(args[0], func(w io.Writer) error { return ops.Export(ctx, io.MultiWriter(w, &size)) }); err != nil {
				return err
			}
			return c.emit(map[string]any{"file": args[0], "bytes": int64(size)}, func() { c.printf("%s: %s\n", args[0], c.Bytes(int64(size))) })
		}),
	}
}

func (c *cli) importCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Reads an export into a new state, before its first run",
		Args:  exactly(1),
		RunE: c.asking(true, func(ctx context.Context, ops console.Operations, args []string) error {
			a, ok := ops.(*app.App)
			if !ok {
				return misuse("a daemon is running; stop it, import, and start it again")
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			n, err := a.Import(ctx, f)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return c.emit(map[string]any{"lines": n}, func() {
				c.printf("%s\n", c.Count(n, "line was taken over", "lines were taken over", "linha foi aproveitada", "linhas foram aproveitadas"))
			})
		}),
	}
}
