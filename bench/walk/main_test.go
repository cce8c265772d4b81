package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncer/bench/gauge"
	"syncer/internal/source"
)

// TestMain makes this binary its own child, as the program is.
func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), &out, dir, "150,300", 1, os.Args[0]); err != nil && !gauge.OnlyShort(err) {
		t.Fatal(err)
	}
	for _, line := range []string{"150      walk ", "300      walk ", "300      decode into records", "300      the source's own reading", "memory"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// The pages show exactly what is stored, else the walk would find changes; and a store that lacks one record, or has
// one more, is noticed.
func TestWalkFindsNothing(t *testing.T) {
	for pages, unchanged := range map[int]int{250: 250, 251: 250, 249: 249} {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			dir := t.TempDir()
			db := filepath.Join(dir, "syncer.db")
			if err := fill(t.Context(), db, pagesFile(dir), pages); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(db); err != nil {
				t.Fatal(err)
			}
			if err := fill(t.Context(), db, filepath.Join(dir, "other"), 250); err != nil {
				t.Fatal(err)
			}
			o, err := walk(t.Context(), db, pagesFile(dir))
			if err != nil || o.Records != unchanged {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// A cursor is where the next page begins, and the last page has none.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := fill(t.Context(), filepath.Join(dir, "syncer.db"), pagesFile(dir), 2*pageRows); err != nil {
		t.Fatal(err)
	}
	l, src, _, err := openList(pagesFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer l.f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, err := src.List(ctx, source.Window{}, "")
	if err != nil || len(first.Events) != pageRows || first.Next == "" {
		t.Fatal(len(first.Events), first.Next, err)
	}
	second, err := src.List(ctx, source.Window{}, first.Next)
	if err != nil || len(second.Events) != pageRows || second.Next != "" || second.Events[0].Key.ID != fmt.Sprint(pageRows+1) {
		t.Fatal(len(second.Events), second.Next, err)
	}
}
