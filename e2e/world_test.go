package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
	"syncer/internal/sandbox/rapidpro"
	"syncer/internal/state"
)

// patience is how long anything may take that happens by itself. It is generous: nothing is learnt from a slow
// machine.
const patience = 60 * time.Second

// world is a whole installation: syncer, the CRM, the shop, three targets, and the operator who is told.
type world struct {
	*testing.T
	ctx context.Context
	dir string
	env lab.Env // of syncer and its commands
	bin string  // runs the daemon, when it is not the binary itself

	crm, weni, inbox, flow *lab.Sandbox
	gate                   *lab.Gate // in front of Weni
	shop                   *shop
	told                   *operator
	hooks                  *ear // hears the CRM's webhooks; the test hands them on as it likes

	syncer *lab.Process
	admin  *console.Client
}

// build makes everything but syncer itself. edit changes the mapping file before it is used.
func build(t *testing.T, edit ...func(string) string) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), dir: t.TempDir()}
	demo, err := lab.ReadEnv(demoEnvFile)
	w.must(err)
	for kind, s := range map[string]**lab.Sandbox{"pipedrive": &w.crm, "weni": &w.weni, "omnichannel": &w.inbox, "omniflow": &w.flow} {
		*s = w.sandbox(kind)
	}
	w.gate, err = lab.NewGate(strings.TrimPrefix(w.weni.URL, "http://"))
	w.must(err)
	t.Cleanup(func() { _ = w.gate.Shut() })
	w.shop, w.told, w.hooks = newShop(t, demo["LOJA_TOKEN"]), newOperator(t), newEar(t)
	listen, admin := w.freeAddr(), w.freeAddr()
	w.env = demo.With("LANG", "en", "SYNCER_MAPPINGS", w.path("mappings.yaml"), "SYNCER_STATE", "bolt:"+w.path("syncer.db"),
		"SYNCER_LISTEN", listen, "SYNCER_ADMIN_LISTEN", admin, "SYNCER_PUBLIC_URL", "http://"+listen, "SYNCER_LOG_LEVEL", "debug",
		"PIPEDRIVE_URL", w.crm.URL, "WENI_URL", "http://"+w.gate.Addr(), "OMNI_URL", w.inbox.URL, "OMNIFLOW_URL", w.flow.URL,
		"LOJA_URL", w.shop.URL, "NOTIFY_URL", w.told.URL, "NOTIFY_SECRET", w.told.secret)
	w.admin = &console.Client{Base: "http://" + admin}
	w.writeMapping(edit...)
	return w
}

// serve builds a world in which syncer runs, the first reconciliation has found nothing, and Weni has all groups
// and fields already, so that nobody waits for them.
func serve(t *testing.T, edit ...func(string) string) *world {
	t.Helper()
	w := build(t, edit...)
	w.define()
	w.start()
	w.firstRuns()
	w.subscribe()
	return w
}

func (w *world) sandbox(kind string, args ...string) *lab.Sandbox {
	w.Helper()
	s, err := lab.StartSandbox(w.ctx, bin, kind, args...)
	w.must(err)
	w.Cleanup(s.Kill)
	return s
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) freeAddr() string {
	w.Helper()
	addr, err := lab.FreeAddr()
	w.must(err)
	return addr
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// writeMapping writes the example as the mapping file: with the operator told, and without schedules that may or
// may not come round during a test.
func (w *world) writeMapping(edit ...func(string) string) {
	w.Helper()
	data, err := os.ReadFile(exampleFile)
	w.must(err)
	text := string(data)
	for _, e := range append([]func(string) string{ // in this order: an edit may replace it all
		replace(`# notify: {url: "https://exemplo.com.br/hooks/syncer", secret: "${NOTIFY_SECRET}"}`, `notify: {url: "${NOTIFY_URL}", secret: "${NOTIFY_SECRET}"}`),
		replace(`changes: "*/15 * * * *"`, `changes: "0 4 29 2 *"`), replace(`changes: "*/30 * * * *"`, `changes: "0 4 29 2 *"`),
		replace(`full: "7 2 * * *"`, `full: "7 2 29 2 *"`), replace(`full: "37 3 * * *"`, `full: "37 3 29 2 *"`),
	}, edit...) {
		text = e(text)
	}
	w.must(os.WriteFile(w.path("mappings.yaml"), []byte(text), 0o600))
}

// replace changes one place of a mapping file, which must be there.
func replace(old, new string) func(string) string {
	return func(text string) string {
		if strings.Count(text, old) != 1 {
			panic(fmt.Sprintf("%d times in the example: %s", strings.Count(text, old), old))
		}
		return strings.Replace(text, old, new, 1)
	}
}

// define makes the groups and fields of the mapping, and lets Weni notice them.
func (w *world) define() {
	w.Helper()
	for _, name := range []string{"Clientes", "VIP", "Varejo", "Atacado", "Loja", "Sem compra há 90 dias", "Opt-out"} {
		w.must(w.weni.Control(w.ctx, http.MethodPost, "groups", map[string]string{"name": name}, nil))
	}
	for label, kind := range map[string]string{"cidade": "text", "documento": "text", "crm url": "text", "optout": "text",
		"ultima compra": "datetime", "limite": "numeric", "pedidos": "numeric", "total gasto": "numeric"} {
		w.must(w.weni.Control(w.ctx, http.MethodPost, "fields", map[string]string{"label": label, "type": kind}, nil))
	}
	w.must(w.weni.Advance(w.ctx, 6*time.Second))
}

// start starts syncer and waits until it accepts webhooks.
func (w *world) start(args ...string) {
	w.Helper()
	w.launch(args...)
	w.await("syncer is ready", func() (bool, error) {
		select {
		case <-w.syncer.Ended():
			return false, fmt.Errorf("syncer ended with %d:\n%s", w.syncer.Code(), w.syncer.Stderr())
		default:
			return lab.Do(w.ctx, http.MethodGet, w.env["SYNCER_PUBLIC_URL"]+"/readyz", nil, nil, nil) == nil, nil
		}
	})
}

// launch starts syncer and waits for nothing.
func (w *world) launch(args ...string) {
	w.Helper()
	p, err := lab.Start(cmp.Or(w.bin, bin), w.env, append([]string{"serve"}, args...)...)
	w.must(err)
	w.syncer = p
	w.Cleanup(func() {
		p.Kill()
		log := strings.SplitAfter(p.Stderr(), "\n")
		switch {
		case os.Getenv("SYNCER_E2E_KEEP") != "":
			w.Logf("the log of syncer:\n%s", strings.Join(log, ""))
		case w.Failed():
			w.Logf("the end of syncer's log:\n%s", strings.Join(log[max(0, len(log)-40):], ""))
		}
	})
}

// stop ends syncer as a supervisor does.
func (w *world) stop() {
	w.Helper()
	if code, err := w.syncer.Stop(patience); err != nil || code != 0 {
		w.Fatalf("syncer ended with %d: %v\n%s", code, err, w.syncer.Stderr())
	}
}

func (w *world) await(what string, ok func() (bool, error)) {
	w.Helper()
	w.must(lab.Await(w.ctx, patience, what, ok))
}

// firstRuns waits for the reconciliations that every start without a past begins with.
func (w *world) firstRuns() {
	w.Helper()
	for _, source := range []string{"crm", "loja"} {
		w.awaitRun(source+"-full", "done")
	}
}

// awaitRun waits until a run, named by the beginning of its id, has got so far.
func (w *world) awaitRun(id string, states ...string) (run state.Run) {
	w.Helper()
	w.await("run "+id+" is "+strings.Join(states, " or "), func() (bool, error) {
		runs, err := w.admin.Runs(w.ctx, 0)
		if err != nil {
			return false, err
		}
		for _, r := range runs {
			if strings.HasPrefix(r.ID, id) && slices.Contains(states, r.State) {
				run = r
				return true, nil
			}
			if strings.HasPrefix(r.ID, id) && r.State == "failed" {
				return false, fmt.Errorf("run %s failed: %s", r.ID, r.Err)
			}
		}
		return false, nil
	})
	return run
}

// status is how things stand now: syncer may answer with what it counted a moment ago, and says so.
func (w *world) status() (s console.Status) {
	w.Helper()
	asked := time.Now()
	w.await("a status of now", func() (bool, error) {
		var err error
		s, err = w.admin.Status(w.ctx)
		return !s.At.Before(asked), err
	})
	return s
}

func target(s console.Status, name string) console.TargetStatus {
	i := slices.IndexFunc(s.Targets, func(t console.TargetStatus) bool { return t.Name == name })
	if i < 0 {
		return console.TargetStatus{}
	}
	return s.Targets[i]
}

// pending is how much there is still to do, at the targets that are named or at all.
func pending(s console.Status, targets ...string) int {
	n := s.Mapless
	for _, t := range s.Targets {
		if len(targets) > 0 && !slices.Contains(targets, t.Name) {
			continue
		}
		for _, due := range t.Due {
			n += due
		}
	}
	return n
}

// settle waits until everything that was accepted has been delivered. What is being delivered is due until its
// outcome is stored, so nothing is under way afterwards.
func (w *world) settle(targets ...string) {
	w.Helper()
	var s console.Status
	if err := lab.Await(w.ctx, 2*patience, "everything is delivered", func() (bool, error) {
		s = w.status()
		return pending(s, targets...) == 0, nil
	}); err != nil {
		for _, t := range s.Targets {
			w.Logf("%s: %s; due %v, waiting %v", t.Name, t.Doing, t.Due, t.Waiting)
		}
		w.Fatal(err)
	}
}

// cmd carries out a command as the operator types it.
func (w *world) cmd(args ...string) lab.Result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 2*patience)
	defer cancel()
	r, err := lab.Run(ctx, bin, w.env, args...)
	w.must(err)
	return r
}

// ok carries out a command that must succeed, and returns what it says.
func (w *world) ok(args ...string) string {
	w.Helper()
	r := w.cmd(args...)
	if r.Code != 0 {
		w.Fatalf("syncer %s: exit %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// json carries out a command that must succeed, and reads what it says. Moments that the state counts in microseconds are
// printed as dates: they stay zero here.
func (w *world) json(into any, args ...string) {
	w.Helper()
	out := w.ok(append(args, "--output", "json")...)
	var dates *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(out), into); err != nil && !errors.As(err, &dates) {
		w.Fatalf("syncer %s --output json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// writes are the calls that change something, in the order in which they came, without what a webhook causes
// elsewhere.
func (w *world) writes(s *lab.Sandbox) (out []sandbox.Entry) {
	w.Helper()
	entries, err := s.Journal(w.ctx)
	w.must(err)
	for _, e := range entries {
		if e.Method != http.MethodGet {
			out = append(out, e)
		}
	}
	return out
}

// forget empties the journals of all targets.
func (w *world) forget() {
	w.Helper()
	for _, s := range []*lab.Sandbox{w.weni, w.inbox, w.flow} {
		w.must(s.Forget(w.ctx))
	}
}

// calls are what was written to Weni since forget, one line a call: where, and which keys the body has.
func (w *world) calls() string {
	w.Helper()
	return lines(w.writes(w.weni))
}

func lines(entries []sandbox.Entry) string {
	var out []string
	for _, e := range entries {
		path, query, _ := strings.Cut(e.Path, "?")
		name, _, found := strings.Cut(query, "=")
		if found {
			path += "?" + name
		}
		var body map[string]json.RawMessage
		_ = json.Unmarshal([]byte(e.Request), &body)
		keys := make([]string, 0, len(body))
		for k := range body {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Method, strings.TrimPrefix(path, "/api/v2/"), strings.Join(keys, ","))))
	}
	return strings.Join(out, "\n")
}

// wrote checks what was written to Weni since forget, in the form of lines, and empties the journals.
func (w *world) wrote(what string, want ...string) []sandbox.Entry {
	w.Helper()
	entries := w.writes(w.weni)
	if got := lines(entries); got != strings.Join(want, "\n") {
		w.Fatalf("%s: written to Weni:\n%s\nwant:\n%s", what, got, strings.Join(want, "\n"))
	}
	w.forget()
	return entries
}

// Contacts of Weni, as they are.
func (w *world) contacts() []rapidpro.Contact {
	w.Helper()
	var out struct{ Contacts []rapidpro.Contact }
	w.must(w.weni.Control(w.ctx, http.MethodGet, "contacts", nil, &out))
	return out.Contacts
}

// contact is the one contact of Weni with a number, given as its digits.
func (w *world) contact(digits string) rapidpro.Contact {
	w.Helper()
	var found []rapidpro.Contact
	for _, c := range w.contacts() {
		if slices.Contains(c.URNs, "whatsapp:"+digits) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		w.Fatalf("%d contacts have the number %s in Weni, not one", len(found), digits)
	}
	return found[0]
}

func (w *world) inboxContacts() []omnichannel.Contact {
	w.Helper()
	var out struct{ Contacts []omnichannel.Contact }
	w.must(w.inbox.Control(w.ctx, http.MethodGet, "contacts", nil, &out))
	return out.Contacts
}

func (w *world) flowContacts() []omniflow.Contact {
	w.Helper()
	var out struct{ Contacts []omniflow.Contact }
	w.must(w.flow.Control(w.ctx, http.MethodGet, "contacts", nil, &out))
	return out.Contacts
}

// edit changes a contact of Weni as an agent does.
func (w *world) edit(uuid string, e map[string]any) {
	w.Helper()
	w.must(w.weni.Control(w.ctx, http.MethodPost, "contacts/"+uuid, e, nil))
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
