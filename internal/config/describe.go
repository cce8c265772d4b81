package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Variable is one setting as people read about it.
type Variable struct {
	Name    string `json:"name"`
	Default string `json:"default,omitempty"`
	Meaning string `json:"meaning"`
	// Value is what is in force; of a secret only whether there is one.
	Value string `json:"value,omitempty"`
}

// meanings are what people read, in English and in Portuguese.
var meanings = map[string][2]string{
	"SYNCER_MAPPINGS":         {"The mapping file: sources, targets, and how a record becomes a contact.", "O arquivo de mapeamento: fontes, destinos, e como um registro vira um contato."},
	"SYNCER_STATE":            {"Where syncer remembers: `bolt:` and a file. `?max=2GB` bounds its size; bulk work stops at 80 % of that.", "Onde o syncer se lembra: `bolt:` e um arquivo. `?max=2GB` limita seu tamanho; o trabalho em massa para em 80 % disso."},
	"SYNCER_LISTEN":           {"Where webhooks are received: `/hooks/…`, `/healthz` and `/readyz`, nothing else.", "Onde webhooks são recebidos: `/hooks/…`, `/healthz` e `/readyz`, nada mais."},
	"SYNCER_ADMIN_LISTEN":     {"Where the console, the admin API and `/metrics` are. Anywhere but on loopback a token is required.", "Onde ficam o console, a API de administração e `/metrics`. Fora da própria máquina, exige um token."},
	"SYNCER_ADMIN_TOKEN":      {"Protects the admin door: as a bearer token, or through the login form. At least 16 characters where the door is not on loopback.", "Protege a porta de administração: como bearer token ou pelo formulário de entrada. Ao menos 16 caracteres quando a porta não é só da própria máquina."},
	"SYNCER_ADMIN_TOKEN_FILE": {"A file that holds the admin token, instead of `SYNCER_ADMIN_TOKEN`.", "Um arquivo que guarda o token de administração, em vez de `SYNCER_ADMIN_TOKEN`."},
	"SYNCER_PUBLIC_URL":       {"The address under which senders reach `SYNCER_LISTEN`, such as `https://syncer.example.com`. For signatures that cover the address, and for `syncer hooks`.", "O endereço em que remetentes alcançam `SYNCER_LISTEN`, como `https://syncer.example.com`. Para assinaturas que cobrem o endereço e para `syncer hooks`."},
	"SYNCER_LOG_LEVEL":        {"`debug`, `info`, `warn` or `error`.", "`debug`, `info`, `warn` ou `error`."},
	"SYNCER_LOG_FORMAT":       {"`text` or `json`, one line each.", "`text` ou `json`, uma linha cada."},
	"SYNCER_SHUTDOWN_TIMEOUT": {"How long work under way may take to end. Let the supervisor wait a few seconds more before it kills.", "Quanto tempo o trabalho em curso pode levar para terminar. Deixe o supervisor esperar alguns segundos a mais antes de matar."},
	"LANG":                    {"The language of messages: Portuguese when it begins with `pt`, else English. `LC_ALL` and `LC_MESSAGES` go before it.", "O idioma das mensagens: português quando começa com `pt`, senão inglês. `LC_ALL` e `LC_MESSAGES` valem antes dele."},
}

// Describe lists all variables, in the order of the struct, with what c says, in English.
func Describe(c Config) []Variable { return DescribeIn(c, false) }

// DescribeIn is Describe in Portuguese or English.
func DescribeIn(c Config, portuguese bool) []Variable {
	var out []Variable
	language := 0
	if portuguese {
		language = 1
	}
	v := reflect.ValueOf(c)
	for field, value := range v.Fields() {
		name := field.Tag.Get("env")
		d := Variable{Name: name, Default: field.Tag.Get("envDefault"), Meaning: meanings[name][language], Value: redacted(fmt.Sprint(value))}
		if name == "SYNCER_ADMIN_TOKEN" && d.Value != "" {
			d.Value = [2]string{"(set)", "(definido)"}[language]
		}
		out = append(out, d)
	}
	return out
}

func names() (out []string) {
	for _, v := range Describe(Config{}) {
		out = append(out, v.Name)
	}
	return out
}

// Markdown is the table of all variables, for the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Variable | Default | Meaning |\n| --- | --- | --- |\n")
	for _, v := range Describe(Config{}) {
		preset := ""
		if v.Default != "" {
			preset = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, preset, v.Meaning)
	}
	return b.String()
}
