package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/state"
)

const settleIn = 5 * time.Minute

// wrongPerson lets ten thousand people come, share, change and give up their numbers, and counts how often
// anything of one of them ends up with another.
func wrongPerson(dir string, seed uint64) ([]line, error) {
	c := &census{random: rand.New(rand.NewPCG(seed, 7)), next: map[string]int{}, record: map[contact.Key]*human{},
		holds: map[string][]*human{}, owned: map[string][]*human{}, wrong: map[string]string{}, naive: map[*human]bool{}, known: map[*human]bool{}}
	l, err := lab.New(lab.Options{Dir: dir, Mapping: peopleMapping, Tap: c.tap})
	if err != nil {
		return nil, err
	}
	defer l.Stop()
	c.Lab = l
	first, err := c.settleDown()
	if err != nil {
		return nil, err
	}
	c.random.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
	half := len(first) / 2
	c.publish(first[:half])
	var lines []line
	steps := []struct {
		what string
		do   func() error
	}{
		{"first runs over half of the records", c.reconcile},
		{"the other half, by webhook", func() error { return c.deliver(c.publish(first[half:])) }},
		{"numbers change hands, people go and come", func() error { return c.turmoil(first) }},
		{"another hour, everything read again", func() error {
			c.Pass(time.Hour)
			if err := c.Mirror().Audit(ctx); err != nil {
				return err
			}
			return c.reconcile()
		}},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
		linked, err := c.inspect()
		if err != nil {
			return nil, err
		}
		lines = append(lines, c.verdict(s.what, linked))
	}
	return append(lines, c.rest()), c.explain()
}

// settleDown makes everybody, and the contacts that stood in the workspace before. It returns their records.
func (c *census) settleDown() (list []entry, err error) {
	add := func(e ...entry) { list = append(list, e...) }
	exists := func(h *human, name, phone string) {
		if err == nil {
			err = c.exists(h, name, phone)
		}
	}
	repeat := func(n int, do func()) {
		for range n {
			do()
		}
	}
	repeat(5000, func() {
		h := c.person("plain", true)
		switch c.random.IntN(10) {
		case 0, 1, 2:
			exists(h, h.name, h.phone)
		case 3:
			exists(h, "Apelido "+fmt.Sprint(h.id), h.phone)
		case 4:
			exists(h, "", h.phone)
		case 5:
			exists(h, h.name, short(h.phone))
		}
		add(c.enter("crm", h, c.typed(h.phone)))
	})
	repeat(1800, func() {
		h := c.person("in both sources", true)
		shop := c.enter("loja", h, c.typed(h.phone))
		switch words := strings.Fields(h.name); c.random.IntN(5) {
		case 0:
			shop.name = strings.ToLower(words[0])
		case 1:
			shop.name = words[0] + " " + words[2]
		case 2:
			shop.name = strings.ToUpper(words[0] + " " + words[1][:1] + ". " + words[2])
		}
		add(c.enter("crm", h, c.typed(h.phone)), shop)
	})
	repeat(200, func() {
		a, b := c.person("share a line in one source", false), c.person("share a line in one source", false)
		b.phone = a.phone
		c.hold(a.phone, a, b)
		add(c.enter("crm", a, c.typed(a.phone)), c.enter("crm", b, c.typed(a.phone)))
	})
	repeat(200, func() {
		a, b := c.person("share a line across sources", false), c.person("share a line across sources", false)
		b.phone = a.phone
		c.hold(a.phone, a, b)
		add(c.enter("crm", a, c.typed(a.phone)), c.enter("loja", b, c.typed(a.phone)))
	})
	repeat(150, func() {
		a, b := c.person("share a landline", true), c.person("share a landline", true)
		land := fmt.Sprintf("84 3%03d-%04d", c.lines%1000, c.lines%10000)
		add(c.enter("crm", a, land+" / "+c.typed(a.phone)), c.enter("crm", b, c.typed(b.phone)+" / "+land))
	})
	repeat(300, func() {
		h := c.person("has a landline only", false)
		add(c.enter("crm", h, fmt.Sprintf("(84) 3%03d-%04d", h.id%1000, h.id%10000)))
	})
	repeat(400, func() {
		h := c.person("without area code", true)
		if c.random.IntN(3) == 0 {
			exists(h, h.name, h.phone)
		}
		add(c.enter("crm", h, h.phone[4:]))
	})
	repeat(100, func() {
		// The same digits belong to one person here and, with the area code left out, to another one elsewhere.
		there, here := c.person("without the area code of another place", false), c.person("has the number that the area code would make", true)
		there.phone = "5511" + here.phone[4:]
		c.hold(there.phone, there)
		add(c.enter("crm", there, here.phone[4:]), c.enter("crm", here, c.typed(here.phone)))
	})
	repeat(100, func() {
		there, stranger := c.person("without the area code of another place", false), c.person("in the workspace only", false)
		there.phone = "5511" + stranger.phone[4:]
		c.hold(there.phone, there)
		exists(stranger, stranger.name, stranger.phone)
		add(c.enter("crm", there, stranger.phone[4:]))
	})
	repeat(300, func() {
		h := c.person("twice in the CRM", true)
		add(c.enter("crm", h, c.typed(h.phone)), c.enter("crm", h, c.typed(h.phone)))
	})
	repeat(200, func() {
		h := c.person("twice in the CRM under two names", false)
		again := c.enter("crm", h, c.typed(h.phone))
		again.name = strings.Fields(h.name)[0]
		add(c.enter("crm", h, c.typed(h.phone)), again)
	})
	repeat(200, func() {
		h := c.person("twice in the CRM with two numbers", true)
		second := c.number("84")
		c.hold(second, h)
		add(c.enter("crm", h, c.typed(h.phone)), c.enter("crm", h, c.typed(second)))
	})
	repeat(200, func() {
		h := c.person("two contacts in the workspace", true)
		exists(h, h.name, h.phone)
		exists(h, "", short(h.phone))
		add(c.enter("crm", h, c.typed(h.phone)))
	})
	repeat(100, func() {
		// Without its ninth digit this mobile is somebody's landline, and Weni takes the two for one.
		h, stranger := c.person("mobile that reads like a landline", false), c.person("landline on WhatsApp", false)
		c.lines++
		h.phone = fmt.Sprintf("55849%d%07d", 3, 2_000_000+c.lines)
		c.hold(h.phone, h)
		stranger.phone = short(h.phone)
		c.hold(stranger.phone, stranger)
		exists(stranger, stranger.name, stranger.phone)
		add(c.enter("crm", h, "+"+h.phone))
	})
	for _, e := range list {
		e.human.gone = false
	}
	return list, err
}

// turmoil is what happens to numbers: they change, are given up and come back with somebody else.
func (c *census) turmoil(all []entry) error {
	var plain, both []entry
	for _, e := range all {
		switch {
		case e.human.kind == "plain":
			plain = append(plain, e)
		case e.human.kind == "in both sources" && e.source == "crm":
			both = append(both, e)
		}
	}
	made := map[string]bool{} // plain people whose contact syncer made: their old number is free again
	if err := c.Store.View(func(tx state.Tx) error {
		for k, l := range state.Links.All(tx, nil, nil) {
			if who, _ := state.Persons.Get(tx, k.Person); l.Created && len(who.Records) > 0 {
				made[who.Records[0].String()] = true
			}
		}
		return nil
	}); err != nil {
		return err
	}
	take := func() entry {
		e := plain[0]
		plain = plain[1:]
		return e
	}
	madeByUs := func(e entry) bool { return made[contact.Key{Source: e.source, ID: fmt.Sprint(e.id)}.String()] }
	var before, after []contact.Event
	for range 200 { // a number is given up, and comes back with somebody else
		x := take()
		old := x.human.phone
		x.human.phone = c.number("84")
		x.human.kind = "changed their number"
		c.hold(x.human.phone, x.human)
		x.fone = c.typed(x.human.phone)
		before = append(before, c.publish([]entry{x})...)
		y := c.person("got a number that somebody gave up", madeByUs(x))
		y.phone = old
		c.hold(old, y)
		after = append(after, c.publish([]entry{c.enter(pick(c, "crm", "loja"), y, c.typed(old))})...)
	}
	for range 50 { // two swap their numbers at once
		x, y := take(), take()
		x.human.kind, y.human.kind, x.human.clear, y.human.clear = "swapped numbers", "swapped numbers", false, false
		x.human.phone, y.human.phone = y.human.phone, x.human.phone
		c.hold(x.human.phone, x.human)
		c.hold(y.human.phone, y.human)
		x.fone, y.fone = c.typed(x.human.phone), c.typed(y.human.phone)
		before = append(before, c.publish([]entry{x, y})...)
	}
	for range 100 { // somebody leaves, and their number comes back with somebody else
		x := take()
		x.human.kind, x.human.clear, x.human.gone = "left", false, true
		before = append(before, c.Books["crm"].Remove(x.id))
		y := c.person("got the number of somebody who left", true)
		y.phone = x.human.phone
		c.hold(y.phone, y)
		after = append(after, c.publish([]entry{c.enter(pick(c, "crm", "loja"), y, c.typed(y.phone))})...)
	}
	for range 50 { // deleted and imported again
		x := take()
		x.human.kind = "imported again"
		before = append(before, c.Books["crm"].Remove(x.id))
		after = append(after, c.publish([]entry{c.enter("crm", x.human, x.fone)})...)
	}
	for i := range 100 { // one source knows the new number, the other still has the old one, which somebody else gets
		x := both[i]
		x.human.kind = "changed their number in one source"
		old := x.human.phone
		x.human.phone = c.number("84")
		c.hold(x.human.phone, x.human)
		x.fone = c.typed(x.human.phone)
		before = append(before, c.publish([]entry{x})...)
		y := c.person("got a number that one source still has for another", false)
		y.phone = old
		c.hold(old, y)
		after = append(after, c.publish([]entry{c.enter(pick(c, "crm", "loja"), y, c.typed(old))})...)
	}
	for i := range 50 { // somebody's number is mistaken for another's
		x, z := take(), both[len(both)-1-i].human
		x.human.kind, x.human.clear = "has a number by mistake", false
		x.fone = c.typed(z.phone)
		before = append(before, c.publish([]entry{x})...)
	}
	for range 50 { // married
		x := take()
		x.name = strings.Fields(x.name)[0] + " Nogueira"
		x.human.kind = "changed their name"
		before = append(before, c.publish([]entry{x})...)
	}
	if err := c.deliver(before); err != nil {
		return err
	}
	for range 100 { // somebody writes to the workspace just before the CRM tells of them
		h := c.person("wrote first", true)
		id, _, err := c.Weni.Inbound("whatsapp:"+h.phone, "perfil")
		if err != nil {
			return err
		}
		c.owned[id] = []*human{h}
		after = append(after, c.publish([]entry{c.enter("crm", h, c.typed(h.phone))})...)
	}
	return c.deliver(after)
}

func pick(c *census, a, b string) string {
	if c.random.IntN(2) == 0 {
		return a
	}
	return b
}

// verdict counts the wrong links so far, and the clear people who are not linked although they are known.
func (c *census) verdict(what string, linked map[*human]bool) line {
	known := map[*human]bool{}
	_ = c.Store.View(func(tx state.Tx) error {
		for k := range state.Records.All(tx, nil, nil) {
			known[c.record[k]] = true
		}
		return nil
	})
	mustBe, are := 0, 0
	for h := range known {
		if h != nil && h.clear && !h.gone {
			mustBe++
			if linked[h] {
				are++
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return line{what, fmt.Sprintf("%d wrong; %s of %s clear people linked, %s in all", len(c.wrong), thousands(are), thousands(mustBe), thousands(len(linked))), "0; all",
		len(c.wrong) == 0 && are == mustBe, fmt.Sprintf("%d wrong", len(c.naive)), fmt.Sprintf("%d wrong", len(c.naive))}
}

// rest says what became of those who are not linked.
func (c *census) rest() line {
	waiting := map[contact.ErrorKind]int{}
	listed := map[string]int{}
	_ = c.Store.View(func(tx state.Tx) error {
		for _, l := range state.Links.All(tx, nil, nil) {
			if l.Waiting != nil {
				waiting[l.Waiting.Kind]++
			}
		}
		for _, q := range state.Conflicts.All(tx, nil, nil) {
			listed[q.Kind]++
		}
		return nil
	})
	return line{"left to people", fmt.Sprintf("%d conflicts, %d without an address; listed: %s", waiting[contact.Conflict], waiting[contact.NoAddress], counts(listed)), "listed", true, "", ""}
}

func counts(m map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

// explain fails with a few of the wrong links, or of the people who should be linked, so that they can be looked at.
func (c *census) explain() error {
	linked, err := c.inspect()
	if err != nil {
		return err
	}
	lost := map[string]int{}
	for _, h := range c.humans {
		if h.clear && !h.gone && !linked[h] {
			lost[h.kind]++
		}
	}
	kinds := map[string]int{}
	for what := range c.wrong {
		kinds[strings.Trim(strings.Map(func(r rune) rune {
			if strings.ContainsRune("0123456789", r) {
				return -1
			}
			return r
		}, strings.Split(what, " to ")[0]), " ")]++
	}
	if len(lost)+len(kinds) > 0 {
		fmt.Printf("  not linked: %s\n  wrong: %s\n", counts(lost), counts(kinds))
	}
	return nil
}
