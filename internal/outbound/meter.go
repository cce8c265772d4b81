package outbound

import (
	"context"
	"errors"
	"time"

	"syncer/internal/contact"
)

// Meter is asked before every call and told of every refusal. It is declared here because every client needs
// it; internal/budget implements it.
type Meter interface {
	// Spend records a call in a scope before it is made. It returns a Throttled error, without waiting, when
	// the window is used up.
	Spend(ctx context.Context, scope string) error
	// Refused tells of a 429: nothing more in this scope until the moment given.
	Refused(scope string, until time.Time)
}

// Free is the meter of who has no budget.
type Free struct{}

// Spend allows every call.
func (Free) Spend(context.Context, string) error { return nil }

// Refused is forgotten.
func (Free) Refused(string, time.Time) {}

// Spend asks the meter for one call. Its error names the call, and is certain: nothing was sent.
func Spend(ctx context.Context, m Meter, scope, op string) error {
	if err := m.Spend(ctx, scope); err != nil {
		return unsent(op, err)
	}
	return nil
}

// Turn lets one caller at a time make calls that belong together, such as reading what is defined and defining what is
// missing. It is no mutex because calls are made meanwhile: whoever is told to stop does not wait for somebody else's.
type Turn chan struct{}

// NewTurn returns a turn that anybody may take.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits for the turn, or for the end of ctx. Who has it must call done.
func (t Turn) Take(ctx context.Context, op string) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, unsent(op, ctx.Err())
	}
}

// unsent is the error of a call that was never made.
func unsent(op string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &contact.Error{Kind: contact.Unavailable, Op: op, Message: "the call was cancelled before it was made"}
	}
	e := *contact.AsError(err)
	e.Op = op
	return &e
}
