package statetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var exportRules = []rule{
	{"an export brings back what cannot be found again", func(b *bench) {
		b.expect(state.Accepted, will(true, "wa", 5, ana))
		b.expect(state.Unchanged, will(false, "wa", 7, bia)) // a consent, which a late refusal must find
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			l.Created, l.Base = true, contact.Base{Labels: []string{"Clientes"}}
			state.SetContact(tx, at(1), l, "c1")
		})
		b.link(at(2), func(tx state.Tx, l *state.Link) { l.Gone = true }) // has no contact
		b.update(func(tx state.Tx) {
			state.Forget(tx, b.now, []contact.Identity{"phone:5584990000303"}, []contact.Key{crm("erased")})
		})
		var out bytes.Buffer
		if err := state.Export(b.store, &out); err != nil {
			b.Fatal(err)
		}
		text := out.String()
		if n := strings.Count(text, "\n"); n != 1+2+2+1 {
			b.Errorf("%d lines:\n%s", n, text)
		}

		other := newBench(b.T, b.open)
		read := func() int {
			b.Helper()
			n, err := state.Import(context.Background(), other.store, strings.NewReader(text))
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
		if n := read(); n != 5 {
			b.Errorf("took %d lines over", n)
		}
		other.reopen()
		if !other.optedOut(ana) {
			b.Error("a refusal is lost")
		}
		other.expect(state.Stale, will(true, "wa", 6, bia))
		other.expect(state.Forgotten, upsert("erased", 1, 1, "{}"))
		other.view(func(tx state.Tx) {
			if !state.IsForgotten(tx, "phone:5584990000303") || state.IsForgotten(tx, ana) {
				b.Error("an erasure is lost, or another's")
			}
			kept, ok := state.Keeps.Get(tx, state.At{Place: "weni", ID: "c1"})
			if !ok || !kept.Created || len(kept.Base.Labels) != 1 || state.Count(tx, state.Keeps.Name) != 1 {
				b.Errorf("of the contact: %+v", kept)
			}
		})
		other.expect(state.Accepted, will(false, "wa", 9, ana))
		other.link(at(9), func(tx state.Tx, l *state.Link) {
			state.SetContact(tx, at(9), l, "c1")
			l.At = 5
		})
		if n := read(); n != 0 {
			b.Errorf("the second time it took %d lines over", n)
		}
		if other.optedOut(ana) {
			b.Error("an import undid what is known since")
		}
	}},
	{"an export of another installation is not mixed with erasures of this one", func(b *bench) {
		var out bytes.Buffer
		if err := state.Export(b.store, &out); err != nil {
			b.Fatal(err)
		}
		other := newBench(b.T, b.open)
		other.update(func(tx state.Tx) { state.Forget(tx, b.now, []contact.Identity{ana}, nil) })
		if _, err := state.Import(context.Background(), other.store, strings.NewReader(out.String())); err == nil {
			b.Error("no error")
		}
	}},
	{"an export is read into a state that has begun: the mirror is read again, a link that was found again gets its base", func(b *bench) {
		b.link(at(1), func(tx state.Tx, l *state.Link) {
			l.Created, l.Base = true, contact.Base{Labels: []string{"Clientes"}}
			state.SetContact(tx, at(1), l, "c1")
		})
		var out bytes.Buffer
		if err := state.Export(b.store, &out); err != nil {
			b.Fatal(err)
		}
		other := newBench(b.T, b.open)
		other.update(func(tx state.Tx) {
			state.Reflect(tx, "weni", observed("c1"))
			state.Reflect(tx, "weni", observed("c2"))
			state.WriteMirrorMark(tx, "weni", state.MirrorMark{Refreshed: 5, Safe: 5})
		})
		other.link(at(9), func(tx state.Tx, l *state.Link) { state.SetContact(tx, at(9), l, "c1") })
		if _, err := state.Import(context.Background(), other.store, strings.NewReader(out.String())); err != nil {
			b.Fatal(err)
		}
		other.view(func(tx state.Tx) {
			if l, _ := state.Links.Get(tx, at(9)); !l.Created || len(l.Base.Labels) != 1 {
				b.Errorf("link: %+v", l)
			}
			if n := state.Count(tx, state.Mirror.Name); n != 0 || state.ReadMirrorMark(tx, "weni").Refreshed != 0 {
				b.Errorf("%d contacts are mirrored under a key that is no longer in force", n)
			}
		})
	}},
	{"what is no export is refused with its line", func(b *bench) {
		for text, words := range map[string]string{
			"version: 1\n":                         "line 1",
			"{}\n":                                 "no export",
			fmt.Sprintln(`{"format":99}`):          "no export",
			fmt.Sprintln(`{"format":1}`) + "x\n":   "line 2",
			fmt.Sprintln(`{"format":1}`) + "{}\n{": "line 3",
		} {
			if _, err := state.Import(context.Background(), b.store, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), words) {
				b.Errorf("%q: %v", text, err)
			}
		}
	}},
	{"a long export is read in small changes", func(b *bench) {
		b.update(func(tx state.Tx) {
			for i := range 1200 {
				state.SetConsent(tx, contact.Identity(fmt.Sprint("phone:558499000", 1000+i)), "wa", arrived(true, 5))
			}
		})
		var out bytes.Buffer
		if err := state.Export(b.store, &out); err != nil {
			b.Fatal(err)
		}
		other := newBench(b.T, b.open)
		before := other.store.Stats().Commits
		n, err := state.Import(context.Background(), other.store, &out)
		if err != nil || n != 1200 {
			b.Errorf("took %d lines over, %v", n, err)
		}
		if got := other.store.Stats().Commits - before; got != 4 {
			b.Errorf("%d commits", got)
		}
	}},
}
