package budget

import "time"

// reading is what a clock shows: the time of day, which people and servers set, and the time that has passed,
// which nobody does.
type reading func() (wall time.Time, elapsed time.Duration)

// readings takes both from the times that now returns: Go's own carry a monotonic part.
func readings(now func() time.Time) reading {
	first := now()
	return func() (time.Time, time.Duration) {
		t := now()
		return t.Round(0).UTC(), t.Sub(first)
	}
}

// clock is a time that only ever moves forward, and only by what has really passed. It starts at the time of
// day; when that is set afterwards, the clock does not follow.
type clock struct {
	at, wall time.Time
	elapsed  time.Duration
}

func (c *clock) tick(read reading) time.Time {
	wall, elapsed := read()
	switch d := elapsed - c.elapsed; {
	case c.at.IsZero():
		c.at = wall
	case d > 0:
		c.at = c.at.Add(d)
	}
	c.wall, c.elapsed = wall, elapsed
	return c.at
}

// shift is how far the time of day is ahead of the clock, in seconds: the two parts of a reading are never
// taken at quite the same instant.
func (c *clock) shift() time.Duration { return c.wall.Sub(c.at).Round(time.Second) }
