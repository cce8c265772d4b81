package main

import (
	"context"
	"strings"
	"time"

	"syncer/e2e/lab"
)

// playOperator is the cell of notices: one is told while all is well; the next falls into the fault; if it is given up,
// with words in the log, the one after the fault must come.
func (c *cell) playOperator(ctx context.Context) (r result, err error) {
	r = result{column: c.column, fault: c.f.name, ends: byItself}
	heard := func(kind string, patience time.Duration) error {
		return lab.Await(ctx, patience, "the operator is told of "+kind, func() (bool, error) { return c.line.heard(kind) > 0, nil })
	}
	if err := c.d.admin.Pause(ctx, "sink", "prova"); err != nil {
		return r, err
	}
	if err := heard("target.paused", time.Minute); err != nil {
		return r, err
	}
	arrived := c.line.calls.Load()
	if err := c.line.fail(&c.f); err != nil {
		return r, err
	}
	if err := c.d.admin.Resume(ctx, "sink"); err != nil {
		return r, err
	}
	time.Sleep(c.f.hold)
	if err := c.line.heal(&c.f); err != nil {
		return r, err
	}
	healed := time.Now()
	gaveUp := func() bool { return strings.Contains(c.d.Stderr(), "the operator could not be told") }
	if err := lab.Await(ctx, patience, "the operator is told or given up", func() (bool, error) {
		return gaveUp() || c.line.heard("target.resumed") > 0, nil
	}); err != nil {
		r.ends = stuck
		r.words = append(r.words, err.Error())
	}
	r.took = time.Since(healed)
	if gaveUp() {
		r.ends = "next notice"
		if err := c.d.admin.Pause(ctx, "sink", "prova"); err != nil {
			return r, err
		}
		if err := lab.Await(ctx, time.Minute, "the next notice", func() (bool, error) { return c.line.heard("target.paused") > 1, nil }); err != nil {
			r.ends = stuck
		}
	}
	r.calls = int(c.line.calls.Load() - arrived)
	for line := range strings.Lines(c.d.Stderr()) {
		if strings.Contains(line, "could not be told") {
			_, line, _ = strings.Cut(line, "msg=")
			r.words = append(r.words, "log: "+strings.TrimSpace(line))
		}
	}
	return r, nil
}
