package contact_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

// carryOut is a target in memory: it does to a contact what a change says, and reads values as RapidPro does.
// Labels and fields that are missing are created first.
func carryOut(c contact.Change, o *contact.Observed, r *contact.Rules) *contact.Observed {
	if c.Delete {
		return nil
	}
	if o == nil {
		if !c.Create {
			return nil
		}
		o = &contact.Observed{ID: "new", Status: contact.Active}
	}
	now := *o
	if c.Name != nil {
		now.Name = strings.TrimSpace(*c.Name)
	}
	if c.Language != nil {
		now.Language = *c.Language
	}
	now.Fields = maps.Clone(o.Fields)
	for key, v := range c.Fields {
		if now.Fields == nil {
			now.Fields = map[string]string{}
		}
		if _, ok := r.Catalog.Fields[key]; !ok {
			r.Catalog.Fields[key] = contact.TextField
		}
		if r.Catalog.Fields[key] == contact.NumericField && strings.Contains(v, ".") {
			v = strings.TrimRight(strings.TrimRight(v, "0"), ".")
		}
		if now.Fields[key] = strings.TrimSpace(v); now.Fields[key] == "" {
			delete(now.Fields, key)
		}
	}
	now.URNs = slices.Clone(c.AddURNs)
	for _, u := range o.URNs {
		if !slices.Contains(c.DropURNs, u) {
			now.URNs = append(now.URNs, u)
		}
	}
	now.Labels = slices.Clone(o.Labels)
	for _, name := range c.AddLabels {
		l, ok := r.Catalog.Label(name)
		if !ok {
			l = contact.Label{ID: "id of " + name, Name: name}
			r.Catalog.Labels = append(r.Catalog.Labels, l)
		}
		now.Labels = append(now.Labels, l.ID)
	}
	for _, name := range c.RemoveLabels {
		l, _ := r.Catalog.Label(name)
		now.Labels = slices.DeleteFunc(now.Labels, func(id string) bool { return id == l.ID })
	}
	if c.Block {
		now.Status, now.Labels = contact.Blocked, nil
	}
	return &now
}

// situation is everything that a diff may meet.
type situation struct {
	desired  *contact.Desired
	optedOut bool
	seen     *contact.Observed
	link     contact.Link
	rules    *contact.Rules
}

var (
	labelNames = []string{"Clientes", "VIP", "vip", "Ativos", "Opt-out", "Novos"}
	fieldKeys  = []string{"cidade", "limite", "aviso", "novo"}
	values     = []string{"", "Natal", " Natal ", "1.50", "1.5", "0", contact.OptedOutValue}
)

func situations() *rapid.Generator[situation] {
	return rapid.Custom(func(t *rapid.T) situation {
		flip := func(name string) bool { return rapid.Bool().Draw(t, name) }
		pick := func(name string, from []string) string { return rapid.SampledFrom(from).Draw(t, name) }
		attr := func(name string) contact.Attr {
			a := contact.Attr{State: contact.State(rapid.IntRange(0, 2).Draw(t, name+" state")),
				Write: rapid.SampledFrom([]contact.WritePolicy{"", contact.Overwrite, contact.IfEmpty, contact.KeepEdits}).Draw(t, name+" write"),
				Blank: rapid.SampledFrom([]contact.BlankPolicy{"", contact.BlankKeep, contact.BlankClear}).Draw(t, name+" blank")}
			if a.State == contact.Set {
				a.Value = pick(name+" value", values[1:])
			}
			return a
		}
		number := func(name string) string {
			return pick(name, []string{"5584990000101", "5584990000202", "5584932000102", "525512345678"})
		}
		address := rapid.Custom(func(t *rapid.T) contact.URN {
			n := rapid.SampledFrom([]string{"5584990000101", "558490000101", "5584990000202", "5215512345678"}).Draw(t, "number")
			return rapid.SampledFrom([]contact.URN{contact.URN("whatsapp:" + n), contact.URN("tel:+" + n), contact.URN("whatsapp:" + n + "#Ana"), "telegram:1", "mailto:ana@exemplo.com"}).Draw(t, "urn")
		})
		s := situation{optedOut: flip("opted out")}

		s.rules = rules(func(r *contact.Rules) {
			r.Can.Create, r.Can.Update, r.Can.Labels, r.Can.Fields, r.Can.Language = flip("can create"), flip("can update"), flip("can label"), flip("can field"), flip("can language")
			r.Can.Delete, r.Can.Block = flip("can delete"), flip("can block")
			r.Schemes = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"whatsapp", "tel", "mailto", "ext"}), 1, 3, rapid.ID).Draw(t, "schemes")
			r.ShortMobiles = flip("short mobiles")
			r.OptOutLabel = pick("opt-out label", []string{"", "Opt-out", "Ativos", "Recusou"})
			r.OptOutField = pick("opt-out field", []string{"", "aviso", "recusou"})
			r.OptOutBlock = flip("opt-out block")
		})

		d := &contact.Desired{Policy: contact.DefaultPolicy()}
		d.Policy.Mode = rapid.SampledFrom([]contact.Mode{contact.UpsertMode, contact.UpdateOnly, contact.CreateOnly}).Draw(t, "mode")
		d.Policy.DeleteAdopted = flip("delete adopted")
		d.Labels = map[string]bool{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(labelNames), contact.FoldName).Draw(t, "labels") {
			d.Labels[name] = flip("wanted " + name)
		}
		if d.Leaving = rapid.IntRange(0, 3).Draw(t, "leaving") == 0; d.Leaving {
			d.Leave = rapid.SampledFrom([]contact.Leave{contact.LeaveKeep, contact.LeaveUnlabel, contact.LeaveBlock, contact.LeaveDelete}).Draw(t, "leave")
		} else {
			d.Name, d.Language = attr("name"), attr("language")
			d.Fields = map[string]contact.Field{}
			for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom(fieldKeys), rapid.ID).Draw(t, "fields") {
				d.Fields[key] = contact.Field{Attr: attr(key), Type: contact.TextField}
			}
			if flip("phone") {
				p := mobile(number("phone number"))
				d.Phone, d.Numbers = &p, []contact.Identity{p.Identity()}
			}
			if flip("email") {
				d.Emails = []string{pick("email address", []string{"Ana@Exemplo.com", "bia@exemplo.com", "ana"})}
			}
			d.Keys = []contact.Key{{Source: "crm", ID: "1"}}
		}
		s.desired = d

		if flip("there is a contact") {
			s.seen = &contact.Observed{ID: "c1", Name: pick("seen name", []string{"", "Natal", "Ana"}), Language: pick("seen language", []string{"", "por"}),
				Status: rapid.SampledFrom([]contact.Status{contact.Active, contact.Active, contact.Blocked, contact.Stopped, contact.Archived}).Draw(t, "status"),
				Labels: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"g1", "g2", "g3", "g4", "by-hand"}), rapid.ID).Draw(t, "seen labels"),
				URNs:   rapid.SliceOfNDistinct(address, 0, 3, contact.URN.Bare).Draw(t, "seen urns"),
				Fields: map[string]string{"by_hand": "x"}}
			if s.seen.Status == contact.Blocked {
				s.seen.Labels = nil
			}
			for _, key := range fieldKeys {
				if v := strings.TrimSpace(pick("seen "+key, values)); v != "" {
					s.seen.Fields[key] = v
				}
			}
			s.link = contact.Link{Created: flip("created"), Base: contact.Base{
				Labels: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"Clientes", "VIP", "Opt-out"}), rapid.ID).Draw(t, "base labels"),
				Attrs:  map[string]string{}}}
			for _, u := range s.seen.URNs {
				if flip("ours " + string(u)) {
					s.link.Base.URNs = append(s.link.Base.URNs, u.Bare())
				}
			}
			for _, attr := range []string{"name", "language", "fields.cidade", "fields.limite", "fields.aviso"} {
				if flip("settled " + attr) {
					s.link.Base.Attrs[attr] = pick("base "+attr, values)
				}
				if flip("left " + attr) {
					if s.link.Left == nil {
						s.link.Left = map[string]string{}
					}
					s.link.Left[attr] = pick("left "+attr+" value", values)
				}
			}
		}
		return s
	})
}

func (s situation) diff() contact.Change {
	return contact.Diff(s.desired, s.optedOut, s.seen, s.link, s.rules)
}

func TestAChangeCarriedOutLeavesNothingToDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := situations().Draw(t, "situation")
		c := s.diff()
		after := carryOut(c, s.seen, s.rules)
		link := s.link
		link.Created = link.Created || c.Create
		link.Base = contact.Settle(s.desired, &c, s.link.Base, s.rules, s.optedOut)
		if again := contact.Diff(s.desired, s.optedOut, after, link, s.rules); !again.Empty() {
			t.Fatalf("first  %+v\nsecond %+v\nbase   %+v", c, again, link.Base)
		}
		if settled := contact.Settle(s.desired, &contact.Change{}, link.Base, s.rules, s.optedOut); !maps.Equal(settled.Attrs, link.Base.Attrs) ||
			!slices.Equal(settled.Labels, link.Base.Labels) || !slices.Equal(settled.URNs, link.Base.URNs) {
			t.Fatalf("settling again changes the base: %+v, %+v", link.Base, settled)
		}
	})
}

func TestAChangeTouchesOnlyWhatSyncerManages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := situations().Draw(t, "situation")
		c := s.diff()
		for _, name := range slices.Concat(c.AddLabels, c.RemoveLabels) {
			if _, managed := s.desired.Labels[name]; !managed && name != s.rules.OptOutLabel {
				t.Fatalf("label %s is not managed", name)
			}
			if l, ok := s.rules.Catalog.Label(name); ok && l.Smart {
				t.Fatalf("label %s is computed by the target", name)
			}
		}
		if name := s.rules.OptOutLabel; slices.Contains(c.RemoveLabels, name) && !slices.Contains(s.link.Base.Labels, name) {
			t.Fatal("somebody else's opt-out label is taken")
		}
		for key := range c.Fields {
			if _, managed := s.desired.Fields[key]; !managed && key != s.rules.OptOutField {
				t.Fatalf("field %s is not managed", key)
			}
		}
		for key, f := range s.desired.Fields {
			if _, wrote := c.Fields[key]; wrote && f.State == contact.Absent && key != s.rules.OptOutField {
				t.Fatalf("field %s is absent and written", key)
			}
		}
		if c.Name != nil && s.desired.Name.State == contact.Absent || c.Language != nil && s.desired.Language.State == contact.Absent {
			t.Fatal("a name or language is absent and written")
		}
		for _, u := range c.DropURNs {
			if !slices.Contains(s.link.Base.URNs, u.Bare()) {
				t.Fatalf("%s was put there by somebody else", u)
			}
		}
		if len(c.DropURNs) > 0 && len(c.AddURNs) == 0 {
			t.Fatalf("drops %v and adds nothing", c.DropURNs)
		}
		for _, u := range c.AddURNs {
			if !slices.Contains(s.rules.Schemes, u.Scheme()) {
				t.Fatalf("%s is not of a scheme that is written", u)
			}
		}
		if c.Delete && !s.link.Created && !s.desired.Policy.DeleteAdopted {
			t.Fatal("an adopted contact is deleted")
		}
	})
}

func TestAChangeNeverLabelsOrRevivesWhoMayNotBeWrittenTo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := situations().Draw(t, "situation")
		c := s.diff()
		others := slices.DeleteFunc(slices.Clone(c.AddLabels), func(n string) bool { return n == s.rules.OptOutLabel })
		inactive := s.seen != nil && s.seen.Status != contact.Active
		if (s.optedOut || inactive || s.desired.Leaving) && len(others) > 0 || inactive && len(c.AddLabels) > 0 {
			t.Fatalf("gives %v", c.AddLabels)
		}
		if inactive && c.Block {
			t.Fatal("somebody who is not active is blocked")
		}
		if c.Create && s.desired.Leaving {
			t.Fatal("somebody who leaves is made")
		}
	})
}

func TestAChangeAsksOnlyForWhatTheTargetCanDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := situations().Draw(t, "situation")
		c, can := s.diff(), s.rules.Can
		switch {
		case c.Create && !can.Create, c.Delete && !can.Delete, c.Block && !can.Block:
		case c.Relabels() && !can.Labels, len(c.Fields) > 0 && !can.Fields, c.Language != nil && !can.Language:
		case c.Writes() && !c.Create && !can.Update:
		case c.Create && len(c.AddURNs) == 0:
		default:
			return
		}
		t.Fatalf("%+v at a target that can %+v", c, can)
	})
}

func TestEveryOperationIsAStepForPeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := situations().Draw(t, "situation").diff()
		var changes []string
		for _, s := range c.Steps {
			if s.Kept == "" {
				changes = append(changes, s.Attr)
			}
		}
		if c.Empty() != (len(changes) == 0) {
			t.Fatalf("Empty = %v, steps %v", c.Empty(), c.Steps)
		}
		if c.Delete {
			return
		}
		var want []string
		if c.Create {
			want = append(want, "contact")
		}
		if c.Name != nil {
			want = append(want, "name")
		}
		if c.Language != nil {
			want = append(want, "language")
		}
		for key := range c.Fields {
			want = append(want, "fields."+key)
		}
		for range len(c.AddURNs) + len(c.DropURNs) {
			if !c.Create {
				want = append(want, "urns")
			}
		}
		for _, name := range slices.Concat(c.AddLabels, c.RemoveLabels) {
			want = append(want, "labels."+name)
		}
		if c.Block {
			want = append(want, "contact")
		}
		slices.Sort(changes)
		slices.Sort(want)
		if !slices.Equal(changes, want) {
			t.Fatalf("operations %v, steps %v", want, changes)
		}
	})
}

func TestSettlingRemembersWhatTheSourceSaid(t *testing.T) {
	d := desired(func(d *contact.Desired) {
		d.Name, d.Language = set("Ana"), contact.Attr{}
		d.Fields = map[string]contact.Field{"cidade": field(blank(contact.BlankKeep)), "limite": field(contact.Attr{}), "compra": field(set("x"))}
	})
	base := contact.Base{Attrs: map[string]string{"name": "Bia", "language": "por", "fields.limite": "1"}, Labels: []string{"VIP", "Antigo"},
		URNs: []contact.URN{"whatsapp:5584990000202"}}
	c := contact.Change{AddLabels: []string{"Clientes", "VIP"}, RemoveLabels: []string{"Antigo"},
		AddURNs: []contact.URN{"whatsapp:5584990000101"}, DropURNs: []contact.URN{"whatsapp:5584990000202#Ana"}}
	got := contact.Settle(d, &c, base, rules(nil), false)
	if want := map[string]string{"name": "Ana", "language": "por", "fields.cidade": "", "fields.limite": "1", "fields.compra": "x"}; !maps.Equal(got.Attrs, want) {
		t.Errorf("attributes %v", got.Attrs)
	}
	if !slices.Equal(got.Labels, []string{"VIP", "Clientes"}) || !slices.Equal(got.URNs, []contact.URN{"whatsapp:5584990000101"}) {
		t.Errorf("labels %v, addresses %v", got.Labels, got.URNs)
	}
	if base.Attrs["name"] != "Bia" || len(base.Labels) != 2 || len(base.URNs) != 1 {
		t.Errorf("the old base was changed: %+v", base)
	}
}

func TestSettlingForgetsARefusalThatWasTakenBack(t *testing.T) {
	r := rules(func(r *contact.Rules) { r.OptOutLabel, r.OptOutField = "Opt-out", "aviso" })
	refused := contact.Diff(desired(nil), true, known(nil), contact.Link{}, r)
	base := contact.Settle(desired(nil), &refused, contact.Base{}, r, true)
	if base.Attrs["fields.aviso"] != contact.OptedOutValue || !slices.Contains(base.Labels, "Opt-out") {
		t.Fatalf("base %+v", base)
	}
	// Somebody took both away by hand before the person consented again, and later puts both there for reasons
	// of their own.
	base = contact.Settle(desired(nil), &contact.Change{}, base, r, false)
	byHand := known(func(o *contact.Observed) {
		o.Labels, o.Fields = []string{"g3"}, map[string]string{"aviso": contact.OptedOutValue}
	})
	if c := contact.Diff(desired(nil), false, byHand, contact.Link{Base: base}, r); !c.Empty() {
		t.Errorf("somebody else's mark is taken: %+v", c)
	}
}
