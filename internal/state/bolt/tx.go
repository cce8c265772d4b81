package bolt

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"syncer/internal/state"
)

// tx is a bbolt transaction as a state.Tx.
type tx struct {
	b       *bbolt.Tx
	buckets map[string]*bbolt.Bucket
	// ops counts the changes, bytes what they put.
	ops, bytes int
	// weigh makes grown count by how much the rows grow: less than nothing when more is removed than put.
	weigh bool
	grown int
	// log collects the changes for a compaction that runs; nil when none does.
	log *[]op
}

// op is one change, as a compaction repeats it in the new file.
type op struct {
	table      string
	key, value []byte // no key: the table is emptied; no value: the row is removed
}

// damaged stands in for whatever bbolt says when it trips over a page.
func damaged() {
	switch r := recover().(type) {
	case nil:
	case state.Abandon:
		panic(r)
	default:
		state.Fail(fmt.Errorf("%w (%v)", state.ErrCorrupt, r))
	}
}

func (t *tx) bucket(name string) *bbolt.Bucket {
	if b := t.buckets[name]; b != nil {
		return b
	}
	b := t.b.Bucket([]byte(name))
	if b == nil {
		state.Fail(fmt.Errorf("%w (table %s is missing)", state.ErrCorrupt, name))
	}
	if t.buckets == nil {
		t.buckets = map[string]*bbolt.Bucket{}
	}
	t.buckets[name] = b
	return b
}

// Get returns the value under key, nil when there is none. A value without bytes is not nil.
func (t *tx) Get(table string, key []byte) []byte {
	defer damaged()
	return t.bucket(table).Get(key)
}

// Put stores a value.
func (t *tx) Put(table string, key, value []byte) {
	defer damaged()
	if value == nil {
		value = []byte{} // bbolt would read nil back as no value until the commit
	}
	b := t.bucket(table)
	if t.weigh {
		t.grown += len(key) + len(value)
		if old := b.Get(key); old != nil {
			t.grown -= len(key) + len(old)
		}
	}
	if err := b.Put(key, value); err != nil {
		state.Fail(fmt.Errorf("state: %s: %w", table, err))
	}
	t.changed(table, key, value)
}

// Delete removes a value.
func (t *tx) Delete(table string, key []byte) {
	defer damaged()
	b := t.bucket(table)
	old := b.Get(key)
	if old == nil {
		return
	}
	t.grown -= len(key) + len(old)
	if err := b.Delete(key); err != nil {
		state.Fail(fmt.Errorf("state: %s: %w", table, err))
	}
	t.changed(table, key, nil)
}

func (t *tx) changed(table string, key, value []byte) {
	t.ops++
	t.bytes += len(key) + len(value)
	if t.log == nil {
		return
	}
	o := op{table: table, key: slices.Clone(key)}
	if value != nil {
		o.value = append([]byte{}, value...)
	}
	*t.log = append(*t.log, o)
}

// Scan yields rows in the order of their keys.
func (t *tx) Scan(table string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		start := prefix
		if bytes.Compare(from, start) > 0 {
			start = from
		}
		c := t.bucket(table).Cursor()
		step := func(move func() (k, v []byte)) (k, v []byte) {
			defer damaged()
			return move()
		}
		for k, v := step(func() ([]byte, []byte) { return c.Seek(start) }); k != nil && bytes.HasPrefix(k, prefix); k, v = step(c.Next) {
			if !yield(k, v) {
				return
			}
		}
	}
}

// Next returns the table's next number.
func (t *tx) Next(table string) uint64 {
	defer damaged()
	t.ops++
	n, err := t.bucket(table).NextSequence()
	if err != nil {
		state.Fail(err)
	}
	return n
}

// Clear empties a table. Its numbers go on.
func (t *tx) Clear(table string) {
	defer damaged()
	n := t.bucket(table).Sequence()
	if err := t.b.DeleteBucket([]byte(table)); err != nil {
		state.Fail(err)
	}
	delete(t.buckets, table)
	b, err := t.b.CreateBucket([]byte(table))
	if err == nil {
		err = b.SetSequence(n)
	}
	if err != nil {
		state.Fail(err)
	}
	t.grown -= 1 << 40
	t.changed(table, nil, nil)
}
