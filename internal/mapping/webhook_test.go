package mapping

import (
	"strings"
	"testing"
)

// TestASignedTime: naming the header with the time means that the time is signed.
//
// At first `check` was content with a timestamp and no template, and the daemon then refused to start: it took the body
// alone for what is signed.
func TestASignedTime(t *testing.T) {
	load := func(webhook string) (*Plan, Diagnostics) {
		return Load("mappings.yaml", []byte("version: 1\nsources:\n  loja: {kind: generic, webhook: {auth: hmac, header: X-Sig, secret: um-segredo-inventado"+webhook+"}, record: {id: id}}\n"+
			"targets:\n  weni: {kind: weni, base_url: \"https://flows.weni.ai\", token: um-token-inventado}\nmappings:\n  - {name: loja, from: loja, to: weni, contact: {phones: =record.fone}}\n"), Options{})
	}
	for webhook, want := range map[string]string{"": "{body}", ", timestamp: X-Time": "{timestamp}.{body}", `, timestamp: X-Time, template: "{timestamp}.{body}"`: "{timestamp}.{body}"} {
		plan, remarks := load(webhook)
		if remarks.HasErrors() || plan.Sources[0].Webhook.Template != want {
			t.Errorf("%q: %v", webhook, remarks)
		}
	}
	for _, webhook := range []string{`, timestamp: X-Time, template: "{body}"`, `, template: "{timestamp}.{body}"`} {
		if _, remarks := load(webhook); !remarks.HasErrors() || !strings.Contains(remarks.String(), "template") {
			t.Errorf("%q is taken: %v", webhook, remarks)
		}
	}
}
