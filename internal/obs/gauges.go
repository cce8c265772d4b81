package obs

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gauges are the state of everything at one moment.
type Gauges struct {
	Targets []TargetGauges
	Sources []SourceGauges
	Budgets []BudgetGauges

	StoreBytes, StoreFree, StoreMax int64 // StoreMax is 0 when the disk is the bound
	ChangesPerCommit                float64
	Records, People, Conflicts      int
}

// TargetGauges are those of one target.
type TargetGauges struct {
	Target    string
	Due       map[string]int // by lane
	OldestDue time.Duration  // since the oldest of them became due
	Held      int
	Dead      int
	Waiting   map[string]int // by kind of error
	Paused    bool
	Linked    int
	MirrorAge time.Duration // 0: never read, and then there is no series
}

// SourceGauges are those of one source.
type SourceGauges struct {
	Source string
	Silent time.Duration // since the last webhook, or the start; 0: it sends none, and then there is no series
}

// BudgetGauges are the calls of one scope of one place: target/name or source/name.
type BudgetGauges struct {
	Place, Scope string
	Used, Limit  int // calls an hour; a Limit of 0 is none, and then there is no series of it
}

// gauges publishes the Gauges last set, all from the same moment.
type gauges struct {
	now atomic.Pointer[Gauges]

	due, oldest, held, dead, waiting, paused, linked, mirror *prometheus.Desc
	silent                                                   *prometheus.Desc
	used, limit                                              *prometheus.Desc
	bytes, free, max, fullness, grouped                      *prometheus.Desc
	records, people, conflicts                               *prometheus.Desc
}

func (g *gauges) describe() {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	g.due = desc("due", "People whose delivery is due.", "target", "lane")
	g.oldest = desc("oldest_due_seconds", "How long the oldest due delivery has been due.", "target")
	g.held = desc("held", "People held back by a guard or a run.", "target")
	g.dead = desc("dead_letters", "People who cannot be delivered until somebody acts.", "target")
	g.waiting = desc("waiting", "People for whom something is missing before they can be written, by reason.", "target", "kind")
	g.paused = desc("paused", "1 while the target is not used.", "target")
	g.linked = desc("linked", "People linked to a contact.", "target")
	g.mirror = desc("mirror_age_seconds", "Since the target's contacts were last read.", "target")
	g.silent = desc("source_silent_seconds", "Since the source last sent a webhook, or since the start when none came.", "source")
	g.used = desc("budget_used", "Calls in the last hour.", "place", "scope")
	g.limit = desc("budget_limit", "Calls an hour that are allowed.", "place", "scope")
	g.bytes = desc("store_bytes", "Size of the state file.")
	g.free = desc("store_free_bytes", "Part of the state file that is free for reuse.")
	g.max = desc("store_max_bytes", "Size to which the state file may grow. Only there with ?max= in SYNCER_STATE.")
	g.fullness = desc("store_fullness", "How full the state is, 0 to 1: its size without what is free for reuse, of the size to which it may grow. Only there with ?max= in SYNCER_STATE. Bulk work stops at 0.8.")
	g.grouped = desc("changes_per_commit", "Changes that shared a commit, on average since the start.")
	g.records = desc("records", "Records that are known.")
	g.people = desc("people", "People that are known.")
	g.conflicts = desc("conflicts", "Conflicts that wait for somebody.")
}

// Describe names the gauges.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.due, g.oldest, g.held, g.dead, g.waiting, g.paused, g.linked, g.mirror, g.silent, g.used, g.limit,
		g.bytes, g.free, g.max, g.fullness, g.grouped, g.records, g.people, g.conflicts} {
		ch <- d
	}
}

// Collect publishes them. Before the first Set there are none.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	now := g.now.Load()
	if now == nil {
		return
	}
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, t := range now.Targets {
		g.target(set, t)
	}
	for _, s := range now.Sources {
		if s.Silent > 0 {
			set(g.silent, s.Silent.Seconds(), name(s.Source))
		}
	}
	for _, b := range now.Budgets {
		set(g.used, float64(b.Used), name(b.Place), oneOf(budgetScopes, b.Scope))
		if b.Limit > 0 {
			set(g.limit, float64(b.Limit), name(b.Place), oneOf(budgetScopes, b.Scope))
		}
	}
	set(g.bytes, float64(now.StoreBytes))
	set(g.free, float64(now.StoreFree))
	if now.StoreMax > 0 {
		set(g.max, float64(now.StoreMax))
		set(g.fullness, float64(now.StoreBytes-now.StoreFree)/float64(now.StoreMax))
	}
	set(g.grouped, now.ChangesPerCommit)
	set(g.records, float64(now.Records))
	set(g.people, float64(now.People))
	set(g.conflicts, float64(now.Conflicts))
}

func (g *gauges) target(set func(*prometheus.Desc, float64, ...string), t TargetGauges) {
	label := name(t.Target)
	for _, lane := range lanes {
		set(g.due, float64(t.Due[lane]), label, lane)
	}
	// A retry is due in the future: nothing is late then.
	set(g.oldest, max(0, t.OldestDue).Seconds(), label)
	set(g.held, float64(t.Held), label)
	set(g.dead, float64(t.Dead), label)
	unknown := 0
	for kind, n := range t.Waiting {
		if oneOf(waitingKinds, kind) == other {
			unknown += n
		}
	}
	for _, kind := range waitingKinds {
		set(g.waiting, float64(t.Waiting[kind]), label, kind)
	}
	set(g.waiting, float64(unknown), label, other)
	paused := 0.0
	if t.Paused {
		paused = 1
	}
	set(g.paused, paused, label)
	set(g.linked, float64(t.Linked), label)
	if t.MirrorAge > 0 {
		set(g.mirror, t.MirrorAge.Seconds(), label)
	}
}
