package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/reconcile"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// What people said and agents did before the state was lost.
const (
	townsfolk = 1000
	refusing  = 40 // told a WhatsApp app, which tells nobody twice
	erased    = 20 // asked to be forgotten, and are in the CRM still
	renamed   = 50 // by agents, where names are keep_edits
)

// memory is whom syncer has linked, and what it knows and can find nowhere again.
type memory struct{ linked, consents, erasures, bases, lines int }

func (m memory) String() string {
	return fmt.Sprintf("%d refusals, %d erasures, %s bases, %s journal lines", m.consents, m.erasures, thousands(m.bases), thousands(m.lines))
}

// stateLost deletes the state file of a syncer that was told things which nobody repeats, and starts again without
// and with an export of them.
func stateLost(dir string) ([]line, error) {
	l, err := lab.New(lab.Options{Dir: dir, Mapping: strings.Replace(lab.Mapping, "name: =record.nome\n", "name: {value: =record.nome, write: keep_edits}\n", 1)})
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	v := &victim{Lab: l}
	if err := v.live(); err != nil {
		return nil, err
	}
	before, err := v.knows()
	if err != nil {
		return nil, err
	}
	var export bytes.Buffer
	if err := state.Export(l.Store, &export); err != nil {
		return nil, err
	}
	stood := len(l.Weni.Contacts())

	plan, calls, err := v.again(nil, reconcile.Ask{Source: "crm", Kind: reconcile.Full, Hold: true})
	if err != nil {
		return nil, err
	}
	after, err := v.knows()
	if err != nil {
		return nil, err
	}
	linked := townsfolk - erased
	sums := plan.Plan["weni"]
	lines := []line{
		{"state lost, planned", fmt.Sprintf("%d linked again, %d writes; would make %d and change %d", after.linked, calls.Writes+calls.Labels, sums.Creates, sums.People-sums.Creates), "all; 0",
			after.linked == linked && calls.Writes+calls.Labels == 0 && sums.Creates == erased, thousands(townsfolk), thousands(2 * townsfolk)},
		{"  known before it was lost", before.String(), fmt.Sprintf("%d, %d", refusing, erased), before.consents == refusing && before.erasures == erased, "", ""},
		{"  and now", after.String(), "0, 0: said", after.consents+after.erasures == 0, "", ""},
	}

	if _, calls, err = v.again(&export, reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true}); err != nil {
		return nil, err
	}
	if after, err = v.knows(); err != nil {
		return nil, err
	}
	more := len(l.Weni.Contacts()) - stood
	ok := after.linked == linked && calls.Writes+calls.Labels == 0 && more == 0 && after.consents == before.consents && after.erasures == before.erasures && after.bases == before.bases
	lines = append(lines, line{"  an export read first, applied", fmt.Sprintf("%d linked again, %d writes, %d contacts more", after.linked, calls.Writes+calls.Labels, more), "all; 0; 0", ok,
		thousands(townsfolk), thousands(2 * townsfolk)},
		line{"  and now", after.String(), "all but the journal", ok, "", ""})

	// The bases are back if a name that an agent gave gives way to a new one of the CRM, and not before.
	for i := 1; i <= renamed; i++ {
		l.Books["crm"].Edit(i, func(r lab.Row) { r["nome"] = fmt.Sprintf("Nova %d", i) })
	}
	l.Calls()
	if _, err := l.Reconcile("crm", reconcile.Full); err != nil {
		return nil, err
	}
	if err := l.Settle(settleIn); err != nil {
		return nil, err
	}
	writes := l.Calls().Writes
	return append(lines, line{"  then the CRM renames those whom agents had renamed", fmt.Sprintf("%d writes", writes), fmt.Sprint(renamed), writes == renamed, fmt.Sprint(renamed), fmt.Sprint(2 * renamed)}), nil
}

type victim struct{ *lab.Lab }

// live makes everybody, and lets them say what only syncer remembers.
func (v *victim) live() error {
	for i := 1; i <= townsfolk; i++ {
		v.Books["crm"].Put(i, person(i))
	}
	if _, err := v.Reconcile("crm", reconcile.Full); err != nil {
		return err
	}
	if err := v.Settle(settleIn); err != nil {
		return err
	}
	var said []contact.Event
	for i := townsfolk - refusing - erased + 1; i <= townsfolk-erased; i++ {
		said = append(said, say(contact.OptOut, i))
	}
	for i := townsfolk - erased + 1; i <= townsfolk; i++ {
		said = append(said, contact.Event{Kind: contact.Erase, Key: contact.Key{Source: "crm", ID: fmt.Sprint(i)}})
	}
	if _, err := v.Send(state.LaneLive, said...); err != nil {
		return err
	}
	if err := v.Settle(settleIn); err != nil {
		return err
	}
	for i := 1; i <= renamed; i++ {
		name := fmt.Sprintf("Editada %d", i)
		if err := v.Weni.Edit(urn(i), rapidpro.Edit{Name: &name}); err != nil {
			return err
		}
	}
	if _, err := v.Reconcile("crm", reconcile.Full); err != nil {
		return err
	}
	return v.Settle(settleIn)
}

// knows counts what cannot be found again.
func (v *victim) knows() (m memory, err error) {
	err = v.Store.View(func(tx state.Tx) error {
		m = memory{lines: state.Count(tx, state.Journal.Name)}
		for _, c := range state.Consents.All(tx, nil, nil) {
			if c.OptedOut() {
				m.consents++
			}
		}
		for i := 1; i <= townsfolk; i++ {
			if state.IsForgotten(tx, contact.URN(urn(i)).Identity()) {
				m.erasures++
			}
		}
		for _, l := range state.Links.All(tx, nil, nil) {
			if l.Contact != "" {
				m.linked++
			}
			if len(l.Base.Labels) > 0 { // the labels that syncer gave
				m.bases++
			}
		}
		return nil
	})
	return m, err
}

// again starts on a new state, with an export or without, and carries out the first run.
func (v *victim) again(export *bytes.Buffer, ask reconcile.Ask) (run state.Run, calls lab.Calls, err error) {
	if err := errors.Join(v.Forget(), v.Start()); err != nil {
		return run, calls, err
	}
	if export != nil {
		if _, err := state.Import(ctx, v.Store, export); err != nil {
			return run, calls, err
		}
	}
	v.Calls()
	if run, err = v.Runner.Run(ctx, ask); err != nil {
		return run, calls, err
	}
	err = v.Settle(settleIn)
	return run, v.Calls(), err
}
