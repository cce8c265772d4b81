package statetest

import (
	"bytes"
	"slices"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

func observed(id string, urns ...contact.URN) contact.Observed {
	return contact.Observed{ID: id, Name: "Ana", Status: contact.Active, URNs: urns, Labels: []string{"g1"}, Fields: map[string]string{"cidade": "Natal"},
		Modified: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), LastSeen: time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)}
}

func (b *bench) reflect(o contact.Observed) (before state.Mirrored, known bool) {
	b.Helper()
	b.update(func(tx state.Tx) { before, known = state.Reflect(tx, "weni", o) })
	return before, known
}

// bearers lists the contacts that bear an identity.
func (b *bench) bearers(target string, id contact.Identity) (ids []string) {
	b.Helper()
	b.view(func(tx state.Tx) {
		for _, m := range state.Bearers(tx, target, id) {
			ids = append(ids, m.ID)
		}
	})
	return ids
}

func (b *bench) mirrored(id string) (m state.Mirrored) {
	b.Helper()
	b.view(func(tx state.Tx) { m, _ = state.Mirror.Get(tx, state.At{Place: "weni", ID: id}) })
	return m
}

// known makes an identity one that a source gives.
func (b *bench) known(id contact.Identity) {
	b.Helper()
	b.update(func(tx state.Tx) { state.Claims.Put(tx, id, []state.Claim{{Key: crm("1"), Person: 1}}) })
}

var mirrorRules = []rule{
	{"contacts are found by identity, in every form of a number", func(b *bench) {
		b.reflect(observed("c1", "whatsapp:558490000101", "mailto:ana@exemplo.com"))
		b.reflect(observed("c2", "tel:+5584990000101"))
		b.reflect(observed("c3", "whatsapp:5584990000202"))
		b.reopen()
		if got := b.bearers("weni", ana); !slices.Equal(got, []string{"c1", "c2"}) {
			b.Errorf("got %v", got)
		}
		if got := b.bearers("weni", "mailto:ana@exemplo.com"); !slices.Equal(got, []string{"c1"}) {
			b.Errorf("got %v", got)
		}
		if got := b.bearers("omni", ana); len(got) != 0 {
			b.Errorf("another target: %v", got)
		}
	}},
	{"the index follows addresses that change", func(b *bench) {
		b.known(ana)
		b.known(bia)
		b.reflect(observed("c1", "whatsapp:5584990000101", "mailto:ana@exemplo.com"))
		before, known := b.reflect(observed("c1", "whatsapp:5584990000202", "mailto:ana@exemplo.com"))
		if !known || !slices.Contains(before.URNs, "whatsapp:5584990000101") {
			b.Errorf("before: %+v, %v", before, known)
		}
		if old, now, mail := b.bearers("weni", ana), b.bearers("weni", bia), b.bearers("weni", "mailto:ana@exemplo.com"); len(old) != 0 || len(now) != 1 || len(mail) != 1 {
			b.Errorf("old number %v, new number %v, mail %v", old, now, mail)
		}
		b.reflect(observed("c1"))
		if got := b.bearers("weni", bia); len(got) != 0 {
			b.Errorf("without addresses: %v", got)
		}
		b.view(func(tx state.Tx) {
			if n := state.Count(tx, "mirror_index"); n != 0 {
				b.Errorf("%d rows are left in the index", n)
			}
		})
	}},
	{"a stolen address is its new owner's", func(b *bench) {
		b.reflect(observed("c1", "whatsapp:5584990000101"))
		b.reflect(observed("c2", "whatsapp:5584990000101"))
		b.reflect(observed("c1"))
		if got := b.bearers("weni", ana); !slices.Equal(got, []string{"c2"}) {
			b.Errorf("got %v", got)
		}
	}},
	{"of a contact that nobody knows only the outline is kept", func(b *bench) {
		o := observed("c1", "whatsapp:5584990000101", "telegram:123456789#ana")
		b.reflect(o)
		m := b.mirrored("c1")
		if !m.Slim() || m.Name != "" || len(m.URNs) != 0 || len(m.Fields) != 0 || len(m.Labels) != 0 {
			b.Errorf("kept %+v", m)
		}
		if m.ID != "c1" || m.Status != contact.Active || !m.Modified.Equal(o.Modified) || !m.LastSeen.Equal(o.LastSeen) {
			b.Errorf("lost of the outline: %+v", m)
		}
		b.view(func(tx state.Tx) {
			for _, table := range state.Tables() {
				for k, v := range tx.Scan(table, nil, nil) {
					for _, secret := range []string{"84990000101", "8490000101", "123456789", "Natal"} {
						if bytes.Contains(k, []byte(secret)) || bytes.Contains(v, []byte(secret)) {
							b.Errorf("table %s shows %s", table, secret)
						}
					}
				}
			}
		})
		if got := b.bearers("weni", ana); !slices.Equal(got, []string{"c1"}) {
			b.Errorf("and it cannot be found: %v", got)
		}
	}},
	{"a contact that a source knows, or that is a person's, is kept whole", func(b *bench) {
		b.known(ana)
		b.reflect(observed("c1", "whatsapp:558490000101"))
		if m := b.mirrored("c1"); m.Slim() || m.Name != "Ana" || m.Person != 0 {
			b.Errorf("known to a source: %+v", m)
		}
		b.reflect(observed("c2", "whatsapp:5584990000202"))
		b.link(at(7), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(7), l, "c2") })
		if m := b.mirrored("c2"); m.Person != 7 || !m.Slim() {
			b.Errorf("linked, and not read since: %+v", m)
		}
		b.reflect(observed("c2", "whatsapp:5584990000202"))
		if m := b.mirrored("c2"); m.Person != 7 || m.Slim() || m.Fields["cidade"] != "Natal" {
			b.Errorf("a person's: %+v", m)
		}
		b.link(at(7), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(7), l, "") })
		b.reflect(observed("c2", "whatsapp:5584990000202"))
		if m := b.mirrored("c2"); m.Person != 0 || !m.Slim() {
			b.Errorf("nobody's any more: %+v", m)
		}
		if o := b.mirrored("c1").Observed; !state.SameContent(&o, new(observed("c1", "whatsapp:558490000101"))) {
			b.Errorf("what was kept is another: %+v", o)
		}
	}},
	{"a contact without addresses is no outline", func(b *bench) {
		b.link(at(7), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(7), l, "c1") })
		b.reflect(observed("c1"))
		if m := b.mirrored("c1"); m.Slim() || m.Name != "Ana" {
			b.Errorf("got %+v", m)
		}
	}},
	{"what syncer wrote itself is marked", func(b *bench) {
		b.known(ana)
		b.update(func(tx state.Tx) {
			state.ReflectWrite(tx, "weni", observed("c1", "whatsapp:5584990000101"), b.now)
		})
		b.later(time.Hour)
		b.reflect(observed("c1", "whatsapp:5584990000101"))
		if m := b.mirrored("c1"); m.Wrote != contact.Micros(b.now.Add(-time.Hour)) {
			b.Errorf("got %+v", m)
		}
	}},
	{"a contact that is gone leaves nothing", func(b *bench) {
		b.reflect(observed("c1", "whatsapp:5584990000101"))
		b.update(func(tx state.Tx) {
			state.Unreflect(tx, "weni", "c1")
			state.Unreflect(tx, "weni", "never there")
		})
		b.view(func(tx state.Tx) {
			if a, i := state.CountMirror(tx, "weni"), state.Count(tx, "mirror_index"); a != 0 || i != 0 {
				b.Errorf("%d contacts, %d rows in the index", a, i)
			}
		})
	}},
	{"messages are no edits", func(b *bench) {
		a := observed("c1", "whatsapp:5584990000101")
		a.Labels = []string{"g1", "g2"}
		chatted := a
		chatted.Modified, chatted.LastSeen, chatted.Labels = b.now, b.now, []string{"g2", "g1"}
		if !state.SameContent(&a, &chatted) {
			b.Error("a message is taken for an edit")
		}
		for name, edit := range map[string]func(*contact.Observed){
			"name": func(o *contact.Observed) { o.Name = "Bia" }, "language": func(o *contact.Observed) { o.Language = "por" },
			"status": func(o *contact.Observed) { o.Status = contact.Blocked }, "label": func(o *contact.Observed) { o.Labels = []string{"g1", "g3"} },
			"labels": func(o *contact.Observed) { o.Labels = []string{"g1"} }, "field": func(o *contact.Observed) { o.Fields = nil },
			"order of addresses": func(o *contact.Observed) { o.URNs = []contact.URN{"tel:+5584990000101", o.URNs[0]} },
		} {
			edited := a
			if edit(&edited); state.SameContent(&a, &edited) {
				b.Errorf("%s: an edit is taken for a message", name)
			}
		}
	}},
	{"how far the mirror has read is kept", func(b *bench) {
		b.view(func(tx state.Tx) {
			if mark := state.ReadMirrorMark(tx, "weni"); mark != (state.MirrorMark{}) {
				b.Errorf("a new mirror: %+v", mark)
			}
		})
		mark := state.MirrorMark{Refreshed: 1, Safe: 2, Cursor: "x"}
		b.update(func(tx state.Tx) { state.WriteMirrorMark(tx, "weni", mark) })
		b.reopen()
		b.view(func(tx state.Tx) {
			if got := state.ReadMirrorMark(tx, "weni"); got != mark {
				b.Errorf("got %+v", got)
			}
		})
	}},
}
