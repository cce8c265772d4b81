package app

import (
	"testing"

	"syncer/internal/source/pipedrive"
)

// TestHooksShowNoSecret: `syncer hooks list` names where webhooks go, and nothing by which somebody could send there.
//
// At first only what followed /hooks/ was left out: a password in front of the host, and the whole address of other
// receivers, which is all that protects most of them, were shown.
func TestHooksShowNoSecret(t *testing.T) {
	a := &App{}
	a.opts.Config.PublicURL = "https://ponte.exemplo.com.br"
	for address, want := range map[string]string{
		"https://ponte.exemplo.com.br/hooks/crm":                     "https://ponte.exemplo.com.br/hooks/…",
		"https://u:senha@ponte.exemplo.com.br/hooks/crm/segredo?a=b": "https://ponte.exemplo.com.br/hooks/…",
		"https://receptor.exemplo.com.br/catch/123/segredo":          "https://receptor.exemplo.com.br/…",
		"https://receptor.exemplo.com.br?token=segredo#x":            "https://receptor.exemplo.com.br/…",
		"://segredo":      "…",
		"mailto:segredo@": "…",
	} {
		got := a.hook("crm", pipedrive.Hook{URL: address})
		if got.URL != want || got.Ours != (address == "https://ponte.exemplo.com.br/hooks/crm") {
			t.Errorf("%s is shown as %s, ours %v", address, got.URL, got.Ours)
		}
	}
}
