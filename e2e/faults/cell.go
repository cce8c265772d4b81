package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/engine"
	"syncer/internal/state"
)

// cell is one fault at one place.
type cell struct {
	column string
	n      int
	f      fault
	line   *line
	d      *daemon

	put    func(customer) error // changes a customer in the source
	hear   bool                 // changes come by webhook, else by a run
	thin   bool                 // and the webhook has only the id
	people func() ([]someone, error)
	close  []func() // ends what stands behind the line

	want  map[string]string // names by number
	run   string            // the last run
	words []string          // what syncer said, in order, once each
}

// result is what became of a cell.
type result struct {
	column, fault string
	ends          string        // how it ended
	took          time.Duration // from the end of the fault
	calls, ledger int           // that arrived from the beginning of the fault, and that syncer counted itself
	memory        string
	says          string
	words, wrong  []string
}

func (c *cell) source() string { return fmt.Sprintf("s%02d", c.n) }
func (c *cell) target() string { return fmt.Sprintf("t%02d", c.n) }

// number is the k-th customer's in the form that targets keep, with country code.
func (c *cell) number(k int) string { return "55" + c.phone(k) }
func (c *cell) phone(k int) string  { return fmt.Sprintf("8499%03d%04d", c.n, k) }

// tell changes customers in the source and lets syncer hear of it.
func (c *cell) tell(ctx context.Context, name string, ks ...int) error {
	for _, k := range ks {
		p := customer{ID: fmt.Sprint(k), Name: fmt.Sprintf("%s %c", name, 'A'+k), Phone: c.phone(k), Updated: time.Now()}
		if c.put != nil {
			if err := c.put(p); err != nil {
				return err
			}
		}
		c.want[c.number(k)] = p.Name
		switch {
		case c.thin:
			if err := c.d.post(ctx, c.source(), map[string]string{"id": p.ID}); err != nil {
				return err
			}
		case c.hear:
			if err := c.d.post(ctx, c.source(), p); err != nil {
				return err
			}
		}
	}
	if c.hear {
		return nil
	}
	return c.reconcile(ctx)
}

func (c *cell) reconcile(ctx context.Context) error {
	r, err := c.d.admin.Reconcile(ctx, console.RunAsk{Source: c.source(), Kind: "full", Yes: true})
	c.run = r.ID
	return err
}

// play carries the cell out: one customer while all is well, then the fault, and under it one change and two new
// customers; then it ends, and everybody must be where the source says.
func (c *cell) play(ctx context.Context) (r result, err error) {
	r = result{column: c.column, fault: c.f.name}
	c.want = map[string]string{}
	if err := c.tell(ctx, "Marina", 1); err != nil {
		return r, err
	}
	if err := c.await(ctx, 2*time.Minute, nil); err != nil {
		return r, fmt.Errorf("before the fault: %w", err)
	}
	arrived, spent := c.line.calls.Load(), c.spent(ctx)
	if err := c.line.fail(&c.f); err != nil {
		return r, err
	}
	under := []int{1, 2, 3}
	if c.column == flow {
		under = []int{2, 3, 4} // it knows no change of a contact
	}
	if err := c.tell(ctx, "Otávio", under...); err != nil {
		return r, err
	}
	for end := time.Now().Add(c.f.hold); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(500 * time.Millisecond) {
		if err := c.listen(ctx); err != nil {
			return r, err
		}
	}
	if err := c.line.heal(&c.f); err != nil {
		return r, err
	}
	healed := time.Now()
	r.ends = byItself
	if c.column == crm && c.f.name == "403 HTML" {
		r.ends = waits // ten minutes, as its words say: Pipedrive's firewall asks for that
	} else if err := c.await(ctx, patience, &r); err != nil {
		if ctx.Err() != nil {
			return r, err
		}
		r.ends = stuck
		r.words = append(r.words, err.Error())
	}
	r.took = time.Since(healed)
	time.Sleep(2 * time.Second) // what comes too much comes now
	if r.ends != stuck && r.ends != waits {
		if err := c.exact(); err != nil {
			r.wrong = append(r.wrong, err.Error())
		}
	}
	r.calls, r.ledger = int(c.line.calls.Load()-arrived), c.spent(ctx)-spent
	r.words = append(c.words, r.words...)
	return r, nil
}

// How a cell ends.
const (
	byItself = "by itself"
	resumed  = "resumed"
	retried  = "retried"
	nextRun  = "next run"
	nextWord = "next word"
	waits    = "waits"
	stuck    = "stuck"
)

// patience is how long after the end of a fault everybody must be there.
const patience = 5 * time.Minute

// await waits until the targets show what the source says. What stops syncer on purpose is lifted as an operator
// does, once, and noted in r.
func (c *cell) await(ctx context.Context, patience time.Duration, r *result) error {
	var last error
	lifted := map[string]bool{}
	err := lab.Await(ctx, patience, "everybody is there", func() (bool, error) {
		time.Sleep(300 * time.Millisecond)
		if last = c.exact(); last == nil {
			return true, nil
		}
		if err := c.listen(ctx); err != nil || r == nil {
			return false, err
		}
		return false, c.lift(ctx, r, lifted)
	})
	if err != nil && last != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// lift does what the words ask an operator for.
func (c *cell) lift(ctx context.Context, r *result, lifted map[string]bool) error {
	once := func(what string, do func() error) error {
		if lifted[what] {
			return nil
		}
		lifted[what] = true
		r.ends = what
		return do()
	}
	s, err := c.d.look(ctx)
	if err != nil {
		return err
	}
	t := c.at(s)
	switch {
	case t.Paused != nil && t.Paused.How != "":
		return once(resumed, func() error { return c.d.admin.Resume(ctx, c.target()) })
	case t.Dead > 0 && c.own():
		return once(retried, func() error {
			_, err := c.d.admin.RetryDead(ctx, console.DeadFilter{Target: c.target()})
			return err
		})
	case c.column == fetch && c.f.name == goneAtSource, c.column == list && c.f.name == "204", c.column == inbox && c.f.name == "409 JSON":
		return once(nextWord, func() error { return c.tell(ctx, "Otávio", 1, 2, 3) })
	case c.run != "":
		run, err := c.d.admin.RunState(ctx, c.run)
		if err != nil {
			return err
		}
		c.say(run.Why)
		if run.State == engine.RunFailed || run.State == engine.RunHeld || run.State == engine.RunWalking && run.Err != "" {
			return once(nextRun, func() error { return c.reconcile(ctx) })
		}
	}
	return nil
}

// own reports whether the fault stands in front of a target of the cell's own.
func (c *cell) own() bool { return slices.Contains([]string{weni, mirror, flow, inbox}, c.column) }

func (c *cell) at(s console.Status) (t console.TargetStatus) {
	for _, t := range s.Targets {
		if t.Name == c.target() {
			return t
		}
	}
	return t
}

// spent is how many calls syncer has counted at the place of the fault.
func (c *cell) spent(ctx context.Context) (n int) {
	s, err := c.d.admin.Status(ctx)
	if err != nil {
		return 0
	}
	budgets := c.at(s).Budget
	for _, src := range s.Sources {
		if !c.own() && src.Name == c.source() {
			budgets = src.Budget
		}
	}
	for _, b := range budgets {
		n += b.Used
	}
	return n
}

// exact compares what the target has with what the source says.
func (c *cell) exact() error {
	found, err := c.people()
	if err != nil {
		return err
	}
	have := map[string][]string{}
	for _, p := range found {
		if strings.HasPrefix(p.Phone, "55"+c.phone(0)[:7]) {
			have[p.Phone] = append(have[p.Phone], p.Name)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(c.want)) {
		switch names := have[number]; {
		case len(names) == 0:
			return fmt.Errorf("%s is not there", c.want[number])
		case len(names) > 1:
			return fmt.Errorf("%s is there %d times", c.want[number], len(names))
		case names[0] != c.want[number]:
			return fmt.Errorf("%s is there as %s", c.want[number], names[0])
		}
	}
	return nil
}

var moments = regexp.MustCompile(`\b(in|about) [0-9][0-9hms.:TZ+-]*|\bnow\b`)

// say notes words once, whatever moment they name.
func (c *cell) say(words string) {
	same := moments.ReplaceAllString(words, "…")
	if words != "" && !slices.ContainsFunc(c.words, func(w string) bool { return moments.ReplaceAllString(w, "…") == same }) {
		c.words = append(c.words, words)
	}
}

// listen notes what syncer says about the cell: in status, in explain, of its runs and, of sources, in the log.
func (c *cell) listen(ctx context.Context) error {
	s, err := c.d.look(ctx)
	if err != nil {
		return err
	}
	if t := c.at(s); c.own() {
		c.say(t.Doing)
	}
	for _, r := range s.Runs {
		if r.Source == c.source() {
			c.say(runWords(r))
		}
	}
	for _, a := range s.Attention {
		if strings.Contains(a, c.source()) || c.own() && strings.Contains(a, c.target()) {
			c.say(a)
		}
	}
	if c.own() {
		x, err := c.d.admin.Explain(ctx, c.source()+"/3", false)
		if err == nil && len(x.Targets) > 0 {
			c.say("explain: " + x.Targets[0].State)
		}
		letters, err := c.d.admin.DeadLetters(ctx, console.DeadFilter{Target: c.target()})
		if err != nil {
			return err
		}
		for _, l := range letters {
			c.say("dead: " + l.Message)
		}
		if c.column != mirror {
			return nil
		}
	}
	for line := range strings.Lines(c.d.Stderr()) {
		if (strings.Contains(line, "source="+c.source()+" ") || strings.Contains(line, "run="+c.source()+"-")) &&
			(strings.Contains(line, "level=WARN") || strings.Contains(line, "error=") && !strings.Contains(line, `error=""`)) {
			_, line, _ = strings.Cut(line, "msg=")
			c.say("log: " + strings.TrimSpace(line))
		}
	}
	return nil
}

func runWords(r state.Run) string {
	if r.Err == "" {
		return ""
	}
	return "run " + r.State + ": " + r.Err
}
