// Package trickle writes large files without taking the disk away from others.
package trickle

import (
	"io"
	"os"
)

// portion is how much is written before the disk is told to begin with it.
const portion = 512 << 10

// Writer writes to a file and has the disk begin with every portion at once. What a system keeps in memory until it is
// synced, hundreds of megabytes of it, keeps everybody else's commits waiting then. It makes nothing durable: sync
// the file at the end.
func Writer(f *os.File) io.Writer { return &writer{f: f} }

type writer struct {
	f *os.File
	n int
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if w.n += n; err == nil && w.n >= portion {
		err, w.n = begin(w.f), 0
	}
	return n, err
}
