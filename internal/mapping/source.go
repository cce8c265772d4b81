package mapping

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"syncer/internal/contact"
)

// sourceKinds are the systems that records come from.
var sourceKinds = []string{"pipedrive", "generic"}

// laterKinds are systems that people look for and that are no kind of source yet, with what to do until then.
var laterKinds = map[string]message{
	"hubspot": readGenerically("hubspot"), "rdstation": readGenerically("rdstation"), "kommo": readGenerically("kommo"), "omniflow": readGenerically("omniflow"),
	"whatsapp": words("whatsapp is no kind of source yet: kind: generic reads what a gateway posts for it", "whatsapp ainda não é um tipo de fonte: kind: generic lê o que um gateway envia por ele"),
}

func readGenerically(kind string) message {
	return words("%s is no kind of source yet: kind: generic reads its webhooks and lists", "%s ainda não é um tipo de fonte: kind: generic lê os webhooks e as listas dele", kind)
}

var (
	withAPI = []string{"pipedrive"}
	generic = []string{"generic"}
)

func (s *Source) table() []key {
	return []key{
		{name: "kind", must: true, value: textValue{to: &s.Kind, options: sourceKinds, later: laterKinds}, doc: "The system that records come from. `generic` is any JSON webhook and any JSON list API, described here."},
		{name: "webhook", value: group(&s.Webhook, words("webhook", "webhook"), (*Webhook).table), doc: "How a sender of webhooks proves who it is. Without it this source has no webhook and is only listed."},
		{name: "api", only: withAPI, value: group(&s.API, words("api", "api"), (*API).table), doc: "How the system's own API is reached, to list records and to fetch them."},
		{name: "event", only: generic, value: group(&s.Event, words("event", "event"), (*Event).table), doc: "Where the parts of an event are in a webhook's body, as dotted paths."},
		{name: "record", only: generic, value: group(&s.Record, words("record", "record"), (*Record).table), doc: "Where the record is in a webhook's body and in a row of the list, as dotted paths."},
		{name: "list", only: generic, value: group(&s.List, words("list", "list"), (*List).table), doc: "How to walk the API that lists all records."},
		{name: "fetch", only: generic, value: group(&s.Fetch, words("fetch", "fetch"), (*Fetch).table), doc: "How to get records by id, for webhooks that carry only ids."},
		{name: "reconcile", value: inline(&s.Reconcile, words("reconcile", "reconcile"), (*Schedule).table, nil), doc: "When to ask the source by itself, as cron expressions in the time zone of `defaults`."},
		{name: "area", value: textValue{to: &s.Area, check: goodArea, example: "84"}, doc: "The area code (DDD) of numbers that are written without one. Such a number may create a contact, never match one with another name."},
		{name: "silent_hours", value: integer(&s.SilentHours, 1, 8760), doc: "After how many hours without a webhook `notify` is told. Not said: never."},
	}
}

func (a *API) table() []key {
	return []key{
		{name: "base_url", value: textValue{to: &a.BaseURL, check: goodURL, example: "https://acme.pipedrive.com"}, doc: "Where the API is. `https://api.pipedrive.com` when not said."},
		{name: "token", must: true, value: secret(&a.Token), doc: "The access token."},
		{name: "auth", value: text(&a.Auth, "token", "bearer"), doc: "How the token is sent: `token` as x-api-token, `bearer` as an OAuth token. `token` when not said."},
		{name: "per_day", value: integer(&a.PerDay, 1, 100_000_000), doc: "The account's token budget of a day, of which a call takes ten. That of the smallest plan, 30,000, when not said."},
		{name: "per_two_secs", value: integer(&a.PerTwoSecs, 1, 10_000), doc: "How many calls the account's plan allows in two seconds; syncer takes six tenths of them. 20 when not said."},
		{name: "properties", value: textsValue{to: &a.Properties}, doc: "Fields to ask for that are not sent otherwise, such as `marketing_status` (`include_fields`)."},
	}
}

// eventKinds are what the types of a sender can be taken as.
var eventKinds = []string{"upsert", "delete", "merge", "erase", "opt_out", "opt_in", "ignore"}

func (e *Event) table() []key {
	return []key{
		{name: "id", value: textValue{to: &e.ID, check: goodPath}, doc: "The event's own id, stable when the sender repeats it."},
		{name: "type", value: textValue{to: &e.Type, check: goodPath}, doc: "What kind of event it is."},
		{name: "as", value: dictValue{to: &e.As, options: eventKinds}, doc: "What the sender's types mean: `customer.deleted: delete`."},
		{name: "otherwise", value: text(&e.Otherwise, eventKinds...), doc: "What every other type means. `upsert` when not said."},
		{name: "time", value: textValue{to: &e.Time, check: goodPath}, doc: "When the event happened."},
		{name: "time_as", value: textValue{to: &e.TimeAs, check: goodLayout}, doc: "How that time is written: `rfc3339`, `unix`, `unix_ms` or a layout such as `dd/mm/yyyy hh:mm:ss`."},
		{name: "items", value: textValue{to: &e.Items, check: goodPath}, doc: "The list of events, when a body carries several."},
		{name: "into", value: textValue{to: &e.Into, check: goodPath}, doc: "For a merge: the id of the record that stays."},
	}
}

func (r *Record) table() []key {
	return []key{
		{name: "at", value: textValue{to: &r.At, check: goodPath}, doc: "Where the record is in the body. The body itself when not said."},
		{name: "id", must: true, value: textValue{to: &r.ID, check: goodPath}, doc: "The record's id, within the record."},
		{name: "version", value: textValue{to: &r.Version, check: goodPath}, doc: "The record's time of change or revision, so that an older state never replaces a newer one."},
		{name: "version_as", value: textValue{to: &r.VersionAs, check: goodLayout}, doc: "How the version is written: `rfc3339`, `unix`, `unix_ms`, `number`, or a layout such as `dd/mm/yyyy hh:mm:ss`."},
		{name: "payload", value: choice(&r.Payload, contact.Full, contact.Partial, contact.IDs), doc: "How much of the record a webhook carries: all of it, only what changed, or only its id. `full` when not said."},
		{name: "deleted", value: textValue{to: &r.Deleted, check: goodPath}, doc: "The flag of a row that was deleted, in lists."},
	}
}

func (li *List) table() []key {
	return []key{
		{name: "url", must: true, value: textValue{to: &li.URL, check: goodURL}, doc: "The address of the list."},
		{name: "auth", value: secret(&li.Auth), doc: "The value of the Authorization header."},
		{name: "headers", value: dictValue{to: &li.Headers, secret: true}, doc: "Other headers."},
		{name: "items", value: textValue{to: &li.Items, check: goodPath}, doc: "Where the rows are in an answer. The answer itself when not said."},
		{name: "format", value: text(&li.Format, "json", "csv", "rows"), doc: "How an answer is written: `json`, `csv`, or `rows` with the names of the columns apart."},
		{name: "columns", value: textValue{to: &li.Columns, check: goodPath}, doc: "`rows`: where the names of the columns are."},
		{name: "next", value: inline(&li.Next, words("next", "next"), (*Next).table, checkNext), doc: "How the following page is asked for, in exactly one way. Not said: there is one page."},
		{name: "since", value: group(&li.Since, words("since", "since"), (*Since).table), doc: "How only what changed is asked for."},
		{name: "size", value: group(&li.Size, words("size", "size"), (*PageSize).table), doc: "How many rows a page has."},
		{name: "per_hour", value: integer(&li.PerHour, 1, 1_000_000), doc: "How many calls an hour. One a second when not said."},
	}
}

func (n *Next) table() []key {
	return []key{
		{name: "cursor", value: textValue{to: &n.Cursor, check: goodPath}, doc: "The path of the cursor in the answer; it goes into `param`."},
		{name: "link", value: textValue{to: &n.Link, check: goodPath}, doc: "The path of the whole address of the next page."},
		{name: "page", value: text(&n.Page), doc: "The parameter with the number of the page."},
		{name: "offset", value: text(&n.Offset), doc: "The parameter with the number of rows to skip."},
		{name: "param", value: text(&n.Param), doc: "The parameter that the cursor goes into."},
		{name: "first", value: integer(&n.First, 0, 1), doc: "`page`: the number of the first page. 1 when not said."},
		{name: "until", value: text(&n.Until), doc: "`page`, `offset`: when it ends: at an `empty` page, at a `short` one, or at the number found under a path. `empty` when not said."},
	}
}

func checkNext(l *loader, s section, n *Next) {
	ways := 0
	for _, name := range []string{"cursor", "link", "page", "offset"} {
		if s.has(name) {
			ways++
		}
	}
	switch {
	case ways != 1:
		l.fail(s.start(), "", words("next needs exactly one of cursor, link, page and offset", "next precisa de exatamente um entre cursor, link, page e offset"))
	case s.has("cursor") && !s.has("param"):
		l.fail(s.at("cursor"), "", words("param is missing: the parameter that the cursor goes into", "falta param: o parâmetro que recebe o cursor"))
	case s.has("param") && !s.has("cursor"):
		l.fail(s.at("param"), "", words("param is only for a cursor", "param só serve para um cursor"))
	case s.has("first") && !s.has("page"):
		l.fail(s.at("first"), "", words("first is only for page", "first só serve para page"))
	case s.has("until") && !s.has("page") && !s.has("offset"):
		l.fail(s.at("until"), "", words("until is only for page and offset", "until só serve para page e offset"))
	}
	if n.Until == "" {
		n.Until = "empty"
	}
	if !s.has("first") {
		n.First = 1
	}
}

func (si *Since) table() []key {
	return []key{
		{name: "param", must: true, value: text(&si.Param), doc: "The parameter that takes the time."},
		{name: "as", value: textValue{to: &si.As, check: goodLayout}, doc: "How the time is written: `rfc3339`, `unix`, `unix_ms`, or a layout. `rfc3339` when not said."},
	}
}

func (p *PageSize) table() []key {
	return []key{
		{name: "param", must: true, value: text(&p.Param), doc: "The parameter that takes the number."},
		{name: "value", must: true, value: integer(&p.Value, 1, 10_000), doc: "The number of rows."},
	}
}

func (f *Fetch) table() []key {
	return []key{
		{name: "url", must: true, value: textValue{to: &f.URL, check: goodURL}, doc: "The address, with `{id}` in it for one record."},
		{name: "param", value: text(&f.Param), doc: "The parameter that takes several ids at once."},
		{name: "join", value: text(&f.Join), doc: "What stands between the ids. A comma when not said."},
		{name: "batch", value: integer(&f.Batch, 1, 1000), doc: "How many ids a call."},
		{name: "auth", value: secret(&f.Auth), doc: "The value of the Authorization header."},
		{name: "items", value: textValue{to: &f.Items, check: goodPath}, doc: "Where the rows are in an answer."},
	}
}

func (s *Schedule) table() []key {
	return []key{
		{name: "changes", value: textValue{to: &s.Changes, check: goodCron, example: "*/15 * * * *"}, doc: "When to ask for what changed: minute, hour, day, month, weekday. In quotes, because of the stars."},
		{name: "full", value: textValue{to: &s.Full, check: goodCron, example: "7 2 * * *"}, doc: "When to read everything and to find what was deleted."},
	}
}

// goodCron checks a schedule.
func goodCron(l *loader, n *yaml.Node, expr string) {
	if _, m := parseSchedule(expr, time.UTC); !m.isZero() {
		l.fail(spotOf(n), "", m)
	}
}

// goodArea checks a Brazilian area code by asking the domain about a number in it.
func goodArea(l *loader, n *yaml.Node, area string) {
	if _, err := contact.ParsePhone("+55"+area+"990000101", contact.PhoneRules{}); len(area) != 2 || err != nil {
		l.fail(spotOf(n), "", words("there is no area code %q: two digits are needed, such as 84", "não existe o DDD %q: são dois dígitos, como 84", area))
	}
}

var dottedPath = regexp.MustCompile(`^[^.\s=$]+(\.[^.\s]+)*$`)

// goodPath checks a dotted path. People write expressions here, because they write them everywhere else.
func goodPath(l *loader, n *yaml.Node, path string) {
	if bare := strings.TrimPrefix(strings.TrimPrefix(path, "="), "record."); bare != path && dottedPath.MatchString(bare) {
		l.fail(spotOf(n), l.rewritten(spotOf(n), bare), words("a path stands here, not an expression", "aqui cabe um caminho, não uma expressão"))
		return
	}
	if !dottedPath.MatchString(path) {
		l.fail(spotOf(n), "", words("%q is not a path such as data.customer.id", "%q não é um caminho como data.customer.id", path))
	}
}

var layoutPattern = regexp.MustCompile(`(?i)^(?:yyyy|yy|mm|m|dd|d|hh|h|ss|zz|[-/.:t ,])+$`)

// goodLayout checks how a time is said to be written.
func goodLayout(l *loader, n *yaml.Node, layout string) {
	known := []string{"rfc3339", "unix", "unix_ms", "number"}
	if slices.Contains(known, layout) {
		return
	}
	if layoutPattern.MatchString(layout) && strings.Contains(strings.ToLower(layout), "yy") {
		return
	}
	l.fail(spotOf(n), "", words("%q is not a way to write a time: %s, or a layout such as dd/mm/yyyy hh:mm:ss",
		"%q não é um modo de escrever um tempo: %s, ou um formato como dd/mm/yyyy hh:mm:ss", layout, listed(known)))
}

// checkSource judges a source as a whole and fills in what was not said.
func (l *loader) checkSource(s *Source, sec section) {
	if !slices.Contains(sourceKinds, s.Kind) {
		return
	}
	l.checkWebhook(s, sec)
	l.checkAPI(s, sec)
	if s.Kind == "generic" {
		l.checkGeneric(s, sec)
	}
	if s.Webhook == nil && s.Reconcile == (Schedule{}) && !sec.has("webhook") && !sec.has("reconcile") {
		l.fail(sec.start(), "", words("nothing ever comes from this source: it needs webhook or reconcile", "nada vem desta fonte: ela precisa de webhook ou de reconcile"))
	}
	if s.Reconcile.Changes != "" && s.Kind == "generic" && s.List != nil && s.List.Since == nil {
		l.fail(sec.at("reconcile"), "", words("reconcile.changes needs list.since, the way to ask for what changed; without it only full is possible",
			"reconcile.changes precisa de list.since, o modo de pedir o que mudou; sem ele só full é possível"))
	}
}

func or(options ...string) string {
	for _, o := range options {
		if o != "" {
			return o
		}
	}
	return ""
}

func (l *loader) checkAPI(s *Source, sec section) {
	if !slices.Contains(withAPI, s.Kind) {
		return
	}
	if s.API == nil {
		if s.Reconcile != (Schedule{}) && !sec.has("api") {
			l.fail(sec.at("reconcile"), "", words("reconcile needs api, to ask %s for its records", "reconcile precisa de api, para pedir os registros a %s", s.Kind))
		}
		return
	}
	s.API.BaseURL = or(s.API.BaseURL, "https://api.pipedrive.com")
	s.API.Auth = or(s.API.Auth, "token")
}

func (l *loader) checkGeneric(s *Source, sec section) {
	if s.Record == nil {
		if !sec.has("record") {
			l.fail(sec.start(), "", words("record is missing: at least record.id, where the id of a record is", "falta record: ao menos record.id, onde está o id de um registro"))
		}
		return
	}
	s.Record.Payload = contact.Shape(or(string(s.Record.Payload), string(contact.Full)))
	if s.Record.Version != "" {
		s.Record.VersionAs = or(s.Record.VersionAs, "rfc3339")
	}
	if s.Record.Payload == contact.IDs && s.Fetch == nil && !sec.has("fetch") {
		l.fail(sec.at("record"), "", words("payload: ids needs fetch, the way to get a record by its id", "payload: ids precisa de fetch, o modo de obter um registro pelo id"))
	}
	if s.Reconcile != (Schedule{}) && s.List == nil && !sec.has("list") {
		l.fail(sec.at("reconcile"), "", words("reconcile needs list, the way to read all records", "reconcile precisa de list, o modo de ler todos os registros"))
	}
	if s.Webhook == nil && s.Event != nil {
		l.warn(sec.at("event"), "", words("event describes webhooks, and this source has no webhook", "event descreve webhooks, e esta fonte não tem webhook"))
	}
	if e := s.Event; e != nil {
		e.Otherwise = or(e.Otherwise, "upsert")
		if e.Time != "" {
			e.TimeAs = or(e.TimeAs, "rfc3339")
		}
	}
	if li := s.List; li != nil {
		li.Format = or(li.Format, "json")
		if li.Format == "rows" && li.Columns == "" {
			l.fail(sec.at("list"), "", words("format: rows needs columns, where the names of the columns are", "format: rows precisa de columns, onde estão os nomes das colunas"))
		}
		if li.Since != nil {
			li.Since.As = or(li.Since.As, "rfc3339")
		}
	}
	if f := s.Fetch; f != nil {
		f.Join = or(f.Join, ",")
		f.Batch = max(f.Batch, 1)
		if f.URL != "" && strings.Contains(f.URL, "{id}") == (f.Param != "") {
			l.fail(sec.at("fetch"), "", words("fetch needs either {id} in its url or param, not both", "fetch precisa ou de {id} na url ou de param, não dos dois"))
		}
	}
}
