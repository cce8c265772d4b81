package engine

import (
	"testing"
	"time"
)

// TestWhatCannotBeReadIsAskedForSeldom: one customer of a shop could not be read, with a 500 every time, and was asked
// for every fifteen seconds for as long as the shop did not change: 5,760 calls a day.
func TestWhatCannotBeReadIsAskedForSeldom(t *testing.T) {
	calls := 0
	for at := time.Duration(0); at < 24*time.Hour; at += readAgainIn(calls) {
		calls++
	}
	if calls > 40 {
		t.Errorf("%d calls a day", calls)
	}
	if first := readAgainIn(1); first != 15*time.Second {
		t.Errorf("what passes by itself is asked for again after %s", first)
	}
}
