package outbound_test

import (
	"net/http"
	"testing"
	"time"

	"syncer/internal/outbound"
)

// TestAbsurdWaitsAreNotObeyed: a proxy once asked a client to come back in the year 9999, and one in 115 days. Obeyed,
// that silences a target for a day at least; what no quota explains is taken for no word at all.
func TestAbsurdWaitsAreNotObeyed(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for said, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0": 0, "86400": 24 * time.Hour, "1.2": 2 * time.Second, "Wed, 04 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Wed, 04 Mar 2026 11:00:00 GMT": -time.Hour,
	} {
		if at := outbound.RetryAfter(http.Header{"Retry-After": {said}}, now); at.Sub(now) != want {
			t.Errorf("Retry-After: %s is read as %s, not %s", said, at.Sub(now), want)
		}
	}
	for _, said := range []string{"", "soon", "-7", "86401", "9999999", "1e300", "NaN", "Inf", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		if at := outbound.RetryAfter(http.Header{"Retry-After": {said}}, now); !at.IsZero() {
			t.Errorf("Retry-After: %q is obeyed until %s", said, at)
		}
	}
}
