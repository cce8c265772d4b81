package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncer/e2e/lab"
)

// smallDisk mounts a disk of its own for the state, and makes the world keep it there.
func smallDisk(t *testing.T, w *world, size string) (resize func(flags uintptr, size string)) {
	t.Helper()
	dir := w.path("disk")
	must(t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small disk can be made here: %v", err)
	}
	t.Cleanup(func() {
		if w.syncer != nil {
			w.syncer.Kill()
		}
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	w.env["SYNCER_STATE"] = "bolt:" + filepath.Join(dir, "syncer.db")
	return func(flags uintptr, size string) {
		t.Helper()
		must(t, syscall.Mount("tmpfs", dir, "tmpfs", flags|syscall.MS_REMOUNT, "size="+size))
	}
}

// idle makes a world in which syncer does not run yet.
func idle(t *testing.T, people int) *world {
	t.Helper()
	w, err := newWorld(t.Context(), bin, t.TempDir(), people)
	must(t, err)
	t.Cleanup(w.close)
	return w
}

// sendNew sends the next version of one of the shop's records, made large by so many bytes.
func sendNew(t *testing.T, w *world, i, padding int) int {
	t.Helper()
	r := w.shop[i%len(w.shop)]
	e := r.next(false)
	e.body = bytes.Replace(r.hook(e), []byte(`"nome"`), fmt.Appendf(nil, `"nota":%q,"nome"`, strings.Repeat("x", padding)), 1)
	e.sent = true
	status, err := w.post(e)
	must(t, err)
	e.acked = status/100 == 2
	return status
}

// asPromised lets syncer work off what it accepted, and compares.
func asPromised(t *testing.T, w *world) {
	t.Helper()
	_, err := w.rest()
	must(t, err)
	contacts, twice, err := w.contacts()
	must(t, err)
	for _, line := range append(twice, compare(slices.Concat(w.shop, w.people), contacts, (*record).possible)...) {
		t.Error(line)
	}
}

// TestADiskThatIsFull: what does not fit is answered 503, what was answered before is kept, also through a kill and a
// start on the full disk; with more room everything goes on. (A state with a bound of its own: see
// TestAFullStoreAsksSendersToComeAgain of e2e.)
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	w := idle(t, 400) // each with a record of its own
	resize := smallDisk(t, w, "9m")
	must(t, w.serve())
	full := 0
	for i := 0; i < 1000 && full < 5; i++ {
		switch status := sendNew(t, w, i, 50<<10); status {
		case http.StatusAccepted:
		case http.StatusServiceUnavailable:
			full++
		default:
			t.Fatalf("event %d is answered with %d", i, status)
		}
	}
	if full < 5 {
		t.Fatal("1,000 events of 50 kB went onto a disk of 9 MB")
	}
	must(t, w.syncer.Says(t.Context(), "no space left on device", patience))
	w.syncer.Kill()
	lost, err := w.examine(strings.TrimPrefix(w.env["SYNCER_STATE"], "bolt:"), 0)
	if err != nil || len(lost) > 0 {
		t.Errorf("in the state on the full disk: %v %v", lost, err)
	}
	if err := w.serve(); err != nil {
		t.Fatalf("on a full disk: %v", err)
	}
	resize(0, "200m")
	must(t, lab.Await(t.Context(), patience, "with room, events are taken", func() (bool, error) {
		return sendNew(t, w, 0, 0) == http.StatusAccepted, nil
	}))
	asPromised(t, w)
}

// TestADiskThatMayOnlyBeRead: syncer does not start there, and says so.
func TestADiskThatMayOnlyBeRead(t *testing.T) {
	t.Parallel()
	w := idle(t, 6)
	resize := smallDisk(t, w, "20m")
	must(t, w.serve())
	if status := sendNew(t, w, 0, 0); status != http.StatusAccepted {
		t.Fatalf("an event is answered with %d", status)
	}
	w.syncer.Kill()
	resize(syscall.MS_RDONLY, "20m")
	refused(t, w, "cannot be opened", "read-only file system")
	resize(0, "20m")
	must(t, w.serve())
	asPromised(t, w)
}

// refused checks that syncer does not start, and says why in these words.
func refused(t *testing.T, w *world, words ...string) {
	t.Helper()
	must(t, w.launch())
	if ok, err := w.ready(); ok || err != nil {
		t.Fatalf("it started, or did not end: %v", err)
	}
	<-w.syncer.Ended()
	said := w.syncer.Stderr()
	if w.syncer.Code() != 1 || strings.Contains(said, "goroutine ") {
		t.Errorf("it ended with %d:\n%s", w.syncer.Code(), tail(said))
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("it does not say %q:\n%s", word, tail(said))
		}
	}
}

func tail(log string) string {
	lines := strings.SplitAfter(log, "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "")
}

// TestTwoAtOnce: a second syncer on the same state is refused with words, and the first does not notice. So is a command
// that looks for the daemon in another place than where it is.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := start(t, 6)
	first, own := w.syncer, w.env
	listen, err := lab.FreeAddr()
	must(t, err)
	admin, err := lab.FreeAddr()
	must(t, err)
	w.env = own.With("SYNCER_LISTEN", listen, "SYNCER_ADMIN_LISTEN", admin, "SYNCER_PUBLIC_URL", "http://"+listen)
	const words = "is in use by another syncer"
	refused(t, w, words, "admin address")
	r, err := lab.Run(t.Context(), bin, w.env, "status")
	if must(t, err); r.Code != 1 || !strings.Contains(r.Stderr, words) {
		t.Errorf("status ends with %d and says %s", r.Code, r.Stderr)
	}
	w.syncer, w.env = first, own
	if status := sendNew(t, w, 0, 0); status != http.StatusAccepted {
		t.Errorf("the first syncer answers %d", status)
	}
	asPromised(t, w)
}

// TestADamagedState: a file that was cut short, emptied, overwritten or exchanged is refused with words that help, and a
// backup restores what it held. A bit that flipped anywhere is refused too, or is lived with: syncer says so, and never
// dies of it. (Every place of a small file: see TestAFileWithAFlippedBitIsOpenedOrRefused of state/bolt.)
func TestADamagedState(t *testing.T) {
	t.Parallel()
	random := dice(t)
	w := start(t, 12)
	for i := range 36 {
		if status := sendNew(t, w, i, 2000); status != http.StatusAccepted {
			t.Fatalf("an event is answered with %d", status)
		}
	}
	asPromised(t, w)
	if r, err := lab.Run(t.Context(), bin, w.env, "backup", w.path("copy.db")); err != nil || r.Code != 0 {
		t.Fatalf("backup: %v %s", err, r.Stderr)
	}
	w.syncer.Kill()
	file := w.path("syncer.db")
	whole, err := os.ReadFile(file)
	must(t, err)
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		words  []string
	}{
		"cut in the middle":      {func(b []byte) []byte { return b[:8*os.Getpagesize()] }, []string{"is damaged", "restore a backup"}},
		"empty":                  {func([]byte) []byte { return nil }, []string{"is damaged", "it is empty", "restore a backup"}},
		"its first pages zeroed": {func(b []byte) []byte { copy(b, make([]byte, 4*os.Getpagesize())); return b }, []string{"not a state file of syncer"}},
		"its first pages flipped": {func(b []byte) []byte {
			b[30] ^= 4
			b[os.Getpagesize()+30] ^= 4
			return b
		}, []string{"is damaged", "restore a backup"}},
		"something else": {func([]byte) []byte { return bytes.Repeat([]byte("isto não é um estado\n"), 4000) }, []string{"not a state file of syncer"}},
	} {
		t.Log(name)
		must(t, os.WriteFile(file, c.damage(slices.Clone(whole)), 0o600))
		refused(t, w, append(c.words, file)...)
	}
	said, files := 0, 12
	if testing.Short() {
		files = 4
	}
	for range files {
		must(t, os.WriteFile(file, flipped(whole, random), 0o600))
		must(t, w.launch())
		ok, err := w.ready()
		must(t, err)
		if !ok {
			said++
			if out := w.syncer.Stderr(); w.syncer.Code() != 1 || !strings.Contains(out, "restore a backup") || strings.Contains(out, "goroutine ") {
				t.Errorf("it ended with %d:\n%s", w.syncer.Code(), tail(out))
			}
			continue
		}
		for i := range 12 {
			if status := sendNew(t, w, i, 0); status/100 != 2 && status/100 != 5 {
				t.Errorf("on a flipped state an event is answered with %d", status)
			}
		}
		time.Sleep(100 * time.Millisecond)
		select {
		case <-w.syncer.Ended():
			t.Errorf("it died of a flipped bit, with %d:\n%s", w.syncer.Code(), tail(w.syncer.Stderr()))
		default:
			w.syncer.Kill()
		}
	}
	t.Logf("of %d files with flipped bits %d were refused", files, said)

	must(t, os.Rename(w.path("copy.db"), file))
	must(t, w.serve())
	for i := range 12 { // newer than all that the damaged states may have brought to Weni
		if status := sendNew(t, w, i, 0); status != http.StatusAccepted {
			t.Errorf("with the backup an event is answered with %d", status)
		}
	}
	asPromised(t, w)
}

// flipped flips some bits of pages that are in use.
func flipped(whole []byte, random *rand.Rand) []byte {
	out := slices.Clone(whole)
	for range 20 {
		at := random.IntN(len(out))
		for tries := 0; out[at] == 0 && tries < 100; tries++ { // most of the file is empty
			at = random.IntN(len(out))
		}
		out[at] ^= 1 << random.IntN(8)
	}
	return out
}

// TestAStormOfReloads: the mapping file changes and is read again all the time, sometimes in the middle of being
// written, while events come in. Nothing is lost, nothing is left running, and the last file is the one in use.
func TestAStormOfReloads(t *testing.T) {
	t.Parallel()
	w := start(t, 24)
	random := dice(t)
	before := openFiles(t, w)
	stop := w.flood(random.Uint64())
	const signals = 120
	for i := range signals {
		switch random.IntN(4) {
		case 0:
			must(t, os.WriteFile(w.path("mappings.yaml"), []byte("version: 1\nsources: {"), 0o600))
		default:
			must(t, w.writeMapping(i%2 == 0))
		}
		must(t, w.syncer.Signal(syscall.SIGHUP))
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	}
	must(t, w.writeMapping(false))
	must(t, stop())
	must(t, lab.Await(t.Context(), patience, "the last mapping is in use", func() (bool, error) {
		_, err := w.admin.Reload(t.Context())
		return err == nil, nil
	}))
	must(t, w.applyAll())
	asPromised(t, w)
	s, err := w.status()
	must(t, err)
	t.Logf("%d signals, %d events acknowledged", signals, w.acks)
	if s.Mapping.Error != "" || w.acks < 50 {
		t.Errorf("%d events were acknowledged; the mapping: %+v", w.acks, s.Mapping)
	}
	if after := openFiles(t, w); after > before+20 { // connections to Weni come and go
		t.Errorf("%d files and connections before, %d after", before, after)
	}
}

// openFiles is how many files and connections syncer has.
func openFiles(t *testing.T, w *world) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.syncer.PID()))
	must(t, err)
	return len(files)
}
