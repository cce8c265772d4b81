package omni

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/omni/table"
)

// defaultColor is the colour of tags that syncer creates when the configuration names none.
const defaultColor = "#1e88e5"

var color = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

func checkColor(setting string) (string, error) {
	if setting != "" && !color.MatchString(setting) {
		return "", fmt.Errorf("tag_color %q is not a colour such as %s", setting, defaultColor)
	}
	return cmp.Or(setting, defaultColor), nil
}

// listTags reads all tags, or those that a filter by name lets pass, ordered by id so that of two tags with
// one name the same is used every time.
func (t *Omnichannel) listTags(ctx context.Context, name string) ([]contact.Label, error) {
	p := params{}
	if name != "" {
		p["name"] = name
	}
	labels := []contact.Label{}
	for page := 1; ; page++ {
		answer, err := t.call(ctx, table.TagList, p)
		if err != nil {
			return nil, err
		}
		items, ok := t.at.items(answer)
		if !ok {
			return nil, t.misread(table.TagList, atItems)
		}
		for _, item := range items {
			l := contact.Label{ID: t.at.text(item, atID), Name: strings.TrimSpace(t.at.text(item, atTagName))}
			if l.ID == "" {
				return nil, t.misread(table.TagList, atID)
			}
			labels = append(labels, l)
		}
		last, _, known := find(t.at, answer, atLastPage, asInt)
		if !known || page >= last || len(items) == 0 {
			break
		}
		p["page"] = page + 1
	}
	slices.SortFunc(labels, func(a, b contact.Label) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(labels, func(a, b contact.Label) bool { return a.ID == b.ID }), nil
}

// ensureTag finds a tag by its exact name or creates it. The filter may let names pass that only contain it.
func (t *Omnichannel) ensureTag(ctx context.Context, name string) (contact.Label, error) {
	label, found, err := t.findTag(ctx, name)
	if found || err != nil {
		return label, err
	}
	if !t.table.Has(table.TagCreate) {
		return label, &contact.Error{Kind: contact.Unready, Op: t.kind + ": " + table.TagCreate,
			Message: fmt.Sprintf("the tag %q is missing and %s is disabled; create it by hand", name, table.TagCreate)}
	}
	answer, err := t.call(ctx, table.TagCreate, params{"name": name, "color": t.color})
	if contact.KindOf(err) == contact.Conflict {
		// Somebody was faster.
		if label, found, again := t.findTag(ctx, name); found || again != nil {
			return label, again
		}
	}
	if err != nil {
		return label, err
	}
	node, ok := t.at.object(answer)
	if !ok {
		return label, t.misread(table.TagCreate, atID)
	}
	return contact.Label{ID: t.at.text(node, atID), Name: name}, nil
}

func (t *Omnichannel) findTag(ctx context.Context, name string) (contact.Label, bool, error) {
	labels, err := t.listTags(ctx, name)
	if err != nil {
		return contact.Label{}, false, err
	}
	label, found := (&contact.Catalog{Labels: labels}).Label(name)
	return label, found, nil
}

// tagged completes a contact whose answer did not show its tags.
func (t *Omnichannel) tagged(ctx context.Context, o *contact.Observed) error {
	if o.Labels != nil || !t.Rules().Can.Labels {
		return nil
	}
	if !t.table.Has(table.ContactTags) {
		t.lose(func(can *contact.Capabilities) *bool { return &can.Labels },
			fmt.Sprintf("tags are left alone: contacts do not show them where decode.tags points, and %s is disabled", table.ContactTags))
		return nil
	}
	answer, err := t.call(ctx, table.ContactTags, params{"contactId": o.ID})
	if err != nil {
		return err
	}
	items, ok := t.at.items(answer)
	if !ok {
		return t.misread(table.ContactTags, atItems)
	}
	o.Labels = t.labelIDs(items)
	return nil
}

// labelIDs reads tags that are shown as objects or as bare ids.
func (t *Omnichannel) labelIDs(list []any) []string {
	ids := make([]string, 0, len(list))
	for _, item := range list {
		id, bare := asText(item)
		if !bare {
			id = t.at.text(item, atID)
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// retag adds tags to a contact or takes them away.
func (t *Omnichannel) retag(ctx context.Context, op string, seen *contact.Observed, ids []string) (any, error) {
	answer, err := t.call(ctx, op, params{"contactId": seen.ID, "tagIds": ids}, seen.Name)
	return answer, t.stale(ctx, ids, err)
}

// stale reads the catalog again when a call with tags was refused: a tag that somebody deleted is no fault of
// the contact, and would otherwise be taken for one with everybody who is to have it.
func (t *Omnichannel) stale(ctx context.Context, ids []string, err error) error {
	if err == nil || len(ids) == 0 {
		return err
	}
	if e := contact.AsError(err); e.Kind != contact.Gone && e.Kind != contact.Invalid && e.Status != http.StatusNotFound {
		return err
	}
	if failed := t.Learn(ctx); failed != nil {
		return failed
	}
	for _, id := range ids {
		if !slices.ContainsFunc(t.Rules().Catalog.Labels, func(l contact.Label) bool { return l.ID == id }) {
			return &contact.Error{Kind: contact.Unready, Op: contact.AsError(err).Op, Message: "a tag was deleted by somebody else meanwhile"}
		}
	}
	return err
}

// idsOf translates names of tags; one that is not in the catalog has to be defined first.
func (t *Omnichannel) idsOf(names []string) ([]string, error) {
	catalog := t.Rules().Catalog
	for _, name := range names {
		if _, known := catalog.Label(name); !known {
			return nil, &contact.Error{Kind: contact.Unready, Op: t.kind + ": " + table.ContactAddTags, Message: fmt.Sprintf("the tag %q does not exist yet", name)}
		}
	}
	return t.knownIDs(names), nil
}

// knownIDs translates the names that the catalog knows: a tag that does not exist is on nobody.
func (t *Omnichannel) knownIDs(names []string) []string {
	catalog := t.Rules().Catalog
	var ids []string
	for _, name := range names {
		if label, known := catalog.Label(name); known && !slices.Contains(ids, label.ID) {
			ids = append(ids, label.ID)
		}
	}
	return ids
}

func withLabel(c *contact.Catalog, l contact.Label) *contact.Catalog {
	return &contact.Catalog{Labels: append(slices.Clone(c.Labels), l)}
}
