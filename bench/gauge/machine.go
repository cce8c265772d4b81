package gauge

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Machine says on what the figures were measured, and how often a second the disk below dir makes a page last.
func Machine(w io.Writer, dir string) error {
	rate, err := SyncRate(dir, time.Second)
	if err != nil {
		return err
	}
	var uname syscall.Utsname
	_ = syscall.Uname(&uname) // an empty name says enough
	fmt.Fprintf(w, "%s, %d processors (GOMAXPROCS %d), %s memory, Linux %s, %s %s\n", cmp.Or(field("/proc/cpuinfo", "model name"), runtime.GOARCH),
		runtime.NumCPU(), runtime.GOMAXPROCS(0), cmp.Or(field("/proc/meminfo", "MemTotal"), "unknown"), words(uname.Release[:]), runtime.Version(), runtime.GOARCH)
	fmt.Fprintf(w, "state files in %s: %.0f fdatasync of 4 KiB a second, load average %s\n", dir, rate, load())
	return nil
}

// words reads a text of the kernel.
func words(text []int8) string {
	var b strings.Builder
	for _, c := range text {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// field is what a file of /proc says under a name; empty where it does not say.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return cmp.Or(one, "unknown")
}

// SyncRate is how many pages a second can be written and made last, one after the other: what no store that keeps
// its word can exceed without sharing.
func SyncRate(dir string, d time.Duration) (float64, error) {
	const pages, page = 1024, 4096
	f, err := os.Create(filepath.Join(dir, "sync-rate"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(make([]byte, pages*page)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	n, began, b := 0, time.Now(), make([]byte, page)
	for time.Since(began) < d {
		if _, err := f.WriteAt(b, int64(n%pages)*page); err != nil {
			return 0, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// DropCache takes a file out of the page cache, so that whoever opens it next reads the disk.
func DropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // a page that is not on disk yet cannot be dropped
		return err
	}
	const dontNeed = 4
	if _, _, failed := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0); failed != 0 {
		return failed
	}
	return nil
}
