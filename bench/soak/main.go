// Command soak runs the released binary under a steady load for a long time and watches what grows: memory of its own,
// the state file, goroutines and file descriptors. Webhooks of customers who changed come all the time, the schedule
// of the mapping file reads what changed every five minutes, and everything is delivered to a simulator of Weni. Every
// minute is a row; at the end the later half is compared with the middle.
//
//	go run ./bench/soak -for 1h
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"syncer/bench/gauge"
	"syncer/bench/house"
	"syncer/bench/shop"
)

type options struct {
	limit, every time.Duration
	people, rate int
	seed         uint64
	dir          string
}

func main() {
	var o options
	flag.DurationVar(&o.limit, "for", time.Hour, "how long")
	flag.DurationVar(&o.every, "every", time.Minute, "how often a row is printed")
	flag.IntVar(&o.people, "people", 20_000, "how many customers there are")
	flag.IntVar(&o.rate, "rate", 20, "webhooks a second")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "decides who changes when")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the state file goes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	gauge.End("soak", run(ctx, os.Stdout, o))
}

func run(ctx context.Context, w io.Writer, o options) error {
	dir, err := os.MkdirTemp(o.dir, "soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := house.Build(ctx, dir, o.people)
	if err != nil {
		return err
	}
	if _, err := h.Start(ctx); err != nil {
		return errors.Join(err, h.Close())
	}
	fmt.Fprintf(w, "%s customers, %d webhooks a second for %s, -seed %d\n", gauge.Count(o.people), o.rate, o.limit, o.seed)
	s := soak{House: h, options: o, random: rand.New(rand.NewPCG(o.seed, 0))}
	err = s.run(ctx, w)
	if ctx.Err() != nil {
		err = nil // whoever breaks it off has seen enough
	}
	return errors.Join(err, s.judge(w), h.Close())
}

type soak struct {
	*house.House
	options
	random *rand.Rand
	sent   int
	rows   []look
}

// look is what is seen of the process at one moment.
type look struct {
	after             time.Duration
	anon, file        int64
	goroutines, files int
	due               int
	calls             int
}

func (s *soak) run(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "%8s %10s %12s %12s %11s %6s %6s %8s\n", "after", "webhooks", "RssAnon", "state file", "goroutines", "files", "due", "calls")
	ticks := time.NewTicker(time.Second / time.Duration(s.rate))
	defer ticks.Stop()
	began := time.Now()
	next := s.every
	for time.Since(began) < s.limit {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.webhook(ctx); err != nil {
			return err
		}
		if time.Since(began) < next {
			continue
		}
		next += s.every
		l, err := s.look(ctx, time.Since(began))
		if err != nil {
			return err
		}
		s.rows = append(s.rows, l)
		fmt.Fprintf(w, "%8s %10s %12s %12s %11d %6d %6d %8d\n", l.after.Round(time.Second), gauge.Count(s.sent), gauge.MB(l.anon), gauge.MB(l.file), l.goroutines, l.files, l.due, l.calls)
	}
	return nil
}

// webhook tells that somebody changed; now and then again what was told before.
func (s *soak) webhook(ctx context.Context) error {
	n := 1 + s.random.IntN(s.people)
	s.sent++
	body := shop.Webhook("evt_"+strconv.Itoa(s.sent), n, s.List.Change(n))
	for range 1 + s.random.IntN(10)/9 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/hooks/loja", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("X-Signature", shop.Sign(body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
			return fmt.Errorf("webhook %d was answered %s", s.sent, resp.Status)
		}
	}
	return nil
}

func (s *soak) look(ctx context.Context, after time.Duration) (l look, err error) {
	l.after = after
	var errs [4]error
	l.anon, errs[0] = gauge.RssAnon(s.Syncer.PID())
	l.files, errs[1] = gauge.Files(s.Syncer.PID())
	l.goroutines, errs[2] = s.goroutines(ctx)
	info, err := os.Stat(s.State)
	if errs[3] = err; err == nil {
		l.file = info.Size()
	}
	for _, c := range s.Weni.Control.Calls() {
		l.calls += c.Count
	}
	status, err := s.Console.Status(ctx)
	for _, t := range status.Targets {
		for _, n := range t.Due {
			l.due += n
		}
	}
	return l, errors.Join(append(errs[:], err)...)
}

// goroutines asks the process itself.
func (s *soak) goroutines(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), "\nsyncer_goroutines ")
	if !ok {
		return 0, errors.New("/metrics does not say how many goroutines there are")
	}
	number, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(number)
}

// judge compares the last third with the middle one: the first is for warming up. The file may grow by what a journal
// of everybody who changed takes, and no faster at the end than before.
func (s *soak) judge(w io.Writer) error {
	third := len(s.rows) / 3
	if third == 0 {
		return errors.New("too short to be judged: at least three rows are needed")
	}
	t := gauge.Table{Title: "growth from the middle third to the last", Heads: []string{"", "middle", "last", ""}}
	compare := func(name string, of func(look) float64, show func(float64) string, share, most float64) {
		middle, last := median(s.rows[third:2*third], of), median(s.rows[len(s.rows)-third:], of)
		t.Row(name, show(middle), show(last), t.Verdict(last <= middle*(1+share)+most, fmt.Sprintf("at most %.0f %% and %s more", share*100, show(most))))
	}
	bytes := func(f float64) string { return gauge.MB(int64(f)) }
	count := func(f float64) string { return fmt.Sprintf("%.0f", f) }
	compare("RssAnon", func(l look) float64 { return float64(l.anon) }, bytes, 0.1, 4e6)
	compare("goroutines", func(l look) float64 { return float64(l.goroutines) }, count, 0, 10)
	compare("open files", func(l look) float64 { return float64(l.files) }, count, 0, 5)
	compare("deliveries due", func(l look) float64 { return float64(l.due) }, count, 0.1, 50)
	events := float64(s.sent) / float64(len(s.rows)) * float64(third)
	compare("state file", func(l look) float64 { return float64(l.file) }, bytes, 0.05, 1000*events)
	return t.Print(w)
}

func median(rows []look, of func(look) float64) float64 {
	values := make([]float64, len(rows))
	for i, l := range rows {
		values[i] = of(l)
	}
	return gauge.Median(values)
}
