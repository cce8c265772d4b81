package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
)

// TestTheDoor: what is not from the sender is refused, what cannot be read is kept for people to look at, and
// nothing of it reaches a target.
func TestTheDoor(t *testing.T) {
	t.Parallel()
	w := serve(t)
	_, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.forget()
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	right := basic(w.env["CRM_HOOK_USER"], w.env["CRM_HOOK_PASSWORD"])
	order := w.shop.order("c-1", map[string]any{"nome": "Caio", "celular": "84990000303"})
	for name, c := range map[string]struct {
		source string
		body   []byte
		prove  func(*http.Request)
		want   int
	}{
		"no credentials":         {"crm", created, nil, http.StatusUnauthorized},
		"wrong password":         {"crm", created, basic(w.env["CRM_HOOK_USER"], "outra senha"), http.StatusUnauthorized},
		"wrong user":             {"crm", created, basic("outro", w.env["CRM_HOOK_PASSWORD"]), http.StatusUnauthorized},
		"not signed":             {"loja", order, nil, http.StatusUnauthorized},
		"signed over other text": {"loja", order, func(r *http.Request) { r.Header.Set("X-Signature", "sha256="+strings.Repeat("0", 64)) }, http.StatusUnauthorized},
		"unknown source":         {"nobody", created, right, http.StatusNotFound},
		"a path below":           {"crm/secret", created, right, http.StatusNotFound},
		"too large":              {"crm", append(bytes.Repeat([]byte(" "), 2<<20), created...), right, http.StatusRequestEntityTooLarge},
		"compressed":             {"crm", created, func(r *http.Request) { right(r); r.Header.Set("Content-Encoding", "gzip") }, http.StatusUnsupportedMediaType},
	} {
		if status, err := w.post(c.source, c.body, c.prove); err != nil || status != c.want {
			t.Errorf("%s: %d %v, want %d", name, status, err, c.want)
		}
	}
	if status := w.sendOrder(order, "outro segredo"); status != http.StatusUnauthorized {
		t.Errorf("another secret: %d", status)
	}
	if len(w.contacts()) > 0 || len(w.events()) > 0 {
		t.Errorf("something of it came in: %v", w.events())
	}

	// Authentic and unreadable: Pipedrive hears 200, for it would stop delivering; the shop hears what is wrong.
	if status := w.send([]byte(`{"meta":{"entity":"person","action":"change"},"data":`)); status != http.StatusOK {
		t.Errorf("half a body of the CRM is answered with %d", status)
	}
	if status := w.sendOrder([]byte(`{"event":"customer.updated","data":{"nome":"sem id"}}`), w.env["LOJA_SECRET"]); status != http.StatusBadRequest {
		t.Errorf("a body of the shop without an id is answered with %d", status)
	}
	var kept []struct{ Source, Reason string }
	w.json(&kept, "quarantine", "list")
	if len(kept) != 2 || kept[0].Reason == "" || kept[1].Reason == "" {
		t.Errorf("quarantine: %+v", kept)
	}
	if out := w.ok("status"); !strings.Contains(out, "could not be read: look with `syncer quarantine list`") {
		t.Errorf("status does not speak of the quarantine:\n%s", out)
	}

	// After all that the door takes what is right.
	w.deliver(created)
	w.wrote("the real webhook", "POST contacts.json fields,groups,language,name,urns")

	// Nothing but webhooks and health is outside; the console is not.
	for path, want := range map[string]int{"/": 404, "/metrics": 404, "/api/v1/status": 404, "/healthz": 200, "/readyz": 200, "/hooks/crm": 405} {
		resp, err := http.Get(w.env["SYNCER_PUBLIC_URL"] + path)
		w.must(err)
		if resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("GET %s: %s, want %d", path, resp.Status, want)
		}
	}
}

// TestAFullStoreAsksSendersToComeAgain: when the state has no room, webhooks are answered 503 with Retry-After, what
// was accepted before is delivered, and with more room everything is taken.
func TestAFullStoreAsksSendersToComeAgain(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.define()
	w.env["SYNCER_STATE"] = "bolt:" + w.path("syncer.db") + "?max=4MiB"
	w.start()
	w.firstRuns()
	w.subscribe()

	_, created := w.create(someone("Marina Quaresma", "84990000101"))
	padding := strings.Repeat("x", 100<<10)
	big := func(i int) []byte {
		body := edited(t, created, "meta.id", fmt.Sprint("evento-", i))
		body = edited(t, body, "meta.entity_id", strconv.Itoa(5000+i))
		return edited(t, body, "data.note", padding)
	}
	taken, full := 0, false
	for i := range 400 {
		if status := w.send(big(i)); status == http.StatusServiceUnavailable {
			full = true
			break
		} else if status != http.StatusOK {
			t.Fatalf("webhook %d is answered with %d", i, status)
		}
		taken++
	}
	if !full {
		t.Fatalf("%d webhooks of 100 kB went into 4 MiB", taken)
	}
	t.Logf("%d webhooks were taken before the store was full", taken)
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.env["SYNCER_PUBLIC_URL"]+"/hooks/crm", bytes.NewReader(big(1000)))
	w.must(err)
	r.SetBasicAuth(w.env["CRM_HOOK_USER"], w.env["CRM_HOOK_PASSWORD"])
	resp, err := http.DefaultClient.Do(r)
	w.must(err)
	w.must(resp.Body.Close())
	if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); resp.StatusCode != http.StatusServiceUnavailable || err != nil || after < 1 {
		t.Errorf("a full store answers %s with Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if out := w.ok("status"); !strings.Contains(out, "% full") && !strings.Contains(out, "%  full") && !strings.Contains(out, "full") {
		t.Errorf("status does not say that the state is full:\n%s", out)
	}

	w.stop()
	w.env["SYNCER_STATE"] = "bolt:" + w.path("syncer.db") + "?max=64MiB"
	w.start()
	if status := w.send(big(1000)); status != http.StatusOK {
		t.Errorf("with room, the webhook is answered with %d", status)
	}
	if n := w.status().Records; n != taken+1 {
		t.Errorf("%d records are known, %d were answered with 200", n, taken+1)
	}
}

// TestWrongCredentialsPauseTheTarget: Weni stops accepting the token. That target is paused and says so, the operator
// is told, the others go on; when the token is accepted again, what waited is delivered.
func TestWrongCredentialsPauseTheTarget(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.define()
	token := w.env["WENI_TOKEN"]
	w.env["WENI_TOKEN"] = "um-token-que-ninguem-deu"
	w.start()
	w.subscribe()
	_, created := w.create(someone("Marina Quaresma", "84990000101"))
	if status := w.send(created); status != http.StatusOK {
		t.Fatalf("answered with %d", status)
	}
	w.settle("atendimento", "omniflow")
	if len(w.inboxContacts()) != 1 || len(w.flowContacts()) != 1 || len(w.contacts()) != 0 {
		t.Errorf("%d, %d and %d contacts", len(w.inboxContacts()), len(w.flowContacts()), len(w.contacts()))
	}
	w.await("the pause", func() (bool, error) { return target(w.status(), "weni").Paused != nil, nil })
	n := w.toldOf("target.paused", "weni")
	if n.Data["kind"] != "auth" || strings.Contains(fmt.Sprint(n), w.env["WENI_TOKEN"]) {
		t.Errorf("the notice says %v", n)
	}
	out := w.ok("status")
	if !strings.Contains(out, "weni is paused: weni: read workspace: it does not know the token") {
		t.Errorf("status:\n%s", out)
	}

	// The right token, after a restart: it is tried at once, whatever the pause says.
	w.stop()
	w.env["WENI_TOKEN"] = token
	w.start()
	w.settle()
	w.contact("5584990000101")
	w.toldOf("target.resumed", "weni")
}

// TestAnotherWorkspacePauses: a token that opens another workspace than before writes nothing there until somebody
// says that it is meant; then everybody is looked for there anew.
//
// At first rebind accepted the new place and kept the links to the old one: every contact counted as deleted by hand,
// and nobody was ever written to the new workspace.
func TestAnotherWorkspacePauses(t *testing.T) {
	t.Parallel()
	w := serve(t)
	id, one := w.create(someone("Marina Quaresma", "84990000101"))
	_, two := w.create(someone("Otávio Brandão", "84990000202"))
	w.deliver(one)
	w.deliver(two)
	if r := w.cmd("rebind", "target/weni"); r.Code != 1 || !strings.Contains(r.Stderr, "the same place as before") {
		t.Errorf("a rebind that is not needed: exit %d, %s", r.Code, r.Stderr)
	}
	w.stop()

	old := w.weni
	w.weni = w.sandbox("weni") // the same token opens it, as after a mix-up of two .env files
	w.env["WENI_URL"] = w.weni.URL
	w.define()
	w.start()
	hook := w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}})
	if status := w.send(hook); status != http.StatusOK {
		t.Fatalf("answered with %d", status)
	}
	w.settle("atendimento", "omniflow")
	w.await("the pause", func() (bool, error) { return target(w.status(), "weni").Paused != nil, nil })
	w.toldOf("target.paused", "another place")
	if out := w.ok("status"); !strings.Contains(out, "open another place") || !strings.Contains(out, "syncer rebind target/weni") {
		t.Errorf("status:\n%s", out)
	}
	if n := len(w.writes(w.weni)); n > 0 || len(w.contacts()) > 0 {
		t.Errorf("%d calls wrote to the other workspace", n)
	}

	// It is meant. What was due is delivered, to a new contact; everybody else is new there too and waits as a plan.
	w.ok("rebind", "target/weni")
	run := w.awaitRun("crm-replay", "held")
	if run.Plan["weni"].Creates != 1 {
		t.Errorf("the plan is %+v", run.Plan)
	}
	w.settle()
	if c := w.contact("5584990000101"); c.Fields["cidade"] != "Caicó" || len(w.contacts()) != 1 {
		t.Errorf("after the rebind: %+v", w.contacts())
	}
	w.ok("apply", run.ID)
	w.settle()
	if c := w.contact("5584990000202"); c.Fields["cidade"] != "Natal" || !slices.Equal(sorted(c.Groups), []string{"Clientes", "Varejo"}) {
		t.Errorf("after the plan was applied: %+v", c)
	}
	var before struct{ Contacts []json.RawMessage }
	w.must(old.Control(w.ctx, http.MethodGet, "contacts", nil, &before))
	if len(before.Contacts) != 2 {
		t.Errorf("the first workspace has %d contacts", len(before.Contacts))
	}
}

// TestARunGoesOnWithoutATargetThatIsAway: a reconciliation delivers to the targets that can be planned, says which
// could not, and forgets nobody there: the next run delivers to them what this one could not.
//
// At first a run failed as a whole when one target was paused or down, and the people whom it held back stayed so for
// ever: the next run found their records unchanged and never looked at them again.
func TestARunGoesOnWithoutATargetThatIsAway(t *testing.T) {
	t.Parallel()
	w := serve(t)
	_, warm := w.create(someone("Otávio Brandão", "84990000909"))
	w.deliver(warm)
	w.forget()
	for i := range 3 {
		w.create(someone(fmt.Sprint("Cliente ", i), fmt.Sprintf("8499000010%d", i))) // nobody tells syncer
	}
	w.must(w.gate.Shut())
	r := w.cmd("reconcile", "crm", "--full", "--yes")
	if r.Code != 1 || !strings.Contains(r.Stderr, "weni: weni: ") || !strings.Contains(r.Stderr, "cannot be reached") {
		t.Errorf("the run while Weni is down: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.settle("atendimento", "omniflow")
	if a, b := len(w.inboxContacts()), len(w.flowContacts()); a != 4 || b != 4 {
		t.Errorf("omnichannel has %d contacts and OmniFlow %d", a, b)
	}
	if s := target(w.status(), "weni"); s.Held != 3 {
		t.Errorf("%d people are held back for Weni: %s", s.Held, s.Doing)
	}
	w.toldOf("run.failed", "cannot be reached")

	w.must(w.gate.Open())
	w.ok("reconcile", "crm", "--yes")
	w.settle()
	if refused := w.madeOnce(3); refused > 0 {
		t.Errorf("%d creates were refused", refused)
	}
	if n := target(w.status(), "weni").Held; n != 0 {
		t.Errorf("%d people are still held back", n)
	}
}

// TestAWebhookDuringTheFirstRun: a customer whom a run reads while their webhook waits for the names of the CRM's
// fields is delivered at once.
//
// Once the run mapped the webhook together with its page and told nobody that there was something to deliver: the
// targets found out when they next looked by themselves, up to a minute later.
func TestAWebhookDuringTheFirstRun(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.define()
	w.subscribe()
	w.must(w.gate.Shut()) // whoever refreshes what it knows of Weni looks for work, too
	_, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.must(w.crm.Fail(w.ctx, sandbox.Fault{Path: "/api/v2/personFields", Action: sandbox.FaultLatency, LatencyMS: 1500}))
	w.start()
	if status := w.send(created); status != http.StatusOK {
		t.Fatalf("answered with %d", status)
	}
	w.must(lab.Await(w.ctx, patience/2, "the customer is delivered", func() (bool, error) {
		return len(w.inboxContacts()) == 1 && len(w.flowContacts()) == 1, nil
	}))
}

// TestAFirstRunOfTheExampleIsPlannedAtOnce: targets that take one call a second and cannot list their contacts are
// not asked for everybody before there is a plan.
//
// At first they were, one call for each person: the budget was used up after four, and the run failed.
func TestAFirstRunOfTheExampleIsPlannedAtOnce(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.define()
	w.must(w.crm.Control(w.ctx, http.MethodPost, "seed?n=40", nil, nil))
	first := pipedrive.Invent(4001)
	w.must(w.inbox.Control(w.ctx, http.MethodPost, "contacts", map[string]any{"contactIdentifier": "5511990004001", "name": "quem já estava"}, nil))
	w.start()
	run := w.awaitRun("crm-full", "held")
	for _, target := range []string{"weni", "atendimento", "omniflow"} {
		if p := run.Plan[target]; p.Creates != 32 {
			t.Errorf("the plan for %s: %+v", target, p)
		}
	}
	if a, b, c := len(w.writes(w.weni)), len(w.writes(w.inbox)), len(w.writes(w.flow)); a+b+c > 0 {
		t.Errorf("the plan has written: %d, %d and %d calls", a, b, c)
	}

	// A few first. Whoever turns out to be there already is used, and not held back for being found.
	var rows struct{ People []console.PlanRow }
	w.json(&rows, "plan", run.ID)
	if len(rows.People) != 96 {
		t.Errorf("the plan lists %d deliveries", len(rows.People))
	}
	w.ok("apply", run.ID, "--only", "crm/4001")
	w.settle()
	if c := w.inboxContacts(); len(c) != 1 || c[0].CustomName != first.Name || !slices.Equal(c[0].Tags, []string{"Clientes"}) {
		t.Errorf("omnichannel: %+v", c)
	}
	if n := len(w.contacts()); n != 1 {
		t.Errorf("Weni has %d contacts", n)
	}
	if s := w.status(); target(s, "weni").Held != 31 || target(s, "atendimento").Held != 31 || target(s, "omniflow").Held != 31 {
		t.Errorf("held: %d, %d and %d people", target(s, "weni").Held, target(s, "atendimento").Held, target(s, "omniflow").Held)
	}
}
