// Package source is what all kinds of sources have in common: the shape of what they give, and the answers
// their webhooks expect. Each kind lives in a package of its own below this one and knows nothing of the
// engine, the store or the other kinds.
package source

import (
	"context"
	"net/http"
	"time"

	"syncer/internal/contact"
)

// Source is one configured source of records.
type Source interface {
	// Decode turns an authentic webhook body into events. Events of types that the source ignores are left
	// out: an empty result is no error. A body of several events may give some beside an error about the
	// rest. The version's arrival is filled by the caller.
	Decode(h http.Header, body []byte) ([]contact.Event, error)
	// Record reads a payload, of a webhook or of the API alike, as the mapping sees it. It does no network
	// calls; names of options and fields come from what Prepare loaded.
	Record(payload []byte) (map[string]any, error)
	// Prepare loads what Record needs from the API: field names, options, labels. It is called at start,
	// then daily, and whenever the source is Stale.
	Prepare(ctx context.Context) error
	// Definitions changes whenever Prepare found other names than before, so that records mapped under the
	// old ones are mapped again. It is stable across restarts.
	Definitions() string
	// List reads one page of records. Cursor is empty for the first page.
	List(ctx context.Context, w Window, cursor string) (Page, error)
	// Get reads records by id, at most as many as Can().Batch. What is not in the result does not exist or
	// may not be seen: for a single id that is certain only when Missing names it.
	Get(ctx context.Context, ids []string) (Found, error)
	// Place names what the credentials open (a company, an account); both empty when it cannot be told.
	Place(ctx context.Context) (id, name string, err error)
	// Can says what the source offers.
	Can() Abilities
	// Answers are the statuses its sender expects.
	Answers() Answers
}

// Challenger is implemented by sources whose sender checks the address with a GET before it uses it.
type Challenger interface {
	Challenge(w http.ResponseWriter, r *http.Request)
}

// Stale is implemented by sources that notice when a record uses names that Prepare has not seen.
type Stale interface {
	Stale() bool
}

// Named is implemented by sources whose records carry ids of names that Prepare must have loaded. Until then a
// record would seem to lack what it only does not spell out, so nothing of the source is mapped.
type Named interface {
	// Ready reports whether Prepare has succeeded, now or in an earlier life (see Recall).
	Ready() bool
	// Remember returns what Prepare loaded, for the state; nil before.
	Remember() []byte
	// Recall takes back what an earlier Prepare loaded.
	Recall(data []byte) error
}

// Window is what a walk reads.
type Window struct {
	// Since asks only for records changed at or after it; the zero time asks for all.
	Since time.Time
}

// Page is one page of a walk.
type Page struct {
	// Events are the rows as authoritative upserts (or deletes, where the list marks them).
	Events []contact.Event
	// Next is the cursor of the following page; empty at the end.
	Next string
	// Calls is how many calls the page took.
	Calls int
}

// Found is the answer of Get.
type Found struct {
	Events []contact.Event
	// Missing are ids of which the source said, one by one, that they do not exist.
	Missing []string
}

// Abilities are what a source offers.
type Abilities struct {
	List  bool // a walk over all records
	Since bool // a walk over changed records only
	Get   bool
	Batch int // ids a Get takes at once
	// Deletes says that a full walk shows what exists, so that absence means deletion.
	Deletes bool
}

// Answers are the HTTP statuses that a sender expects. Whatever else happens (401, 404, 413, 503) is the
// same for all.
type Answers struct {
	Accepted    int // 202 by default
	Duplicate   int // 200 by default
	Undecodable int // 400 by default; 200 for senders that ban an address after failures
}

// DefaultAnswers are those of a sender without special wishes.
func DefaultAnswers() Answers {
	return Answers{Accepted: http.StatusAccepted, Duplicate: http.StatusOK, Undecodable: http.StatusBadRequest}
}
