// Package console is the admin door: the JSON API that the commands use, and the pages that people look at.
// It listens on its own address, never on that of the webhooks.
package console

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Operations are what the admin door can do. The daemon implements them; so does a command that found no
// daemon running and opened the state file itself.
type Operations interface {
	Status(ctx context.Context) (Status, error)
	Explain(ctx context.Context, what string, show bool) (Explanation, error)

	DeadLetters(ctx context.Context, f DeadFilter) ([]DeadLetter, error)
	// RetryDead and DropDead act on one dead letter by its id, or on all that a filter chooses.
	RetryDead(ctx context.Context, f DeadFilter) (int, error)
	DropDead(ctx context.Context, f DeadFilter) (int, error)
	Quarantined(ctx context.Context, limit int) ([]QuarantineItem, error)
	QuarantineBody(ctx context.Context, id uint64, show bool) (QuarantineBody, error)
	// RetryQuarantined and DropQuarantined act on one webhook by its id, or on all of them for 0.
	RetryQuarantined(ctx context.Context, id uint64) (Requeued, error)
	DropQuarantined(ctx context.Context, id uint64) (int, error)

	// Reconcile starts a run and returns at once; its state is read with Run.
	Reconcile(ctx context.Context, ask RunAsk) (state.Run, error)
	Runs(ctx context.Context, limit int) ([]state.Run, error)
	RunState(ctx context.Context, id string) (state.Run, error)
	Plan(ctx context.Context, run string, after string, limit int, show bool) (PlanPage, error)
	Apply(ctx context.Context, run string, ask ApplyAsk) (Applied, error)
	// Undo makes a plan that takes back what a run did.
	Undo(ctx context.Context, run string) (state.Run, error)
	Discard(ctx context.Context, run string) (int, error)

	Pause(ctx context.Context, target, why string) error
	Resume(ctx context.Context, target string) error
	Rebind(ctx context.Context, what string) error
	Reload(ctx context.Context) (ReloadResult, error)

	Conflicts(ctx context.Context, show bool) ([]Conflict, error)
	ResolveConflict(ctx context.Context, id string) (Resolved, error)
	Link(ctx context.Context, key, target, id string) error
	Unlink(ctx context.Context, key, target string) error
	Forget(ctx context.Context, what string) (string, error)

	// Hooks lists the webhooks that the sender of a source knows, of all sources when the name is empty.
	// InstallHook makes sure that one of them delivers here.
	Hooks(ctx context.Context, source string) ([]Hook, error)
	InstallHook(ctx context.Context, source string) (InstalledHook, error)

	Backup(ctx context.Context, w io.Writer) error
	Compact(ctx context.Context) (CompactResult, error)
	// Export writes what cannot be rebuilt from sources and targets.
	Export(ctx context.Context, w io.Writer) error
}

// Status is the state of everything, in words and numbers.
type Status struct {
	Version   string         `json:"version"`
	At        time.Time      `json:"at,omitzero"`      // when it was counted: what came later is not in it
	Started   time.Time      `json:"started,omitzero"` // zero when no daemon runs
	Mapping   MappingStatus  `json:"mapping"`
	Sources   []SourceStatus `json:"sources"`
	Targets   []TargetStatus `json:"targets"`
	Runs      []state.Run    `json:"runs"` // the latest of each source, and all that are held
	Store     state.Stats    `json:"store"`
	Records   int            `json:"records"`
	People    int            `json:"people"`
	Mapless   int            `json:"to_map"` // records waiting to be mapped
	Conflicts int            `json:"conflicts"`
	Strangers []Stranger     `json:"strangers,omitempty"`
	Attention []string       `json:"attention"` // what needs somebody, most urgent first
	Zone      string         `json:"zone,omitempty"`
}

// Stranger is a source or target that the state knows and the mapping file does not.
type Stranger struct {
	What string `json:"what"` // source, target
	Name string `json:"name"`
	Rows int    `json:"rows"` // its records, or the people with a link there
}

// MappingStatus is which mapping is in use.
type MappingStatus struct {
	File  string    `json:"file"`
	Hash  string    `json:"hash"`
	Since time.Time `json:"since,omitzero"`
	Error string    `json:"error,omitempty"` // why a newer file is not in use
}

// SourceStatus is one source.
type SourceStatus struct {
	Name        string         `json:"name"`
	Kind        string         `json:"kind"`
	LastWebhook time.Time      `json:"last_webhook,omitzero"`
	Events      map[string]int `json:"events,omitempty"` // by receipt, since the start
	Records     int            `json:"records"`
	NextRun     time.Time      `json:"next_run,omitzero"`
	Budget      []Budget       `json:"budget,omitempty"`
	Quarantined int            `json:"quarantined"`
}

// TargetStatus is one target.
type TargetStatus struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind"`
	Place     string         `json:"place,omitempty"`
	Doing     string         `json:"doing"` // in words: what it is doing, or what it waits for and why
	Paused    *state.Paused  `json:"paused,omitempty"`
	Due       map[string]int `json:"due"` // by lane
	Held      int            `json:"held"`
	Oldest    time.Time      `json:"oldest,omitzero"`
	Done      time.Time      `json:"done,omitzero"` // when the backlog will be worked off
	Linked    int            `json:"linked"`
	Waiting   map[string]int `json:"waiting,omitempty"` // by kind
	Left      int            `json:"left,omitempty"`    // people with a value that does not stay
	Values    []LeftValue    `json:"left_values,omitempty"`
	Labels    []string       `json:"strange_labels,omitempty"` // whose name has come to mean another one
	Written   int            `json:"written,omitempty"`        // people to whom syncer ever wrote
	Found     int            `json:"found,omitempty"`          // people whose contact was there before this start, just as syncer leaves it
	Dead      int            `json:"dead"`
	Mirror    time.Time      `json:"mirror,omitzero"`
	Contacts  int            `json:"contacts"`
	Budget    []Budget       `json:"budget"`
	Delivered map[string]int `json:"delivered,omitempty"` // by outcome, since the start
}

// LeftValue is an attribute that is left alone, because something at the target keeps changing it back.
type LeftValue struct {
	Attr    string `json:"attr"` // without the word for its kind
	People  int    `json:"people"`
	Example string `json:"example"` // a record of one of them
}

// Budget is what is left of the calls of one scope.
type Budget struct {
	Scope   string    `json:"scope"`
	Used    int       `json:"used"`
	Left    int       `json:"left"`
	Limit   int       `json:"limit"`
	Blocked time.Time `json:"blocked_until,omitzero"`
}

// MarshalJSON says nothing of a limit where there is none: no calls left of none would look like a key that is used up.
func (b Budget) MarshalJSON() ([]byte, error) {
	type bounded Budget
	if b.Limit > 0 {
		return json.Marshal(bounded(b))
	}
	return json.Marshal(struct {
		Scope   string    `json:"scope"`
		Used    int       `json:"used"`
		Blocked time.Time `json:"blocked_until,omitzero"`
	}{b.Scope, b.Used, b.Blocked})
}

// Explanation is everything that is known of one record or person, oldest first.
type Explanation struct {
	Person  state.PersonID   `json:"person"`
	Records []ExplainRecord  `json:"records"`
	Targets []ExplainTarget  `json:"targets"`
	Journal []state.Entry    `json:"journal"`
	Consent map[string]bool  `json:"consent,omitempty"` // origin -> refused
	Notes   []string         `json:"notes,omitempty"`
	Others  []state.PersonID `json:"others,omitempty"` // when the record stands for several people
	Zone    string           `json:"zone,omitempty"`   // whose time is told
}

// ExplainRecord is one record of a person.
type ExplainRecord struct {
	Key      string            `json:"key"`
	Version  contact.Version   `json:"version"`
	Arrived  time.Time         `json:"arrived"`
	State    string            `json:"state"` // live, deleted, not fetched yet …
	Says     []Said            `json:"says"`
	Problems []contact.Problem `json:"problems,omitempty"`
}

// Said is one thing that a record says, and the mapping that says so.
type Said struct {
	contact.Step
	Mapping string `json:"mapping"`
	Part    string `json:"part,omitempty"`   // of a record that stands for several people
	Target  string `json:"target,omitempty"` // when it is said to one target only
}

// ExplainTarget is a person at one target.
type ExplainTarget struct {
	Target  string         `json:"target"`
	Contact string         `json:"contact,omitempty"`
	How     string         `json:"how"`   // created, adopted, none
	State   string         `json:"state"` // as desired, due, waiting: …
	Due     time.Time      `json:"due,omitzero"`
	Pending []contact.Step `json:"pending,omitempty"` // what would be written now, or is kept and why
}

// DeadKinds are the kinds that a dead letter can have.
var DeadKinds = []string{string(contact.Invalid), string(contact.Rejected), string(contact.Internal)}

// DeadFilter chooses dead letters. The zero filter chooses all.
type DeadFilter struct {
	ID     string `json:"id,omitempty"`
	Target string `json:"target,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// DeadLetter is a dead letter with its id.
type DeadLetter struct {
	ID string `json:"id"`
	state.DeadLetter
}

// QuarantineItem is one authentic webhook that could not be decoded. The body is shown only on demand.
type QuarantineItem struct {
	ID     uint64    `json:"id"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Bytes  int       `json:"bytes"`
}

// QuarantineBody is one of them as it came. Without show the body is left out: it is about people.
type QuarantineBody struct {
	QuarantineItem
	Header map[string]string `json:"header,omitempty"`
	Cut    bool              `json:"cut,omitempty"` // whether only its beginning was kept
	Body   string            `json:"body,omitempty"`
}

// Requeued says how many webhooks of the quarantine could be read this time, and why the last of the others could not.
type Requeued struct {
	Read   int    `json:"read"`
	Left   int    `json:"left"`
	Reason string `json:"reason,omitempty"`
}

// RunAsk asks for a run.
type RunAsk struct {
	Source string `json:"source"`
	Kind   string `json:"kind"` // changes, full, replay
	Yes    bool   `json:"yes,omitempty"`
	Hold   bool   `json:"hold,omitempty"` // keep it as a plan
	ApplyAsk
}

// ApplyAsk narrows what of a plan is applied.
type ApplyAsk struct {
	Only  []string `json:"only,omitempty"` // record keys
	Limit int      `json:"limit,omitempty"`
}

// Applied says what an apply let go, and for whom something changed since the plan was made: those were left out.
type Applied struct {
	People int       `json:"people"`
	Moved  []PlanRow `json:"moved,omitempty"`
}

// PlanPage is a part of a plan.
type PlanPage struct {
	Rows []PlanRow `json:"rows"`
	Next string    `json:"next,omitempty"`
}

// PlanRow is what would be done for one person at one target.
type PlanRow struct {
	Target  string         `json:"target"`
	Person  state.PersonID `json:"person"`
	Records []string       `json:"records"`
	Contact string         `json:"contact,omitempty"`
	What    string         `json:"what"` // create, update, label, update and label, block, delete
	Steps   []contact.Step `json:"steps"`
}

// ReloadResult says what a new mapping file changes.
type ReloadResult struct {
	Hash    string `json:"hash"`
	Changed bool   `json:"changed"`       // whether the meaning of the mappings changed
	Run     string `json:"run,omitempty"` // the run that holds what would change
	Message string `json:"message"`
}

// Conflict is a conflict with its id.
type Conflict struct {
	ID string `json:"id"`
	state.Conflict
}

// What became of a conflict that somebody called settled.
const (
	Settled  = "settled"
	Standing = "standing" // its records were looked at again, and the cause is still there
	Looking  = "looking"  // its records are still to be looked at
)

// Resolved says what became of a conflict, in words too.
type Resolved struct {
	State   string `json:"state"`
	Message string `json:"message"`
}

// Hook is a webhook as the sender of a source lists it.
type Hook struct {
	Source string `json:"source"`
	ID     string `json:"id"`
	URL    string `json:"url"` // without what is secret in it
	// Ours says that it delivers to this syncer.
	Ours       bool      `json:"ours"`
	Active     bool      `json:"active"`
	LastStatus int       `json:"last_status,omitempty"` // of its last delivery; 0 when there was none
	LastTime   time.Time `json:"last_time,omitzero"`
}

// InstalledHook is the webhook that delivers here. New says that it was made or replaced just now: what changed
// before must be read by a run.
type InstalledHook struct {
	Hook
	New bool `json:"new"`
}

// CompactResult says what a compaction gained.
type CompactResult struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}
