package outbound_test

import (
	"net/http"
	"testing"
	"time"

	"syncer/internal/outbound"
)

// FuzzRetryAfter reads what a server says about when to come back: whatever it is, the moment is one that a clock can
// show, and not in the past.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "0", "-1", "9223372036854775807", "1e9", " 5 ", "Fri, 20 Nov 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "120, 5"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, said string) {
		until := outbound.RetryAfter(http.Header{"Retry-After": {said}}, now)
		if until.IsZero() || until.Before(now) { // a date that has passed is now
			return
		}
		if until.Year() > 9999 {
			t.Fatalf("%q is %s", said, until)
		}
	})
}
