// Package bolt keeps the state in one bbolt file. A single goroutine writes: it takes whatever is waiting,
// runs it in one transaction, and everybody shares that commit and its fsync. A lone caller waits for nobody,
// and a crowd costs little more than one.
package bolt

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"syncer/internal/state"
)

// Options configure a store.
type Options struct {
	// MaxBytes bounds the file; 0 leaves it to the disk.
	MaxBytes int64
	Logger   *slog.Logger
	Now      func() time.Time
}

// Store is a state.Store in one file.
type Store struct {
	path  string
	opts  Options
	fresh bool

	mu   sync.RWMutex // guards file
	file *file        // nil once the store is closed

	queue  chan *change
	closed chan struct{} // closed when no more changes are taken
	done   chan struct{} // closed when the writer has ended
	once   sync.Once

	committing sync.Mutex // held while a group commits and while compact puts another file in place
	tail       *tail      // what was committed since a compaction began; nil when none runs
	fullUntil  time.Time  // until when the file is taken to be full; only the writer uses it
	compacting sync.Mutex // one at a time

	commits, changes atomic.Uint64
}

// file is an open bbolt file with those who read it: it is closed when the last of them is done, which may be
// after another one took its place.
type file struct {
	db    *bbolt.DB
	info  os.FileInfo // which file it is
	users sync.WaitGroup
}

// opened notes which file the path names now.
func opened(db *bbolt.DB, path string) (*file, error) {
	info, err := os.Stat(path)
	return &file{db: db, info: info}, err
}

// lost says that the path no longer names the open file: somebody deleted or replaced it. What is written to it from
// then on is gone with the process.
func (f *file) lost(path string) error {
	if info, err := os.Stat(path); err == nil && os.SameFile(info, f.info) {
		return nil
	}
	return unavailable("the state file was deleted or replaced while syncer has it open; nothing more is accepted. "+
		"Rescue it with `syncer backup FILE`, stop syncer, put FILE in its place, start", nil)
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
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	if s.file, err = opened(db, path); err != nil {
		return nil, errors.Join(fmt.Errorf("the state file %s went away while it was opened: %w", path, err), db.Close())
	}
	s.sweep()
	go s.write()
	return s, nil
}

// hold returns the file for reading, nil when the store is closed. The caller ends with users.Done.
func (s *Store) hold() *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file != nil {
		s.file.users.Add(1)
	}
	return s.file
}

// View runs fn on a snapshot.
func (s *Store) View(fn func(state.Tx) error) error {
	f := s.hold()
	if f == nil {
		return closing(nil)
	}
	defer f.users.Done()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return storeError(f.db.View(func(btx *bbolt.Tx) error { return run(fn, &tx{b: btx}) }))
}

func run(fn func(state.Tx) error, t *tx) (err error) {
	defer state.Recover(&err)
	return fn(t)
}

// Stats tells how large the file is. Of a closed store only the counters are known.
func (s *Store) Stats() state.Stats {
	reserve, step := s.opts.growth()
	out := state.Stats{Max: s.opts.MaxBytes, Usable: max(0, s.opts.MaxBytes-reserve-step), Fresh: s.fresh, Commits: s.commits.Load()}
	if out.Commits > 0 {
		out.Grouped = float64(s.changes.Load()) / float64(out.Commits)
	}
	f := s.hold()
	if f == nil {
		return out
	}
	defer f.users.Done()
	if out.Lost = f.lost(s.path) != nil; out.Lost {
		return out
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return out
	}
	_ = f.db.View(func(btx *bbolt.Tx) error {
		// What lies behind the last page that was ever used is as free as the pages on the list.
		pages := f.db.Stats()
		out.Bytes = max(info.Size(), btx.Size())
		out.Free = out.Bytes - btx.Size() + int64(pages.FreePageN+pages.PendingPageN)*int64(f.db.Info().PageSize)
		return nil
	})
	return out
}

// Check reads the whole file and reports what does not fit together.
func (s *Store) Check() error {
	f := s.hold()
	if f == nil {
		return closing(nil)
	}
	defer f.users.Done()
	return f.db.View(func(btx *bbolt.Tx) error {
		var errs []error
		for err := range btx.Check() {
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// Close waits for everything queued to be on disk and closes the file. A backup or compaction that runs is
// broken off.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		<-s.done
		s.compacting.Lock()
		defer s.compacting.Unlock()
		s.mu.Lock()
		f := s.file
		s.file = nil
		s.mu.Unlock()
		f.users.Wait()
		err = f.db.Close()
	})
	return err
}

// guarded turns a panic into an error. A damaged file makes bbolt panic, or the processor fault where the
// memory map ends before the data does.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w (%v)", state.ErrCorrupt, r)
		}
	}()
	return fn()
}
