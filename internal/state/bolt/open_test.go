package bolt_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// refused opens a file that must not be opened and returns what is said about it.
func refused(t *testing.T, path string) string {
	t.Helper()
	began := time.Now()
	s, err := bolt.Open(path, bolt.Options{})
	if err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s to say %v", took, err)
	}
	return err.Error()
}

func says(t *testing.T, got string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("%q does not say %q", got, w)
		}
	}
}

func TestASecondOpenerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{})
	says(t, refused(t, path), path, "in use by another syncer", "stop that one first")
	put(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, openFile(t, path, bolt.Options{}), "a"); got != "1" {
		t.Errorf("got %q", got)
	}
}

func TestOfSeveralThatStartAtOnceOneHasTheStore(t *testing.T) {
	for range 3 {
		path := filepath.Join(t.TempDir(), "deep", "er", "syncer.db")
		type outcome struct {
			s   *bolt.Store
			err error
		}
		outcomes := make(chan outcome, 4)
		for range cap(outcomes) {
			go func() {
				s, err := bolt.Open(path, bolt.Options{})
				outcomes <- outcome{s, err}
			}()
		}
		var winner *bolt.Store
		for range cap(outcomes) {
			switch o := <-outcomes; {
			case o.err != nil:
				says(t, o.err.Error(), "in use by another syncer")
			case winner != nil:
				t.Fatal("two have the same store")
			default:
				winner = o.s
			}
		}
		if winner == nil {
			t.Fatal("nobody has the store")
		}
		put(t, winner, "a", "1")
		if err := winner.Close(); err != nil {
			t.Error(err)
		}
		if got := get(t, openFile(t, path, bolt.Options{}), "a"); got != "1" {
			t.Errorf("got %q", got)
		}
		alone(t, path)
	}
}

func TestOnlyTheOwnerMayReadTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "syncer.db")
	openFile(t, path, bolt.Options{})
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestWhatACrashLeftBehindIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncer.db")
	for _, name := range []string{".new-0badcafe", ".compact"} {
		if err := os.WriteFile(path+name, []byte("half a store"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openFile(t, path, bolt.Options{})
	alone(t, path)
}

// edit changes a closed store behind its back.
func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
}

// stored is the file of a closed store that has held a few hundred rows, some of them in branches.
func stored(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "syncer.db")
	s := openFile(t, path, bolt.Options{MaxBytes: 2 << 20}) // a small one grows in small steps
	for i := range 5 {
		large(t, s, 5*(i+1))
		if err := s.Update(t.Context(), func(tx state.Tx) error {
			for i := range 300 {
				tx.Put(table, fmt.Appendf(nil, "%06d", i), make([]byte, 100))
				tx.Put(state.Runs.Name, fmt.Appendf(nil, "%06d", i), nil)
			}
			tx.Delete(table, []byte("large 000003"))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestANewerFormatIsRefused(t *testing.T) {
	path := stored(t)
	before := contents(t, path)
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(state.Meta)).Put([]byte("format"), binary.BigEndian.AppendUint64(nil, state.Format+1))
	})
	for range 2 {
		says(t, refused(t, path), path, "newer syncer", fmt.Sprint("format ", state.Format+1), "restore an older backup")
	}
	if len(before) == 0 {
		t.Fatal("nothing was stored")
	}
}

func TestATableThatIsMissingIsMade(t *testing.T) {
	path := stored(t)
	edit(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(state.Claims.Name)) })
	s := openFile(t, path, bolt.Options{})
	if err := s.View(func(tx state.Tx) error { state.Claims.Get(tx, "x"); return nil }); err != nil {
		t.Error(err)
	}
	if len(get(t, s, "large 000024")) != 10<<10 {
		t.Error("rows are lost")
	}
}

func TestOpeningACurrentStoreDoesNotWriteToIt(t *testing.T) {
	path := stored(t)
	before := contents(t, path)
	if err := openFile(t, path, bolt.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if contents(t, path) != before {
		t.Error("the file has changed")
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestForeignFilesAreRefusedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	edit(t, foreign, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	similar := filepath.Join(dir, "similar.db")
	edit(t, similar, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte(state.Meta)); return err })
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path  string
		words []string
	}{
		{file("a.txt", "version: 1\n"), []string{"not a state file of syncer", "name another file"}},
		{file("b.bin", strings.Repeat("\x00", 1<<20)), []string{"not a state file of syncer"}},
		{file("c.sqlite", "SQLite format 3\x00"+strings.Repeat("x", 9000)), []string{"not a state file of syncer"}},
		{foreign, []string{"not a state file of syncer", "move this one away"}},
		{similar, []string{"not a state file of syncer"}},
		{file("empty.db", ""), []string{"is damaged", "it is empty", "restore a backup"}},
		{folder, []string{"is not a file", "data/syncer.db"}},
		{filepath.Join(dir, "a.txt", "syncer.db"), []string{"cannot be reached"}},
		{"/dev/null", []string{"is not a file"}},
	} {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			info, _ := os.Stat(tt.path)
			says(t, refused(t, tt.path), append(tt.words, tt.path)...)
			if after, _ := os.Stat(tt.path); info != nil && (after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime())) {
				t.Error("the file has changed")
			}
		})
	}
}

func TestAFileThatWasCutShortIsRefused(t *testing.T) {
	whole := contents(t, stored(t))
	path := filepath.Join(t.TempDir(), "cut.db")
	used := 0 // up to the last byte that is not free
	for i := range whole {
		if whole[i] != 0 {
			used = i + 1
		}
	}
	for _, size := range []int{1, 15, 16, 79, 80, 100, 4095, 4096, 4097, 4176, 8191, 8192, 8193, 12288, 16384, 20000, used / 2, used - 5000} {
		if err := os.WriteFile(path, []byte(whole[:size]), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := refused(t, path); size >= 80 {
			says(t, got, path, "is damaged", "restore a backup", "rebuilt from the sources and targets")
		}
	}
}

// A bit may flip anywhere. Opening then says so, or works: bbolt has no sums over its data. It never panics,
// faults or hangs.
func TestAFileWithAFlippedBitIsOpenedOrRefused(t *testing.T) {
	whole := []byte(contents(t, stored(t)))
	path := filepath.Join(t.TempDir(), "flipped.db")
	page := os.Getpagesize()
	live := livePages(whole, page)
	random := rand.New(rand.NewPCG(1, 2))
	var places []int
	for _, p := range live { // headers densely, the rest here and there
		for i := range 40 {
			places = append(places, p*page+i)
		}
		for range 10 {
			places = append(places, p*page+random.IntN(page))
		}
	}
	opened, said := 0, 0
	for _, at := range places {
		flipped := append([]byte{}, whole...)
		flipped[at] ^= 1 << random.IntN(8)
		_ = os.Remove(path) // to overwrite a file is to wait for the disk
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			said++
			says(t, err.Error(), path)
			continue
		}
		opened++
		if err := s.Close(); err != nil {
			t.Errorf("byte %d: closing: %v", at, err)
		}
	}
	t.Logf("%d flips: %d refused, %d opened", len(places), said, opened)
	if said == 0 || opened == 0 {
		t.Error("the flips prove nothing")
	}
}

// livePages are the pages that a file of bbolt uses: both meta pages, and what hangs on the newer one.
func livePages(file []byte, size int) []int {
	word := func(at int) int { return int(binary.NativeEndian.Uint64(file[at:])) }
	tx := func(p int) int { return word(p*size + 16 + 48) }
	meta := 0
	if tx(1) > tx(0) {
		meta = 1
	}
	free := word(meta*size + 16 + 32)
	pages := word(meta*size + 16 + 40)
	isFree := map[int]bool{}
	for i := range int(binary.NativeEndian.Uint16(file[free*size+10:])) {
		isFree[word(free*size+16+8*i)] = true
	}
	var live []int
	for p := range pages {
		if !isFree[p] && len(live) < 40 {
			live = append(live, p)
		}
	}
	return append(live, free, word(meta*size+16+16))
}

func TestOneBrokenMetaPageIsNoLoss(t *testing.T) {
	path := stored(t)
	whole := []byte(contents(t, path))
	page := os.Getpagesize()
	for meta := range 2 {
		broken := append([]byte{}, whole...)
		copy(broken[meta*page:], make([]byte, page))
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openFile(t, path, bolt.Options{})
		if len(get(t, s, "large 000010")) != 10<<10 {
			t.Errorf("without meta page %d rows are lost", meta)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	broken := append([]byte{}, whole...)
	for meta := range 2 {
		broken[meta*page+20] ^= 1 // the version
	}
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, refused(t, path), "is damaged", "both of its first pages are broken")
}
