package main

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// sector is what a disk writes as a whole.
const sector = 512

// disk is what a disk holds for certain, and what it was told and may have done or not.
type disk struct {
	names map[string]*inode
	// moves are renames that a power cut may undo until their folder is synced.
	moves []move
}

type inode struct {
	safe    []byte
	pending []call // writes and changes of size since the last sync, oldest first
	at      int    // how many of them a sync that is under way covers
}

type move struct {
	from, to string
	was      *inode
}

func newDisk(name string, content []byte) *disk {
	return &disk{names: map[string]*inode{name: {safe: content}}}
}

// do carries out what the process told the kernel. Only files whose names keep says are looked at.
func (d *disk) do(c call, keep func(string) bool) {
	switch {
	case strings.HasPrefix(c.name, "rename"):
		if c.left && c.outcome == 0 && keep(c.to) && d.names[c.path] != nil {
			d.moves = append(d.moves, move{c.path, c.to, d.names[c.to]})
			d.names[c.to] = d.names[c.path]
			delete(d.names, c.path)
		}
	case c.name == "fsync" && !keep(c.path) && c.left && c.outcome == 0:
		d.moves = nil // it was the folder
	case !keep(c.path):
	case c.name == "pwrite64" || c.name == "ftruncate":
		if c.left && c.outcome >= 0 {
			f := d.file(c.path)
			f.pending = append(f.pending, c)
		}
	case c.name == "fdatasync" || c.name == "fsync":
		f := d.file(c.path)
		if !c.left {
			f.at = len(f.pending)
			return
		}
		if c.outcome == 0 {
			for _, w := range f.pending[:f.at] {
				f.safe = write(f.safe, w, len(w.data))
			}
			f.pending = slices.Clone(f.pending[f.at:])
		}
		f.at = 0
	}
}

func (d *disk) file(name string) *inode {
	if d.names[name] == nil {
		d.names[name] = &inode{}
	}
	return d.names[name]
}

// cut is a file as a power cut may leave it: all that is certain, and of the rest any part, in sectors.
func (d *disk) cut(name string, dice *rand.Rand) []byte {
	names := maps.Clone(d.names)
	if dice.IntN(2) == 0 {
		for _, m := range slices.Backward(d.moves) {
			names[m.to] = m.was
		}
	}
	f := names[name]
	if f == nil {
		return nil
	}
	content := slices.Clone(f.safe)
	for _, w := range f.pending {
		switch n := (len(w.data) + sector - 1) / sector; dice.IntN(3) {
		case 0: // it never got there
		case 1:
			content = write(content, w, len(w.data))
		default:
			content = write(content, w, min(len(w.data), dice.IntN(n+1)*sector))
		}
	}
	return content
}

// write carries out a write, or its first n bytes, or a change of size.
func write(content []byte, c call, n int) []byte {
	if c.name == "ftruncate" {
		if int(c.offset) <= len(content) {
			return content[:c.offset]
		}
		return append(content, make([]byte, int(c.offset)-len(content))...)
	}
	if n == 0 {
		return content
	}
	if end := int(c.offset) + n; end > len(content) {
		content = append(content, make([]byte, end-len(content))...)
	}
	copy(content[c.offset:], c.data[:n])
	return content
}
