// Package shop is an online shop with any number of customers, none of whom exists: what the benchmarks have
// records of. A customer is told by a number alone, so that no side of a comparison keeps them in memory.
package shop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
)

// Secret signs the shop's webhooks.
const Secret = "segredo-da-bancada"

// Mapping is a mapping file as a shop has it. Its verbs are the shop's address, and those of Weni: base_url, token.
const Mapping = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, area: "84", guard: {at_least: 1000000}}
sources:
  loja:
    kind: generic
    webhook: {auth: hmac, header: X-Signature, secret: ` + Secret + `, algorithm: sha256, encoding: hex, prefix: "sha256="}
    event: {id: id, type: event, as: {customer.deleted: delete}, otherwise: upsert}
    record: {at: data, id: id, version: updated_at, version_as: rfc3339, payload: full}
    list:
      url: "%s/api/customers"
      items: data
      next: {cursor: next_cursor, param: cursor}
      since: {param: updated_since, as: rfc3339}
      per_hour: 1000000
    reconcile: {changes: "*/5 * * * *", full: "37 3 29 2 *"}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", urns: [whatsapp], create_missing: true, opt_out: {label: Opt-out, field: optout}, rate: {contacts: 1000000, other: 1000000}}
mappings:
  - name: clientes
    from: loja
    to: weni
    when: len(record.phones) > 0
    contact:
      name: =title(record.name)
      language: por
      phones: =record.phones
      emails: =record.emails
      opt_out: yes(record.custom_fields.Descadastrado)
      labels:
        - Clientes
        - {label: VIP, when: '"Cliente VIP" in record.labels'}
        - {pick: =record.custom_fields.Segmento, from: {Varejo: Varejo, Atacado: Atacado}}
      retired: [Clientes antigos]
      fields:
        cidade: =record.custom_fields.Cidade
        documento: =cpf(record.custom_fields.CPF)
        ultima_compra: {value: '=date_br(record.custom_fields["Última compra"])', type: datetime, blank: clear}
        limite: {value: =number_br(record.custom_fields.Limite), type: numeric, write: keep_edits}
        loja_url: '="https://loja.invalid/person/" + text(record.id)'
    on_unmatch: unlabel
    on_delete: unlabel
`

// Plan compiles Mapping.
func Plan(shop, weni, token string) (*mapping.Plan, error) {
	plan, found := mapping.Load("mappings.yaml", fmt.Appendf(nil, Mapping, shop, weni, token), mapping.Options{Language: "en"})
	if plan == nil {
		return nil, fmt.Errorf("the mapping of the benchmark: %s", found)
	}
	return plan, nil
}

var (
	given    = []string{"ANA", "BRUNO", "CLARA", "DAVI", "ELISA", "FABIO", "GABRIELA", "HUGO", "IRENE", "JOAO", "KARINA", "LUCAS"}
	family   = []string{"QUARESMA", "BEZERRA", "DO VALE", "DANTAS", "DE MEDEIROS", "FREIRE", "GALVAO", "DA ROCHA", "MAIA", "NOBREGA"}
	cities   = []string{"Natal", "Parnamirim", "Mossoró", "Caicó", "Assu", "Currais Novos"}
	segments = []string{"Varejo", "Atacado"}
	labels   = []string{`"Cliente VIP", "Lead frio"`, `"Lead frio"`, ``}
	epoch    = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
)

// Customer appends the record of customer n, about 900 bytes, as it stands after so many changes.
func Customer(b []byte, n, changes int) []byte {
	name := given[n%len(given)] + " " + family[n/7%len(family)] + "  " + family[n/91%len(family)]
	return fmt.Appendf(b, `{"id": %d, "name": %q, "updated_at": "%s", "add_time": "2026-01-20T13:41:07Z", "owner_id": 22110044, "visible_to": 3, "picture_id": null, "labels": [%s], `+
		`"emails": [{"label": "work", "primary": true, "value": "cliente.%d@exemplo.invalid"}], `+
		`"phones": [{"label": "work", "primary": false, "value": "+55 84 3200-0102"}, {"label": "mobile", "primary": true, "value": "(84) 9%04d-%04d"}], `+
		`"custom_fields": {"Cidade": %q, "Segmento": %q, "CPF": "%s", "Última compra": "%02d/11/2026", "Descadastrado": "não", "Limite": "1.%03d,50", "Pontos": %d, `+
		`"Endereço": {"country": "Brasil", "admin_area_level_1": "Rio Grande do Norte", "locality": %q, "route": "Rua das Flores", "street_number": "%d", "postal_code": "59000-000"}}, `+
		`"open_deals_count": %d, "won_deals_count": 5, "lost_deals_count": 1, "notes_count": 3, "last_activity_date": "2026-11-18", "next_activity_date": null, "company_id": 13579246, "is_deleted": false}`,
		n, name, At(n, changes).Format(time.RFC3339), labels[n%len(labels)], n, 1000+n/10000%9000, n%10000,
		cities[n%len(cities)], segments[n%len(segments)], cpf(n), 1+n%28, (n+changes)%1000, changes, cities[n%len(cities)], n%300, n%4)
}

// At is the moment to which customer n with so many changes is dated.
func At(n, changes int) time.Time {
	return epoch.Add(time.Duration(n%86400+changes) * time.Second)
}

// cpf is a number that passes the check of a CPF, of a range that is given to nobody's tests but these.
func cpf(n int) string {
	d := fmt.Sprintf("%09d", n%1_000_000_000)
	for range 2 {
		sum := 0
		for i, c := range d {
			sum += int(c-'0') * (len(d) + 1 - i)
		}
		d += strconv.Itoa(sum * 10 % 11 % 10)
	}
	return d
}

// Webhook is the body that tells the shop's customer n after so many changes, under an event id of its own.
func Webhook(event string, n, changes int) []byte {
	body := fmt.Appendf(make([]byte, 0, 1200), `{"id": %q, "event": "customer.updated", "data": `, event)
	return append(Customer(body, n, changes), '}')
}

// Sign is the signature of a body, as it stands in the header X-Signature.
func Sign(body []byte) string {
	m := hmac.New(sha256.New, []byte(Secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// Key names customer n.
func Key(n int) contact.Key { return contact.Key{Source: "loja", ID: strconv.Itoa(n)} }

// Event is what the source makes of customer n.
func Event(n, changes int) contact.Event {
	return contact.Event{Kind: contact.Upsert, Key: Key(n), Shape: contact.Full, Payload: Customer(nil, n, changes),
		Version: contact.Version{Source: contact.Micros(At(n, changes))}}
}
