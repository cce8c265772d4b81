package engine

import (
	"fmt"
	"iter"
	"testing"
)

func rowsOf(n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range 3 {
			if !yield(fmt.Appendf(nil, "row %d of page %d", i, n)) {
				return
			}
		}
	}
}

func noRows(func([]byte) bool) {}

// TestCirclesAreMetWithinAFewRounds: a server repeated its pages under cursors that were new every time, and a reading
// of it went on for as long as the budget lasted.
func TestCirclesAreMetWithinAFewRounds(t *testing.T) {
	for tail := range 9 {
		for length := 1; length <= 40; length++ {
			var c Circle
			read := 0
			for ; !c.Closes(rowsOf(page(read, tail, length))); read++ {
				if read > 4*(tail+length)+2 {
					t.Fatalf("a circle of %d pages behind %d others is not met within %d", length, tail, read)
				}
			}
			if read < length {
				t.Fatalf("a circle of %d pages is met after %d: nothing had come again", length, read)
			}
		}
	}
}

func page(n, tail, length int) int {
	if n < tail {
		return n
	}
	return tail + (n-tail)%length
}

// TestListsThatEndAreNoCircles: however long they are, and whatever gaps they have.
func TestListsThatEndAreNoCircles(t *testing.T) {
	var c Circle
	for n := range 100_000 {
		if c.Closes(rowsOf(n)) {
			t.Fatalf("page %d is taken for one that came before", n)
		}
		if n%1000 == 0 {
			for range mostBlank {
				if c.Closes(noRows) {
					t.Fatal("a gap is taken for the end")
				}
			}
		}
	}
	for range mostBlank {
		c.Closes(noRows)
	}
	if !c.Closes(noRows) {
		t.Error("a list of nothing never ends")
	}
}
