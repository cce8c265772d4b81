package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Every folder beside this program that is a benchmark is run by it.
func TestEveryProgramIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range programs {
		listed[p.name] = true
	}
	for _, e := range entries {
		text, err := os.ReadFile(e.Name() + "/main.go")
		if is := err == nil && strings.Contains(string(text), "\nfunc main()"); is != listed[e.Name()] {
			t.Errorf("bench/%s is a program: %v, is listed: %v", e.Name(), is, listed[e.Name()])
		}
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, "mapping,recovery", t.TempDir(), true); err != nil {
		t.Fatal(err, out.String())
	}
	for _, line := range []string{"processors", "\n--- mapping\n", "\nby hand", "\n--- recovery\n", "cold"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
	if err := run(t.Context(), &out, "mapping,speed", t.TempDir(), true); err == nil || !strings.Contains(err.Error(), `"speed"`) {
		t.Errorf("a program that does not exist: %v", err)
	}
}
