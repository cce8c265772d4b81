package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// build compiles the binary as it is released. It is built in its own module: what this one needs besides must not be
// in it.
func build(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "syncer").Output()
	if err != nil {
		return "", fmt.Errorf("looking for syncer's folder: %w", err)
	}
	bin := filepath.Join(dir, "syncer")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-trimpath", "-ldflags=-s -w", "-o", bin, "./cmd/syncer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building syncer: %w\n%s", err, out)
	}
	return bin, nil
}
