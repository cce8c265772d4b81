package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"syncer/internal/sandbox"
	"syncer/internal/state"
)

// spent is a budget that is used up until the moment that the target last named.
type spent struct {
	free
	until atomic.Int64
}

// Refused hears the moment.
func (s *spent) Refused(_ string, until time.Time) { s.until.Store(until.UnixNano()) }

// Ready is that moment until it has come.
func (s *spent) Ready(_ string, _ state.Lane, now time.Time) time.Time {
	if until := time.Unix(0, s.until.Load()); until.After(now) {
		return until
	}
	return now
}

// TestWorkThatFallsDueWhileTheBudgetIsUsedUp is done when there is budget again. Once the conductor only looked at
// work that was due already: a delivery that Weni had put off by three seconds, with the budget blocked as long,
// was nobody's business until the next webhook came or a minute had passed.
func TestWorkThatFallsDueWhileTheBudgetIsUsedUp(t *testing.T) {
	r := newRig(t, twoSources)
	r.halt()
	r.budget = &spent{}
	r.start()
	if _, err := r.weni.Control.AddFault(sandbox.Fault{Path: "/api/v2/contacts.json", Method: "POST", Action: sandbox.FaultThrottle, RetryAfter: new(1), Times: 1}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.send("crm", ana)
	r.settle()
	r.only()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
