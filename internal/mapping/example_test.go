package mapping

import (
	"os"
	"slices"
	"strings"
	"testing"

	"syncer/internal/contact"
)

// TestExample keeps the file that people copy working, without a word of warning but those it explains.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../mappings.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(text), "\n"); first != "# yaml-language-server: $schema=./mappings.schema.json" {
		t.Errorf("editors find the schema in the first line, not in %q", first)
	}
	asked := map[string]bool{}
	plan, found := Load("mappings.example.yaml", text, Options{Lookup: func(name string) (string, bool) {
		asked[name] = true
		if strings.HasSuffix(name, "_URL") {
			return "http://127.0.0.1:9000", true // the same file runs against simulators
		}
		return "s3cr3t-" + name, true
	}})
	if len(found) > 0 {
		t.Fatalf("not accepted without a word:\n%s", found)
	}
	for name := range strings.FieldsSeq("CRM_HOOK_USER CRM_HOOK_PASSWORD PIPEDRIVE_URL PIPEDRIVE_TOKEN LOJA_SECRET LOJA_URL LOJA_TOKEN WENI_URL WENI_TOKEN OMNI_URL OMNI_TOKEN OMNI_CLIENT OMNI_CHANNEL OMNIFLOW_URL OMNIFLOW_API_KEY") {
		if !asked[name] {
			t.Errorf("%s is not asked for", name)
		}
		delete(asked, name)
	}
	if len(asked) > 0 {
		t.Errorf("it asks for more: %v", asked)
	}
	contacts := plan.Map("crm", record(t, `{"id": 4821, "name": "MARINA QUARESMA LOPES", "phones": [{"value": "99000-0101", "primary": true}], "emails": [], "labels": ["Cliente VIP"],
		"custom_fields": {"Descadastrado": "não", "Segmento": "Varejo", "Cidade": "Natal", "CPF": null, "Última compra": null, "Limite": "1.500,00"}}`), noon)
	if len(contacts) != 2 || len(contacts[0].Problems)+len(contacts[1].Problems) > 0 {
		t.Fatalf("%+v", contacts)
	}
	c := contacts[0]
	if c.Name.Value != "Marina Quaresma Lopes" || c.OptOut != contact.No || !c.Labels["VIP"] || !c.Labels["Varejo"] || c.Labels["Atacado"] || c.Labels["Clientes antigos"] {
		t.Errorf("%+v", c)
	}
	if p, ok := c.Primary(); !ok || p.Digits != "5584990000101" || !p.AreaAssumed {
		t.Errorf("%+v", c.Phones)
	}
	if u := c.Fields["ultima_compra"]; u.State != contact.Blank || u.Blank != contact.BlankClear || u.Type != contact.DatetimeField {
		t.Errorf("%+v", u)
	}
	if url := c.Fields["crm_url"].Value; url != "http://127.0.0.1:9000/person/4821" {
		t.Error(url)
	}
	if got := contacts[1].For("atendimento").Labels; !got["Clientes"] {
		t.Errorf("%v", got)
	}
	if !plan.UsesToday("loja") || plan.UsesToday("crm") {
		t.Error("only the shop looks at the date")
	}
	labels, fields := plan.Managed("weni")
	if !slices.Equal(labels, []string{"Atacado", "Clientes", "Loja", "Sem compra há 90 dias", "VIP", "Varejo"}) || len(fields) != 7 {
		t.Errorf("%v %v", labels, fields)
	}
	if got := plan.Retired("weni"); !slices.Equal(got, []string{"Clientes antigos"}) {
		t.Errorf("%v", got)
	}
}
