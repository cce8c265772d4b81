package engine

import (
	"context"
	"fmt"
	"slices"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// View is what a delivery to one person at one target would work with and do, as far as that can be told
// without a call.
type View struct {
	Link     state.Link
	Parts    []contact.Part
	Observed *contact.Observed
	Change   contact.Change
}

// View computes it; ok is false when the person has nothing to do with the target.
func (e *Engine) View(k state.LinkKey) (v View, ok bool, err error) {
	j, ok, err := e.load(k)
	if err != nil || !ok {
		return v, false, err
	}
	v = View{Link: j.link, Parts: j.parts, Observed: j.observed}
	if c := e.targets[k.Target]; c != nil && j.wanted && !j.unread && !j.forgotten && len(j.desired.Blockers) == 0 {
		v.Change = c.compare(j, j.link.Link)
	}
	return v, true, nil
}

// Recheck makes the people of a record due again wherever they are linked.
func (e *Engine) Recheck(tx state.Tx, k contact.Key) {
	rec, ok := state.Records.Get(tx, k)
	if !ok {
		return
	}
	for _, p := range rec.Parts {
		if who, ok := state.Persons.Get(tx, p.Person); ok {
			who.Seq++ // a plan that is just being made has not looked at this
			state.Persons.Put(tx, p.Person, who)
		}
		recheck(tx, p.Person, contact.Micros(e.now()))
	}
}

// LinkByHand says that a record's person is a certain contact, whatever their addresses say.
func (e *Engine) LinkByHand(ctx context.Context, key contact.Key, target, id string) error {
	seen, err := e.targets[target].target.Get(ctx, id)
	if err != nil {
		return err
	}
	err = e.store.Update(ctx, func(tx state.Tx) error {
		k, l, err := e.linkOf(tx, key, target)
		if err != nil {
			return err
		}
		if owner := state.PersonAt(tx, target, id); owner != 0 && owner != k.Person {
			return &contact.Error{Kind: contact.Conflict, Message: fmt.Sprintf("this contact is linked to person/%d; unlink that one first", owner)}
		}
		l.Link, l.Adopted, l.Gone, l.TakenBack, l.Waiting = contact.Link{}, &seen, false, false, nil
		state.SetContact(tx, k, &l, id)
		state.Reflect(tx, target, seen)
		state.Schedule(tx, k, &l, state.LaneLive, e.now())
		state.Links.Put(tx, k, l)
		state.Note(tx, k.Person, state.Entry{At: contact.Micros(e.now()), What: "linked", Target: target, Text: "by hand, to the contact " + id})
		return nil
	})
	e.targets[target].Wake()
	return err
}

// UnlinkByHand takes a link back. The contact stays as it is; the person is treated as if the contact had
// been deleted, so that it is not linked again by itself.
func (e *Engine) UnlinkByHand(ctx context.Context, key contact.Key, target string) error {
	return e.store.Update(ctx, func(tx state.Tx) error {
		k, l, err := e.linkOf(tx, key, target)
		if err != nil {
			return err
		}
		if l.Contact == "" {
			return &contact.Error{Kind: contact.Invalid, Message: "it is not linked to a contact of " + target}
		}
		state.SetContact(tx, k, &l, "")
		state.Unschedule(tx, k, &l)
		l.Link, l.Adopted, l.Gone = contact.Link{}, nil, true
		state.Links.Put(tx, k, l)
		state.Note(tx, k.Person, state.Entry{At: contact.Micros(e.now()), What: "unlinked", Target: target, Text: "by hand"})
		return nil
	})
}

func (e *Engine) linkOf(tx state.Tx, key contact.Key, target string) (k state.LinkKey, l state.Link, err error) {
	rec, ok := state.Records.Get(tx, key)
	if !ok || len(rec.Parts) == 0 {
		return k, l, &contact.Error{Kind: contact.Invalid, Message: "nothing is known of " + key.String()}
	}
	k = state.LinkKey{Target: target, Person: rec.Parts[0].Person}
	l, _ = state.Links.Get(tx, k)
	who, _ := state.Persons.Get(tx, k.Person)
	if slices.Contains(who.Targets, target) {
		return k, l, nil
	}
	who.Targets = append(who.Targets, target)
	state.Persons.Put(tx, k.Person, who)
	return k, l, nil
}

// Rebind accepts that a target's credentials open another place than before, and forgets all that was known of the
// old one: which contact is whose and what the contacts look like. When they open the same place, there is much to
// lose and nothing to accept but labels that became others; without such labels it refuses.
func (e *Engine) Rebind(ctx context.Context, target string) error {
	c := e.targets[target]
	id, name, err := c.target.Place(ctx)
	if err != nil {
		return err
	}
	what := "target/" + target
	same := false
	if err := e.store.View(func(tx state.Tx) error {
		known, ok := state.Places.Get(tx, what)
		same = ok && known.ID == id
		return nil
	}); err != nil {
		return err
	}
	if same {
		if err := c.learn(ctx); err != nil {
			return err
		}
		if labels := c.Strangers(); len(labels) > 0 {
			return c.bindLabels(ctx, labels...)
		}
		return &contact.Error{Kind: contact.Invalid, Message: "the credentials of " + target + " open the same place as before (" + name + "); there is nothing to rebind"}
	}
	if err := e.forgetLinks(ctx, target); err != nil {
		return err
	}
	if err := e.forgetMirror(ctx, target); err != nil {
		return err
	}
	return e.store.Update(ctx, func(tx state.Tx) error {
		state.WriteMirrorMark(tx, target, state.MirrorMark{})
		forgetLabels(tx, target)
		state.Places.Put(tx, what, state.Place{ID: id, Name: name, At: contact.Micros(e.now())})
		return nil
	})
}

// forgetLinks makes all links of a target as if nobody had ever been delivered there.
func (e *Engine) forgetLinks(ctx context.Context, target string) error {
	var after *state.LinkKey
	for {
		var keys []state.LinkKey
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			keys = nil
			var links []state.Link
			for k, l := range state.Links.All(tx, state.Prefix(target), after) {
				keys, links = append(keys, k), append(links, l)
				if len(keys) == planBatch {
					break
				}
			}
			for i, k := range keys {
				l := &links[i]
				state.SetContact(tx, k, l, "")
				state.Dead.Delete(tx, k)
				state.Links.Put(tx, k, state.Link{Lane: l.Lane, Due: l.Due, First: l.First, Hold: l.Hold, Will: l.Will})
				state.Note(tx, k.Person, state.Entry{At: contact.Micros(e.now()), What: "unlinked", Target: target, Text: "the target is another place from now on"})
			}
			return nil
		}); err != nil || len(keys) == 0 {
			return err
		}
		after = &keys[len(keys)-1]
	}
}

func (e *Engine) forgetMirror(ctx context.Context, target string) error {
	for {
		var ids []string
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			ids = nil
			for at := range state.Mirror.All(tx, state.Prefix(target), nil) {
				if ids = append(ids, at.ID); len(ids) == planBatch {
					break
				}
			}
			for _, id := range ids {
				state.Unreflect(tx, target, id)
			}
			return nil
		}); err != nil || len(ids) == 0 {
			return err
		}
	}
}
