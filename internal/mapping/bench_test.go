package mapping

import (
	"testing"
)

// person is a record of about 2 KB, as Pipedrive's source hands it over.
const person = `{
	"id": 4821, "name": "MARINA QUARESMA  LOPES", "first_name": "Marina", "last_name": "Quaresma Lopes", "owner_id": 22110044, "org_id": 310,
	"add_time": "2026-11-20T13:41:07Z", "update_time": "2026-11-20T13:55:29Z", "visible_to": 3, "picture_id": null, "label_ids": [12, 15], "labels": ["Cliente VIP", "Lead frio"],
	"emails": [{"label": "work", "primary": true, "value": "marina.lopes@exemplo.com.br"}, {"label": "home", "primary": false, "value": "marina@exemplo.com.br"}],
	"phones": [{"label": "work", "primary": false, "value": "+55 84 3200-0102"}, {"label": "mobile", "primary": true, "value": "(84) 99000-0101"}],
	"custom_fields": {
		"7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10": "Natal", "Cidade": "Natal", "c0ffee5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c1011": "Varejo", "Segmento": "Varejo",
		"beef1234e8a4c3d9f6b2a1e0c4d8f7a3b5e9c102": ["Pães", "Bolos"], "Interesses": ["Pães", "Bolos"], "aa55aa550b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c": "2026-12-01", "Última compra": "2026-12-01",
		"0123456789abcdef0123456789abcdef01234567": null, "Descadastrado": "não", "1111111111111111111111111111111111111111": 1500.5, "Limite": "1.500,50",
		"Endereço": {"country": "Brasil", "admin_area_level_1": "Rio Grande do Norte", "locality": "Natal", "route": "Rua das Flores", "street_number": "10", "postal_code": "59000-000", "value": "Rua das Flores, 10, Natal"},
		"Horário": {"from": "08:00:00", "until": "17:30:00"}, "Período": {"from": "2026-12-01", "until": "2026-12-24"}, "Nota": 9.5, "Dono": 4821, "Hora": "07:15:00",
		"Observações": "Prefere ser chamada à tarde. Compra para a padaria da família aos sábados e pede nota fiscal no CPF. Indicada por um vizinho em 2024, gosta de promoções de pães integrais e de bolos de milho."
	},
	"open_deals_count": 2, "won_deals_count": 5, "lost_deals_count": 1, "activities_count": 12, "files_count": 0, "notes_count": 3, "last_activity_date": "2026-11-18", "next_activity_date": null, "company_id": 13579246, "is_deleted": false
}`

const shop = `mappings:
  - name: clientes
    from: erp
    to: weni
    when: len(record.phones) > 0
    contact:
      name: =squeeze(record.name)
      language: por
      phones: =record.phones
      emails: =record.emails
      opt_out: yes(record.custom_fields.Descadastrado)
      labels:
        - Clientes
        - {label: VIP, when: '"Cliente VIP" in record.labels'}
        - {pick: =record.custom_fields.Segmento, from: {Varejo: Varejo, Atacado: Atacado}}
      fields:
        cidade: =upper(record.custom_fields.Cidade)
        ultima_compra: {value: '=date_br(record.custom_fields["Última compra"])', type: datetime}
        limite: {value: =number_br(record.custom_fields.Limite), type: numeric}
        crm_url: '="https://acme.pipedrive.com/person/" + text(record.id)'
`

func BenchmarkMap(b *testing.B) {
	plan, rec := load(b, shop), record(b, person)
	if cs := plan.Map("erp", rec, noon); len(cs) != 1 || len(cs[0].Problems) > 0 {
		b.Fatalf("%+v", cs)
	}
	b.SetBytes(int64(len(person)))
	b.ReportAllocs()
	for b.Loop() {
		plan.Map("erp", rec, noon)
	}
}

// BenchmarkMapWithoutPhones shows what the expressions alone cost.
func BenchmarkMapWithoutPhones(b *testing.B) {
	plan, rec := load(b, `mappings:
  - name: m
    from: erp
    to: weni
    contact:
      name: =squeeze(record.name)
      labels: [{label: VIP, when: '"Cliente VIP" in record.labels'}]
      fields:
        a: =find(record.phones, .primary).value
        b: =lower(record.emails[0].value)
        c: '=filter(record.labels, # startsWith "Cliente")[0]'
        d: =upper(record.custom_fields.Cidade)
        e: '=yes(record.custom_fields.Descadastrado) ? "sim" : "não"'
        f: {value: =record.open_deals_count + record.won_deals_count, type: numeric}
`), record(b, person)
	b.ReportAllocs()
	for b.Loop() {
		plan.Map("erp", rec, noon)
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	b.SetBytes(int64(len(person)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRecord([]byte(person)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	text := []byte(completed(shop))
	b.ReportAllocs()
	for b.Loop() {
		if plan, found := Load("mappings.yaml", text, Options{Lookup: environment}); plan == nil {
			b.Fatal(found)
		}
	}
}
