package state_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// rows is a store in memory: what a damaged file holds is put into it byte by byte.
type rows struct {
	tables map[string]map[string][]byte
	last   uint64
}

func newRows() *rows {
	r := &rows{tables: map[string]map[string][]byte{}}
	r.Put(state.Meta, []byte("secret"), []byte("0123456789abcdef0123456789abcdef"))
	return r
}

func (r *rows) Get(table string, key []byte) []byte { return r.tables[table][string(key)] }
func (r *rows) Delete(table string, key []byte)     { delete(r.tables[table], string(key)) }
func (r *rows) Clear(table string)                  { delete(r.tables, table) }

func (r *rows) Put(table string, key, value []byte) {
	if r.tables[table] == nil {
		r.tables[table] = map[string][]byte{}
	}
	r.tables[table][string(key)] = append([]byte{}, value...)
}

func (r *rows) Next(string) uint64 {
	r.last++
	return r.last
}

func (r *rows) Scan(table string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(r.tables[table])) {
			if strings.HasPrefix(k, string(prefix)) && k >= string(from) && !yield([]byte(k), r.tables[table][k]) {
				return
			}
		}
	}
}

func (r *rows) Update(_ context.Context, fn func(state.Tx) error) error { return r.View(fn) }

func (r *rows) View(fn func(state.Tx) error) (err error) {
	defer state.Recover(&err)
	return fn(r)
}

func (r *rows) Backup(context.Context, io.Writer) error { return nil }
func (r *rows) Compact(context.Context) error           { return nil }
func (r *rows) Stats() state.Stats                      { return state.Stats{} }
func (r *rows) Close() error                            { return nil }

// FuzzDamage puts one row into a table as no syncer would have written it, and does everything with the state that
// syncer does: each either works or ends in an error that says what to do.
func FuzzDamage(f *testing.F) {
	tables := state.Tables()
	at := func(name string) uint8 { return uint8(slices.Index(tables, name)) }
	f.Add(at("records"), []byte("crm\x001"), []byte(`{"version":{},"parts":[{"person":1}],"due":1}`))
	f.Add(at("records"), []byte("crm"), []byte{1, 0xff, 0xff})
	f.Add(at("todo"), []byte{1}, []byte{})
	f.Add(at("todo"), []byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01"), []byte{})
	f.Add(at("due"), []byte("weni\x00\x01"), []byte{})
	f.Add(at("due"), []byte("weni\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x02"), []byte{})
	f.Add(at("linked"), []byte("weni\x00c1"), []byte("short"))
	f.Add(at("links"), []byte("weni\x00\x01"), []byte(`{}`))
	f.Add(at("mirror"), []byte("weni\x00c1"), []byte(`{"id":"c1","urns":["tel:",":"],"person":9}`))
	f.Add(at("mirror_index"), []byte("weni\x00"), []byte{})
	f.Add(at("journal"), []byte("12345678"), []byte(`{}`))
	f.Add(at("consents"), []byte("phone:5584988880007"), []byte(`{"loja":null}`))
	f.Add(at("claims"), []byte("phone:5584988880007"), []byte(`[{"person":1,"key":{"source":"crm","id":"1"}}]`))
	f.Add(at("held"), []byte("run"), []byte(`{}`))
	f.Add(at("walked"), []byte("run\x00"), []byte{0xff})
	f.Add(at("forgotten"), []byte("x"), []byte("x"))
	f.Add(at("meta"), []byte("secret"), []byte{})
	f.Fuzz(func(t *testing.T, table uint8, key, value []byte) {
		r := newRows()
		r.Put(tables[int(table)%len(tables)], key, value)
		for name, work := range everything {
			if err := r.View(work); err != nil && !errors.Is(err, state.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := state.Export(r, io.Discard); err != nil && !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("export: %v", err)
		}
	})
}

// everything is what syncer does with its state.
var everything = map[string]func(state.Tx) error{
	"accept": func(tx state.Tx) error {
		k := contact.Key{Source: "crm", ID: "1"}
		for _, a := range state.Prepare(time.Unix(1, 0), []contact.Event{
			{Kind: contact.Upsert, Key: k, Payload: []byte(`{"a":1}`)},
			{Kind: contact.Upsert, Key: k, Shape: contact.Partial, ID: "e", Payload: []byte(`{"a":{"b":2}}`)},
			{Kind: contact.OptOut, Key: k, Version: contact.Version{Event: 5}},
			{Kind: contact.OptOut, Key: contact.Key{Source: "loja"}, Identities: []contact.Identity{"phone:5584988880007"}},
			{Kind: contact.Delete, Key: k, Version: contact.Version{Event: 7}},
			{Kind: contact.Erase, Key: k},
		}) {
			state.AcceptOne(tx, &a, state.Travel{Lane: state.LaneLive})
		}
		return nil
	},
	"take what is due": func(tx state.Tx) error {
		state.DueRecords(tx, time.Unix(1e9, 0), 10)
		state.CountDueRecords(tx, 10)
		for lane := state.LaneConsent; lane <= state.LaneBulk; lane++ {
			state.DueLinks(tx, "weni", lane, time.Unix(1e9, 0), 10, nil)
		}
		state.Backlog(tx, "weni", 10)
		return nil
	},
	"look people up": func(tx state.Tx) error {
		state.Bearers(tx, "weni", "phone:5584988880007")
		state.PersonAt(tx, "weni", "c1")
		state.History(tx, 1)
		state.IsForgotten(tx, "phone:5584988880007")
		state.WasWalked(tx, "run", 3)
		state.ReadMirrorMark(tx, "weni")
		return nil
	},
	"reflect":  func(tx state.Tx) error { state.Reflect(tx, "weni", contact.Observed{ID: "c1"}); return nil },
	"vanish":   func(tx state.Tx) error { state.Unreflect(tx, "weni", "c1"); return nil },
	"forget":   func(tx state.Tx) error { state.ErasePerson(tx, 1, time.Unix(1, 0)); return nil },
	"records":  each(state.Records),
	"persons":  each(state.Persons),
	"claims":   each(state.Claims),
	"links":    each(state.Links),
	"mirror":   each(state.Mirror),
	"consents": each(state.Consents),
	"journal":  each(state.Journal),
	"dead":     each(state.Dead),
	"bodies":   each(state.Quarantine),
	"question": each(state.Conflicts),
	"places":   each(state.Places),
	"pauses":   each(state.Pauses),
	"runs":     each(state.Runs),
	"held":     each(state.Holds),
	"done":     each(state.Dones),
	"kept":     each(state.Keeps),
	"ledger":   each(state.Ledger),
	"marks":    each(state.Marks),
}

// each reads a table whole, one row after another, and writes back what it read.
func each[K, V any](table state.Table[K, V]) func(state.Tx) error {
	return func(tx state.Tx) error {
		for k, v := range table.All(tx, nil, nil) {
			table.Put(tx, k, v)
			break
		}
		for k := range table.All(tx, nil, nil) {
			table.Get(tx, k)
		}
		return nil
	}
}

// FuzzImport reads files that may be no exports.
func FuzzImport(f *testing.F) {
	var whole strings.Builder
	if err := state.Export(newRows(), &whole); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(whole.String()))
	f.Add([]byte("{\"format\":1}\n{\"contact\":{\"target\":\"weni\",\"id\":\"c1\",\"kept\":{}}}\n{\"consent\":{\"identity\":\"phone:1\",\"said\":{\"loja\":{\"out\":true,\"at\":1}}}}\n{\"erased\":\"eA==\",\"at\":-1}"))
	f.Add([]byte("{\"format\":99}\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := newRows()
		n, err := state.Import(context.Background(), r, strings.NewReader(string(file)))
		if n > 0 && strings.Count(string(file), "\n") < n {
			t.Fatalf("%d lines taken over of %d", n, strings.Count(string(file), "\n"))
		}
		if err != nil {
			return
		}
		if err := state.Export(r, io.Discard); err != nil {
			t.Fatalf("what was imported cannot be exported: %v", err)
		}
	})
}
