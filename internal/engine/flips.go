package engine

import (
	"fmt"
	"slices"
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
		switch {
		case s.Kept != "":
		case strings.HasPrefix(s.Attr, "labels."):
			// What a label was before is not noted: it is the second change the same way that is the first flip.
			flipped(l, s.Attr, fmt.Sprint(s.New != ""), flipLimit+1, now)
		case s.Attr == "name", s.Attr == "language", strings.HasPrefix(s.Attr, "fields."):
			settled, wroteBefore := before.Attrs[s.Attr]
			misread := !w.same(s.Attr, s.New, w.stands(s.Attr))
			switch {
			case misread:
				flipped(l, s.Attr, s.New, misreadLimit, now)
			case wroteBefore && w.same(s.Attr, settled, s.New):
				flipped(l, s.Attr, s.New, flipLimit, now)
			default: // a new value of the source starts afresh
				delete(l.Flips, s.Attr)
				delete(l.Left, s.Attr)
			}
		}
	}
}

// flipped counts that a value had to be written once more; at the limit it is left alone.
func flipped(l *state.Link, attr, wrote string, limit int, now time.Time) {
	f := l.Flips[attr]
	if f.Wrote != wrote {
		f = state.Flip{Wrote: wrote}
	}
	f.At = slices.DeleteFunc(f.At, func(at int64) bool { return now.Sub(contact.FromMicros(at)) >= flipWindow })
	f.At = append(f.At, contact.Micros(now))
	if l.Flips == nil {
		l.Flips = map[string]state.Flip{}
	}
	if l.Flips[attr] = f; len(f.At) < limit {
		return
	}
	if l.Left == nil {
		l.Left = map[string]string{}
	}
	l.Left[attr] = wrote
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
