package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/console"
)

// healthTimeout is less than supervisors usually give a health check.
const healthTimeout = 3 * time.Second

func (c *cli) healthCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: c.Say("Asks the daemon on this machine whether it can accept webhooks, for container health checks", "Pergunta ao daemon desta máquina se ele pode aceitar webhooks, para verificações de contêineres"),
		Args:  c.exactly(0),
		RunE: do(func(ctx context.Context, _ []string) error {
			cfg, err := c.config()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, healthTimeout)
			defer cancel()
			if err := c.healthy(ctx, console.BaseURL(cfg.Listen)); err != nil {
				return err
			}
			return c.done(nil, c.Say("ready", "pronto"))
		}),
	}
}

func (c *cli) healthy(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return err
	}
	direct := &http.Client{Transport: &http.Transport{}} // a proxy is for others
	res, err := direct.Do(req)
	if err != nil {
		return &console.Unreachable{Base: base, Err: errors.Unwrap(err)}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(c.Say("%s is not ready: %s", "%s não está pronto: %s", base, res.Status))
	}
	return nil
}
