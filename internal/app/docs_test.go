package app_test

import (
	"os"
	"strings"
	"testing"

	"syncer/internal/config"
)

// TestReadmeListsEverySetting keeps the table of the README what the code says.
func TestReadmeListsEverySetting(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), config.Markdown()) {
		t.Errorf("the table of settings in README.md is not this one:\n%s", config.Markdown())
	}
}
