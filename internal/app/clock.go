package app

import (
	"context"
	"time"

	"syncer/internal/state"
)

// How often it is looked whether the clock was set, and by how much it must have been: what is due by the clock is late
// by as much.
const (
	clockEvery = 5 * time.Second
	clockMoved = time.Minute
)

// watchClock notices when the time of day is set while syncer runs, which what waits in memory does not: schedules and
// retries would come as much too late as the clock was ahead.
func (a *App) watchClock(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	began := a.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := a.now()
		moved := now.Round(0).Sub(began.Round(0)) - now.Sub(began) // by the wall, less what has really passed
		if moved.Abs() < clockMoved {
			continue
		}
		began = now
		a.log.Warn("the clock was set; what waits is looked at again", "by", moved.Round(time.Second))
		a.mu.Lock()
		if a.base != nil {
			if err := a.renew(a.gen.Load().plan, func() { a.setBack(ctx) }); err != nil {
				a.log.Error("what waits could not be begun anew", "error", err)
			}
		}
		a.mu.Unlock()
	}
}

// setBack puts right what the state says of the future.
func (a *App) setBack(ctx context.Context) {
	ahead := false
	err := a.store.View(func(tx state.Tx) error {
		ahead = state.FromAhead(tx, a.now())
		return nil
	})
	if err == nil && ahead {
		a.log.Warn("the state was written while the clock was ahead of what it says now; what waits since then is due now")
		err = state.SetBack(ctx, a.store, a.now())
	}
	if err != nil {
		a.log.Error("what the state says of the future could not be put right", "error", err)
	}
}
