package bolt

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"syncer/internal/state"
)

// create makes a new file under another name first: a power cut in the middle must not leave half a store
// where the next start expects a whole one, and of two that start at once one must lose.
func (s *Store) create() error {
	switch _, err := os.Stat(s.path); {
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the state file %s cannot be reached: %w", s.path, err)
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the folder of the state file cannot be made: %w", err)
	}
	random := make([]byte, 32+4)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	tmp := s.path + ".new-" + hex.EncodeToString(random[32:])
	defer os.Remove(tmp)
	db, err := bbolt.Open(tmp, 0o600, s.boltOptions())
	if err != nil {
		return fmt.Errorf("the state file cannot be made in %s: %w", dir, err)
	}
	s.bound(db)
	err = db.Update(func(btx *bbolt.Tx) (err error) {
		defer state.Recover(&err)
		if err := makeTables(btx); err != nil {
			return err
		}
		state.Initialise(&tx{b: btx}, random[:32], s.opts.Now())
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("the state file cannot be made in %s: %w", dir, err)
	}
	switch err := os.Link(tmp, s.path); {
	case errors.Is(err, os.ErrExist), errors.Is(err, os.ErrNotExist):
		return nil // somebody else was faster, and may have cleaned up already; who opens it first has it
	case err != nil: // a file system without links
		if err := os.Rename(tmp, s.path); err != nil {
			return err
		}
	}
	s.fresh = true
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// open opens the file after a look at it, and brings it to the current format.
func (s *Store) open() (*bbolt.DB, error) {
	db, err := s.openOnce()
	if errors.Is(err, errReplaced) {
		db, err = s.openOnce()
	}
	return db, err
}

// errReplaced: while we waited for the lock of the file, whoever had it put another one in its place.
var errReplaced = errors.New("it was replaced")

func (s *Store) openOnce() (*bbolt.DB, error) {
	if err := inspect(s.path); err != nil {
		return nil, err
	}
	var db *bbolt.DB
	var opened *os.File
	err := guarded(func() (err error) {
		opts := s.boltOptions()
		opts.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag, mode)
			opened = f
			return f, err
		}
		if db, err = bbolt.Open(s.path, 0o600, opts); err != nil {
			return err
		}
		if !sameFile(opened, s.path) {
			return errReplaced
		}
		return s.migrate(db)
	})
	switch {
	case err == nil:
		s.bound(db)
		return db, nil
	case errors.Is(err, state.ErrCorrupt):
		// bbolt may have been left with its locks held: only the file is given back, and with it the lock on it.
		if opened != nil {
			_ = opened.Close()
		}
		return nil, damage(s.path, err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("the state file %s is in use by another syncer; stop that one first, or talk to it through its admin address", s.path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("the state file %s may not be written: %w", s.path, err)
	case db == nil && errors.As(err, new(*os.PathError)):
		return nil, fmt.Errorf("the state file %s cannot be opened: %w", s.path, err)
	case db == nil:
		return nil, damage(s.path, err)
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", s.path, err), db.Close())
}

var errForeign = errors.New("this is not a state file of syncer; name another file, or move this one away")

func damage(path string, err error) error {
	return fmt.Errorf("the state file %s is damaged (%w); restore a backup, or move it away: a new one is rebuilt from the sources and targets", path, err)
}

// boltOptions keep the list of free pages in the file: without it, opening reads the whole tree, and a large
// state takes seconds and its own size in memory to start. The memory map is made large at once, which costs
// address space only: to enlarge it later, a commit would have to wait for all who read, a backup among them.
func (s *Store) boltOptions() *bbolt.Options {
	o := &bbolt.Options{Timeout: 700 * time.Millisecond, FreelistType: bbolt.FreelistMapType}
	if strconv.IntSize == 64 && runtime.GOOS != "windows" {
		o.InitialMmapSize = max(1<<30, int(s.opts.MaxBytes))
	}
	return o
}

// bound sets how far and in which steps the file grows.
func (s *Store) bound(db *bbolt.DB) {
	reserve, step := s.opts.growth()
	db.MaxSize, db.AllocSize = int(s.opts.MaxBytes-reserve), int(step)
}

// growth divides the bound of the file. A part is kept for changes that remove more than they put: they too need
// new pages, up to four large rows' worth, and a full store must be able to become empty again. And bbolt refuses
// to grow once less than a step is left.
func (o Options) growth() (reserve, step int64) {
	const largeStep, large = 4 << 20, 2 << 20
	if o.MaxBytes == 0 {
		return 0, largeStep
	}
	return max(o.MaxBytes/32, min(o.MaxBytes/8, large)), max(min(o.MaxBytes/32, largeStep), 64<<10)
}

func sameFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(mine, named)
}

func makeTables(btx *bbolt.Tx) error {
	for _, name := range state.Tables() {
		if _, err := btx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// migrate brings an older format up to date, after a backup. A file that is current is not written to.
func (s *Store) migrate(db *bbolt.DB) error {
	var from uint64
	complete := true
	if err := db.View(func(btx *bbolt.Tx) error {
		if btx.Bucket([]byte(state.Meta)) == nil {
			return errForeign
		}
		from = state.FormatOf(&tx{b: btx})
		for _, name := range state.Tables() {
			complete = complete && btx.Bucket([]byte(name)) != nil
		}
		return nil
	}); err != nil || from == state.Format && complete {
		return err
	}
	if from < state.Format && from > 0 {
		backup := fmt.Sprintf("%s.format-%d", s.path, from)
		if err := backupTo(db, backup); err != nil {
			return fmt.Errorf("the backup before the change of format failed: %w", err)
		}
		s.opts.Logger.Warn("state file changes format", "from", from, "to", state.Format, "backup", backup)
	}
	return db.Update(func(btx *bbolt.Tx) (err error) {
		defer state.Recover(&err)
		if from > 0 && from <= state.Format {
			if err := makeTables(btx); err != nil {
				return err
			}
		}
		return state.Migrate(&tx{b: btx})
	})
}

func backupTo(db *bbolt.DB, path string) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = db.View(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(f)
		return err
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// sweep removes what a start or a compaction that was cut short left behind. The caller has the store.
func (s *Store) sweep() {
	left, _ := filepath.Glob(s.path + ".new-*")
	for _, name := range append(left, s.path+".compact") {
		_ = os.Remove(name)
	}
}

// syncDir makes a new name in a folder last. Not every file system knows how to, and Windows does not.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = d.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
