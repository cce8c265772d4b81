package trickle

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// begin starts to write what the system holds of a file, and waits neither for that nor, as fsync does, for the journal of
// the file system, which everybody shares.
func begin(f *os.File) error {
	err := unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	if errors.Is(err, unix.ESPIPE) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return nil // not a file on a disk, or not this system
	}
	return err
}
