package contact_test

import (
	"maps"
	"slices"
	"testing"

	"syncer/internal/contact"
)

var everything = contact.Capabilities{Create: true, Update: true, Labels: true, Fields: true, Language: true, List: true, Delete: true, Block: true}

// rules are those of a target that can do everything and knows four labels and three fields.
func rules(edit func(*contact.Rules)) *contact.Rules {
	r := &contact.Rules{Can: everything, Schemes: []string{"whatsapp"}, Catalog: &contact.Catalog{
		Labels: []contact.Label{{ID: "g1", Name: "Clientes"}, {ID: "g2", Name: "VIP"}, {ID: "g3", Name: "Opt-out"}, {ID: "g4", Name: "Ativos", Smart: true}},
		Fields: map[string]contact.FieldType{"cidade": contact.TextField, "limite": contact.NumericField, "compra": contact.DatetimeField, "aviso": contact.TextField},
	}}
	if edit != nil {
		edit(r)
	}
	return r
}

// desired is a person with a mobile and nothing else stated.
func desired(edit func(*contact.Desired)) *contact.Desired {
	p := mobile("5584990000101")
	d := &contact.Desired{Phone: &p, Numbers: []contact.Identity{p.Identity()}, Keys: []contact.Key{{Source: "crm", ID: "1"}}, Policy: contact.DefaultPolicy()}
	if edit != nil {
		edit(d)
	}
	return d
}

// known is the contact of that person at the target.
func known(edit func(*contact.Observed)) *contact.Observed {
	o := &contact.Observed{ID: "c1", Status: contact.Active, URNs: []contact.URN{"whatsapp:5584990000101"}}
	if edit != nil {
		edit(o)
	}
	return o
}

// kept is why the change leaves an attribute alone; "" when it does not.
func kept(c contact.Change, attr string) string {
	for _, s := range c.Steps {
		if s.Attr == attr && s.Kept != "" {
			return s.Kept
		}
	}
	return ""
}

func TestWhenAStatedValueReplacesWhatStands(t *testing.T) {
	value := func(v string, w contact.WritePolicy) contact.Attr {
		return contact.Attr{State: contact.Set, Value: v, Write: w}
	}
	clear := func(w contact.WritePolicy) contact.Attr {
		return contact.Attr{State: contact.Blank, Write: w, Blank: contact.BlankClear}
	}
	settled := func(v string) map[string]string { return map[string]string{"fields.cidade": v} }
	const untouched = "\x00"
	for _, tt := range []struct {
		name   string
		attr   contact.Attr
		seen   string
		base   map[string]string
		left   map[string]string
		cannot bool   // the target cannot update
		want   string // what is written
		kept   string
	}{
		{name: "absent says nothing", attr: contact.Attr{Write: contact.Overwrite, Blank: contact.BlankClear}, seen: "Natal", want: untouched},
		{name: "a difference is overwritten", attr: value("Natal", contact.Overwrite), seen: "Mossoró", want: "Natal"},
		{name: "overwrite is the default", attr: value("Natal", ""), seen: "Mossoró", want: "Natal"},
		{name: "the same is not written", attr: value("Natal", contact.Overwrite), seen: " Natal", want: untouched},
		{name: "an empty field is filled", attr: value("Natal", contact.Overwrite), want: "Natal"},
		{name: "what somebody emptied is filled again", attr: value("Natal", contact.Overwrite), base: settled("Natal"), want: "Natal"},

		{name: "a blank keeps", attr: blank(contact.BlankKeep), seen: "Natal", want: untouched, kept: contact.KeptBlank},
		{name: "keeping is the default", attr: blank(""), seen: "Natal", want: untouched, kept: contact.KeptBlank},
		{name: "a blank clears where the mapping says so", attr: clear(contact.Overwrite), seen: "Natal", want: ""},
		{name: "nothing is cleared where nothing stands", attr: clear(contact.Overwrite), want: untouched},
		{name: "a blank with a left-over value is still blank", attr: contact.Attr{State: contact.Blank, Value: "Natal"}, seen: "Mossoró", want: untouched, kept: contact.KeptBlank},
		{name: "an empty value is a blank", attr: value("", contact.Overwrite), seen: "Natal", want: untouched, kept: contact.KeptBlank},

		{name: "if_empty fills", attr: value("Natal", contact.IfEmpty), want: "Natal"},
		{name: "if_empty leaves what stands", attr: value("Natal", contact.IfEmpty), seen: "Mossoró", want: untouched, kept: contact.KeptFilled},
		{name: "if_empty clears nothing", attr: clear(contact.IfEmpty), seen: "Natal", want: untouched, kept: contact.KeptFilled},

		{name: "keep_edits takes what was never settled for an edit", attr: value("Natal", contact.KeepEdits), seen: "Mossoró", want: untouched, kept: contact.KeptEdit},
		{name: "keep_edits lets an edit stand", attr: value("Natal", contact.KeepEdits), seen: "Mossoró", base: settled("Natal"), want: untouched, kept: contact.KeptEdit},
		{name: "keep_edits follows the source", attr: value("Natal", contact.KeepEdits), seen: "Mossoró", base: settled("Caicó"), want: "Natal"},
		{name: "keep_edits fills at first", attr: value("Natal", contact.KeepEdits), want: "Natal"},
		{name: "keep_edits lets an emptied field stand", attr: value("Natal", contact.KeepEdits), base: settled("Natal"), want: untouched, kept: contact.KeptEdit},
		{name: "keep_edits fills when the source changed", attr: value("Natal", contact.KeepEdits), base: settled("Caicó"), want: "Natal"},
		{name: "keep_edits clears when the source went blank", attr: clear(contact.KeepEdits), seen: "Mossoró", base: settled("Caicó"), want: ""},
		{name: "keep_edits lets a value stand where the source stayed blank", attr: clear(contact.KeepEdits), seen: "Mossoró", base: settled(""), want: untouched, kept: contact.KeptEdit},

		{name: "what the target keeps changing back is left", attr: value("Natal", contact.Overwrite), seen: "NATAL", left: settled("Natal"), want: untouched, kept: contact.KeptSettling},
		{name: "until the source changes", attr: value("Natal-RN", contact.Overwrite), seen: "NATAL", left: settled("Natal"), want: "Natal-RN"},
		{name: "emptied back is left as well", attr: value("Natal", contact.Overwrite), left: settled("Natal"), want: untouched, kept: contact.KeptSettling},

		{name: "a target that cannot update", attr: value("Natal", contact.Overwrite), seen: "Mossoró", cannot: true, want: untouched, kept: contact.KeptCannot},
		{name: "cannot fill either", attr: value("Natal", contact.Overwrite), cannot: true, want: untouched, kept: contact.KeptCannot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := desired(func(d *contact.Desired) { d.Fields = map[string]contact.Field{"cidade": field(tt.attr)} })
			o := known(func(o *contact.Observed) {
				if tt.seen != "" {
					o.Fields = map[string]string{"cidade": tt.seen}
				}
			})
			r := rules(func(r *contact.Rules) { r.Can.Update = !tt.cannot })
			c := contact.Diff(d, false, o, contact.Link{Base: contact.Base{Attrs: tt.base}, Left: tt.left}, r)
			got, wrote := c.Fields["cidade"]
			if !wrote {
				got = untouched
			}
			if got != tt.want || kept(c, "fields.cidade") != tt.kept {
				t.Errorf("wrote %q, kept %q; want %q, %q", got, kept(c, "fields.cidade"), tt.want, tt.kept)
			}
			if c.Empty() == wrote {
				t.Errorf("Empty = %v, steps %v", c.Empty(), c.Steps)
			}
		})
	}
}

func TestNameAndLanguageFollowTheSameRules(t *testing.T) {
	d := desired(func(d *contact.Desired) {
		d.Name = set("Ana")
		d.Language = contact.Attr{State: contact.Set, Value: "por", Write: contact.IfEmpty}
	})
	c := contact.Diff(d, false, known(func(o *contact.Observed) { o.Name, o.Language = "ANA", "spa" }), contact.Link{}, rules(nil))
	if c.Name == nil || *c.Name != "Ana" || c.Language != nil || kept(c, "language") != contact.KeptFilled {
		t.Errorf("got %+v", c)
	}
	d.Name = blank(contact.BlankClear)
	c = contact.Diff(d, false, known(func(o *contact.Observed) { o.Name = "ANA" }), contact.Link{}, rules(nil))
	if c.Name == nil || *c.Name != "" || c.Language == nil || *c.Language != "por" {
		t.Errorf("got %+v", c)
	}
	c = contact.Diff(d, false, known(nil), contact.Link{}, rules(func(r *contact.Rules) { r.Can.Language = false }))
	if c.Language != nil {
		t.Error("a language was written where there is none")
	}
}

func TestTheTargetsTypeDecidesHowAFieldReadsBack(t *testing.T) {
	d := desired(func(d *contact.Desired) {
		d.Fields = map[string]contact.Field{"limite": field(set("1500.50")), "compra": field(set("2026-11-20T12:00:00-03:00"))} // stated as text
	})
	o := known(func(o *contact.Observed) {
		o.Fields = map[string]string{"limite": "1500.5", "compra": "2026-11-20T15:00:00.000000Z"}
	})
	if c := contact.Diff(d, false, o, contact.Link{}, rules(nil)); !c.Empty() {
		t.Errorf("the same values were written: %+v", c)
	}
	if c := contact.Diff(d, false, o, contact.Link{}, rules(func(r *contact.Rules) { r.Can.Fields = false })); !c.Empty() {
		t.Errorf("fields were written where there are none: %+v", c)
	}
	zero := desired(func(d *contact.Desired) { d.Fields = map[string]contact.Field{"limite": field(set("0"))} })
	if c := contact.Diff(zero, false, known(nil), contact.Link{}, rules(nil)); c.Fields["limite"] != "0" {
		t.Errorf("a zero was taken for nothing: %+v", c)
	}
}

func TestOnlyManagedLabelsAreGivenAndTaken(t *testing.T) {
	o := known(func(o *contact.Observed) { o.Labels = []string{"g2", "g4", "by-hand"} })
	d := desired(func(d *contact.Desired) {
		d.Labels = map[string]bool{"Clientes": true, "vip": false, "Ativos": false, "Novos": true}
	})
	c := contact.Diff(d, false, o, contact.Link{}, rules(nil))
	if !slices.Equal(c.AddLabels, []string{"Clientes", "Novos"}) || !slices.Equal(c.RemoveLabels, []string{"vip"}) {
		t.Errorf("gives %v, takes %v", c.AddLabels, c.RemoveLabels)
	}
	if kept(c, "labels.Ativos") != contact.KeptSmart {
		t.Error("a label that the target computes was to be taken")
	}
	if c.Writes() || !c.Relabels() {
		t.Errorf("labels are no write of the contact: %+v", c)
	}
	if c := contact.Diff(d, false, o, contact.Link{}, rules(func(r *contact.Rules) { r.Can.Labels = false })); !c.Empty() {
		t.Errorf("labels where there are none: %+v", c)
	}
}

func TestALabelThatWasUndoneByHandIsLeftUntilTheSourceChanges(t *testing.T) {
	left := contact.Link{Left: map[string]string{"labels.Clientes": "true", "labels.VIP": "false"}}
	wants := func(clientes, vip bool) *contact.Desired {
		return desired(func(d *contact.Desired) { d.Labels = map[string]bool{"Clientes": clientes, "VIP": vip} })
	}
	undone := known(func(o *contact.Observed) { o.Labels = []string{"g2"} })
	c := contact.Diff(wants(true, false), false, undone, left, rules(nil))
	if !c.Empty() || kept(c, "labels.Clientes") != contact.KeptUndone || kept(c, "labels.VIP") != contact.KeptUndone {
		t.Errorf("got %+v", c)
	}
	redone := known(func(o *contact.Observed) { o.Labels = []string{"g1"} })
	if c := contact.Diff(wants(true, false), false, redone, left, rules(nil)); len(c.Steps) != 0 {
		t.Errorf("nothing differs: %+v", c)
	}
	if c := contact.Diff(wants(false, true), false, redone, left, rules(nil)); !slices.Equal(c.RemoveLabels, []string{"Clientes"}) || !slices.Equal(c.AddLabels, []string{"VIP"}) {
		t.Errorf("the source changed: %+v", c)
	}
}

func TestBlockedStoppedAndOptedOutPeopleGetNoLabel(t *testing.T) {
	d := desired(func(d *contact.Desired) {
		d.Name, d.Labels = set("Ana"), map[string]bool{"Clientes": true, "VIP": false}
	})
	for status, why := range map[contact.Status]string{contact.Blocked: contact.KeptStatus, contact.Stopped: contact.KeptStatus, contact.Archived: contact.KeptStatus, contact.Active: ""} {
		c := contact.Diff(d, false, known(func(o *contact.Observed) { o.Status, o.Labels = status, []string{"g2"} }), contact.Link{}, rules(nil))
		if (len(c.AddLabels) == 0) != (why != "") || kept(c, "labels.Clientes") != why {
			t.Errorf("%s: gives %v, kept %q", status, c.AddLabels, kept(c, "labels.Clientes"))
		}
		if !slices.Equal(c.RemoveLabels, []string{"VIP"}) || c.Name == nil {
			t.Errorf("%s: the rest is not done: %+v", status, c)
		}
	}
	c := contact.Diff(d, true, known(nil), contact.Link{}, rules(nil))
	if len(c.AddLabels) != 0 || kept(c, "labels.Clientes") != contact.KeptOptOut {
		t.Errorf("somebody who refused gets %v", c.AddLabels)
	}
}

func TestAddresses(t *testing.T) {
	both := rules(func(r *contact.Rules) { r.Schemes = []string{"whatsapp", "tel"} })
	for _, tt := range []struct {
		name  string
		rules *contact.Rules
		seen  []contact.URN
		base  []contact.URN
		edit  func(*contact.Desired)
		add   []contact.URN
		drop  []contact.URN
	}{
		{name: "the same number", rules: rules(nil), seen: []contact.URN{"whatsapp:5584990000101"}},
		{name: "the same number without the ninth digit is truth", rules: rules(nil), seen: []contact.URN{"whatsapp:558490000101"}},
		{name: "only the schemes of the target are written", rules: rules(nil), seen: []contact.URN{"tel:+5584990000101"}, add: []contact.URN{"whatsapp:5584990000101"}},
		{name: "a second scheme", rules: both, seen: []contact.URN{"whatsapp:558490000101#Ana"}, add: []contact.URN{"tel:+5584990000101"}},
		{name: "a new number goes beside what others put there", rules: rules(nil), seen: []contact.URN{"whatsapp:5584990000202", "telegram:1"}, add: []contact.URN{"whatsapp:5584990000101"}},
		{name: "and replaces what syncer put there and nobody claims", rules: rules(nil),
			seen: []contact.URN{"whatsapp:5584990000202", "telegram:1"}, base: []contact.URN{"whatsapp:5584990000202"},
			add: []contact.URN{"whatsapp:5584990000101"}, drop: []contact.URN{"whatsapp:5584990000202"}},
		{name: "with the display that the target gave it", rules: rules(nil),
			seen: []contact.URN{"whatsapp:5584990000202#Ana"}, base: []contact.URN{"whatsapp:5584990000202"},
			add: []contact.URN{"whatsapp:5584990000101"}, drop: []contact.URN{"whatsapp:5584990000202#Ana"}},
		{name: "a number that a record still gives stays", rules: rules(nil),
			seen: []contact.URN{"whatsapp:5584990000202"}, base: []contact.URN{"whatsapp:5584990000202"},
			edit: func(d *contact.Desired) { d.Numbers = append(d.Numbers, "phone:5584990000202") },
			add:  []contact.URN{"whatsapp:5584990000101"}},
		{name: "nothing is dropped without a new number", rules: rules(nil),
			seen: []contact.URN{"whatsapp:5584990000101", "whatsapp:5584990000202"}, base: []contact.URN{"whatsapp:5584990000202"}},
		{name: "a person without a mobile keeps what stands", rules: both,
			seen: []contact.URN{"whatsapp:5584990000202"}, base: []contact.URN{"whatsapp:5584990000202"},
			edit: func(d *contact.Desired) { d.Phone, d.Numbers = nil, nil }},
		{name: "an address of mail in any case", rules: rules(func(r *contact.Rules) { r.Schemes = []string{"mailto"} }),
			seen: []contact.URN{"mailto:ana@exemplo.com"},
			edit: func(d *contact.Desired) { d.Emails = []string{" Ana@Exemplo.com "} }},
		{name: "a claimed address of mail is not dropped", rules: rules(func(r *contact.Rules) { r.Schemes = []string{"whatsapp", "mailto"} }),
			seen: []contact.URN{"mailto:ana@exemplo.com"}, base: []contact.URN{"mailto:ana@exemplo.com"},
			edit: func(d *contact.Desired) { d.Emails = []string{"Ana@Exemplo.com"} },
			add:  []contact.URN{"whatsapp:5584990000101"}},
		{name: "ext: is given at creation only", rules: rules(func(r *contact.Rules) { r.Schemes = []string{"whatsapp", "ext"} }), seen: []contact.URN{"whatsapp:5584990000101"}},
		{name: "a target that cannot update", rules: rules(func(r *contact.Rules) { r.Can.Update = false }), seen: []contact.URN{"whatsapp:5584990000202"}},
		{name: "short mobiles are only for new contacts that need one", rules: rules(func(r *contact.Rules) { r.ShortMobiles = true }), seen: []contact.URN{"whatsapp:5584990000101"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := contact.Diff(desired(tt.edit), false, known(func(o *contact.Observed) { o.URNs = tt.seen }), contact.Link{Base: contact.Base{URNs: tt.base}}, tt.rules)
			if !slices.Equal(c.AddURNs, tt.add) || !slices.Equal(c.DropURNs, tt.drop) {
				t.Errorf("adds %v, drops %v; want %v, %v", c.AddURNs, c.DropURNs, tt.add, tt.drop)
			}
		})
	}
}

func TestCreating(t *testing.T) {
	full := func(d *contact.Desired) {
		d.Name, d.Language, d.Emails = set("Ana"), contact.Attr{State: contact.Set, Value: "por", Write: contact.IfEmpty}, []string{"Ana@Exemplo.com"}
		d.Fields = map[string]contact.Field{"cidade": field(contact.Attr{State: contact.Set, Value: "Natal", Write: contact.KeepEdits}), "limite": field(blank(contact.BlankClear))}
		d.Labels = map[string]bool{"Clientes": true, "VIP": false}
	}
	all := rules(func(r *contact.Rules) { r.Schemes = []string{"whatsapp", "tel", "mailto", "ext"} })
	c := contact.Diff(desired(full), false, nil, contact.Link{}, all)
	if !c.Create || *c.Name != "Ana" || *c.Language != "por" || !maps.Equal(c.Fields, map[string]string{"cidade": "Natal"}) || !slices.Equal(c.AddLabels, []string{"Clientes"}) || len(c.RemoveLabels) != 0 {
		t.Errorf("got %+v", c)
	}
	if want := []contact.URN{"whatsapp:5584990000101", "tel:+5584990000101", "mailto:ana@exemplo.com", "ext:crm-1"}; !slices.Equal(c.AddURNs, want) {
		t.Errorf("addresses %v", c.AddURNs)
	}
	for _, tt := range []struct {
		name   string
		rules  *contact.Rules
		edit   func(*contact.Desired)
		create []contact.URN
		kept   string
	}{
		{"without an address", rules(nil), func(d *contact.Desired) { d.Phone = nil }, nil, contact.KeptNoAddress},
		{"without one that the target wants", rules(func(r *contact.Rules) { r.Schemes = []string{"mailto"} }), nil, nil, contact.KeptNoAddress},
		{"without a mail address that is one", rules(func(r *contact.Rules) { r.Schemes = []string{"mailto"} }), func(d *contact.Desired) { d.Emails = []string{"ana"} }, nil, contact.KeptNoAddress},
		{"under a mapping that only updates", rules(nil), func(d *contact.Desired) { d.Policy.Mode = contact.UpdateOnly }, nil, contact.KeptUpdate},
		{"under one that only creates", rules(nil), func(d *contact.Desired) { d.Policy.Mode = contact.CreateOnly }, []contact.URN{"whatsapp:5584990000101"}, ""},
		{"where the target cannot", rules(func(r *contact.Rules) { r.Can.Create = false }), nil, nil, contact.KeptCannot},
		{"somebody who is leaving", rules(nil), func(d *contact.Desired) { d.Leaving, d.Leave = true, contact.LeaveDelete }, nil, ""},
		{"short mobiles", rules(func(r *contact.Rules) { r.ShortMobiles, r.Schemes = true, []string{"whatsapp", "tel"} }), nil, []contact.URN{"whatsapp:558490000101", "tel:+5584990000101"}, ""},
		{"short mobiles that are none", rules(func(r *contact.Rules) { r.ShortMobiles = true }), func(d *contact.Desired) { p := mobile("5584932000102"); d.Phone = &p }, []contact.URN{"whatsapp:5584932000102"}, ""},
		{"short mobiles abroad", rules(func(r *contact.Rules) { r.ShortMobiles = true }), func(d *contact.Desired) { p := mobile("525512345678"); d.Phone = &p }, []contact.URN{"whatsapp:525512345678"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := contact.Diff(desired(tt.edit), false, nil, contact.Link{}, tt.rules)
			if !slices.Equal(c.AddURNs, tt.create) || c.Create != (tt.create != nil) || c.Empty() == c.Create || kept(c, "contact") != tt.kept {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestAMappingThatOnlyCreatesChangesNothingButConsent(t *testing.T) {
	d := desired(func(d *contact.Desired) {
		d.Policy.Mode, d.Name, d.Labels = contact.CreateOnly, set("Ana"), map[string]bool{"Clientes": true, "VIP": false}
		p := mobile("5584990000202")
		d.Phone = &p
	})
	r := rules(func(r *contact.Rules) { r.OptOutLabel = "Opt-out" })
	c := contact.Diff(d, false, known(func(o *contact.Observed) { o.Labels = []string{"g2"} }), contact.Link{}, r)
	if !c.Empty() || kept(c, "contact") != contact.KeptMode {
		t.Errorf("got %+v", c)
	}
	c = contact.Diff(d, true, known(nil), contact.Link{}, r)
	if !slices.Equal(c.AddLabels, []string{"Opt-out"}) || c.Writes() {
		t.Errorf("refusing: %+v", c)
	}
	c = contact.Diff(d, false, known(func(o *contact.Observed) { o.Labels = []string{"g3"} }), contact.Link{Base: contact.Base{Labels: []string{"Opt-out"}}}, r)
	if !slices.Equal(c.RemoveLabels, []string{"Opt-out"}) {
		t.Errorf("consenting again: %+v", c)
	}
}

func TestLeaving(t *testing.T) {
	gone := func(leave contact.Leave, edit func(*contact.Desired)) *contact.Desired {
		return &contact.Desired{Leaving: true, Leave: leave, Policy: contact.DefaultPolicy(), Attributes: contact.Attributes{Labels: map[string]bool{"Clientes": false}}}
	}
	for _, tt := range []struct {
		name    string
		leave   contact.Leave
		adopted bool
		policy  bool // delete_adopted
		can     func(*contact.Capabilities)
		status  contact.Status
		block   bool
		delete  bool
		unlabel bool
		kept    string
	}{
		{name: "unlabel", leave: contact.LeaveUnlabel, unlabel: true},
		{name: "block", leave: contact.LeaveBlock, unlabel: true, block: true},
		{name: "block somebody blocked", leave: contact.LeaveBlock, status: contact.Blocked, unlabel: true},
		{name: "never revive who stopped", leave: contact.LeaveBlock, status: contact.Stopped, unlabel: true},
		{name: "block where the target cannot", leave: contact.LeaveBlock, can: func(c *contact.Capabilities) { c.Block = false }, unlabel: true, kept: contact.KeptCannot},
		{name: "delete what syncer created", leave: contact.LeaveDelete, delete: true},
		{name: "delete no adopted contact", leave: contact.LeaveDelete, adopted: true, unlabel: true, kept: contact.KeptAdopted},
		{name: "unless the mapping says so", leave: contact.LeaveDelete, adopted: true, policy: true, delete: true},
		{name: "delete where the target cannot", leave: contact.LeaveDelete, can: func(c *contact.Capabilities) { c.Delete = false }, unlabel: true, kept: contact.KeptCannot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := gone(tt.leave, nil)
			d.Policy.DeleteAdopted = tt.policy
			r := rules(func(r *contact.Rules) {
				if tt.can != nil {
					tt.can(&r.Can)
				}
			})
			o := known(func(o *contact.Observed) {
				o.Name, o.Labels = "Ana", []string{"g1", "g2", "by-hand"}
				if tt.status != "" {
					o.Status = tt.status
				}
			})
			c := contact.Diff(d, false, o, contact.Link{Created: !tt.adopted}, r)
			if c.Block != tt.block || c.Delete != tt.delete || slices.Equal(c.RemoveLabels, []string{"Clientes"}) != tt.unlabel || kept(c, "contact") != tt.kept {
				t.Errorf("got %+v", c)
			}
			if c.Writes() || len(c.AddLabels) != 0 {
				t.Errorf("somebody who leaves is written: %+v", c)
			}
		})
	}
	t.Run("keep", func(t *testing.T) {
		d := gone(contact.LeaveKeep, nil)
		d.Labels = map[string]bool{"Clientes": true} // this mapping's labels stay; they are not given anew
		for _, labels := range [][]string{nil, {"g1"}} {
			if c := contact.Diff(d, false, known(func(o *contact.Observed) { o.Labels = labels }), contact.Link{Created: true}, rules(nil)); !c.Empty() {
				t.Errorf("with %v: %+v", labels, c)
			}
		}
	})
	t.Run("the refusal of a person without records is still written, and never taken back", func(t *testing.T) {
		d := gone(contact.LeaveUnlabel, nil)
		r := rules(func(r *contact.Rules) { r.OptOutLabel = "Opt-out" })
		if c := contact.Diff(d, true, known(nil), contact.Link{}, r); !slices.Equal(c.AddLabels, []string{"Opt-out"}) {
			t.Errorf("got %+v", c)
		}
		o := known(func(o *contact.Observed) { o.Labels = []string{"g3"} })
		if c := contact.Diff(d, false, o, contact.Link{Base: contact.Base{Labels: []string{"Opt-out"}}}, r); !c.Empty() {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("a refusal and a leave block once", func(t *testing.T) {
		c := contact.Diff(gone(contact.LeaveBlock, nil), true, known(nil), contact.Link{}, rules(func(r *contact.Rules) { r.OptOutBlock = true }))
		if !c.Block || len(c.Steps) != 1 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestConsent(t *testing.T) {
	ours := contact.Base{Labels: []string{"Opt-out"}, Attrs: map[string]string{"fields.aviso": contact.OptedOutValue}}
	for _, tt := range []struct {
		name   string
		rules  func(*contact.Rules)
		out    bool
		seen   func(*contact.Observed)
		base   contact.Base
		left   map[string]string
		add    []string
		remove []string
		field  string // "" untouched, "-" cleared
		block  bool
	}{
		{name: "nothing is configured", out: true},
		{name: "a label", rules: func(r *contact.Rules) { r.OptOutLabel = "Opt-out" }, out: true, add: []string{"Opt-out"}},
		{name: "a label that does not exist yet", rules: func(r *contact.Rules) { r.OptOutLabel = "Não enviar" }, out: true, add: []string{"Não enviar"}},
		{name: "a label that stands", rules: func(r *contact.Rules) { r.OptOutLabel = "Opt-out" }, out: true, seen: func(o *contact.Observed) { o.Labels = []string{"g3"} }},
		{name: "a label for somebody blocked", rules: func(r *contact.Rules) { r.OptOutLabel = "Opt-out" }, out: true, seen: func(o *contact.Observed) { o.Status = contact.Blocked }},
		{name: "a label that the target computes", rules: func(r *contact.Rules) { r.OptOutLabel = "Ativos" }, out: true},
		{name: "labels where there are none", rules: func(r *contact.Rules) { r.OptOutLabel, r.Can.Labels = "Opt-out", false }, out: true},
		{name: "our label is taken back", rules: func(r *contact.Rules) { r.OptOutLabel = "Opt-out" }, seen: func(o *contact.Observed) { o.Labels = []string{"g3"} }, base: ours, remove: []string{"Opt-out"}},
		{name: "somebody else's label stays", rules: func(r *contact.Rules) { r.OptOutLabel = "Opt-out" }, seen: func(o *contact.Observed) { o.Labels = []string{"g3"} }},

		{name: "a field", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, out: true, field: contact.OptedOutValue},
		{name: "a field over another value", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, out: true, seen: func(o *contact.Observed) { o.Fields = map[string]string{"aviso": "não"} }, field: contact.OptedOutValue},
		{name: "a field that stands", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, out: true, seen: func(o *contact.Observed) { o.Fields = map[string]string{"aviso": contact.OptedOutValue} }},
		{name: "a field that the target keeps changing back", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, out: true, left: map[string]string{"fields.aviso": contact.OptedOutValue}},
		{name: "a field of a target that cannot update", rules: func(r *contact.Rules) { r.OptOutField, r.Can.Update = "aviso", false }, out: true},
		{name: "our field is cleared", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, seen: func(o *contact.Observed) { o.Fields = map[string]string{"aviso": contact.OptedOutValue} }, base: ours, field: "-"},
		{name: "somebody else's field stays", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, seen: func(o *contact.Observed) { o.Fields = map[string]string{"aviso": contact.OptedOutValue} }},
		{name: "somebody else's value stays", rules: func(r *contact.Rules) { r.OptOutField = "aviso" }, seen: func(o *contact.Observed) { o.Fields = map[string]string{"aviso": "talvez"} }, base: ours},

		{name: "a block", rules: func(r *contact.Rules) { r.OptOutBlock = true }, out: true, block: true},
		{name: "a block where the target cannot", rules: func(r *contact.Rules) { r.OptOutBlock, r.Can.Block = true, false }, out: true},
		{name: "a block of who stopped", rules: func(r *contact.Rules) { r.OptOutBlock = true }, out: true, seen: func(o *contact.Observed) { o.Status = contact.Stopped }},
		{name: "nobody is unblocked", rules: func(r *contact.Rules) { r.OptOutBlock = true }, seen: func(o *contact.Observed) { o.Status = contact.Blocked }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := contact.Diff(desired(nil), tt.out, known(tt.seen), contact.Link{Base: tt.base, Left: tt.left}, rules(tt.rules))
			got, wrote := c.Fields["aviso"]
			if wrote && got == "" {
				got = "-"
			}
			if !slices.Equal(c.AddLabels, tt.add) || !slices.Equal(c.RemoveLabels, tt.remove) || got != tt.field || c.Block != tt.block {
				t.Errorf("got %+v", c)
			}
		})
	}
	t.Run("at creation", func(t *testing.T) {
		c := contact.Diff(desired(func(d *contact.Desired) { d.Labels = map[string]bool{"Clientes": true} }), true, nil, contact.Link{},
			rules(func(r *contact.Rules) {
				r.OptOutLabel, r.OptOutField, r.OptOutBlock, r.Can.Update = "Opt-out", "aviso", true, false
			}))
		if !c.Create || !slices.Equal(c.AddLabels, []string{"Opt-out"}) || c.Fields["aviso"] != contact.OptedOutValue || !c.Block {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("a mapping that names the label or field of the opt-out does not fight it", func(t *testing.T) {
		d := desired(func(d *contact.Desired) {
			d.Labels = map[string]bool{"opt-out": false}
			d.Fields = map[string]contact.Field{"aviso": field(set("não"))}
		})
		o := known(func(o *contact.Observed) {
			o.Labels, o.Fields = []string{"g3"}, map[string]string{"aviso": contact.OptedOutValue}
		})
		r := rules(func(r *contact.Rules) { r.OptOutLabel, r.OptOutField = "Opt-out", "aviso" })
		if c := contact.Diff(d, true, o, contact.Link{Base: ours}, r); !c.Empty() {
			t.Errorf("got %+v", c)
		}
	})
}

func TestChangesAreCountedKindByKind(t *testing.T) {
	empty, ana := "", "Ana"
	for _, tt := range []struct {
		name   string
		change contact.Change
		want   contact.Counts
	}{
		{"nothing", contact.Change{}, contact.Counts{}},
		{"a create is no change", contact.Change{Create: true, Name: &ana, AddURNs: []contact.URN{"whatsapp:5584990000101"}, AddLabels: []string{"VIP"}}, contact.Counts{Creates: 1}},
		{"many attributes are one change", contact.Change{Name: &ana, Language: &ana, Fields: map[string]string{"a": "1", "b": "2"}}, contact.Counts{Changes: 1}},
		{"a cleared name", contact.Change{Name: &empty}, contact.Counts{Clears: 1}},
		{"a cleared field beside a set one", contact.Change{Fields: map[string]string{"a": "", "b": "2"}}, contact.Counts{Changes: 1, Clears: 1}},
		{"a new address", contact.Change{AddURNs: []contact.URN{"tel:+5584990000101"}}, contact.Counts{Changes: 1}},
		{"a new label", contact.Change{AddLabels: []string{"VIP"}}, contact.Counts{Changes: 1}},
		{"labels taken", contact.Change{RemoveLabels: []string{"VIP", "Clientes"}}, contact.Counts{Unlabels: 1}},
		{"a deletion", contact.Change{Delete: true, RemoveLabels: []string{"VIP"}}, contact.Counts{Deletes: 1}},
		{"a block", contact.Change{Block: true, RemoveLabels: []string{"VIP"}}, contact.Counts{Deletes: 1, Unlabels: 1}},
	} {
		if got := tt.change.Counts(); got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if tt.change.Empty() != (tt.want == contact.Counts{}) {
			t.Errorf("%s: Empty = %v", tt.name, tt.change.Empty())
		}
	}
	sum := contact.Counts{Creates: 1, Changes: 2, Clears: 3, Unlabels: 4, Deletes: 5}
	if got, want := sum.Add(sum), (contact.Counts{Creates: 2, Changes: 4, Clears: 6, Unlabels: 8, Deletes: 10}); got != want {
		t.Errorf("sum %+v", got)
	}
}
