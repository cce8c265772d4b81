package e2e

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// small builds a CRM of n people and a Weni workspace that has them all, delivered by a first run that somebody
// applied. edit changes the mapping file bigShop.
func small(t *testing.T, n int, edit ...func(string) string) *world {
	t.Helper()
	w := stage(t, n, edit...)
	w.start()
	w.ok("apply", w.awaitRun("crm-full", "held").ID)
	w.settle()
	w.forget()
	return w
}

// stage is small before its first start.
func stage(t *testing.T, n int, edit ...func(string) string) *world {
	t.Helper()
	w := build(t, using(edit...))
	w.define()
	w.must(w.crm.Control(w.ctx, http.MethodPost, fmt.Sprint("seed?n=", n), nil, nil))
	return w
}

// using is bigShop as the mapping file, with changes.
func using(edit ...func(string) string) func(string) string {
	return func(string) string {
		text := bigShop
		for _, e := range edit {
			text = e(text)
		}
		return text
	}
}

// reachable are the ids of the first n people of the CRM who have a mobile number.
func reachable(n int) (ids []int) {
	for id := 4001; id < 4001+n; id++ {
		if id%10 != 7 && id%10 != 8 {
			ids = append(ids, id)
		}
	}
	return ids
}

// of is the contact of somebody of the CRM.
func (w *world) of(id int) (c rapidpro.Contact) {
	w.Helper()
	w.must(w.weni.Control(w.ctx, http.MethodGet, "contacts?"+url.Values{"ref": {w.linkOf(id).Contact}}.Encode(), nil, &c))
	return c
}

// linkOf is what syncer says of somebody of the CRM at Weni.
func (w *world) linkOf(id int) (t struct{ Target, Contact, State string }) {
	w.Helper()
	var x struct {
		Targets []struct{ Target, Contact, State string }
	}
	w.json(&x, "explain", fmt.Sprint("crm/", id))
	for _, t = range x.Targets {
		if t.Target == "weni" {
			return t
		}
	}
	w.Fatalf("crm/%d is nobody at Weni: %+v", id, x)
	return t
}

// standing is what people see of every contact: name, language, fields, groups and addresses.
func (w *world) standing() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, c := range w.contacts() {
		text, err := json.Marshal([]any{c.Name, c.Language, c.Fields, sorted(c.Groups), c.URNs, c.Status})
		w.must(err)
		out[c.UUID] = string(text)
	}
	return out
}

// nothingWritten checks that Weni was only read since forget.
func (w *world) nothingWritten(what string) {
	w.Helper()
	if calls := w.calls(); calls != "" {
		w.Errorf("%s: written to Weni:\n%s", what, calls)
	}
}

// says checks that a command's output has all of some words.
func (w *world) says(out string, words ...string) {
	w.Helper()
	for _, word := range words {
		if !strings.Contains(out, word) {
			w.Errorf("%q is missing in:\n%s", word, out)
		}
	}
}

// withLoja adds the shop as a second source, whose customers can refuse messages and ask to be forgotten, and keeps
// what agents make of names.
func withLoja(text string) string {
	return strings.NewReplacer("\ntargets:\n", `
  loja:
    kind: generic
    webhook: {auth: hmac, header: X-Signature, secret: "${LOJA_SECRET}", algorithm: sha256, encoding: hex, prefix: "sha256="}
    event: {id: id, type: event, as: {customer.stopped: opt_out, customer.forgotten: erase}, otherwise: upsert}
    record: {at: data, id: id, version: updated_at, version_as: rfc3339, payload: full}
    list: {url: "${LOJA_URL}/api/customers", auth: "Bearer ${LOJA_TOKEN}", items: data, next: {cursor: next_cursor, param: cursor}, size: {param: limit, value: 100}}
    reconcile: {full: "37 3 29 2 *"}
targets:
`, "name: =record.name\n", "name: {value: =record.name, write: keep_edits}\n", "create_missing: true,", "create_missing: true, opt_out: {label: Opt-out},").Replace(text) + `
  - {name: loja, from: loja, to: weni, contact: {name: =record.nome, phones: =record.celular, labels: [Loja]}}
`
}

// TestTheStateIsLost: the state file is deleted, as on a volume that was not mounted, and syncer starts again. Every
// link is found again without a write and without a second contact, the log and status say what is not, and an
// export brings that back: who refused messages, who asked to be forgotten, what agents made of names.
func TestTheStateIsLost(t *testing.T) {
	t.Parallel()
	const n = 30
	w := small(t, n, withLoja)
	w.awaitRun("loja-full", "done")
	secret := w.env["LOJA_SECRET"]
	order := func(id string, customer map[string]any) []byte {
		body := w.shop.order(id, customer)
		if status := w.sendOrder(body, secret); status != http.StatusAccepted {
			t.Fatalf("the shop is answered with %d", status)
		}
		w.settle()
		return body
	}
	refuses := order("c-1", map[string]any{"nome": "Marina Quaresma", "celular": "84990000101"})
	forgets := order("c-2", map[string]any{"nome": "Otávio Brandão", "celular": "84990000202"})
	for event, body := range map[string][]byte{"customer.stopped": refuses, "customer.forgotten": forgets} {
		if status := w.sendOrder(edited(t, edited(t, body, "id", event), "event", event), secret); status != http.StatusAccepted {
			t.Fatalf("%s is answered with %d", event, status)
		}
	}
	w.settle()
	if c := w.contact("5584990000101"); !slices.Contains(c.Groups, "Opt-out") {
		t.Fatalf("who refused messages has %v", c.Groups)
	}
	edits, linked := reachable(n)[0], len(reachable(n))+1
	w.edit(w.of(edits).UUID, map[string]any{"name": "Dona Marina, da padaria"})
	w.ok("reconcile", "crm", "--full")
	w.settle()
	w.ok("export", w.path("kept.jsonl"))
	if info, err := os.Stat(w.path("kept.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the export: %v, %v", info, err)
	}
	before := w.standing()
	if len(before) != linked {
		t.Fatalf("%d contacts, want %d", len(before), linked)
	}
	lose := func() {
		w.stop()
		w.await("the clock of Weni, which was moved ahead, is reached", func() (bool, error) {
			return !slices.ContainsFunc(w.contacts(), func(c rapidpro.Contact) bool { return c.CreatedOn.After(time.Now()) }), nil
		})
		w.must(os.Remove(w.path("syncer.db")))
		w.forget()
	}

	lose()
	w.start()
	w.awaitRun("crm-full", "done")
	run := w.awaitRun("loja-full", "held")
	w.settle()
	w.nothingWritten("after the state was lost")
	if after := w.standing(); !reflect.DeepEqual(after, before) {
		t.Errorf("after the state was lost:\n%v\nbefore:\n%v", after, before)
	}
	if got := target(w.status(), "weni").Linked; got != linked {
		t.Errorf("%d people are linked again, want %d", got, linked)
	}
	// Without the export the shop's list is all that is known of its two customers: it waits for somebody to look.
	if p := run.Plan["weni"]; p.Creates != 1 || run.Held != 1 {
		t.Errorf("the plan for the shop's customers: %+v", run)
	}
	w.says(w.syncer.Stderr(), "the state file is new", "what people said about being written to")
	w.says(w.ok("status"), "the state file is new, but 25 of 25 people were found at weni just as syncer leaves them", "syncer import")

	lose()
	w.ok("import", w.path("kept.jsonl"))
	w.start()
	w.awaitRun("crm-full", "done")
	if run = w.awaitRun("loja-full", "done", "held"); run.State != "done" {
		t.Errorf("the plan for the shop's customers after the import: %+v\n%s", run, w.ok("plan", run.ID))
	}
	w.settle()
	w.nothingWritten("after the import")
	if after := w.standing(); !reflect.DeepEqual(after, before) {
		t.Errorf("after the import:\n%v\nbefore:\n%v", after, before)
	}
	w.says(w.ok("explain", "loja/c-1"), "refuses messages")
	if r := w.cmd("explain", "loja/c-2"); r.Code != 1 || !strings.Contains(r.Stderr, "nothing is known of loja/c-2") {
		t.Errorf("who asked to be erased is known: exit %d\n%s", r.Code, r.Stdout)
	}
	// The name that an agent gave stands until the CRM has another one: the base came back, too.
	w.patch(edits, map[string]any{"name": "Marina Q. Lopes"})
	w.ok("reconcile", "crm", "--full")
	w.settle()
	if c := w.of(edits); c.Name != "Marina Q. Lopes" {
		t.Errorf("the name that the CRM changed is %q", c.Name)
	}
	w.wrote("the CRM changed the name", "POST contacts.json?uuid name")
}

// TestASavedPlanIsWhatIsApplied: what a saved plan shows is what apply does. Whoever was edited at Weni since is left
// out and named; undo puts back what stood before the run; a plan that is old, of another place or not as it was made
// is refused.
func TestASavedPlanIsWhatIsApplied(t *testing.T) {
	t.Parallel()
	w := small(t, 40)
	ids := reachable(40)
	file := w.path("plan.json")

	// Twenty people change in the CRM: name, city, segment and VIP.
	before := w.standing()
	changed := ids[:20]
	for i, id := range changed {
		w.patch(id, map[string]any{"name": fmt.Sprintf("Nome Novo %c", 'A'+i), "label_ids": []int{pipedrive.VIP},
			"custom_fields": map[string]any{pipedrive.City: "Caicó", pipedrive.Segment: 42 - i%2}})
	}
	out := w.ok("plan", "crm", "--save", file)
	w.says(out, "20", "Saved for a day")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan: %v, %v", info, err)
	}
	w.nothingWritten("a plan")

	// Plans that must not be applied.
	text, err := os.ReadFile(file)
	w.must(err)
	made := regexp.MustCompile(`"made": "[^"]+"`)
	for name, c := range map[string]struct {
		edit  func(string) string
		words string
	}{
		"a day old": {func(s string) string {
			return made.ReplaceAllString(s, fmt.Sprintf(`"made": %q`, time.Now().Add(-25*time.Hour).UTC().Format(time.RFC3339)))
		}, "plans are good for a day"},
		"of another workspace": {replace(`"weni": "`, `"weni": "Outra `), "the plan was made for weni at"},
		"tampered with":        {func(s string) string { return strings.Replace(s, `"new": "Nome Novo A"`, `"new": "Nome Trocado"`, 1) }, "have changed since the plan was made"},
		"of another file": {func(s string) string {
			return regexp.MustCompile(`"mapping": "[^"]+"`).ReplaceAllString(s, `"mapping": "0000"`)
		}, "the mapping file has changed"},
		"no plan": {func(string) string { return `{"people": []}` }, "not a plan"},
	} {
		bad := w.path("bad.json")
		if edited := c.edit(string(text)); edited == string(text) {
			t.Fatalf("%s: nothing was edited", name)
		} else {
			w.must(os.WriteFile(bad, []byte(edited), 0o600))
		}
		if r := w.cmd("apply", bad); r.Code == 0 || !strings.Contains(r.Stderr, c.words) {
			t.Errorf("a plan %s: exit %d\n%s%s", name, r.Code, r.Stdout, r.Stderr)
		}
	}
	w.nothingWritten("refused plans")

	// Five of them are edited at Weni before the plan is applied.
	byHand := changed[:5]
	for _, id := range byHand {
		w.edit(w.of(id).UUID, map[string]any{"fields": map[string]string{"cidade": "Escrita à mão"}})
	}
	edited := w.standing()
	out = w.ok("apply", file)
	w.says(out, "15 people on the way", "Left out, because something changed")
	for i, id := range changed {
		if named := strings.Contains(out, fmt.Sprint("crm/", id, " ")); named != (i < 5) {
			t.Errorf("crm/%d is named: %v\n%s", id, named, out)
		}
	}
	w.settle()
	for i, id := range changed {
		c := w.of(id)
		switch {
		case i < 5 && edited[c.UUID] != w.standing()[c.UUID]:
			t.Errorf("%d was edited by hand and is now %+v", id, c)
		case i >= 5 && (c.Name != fmt.Sprintf("Nome Novo %c", 'A'+i) || c.Fields["cidade"] != "Caicó" || !slices.Contains(c.Groups, "VIP")):
			t.Errorf("%d is %+v", id, c)
		}
	}

	// Undo of that run: what stood before stands again, for those whom it changed.
	run := w.latest("crm-").ID
	w.forget()
	out = w.ok("undo", run)
	w.says(out, "15 people would be put back", "syncer apply undo-"+run)
	w.nothingWritten("undo before it is applied")
	w.ok("apply", "undo-"+run)
	w.settle()
	after := w.standing()
	for i, id := range changed {
		uuid := w.of(id).UUID
		if want := before[uuid]; i >= 5 && after[uuid] != want {
			t.Errorf("%d after undo:\n%s\nbefore the run:\n%s", id, after[uuid], want)
		}
	}
	// --only and --limit.
	w.ok("apply", run, "--only", fmt.Sprint("crm/", byHand[0]))
	w.settle()
	if a, b := w.of(byHand[0]), w.of(byHand[1]); a.Fields["cidade"] != "Caicó" || b.Fields["cidade"] != "Escrita à mão" {
		t.Errorf("--only: %+v, %+v", a, b)
	}
	w.ok("apply", run, "--limit", "2")
	w.settle()
	done := 0
	for _, id := range byHand {
		if w.of(id).Fields["cidade"] == "Caicó" {
			done++
		}
	}
	if done != 3 {
		t.Errorf("after --only of one and --limit 2, %d of 5 are applied", done)
	}

	// A part of a plan, saved.
	var rest []int
	for _, id := range byHand {
		if w.of(id).Fields["cidade"] != "Caicó" {
			rest = append(rest, id)
		}
	}
	w.ok("plan", run, "--only", fmt.Sprint("crm/", rest[0]), "--save", file)
	w.says(w.ok("apply", file), "1 person on the way")
	w.settle()
	if a, b := w.of(rest[0]), w.of(rest[1]); a.Fields["cidade"] != "Caicó" || b.Fields["cidade"] != "Escrita à mão" {
		t.Errorf("a part of a plan: %+v, %+v", a, b)
	}

	// A newer run takes the place of what still waits. What was undone stays so: the source says nothing new.
	after = w.standing()
	w.ok("reconcile", "crm", "--full")
	w.settle()
	left := w.of(rest[1])
	if r, err := w.admin.RunState(w.ctx, run); err != nil || r.State != "replaced" || left.Fields["cidade"] != "Caicó" {
		t.Errorf("what still waited: %+v, run %+v, %v", left, r, err)
	}
	now := w.standing()
	delete(now, left.UUID)
	delete(after, left.UUID)
	if !reflect.DeepEqual(now, after) {
		t.Errorf("after the next run:\n%v\nwant:\n%v", now, after)
	}
}

// TestEditsAtTheTarget: what agents and flows change at Weni, through real commands. keep_edits lets an agent's name
// stand until the CRM has another one, overwrite puts a value back, and a value that something keeps changing back is
// left alone: status says which, for how many people and why.
func TestEditsAtTheTarget(t *testing.T) {
	t.Parallel()
	w := small(t, 12, replace("name: =record.name", "name: {value: =record.name, write: keep_edits}"))
	ids := reachable(12)
	named, placed := ids[0], ids[1]
	again := func() {
		w.Helper()
		w.ok("reconcile", "crm", "--full")
		w.settle()
	}

	w.edit(w.of(named).UUID, map[string]any{"name": "Dona Marina, da padaria"})
	again()
	again()
	w.wrote("keep_edits")
	if c := w.of(named); c.Name != "Dona Marina, da padaria" {
		t.Errorf("keep_edits: the name is %q", c.Name)
	}
	w.says(w.ok("explain", fmt.Sprint("crm/", named)), "it was edited at the target and the source has not changed since")
	w.patch(named, map[string]any{"name": "Marina Q. Lopes"})
	again()
	w.wrote("the CRM has another name", "POST contacts.json?uuid name")

	for round := 1; round <= 6; round++ {
		w.edit(w.of(placed).UUID, map[string]any{"fields": map[string]string{"cidade": "Do fluxo"}})
		again()
		switch c := w.of(placed); {
		case round <= 3:
			w.wrote(fmt.Sprint("overwrite, round ", round), "POST contacts.json?uuid fields")
		case c.Fields["cidade"] != "Do fluxo":
			t.Errorf("round %d: the city is %q", round, c.Fields["cidade"])
		default:
			w.wrote(fmt.Sprint("left alone, round ", round))
		}
	}
	w.says(w.ok("status"), "weni: cidade of 1 person is left alone until the source says something else: something at the target keeps changing it back", fmt.Sprint("syncer explain crm/", placed))
	w.says(w.ok("explain", fmt.Sprint("crm/", placed)), "the target keeps changing it back")

	// A new value of the source is written, and nothing is left alone any more.
	w.patch(placed, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}})
	again()
	w.wrote("the CRM has another city", "POST contacts.json?uuid fields")
	if out := w.ok("status"); strings.Contains(out, "left alone") {
		t.Errorf("status:\n%s", out)
	}
}

// TestAReloadThatWouldTakeAllAway: somebody edits the mapping file and gets it wrong. A condition that holds for
// nobody is held as a plan that says why, a field that the source calls otherwise clears nothing, a label that leaves the
// file stays and is asked about, and the file put right takes the place of all.
func TestAReloadThatWouldTakeAllAway(t *testing.T) {
	t.Parallel()
	w := small(t, 40, replace("    contact:\n", "    when: record.custom_fields.Cidade != \"\"\n    contact:\n"))
	people := len(reachable(40))
	before := w.standing()
	intact := func(what string) {
		w.Helper()
		w.settle()
		w.nothingWritten(what)
		if now := w.standing(); !reflect.DeepEqual(now, before) {
			t.Errorf("%s:\n%v\nbefore:\n%v", what, now, before)
		}
	}
	good := w.mapping()

	w.rewrite(replace(`when: record.custom_fields.Cidade != ""`, `when: record.custom_fields.Cidade == "Lisboa"`))
	w.says(w.ok("reload"), "held as a plan")
	run := w.awaitRun("mapping", "held")
	intact("a condition that holds for nobody")
	if p := run.Plan["weni"]; p.Unlabels != people || run.Held != people {
		t.Errorf("the plan: %+v", run)
	}
	why := fmt.Sprintf("weni: %d people would be taken a label from", people)
	w.says(w.ok("status"), "run "+run.ID+" holds", "the mapping file changed; "+why)
	w.says(w.ok("plan", run.ID), "labels.Clientes", "Clientes → ∅", why)
	for _, full := range []string{"--full", "--output=table"} {
		w.ok("reconcile", "crm", full)
	}
	intact("runs by the clock meanwhile")

	w.rewrite(func(string) string {
		return strings.ReplaceAll(good, "custom_fields.Cidade", "custom_fields.Municipio")
	})
	w.ok("reload")
	w.await("the second file is judged", func() (bool, error) {
		r, err := w.admin.RunState(w.ctx, run.ID)
		return r.State == "replaced", err
	})
	intact("a field that the source does not have")

	w.rewrite(func(string) string {
		return strings.Replace(good, "        - {label: VIP, when: '\"Cliente VIP\" in record.labels'}\n", "", 1)
	})
	w.ok("reload")
	w.await("the third file is judged", func() (bool, error) {
		out := w.ok("status")
		return strings.Contains(out, "people keep the labels \"VIP\", which the file no longer names; list them under `retired`"), nil
	})
	intact("a label that left the file")

	w.rewrite(func(string) string { return good })
	w.ok("reload")
	w.await("the good file is judged", func() (bool, error) {
		s := w.status()
		return !slices.ContainsFunc(s.Runs, func(r state.Run) bool { return r.State != "done" && r.Kind == "mapping" }), nil
	})
	intact("the file put right")
	if s := w.status(); len(s.Attention) > 0 {
		t.Errorf("attention: %v", s.Attention)
	}
}

// mapping is the mapping file as it stands, and rewrite changes it.
func (w *world) mapping() string {
	w.Helper()
	text, err := os.ReadFile(w.path("mappings.yaml"))
	w.must(err)
	return string(text)
}

func (w *world) rewrite(edit func(string) string) {
	w.Helper()
	w.must(os.WriteFile(w.path("mappings.yaml"), []byte(edit(w.mapping())), 0o600))
}

// TestCampaigns: Weni messages people who enter a group that a campaign uses. check and plan name it and say for how
// many, and a run that would start it for more than twenty waits, whatever the guard thinks.
func TestCampaigns(t *testing.T) {
	t.Parallel()
	many := replace("defaults: {", "defaults: {guard: {at_least: 100000}, ")
	w := small(t, 60, many)
	w.must(w.weni.Control(w.ctx, http.MethodPost, "campaigns", map[string]any{"name": "Boas-vindas VIP", "group": "VIP",
		"events": []map[string]any{{"relative_to": "created_on", "offset": 1, "unit": "days", "message": "Oi"}}}, nil))
	w.says(w.ok("check"), `giving the label "VIP" starts the campaign "Boas-vindas VIP"`)
	var some []int
	for _, id := range reachable(60) {
		if id%4 != 0 { // the others are VIP already
			some = append(some, id)
		}
	}
	vip := func(ids []int) {
		for _, id := range ids {
			w.patch(id, map[string]any{"label_ids": []int{pipedrive.VIP}})
		}
	}

	w.forget()
	vip(some[:25])
	w.says(w.ok("reconcile", "crm"), `it would start the campaign "Boas-vindas VIP" for 25 people`, "allow_campaigns: true")
	run := w.awaitRun("crm-changes", "held")
	w.says(w.ok("plan", run.ID), `the campaign "Boas-vindas VIP" would start for 25 people`)
	w.settle()
	w.nothingWritten("a run that would start a campaign")
	w.ok("discard", run.ID)

	// Twenty pass, and what was discarded stays so; with consent, all pass.
	w.rewrite(replace("create_missing: true,", "create_missing: true, allow_campaigns: true,"))
	w.ok("reload")
	vip(some[25:])
	w.says(w.ok("plan", "crm"), `the campaign "Boas-vindas VIP" would start for 11 people`)
	w.ok("reconcile", "crm")
	w.settle()
	for _, id := range some[25:] {
		if c := w.of(id); !slices.Contains(c.Groups, "VIP") {
			t.Errorf("with allow_campaigns, %d is %+v", id, c)
		}
	}
}

// TestCampaignsByDate: a campaign that counts from a date messages the members of its group whose date is written.
func TestCampaignsByDate(t *testing.T) {
	t.Parallel()
	w := small(t, 12, replace("        cidade: =record.custom_fields.Cidade\n", "        cidade: =record.custom_fields.Cidade\n"+
		"        ultima_compra: {value: '=date_br(record.custom_fields[\"Última compra\"])', type: datetime}\n"))
	w.must(w.weni.Control(w.ctx, http.MethodPost, "campaigns", map[string]any{"name": "Volte sempre", "group": "Atacado",
		"events": []map[string]any{{"relative_to": "ultima_compra", "offset": 30, "unit": "days", "message": "Oi"}}}, nil))
	w.says(w.ok("check"), `writing the field "ultima_compra" schedules events of the campaign "Volte sempre"`)
	w.forget()
	members := 0
	for _, id := range reachable(12)[:6] {
		w.patch(id, map[string]any{"custom_fields": map[string]any{pipedrive.LastBuy: "2026-11-05"}})
		if slices.Contains(w.of(id).Groups, "Atacado") {
			members++
		}
	}
	if members == 0 || members == 6 {
		t.Fatalf("%d of 6 people are in the campaign's group", members)
	}
	w.says(w.ok("plan", "crm"), fmt.Sprintf(`the campaign "Volte sempre" would start for %d people`, members))
	w.nothingWritten("a plan")
}

// TestASuspendedWorkspace: a workspace that is suspended while syncer works pauses with words, and nobody is lost: when
// it is lifted, everybody is written, once.
func TestASuspendedWorkspace(t *testing.T) {
	t.Parallel()
	const n = 30
	w := stage(t, n)
	w.start()
	run := w.awaitRun("crm-full", "held")
	w.must(w.weni.Control(w.ctx, http.MethodPost, "settings", map[string]bool{"suspended": true}, nil))
	w.forget()
	w.ok("apply", run.ID)
	w.await("the pause", func() (bool, error) { return target(w.status(), "weni").Paused != nil, nil })
	w.says(w.ok("status"), "weni is paused", "the workspace is suspended: it can be read but not written until its support lifts that")
	if refused := len(w.writes(w.weni)); refused > 4 { // as many as are under way at once
		t.Errorf("%d calls were refused", refused)
	}
	w.says(w.ok("check", "--output", "table", "--offline"), "✓ target weni")

	w.must(w.weni.Control(w.ctx, http.MethodPost, "settings", map[string]bool{"suspended": false}, nil))
	w.forget()
	w.ok("resume", "weni")
	w.settleLong()
	w.asDesired()
	if c := w.made(http.MethodPost, "contacts.json"); c != len(reachable(n)) {
		t.Errorf("%d people took %d calls", len(reachable(n)), c)
	}
	if s := w.status(); len(s.Attention) > 0 {
		t.Errorf("attention: %v", s.Attention)
	}
}

// TestConflictsAreSettledByHand: two people of one CRM with one number. Both sides are named, in a table and as CSV;
// link says whose the contact is, unlink takes that back, and resolve takes the question off the list.
func TestConflictsAreSettledByHand(t *testing.T) {
	t.Parallel()
	w := small(t, 4)
	w.subscribe()
	var talk struct{ UUID string }
	w.must(w.weni.Control(w.ctx, http.MethodPost, "contacts", map[string]any{"name": "Loja da Marina", "urns": []string{"whatsapp:5584990000909"}}, &talk))
	one, first := w.create(someone("Marina Quaresma", "84990000909"))
	two, second := w.create(someone("Otávio Brandão", "84990000909"))
	w.send(first)
	w.send(second)
	w.settle()

	out := w.ok("conflicts", "list")
	w.says(out, "shared number", fmt.Sprint("crm/", one), fmt.Sprint("crm/", two), "correct the source, or set shared_phone")
	rows, err := csv.NewReader(strings.NewReader(w.ok("conflicts", "list", "--csv"))).ReadAll()
	w.must(err)
	if len(rows) < 2 || !slices.Equal(rows[0], []string{"id", "kind", "target", "identity", "records", "contacts", "since", "message"}) || rows[1][1] != "shared_phone" {
		t.Fatalf("as CSV: %q", rows)
	}

	// Nobody else's contact, nobody unknown, nothing that is not there.
	other := w.of(4001).UUID
	for _, c := range []struct {
		words string
		args  []string
	}{
		{"unlink that one first", []string{"link", fmt.Sprint("crm/", one), "weni", other}},
		{"does not exist", []string{"link", fmt.Sprint("crm/", one), "weni", "3f1c7f0e-0000-4000-8000-000000000000"}},
		{"nothing is known of crm/99999", []string{"link", "crm/99999", "weni", talk.UUID}},
		{`there is no target "wnei"`, []string{"link", fmt.Sprint("crm/", one), "wnei", talk.UUID}},
		{"not linked", []string{"unlink", fmt.Sprint("crm/", two), "weni"}},
		{"there is no conflict", []string{"conflicts", "resolve", "nada"}},
	} {
		if r := w.cmd(c.args...); r.Code == 0 || !strings.Contains(r.Stderr, c.words) {
			t.Errorf("syncer %s: exit %d\n%s%s", strings.Join(c.args, " "), r.Code, r.Stdout, r.Stderr)
		}
	}

	// Somebody knows: the number is Marina's.
	w.ok("link", fmt.Sprint("crm/", one), "weni", talk.UUID)
	w.settle()
	if c := w.of(one); c.UUID != talk.UUID || c.Name != "Marina Quaresma" || !slices.Contains(c.Groups, "Clientes") {
		t.Errorf("linked by hand: %+v", c)
	}
	// The other one waits still: the question was not about Marina only, and is not settled by saying so.
	r := w.cmd("conflicts", "resolve", fmt.Sprint("shared_phone/crm/", two))
	if r.Code != 1 || !strings.Contains(r.Stderr, "the cause still stands") {
		t.Errorf("resolve of what is not settled: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if l := w.linkOf(two); l.Contact != "" || !strings.Contains(l.State, "waiting") {
		t.Errorf("the other one: %+v", l)
	}

	// Taken back, the contact is left as it is and not linked again by itself.
	w.forget()
	w.ok("unlink", fmt.Sprint("crm/", one), "weni")
	w.deliver(w.change(one, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}}))
	w.nothingWritten("after unlink")
	if c := w.contact("5584990000909"); c.Name != "Marina Quaresma" || c.Fields["cidade"] != "Natal" {
		t.Errorf("after unlink: %+v", c)
	}

	// The source is put right: the other one gets a contact of their own, and the conflict is nobody's any more.
	w.deliver(w.change(two, map[string]any{"phones": []pipedrive.Row{{Label: "mobile", Primary: true, Value: "84990000808"}}}))
	if c := w.of(two); c.Name != "Otávio Brandão" || !slices.Equal(c.URNs, []string{"whatsapp:5584990000808"}) {
		t.Errorf("after the correction: %+v", c)
	}
	if rows, err = csv.NewReader(strings.NewReader(w.ok("conflicts", "list", "--csv"))).ReadAll(); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		w.ok("conflicts", "resolve", row[0])
	}
	w.settle()
	w.says(w.ok("conflicts", "list"), "There are no conflicts.")
}

// TestCheckOfAWorkspace: what check says of a workspace in which syncer cannot work, or not yet.
func TestCheckOfAWorkspace(t *testing.T) {
	t.Parallel()
	long := "Clientes que compraram no último trimestre de inverno e além"
	labels := replace("- Clientes\n", "- Clientes\n        - "+long+"\n        - Só à vista – ação nº 1\n")
	for _, c := range []struct {
		setup string
		edit  func(string) string
		code  int
		words []string
	}{
		{"anon", nil, 1, []string{"✗ target weni:", "the workspace is anonymous", "Turn anonymity off"}},
		{"viewer", nil, 1, []string{"✗ target weni:", "role Administrator or Editor"}},
		{"suspended", nil, 1, []string{"✗ target weni:", "the workspace is suspended"}},
		{"nearly full", nil, 0, []string{"! target weni: it has 248 labels and 4 more are needed; a workspace holds 250", "Delete what nobody uses there"}},
		{"", replace("create_missing: true, ", ""), 1, []string{`✗ target weni: the label "Clientes" is missing`, "set create_missing: true"}},
		{"", labels, 0, []string{`the label "` + long + `" is missing and will be created`, `the label "Só à vista – ação nº 1" is missing and will be created`}},
		{"", replace("- Clientes\n", `- 'Clientes "antigos"'`+"\n"), 1, []string{"✗ target weni:", "contains a quotation mark"}},
		{"", replace("cidade: =", "cidade_onde_o_cliente_recebe_as_entregas: ="), 2, []string{":24:9: Weni takes at most 36 characters in the key of a field"}},
		{"", replace("cidade: =", "language: ="), 2, []string{`:24:9: Weni keeps the field "language" for itself`, "crm_language"}},
		{"", replace("cidade: =", "Município: ="), 2, []string{":24:9:", "municipio"}},
	} {
		t.Run(fmt.Sprint(c.setup, " ", c.words[len(c.words)-1]), func(t *testing.T) {
			t.Parallel()
			if c.edit == nil {
				c.edit = func(s string) string { return s }
			}
			w := build(t, using(c.edit))
			switch c.setup {
			case "":
			case "nearly full":
				for i := range 248 {
					w.must(w.weni.Control(w.ctx, http.MethodPost, "groups", map[string]string{"name": fmt.Sprint("Grupo ", i)}, nil))
				}
			default:
				w.weni = w.sandbox("weni", "--setup", c.setup)
				w.env["WENI_URL"] = w.weni.URL
			}
			r := w.cmd("check")
			if r.Code != c.code {
				t.Errorf("exit %d, want %d", r.Code, c.code)
			}
			w.says(r.Stdout, c.words...)
			if n := w.made(http.MethodPost, ".json"); n > 0 {
				t.Errorf("check has written %d times:\n%s", n, w.calls())
			}
		})
	}
}

// TestMissingDefinitionsAreMadeAndWaitedFor: groups and fields with long and accented names do not exist yet. The
// first delivery makes them, waits until Weni knows them, and nobody is refused or left without them.
func TestMissingDefinitionsAreMadeAndWaitedFor(t *testing.T) {
	t.Parallel()
	const long = "Clientes que compraram no último trimestre de inverno e além"
	w := build(t, using(replace("- Clientes\n", "- "+long+"\n        - Só à vista – ação nº 1\n"), replace("cidade: =", "cidade_da_ultima_entrega_do_cliente: =")))
	w.must(w.crm.Control(w.ctx, http.MethodPost, "seed?n=6", nil, nil))
	w.start()
	run := w.awaitRun("crm-full", "held")
	w.says(w.ok("plan", run.ID), `label `+long, "field cidade_da_ultima_entrega_do_cliente", "would be made first")
	w.nothingWritten("a plan that needs definitions")
	w.ok("apply", run.ID)
	w.await("the definitions are made", func() (bool, error) { return w.made(http.MethodPost, "fields.json") == 1, nil })
	w.must(w.weni.Advance(w.ctx, 6*time.Second)) // syncer waits by its own clock; the simulator's goes along
	w.settle()
	for _, id := range reachable(6) {
		c := w.of(id)
		if !slices.Contains(c.Groups, long) || !slices.Contains(c.Groups, "Só à vista – ação nº 1") || c.Fields["cidade_da_ultima_entrega_do_cliente"] == "" {
			t.Errorf("%d is %+v", id, c)
		}
	}
	for _, e := range w.writes(w.weni) {
		if e.Status >= 300 {
			t.Errorf("refused: %s %s: %d %s", e.Method, e.Path, e.Status, e.Response)
		}
	}
}

// TestDryRunWritesNothing: serve --dry-run takes webhooks and says what it would write; at Weni nothing happens, not
// even a definition.
func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := build(t, using())
	w.must(w.weni.Control(w.ctx, http.MethodPost, "contacts", map[string]any{"name": "marina", "urns": []string{"whatsapp:5584990000101"}}, nil))
	w.start("--dry-run")
	w.subscribe()
	id, hook := w.create(someone("Marina Quaresma", "84990000101"))
	w.send(hook)
	_, hook = w.create(someone("Otávio Brandão", "84990000202"))
	w.send(hook)
	w.await("both are held", func() (bool, error) { return target(w.status(), "weni").Held == 2, nil })
	out := w.ok("plan", "dry-run", "--show")
	w.says(out, "create", "Otávio Brandão", "marina → Marina Quaresma", "labels.Clientes")
	w.says(w.ok("status"), "dry run")
	w.send(w.remove(id))
	w.await("the delete is judged", func() (bool, error) {
		return w.status().Mapless == 0 && target(w.status(), "weni").Due["live"] == 0, nil
	})
	w.ok("reconcile", "crm", "--full", "--yes")
	w.settle()
	for _, c := range [][]string{{"apply", "dry-run"}, {"forget", "crm/4002", "--yes"}} {
		w.cmd(c...)
		w.settle()
	}
	w.nothingWritten("a dry run")
	if c := w.contacts(); len(c) != 1 || c[0].Name != "marina" || len(c[0].Groups) != 0 {
		t.Errorf("the contacts are %+v", c)
	}
}

// TestAGroupThatBecameAnother: somebody deletes a group at Weni and makes it again. Nobody is added to the new one,
// which might message them all, until somebody says that it is meant; everything else goes on.
func TestAGroupThatBecameAnother(t *testing.T) {
	t.Parallel()
	w := small(t, 12)
	w.subscribe()
	people := len(reachable(12))
	w.stop()
	var groups struct{ Results []struct{ UUID string } }
	at := w.weni.URL + "/api/v2/groups.json?"
	token := http.Header{"Authorization": {"Token " + w.weni.Token}}
	w.must(lab.Do(w.ctx, http.MethodGet, at+url.Values{"name": {"Clientes"}}.Encode(), token, nil, &groups))
	w.must(lab.Do(w.ctx, http.MethodDelete, at+url.Values{"uuid": {groups.Results[0].UUID}}.Encode(), token, nil, nil))
	w.must(w.weni.Control(w.ctx, http.MethodPost, "groups", map[string]string{"name": "Clientes"}, nil))
	w.must(w.weni.Advance(w.ctx, 6*time.Second))
	w.forget()

	w.start()
	w.deliver(w.change(4001, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}}))
	w.ok("reconcile", "crm", "--full", "--yes")
	w.settle()
	w.wrote("a group that became another", "POST contacts.json?uuid fields")
	w.says(w.ok("status"), `the label "Clientes" is another one than before`, "syncer rebind target/weni")
	w.says(w.ok("explain", "crm/4001"), "another label has this name than when it was first used")

	w.ok("rebind", "weni")
	run := w.awaitRun("crm-replay", "held")
	if p := run.Plan["weni"]; p.Changes != people || p.Creates+p.Unlabels+p.Deletes > 0 {
		t.Errorf("the plan: %+v", run)
	}
	w.nothingWritten("rebind")
	w.ok("apply", run.ID)
	w.settle()
	w.wrote("the new group is accepted", "POST contact_actions.json action,contacts,group")
	for _, id := range reachable(12) {
		if c := w.of(id); !slices.Contains(c.Groups, "Clientes") {
			t.Errorf("%d has %v", id, c.Groups)
		}
	}
	if r := w.cmd("rebind", "weni"); r.Code == 0 || !strings.Contains(r.Stderr, "nothing to rebind") {
		t.Errorf("a second rebind: exit %d\n%s", r.Code, r.Stderr)
	}
	if s := w.status(); len(s.Attention) > 0 {
		t.Errorf("attention: %v", s.Attention)
	}
}

// TestANameThatTheFileLost: a source is given another name in the mapping file. Its records are read anew and found
// again, nothing is written, and status lists the old name with what is remembered under it.
func TestANameThatTheFileLost(t *testing.T) {
	t.Parallel()
	w := small(t, 12)
	before := w.standing()
	if out := w.ok("status"); strings.Contains(out, "NOT IN THE MAPPING FILE") {
		t.Errorf("status before:\n%s", out)
	}
	w.rewrite(func(s string) string {
		return strings.NewReplacer("\n  crm:\n", "\n  pipedrive:\n", "from: crm\n", "from: pipedrive\n").Replace(s)
	})
	w.ok("reload")
	w.awaitRun("pipedrive-full", "done")
	w.settle()
	w.nothingWritten("a source under another name")
	if now := w.standing(); !reflect.DeepEqual(now, before) {
		t.Errorf("now:\n%v\nbefore:\n%v", now, before)
	}
	if s := w.status(); !slices.Contains(s.Strangers, console.Stranger{What: "source", Name: "crm", Rows: 12}) {
		t.Errorf("strangers: %+v", s.Strangers)
	}
	w.says(w.ok("status"), "NOT IN THE MAPPING FILE", "crm", "give it its old name back")
}

// TestAFullWorkspace: a workspace that has no room for the groups and fields of the mapping. People get what there is
// room for, what is left out is said, and nobody asks for it again for every person.
func TestAFullWorkspace(t *testing.T) {
	t.Parallel()
	const n = 30
	w := build(t, using())
	w.weni = w.sandbox("weni", "--setup", "full")
	w.env["WENI_URL"] = w.weni.URL
	w.must(w.crm.Control(w.ctx, http.MethodPost, fmt.Sprint("seed?n=", n), nil, nil))
	w.start()
	w.ok("apply", w.awaitRun("crm-full", "held").ID)
	w.settle()
	people, refused := len(reachable(n)), 0
	if c := w.contacts(); len(c) != people {
		t.Errorf("%d contacts, want %d", len(c), people)
	}
	for _, e := range w.writes(w.weni) {
		if e.Status >= 400 {
			refused++
		}
	}
	// Four groups and a field, once together and once each.
	if refused > 6 {
		t.Errorf("%d refused calls:\n%s", refused, w.calls())
	}
	if s := target(w.status(), "weni"); s.Dead > 0 || s.Linked != people {
		t.Errorf("%+v", s)
	}
	w.says(w.ok("explain", "crm/4001"), "the target refuses this label: the workspace is full", "the target refuses this field: the workspace is full")
	w.says(w.syncer.Stderr(), "the target refuses what the mapping needs; it is left out", "name=Clientes")
}

// TestTheFirstSyncGuide goes through docs/first-sync.md as it is written, with nothing running until its last step:
// nothing is written before apply, five people come before the rest, and serve finds nothing left to do.
func TestTheFirstSyncGuide(t *testing.T) {
	t.Parallel()
	const n = 20
	w := stage(t, n)
	guide, err := os.ReadFile(filepath.Join("..", "docs", "first-sync.md"))
	w.must(err)
	var record struct{ Data json.RawMessage }
	w.must(lab.Do(w.ctx, http.MethodGet, w.crm.URL+"/api/v2/persons/4001", http.Header{"X-Api-Token": {w.crm.Token}}, nil, &record))
	w.must(os.WriteFile(w.path("record.json"), record.Data, 0o600))
	people, run, steps := len(reachable(n)), "", 0
	for _, line := range regexp.MustCompile(`(?m)^syncer .+$`).FindAllString(strings.Join(blocks(string(guide)), ""), -1) {
		args := strings.Fields(strings.NewReplacer("RUN", run, "record.json", w.path("record.json")).Replace(line))[1:]
		steps++
		if args[0] == "serve" {
			w.start()
			w.awaitRun("crm-full", "done")
			w.settle()
			break
		}
		out := w.ok(args...)
		switch strings.Join(args[:1], "") {
		case "plan":
			run = regexp.MustCompile(`syncer apply (\S+)`).FindStringSubmatch(out)[1]
			w.says(out, fmt.Sprint(people, " people wait"))
			fallthrough
		case "check", "map":
			if c := w.made(http.MethodPost, ".json"); c > 0 {
				t.Errorf("%s has written %d times", line, c)
			}
		case "apply":
			want := people
			if slices.Contains(args, "--limit") {
				want = 5
			}
			if c := w.contacts(); len(c) != want {
				t.Errorf("%s: %d contacts, want %d\n%s", line, len(c), want, out)
			}
		}
	}
	if steps != 7 {
		t.Errorf("the guide has %d steps", steps)
	}
	w.asDesired()
	if c := w.made(http.MethodPost, "contacts.json"); c != people {
		t.Errorf("%d people took %d calls", people, c)
	}
}

// blocks are what stands between the fences of a page, where they say that it is a command.
func blocks(page string) (out []string) {
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestAReloadThatWasBrokenOff: syncer stops while it works out what a changed file means, and starts with the file as it
// was before. Whom the broken off run held back is let go.
func TestAReloadThatWasBrokenOff(t *testing.T) {
	t.Parallel()
	w := small(t, 12)
	w.stop()
	store, err := bolt.Open(w.path("syncer.db"), bolt.Options{})
	w.must(err)
	w.must(store.Update(w.ctx, func(tx state.Tx) error {
		k := state.LinkKey{Target: "weni", Person: 1}
		l, _ := state.Links.Get(tx, k)
		state.KeepBack(tx, k, &l, "mapping-9", state.Held{})
		state.Links.Put(tx, k, l)
		state.Runs.Put(tx, "mapping-9", state.Run{ID: "mapping-9", Kind: "mapping", State: "planning", Started: time.Now().UnixMicro()})
		return nil
	}))
	w.must(store.Close())
	w.start()
	w.awaitRun("mapping-9", "done")
	if s := target(w.status(), "weni"); s.Held != 0 {
		t.Errorf("%d people are held back: %s", s.Held, s.Doing)
	}
	w.nothingWritten("a reload that was broken off")
}
