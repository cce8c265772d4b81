package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"syncer/internal/contact"
)

// people are the contacts of a record that stands for several. A list that is empty leaves: the record says
// that it stands for nobody.
func (m *compiled) people(fr *frame) []contact.Contact {
	v, f := m.each.eval(fr)
	stop := func(fatal contact.Problem) []contact.Contact {
		c := m.blank("")
		c.Problems = append(c.Problems, fatal)
		return []contact.Contact{c}
	}
	if f != nil {
		return stop(m.problem("each", m.each, f, true))
	}
	if g, absent := v.(*gap); absent {
		return stop(m.undecided("each", m.each, g.path))
	}
	rows, isList := v.([]any)
	if !isList && !blank(v) {
		return stop(m.problem("each", m.each, &fault{0, len(m.each.places), words("this is %s, not a list", "isto é %s, não uma lista", kind(v))}, true))
	}
	var contacts []contact.Contact
	seen := map[string]bool{}
	for i, row := range rows {
		if row = plain(row); row == nil {
			continue
		}
		fr.item = row
		c := m.contact(fr, "")
		c.Part = partOf(row, &c)
		if c.Part == "" || seen[c.Part] {
			c.Part = or(c.Part, "row") + "-" + fmt.Sprint(i+1)
			c.Problems = append(c.Problems, contact.Problem{Attr: "each", Where: m.each.where(0, len(m.each.places)), Fatal: true,
				Message: words("row %d cannot be told apart from the others: it needs an id, or a phone or e-mail of its own",
					"a linha %d não se distingue das outras: precisa de um id, ou de telefone ou e-mail próprio", i+1).in(m.language)})
		}
		seen[c.Part] = true
		contacts = append(contacts, c)
	}
	if contacts == nil {
		c := m.blank("")
		m.leave(&c, m.policy.OnUnmatch)
		contacts = append(contacts, c)
	}
	return contacts
}

// partOf names one person of a record by something that stays when rows are moved or removed: the row's own
// id, else the identity. A place in the list would hand one person's contact to another.
func partOf(row any, c *contact.Contact) string {
	if object, ok := row.(map[string]any); ok {
		for _, key := range []string{"id", "ID", "Id", "uuid", "codigo", "código", "code"} {
			if text, ok := written(plain(object[key])); ok && !blank(text) {
				return strings.TrimSpace(text)
			}
		}
	}
	identity := ""
	if p, ok := c.Primary(); ok {
		identity = string(p.Identity())
	} else if len(c.Emails) > 0 {
		identity = "mailto:" + c.Emails[0]
	} else if len(c.Phones) > 0 && c.Name.State == contact.Set {
		identity = string(c.Phones[0].Identity()) + " " + c.Name.Value
	}
	if identity == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:6])
}
