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
		Short: c.Say("Writes what cannot be rebuilt if the state is lost: consent, erasures, what was last written (- for stdout)", "Escreve o que não se refaz se o estado se perder: consentimento, exclusões, o que foi escrito por último (- para stdout)"),
		Long: c.Say("Writes what cannot be found again from sources and targets when the state is lost: what people said about being\n"+
			"written to, whom syncer must not make again, and for every contact what syncer wrote last. It holds numbers of people.",
			"Escreve o que não se acha de novo nas fontes e nos destinos quando o estado se perde: o que pessoas disseram sobre\n"+
				"receber mensagens, quem o syncer não deve fazer de novo e, de cada contato, o que o syncer escreveu por último.\n"+
				"Contém números de pessoas."),
		Args: c.exactly(1),
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
		Short: c.Say("Reads an export into a new state, before its first run", "Lê uma exportação em um estado novo, antes de sua primeira execução"),
		Args:  c.exactly(1),
		RunE: c.asking(true, func(ctx context.Context, ops console.Operations, args []string) error {
			a, ok := ops.(*app.App)
			if !ok {
				return c.misuse("a daemon is running; stop it, import, and start it again", "há um daemon em execução; pare-o, importe e inicie-o de novo")
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
