package mapping

import "syncer/internal/contact"

// Source says where records come from. Kind decides which of the other parts are allowed.
type Source struct {
	Name      string
	Kind      string // pipedrive, generic
	Webhook   *Webhook
	API       *API     // kinds with an API of their own
	Event     *Event   // generic: where the event's parts are in the body
	Record    *Record  // generic: where the record is
	List      *List    // generic: how to list records
	Fetch     *Fetch   // generic: how to get records by id, for thin events
	Reconcile Schedule // empty expressions: never
	// Phones are the rules for numbers of this source; Country comes from the defaults.
	Area string // default area code
	// Silent is after how many hours without a webhook notify is told; 0 is never.
	SilentHours int
}

// Webhook says how a sender proves who it is.
type Webhook struct {
	Auth      string   // none, basic, static_header, bearer, path_token, hmac, standard_webhooks, stripe, hubspot_v3, hubspot_v2
	Username  string   // basic
	Password  []string // basic; several while rotating
	Header    string   // static_header, hmac, stripe
	Secret    []string // all but basic and none; several while rotating
	Algorithm string   // hmac: sha1, sha256, sha512
	Encoding  string   // hmac: hex, base64
	Prefix    string   // hmac: what stands before the signature
	Template  string   // hmac: what is signed: "{body}" or "{timestamp}.{body}"
	Timestamp string   // hmac: the header with the signed timestamp
	Tolerance int      // seconds; 300 by default where a timestamp is signed
	Decode    string   // generic: json, form, php_form
	MaxBytes  int64    // default 1 MiB
}

// API is how an API with a known shape is reached.
type API struct {
	BaseURL    string
	Token      string
	Auth       string   // pipedrive: token (x-api-token) or bearer
	PerDay     int      // the source's own budget in its own tokens; 0 is the kind's default
	PerTwoSecs int      // burst limit
	Properties []string // further fields to ask for
}

// Event names the parts of a webhook body by dotted paths.
type Event struct {
	ID        string
	Type      string
	As        map[string]string // type in the body -> upsert, delete, merge, erase, opt_out, opt_in, ignore
	Otherwise string            // for types that As does not name; upsert by default
	Time      string            // when the event happened; ordering only
	TimeAs    string            // like VersionAs
	Items     string            // path of an array of events, for batched bodies
	Into      string            // merge: path of the winner's id
}

// Record names where the record is in a body or a list item, by dotted paths.
type Record struct {
	At        string
	ID        string
	Version   string
	VersionAs string // rfc3339, unix, unix_ms, number, or a Go-free layout such as "dd/mm/yyyy hh:mm:ss"
	Payload   contact.Shape
	Deleted   string // path of a flag that marks a deleted row in lists
}

// List says how to walk a list API.
type List struct {
	URL     string
	Auth    string // value of the Authorization header
	Headers map[string]string
	Items   string // dotted path of the rows; empty: the body itself
	Format  string // json (default), csv, rows (columns and rows apart)
	Columns string // rows: path of the column names
	Next    Next
	Since   *Since
	Size    *PageSize
	PerHour int // calls an hour; 0: one a second, four in flight
}

// Next is how the following page is asked for; exactly one way.
type Next struct {
	Cursor string // path of the cursor in the answer
	Link   string // path of the whole URL of the next page; must stay on the same host
	Page   string // name of the page number parameter
	Offset string // name of the offset parameter
	Param  string // cursor: the query parameter it goes into
	First  int    // page: number of the first page, 1 by default
	Until  string // page, offset: "empty" (default), "short", or a path of the last page's number / total
}

// Since is how only changed records are asked for.
type Since struct {
	Param string
	As    string // rfc3339, unix, unix_ms, or a layout
}

// PageSize is the parameter that sets how many rows a page has.
type PageSize struct {
	Param string
	Value int
}

// Fetch gets records by id, in batches.
type Fetch struct {
	URL   string // with {id} for one, or without when Param is given
	Param string // query parameter that takes several ids
	Join  string // between the ids; "," by default
	Batch int    // ids a call
	Auth  string
	Items string
}

// Schedule holds the cron expressions of a source, five fields, in the defaults' time zone.
type Schedule struct {
	Changes string
	Full    string
}

// Target says where contacts are written.
type Target struct {
	Name          string
	Kind          string // weni, omniflow, omnichannel
	BaseURL       string
	Token         string
	URNs          []string // weni: schemes that are written; whatsapp by default
	CreateMissing bool
	OptOut        *OptOutRule
	Rate          Rate
	AllowCampaign bool
	URNStyle      string // weni: with_nine (default), without_nine, tel_only

	APIKey       string // omniflow
	ClientID     string // omniflow, OAuth client credentials
	ClientSecret string
	TokenPath    string
	Update       bool // omniflow: the contact.update operation exists on this installation

	ClientIdentifier string // omnichannel
	ChannelID        string
	Platform         string
	TagColor         string
	// Operations overrides entries of the operation table of omniflow and omnichannel.
	Operations map[string]Operation
	Decode     map[string][]string // JSON pointers, the first that resolves wins
	ArrayQuery string              // repeat, comma, brackets
	AuthHeader string              // header that carries the credential; Authorization by default
	AuthScheme string              // before the credential; "Bearer" by default
}

// Operation is one entry of the operation table.
type Operation struct {
	Method   string
	Path     string
	Body     string // json (default), query
	Disabled bool
	OK       []int
	NotFound []int
	Conflict []int
}

// OptOutRule says what a target writes for a person who refused messages; any combination.
type OptOutRule struct {
	Label string
	Field string // set to "sim" / cleared
	Block bool
}

// Rate overrides the known limits of a target, calls an hour.
type Rate struct {
	Contacts int
	Other    int
	Reserve  int
}

// Defaults hold for the whole file.
type Defaults struct {
	Country  string // BR
	Timezone string // America/Sao_Paulo
	Area     string // default area code; a source may override it
	Guard    Guard
}

// Guard bounds what may change without an operator's consent, in a run and in an hour of live traffic. 0 is
// the engine's own default.
type Guard struct {
	AtLeast        int // so many people always pass
	Percent        int // of the people known at the target
	DeletesPercent int
}

// Notify is where the operator is told that something needs them: a signed POST, Standard Webhooks.
type Notify struct {
	URL    string
	Secret string
}
