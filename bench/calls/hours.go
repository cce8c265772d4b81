package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// simulatedHours runs the tests that play hours of a throttled Weni, which only tests can, and prints their rows.
func simulatedHours(w io.Writer, seed uint64) (short int, err error) {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^TestHours", "syncer/internal/engine", "-args", "-hours.seed", fmt.Sprint(seed))
	out, failed := cmd.CombinedOutput()
	var lines []line
	for text := range bytes.Lines(out) {
		_, row, ok := strings.Cut(string(text), ": row|")
		cells := strings.Split(strings.TrimRight(row, "\n"), "|")
		if !ok || len(cells) != 6 {
			continue
		}
		lines = append(lines, line{cells[0], cells[1], cells[2], cells[3] == "true", cells[4], cells[5]})
	}
	if len(lines) == 0 {
		return 0, errors.Join(failed, fmt.Errorf("simulated hours: no rows in\n%s", out))
	}
	fmt.Fprintf(w, "\nsimulated hours under 2,500 calls an hour (%.0f s)\n", time.Since(began).Seconds())
	short = printLines(w, lines)
	if failed != nil && short == 0 {
		return 0, fmt.Errorf("simulated hours: %w\n%s", failed, out)
	}
	return short, nil
}
