package bolt_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"syncer/internal/state/bolt"
)

// asNobody runs fn without the rights that the superuser has over files.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		fn()
		return
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its other user
		err := syscall.Setfsuid(65534)
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestFilesAndFoldersThatMayNotBeWritten(t *testing.T) {
	root := t.TempDir()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(root, "readonly")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(mode os.FileMode) string {
		path := filepath.Join(folder, mode.String())
		if err := openFile(t, path, bolt.Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unreadable, unwritable := file(0o200), file(0o444)
	closed := filepath.Join(root, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		for dir, mode := range map[string]os.FileMode{folder: 0o555, closed: 0} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
		}
	}
	for _, tt := range []struct{ path, words string }{
		{filepath.Join(folder, "new.db"), "cannot be made in " + folder},
		{filepath.Join(folder, "deep", "new.db"), "the folder of the state file cannot be made"},
		{unreadable, "may not be read"},
		{unwritable, "may not be written"},
		{filepath.Join(closed, "syncer.db"), "cannot be reached"},
	} {
		asNobody(t, func() {
			s, err := bolt.Open(tt.path, bolt.Options{})
			if err == nil {
				t.Errorf("%s was opened", tt.path)
				_ = s.Close()
				return
			}
			says(t, err.Error(), tt.words, "permission denied")
		})
	}
}
