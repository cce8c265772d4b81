package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"syncer/internal/state"
)

// Backup writes a consistent copy. It copies in slices with pauses, because a copy at full speed takes the
// disk away from the commits of others.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	f := s.hold()
	if f == nil {
		return closing(nil)
	}
	defer f.users.Done()
	pace := s.pace(ctx)
	err := f.db.View(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(&gentle{pace: pace, w: w})
		return err
	})
	return cmp.Or(pace.err, err)
}

// gentle passes on what is written, at the pace of a copy that disturbs nobody.
type gentle struct {
	*pace
	w io.Writer
}

// Write passes p on.
func (g *gentle) Write(p []byte) (int, error) {
	if err := g.step(len(p)); err != nil {
		return 0, err
	}
	return g.w.Write(p)
}

// pace pauses after every few megabytes for as long as they took.
type pace struct {
	ctx   context.Context
	stop  <-chan struct{}
	since time.Time
	n     int
	err   error // why the copy was broken off
}

func (s *Store) pace(ctx context.Context) *pace {
	return &pace{ctx: ctx, stop: s.closed, since: time.Now()}
}

// step counts bytes that are about to be copied; it fails when nobody waits for the copy any more.
func (p *pace) step(bytes int) error {
	pause := time.Duration(0)
	if p.n += bytes; p.n >= copySlice {
		pause = min(time.Since(p.since), 200*time.Millisecond)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-p.stop:
		p.err = closing(nil)
	case <-p.ctx.Done():
		p.err = p.ctx.Err()
	default:
	}
	if p.err != nil || pause == 0 {
		return p.err
	}
	select {
	case <-timer.C:
		p.n, p.since = 0, time.Now()
	case <-p.stop:
		p.err = closing(nil)
	case <-p.ctx.Done():
		p.err = p.ctx.Err()
	}
	return p.err
}

const (
	// copySlice is how much is copied at once.
	copySlice = 512 << 10
	// tailSlice is how much may be left to repeat while everybody waits for the new file, and tailRounds how
	// often less is hoped for when the writers are as fast as the copying.
	tailSlice  = 256 << 10
	tailRounds = 5
	// tailLimit is how far the copying may fall behind the writing.
	tailLimit = 64 << 20
)

// tail is what was committed since a compaction began. It is repeated in the new file: what the copying saw of
// it already is written twice, what it passed too early is made good.
type tail struct {
	ops   []op
	bytes int
}

func (t *tail) add(ops *[]op) {
	if t == nil || ops == nil || t.bytes > tailLimit {
		return
	}
	for _, o := range *ops {
		t.bytes += len(o.table) + len(o.key) + len(o.value)
	}
	t.ops = append(t.ops, *ops...)
}

// Compact rewrites the file without its free pages. Readers and writers go on meanwhile; writers wait for the
// last few changes to be repeated and the new file to take its name.
func (s *Store) Compact(ctx context.Context) error {
	s.compacting.Lock()
	defer s.compacting.Unlock()
	old := s.hold()
	if old == nil {
		return closing(nil)
	}
	tmp := s.path + ".compact"
	err := s.rewrite(ctx, old.db, tmp)
	old.users.Done()
	if err != nil {
		return errors.Join(fmt.Errorf("compact: %w", err), removeIfThere(tmp))
	}
	old.users.Wait() // nobody new comes: those who still read the old file end in their own time
	return old.db.Close()
}

// rewrite fills a new file and puts it in the place of the old one. The new file is open, and so locked,
// before it has the name.
func (s *Store) rewrite(ctx context.Context, db *bbolt.DB, tmp string) (err error) {
	if err := removeIfThere(tmp); err != nil {
		return err
	}
	small, err := bbolt.Open(tmp, 0o600, s.boltOptions())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, small.Close())
		}
	}()
	s.bound(small)
	s.committing.Lock()
	s.tail = &tail{}
	s.committing.Unlock()
	defer func() {
		s.committing.Lock()
		defer s.committing.Unlock()
		s.tail = nil
	}()
	tables, err := numbers(db)
	if err != nil {
		return err
	}
	if err := small.Update(func(btx *bbolt.Tx) error { return number(btx, tables) }); err != nil {
		return err
	}
	pace := s.pace(ctx)
	for at := (place{tables: slices.Sorted(maps.Keys(tables))}); len(at.tables) > 0; {
		rows, size, err := at.slice(db)
		if err != nil {
			return err
		}
		if err := pace.step(size); err != nil {
			return err
		}
		if err := s.repeat(small, rows, at.passed); err != nil {
			return err
		}
	}
	everything := func(op) bool { return true }
	for round := 1; ; round++ {
		s.committing.Lock()
		if s.tail.bytes <= tailSlice || round > tailRounds {
			break
		}
		s.committing.Unlock()
		if err := s.repeat(small, nil, everything); err != nil {
			return err
		}
	}
	defer s.committing.Unlock()
	if err := pace.step(0); err != nil {
		return err
	}
	if s.tail.bytes > tailLimit {
		return errTooBusy
	}
	return s.replace(db, small, tmp)
}

var errTooBusy = unavailable("too much is written to compact the state file now; try again later", nil)

// numbers returns the tables and the last number that each gave.
func numbers(db *bbolt.DB) (map[string]uint64, error) {
	tables := map[string]uint64{}
	err := db.View(func(btx *bbolt.Tx) error {
		return btx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			tables[string(name)] = b.Sequence()
			return nil
		})
	})
	return tables, err
}

// place is how far the copying has come: the tables that were not read to their end, and where to go on in the
// first of them.
type place struct {
	tables []string
	from   []byte
}

// slice reads the next rows and moves on.
func (p *place) slice(db *bbolt.DB) (rows []op, size int, err error) {
	err = db.View(func(btx *bbolt.Tx) error {
		for ; len(p.tables) > 0; p.tables, p.from = p.tables[1:], nil {
			table := p.tables[0]
			c := btx.Bucket([]byte(table)).Cursor()
			for k, v := c.Seek(p.from); k != nil; k, v = c.Next() {
				if size >= copySlice {
					p.from = slices.Clone(k)
					return nil
				}
				rows = append(rows, op{table, slices.Clone(k), append([]byte{}, v...)})
				size += len(k) + len(v)
			}
		}
		return nil
	})
	return rows, size, err
}

// passed reports whether the copying was there already. What it has not reached it will find as it is by then.
func (p *place) passed(o op) bool {
	return len(p.tables) == 0 || o.table < p.tables[0] || o.table == p.tables[0] && bytes.Compare(o.key, p.from) < 0
}

// repeat writes rows, and then in order what was committed meanwhile and is late.
func (s *Store) repeat(small *bbolt.DB, rows []op, late func(op) bool) error {
	s.committing.Lock()
	tail := *s.tail
	s.tail.ops, s.tail.bytes = nil, 0
	s.committing.Unlock()
	if tail.bytes > tailLimit {
		return errTooBusy
	}
	for _, o := range tail.ops {
		if late(o) {
			rows = append(rows, o)
		}
	}
	return small.Update(func(btx *bbolt.Tx) error { return write(btx, rows) })
}

// write carries out changes in a new file.
func write(btx *bbolt.Tx, ops []op) (err error) {
	defer state.Recover(&err)
	t := tx{b: btx}
	for _, o := range ops {
		switch {
		case o.key == nil:
			t.Clear(o.table)
		case o.value == nil:
			t.Delete(o.table, o.key)
		default:
			t.bucket(o.table).FillPercent = 0.9
			t.Put(o.table, o.key, o.value)
		}
	}
	return nil
}

// number makes the tables and sets the last number that each has given.
func number(btx *bbolt.Tx, tables map[string]uint64) error {
	for table, n := range tables {
		b, err := btx.CreateBucketIfNotExists([]byte(table))
		if err != nil {
			return err
		}
		if err := b.SetSequence(n); err != nil {
			return err
		}
	}
	return nil
}

// replace ends a compaction while nobody writes.
func (s *Store) replace(db, small *bbolt.DB, tmp string) error {
	tables, err := numbers(db)
	if err != nil {
		return err
	}
	if err := small.Update(func(btx *bbolt.Tx) error { return errors.Join(write(btx, s.tail.ops), number(btx, tables)) }); err != nil {
		return err
	}
	if err := os.Rename(tmp, s.path); err != nil {
		return err
	}
	// Nothing is acknowledged from the new file before a power cut can no longer bring the old one back.
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		s.opts.Logger.Error("the folder of the state file could not be synced after compacting", "error", err)
	}
	now, err := opened(small, s.path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.file = now
	s.mu.Unlock()
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
