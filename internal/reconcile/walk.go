package reconcile

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/source"
	"syncer/internal/state"
)

// Limits of a walk: it must end even when a source's cursors do not.
const (
	maxPages = 200_000
	maxWaits = 30
)

// walk reads the source from where the run stands to the end. Each chunk of a page commits what it accepted
// and, with the last one, the cursor: a run that is interrupted goes on in the middle.
func (r *Runner) walk(ctx context.Context, run *state.Run, ask Ask) error {
	src := r.Sources[run.Source]
	under := r.Engine.MappedUnder(run.Source)
	w := window(run)
	waits := 0
	seen := map[string]bool{}
	var circle engine.Circle
	resumed := run.Cursor != ""
	for pages := 0; ; pages++ {
		if pages > maxPages || run.Cursor != "" && seen[run.Cursor] {
			return r.astray(run)
		}
		seen[run.Cursor] = true
		if st := r.Store.Stats(); st.Fullness() > 0.8 {
			return &contact.Error{Kind: contact.Unavailable, Op: "reconcile", Message: "the state file is more than 80 % full; bulk work stops so that webhooks can still be accepted"}
		}
		began := r.Now()
		page, err := src.List(ctx, w, run.Cursor)
		if resumed && contact.KindOf(err) == contact.Invalid {
			// The source does not take its own cursor any more, which has got old or led astray: the walk begins again.
			run.Cursor, resumed, seen = "", false, map[string]bool{}
			continue
		}
		if err != nil {
			if waits++; waits > maxWaits || !r.rest(ctx, run, err) {
				return err
			}
			delete(seen, run.Cursor)
			continue
		}
		waits = 0
		for i := range page.Events {
			page.Events[i].Read = contact.Micros(began)
		}
		if err := r.accept(ctx, run, under, page.Events, page.Next); err != nil {
			return err
		}
		ask.Progress(*run)
		if page.Next == "" {
			return nil
		}
		if circle.Closes(rowsOf(page.Events)) {
			return r.astray(run)
		}
	}
}

// astray ends a walk that would never end. The next one begins at the beginning: the cursor that led here is no good.
func (r *Runner) astray(run *state.Run) error {
	run.Cursor = ""
	return errors.New("the source's pages do not end: the same page came twice")
}

// rowsOf are what tells pages apart.
func rowsOf(events []contact.Event) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range events {
			row := events[i].Payload
			if row == nil {
				row = []byte(events[i].Key.ID)
			}
			if !yield(row) {
				return
			}
		}
	}
}

// rest waits out a failure that time heals; false when it does not.
func (r *Runner) rest(ctx context.Context, run *state.Run, err error) bool {
	failure := contact.AsError(err)
	var d time.Duration
	switch failure.Kind {
	case contact.Throttled, contact.Unavailable, contact.Unready:
		d = min(max(failure.Until.Sub(r.Now()), 2*time.Second), time.Hour)
	default:
		return false
	}
	r.Logger.Warn("the run waits", "run", run.ID, "kind", failure.Kind, "seconds", int(d.Seconds()), "error", failure)
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// accept takes a page over, chunk by chunk.
func (r *Runner) accept(ctx context.Context, run *state.Run, under string, events []contact.Event, next string) error {
	kept := events[:0:0]
	for _, e := range events {
		if err := state.CheckKey(e.Key); err != nil {
			r.Logger.Warn("a record was left out", "source", run.Source, "error", err)
			continue
		}
		kept = append(kept, e)
	}
	chunks := slices.Collect(slices.Chunk(kept, chunk))
	if len(chunks) == 0 {
		chunks = [][]contact.Event{nil}
	}
	for i, part := range chunks {
		run.Err = "" // it got further
		after := *run
		arrivals := state.Prepare(r.Now(), part)
		ahead := make([]*engine.Mapped, len(part))
		if err := r.Store.Update(ctx, func(tx state.Tx) error {
			after = *run
			return r.acceptChunk(tx, &after, under, arrivals, ahead, i == len(chunks)-1, next)
		}); err != nil {
			return err
		}
		*run = after
		r.Engine.WakeAll() // a live webhook may have come for somebody on the page
	}
	return nil
}

func (r *Runner) acceptChunk(tx state.Tx, run *state.Run, under string, arrivals []state.Arrival, ahead []*engine.Mapped, last bool, next string) error {
	nums := make([]uint64, 0, len(arrivals))
	for i := range arrivals {
		a := &arrivals[i]
		run.Records++
		receipt := state.AcceptOne(tx, a, state.Travel{Lane: state.LaneBulk, Hold: run.ID})
		rec, ok := state.Records.Get(tx, a.Key)
		if !ok {
			continue // forgotten
		}
		if a.Kind == contact.Upsert {
			nums = append(nums, rec.Num)
		}
		switch receipt {
		case state.Unchanged, state.Stale, state.Duplicate:
			run.Unchanged++
			if receipt == state.Stale {
				run.Stale++
				run.Unchanged--
			}
			if rec.Mapped != under && rec.Due == 0 {
				r.Engine.HoldRecord(tx, a.Key, run.ID)
			}
		case state.Accepted, state.Regressed:
			if rec.Seq > 1 || run.Kind == Changes {
				run.Unannounced++
			}
		}
		if rec.Absent > 0 && a.Kind == contact.Upsert {
			if rec, ok = state.Records.Get(tx, a.Key); ok {
				rec.Absent, rec.AbsentIn = 0, ""
				state.Records.Put(tx, a.Key, rec)
			}
		}
		if a.Version.Source <= run.Started { // a record dated in the future must not hide what comes before it
			run.Mark = max(run.Mark, a.Version.Source)
		}
		if rec.Due != 0 || rec.Mapped != under {
			if ahead[i] == nil {
				m := r.Engine.MapAhead(a.Key, newest(tx, a))
				ahead[i] = &m
			}
			r.Engine.Resolve(tx, a.Key, *ahead[i])
		}
	}
	if run.Kind == Full {
		state.MarkWalked(tx, run.ID, nums)
	}
	if last {
		run.Pages++
		run.Cursor = next
	}
	state.Runs.Put(tx, run.ID, *run)
	return nil
}

// newest is the payload that stands for a record after an event was accepted: the event's own, or the one that
// was there before in another form.
func newest(tx state.Tx, a *state.Arrival) []byte {
	if p := state.Payload(tx, a.Key); p != nil {
		return p
	}
	return a.Payload
}

// missing finds records that the source no longer has: known before the run, and not shown by a walk that
// ended cleanly. Each is confirmed by asking for it; where that cannot be done, two walks must agree.
func (r *Runner) missing(ctx context.Context, run *state.Run) error {
	src := r.Sources[run.Source]
	if !src.Can().Deletes {
		return nil
	}
	gone, known, err := r.unseen(ctx, run)
	if err != nil {
		return err
	}
	run.Missing = len(gone)
	if run.Records == 0 && len(gone) > 0 {
		r.Logger.Warn("the source returned no record at all; nothing counts as deleted", "source", run.Source, "known", known)
		return nil
	}
	if !src.Can().Get {
		return r.missingTwice(ctx, run, gone)
	}
	for batch := range slices.Chunk(gone, max(1, src.Can().Batch)) {
		if err := r.confirm(ctx, run, batch); err != nil {
			return err
		}
	}
	return nil
}

// unseen returns the records that were known before the run and that its walk did not show, and how many were known.
func (r *Runner) unseen(ctx context.Context, run *state.Run) (gone []contact.Key, known int, err error) {
	err = r.eachLive(ctx, run.Source, func(tx state.Tx, k contact.Key, rec *state.Record) {
		if rec.Arrived >= run.Started {
			return
		}
		if known++; !state.WasWalked(tx, run.ID, rec.Num) {
			gone = append(gone, k)
		}
	})
	return gone, known, err
}

// eachLive looks at every record that a source has. It reads no payloads, which are most of what a store holds, and no
// snapshot for long: old pages stay pinned.
func (r *Runner) eachLive(ctx context.Context, source string, look func(state.Tx, contact.Key, *state.Record)) (err error) {
	const batch = 1000
	var last *contact.Key
	for read := batch; read == batch && err == nil; err = ctx.Err() {
		read = 0
		if err := r.Store.View(func(tx state.Tx) error {
			for k, rec := range state.Records.All(tx, state.Prefix(source), last) {
				if !rec.Deleted {
					look(tx, k, &rec)
				}
				if read++; read == batch {
					last = &k
					break
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return err
}

// confirm asks the source for records that its list did not show.
func (r *Runner) confirm(ctx context.Context, run *state.Run, keys []contact.Key) error {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	for waits := 0; ; waits++ {
		began := r.Now()
		found, err := r.Sources[run.Source].Get(ctx, ids)
		if err != nil {
			if waits > maxWaits || !r.rest(ctx, run, err) {
				return err
			}
			continue
		}
		events := found.Events
		for _, id := range found.Missing {
			events = append(events, contact.Event{Kind: contact.Delete, Key: contact.Key{Source: run.Source, ID: id}})
		}
		for i := range events {
			events[i].Read = contact.Micros(began)
		}
		if err := r.acceptGone(ctx, run, events); err != nil {
			return err
		}
		return r.unsaid(ctx, run, keys, events)
	}
}

// unsaid handles records of which an answer said neither that they exist nor that they do not: a batch leaves
// out both what is gone and what may not be seen. Each is asked for alone; what is not answered even then counts
// as absent once.
func (r *Runner) unsaid(ctx context.Context, run *state.Run, asked []contact.Key, answered []contact.Event) error {
	var rest []contact.Key
	for _, k := range asked {
		if !slices.ContainsFunc(answered, func(e contact.Event) bool { return e.Key == k }) {
			rest = append(rest, k)
		}
	}
	if len(asked) == 1 {
		return r.missingTwice(ctx, run, rest)
	}
	for _, k := range rest {
		if err := r.confirm(ctx, run, []contact.Key{k}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) acceptGone(ctx context.Context, run *state.Run, events []contact.Event) error {
	arrivals := state.Prepare(r.Now(), events)
	var after state.Run
	if err := r.Store.Update(ctx, func(tx state.Tx) error {
		after = *run
		for i := range arrivals {
			a := &arrivals[i]
			receipt := state.AcceptOne(tx, a, state.Travel{Lane: state.LaneBulk, Hold: run.ID})
			if a.Kind == contact.Delete && (receipt == state.Accepted || receipt == state.Regressed) {
				after.Deleted++
			}
			r.Engine.Resolve(tx, a.Key, r.Engine.MapAhead(a.Key, newest(tx, a)))
		}
		state.Runs.Put(tx, after.ID, after)
		return nil
	}); err != nil {
		return err
	}
	*run = after
	r.Engine.WakeAll()
	return nil
}

// missingTwice counts the runs that did not show a record; the second one in a row deletes it. A run that is resumed
// walks again, and does not count again: one run alone would delete it.
func (r *Runner) missingTwice(ctx context.Context, run *state.Run, gone []contact.Key) error {
	for batch := range slices.Chunk(gone, chunk) {
		var twice []contact.Event
		if err := r.Store.Update(ctx, func(tx state.Tx) error {
			twice = nil
			for _, k := range batch {
				rec, ok := state.Records.Get(tx, k)
				if !ok {
					continue
				}
				if rec.AbsentIn != run.ID {
					rec.Absent, rec.AbsentIn = rec.Absent+1, run.ID
				}
				if rec.Absent >= 2 {
					twice = append(twice, contact.Event{Kind: contact.Delete, Key: k, Read: contact.Micros(r.Now())})
				}
				state.Records.Put(tx, k, rec)
			}
			return nil
		}); err != nil {
			return err
		}
		if err := r.acceptGone(ctx, run, twice); err != nil {
			return err
		}
	}
	return nil
}

// window is what the run asks the source for.
func window(run *state.Run) source.Window {
	if run.Since == 0 {
		return source.Window{}
	}
	return source.Window{Since: contact.FromMicros(run.Since).Add(-overlap)}
}
