package reconcile

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Timetable is when the runs of a source begin; nil schedules never.
type Timetable struct {
	Source        string
	Changes, Full cron.Schedule
}

// Scheduler starts runs by the clock. A run that was missed while syncer was down is made up for once, and
// runs that are due at start go one after the other.
type Scheduler struct {
	Runner    *Runner
	Store     state.Store
	Timetable []Timetable
	Location  *time.Location
	Now       func() time.Time
}

// Run starts runs until ctx ends, and waits for those under way.
func (s *Scheduler) Run(ctx context.Context) error {
	shift, err := s.shift()
	if err != nil {
		return err
	}
	var jobs sync.WaitGroup
	clock := cron.New(cron.WithLocation(s.Location), cron.WithLogger(cron.DiscardLogger), cron.WithChain(cron.Recover(cron.DiscardLogger)))
	for _, t := range s.Timetable {
		for kind, schedule := range t.kinds() {
			clock.Schedule(shifted{schedule, shift(t.Source, schedule)}, cron.FuncJob(func() {
				jobs.Go(func() { s.start(ctx, t.Source, kind) })
			}))
		}
	}
	missed, err := s.missed()
	if err != nil {
		return err
	}
	jobs.Go(func() {
		if err := s.Runner.resumeUndos(ctx); err != nil && ctx.Err() == nil {
			s.Runner.Logger.Error("an undo that was cut short could not go on; ask for it again", "error", err)
		}
		for _, m := range missed {
			s.start(ctx, m.Source, m.Kind)
		}
	})
	clock.Start()
	<-ctx.Done()
	<-clock.Stop().Done()
	jobs.Wait()
	return nil
}

func (s *Scheduler) start(ctx context.Context, source, kind string) {
	if ctx.Err() != nil {
		return
	}
	_, err := s.Runner.Run(ctx, Ask{Source: source, Kind: kind})
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, ErrBusy):
		s.Runner.Logger.Info("a run was left out: one is under way and one waits", "source", source, "kind", kind)
	default:
		s.Runner.Logger.Error("a run failed", "source", source, "kind", kind, "error", err)
	}
}

func (t Timetable) kinds() map[string]cron.Schedule {
	m := map[string]cron.Schedule{}
	if t.Changes != nil {
		m[Changes] = t.Changes
	}
	if t.Full != nil {
		m[Full] = t.Full
	}
	return m
}

// missed finds the runs that should have begun while syncer was down, where a full run makes up for a changes run of
// the same source, and those that were interrupted, whoever had begun them: until they go on they hold people back.
func (s *Scheduler) missed() (asks []Ask, err error) {
	now := s.Now()
	err = s.Store.View(func(tx state.Tx) error {
		asks = nil
		for _, t := range s.Timetable {
			made := false
			for _, kind := range []string{Full, Changes, Replay} {
				schedule := t.kinds()[kind]
				last, ok := state.Marks.Get(tx, started(t.Source, kind))
				if Interrupted(tx, t.Source, kind) ||
					!made && schedule != nil && (!ok && kind == Full || ok && !schedule.Next(contact.FromMicros(last.At).In(s.Location)).After(now)) {
					asks = append(asks, Ask{Source: t.Source, Kind: kind})
					made = true
				}
			}
		}
		return nil
	})
	return asks, err
}

// Interrupted reports whether a run of a kind was cut short and is still to go on.
func Interrupted(tx state.Tx, source, kind string) bool {
	for _, r := range state.Runs.All(tx, nil, nil) {
		if r.Source == source && r.Kind == kind && interrupted(&r) {
			return true
		}
	}
	return false
}

// Next is when the next run of a source begins by the clock; zero when never.
func (s *Scheduler) Next(source string, now time.Time) (next time.Time) {
	for _, t := range s.Timetable {
		if t.Source != source {
			continue
		}
		for _, schedule := range t.kinds() {
			if at := schedule.Next(now.In(s.Location)); next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	return next
}

// shift gives every installation its own stable offset, so that not everybody asks the same CRM at the same
// second: up to a tenth of the interval and five minutes.
func (s *Scheduler) shift() (func(string, cron.Schedule) time.Duration, error) {
	var seed uint64
	if err := s.Store.View(func(tx state.Tx) error { seed = state.Installation(tx); return nil }); err != nil {
		return nil, err
	}
	now := s.Now()
	return func(source string, schedule cron.Schedule) time.Duration {
		h := fnv.New64a()
		_, _ = h.Write([]byte(source))
		next := schedule.Next(now)
		limit := min(schedule.Next(next).Sub(next)/10, 5*time.Minute)
		if limit < time.Second {
			return 0
		}
		return time.Duration((seed^h.Sum64())%uint64(limit/time.Second)) * time.Second
	}, nil
}

type shifted struct {
	cron.Schedule
	by time.Duration
}

// Next is the schedule's next moment, later by the shift.
func (s shifted) Next(t time.Time) time.Time {
	next := s.Schedule.Next(t.Add(-s.by))
	if next.IsZero() {
		return next
	}
	return next.Add(s.by)
}
