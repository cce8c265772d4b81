package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/source"
	"syncer/internal/state"
)

// lease is how long a record is left to the one who fetches it. After a crash it is due again when that is over.
const lease = time.Minute

// fetchers read the records whose events carried no payload, each for one source: an API that does not answer delays
// the records of its own source only.
type fetchers struct {
	mu      sync.Mutex
	queues  map[string][]string // ids to read, by source; a source that is being read has one, if an empty one
	working sync.WaitGroup
}

// fetchThin hands records to the fetchers of their sources and puts them off meanwhile.
func (e *Engine) fetchThin(ctx context.Context, batch []dueRecord) error {
	ids := map[string][]string{}
	for _, d := range batch {
		if d.rec.Thin {
			ids[d.key.Source] = append(ids[d.key.Source], d.key.ID)
		}
	}
	for name, list := range ids {
		src, ok := e.opts.Sources[name]
		if !ok || !src.Can().Get {
			if err := e.postpone(ctx, name, list, always(time.Hour)); err != nil {
				return err
			}
			continue
		}
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			for _, id := range list {
				k := contact.Key{Source: name, ID: id}
				if rec, ok := state.Records.Get(tx, k); ok && rec.Due != 0 {
					state.Requeue(tx, k, &rec, rec.Lane, e.now().Add(lease))
					state.Records.Put(tx, k, rec)
				}
			}
			return nil
		}); err != nil {
			return err
		}
		e.fetchLater(ctx, name, src, list)
	}
	return nil
}

func (e *Engine) fetchLater(ctx context.Context, name string, src source.Source, ids []string) {
	f := &e.fetchers
	f.mu.Lock()
	defer f.mu.Unlock()
	queue, working := f.queues[name]
	for _, id := range ids {
		if !slices.Contains(queue, id) {
			queue = append(queue, id)
		}
	}
	f.queues[name] = queue
	if !working {
		f.working.Go(func() { e.fetch(ctx, name, src) })
	}
}

// take returns the next ids to read; none ends the fetcher.
func (f *fetchers) take(name string, n int) (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	queue := f.queues[name]
	if n = min(n, len(queue)); n == 0 {
		delete(f.queues, name)
		return nil
	}
	f.queues[name] = queue[n:]
	return queue[:n]
}

// fetch reads what is asked of one source, in batches, until nothing is left.
func (e *Engine) fetch(ctx context.Context, name string, src source.Source) {
	for ids := e.fetchers.take(name, max(1, src.Can().Batch)); len(ids) > 0; ids = e.fetchers.take(name, max(1, src.Can().Batch)) {
		if ctx.Err() != nil {
			continue // they are due again when the lease is over
		}
		began := e.now()
		found, err := src.Get(ctx, ids)
		if err == nil {
			err = e.acceptFetched(ctx, name, ids, found.Events, found.Missing, began)
		} else if ctx.Err() == nil {
			failure := contact.AsError(err)
			e.log.Warn("reading records from the source failed", "source", name, "records", len(ids), "kind", failure.Kind, "error", failure)
			err = e.postpone(ctx, name, ids, func(rec *state.Record) time.Duration {
				if failure.Kind != contact.Throttled { // that says nothing about the record
					rec.Fails++
				}
				return max(retryIn(failure, 1, began), readAgainIn(rec.Fails))
			})
		}
		if err != nil && ctx.Err() == nil {
			e.log.Error("what was read from the source could not be stored", "source", name, "error", err)
		}
		e.Wake()
	}
}

// acceptFetched stores what was read. What the source did not return is no longer thin if an older payload
// stands, and otherwise waits: it may not be visible yet.
func (e *Engine) acceptFetched(ctx context.Context, name string, asked []string, events []contact.Event, missing []string, began time.Time) error {
	for _, id := range missing {
		events = append(events, contact.Event{Kind: contact.Delete, Key: contact.Key{Source: name, ID: id}, Read: contact.Micros(began)})
	}
	arrivals := state.Prepare(began, events)
	return e.store.Update(ctx, func(tx state.Tx) error {
		for i := range arrivals {
			k := arrivals[i].Key
			rec, _ := state.Records.Get(tx, k)
			how := state.Travel{Lane: rec.Lane, Hold: rec.Hold}
			state.AcceptOne(tx, &arrivals[i], how)
		}
		for _, id := range asked {
			k := contact.Key{Source: name, ID: id}
			rec, ok := state.Records.Get(tx, k)
			returned := slices.ContainsFunc(events, func(e contact.Event) bool { return e.Key == k })
			if !ok || rec.Due == 0 || rec.Thin && returned { // returned and thin again: it changed while it was read
				continue
			}
			if !rec.Thin {
				state.Requeue(tx, k, &rec, rec.Lane, began) // the lease is over
			} else if rec.Fails++; state.Payload(tx, k) != nil || rec.Fails > 5 {
				rec.Thin = false // what stands is the best there is
				state.Requeue(tx, k, &rec, rec.Lane, began)
			} else {
				state.Requeue(tx, k, &rec, rec.Lane, began.Add(readAgainIn(rec.Fails)))
			}
			state.Records.Put(tx, k, rec)
		}
		return nil
	})
}

func always(d time.Duration) func(*state.Record) time.Duration {
	return func(*state.Record) time.Duration { return d }
}

// readAgainIn is how long a record waits that could not be read so many times: one that never can be must not cost a
// call every few seconds for ever.
func readAgainIn(fails int) time.Duration {
	return min(time.Duration(fails*fails)*15*time.Second, time.Hour)
}

// postpone puts records off.
func (e *Engine) postpone(ctx context.Context, name string, ids []string, by func(*state.Record) time.Duration) error {
	return e.store.Update(ctx, func(tx state.Tx) error {
		for _, id := range ids {
			k := contact.Key{Source: name, ID: id}
			if rec, ok := state.Records.Get(tx, k); ok && rec.Due != 0 {
				state.Requeue(tx, k, &rec, rec.Lane, e.now().Add(by(&rec)))
				state.Records.Put(tx, k, rec)
			}
		}
		return nil
	})
}
