package mapping

import (
	"slices"
	"strconv"
	"strings"

	"syncer/internal/contact"
)

// address is one number or e-mail as it stands in a record.
type address struct {
	text    string
	primary bool
	damaged bool // a decimal number, which no telephone number is
}

// addresses collects texts, lists and rows of {value, primary} in any mix, primary ones first, the order
// otherwise kept. said is false when the record says nothing about them at all.
func (m *compiled) addresses(fr *frame, attr string, programs []*program, fatal bool, c *contact.Contact) (all []address, said bool) {
	for _, p := range programs {
		v, f := p.eval(fr)
		if f != nil {
			c.Problems = append(c.Problems, m.problem(attr, p, f, fatal))
			continue
		}
		if _, absent := v.(*gap); absent {
			continue
		}
		said = true
		all = m.gather(all, attr, p, v, c)
	}
	slices.SortStableFunc(all, func(a, b address) int {
		switch {
		case a.primary == b.primary:
			return 0
		case a.primary:
			return -1
		}
		return 1
	})
	return all, said
}

func (m *compiled) gather(all []address, attr string, p *program, v any, c *contact.Contact) []address {
	switch x := plain(v).(type) {
	case nil:
		return all
	case string:
		return append(all, address{text: x})
	case int:
		return append(all, address{text: strconv.Itoa(x)})
	case float64:
		return append(all, address{damaged: true})
	case []any:
		for _, item := range x {
			all = m.gather(all, attr, p, item, c)
		}
		return all
	case map[string]any:
		from := len(all)
		for _, key := range []string{"value", "phone", "number", "email"} {
			if value, ok := x[key]; ok {
				all = m.gather(all, attr, p, value, c)
				break
			}
		}
		if from == len(all) && len(x) > 0 && !hasAny(x, "value", "phone", "number", "email") {
			c.Problems = append(c.Problems, m.problem(attr, p, &fault{0, len(p.places), words("a row has no value: rows are {value, primary}", "uma linha não tem value: as linhas são {value, primary}")}, false))
		}
		if primary, _ := yes(plain(x["primary"])); primary {
			for i := from; i < len(all); i++ {
				all[i].primary = true
			}
		}
		return all
	}
	c.Problems = append(c.Problems, m.problem(attr, p, &fault{0, len(p.places), words("this is %s, not text, a list or rows of {value, primary}", "isto é %s, não texto, lista ou linhas de {value, primary}", kind(v))}, false))
	return all
}

func hasAny(object map[string]any, keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { _, ok := object[k]; return ok })
}

// readPhones reads the numbers. One that is refused becomes a problem with the reason and without the number.
func (m *compiled) readPhones(fr *frame, c *contact.Contact) {
	if len(m.phones) == 0 {
		return
	}
	all, said := m.addresses(fr, "phones", m.phones, true, c)
	if !said {
		return
	}
	c.Phones = make([]contact.Phone, 0, len(all))
	refuse := func(n int, reason error) {
		c.Problems = append(c.Problems, m.problem("phones", m.phones[0], &fault{0, len(m.phones[0].places), words(
			"number %d is not used: %s", "o número %d não é usado: %s", n, phoneReason(reason))}, false))
	}
	n := 0
	for _, a := range all {
		if a.damaged {
			n++
			refuse(n, contact.ErrPhoneDamaged)
			continue
		}
		for _, one := range splitPhones(a.text) {
			n++
			phone, err := contact.ParsePhone(one, m.rules)
			if err != nil {
				refuse(n, err)
				continue
			}
			if !slices.ContainsFunc(c.Phones, func(p contact.Phone) bool { return p.Identity() == phone.Identity() }) {
				c.Phones = append(c.Phones, phone)
			}
		}
	}
}

// splitPhones is the domain's rule, spared the usual text that holds a single number: without a separator or a
// word in it there is nothing to split.
func splitPhones(text string) []string {
	for _, r := range text {
		if !strings.ContainsRune("0123456789 ()+-.", r) {
			return contact.SplitPhones(text)
		}
	}
	if blank(text) {
		return nil
	}
	return []string{text}
}

// readEmails reads the e-mail addresses.
func (m *compiled) readEmails(fr *frame, c *contact.Contact) {
	if len(m.emails) == 0 {
		return
	}
	all, said := m.addresses(fr, "emails", m.emails, false, c)
	if !said {
		return
	}
	c.Emails = make([]string, 0, len(all))
	n := 0
	for _, a := range all {
		for _, one := range strings.FieldsFunc(a.text, func(r rune) bool { return strings.ContainsRune(";,| \t\n/", r) }) {
			n++
			urn, err := contact.NewURN(contact.SchemeMailto, one)
			if err != nil {
				c.Problems = append(c.Problems, m.problem("emails", m.emails[0], &fault{0, len(m.emails[0].places), words(
					"e-mail %d is not used: it is not a valid address", "o e-mail %d não é usado: não é um endereço válido", n)}, false))
				continue
			}
			if email := urn.Path(); !slices.Contains(c.Emails, email) {
				c.Emails = append(c.Emails, email)
			}
		}
	}
}
