package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"syncer/internal/state"
)

// A bbolt file begins with two meta pages, of which the newer one that is whole counts. They say how many
// pages there are and where the list of free ones lies.
const (
	metaMagic    = 0xED0CDAED
	metaFlag     = 0x04
	freelistFlag = 0x10
	branchFlag   = 0x01
	leafFlag     = 0x02
	bucketFlag   = 0x01
	headerSize   = 16
	elementSize  = 16
	metaSize     = 64
	noFreelist   = ^uint64(0)
)

type meta struct {
	Magic, Version, PageSize, Flags           uint32
	Root, Sequence, Freelist, Pages, Tx, Hash uint64
}

// inspect looks for what bbolt trusts in and would trip over: a file cut short, two broken meta pages, a list
// of free pages that is none.
func inspect(path string) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the state file %s may not be read: %w", path, err)
	case err != nil:
		return fmt.Errorf("the state file %s cannot be opened: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("the state file %s cannot be opened: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; name a file for the state, for example data/syncer.db", path)
	case info.Size() == 0:
		return damage(path, errors.New("it is empty: perhaps the disk was full, or a copy was broken off"))
	}
	m, err := readMeta(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case m.Magic == 0:
		return damage(path, errors.New("both of its first pages are broken"))
	case m.PageSize < 512 || m.PageSize > 1<<16 || m.Pages < 4 || m.Pages > uint64(info.Size())/uint64(m.PageSize):
		return damage(path, fmt.Errorf("it ends after %d bytes and should have %d pages of %d", info.Size(), m.Pages, m.PageSize))
	}
	b := book{f, m}
	switch {
	case m.Freelist != noFreelist && !b.freelist():
		return damage(path, errors.New("its list of free pages is broken"))
	case !b.tree(m.Root, 0, b.table):
		return damage(path, errors.New("its list of tables is broken"))
	}
	return nil
}

// readMeta returns the meta page that counts; without magic when the file is one of bbolt's with none that is
// whole.
func readMeta(f io.ReaderAt, size int64) (newest meta, err error) {
	ours := false
	for at := int64(0); at < size && at <= 1<<16; at = max(2*at, 1024) { // the second one begins where the first page ends
		var page [headerSize + metaSize]byte
		if n, _ := f.ReadAt(page[:], at); n < len(page) {
			break
		}
		var m meta
		if err := binary.Read(bytes.NewReader(page[headerSize:]), binary.NativeEndian, &m); err != nil {
			return newest, err
		}
		isMeta := binary.NativeEndian.Uint16(page[8:]) == metaFlag
		ours = ours || m.Magic == metaMagic && isMeta
		h := fnv.New64a()
		h.Write(page[headerSize : headerSize+metaSize-8])
		if m.Magic == metaMagic && m.Hash == h.Sum64() && (newest.Magic == 0 || m.Tx > newest.Tx) {
			newest = m
		}
	}
	if newest.Magic == 0 && !ours {
		return newest, errForeign
	}
	return newest, nil
}

// book reads pages as the meta page that counts describes them.
type book struct {
	f io.ReaderAt
	m meta
}

// page reads a page with what belongs to it; ok is false when it is not where and what it says.
func (b book) page(id uint64) (page []byte, flags uint16, count uint64, ok bool) {
	if id < 2 || id >= b.m.Pages {
		return nil, 0, 0, false
	}
	var head [headerSize]byte
	at := int64(id) * int64(b.m.PageSize)
	if _, err := b.f.ReadAt(head[:], at); err != nil {
		return nil, 0, 0, false
	}
	overflow := uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head[:]) != id || overflow >= b.m.Pages-id {
		return nil, 0, 0, false
	}
	page = make([]byte, (overflow+1)*uint64(b.m.PageSize))
	if _, err := b.f.ReadAt(page, at); err != nil {
		return nil, 0, 0, false
	}
	return page, binary.NativeEndian.Uint16(head[8:]), uint64(binary.NativeEndian.Uint16(head[10:])), true
}

// freelist reports whether the free pages are listed in order and lie inside the file.
func (b book) freelist() bool {
	page, flags, count, ok := b.page(b.m.Freelist)
	if !ok || flags != freelistFlag {
		return false
	}
	ids := page[headerSize:]
	if count == 0xFFFF { // too many for the header
		count = binary.NativeEndian.Uint64(ids)
		ids = ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return false
	}
	last := uint64(1)
	for ; count > 0; count, ids = count-1, ids[8:] {
		id := binary.NativeEndian.Uint64(ids)
		if id <= last || id >= b.m.Pages {
			return false
		}
		last = id
	}
	return true
}

// tree reports whether the pages below root are what bbolt takes them for: of their kind, not too deep, with all
// rows inside and in order. row looks at the rows.
func (b book) tree(root uint64, depth int, row func(flags uint32, key, value []byte) bool) bool {
	page, kind, count, ok := b.page(root)
	switch {
	case !ok || depth > 16:
		return false
	case kind == leafFlag:
		return leaf(page, count, row)
	case kind != branchFlag || count == 0:
		return false
	}
	return rows(page, count, func(e, rest []byte) bool {
		_, ok := cut(rest, binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]), 0)
		return ok && b.tree(binary.NativeEndian.Uint64(e[8:]), depth+1, row)
	})
}

func leaf(page []byte, count uint64, row func(flags uint32, key, value []byte) bool) bool {
	var last []byte
	return rows(page, count, func(e, rest []byte) bool {
		size := binary.NativeEndian.Uint32(e[8:])
		kv, ok := cut(rest, binary.NativeEndian.Uint32(e[4:]), size, binary.NativeEndian.Uint32(e[12:]))
		if !ok || last != nil && bytes.Compare(last, kv[:size]) >= 0 {
			return false
		}
		last = kv[:size]
		return row(binary.NativeEndian.Uint32(e), last, kv[size:])
	})
}

// rows gives the elements of a page, each with what follows from its beginning on.
func rows(page []byte, count uint64, element func(e, rest []byte) bool) bool {
	if headerSize+count*elementSize > uint64(len(page)) {
		return false
	}
	for i := range count {
		rest := page[headerSize+i*elementSize:]
		if !element(rest[:elementSize], rest) {
			return false
		}
	}
	return true
}

// cut takes key and value from where an element says they are.
func cut(rest []byte, pos, key, value uint32) ([]byte, bool) {
	end := uint64(pos) + uint64(key) + uint64(value)
	if pos < elementSize || end > uint64(len(rest)) {
		return nil, false
	}
	return rest[pos:end], true
}

// table reports whether a row of the root is a table: one page at its root, or its rows in the value itself. The
// table that says what the file is, is looked at altogether.
func (b book) table(flags uint32, name, value []byte) bool {
	if flags != bucketFlag || len(value) < 16 {
		return false
	}
	whatever := func(uint32, []byte, []byte) bool { return true }
	switch root := binary.NativeEndian.Uint64(value); {
	case root == 0:
		inline := value[16:]
		return len(inline) >= headerSize && binary.NativeEndian.Uint16(inline[8:]) == leafFlag &&
			leaf(inline, uint64(binary.NativeEndian.Uint16(inline[10:])), whatever)
	case string(name) == state.Meta:
		return b.tree(root, 0, whatever)
	default:
		_, kind, _, ok := b.page(root)
		return ok && (kind == leafFlag || kind == branchFlag)
	}
}
