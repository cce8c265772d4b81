// Command mapping measures what the mapping file costs: the same records are made into the same contacts once by
// the compiled file and once by plain Go that was written for them, in turn. Both are given a decoded record, and
// both are checked to make the same contacts before anything is measured.
//
//	go run ./bench/mapping
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"time"

	"syncer/bench/gauge"
	"syncer/bench/shop"
	"syncer/internal/contact"
	"syncer/internal/mapping"
)

func main() {
	rounds := flag.Int("rounds", 15, "rounds of the comparison")
	records := flag.Int("records", 2000, "different records, each mapped once a round")
	flag.Parse()
	gauge.End("mapping", run(os.Stdout, *records, *rounds))
}

// way is one way to make contacts of a record.
type way struct {
	name   string
	make   func(i int) error
	ns     []float64
	allocs float64
	bytes  float64
}

func run(w io.Writer, n, rounds int) error {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		return err
	}
	now := time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	payloads, records := make([][]byte, n), make([]map[string]any, n)
	for i := range n {
		payloads[i] = shop.Customer(nil, 1+i*37, i%5)
		if records[i], err = mapping.DecodeRecord(payloads[i]); err != nil {
			return err
		}
		mapped := plan.Map("loja", records[i], now)
		byHand, err := plain(records[i], plan.Location, contact.DefaultPolicy())
		if err == nil && (len(mapped) != 1 || !reflect.DeepEqual(mapped[0], byHand)) {
			err = errors.New("they differ")
		}
		if err != nil {
			return fmt.Errorf("record %d: mapped %+v, by hand %+v: %w", i, mapped, byHand, err)
		}
	}
	var sink contact.Contact
	policy := contact.DefaultPolicy()
	ways := []*way{
		{name: "mapping file", make: func(i int) error { sink = plan.Map("loja", records[i], now)[0]; return nil }},
		{name: "by hand", make: func(i int) (err error) { sink, err = plain(records[i], plan.Location, policy); return err }},
		{name: "decoding the record", make: func(i int) error { _, err := mapping.DecodeRecord(payloads[i]); return err }},
	}
	for round := -1; round < rounds; round++ {
		for i := range ways {
			if err := ways[(i+round+1)%len(ways)].round(n, round >= 0); err != nil {
				return err
			}
		}
	}
	runtime.KeepAlive(sink)
	t := gauge.Table{Title: fmt.Sprintf("one record of %d bytes into a contact", len(payloads[0])), Heads: []string{"", "ns", "allocations", "bytes", "ratio to by hand"}}
	for _, way := range ways {
		t.Row(way.name, gauge.Count(int(gauge.Median(way.ns))), fmt.Sprintf("%.0f", way.allocs), fmt.Sprintf("%.0f", way.bytes),
			fmt.Sprintf("%.2f", gauge.Median(gauge.Ratios(way.ns, ways[1].ns))))
	}
	return t.Print(w)
}

func (w *way) round(n int, counts bool) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for i := range n {
		if err := w.make(i); err != nil {
			return err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if counts {
		w.ns = append(w.ns, float64(took.Nanoseconds())/float64(n))
		w.allocs, w.bytes = float64(after.Mallocs-before.Mallocs)/float64(n), float64(after.TotalAlloc-before.TotalAlloc)/float64(n)
	}
	return nil
}
