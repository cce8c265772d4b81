package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncer/internal/console"
	"syncer/internal/console/consoletest"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

const mappingFile = `version: 1
sources:
  crm:
    kind: pipedrive
    webhook: {auth: basic, username: crm, password: "${HOOK_PASSWORD}"}
    api: {base_url: "%s", token: "${PIPEDRIVE_TOKEN}"}
    reconcile: {full: "7 2 * * *"}
targets:
  weni: {kind: weni, base_url: "%s", token: "${WENI_TOKEN}", create_missing: true}
mappings:
  - name: customers
    from: crm
    to: [weni]
    when: len(record.phones) > 0
    contact:
      name: =record.name
      phones: =record.phones
      opt_out: yes(record.sair)
      labels: [Clientes, {label: VIP, when: '"Cliente VIP" in record.labels'}]
      fields: {cidade: =record.custom_fields.Cidade}
`

// place is a folder with a mapping, and simulators of what it speaks to.
type place struct {
	dir     string
	environ []string
	weni    *rapidpro.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	crm := pipedrive.New(pipedrive.Options{})
	t.Cleanup(crm.Close)
	crm.Seed(12)
	weni := rapidpro.New(rapidpro.Options{})
	crmURL, weniURL := httptest.NewServer(crm), httptest.NewServer(weni)
	t.Cleanup(crmURL.Close)
	t.Cleanup(weniURL.Close)
	p := &place{dir: t.TempDir(), weni: weni}
	p.write(t, "mappings.yaml", fmt.Sprintf(mappingFile, crmURL.URL, weniURL.URL))
	p.environ = []string{"SYNCER_MAPPINGS=" + filepath.Join(p.dir, "mappings.yaml"), "SYNCER_STATE=bolt:" + filepath.Join(p.dir, "state.db"),
		"SYNCER_LISTEN=127.0.0.1:" + freePort(t), "SYNCER_ADMIN_LISTEN=127.0.0.1:" + freePort(t),
		"HOOK_PASSWORD=hunter22", "PIPEDRIVE_TOKEN=" + crm.Token(), "WENI_TOKEN=" + weni.Token()}
	return p
}

func (p *place) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// bench is a command line in the place, with nothing faked.
func (p *place) bench(more ...string) *bench {
	b := newBench(append(p.environ, more...)...)
	b.open, b.now = b.openDoor, time.Now
	return b
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// expect runs a command line and looks for words in what it printed.
func (b *bench) expect(t *testing.T, code int, line string, words ...string) {
	t.Helper()
	got := b.do(t, line)
	text := b.out.String() + b.err.String()
	if got != code {
		t.Errorf("syncer %s: exit %d, want %d\n%s", line, got, code, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("syncer %s lacks %q:\n%s", line, w, text)
		}
	}
}

// TestDoor: the daemon is asked when it answers, and what keeps it from answering is said.
func TestDoor(t *testing.T) {
	fake := &consoletest.Fake{}
	daemon := httptest.NewServer(console.Handler(fake, console.HandlerOptions{Token: "b7c1e0d5a94f4c2e", Version: "v1"}))
	defer daemon.Close()
	address := "SYNCER_ADMIN_LISTEN=" + strings.TrimPrefix(daemon.URL, "http://")
	dir := "SYNCER_STATE=bolt:" + filepath.Join(t.TempDir(), "state.db")

	b := (&place{}).bench(address, dir, "SYNCER_ADMIN_TOKEN=b7c1e0d5a94f4c2e")
	b.expect(t, 0, "pause weni --why holiday")
	if calls := fake.Calls(); len(calls) != 1 || calls[0] != "pause weni holiday" {
		t.Errorf("asked %v", calls)
	}
	(&place{}).bench(address, dir).expect(t, 1, "status", "admin token", "Try: set SYNCER_ADMIN_TOKEN")
	nobody := "SYNCER_ADMIN_LISTEN=127.0.0.1:" + freePort(t)
	(&place{}).bench(nobody, dir).expect(t, 1, "status", "no syncer answers", "no state at", "Try: syncer serve")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	(&place{}).bench("SYNCER_ADMIN_LISTEN="+strings.TrimPrefix(other.URL, "http://"), dir).expect(t, 1, "status", "404")
	(&place{}).bench("SYNCER_ADMIN_LISTN=x").expect(t, 2, "status", "SYNCER_ADMIN_LISTEN", "Try: syncer env")
}

// TestWithoutDaemon goes the whole way on the state file alone: plan, apply a few, the rest, look, forget.
func TestWithoutDaemon(t *testing.T) {
	p := newPlace(t)
	b := p.bench()
	b.expect(t, 0, "plan crm", "create", "whatsapp:55", "***", "Apply:   syncer apply crm-")
	if n := len(p.weni.Contacts()); n != 0 {
		t.Fatalf("planning made %d contacts", n)
	}
	run := ""
	for w := range strings.FieldsSeq(b.out.String()) {
		if strings.HasPrefix(w, "crm-") {
			run = strings.TrimSuffix(w, ":")
		}
	}
	b.expect(t, 0, "status", "not running", run, "weni")
	b.expect(t, 0, "apply "+run+" --limit 2", "2 people")
	if n := len(p.weni.Contacts()); n != 2 {
		t.Errorf("%d contacts after two were applied", n)
	}
	b.expect(t, 0, "apply "+run)
	if n := len(p.weni.Contacts()); n < 8 {
		t.Errorf("%d contacts after all were applied", n)
	}
	b.expect(t, 0, "reconcile crm --full", "Nobody needs a change.")
	b.expect(t, 0, "explain crm/4001", "weni", "created by syncer")
	b.expect(t, 0, "dead list", "no dead letters")
	b.expect(t, 0, "backup "+filepath.Join(p.dir, "backup.db"))
	b.expect(t, 0, "compact", "→")
	b.expect(t, 1, "explain crm/1", "nothing is known")
	b.expect(t, 2, "reconcile nowhere", "there are: crm")
	b.expect(t, 2, "pause nowhere", "there are: weni")
	b.expect(t, 2, "pause wenni", `did you mean "weni"?`)
	b.expect(t, 2, "dead retry --target wenni", `did you mean "weni"?`)
	b.expect(t, 2, "dead list --kind foo", "there are: invalid, rejected, internal")
	b.expect(t, 2, "hooks install xyz", "there are: crm")
	b.expect(t, 2, "hooks list crn", `did you mean "crm"?`)
	b.expect(t, 2, "rebind wenni", "there are: ")
	b.expect(t, 2, "replay crn", `did you mean "crm"?`)
	b.expect(t, 1, "health", "no syncer answers")
}

// TestMappingCommands look at the mapping alone; secrets are missing.
func TestMappingCommands(t *testing.T) {
	p := newPlace(t)
	p.environ = p.environ[:1]
	webhook := p.write(t, "webhook.json", `{"meta":{"action":"change"},"data":{"id":7,"name":"Maria das Dores","phones":[{"value":"84 99000-0101"},{"value":"84 3222-1010"}],"labels":["Cliente VIP"],"custom_fields":{"Cidade":"Natal"},"sair":"sim"}}`)
	list := p.write(t, "list.json", `[{"id":1,"name":"A","phones":["84990000102"]},{"id":2,"name":"B","phones":[],"sair":"talvez"}]`)
	b := p.bench()
	b.expect(t, 0, "map "+webhook, "1 customers", "M******", "+5584*******01 (mobile)", "labels.VIP", "yes", "${HOOK_PASSWORD} is not set")
	if strings.Contains(b.out.String(), "Maria das Dores") || strings.Contains(b.out.String(), "5584990000101") {
		t.Errorf("map prints names: %s", b.out.String())
	}
	b.expect(t, 0, "map --show --source crm "+webhook, "Maria das Dores", "+5584990000101 (mobile)", "(landline)", "opt_out", "Natal")
	b.expect(t, 0, "map "+list, "1 customers", "2 customers", "opt_out", "is in none of the records")
	b.expect(t, 0, "map -o json "+webhook)
	var contacts []mappedContact
	if err := json.Unmarshal(b.out.Bytes(), &contacts); err != nil || len(contacts) != 1 || contacts[0].Mapping != "customers" {
		t.Errorf("%v %+v", err, contacts)
	}
	b.stdin = strings.NewReader(`{"id":1,"name":"A","phones":["84990000102"]}`)
	b.expect(t, 0, "map -", "1 customers")
	b.expect(t, 2, "map --source loja "+webhook, `there is no source "loja"; there are: crm`)
	b.expect(t, 2, "map nowhere.json", "nowhere.json")
	b.expect(t, 1, "map "+p.write(t, "broken.json", `[{]`), "not valid JSON")

	b.expect(t, 2, "test", "there is no *.test.yaml", "Try: syncer test FILE")
	good := p.write(t, "good.test.yaml", "- name: one\n  source: crm\n  payload: {id: 1, name: A, phones: [\"84990000102\"], labels: [], custom_fields: {Cidade: Natal}, sair: \"\"}\n  expect: {name: A, labels: [Clientes]}\n")
	b.expect(t, 0, "test", "✓ one", "1 passed, 0 failed")
	bad := p.write(t, "bad.test.yaml", "- name: two\n  source: crm\n  file: list.json\n  expect: {name: B}\n- name: three\n  source: crm\n  file: one.json\n  expect: {name: B}\n")
	p.write(t, "one.json", `{"id":1,"name":"A","phones":["84990000102"]}`)
	b.expect(t, 2, "test "+bad, "is not a JSON object")
	p.write(t, "bad.test.yaml", "- name: three\n  source: crm\n  file: one.json\n  expect: {name: B}\n")
	b.expect(t, 1, "test "+bad+" "+good, "✗ three", "- name: B", "+ name: A", "1 of 2 cases failed")
	b.expect(t, 1, "test -o json", `"passed": false`)

	b.expect(t, 0, "check --offline", "✓ target weni: can:", "warning: ${WENI_TOKEN}")
	b.expect(t, 2, "check", "${WENI_TOKEN} is not set", "cannot be used")
	newPlace(t).bench().expect(t, 0, "check", "✓ source crm:", "✓ target weni: opens")
	p.write(t, "mappings.yaml", strings.Replace(mappingFile, "=record.name", "=recrd.name", 1))
	b.expect(t, 2, "map "+webhook, `mappings.yaml:16:`)
	p.bench("LANG=pt_BR.UTF-8").expect(t, 2, "check --offline", "o arquivo de mapeamento não pode ser usado")
	(&place{}).bench("SYNCER_MAPPINGS=nowhere.yaml").expect(t, 2, "test", "cannot be read", "Try: set SYNCER_MAPPINGS")
}

// TestPlainCommands need nothing at all.
func TestPlainCommands(t *testing.T) {
	b := newBench("SYNCER_ADMIN_TOKEN=a-secret-token-123456", "LANG=C")
	b.expect(t, 0, "version", "syncer ", "go1.")
	b.expect(t, 0, "env", "SYNCER_MAPPINGS", "(set)")
	if strings.Contains(b.out.String(), "a-secret") {
		t.Error("env prints the token")
	}
	b.expect(t, 0, "env -o json", `"name": "SYNCER_STATE"`)
	newBench("SYNCER_LOG_LEVEL=loud").expect(t, 2, "env", "loud")
	b.expect(t, 0, "schema", `"$schema"`)
	if !json.Valid(b.out.Bytes()) {
		t.Error("the schema is no JSON")
	}
	b.expect(t, 0, "completion bash", "syncer")
}

// TestHealth asks whether the daemon takes webhooks.
func TestHealth(t *testing.T) {
	status := http.StatusOK
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	b := newBench("SYNCER_LISTEN=" + strings.TrimPrefix(daemon.URL, "http://"))
	b.expect(t, 0, "health", "ready")
	status = http.StatusServiceUnavailable
	b.expect(t, 1, "health", "not ready: 503")
	daemon.Close()
	b.expect(t, 1, "health", "no syncer answers")
}

// TestSandboxes starts each simulator and speaks to it.
func TestSandboxes(t *testing.T) {
	for line, path := range map[string]string{
		"weni --people 3 --setup smart-group --per-hour 100": "/api/v2/contacts.json",
		"pipedrive --people 3 --webhook http://127.0.0.1:1/": "/api/v2/persons",
		"omniflow":    "/v1/contacts",
		"omnichannel": "/contacts",
	} {
		t.Run(strings.Fields(line)[0], func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			out, in := io.Pipe()
			b := newBench()
			b.stdout = in
			ended := make(chan int, 1)
			go func() {
				ended <- b.execute(ctx, append([]string{"sandbox", "--listen", "127.0.0.1:0", "--token", "t0ken-for-a-sandbox-0123456789abcdef0123"}, strings.Fields(line)...))
				in.Close()
			}()
			first, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err, b.err.String())
			}
			go io.Copy(io.Discard, out)
			if !strings.Contains(first, "t0ken-for-a-sandbox") {
				t.Error(first)
			}
			base := strings.Fields(first)[3]
			res, err := http.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode >= 500 {
				t.Errorf("%s without a token: %s", path, res.Status)
			}
			stop()
			if code := <-ended; code != 0 {
				t.Errorf("exit %d: %s", code, b.err.String())
			}
		})
	}
	b := newBench()
	b.expect(t, 2, "sandbox", "syncer sandbox KIND")
	b.expect(t, 2, "sandbox hubspot", "only of weni, pipedrive")
	b.expect(t, 2, "sandbox weni --flavour mild", "mild")
	b.expect(t, 1, "sandbox weni --listen 256.0.0.1:1")
}

// TestServe is the daemon as a process: it says where it listens, tells systemd, reloads, and stops when told.
func TestServe(t *testing.T) {
	p := newPlace(t)
	socket := filepath.Join(p.dir, "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "serve", "--dry-run")
	cmd.Env = append(p.environ, "RUN_SYNCER=1", "NOTIFY_SOCKET="+socket)
	var logs bytes.Buffer
	cmd.Stderr = &logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(first, "webhooks at http://127.0.0.1:") || !strings.Contains(first, "dry run") {
		t.Fatalf("%q %v %s", first, err, logs.String())
	}
	hear := func(want string) {
		t.Helper()
		data := make([]byte, 64)
		_ = told.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := told.Read(data)
		if err != nil || string(data[:n]) != want {
			t.Errorf("systemd hears %q, %v", data[:n], err)
		}
	}
	hear("READY=1")
	b := p.bench()
	b.expect(t, 0, "health", "ready")
	b.expect(t, 0, "status", "up ")
	elsewhere := p.bench("SYNCER_ADMIN_LISTEN=127.0.0.1:" + freePort(t))
	elsewhere.expect(t, 1, "status", "no syncer answers", "state")

	text, err := os.ReadFile(filepath.Join(p.dir, "mappings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "mappings.yaml", strings.ReplaceAll(string(text), "Clientes", "Clientela"))
	before := hash(t, b)
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); hash(t, b) == before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("SIGHUP did not reload the mapping")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v\n%s", err, logs.String())
	}
	if strings.Contains(logs.String(), "hunter22") {
		t.Error("a secret is in the logs")
	}
}

// hash is that of the mapping in use.
func hash(t *testing.T, b *bench) string {
	t.Helper()
	b.expect(t, 0, "status -o json")
	var s struct{ Mapping console.MappingStatus }
	if err := json.Unmarshal(b.out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s.Mapping.Hash
}

// TestServeRefuses to start with what cannot work.
func TestServeRefuses(t *testing.T) {
	p := newPlace(t)
	p.bench("PIPEDRIVE_TOKEN=").expect(t, 2, "serve", "PIPEDRIVE_TOKEN")
	p.bench("SYNCER_ADMIN_LISTEN=0.0.0.0:0").expect(t, 2, "serve", "SYNCER_ADMIN_TOKEN")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p.bench("SYNCER_LISTEN="+ln.Addr().String()).expect(t, 1, "serve", "SYNCER_LISTEN", "in use")
}

// TestDoorbell: main stays a doorbell.
func TestDoorbell(t *testing.T) {
	data, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("\n")); n > 60 {
		t.Errorf("main.go has %d lines", n)
	}
}
