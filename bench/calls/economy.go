package main

import (
	"fmt"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// page is what Weni gives when asked; the client asks for so many.
const page = 1000

// chatters are people who write to the workspace between two runs.
const chatters = 200

func person(i int) lab.Row {
	return lab.Row{"nome": fmt.Sprintf("Pessoa %d", i), "fone": fmt.Sprintf("+55 84 9%08d", 80000000+i), "cidade": "Natal"}
}

func urn(i int) string { return fmt.Sprintf("whatsapp:55849%08d", 80000000+i) }

// town is a workspace with people who are all known to the CRM.
type town struct {
	*lab.Lab
	n     int
	lines []line
}

// economy measures what n people cost: found again, unchanged, changed, new.
func economy(dir string, n int) (lines []line, err error) {
	l, err := lab.New(lab.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	t := &town{Lab: l, n: n}
	for i := 1; i <= n; i++ {
		l.Books["crm"].Put(i, person(i))
		if _, err := l.Weni.AddContact(rapidpro.NewContact{Name: fmt.Sprintf("Pessoa %d", i), URNs: []string{urn(i)},
			Groups: []string{"Clientes"}, Fields: map[string]string{"cidade": "Natal"}}); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{t.found, t.unchanged, t.touched, t.audit, t.changed, t.labelled, t.newcomers, t.lost} {
		t.Calls()
		if err := step(); err != nil {
			return nil, err
		}
	}
	return t.lines, nil
}

// add notes a row. The naive ways are given in calls of the contacts scope; 0 stands for "the same".
func (t *town) add(what, measured, bar string, ok bool, push, lookup int) {
	t.lines = append(t.lines, line{what, measured, bar, ok, thousands(push), thousands(lookup)})
}

// quiet lets so much time pass that nothing is read again for its nearness.
func (t *town) quiet() error {
	for range 2 {
		t.Pass(10 * time.Minute)
		if err := t.Mirror().Refresh(ctx, state.LaneBulk); err != nil {
			return err
		}
	}
	t.Pass(10 * time.Minute)
	t.Calls()
	return t.Settle(time.Minute)
}

func (t *town) reconcile(kind string) (state.Run, error) {
	run, err := t.Reconcile("crm", kind)
	if err != nil {
		return run, err
	}
	return run, t.Settle(30 * time.Minute)
}

// found is the first run of a syncer that knows nothing over people who are all there.
func (t *town) found() error {
	run, err := t.reconcile("full")
	if err != nil {
		return err
	}
	c := t.Calls()
	linked, err := t.linked()
	if err != nil {
		return err
	}
	bar := pages(t.n, page) + 1
	t.add("first run, all people are there already", fmt.Sprintf("%d contacts, %d label, %d other; %d writes; %s linked", c.Contacts(), c.Labels, c.Other, c.Writes, thousands(linked)),
		fmt.Sprintf("%d; no write", bar), c.Contacts() <= bar && c.Writes+c.Labels == 0 && linked == t.n && run.Records == t.n, t.n, 2*t.n)
	return nil
}

func (t *town) linked() (n int, err error) {
	err = t.Store.View(func(tx state.Tx) error {
		n = 0
		for _, l := range state.Links.All(tx, nil, nil) {
			if l.Contact != "" {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (t *town) unchanged() error {
	if err := t.quiet(); err != nil {
		return err
	}
	if _, err := t.reconcile("full"); err != nil {
		return err
	}
	c := t.Calls()
	t.add("full run, nothing changed", fmt.Sprintf("%d contacts, %d other", c.Contacts(), c.Other), "2", c.Contacts() <= 2 && c.Labels == 0, t.n, 2*t.n)
	return nil
}

// touched is a bulk operation at the target that gives many rows one moment.
func (t *town) touched() error {
	if err := t.quiet(); err != nil {
		return err
	}
	m := min(t.n, 10_000)
	var ids []string
	for _, c := range t.Weni.Contacts()[:m] {
		ids = append(ids, c.UUID)
	}
	if _, err := t.Weni.Touch(time.Time{}, ids...); err != nil {
		return err
	}
	var counts [4]int
	for i := range counts {
		if i == 3 {
			t.Pass(10 * time.Minute) // nothing can appear beside those moments any more
		}
		if err := t.Mirror().Refresh(ctx, state.LaneBulk); err != nil {
			return err
		}
		if err := t.Settle(time.Minute); err != nil {
			return err
		}
		c := t.Calls()
		counts[i] = c.Contacts() + c.Labels
		t.Pass(time.Minute)
	}
	t.add(thousands(m)+" rows moved with one timestamp: read once", fmt.Sprint(counts[0]), fmt.Sprint(pages(m, page)+1), counts[0] <= pages(m, page)+1, t.n, 2*t.n)
	t.add("  then, minute by minute", fmt.Sprintf("%d, %d", counts[1], counts[2]), "2", counts[1] <= 2 && counts[2] <= 2, t.n, 2*t.n)
	t.add("  once, when the moment is old", fmt.Sprint(counts[3]), "3", counts[3] <= 3, t.n, 2*t.n)
	return nil
}

func (t *town) audit() error {
	if err := t.quiet(); err != nil {
		return err
	}
	if err := t.Mirror().Audit(ctx); err != nil {
		return err
	}
	if err := t.Settle(time.Minute); err != nil {
		return err
	}
	c, bar := t.Calls(), pages(t.n, page)+1
	t.add("audit", fmt.Sprintf("%d contacts; %d writes", c.Contacts(), c.Writes+c.Labels), fmt.Sprintf("%d; no write", bar), c.Contacts() <= bar && c.Writes+c.Labels == 0, t.n, 2*t.n)
	return nil
}

// changed is a run with k changed people, some of them in their labels too, some in nothing else, while others
// chat. What the next refresh reads of it is counted with it.
func (t *town) changed() error {
	if err := t.quiet(); err != nil {
		return err
	}
	k := t.n / 100
	for i := 1; i <= k; i++ {
		t.Books["crm"].Edit(i, func(r lab.Row) { r["cidade"] = "Recife"; r["vip"] = i%2 == 0 })
	}
	only := k / 2
	for i := k + 1; i <= k+only; i++ {
		t.Books["crm"].Edit(i, func(r lab.Row) { r["inativo"] = true })
	}
	for i := t.n - chatters + 1; i <= t.n; i++ {
		if _, _, err := t.Weni.Inbound(urn(i), ""); err != nil {
			return err
		}
	}
	if _, err := t.reconcile("changes"); err != nil {
		return err
	}
	t.Pass(10 * time.Minute)
	c := t.Calls()
	if err := t.Mirror().Refresh(ctx, state.LaneBulk); err != nil {
		return err
	}
	echo := t.Calls().Reads
	bar, labels := k+pages(k+chatters, 250)+2, pages(k/2, 100)+pages(only, 100)
	t.add(fmt.Sprintf("%s changed, %d of them labelled, %d labelled only, %d chatted", thousands(k), k/2, only, chatters),
		fmt.Sprintf("%d contacts + %d label; %d other, %d to read it back", c.Contacts(), c.Labels, c.Other, echo), fmt.Sprintf("%d + %d", bar, labels),
		c.Contacts() <= bar && c.Labels <= labels, t.n, 2*t.n)
	return nil
}

// labelled is a run in which a thousand people change their label and nothing else.
func (t *town) labelled() error {
	if err := t.quiet(); err != nil {
		return err
	}
	g := min(t.n/2, 1000)
	for i := t.n - g + 1; i <= t.n; i++ {
		t.Books["crm"].Edit(i, func(r lab.Row) { r["inativo"] = true })
	}
	if _, err := t.reconcile("changes"); err != nil {
		return err
	}
	c := t.Calls()
	t.add(thousands(g)+" people labelled, nothing else", fmt.Sprintf("%d contacts + %d label; %d other", c.Contacts(), c.Labels, c.Other),
		fmt.Sprintf("2 + %d", pages(g, 100)), c.Contacts() <= 2 && c.Labels <= pages(g, 100), t.n, 2*t.n)
	return nil
}

// newcomers are three hundred webhooks about people nobody has seen.
func (t *town) newcomers() error {
	if err := t.quiet(); err != nil {
		return err
	}
	const many = 300
	var events []contact.Event
	for i := t.n + 1; i <= t.n+many; i++ {
		events = append(events, t.Books["crm"].Put(i, person(i)))
	}
	if _, err := t.Send(state.LaneLive, events...); err != nil {
		return err
	}
	if err := t.Settle(time.Minute); err != nil {
		return err
	}
	t.n += many
	c := t.Calls()
	t.add("300 new people at once, by webhook", fmt.Sprintf("%d contacts (%.3f each) + %d label", c.Contacts(), float64(c.Contacts())/many, c.Labels), "306",
		c.Contacts() <= 306 && c.Labels == 0 && len(t.Weni.Contacts()) == t.n, many, 2*many)
	return nil
}

// lost is the first run after the state file was lost.
func (t *town) lost() error {
	before := len(t.Weni.Contacts())
	if err := t.Forget(); err != nil {
		return err
	}
	if err := t.Start(); err != nil {
		return err
	}
	t.Calls()
	if _, err := t.reconcile("full"); err != nil {
		return err
	}
	linked, err := t.linked()
	if err != nil {
		return err
	}
	c, bar := t.Calls(), pages(t.n, page)+1
	more := len(t.Weni.Contacts()) - before
	t.add("state lost, first run applied", fmt.Sprintf("%d contacts, %d writes, %s linked again, %d contacts more", c.Contacts(), c.Writes+c.Labels, thousands(linked), more),
		fmt.Sprintf("%d; 0; all; 0", bar), c.Contacts() <= bar && c.Writes+c.Labels == 0 && linked == t.n && more == 0, t.n, 2*t.n)
	return nil
}

// otherFlavour audits a server that gives 250 a page whatever is asked.
func otherFlavour(dir string) ([]line, error) {
	const n = 10_000
	l, err := lab.New(lab.Options{Dir: dir, Server: rapidpro.Options{Flavour: rapidpro.RapidPro9}})
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	if _, err := l.Weni.Seed(n); err != nil {
		return nil, err
	}
	l.Calls()
	if err := l.Mirror().Audit(ctx); err != nil {
		return nil, err
	}
	c := l.Calls()
	return []line{{"audit of 10,000", fmt.Sprintf("%d contacts, %d writes", c.Contacts(), c.Writes+c.Labels), "41; no write", c.Contacts() <= 41 && c.Writes+c.Labels == 0,
		thousands(n), thousands(2 * n)}}, nil
}
