package mapping

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"syncer/internal/contact"
)

// targetKinds are the systems that contacts are written to.
var targetKinds = []string{"weni", "omniflow", "omnichannel"}

var (
	weniOnly  = []string{"weni"}
	flowOnly  = []string{"omniflow"}
	omniOnly  = []string{"omnichannel"}
	tableOnly = []string{"omniflow", "omnichannel"}
)

// can says what a kind of target can hold of a contact.
var can = map[string]struct{ labels, fields, language, mailto bool }{
	"weni":        {labels: true, fields: true, language: true, mailto: true},
	"omnichannel": {labels: true},
	"omniflow":    {},
}

func (t *Target) table() []key {
	return []key{
		{name: "kind", must: true, value: text(&t.Kind, targetKinds...), doc: "The system that contacts are written to."},
		{name: "base_url", value: textValue{to: &t.BaseURL, check: goodURL, example: "https://flows.weni.ai"}, doc: "Where the API is."},
		{name: "token", value: secret(&t.Token), doc: "The access token."},
		{name: "urns", only: weniOnly, value: textsValue{to: &t.URNs, check: goodScheme}, doc: "The kinds of addresses that are written: `whatsapp`, `tel`, `mailto`. `whatsapp` when not said."},
		{name: "urn_style", only: weniOnly, value: text(&t.URNStyle, "with_nine", "without_nine", "tel_only"), doc: "The form of new numbers of Brazilian mobiles. `with_nine` when not said."},
		{name: "create_missing", only: weniOnly, value: flagValue{&t.CreateMissing}, doc: "Whether groups and fields that do not exist yet are created."},
		{name: "allow_campaigns", only: weniOnly, value: flagValue{&t.AllowCampaign}, doc: "Whether a run may make more than 20 changes that can start a campaign and message people."},
		{name: "opt_out", value: group(&t.OptOut, words("opt_out", "opt_out"), (*OptOutRule).table), doc: "What is written for a person who refuses messages."},
		{name: "rate", value: inline(&t.Rate, words("rate", "rate"), (*Rate).table, nil), doc: "How many calls an hour, when it is not what the system is known to allow."},
		{name: "api_key", only: flowOnly, value: secret(&t.APIKey), doc: "The API key, `omf_live_…`."},
		{name: "client_id", only: flowOnly, value: text(&t.ClientID), doc: "OAuth: the id of the client."},
		{name: "client_secret", only: flowOnly, value: secret(&t.ClientSecret), doc: "OAuth: the secret of the client."},
		{name: "token_path", only: flowOnly, value: text(&t.TokenPath), doc: "OAuth: the path of tokens. `/v1/oauth/token` when not said."},
		{name: "update", only: flowOnly, value: flagValue{&t.Update}, doc: "Whether this installation has an operation that updates contacts."},
		{name: "client_identifier", only: omniOnly, must: true, value: text(&t.ClientIdentifier), doc: "The identifier of the client, a UUID."},
		{name: "channel_id", only: omniOnly, must: true, value: text(&t.ChannelID), doc: "The channel that new contacts belong to."},
		{name: "platform", only: omniOnly, value: text(&t.Platform), doc: "The platform of new contacts."},
		{name: "tag_color", only: omniOnly, value: textValue{to: &t.TagColor, check: goodColor, example: "#3b82f6"}, doc: "The colour of tags that are created, in quotes because of the `#`."},
		{name: "operations", only: tableOnly, value: namedValue{one: t.operation, keys: func() []key { return new(Operation).table() }}, doc: "Overrides of single calls, for installations with other paths."},
		{name: "decode", only: tableOnly, value: listsValue{&t.Decode}, doc: "Where the parts of answers are, as JSON pointers; the first that is there wins."},
		{name: "array_query", only: tableOnly, value: text(&t.ArrayQuery, "repeat", "comma", "brackets"), doc: "How a list is written in a query. `repeat` when not said."},
		{name: "auth_header", only: tableOnly, value: text(&t.AuthHeader), doc: "The header with the credential. `Authorization` when not said."},
		{name: "auth_scheme", only: tableOnly, value: text(&t.AuthScheme), doc: "What stands before the credential. `Bearer` when not said."},
	}
}

func (o *OptOutRule) table() []key {
	return []key{
		{name: "label", value: text(&o.Label), doc: "The group or tag that the person is put into."},
		{name: "field", value: text(&o.Field), doc: "The field that is set to `sim`, and cleared when the person accepts again."},
		{name: "block", value: flagValue{&o.Block}, doc: "Whether the contact is blocked."},
	}
}

func (r *Rate) table() []key {
	return []key{
		{name: "contacts", value: integer(&r.Contacts, 1, 1_000_000), doc: "Calls an hour about contacts."},
		{name: "other", value: integer(&r.Other, 1, 1_000_000), doc: "Calls an hour about anything else."},
		{name: "reserve", value: integer(&r.Reserve, 0, 100_000), doc: "Calls that are left to others who use the same key."},
	}
}

func (o *Operation) table() []key {
	return []key{
		{name: "method", value: text(&o.Method, "GET", "POST", "PUT", "PATCH", "DELETE"), doc: "The HTTP method."},
		{name: "path", value: text(&o.Path), doc: "The path, with `{contactId}` and the like in it."},
		{name: "body", value: text(&o.Body, "json", "query"), doc: "Where the values go. `json` when not said."},
		{name: "disabled", value: flagValue{&o.Disabled}, doc: "Whether the installation does not have it."},
		{name: "ok", value: codesValue{&o.OK}, doc: "The status codes of success."},
		{name: "not_found", value: codesValue{&o.NotFound}, doc: "The status codes that mean it is not there."},
		{name: "conflict", value: codesValue{&o.Conflict}, doc: "The status codes that mean it is there already."},
	}
}

// codesValue is one status code or a list of them.
type codesValue struct{ to *[]int }

func (v codesValue) read(l *loader, n *yaml.Node) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	*v.to = nil
	for _, item := range nodes {
		var code int
		integer(&code, 100, 599).read(l, item)
		*v.to = append(*v.to, code)
	}
}

// operationNames are the calls of each kind that can be overridden.
var operationNames = map[string][]string{
	"omniflow": {"oauth.token", "contact.create", "contact.get", "contact.find_by_phone", "contact.update",
		"inbox.list", "conversation.list", "conversation.get", "webhook.list", "webhook.create", "webhook.delete", "webhook.deliveries"},
	"omnichannel": {"contact.create", "contact.update", "contact.get", "contact.list", "contact.delete_platform", "contact.tags",
		"contact.add_tags", "contact.remove_tags", "tag.create", "tag.list", "tag.get", "tag.update", "tag.delete", "tag.contacts"},
}

func (t *Target) operation(l *loader, name, n *yaml.Node) {
	var o Operation
	l.section(n, words("an operation", "uma operação"), o.table())
	for _, missing := range pathParams.FindAllString(o.Path, -1) {
		if !slices.Contains([]string{"{contactId}", "{tagId}", "{id}", "{clientIdentifier}", "{channelId}"}, missing) {
			l.fail(spotOf(n), "", words("%s is not known in a path: there are {contactId}, {tagId} and {id}", "%s não existe num caminho: há {contactId}, {tagId} e {id}", missing))
		}
	}
	if t.Operations == nil {
		t.Operations = map[string]Operation{}
	}
	t.Operations[name.Value] = o
}

var pathParams = regexp.MustCompile(`\{[^}]*\}`)

func goodScheme(l *loader, n *yaml.Node, scheme string) {
	if contact.IsScheme(scheme) {
		return
	}
	hint := ""
	if near, ok := closest(scheme, []string{"whatsapp", "tel", "mailto", "ext", "telegram", "instagram", "facebook"}); ok {
		hint = l.rewritten(spotOf(n), near)
	}
	l.fail(spotOf(n), hint, words("%q is not a kind of address that RapidPro knows, such as whatsapp, tel or mailto", "%q não é um tipo de endereço que o RapidPro conhece, como whatsapp, tel ou mailto", scheme))
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func goodColor(l *loader, n *yaml.Node, c string) {
	if !colour.MatchString(c) {
		l.fail(spotOf(n), "", words("a colour is written \"#3b82f6\"", "uma cor se escreve \"#3b82f6\""))
	}
}

// checkTarget judges a target as a whole and fills in what was not said.
func (l *loader) checkTarget(t *Target, sec section) {
	need := func(name string, m message) {
		if !sec.has(name) {
			l.fail(sec.start(), "", words("%s is missing: %s", "falta %s: %s", name, m))
		}
	}
	switch t.Kind {
	case "weni":
		need("token", words("the API token of the workspace", "o token de API do projeto"))
		t.BaseURL = or(t.BaseURL, "https://flows.weni.ai")
		t.URNStyle = or(t.URNStyle, "with_nine")
		if len(t.URNs) == 0 {
			t.URNs = []string{contact.SchemeWhatsApp}
			if t.URNStyle == "tel_only" {
				t.URNs = []string{contact.SchemeTel}
			}
		}
	case "omniflow":
		oauth := sec.has("client_id") || sec.has("client_secret")
		switch {
		case sec.has("api_key") == oauth:
			l.fail(sec.start(), "", words("exactly one way to sign in is needed: api_key, or client_id with client_secret", "é preciso exatamente um modo de entrar: api_key, ou client_id com client_secret"))
		case oauth && sec.has("client_id") != sec.has("client_secret"):
			l.fail(sec.start(), "", words("client_id and client_secret belong together", "client_id e client_secret andam juntos"))
		}
		if sec.has("token") {
			l.fail(sec.at("token"), l.rewritten(sec.at("token"), "api_key"), words("omniflow calls it api_key", "o omniflow chama isto de api_key"))
		}
		t.BaseURL = or(t.BaseURL, "https://api.omniflow.com.br")
		if oauth {
			t.TokenPath = or(t.TokenPath, "/v1/oauth/token")
		}
	case "omnichannel":
		need("base_url", words("where the API is", "onde está a API"))
		need("token", words("the access token", "o token de acesso"))
	}
	if t.Kind == "omniflow" || t.Kind == "omnichannel" {
		t.ArrayQuery = or(t.ArrayQuery, "repeat")
		t.AuthHeader = or(t.AuthHeader, "Authorization")
		t.AuthScheme = or(t.AuthScheme, "Bearer")
		l.checkOperations(t, sec)
	}
	l.checkOptOut(t, sec)
}

func (l *loader) checkOperations(t *Target, sec section) {
	node := sec.vals["operations"]
	if node == nil || node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		l.optionAt(node.Content[i], operationNames[t.Kind], words("operation", "operação"))
	}
}

// optionAt checks a name that must be one of a set and suggests the one that was meant.
func (l *loader) optionAt(n *yaml.Node, options []string, what message) bool {
	if slices.Contains(options, n.Value) {
		return true
	}
	options = slices.Compact(slices.Sorted(slices.Values(options)))
	if near, ok := closest(n.Value, options); ok {
		l.fail(spotOf(n), l.rewritten(spotOf(n), near), words("there is no %s %q, did you mean %q?", "não existe %s %q, você quis dizer %q?", what, n.Value, near))
	} else if len(options) == 0 {
		l.fail(spotOf(n), "", words("there is no %s %q", "não existe %s %q", what, n.Value))
	} else {
		l.fail(spotOf(n), "", words("there is no %s %q: %s", "não existe %s %q: %s", what, n.Value, listed(options)))
	}
	return false
}

func (l *loader) checkOptOut(t *Target, sec section) {
	o := t.OptOut
	if o == nil || sec.vals["opt_out"] == nil {
		return
	}
	at := spotOf(sec.vals["opt_out"])
	kind := can[t.Kind]
	switch {
	case *o == OptOutRule{}:
		l.fail(at, "", words("opt_out says nothing: it needs label, field or block", "opt_out não diz nada: precisa de label, field ou block"))
	case t.Kind == "omniflow":
		l.warn(at, "", words("omniflow cannot hold a refusal: nothing is written there", "o omniflow não guarda recusas: nada é escrito lá"))
	case o.Label != "" && !kind.labels || o.Field != "" && !kind.fields || o.Block && t.Kind != "weni":
		l.warn(at, "", words("%s has only labels: field and block are not written there", "%s só tem etiquetas: field e block não são escritos lá", t.Kind))
	}
	if t.Kind == "weni" {
		if o.Label != "" {
			if m := labelProblem(o.Label); !m.isZero() {
				l.fail(within(sec.vals["opt_out"], "label"), "", m)
			}
		}
		if o.Field != "" {
			if m := fieldProblem(o.Field); !m.isZero() {
				l.fail(within(sec.vals["opt_out"], "field"), "", m)
			}
		}
	}
}

// within is where the value behind a key of a group stands.
func within(n *yaml.Node, key string) spot {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return spotOf(n.Content[i+1])
		}
	}
	return spotOf(n)
}

// labelProblem says why Weni would refuse the name of a group.
func labelProblem(name string) message {
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case utf8.RuneCountInString(name) > 64:
		return words("Weni takes at most 64 characters in the name of a group", "o Weni aceita no máximo 64 caracteres no nome de um grupo")
	case !unicode.IsLetter(first) && !unicode.IsDigit(first) && first != '_':
		return words("in Weni the name of a group begins with a letter, a digit or _", "no Weni o nome de um grupo começa com letra, dígito ou _")
	}
	return message{}
}

var fieldKey = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// reservedFields are keys that Weni keeps for itself, beside the schemes of addresses.
var reservedFields = strings.Fields("id name first_name language groups uuid created_on created_by modified_by is has weniwebchat")

// fieldProblem says why Weni would refuse the key of a field.
func fieldProblem(key string) message {
	switch {
	case len(key) > 36:
		return words("Weni takes at most 36 characters in the key of a field", "o Weni aceita no máximo 36 caracteres na chave de um campo")
	case slices.Contains(reservedFields, key) || contact.IsScheme(key):
		return words("Weni keeps the field %q for itself: choose another key, such as crm_%[1]s", "o Weni reserva o campo %q: escolha outra chave, como crm_%[1]s", key)
	case !fieldKey.MatchString(key):
		return words("the key of a field has only small letters without accents, digits and _, and begins with a letter: %s",
			"a chave de um campo só tem letras minúsculas sem acento, dígitos e _, e começa com letra: %s", fieldKeyFor(key))
	}
	return message{}
}

// unaccented are the letters of Portuguese without their accents.
var unaccented = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ã", "a", "é", "e", "ê", "e", "í", "i", "ó", "o", "ô", "o", "õ", "o", "ú", "u", "ü", "u", "ç", "c")

// fieldKeyFor is the key that Weni would make from a label, accents taken away first.
func fieldKeyFor(label string) string {
	var b strings.Builder
	for _, r := range unaccented.Replace(strings.ToLower(label)) {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "_") {
			b.WriteByte('_')
		}
	}
	key := strings.Trim(b.String(), "_")
	if key == "" || key[0] < 'a' {
		key = "campo_" + key
	}
	return key[:min(len(key), 36)]
}
