package obs_test

import (
	"strings"
	"testing"

	"syncer/internal/obs"
)

func TestMask(t *testing.T) {
	var secrets obs.Secrets
	secrets.Add("s3cr3t/+value")
	for _, tt := range []struct{ text, want string }{
		// Phone numbers, in the forms in which people and programs write them.
		{"5584990000101", "5584*******01"},
		{"number 5584990000101 refused", "number 5584*******01 refused"},
		{"+5584990000101", "5584*******01"},
		{"+55 84 99000-0101", "5584*******01"},
		{"+55 (84) 9 9000-0101", "5584*******01"},
		{"55 84 99000-0101", "5584*******01"},
		{"(84) 99000-0101", "8499*****01"},
		{"(084) 99000-0101", "0849******01"},
		{"(84)990000101", "8499*****01"},
		{"84 990000101", "8499*****01"},
		{"84.99000.0101", "8499*****01"},
		{"84 3200-0102", "8432****02"},
		{"84990000101", "8499*****01"},
		{"8432000102", "8432****02"},
		{"99000-0101", "990****01"},
		{"9 9000-0101", "990****01"},
		{"3200-0102", "32****02"},
		{"990000101", "990****01"},
		{"+1 (415) 555-2671", "1415*****71"},
		{"415-555-2671", "4155****71"},
		{"14155552671", "1415*****71"},
		{"+351 912 345 678", "3519******78"},
		{"005584990000101", "0055*********01"},
		{"00 351 912 345 678", "0035********78"},
		{"tel5584990000101", "tel5584*******01"},
		{"%2B5584990000101", "%2B5584*******01"},
		{"%205584990000101", "%205584*******01"},
		{"5584990000101.0", "5584*******01"},
		{"5.584990000101e+12", "5584*******01"},
		{`{"phone":5584990000101}`, `{"phone":5584*******01}`},
		{"+5584990000101 4821", "5584*******01 4821"},
		{"a: 5584990000101, b: 5584990000202.", "a: 5584*******01, b: 5584*******02."},
		{"número 5584990000101—Ana", "número 5584*******01—Ana"},
		{"app/5584990000101", "app/5584*******01"},
		{"app/14155552671", "app/1415*****71"},
		{"https://x.test/contacts/5584990000101/notes", "https://x.test/contacts/5584*******01/notes"},
		// Addresses.
		{"whatsapp:5584990000101", "whatsapp:5584*******01"},
		{"whatsapp:5584990000101.", "whatsapp:5584*******01."},
		{"whatsapp%3A5584990000101&x=1", "whatsapp:5584*******01&x=1"},
		{"?urn=tel:+558432000102", "?urn=tel:5584******02"},
		{`["telegram:123456789","ext:abc-123"]`, `["telegram:1******","ext:a******"]`},
		{"mailto:ana@exemplo.com.br", "mailto:a******"},
		{"phone:5584990000101", "phone:5584*******01"},
		{"whatsapp://send?phone=5584990000101", "whatsapp://send?phone=5584*******01"},
		{"Ana <ana.souza+crm@exemplo.com.br>", "Ana <a******>"},
		{"ana%40exemplo.com.br", "a******"},
		{"josé@exemplo.com.br", "j******"},
		// Documents.
		{"529.982.247-25", "[cpf]"},
		{"52998224725", "5299*****25"},
		{"529 982 247 25", "[cpf]"},
		{"11.222.333/0001-81", "[cnpj]"},
		// Credentials.
		{"refused s3cr3t/+value", "refused [secret]"},
		{"?t=s3cr3t%2F%2Bvalue", "?t=[secret]"},
		{"/hooks/loja/Zk39x-77", "/hooks/loja/[secret]"},
		{"https://h.test/hooks/loja/Zk39x-77?a=1", "https://h.test/hooks/loja/[secret]?a=1"},
		{"https://user:pass@h.test/", "https://[secret]@h.test/"},
		{"Authorization: Bearer abc123def456", "Authorization: Bearer [secret]"},
		{"Token 0123456789abcdef", "Token [secret]"},
		{"Basic dXNlcjpwYXNz=", "Basic [secret]"},
		{"?api_token=abcdef&limit=5", "?api_token=[secret]&limit=5"},
		{`{"access_token":"abcdef","n":1}`, `{"access_token":"[secret]","n":1}`},
		{`{\"password\": \"abcdef\"}`, `{\"password\": \"[secret]\"}`},
	} {
		if got := secrets.Mask(tt.text); got != tt.want {
			t.Errorf("Mask(%q)\n got %q\nwant %q", tt.text, got, tt.want)
		} else if again := secrets.Mask(got); again != got {
			t.Errorf("masking %q again gives %q", got, again)
		}
	}
}

func TestMaskKeepsWhatOperatorsNeed(t *testing.T) {
	var secrets *obs.Secrets // none known
	for text := range strings.SplitSeq(strings.TrimSpace(`
crm/4821
hubspot/512345678901
loja/1234567890
kommo/38219043 and crm/4822
f9168c5e-ceb2-4faa-b6bf-329bf39fa1e4
12345678-1234-1234-1234-558499000010
crm-full-12
run crm-changes-1093 would change 4821 people and waits
2026-11-20T14:05:09Z
2026-11-20 14:05:09.123456789-03:00
2026-11-20
20261120140509
backup-20261120T140509Z.db
v0.0.0-20261120140509-ab12cd34ef56
syncer v1.2.3+incompatible
1h2m3.456789012s
12.912345678s
1.44s
1795183509123456
2147483648 bytes
8589934592B
9999999999ns
0.8571428571428571
1.7951835e+09
12,500 of 100,000 records
127.0.0.1:8081
[::1]:8081
192.168.100.200
https://flows.weni.ai/api/v2/contacts.json?limit=250
mappings.yaml:12:3: unknown key "contcat"
line:12: unexpected
4bf92f3577b34da6a3ce929d0e0e4736
00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
53bc4a1b12345678901c2d3e
CEP 59000-000
the years 2024-2025
page 3 of 12, 250 a page
weni: update contact: it refuses the request (HTTP 400) (request 8f3a2c)
the token belongs to another workspace
basic authentication is missing
SYNCER_ADMIN_TOKEN: it is shorter than 16 characters
write whatsapp:5584… or tel:+55…
urns: [whatsapp, tel]
go.etcd.io/bbolt@v1.5.0
50 % of 4821
secret 2
`), "\n") {
		if got := secrets.Mask(text); got != text {
			t.Errorf("Mask(%q) = %q", text, got)
		}
	}
}
