package budget

import (
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"syncer/internal/state"
)

// memory is a store without a disk, for three hours in milliseconds.
type memory struct {
	mu     sync.Mutex
	tables map[string]map[string][]byte
	err    error
	writes int
	lazy   bool // accepts changes and does not make them: nothing is read again
}

func newMemory() *memory { return &memory{tables: map[string]map[string][]byte{}} }

func (m *memory) Update(_ context.Context, fn func(state.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.writes++
	if m.lazy {
		return nil
	}
	return m.run(fn)
}

func (m *memory) View(fn func(state.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run(fn)
}

func (m *memory) run(fn func(state.Tx) error) (err error) {
	defer state.Recover(&err)
	return fn(memoryTx{m})
}

func (m *memory) Backup(context.Context, io.Writer) error { return nil }
func (m *memory) Compact(context.Context) error           { return nil }
func (m *memory) Stats() state.Stats                      { return state.Stats{} }
func (m *memory) Close() error                            { return nil }

type memoryTx struct{ m *memory }

func (t memoryTx) Get(table string, key []byte) []byte { return t.m.tables[table][string(key)] }

func (t memoryTx) Put(table string, key, value []byte) {
	if t.m.tables[table] == nil {
		t.m.tables[table] = map[string][]byte{}
	}
	t.m.tables[table][string(key)] = slices.Clone(value)
}

func (t memoryTx) Delete(table string, key []byte) { delete(t.m.tables[table], string(key)) }
func (t memoryTx) Clear(table string)              { delete(t.m.tables, table) }
func (t memoryTx) Next(string) uint64              { return 1 }

func (t memoryTx) Scan(table string, prefix, _ []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(t.m.tables[table])) {
			if strings.HasPrefix(k, string(prefix)) && !yield([]byte(k), t.m.tables[table][k]) {
				return
			}
		}
	}
}
