package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/sandbox"
	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

// sandboxFlags are the flags of all simulators together.
type sandboxFlags struct {
	listen, token, flavour          string
	setup                           []string
	perHour, people                 int
	webhook, webhookUser, webhookPw string
}

// simulator is one of them, ready to serve.
type simulator struct {
	http.Handler
	token string
	notes []string // what else a client must know
	close func()
}

func (c *cli) sandboxCmd() *cobra.Command {
	f := sandboxFlags{}
	simulators := []string{"weni", "pipedrive", "omniflow", "omnichannel"}
	cmd := &cobra.Command{
		Use:   "sandbox KIND",
		Short: c.Say("Runs a simulator of weni, pipedrive, omniflow or omnichannel, for tests and trials", "Roda um simulador de weni, pipedrive, omniflow ou omnichannel, para testes e ensaios"),
		Long: c.Say("Runs a simulator in memory: weni, pipedrive, omniflow or omnichannel. Nothing leaves this machine.\n"+
			"Its clock, faults, journal and counts are controlled under %s.",
			"Roda um simulador na memória: weni, pipedrive, omniflow ou omnichannel. Nada sai desta máquina.\n"+
				"Seu relógio, falhas, diário e contagens são controlados sob %s.", sandbox.Prefix),
		Example: "  syncer sandbox weni --listen 127.0.0.1:9001 --per-hour 2500 --people 300\n" +
			"  syncer sandbox pipedrive --webhook http://127.0.0.1:8080/hooks/crm --webhook-user crm --webhook-password secret",
		ValidArgs: simulators,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !slices.Contains(simulators, args[0]) {
				return errors.New(c.Say("there is no simulator of %q, only of %s", "não há simulador de %q, só de %s", args[0], strings.Join(simulators, ", ")))
			}
			return c.exactly(1)(cmd, args)
		},
		RunE: do(func(ctx context.Context, args []string) error {
			s, err := simulate(args[0], f)
			if err != nil {
				return &failure{2, err}
			}
			defer s.close()
			return c.serveSandbox(ctx, args[0], f.listen, s)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9000", c.Say("the address to listen on", "o endereço em que escuta"))
	flags.StringVar(&f.token, "token", "", c.Say("the API token (default: one of its own)", "o token da API (padrão: um próprio)"))
	flags.IntVar(&f.people, "people", 0, c.Say("weni, pipedrive: how many invented people there are", "weni, pipedrive: quantas pessoas inventadas há"))
	flags.IntVar(&f.perHour, "per-hour", 0, c.Say("weni: calls an hour in each scope (default: no limit)", "weni: chamadas por hora em cada escopo (padrão: sem limite)"))
	flags.StringSliceVar(&f.setup, "setup", nil, c.Say("weni: prepared states: ", "weni: estados preparados: ")+strings.Join(rapidpro.Setups(), ", "))
	flags.StringVar(&f.flavour, "flavour", string(rapidpro.Weni), c.Say("weni: which line of the software: ", "weni: qual linha do software: ")+flavours())
	flags.StringVar(&f.webhook, "webhook", "", c.Say("pipedrive: where it delivers", "pipedrive: onde entrega"))
	flags.StringVar(&f.webhookUser, "webhook-user", "", c.Say("pipedrive: user name of the deliveries", "pipedrive: nome de usuário das entregas"))
	flags.StringVar(&f.webhookPw, "webhook-password", "", c.Say("pipedrive: password of the deliveries", "pipedrive: senha das entregas"))
	return cmd
}

func flavours() string {
	var names []string
	for _, f := range rapidpro.Flavours() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func simulate(kind string, f sandboxFlags) (*simulator, error) {
	switch kind {
	case "weni":
		o := rapidpro.Options{Token: f.token, Setup: f.setup, PerHour: f.perHour, Flavour: rapidpro.Flavour(f.flavour)}
		if err := o.Check(); err != nil {
			return nil, err
		}
		s := rapidpro.New(o)
		_, err := s.Seed(f.people)
		return &simulator{s, s.Token(), nil, func() {}}, err
	case "pipedrive":
		s := pipedrive.New(pipedrive.Options{Token: f.token})
		s.Seed(f.people)
		var notes []string
		if f.webhook != "" {
			s.Subscribe(f.webhook, f.webhookUser, f.webhookPw, "2.0")
			notes = append(notes, "webhooks go to "+f.webhook)
		}
		return &simulator{s, s.Token(), notes, s.Close}, nil
	case "omniflow":
		s := omniflow.New(omniflow.Options{Token: f.token})
		return &simulator{s, s.Token(), nil, func() {}}, nil
	default:
		s := omnichannel.New(omnichannel.Options{Token: f.token})
		return &simulator{s, s.Token(), []string{"clientIdentifier " + s.Client()}, func() {}}, nil
	}
}

func (c *cli) serveSandbox(ctx context.Context, kind, listen string, s *simulator) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	base := "http://" + ln.Addr().String()
	if err := c.emit(map[string]any{"kind": kind, "url": base, "token": s.token, "notes": s.notes}, func() {
		c.printf("%s sandbox at %s · token %s · control at %s%s\n", kind, base, s.token, base, sandbox.Prefix)
		for _, n := range s.notes {
			c.printf("%s\n", n)
		}
	}); err != nil {
		return err
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)} // faults break connections on purpose
	context.AfterFunc(ctx, func() {
		_ = srv.Close() // what is under way in a simulator is nobody's loss
	})
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf(c.Say("the sandbox ended: %w", "o simulador terminou: %w"), err)
	}
	return nil
}
