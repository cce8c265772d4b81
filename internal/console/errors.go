package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"syncer/internal/contact"
)

// Kinds of refusal that are the door's own. Besides them an Error has the kinds of contact.Error.
const (
	NotFound     = "not_found"    // there is no such thing
	BadRequest   = "bad_request"  // the question cannot be understood
	Refused      = "refused"      // it cannot be done as things are now
	Busy         = "busy"         // something else is under way
	Unauthorized = "unauthorized" // the token is missing or wrong
	Forbidden    = "forbidden"    // the request comes from another site
	TooLarge     = "too_large"
	Unsupported  = "unsupported" // the body is of a type that the door does not read
)

// Error is what the door answers when something cannot be done. Operations return it for refusals that a person
// can act upon; Client returns it for whatever the daemon answered.
type Error struct {
	Kind    string
	Message string
	Until   time.Time // when to try again; zero when that is not known
}

// Errorf makes an Error.
func Errorf(kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// KindOf returns the kind of any error, as the door would report it.
func KindOf(err error) string { return errorOf(err).Kind }

// statuses are the HTTP statuses of the kinds.
var statuses = map[string]int{
	NotFound: http.StatusNotFound, BadRequest: http.StatusBadRequest, Refused: http.StatusConflict, Busy: http.StatusConflict,
	Unauthorized: http.StatusUnauthorized, Forbidden: http.StatusForbidden, TooLarge: http.StatusRequestEntityTooLarge,
	Unsupported:                 http.StatusUnsupportedMediaType,
	string(contact.Throttled):   http.StatusTooManyRequests,
	string(contact.Unavailable): http.StatusServiceUnavailable,
	string(contact.Unready):     http.StatusServiceUnavailable,
	string(contact.Auth):        http.StatusBadGateway,
	string(contact.Suspended):   http.StatusBadGateway,
	string(contact.Rejected):    http.StatusBadGateway,
	string(contact.Invalid):     http.StatusUnprocessableEntity,
	string(contact.NoAddress):   http.StatusUnprocessableEntity,
	string(contact.Conflict):    http.StatusConflict,
	string(contact.Gone):        http.StatusNotFound,
	string(contact.Internal):    http.StatusInternalServerError,
}

// Status is the HTTP status that the error travels under.
func (e *Error) Status() int {
	if s, ok := statuses[e.Kind]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// errorOf renders any error as the door answers it.
func errorOf(err error) *Error {
	var refusal *Error
	var failure *contact.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &failure):
		return &Error{Kind: string(failure.Kind), Message: err.Error(), Until: failure.Until}
	case errors.As(err, &tooLarge):
		return Errorf(TooLarge, "the request is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: string(contact.Unavailable), Message: "it was interrupted before it ended"}
	}
	return &Error{Kind: string(contact.Internal), Message: err.Error()}
}

// Unreachable is returned by Client when nobody answers at its address, or somebody else does.
type Unreachable struct {
	Base string
	Err  error
}

// Error names the address.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("no syncer answers at %s: %v", e.Base, e.Err)
}

// Unwrap returns the cause.
func (e *Unreachable) Unwrap() error { return e.Err }
