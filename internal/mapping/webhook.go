package mapping

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// authKinds are the ways in which a sender of webhooks can prove who it is, by kind of source.
var authKinds = map[string][]string{
	"pipedrive": {"basic", "path_token", "none"},
	"generic":   {"basic", "static_header", "bearer", "path_token", "hmac", "standard_webhooks", "stripe", "hubspot_v3", "hubspot_v2", "none"},
}

var allAuth = authKinds["generic"]

func (w *Webhook) table() []key {
	return []key{
		{name: "auth", must: true, value: text(&w.Auth, allAuth...), doc: "How the sender proves who it is. It must be said; `none` takes webhooks only from this machine."},
		{name: "username", value: text(&w.Username), doc: "`basic`: the user name."},
		{name: "password", value: textsValue{to: &w.Password, secret: true}, doc: "`basic`: the password; several while it is being changed."},
		{name: "header", value: text(&w.Header), doc: "The header with the signature or the secret."},
		{name: "secret", value: textsValue{to: &w.Secret, secret: true}, doc: "The shared secret; several while it is being changed."},
		{name: "algorithm", value: text(&w.Algorithm, "sha256", "sha1", "sha512"), doc: "`hmac`: the hash. `sha256` when not said."},
		{name: "encoding", value: text(&w.Encoding, "hex", "base64"), doc: "`hmac`: how the signature is written. `hex` when not said."},
		{name: "prefix", value: text(&w.Prefix), doc: "`hmac`: what stands before the signature, such as `sha256=`."},
		{name: "template", value: text(&w.Template, "{body}", "{timestamp}.{body}"), doc: "`hmac`: what is signed. `{body}` when not said, and `{timestamp}.{body}` with a timestamp."},
		{name: "timestamp", value: text(&w.Timestamp), doc: "`hmac`: the header with the time that is signed."},
		{name: "tolerance", value: integer(&w.Tolerance, 1, 86400), doc: "How many seconds a signed time may be away from ours. 300 when not said."},
		{name: "decode", value: text(&w.Decode, "json", "form", "php_form"), doc: "How the body is written. `json` when not said."},
		{name: "max_bytes", value: integer(&w.MaxBytes, 1024, 64<<20), doc: "The largest body that is taken. 1 MiB when not said."},
	}
}

// authKeys are the keys that each way of proving needs, and those that it may have.
var authKeys = map[string]struct{ must, may []string }{
	"none":              {},
	"basic":             {must: []string{"username", "password"}},
	"static_header":     {must: []string{"header", "secret"}},
	"bearer":            {must: []string{"secret"}},
	"path_token":        {must: []string{"secret"}},
	"hmac":              {must: []string{"header", "secret"}, may: []string{"algorithm", "encoding", "prefix", "template", "timestamp", "tolerance"}},
	"standard_webhooks": {must: []string{"secret"}, may: []string{"tolerance"}},
	"stripe":            {must: []string{"secret"}, may: []string{"header", "tolerance"}},
	"hubspot_v3":        {must: []string{"secret"}, may: []string{"tolerance"}},
	"hubspot_v2":        {must: []string{"secret"}},
}

func (l *loader) checkWebhook(s *Source, sec section) {
	w := s.Webhook
	if w == nil || w.Auth == "" || sec.vals["webhook"] == nil {
		return
	}
	node := sec.vals["webhook"]
	here := section{node: node, keys: map[string]*yaml.Node{}, vals: map[string]*yaml.Node{}}
	for i := 0; i+1 < len(node.Content); i += 2 {
		here.keys[node.Content[i].Value], here.vals[node.Content[i].Value] = node.Content[i], node.Content[i+1]
	}
	if !slices.Contains(authKinds[s.Kind], w.Auth) {
		l.fail(here.value("auth"), "", words("%s does not send %s: %s", "%s não envia %s: %s", s.Kind, w.Auth, listed(authKinds[s.Kind])))
		return
	}
	if w.Auth == "none" {
		l.warn(here.value("auth"), "", words("anybody could post here, so only callers on this machine are let in", "qualquer um poderia enviar, por isso só quem está nesta máquina entra"))
	}
	rule := authKeys[w.Auth]
	for _, name := range rule.must {
		if !here.has(name) {
			l.fail(here.value("auth"), "", words("auth: %s also needs %s", "auth: %s também precisa de %s", w.Auth, name))
		}
	}
	general := []string{"auth", "decode", "max_bytes"}
	for name := range here.keys {
		if !slices.Contains(slices.Concat(general, rule.must, rule.may), name) && isWebhookKey(name) {
			l.fail(here.at(name), "", words("%s does nothing with auth: %s", "%s não faz nada com auth: %s", name, w.Auth))
		}
	}
	if w.Auth == "path_token" {
		for _, token := range w.Secret {
			if len(token) < 16 && !placeholder.MatchString(token) {
				l.warn(here.value("secret"), "", words("this secret is all that protects the address: make it at least 16 characters", "este segredo é tudo o que protege o endereço: use pelo menos 16 caracteres"))
			}
		}
	}
	if w.Template == "{timestamp}.{body}" && w.Timestamp == "" {
		l.fail(here.value("template"), "", words("timestamp is missing: the header with the time that is signed", "falta timestamp: o cabeçalho com o tempo que é assinado"))
	}
	if w.Template == "{body}" && w.Timestamp != "" {
		l.fail(here.value("template"), "", words("the time is not signed: write \"{timestamp}.{body}\", or leave timestamp away", "o tempo não é assinado: escreva \"{timestamp}.{body}\", ou retire timestamp"))
	}
	w.fill()
}

func isWebhookKey(name string) bool {
	return slices.ContainsFunc(new(Webhook).table(), func(k key) bool { return k.name == name })
}

// fill sets what was not said.
func (w *Webhook) fill() {
	if w.Auth == "hmac" {
		w.Algorithm = or(w.Algorithm, "sha256")
		w.Encoding = or(w.Encoding, "hex")
		if w.Timestamp != "" {
			w.Template = or(w.Template, "{timestamp}.{body}")
		}
		w.Template = or(w.Template, "{body}")
	}
	if w.Auth == "stripe" {
		w.Header = or(w.Header, "Stripe-Signature")
	}
	signedTime := w.Timestamp != "" || w.Auth == "standard_webhooks" || w.Auth == "stripe" || w.Auth == "hubspot_v3"
	if w.Tolerance == 0 && signedTime {
		w.Tolerance = 300
	}
	w.Decode = or(w.Decode, "json")
	if w.MaxBytes == 0 {
		w.MaxBytes = 1 << 20
	}
}
