package statetest

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var linkRules = []rule{
	{"contacts, links and refusals are what was last said of them, also across restarts", func(b *bench) {
		rapid.Check(b, func(t *rapid.T) { newLinks(b, t).run() })
	}},
}

// links is what two targets show, whose contacts are whose, and who refused: in maps, and in the store.
type links struct {
	*bench
	t       *rapid.T
	shown   map[state.At][]contact.Identity // what a contact bears
	owner   map[state.At]state.PersonID
	erased  map[contact.Identity]bool
	refused map[contact.Identity]map[string]state.ConsentEntry
}

const linkPeople = 3

func newLinks(b *bench, t *rapid.T) *links {
	b.update(func(tx state.Tx) {
		for _, table := range state.Tables() {
			if table != state.Meta {
				tx.Clear(table)
			}
		}
		for p := state.PersonID(1); p <= linkPeople; p++ {
			state.Persons.Put(tx, p, state.Person{Targets: []string{"weni", "omni"}})
		}
	})
	return &links{bench: b, t: t, shown: map[state.At][]contact.Identity{}, owner: map[state.At]state.PersonID{},
		erased: map[contact.Identity]bool{}, refused: map[contact.Identity]map[string]state.ConsentEntry{}}
}

func (m *links) run() {
	places := rapid.SampledFrom([]string{"weni", "omni"})
	ids := rapid.SampledFrom([]string{"c1", "c2", "c3"})
	urns := rapid.SampledFrom([]contact.URN{"tel:+558490000101", "whatsapp:5584990000101", "whatsapp:5584990000202", "mailto:ana@exemplo.com.br"})
	person := rapid.Map(rapid.IntRange(1, linkPeople), func(n int) state.PersonID { return state.PersonID(n) })
	m.t.Repeat(map[string]func(*rapid.T){
		"see": func(t *rapid.T) {
			at := state.At{Place: places.Draw(t, "target"), ID: ids.Draw(t, "contact")}
			o := contact.Observed{ID: at.ID, Name: "Ana", URNs: rapid.SliceOfNDistinct(urns, 0, 3, rapid.ID[contact.URN]).Draw(t, "urns")}
			m.update(func(tx state.Tx) { state.Reflect(tx, at.Place, o) })
			m.shown[at] = o.Identities()
		},
		"vanish": func(t *rapid.T) {
			at := state.At{Place: places.Draw(t, "target"), ID: ids.Draw(t, "contact")}
			m.update(func(tx state.Tx) { state.Unreflect(tx, at.Place, at.ID) })
			delete(m.shown, at)
		},
		"link": func(t *rapid.T) {
			at, p := state.At{Place: places.Draw(t, "target"), ID: ids.Draw(t, "contact")}, person.Draw(t, "person")
			if m.owner[at] != 0 {
				t.Skip("the engine links nobody to what is somebody's")
			}
			m.set(at.Place, p, at.ID)
			m.owner[at] = p
		},
		"unlink": func(t *rapid.T) { m.set(places.Draw(t, "target"), person.Draw(t, "person"), "") },
		"consent": func(t *rapid.T) {
			id, origin := urns.Draw(t, "urn").Identity(), rapid.SampledFrom([]string{"crm", "loja"}).Draw(t, "origin")
			e := state.ConsentEntry{Out: rapid.Bool().Draw(t, "out"), At: rapid.Int64Range(1, 9).Draw(t, "at")}
			had, said := m.refused[id][origin]
			m.update(func(tx state.Tx) { state.SetConsent(tx, id, origin, e) })
			if said && e.At < had.At || !said && !e.Out {
				return
			}
			if m.refused[id] == nil {
				m.refused[id] = map[string]state.ConsentEntry{}
			}
			m.refused[id][origin] = e
		},
		"erase": func(t *rapid.T) {
			p, id := person.Draw(t, "person"), urns.Draw(t, "urn").Identity()
			m.update(func(tx state.Tx) {
				state.ErasePerson(tx, p, m.now, id)
				state.Persons.Put(tx, p, state.Person{Targets: []string{"weni", "omni"}}) // somebody new
			})
			maps.DeleteFunc(m.owner, func(_ state.At, o state.PersonID) bool { return o == p })
			if !m.borne(id) {
				delete(m.refused, id)
			}
			m.erased[id] = true
		},
		"restart": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
				m.reopen()
			}
		},
		"": func(t *rapid.T) { m.view(func(tx state.Tx) { m.compare(t, tx) }) },
	})
}

// borne reports whether somebody's contact bears an identity.
func (m *links) borne(id contact.Identity) bool {
	for at, ids := range m.shown {
		if m.owner[at] != 0 && slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

func (m *links) set(target string, p state.PersonID, id string) {
	k := state.LinkKey{Target: target, Person: p}
	m.link(k, func(tx state.Tx, l *state.Link) { state.SetContact(tx, k, l, id) })
	maps.DeleteFunc(m.owner, func(at state.At, o state.PersonID) bool { return at.Place == target && o == p })
}

func (m *links) compare(t *rapid.T, tx state.Tx) {
	for _, place := range []string{"weni", "omni"} {
		for _, id := range []string{"c1", "c2", "c3"} {
			at := state.At{Place: place, ID: id}
			if got := state.PersonAt(tx, place, id); got != m.owner[at] {
				t.Fatalf("%v is %d's, want %d", at, got, m.owner[at])
			}
			row, known := state.Mirror.Get(tx, at)
			_, want := m.shown[at]
			if known != want || known && row.Person != m.owner[at] {
				t.Fatalf("%v is mirrored as %+v, want %v of %d", at, row, want, m.owner[at])
			}
		}
		for _, u := range []contact.URN{"tel:+558490000101", "whatsapp:5584990000202", "mailto:ana@exemplo.com.br"} {
			var want, got []string
			for at, ids := range m.shown {
				if at.Place == place && slices.Contains(ids, u.Identity()) {
					want = append(want, at.ID)
				}
			}
			for _, b := range state.Bearers(tx, place, u.Identity()) {
				got = append(got, b.ID)
			}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s bear %s at %s, want %s", got, u, place, want)
			}
			c, _ := state.Consents.Get(tx, u.Identity())
			out := slices.ContainsFunc(slices.Collect(maps.Values(m.refused[u.Identity()])), func(e state.ConsentEntry) bool { return e.Out })
			if c.OptedOut() != out {
				t.Fatalf("%s: refused %v, want %v", u, c, m.refused[u.Identity()])
			}
			if state.IsForgotten(tx, u.Identity()) != m.erased[u.Identity()] {
				t.Fatalf("%s: forgotten is not %v", u, m.erased[u.Identity()])
			}
		}
	}
	for p := state.PersonID(1); p <= linkPeople; p++ {
		for _, place := range []string{"weni", "omni"} {
			l, _ := state.Links.Get(tx, state.LinkKey{Target: place, Person: p})
			if l.Contact != "" && m.owner[state.At{Place: place, ID: l.Contact}] != p {
				t.Fatalf("%d says %s at %s, which is %d's", p, l.Contact, place, m.owner[state.At{Place: place, ID: l.Contact}])
			}
		}
	}
}
