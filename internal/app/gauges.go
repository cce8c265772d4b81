package app

import (
	"net/http"
	"time"

	"syncer/internal/console"
	"syncer/internal/obs"
	"syncer/internal/outbound"
)

// gauges publishes what status counted.
func (a *App) gauges(s *console.Status) {
	now := a.now()
	g := obs.Gauges{StoreBytes: s.Store.Bytes, StoreFree: s.Store.Free, StoreMax: s.Store.Max, ChangesPerCommit: s.Store.Grouped,
		Records: s.Records, People: s.People, Conflicts: s.Conflicts}
	for _, t := range s.Targets {
		tg := obs.TargetGauges{Target: t.Name, Due: t.Due, Held: t.Held, Dead: t.Dead, Waiting: t.Waiting, Paused: t.Paused != nil, Linked: t.Linked}
		if !t.Oldest.IsZero() {
			tg.OldestDue = now.Sub(t.Oldest)
		}
		if !t.Mirror.IsZero() {
			tg.MirrorAge = now.Sub(t.Mirror)
		}
		g.Targets = append(g.Targets, tg)
		g.Budgets = append(g.Budgets, budgetGauges("target/"+t.Name, t.Budget)...)
	}
	for _, src := range s.Sources {
		sg := obs.SourceGauges{Source: src.Name}
		if spec, _ := a.gen.Load().plan.Source(src.Name); spec.Webhook != nil {
			last := src.LastWebhook
			if last.IsZero() {
				last = a.started // nothing came since the start: that is silence too
			}
			sg.Silent = now.Sub(last)
		}
		g.Sources = append(g.Sources, sg)
		g.Budgets = append(g.Budgets, budgetGauges("source/"+src.Name, src.Budget)...)
	}
	a.metrics.Set(g)
}

func budgetGauges(place string, bs []console.Budget) (out []obs.BudgetGauges) {
	for _, b := range bs {
		out = append(out, obs.BudgetGauges{Place: place, Scope: b.Scope, Used: b.Used, Limit: b.Limit})
	}
	return out
}

// counted observes every call to one place. The default transport is made once per place, so that a slow
// target cannot take the connections of another, and a reload goes on with those there are.
type counted struct {
	next    http.RoundTripper
	place   string
	metrics *obs.Metrics
}

func (a *App) transport(place string) http.RoundTripper {
	if kept, ok := a.transports[place]; ok {
		return kept
	}
	next := a.opts.Transport
	if next == nil {
		next = outbound.Transport()
	}
	if a.metrics == nil {
		return next
	}
	a.transports[place] = counted{next, place, a.metrics}
	return a.transports[place]
}

// RoundTrip sends the request and counts its outcome; a call without an answer has status 0.
func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.next.RoundTrip(r)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	c.metrics.Called(c.place, r.Method, status, time.Since(began))
	return resp, err
}
