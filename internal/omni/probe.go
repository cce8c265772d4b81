package omni

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/omni/table"
)

// report collects what a probe finds, a line for each operation, and keeps the first failure.
type report struct {
	lines []string
	err   error
}

func (r *report) add(op, format string, args ...any) {
	r.lines = append(r.lines, op+": "+fmt.Sprintf(format, args...))
}

// try runs one operation of a probe; ok says that there is an answer to look into.
func (r *report) try(ctx context.Context, a *api, op string, p params) (answer any, ok bool) {
	if !a.table.Has(op) {
		r.add(op, "disabled")
		return nil, false
	}
	answer, err := a.call(ctx, op, p)
	if err != nil {
		r.fail(a, err)
		return nil, false
	}
	return answer, true
}

// list says where the list of an answer is, and where the parts of its first row are; it returns that row.
func (r *report) list(a *api, op string, answer any, about []string, parts ...string) any {
	items, ok := a.at.items(answer)
	if !ok {
		r.fail(a, a.misread(op, atItems))
		return nil
	}
	said := []string{fmt.Sprintf("%d in the list", len(items))}
	if _, pointer, ok := find(a.at, answer, atItems, asList); ok {
		said[0] += " at " + at(pointer)
	}
	said = append(said, a.at.where(answer, about...)...)
	var row any
	if len(items) > 0 && len(parts) > 0 {
		row = items[0]
		where := a.at.where(row, parts...)
		where[0] = "in its first row " + where[0]
		said = append(said, where...)
	}
	r.add(op, "%s", strings.Join(said, ", "))
	return row
}

func (r *report) fail(a *api, err error) {
	r.lines = append(r.lines, strings.TrimPrefix(err.Error(), a.kind+": "))
	r.err = cmp.Or(r.err, err)
}

// where says for each part which pointer resolves.
func (p pointers) where(node any, parts ...string) []string {
	said := make([]string, len(parts))
	for i, part := range parts {
		_, pointer, ok := find(p, node, part, func(node any) (any, bool) { return node, node != nil })
		if said[i] = part + " at " + at(pointer); !ok {
			said[i] = part + " is not shown"
		}
	}
	return said
}

// at names a pointer; the empty one means the whole answer.
func at(pointer string) string { return cmp.Or(pointer, "its root") }

// Probe calls what only reads and says, a line for each operation, where the answers hold what the target
// looks for. The error is the first failure.
func (t *OmniFlow) Probe(ctx context.Context) ([]string, error) {
	r := &report{}
	if t.tokens != nil {
		if _, err := t.tokens.get(ctx, t.api); err != nil {
			r.fail(t.api, err)
			return r.lines, r.err
		}
		r.add(table.OAuthToken, "a token was issued")
	}
	if answer, ok := r.try(ctx, t.api, table.InboxList, nil); ok {
		r.list(t.api, table.InboxList, answer, []string{atTenant})
	}
	answer, err := t.call(ctx, table.ContactFindByPhone, t.query(impossibleNumber))
	switch {
	case err == nil:
		r.list(t.api, table.ContactFindByPhone, answer, nil)
	case contact.KindOf(err) == contact.Gone, understood(err):
		r.add(table.ContactFindByPhone, "HTTP %d for a number that does not exist", contact.AsError(err).Status)
	default:
		r.fail(t.api, err)
	}
	return r.lines, r.err
}

// Probe calls what only reads and says, a line for each operation, where the answers hold what the target
// looks for. The error is the first failure.
func (t *Omnichannel) Probe(ctx context.Context) ([]string, error) {
	r := &report{}
	if answer, ok := r.try(ctx, t.api, table.TagList, nil); ok {
		r.list(t.api, table.TagList, answer, nil, atID, atTagName)
	}
	answer, ok := r.try(ctx, t.api, table.ContactList, params{"page": 1, "limit": 1})
	if !ok {
		return r.lines, r.err
	}
	row := r.list(t.api, table.ContactList, answer, []string{atLastPage}, atID, atIdentifier, atName, atCustomName, atTags)
	if row == nil {
		return r.lines, r.err
	}
	p := params{"contactId": t.at.text(row, atID)}
	if answer, ok := r.try(ctx, t.api, table.ContactGet, p); ok {
		node, found := t.at.object(answer)
		if !found {
			r.fail(t.api, t.misread(table.ContactGet, atID))
			return r.lines, r.err
		}
		r.add(table.ContactGet, "%s", strings.Join(t.at.where(node, atID, atIdentifier, atTags), ", "))
		if _, _, shown := find(t.at, node, atTags, asList); shown {
			return r.lines, r.err
		}
	}
	if answer, ok := r.try(ctx, t.api, table.ContactTags, p); ok {
		r.list(t.api, table.ContactTags, answer, nil, atID)
	}
	return r.lines, r.err
}
