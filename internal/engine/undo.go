package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Undo makes everybody whom a run changed due again, to be put back as they stood before, held under another run, which
// must be open already. What has changed since, there or at the source, is left as it is.
func (e *Engine) Undo(ctx context.Context, run, under string) error {
	var after *state.HoldKey
	for {
		var keys []state.HoldKey
		if err := e.store.View(func(tx state.Tx) error {
			keys = keys[:0]
			for k := range state.Dones.All(tx, state.Prefix(run), after) {
				if keys = append(keys, k); len(keys) == planBatch {
					break
				}
			}
			return nil
		}); err != nil || len(keys) == 0 {
			return err
		}
		after = &keys[len(keys)-1]
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			for _, k := range keys {
				l, ok := state.Links.Get(tx, k.LinkKey)
				if !ok || l.Due != 0 || l.Hold != "" {
					continue // something newer is on its way to them
				}
				l.Undo = run
				state.KeepBack(tx, k.LinkKey, &l, under, state.Held{})
				state.Links.Put(tx, k.LinkKey, l)
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

// undo takes back what a run did for one person, attribute by attribute, where it still stands as it was
// written. What is taken back is left alone until the source says something else.
func (w *work) undo(ctx context.Context) {
	if err := w.prepareUndo(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if w.j.change.Empty() {
		w.end(ctx, "unchanged", nil)
		return
	}
	if err := w.write(ctx); err != nil {
		w.fail(ctx, err)
		return
	}
	if w.j.change.Relabels() && w.c.bulkLabels() {
		w.handedOver = true
		w.c.labels.add(ctx, w)
		return
	}
	w.end(ctx, "written", nil)
}

// prepareUndo computes the change; it is empty when there is nothing to take back any more.
func (w *work) prepareUndo(ctx context.Context) error {
	j := w.j
	var done state.Done
	var ok bool
	if err := w.c.e.store.View(func(tx state.Tx) error {
		done, ok = state.Dones.Get(tx, state.HoldKey{Run: j.link.Undo, LinkKey: j.key})
		return nil
	}); err != nil {
		return err
	}
	if !ok || j.link.Contact == "" || j.link.Contact != done.Contact {
		return nil
	}
	if err := w.fetch(ctx); err != nil {
		return err
	}
	w.reverse(&done)
	return nil
}

// reverse computes the change that takes back a done one. What it said of the person's will stands.
func (w *work) reverse(done *state.Done) {
	j, seen := w.j, w.j.observed
	rules := w.c.target.Rules()
	ch := contact.Change{}
	step := func(attr, old, new string) { ch.Steps = append(ch.Steps, contact.Step{Attr: attr, Old: old, New: new}) }
	if done.Change.Create {
		switch {
		case !seen.LastSeen.IsZero():
			ch.Steps = append(ch.Steps, contact.Step{Attr: "contact", Kept: "the person has written since; the contact stays"})
		case j.link.At > done.At:
			ch.Steps = append(ch.Steps, contact.Step{Attr: "contact", Kept: "it was written again since; the contact stays"})
		case rules.Can.Delete:
			ch.Delete = true
			step("contact", seen.ID, "")
		}
		j.change = ch
		return
	}
	for _, s := range done.Change.Steps {
		if s.Kept != "" {
			continue
		}
		switch {
		case s.Attr == "name" && seen.Name == s.New:
			old := s.Old
			ch.Name = &old
			step(s.Attr, s.New, s.Old)
		case s.Attr == "language" && seen.Language == s.New:
			old := s.Old
			ch.Language = &old
			step(s.Attr, s.New, s.Old)
		case strings.HasPrefix(s.Attr, "fields."):
			key := strings.TrimPrefix(s.Attr, "fields.")
			if key != rules.OptOutField && w.same(s.Attr, seen.Fields[key], s.New) {
				if ch.Fields == nil {
					ch.Fields = map[string]string{}
				}
				ch.Fields[key] = s.Old
				step(s.Attr, s.New, s.Old)
			}
		}
	}
	has := func(name string) bool {
		l, ok := rules.Catalog.Label(name)
		return ok && slices.Contains(seen.Labels, l.ID)
	}
	consent := func(name string) bool { return contact.FoldName(name) == contact.FoldName(rules.OptOutLabel) }
	for _, name := range done.Change.AddLabels {
		if has(name) && !consent(name) {
			ch.RemoveLabels = append(ch.RemoveLabels, name)
			step("labels."+name, name, "")
		}
	}
	for _, name := range done.Change.RemoveLabels {
		switch {
		case has(name), seen.Status != contact.Active, consent(name):
		case j.optedOut:
			ch.Steps = append(ch.Steps, contact.Step{Attr: "labels." + name, Kept: contact.KeptOptOut})
		default:
			ch.AddLabels = append(ch.AddLabels, name)
			step("labels."+name, "", name)
		}
	}
	if len(done.Change.AddURNs) > 0 && slices.Contains(seen.URNs, done.Change.AddURNs[0]) {
		// What stood first stands first again; the addresses that the run added go, those it dropped return.
		ch.AddURNs, ch.DropURNs = done.URNs, done.Change.AddURNs
		step("urns", string(done.Change.AddURNs[0]), "")
	}
	j.change = ch
}

// leave notes that what was taken back is left alone until the source says something else.
func (w *work) leave(l *state.Link) {
	if l.Left == nil {
		l.Left = map[string]string{}
	}
	for _, s := range w.j.change.Steps {
		switch {
		case s.Kept != "":
		case s.Attr == "name", s.Attr == "language", strings.HasPrefix(s.Attr, "fields."):
			l.Left[s.Attr] = s.Old
		case strings.HasPrefix(s.Attr, "labels."):
			l.Left[s.Attr] = fmt.Sprint(s.New == "")
		}
	}
}

// forgive forgets what was left alone, or was about to be, for the sake of a value that the source no longer states.
func (w *work) forgive(l *state.Link) {
	d := &w.j.desired
	changed := func(attr, was string) bool {
		var now string
		var said bool
		switch {
		case attr == "name":
			now, said = d.Name.Value, d.Name.State != contact.Absent
		case attr == "language":
			now, said = d.Language.Value, d.Language.State != contact.Absent
		case strings.HasPrefix(attr, "labels."):
			wanted, ok := d.Labels[strings.TrimPrefix(attr, "labels.")]
			now, said = fmt.Sprint(wanted), ok
		default:
			f, ok := d.Fields[strings.TrimPrefix(attr, "fields.")]
			now, said = f.Value, ok && f.State != contact.Absent
		}
		return said && !w.same(attr, was, now)
	}
	maps.DeleteFunc(l.Left, changed)
	maps.DeleteFunc(l.Flips, func(attr string, f state.Flip) bool { return changed(attr, f.Wrote) })
}
