// Command calls counts what syncer asks of Weni, against a simulator and without a network, beside the bars that
// are promised and beside what simpler ways would ask: to push every record at every run, and to look each of them
// up before. Of wrong persons the simpler ways are counted, too: whose data they would have put under somebody else's
// number. Nothing is modelled on syncer's side: the store, the engine, the reconciliations and the client are
// the real ones. The rows that need simulated hours are tests of the engine, which it runs.
//
//	go run ./bench/calls                 # all of it, up to 100,000 people
//	go run ./bench/calls -n 1000 -hours=false -seed 42
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"syncer/bench/calls/lab"
)

// ctx is that of the whole command; what it runs ends by itself.
var ctx = context.Background()

func main() {
	sizes := flag.String("n", "1000,10000,100000", "how many people, separated by commas")
	dir := flag.String("dir", lab.FastDir(), "where the state files go; what is counted does not depend on it")
	rows := flag.String("rows", "", "only the tables whose title contains this")
	seed := flag.Uint64("seed", 7, "of the people of the wrong persons' table and of the moments of live events")
	hours := flag.Bool("hours", true, "whether to run the rows with simulated hours, a go test of internal/engine")
	flag.Parse()
	fmt.Printf("seed %d\n", *seed)
	if err := run(os.Stdout, *sizes, *dir, *rows, *hours, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "calls:", err)
		os.Exit(1)
	}
}

// table is one table of the report.
type table struct {
	title string
	make  func(dir string) ([]line, error)
}

// line is one row: what was measured, the bar, and what simpler ways would ask.
type line struct {
	what     string
	measured string
	bar      string
	ok       bool
	push     string // push everything, every time
	lookup   string // look up, then push
}

func run(w io.Writer, sizes, dir, only string, hours bool, seed uint64) error {
	var tables []table
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 400 {
			return fmt.Errorf("-n: %q is no number of people from 400 up", text)
		}
		tables = append(tables, table{fmt.Sprintf("economy with %s people", thousands(n)), func(dir string) ([]line, error) { return economy(dir, n) }})
	}
	tables = append(tables,
		table{"pages of 250, where the server insists", otherFlavour},
		table{"ten chatty contacts", chatty},
		table{"wrong person", func(dir string) ([]line, error) { return wrongPerson(dir, seed) }},
		table{"drift", drift},
		table{"state lost", stateLost},
	)
	short := 0
	for _, t := range tables {
		if !strings.Contains(t.title, only) {
			continue
		}
		n, err := t.print(w, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", t.title, err)
		}
		short += n
	}
	if hours && strings.Contains("simulated hours", only) { //nolint:gocritic // what was asked for is a part of the name
		n, err := simulatedHours(w, seed)
		if err != nil {
			return err
		}
		short += n
	}
	if short > 0 {
		return fmt.Errorf("%d rows are short of their bar", short)
	}
	return nil
}

func (t table) print(w io.Writer, dir string) (short int, err error) {
	began := time.Now()
	tmp, err := os.MkdirTemp(dir, "calls-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	lines, err := t.make(tmp)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(w, "\n%s (%.0f s)\n", t.title, time.Since(began).Seconds())
	return printLines(w, lines), nil
}

func printLines(w io.Writer, lines []line) (short int) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\tmeasured\tbar\t\tpush everything\tlook up, push")
	for _, l := range lines {
		verdict := "pass"
		if !l.ok {
			verdict = "SHORT"
			short++
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", l.what, l.measured, l.bar, verdict, l.push, l.lookup)
	}
	_ = tab.Flush()
	return short
}

// thousands writes a number with separators.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func pages(n, size int) int { return (n + size - 1) / size }
