package pipedrive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"syncer/internal/contact"
)

// definitions are the names behind the ids that persons carry. They are never changed once stored.
type definitions struct {
	fields map[string]*field // custom ones by code
	labels *field            // what label_ids point to
	sum    string
	wire   []wireField // as read, to be remembered
}

type field struct {
	code string
	name string // empty when a field before it has the same name: then only the code tells them apart
	kind string
	// options are the texts by id.
	options map[string]string
}

// wireField is a field as either version of the API describes it.
type wireField struct {
	Code    string `json:"field_code"`
	Key     string `json:"key"` // version 1
	Name    string `json:"field_name"`
	Label   string `json:"name"` // version 1
	Kind    string `json:"field_type"`
	Options []struct {
		ID    text `json:"id"`
		Label text `json:"label"`
	} `json:"options"`
}

// Prepare reads the custom fields, their options and the labels. Names that Record met and that are still
// unknown afterwards are taken for deleted ones and make no record stale again.
func (s *Source) Prepare(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	before := s.unknown.pending() // what is met while the answer travels has not been asked for
	wire, err := s.fields(ctx)
	if err != nil {
		return err
	}
	defs := define(wire)
	defs.wire = wire
	for _, f := range defs.fields {
		if f.name == "" {
			s.log.Warn("two custom fields of the CRM have the same name; this one can only be read by its code", "source", s.spec.Name, "code", f.code)
		}
	}
	s.defs.Store(defs)
	s.unknown.settle(before)
	return nil
}

// Ready reports whether the names behind ids are known. Without an API ids stand for themselves.
func (s *Source) Ready() bool { return s.http == nil || s.defs.Load().wire != nil }

// Remember returns the fields as they were read.
func (s *Source) Remember() []byte {
	wire := s.defs.Load().wire
	if wire == nil {
		return nil
	}
	raw, err := json.Marshal(wire)
	if err != nil {
		return nil
	}
	return raw
}

// Recall takes fields back that were read in an earlier life; Prepare reads them anew.
func (s *Source) Recall(data []byte) error {
	var wire []wireField
	if err := json.Unmarshal(data, &wire); err != nil || wire == nil {
		return err
	}
	defs := define(wire)
	defs.wire = wire
	s.defs.CompareAndSwap(s.defs.Load(), defs)
	return nil
}

// Definitions changes when Pipedrive's names changed.
func (s *Source) Definitions() string { return s.defs.Load().sum }

// Stale reports whether a record had an option, a label or a custom field that Prepare did not know. The
// record was read all the same, without the values that have no name yet.
func (s *Source) Stale() bool { return s.unknown.stale() }

// maxFieldPages bounds the walk over the fields: 100 pages are more fields than Pipedrive allows.
const maxFieldPages = 100

func (s *Source) fields(ctx context.Context) ([]wireField, error) {
	const op, v2, v1 = "read person fields", "/api/v2/personFields", "/api/v1/personFields"
	var all []wireField
	path, query := v2, url.Values{"limit": {"500"}}
	for range maxFieldPages {
		var rows []wireField
		page, err := s.get(ctx, contact.ScopeOther, op, path, query, &rows)
		var failure *contact.Error
		if path == v2 && errors.As(err, &failure) && failure.Status == http.StatusNotFound {
			path = v1 // companies that do not have the second version yet
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		switch {
		case page.next != "" && string(page.next) != query.Get("cursor"):
			query.Set("cursor", string(page.next))
		case page.start != "" && string(page.start) != query.Get("start"):
			query.Set("start", string(page.start))
		default:
			return all, nil
		}
	}
	return nil, &contact.Error{Kind: contact.Unavailable, Op: "pipedrive: " + op, Message: fmt.Sprintf("the list of fields does not end after %d pages", maxFieldPages)}
}

func define(wire []wireField) *definitions {
	d := &definitions{fields: map[string]*field{}}
	taken := map[string]bool{}
	var sums []*field
	for _, w := range wire {
		f := &field{code: cmp.Or(w.Code, w.Key), name: cmp.Or(w.Name, w.Label), kind: w.Kind, options: make(map[string]string, len(w.Options))}
		for _, o := range w.Options {
			f.options[string(o.ID)] = string(o.Label)
		}
		switch {
		case f.code == "label_ids", f.code == "label" && d.labels == nil:
			d.labels = f
		case isHash(f.code):
			if taken[f.name] {
				f.name = ""
			}
			taken[f.name] = true
			d.fields[f.code] = f
		default:
			continue // standard fields keep their own names
		}
		sums = append(sums, f)
	}
	d.sum = sum(sums)
	return d
}

// sum is the same for the same names in any order, and after a restart.
func sum(fields []*field) string {
	slices.SortFunc(fields, func(a, b *field) int { return cmp.Compare(a.code, b.code) })
	h := sha256.New()
	for _, f := range fields {
		// Maps are written with their keys sorted.
		line, _ := json.Marshal([]any{f.code, f.name, f.kind, f.options})
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// isHash tells the code of a custom field from the name of a standard one.
func isHash(code string) bool {
	if len(code) != 40 {
		return false
	}
	for i := range 40 {
		if c := code[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unknowns are ids without a name: those met since the last Prepare, and those it did not explain either.
type unknowns struct {
	mu      sync.Mutex
	met     map[string]bool
	settled map[string]bool
}

// maxUnknown bounds both sets; a source with more unnamed ids than that has lost its definitions altogether.
const maxUnknown = 1000

// add notes an id and reports whether Prepare may still explain it.
func (u *unknowns) add(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.settled[id] {
		return false
	}
	if u.met == nil {
		u.met = map[string]bool{}
	}
	if len(u.met) < maxUnknown {
		u.met[id] = true
	}
	return true
}

func (u *unknowns) pending() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Keys(u.met))
}

func (u *unknowns) settle(ids []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.settled == nil || len(u.settled)+len(ids) > maxUnknown {
		u.settled = map[string]bool{}
	}
	for _, id := range ids {
		u.settled[id] = true
		delete(u.met, id)
	}
}

func (u *unknowns) stale() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.met) > 0
}
