// Command walk measures a full reconciliation that finds nothing new, against decoding the same pages and doing nothing
// with them. Each side is a process of its own that reads the pages from a file, as it would from a socket; the sides
// take turns, and the memory of the walk is watched from outside. The store holds what months of work leave there.
//
//	go run ./bench/walk                       # 100,000 and 1,000,000 records, about 6 minutes
//	go run ./bench/walk -records 20000
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"syncer/bench/gauge"
)

func main() {
	records := flag.String("records", "100000,1000000", "how many records, separated by commas")
	rounds := flag.Int("rounds", 3, "rounds of the comparison")
	dir := flag.String("dir", os.TempDir(), "where state and pages go; a million records take 4 GB")
	side := flag.String("side", "", "be one side of the comparison: fill, or a name of the table")
	profile := flag.String("cpuprofile", "", "with -side: file for a profile")
	flag.Parse()
	ctx := context.Background()
	var err error
	if *side != "" {
		err = be(ctx, os.Stdout, *side, *dir, *records, *profile)
	} else {
		err = run(ctx, os.Stdout, *dir, *records, *rounds, os.Args[0])
	}
	gauge.End("walk", err)
}

// outcome is what a side tells its parent.
type outcome struct {
	Records int
	Seconds float64
	Bytes   int64
}

// baselines are what one can do with a page short of reconciling it. The bar is against the first.
var baselines = []string{decodeMaps, decodeRaw, listOnly}

// Sides.
const (
	fillOnly   = "fill"
	walking    = "walk"
	decodeMaps = "decode into records"
	decodeRaw  = "decode into id, version and raw payload"
	listOnly   = "the source's own reading"
)

func run(ctx context.Context, w io.Writer, dir, records string, rounds int, self string) error {
	sizes, err := gauge.Parse("-records", records)
	if err != nil {
		return err
	}
	t := gauge.Table{Title: "full reconciliation of unchanged records", Heads: []string{"records", "", "seconds", "µs a record", "walk is", "peak RssAnon", ""}}
	var peaks []int64
	for _, n := range sizes {
		peak, err := compare(ctx, &t, dir, n, rounds, self)
		if err != nil {
			return err
		}
		peaks = append(peaks, peak)
	}
	if first, last := peaks[0], peaks[len(peaks)-1]; len(peaks) > 1 {
		t.Row("", "memory", "", "", fmt.Sprintf("%.2f x", float64(last)/float64(first)), "", t.Verdict(float64(last) <= 1.5*float64(first), "flat: at most 1.5 x"))
	}
	return t.Print(w)
}

func compare(ctx context.Context, t *gauge.Table, dir string, n, rounds int, self string) (peak int64, err error) {
	if dir, err = os.MkdirTemp(dir, "walk-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if _, _, err := child(ctx, self, fillOnly, dir, n); err != nil {
		return 0, err
	}
	seconds := map[string][]float64{}
	var peaks []int64
	sides := append([]string{walking}, baselines...)
	for round := range rounds {
		for i := range sides {
			side := sides[(i+round)%len(sides)]
			o, anon, err := child(ctx, self, side, dir, n)
			if err != nil {
				return 0, err
			}
			if o.Records != n {
				return 0, fmt.Errorf("%s: %d of %d records", side, o.Records, n)
			}
			seconds[side] = append(seconds[side], o.Seconds)
			if side == walking {
				peaks = append(peaks, anon)
			}
		}
	}
	peak = gauge.Median(peaks)
	row := func(side, ratio, memory, verdict string) {
		s := gauge.Median(seconds[side])
		t.Row(gauge.Count(n), side, fmt.Sprintf("%.2f", s), fmt.Sprintf("%.1f", s*1e6/float64(n)), ratio, memory, verdict)
	}
	row(walking, "", gauge.MB(peak), "")
	for i, side := range baselines {
		ratio, verdict := gauge.Median(gauge.Ratios(seconds[walking], seconds[side])), ""
		if i == 0 {
			verdict = t.Verdict(ratio <= 3, "within 3 x")
		}
		row(side, fmt.Sprintf("%.2f x", ratio), "", verdict)
	}
	return peak, nil
}

// child is this program as one side, and the most memory it had.
func child(ctx context.Context, self, side, dir string, n int) (o outcome, peak int64, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-side", side, "-dir", dir, "-records", strconv.Itoa(n))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	cmd.Env = append(os.Environ(), asChild+"=1")
	if err := cmd.Start(); err != nil {
		return o, 0, err
	}
	stop := gauge.Peak(cmd.Process.Pid)
	err = cmd.Wait()
	peak = stop()
	if err != nil {
		return o, 0, fmt.Errorf("%s: %w", side, err)
	}
	return o, peak, json.Unmarshal(out.Bytes(), &o)
}

// asChild tells the test, which is its own child, that it is to be a side.
const asChild = "SYNCER_BENCH_CHILD"

func be(ctx context.Context, w io.Writer, side, dir, records, profile string) error {
	n, err := strconv.Atoi(records)
	if err != nil {
		return err
	}
	stop, err := gauge.Profile(profile)
	if err != nil {
		return err
	}
	o := outcome{Records: n}
	began := time.Now()
	switch db := filepath.Join(dir, "syncer.db"); side {
	case fillOnly:
		err = fill(ctx, db, pagesFile(dir), n)
	case walking:
		o, err = walk(ctx, db, pagesFile(dir))
	case listOnly:
		o.Records, err = listed(ctx, pagesFile(dir))
	case decodeMaps:
		o.Records, err = decode(pagesFile(dir), func() (any, func() int) {
			var page struct {
				Data []map[string]any `json:"data"`
			}
			return &page, func() int { return len(page.Data) }
		})
	case decodeRaw:
		o.Records, err = decode(pagesFile(dir), func() (any, func() int) {
			var page struct {
				Data []row `json:"data"`
			}
			return &page, func() int { return len(page.Data) }
		})
	default:
		err = fmt.Errorf("-side: %q is none of %s", side, strings.Join(append([]string{fillOnly, walking}, baselines...), ", "))
	}
	if o.Seconds == 0 {
		o.Seconds = time.Since(began).Seconds()
	}
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(o)
}

// row is a record as a program keeps it that only compares versions.
type row struct {
	ID        int
	UpdatedAt time.Time
	Payload   json.RawMessage
}

// UnmarshalJSON keeps the text beside what it reads of it.
func (r *row) UnmarshalJSON(b []byte) error {
	var said struct {
		ID        int       `json:"id"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	err := json.Unmarshal(b, &said)
	r.ID, r.UpdatedAt, r.Payload = said.ID, said.UpdatedAt, bytes.Clone(b)
	return err
}
