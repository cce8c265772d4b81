package engine

import (
	"context"
	"slices"
	"time"

	"syncer/internal/budget"
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
	swept time.Time
}

// sweepEvery is how often those who wait are looked at for something newer that came for them.
const sweepEvery = time.Second

func newLabeler(c *Conductor) *labeler {
	return &labeler{c: c, in: make(chan *work, 256), queue: map[labelOp][]*work{}, left: map[*work]int{},
		bad: map[*work]*contact.Error{}, since: map[labelOp]time.Time{}}
}

// add hands a delivery over. When the labeler has ended, the delivery stays due and is repeated.
func (b *labeler) add(ctx context.Context, w *work) {
	b.c.skip() // if it was to show whether the target answers, another one may
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
	b.sweep(ctx)
	next := time.Hour
	if len(b.left) > 0 {
		next = sweepEvery
	}
	for op, works := range b.queue {
		now := b.c.e.now()
		lane, linger := state.LaneBulk, lingerBulk
		for _, w := range works {
			if lane = min(lane, w.lane); lane < state.LaneBulk {
				linger = lingerLive
			}
		}
		n := b.size(works)
		if ripe := b.since[op].Add(linger); n == len(works) && n < b.c.target.Rules().Can.BulkLabels && now.Before(ripe) {
			next = min(next, ripe.Sub(now))
			continue
		}
		if at := b.c.opts.Budget.Ready(contact.ScopeOther, lane, now); at.After(now) {
			next = min(next, at.Sub(now))
			continue
		}
		if at, ok := b.c.admit(now); !ok {
			next = min(next, at.Sub(now))
			continue
		}
		batch := slices.Clone(works[:n])
		if b.queue[op] = works[n:]; len(b.queue[op]) == 0 {
			b.forget(op)
		}
		b.send(budget.WithLane(ctx, lane), op, batch)
		next = 0
	}
	return max(next, time.Millisecond)
}

func (b *labeler) forget(op labelOp) {
	delete(b.queue, op)
	delete(b.since, op)
}

// size is how many of those who wait share the next call, who failed least first. Of a hundred whose call failed while
// others passed, one may be the reason, whom nobody names: they go on in ever smaller groups, at the pace of retries,
// until that one is alone.
func (b *labeler) size(works []*work) int {
	refused := func(w *work) int { return max(w.j.link.Refused, 1) }
	slices.SortStableFunc(works, func(x, y *work) int { return refused(x) - refused(y) })
	size := b.c.target.Rules().Can.BulkLabels
	for range refused(works[0]) - 1 {
		size = max(size/4, 1)
	}
	n := 1
	for n < min(size, len(works)) && refused(works[n]) == refused(works[0]) {
		n++
	}
	return n
}

// sweep ends the deliveries of those for whom something newer came while they wait: a label is not given to somebody
// who has just refused messages, and nobody's newest state waits for the labels of an older one.
func (b *labeler) sweep(ctx context.Context) {
	now := b.c.e.now()
	if len(b.left) == 0 || now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	var stale []*work
	if err := b.c.e.store.View(func(tx state.Tx) error {
		stale = nil
		for w := range b.left {
			if l, ok := state.Links.Get(tx, w.j.key); !ok || l.Due != w.j.link.Due || w.outdated(tx) {
				stale = append(stale, w)
			}
		}
		return nil
	}); err != nil {
		b.c.log.Error("who waits for labels could not be looked at", "error", err)
		return
	}
	for _, w := range stale {
		b.withdraw(w)
		delete(b.left, w)
		delete(b.bad, w)
		if w.wrote {
			b.finish(ctx, w, nil)
		} else {
			b.c.drop(w.j.key.Person) // it is due again as it was
		}
	}
}

// withdraw leaves out what is still to be sent for somebody.
func (b *labeler) withdraw(w *work) {
	for op, works := range b.queue {
		if i := slices.Index(works, w); i >= 0 {
			w.leaveOut(op)
			if b.queue[op] = slices.Delete(works, i, i+1); len(b.queue[op]) == 0 {
				b.forget(op)
			}
		}
	}
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
	b.c.pass(b.c.e.now()) // it answers, whoever of them it does not want
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

// settle notes the outcome of one operation and ends the deliveries that have no other left. When the target failed, the
// other operations of the same people are not tried: their deliveries end now, and tell the breaker so.
func (b *labeler) settle(ctx context.Context, op labelOp, batch []*work, failure *contact.Error) {
	for i, w := range batch {
		if failure == nil {
			w.relabel(op)
		} else {
			w.leaveOut(op)
			if b.bad[w] == nil {
				own := *failure
				b.bad[w], w.echo, w.among = &own, i > 0, len(batch)
			}
			if failure.Kind != contact.Invalid {
				b.withdraw(w)
				b.left[w] = 1
			}
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

// leaveOut takes a label change that was not carried out from the change.
func (w *work) leaveOut(op labelOp) {
	ch := &w.j.change
	if w.whole == nil {
		whole := *ch
		w.whole = &whole
	}
	catalog := w.c.target.Rules().Catalog
	names, attr := &ch.RemoveLabels, ""
	if op.give {
		names = &ch.AddLabels
	}
	*names = slices.DeleteFunc(slices.Clone(*names), func(name string) bool {
		l, ok := catalog.Label(name)
		if same := ok && l.ID == op.label; same {
			attr = "labels." + name
			return true
		}
		return false
	})
	ch.Steps = slices.DeleteFunc(slices.Clone(ch.Steps), func(s contact.Step) bool { return s.Kept == "" && s.Attr == attr })
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
	w.j.observed, w.reread = &seen, true
	err = w.c.e.store.Update(ctx, func(tx state.Tx) error {
		state.Reflect(tx, w.c.name, seen)
		return nil
	})
	if err != nil {
		w.fail(ctx, err)
		return
	}
	w.end(ctx, "waiting", &contact.Error{Kind: contact.Conflict, Message: "the contact is " + string(seen.Status) + " at the target and gets no labels", Err: failure})
}
