package budget

import (
	"math"
	"slices"
	"time"
)

// window counts calls over a sliding span, in slots. A slot is let go only when its youngest call can no
// longer be inside the span of a server that received it up to latency later, so that the count is never
// below the server's own, whatever the phase of the slots.
type window struct {
	slot, span time.Duration
	rows       []row // oldest first
	used       int
}

type row struct {
	slot int64
	n    int
}

// latency is how long after it was recorded a call may reach the server.
const latency = 5 * time.Second

func (w *window) number(at time.Time) int64 { return at.UnixNano() / int64(w.slot) }

func (w *window) expiry(r row) time.Time {
	return time.Unix(0, (r.slot+1)*int64(w.slot)).UTC().Add(w.span + latency)
}

// add counts n calls at a moment that is not before the newest one.
func (w *window) add(at time.Time, n int) {
	k := w.number(at)
	if last := len(w.rows) - 1; last >= 0 && w.rows[last].slot >= k {
		w.rows[last].n += n
	} else {
		w.rows = append(w.rows, row{k, n})
	}
	w.used += n
}

// takeBack uncounts a call that was not made after all.
func (w *window) takeBack(at time.Time) {
	k := w.number(at)
	i := slices.IndexFunc(w.rows, func(r row) bool { return r.slot == k && r.n > 0 })
	if i >= 0 {
		w.rows[i].n--
		w.used--
	}
}

// slide lets go of what has left the window and returns how many calls that were.
func (w *window) slide(now time.Time) (freed int) {
	for len(w.rows) > 0 && !w.expiry(w.rows[0]).After(now) {
		freed += w.rows[0].n
		w.rows = w.rows[1:]
	}
	w.used -= freed
	return freed
}

// when returns the earliest moment at which fits holds, given how many calls have left the window by then,
// and now when it holds already. ok is false when it does not even hold for an empty window.
func (w *window) when(now time.Time, fits func(freed int) bool) (at time.Time, ok bool) {
	freed := 0
	if fits(freed) {
		return now, true
	}
	for _, r := range w.rows {
		if freed += r.n; fits(freed) {
			return w.expiry(r), true
		}
	}
	return time.Time{}, false
}

// pace is the highest constant rate, in calls a second, that can go on from now on without running into
// the end of the room: at no moment more is spent than is free then. Slack calls of lumpiness are forgiven.
func (w *window) pace(now time.Time, room, limit, slack float64) float64 {
	rate := limit / w.span.Seconds()
	ahead := w.span + latency - time.Duration(now.UnixNano())
	for _, r := range w.rows {
		if x := time.Duration(r.slot+1)*w.slot + ahead; x > 0 {
			rate = min(rate, max(0, room+slack)/x.Seconds())
		}
		room += float64(r.n)
	}
	return rate
}

// save renders the slots as a clock that is ahead by shift would have counted them, rounded up.
func (w *window) save(shift time.Duration) map[int64]int {
	by := int64(math.Ceil(float64(shift) / float64(w.slot)))
	slots := make(map[int64]int, len(w.rows))
	for _, r := range w.rows {
		if r.n > 0 {
			slots[r.slot+by] = r.n
		}
	}
	return slots
}
