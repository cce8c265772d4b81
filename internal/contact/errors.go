package contact

import (
	"errors"
	"fmt"
	"time"
)

// ErrorKind decides what happens after a failure: whether and when to try again, how loudly to log, which
// metric label to count under, and what a person reads. The set is closed.
type ErrorKind string

// The kinds of failure.
const (
	// Throttled: the other side asked to wait until a moment. Costs no attempt.
	Throttled ErrorKind = "throttled"
	// Unavailable: it does not answer or answers that it cannot. Feeds the breaker.
	Unavailable ErrorKind = "unavailable"
	// Auth: it refuses the credentials. Pauses the place once the credential check fails too.
	Auth ErrorKind = "auth"
	// Suspended: the workspace itself is suspended or flagged. Pauses it.
	Suspended ErrorKind = "suspended"
	// Invalid: it refuses this content for good. A dead letter, bound to the version.
	Invalid ErrorKind = "invalid"
	// Rejected: it failed on this content three times while others passed. A dead letter too.
	Rejected ErrorKind = "rejected"
	// Conflict: somebody else owns what was to be written. Listed, evaluated again when a side changes.
	Conflict ErrorKind = "conflict"
	// Gone: the contact no longer exists at the target.
	Gone ErrorKind = "gone"
	// NoAddress: nothing identifies the person there; the record waits.
	NoAddress ErrorKind = "no_address"
	// Unready: a definition (field, group, tag) is missing or too new to use. Waits, costs no attempt.
	Unready ErrorKind = "unready"
	// Internal: a fault of syncer's own.
	Internal ErrorKind = "internal"
)

// Error is a failure with its decision. Message is for the operator and holds no personal data.
type Error struct {
	Kind ErrorKind
	// Op is what was being tried: "weni: update contact".
	Op      string
	Message string
	// Until is the earliest moment to try again; zero leaves it to the kind.
	Until time.Time
	// Status is the HTTP status behind it, 0 when there was no answer.
	Status int
	// RequestID is the other side's own id of the call, for its support.
	RequestID string
	// Names are the contact ids at the target that the other side named as the reason.
	Names []string
	// Uncertain says that the call may have been carried out although it failed: no answer came, or the
	// answer was a server error.
	Uncertain bool
	Err       error
}

// Error renders op, message and cause.
func (e *Error) Error() string {
	s := e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.RequestID != "" {
		s += fmt.Sprintf(" (request %s)", e.RequestID)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error; Internal for errors that carry none.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// AsError returns the *Error inside err, or wraps it as Internal.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Internal, Message: "unexpected failure", Err: err}
}
