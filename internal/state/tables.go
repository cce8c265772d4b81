package state

import (
	"cmp"
	"encoding/json"
	"time"

	"syncer/internal/contact"
)

// PersonID numbers the persons of one installation.
type PersonID uint64

// Lane orders what is due. Lower lanes go first.
type Lane uint8

// The lanes: consent and erasure before everything; what people do one by one; mass edits and reconciliations.
const (
	LaneConsent Lane = iota
	LaneLive
	LaneBulk
)

// String names the lane in metrics and logs.
func (l Lane) String() string { return [...]string{"consent", "live", "bulk"}[min(l, LaneBulk)] }

// Record is one row of a source as last accepted.
type Record struct {
	Version contact.Version `json:"version"`
	// Num is a dense number, for sets of records.
	Num uint64 `json:"num"`
	// Seq grows with every accepted state; a delivery clears what it delivered only if Seq is still the same.
	Seq     uint64 `json:"seq"`
	Deleted bool   `json:"deleted,omitempty"`
	// Thin says that the payload must be fetched from the source before it can be mapped.
	Thin bool `json:"thin,omitempty"`
	// Into is the record that this one was merged into; it stays until the persons were joined.
	Into *contact.Key `json:"into,omitempty"`
	// Erase says that the person asked to be forgotten; never undone by later events.
	Erase bool `json:"erase,omitempty"`
	// Arrived is when the newest state came, and Read when syncer last read it from the source itself.
	Arrived int64 `json:"arrived"`
	Read    int64 `json:"read,omitempty"`
	// Last is the hash of the last event's content, for senders without event ids; Listed the hash of the
	// payload as the list last showed it.
	Last   []byte `json:"last,omitempty"`
	Listed []byte `json:"listed,omitempty"`
	// IDs are the newest event ids, and Spilled says that older ones are in the table of ids.
	IDs     []byte `json:"ids,omitempty"`
	Spilled bool   `json:"spilled,omitempty"`
	// Due is when the record is to be mapped, 0 when it is not; Lane and Hold say how the work it causes travels.
	Due  int64  `json:"due,omitempty"`
	Lane Lane   `json:"lane,omitempty"`
	Hold string `json:"hold,omitempty"`
	// First is when the oldest event that is not yet mapped arrived, and Events how many have come since.
	First  int64 `json:"first,omitempty"`
	Events int   `json:"events,omitempty"`
	// Fails counts failed attempts to fetch it.
	Fails int `json:"fails,omitempty"`
	// Absent counts the runs in a row whose complete walk did not show it, and AbsentIn is the last of them.
	Absent   int    `json:"absent,omitempty"`
	AbsentIn string `json:"absent_in,omitempty"`
	// Parts are the persons it stands for.
	Parts []RecordPart `json:"parts,omitempty"`
	// Mapped names the mapping and definitions under which it was last mapped.
	Mapped string `json:"mapped,omitempty"`
	// Regressed counts how often a reading of the source replaced a newer-looking state.
	Regressed int `json:"regressed,omitempty"`
}

// RecordPart says which person one contact of a record belongs to.
type RecordPart struct {
	Mapping  string           `json:"mapping"`
	Part     string           `json:"part,omitempty"`
	Person   PersonID         `json:"person"`
	Identity contact.Identity `json:"identity,omitempty"`
	Name     string           `json:"name,omitempty"` // folded
}

// Person is what syncer believes is one human.
type Person struct {
	Records []contact.Key `json:"records"`
	// Seq grows whenever a record of the person or their consent changes.
	Seq uint64 `json:"seq"`
	// Targets are those at which the person has a link.
	Targets []string `json:"targets,omitempty"`
	// Erase says that the person asked to be forgotten.
	Erase bool `json:"erase,omitempty"`
}

// Claim says that a part of a record gives an identity.
type Claim struct {
	Key     contact.Key `json:"key"`
	Mapping string      `json:"mapping"`
	Part    string      `json:"part,omitempty"`
	Person  PersonID    `json:"person"`
	Name    string      `json:"name,omitempty"` // folded, to tell a duplicate record from a shared line
	// Assumed says that the number was completed by a default area code: it may be somebody else's.
	Assumed bool  `json:"assumed,omitempty"`
	Since   int64 `json:"since"`
}

// Link is what syncer knows about one person at one target.
type Link struct {
	// Contact is the target's id; empty while the person has none there.
	Contact string `json:"contact,omitempty"`
	contact.Link
	// Adopted is the contact as it stood before syncer first wrote to it.
	Adopted *contact.Observed `json:"adopted,omitempty"`
	// Orphan says that no record stands for the contact any more because its person turned out to have
	// another one: it is given back without the labels that syncer gave.
	Orphan bool `json:"orphan,omitempty"`
	// Guess says that the orphan was made under a number that was completed by a default area code and is somebody
	// else's: whatever syncer wrote there is taken back.
	Guess bool `json:"guess,omitempty"`
	// Cleared is the person's Seq whose changes an operator or a judged run let pass the guard.
	Cleared uint64 `json:"cleared,omitempty"`
	// Run is the run that let the delivery go, and Expect the digest of the change it was let go for: a
	// delivery that turns out to be another one is held again.
	Run    string `json:"run,omitempty"`
	Expect []byte `json:"expect,omitempty"`
	// Undo is the run whose change of this person is to be taken back.
	Undo string `json:"undo,omitempty"`
	// Doubt is how many look-ups must still come back empty before a create is sent again whose answer was
	// lost: two where the target accepts a second contact with the same address, else one.
	Doubt int `json:"doubt,omitempty"`
	// Gone says that the contact was deleted at the target by hand and is not made again; TakenBack that syncer itself
	// deleted it, by an undo, and makes none until the source says something else.
	Gone      bool `json:"gone,omitempty"`
	TakenBack bool `json:"taken_back,omitempty"`
	// Done is the person's Seq that was last delivered.
	Done uint64 `json:"done,omitempty"`
	// At is when something was last written.
	At int64 `json:"at,omitempty"`
	// Due is when the next delivery is due, 0 when none is.
	Due  int64 `json:"due,omitempty"`
	Lane Lane  `json:"lane,omitempty"`
	// First is when the oldest undelivered event arrived.
	First int64 `json:"first,omitempty"`
	// Hold is the run or guard that keeps the delivery back; such a link has no Due, but for Will.
	Hold string `json:"hold,omitempty"`
	// Will says that what the person said about being written to is due, and nothing else, because Hold keeps the
	// rest back.
	Will bool `json:"will,omitempty"`
	// Waiting says why nothing is written although something was wanted; empty when all is as desired.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Fails counts attempts that failed since the last success.
	Fails int `json:"fails,omitempty"`
	// Refused counts those of them at which others passed: so often the person themselves is the reason.
	Refused int `json:"refused,omitempty"`
	// Flips remember values that did not stay, attribute by attribute.
	Flips map[string]Flip `json:"flips,omitempty"`
}

// Waiting says what keeps a person from being as desired at a target.
type Waiting struct {
	Kind    contact.ErrorKind `json:"kind"`
	Message string            `json:"message"`
	At      int64             `json:"at"`
	Seq     uint64            `json:"seq"` // the person's Seq it is bound to
}

// Flip counts how often a written value was found changed.
type Flip struct {
	Wrote string  `json:"wrote"`
	At    []int64 `json:"at"`
}

// Mirrored is a contact of a target as last seen. Of contacts that belong to no person only the identities,
// the status and the moments are kept.
type Mirrored struct {
	contact.Observed
	// Person is whose contact it is, 0 for nobody's.
	Person PersonID `json:"person,omitempty"`
	// Hidden are hashes of the identities of a contact that belongs to nobody.
	Hidden [][]byte `json:"hidden,omitempty"`
	// Wrote is when syncer itself last changed the contact, by our clock: a listing that began earlier may
	// show it as it was before.
	Wrote int64 `json:"wrote,omitempty"`
}

// MirrorMark is how far a mirror has read its target. Moments of the target's clock are in microseconds.
type MirrorMark struct {
	// Refreshed is when the last complete reading began, by our clock.
	Refreshed int64 `json:"refreshed,omitempty"`
	// Safe is the moment of the target's clock up to which every change has been seen; GoneSafe the same for
	// deletions.
	Safe     int64 `json:"safe,omitempty"`
	GoneSafe int64 `json:"gone_safe,omitempty"`
	// Tie is a moment at which so many contacts changed at once that reading them again is left out, until
	// it is old enough for nothing more to appear beside it.
	Tie int64 `json:"tie,omitempty"`
	// Cursor, Phase and Began are set while a reading is under way, so that it can go on after a restart.
	Phase  string `json:"phase,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	Began  int64  `json:"began,omitempty"`
	Clock  int64  `json:"clock,omitempty"` // the target's, when the reading began
	Newest int64  `json:"newest,omitempty"`
	Same   int    `json:"same,omitempty"` // contacts that share Newest
	// Fields are the types of the fields that mappings write; when one changes, everything is read again.
	Fields string `json:"fields,omitempty"`
}

// Consent is what is known of a person's will to be written to, by origin.
type Consent map[string]ConsentEntry

// ConsentEntry is what one origin last said: when, and when that came. A word that does not tell when it was said
// counts from when it came. Entries of older versions know neither Came nor Timed.
type ConsentEntry struct {
	Out   bool  `json:"out"`
	At    int64 `json:"at"`
	Came  int64 `json:"came,omitempty"`
	Timed bool  `json:"timed,omitempty"` // it tells when it was said
}

// Word is what an origin says, at a moment by its own clock (0: it does not tell), and when that came. What a clock that
// is ahead says of later counts from when it came: otherwise the origin would not be heard until then.
func Word(out bool, said, came int64) ConsentEntry {
	return ConsentEntry{Out: out, At: cmp.Or(min(said, came), came), Came: came, Timed: said != 0}
}

// over reports whether a word counts over the one that stands. Words that tell when they were said are ordered by that,
// and words that do not by when they came. Of one of each kind nobody knows which was said first: a consent counts only
// if it was said after the refusal had come. In doubt the refusal stands.
func (e ConsentEntry) over(had ConsentEntry) bool {
	switch {
	case had.Came == 0 || e.Came == 0 || e.Timed == had.Timed:
		return e.At >= had.At
	case e.Out == had.Out:
		return e.Came >= had.Came
	case e.Out:
		return had.At <= e.Came
	}
	return e.At > had.Came
}

// OptedOut reports whether any origin says that the person refused.
func (c Consent) OptedOut() bool {
	for _, e := range c {
		if e.Out {
			return true
		}
	}
	return false
}

// Entry is one line of a person's journal.
type Entry struct {
	At     int64          `json:"at"`
	What   string         `json:"what"` // received, mapped, wrote, kept, failed, held, linked, joined, released …
	Record *contact.Key   `json:"record,omitempty"`
	Target string         `json:"target,omitempty"`
	Text   string         `json:"text,omitempty"`
	Steps  []contact.Step `json:"steps,omitempty"`
	Calls  int            `json:"calls,omitempty"`
	Millis int64          `json:"ms,omitempty"`
	Run    string         `json:"run,omitempty"`
}

// DeadLetter is a delivery that will not be tried again by itself.
type DeadLetter struct {
	Target  string            `json:"target"`
	Person  PersonID          `json:"person"`
	Records []contact.Key     `json:"records"`
	Kind    contact.ErrorKind `json:"kind"`
	Message string            `json:"message"`
	At      int64             `json:"at"`
	Seq     uint64            `json:"seq"`
	Calls   int               `json:"calls,omitempty"`
}

// Quarantined is an authentic webhook that could not be decoded.
type Quarantined struct {
	Source string            `json:"source"`
	At     int64             `json:"at"`
	Reason string            `json:"reason"`
	Header map[string]string `json:"header,omitempty"`
	Body   []byte            `json:"body"`
}

// Conflict is a question that only a person can answer; both sides are named.
type Conflict struct {
	Kind     string           `json:"kind"` // shared_phone, taken, duplicate, other_name, merge
	Target   string           `json:"target,omitempty"`
	Identity contact.Identity `json:"identity,omitempty"`
	Records  []contact.Key    `json:"records,omitempty"`
	Contacts []string         `json:"contacts,omitempty"`
	Message  string           `json:"message"`
	At       int64            `json:"at"`
}

// Place is what a credential opened when it was first used.
type Place struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	At   int64  `json:"at"`
}

// Paused says that a target or source is not used, and why.
type Paused struct {
	Why string            `json:"why"`
	How contact.ErrorKind `json:"how,omitempty"` // empty: by hand
	At  int64             `json:"at"`
}

// Run is one execution of a reconciliation, or of a changed mapping file.
type Run struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Kind   string `json:"kind"` // changes, full, mapping, replay, undo, guard
	State  string `json:"state"`
	// Since is the window it reads, Cursor where it stands, Mark the newest source time it saw.
	Since   int64  `json:"since,omitempty"`
	Cursor  string `json:"cursor,omitempty"`
	Mark    int64  `json:"mark,omitempty"`
	Started int64  `json:"started"`
	Ended   int64  `json:"ended,omitempty"`

	Pages     int `json:"pages,omitempty"`
	Records   int `json:"records,omitempty"`
	Unchanged int `json:"unchanged,omitempty"`
	Stale     int `json:"stale,omitempty"`
	Missing   int `json:"missing,omitempty"`
	Deleted   int `json:"deleted,omitempty"`
	// Unannounced counts records that changed without a webhook saying so.
	Unannounced int `json:"unannounced,omitempty"`
	// Held are the people it would change and has not released, Plan what that would be, per target.
	Held int                 `json:"held,omitempty"`
	Plan map[string]PlanSums `json:"plan,omitempty"`
	Why  string              `json:"why,omitempty"`
	Err  string              `json:"error,omitempty"`
	// Yes says that it was started with the operator's consent to whatever it finds, Hold that it was asked for as a
	// plan; Only and Limit narrow whom it releases. A run that goes on after a restart is still what was asked for.
	Yes   bool          `json:"yes,omitempty"`
	Hold  bool          `json:"hold,omitempty"`
	Only  []contact.Key `json:"only,omitempty"`
	Limit int           `json:"limit,omitempty"`
}

// PlanSums are the sums of a plan for one target.
type PlanSums struct {
	contact.Counts
	People int `json:"people"`
	Calls  int `json:"calls"`
	Other  int `json:"other_calls,omitempty"`
	Linked int `json:"linked"` // people linked there when it was made
	// Adopted are people whose contact was found there; Waiting those who get nothing, by kind.
	Adopted int            `json:"adopted,omitempty"`
	Waiting map[string]int `json:"waiting,omitempty"`
	// Problems are attributes that could not be read from their record; the rest is written.
	Problems int `json:"problems,omitempty"`
	// Missing are labels and fields that would be made first.
	Missing []string `json:"missing,omitempty"`
	// Dropped counts the people who bear a label that syncer gave and that the mapping file no longer names.
	Dropped map[string]int `json:"dropped,omitempty"`
	// Campaigns counts the people for whom a write would start a campaign, by its name.
	Campaigns map[string]int `json:"campaigns,omitempty"`
	// Unread says that the campaigns could not be read, so that nobody knows which would be started.
	Unread  bool `json:"campaigns_unread,omitempty"`
	Seconds int  `json:"seconds,omitempty"` // how long it will take
}

// Done is what a run changed for one person, kept so that it can be undone.
type Done struct {
	Contact string         `json:"contact"`
	Change  contact.Change `json:"change"`
	// URNs is the address list as it stood before, when it was changed.
	URNs []contact.URN `json:"urns,omitempty"`
	At   int64         `json:"at"`
}

// Kept is what an export brings back of a contact whose link was lost.
type Kept struct {
	Created bool         `json:"created,omitempty"`
	Base    contact.Base `json:"base"`
}

// Held is one person kept back at one target by a run or guard.
type Held struct {
	Seq    uint64         `json:"seq"`
	Change contact.Change `json:"change"`
	// Contact and Modified are what the change was computed against.
	Contact  string        `json:"contact,omitempty"`
	Modified int64         `json:"modified,omitempty"`
	Why      string        `json:"why,omitempty"`
	Keys     []contact.Key `json:"keys,omitempty"`
}

// Spent is the call ledger of one credential and scope: calls per slot of a few seconds, oldest first.
type Spent struct {
	Slots map[int64]int `json:"slots"` // slot number -> calls
	Until int64         `json:"until,omitempty"`
	// Others is how many calls of the window somebody else seems to use.
	Others float64 `json:"others,omitempty"`
	Seen   int64   `json:"seen,omitempty"`
}

// Mark is a small value under a name: cursors, watermarks, the last start of a schedule.
type Mark struct {
	Text string          `json:"text,omitempty"`
	At   int64           `json:"at,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// The tables.
var (
	Records    = Table[contact.Key, Record]{"records", recordKey, parseRecordKey}
	Persons    = Table[PersonID, Person]{"persons", personKey, parsePersonKey}
	Claims     = Table[contact.Identity, []Claim]{"claims", textKey[contact.Identity], parseText[contact.Identity]}
	Links      = Table[LinkKey, Link]{"links", LinkKey.encode, parseLinkKey}
	Mirror     = Table[At, Mirrored]{"mirror", At.encode, parseAt}
	Consents   = Table[contact.Identity, Consent]{"consents", textKey[contact.Identity], parseText[contact.Identity]}
	Journal    = Table[JournalKey, Entry]{"journal", JournalKey.encode, parseJournalKey}
	Dead       = Table[LinkKey, DeadLetter]{"dead", LinkKey.encode, parseLinkKey}
	Quarantine = Table[uint64, Quarantined]{"quarantine", number, parseNumber}
	Conflicts  = Table[string, Conflict]{"conflicts", textKey[string], parseText[string]}
	Places     = Table[string, Place]{"places", textKey[string], parseText[string]}
	Pauses     = Table[string, Paused]{"paused", textKey[string], parseText[string]}
	Runs       = Table[string, Run]{"runs", textKey[string], parseText[string]}
	Holds      = Table[HoldKey, Held]{"held", HoldKey.encode, parseHoldKey}
	Dones      = Table[HoldKey, Done]{"done", HoldKey.encode, parseHoldKey}
	Keeps      = Table[At, Kept]{"kept", At.encode, parseAt}
	Ledger     = Table[At, Spent]{"spent", At.encode, parseAt}
	Marks      = Table[string, Mark]{"marks", textKey[string], parseText[string]}
)

// Tables whose values are not JSON: payloads as received, indexes without a value, bitmaps.
const (
	payloads    = "payloads"     // record -> payload
	todo        = "todo"         // lane, due, record -> nothing
	due         = "due"          // target, lane, due, person -> nothing
	linked      = "linked"       // target, contact -> person
	mirrorIndex = "mirror_index" // target, identity hash, contact -> nothing
	seenA       = "seen_a"       // event id hash -> nothing
	seenB       = "seen_b"
	walked      = "walked"    // run, chunk -> bitmap of record numbers
	forgotten   = "forgotten" // keyed hash of an erased identity or record -> when
	Meta        = "meta"      // format, installation, secrets of its own
)

// Tables lists all tables, for stores that make them beforehand.
func Tables() []string {
	return []string{Records.Name, Persons.Name, Claims.Name, Links.Name, Mirror.Name, Consents.Name, Journal.Name,
		Dead.Name, Quarantine.Name, Conflicts.Name, Places.Name, Pauses.Name, Runs.Name, Holds.Name, Dones.Name, Keeps.Name, Ledger.Name,
		Marks.Name, payloads, todo, due, linked, mirrorIndex, seenA, seenB, walked, forgotten, Meta}
}

func micros(t time.Time) int64 { return contact.Micros(t) }
