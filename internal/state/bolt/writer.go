package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// How many changes, and how many bytes of them, share a commit at most, and how many changes may wait for one.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
	maxQueue      = 1024
)

// Once a change of fewer bytes than fullMark did not fit, changes that grow the file are refused for fullRest
// without trying: each try costs as much as a commit.
const (
	fullMark = 64 << 10
	fullRest = time.Second
)

// change is one call of Update.
type change struct {
	fn       func(state.Tx) error
	err      error
	panicked any
	end      chan struct{}
}

// Update runs fn in the next transaction and returns when it is on disk.
func (s *Store) Update(ctx context.Context, fn func(state.Tx) error) error {
	c := &change{fn: fn, end: make(chan struct{})}
	select {
	case <-s.closed:
		return closing(nil)
	default:
	}
	select {
	case s.queue <- c:
	case <-s.closed:
		return closing(nil)
	case <-ctx.Done():
		return unavailable("the disk does not keep up", ctx.Err())
	}
	// From here the change may be committed whatever ctx says, so its outcome is waited for.
	select {
	case <-c.end:
	case <-s.done:
		select {
		case <-c.end:
		default:
			return closing(nil)
		}
	}
	if c.panicked != nil {
		panic(c.panicked) // a fault of the caller's is the caller's to survive
	}
	return c.err
}

// write takes what waits and commits it, until the store closes and nothing waits any more.
func (s *Store) write() {
	defer close(s.done)
	debug.SetPanicOnFault(true)
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

func (s *Store) commit(group []*change) {
	s.committing.Lock()
	defer s.committing.Unlock()
	for len(group) > 0 {
		if time.Now().Before(s.fullUntil) {
			s.commitOne(group[:1])
			group = group[1:]
			continue
		}
		group = s.attempt(group, false)
	}
}

// errUndo rolls a transaction back: one change failed and must not stay, or there is nothing to commit.
var errUndo = errors.New("nothing to commit")

// attempt runs a group in one transaction and returns what is still to be done: what exceeds the bytes of a
// group, or everybody else when one failed by itself after changing something. In a tight store only a change
// that removes as much as it puts is let through.
func (s *Store) attempt(group []*change, tight bool) (rest []*change) {
	t := tx{weigh: tight}
	if s.tail != nil {
		t.log = &[]op{}
	}
	if tight {
		defer s.loosen()()
	}
	undo := -1
	err := guarded(func() error {
		return s.file.db.Update(func(btx *bbolt.Tx) error {
			t.b = btx
			for i, c := range group {
				before := t.ops
				c.run(&t)
				switch {
				case c.failed() && t.ops > before:
					undo = i
					return errUndo
				case t.bytes >= maxGroupBytes:
					group, rest = group[:i+1], group[i+1:]
					return nil
				}
			}
			switch {
			case t.ops == 0:
				return errUndo // it costs no fsync to find out that there is nothing to do
			case tight && t.grown > 0:
				return bolterrors.ErrMaxSizeReached
			}
			return s.file.lost(s.path)
		})
	})
	full := errors.Is(err, bolterrors.ErrMaxSizeReached) && !tight
	switch {
	case undo >= 0:
		close(group[undo].end)
		return append(group[:undo:undo], group[undo+1:]...)
	case full && len(group) > 1:
		// Some of them may still fit, and some make room.
		for i := range group {
			s.commitOne(group[i : i+1])
		}
		return rest
	case full:
		if t.bytes < fullMark {
			s.fullUntil = time.Now().Add(fullRest)
		}
		s.attempt(group, true)
		return rest
	case errors.Is(err, errUndo):
		err = nil
	case err == nil:
		s.tail.add(t.log)
		s.commits.Add(1)
		s.changes.Add(uint64(len(group)))
		if tight {
			s.fullUntil = time.Time{} // there is room again
		}
	}
	for _, c := range group {
		if err != nil && !c.failed() {
			c.err = commitError(err)
		}
		close(c.end)
	}
	return rest
}

func (s *Store) commitOne(one []*change) {
	s.attempt(one, time.Now().Before(s.fullUntil))
}

// run calls fn. It may have run before, in a transaction that was rolled back for another change's sake.
func (c *change) run(t *tx) {
	c.err, c.panicked = nil, nil
	defer func() {
		if r := recover(); r != nil {
			c.panicked = fmt.Sprintf("%v\n\n%s", r, debug.Stack())
		}
	}()
	c.err = storeError(run(c.fn, t))
}

func (c *change) failed() bool { return c.err != nil || c.panicked != nil }

// loosen lets the file grow into its reserve, and returns what ends that.
func (s *Store) loosen() (tighten func()) {
	db := s.file.db
	usual := db.MaxSize
	db.MaxSize = int(s.opts.MaxBytes)
	return func() { db.MaxSize = usual }
}

// storeError tells a store that cannot take more from a change that is wrong.
func storeError(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		return unavailable("the state file has reached its maximum size; raise it, or run compact", err)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return closing(err)
	}
	return err
}

// commitError is storeError for what is nobody's change: the disk failed it.
func commitError(err error) error {
	var said *contact.Error
	if known := storeError(err); !errors.Is(err, known) || errors.Is(err, state.ErrCorrupt) || errors.As(err, &said) {
		return known
	}
	return unavailable("the disk refuses to write the state file", err)
}

func closing(err error) error { return unavailable("the state is closing", err) }

func unavailable(message string, err error) error {
	return &contact.Error{Kind: contact.Unavailable, Op: "state", Message: message, Err: err}
}
