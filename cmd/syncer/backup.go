package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) backupCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copies the state while work goes on, into a file that only you may read (- for stdout)",
		Args:  exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if args[0] == "-" {
				return ops.Backup(ctx, c.stdout)
			}
			var size counter
			err := store(args[0], func(w io.Writer) error { return ops.Backup(ctx, io.MultiWriter(w, &size)) })
			if err != nil {
				return err
			}
			return c.emit(map[string]any{"file": args[0], "bytes": int64(size)}, func() { c.printf("%s: %s\n", args[0], c.Bytes(int64(size))) })
		}),
	}
}

// counter counts what is written to it.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}
