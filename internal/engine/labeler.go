package engine

import (
	"context"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Label changes of different people to the same label are one call, so they wait a moment for each other.
const (
	lingerLive = 500 * time.Millisecond
	lingerBulk = 2 * time.Second
)

// labelOp is one label given to or taken from many people.
type labelOp struct {
	label string // id
	give  bool
}

// labeler gathers the label changes of deliveries and sends them in bulk. A delivery ends when all its label
// changes are sent.
type labeler struct {
	c  *Conductor
	in chan *work

	// The rest belongs to the goroutine of run.
	queue map[labelOp][]*work
	left  map[*work]int // label operations still to send
	bad   map[*work]*contact.Error
	since map[labelOp]time.Time
}

func newLabeler(c *Conductor) *labeler {
	return &labeler{c: c, in: make(chan *work, 256), queue: map[labelOp][]*work{}, left: map[*work]int{},
		bad: map[*work]*contact.Error{}, since: map[labelOp]time.Time{}}
}

// add hands a delivery over. When the labeler has ended, the delivery stays due and is repeated.
func (b *labeler) add(ctx context.Context, w *work) {
	select {
	case b.in <- w:
	case <-ctx.Done():
		b.c.drop(w.j.key.Person)
	}
}

func (b *labeler) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			b.abandon()
			return
		case w := <-b.in:
			b.enqueue(ctx, w)
		case <-timer.C:
		}
		timer.Reset(b.flush(ctx))
	}
}

// abandon lets go of what was not sent; it is still due and will be repeated.
func (b *labeler) abandon() {
	for w := range b.left {
		b.c.drop(w.j.key.Person)
	}
	for {
		select {
		case w := <-b.in:
			b.c.drop(w.j.key.Person)
		default:
			return
		}
	}
}

func (b *labeler) enqueue(ctx context.Context, w *work) {
	rules := b.c.target.Rules()
	put := func(names []string, give bool) {
		for _, name := range names {
			l, ok := rules.Catalog.Label(name)
			if !ok {
				continue
			}
			op := labelOp{l.ID, give}
			if len(b.queue[op]) == 0 {
				b.since[op] = b.c.e.now()
			}
			b.queue[op] = append(b.queue[op], w)
			b.left[w]++
		}
	}
	put(w.j.change.AddLabels, true)
	put(w.j.change.RemoveLabels, false)
	if b.left[w] == 0 {
		delete(b.left, w)
		b.finish(ctx, w, nil)
	}
}

// flush sends what is full or has waited long enough, and returns when to look again.
func (b *labeler) flush(ctx context.Context) time.Duration {
	next := time.Hour
	for op, works := range b.queue {
		now := b.c.e.now()
		lane, linger := state.LaneBulk, lingerBulk
		if slices.ContainsFunc(works, func(w *work) bool { return w.lane < state.LaneBulk }) {
			lane, linger = state.LaneLive, lingerLive
		}
		size := b.c.target.Rules().Can.BulkLabels
		if ripe := b.since[op].Add(linger); len(works) < size && now.Before(ripe) {
			next = min(next, ripe.Sub(now))
			continue
		}
		if at := b.c.opts.Budget.Ready(contact.ScopeOther, lane, now); at.After(now) {
			next = min(next, at.Sub(now))
			continue
		}
		n := min(size, len(works))
		batch := slices.Clone(works[:n])
		if b.queue[op] = works[n:]; len(b.queue[op]) == 0 {
			delete(b.queue, op)
			delete(b.since, op)
		}
		b.send(ctx, op, batch)
		next = 0
	}
	return max(next, time.Millisecond)
}

// send makes one call, and more only for those whom the target refused.
func (b *labeler) send(ctx context.Context, op labelOp, batch []*work) {
	ids := make([]string, len(batch))
	for i, w := range batch {
		ids[i] = w.j.link.Contact
	}
	// A call that has begun is finished even when ctx ends meanwhile.
	err := b.c.target.Label(context.WithoutCancel(ctx), op.label, op.give, ids)
	if err == nil {
		b.settle(ctx, op, batch, nil)
		return
	}
	failure := contact.AsError(err)
	if failure.Kind != contact.Invalid {
		b.settle(ctx, op, batch, failure)
		return
	}
	var named, rest []*work
	for _, w := range batch {
		if slices.Contains(failure.Names, w.j.link.Contact) {
			named = append(named, w)
		} else {
			rest = append(rest, w)
		}
	}
	switch {
	case len(named) > 0:
		b.settle(ctx, op, named, failure)
		if len(rest) > 0 {
			b.send(ctx, op, rest)
		}
	case len(batch) == 1:
		b.settle(ctx, op, batch, failure)
	default:
		// The refusal names nobody: halve until the one is found.
		b.send(ctx, op, batch[:len(batch)/2])
		b.send(ctx, op, batch[len(batch)/2:])
	}
}

// settle notes the outcome of one operation and ends the deliveries that have no other left.
func (b *labeler) settle(ctx context.Context, op labelOp, batch []*work, failure *contact.Error) {
	for i, w := range batch {
		if failure == nil {
			w.relabel(op)
		} else if b.bad[w] == nil {
			own := *failure
			b.bad[w], w.echo = &own, i > 0
		}
		if b.left[w]--; b.left[w] > 0 {
			continue
		}
		failed := b.bad[w]
		delete(b.left, w)
		delete(b.bad, w)
		b.finish(ctx, w, failed)
	}
}

func (b *labeler) finish(ctx context.Context, w *work, failure *contact.Error) {
	ctx = context.WithoutCancel(ctx)
	defer b.c.drop(w.j.key.Person)
	switch {
	case failure == nil:
		w.end(ctx, "written", nil)
	case failure.Kind == contact.Invalid && len(failure.Names) > 0:
		w.inactive(ctx, failure)
	default:
		w.fail(ctx, failure)
	}
}

// relabel applies a label change that was carried out to what is known of the contact.
func (w *work) relabel(op labelOp) {
	seen := *w.j.observed
	seen.Labels = slices.DeleteFunc(slices.Clone(seen.Labels), func(id string) bool { return id == op.label })
	if op.give {
		seen.Labels = append(seen.Labels, op.label)
	}
	if w.decided == "" {
		w.decided = "labels"
	}
	w.saw(seen)
}

// inactive handles a contact that the target named as the reason for refusing a label: it is archived, or
// gone, or was blocked meanwhile. Which of them is read back, and remembered, so that it is not asked again.
func (w *work) inactive(ctx context.Context, failure *contact.Error) {
	seen, err := w.c.target.Get(ctx, w.j.link.Contact)
	if err != nil {
		w.fail(ctx, err)
		return
	}
	if seen.Status == contact.Active {
		seen.Status = contact.Archived // some targets do not tell archived contacts from active ones
	}
	w.j.observed = &seen
	err = w.c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Reflect(tx, w.c.name, seen)
		return nil
	})
	if err != nil {
		w.fail(ctx, err)
		return
	}
	w.j.change.AddLabels = nil
	w.end(ctx, "waiting", &contact.Error{Kind: contact.Conflict, Message: "the contact is " + string(seen.Status) + " at the target and gets no labels", Err: failure})
}
