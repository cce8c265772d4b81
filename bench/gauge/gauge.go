// Package gauge is what the benchmarks measure with: medians of paired rounds, quantiles, memory of processes, and
// tables that print both sides and the bar. Machines are shared and noisy, so two things are never compared that
// were not measured right after each other. It knows nothing of syncer.
package gauge

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Number is what can be ordered and put in the middle.
type Number interface{ ~int | ~int64 | ~float64 }

// Median is the middle of the values; 0 of none.
func Median[N Number](values []N) N { return Quantile(slices.Sorted(slices.Values(values)), 0.5) }

// Quantile is the value below which this share of sorted values lies; 0 of none.
func Quantile[N Number](sorted []N, share float64) N {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(share*float64(len(sorted)-1))]
}

// Ratios divides pairs: round by round, so that what slowed one round down slowed both sides.
func Ratios(a, b []float64) []float64 {
	out := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		out = append(out, a[i]/b[i])
	}
	return out
}

// Table is rows under titles.
type Table struct {
	Title string
	Heads []string
	rows  [][]string
	short bool
}

// Row adds a row of cells.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// Verdict is the cell that says whether a bar is met.
func (t *Table) Verdict(ok bool, bar string) string {
	if ok {
		return "pass (" + bar + ")"
	}
	t.short = true
	return "SHORT (" + bar + ")"
}

// ShortError is the error of a table with rows that are short of their bar: everything was measured all the same.
type ShortError struct{ Title string }

// Error names the table.
func (s *ShortError) Error() string { return "short of a bar: " + s.Title }

// OnlyShort reports whether an error says nothing but that bars were missed.
func OnlyShort(err error) bool {
	switch e := err.(type) { //nolint:errorlint // every leaf is looked at
	case *ShortError:
		return true
	case interface{ Unwrap() error }:
		return OnlyShort(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !OnlyShort(err) })
	}
	return false
}

// End ends a program with what its benchmark came to: 0, 1 when it failed, 3 when it was only short of a bar.
func End(name string, err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if OnlyShort(err) {
		os.Exit(ExitShort)
	}
	os.Exit(1)
}

// ExitShort is the exit code of a program that has measured everything and is short of a bar.
const ExitShort = 3

// Print writes the table and returns an error if a row is short of its bar.
func (t *Table) Print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n", t.Title)
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, strings.Join(t.Heads, "\t"))
	for _, row := range t.rows {
		fmt.Fprintln(tab, strings.Join(row, "\t"))
	}
	if err := tab.Flush(); err != nil || !t.short {
		return err
	}
	return &ShortError{t.Title}
}

// Count writes a number with separators.
func Count[N ~int | ~int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// MB writes bytes in millions of bytes.
func MB(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// Ms writes a time in milliseconds.
func Ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// Parse reads numbers that are separated by commas.
func Parse(flag, text string) (numbers []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.ReplaceAll(part, "_", ""))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s: %q is no number from 1 up", flag, cmp.Or(part, text))
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
