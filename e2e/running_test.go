package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
)

// TestTheExampleAsItStands: mappings.example.yaml, not a letter changed, with demo.env; the CRM is told where to
// deliver by `syncer hooks install`, and delivers there itself. Groups and fields that Weni lacks are made.
func TestTheExampleAsItStands(t *testing.T) {
	t.Parallel()
	w := build(t)
	example, err := os.ReadFile(exampleFile)
	w.must(err)
	w.must(os.WriteFile(w.path("mappings.yaml"), example, 0o600))
	if out := w.ok("check"); strings.Contains(out, "✗") || !strings.Contains(out, "Padaria Três Irmãs answers") || !strings.Contains(out, `the label "Clientes" is missing and will be created`) {
		t.Errorf("check:\n%s", out)
	}
	w.start()
	w.firstRuns()
	if out := w.ok("hooks", "install", "crm"); !strings.Contains(out, "is installed") {
		t.Errorf("hooks install: %s", out)
	}
	if out := w.ok("hooks", "install", "crm"); !strings.Contains(out, "was there already") {
		t.Errorf("hooks install again: %s", out)
	}
	person := someone("MARINA QUARESMA", "(84) 99000-0101")
	person["custom_fields"] = map[string]any{pipedrive.City: "Natal", pipedrive.Segment: 42, pipedrive.LastBuy: "2026-10-05", pipedrive.OptedOut: 62,
		pipedrive.Limit: map[string]any{"value": 1500, "currency": "BRL"}}
	person["label_ids"] = []int{pipedrive.VIP}
	w.must(w.pipedrive(http.MethodPost, "v2/persons", person, nil))
	w.await("the CRM has delivered", func() (bool, error) { return w.events()["accepted"] == 1, nil })
	w.settle()
	c := w.contact("5584990000101")
	want := map[string]string{"cidade": "Natal", "crm_url": w.crm.URL + "/person/4001", "limite": "1500", "ultima_compra": "2026-10-05T12:00:00.000000-03:00"}
	if !slices.Equal(sorted(c.Groups), []string{"Atacado", "Clientes", "VIP"}) || c.Name != "Marina Quaresma" || c.Language != "por" {
		t.Errorf("the contact is %+v", c)
	}
	for key, value := range want {
		if c.Fields[key] != value {
			t.Errorf("%s is %q, want %q", key, c.Fields[key], value)
		}
	}
	var hooks []struct {
		Ours       bool
		LastStatus int `json:"last_status"`
	}
	w.json(&hooks, "hooks", "list")
	if len(hooks) != 1 || !hooks[0].Ours || hooks[0].LastStatus != 200 {
		t.Errorf("hooks: %+v", hooks)
	}
	if out := w.ok("check"); strings.Contains(out, "will be created") {
		t.Errorf("check after the first delivery:\n%s", out)
	}
	if r := w.cmd("explain", "crm/4001"); r.Code != 0 || strings.Contains(r.Stdout, "99000-0101") || strings.Contains(r.Stdout, "Quaresma") {
		t.Errorf("explain without --show: exit %d\n%s", r.Code, r.Stdout)
	}
	if out := w.ok("explain", "+55 84 99000-0101", "--show"); !strings.Contains(out, "Marina Quaresma") || !strings.Contains(out, c.UUID) {
		t.Errorf("explain --show:\n%s", out)
	}
	w.stop()
	if log := w.syncer.Stderr(); strings.Contains(log, "990000101") || strings.Contains(log, "Quaresma") || strings.Contains(log, w.env["WENI_TOKEN"]) {
		t.Errorf("the log names people or secrets:\n%s", log)
	}
}

// TestShutdownUnderLoad: while senders do not stop sending, SIGTERM ends syncer within its budget and with exit code 0;
// everything that was answered is there afterwards, and nothing is delivered twice.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	w := build(t, raised)
	w.define()
	w.env["SYNCER_SHUTDOWN_TIMEOUT"] = "20s"
	w.start()
	w.firstRuns()
	w.subscribe()
	w.must(w.weni.Fail(w.ctx, sandbox.Fault{Path: "/api/", Action: sandbox.FaultLatency, LatencyMS: 30}))
	_, created := w.create(someone("Marina Quaresma", "84990000000"))
	body := func(i int) []byte {
		b := edited(t, created, "meta.id", fmt.Sprint("evento-", i))
		b = edited(t, edited(t, b, "meta.entity_id", fmt.Sprint(5000+i)), "data.id", 5000+i)
		return edited(t, b, "data.phones", []pipedrive.Row{{Label: "mobile", Primary: true, Value: fmt.Sprintf("8499001%04d", i)}})
	}
	const bodies = 3000
	prepared := make([][]byte, bodies)
	for i := range prepared {
		prepared[i] = body(i)
	}
	var next, taken atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for i := next.Add(1) - 1; i < bodies; i = next.Add(1) - 1 {
				status, err := w.trySend(prepared[i])
				if err != nil {
					return // the door is shut
				}
				if status == http.StatusOK {
					taken.Add(1)
				}
			}
		})
	}
	w.await("work is under way", func() (bool, error) { return taken.Load() > 200 && len(w.writes(w.weni)) > 10, nil })
	began := time.Now()
	code, err := w.syncer.Stop(30 * time.Second)
	w.must(err)
	t.Logf("stopped in %.2f s with %d webhooks answered", time.Since(began).Seconds(), taken.Load())
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, w.syncer.Stderr())
	}
	senders.Wait()
	if taken.Load() == bodies {
		t.Error("all webhooks were answered before the stop: this shows nothing")
	}
	w.must(w.weni.Heal(w.ctx))
	w.start()
	if n := int64(w.status().Records); n < taken.Load() {
		t.Errorf("%d records are known, %d were answered with 200", n, taken.Load())
	}
	w.settle("weni")
	contacts := w.contacts()
	seen := map[string]bool{}
	for _, c := range contacts {
		if seen[c.URNs[0]] {
			t.Errorf("%s has two contacts", c.URNs[0])
		}
		seen[c.URNs[0]] = true
	}
	if int64(len(contacts)) < taken.Load() {
		t.Errorf("%d contacts, %d customers were answered with 200", len(contacts), taken.Load())
	}
}

// TestShutdownHasABudget: a target that hangs does not keep syncer from stopping within SYNCER_SHUTDOWN_TIMEOUT; it
// says so, and what hung is repeated at the next start.
func TestShutdownHasABudget(t *testing.T) {
	t.Parallel()
	w := build(t)
	w.define()
	w.env["SYNCER_SHUTDOWN_TIMEOUT"] = "2s"
	w.start()
	w.firstRuns()
	w.subscribe()
	w.must(w.weni.Fail(w.ctx, sandbox.Fault{Path: "/api/", Action: sandbox.FaultHang}))
	_, created := w.create(someone("Cliente 0", "84990000100"))
	w.send(created)
	w.hangs()
	code, err := w.syncer.Stop(15 * time.Second)
	w.must(err)
	if code != 1 || !strings.Contains(w.syncer.Stderr(), "not everything ended within 2s") {
		t.Errorf("exit code %d\n%s", code, w.syncer.Stderr())
	}
	w.must(w.weni.Heal(w.ctx))
	w.start()
	w.settle()
	w.madeOnce(1)
}

// hangs waits until a call to Weni meets a fault.
func (w *world) hangs() {
	w.Helper()
	w.await("Weni is asked", func() (bool, error) {
		var plan struct{ Faults []sandbox.Fault }
		err := w.weni.Control(w.ctx, http.MethodGet, "faults", nil, &plan)
		return err == nil && len(plan.Faults) > 0 && plan.Faults[0].Hits > 0, err
	})
}

// TestReload: SIGHUP with a mapping that has mistakes keeps the one in use and says why; with one that means something
// else, what that changes is held as a plan; with one that means the same, nothing happens.
func TestReload(t *testing.T) {
	t.Parallel()
	w := serve(t)
	id, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.deliver(created)
	hash := w.status().Mapping.Hash
	w.forget()

	w.writeMapping(replace("=title(record.name) ", "=titel(record.name) "))
	w.must(w.syncer.Signal(syscall.SIGHUP))
	w.await("the mistake is known", func() (bool, error) { return w.status().Mapping.Error != "", nil })
	if s := w.status(); s.Mapping.Hash != hash || !strings.Contains(s.Mapping.Error, `did you mean "title"?`) {
		t.Errorf("after a broken mapping: %+v", s.Mapping)
	}
	if out := w.ok("status"); !strings.Contains(out, "The newest mapping file is not in use") && !strings.Contains(strings.ToLower(out), "the newest mapping file is not in use") {
		t.Errorf("status does not say so:\n%s", out)
	}
	if r := w.cmd("reload"); r.Code == 0 || !strings.Contains(r.Stderr, "titel") {
		t.Errorf("reload of a broken mapping: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	w.deliver(w.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}}))
	w.wrote("a webhook while the file is broken", "POST contacts.json?uuid fields")

	w.writeMapping(replace("        - Clientes\n        - {label: VIP", "        - Clientes\n        - Fregueses\n        - {label: VIP"))
	w.must(w.syncer.Signal(syscall.SIGHUP))
	run := w.awaitRun("mapping", "held")
	if s := w.status(); s.Mapping.Hash == hash || s.Mapping.Error != "" || run.Held != 1 || run.Plan["weni"].Changes != 1 {
		t.Errorf("after a changed mapping: %+v, run %+v", s.Mapping, run)
	}
	w.wrote("a changed mapping")
	if out := w.ok("plan", run.ID); !strings.Contains(out, "labels.Fregueses") {
		t.Errorf("the plan:\n%s", out)
	}
	w.ok("apply", run.ID)
	w.settle()
	if c := w.contact("5584990000101"); !slices.Contains(c.Groups, "Fregueses") {
		t.Errorf("after the plan was applied: %v", c.Groups)
	}

	w.forget()
	runs := len(w.status().Runs)
	w.writeMapping(replace("        - Clientes\n        - {label: VIP", "        - Clientes\n        - Fregueses   # os de sempre\n        - {label: VIP"))
	if out := w.ok("reload"); !strings.Contains(out, "nobody's mapping changed") {
		t.Errorf("reload of the same in other words: %s", out)
	}
	w.settle()
	if w.wrote("the same in other words"); len(w.status().Runs) != runs {
		t.Errorf("runs: %+v", w.status().Runs)
	}
}

// TestBackupWhileRunning: a backup taken under load is a state: it serves, knows what was delivered, and writes
// nothing that is there already.
func TestBackupWhileRunning(t *testing.T) {
	t.Parallel()
	w := serve(t, raised)
	var hooks [][]byte
	for i := range 40 {
		_, hook := w.create(someone(fmt.Sprintf("Cliente %c%c", 'A'+i/26, 'a'+i%26), fmt.Sprintf("849900001%02d", i)))
		hooks = append(hooks, hook)
	}
	for _, h := range hooks[:20] {
		w.send(h)
	}
	w.settle("weni")
	var flood sync.WaitGroup
	flood.Go(func() {
		for _, h := range hooks[20:] {
			_, _ = w.trySend(h)
		}
	})
	file := w.path("copy.db")
	var said struct{ Bytes int64 }
	w.json(&said, "backup", file)
	flood.Wait()
	w.settle("weni")
	info, err := os.Stat(file)
	w.must(err)
	if info.Mode().Perm() != 0o600 || info.Size() != said.Bytes || said.Bytes == 0 {
		t.Errorf("the backup has mode %v and %d bytes; it says %d", info.Mode(), info.Size(), said.Bytes)
	}

	// The disk is lost; the backup takes its place, and the CRM sends again what it sent since.
	w.stop()
	w.must(os.Rename(file, w.path("syncer.db")))
	w.forget()
	w.start()
	known := w.status().Records
	if known < 20 {
		t.Errorf("the backup knows %d records", known)
	}
	for _, h := range hooks {
		w.send(h)
	}
	w.settle("weni")
	if n := len(w.contacts()); n != 40 {
		t.Errorf("Weni has %d contacts", n)
	}
	for _, e := range w.writes(w.weni) {
		if e.Status < 300 {
			t.Errorf("written again after the restore: %s %s", e.Method, e.Request)
		}
	}
	if s := w.status(); s.Records != 40 || target(s, "weni").Linked != 40 {
		t.Errorf("%d records, %d linked", s.Records, target(s, "weni").Linked)
	}
}

// TestEveryReadingCommandSpeaksJSON, with a daemon and without one.
func TestEveryReadingCommandSpeaksJSON(t *testing.T) {
	t.Parallel()
	w := serve(t)
	id, created := w.create(someone("Marina Quaresma", "84990000101"))
	w.deliver(created)
	w.send([]byte(`{"meta":`))
	w.create(someone("Otávio Brandão", "84990000101"))
	w.ok("reconcile", "crm", "--full")
	sample := filepath.Join(t.TempDir(), "record.json")
	w.must(os.WriteFile(sample, []byte(`{"id":1,"name":"Marina","phones":["84990000101"]}`), 0o600))
	cases := filepath.Join(t.TempDir(), "a.test.yaml")
	w.must(os.WriteFile(cases, []byte("cases:\n  - name: a\n    source: crm\n    record: {id: 1, name: marina, phones: [\"84990000101\"]}\n    expect: {}\n"), 0o600))
	commands := [][]string{{"status"}, {"explain", fmt.Sprint("crm/", id)}, {"dead", "list"}, {"conflicts", "list"}, {"quarantine", "list"},
		{"hooks", "list"}, {"env"}, {"version"}, {"check"}, {"check", "--offline"}, {"map", sample, "--source", "crm"}, {"plan"}, {"test", cases}, {"schema"}}
	for _, running := range []bool{true, false} {
		if !running {
			w.stop()
		}
		for _, args := range commands {
			r := w.cmd(append(args, "--output", "json")...)
			if !json.Valid([]byte(r.Stdout)) {
				t.Errorf("syncer %s, daemon %v: exit %d, no JSON:\n%s%s", strings.Join(args, " "), running, r.Code, r.Stdout, r.Stderr)
			}
		}
	}
}

// TestExitCodes: 0 when it was done, 1 when it failed, 2 when it was asked for wrongly or the configuration is wrong.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	w := serve(t)
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	w.must(os.WriteFile(broken, []byte("version: 2\n"), 0o600))
	env := w.env
	for _, c := range []struct {
		code int
		env  lab.Env
		args []string
	}{
		{0, env, []string{"status"}},
		{0, env, []string{"health"}},
		{0, env, []string{"version"}},
		{0, env, []string{"pause", "weni"}},
		{0, env, []string{"resume", "weni"}},
		{0, env, []string{"reconcile", "crm"}},
		{1, env, []string{"explain", "crm/99999"}},
		{1, env, []string{"apply", "crm-full-99"}},
		{2, env, []string{"pause", "nobody"}},
		{2, env, []string{"reconcile", "nobody"}},
		{2, env, []string{"reconcile", "crm", "--limit", "0"}},
		{2, env, []string{"apply", "crm-full-1", "--only", ""}},
		{2, env, []string{"dead", "list", "--target", "wenni"}},
		{1, env.With("SYNCER_LISTEN", w.freeAddr()), []string{"health"}},
		{1, env.With("PIPEDRIVE_TOKEN", "outro"), []string{"check"}},
		{1, env, []string{"serve"}}, // the port is taken
		{2, env, []string{"satus"}},
		{2, env, []string{"status", "--outptu", "json"}},
		{2, env, []string{"status", "--output", "xml"}},
		{2, env, []string{"explain"}},
		{2, env, []string{"dead", "retry"}},
		{2, env, []string{"forget", "crm/1"}},
		{2, env, []string{"sandbox", "kommo"}},
		{2, env.With("SYNCER_LOG_LEVEL", "loud"), []string{"serve"}},
		{2, env.With("SYNCER_STAET", "x"), []string{"status"}},
		{2, env.With("SYNCER_MAPPINGS", broken), []string{"serve"}},
		{2, env.With("SYNCER_MAPPINGS", broken), []string{"check"}},
		{2, env.With("SYNCER_MAPPINGS", filepath.Join(w.dir, "none.yaml")), []string{"map", broken}},
	} {
		r, err := lab.Run(w.ctx, bin, c.env, c.args...)
		w.must(err)
		if r.Code != c.code || c.code != 0 && strings.TrimSpace(r.Stderr) == "" {
			t.Errorf("syncer %s: exit %d, want %d\n%s%s", strings.Join(c.args, " "), r.Code, c.code, r.Stdout, r.Stderr)
		}
	}
}
