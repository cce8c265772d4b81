package weni

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"syncer/internal/contact"
)

// writable checks new addresses and leaves out repetitions: in a create a repeated one is answered with "in use",
// a bare number becomes whatsapp without any country, and a tel without plus is read as a number of another
// country.
func writable(op string, urns []contact.URN) ([]contact.URN, error) {
	var list []contact.URN
	for _, u := range urns {
		u, err := contact.NewURN(u.Scheme(), u.Path())
		if err != nil {
			return nil, &contact.Error{Kind: contact.Invalid, Op: op, Message: err.Error()}
		}
		if u.Scheme() == contact.SchemeTel && u.Path()[0] != '+' {
			return nil, &contact.Error{Kind: contact.Invalid, Op: op, Message: "the tel address has no country code"}
		}
		list = add(list, u)
	}
	if len(list) == 0 {
		return nil, &contact.Error{Kind: contact.NoAddress, Op: op, Message: "the contact would have no address"}
	}
	return list, nil
}

// add appends an address unless the list has it. When the last address of an update repeats an earlier one, Weni
// ignores the whole list and still answers 200.
func add(list []contact.URN, u contact.URN) []contact.URN {
	if holds(list, u) {
		return list
	}
	return append(list, u)
}

// holds reports whether a list has exactly this address.
func holds(list []contact.URN, u contact.URN) bool {
	return slices.ContainsFunc(list, func(v contact.URN) bool { return v.Bare() == u.Bare() })
}

// sameAs matches an address in any form of its number, but in no other scheme.
func sameAs(u contact.URN) func(contact.URN) bool {
	return func(v contact.URN) bool { return v.Scheme() == u.Scheme() && v.Identity() == u.Identity() }
}

// arrange is the full list to post: the wanted addresses first, in the form under which the contact already has
// them, then what it has, then what must come back; without what is to be dropped.
func arrange(wanted, has, back, drop []contact.URN) []contact.URN {
	var list []contact.URN
	for _, u := range wanted {
		if i := slices.IndexFunc(has, sameAs(u)); i >= 0 {
			u = has[i]
		}
		list = add(list, u)
	}
	for _, u := range slices.Concat(has, back) {
		if !holds(drop, u) {
			list = add(list, u)
		}
	}
	return list
}

// without are the addresses of a that b has not.
func without(a, b []contact.URN) []contact.URN {
	return slices.DeleteFunc(slices.Clone(a), func(u contact.URN) bool { return holds(b, u) })
}

// readdress carries out a change that adds addresses. A list of addresses replaces the contact's, and takes from
// other contacts whatever of it they have, with a 200. So the new addresses are looked up first, the list is made
// from one read immediately before the write, and the answer is compared with it: what vanished is put back
// once, and what was taken from somebody who appeared in between is given back. One loss cannot be seen in any
// answer: an address that the contact itself gets between the read and the write.
func (t *Target) readdress(ctx context.Context, seen *contact.Observed, body map[string]any, c *contact.Change) (contact.Observed, error) {
	const op = "weni: change addresses"
	wanted, err := writable(op, c.AddURNs)
	if err != nil {
		return contact.Observed{}, err
	}
	id, began := seen.ID, t.now()
	var back []contact.URN
	for range 2 {
		if err := t.vacant(ctx, op, id, wanted); err != nil {
			return contact.Observed{}, err
		}
		if back, err = t.ownerless(ctx, id, back); err != nil {
			return contact.Observed{}, err
		}
		before, err := t.Get(ctx, id)
		if err != nil {
			return contact.Observed{}, err
		}
		if before.Modified.Before(seen.Modified) {
			// GETs are served by a replica. A list made from an old copy drops what came since.
			return contact.Observed{}, &contact.Error{Kind: contact.Unready, Op: op, Until: t.now().Add(settle),
				Message: "the copy that the workspace reads from is behind"}
		}
		list := arrange(wanted, before.URNs, back, c.DropURNs)
		if err := t.keepable(op, before.URNs, list); err != nil {
			return contact.Observed{}, err
		}
		delete(body, "urns")
		switch same := slices.Equal(list, before.URNs); {
		case same && len(body) == 0:
			return before, nil
		case !same:
			body["urns"] = list // even an unchanged list moves modified_on
		}
		after, err := t.post(ctx, op, url.Values{"uuid": {id}}, body, keys(c))
		if err != nil {
			return contact.Observed{}, err
		}
		lost := slices.DeleteFunc(without(list, after.URNs), func(u contact.URN) bool {
			return holds(wanted, u) && slices.ContainsFunc(after.URNs, sameAs(u)) // in a form of the server's own
		})
		if len(lost) == 0 {
			return after, t.giveBack(ctx, without(list, before.URNs), before, after, t.now().Sub(began))
		}
		back = without(lost, wanted)
	}
	return contact.Observed{}, &contact.Error{Kind: contact.Invalid, Op: op, Names: []string{id},
		Message: "it answers that the change was made but does not show all addresses; look at the contact there"}
}

// vacant fails with Conflict when another contact has one of the addresses.
func (t *Target) vacant(ctx context.Context, op, id string, urns []contact.URN) error {
	for _, u := range urns {
		o, found, err := t.owner(ctx, u)
		if err != nil {
			return err
		}
		if found && o.ID != id {
			return &contact.Error{Kind: contact.Conflict, Op: op, Names: []string{o.ID}, Message: "an address belongs to another contact"}
		}
	}
	return nil
}

// ownerless keeps the addresses that nobody else has got meanwhile.
func (t *Target) ownerless(ctx context.Context, id string, urns []contact.URN) ([]contact.URN, error) {
	var list []contact.URN
	for _, u := range urns {
		o, found, err := t.owner(ctx, u)
		if err != nil {
			return nil, err
		}
		if !found || o.ID == id {
			list = append(list, u)
		}
	}
	return list, nil
}

// keepable refuses a list that Weni would cut: an address of a kind that its engine does not know (weniwebchat is
// one) is dropped without a word when a list that holds it is posted, and cannot be added again.
func (t *Target) keepable(op string, before, list []contact.URN) error {
	if f := t.Flavour(); f != Weni && f != "" {
		return nil
	}
	for _, u := range before {
		if _, err := contact.NewURN(u.Scheme(), u.Path()); err != nil && holds(list, u) {
			return &contact.Error{Kind: contact.Invalid, Op: op, Message: "the contact has a " + u.Scheme() +
				" address, which Weni would delete if syncer added another; add the new number there by hand"}
		}
	}
	return nil
}

// giveBack looks for contacts that lost an address to the write: Weni stamps the loser with the very instant of the
// thief's own change. Only somebody who wrote in between the look-up and the write can be one, and then the
// write is undone. The new addresses go back to a contact that is younger than the look-up, which began as long
// before the answer as elapsed says, since it can have had no other; an older one is left to people.
func (t *Target) giveBack(ctx context.Context, taken []contact.URN, before, after contact.Observed, elapsed time.Duration) error {
	const op = "weni: give address back"
	if len(taken) == 0 {
		return nil
	}
	at := after.Modified.Format(instant)
	p, err := t.contacts(ctx, op, url.Values{"after": {at}, "before": {at}})
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelWarn, "could not check whether a change of addresses took one from another contact",
			slog.String("contact", after.ID), slog.String("kind", string(contact.KindOf(err))))
		return nil
	}
	i := slices.IndexFunc(p.Results, func(w wireContact) bool {
		return w.UUID != after.ID && w.ModifiedOn.Equal(after.Modified)
	})
	if i < 0 {
		return nil
	}
	loser := t.observe(&p.Results[i])
	oneLine := !slices.ContainsFunc(taken, func(u contact.URN) bool { return u.Identity() != taken[0].Identity() })
	young := !loser.Created.Before(after.Modified.Add(-elapsed))
	put := func(id string, urns []contact.URN) error {
		_, err := t.post(ctx, op, url.Values{"uuid": {id}}, map[string]any{"urns": append([]contact.URN{}, urns...)}, nil)
		return err
	}
	err = put(after.ID, before.URNs)
	if err == nil && oneLine && young {
		err = put(loser.ID, arrange(nil, loser.URNs, taken, nil))
	}
	e := &contact.Error{Kind: contact.Conflict, Op: op, Names: []string{loser.ID}}
	switch {
	case err != nil:
		e.Message = "an address was taken from another contact that got it in the same moment, and giving it back failed (" +
			string(contact.KindOf(err)) + "); look at both contacts there"
	case oneLine && young:
		e.Message = "another contact got the address in the same moment; the change of addresses was undone"
	default:
		e.Message = "another contact lost an address in the same moment and it cannot be told which; " +
			"the change of addresses was undone: look at that contact there"
	}
	return e
}
