package engine

import (
	"fmt"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Guard bounds what may change without somebody's consent, kind by kind: in one run, and in a rolling hour of
// live traffic.
type Guard struct {
	AtLeast        int // so many always pass; 10
	Percent        int // of the people known there; 20
	DeletesPercent int // 5
}

// States of a run.
const (
	RunWalking  = "walking"
	RunPlanning = "planning"
	RunHeld     = "held"
	RunReleased = "released"
	RunDone     = "done"
	RunFailed   = "failed"
	RunReplaced = "replaced"
)

// DryRun is the run under which a daemon that must not write keeps everything it would have written.
const DryRun = "dry-run"

func guardRun(target string) string { return "guard-" + target }

func (g Guard) orDefault() Guard {
	if g.AtLeast == 0 {
		g.AtLeast = 10
	}
	if g.Percent == 0 {
		g.Percent = 20
	}
	if g.DeletesPercent == 0 {
		g.DeletesPercent = 5
	}
	return g
}

// Judge says whether counts are too many for a number of people, and why.
func (g Guard) Judge(n contact.Counts, people int) (why string, held bool) {
	g = g.orDefault()
	for _, k := range kinds(n) {
		percent := g.Percent
		if k.name == "deleted or blocked" {
			percent = g.DeletesPercent
		}
		if limit := max(g.AtLeast, people*percent/100); k.n > limit {
			of := fmt.Sprintf("%d %% of %d", percent, people)
			if limit == g.AtLeast {
				of += " are fewer still"
			}
			return fmt.Sprintf("%d people would be %s, more than %d (%s)", k.n, k.name, limit, of), true
		}
	}
	return "", false
}

type kindCount struct {
	name string
	n    int
}

func kinds(n contact.Counts) []kindCount {
	return []kindCount{{"created", n.Creates}, {"changed", n.Changes}, {"emptied of a value", n.Clears},
		{"taken a label from", n.Unlabels}, {"deleted or blocked", n.Deletes}}
}

// guard counts what live traffic changes within an hour, by person.
type guard struct {
	limits  Guard
	now     func() time.Time
	mu      sync.Mutex
	recent  map[state.PersonID]recentChange
	people  int
	counted time.Time
}

type recentChange struct {
	at     time.Time
	counts contact.Counts
}

func newGuard(limits Guard, now func() time.Time) *guard {
	return &guard{limits: limits, now: now, recent: map[state.PersonID]recentChange{}}
}

// let decides whether one more change may pass, and counts it if so.
func (g *guard) let(p state.PersonID, n contact.Counts, people int) (why string, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	var sum contact.Counts
	for who, r := range g.recent {
		switch {
		case now.Sub(r.at) > time.Hour:
			delete(g.recent, who)
		case who != p:
			sum = sum.Add(r.counts)
		}
	}
	mine := atMostOne(g.recent[p].counts.Add(n))
	if why, held := g.limits.Judge(only(sum.Add(mine), n), people); held {
		return "in the last hour " + why, true
	}
	g.recent[p] = recentChange{now, mine}
	return "", false
}

// only keeps the kinds that a change has: a change is not held for what others did.
func only(sum, n contact.Counts) contact.Counts {
	if n.Creates == 0 {
		sum.Creates = 0
	}
	if n.Changes == 0 {
		sum.Changes = 0
	}
	if n.Clears == 0 {
		sum.Clears = 0
	}
	if n.Unlabels == 0 {
		sum.Unlabels = 0
	}
	if n.Deletes == 0 {
		sum.Deletes = 0
	}
	return sum
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func atMostOne(n contact.Counts) contact.Counts {
	return contact.Counts{Creates: min(n.Creates, 1), Changes: min(n.Changes, 1), Clears: min(n.Clears, 1), Unlabels: min(n.Unlabels, 1), Deletes: min(n.Deletes, 1)}
}

// guarded asks the guard, unless somebody already let this state of the person pass.
func (w *work) guarded() (held bool, why string) {
	if w.c.e.opts.DryRun {
		return true, "dry run"
	}
	if w.j.link.Cleared >= w.j.person.Seq && w.j.link.Cleared != 0 || w.refusal() {
		return false, ""
	}
	why, held = w.c.guard.let(w.j.key.Person, w.j.change.Counts(), w.c.people())
	return held, why
}

// refusal reports whether the change does nothing but carry out that the person refused messages: that is never
// held.
func (w *work) refusal() bool {
	rules := w.c.target.Rules()
	if !w.j.optedOut {
		return false
	}
	for _, s := range w.j.change.Steps {
		consent := s.Attr == "labels."+rules.OptOutLabel && s.New != "" || s.Attr == "fields."+rules.OptOutField && s.New == contact.OptedOutValue ||
			s.Attr == "contact" && s.New == string(contact.Blocked)
		if s.Kept == "" && !consent {
			return false
		}
	}
	return true
}

// people is how many people have a contact at the target, for the guard's percentages. Counting reads every link,
// so it is done once a minute. What could not be counted is not taken for nobody: the last count stands until it can.
func (c *Conductor) people() int {
	g := c.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); now.Sub(g.counted) > time.Minute {
		if n, err := c.linkedPeople(); err != nil {
			c.log.Warn("the people with a contact could not be counted; the guard goes by the last count", "error", err)
		} else {
			g.people, g.counted = n, now
		}
	}
	return g.people
}
