// Command accept measures the webhook door: how many signed webhooks a second it makes durable, over real sockets,
// and how long each sender waits. Three doors stand side by side in one process and are used in turn: the real one
// (signature, duplicates, newest version, due, one commit), the same door whose store only puts the same bytes under
// the next number through the same writer, and a handler that reads the body and answers. The senders are as light
// as possible, since they share the processors with the doors.
//
//	go run ./bench/accept                       # all of it, about 3 minutes
//	go run ./bench/accept -connections 32 -waiting 100 -copies=false
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"syncer/bench/gauge"
	"syncer/internal/trickle"
)

type options struct {
	connections, waiting []int
	rounds               int
	round                time.Duration
	copies               bool
	dir, profile         string
}

func main() {
	var o options
	connections := flag.String("connections", "1,32,128,512", "how many senders at once")
	waiting := flag.String("waiting", "1,100,100000", "how many records wait to be delivered")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds of each comparison")
	flag.DurationVar(&o.round, "round", 500*time.Millisecond, "how long each side is measured in a round")
	flag.BoolVar(&o.copies, "copies", true, "whether to measure during backup and compaction too")
	flag.StringVar(&o.profile, "cpuprofile", "", "file for a profile of the rounds")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the state files go; it should be on the disk that is meant")
	flag.Parse()
	var err, bad error
	o.connections, err = gauge.Parse("-connections", *connections)
	o.waiting, bad = gauge.Parse("-waiting", *waiting)
	if err = errors.Join(err, bad); err == nil {
		err = run(context.Background(), os.Stdout, o)
	}
	gauge.End("accept", err)
}

func run(ctx context.Context, w io.Writer, o options) error {
	dir, err := os.MkdirTemp(o.dir, "accept-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stop, err := gauge.Profile(o.profile)
	if err != nil {
		return err
	}
	var short []error
	for _, n := range o.waiting {
		s, err := newStand(ctx, filepath.Join(dir, fmt.Sprint(n)), n)
		if err != nil {
			return err
		}
		err = s.compare(ctx, w, o)
		short = append(short, err)
		if o.copies && n == slices.Max(o.waiting) && (err == nil || gauge.OnlyShort(err)) {
			short = append(short, s.meanwhile(ctx, w, o))
		}
		if err := s.close(); err != nil {
			return err
		}
	}
	return errors.Join(append(short, stop())...)
}

// sides of a comparison.
const (
	accepting = iota
	putting
	bare
)

// compare uses the doors in turn with each number of connections.
func (s *stand) compare(ctx context.Context, w io.Writer, o options) error {
	t := gauge.Table{Title: fmt.Sprintf("durable accept, %s records waiting", gauge.Count(s.waiting)),
		Heads: []string{"connections", "", "per second", "ratio to put", "p50", "p99", "p99.9", ""}}
	for _, connections := range o.connections {
		var rates [3][]float64
		var took [3][]time.Duration
		var synced []float64
		for round := -1; round < o.rounds; round++ { // the first one opens connections and warms up
			for i := range s.doors {
				side := (i + round + 1) % len(s.doors) // each begins as often as the others
				all, elapsed, err := s.doors[side].press(ctx, connections, o.round)
				if err != nil {
					return err
				}
				if round >= 0 {
					rates[side] = append(rates[side], float64(len(all))/elapsed.Seconds())
					took[side] = append(took[side], all...)
				}
			}
			rate, err := gauge.SyncRate(s.dir, o.round/5)
			if err != nil {
				return err
			}
			synced = append(synced, rate)
		}
		for i, name := range []string{"accept", "sequential put", "bare handler"} {
			slices.Sort(took[i])
			at := func(share float64) string { return gauge.Ms(gauge.Quantile(took[i], share)) }
			ratio := gauge.Median(gauge.Ratios(rates[i], rates[putting]))
			verdict := ""
			if i == accepting && connections == 32 {
				verdict = t.Verdict(ratio >= 0.8, "at least 0.8")
			}
			t.Row(connections, name, gauge.Count(int(gauge.Median(rates[i]))), fmt.Sprintf("%.2f", ratio), at(0.5), at(0.99), at(0.999), verdict)
		}
		t.Row(connections, "fdatasync of 4 KiB", gauge.Count(int(gauge.Median(synced))))
	}
	return t.Print(w)
}

// meanwhile measures the wait while the store is copied.
func (s *stand) meanwhile(ctx context.Context, w io.Writer, o options) error {
	const connections = 32
	t := gauge.Table{Title: fmt.Sprintf("accept at %d connections meanwhile, state file of %s", connections, gauge.MB(s.store.Stats().Bytes)),
		Heads: []string{"", "per second", "p50", "p99", "p99.9", "longest", "took", ""}}
	judged := false
	for i, m := range []struct {
		name string
		copy func(context.Context) error
	}{
		{"nothing", func(context.Context) error { time.Sleep(4 * o.round); return nil }},
		{"backup to the same disk", s.backup},
		{"compaction", s.store.Compact},
	} {
		var all []time.Duration
		var elapsed time.Duration
		for range 3 {
			took, d, err := s.doors[accepting].pressWhile(ctx, connections, m.copy)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			all, elapsed = append(all, took...), elapsed+d
		}
		slices.Sort(all)
		at := func(share float64) time.Duration { return gauge.Quantile(all, share) }
		good := at(0.99) <= 15*time.Millisecond && at(0.999) <= 50*time.Millisecond
		verdict := ""
		switch {
		case i == 0:
			judged = good
		case judged:
			verdict = t.Verdict(good, "p99 15 ms, p99.9 50 ms")
		default:
			verdict = "not judged: too slow already when nothing happens"
		}
		t.Row(m.name, gauge.Count(int(float64(len(all))/elapsed.Seconds())), gauge.Ms(at(0.5)), gauge.Ms(at(0.99)), gauge.Ms(at(0.999)), gauge.Ms(at(1)),
			fmt.Sprintf("%.1f s", elapsed.Seconds()/3), verdict)
	}
	return t.Print(w)
}

// backup copies the store to a file beside it, as `syncer backup` does. The file stays: freeing hundreds of megabytes is a
// stall that no backup causes.
func (s *stand) backup(ctx context.Context) error {
	f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("backup-%d.db", time.Now().UnixNano())))
	if err != nil {
		return err
	}
	return errors.Join(s.store.Backup(ctx, trickle.Writer(f)), f.Sync(), f.Close())
}
