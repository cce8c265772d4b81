package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// The census knows who is who. syncer does not: it sees records, and the workspace contacts. Every record carries
// the id of its human into a field of the contact, so that each write tells whose data it was.

// human is somebody real.
type human struct {
	id    int
	name  string
	phone string // canonical mobile; empty for whoever has none
	clear bool   // nothing about them is ambiguous: they must be linked
	gone  bool
	kind  string
}

// entry is one record of a source.
type entry struct {
	source string
	id     int
	human  *human
	fone   string // as somebody typed it
	name   string
}

// census is everybody, and the judge of what syncer did.
type census struct {
	*lab.Lab
	random *rand.Rand
	humans []*human
	next   map[string]int
	lines  int
	record map[contact.Key]*human

	mu     sync.Mutex
	holds  map[string][]*human // number -> who answers it
	known  map[*human]bool     // who is in a source or in the workspace by now
	owned  map[string][]*human // contact -> whose it ever rightly was
	wrong  map[string]string   // what went wrong, once each
	naive  map[*human]bool     // whose data a push by number would have put on somebody else's contact
	writes int
}

const peopleMapping = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo, area: "84"}
sources:
  crm: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
  loja: {kind: generic, webhook: {auth: none}, record: {id: id, payload: full}}
targets:
  weni: {kind: weni, base_url: "%s", token: "%s", create_missing: true, opt_out: {label: Opt-out}}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact: {name: =record.nome, phones: =record.fone, labels: [Clientes], fields: {dono_crm: =record.dono}}
  - name: compradores
    from: loja
    to: weni
    contact: {name: =record.nome, phones: =record.fone, labels: [Compradores], fields: {dono_loja: =record.dono}}
`

var (
	firstNames = strings.Fields("Ana Rui Bia Caio Davi Elis Fabio Gina Hugo Iara João Kátia Lia Mauro Nina Otto Pilar Rosa Saulo Tais Ubiratã Vera Wanda Yago Zeca Áurea Bento Célia Dora Enzo")
	lastNames  = strings.Fields("Prado Lima Souza Rocha Nunes Paiva Brito Maia Torres Leal Farias Dantas Gomes Freire Lopes Moura")
)

// person makes somebody with a number of their own.
func (c *census) person(kind string, clear bool) *human {
	h := &human{id: len(c.humans) + 1, kind: kind, clear: clear}
	h.name = firstNames[h.id%len(firstNames)] + " " + lastNames[c.random.IntN(len(lastNames))] + " " + lastNames[(h.id/len(firstNames))%len(lastNames)]
	h.phone = c.number("84")
	c.hold(h.phone, h)
	c.humans = append(c.humans, h)
	return h
}

// number is a mobile that nobody has. Its second half starts above 6, so that it has a short form.
func (c *census) number(area string) string {
	c.lines++
	return fmt.Sprintf("55%s9%d%07d", area, 8+c.lines%2, 1_000_000+c.lines)
}

func (c *census) hold(phone string, who ...*human) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds[phone] = who
}

// enter makes a record and tells syncer of it later, when records are published.
func (c *census) enter(source string, h *human, fone string) entry {
	c.next[source]++
	e := entry{source, c.next[source], h, fone, h.name}
	c.record[contact.Key{Source: source, ID: fmt.Sprint(e.id)}] = h
	return e
}

// push does what the simpler ways do: the first number of a record, with the usual area code where it has none, is whose
// data it is. That is wrong when somebody else answers it, and for everybody who shares a line: they overwrite each other.
func (c *census) push(e entry) {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, strings.Split(e.fone, "/")[0])
	digits = strings.TrimPrefix(digits, "0")
	if len(digits) > 11 {
		digits = strings.TrimPrefix(digits, "55")
	}
	if len(digits) < 10 {
		digits = "84" + digits
	}
	answers := c.holds[canonical(":55"+digits)]
	if len(answers) > 0 && (!slices.Contains(answers, e.human) || len(answers) > 1) {
		c.naive[e.human] = true
	}
}

// publish writes records into their books and returns the webhooks.
func (c *census) publish(list []entry) (events []contact.Event) {
	for _, e := range list {
		c.mu.Lock()
		c.known[e.human] = true
		c.push(e)
		c.mu.Unlock()
		events = append(events, c.Books[e.source].Put(e.id, lab.Row{"nome": e.name, "fone": e.fone, "dono": fmt.Sprint(e.human.id)}))
	}
	return events
}

// typed is a number as people write it.
func (c *census) typed(phone string) string {
	area, rest := phone[2:4], phone[4:]
	switch c.random.IntN(6) {
	case 0:
		return fmt.Sprintf("(%s) %s-%s", area, rest[:5], rest[5:])
	case 1:
		return "+" + phone
	case 2:
		return area + rest[1:] // without the ninth digit
	case 3:
		return "0" + area + " " + rest
	case 4:
		return fmt.Sprintf("+55 %s %s %s", area, rest[:5], rest[5:])
	}
	return phone
}

func short(phone string) string { return phone[:4] + phone[5:] }

// exists makes a contact that was there before, and says whose it is. Its number comes by an update, which lets
// both forms of a number stand in two contacts, as happens there.
func (c *census) exists(h *human, name, phone string) error {
	id, err := c.Weni.AddContact(rapidpro.NewContact{Name: name})
	if err != nil {
		return err
	}
	c.owned[id], c.known[h] = append(c.owned[id], h), true
	return c.Weni.Edit(id, rapidpro.Edit{AddURNs: []string{"whatsapp:" + phone}})
}

// tap judges every write of a contact.
func (c *census) tap(x lab.Exchange) {
	if x.Method != "POST" || !strings.HasPrefix(x.Path, "/api/v2/contacts.json") || x.Status >= 300 {
		return
	}
	var body struct{ Fields map[string]string }
	var answer struct {
		UUID string
		URNs []string
	}
	if json.Unmarshal(x.Body, &body) != nil || json.Unmarshal(x.Answer, &answer) != nil {
		return
	}
	u, _ := url.ParseRequestURI(x.Path)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	for _, dono := range body.Fields {
		var id int
		if _, err := fmt.Sscan(dono, &id); err != nil {
			continue
		}
		h := c.humans[id-1]
		if !u.Query().Has("uuid") && len(c.owned[answer.UUID]) == 0 && c.heldBy(h, answer.URNs) {
			c.owned[answer.UUID] = []*human{h} // made for them, under a number of theirs
		}
		if !c.rightful(h, answer.UUID, answer.URNs) {
			c.wrong[fmt.Sprintf("%s's data (%s) written to %s", dono, h.kind, answer.UUID)] = fmt.Sprint(answer.URNs)
		}
	}
}

// heldBy reports whether somebody answers one of the addresses.
func (c *census) heldBy(h *human, urns []string) bool {
	return slices.ContainsFunc(urns, func(u string) bool { return slices.Contains(c.holds[canonical(u)], h) })
}

// rightful reports whether a contact is somebody's: it was made or stood there for them, or they answer its number.
// Under a number that nobody answers of whom syncer can know, anything may be made: it cannot be told yet.
func (c *census) rightful(h *human, id string, urns []string) bool {
	return slices.Contains(c.owned[id], h) || c.heldBy(h, urns) || !slices.ContainsFunc(urns, func(u string) bool {
		return slices.ContainsFunc(c.holds[canonical(u)], func(h *human) bool { return c.known[h] })
	})
}

func canonical(urn string) string {
	_, number, _ := strings.Cut(urn, ":")
	number = strings.TrimPrefix(number, "+")
	if len(number) == 12 && number[4] >= '6' {
		number = number[:4] + "9" + number[4:]
	}
	return number
}

// inspect looks at every link: whose records stand for which contact. It returns who is linked.
func (c *census) inspect() (linked map[*human]bool, err error) {
	linked = map[*human]bool{}
	err = c.Store.View(func(tx state.Tx) error {
		for k, l := range state.Links.All(tx, nil, nil) {
			if l.Contact == "" {
				continue
			}
			who, _ := state.Persons.Get(tx, k.Person)
			var humans []*human
			for _, key := range who.Records {
				rec, _ := state.Records.Get(tx, key)
				stands := slices.ContainsFunc(rec.Parts, func(p state.RecordPart) bool { return p.Person == k.Person })
				if h := c.record[key]; stands && !rec.Deleted && !slices.Contains(humans, h) {
					humans = append(humans, h)
				}
			}
			got, _ := c.Weni.Contact(l.Contact)
			c.mu.Lock()
			for _, h := range humans {
				linked[h] = true
				if !c.rightful(h, l.Contact, got.URNs) {
					c.wrong[fmt.Sprintf("%d (%s) linked to %s", h.id, h.kind, l.Contact)] = fmt.Sprint(got.URNs)
				}
			}
			if len(humans) > 1 {
				c.wrong[fmt.Sprintf("%d and %d (%s, %s) on one contact", humans[0].id, humans[1].id, humans[0].kind, humans[1].kind)] = fmt.Sprint(got.URNs)
			}
			c.mu.Unlock()
		}
		return nil
	})
	return linked, err
}

// deliver sends webhooks in a random order and waits for the end.
func (c *census) deliver(events []contact.Event) error {
	c.random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for batch := range slices.Chunk(events, 50) {
		if _, err := c.Send(state.LaneLive, batch...); err != nil {
			return err
		}
	}
	return c.Settle(settleIn)
}

func (c *census) reconcile() error {
	for _, source := range []string{"crm", "loja"} {
		if _, err := c.Reconcile(source, "full"); err != nil {
			return err
		}
		if err := c.Settle(settleIn); err != nil {
			return err
		}
	}
	return nil
}
