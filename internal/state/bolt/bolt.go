// Package bolt keeps the state in one bbolt file. A single goroutine writes: it takes whatever is waiting,
// runs it in one transaction, and everybody shares that commit and its fsync. A lone caller waits for nobody,
// and a crowd costs little more than one.
package bolt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"bytes"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Options configure a store.
type Options struct {
	// MaxBytes bounds the file; 0 leaves it to the disk.
	MaxBytes int64
	Logger   *slog.Logger
	Now      func() time.Time
}

// maxGroup is how many changes share a commit at most, maxQueue how many may wait for one.
const (
	maxGroup = 256
	maxQueue = 1024
)

// Store is a state.Store in one file.
type Store struct {
	path  string
	opts  Options
	fresh bool

	mu sync.RWMutex // held for reading by every use of db, for writing while compact swaps it
	db *bbolt.DB

	queue  chan *change
	closed chan struct{} // closed when no more changes are taken
	done   chan struct{} // closed when the writer has ended
	once   sync.Once

	commits, changes atomic.Uint64
}

type change struct {
	fn  func(state.Tx) error
	err error
	end chan struct{}
}

var _ state.Store = (*Store)(nil)

// Open opens the file, making it if it does not exist. A file that is in use by another process, damaged, or
// of a newer format is refused with words that say what to do.
func Open(path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: path, opts: opts, queue: make(chan *change, maxQueue), closed: make(chan struct{}), done: make(chan struct{})}
	if err := s.create(); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.migrate(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	go s.write()
	return s, nil
}

// create makes a new file under another name first: a power cut in the middle must not leave half a store
// where the next start expects a whole one.
func (s *Store) create() error {
	if _, err := os.Stat(s.path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("the folder of the state file cannot be made: %w", err)
	}
	tmp := s.path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(tmp, 0o600, s.boltOptions())
	if err != nil {
		return fmt.Errorf("the state file cannot be made in %s: %w", filepath.Dir(s.path), err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	err = db.Update(func(btx *bbolt.Tx) (err error) {
		defer state.Recover(&err)
		t := tx{btx}
		t.buckets()
		state.Initialise(t, secret, s.opts.Now())
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	s.fresh = true
	if err := os.Rename(tmp, s.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

func (s *Store) open() error {
	db, err := bbolt.Open(s.path, 0o600, s.boltOptions())
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("the state file %s is in use by another syncer; stop that one first, or talk to it through its admin address", s.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the state file %s may not be written: %w", s.path, err)
	case err != nil:
		return fmt.Errorf("the state file %s cannot be opened (%w); restore a backup, or move it away: a new one is rebuilt from the sources and targets", s.path, err)
	}
	s.db = db
	return nil
}

// boltOptions keep the list of free pages in the file: without it, opening reads the whole tree, and a large
// state takes seconds and its own size in memory to start.
func (s *Store) boltOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType, MaxSize: int(s.opts.MaxBytes)}
}

func (s *Store) migrate() error {
	var from uint64
	err := s.db.View(func(btx *bbolt.Tx) error {
		if btx.Bucket([]byte(state.Meta)) == nil {
			return fmt.Errorf("%s is not a state file of syncer", s.path)
		}
		from = state.FormatOf(tx{btx})
		return nil
	})
	if err != nil {
		return err
	}
	if from < state.Format && from > 0 {
		backup := fmt.Sprintf("%s.format-%d", s.path, from)
		if err := s.backupTo(backup); err != nil {
			return fmt.Errorf("the backup before the change of format failed: %w", err)
		}
		s.opts.Logger.Warn("state file changes format", "from", from, "to", state.Format, "backup", backup)
	}
	return s.db.Update(func(btx *bbolt.Tx) (err error) {
		defer state.Recover(&err)
		t := tx{btx}
		t.buckets()
		return state.Migrate(t)
	})
}

// Update runs fn in the next transaction and returns when it is on disk.
func (s *Store) Update(ctx context.Context, fn func(state.Tx) error) error {
	c := &change{fn: fn, end: make(chan struct{})}
	select {
	case <-s.closed:
		return unavailable("the state is closing", nil)
	default:
	}
	select {
	case s.queue <- c:
	case <-s.closed:
		return unavailable("the state is closing", nil)
	case <-ctx.Done():
		return unavailable("the disk does not keep up", ctx.Err())
	}
	// From here the change may be committed whatever ctx says, so its outcome is waited for.
	select {
	case <-c.end:
		return c.err
	case <-s.done:
		select {
		case <-c.end:
			return c.err
		default:
			return unavailable("the state is closing", nil)
		}
	}
}

func (s *Store) write() {
	defer close(s.done)
	group := make([]*change, 0, maxGroup)
	for {
		group = group[:0]
		select {
		case c := <-s.queue:
			group = append(group, c)
		case <-s.closed:
			select {
			case c := <-s.queue:
				group = append(group, c)
			default:
				return
			}
		}
	fill:
		for len(group) < maxGroup {
			select {
			case c := <-s.queue:
				group = append(group, c)
			default:
				break fill
			}
		}
		s.commit(group)
	}
}

// commit runs a group in one transaction. A change that fails by itself is left out and the rest run again.
func (s *Store) commit(group []*change) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	pending := group
	for len(pending) > 0 {
		failed := -1
		err := s.db.Update(func(btx *bbolt.Tx) error {
			for i, c := range pending {
				if err := run(c.fn, tx{btx}); err != nil {
					failed, c.err = i, err
					return err
				}
			}
			return nil
		})
		if failed < 0 {
			for _, c := range pending {
				if err != nil {
					c.err = storeError(err)
				}
				close(c.end)
			}
			s.commits.Add(1)
			s.changes.Add(uint64(len(pending)))
			return
		}
		c := pending[failed]
		c.err = storeError(c.err)
		close(c.end)
		pending = append(pending[:failed:failed], pending[failed+1:]...)
	}
}

func run(fn func(state.Tx) error, t state.Tx) (err error) {
	defer state.Recover(&err)
	return fn(t)
}

// storeError tells a store that cannot take more from a change that is wrong.
func storeError(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		return unavailable("the state file has reached its maximum size; raise it, or run compact", err)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return unavailable("the state is closing", err)
	}
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return unavailable("the disk refuses to write the state file", err)
	}
	return err
}

func unavailable(message string, err error) error {
	return &contact.Error{Kind: contact.Unavailable, Op: "state", Message: message, Err: err}
}

// View runs fn on a snapshot.
func (s *Store) View(fn func(state.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(func(btx *bbolt.Tx) error { return run(fn, tx{btx}) })
}

// Stats tells how large the file is.
func (s *Store) Stats() state.Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.db.Stats()
	out := state.Stats{Max: s.opts.MaxBytes, Fresh: s.fresh, Commits: s.commits.Load(),
		Free: int64(st.FreePageN+st.PendingPageN) * int64(s.db.Info().PageSize)}
	if out.Commits > 0 {
		out.Grouped = float64(s.changes.Load()) / float64(out.Commits)
	}
	if info, err := os.Stat(s.path); err == nil {
		out.Bytes = info.Size()
	}
	return out
}

// Backup writes a consistent copy. It copies in slices with pauses, because a copy at full speed takes the
// disk away from the commits of others.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(&gentle{ctx: ctx, w: w})
		return err
	})
}

func (s *Store) backupTo(path string) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = s.db.View(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(f)
		return err
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// gentle pauses after every few megabytes for as long as they took.
type gentle struct {
	ctx   context.Context
	w     io.Writer
	since time.Time
	n     int
}

// Write passes p on.
func (g *gentle) Write(p []byte) (int, error) {
	if g.since.IsZero() {
		g.since = time.Now()
	}
	n, err := g.w.Write(p)
	if g.n += n; g.n >= 4<<20 && err == nil {
		select {
		case <-time.After(min(time.Since(g.since), 200*time.Millisecond)):
		case <-g.ctx.Done():
			return n, g.ctx.Err()
		}
		g.n, g.since = 0, time.Now()
	}
	return n, err
}

// Compact rewrites the file without its free pages. Readers and writers wait for the swap.
func (s *Store) Compact(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	tmp := s.path + ".compact"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	small, err := bbolt.Open(tmp, 0o600, s.boltOptions())
	if err != nil {
		return err
	}
	err = bbolt.Compact(small, s.db, 8<<20)
	if err := errors.Join(err, small.Sync(), small.Close()); err != nil {
		return errors.Join(fmt.Errorf("compact: %w", err), os.Remove(tmp))
	}
	// The old file is closed before the new one takes its name, so that the lock is never held by both.
	if err := s.db.Close(); err != nil {
		return err
	}
	swap := os.Rename(tmp, s.path)
	return errors.Join(swap, syncDir(filepath.Dir(s.path)), s.open())
}

// Check reads the whole file and reports what does not fit together.
func (s *Store) Check() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(func(btx *bbolt.Tx) error {
		var errs []error
		for err := range btx.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// Close waits for everything queued to be on disk and closes the file.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		<-s.done
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.db.Close()
	})
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tx is a bbolt transaction as a state.Tx.
type tx struct{ b *bbolt.Tx }

func (t tx) buckets() {
	for _, name := range state.Tables() {
		if _, err := t.b.CreateBucketIfNotExists([]byte(name)); err != nil {
			state.Fail(err)
		}
	}
}

func (t tx) bucket(name string) *bbolt.Bucket {
	b := t.b.Bucket([]byte(name))
	if b == nil {
		state.Fail(fmt.Errorf("%w (table %s is missing)", state.ErrCorrupt, name))
	}
	return b
}

// Get returns the value under key, nil when there is none. A value without bytes is not nil.
func (t tx) Get(table string, key []byte) []byte { return t.bucket(table).Get(key) }

// Put stores a value.
func (t tx) Put(table string, key, value []byte) {
	if err := t.bucket(table).Put(key, value); err != nil {
		state.Fail(fmt.Errorf("state: %s: %w", table, err))
	}
}

// Delete removes a value.
func (t tx) Delete(table string, key []byte) {
	if err := t.bucket(table).Delete(key); err != nil {
		state.Fail(fmt.Errorf("state: %s: %w", table, err))
	}
}

// Scan yields rows in the order of their keys.
func (t tx) Scan(table string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		if len(from) == 0 {
			from = prefix
		}
		c := t.bucket(table).Cursor()
		for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if !yield(k, v) {
				return
			}
		}
	}
}

// Next returns the table's next number.
func (t tx) Next(table string) uint64 {
	n, err := t.bucket(table).NextSequence()
	if err != nil {
		state.Fail(err)
	}
	return n
}

// Clear empties a table.
func (t tx) Clear(table string) {
	if err := t.b.DeleteBucket([]byte(table)); err != nil {
		state.Fail(err)
	}
	if _, err := t.b.CreateBucket([]byte(table)); err != nil {
		state.Fail(err)
	}
}
