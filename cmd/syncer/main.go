// Command syncer keeps contacts of Weni, OmniFlow and omnichannel in step with CRMs.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"syncer/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks to stop; from then on a second one ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, config.Environ(os.Environ())))
}

// run carries out one command line and returns the exit code: 0 when it was done, 1 when it failed, 2 when it
// was asked for wrongly or the configuration is wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ map[string]string) int {
	return newCLI(stdin, stdout, stderr, environ).execute(ctx, args)
}
