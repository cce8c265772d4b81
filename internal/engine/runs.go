package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/state"
)

// Planned is one person of a plan.
type Planned struct {
	state.LinkKey
	state.Held
}

// Among reports whether a person is one of those whom some records stand for; nil stands for everybody.
func (p *Planned) Among(records []contact.Key) bool {
	return len(records) == 0 || slices.ContainsFunc(p.Keys, func(k contact.Key) bool { return slices.Contains(records, k) })
}

// PlanRun compares everybody whom a run holds back with what their targets show, stores what would be done,
// and lets go of those for whom there is nothing to do. It writes to no target. step is told how far it is. A
// target that cannot be asked does not keep the others from being planned: the sums are those of the targets
// that could, the error names the others.
func (e *Engine) PlanRun(ctx context.Context, run string, step func(done int)) (map[string]state.PlanSums, error) {
	sums := map[string]state.PlanSums{}
	var errs []error
	for _, name := range e.Targets() {
		s, _, err := e.targets[name].planRun(ctx, run, false, step)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		case s.People > 0 || s.Linked > 0 || len(s.Waiting) > 0:
			sums[name] = s
		}
	}
	return sums, errors.Join(errs...)
}

// Replan compares a held plan with what the targets show now. It returns whose change is not the one that was shown,
// also those for whom none was, because their target was down then; for them the plan now holds the new one.
func (e *Engine) Replan(ctx context.Context, run string) (moved []Planned, err error) {
	for _, c := range e.targets {
		_, m, err := c.planRun(ctx, run, true, nil)
		if err != nil {
			return nil, err
		}
		moved = append(moved, m...)
	}
	return moved, nil
}

func (c *Conductor) planRun(ctx context.Context, run string, shown bool, step func(int)) (state.PlanSums, []Planned, error) {
	if concerned, err := c.concerns(run); err != nil || !concerned {
		return state.PlanSums{}, nil, err
	}
	if err := c.waitReady(ctx); err != nil {
		return state.PlanSums{}, nil, err
	}
	if err := c.mirror.forPlan(ctx, run); err != nil {
		return state.PlanSums{}, nil, err
	}
	return c.planHeld(ctx, run, shown, step)
}

// concerns reports whether a run has to do with the target: it holds somebody back there, or is of a source that writes
// there. One that has not is planned although the target is down.
func (c *Conductor) concerns(run string) (yes bool, err error) {
	err = c.e.store.View(func(tx state.Tx) error {
		r, _ := state.Runs.Get(tx, run)
		yes = r.Source != "" && slices.ContainsFunc(c.e.plan.Mappings, func(m mapping.MappingInfo) bool {
			return m.From == r.Source && slices.Contains(m.To, c.name)
		})
		for range state.Holds.Keys(tx, state.Prefix(run, c.name)) {
			yes = true
			break
		}
		return nil
	})
	return yes, err
}

// waitReady prepares the target if it is not, without waiting for one that is down: a plan against an unknown
// state of the target would be wrong.
func (c *Conductor) waitReady(ctx context.Context) error {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	if p := c.paused.Load(); p != nil {
		return &contact.Error{Kind: contact.Unavailable, Message: "the target is paused: " + p.Why}
	}
	if ready {
		return nil
	}
	if err := c.checkPlace(ctx); err != nil {
		return err
	}
	return c.learn(ctx)
}

// forPlan brings the mirror up to date. When many of the run's people have no link yet, and a mirror that was
// read before they were known holds only outlines of their contacts, reading everything once is cheaper than
// reading each.
func (m *Mirror) forPlan(ctx context.Context, run string) error {
	if !m.c.target.Rules().Can.Changes {
		return nil
	}
	if err := m.Refresh(ctx, state.LaneBulk); err != nil {
		return err
	}
	outlines, total := 0, 0
	if err := m.e.store.View(func(tx state.Tx) error {
		outlines, total = 0, state.Count(tx, state.Mirror.Name)
		for k := range state.Holds.All(tx, state.Prefix(run, m.c.name), nil) {
			l, ok := state.Links.Get(tx, k.LinkKey)
			if !ok || l.Contact != "" {
				continue
			}
			for _, id := range identitiesOf(tx, k.Person) {
				for _, b := range state.Bearers(tx, m.c.name, id) {
					if b.Slim() {
						outlines++
					}
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if outlines > max(20, total/250) {
		return m.Audit(ctx)
	}
	return nil
}

func identitiesOf(tx state.Tx, p state.PersonID) (ids []contact.Identity) {
	who, _ := state.Persons.Get(tx, p)
	for _, k := range who.Records {
		rec, _ := state.Records.Get(tx, k)
		for _, part := range rec.Parts {
			if part.Person == p && part.Identity != "" && !slices.Contains(ids, part.Identity) {
				ids = append(ids, part.Identity)
			}
		}
	}
	return ids
}

// planBatch is how many people are planned between two commits.
const planBatch = 200

func (c *Conductor) planHeld(ctx context.Context, run string, shown bool, step func(int)) (state.PlanSums, []Planned, error) {
	ctx = budget.WithLane(ctx, state.LaneBulk)
	p := planner{c: c, shown: shown, labels: map[string]int{}, named: c.named()}
	p.sums.Waiting, p.sums.Campaigns, p.sums.Dropped = map[string]int{}, map[string]int{}, map[string]int{}
	linked, err := c.linkedPeople()
	if err != nil {
		return p.sums, nil, err
	}
	p.sums.Linked = linked
	p.campaigns, p.sums.Unread = c.campaigns(ctx)
	var after *state.HoldKey
	done := 0
	for {
		var keys []state.HoldKey
		if err := c.e.store.View(func(tx state.Tx) error {
			keys = keys[:0]
			for k := range state.Holds.All(tx, state.Prefix(run, c.name), after) {
				if keys = append(keys, k); len(keys) == planBatch {
					break
				}
			}
			return nil
		}); err != nil {
			return p.sums, nil, err
		}
		if len(keys) == 0 {
			break
		}
		after = &keys[len(keys)-1]
		if err := p.some(ctx, keys); err != nil {
			return p.sums, nil, err
		}
		if done += len(keys); step != nil {
			step(done)
		}
	}
	return p.finish(), p.moved, nil
}

// campaigns are those of the target, if it has any; unread says that it does not tell.
func (c *Conductor) campaigns(ctx context.Context) (list []contact.Campaign, unread bool) {
	t, ok := c.target.(Campaigner)
	if !ok {
		return nil, false
	}
	list, err := t.Campaigns(ctx)
	if err != nil {
		c.log.Warn("the campaigns cannot be read; the plan does not say which would be started", "error", err)
	}
	return list, err != nil
}

// planner computes the plan of one run at one target.
type planner struct {
	c         *Conductor
	shown     bool // somebody has seen the plan as it was before
	sums      state.PlanSums
	labels    map[string]int // label operations, which share calls
	named     []string       // labels that the mapping file names
	campaigns []contact.Campaign
	moved     []Planned // whose change differs from the one that was planned before
}

func (p *planner) some(ctx context.Context, keys []state.HoldKey) error {
	c := p.c
	var works []*work
	var failures []*contact.Error
	for _, k := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, failure, err := c.planOne(ctx, k.LinkKey)
		if err != nil {
			return err
		}
		works, failures = append(works, w), append(failures, failure)
		p.add(w, failure)
	}
	now := c.e.now()
	var moved []Planned
	err := c.e.store.Update(ctx, func(tx state.Tx) error {
		moved = nil
		for i, w := range works {
			if w == nil {
				state.Holds.Delete(tx, keys[i])
				continue
			}
			l, ok := state.Links.Get(tx, w.j.key)
			if !ok || l.Hold != keys[i].Run {
				continue // it travels freely by now
			}
			h := state.Held{Seq: w.j.person.Seq, Change: w.j.change, Contact: l.Contact, Keys: w.j.person.Records}
			if w.j.observed != nil {
				h.Modified = contact.Micros(w.j.observed.Modified)
			}
			before, _ := state.Holds.Get(tx, keys[i])
			if why := p.differs(&before, &h); why != "" {
				h.Why = why
				moved = append(moved, Planned{w.j.key, h})
			}
			if w.j.change.Empty() {
				will, seq := l.Will, w.j.person.Seq
				if l.Undo != "" {
					seq = l.Done
				}
				w.record(tx, &l, outcomeOf("unchanged", failures[i]), failures[i], now)
				if state.Finish(tx, w.j.key, &l, seq, now); will {
					state.Tell(tx, w.j.key, &l, now) // what they said about being written to was no part of the plan
				}
				state.Links.Put(tx, w.j.key, l)
				continue
			}
			state.Holds.Put(tx, keys[i], h)
		}
		return nil
	})
	p.moved = append(p.moved, moved...)
	return err
}

// differs says why a change is not the one that was shown; empty when it is.
func (p *planner) differs(before, now *state.Held) string {
	switch {
	case len(before.Keys) > 0 && !bytes.Equal(p.c.digest(&before.Change), p.c.digest(&now.Change)):
		return "it changed at the target or the source since the plan was made"
	case len(before.Keys) == 0 && p.shown && !now.Change.Empty():
		return "it could not be compared when the plan was made"
	}
	return ""
}

// add counts one person. Label changes are counted apart: a hundred people share a call.
func (p *planner) add(w *work, failure *contact.Error) {
	if w == nil {
		return
	}
	if failure != nil {
		p.sums.Waiting[string(failure.Kind)]++
	}
	p.sums.Problems += len(w.j.desired.Problems)
	if w.j.adopted {
		p.sums.Adopted++
	}
	for _, name := range w.j.link.Base.Labels {
		if !slices.Contains(p.named, name) {
			p.sums.Dropped[name]++
		}
	}
	ch, bulk := &w.j.change, p.c.bulkLabels()
	if ch.Empty() {
		return
	}
	p.sums.People++
	p.sums.Counts = p.sums.Counts.Add(ch.Counts())
	p.sums.Calls += estimate(ch, &p.c.target.Rules().Can)
	if ch.Block {
		p.sums.Other++
	}
	if bulk && !ch.Create {
		for _, name := range ch.AddLabels {
			p.labels["+"+name]++
		}
		for _, name := range ch.RemoveLabels {
			p.labels["-"+name]++
		}
	}
	p.miss(ch)
	p.stir(w)
}

// named are the labels that the mapping file gives, takes away or writes for consent.
func (c *Conductor) named() []string {
	labels, _ := c.e.plan.Managed(c.name)
	return append(append(labels, c.e.plan.Retired(c.name)...), c.target.Rules().OptOutLabel)
}

// miss notes the definitions that the change needs and the target lacks.
func (p *planner) miss(ch *contact.Change) {
	rules := p.c.target.Rules()
	note := func(name string) {
		if !slices.Contains(p.sums.Missing, name) {
			p.sums.Missing = append(p.sums.Missing, name)
		}
	}
	for key := range ch.Fields {
		if _, ok := rules.Catalog.Fields[key]; !ok {
			note("field " + key)
		}
	}
	for _, name := range ch.AddLabels {
		if _, ok := rules.Catalog.Label(name); !ok {
			note("label " + name)
		}
	}
}

// stir counts the campaigns that the change would start: by entering their label, or by writing one of their
// dates for somebody who has it.
func (p *planner) stir(w *work) {
	rules := p.c.target.Rules()
	for _, camp := range p.campaigns {
		enters := slices.ContainsFunc(w.j.change.AddLabels, func(name string) bool {
			l, ok := rules.Catalog.Label(name)
			return ok && l.ID == camp.Label
		})
		member := w.j.observed != nil && slices.Contains(w.j.observed.Labels, camp.Label)
		dated := slices.ContainsFunc(camp.Dates, func(key string) bool { return w.j.change.Fields[key] != "" })
		if enters || member && dated {
			p.sums.Campaigns[camp.Name]++
		}
	}
}

func (p *planner) finish() state.PlanSums {
	size := max(p.c.target.Rules().Can.BulkLabels, 1)
	for _, n := range p.labels {
		p.sums.Other += (n + size - 1) / size
	}
	slices.Sort(p.sums.Missing)
	p.sums.Seconds = int(p.c.opts.Budget.Estimate(contact.ScopeContacts, p.sums.Calls, p.c.e.now()).Seconds())
	return p.sums
}

// digest names what a change does, but for what the person said about being written to, which waits for no run and may
// be done before the rest is let go. Two that do the same have the same one.
func (c *Conductor) digest(ch *contact.Change) []byte {
	raw, err := json.Marshal(c.withoutConsent(*ch))
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(raw)
	return sum[:12]
}

// withoutConsent is a change without what is written, or taken back, for a refusal.
func (c *Conductor) withoutConsent(ch contact.Change) contact.Change {
	rules := c.target.Rules()
	other := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == rules.OptOutLabel })
	}
	ch.AddLabels, ch.RemoveLabels = other(ch.AddLabels), other(ch.RemoveLabels)
	ch.Fields = maps.Clone(ch.Fields)
	delete(ch.Fields, rules.OptOutField)
	ch.Block = ch.Block && !rules.OptOutBlock
	ch.Steps = slices.DeleteFunc(slices.Clone(ch.Steps), func(s contact.Step) bool {
		return s.Attr == "labels."+rules.OptOutLabel || s.Attr == "fields."+rules.OptOutField || rules.OptOutBlock && s.New == string(contact.Blocked)
	})
	return ch
}

// planOne is the first half of a delivery: everything up to the change, nothing of the writing. The failure
// says why somebody gets nothing; an error stops the plan.
func (c *Conductor) planOne(ctx context.Context, k state.LinkKey) (*work, *contact.Error, error) {
	j, ok, err := c.e.load(k)
	if err != nil || !ok {
		return nil, nil, err
	}
	w := &work{c: c, j: j, lane: state.LaneBulk, began: c.e.now(), planning: true}
	j.adopted = j.link.Adopted != nil && j.link.Done == 0 // by an earlier plan
	switch {
	case j.link.Undo != "":
		return w, nil, w.prepareUndo(ctx)
	case j.person.Erase:
		j.change = contact.Change{Delete: true}
		return w, nil, nil
	}
	if outcome, why := w.foregone(); outcome != "" {
		return w, why, nil
	}
	stages := []func(context.Context) error{w.meet, w.fetch}
	if !c.target.Rules().Can.Changes {
		// Nobody's contact can be known here without a call for each. That call is made once, by the delivery:
		// until then whoever has no contact counts as one to be made.
		stages = stages[1:]
	}
	for _, stage := range stages {
		if err := stage(ctx); err != nil {
			failure := contact.AsError(err)
			if failure.Kind == contact.Conflict || failure.Kind == contact.Gone {
				return w, failure, nil
			}
			return nil, nil, err
		}
	}
	w.diff()
	if w.withheld != nil {
		return w, w.withheld, nil
	}
	return w, w.unmet(), nil
}

// linkedPeople is how many people have a contact at the target.
func (c *Conductor) linkedPeople() (n int, err error) {
	err = c.e.store.View(func(tx state.Tx) error {
		n = 0
		for _, l := range state.Links.All(tx, state.Prefix(c.name), nil) {
			if l.Contact != "" {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Release lets the people of a run go, in the bulk lane: all of them, or those a filter chooses, at most limit (0: no
// limit), each at all of their targets. It returns how many people that were.
func (e *Engine) Release(ctx context.Context, run string, choose func(Planned) bool, limit int) (int, error) {
	chosen := map[state.PersonID]bool{}
	var after *state.HoldKey
	for {
		var keys []state.HoldKey
		more := false
		if err := e.store.View(func(tx state.Tx) error {
			keys, more = keys[:0], false
			for k, h := range state.Holds.All(tx, state.Prefix(run), after) {
				kk := k
				after, more = &kk, true
				if choose != nil && !choose(Planned{k.LinkKey, h}) || limit > 0 && len(chosen) >= limit && !chosen[k.Person] {
					continue
				}
				chosen[k.Person] = true
				if keys = append(keys, k); len(keys) == planBatch {
					break
				}
			}
			return nil
		}); err != nil {
			return len(chosen), err
		}
		if !more {
			break
		}
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			for _, k := range keys {
				l, ok := state.Links.Get(tx, k.LinkKey)
				if !ok || l.Hold != k.Run {
					state.Holds.Delete(tx, k)
					continue
				}
				who, _ := state.Persons.Get(tx, k.Person)
				h, _ := state.Holds.Get(tx, k)
				if l.Cleared, l.Run, l.Expect = who.Seq, k.Run, nil; e.targets[k.Target] != nil {
					l.Expect = e.targets[k.Target].digest(&h.Change)
				}
				state.Schedule(tx, k.LinkKey, &l, state.LaneBulk, e.now())
				state.Links.Put(tx, k.LinkKey, l)
			}
			return nil
		}); err != nil {
			return len(chosen), err
		}
	}
	e.WakeAll()
	return len(chosen), nil
}

// heldElsewhere reports whether a run holds a person back at another target.
func (e *Engine) heldElsewhere(tx state.Tx, run string, k state.LinkKey) bool {
	for name := range e.targets {
		if _, held := state.Holds.Get(tx, state.HoldKey{Run: run, LinkKey: state.LinkKey{Target: name, Person: k.Person}}); held {
			return true
		}
	}
	return false
}

// HeldPeople counts, in a reading of its own, the people whom a run holds back.
func (e *Engine) HeldPeople(run string, at func(target string) bool) (n int, err error) {
	err = e.store.View(func(tx state.Tx) error {
		n = HeldPeople(tx, run, at)
		return nil
	})
	return n, err
}

// HeldPeople counts the people whom a run holds back at some targets, or at any of them (nil).
func HeldPeople(tx state.Tx, run string, at func(target string) bool) int {
	people := map[state.PersonID]struct{}{}
	for k := range state.Holds.Keys(tx, state.Prefix(run)) {
		if at == nil || at(k.Target) {
			people[k.Person] = struct{}{}
		}
	}
	return len(people)
}

// Replace hands what one run holds over to another, which will judge it anew.
func (e *Engine) Replace(ctx context.Context, old, run string) error {
	for {
		var keys []state.HoldKey
		if err := e.store.View(func(tx state.Tx) error {
			keys = keys[:0]
			for k := range state.Holds.All(tx, state.Prefix(old), nil) {
				if keys = append(keys, k); len(keys) == planBatch {
					break
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		if err := e.store.Update(ctx, func(tx state.Tx) error {
			for _, k := range keys {
				l, ok := state.Links.Get(tx, k.LinkKey)
				if !ok || l.Hold != old {
					state.Holds.Delete(tx, k)
					continue
				}
				state.KeepBack(tx, k.LinkKey, &l, run, state.Held{})
				state.Links.Put(tx, k.LinkKey, l)
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

// Held lists what a run holds back, at most limit rows, after a key.
func (e *Engine) Held(run string, after *state.HoldKey, limit int) (rows []Planned, err error) {
	err = e.store.View(func(tx state.Tx) error {
		rows = rows[:0]
		for k, h := range state.Holds.All(tx, state.Prefix(run), after) {
			if rows = append(rows, Planned{k.LinkKey, h}); limit > 0 && len(rows) == limit {
				break
			}
		}
		return nil
	})
	return rows, err
}

// HoldAll makes every person of a source due again, held back under a run: what a changed mapping or a replay
// would do is seen before it is done.
func (e *Engine) HoldAll(ctx context.Context, sourceName, run string) error {
	if !e.known(sourceName) {
		return e.unknownNames(sourceName)
	}
	return e.EachRecord(ctx, sourceName, func(keys []contact.Key, recs []state.Record, payloads [][]byte) error {
		ahead := make([]Mapped, len(keys))
		for i, k := range keys {
			ahead[i] = Mapped{payloads[i], e.mapRecord(k, &recs[i], payloads[i])}
		}
		defer e.WakeAll()
		return e.store.Update(ctx, func(tx state.Tx) error {
			for i, k := range keys {
				e.HoldRecord(tx, k, run)
				e.Resolve(tx, k, ahead[i])
			}
			return nil
		})
	})
}

// HoldRecord makes one record due again under a run, unless it is due anyway.
func (e *Engine) HoldRecord(tx state.Tx, k contact.Key, run string) {
	rec, ok := state.Records.Get(tx, k)
	if !ok || rec.Due != 0 {
		return
	}
	rec.First, rec.Hold = contact.Micros(e.now()), run
	state.Requeue(tx, k, &rec, state.LaneBulk, e.now())
	state.Records.Put(tx, k, rec)
}

// EachRecord reads all records of a source in batches, each from a snapshot of its own.
func (e *Engine) EachRecord(ctx context.Context, sourceName string, do func([]contact.Key, []state.Record, [][]byte) error) error {
	var after *contact.Key
	for {
		var keys []contact.Key
		var recs []state.Record
		var payloads [][]byte
		if err := e.store.View(func(tx state.Tx) error {
			keys, recs, payloads = nil, nil, nil
			for k, rec := range state.Records.All(tx, state.Prefix(sourceName), after) {
				keys, recs, payloads = append(keys, k), append(recs, rec), append(payloads, state.Payload(tx, k))
				if len(keys) == resolveBatch {
					break
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if len(keys) == 0 {
			return ctx.Err()
		}
		last := keys[len(keys)-1]
		after = &last
		if err := do(keys, recs, payloads); err != nil {
			return err
		}
	}
}

// estimate is how many calls a change takes in the contacts scope.
func estimate(c *contact.Change, can *contact.Capabilities) (n int) {
	labels := 0 // where they are set contact by contact
	if can.BulkLabels == 0 && c.Relabels() {
		labels = 1
	}
	switch {
	case c.Create && !can.Changes:
		return 2 + labels // whoever cannot be mirrored is looked up first
	case c.Create, c.Delete:
		return 1
	case c.Writes():
		if n = 1; len(c.AddURNs) > 0 {
			n += 1 + len(c.AddURNs) // the list is read, and every new address looked up
		}
	}
	return n + labels
}
