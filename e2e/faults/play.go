package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
	"syncer/internal/sandbox/pipedrive"
)

// plan says which cells are played, with which binary, and where.
type plan struct {
	bin, dir, keep string
	choose         func(column, fault string) bool
}

// group is a syncer and the cells that it serves.
type group struct {
	name  string
	cells []*cell
	heavy bool
}

// play carries out all cells: nearly all of it is waiting, so that all groups run at once.
func play(ctx context.Context, p plan) ([]result, error) {
	t, err := newTrap()
	if err != nil {
		return nil, err
	}
	defer t.close()
	var mu sync.Mutex
	var results []result
	var errs []error
	var running sync.WaitGroup
	groups := p.groups(t)
	for i, g := range groups {
		running.Go(func() {
			time.Sleep(time.Duration(i) * 300 * time.Millisecond) // not all processes start at once
			got, err := p.playGroup(ctx, g)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, got...)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", g.name, err))
			}
		})
	}
	running.Wait()
	if found := t.found(); len(found) > 0 {
		errs = append(errs, fmt.Errorf("syncer called a server that is none of its own: %s", strings.Join(found, ", ")))
	}
	order := map[string]int{}
	for i, f := range matrix(t) {
		order[f.name] = i
	}
	slices.SortStableFunc(results, func(a, b result) int {
		if a.column != b.column {
			return slices.Index(columns, a.column) - slices.Index(columns, b.column)
		}
		return order[a.fault] - order[b.fault]
	})
	return results, errors.Join(errs...)
}

// groups are the cells, by the syncer that serves them. A run looks at every target of its syncer and there is one
// operator to tell, so that cells of those columns have a syncer each.
func (p plan) groups(t *trap) (out []*group) {
	for _, column := range columns {
		var common, heavy *group
		for i, f := range matrix(t) {
			if len(f.on) > 0 && !slices.Contains(f.on, column) || !p.choose(column, f.name) {
				continue
			}
			c := &cell{column: column, n: i + 1, f: f}
			into := &common
			switch {
			case column == mirror && !wanted(f), column == operator && strings.HasPrefix(f.name, "20"):
				continue
			case column == mirror, column == operator:
				out = append(out, &group{name: column + "/" + f.name, cells: []*cell{c}, heavy: f.heavy})
				continue
			case f.heavy:
				into = &heavy
			}
			if *into == nil {
				*into = &group{name: column, heavy: f.heavy}
				out = append(out, *into)
			}
			(*into).cells = append((*into).cells, c)
		}
	}
	return out
}

// wanted are the faults that mean something else to a list than to a delivery.
func wanted(f fault) bool {
	return f.on != nil || f.heavy || slices.Contains([]string{"latency 1.5 s", "reset after it was carried out", "half-open: answers vanish", "down", "401", "404 HTML", "404 JSON",
		"429, Retry-After 3", "500 HTML", "JSON cut in half", "200 with {}", "200 with null", "302 to another host", "a body that drips without end"}, f.name)
}

const (
	deskToken = "token-inventado-do-balcao"
	header    = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, guard: {at_least: 100000}}
`
)

func (p plan) playGroup(ctx context.Context, g *group) (results []result, err error) {
	sink, err := newWeni()
	if err != nil {
		return nil, err
	}
	bottom, err := newLine(sink)
	if err != nil {
		return nil, err
	}
	defer bottom.close()
	sources, targets, mappings := "sources:\n", "targets:\n", "mappings:\n"
	if !g.cells[0].own() {
		targets += fmt.Sprintf("  sink: {kind: weni, base_url: %q, token: %q, create_missing: true}\n", bottom.truth(), sink.Token())
	}
	for _, c := range g.cells {
		s, t, err := c.prepare()
		if err != nil {
			return nil, err
		}
		defer func() {
			c.line.close()
			for _, end := range c.close {
				end()
			}
		}()
		to, phones, labels := c.target(), "=record.phone", ""
		switch c.column {
		case crm:
			to, phones = "sink", "=record.phones"
		case list, fetch, operator:
			to = "sink"
		}
		if !c.own() {
			c.people = func() ([]someone, error) { return weniPeople(sink) }
		}
		if c.column != flow {
			labels = ", labels: [Clientes]"
		}
		sources, targets = sources+s, targets+t
		mappings += fmt.Sprintf("  - {name: m%02d, from: %s, to: %s, contact: {name: =record.name, phones: %s%s}}\n", c.n, c.source(), to, phones, labels)
	}
	text := header + sources + targets + mappings
	if g.cells[0].column == operator {
		text += fmt.Sprintf("notify: {url: %q, secret: whsec_aW52ZW50YWRvLXBhcmEtYS1wcm92YS0xMjM0NTY=}\n", g.cells[0].line.URL()+"/avisos")
	}
	d, err := newDaemon(ctx, p.bin, filepath.Join(p.dir, g.folder()), text)
	if err != nil {
		return nil, err
	}
	defer func() {
		if code, failed := d.Stop(time.Minute); failed != nil || code != 0 {
			err = errors.Join(err, fmt.Errorf("syncer ended with %d: %w", code, failed))
		}
		if p.keep != "" {
			err = errors.Join(err, os.WriteFile(filepath.Join(p.keep, g.folder()+".log"), []byte(d.Stderr()), 0o600))
		}
	}()
	var mu sync.Mutex
	var errs []error
	var running sync.WaitGroup
	for _, c := range g.cells {
		c.d = d
		running.Go(func() {
			play := c.play
			if c.column == operator {
				play = c.playOperator
			}
			r, err := play(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", c.f.name, err))
				return
			}
			results = append(results, r)
		})
	}
	running.Wait()
	memory := d.memory()
	for i := range results {
		r := &results[i]
		if g.heavy {
			r.memory = fmt.Sprint(memory)
		}
		of := slices.IndexFunc(g.cells, func(c *cell) bool { return c.f.name == r.fault })
		g.cells[of].judge(r, memory)
	}
	return results, errors.Join(errs...)
}

// prepare makes what the fault stands in front of, and the lines of the mapping file for it.
func (c *cell) prepare() (source, target string, err error) {
	live := fmt.Sprintf("  %s: {kind: generic, webhook: {auth: none}, record: {id: id, version: updated_at, version_as: rfc3339, payload: full}}\n", c.source())
	line := func(sim http.Handler) error {
		c.line, err = newLine(sim)
		return err
	}
	switch c.column {
	case weni, mirror:
		s, err := newWeni()
		if err != nil {
			return "", "", err
		}
		c.people = func() ([]someone, error) { return weniPeople(s) }
		if err := line(s); err != nil {
			return "", "", err
		}
		target = fmt.Sprintf("  %s: {kind: weni, base_url: %q, token: %q, create_missing: true}\n", c.target(), c.line.URL(), s.Token())
		if c.column == weni {
			c.hear = true
			return live, target, nil
		}
		if c.f.bend != nil && c.f.bend.only == nil {
			b := *c.f.bend
			b.only = isList
			c.f.bend = &b
		}
		d := &desk{token: deskToken}
		c.put = func(p customer) error { d.put(p); return nil }
		healthy, err := newLine(d)
		if err != nil {
			return "", "", err
		}
		c.close = append(c.close, healthy.close)
		return c.listed(healthy.truth()), target, nil
	case flow:
		s := omniflow.New(omniflow.Options{})
		c.hear, c.people = true, func() ([]someone, error) { return flowPeople(s) }
		err = line(s)
		return live, fmt.Sprintf("  %s: {kind: omniflow, base_url: %q, api_key: %q}\n", c.target(), c.line.URL(), s.Token()), err
	case inbox:
		s := omnichannel.New(omnichannel.Options{})
		c.hear, c.people = true, func() ([]someone, error) { return inboxPeople(s) }
		err = line(s)
		return live, fmt.Sprintf("  %s: {kind: omnichannel, base_url: %q, token: %q, client_identifier: %q, channel_id: 689a05215b711247e8f54022}\n", c.target(), c.line.URL(), s.Token(), s.Client()), err
	case crm:
		s := &people{pipedrive.New(pipedrive.Options{}), map[string]int{}}
		c.put, c.close = s.put, append(c.close, s.Close)
		err = line(s)
		return fmt.Sprintf("  %s: {kind: pipedrive, webhook: {auth: none}, api: {base_url: %q, token: %q}}\n", c.source(), c.line.URL(), s.Token()), "", err
	case operator:
		err = line(&ears{heard: map[string]int{}})
		c.hear = true
		return live, "", err
	}
	d := &desk{token: deskToken}
	c.put = func(p customer) error { d.put(p); return nil }
	if err := line(d); err != nil {
		return "", "", err
	}
	if c.column == list {
		return c.listed(c.line.URL()), "", nil
	}
	c.hear, c.thin = true, true
	return fmt.Sprintf("  %s: {kind: generic, webhook: {auth: none}, record: {id: id, payload: ids}, fetch: {url: %q, auth: %q}}\n",
		c.source(), c.line.URL()+"/customers/{id}", "Bearer "+deskToken), "", nil
}

func (c *cell) listed(url string) string {
	return fmt.Sprintf("  %s: {kind: generic, webhook: {auth: none}, record: {id: id, version: updated_at, version_as: rfc3339, payload: full}, list: {url: %q, auth: %q, items: data, next: {link: next}}}\n",
		c.source(), url+"/customers", "Bearer "+deskToken)
}

// folder is a name for the group's files that no other group has.
func (g *group) folder() string {
	column, _, _ := strings.Cut(g.name, "/")
	return fmt.Sprintf("%s-%02d", strings.NewReplacer(" ", "", ",", "-").Replace(column), g.cells[0].n)
}
