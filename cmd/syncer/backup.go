package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

func (c *cli) backupCmd() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: c.Say("Copies the state while work goes on, into a file that only you may read (- for stdout)", "Copia o estado sem parar o trabalho, para um arquivo que só você pode ler (- para stdout)"),
		Args:  c.exactly(1),
		RunE: c.ask(func(ctx context.Context, ops console.Operations, args []string) error {
			if args[0] == "-" {
				return ops.Backup(ctx, c.stdout)
			}
			if _, err := os.Lstat(args[0]); err == nil && !force {
				return try(c.misuse("%s exists already", "%s já existe", args[0]), "syncer backup "+args[0]+" --force")
			}
			var size counter
			err := store(args[0], func(w io.Writer) error { return ops.Backup(ctx, io.MultiWriter(w, &size)) })
			if err != nil {
				return err
			}
			return c.emit(map[string]any{"file": args[0], "bytes": int64(size)}, func() { c.printf("%s: %s\n", args[0], c.Bytes(int64(size))) })
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, c.Say("write over a file that exists", "escreve por cima de um arquivo que existe"))
	return cmd
}

// counter counts what is written to it.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}
