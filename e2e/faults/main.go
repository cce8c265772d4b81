// Command faults prints the fault matrix: the real binary against every simulator while the network or the other side
// does what networks and servers do at their worst. A cell ends as it should when everybody is where the source says
// once the fault is over, or when syncer stopped with words that say why and goes on when somebody lets it; when the
// calls were bounded; and when nothing was sent anywhere else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

var silent = log.New(io.Discard, "", 0) // faults break connections on purpose

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	bin := flag.String("bin", "", "a syncer that is built already")
	only := flag.String("only", "", "a regular expression over `column/fault`")
	keep := flag.String("keep", "", "a folder for the logs of syncer")
	words := flag.Bool("words", false, "show all that syncer said, not only what was expected")
	flag.Parse()
	choose, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "syncer-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *bin == "" {
		if *bin, err = build(ctx, dir); err != nil {
			return err
		}
	}
	began := time.Now()
	results, err := play(ctx, plan{bin: *bin, dir: dir, keep: *keep, choose: func(column, fault string) bool { return choose.MatchString(column + "/" + fault) }})
	bad := show(os.Stdout, results, *words)
	fmt.Printf("\n%d cells, %d not as they should be, in %s\n", len(results), bad, time.Since(began).Round(time.Second))
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d cells are not as they should be", bad))
	}
	return err
}

// show prints the matrix and returns how many cells are not as they should be.
func show(out io.Writer, results []result, words bool) (bad int) {
	column := ""
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range results {
		if r.column != column {
			column = r.column
			fmt.Fprintf(w, "\n%s\tends\tafter\tcalls\tMB\twhat syncer said\n", strings.ToUpper(column))
		}
		mark := ""
		if len(r.wrong) > 0 {
			bad++
			mark = "WRONG: " + strings.Join(r.wrong, "; ") + " | "
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s%s\n", r.fault, r.ends, r.took.Round(100*time.Millisecond), r.calls, r.memory, mark, r.says)
		if words || len(r.wrong) > 0 {
			for _, s := range r.words {
				fmt.Fprintf(w, "\t\t\t\t\t  · %s\n", s)
			}
		}
	}
	_ = w.Flush() // to stdout
	return bad
}
