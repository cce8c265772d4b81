package omni_test

import (
	"context"
	"fmt"
	"net/http"
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
	"syncer/internal/sandbox/omniflow"
)

const (
	marina = "+5584990000101"
	short  = "+558490000101" // the same line without the ninth digit
)

func TestOmniFlowCreatesAndFinds(t *testing.T) {
	target, sim, m := flow(t, omniflow.Options{})
	d := person(t, "Marina Quaresma Lopes", marina)
	o, err := settle(t, target, d, contact.Link{})
	if err != nil {
		t.Fatal(err)
	}
	if o.ID == "" || o.Name != "Marina Quaresma Lopes" || len(o.URNs) != 1 || o.URNs[0] != "whatsapp:5584990000101" || o.Status != contact.Active || o.Created.IsZero() {
		t.Errorf("created %+v", o)
	}
	if m.spent[contact.ScopeContacts] != 3 || m.spent[contact.ScopeOther] != 0 {
		t.Errorf("spent %v, want two look-ups and a create", m.spent)
	}
	settled(t, target, d)
	got, err := target.Get(t.Context(), o.ID)
	if err != nil || got.ID != o.ID || got.Name != o.Name {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = target.Get(t.Context(), "ctt_nowhere/..")
	kind(t, err, contact.Gone)
	if n := len(sim.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

func TestOmniFlowFindsBothNinthDigitForms(t *testing.T) {
	for _, loose := range []bool{false, true} {
		target, sim, _ := flow(t, omniflow.Options{Loose: loose, Contacts: []omniflow.Contact{
			{PhoneNumber: short, Name: "Marina"},
			{PhoneNumber: "+15584990000101", Name: "Somebody else, whose number contains it"},
			{PhoneNumber: "+558432000102", Name: "Padaria"},
		}})
		for _, candidates := range [][]contact.URN{{"whatsapp:5584990000101"}, {"tel:" + marina, "whatsapp:558490000101", "mailto:a@exemplo.com.br"}} {
			found, err := target.Find(t.Context(), candidates)
			if err != nil || len(found) != 1 || found[0].Name != "Marina" {
				t.Errorf("%v: found %+v, %v", candidates, found, err)
			}
		}
		sim.Add(omniflow.Contact{PhoneNumber: marina, Name: "Marina again"})
		found, err := target.Find(t.Context(), []contact.URN{"whatsapp:5584990000101"})
		if err != nil || len(found) != 2 {
			t.Errorf("found %+v, %v", found, err)
		}
	}
}

func TestOmniFlowEnvelopesAndErrorStyles(t *testing.T) {
	for _, envelope := range []backend.Envelope{backend.Lists, backend.Bare, backend.Wrapped} {
		for _, style := range []backend.ErrorStyle{backend.Nested, backend.Flat, backend.Text, backend.Nest} {
			target, _, _ := flow(t, omniflow.Options{Envelope: envelope, Errors: style, Update: true})
			d := person(t, "Marina", marina)
			if _, err := settle(t, target, d, contact.Link{}); err != nil {
				t.Fatalf("%s %s: %v", envelope, style, err)
			}
			settled(t, target, d)
			d.Name.Value = "Marina Lopes"
			if o, err := settle(t, target, d, contact.Link{}); err != nil || o.Name != "Marina Lopes" {
				t.Errorf("%s %s: %+v %v", envelope, style, o, err)
			}
			_, err := target.Create(t.Context(), &contact.Change{Create: true, AddURNs: []contact.URN{"whatsapp:5584990000101"}}, nil)
			e := kind(t, err, contact.Conflict)
			if e.RequestID == "" || style != backend.Nest && !strings.Contains(e.Message, "contact_already_exists") {
				t.Errorf("%s %s: %v", envelope, style, e)
			}
		}
	}
}

func TestOmniFlowUpdateIsOffUnlessAskedFor(t *testing.T) {
	target, sim, _ := flow(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Old"}}})
	if can := target.Rules().Can; can.Update || can.Labels || can.List || can.Delete || can.Block || !can.Create || !noted(can, "update: true") {
		t.Errorf("%+v", can)
	}
	if _, err := settle(t, target, person(t, "New", marina), contact.Link{}); err != nil {
		t.Fatal(err)
	}
	name := "New"
	_, err := target.Update(t.Context(), &contact.Observed{ID: "ctt_00000001"}, &contact.Change{Name: &name})
	kind(t, err, contact.Invalid)
	if sim.Contacts()[0].Name != "Old" {
		t.Error("it was updated")
	}
}

func TestOmniFlowUpdatesNameAndNumber(t *testing.T) {
	target, sim, _ := flow(t, omniflow.Options{Update: true, Contacts: []omniflow.Contact{
		{PhoneNumber: marina, Name: "Marina"}, {PhoneNumber: "+5511980000101", Name: "Bruno"},
	}})
	found, err := target.Find(t.Context(), []contact.URN{"whatsapp:5584990000101"})
	if err != nil {
		t.Fatal(err)
	}
	seen := &found[0]
	name := "Marina Lopes"
	move := contact.Change{Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000777"}}
	if o, err := target.Update(t.Context(), seen, &move); contact.KindOf(err) != contact.Conflict || o.Name != name {
		t.Errorf("a number that syncer did not put there: %+v, %v", o, err)
	}
	if c, _ := sim.Contact(seen.ID); c.PhoneNumber != marina || c.Name != name {
		t.Errorf("the rest must be written, the number must not: %+v", c)
	}
	move.AddURNs, move.DropURNs = []contact.URN{"whatsapp:5511980000101"}, seen.URNs
	_, err = target.Update(t.Context(), seen, &move)
	if e := kind(t, err, contact.Conflict); len(e.Names) != 1 {
		t.Errorf("the owner is not named: %+v", e)
	}
	move.AddURNs = []contact.URN{"whatsapp:5584990000777"}
	o, err := target.Update(t.Context(), seen, &move)
	if err != nil || o.URNs[0] != "whatsapp:5584990000777" {
		t.Errorf("%+v, %v", o, err)
	}
	blank := ""
	if o, err := target.Update(t.Context(), &o, &contact.Change{Name: &blank}); err != nil || o.Name != "" {
		t.Errorf("clearing a name: %+v, %v", o, err)
	}
}

func TestOmniFlowPersonWithoutName(t *testing.T) {
	target, sim, _ := flow(t, omniflow.Options{})
	d := person(t, "", marina)
	o, err := settle(t, target, d, contact.Link{})
	if err != nil || o.Name != "" {
		t.Errorf("%+v, %v", o, err)
	}
	if c := sim.Contacts()[0]; c.Name != marina {
		t.Errorf("the API wants a name and got %q", c.Name)
	}
	settled(t, target, d)
	_, err = target.Create(t.Context(), &contact.Change{Create: true, AddURNs: []contact.URN{"mailto:a@exemplo.com.br"}}, nil)
	kind(t, err, contact.NoAddress)
}

func TestOmniFlowDuplicateBehind422(t *testing.T) {
	target, _, _ := flow(t, omniflow.Options{DuplicateStatus: 422, Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	name := "Marina"
	create := contact.Change{Create: true, Name: &name, AddURNs: []contact.URN{"whatsapp:5584990000101"}}
	_, err := target.Create(t.Context(), &create, nil)
	if e := kind(t, err, contact.Conflict); len(e.Names) != 1 || e.Names[0] != "ctt_00000001" {
		t.Errorf("%+v", e)
	}
	create.AddURNs = []contact.URN{"whatsapp:00000000"} // refused for what it is
	_, err = target.Create(t.Context(), &create, nil)
	kind(t, err, contact.Invalid)
}

func TestOmniFlowQuota(t *testing.T) {
	for _, status := range []int{422, 402, 429} {
		target, sim, m := flow(t, omniflow.Options{Quota: 1, QuotaStatus: status, Contacts: []omniflow.Contact{{PhoneNumber: "+5511980000101", Name: "Bruno"}}})
		_, err := settle(t, target, person(t, "Marina", marina), contact.Link{})
		e := kind(t, err, contact.Throttled)
		if wait := e.Until.Sub(sim.Control.Now()); wait < 59*time.Minute || wait > time.Hour || !strings.Contains(e.Message, "quota") {
			t.Errorf("%d: until %v: %s", status, wait, e.Message)
		}
		if m.refused[contact.ScopeContacts].IsZero() {
			t.Error("the meter was not told")
		}
	}
}

func TestOmniFlowLostAnswers(t *testing.T) {
	for _, fault := range []sandbox.Fault{
		{Method: "POST", Action: sandbox.FaultResetAfter, Times: 1},
		{Method: "POST", Action: sandbox.FaultTruncate, Times: 1},
		{Method: "POST", Action: sandbox.FaultStatus, Status: 502, Commit: true, Times: 1},
		{Method: "POST", Action: sandbox.FaultHTML, Commit: true, Times: 1},
	} {
		target, sim, _ := flow(t, omniflow.Options{})
		if _, err := sim.Control.AddFault(fault); err != nil {
			t.Fatal(err)
		}
		d := person(t, "Marina", marina)
		_, err := settle(t, target, d, contact.Link{})
		if e := kind(t, err, contact.Unavailable); !e.Uncertain {
			t.Errorf("%s: it may have been carried out: %+v", fault.Action, e)
		}
		if _, err := settle(t, target, d, contact.Link{}); err != nil {
			t.Errorf("%s: %v", fault.Action, err)
		}
		if n := len(sim.Contacts()); n != 1 {
			t.Errorf("%s: %d contacts", fault.Action, n)
		}
	}
}

func oauth(spec *mapping.Target) {
	spec.APIKey, spec.ClientID, spec.ClientSecret = "", "client_123", "s3cr3t-client-999"
}

func TestOmniFlowOAuth(t *testing.T) {
	options := omniflow.Options{ClientID: "client_123", ClientSecret: "s3cr3t-client-999", TokenLife: 10 * time.Minute}
	target, sim, m := flow(t, options, oauth)
	ctx := t.Context()
	look := func() error { _, err := target.Find(ctx, []contact.URN{"whatsapp:4915100000000"}); return err }
	issued := func() int { return m.spent[contact.ScopeOther] }

	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if err := look(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if issued() != 1 {
		t.Fatalf("%d tokens for one start", issued())
	}
	sim.Control.Advance(8*time.Minute + 50*time.Second)
	if err := look(); err != nil || issued() != 1 {
		t.Errorf("%d tokens before its time: %v", issued(), err)
	}
	sim.Control.Advance(15 * time.Second)
	if err := look(); err != nil || issued() != 2 {
		t.Errorf("%d tokens, want a fresh one a minute early: %v", issued(), err)
	}
	sim.RevokeTokens()
	before := m.spent[contact.ScopeContacts]
	if err := look(); err != nil || issued() != 3 || m.spent[contact.ScopeContacts] != before+2 {
		t.Errorf("%d tokens, %d calls after a revocation: %v", issued(), m.spent[contact.ScopeContacts]-before, err)
	}
	if _, err := sim.Control.AddFault(sandbox.Fault{Scope: contact.ScopeContacts, Action: sandbox.FaultStatus, Status: 401}); err != nil {
		t.Fatal(err)
	}
	before = m.spent[contact.ScopeContacts]
	kind(t, look(), contact.Auth)
	if issued() != 4 || m.spent[contact.ScopeContacts] != before+2 {
		t.Errorf("%d tokens and %d calls; once is enough", issued(), m.spent[contact.ScopeContacts]-before)
	}
}

func TestOmniFlowOAuthFailures(t *testing.T) {
	options := omniflow.Options{ClientID: "client_123", ClientSecret: "other"}
	target, sim, _ := flow(t, options, oauth)
	_, _, err := target.Place(t.Context())
	kind(t, err, contact.Auth)
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
	for status, want := range map[int]contact.ErrorKind{400: contact.Auth, 429: contact.Throttled, 503: contact.Unavailable} {
		sim.Control.ClearFaults()
		if _, err := sim.Control.AddFault(sandbox.Fault{Path: "/v1/oauth", Action: sandbox.FaultStatus, Status: status}); err != nil {
			t.Fatal(err)
		}
		_, _, err := target.Place(t.Context())
		kind(t, err, want)
	}
	sim.Control.ClearFaults()
	if _, err := sim.Control.AddFault(sandbox.Fault{Path: "/v1/oauth", Action: sandbox.FaultHang}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			_, _, err := target.Place(ctx)
			if contact.KindOf(err) != contact.Unavailable {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestOmniFlowOAuthAtAnotherPath(t *testing.T) {
	options := omniflow.Options{ClientID: "client_123", ClientSecret: "s3cr3t-client-999",
		Operations: map[string]mapping.Operation{"oauth.token": {Path: "/connect/token"}}}
	target, sim, _ := flow(t, options, oauth, func(s *mapping.Target) { s.Operations, s.TokenPath = nil, "/connect/token" })
	if _, _, err := target.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls := sim.Control.Calls().String(); !strings.Contains(calls, "POST /connect/token") {
		t.Error(calls)
	}
}

func TestOmniFlowPlace(t *testing.T) {
	target, sim, m := flow(t, omniflow.Options{ShowTenant: true, Tenant: "ten_padaria"})
	id, name, err := target.Place(t.Context())
	if err != nil || !strings.HasSuffix(id, "/ten_padaria") || !strings.Contains(name, "ten_padaria") || m.calls() != 1 {
		t.Errorf("%q %q %v", id, name, err)
	}
	plain, _, _ := flow(t, omniflow.Options{})
	host, _, err := plain.Place(t.Context())
	if err != nil || !strings.HasPrefix(host, "127.0.0.1:") || strings.Contains(host, "/") {
		t.Errorf("%q %v", host, err)
	}
	// Without inboxes a look-up of nobody proves the credentials, and its answer names the same place.
	off := map[string]mapping.Operation{"inbox.list": {Disabled: true}}
	disabled, _, _ := flow(t, omniflow.Options{Operations: off})
	if _, _, err := disabled.Place(t.Context()); err != nil {
		t.Error(err)
	}
	missing, _, _ := flow(t, omniflow.Options{Operations: off}, func(s *mapping.Target) { s.Operations = nil })
	if _, _, err := missing.Place(t.Context()); err != nil {
		t.Error(err)
	}
	stranger, _, _ := flow(t, omniflow.Options{}, func(s *mapping.Target) { s.APIKey = "omf_live_wrong_key" })
	_, _, err = stranger.Place(t.Context())
	kind(t, err, contact.Auth)
	sim.Control.ClearFaults()
}

func TestOmniFlowOtherHeader(t *testing.T) {
	target, _, _ := flow(t, omniflow.Options{Header: "X-Api-Key"}, func(s *mapping.Target) { s.AuthHeader = "X-Api-Key"; s.APIKey += "\n" })
	if _, _, err := target.Place(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOmniFlowOptedOutPeopleAreStopped(t *testing.T) {
	target, sim, _ := flow(t, omniflow.Options{Contacts: []omniflow.Contact{{PhoneNumber: marina, Name: "Marina"}}})
	if err := sim.OptOut(t.Context(), marina); err != nil {
		t.Fatal(err)
	}
	found, err := target.Find(t.Context(), []contact.URN{"tel:" + marina})
	if err != nil || len(found) != 1 || found[0].Status != contact.Stopped {
		t.Errorf("%+v %v", found, err)
	}
}

func TestOmniFlowIsHonest(t *testing.T) {
	target, _, m := flow(t, omniflow.Options{}, func(s *mapping.Target) { s.OptOut = &mapping.OptOutRule{Label: "Opt-out", Block: true} })
	ctx := t.Context()
	for name, err := range map[string]error{
		"label":  target.Label(ctx, "1", true, []string{"2"}),
		"block":  target.Block(ctx, "1"),
		"delete": target.Delete(ctx, "1"),
		"list":   second(target.List(ctx, contact.Query{}, "")),
		"define": second(target.Define(ctx, []string{"VIP"}, nil)),
	} {
		if contact.KindOf(err) != contact.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := target.Learn(ctx); err != nil || m.calls() != 0 {
		t.Errorf("%v, %d calls", err, m.calls())
	}
	if r := target.Rules(); r.OptOutLabel != "" || !noted(r.Can, "opt_out.label has no effect") || r.Catalog == nil {
		t.Errorf("%+v", r)
	}
}

func second[T any](_ T, err error) error { return err }

func TestOmniFlowFilterThatDoesNotFilter(t *testing.T) {
	var people []string
	for i := range 25 {
		people = append(people, fmt.Sprintf(`{"id":"ctt_%d","phoneNumber":"+5511980%06d","name":"Alguém"}`, i, i))
	}
	list := "[" + strings.Join(people, ",") + "]"
	for _, body := range []string{list, `{"data":` + list + `,"nextCursor":"more"}`} {
		mock := httpmock.NewMockTransport()
		pages := 0
		mock.RegisterResponder("GET", "=~/v1/contacts", func(*http.Request) (*http.Response, error) {
			pages++
			return answer(200, "application/json", strings.Replace(body, "more", fmt.Sprint(pages), 1)), nil
		})
		target, err := omni.NewOmniFlow(mapping.Target{Name: "omniflow", APIKey: "omf_live_x"}, omni.Deps{Meter: &meter{}, Transport: mock})
		if err != nil {
			t.Fatal(err)
		}
		_, err = target.Find(t.Context(), []contact.URN{"whatsapp:5584990000101"})
		if e := kind(t, err, contact.Unavailable); !strings.Contains(e.Message, "does not filter") || pages > 5 {
			t.Errorf("%d pages: %v", pages, e)
		}
	}
}

func TestOmniFlowProbe(t *testing.T) {
	target, _, _ := flow(t, omniflow.Options{ShowTenant: true, ClientID: "client_123", ClientSecret: "s3cr3t-client-999"}, oauth)
	lines, err := target.Probe(t.Context())
	want := "oauth.token: a token was issued\n" +
		"inbox.list: 1 in the list at /data, tenant at /tenantId\n" +
		"contact.find_by_phone: 0 in the list at /data"
	if got := strings.Join(lines, "\n"); err != nil || got != want {
		t.Errorf("%s\n%v", got, err)
	}
	wrong, _, _ := flow(t, omniflow.Options{}, func(s *mapping.Target) {
		s.Operations = map[string]mapping.Operation{"contact.find_by_phone": {Path: "/v9/people"}}
	})
	lines, err = wrong.Probe(t.Context())
	kind(t, err, contact.Unavailable)
	if !strings.Contains(strings.Join(lines, "\n"), "check base_url and operations.contact.find_by_phone") {
		t.Error(lines)
	}
}

func TestConfigurationProblemsAllAtOnce(t *testing.T) {
	_, err := omni.NewOmniFlow(mapping.Target{Name: "of", BaseURL: "http://omni.exemplo.com.br", ClientID: "a", ArrayQuery: "dots",
		Operations: map[string]mapping.Operation{
			"contact.crate":         {},
			"contact.get":           {Path: "/v1/contacts/{contactId}", Method: "FETCH"},
			"contact.create":        {Body: "xml", OK: []int{500}, NotFound: []int{422}},
			"contact.find_by_phone": {Disabled: true},
			"contact.update":        {Path: "v1/{id"},
		},
		Decode: map[string][]string{"idd": {"/id"}, "id": {"id"}},
	}, omni.Deps{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"client_id and client_secret belong together", "must use https", "no meter", "contact.crate is not an operation",
		"wants {contactId}", `method "FETCH"`, `body "xml"`, "500 is not a status", "422 cannot mean both", "contact.find_by_phone cannot be disabled",
		"must start with one slash", "idd is not a part", `"id" is not a JSON pointer`, "array_query"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	_, err = omni.NewOmnichannel(mapping.Target{Name: "oc", TagColor: "red", Decode: map[string][]string{"client_identifier": {"/cookie/x"}}}, omni.Deps{Meter: &meter{}})
	for _, want := range []string{"target oc", "token is missing", "client_identifier is missing", "channel_id is missing", "tag_color", "base_url is missing", "/cookie/x"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	for base, ok := range map[string]bool{
		"https://omni.exemplo.com.br/api": true, "http://localhost:9000": true, "http://10.1.2.3": true, "http://omni:80": true, "http://[::1]:1": true,
		"http://8.8.8.8": false, "ftp://x": false, "https://": false, "https://u:p@x.br": false, "https://x.br/?a=1": false, "nonsense": false,
	} {
		_, err := omni.NewOmniFlow(mapping.Target{Name: "of", BaseURL: base, APIKey: "omf_live_x"}, omni.Deps{Meter: &meter{}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", base, err)
		}
	}
}
