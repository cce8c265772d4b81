package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// keptStranger is why a label is neither given nor taken whose name has come to mean another one.
const keptStranger = "another label has this name than when it was first used; syncer rebind accepts it"

// labelPlace is where the state remembers which label of a target a name means.
func labelPlace(target, name string) string { return "label/" + target + "/" + contact.FoldName(name) }

// learn reads what the target has defined, and looks whether the names of labels mean what they meant.
func (c *Conductor) learn(ctx context.Context) error {
	if err := c.target.Learn(ctx); err != nil {
		return err
	}
	return c.bindLabels(ctx)
}

// bindLabels remembers which label of the target a name means when it is first used. When somebody deleted that one
// and made it again, or gave its name to another, everybody would be added to it, and a campaign of it would message
// them all: it is left alone until somebody says that it is meant. accepted are names of whom that is known. Whoever
// refused messages is said so in whatever label is there.
func (c *Conductor) bindLabels(ctx context.Context, accepted ...string) error {
	rules := c.target.Rules()
	names, _ := c.e.plan.Managed(c.name)
	fresh, strangers := map[string]contact.Label{}, map[string]string{}
	if err := c.e.store.View(func(tx state.Tx) error {
		for _, name := range names {
			l, defined := rules.Catalog.Label(name)
			if !defined || contact.FoldName(name) == contact.FoldName(rules.OptOutLabel) {
				continue
			}
			known, bound := state.Places.Get(tx, labelPlace(c.name, name))
			switch {
			case !bound || known.ID != l.ID && slices.Contains(accepted, name):
				fresh[name] = l
			case known.ID != l.ID:
				strangers[contact.FoldName(name)] = name
			}
		}
		return nil
	}); err != nil {
		return err
	}
	c.mu.Lock()
	for folded, name := range strangers {
		if c.strangers[folded] == "" {
			c.log.Warn("a label is another one than before: somebody deleted it and made it again, or gave its name to another; it is left alone until `syncer rebind target/"+c.name+"`", "label", name)
		}
	}
	c.strangers = strangers
	c.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	return c.e.store.Update(ctx, func(tx state.Tx) error {
		for name, l := range fresh {
			state.Places.Put(tx, labelPlace(c.name, name), state.Place{ID: l.ID, Name: l.Name, At: contact.Micros(c.e.now())})
		}
		return nil
	})
}

// forgetLabels forgets which labels the names mean, for the target is another place from now on.
func forgetLabels(tx state.Tx, target string) {
	var names []string
	for name := range state.Places.All(tx, []byte(labelPlace(target, "")), nil) {
		names = append(names, name)
	}
	for _, name := range names {
		state.Places.Delete(tx, name)
	}
}

// Strangers are the labels that are left alone because their name has come to mean another one.
func (c *Conductor) Strangers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Values(c.strangers))
}

// compare is what would bring a person's contact to what is desired, but for labels that are strangers.
func (c *Conductor) compare(j *job, link contact.Link) contact.Change {
	ch := contact.Diff(&j.desired, j.optedOut, j.observed, link, c.target.Rules())
	if len(j.elsewhere) > 0 && !ch.Create {
		leaveAddresses(&ch)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.strangers) == 0 {
		return ch
	}
	stranger := func(name string) bool { return c.strangers[contact.FoldName(name)] != "" }
	ch.AddLabels, ch.RemoveLabels = slices.DeleteFunc(ch.AddLabels, stranger), slices.DeleteFunc(ch.RemoveLabels, stranger)
	for i := range ch.Steps {
		if name, ok := strings.CutPrefix(ch.Steps[i].Attr, "labels."); ok && ch.Steps[i].Kept == "" && stranger(name) {
			ch.Steps[i].Kept = keptStranger
		}
	}
	return ch
}

// leaveAddresses leaves a number out that stands in another contact; everything else is written.
func leaveAddresses(ch *contact.Change) {
	ch.AddURNs, ch.DropURNs = nil, nil
	for i := range ch.Steps {
		if ch.Steps[i].Attr == "urns" {
			ch.Steps[i].Kept = keptElsewhere
		}
	}
}

const keptElsewhere = "the number stands in another contact, and nothing is taken from it"
