// Package house is the real binary as a process, with all that it needs around it: the shop's list and the simulator
// of Weni, which this process serves on loopback, and a state file in which every customer has long been delivered.
package house

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/bench/shop"
	"syncer/bench/steady"
	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state/bolt"
)

// House is one installation.
type House struct {
	Bin, State string
	Weni       *rapidpro.Server
	List       *shop.List
	Syncer     *lab.Process // nil while none runs
	URL, Admin string
	Console    *console.Client

	env     lab.Env
	servers []*http.Server
	serving sync.WaitGroup
}

// Build compiles the binary, and makes the house in a folder, with so many customers.
func Build(ctx context.Context, dir string, people int) (*House, error) {
	h := &House{State: filepath.Join(dir, "syncer.db"), Weni: rapidpro.New(rapidpro.Options{}), List: shop.NewList(people)}
	err := h.build(ctx, dir, people)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *House) build(ctx context.Context, dir string, people int) (err error) {
	if h.Bin, err = lab.Build(ctx, dir); err != nil {
		return err
	}
	weni, err := h.serve(ctx, h.Weni)
	if err != nil {
		return err
	}
	list, err := h.serve(ctx, h.List)
	if err != nil {
		return err
	}
	mappings := filepath.Join(dir, "mappings.yaml")
	if err := os.WriteFile(mappings, fmt.Appendf(nil, shop.Mapping, list, weni, h.Weni.Token()), 0o600); err != nil {
		return err
	}
	listen, err := lab.FreeAddr()
	if err != nil {
		return err
	}
	admin, err := lab.FreeAddr()
	if err != nil {
		return err
	}
	h.URL, h.Admin = "http://"+listen, "http://"+admin
	h.Console = &console.Client{Base: h.Admin}
	h.env = lab.Env{"LANG": "en", "SYNCER_MAPPINGS": mappings, "SYNCER_STATE": "bolt:" + h.State, "SYNCER_LISTEN": listen, "SYNCER_ADMIN_LISTEN": admin,
		"SYNCER_PUBLIC_URL": h.URL, "SYNCER_LOG_LEVEL": "warn"}
	return h.fill(ctx, people)
}

func (h *House) serve(ctx context.Context, handler http.Handler) (address string, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	h.servers = append(h.servers, s)
	h.serving.Go(func() { _ = s.Serve(ln) })
	return "http://" + ln.Addr().String(), nil
}

// fill makes everybody known on both sides.
func (h *House) fill(ctx context.Context, people int) error {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		return err
	}
	labels, fields := plan.Managed("weni")
	for _, name := range append(labels, plan.Retired("weni")...) {
		if _, err := h.Weni.AddGroup(name, ""); err != nil {
			return err
		}
	}
	fields["optout"] = contact.Field{Type: contact.TextField}
	for key, f := range fields {
		if _, err := h.Weni.AddField(strings.ReplaceAll(key, "_", " "), string(f.Type)); err != nil {
			return err
		}
	}
	if !slices.Contains(labels, "Opt-out") {
		if _, err := h.Weni.AddGroup("Opt-out", ""); err != nil {
			return err
		}
	}
	store, err := bolt.Open(h.State, bolt.Options{})
	if err != nil {
		return err
	}
	return errors.Join(steady.Fill(ctx, store, steady.Options{People: people, Now: time.Now().Add(-time.Hour), Make: h.make}), store.Close())
}

// make makes a contact as it is to be found.
func (h *House) make(o contact.Observed) (string, error) {
	urns := make([]string, len(o.URNs))
	for i, u := range o.URNs {
		urns[i] = string(u)
	}
	return h.Weni.AddContact(rapidpro.NewContact{Name: o.Name, Language: o.Language, URNs: urns, Groups: o.Labels, Fields: o.Fields})
}

// Start starts syncer and returns how long it took until a webhook would have been accepted.
func (h *House) Start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	p, err := lab.Start(h.Bin, h.env, "serve")
	if err != nil {
		return 0, err
	}
	h.Syncer = p
	for time.Since(began) < time.Minute {
		select {
		case <-p.Ended():
			return 0, fmt.Errorf("syncer ended with %d:\n%s", p.Code(), p.Stderr())
		case <-time.After(time.Millisecond):
		}
		if lab.Do(ctx, http.MethodGet, h.URL+"/readyz", nil, nil, nil) == nil {
			return time.Since(began), nil
		}
	}
	return 0, errors.New("syncer is not ready within a minute")
}

// Stop ends syncer as a supervisor does.
func (h *House) Stop() error {
	p := h.Syncer
	if p == nil {
		return nil
	}
	h.Syncer = nil
	code, err := p.Stop(30 * time.Second)
	if err == nil && code != 0 {
		err = fmt.Errorf("syncer ended with %d:\n%s", code, p.Stderr())
	}
	return err
}

// Close ends everything.
func (h *House) Close() error {
	err := h.Stop()
	for _, s := range h.servers {
		err = errors.Join(err, s.Close())
	}
	h.serving.Wait()
	return err
}
