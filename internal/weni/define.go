package weni

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"syncer/internal/contact"
)

// settle is how long a new field or group must not be used: Weni's engine keeps definitions for 5 s. A create
// that uses one too early gets a 400, an update or an action a 500.
const settle = 6 * time.Second

// Learn reads every field and group of the workspace into Rules. What appeared since the last Learn may be as new
// as what Define makes, and is treated so.
func (t *Target) Learn(ctx context.Context) error {
	done, err := t.defining.Take(ctx, "weni: read definitions")
	if err != nil {
		return err
	}
	defer done()
	return t.learn(ctx)
}

func (t *Target) learn(ctx context.Context) error {
	fields, err := all[wireField](ctx, t, "weni: read fields", fieldsPath)
	if err != nil {
		return err
	}
	groups, err := all[wireGroup](ctx, t, "weni: read groups", groupsPath)
	if err != nil {
		return err
	}
	next := &contact.Catalog{Fields: map[string]contact.FieldType{}}
	for _, f := range fields {
		next.Fields[f.Key] = f.fieldType()
		t.mark(sawPriority, f.Priority != nil)
		t.mark(sawName, f.Name != "")
	}
	for _, g := range groups {
		next.Labels = append(next.Labels, g.label())
		t.mark(sawPriority, g.System != nil)
	}
	first := t.marks.Or(sawDefinitions)&sawDefinitions == 0
	t.amend(func(known *contact.Catalog) *contact.Catalog {
		for key := range next.Fields {
			if _, ok := known.Fields[key]; !ok && !first {
				t.born[key] = t.now()
			}
		}
		for _, l := range next.Labels {
			if !slices.ContainsFunc(known.Labels, func(k contact.Label) bool { return k.ID == l.ID }) && !first {
				t.born[l.ID] = t.now()
			}
		}
		return next
	})
	return nil
}

// amend replaces the catalog in Rules. What change gets is a copy; it runs with t.mu held.
func (t *Target) amend(change func(*contact.Catalog) *contact.Catalog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := *t.rules.Load()
	r.Catalog = change(&contact.Catalog{Labels: slices.Clone(r.Catalog.Labels), Fields: maps.Clone(r.Catalog.Fields)})
	t.rules.Store(&r)
	maps.DeleteFunc(t.born, func(_ string, at time.Time) bool { return t.now().Sub(at) > settle })
}

// forget drops from the catalog what the server says it does not have, so that it is defined again.
func (t *Target) forget(key, group string) {
	t.amend(func(c *contact.Catalog) *contact.Catalog {
		delete(c.Fields, key)
		c.Labels = slices.DeleteFunc(c.Labels, func(l contact.Label) bool { return l.ID == group })
		return c
	})
}

// usable returns when the youngest of some fields and groups can be used; zero when all can.
func (t *Target) usable(ids ...string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var until time.Time
	for _, id := range ids {
		if at, ok := t.born[id]; ok && at.Add(settle).After(t.now()) && at.Add(settle).After(until) {
			until = at.Add(settle)
		}
	}
	return until
}

// Define creates the groups and fields that the workspace lacks, after reading again what it has: creating is not
// "get or create". All names are checked before anything is created. It returns when everything asked for can
// be used.
func (t *Target) Define(ctx context.Context, labels []string, fields map[string]contact.FieldType) (time.Time, error) {
	done, err := t.defining.Take(ctx, "weni: define")
	if err != nil {
		return time.Time{}, err
	}
	defer done()
	if groups, keys := t.lacking(labels, fields); len(groups)+len(keys) > 0 {
		if err := t.learn(ctx); err != nil {
			return time.Time{}, err
		}
	}
	groups, keys := t.lacking(labels, fields)
	if err := t.definable(groups, keys); err != nil {
		return time.Time{}, err
	}
	for _, name := range groups {
		if err := t.defineGroup(ctx, name); err != nil {
			return time.Time{}, err
		}
	}
	for _, key := range keys {
		if err := t.defineField(ctx, key, fields[key]); err != nil {
			return time.Time{}, err
		}
	}
	catalog := t.Rules().Catalog
	ids := slices.Collect(maps.Keys(fields))
	for _, name := range labels {
		if l, ok := catalog.Label(name); ok {
			ids = append(ids, l.ID)
		}
	}
	if until := t.usable(ids...); !until.IsZero() {
		return until, nil
	}
	return t.now(), nil
}

// lacking is what the catalog does not have, in order and without repetition.
func (t *Target) lacking(labels []string, fields map[string]contact.FieldType) (groups, keys []string) {
	catalog := t.Rules().Catalog
	for _, name := range labels {
		name = strings.TrimSpace(name)
		same := func(g string) bool { return contact.FoldName(g) == contact.FoldName(name) }
		if _, ok := catalog.Label(name); !ok && !slices.ContainsFunc(groups, same) {
			groups = append(groups, name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if _, ok := catalog.Fields[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(groups)
	return groups, keys
}

// definable checks names by the rules of the server, all at once and in words that say what to change.
func (t *Target) definable(groups, keys []string) error {
	const op = "weni: define"
	if len(groups)+len(keys) > 0 && !t.create {
		return &contact.Error{Kind: contact.Unready, Op: op, Until: t.now().Add(learnAfter), Message: "the workspace lacks " +
			strings.Join(append(quotedAll("group ", groups), quotedAll("field ", keys)...), ", ") +
			"; create them there or set create_missing: true"}
	}
	var problems []string
	for _, name := range groups {
		if why := BadGroup(name); why != "" {
			problems = append(problems, "group "+strconv.Quote(name)+" "+why)
		}
	}
	for _, key := range keys {
		if why := badKey(key); why != "" {
			problems = append(problems, "field "+strconv.Quote(key)+" "+why)
		}
	}
	if len(problems) > 0 {
		return &contact.Error{Kind: contact.Invalid, Op: op, Message: strings.Join(problems, "; ")}
	}
	return nil
}

func quotedAll(prefix string, names []string) []string {
	var list []string
	for _, n := range names {
		list = append(list, prefix+strconv.Quote(n))
	}
	return list
}

// UsualLimit is how many groups, and how many fields, a workspace holds unless its support has raised it. The API
// does not tell.
const UsualLimit = 250

// Writable finds out whether the workspace may be written to, by a write that names nothing: a suspended workspace
// refuses that before it looks at it, any other one because nothing is named. Nothing can come of it.
func (t *Target) Writable(ctx context.Context) error {
	err := t.do(ctx, call{op: "weni: ask whether it may be written to", method: http.MethodPost, path: fieldsPath, body: map[string]any{}}, nil)
	if contact.KindOf(err) == contact.Invalid {
		return nil
	}
	return err
}

// BadGroup says why no group can have a name; empty when one can. It gives the narrower of the rules of Weni and of
// newer versions.
func BadGroup(name string) string {
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case name == "":
		return "has no name"
	case utf8.RuneCountInString(name) > 64:
		return "is longer than the 64 characters a group's name can have"
	case first != '_' && !unicode.IsLetter(first) && !unicode.IsDigit(first):
		return "must begin with a letter or a digit"
	case strings.ContainsAny(name, "\"\\\x00"):
		return "contains a quotation mark or a backslash"
	}
	return ""
}

// reserved are the keys that no field can have: attributes of a contact, words of the query language, and the
// kinds of addresses.
var reserved = set("id name first_name language groups uuid created_on created_by modified_by is has " +
	"tel facebook instagram twitter twitterid viber line telegram mailto ext jiochat wechat fcm whatsapp freshchat vk " +
	"rocketchat discord weniwebchat slack teams")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

var (
	validKey = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	notKey   = regexp.MustCompile(`[^a-z0-9]+`)
)

// keyOf is the key that RapidPro makes of a label. It is the only way to get a key: none is sent.
func keyOf(label string) string {
	return strings.Trim(notKey.ReplaceAllString(strings.ToLower(label), "_"), "_")
}

func badKey(key string) string {
	switch {
	case reserved[key]:
		return "is a word that the workspace keeps for itself; choose another key"
	case len(key) > maxLabel:
		return "is longer than the 36 characters a field's key can have"
	case !validKey.MatchString(key):
		return "must begin with a letter and have only a to z, 0 to 9 and _"
	case keyOf(key) != key:
		return "cannot end in _ or have __ inside"
	}
	return ""
}

const maxLabel = 36

// labelsOf are labels that make exactly this key, the most readable first. The others serve when a field of
// another key bears the first: labels are unique, and a relabelled field keeps its key.
func labelsOf(key string) []string {
	words := strings.ReplaceAll(key, "_", " ")
	var labels []string
	for _, l := range []string{strings.ToUpper(words[:1]) + words[1:], strings.ReplaceAll(key, "_", "-"), words + " -"} {
		if keyOf(l) == key && len(l) <= maxLabel && !slices.ContainsFunc(labels, func(o string) bool { return strings.EqualFold(o, l) }) {
			labels = append(labels, l)
		}
	}
	return labels
}

// defineField creates one field. Newer versions take name and type; Weni takes label and value_type only, and the
// older word for numbers.
func (t *Target) defineField(ctx context.Context, key string, ft contact.FieldType) error {
	ft = cmp.Or(ft, contact.TextField)
	label, kind, word := "label", "value_type", string(ft)
	if f := t.Flavour(); f == RapidPro9 || f == RapidPro26 {
		label, kind = "name", "type"
		if ft == contact.NumericField {
			word = number
		}
	}
	op := "weni: create field " + key
	var err error
	for _, l := range labelsOf(key) {
		var w wireField
		err = t.do(ctx, call{op: op, method: http.MethodPost, path: fieldsPath, body: map[string]any{label: l, kind: word}}, &w)
		switch {
		case err == nil && w.Key != key:
			return &contact.Error{Kind: contact.Invalid, Op: op, Message: "the workspace made a field of another key from the label; correct it there"}
		case err == nil:
			t.mark(sawName, w.Name != "")
			t.amend(func(c *contact.Catalog) *contact.Catalog {
				t.born[key], c.Fields[key] = t.now(), w.fieldType()
				return c
			})
			return nil
		case !taken(err):
			return err
		}
		if err := t.learn(ctx); err != nil {
			return err
		}
		if _, ok := t.Rules().Catalog.Fields[key]; ok {
			return nil // somebody else made it
		}
	}
	return err
}

// defineGroup creates one group, or finds the one that somebody else made meanwhile.
func (t *Target) defineGroup(ctx context.Context, name string) error {
	op := "weni: create group " + strconv.Quote(name)
	var w wireGroup
	err := t.do(ctx, call{op: op, method: http.MethodPost, path: groupsPath, body: map[string]any{"name": name}}, &w)
	switch {
	case err == nil:
		t.amend(func(c *contact.Catalog) *contact.Catalog {
			t.born[w.UUID], c.Labels = t.now(), append(c.Labels, w.label())
			return c
		})
		return nil
	case !taken(err):
		return err
	}
	if err := t.learn(ctx); err != nil {
		return err
	}
	if _, ok := t.Rules().Catalog.Label(name); ok {
		return nil
	}
	// A smart group is left out of the list while its members are computed for the first time.
	return &contact.Error{Kind: contact.Unready, Op: op, Until: t.now().Add(learnAfter),
		Message: "the workspace has a group of that name but does not show it yet"}
}

// taken reports whether a definition was refused because its name is in use.
func taken(err error) bool {
	var e *contact.Error
	return errors.As(err, &e) && e.Kind == contact.Invalid &&
		(strings.Contains(e.Message, "must be unique") || strings.Contains(e.Message, "conflicts with an existing"))
}
