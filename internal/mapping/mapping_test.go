package mapping

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMappings runs the mappings that people asked for against their cases.
func TestMappings(t *testing.T) {
	files, err := filepath.Glob("testdata/mappings/*.cases.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".cases.yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/mappings/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			plan, found := Load(name+".yaml", text, Options{Lookup: environment})
			if len(found) > 0 {
				t.Fatalf("not accepted without a word:\n%s", found)
			}
			cases, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			results, found := RunCases(plan, filepath.Base(path), cases, Options{})
			if len(found) > 0 {
				t.Errorf("the cases:\n%s", found)
			}
			if len(results) == 0 {
				t.Error("no cases ran")
			}
			for _, r := range results {
				if !r.Passed {
					t.Errorf("%s: %s\n%s", r.Position, r.Name, r.Diff)
				}
			}
		})
	}
}
