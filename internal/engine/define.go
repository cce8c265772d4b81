package engine

import (
	"context"
	"time"

	"syncer/internal/contact"
)

// refusal is a definition that the target did not let be made, and until when it is not asked for again: somebody may
// make room for it there.
type refusal struct {
	why   string
	until time.Time
}

// askAgain is how long a refused definition is not asked for.
const askAgain = time.Hour

// define makes all labels and fields that the mapping needs and the target lacks. It is called by the first
// delivery that needs one of them: before that nothing is changed at the target, not even its definitions.
func (c *Conductor) define(ctx context.Context) error {
	select {
	case c.defining <- struct{}{}:
		defer func() { <-c.defining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	labels, fields := c.missing()
	if len(labels)+len(fields) == 0 {
		return nil
	}
	usable, err := c.target.Define(ctx, labels, fields)
	if contact.KindOf(err) == contact.Invalid {
		usable, err = c.defineEach(ctx, labels, fields)
	}
	if err != nil {
		return err
	}
	if err := c.bindLabels(ctx, labels...); err != nil { // syncer made them itself
		return err
	}
	c.log.Info("made what the mapping needs", "labels", len(labels), "fields", len(fields))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usable = usable
	return nil
}

// missing is what the mapping needs and the target neither has nor refused lately.
func (c *Conductor) missing() (labels []string, fields map[string]contact.FieldType) {
	rules := c.target.Rules()
	wantLabels, wantFields := c.e.plan.Managed(c.name)
	if rules.OptOutLabel != "" {
		wantLabels = append(wantLabels, rules.OptOutLabel)
	}
	for _, name := range wantLabels {
		if _, ok := rules.Catalog.Label(name); !ok && rules.Can.Labels && !c.refuses("label", name) {
			labels = append(labels, name)
		}
	}
	fields = map[string]contact.FieldType{}
	for key, f := range wantFields {
		if _, ok := rules.Catalog.Fields[key]; !ok && rules.Can.Fields && !c.refuses("field", key) {
			fields[key] = f.Type
		}
	}
	if key := rules.OptOutField; key != "" && rules.Can.Fields && !c.refuses("field", key) {
		if _, ok := rules.Catalog.Fields[key]; !ok {
			fields[key] = contact.TextField
		}
	}
	return labels, fields
}

// defineEach makes what can be made when the target refused some of it, and remembers the rest.
func (c *Conductor) defineEach(ctx context.Context, labels []string, fields map[string]contact.FieldType) (usable time.Time, err error) {
	try := func(what, name string, labels []string, fields map[string]contact.FieldType) error {
		at, err := c.target.Define(ctx, labels, fields)
		if at.After(usable) {
			usable = at
		}
		if contact.KindOf(err) != contact.Invalid {
			return err
		}
		c.log.Warn("the target refuses what the mapping needs; it is left out", "what", what, "name", name, "error", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused[what+" "+name] = refusal{contact.AsError(err).Message, c.e.now().Add(askAgain)}
		return nil
	}
	for _, name := range labels {
		if err := try("label", name, []string{name}, nil); err != nil {
			return usable, err
		}
	}
	for key, t := range fields {
		if err := try("field", key, nil, map[string]contact.FieldType{key: t}); err != nil {
			return usable, err
		}
	}
	return usable, nil
}

func (c *Conductor) refuses(what, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.refused[what+" "+name]
	return ok && c.e.now().Before(r.until)
}

// undefined says why a label or field is left out of a change.
func (c *Conductor) undefined(what, name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.refused[what+" "+name]; ok {
		return "the target refuses this " + what + ": " + r.why
	}
	return "the target has no such " + what + "; create it or set create_missing"
}

// lacks reports whether a change needs a definition that could be made.
func (c *Conductor) lacks(ch *contact.Change) bool {
	catalog := c.target.Rules().Catalog
	for key := range ch.Fields {
		if _, ok := catalog.Fields[key]; !ok && !c.refuses("field", key) {
			return true
		}
	}
	for _, name := range ch.AddLabels {
		if _, ok := catalog.Label(name); !ok && !c.refuses("label", name) {
			return true
		}
	}
	return false
}
