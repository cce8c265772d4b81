package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/obs"
)

func (c *cli) serveCmd() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: c.Say("Runs the daemon: receives webhooks, reads sources on their schedules, writes to the targets", "Roda o daemon: recebe webhooks, lê as fontes em seus horários, escreve nos destinos"),
		Long: c.Say("Runs the daemon until SIGTERM or SIGINT. SIGHUP reads the mapping file again.\n"+
			"With --dry-run everything is received, mapped and compared, and nothing is written to any target.",
			"Roda o daemon até SIGTERM ou SIGINT. SIGHUP lê o arquivo de mapeamento de novo.\n"+
				"Com --dry-run tudo é recebido, mapeado e comparado, e nada é escrito em destino algum."),
		Args: c.exactly(0),
		RunE: do(func(ctx context.Context, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			o := c.appOptions(cfg)
			o.DryRun = dryRun
			return c.serve(ctx, cfg, o)
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, c.Say("write to no target", "não escreve em destino algum"))
	return cmd
}

func (c *cli) serve(ctx context.Context, cfg config.Config, o app.Options) error {
	o.Secrets = &obs.Secrets{}
	o.Secrets.Add(cfg.AdminToken)
	var err error
	if o.Logger, err = obs.NewLogger(c.stderr, cfg.LogLevel, cfg.LogFormat, o.Secrets); err != nil {
		return &failure{2, err}
	}
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	stop := reloadOn(ctx, syscall.SIGHUP, a, o.Logger)
	defer stop()
	mode := ""
	if o.DryRun {
		mode = c.Say(" (dry run: nothing is written)", " (ensaio: nada é escrito)")
	}
	c.printf("syncer %s: %s http://%s/hooks/ · %s http://%s/%s\n", obs.Version(), c.Say("webhooks at", "webhooks em"), a.Addr(), c.Say("console at", "console em"), a.AdminAddr(), mode)
	notify(c.environ["NOTIFY_SOCKET"], "READY=1", o.Logger)
	context.AfterFunc(ctx, func() { notify(c.environ["NOTIFY_SOCKET"], "STOPPING=1", o.Logger) })
	return a.Run(ctx)
}

// reloadOn reads the mapping file again whenever the signal comes, until the returned function is called.
func reloadOn(ctx context.Context, sig os.Signal, a *app.App, log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, sig)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				if r, err := a.Reload(ctx); err == nil { // a mistake in the file is in the log already
					log.Info(r.Message, "hash", r.Hash)
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}

// notify tells systemd how far the service is, where it asked to be told.
func notify(socket, state string, log *slog.Logger) {
	if socket == "" {
		return
	}
	conn, err := net.Dial("unixgram", socket) //nolint:noctx // a datagram socket is connected at once or not at all
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close()
	}
	if err != nil {
		log.Warn("systemd could not be told", "state", state, "error", err)
	}
}
