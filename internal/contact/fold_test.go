package contact_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

func set(v string) contact.Attr { return contact.Attr{State: contact.Set, Value: v} }

func blank(p contact.BlankPolicy) contact.Attr { return contact.Attr{State: contact.Blank, Blank: p} }

func field(a contact.Attr) contact.Field { return contact.Field{Attr: a, Type: contact.TextField} }

func mobile(digits string) contact.Phone { return contact.Phone{Digits: digits, Line: contact.Mobile} }

// part is what the record crm/id contributes under the mapping of that rank.
func part(rank int, id string, edit func(*contact.Contact)) contact.Part {
	c := contact.Contact{Mapping: "m" + string(rune('0'+rank)), Rank: rank, Targets: []string{"weni"}, Policy: contact.DefaultPolicy()}
	if edit != nil {
		edit(&c)
	}
	return contact.Part{Key: contact.Key{Source: "crm", ID: id}, Contact: c}
}

func fold(t *testing.T, parts ...contact.Part) contact.Desired {
	t.Helper()
	d, ok := contact.Fold("weni", parts)
	if !ok {
		t.Fatal("nobody writes to the target")
	}
	return d
}

func TestOnlyPartsThatWriteToTheTargetCount(t *testing.T) {
	elsewhere := part(0, "1", func(c *contact.Contact) { c.Targets, c.Name = []string{"omni"}, set("Outro") })
	if _, ok := contact.Fold("weni", []contact.Part{elsewhere}); ok {
		t.Error("a person nobody writes there was folded")
	}
	if _, ok := contact.Fold("weni", nil); ok {
		t.Error("nobody was folded")
	}
	d := fold(t, elsewhere, part(1, "2", func(c *contact.Contact) { c.Name = set("Ana") }))
	if d.Name.Value != "Ana" || len(d.Keys) != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestEarlierMappingsWinAttributeByAttribute(t *testing.T) {
	d := fold(t,
		part(2, "1", func(c *contact.Contact) {
			c.Name, c.Language = set("Terceira"), set("spa")
			c.Fields = map[string]contact.Field{"uf": field(set("RN")), "cidade": field(set("Natal"))}
		}),
		part(0, "2", func(c *contact.Contact) {
			c.Name = set("Primeira")
			c.Fields = map[string]contact.Field{"cidade": field(blank(contact.BlankClear)), "bairro": field(blank(contact.BlankKeep))}
		}),
		part(1, "3", func(c *contact.Contact) {
			c.Language = set("por")
			c.Fields = map[string]contact.Field{"cidade": {Attr: set("Mossoró"), Type: "district"}, "bairro": field(blank(contact.BlankClear)), "cep": field(contact.Attr{})}
		}))
	if d.Name.Value != "Primeira" || d.Language.Value != "por" {
		t.Errorf("name %q, language %q", d.Name.Value, d.Language.Value)
	}
	if f := d.Fields["cidade"]; f.Value != "Mossoró" || f.Type != "district" {
		t.Errorf("a value does not beat an earlier blank: %+v", f)
	}
	if f := d.Fields["bairro"]; f.State != contact.Blank || f.Blank != contact.BlankKeep {
		t.Errorf("the first blank does not stand: %+v", f)
	}
	if _, said := d.Fields["cep"]; said || d.Fields["uf"].Value != "RN" {
		t.Errorf("fields %+v", d.Fields)
	}
	want := map[string]contact.Key{"name": {Source: "crm", ID: "2"}, "language": {Source: "crm", ID: "3"}, "fields.cidade": {Source: "crm", ID: "3"},
		"fields.bairro": {Source: "crm", ID: "2"}, "fields.uf": {Source: "crm", ID: "1"}}
	if !maps.Equal(d.Origins, want) {
		t.Errorf("origins %v", d.Origins)
	}
}

func TestABlankStandsWhereEarlierMappingsSaidNothing(t *testing.T) {
	d := fold(t,
		part(0, "1", func(c *contact.Contact) { c.Fields = map[string]contact.Field{"uf": field(contact.Attr{})} }),
		part(1, "2", func(c *contact.Contact) {
			c.Fields = map[string]contact.Field{"uf": field(blank(contact.BlankClear))}
		}))
	if d.Fields["uf"].State != contact.Blank {
		t.Errorf("got %+v", d.Fields["uf"])
	}
}

func TestWithinAMappingTheNewestRecordWins(t *testing.T) {
	named := func(id string, v contact.Version) contact.Part {
		p := part(0, id, func(c *contact.Contact) { c.Name = set(id) })
		p.Version = v
		return p
	}
	for _, tt := range []struct {
		name   string
		a, b   contact.Version
		winner string
	}{
		{"by the record's time", contact.Version{Source: 2}, contact.Version{Source: 1}, "a"},
		{"by the event's time", contact.Version{Event: 1}, contact.Version{Event: 2}, "b"},
		{"who says no time is older", contact.Version{Arrival: 9}, contact.Version{Source: 1, Arrival: 1}, "b"},
		{"by arrival", contact.Version{Source: 1, Arrival: 1}, contact.Version{Source: 1, Arrival: 2}, "b"},
		{"by key", contact.Version{}, contact.Version{}, "a"},
	} {
		if d := fold(t, named("a", tt.a), named("b", tt.b)); d.Name.Value != tt.winner || d.Keys[0].ID != tt.winner {
			t.Errorf("%s: %q won, keys %v", tt.name, d.Name.Value, d.Keys)
		}
	}
}

func TestLabelsAreTheUnion(t *testing.T) {
	labelled := func(rank int, labels map[string]bool) contact.Part {
		return part(rank, string(rune('a'+rank)), func(c *contact.Contact) { c.Labels = labels })
	}
	d := fold(t,
		labelled(0, map[string]bool{"VIP": false, "Varejo": true, "Antigo": false}),
		labelled(1, map[string]bool{"VIP": true, "Varejo": false, "Clientes": true}))
	if want := map[string]bool{"VIP": true, "Varejo": true, "Antigo": false, "Clientes": true}; !maps.Equal(d.Labels, want) {
		t.Errorf("got %v, want %v", d.Labels, want)
	}
	if d.Origins["labels.VIP"].ID != "b" || d.Origins["labels.Varejo"].ID != "a" {
		t.Errorf("origins %v", d.Origins)
	}
}

func TestTwoSpellingsAreOneLabel(t *testing.T) {
	d := fold(t,
		part(0, "1", func(c *contact.Contact) { c.Labels = map[string]bool{"VIP Ouro": false} }),
		part(1, "2", func(c *contact.Contact) { c.Labels = map[string]bool{"vip  ouro": true} }))
	if want := map[string]bool{"VIP Ouro": true}; !maps.Equal(d.Labels, want) {
		t.Errorf("got %v: one label would be given and taken for ever", d.Labels)
	}
}

func TestOnlyOverridesWhatIsStatedForOneTarget(t *testing.T) {
	p := part(0, "1", func(c *contact.Contact) {
		c.Targets = []string{"weni", "omni"}
		c.Name, c.Language = set("Ana"), set("por")
		c.Labels = map[string]bool{"VIP": true, "Clientes": true}
		c.Fields = map[string]contact.Field{"uf": field(set("RN")), "cidade": field(set("Natal"))}
		c.Only = map[string]contact.Attributes{"weni": {
			Name:   set("Ana (CRM)"),
			Labels: map[string]bool{"VIP": false, "Weni": true},
			Fields: map[string]contact.Field{"cidade": field(contact.Attr{}), "uf": field(blank(contact.BlankClear)), "url": field(set("https://acme.example"))},
		}}
	})
	d := fold(t, p)
	if d.Name.Value != "Ana (CRM)" || d.Language.Value != "por" {
		t.Errorf("name %q, language %q", d.Name.Value, d.Language.Value)
	}
	if want := map[string]bool{"VIP": false, "Clientes": true, "Weni": true}; !maps.Equal(d.Labels, want) {
		t.Errorf("labels %v", d.Labels)
	}
	if d.Fields["cidade"].Value != "Natal" || d.Fields["uf"].State != contact.Blank || d.Fields["url"].Value == "" {
		t.Errorf("fields %+v: what is not said for the target must not hide the rest", d.Fields)
	}
	other, _ := contact.Fold("omni", []contact.Part{p})
	if other.Name.Value != "Ana" || !other.Labels["VIP"] || other.Fields["uf"].Value != "RN" {
		t.Errorf("another target sees %+v", other)
	}
}

func TestAPartThatLeavesTakesItsLabelsAlongAndDecidesOnlyWhenItIsTheLast(t *testing.T) {
	leaving := part(0, "1", func(c *contact.Contact) {
		c.Leaving, c.Removed = true, true
		c.Name, c.Phones = set("Ana"), []contact.Phone{mobile("5584990000101")}
		c.Labels = map[string]bool{"VIP": false, "Clientes": false}
		c.Policy.OnDelete, c.Policy.OnUnmatch = contact.LeaveDelete, contact.LeaveKeep
	})
	unmatched := leaving
	unmatched.Contact.Removed = false
	staying := part(1, "2", func(c *contact.Contact) {
		c.Name, c.Labels = set("Bia"), map[string]bool{"Clientes": true}
		c.Policy.Mode = contact.UpdateOnly
	})

	d := fold(t, leaving, staying)
	if d.Leaving || d.Leave != "" || d.Policy.Mode != contact.UpdateOnly || d.Name.Value != "Bia" || d.Phone != nil || len(d.Numbers) != 0 {
		t.Errorf("one record stays: %+v", d)
	}
	if want := map[string]bool{"VIP": false, "Clientes": true}; !maps.Equal(d.Labels, want) {
		t.Errorf("labels %v", d.Labels)
	}
	if want := []contact.Key{{Source: "crm", ID: "2"}}; !slices.Equal(d.Keys, want) {
		t.Errorf("keys %v", d.Keys)
	}

	if d := fold(t, leaving); !d.Leaving || d.Leave != contact.LeaveDelete || d.Name.State != contact.Absent || len(d.Keys) != 0 {
		t.Errorf("the last record was deleted: %+v", d)
	}
	if d := fold(t, unmatched); !d.Leaving || d.Leave != contact.LeaveKeep {
		t.Errorf("the last record stopped matching: %+v", d)
	}
}

func TestThePrimaryMobileOfTheLeadingRecordIsTheIdentity(t *testing.T) {
	line := contact.Phone{Digits: "558432000102", Line: contact.Landline}
	abroad := contact.Phone{Digits: "14155550101", Line: contact.UnknownLine}
	d := fold(t,
		part(1, "2", func(c *contact.Contact) {
			c.Phones, c.Emails = []contact.Phone{mobile("5584990000202"), line}, []string{"b@exemplo.com", "a@exemplo.com"}
		}),
		part(0, "1", func(c *contact.Contact) {
			c.Phones, c.Emails = []contact.Phone{line, abroad}, []string{"a@exemplo.com"}
		}))
	if id, ok := d.Identity(); !ok || id != "phone:14155550101" || d.Origins["phone"].ID != "1" {
		t.Errorf("identity %s, %v, from %v", id, ok, d.Origins["phone"])
	}
	if want := []contact.Identity{"phone:558432000102", "phone:14155550101", "phone:5584990000202"}; !slices.Equal(d.Numbers, want) {
		t.Errorf("numbers %v", d.Numbers)
	}
	if want := []string{"a@exemplo.com", "b@exemplo.com"}; !slices.Equal(d.Emails, want) {
		t.Errorf("emails %v", d.Emails)
	}
	nobody := fold(t, part(0, "1", func(c *contact.Contact) { c.Phones = []contact.Phone{line} }))
	if id, ok := nobody.Identity(); ok || nobody.Phone != nil {
		t.Errorf("a landline identifies %s", id)
	}
}

func TestFatalProblemsBlockThePersonAndOthersAreReported(t *testing.T) {
	small, fatal := contact.Problem{Attr: "fields.uf"}, contact.Problem{Attr: "when", Fatal: true}
	d := fold(t,
		part(1, "2", func(c *contact.Contact) { c.Problems = []contact.Problem{fatal} }),
		part(0, "1", func(c *contact.Contact) { c.Problems, c.Name = []contact.Problem{small}, set("Ana") }))
	if !slices.Equal(d.Problems, []contact.Problem{small, fatal}) || !slices.Equal(d.Blockers, []contact.Problem{fatal}) {
		t.Errorf("problems %v, blockers %v", d.Problems, d.Blockers)
	}
	if c := (contact.Contact{Problems: []contact.Problem{small}}); c.Fatal() {
		t.Error("an attribute that cannot be read stops the record")
	}
}

func TestTheFirstRecordThatRefusesIsNamed(t *testing.T) {
	refuses := func(c *contact.Contact) { c.OptOut = contact.Yes }
	d := fold(t, part(2, "3", refuses), part(1, "2", refuses), part(0, "1", func(c *contact.Contact) { c.OptOut = contact.No }))
	if d.Origins["opt_out"].ID != "2" {
		t.Errorf("got %v", d.Origins["opt_out"])
	}
}

func TestFoldingDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	attr := rapid.Custom(func(t *rapid.T) contact.Attr {
		a := contact.Attr{State: contact.State(rapid.IntRange(0, 2).Draw(t, "state"))}
		if a.State == contact.Set {
			a.Value = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "value")
		}
		return a
	})
	label := rapid.SampledFrom([]string{"VIP", "vip", "Clientes"})
	one := rapid.Custom(func(t *rapid.T) contact.Part {
		p := part(rapid.IntRange(0, 2).Draw(t, "rank"), rapid.StringMatching(`[a-c]`).Draw(t, "id"), func(c *contact.Contact) {
			c.Part = rapid.SampledFrom([]string{"", "x"}).Draw(t, "part")
			c.Name, c.Language = attr.Draw(t, "name"), attr.Draw(t, "language")
			c.Labels = rapid.MapOfN(label, rapid.Bool(), 0, 2).Draw(t, "labels")
			c.Fields = map[string]contact.Field{"uf": field(attr.Draw(t, "uf"))}
			if c.Leaving = rapid.IntRange(0, 3).Draw(t, "leaving") == 0; c.Leaving {
				for l := range c.Labels {
					c.Labels[l] = false
				}
			}
			c.Policy.OnUnmatch = rapid.SampledFrom([]contact.Leave{contact.LeaveKeep, contact.LeaveUnlabel}).Draw(t, "on_unmatch")
			if rapid.Bool().Draw(t, "phone") {
				c.Phones = []contact.Phone{mobile("55849900001" + rapid.StringMatching(`0[1-3]`).Draw(t, "last"))}
			}
		})
		p.Version = versions().Draw(t, "version")
		return p
	})
	name := func(p contact.Part) string { return p.Contact.Mapping + p.Key.String() + p.Contact.Part }
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfNDistinct(one, 1, 6, name).Draw(t, "parts")
		shuffled := rapid.Permutation(parts).Draw(t, "shuffled")
		before := slices.Clone(parts)
		a, okA := contact.Fold("weni", parts)
		b, okB := contact.Fold("weni", shuffled)
		if okA != okB || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\nshuffled: %+v", a, b)
		}
		if !reflect.DeepEqual(parts, before) {
			t.Fatal("the input was changed")
		}
		for _, p := range parts { // what anybody who stays states is said by somebody
			if !p.Contact.Leaving && p.Contact.Name.State != contact.Absent && a.Name.State == contact.Absent {
				t.Fatalf("%v states a name and nobody gets one", p.Key)
			}
			for l, wanted := range p.Contact.Labels {
				if wanted && !slices.ContainsFunc(slices.Collect(maps.Keys(a.Labels)), func(o string) bool {
					return contact.FoldName(o) == contact.FoldName(l) && a.Labels[o]
				}) {
					t.Fatalf("%v wants %s: %v", p.Key, l, a.Labels)
				}
			}
		}
	})
}
