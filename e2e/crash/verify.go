package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// examine opens a copy of a state file as the next start would, lets the store check itself, and returns what was
// acknowledged and is not in it.
func (w *world) examine(name string, asOf int) (lost []string, err error) {
	copied := w.path("examined.db")
	if err := copyFile(name, copied); err != nil {
		return nil, err
	}
	defer os.Remove(copied)
	store, err := bolt.Open(copied, bolt.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Check(); err != nil {
		return nil, fmt.Errorf("the state file is not sound: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return lost, store.View(func(tx state.Tx) error {
		for _, r := range slices.Concat(w.shop, w.people) {
			if at, known := r.stored(tx), r.knownBy(asOf); at < known {
				lost = append(lost, fmt.Sprintf("%s/%s: v%d was acknowledged, v%d is stored", r.source, r.id, known, at))
			}
		}
		return nil
	})
}

// knownBy is the newest version that was answered in a round up to this one.
func (r *record) knownBy(round int) int {
	for i := len(r.said) - 1; i >= 0; i-- {
		if r.said[i].acked && r.said[i].within <= round {
			return i + 1
		}
	}
	return 0
}

// stored is which version of a record the state holds; 0 when it does not know it. What the CRM says of time is its own,
// so its versions are told by what they say.
func (r *record) stored(tx state.Tx) int {
	k := contact.Key{Source: r.source, ID: r.id}
	rec, ok := state.Records.Get(tx, k)
	switch {
	case !ok:
		return 0
	case r.source == "loja":
		return int(contact.FromMicros(rec.Version.Source).Sub(epoch) / time.Second)
	}
	payload := string(state.Payload(tx, k))
	for i := len(r.said) - 1; i >= 0; i-- {
		if e := r.said[i]; e.gone && rec.Deleted || !e.gone && !rec.Deleted && strings.Contains(payload, fmt.Sprintf("%q", e.value)) {
			return e.n
		}
	}
	return 0
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// contacts are Weni's, by number. A number that two contacts have is reported.
func (w *world) contacts() (by map[string]rapidpro.Contact, twice []string, err error) {
	var out struct{ Contacts []rapidpro.Contact }
	if err := w.weni.Control(w.ctx, http.MethodGet, "contacts", nil, &out); err != nil {
		return nil, nil, err
	}
	by = map[string]rapidpro.Contact{}
	names := map[string]string{}
	for _, c := range out.Contacts {
		if other, known := names[c.Name]; known {
			twice = append(twice, fmt.Sprintf("%s is contact %s and %s", c.Name, other, c.UUID))
		}
		for _, urn := range c.URNs {
			digits := strings.TrimPrefix(urn, "whatsapp:")
			if other, known := by[digits]; known {
				twice = append(twice, fmt.Sprintf("%s is in contact %s and %s", digits, other.UUID, c.UUID))
			}
			by[digits] = c
		}
		if len(c.URNs) == 0 {
			twice = append(twice, fmt.Sprintf("contact %s has no number", c.UUID))
		}
	}
	return by, twice, nil
}

// compare returns the records whose contact is not as one of the versions says that may stand.
func compare(records []*record, contacts map[string]rapidpro.Contact, may func(*record) []*event) (wrong []string) {
	for _, r := range records {
		events := may(r)
		if len(events) == 0 {
			continue
		}
		c, there := contacts[r.digits]
		if r.known() == 0 && r.source == "loja" && !there {
			continue // nothing was promised
		}
		if !slices.ContainsFunc(events, func(e *event) bool { return e.stands(c, there) }) {
			shown, _ := json.Marshal(c)
			wrong = append(wrong, fmt.Sprintf("%s/%s: v%d was acknowledged, the source says %s, and the contact is %s", r.source, r.id, r.known(), r.newest(), shown))
		}
	}
	return wrong
}

// stands reports whether a contact is as a version says.
func (e *event) stands(c rapidpro.Contact, there bool) bool {
	own := labels[e.rec.source]
	has := func(label string) bool { return slices.Contains(c.Groups, label) }
	if e.gone { // the contact stays, if there ever was one, without what the source gave it
		return !has(own[0]) && !has(own[1]) && version(c.Fields[e.rec.source]) < e.n
	}
	return there && c.Fields[e.rec.source] == e.value && has(own[0]) && has(own[1]) == e.extra && c.Name == e.rec.name
}

// String shows a version in a message.
func (e *event) String() string {
	if e.gone {
		return fmt.Sprintf("v%d, that it is gone", e.n)
	}
	return fmt.Sprintf("v%d as %s", e.n, e.value)
}

// latest is the one version that may stand of a source that was read itself.
func latest(r *record) []*event {
	if len(r.said) == 0 {
		return nil
	}
	return []*event{r.newest()}
}
