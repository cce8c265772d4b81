package console

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// frame is what every page has around its own data, and the words and figures that templates ask for.
type frame struct {
	Words
	Now     time.Time
	Version string
	Page    string // the entry of the menu that is marked; without one there is no menu
	URL     *url.URL
	Said    string // what was done a moment ago
	Refresh int    // seconds after which the page asks again; 0: never
	Session bool   // whether there is a login to end
	Data    any
}

type whenView struct{ ISO, Full, Text string }

// When shows a moment, of the state or of the API.
func (f frame) When(at any) whenView {
	t, ok := at.(time.Time)
	if us, isMicros := at.(int64); isMicros {
		t, ok = contact.FromMicros(us), true
	}
	if !ok || t.IsZero() {
		return whenView{}
	}
	return whenView{t.UTC().Format(time.RFC3339), f.Stamp(t), f.Ago(t, f.Now)}
}

// Ahead reports whether a moment is still to come.
func (f frame) Ahead(at time.Time) bool { return at.After(f.Now) }

type barView struct {
	Percent     int
	Class, Text string
}

// Bar draws how much of a budget is used.
func (f frame) Bar(b Budget) barView {
	used := min(max(b.Limit-b.Left, 0), b.Limit)
	v := barView{Percent: 100 * used / max(b.Limit, 1), Class: "used", Text: f.Say("%d of %d used", "%d de %d usadas", used, b.Limit)}
	if v.Percent >= 90 {
		v.Class = "much"
	}
	return v
}

type attentionView struct {
	Parts []attentionPart
	Link  string // where on these pages it can be looked at
}

type attentionPart struct {
	Text string
	Code bool
}

// Attention takes apart what needs somebody: commands stand between backquotes, and most have a page.
func (f frame) Attention(text string) attentionView {
	var v attentionView
	for i, part := range strings.Split(text, "`") {
		v.Parts = append(v.Parts, attentionPart{part, i%2 == 1})
		words := strings.Fields(part)
		switch {
		case i%2 == 0 || v.Link != "" || len(words) < 3 || words[0] != "syncer":
		case words[1] == "plan":
			v.Link = "/runs/" + url.PathEscape(words[2])
		case words[2] == "list" && slices.Contains([]string{"dead", "conflicts", "quarantine"}, words[1]):
			v.Link = "/" + words[1]
		}
	}
	return v
}

// Mood is the colour of a target.
func (f frame) Mood(t TargetStatus) string {
	switch {
	case t.Paused != nil:
		return "paused"
	case t.Held+t.Dead > 0:
		return "waits"
	}
	return "fine"
}

// Total sums counts.
func (f frame) Total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Lanes, Waits and Tally say counts in a row, leaving out what is zero.

// Lanes are counts by lane.
func (f frame) Lanes(counts map[string]int) string { return f.row(counts, f.Lane) }

// Waits are counts by kind of error.
func (f frame) Waits(counts map[string]int) string {
	return f.row(counts, func(s string) string { return "× " + f.Kind(contact.ErrorKind(s)) })
}

// Tally are counts by receipt.
func (f frame) Tally(counts map[string]int) string { return f.row(counts, f.Receipt) }

func (f frame) row(counts map[string]int, say func(string) string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[name]; n != 0 {
			parts = append(parts, fmt.Sprintf("%s %s", f.Number(n), say(name)))
		}
	}
	return strings.Join(parts, " · ")
}

// Keys writes records as people type them.
func (f frame) Keys(keys []contact.Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.String()
	}
	return out
}

// Steps says in the reader's language why differences are kept.
func (f frame) Steps(steps []contact.Step) []contact.Step {
	out := slices.Clone(steps)
	for i := range out {
		out[i].Kept = f.Kept(out[i].Kept)
	}
	return out
}

// Newest turns a journal round.
func (f frame) Newest(journal []state.Entry) []state.Entry {
	out := slices.Clone(journal)
	slices.Reverse(out)
	return out
}

// StateClass is how the state of a run is drawn.
func (f frame) StateClass(r state.Run) string { return stateOf(r) }

// Size is a number of bytes.
func (f frame) Size(n int) string { return f.Bytes(int64(n)) }

// Shown, Masked and After are addresses of this page in another form.

// Shown is this page with names and numbers.
func (f frame) Shown() string { return f.with("show", "1") }

// Masked is this page without them.
func (f frame) Masked() string { return f.with("show", "") }

// After is this page from a place on.
func (f frame) After(cursor string) string { return f.with("after", cursor) }

func (f frame) with(name, value string) string {
	q := f.URL.Query()
	for _, gone := range []string{"said", "n", name} {
		q.Del(gone)
	}
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return f.URL.Path
	}
	return f.URL.Path + "?" + q.Encode()
}
