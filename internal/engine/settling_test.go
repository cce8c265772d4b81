package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/outbound"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

func (h *hours) dead() (n int) {
	h.must(h.Store.View(func(tx state.Tx) error {
		n = state.Count(tx, state.Dead.Name)
		return nil
	}))
	return n
}

// TestOptOutOfAnUnreadableRecord: a record could not be read any more, and that kept the refusal of its person, which
// another channel had reported, from being written.
func TestOptOutOfAnUnreadableRecord(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", `,"vip":true`))
	r.settle()
	r.send("crm", `{"id":"1","v":2,"nome":"Outro Nome","fone":"84 99000-0101","ativo":"talvez"}`)
	r.settle()
	r.event(contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "whatsapp", ID: "-"}, Version: contact.Version{Event: time.Now().UnixMicro()},
		Identities: []contact.Identity{contact.PhoneIdentity("558490000101")}})
	r.settle()
	if c := r.only(); !slices.Contains(c.Groups, "Opt-out") || c.Name != "Ana Prado" {
		t.Errorf("the contact: %+v", c)
	}
	if w := r.waiting(); !slices.Equal(w, []contact.ErrorKind{contact.Invalid}) {
		t.Errorf("what cannot be read is no longer told: %v", w)
	}
}

// TestOptOutWithANumberSomebodyHas: the new number of a record stands in a stranger's contact, and that conflict kept
// the refusal in the same record from being written.
func TestOptOutWithANumberSomebodyHas(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	if _, err := r.weni.AddContact(rapidpro.NewContact{Name: "Rui Lima", URNs: []string{"whatsapp:5584990000102"}}); err != nil {
		t.Fatal(err)
	}
	r.send("crm", crm("1", 2, "Ana Prado", "84 99000-0102", `,"recusou":true`))
	r.settle()
	c, _ := r.weni.Contact("whatsapp:5584990000101")
	if !slices.Contains(c.Groups, "Opt-out") {
		t.Errorf("her contact: %+v", c)
	}
	if c, _ := r.weni.Contact("whatsapp:5584990000102"); c.Name != "Rui Lima" || len(c.Groups) != 0 {
		t.Errorf("his contact: %+v", c)
	}
	if w := r.waiting(); !slices.Equal(w, []contact.ErrorKind{contact.Conflict}) {
		t.Errorf("waiting: %v", w)
	}
}

// TestLabelThatAFlowTakesBack: a flow took a label back whenever syncer gave it, and the two went on for ever: labels
// were not settled as values are.
func TestLabelThatAFlowTakesBack(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"vip": true})
		h.Calls()
		var gave []int
		for range 7 {
			h.must(h.Weni.Edit(number(1), rapidpro.Edit{RemoveGroups: []string{"VIP"}}))
			time.Sleep(30 * time.Minute)
			h.refresh()
			h.must(h.Settle(time.Minute))
			gave = append(gave, h.Calls().Labels)
		}
		if want := []int{1, 1, 1, 1, 0, 0, 0}; !slices.Equal(gave, want) {
			t.Errorf("label calls %v, want %v", gave, want)
		}
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"vip": false})
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"vip": true})
		if c, _ := h.Weni.Contact(number(1)); !slices.Contains(c.Groups, "VIP") {
			t.Errorf("the CRM said it anew, and it was not given: %v", c.Groups)
		}
	})
}

// patientLabels is a budget without room for labels, but for those that consent needs.
type patientLabels struct{ outbound.Meter }

func (patientLabels) Estimate(string, int, time.Time) time.Duration { return 0 }

func (patientLabels) Ready(scope string, lane state.Lane, now time.Time) time.Time {
	if scope == contact.ScopeOther && lane != state.LaneConsent {
		return now.Add(time.Hour)
	}
	return now
}

var _ engine.Budget = patientLabels{}

// TestLabelsOfSomebodyWhoRefusesMeanwhile: a label waited for the budget of label calls, its person refused messages, and
// neither was the refusal written before the label nor the label left out after it.
func TestLabelsOfSomebodyWhoRefusesMeanwhile(t *testing.T) {
	r := newRig(t, twoSources)
	r.send("crm", crm("1", 1, "Ana Prado", "84 99000-0101", ""))
	r.settle()
	r.halt()
	r.budget = patientLabels{free{}}
	r.start()
	r.send("crm", crm("1", 2, "Ana Prado", "84 99000-0101", `,"vip":true`))
	time.Sleep(200 * time.Millisecond)
	r.event(contact.Event{Kind: contact.OptOut, Key: contact.Key{Source: "whatsapp", ID: "-"}, Version: contact.Version{Event: time.Now().UnixMicro()},
		Identities: []contact.Identity{contact.PhoneIdentity("558490000101")}})
	r.settle()
	if c := r.only(); !slices.Contains(c.Groups, "Opt-out") || slices.Contains(c.Groups, "VIP") {
		t.Errorf("groups: %v", c.Groups)
	}
}

// TestOnePoisonedContactAmongManyLabels: the target answered 500 to a label call because of one of its hundred contacts,
// and after three of them all hundred were dead letters.
func TestOnePoisonedContactAmongManyLabels(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		for i := 1; i <= 100; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Put(i, somebody(i)))
			h.must(err)
		}
		h.must(h.Settle(10 * time.Minute))
		c, _ := h.Weni.Contact(number(57))
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Path: "/api/v2/contact_actions.json", Body: c.UUID, Action: sandbox.FaultStatus, Status: 500})
		h.must(err)
		h.Calls()
		var events []contact.Event
		for i := 1; i <= 100; i++ {
			events = append(events, h.Books["crm"].Edit(i, func(r lab.Row) { r["inativo"] = true }))
		}
		_, err = h.Send(state.LaneLive, events...)
		h.must(err)
		for range 24 { // others live on meanwhile
			time.Sleep(30 * time.Minute)
			h.live(1000)
		}
		with := 0
		for _, c := range h.Weni.Contacts() {
			if slices.Contains(c.Groups, "Inativos") {
				with++
			}
		}
		if n := h.Calls().Labels; with != 99 || h.dead() != 1 || n > 40 { // 19 as a rule, 34 when the hundred come in two calls
			t.Errorf("%d of 99 have the label, %d dead letters, %d label calls", with, h.dead(), n)
		}
	})
}

// TestDefinitionThatIsRefused: a workspace was full, so that a field could not be made, and each delivery tried it again
// and gave up the rest of its change.
func TestDefinitionThatIsRefused(t *testing.T) {
	r := newRig(t, strings.Replace(twoSources, "        cidade: =record.cidade\n        obs", "        cidade: =record.cidade\n        faixa: =record.faixa\n        obs", 1))
	if _, err := r.weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/fields.json", Action: sandbox.FaultStatus, Status: 400,
		ContentType: "application/json", Response: `{"label":["Cannot create object because workspace has reached limit of 250."]}`}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r.send("crm", crm(fmt.Sprint(i), 1, fmt.Sprint("Ana ", i), fmt.Sprint("84 99000-010", i), `,"cidade":"Natal","faixa":"ouro"`))
		r.settle()
	}
	tries := 0
	for _, c := range r.calls() {
		if c.Method == "POST" && strings.HasPrefix(c.Endpoint, "fields.json") {
			tries += c.Count
		}
	}
	if tries != 2 { // with the others, then alone
		t.Errorf("the field was tried %d times", tries)
	}
	all := r.weni.Contacts()
	if len(all) != 5 || slices.ContainsFunc(all, func(c rapidpro.Contact) bool { return c.Fields["cidade"] != "Natal" }) {
		t.Errorf("the rest was not written: %+v", all)
	}
}

// TestWhoWaitsForAContact: a mapping that only updates waited for somebody's contact, and did not see it when they wrote
// to the channel and it was made.
func TestWhoWaitsForAContact(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: strings.Replace(lab.Mapping, "    to: weni\n", "    to: weni\n    mode: update_only\n", 1)}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"cidade": "Natal"})
		if n := len(h.Weni.Contacts()); n != 0 {
			t.Fatalf("%d contacts", n)
		}
		time.Sleep(time.Hour)
		_, _, err := h.Weni.Inbound(number(1), "Aninha")
		h.must(err)
		h.refresh()
		h.must(h.Settle(time.Minute))
		if c, _ := h.Weni.Contact(number(1)); c.Fields["cidade"] != "Natal" {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestFilledMeanwhile: a value that is written only where there is none was written over what an agent had just entered,
// because the contact was compared as it had been an hour before.
func TestFilledMeanwhile(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty, Mapping: strings.Replace(lab.Mapping, "cidade: =record.cidade", "cidade: {value: =record.cidade, write: if_empty}", 1)}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", "84 98000-0001", nil)
		time.Sleep(time.Hour)
		h.must(h.Weni.Edit(number(1), rapidpro.Edit{Fields: map[string]string{"cidade": "Caicó"}}))
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"cidade": "Natal"})
		if c, _ := h.Weni.Contact(number(1)); c.Fields["cidade"] != "Caicó" {
			t.Errorf("cidade is %q", c.Fields["cidade"])
		}
	})
}

// TestLabelThatLeftTheFile: a label was taken out of the mapping file. Whoever had it keeps it, and the plan asks.
func TestLabelThatLeftTheFile(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 1, "Ana Prado", "84 98000-0001", lab.Row{"vip": true})
		run := h.reload(strings.Replace(lab.Mapping, "        - {label: VIP, when: record.vip}\n", "", 1))
		if run.Plan["weni"].Dropped["VIP"] != 1 || len(run.Plan["weni"].Dropped) != 1 {
			t.Errorf("plan: %+v", run.Plan["weni"])
		}
		if c, _ := h.Weni.Contact(number(1)); !slices.Contains(c.Groups, "VIP") {
			t.Errorf("contact: %+v", c)
		}
	})
}

// TestJoinedWhileTheyAreWritten: a contact was being made for somebody who turned out to be another person. The contact was
// found again, as a stranger's: it could not be deleted any more, nor could its labels be told from others.
func TestJoinedWhileTheyAreWritten(t *testing.T) {
	r := newRig(t, strings.Replace(twoSources, "    contact:\n      name: =record.nome\n      phones: =record.fone\n      opt_out", "    on_delete: delete\n    contact:\n      name: =record.nome\n      phones: =record.fone\n      opt_out", 1))
	if _, err := r.weni.Control.AddFault(sandbox.Fault{Method: "POST", Path: "/api/v2/contacts.json", Action: sandbox.FaultLatency, LatencyMS: 700, Times: 2}); err != nil {
		t.Fatal(err)
	}
	r.send("crm", crm("1", 1, "Ana Prado", "84 3222-0101", "")) // nobody's number yet
	r.settle()
	r.send("crm", crm("2", 1, "Ana Prado", "84 99000-0101", ""))
	time.Sleep(300 * time.Millisecond)
	r.send("crm", crm("1", 2, "Ana Prado", "84 99000-0101", "")) // both are one, the older one
	r.settle()
	if c := r.only(); c.Name != "Ana Prado" {
		t.Errorf("contact: %+v", c)
	}
	r.remove("crm", "1")
	r.remove("crm", "2")
	r.settle()
	if n := len(r.weni.Contacts()); n != 0 {
		t.Errorf("the contact that syncer made is not deleted with its records")
	}
}

// TestFewPeopleWhileTheEngineIsDown: the target answered 500 to everything for some minutes. Four people were waiting, took
// turns at trying it, and had each failed so often by the end that they waited another hour.
func TestFewPeopleWhileTheEngineIsDown(t *testing.T) {
	simulate(t, lab.Options{PerHour: lab.Plenty}, func(h *hours) {
		h.put("crm", 9, "Rita Melo", "84 98000-0009", nil)
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Path: "/api/v2/", Action: sandbox.FaultStatus, Status: 500})
		h.must(err)
		for i := 1; i <= 4; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Put(i, somebody(i)))
			h.must(err)
		}
		h.Calls()
		time.Sleep(10 * time.Minute)
		if c := h.Calls(); c.Contacts() > 30 {
			t.Errorf("%+v while it was down", c)
		}
		h.Weni.Control.ClearFaults()
		time.Sleep(3 * time.Minute)
		if n := len(h.Weni.Contacts()); n != 5 {
			t.Errorf("%d contacts three minutes after it was back", n)
		}
	})
}

// TestThrottledWhileItStarts: the target asked for silence for two minutes just as syncer started. From four refusals in a
// row the ledger concluded that somebody else used the whole window, and live work waited, in the end for an hour.
func TestThrottledWhileItStarts(t *testing.T) {
	simulate(t, lab.Options{}, func(h *hours) {
		seconds := 30
		_, err := h.Weni.Control.AddFault(sandbox.Fault{Path: "/api/", Action: sandbox.FaultThrottle, RetryAfter: &seconds})
		h.must(err)
		for i := 1; i <= 4; i++ {
			_, err := h.Send(state.LaneLive, h.Books["crm"].Put(i, somebody(i)))
			h.must(err)
		}
		time.Sleep(2 * time.Minute)
		h.Weni.Control.ClearFaults()
		time.Sleep(2 * time.Minute)
		if n := len(h.Weni.Contacts()); n != 4 {
			t.Errorf("%d contacts two minutes after it was over", n)
		}
	})
}
