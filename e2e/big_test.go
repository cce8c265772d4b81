package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/state"
)

// bigShop is a CRM and a Weni workspace whose budget is no hindrance.
const bigShop = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  crm:
    kind: pipedrive
    webhook: {auth: basic, username: "${CRM_HOOK_USER}", password: "${CRM_HOOK_PASSWORD}"}
    api: {base_url: "${PIPEDRIVE_URL}", token: "${PIPEDRIVE_TOKEN}", per_two_secs: 2000, per_day: 10000000}
    reconcile: {changes: "0 4 29 2 *", full: "7 2 29 2 *"}
targets:
  weni: {kind: weni, base_url: "${WENI_URL}", token: "${WENI_TOKEN}", urns: [whatsapp], create_missing: true, rate: {contacts: 1000000, other: 1000000}}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact:
      name: =record.name
      language: por
      phones: =record.phones
      labels:
        - Clientes
        - {label: VIP, when: '"Cliente VIP" in record.labels'}
        - {pick: =record.custom_fields.Segmento, from: {Varejo: Varejo, Atacado: Atacado}}
      fields:
        cidade: =record.custom_fields.Cidade
    on_delete: unlabel
`

// people is how many the big reconciliation has.
func people(t *testing.T) int {
	if text := os.Getenv("SYNCER_E2E_PEOPLE"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 200 {
			t.Fatalf("SYNCER_E2E_PEOPLE is %q; it takes a number from 200", text)
		}
		return n
	}
	if testing.Short() {
		return 600
	}
	return 10_000
}

// TestReconciliation brings a whole CRM into an empty workspace and keeps it there, without a single webhook: the first
// run waits, a second one writes nothing, changes cost one call each, what is interrupted goes on, and only what is
// certainly deleted counts as deleted.
func TestReconciliation(t *testing.T) {
	t.Parallel()
	w := build(t, func(string) string { return bigShop })
	w.define()
	n := people(t)
	w.must(w.crm.Control(w.ctx, http.MethodPost, fmt.Sprint("seed?n=", n), nil, nil))
	reachable := 0 // who has a mobile number; the others wait for one
	var ids []int
	for i := range n {
		if number := 4001 + i; number%10 != 7 && number%10 != 8 {
			reachable++
			ids = append(ids, number)
		}
	}

	took := stopwatch(t)
	w.start()
	run := w.awaitRun("crm-full", "held")
	took("read %d people and planned %d creates", run.Records, run.Plan["weni"].Creates)
	if p := run.Plan["weni"]; run.Records != n || p.Creates != reachable || p.Waiting["no_address"] != n-reachable || run.Why != "it is the first run of this source" {
		t.Errorf("the first run: %+v", run)
	}
	if len(w.contacts()) > 0 || len(w.writes(w.weni)) > 0 {
		t.Error("the plan has written")
	}
	if out := w.ok("status"); !strings.Contains(out, "run "+run.ID+" holds") {
		t.Errorf("status does not speak of the plan:\n%s", out)
	}

	took = stopwatch(t)
	var second state.Run
	w.json(&second, "reconcile", "crm", "--full", "--yes")
	if second.State != "released" {
		t.Errorf("--yes: %+v", second)
	}
	w.settleLong()
	took("created %d contacts", reachable)
	w.asDesired()
	if c := w.made(http.MethodPost, "contacts.json"); c != reachable {
		t.Errorf("%d creates for %d people", c, reachable)
	}

	w.forget()
	took = stopwatch(t)
	var again state.Run
	w.json(&again, "reconcile", "crm", "--full")
	w.settleLong()
	took("read %d people again", again.Records)
	if calls := w.writes(w.weni); len(calls) > 0 || again.State != "done" || again.Unchanged != n {
		t.Errorf("a second full run: %d writes, %+v", len(calls), again)
	}
	t.Logf("it cost %d calls at Weni", w.made("", ""))

	w.forget()
	const some = 37
	for _, id := range ids[100 : 100+some] {
		w.patch(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Assunção"}})
	}
	took = stopwatch(t)
	var changes state.Run
	w.json(&changes, "reconcile", "crm")
	changes = w.latest(changes.ID)
	w.settleLong()
	// It begins three minutes before the newest change that it knows, and everybody in this CRM is younger.
	took("an incremental run over %d changes read %d people", some, changes.Records)
	if calls := w.writes(w.weni); len(calls) != some || changes.Kind != "changes" || changes.Since == 0 || changes.Unannounced != some {
		t.Errorf("%d writes for %d changes, run %+v:\n%s", len(calls), some, changes, lines(calls))
	}
	w.asDesired()

	w.interrupted(ids[:min(len(ids)/10, 400)])
	w.deletions(ids)
}

// interrupted kills syncer while it reads the CRM and while it writes what it found.
func (w *world) interrupted(ids []int) {
	w.Helper()
	for _, id := range ids {
		w.patch(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Pau dos Ferros"}})
	}
	w.forget()
	w.must(w.crm.Forget(w.ctx))
	w.must(w.crm.Fail(w.ctx, sandbox.Fault{Path: "/api/v2/persons", Action: sandbox.FaultLatency, LatencyMS: 150}))
	go func() { _, _ = w.admin.Reconcile(w.ctx, console.RunAsk{Source: "crm", Kind: "full", Yes: true}) }()
	var under state.Run
	w.await("a part of the CRM is read", func() (bool, error) {
		under = w.latest("crm-full")
		return under.State == "walking" && under.Pages > 0, nil
	})
	w.syncer.Kill()
	w.must(w.crm.Heal(w.ctx))
	took := stopwatch(w.T)
	w.start()
	run := w.awaitRun(under.ID, "released")
	took("the run that was killed after %d of %d pages went on", under.Pages, run.Pages)
	total := (w.status().Records + 499) / 500
	if run.Records < w.status().Records || run.Pages > total+2 {
		w.Errorf("it is %+v after the restart; the CRM has %d pages", run, total)
	}
	w.await("a part is delivered", func() (bool, error) { return w.made(http.MethodPost, "contacts.json") > len(ids)/4, nil })
	w.syncer.Kill()
	w.start()
	w.settleLong()
	w.asDesired()
	if c := w.made(http.MethodPost, "contacts.json"); c < len(ids) || c > len(ids)+4 {
		w.Errorf("%d writes for %d changes, with a kill between; 4 are under way at most", c, len(ids))
	}
}

// deletions deletes three people in the CRM, and then shows syncer an empty one.
func (w *world) deletions(ids []int) {
	w.Helper()
	for _, id := range ids[200-50 : 200-47] {
		w.must(w.pipedrive(http.MethodDelete, fmt.Sprint("v2/persons/", id), nil, nil))
	}
	var run state.Run
	w.json(&run, "reconcile", "crm", "--full")
	w.settleLong()
	if run.Missing != 3 || run.Deleted != 3 || run.State != "released" {
		w.Errorf("three deleted people: %+v", run)
	}
	w.asDesired()

	w.forget()
	w.must(w.crm.Fail(w.ctx, sandbox.Fault{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 200, ContentType: "application/json",
		Response: `{"success":true,"data":[],"additional_data":{"next_cursor":null}}`}))
	var empty state.Run
	w.json(&empty, "reconcile", "crm", "--full", "--yes")
	w.settleLong()
	if calls := w.writes(w.weni); len(calls) > 0 || empty.Deleted > 0 || empty.Records > 0 {
		w.Errorf("an empty list: %d writes, %+v", len(calls), empty)
	}
	w.must(w.crm.Heal(w.ctx))
	w.asDesired()
}

// stopwatch logs how long something took.
func stopwatch(t *testing.T) func(format string, args ...any) {
	began := time.Now()
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%6.2f s: %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// settleLong is settle for many people.
func (w *world) settleLong() {
	w.Helper()
	for deadline := time.Now().Add(10 * patience); pending(w.status()) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("there is still work: %s", target(w.status(), "weni").Doing)
		}
	}
}

// patch edits a person while nobody listens.
func (w *world) patch(id int, edit map[string]any) {
	w.Helper()
	w.must(w.pipedrive(http.MethodPatch, fmt.Sprint("v2/persons/", id), edit, nil))
}

// made counts the calls to Weni since forget that were carried out, whatever the journal still remembers.
func (w *world) made(method, endpoint string) int {
	w.Helper()
	calls, err := w.weni.Calls(w.ctx)
	w.must(err)
	return calls.Count(func(c sandbox.Call) bool {
		return (method == "" || c.Method == method) && strings.HasSuffix(c.Endpoint, endpoint) && c.Status < 300
	})
}

func (w *world) latest(prefix string) state.Run {
	runs, err := w.admin.Runs(w.ctx, 0)
	if err != nil {
		return state.Run{}
	}
	i := slices.IndexFunc(runs, func(r state.Run) bool { return strings.HasPrefix(r.ID, prefix) })
	if i < 0 {
		return state.Run{}
	}
	return runs[i]
}

// asDesired reads the CRM and Weni and compares them by rules of its own.
func (w *world) asDesired() {
	w.Helper()
	var crm struct{ Persons []pipedrive.Person }
	w.must(w.crm.Control(w.ctx, http.MethodGet, "persons", nil, &crm))
	type want struct {
		name, city string
		groups     []string
	}
	desired := map[string]want{}
	for _, p := range crm.Persons {
		number := ""
		for _, row := range p.Phones {
			digits := strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, row.Value)
			if digits = strings.TrimPrefix(digits, "55"); len(digits) == 11 && digits[2] == '9' && number == "" {
				number = "whatsapp:55" + digits
			}
		}
		if number == "" {
			continue
		}
		d := want{name: p.Name, groups: []string{"Clientes", "Varejo"}}
		d.city, _ = p.Custom[pipedrive.City].(string)
		if p.Custom[pipedrive.Segment] == 42.0 {
			d.groups[1] = "Atacado"
		}
		if slices.Contains(p.LabelIDs, pipedrive.VIP) {
			d.groups = append(d.groups, "VIP")
		}
		slices.Sort(d.groups)
		desired[number] = d
	}
	wrong := 0
	for _, c := range w.contacts() {
		d, ok := desired[c.URNs[0]]
		delete(desired, c.URNs[0])
		if ok && (c.Name != d.name || c.Fields["cidade"] != d.city || !slices.Equal(sorted(c.Groups), d.groups)) || !ok && len(c.Groups) > 0 {
			if wrong++; wrong <= 5 {
				w.Errorf("%+v should be %+v (known: %v)", c, d, ok)
			}
		}
	}
	if len(desired) > 0 || wrong > 5 {
		w.Errorf("%d people are missing in Weni, %d contacts are not as the CRM says", len(desired), wrong)
	}
}
