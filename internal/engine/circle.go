package engine

import (
	"hash/maphash"
	"iter"
)

// Circle notices a list that leads in a circle, whatever its cursors look like: a page that came before comes again. It
// remembers one page, and a later one at every power of two, so that it meets a circle of any length within a few
// rounds (Brent).
type Circle struct {
	pages, at, blank int
	mark             uint64
}

// mostBlank is how many pages without rows may follow each other: a list that filters has some, one without end any number.
const mostBlank = 1000

var circleSeed = maphash.MakeSeed()

// Closes takes the rows of the next page and reports whether that page, or nothing at all, came before.
func (c *Circle) Closes(rows iter.Seq[[]byte]) bool {
	var h maphash.Hash
	h.SetSeed(circleSeed)
	empty := true
	for row := range rows {
		empty = false
		_, _ = h.Write(row) // a hash takes everything
		_ = h.WriteByte(0)
	}
	if empty {
		c.blank++
		return c.blank > mostBlank
	}
	c.blank = 0
	page := h.Sum64()
	if c.at > 0 && page == c.mark {
		return true
	}
	if c.pages++; c.pages >= 2*c.at {
		c.mark, c.at = page, c.pages
	}
	return false
}
