package mapping

import (
	"strings"
	"testing"
)

// TestMistakesShowNoSecret: a remark quotes its line, and in the line may stand a secret that was written into the
// file.
//
// Once `tokne: "…"` was shown as it stood, by check, in the log of a reload and in status: the key was unknown, so
// nobody knew that its value was a token. The same went for a name without a password in an address.
func TestMistakesShowNoSecret(t *testing.T) {
	const secret = "segredo-inventado-9b"
	for _, line := range []string{
		`tokne: "` + secret + `"`, `tokens: ` + secret, `Token: '` + secret + `'`, `passwrod: ` + secret, `apikey: [` + secret + `, x]`, `secert: "` + secret,
		`token: ${A}` + secret + ` "`, `auth: "Bearer ` + secret + ` `, `base_url: "://` + secret + `@host x"`, `base_url: "http://u:` + secret + `@[`, `{kind: weni, tokem: ` + secret + `}`,
	} {
		if got := maskKeys(line); strings.Contains(got, secret) || len(got) != len(line) {
			t.Errorf("%s is shown as %s", line, got)
		}
	}
	for _, line := range []string{`name: =record.name`, `to: weni`, `when: record.x`, `header: X-Signature`, `base_url: "https://flows.weni.ai"`, `token: "${WENI_TOKEN}"`, `kind: pipedrive`,
		`from: crm`, `labels: [Clientes, VIP]`, `type: datetime`} {
		if got := maskKeys(line); got != line {
			t.Errorf("%s is shown as %s", line, got)
		}
	}
	_, remarks := Load("mappings.yaml", []byte("version: 1\nsources:\n  crm: {kind: pipedrive, webhook: {auth: none}}\ntargets:\n  weni: {kind: weni, tokne: \""+secret+"\"}\nmappings: []\n"), Options{})
	if text := remarks.String(); strings.Contains(text, secret) || !strings.Contains(text, "tokne") {
		t.Errorf("the remarks:\n%s", text)
	}
}
