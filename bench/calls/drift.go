package main

import (
	"fmt"
	"strings"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

const drifters = 50

// drift lets agents and flows change what syncer wrote.
func drift(dir string) ([]line, error) {
	l, err := lab.New(lab.Options{Dir: dir, Mapping: strings.Replace(lab.Mapping, "name: =record.nome\n", "name: {value: =record.nome, write: keep_edits}\n", 1)})
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	for i := 1; i <= drifters; i++ {
		l.Books["crm"].Put(i, person(i))
	}
	d := &drifted{Lab: l}
	if _, err := d.round(nil); err != nil {
		return nil, err
	}
	for _, step := range []func() error{d.kept, d.putBack, d.rewritten} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d.lines, nil
}

type drifted struct {
	*lab.Lab
	lines []line
}

// round changes every contact by hand, if at all, lets an hour pass and reconciles; it returns the writes.
func (d *drifted) round(edit func(i int) rapidpro.Edit) (writes int, err error) {
	for i := 1; i <= drifters && edit != nil; i++ {
		if _, _, err := d.Weni.Inbound(urn(i), ""); err != nil {
			return 0, err
		}
		if err := d.Weni.Edit(urn(i), edit(i)); err != nil {
			return 0, err
		}
	}
	d.Pass(time.Hour)
	d.Calls()
	if _, err := d.Reconcile("crm", "full"); err != nil {
		return 0, err
	}
	if err := d.Settle(settleIn); err != nil {
		return 0, err
	}
	c := d.Calls()
	return c.Writes + c.Labels, nil
}

// count counts the contacts that are as they should be.
func (d *drifted) count(as func(i int, c rapidpro.Contact) bool) (n int) {
	for i := 1; i <= drifters; i++ {
		if c, ok := d.Weni.Contact(urn(i)); ok && as(i, c) {
			n++
		}
	}
	return n
}

func (d *drifted) kept() error {
	edit := func(i int) rapidpro.Edit {
		name := fmt.Sprintf("Editada %d", i)
		return rapidpro.Edit{Name: &name}
	}
	writes := 0
	for round := range 3 {
		if round > 0 {
			edit = nil
		}
		n, err := d.round(edit)
		if err != nil {
			return err
		}
		writes += n
	}
	stand := d.count(func(i int, c rapidpro.Contact) bool { return c.Name == fmt.Sprintf("Editada %d", i) })
	d.lines = append(d.lines, line{"names edited by agents, keep_edits, 3 runs", fmt.Sprintf("%d of %d stand, %d writes", stand, drifters, writes), "all; 0", stand == drifters && writes == 0, "150", "150"})
	for i := 1; i <= drifters; i++ {
		d.Books["crm"].Edit(i, func(r lab.Row) { r["nome"] = fmt.Sprintf("Nova %d", i) })
	}
	writes, err := d.round(nil)
	if err != nil {
		return err
	}
	stand = d.count(func(i int, c rapidpro.Contact) bool { return c.Name == fmt.Sprintf("Nova %d", i) })
	d.lines = append(d.lines, line{"  then the CRM changes them", fmt.Sprintf("%d of %d replaced, %d writes", stand, drifters, writes), "all; 50", stand == drifters && writes == drifters, "50", "50"})
	return nil
}

func (d *drifted) putBack() error {
	first, err := d.round(func(int) rapidpro.Edit { return rapidpro.Edit{Fields: map[string]string{"cidade": "Outra"}} })
	if err != nil {
		return err
	}
	second, err := d.round(nil)
	if err != nil {
		return err
	}
	back := d.count(func(_ int, c rapidpro.Contact) bool { return c.Fields["cidade"] == "Natal" })
	d.lines = append(d.lines, line{"a field edited by agents, overwrite, 2 runs", fmt.Sprintf("%d of %d put back, %d + %d writes", back, drifters, first, second), "all; 50 + 0",
		back == drifters && first == drifters && second == 0, "100", "100"})
	return nil
}

// rewritten is a flow that sets the field to its own value whenever somebody writes, eight times a day.
func (d *drifted) rewritten() error {
	// The edit of the row before was a flip too; a day later it does not count any more.
	d.Pass(25 * time.Hour)
	var writes []int
	for range 8 {
		n, err := d.round(func(int) rapidpro.Edit { return rapidpro.Edit{Fields: map[string]string{"cidade": "Do fluxo"}} })
		if err != nil {
			return err
		}
		writes = append(writes, n)
	}
	left := 0
	if err := d.Store.View(func(tx state.Tx) error {
		for _, l := range state.Links.All(tx, nil, nil) {
			if l.Left["fields.cidade"] == "Natal" {
				left++
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for i := 1; i <= drifters; i++ {
		d.Books["crm"].Edit(i, func(r lab.Row) { r["cidade"] = "Recife" })
	}
	after, err := d.round(nil)
	if err != nil {
		return err
	}
	ok := left == drifters && after == drifters
	for i, n := range writes {
		ok = ok && (n == drifters) == (i < 3)
	}
	d.lines = append(d.lines, line{"a flow rewrites the field at every chat, 8 times", fmt.Sprintf("writes %v; %d left alone; %d when the CRM changes", writes, left, after), "3 each; all; 50", ok, "400", "400"})
	return nil
}
