package mapping

import (
	"slices"
	"strings"
	"testing"
)

// TestOnlySecretsAreSecret: a value that came in through ${…} is masked where its key is one of secrets, and where it is
// the secret part of an address; anything else may be seen.
//
// At first every such value of eight characters or more was kept out of remarks. The user name of a webhook, "pipedrive",
// turned the list of kinds of sources into "it can be *********, generic".
func TestOnlySecretsAreSecret(t *testing.T) {
	env := map[string]string{"USER_NAME": "pipedrive", "PASSWORD": "senha-inventada-1", "URL": "https://acme.exemplo.com.br", "TOKEN": "token-inventado-2", "KEY": "chave-inventada-3",
		"LIST": "https://loja.exemplo.com.br/api?chave=inventada-4", "CLIENT": "cliente-inventado"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	text := `version: 1
sources:
  crm:
    kind: pipedrive
    webhook: {auth: basic, username: "${USER_NAME}", password: "${PASSWORD}"}
    api: {base_url: "${URL}", token: "${TOKEN}"}
  loja: {kind: generic, record: {id: id}, list: {url: "https://loja.exemplo.com.br/api?chave=${KEY}", items: data}, reconcile: {full: "7 2 * * *"}}
  outra: {kind: generic, record: {id: id}, list: {url: "${LIST}", items: data}, reconcile: {full: "7 2 * * *"}}
targets:
  inbox: {kind: omnichannel, base_url: "${URL}", token: "${TOKEN}", client_identifier: "${CLIENT}", channel_id: x}
mappings:
  - {name: a, from: crm, to: inbox, contact: {name: =record.name, phones: =record.phones}}
`
	plan, remarks := Load("mappings.yaml", []byte(text), Options{Lookup: lookup})
	if plan == nil {
		t.Fatal(remarks)
	}
	got := plan.Secrets()
	slices.Sort(got)
	if want := []string{"chave-inventada-3", "chave=inventada-4", "senha-inventada-1", "token-inventado-2"}; !slices.Equal(got, want) {
		t.Errorf("the secrets are %q, want %q", got, want)
	}
	_, remarks = Load("mappings.yaml", []byte(strings.Replace(text, "kind: pipedrive", "kind: pipdrive", 1)), Options{Lookup: lookup})
	if said := remarks.String(); !strings.Contains(said, "pipedrive") || strings.Contains(said, "inventad") {
		t.Errorf("the remarks say:\n%s", said)
	}
}
