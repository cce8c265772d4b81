package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Recorder keeps in a folder what every process says that is started while it records, so that all of it can be
// searched at the end. Secrets of their environments are looked for by themselves; people are named by whoever
// invents them.
type Recorder struct {
	Finder
	dir   string
	mu    sync.Mutex
	files []*os.File
}

var recorder atomic.Pointer[Recorder]

// Record begins to keep what processes say in a new folder. There is one recorder at a time.
func Record(dir string) (*Recorder, error) {
	r := &Recorder{dir: dir}
	recorder.Store(r)
	return r, os.Mkdir(dir, 0o700)
}

// secret names are those of variables whose values are nobody's business.
func isSecret(name string) bool {
	return slices.ContainsFunc([]string{"TOKEN", "SECRET", "PASSWORD", "API_KEY"}, func(part string) bool { return strings.Contains(name, part) })
}

// open makes the files for one process. What a simulator says is for the test, `test` shows the lines of a file that
// its reader has written, and --show asks for everything.
func (r *Recorder) open(env Env, args []string) (stdout, stderr io.Writer, err error) {
	if r == nil || len(args) == 0 || args[0] == "sandbox" || args[0] == "test" {
		return io.Discard, io.Discard, nil
	}
	for name, value := range env {
		if isSecret(name) && !strings.HasPrefix(value, "http") {
			r.Secret(name, value)
		}
	}
	if stderr, err = r.file(args, "stderr"); err != nil || slices.Contains(args, "--show") {
		return io.Discard, stderr, err
	}
	stdout, err = r.file(args, "stdout")
	return stdout, stderr, err
}

func (r *Recorder) file(args []string, what string) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("%05d-%s.%s", len(r.files), args[0], what)))
	if err == nil {
		r.files = append(r.files, f)
	}
	return f, err
}

// Search ends the recording and looks through all of it.
func (r *Recorder) Search() (found []string, err error) {
	recorder.CompareAndSwap(r, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		if err := f.Close(); err != nil {
			return nil, err
		}
		data, err := os.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		for _, l := range r.Find(string(data)) {
			found = append(found, filepath.Base(f.Name())+": "+l.String())
		}
	}
	return found, nil
}
