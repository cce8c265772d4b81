package trickle_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"syncer/internal/trickle"
)

// TestWriter writes pieces of all sizes, to a file and to a pipe, which has no disk behind it.
func TestWriter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, 3<<20)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	write := func(f *os.File) {
		w := trickle.Writer(f)
		for rest := want; len(rest) > 0; {
			n := min(1+random.IntN(200_000), len(rest))
			if got, err := w.Write(rest[:n]); got != n || err != nil {
				t.Fatalf("%d of %d bytes: %v", got, n, err)
			}
			rest = rest[n:]
		}
	}
	name := filepath.Join(t.TempDir(), "copy")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	write(f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = got.ReadFrom(r) }()
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes of %d through a pipe", got.Len(), len(want))
	}
	if _, err := trickle.Writer(w).Write([]byte("x")); err == nil {
		t.Error("a closed file takes bytes")
	}
}
