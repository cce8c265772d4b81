package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/console"
	"syncer/internal/contact"
)

// openDoor asks the daemon first. When none answers, the state file is opened instead: its lock keeps a daemon
// that listens elsewhere from being disturbed. fresh says that a new state may be begun.
func (c *cli) openDoor(ctx context.Context, fresh bool) (console.Operations, func() error, error) {
	cfg, err := c.config()
	if err != nil {
		return nil, nil, err
	}
	client := &console.Client{Base: console.BaseURL(cfg.AdminListen), Token: cfg.AdminToken}
	_, err = client.Ping(ctx)
	var nobody *console.Unreachable
	switch {
	case err == nil:
		return client, func() error { return nil }, nil
	case console.KindOf(err) == console.Unauthorized:
		return nil, nil, try(errors.New(c.Say("the syncer at %s asks for its admin token", "o syncer em %s pede seu token de administração", client.Base)), c.Say("set SYNCER_ADMIN_TOKEN, or SYNCER_ADMIN_TOKEN_FILE, to the daemon's", "defina SYNCER_ADMIN_TOKEN, ou SYNCER_ADMIN_TOKEN_FILE, como os do daemon"))
	case !errors.As(err, &nobody):
		return nil, nil, err
	}
	path, _, err := cfg.StateFile()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !fresh {
		return nil, nil, try(fmt.Errorf(c.Say("%w, and there is no state at %s", "%w, e não há estado em %s"), nobody, path), c.Say("syncer serve, or set SYNCER_ADMIN_LISTEN and SYNCER_STATE as the daemon has them", "syncer serve, ou defina SYNCER_ADMIN_LISTEN e SYNCER_STATE como no daemon"))
	}
	a, err := app.Offline(ctx, c.appOptions(cfg))
	if err != nil {
		return nil, nil, fmt.Errorf(c.Say("%w; so the state was to be opened instead: %w", "%w; por isso o estado seria aberto: %w"), nobody, err)
	}
	if c.chatty {
		fmt.Fprintln(c.stderr, c.Say("No daemon runs; working on %s.", "Nenhum daemon em execução; trabalhando em %s.", path))
	}
	return a, a.Close, nil
}

// unknown reports whether an error says that there is no such thing.
func unknown(err error) bool {
	kind := console.KindOf(err)
	return kind == console.NotFound || kind == string(contact.Invalid)
}

// appOptions are what everything that works without a daemon is made of.
func (c *cli) appOptions(cfg config.Config) app.Options {
	return app.Options{Config: cfg, Lookup: c.lookup, ReadFile: os.ReadFile, Language: c.language()}
}
