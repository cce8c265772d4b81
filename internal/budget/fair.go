package budget

import (
	"math"
	"time"
)

const (
	// quota is the share of the window that live work leaves to bulk work, and earns the share of what
	// becomes free while live work takes all it can get. Both are above a tenth, which is the promise.
	quota = 0.15
	earns = 0.125

	// Live work is held back for bulk work only so long: if none comes there is none, for a while.
	holdFor = 15 * time.Second
	idleFor = 10 * time.Minute
	// contest is how long after live work found no room the window counts as contested.
	contest = time.Minute
)

// fair keeps bulk work alive under live work without end, and live work from waiting for bulk work that does
// not exist. Live work never leaves the reserve to bulk work, except for what that has earned.
type fair struct {
	most, piece float64 // the largest claim, and what bulk work needs to begin

	claim     float64   // calls that live work leaves to bulk work outside of the reserve
	earned    float64   // the part of it that holds within the reserve too
	contested time.Time // when live work last found no room
	held      time.Time // since when it has been held back without bulk work coming
	idle      time.Time // until when no bulk work is believed to exist
	asked     time.Time // when bulk work last asked
}

// freed shares out what has left the window.
func (f *fair) freed(now time.Time, n int) {
	most := f.most
	if now.Before(f.idle) {
		most = f.piece
	}
	f.claim = min(f.claim+earns*float64(n), most)
	if f.isContested(now) {
		f.earned += earns * float64(n)
	}
	f.earned = min(f.earned, f.claim)
}

// took notes a call of bulk work.
func (f *fair) took() {
	f.claim, f.earned = max(0, f.claim-1), max(0, f.earned-1)
	f.held, f.idle = time.Time{}, time.Time{}
}

func (f *fair) isContested(now time.Time) bool {
	return !f.contested.IsZero() && now.Sub(f.contested) < contest
}

// heard reports whether there has been a sign of bulk work lately.
func (f *fair) heard(now time.Time) bool { return !f.asked.IsZero() && now.Sub(f.asked) < idleFor }

// leaves is what live work leaves to bulk work, which has outside calls of room that are not the reserve's.
// Work that has begun may take a piece of it.
func (f *fair) leaves(now time.Time, outside float64, starts bool) float64 {
	left := f.earned
	if outside >= f.piece {
		left = f.claim
	}
	switch {
	case starts:
		return math.Floor(left)
	case !f.heard(now):
		return 0
	}
	return max(0, math.Floor(left)-f.piece)
}

// hold notes that live work waits for bulk work. When that does not come the claim is given up, and hold
// reports so.
func (f *fair) hold(now time.Time, left float64) (over bool) {
	switch {
	case left < f.piece: // too little for bulk work to begin
		f.held = time.Time{}
	case f.held.IsZero():
		f.held = now
	case now.Sub(f.held) >= holdFor:
		f.held, f.idle = time.Time{}, now.Add(idleFor)
		f.claim, f.earned = min(f.claim, f.piece), min(f.earned, f.piece)
		return true
	}
	return false
}
