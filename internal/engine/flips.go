package engine

import (
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// A value that does not stay is left alone: read back different twice right after it was written, or found
// changed back three times in a day.
const (
	misreadLimit = 2
	flipLimit    = 3
	flipWindow   = 24 * time.Hour
)

// watchFlips compares what was written with what stands now and with what had been written before.
func (w *work) watchFlips(l *state.Link, before contact.Base, now time.Time) {
	j := w.j
	if j.change.Create || j.observed == nil {
		return
	}
	for _, s := range j.change.Steps {
		if s.Kept != "" || s.Attr != "name" && s.Attr != "language" && !strings.HasPrefix(s.Attr, "fields.") {
			continue
		}
		settled, wroteBefore := before.Attrs[s.Attr]
		found := w.stands(s.Attr)
		misread := !w.same(s.Attr, s.New, found)
		if !misread && (!wroteBefore || !w.same(s.Attr, settled, s.New)) {
			delete(l.Flips, s.Attr) // a new value of the source starts afresh
			delete(l.Left, s.Attr)
			continue
		}
		f := l.Flips[s.Attr]
		if f.Wrote != s.New {
			f = state.Flip{Wrote: s.New}
		}
		f.Found = found
		limit := flipLimit
		if misread {
			limit = misreadLimit
		}
		recent := f.At[:0]
		for _, at := range f.At {
			if now.Sub(contact.FromMicros(at)) < flipWindow {
				recent = append(recent, at)
			}
		}
		f.At = append(recent, contact.Micros(now))
		if l.Flips == nil {
			l.Flips = map[string]state.Flip{}
		}
		l.Flips[s.Attr] = f
		if len(f.At) >= limit {
			if l.Left == nil {
				l.Left = map[string]string{}
			}
			l.Left[s.Attr] = s.New
		}
	}
}

// stands is what the contact shows for an attribute now.
func (w *work) stands(attr string) string {
	switch attr {
	case "name":
		return w.j.observed.Name
	case "language":
		return w.j.observed.Language
	}
	return w.j.observed.Fields[strings.TrimPrefix(attr, "fields.")]
}

func (w *work) same(attr, a, b string) bool {
	t := contact.TextField
	if key, ok := strings.CutPrefix(attr, "fields."); ok {
		t = w.j.desired.Fields[key].Type
		if defined, ok := w.c.target.Rules().Catalog.Fields[key]; ok {
			t = defined
		}
	}
	return contact.SameValue(t, a, b)
}
