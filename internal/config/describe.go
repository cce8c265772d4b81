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

var meanings = map[string]string{
	"SYNCER_MAPPINGS":         "The mapping file: sources, targets, and how a record becomes a contact.",
	"SYNCER_STATE":            "Where syncer remembers: `bolt:` and a file. `?max=2GB` bounds its size; bulk work stops at 80 % of that.",
	"SYNCER_LISTEN":           "Where webhooks are received: `/hooks/…`, `/healthz` and `/readyz`, nothing else.",
	"SYNCER_ADMIN_LISTEN":     "Where the console, the admin API and `/metrics` are. Anywhere but on loopback a token is required.",
	"SYNCER_ADMIN_TOKEN":      "Protects the admin door: as a bearer token, or through the login form. At least 16 characters where the door is not on loopback.",
	"SYNCER_ADMIN_TOKEN_FILE": "A file that holds the admin token, instead of `SYNCER_ADMIN_TOKEN`.",
	"SYNCER_PUBLIC_URL":       "The address under which senders reach `SYNCER_LISTEN`, such as `https://syncer.example.com`. For signatures that cover the address, and for `syncer hooks`.",
	"SYNCER_LOG_LEVEL":        "`debug`, `info`, `warn` or `error`.",
	"SYNCER_LOG_FORMAT":       "`text` or `json`, one line each.",
	"SYNCER_SHUTDOWN_TIMEOUT": "How long work under way may take to end. Let the supervisor wait a few seconds more before it kills.",
	"LANG":                    "The language of messages: Portuguese when it begins with `pt`, else English.",
}

// Describe lists all variables, in the order of the struct, with what c says.
func Describe(c Config) []Variable {
	var out []Variable
	v := reflect.ValueOf(c)
	for field, value := range v.Fields() {
		name := field.Tag.Get("env")
		d := Variable{Name: name, Default: field.Tag.Get("envDefault"), Meaning: meanings[name], Value: redacted(fmt.Sprint(value))}
		if name == "SYNCER_ADMIN_TOKEN" && d.Value != "" {
			d.Value = "(set)"
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
