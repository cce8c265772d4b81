package budget

import (
	"math"
	"slices"
	"time"

	"syncer/internal/state"
)

const (
	hourSlot = 15 * time.Second
	daySlot  = 15 * time.Minute

	// burst is the share of the window that bulk work may take without pacing, and dayShare what it may take
	// of a day.
	burst    = 0.25
	dayShare = 0.9

	// recovery is how long after a refusal the window is believed to be ours again as a whole.
	recovery = time.Hour
	// A refusal blocks at least until the answers to calls under way are in, and never for ever.
	leastBlock = 2 * time.Second
	mostBlock  = 24 * time.Hour
	// doubt is how long after a refusal live work believes in what others seem to use.
	doubt = time.Minute
)

// rules decide about one scope. They are plain data without a lock, so that an estimate can play the
// future on a copy.
type rules struct {
	limit Limit
	hour  window
	day   window

	until  time.Time // nothing before
	others float64   // calls of the window that somebody else used when it was last seen
	seen   time.Time // the last refusal

	lead bucket // how far bulk work is ahead of its pace
	flow bucket // how far all work is ahead of the rate a second

	fair fair
}

// bucket leaks at a rate; what is in it is ahead of that rate.
type bucket struct {
	level float64
	at    time.Time
}

func (b *bucket) leak(now time.Time, rate float64) {
	if d := now.Sub(b.at).Seconds(); d > 0 { // the rate may be infinite
		b.level = max(0, b.level-rate*d)
		b.at = now
	}
}

// empty is when the bucket will have leaked down to a level.
func (b *bucket) empty(now time.Time, level, rate float64) time.Time {
	switch over := b.level - level; {
	case over < 1e-6:
		return now
	case rate <= 0:
		return now.Add(time.Minute)
	default:
		return now.Add(time.Duration(math.Ceil(over / rate * 1e9)))
	}
}

func newRules(limit Limit) rules {
	r := rules{
		limit: limit,
		hour:  window{slot: hourSlot, span: time.Hour},
		day:   window{slot: daySlot, span: 24 * time.Hour},
	}
	most := quota * float64(limit.PerHour)
	r.fair = fair{most: most, claim: most, piece: r.piece()}
	return r
}

// advance lets time pass.
func (r *rules) advance(now time.Time) {
	r.day.slide(now)
	r.fair.freed(now, r.hour.slide(now))
	if r.lead.level > 0 {
		r.lead.leak(now, r.bulkRate(now))
	}
	r.lead.at = now
	r.flow.leak(now, r.flowRate(now))
}

// piece is the room that a piece of work wants before it starts: several may start before the first of them
// spends, and none should have to stop in the middle.
func (r *rules) piece() float64 {
	return min(float64(2*r.limit.InFlight), math.Ceil(float64(r.limit.PerHour)/100))
}

// mine is what is left of the window when others take what they seem to take.
func (r *rules) mine(now time.Time) float64 { return float64(r.limit.PerHour) - r.shared(now) }

// shared estimates how many calls of the window others use. A refusal proves it; then it is forgotten slowly
// at first, because a window that others fill stays filled, and faster the longer no refusal comes.
func (r *rules) shared(now time.Time) float64 {
	quiet := now.Sub(r.seen).Seconds() / recovery.Seconds()
	return max(0, r.others-r.limit.nominal()*quiet*quiet*quiet)
}

// bulkRate is the pace of bulk work, in calls a second. It keeps clear of the reserve at every moment of the
// coming hour; a window that is mostly empty is not paced.
func (r *rules) bulkRate(now time.Time) float64 {
	if float64(r.hour.used) < burst*r.mine(now) {
		return math.Inf(1)
	}
	most := r.outside(now)
	slack := float64(r.limit.PerHour) * hourSlot.Seconds() / time.Hour.Seconds()
	return r.hour.pace(now, most-float64(r.hour.used), most, slack)
}

// mostLead is how many calls bulk work that has begun may be ahead of its pace: a minute's worth.
func (r *rules) mostLead() float64 { return max(8, float64(r.limit.PerHour)/60) }

// flowRate is the rate at which calls may start, in calls a second; 0 where none is set.
func (r *rules) flowRate(now time.Time) float64 {
	if r.limit.PerSecond == 0 || r.limit.PerHour > 0 {
		return r.limit.PerSecond
	}
	return r.limit.PerSecond * (1 - r.shared(now)/r.limit.nominal())
}

// ready returns when a call of a lane may be made. A call that starts a piece of work waits for its turn and
// for room to finish; those that follow within it may run ahead a little.
func (r *rules) ready(lane state.Lane, now time.Time, starts bool) time.Time {
	at := now
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	later(r.until)
	if r.limit.PerHour > 0 {
		later(r.windowReady(lane, now, starts))
	}
	if r.limit.Daily > 0 {
		most := r.limit.Daily
		if lane == state.LaneBulk {
			most = max(1, int(dayShare*float64(most)))
		}
		t, ok := r.day.when(now, func(freed int) bool { return r.day.used-freed < most })
		if !ok {
			t = now.Add(time.Hour)
		}
		later(t)
	}
	if r.limit.PerSecond > 0 {
		level := float64(4*r.limit.InFlight) - 1
		if starts {
			level = 0
			if lane != state.LaneBulk {
				level = float64(2 * r.limit.InFlight)
			}
		}
		later(r.flow.empty(now, level, r.flowRate(now)))
	}
	return at
}

// windowReady returns when the window has room for a lane. Whatever is fair, the limit itself is never
// exceeded; consent asks for no more than that and tries whatever others seem to use.
func (r *rules) windowReady(lane state.Lane, now time.Time, starts bool) time.Time {
	at := r.room(now, func(used float64) bool { return used+1 <= float64(r.limit.PerHour) })
	fair := at
	switch lane {
	case state.LaneLive:
		fair = r.liveReady(now, starts)
	case state.LaneBulk:
		fair = r.bulkReady(now, starts)
	}
	if fair.After(at) {
		return fair
	}
	return at
}

// liveReady believes in what others seem to use only for a moment after a refusal. That is a guess, which may be wrong by
// all of the window; whoever waits for live work is better served by one more refusal, which says how long to wait.
func (r *rules) liveReady(now time.Time, starts bool) time.Time {
	mine := r.mine(now)
	if now.Sub(r.seen) >= doubt {
		mine = float64(r.limit.PerHour)
	}
	outside := mine - float64(r.limit.Reserve)
	room := 1.0
	if starts && r.fair.isContested(now) {
		room = r.piece()
	}
	used := float64(r.hour.used)
	left := r.fair.leaves(now, outside-used, starts)
	if used+room+left <= mine {
		return now
	}
	r.fair.contested = now
	if used+room <= mine && r.fair.hold(now, left) {
		left = r.fair.leaves(now, outside-used, starts)
	}
	at := r.room(now, func(used float64) bool { return used+room+left <= mine })
	if end := r.fair.held.Add(holdFor); end.After(now) && end.Before(at) && used+room <= mine {
		return end
	}
	return at
}

func (r *rules) bulkReady(now time.Time, starts bool) time.Time {
	r.fair.asked = now
	mine, outside := r.mine(now), r.outside(now)
	// Work that starts wants its turn and room to finish; calls within it may run ahead.
	room, lead := 1.0, r.mostLead()
	if starts {
		room, lead = r.piece(), 0
	}
	at := r.room(now, func(used float64) bool { return used+math.Ceil(room/2) <= outside })
	if turn := r.lead.empty(now, lead, r.bulkRate(now)); turn.After(at) {
		at = turn
	}
	if !r.fair.isContested(now) {
		return at
	}
	// Live work waits for it: no pacing then, and what it has earned lets it into the reserve.
	claimed := r.room(now, func(used float64) bool {
		earned := r.fair.earned + earns*(float64(r.hour.used)-used)
		return used+room <= outside && r.fair.claim >= room || used+room <= mine && earned >= room
	})
	if claimed.Before(at) {
		return claimed
	}
	return at
}

// outside is the part of the window that is not the reserve's.
func (r *rules) outside(now time.Time) float64 { return r.mine(now) - float64(r.limit.Reserve) }

// room returns when enough calls will have left the window, or when to look again if that is not all.
func (r *rules) room(now time.Time, fits func(used float64) bool) time.Time {
	at, ok := r.hour.when(now, func(freed int) bool { return fits(float64(r.hour.used - freed)) })
	if !ok {
		return now.Add(time.Minute)
	}
	return at
}

// take records a call.
func (r *rules) take(lane state.Lane, now time.Time) {
	r.hour.add(now, 1)
	if r.limit.Daily > 0 {
		r.day.add(now, 1)
	}
	if r.limit.PerSecond > 0 {
		r.flow.level++
	}
	if lane == state.LaneBulk {
		r.fair.took()
		if r.limit.PerHour > 0 && !math.IsInf(r.bulkRate(now), 1) {
			r.lead.level = min(r.lead.level+1, r.mostLead()+1)
		}
	}
}

// refuse learns from a 429. Refusals of calls that were under way when the first one came say nothing new.
func (r *rules) refuse(now time.Time, wait time.Duration) {
	wait = min(max(wait, leastBlock), mostBlock)
	if !now.Before(r.until) {
		cur, all := r.shared(now), r.limit.nominal()
		if r.limit.PerHour > 0 {
			r.others = min(max(cur, all-float64(r.hour.used)), cur+all/4)
		} else {
			r.others = min(cur+(all-cur)/2, 0.9*all)
		}
		r.seen = now
	}
	if until := now.Add(wait); until.After(r.until) {
		r.until = until
	}
}

func (r *rules) clone() rules {
	c := *r
	c.hour.rows, c.day.rows = slices.Clone(r.hour.rows), slices.Clone(r.day.rows)
	return c
}
