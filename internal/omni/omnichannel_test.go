package omni_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/backend"
	"syncer/internal/sandbox/omnichannel"
)

// labelled reads the tags first, as every start does.
func labelled(t *testing.T, options omnichannel.Options, change ...func(*mapping.Target)) (*omni.Omnichannel, *omnichannel.Server, *meter) {
	t.Helper()
	target, sim, m := channel(t, options, change...)
	if err := target.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return target, sim, m
}

func TestOmnichannelCreatesWithTags(t *testing.T) {
	for _, envelope := range []backend.Envelope{backend.Lists, backend.Bare, backend.Wrapped} {
		for _, shown := range []omnichannel.TagsShown{omnichannel.TagObjects, omnichannel.TagIDs, omnichannel.TagsHidden} {
			target, sim, m := labelled(t, omnichannel.Options{Envelope: envelope, Tags: shown, PlainID: envelope == backend.Bare})
			d := person(t, "Marina Quaresma Lopes", marina, "Cliente VIP", "Atacado")
			before := m.calls()
			o, err := settle(t, target, d, contact.Link{})
			if err != nil {
				t.Fatalf("%s %s: %v", envelope, shown, err)
			}
			if n := m.calls() - before; n != 2+4+1 {
				t.Errorf("%d calls, want two look-ups, a look-up and a create for each tag, and the create", n)
			}
			c := sim.Contacts()[0]
			if c.CustomName != "Marina Quaresma Lopes" || c.Name != c.CustomName || c.ContactIdentifier != "5584990000101" || c.Type != "individual" ||
				c.ChannelID != "689a05215b711247e8f54022" || c.IsIgnored || !slices.Equal(c.Tags, []string{"Atacado", "Cliente VIP"}) {
				t.Errorf("%s %s: %+v", envelope, shown, c)
			}
			if len(o.Labels) != 2 || o.Name != c.CustomName || o.URNs[0] != "whatsapp:5584990000101" {
				t.Errorf("%s %s: observed %+v", envelope, shown, o)
			}
			settled(t, target, d)
			if tag := sim.Tags()[0]; tag.Color != "#1e88e5" {
				t.Errorf("%+v", tag)
			}
		}
	}
}

func TestOmnichannelChangesTagsByDifference(t *testing.T) {
	target, sim, m := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{
		{ContactIdentifier: "558490000101", Name: "Marina", Tags: []string{"cliente  vip", "Do agente", "Varejo"}, IsIgnored: true, Platform: "karoochat"},
	}})
	d := person(t, "Marina", marina, "Cliente VIP", "Atacado", "-Varejo", "-Nunca existiu")
	before := m.calls()
	o, err := settle(t, target, d, contact.Link{})
	if err != nil {
		t.Fatal(err)
	}
	// Two look-ups, look for and create one tag, add, remove.
	if n := m.calls() - before; n != 6 {
		t.Errorf("%d calls:\n%s", n, sim.Control.Calls())
	}
	c := sim.Contacts()[0]
	if !slices.Equal(c.Tags, []string{"cliente  vip", "Do agente", "Atacado"}) || !c.IsIgnored || c.Platform != "karoochat" || len(o.Labels) != 3 {
		t.Errorf("%+v\n%+v", c, o)
	}
	settled(t, target, d)
	for _, e := range sim.Control.Journal() {
		if e.Method == "PATCH" || strings.Contains(e.Path, "platform") || strings.Contains(e.Request, "isIgnored") {
			t.Errorf("%s %s %s", e.Method, e.Path, e.Request)
		}
	}
}

func TestOmnichannelAgentEditsAreSeen(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{})
	d := person(t, "Marina Lopes", marina, "VIP")
	if _, err := settle(t, target, d, contact.Link{}); err != nil {
		t.Fatal(err)
	}
	sim.Rename("5584990000101", "Marina (Padaria Três Irmãs)")
	sim.Untag("5584990000101", "vip")
	sim.Tag("5584990000101", "Reclamação")
	found, err := target.Find(t.Context(), d.Phone.Candidates())
	if err != nil || found[0].Name != "Marina (Padaria Três Irmãs)" || len(found[0].Labels) != 1 {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := settle(t, target, d, contact.Link{}); err != nil {
		t.Fatal(err)
	}
	if c := sim.Contacts()[0]; c.CustomName != "Marina Lopes" || c.Name != "Marina Lopes" || !slices.Equal(c.Tags, []string{"Reclamação", "VIP"}) {
		t.Errorf("%+v", c)
	}
	settled(t, target, d)
}

func TestOmnichannelNameGoesToCustomName(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "marininha 🌻"}}})
	d := person(t, "Marina Lopes", marina)
	o, err := settle(t, target, d, contact.Link{})
	if err != nil || o.Name != "Marina Lopes" {
		t.Fatalf("%+v %v", o, err)
	}
	if c := sim.Contacts()[0]; c.Name != "marininha 🌻" || c.CustomName != "Marina Lopes" {
		t.Errorf("%+v", c)
	}
	settled(t, target, d)
}

func TestOmnichannelFindIsExact(t *testing.T) {
	contacts := []omnichannel.Contact{
		{ContactIdentifier: "15584990000101", Name: "Somebody whose number contains it"},
		{ContactIdentifier: "558490000101", Name: "Marina"},
		{ContactIdentifier: "5584990000101", Name: "Grupo", Type: "group"},
		{ContactIdentifier: "BR.1502576394655843", Name: "Without a number"},
	}
	for _, options := range []omnichannel.Options{{}, {IgnoreFilters: true}, {IgnoreFilters: true, NoPages: true}, {MaxLimit: 1}, {Envelope: backend.Bare}} {
		options.Contacts = contacts
		target, _, _ := channel(t, options)
		found, err := target.Find(t.Context(), []contact.URN{"tel:" + marina})
		if err != nil || len(found) != 1 || found[0].Name != "Marina" {
			t.Errorf("%+v: %+v %v", options, found, err)
		}
		none, err := target.Find(t.Context(), []contact.URN{"whatsapp:5511980000101"})
		if err != nil || len(none) != 0 {
			t.Errorf("%+v: %+v %v", options, none, err)
		}
	}
	target, _, m := channel(t, omnichannel.Options{IgnoreFilters: true, NoPages: true, Contacts: crowd(1000)})
	_, err := target.Find(t.Context(), []contact.URN{"whatsapp:5511980000101"})
	if e := kind(t, err, contact.Unavailable); !strings.Contains(e.Message, "does not filter") || m.calls() > 5 {
		t.Errorf("%d calls: %v", m.calls(), e)
	}
}

// crowd are n contacts of distinct numbers.
func crowd(n int) []omnichannel.Contact {
	all := make([]omnichannel.Contact, n)
	for i := range all {
		all[i] = omnichannel.Contact{ContactIdentifier: fmt.Sprintf("55119%08d", 70000000+i), Name: fmt.Sprintf("Pessoa %d", i)}
	}
	return all
}

func TestOmnichannelListsEverybody(t *testing.T) {
	for name, options := range map[string]omnichannel.Options{
		"pages":          {Contacts: crowd(250)},
		"full last page": {Contacts: crowd(200)},
		"no page count":  {Contacts: crowd(250), NoPages: true},
		"bare":           {Contacts: crowd(250), Envelope: backend.Bare},
		"smaller pages":  {Contacts: crowd(100), MaxLimit: 30},
		"small and bare": {Contacts: crowd(100), MaxLimit: 30, Envelope: backend.Bare},
		"nobody":         {},
	} {
		options.Contacts = append(options.Contacts, omnichannel.Contact{ContactIdentifier: "120363000000000000", Name: "Grupo", Type: "group"})
		target, _, m := channel(t, options)
		seen := map[string]bool{}
		cursor := ""
		for {
			l, err := target.List(t.Context(), contact.Query{After: start}, cursor)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, o := range l.Contacts {
				seen[o.ID] = true
			}
			if cursor = l.Next; cursor == "" {
				break
			}
		}
		if want := len(options.Contacts) - 1; len(seen) != want {
			t.Errorf("%s: %d contacts, want %d", name, len(seen), want)
		}
		if m.calls() > 6 {
			t.Errorf("%s: %d calls", name, m.calls())
		}
	}
	target, _, m := channel(t, omnichannel.Options{})
	if l, err := target.List(t.Context(), contact.Query{Gone: true}, ""); err != nil || l.Next != "" || m.calls() != 0 {
		t.Errorf("%+v %v", l, err)
	}
	_, err := target.List(t.Context(), contact.Query{}, "not a cursor")
	kind(t, err, contact.Internal)
}

func TestOmnichannelListThatRepeatsItself(t *testing.T) {
	targets, mock, _ := mocked(t)
	mock.RegisterNoResponder(func(*http.Request) (*http.Response, error) {
		return answer(200, isJSON, `[{"id":"a","contactIdentifier":"5584990000101","tags":[]}]`), nil
	})
	l, err := targets["omnichannel"].List(t.Context(), contact.Query{}, "")
	if err != nil || l.Next == "" {
		t.Fatal(l, err)
	}
	_, err = targets["omnichannel"].List(t.Context(), contact.Query{}, l.Next)
	if e := kind(t, err, contact.Unavailable); !strings.Contains(e.Message, "same page twice") {
		t.Error(e)
	}
}

func TestOmnichannelListWithoutTagsIsNoBasis(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{Tags: omnichannel.TagsHidden, Contacts: []omnichannel.Contact{
		{ContactIdentifier: "5584990000101", Name: "Marina", Tags: []string{"VIP"}}}})
	rules := target.Rules()
	_, err := target.List(t.Context(), contact.Query{}, "")
	kind(t, err, contact.Invalid)
	if target.Rules().Can.List || !noted(target.Rules().Can, "one by one") || !rules.Can.List {
		t.Errorf("%+v", target.Rules().Can)
	}
	d := person(t, "Marina", marina, "VIP")
	settled(t, target, d)
	got, err := target.Get(t.Context(), sim.Contacts()[0].ID)
	if err != nil || len(got.Labels) != 1 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOmnichannelTagsThatCannotBeReadAreLeftAlone(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{Tags: omnichannel.TagsHidden, Contacts: []omnichannel.Contact{
		{ContactIdentifier: "5584990000101", Name: "Marina", Tags: []string{"VIP"}}}}, func(s *mapping.Target) {
		s.Operations = map[string]mapping.Operation{"contact.tags": {Disabled: true}}
	})
	for range 2 {
		if _, err := settle(t, target, person(t, "Marina Lopes", marina, "-VIP", "Novo"), contact.Link{}); err != nil {
			t.Fatal(err)
		}
	}
	if c := sim.Contacts()[0]; c.CustomName != "Marina Lopes" || !slices.Equal(c.Tags, []string{"VIP"}) {
		t.Errorf("%+v", c)
	}
	if can := target.Rules().Can; can.Labels || !noted(can, "tags are left alone") {
		t.Errorf("%+v", can)
	}
}

func TestOmnichannelMovesToAnotherNumber(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{
		{ContactIdentifier: "5584990000101", Name: "Marina"}, {ContactIdentifier: "551180000101", Name: "Bruno"}}})
	found, err := target.Find(t.Context(), []contact.URN{"whatsapp:5584990000101"})
	if err != nil {
		t.Fatal(err)
	}
	seen := found[0]
	if _, err := target.Define(t.Context(), []string{"VIP"}, nil); err != nil {
		t.Fatal(err)
	}
	change := contact.Change{AddURNs: []contact.URN{"whatsapp:5511980000101"}, AddLabels: []string{"VIP"}}
	o, err := target.Update(t.Context(), &seen, &change)
	if e := kind(t, err, contact.Conflict); !strings.Contains(e.Message, "not syncer's to replace") || len(o.Labels) != 1 {
		t.Errorf("%v %+v", e, o)
	}
	change.DropURNs = seen.URNs
	_, err = target.Update(t.Context(), &seen, &change)
	if e := kind(t, err, contact.Conflict); len(e.Names) != 1 || !strings.Contains(e.Message, "another contact") {
		t.Errorf("%+v", e)
	}
	sim.Remove("551180000101")
	o, err = target.Update(t.Context(), &seen, &change)
	if c := sim.Contacts()[0]; err != nil || o.URNs[0] != "whatsapp:5511980000101" || c.ContactIdentifier != "5511980000101" {
		t.Errorf("%+v %v %+v", o, err, c)
	}
}

func TestOmnichannelTagDeletedMeanwhile(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina", Tags: []string{"VIP"}}}})
	other := person(t, "Bruno", "+5511980000101", "VIP")
	sim.RemoveTag("VIP")
	_, err := settle(t, target, other, contact.Link{})
	kind(t, err, contact.Unready)
	if len(sim.Contacts()) != 1 {
		t.Error("a contact was created without its tag")
	}
	if _, err := settle(t, target, other, contact.Link{}); err != nil {
		t.Fatal(err)
	}
	settled(t, target, other)
	d := person(t, "Marina", marina, "VIP")
	sim.RemoveTag("vip")
	_, err = settle(t, target, d, contact.Link{})
	kind(t, err, contact.Unready)
	if _, err = settle(t, target, d, contact.Link{}); err != nil {
		t.Fatal(err)
	}
	settled(t, target, d)
	// A contact that is gone is told from a tag that is.
	id := sim.Contacts()[0].ID
	sim.Remove(id)
	_, err = target.Update(t.Context(), &contact.Observed{ID: id}, &contact.Change{AddLabels: []string{"VIP"}})
	kind(t, err, contact.Gone)
	_, err = target.Update(t.Context(), &contact.Observed{ID: id}, &contact.Change{AddLabels: []string{"Nunca definida"}})
	kind(t, err, contact.Unready)
}

func TestOmnichannelDefine(t *testing.T) {
	target, sim, m := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "M", Tags: []string{"Cliente VIP"}}}},
		func(s *mapping.Target) { s.TagColor = "#00ff00" })
	before := m.calls()
	if _, err := target.Define(t.Context(), []string{"  cliente vip "}, nil); err != nil || m.calls() != before {
		t.Errorf("%v, %d calls", err, m.calls()-before)
	}
	// Somebody makes the tag between the look and the create; and a filter for VIP finds Cliente VIP too.
	if _, err := sim.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/tags", Times: 1, Action: sandbox.FaultStatus, Status: 409}); err != nil {
		t.Fatal(err)
	}
	_, err := target.Define(t.Context(), []string{"VIP", "vip"}, nil)
	kind(t, err, contact.Conflict)
	usable, err := target.Define(t.Context(), []string{"VIP", "vip"}, nil)
	if err != nil || usable.After(sim.Control.Now()) || len(sim.Tags()) != 2 || sim.Tags()[1].Color != "#00ff00" {
		t.Errorf("%v %v %+v", usable, err, sim.Tags())
	}
	_, err = target.Define(t.Context(), nil, map[string]contact.FieldType{"cidade": contact.TextField})
	kind(t, err, contact.Invalid)
	if _, known := target.Rules().Catalog.Label("VIP"); !known {
		t.Error("the catalog does not know the new tag")
	}
}

// odd is an installation that names nothing in paths and takes everything else as a body or a query.
var odd = map[string]mapping.Operation{
	"contact.get":         {Path: "/v2/{clientIdentifier}/contact-{contactId}.json"},
	"contact.update":      {Method: "PUT", Path: "/v2/contacts/update"},
	"contact.remove_tags": {Method: "post", Path: "/contacts/{contactId}/tags/remove"},
	"contact.add_tags":    {Path: "/contacts/{contactId}/tags", Body: "query"},
	"tag.list":            {Method: "POST", Path: "/tags/search", OK: []int{200, 201}},
	"contact.create":      {Path: "/v2/contacts", OK: []int{202}},
}

func TestOmnichannelOverriddenTable(t *testing.T) {
	for _, arrays := range []string{"repeat", "comma", "brackets"} {
		target, sim, _ := labelled(t, omnichannel.Options{Operations: odd, ArrayQuery: arrays, ClientIn: []string{"/header/X-Client", "/body/client"}},
			func(s *mapping.Target) {
				s.Decode = map[string][]string{"client_identifier": {"/header/X-Client", "/body/client"}}
			})
		d := person(t, "Marina", marina, "VIP", "Atacado")
		if _, err := settle(t, target, d, contact.Link{}); err != nil {
			t.Fatalf("%s: %v", arrays, err)
		}
		d = person(t, "Marina Lopes", marina, "VIP", "Varejo", "Novo", "-Atacado")
		if _, err := settle(t, target, d, contact.Link{}); err != nil {
			t.Fatalf("%s: %v", arrays, err)
		}
		c := sim.Contacts()[0]
		if !slices.Equal(c.Tags, []string{"VIP", "Novo", "Varejo"}) || c.CustomName != "Marina Lopes" {
			t.Errorf("%s: %+v", arrays, c)
		}
		settled(t, target, d)
		if _, err := target.Get(t.Context(), c.ID); err != nil {
			t.Error(err)
		}
		calls := sim.Control.Calls().String()
		for _, want := range []string{"PUT /v2/contacts/update 200", "POST /contacts/{contactId}/tags/remove 200", "GET /v2/{clientIdentifier}/contact-{contactId}.json 200"} {
			if !strings.Contains(calls, want) {
				t.Errorf("%s: %q is missing in\n%s", arrays, want, calls)
			}
		}
	}
}

func TestOmnichannelWhatIsDisabled(t *testing.T) {
	off := func(names ...string) func(*mapping.Target) {
		return func(s *mapping.Target) {
			s.Operations = map[string]mapping.Operation{}
			for _, n := range names {
				s.Operations[n] = mapping.Operation{Disabled: true}
			}
		}
	}
	for op, lost := range map[string]struct {
		note string
		gone func(contact.Capabilities) bool
	}{
		"contact.add_tags":    {"tags are read-only: contact.add_tags is disabled", func(c contact.Capabilities) bool { return !c.Labels }},
		"contact.remove_tags": {"tags are read-only: contact.remove_tags is disabled", func(c contact.Capabilities) bool { return !c.Labels }},
		"tag.list":            {"tags are read-only: tag.list is disabled", func(c contact.Capabilities) bool { return !c.Labels }},
		"tag.create":          {"missing tags are not created", func(c contact.Capabilities) bool { return c.Labels }},
		"contact.create":      {"contacts are not created", func(c contact.Capabilities) bool { return !c.Create }},
		"contact.update":      {"names and numbers are not updated", func(c contact.Capabilities) bool { return !c.Update }},
	} {
		target, sim, _ := labelled(t, omnichannel.Options{Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina"}}}, off(op))
		if can := target.Rules().Can; !lost.gone(can) || !noted(can, lost.note) {
			t.Errorf("%s: %+v", op, can)
		}
		if _, _, err := target.Place(t.Context()); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		_, err := settle(t, target, person(t, "Outra", marina, "VIP"), contact.Link{})
		if op == "tag.create" {
			kind(t, err, contact.Unready)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if _, err := target.Probe(t.Context()); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if readOnly := !target.Rules().Can.Labels; readOnly && len(sim.Tags()) != 0 {
			t.Errorf("%s: %+v", op, sim.Tags())
		}
	}
}

func TestOmnichannelPlace(t *testing.T) {
	target, sim, m := channel(t, omnichannel.Options{})
	id, name, err := target.Place(t.Context())
	if err != nil || id != sim.Client() || !strings.Contains(name, " at 127.0.0.1") || m.spent[contact.ScopeOther] != 1 {
		t.Errorf("%q %q %v", id, name, err)
	}
	for _, wrong := range []func(*mapping.Target){
		func(s *mapping.Target) { s.Token = "omc_wrong_token" },
		func(s *mapping.Target) { s.ClientIdentifier = "00000000-0000-4000-8000-000000000000" },
	} {
		target, _, _ := channel(t, omnichannel.Options{}, wrong)
		_, _, err := target.Place(t.Context())
		kind(t, err, contact.Auth)
	}
}

func TestOmnichannelProbe(t *testing.T) {
	target, sim, _ := channel(t, omnichannel.Options{Tags: omnichannel.TagsHidden, Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina", Tags: []string{"VIP"}}}})
	lines, err := target.Probe(t.Context())
	want := strings.Join([]string{
		"tag.list: 1 in the list at /data, in its first row id at /_id, tag_name at /name",
		"contact.list: 1 in the list at /data, last_page at /totalPages, in its first row id at /_id, identifier at /contactIdentifier, name at /name, custom_name at /customName, tags is not shown",
		"contact.get: id at /_id, identifier at /contactIdentifier, tags is not shown",
		"contact.tags: 1 in the list at /data, in its first row id at /_id",
	}, "\n")
	if got := strings.Join(lines, "\n"); err != nil || got != want {
		t.Errorf("%s\n%v", got, err)
	}
	for _, e := range sim.Control.Journal() {
		if e.Method != "GET" {
			t.Errorf("a probe must only read: %s %s", e.Method, e.Path)
		}
	}
	if joined := strings.Join(lines, " "); strings.Contains(joined, "Marina") || strings.Contains(joined, "990000101") {
		t.Error(joined)
	}
}

func TestOmnichannelErrorStyles(t *testing.T) {
	for _, style := range []backend.ErrorStyle{backend.Nested, backend.Flat, backend.Text, backend.Nest} {
		target, _, _ := channel(t, omnichannel.Options{Errors: style, Contacts: []omnichannel.Contact{{ContactIdentifier: "5584990000101", Name: "Marina"}}})
		name := "Marina"
		_, err := target.Create(t.Context(), &contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000101"}}, nil)
		e := kind(t, err, contact.Conflict)
		if e.RequestID == "" || !strings.Contains(e.Message, "duplicate") || strings.Contains(e.Error(), "Marina") || strings.Contains(e.Error(), "0101") {
			t.Errorf("%s: %v", style, e)
		}
	}
}

func TestOmnichannelRateLimit(t *testing.T) {
	target, sim, m := channel(t, omnichannel.Options{PerMinute: 2})
	for range 2 {
		if _, err := target.Get(t.Context(), "x"); contact.KindOf(err) != contact.Gone {
			t.Fatal(err)
		}
	}
	_, err := target.Get(t.Context(), "x")
	e := kind(t, err, contact.Throttled)
	if wait := e.Until.Sub(sim.Control.Now()); wait <= 0 || wait > time.Minute || !m.refused[contact.ScopeContacts].Equal(e.Until) {
		t.Errorf("%v %v", wait, m.refused)
	}
	sim.Control.Advance(time.Minute)
	_, err = target.Get(t.Context(), "x")
	kind(t, err, contact.Gone)
}

func TestOmnichannelLostCreateIsFound(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{DuplicateStatus: 201})
	if _, err := sim.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/contacts", Action: sandbox.FaultResetAfter, Times: 1}); err != nil {
		t.Fatal(err)
	}
	d := person(t, "Marina", marina)
	_, err := settle(t, target, d, contact.Link{})
	if e := kind(t, err, contact.Unavailable); !e.Uncertain {
		t.Error(e)
	}
	if _, err := settle(t, target, d, contact.Link{}); err != nil {
		t.Fatal(err)
	}
	settled(t, target, d)
}

func TestAnswersThatShowTooLittle(t *testing.T) {
	targets, mock, m := mocked(t)
	mock.RegisterResponder("POST", `=~/contacts$`, httpmock.NewJsonResponderOrPanic(201, map[string]any{"id": "c1"}))
	mock.RegisterResponder("PATCH", `=~/contacts/c1$`, httpmock.NewJsonResponderOrPanic(200, map[string]any{"id": "c1", "ok": true}))
	mock.RegisterResponder("GET", `=~/contacts/c1$`, httpmock.NewJsonResponderOrPanic(200,
		map[string]any{"id": "c1", "phoneNumber": marina, "contactIdentifier": "5584990000101", "name": "Marina", "customName": "Marina", "tags": []string{"t1"}}))
	name := "Marina"
	for api, target := range targets {
		create := contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000101"}}
		o, err := target.Create(t.Context(), &create, []string{"t1"})
		if err != nil || o.ID != "c1" || o.Name != "Marina" || len(o.URNs) != 1 {
			t.Errorf("%s: %+v %v", api, o, err)
		}
		before := m.calls()
		o, err = target.Update(t.Context(), &o, &contact.Change{Name: &name})
		if err != nil || o.Name != "Marina" || len(o.URNs) != 1 || m.calls() != before+2 {
			t.Errorf("%s: %+v %v", api, o, err)
		}
	}
}

func TestCreateThatAnswersWithSomebodyElse(t *testing.T) {
	targets, mock, _ := mocked(t)
	mock.RegisterResponder("POST", `=~/contacts$`, httpmock.NewJsonResponderOrPanic(201,
		map[string]any{"id": "c9", "phoneNumber": "+5511980000101", "contactIdentifier": "5511980000101"}))
	name := "Marina"
	for api, target := range targets {
		_, err := target.Create(t.Context(), &contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000101"}}, nil)
		if e := kind(t, err, contact.Conflict); !slices.Equal(e.Names, []string{"c9"}) {
			t.Errorf("%s: %+v", api, e)
		}
	}
}

func TestNumberThatIsNotTaken(t *testing.T) {
	targets, mock, _ := mocked(t)
	mock.RegisterResponder("GET", `=~/contacts$`, httpmock.NewJsonResponderOrPanic(200, []any{}))
	mock.RegisterResponder("PATCH", `=~/contacts/c1$`, httpmock.NewJsonResponderOrPanic(200,
		map[string]any{"id": "c1", "phoneNumber": marina, "contactIdentifier": "5584990000101", "tags": []string{}}))
	for api, target := range targets {
		seen := contact.Observed{ID: "c1", URNs: []contact.URN{"whatsapp:5584990000101"}}
		_, err := target.Update(t.Context(), &seen, &contact.Change{AddURNs: []contact.URN{"whatsapp:5511980000101"}, DropURNs: seen.URNs})
		if e := kind(t, err, contact.Conflict); !strings.Contains(e.Message, "did not take") {
			t.Errorf("%s: %v", api, e)
		}
	}
}

func TestTagsAreDefinedOnce(t *testing.T) {
	target, sim, _ := labelled(t, omnichannel.Options{})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := target.Define(t.Context(), []string{"VIP", "Atacado"}, nil); err != nil {
				t.Error(err)
			}
			if err := target.Learn(t.Context()); err != nil {
				t.Error(err)
			}
			_ = target.Rules().Catalog.Labels
		})
	}
	wait.Wait()
	if len(sim.Tags()) != 2 || len(target.Rules().Catalog.Labels) != 2 {
		t.Errorf("%+v", sim.Tags())
	}
	for _, e := range sim.Control.Journal() {
		if e.Status == 409 {
			t.Error("a tag was made twice")
		}
	}
}

func TestTagsInPagesAndBrokenTagAnswers(t *testing.T) {
	targets, mock, m := mocked(t)
	target := targets["omnichannel"]
	mock.RegisterResponder("GET", `=~/tags`, func(r *http.Request) (*http.Response, error) {
		page := cmp.Or(r.URL.Query().Get("page"), "1")
		return answer(200, isJSON, `{"data":[{"_id":"t`+page+`","name":" Tag `+page+`"}],"totalPages":3}`), nil
	})
	if err := target.Learn(t.Context()); err != nil || m.calls() != 3 {
		t.Fatal(err, m.calls())
	}
	if l, ok := target.Rules().Catalog.Label("tag 3"); !ok || l.ID != "t3" || l.Name != "Tag 3" {
		t.Errorf("%+v", target.Rules().Catalog)
	}
	for _, body := range []string{`{"x":1}`, `{"data":[{"name":"without id"}]}`, `[1]`} {
		mock.RegisterResponder("GET", `=~/tags`, func(*http.Request) (*http.Response, error) { return answer(200, isJSON, body), nil })
		kind(t, target.Learn(t.Context()), contact.Unavailable)
	}
	if len(target.Rules().Catalog.Labels) != 3 {
		t.Error("a failed reading must not forget the tags")
	}
}
