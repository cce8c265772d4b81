package deploy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"syncer/e2e/lab"
	"syncer/internal/config"
	"syncer/internal/mapping"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

// composed is as much of compose.yaml as decides what the process sees.
type composed struct {
	Services map[string]struct {
		Image       string
		Build       string
		EnvFile     []string `yaml:"env_file"`
		Environment map[string]string
		Secrets     []string
		Volumes     []string
		Ports       []string
		StopGrace   string `yaml:"stop_grace_period"`
	}
	Secrets map[string]struct{ File string }
}

func compose(t *testing.T) composed {
	t.Helper()
	var c composed
	if err := yaml.Unmarshal([]byte(text(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// environment is what the process in the container finds: the image's, the file's filled in, and compose's own.
func environment(t *testing.T, fill map[string]string) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^ENV (.+)$`).FindAllStringSubmatch(text(t, "../Dockerfile"), -1) {
		for pair := range strings.FieldsSeq(line[1]) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	example, err := lab.ReadEnv("syncer.env.example")
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(env, example)
	maps.Copy(env, compose(t).Services["syncer"].Environment)
	for name, value := range fill {
		if _, there := env[name]; !there {
			t.Errorf("%s is in none of Dockerfile, syncer.env.example and compose.yaml", name)
		}
		env[name] = value
	}
	return env
}

var secrets = map[string]string{"CRM_HOOK_PASSWORD": "uma-senha-inventada", "PIPEDRIVE_TOKEN": pipedrive.DefaultToken, "WENI_TOKEN": rapidpro.DefaultToken}

const adminToken = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

// TestComposeIsWhole: whoever copies the two examples, makes a token and fills in the secrets has all that the file names.
func TestComposeIsWhole(t *testing.T) {
	c := compose(t)
	s := c.Services["syncer"]
	if s.Image != "syncer" || !strings.Contains(text(t, "../README.md"), "docker build -t "+s.Image+" .") || filepath.Clean(s.Build) != ".." {
		t.Errorf("compose runs the image %q, built from %s: another one than the README builds", s.Image, s.Build)
	}
	env := environment(t, secrets)
	cfg, err := config.Load(env, func(name string) ([]byte, error) {
		if !slices.Contains(s.Secrets, path.Base(name)) || path.Dir(name) != "/run/secrets" {
			return nil, os.ErrNotExist
		}
		return []byte(adminToken + "\n"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if file, max, err := cfg.StateFile(); err != nil || path.Dir(file) != "/data" || max == 0 {
		t.Errorf("the state is %s, bounded by %d: %v", file, max, err)
	}
	if grace, err := time.ParseDuration(s.StopGrace); err != nil || grace <= cfg.ShutdownTimeout {
		t.Errorf("killed after %s, and %s are needed", s.StopGrace, cfg.ShutdownTimeout)
	}
	for _, listen := range []string{cfg.Listen, cfg.AdminListen} {
		host, port, _ := net.SplitHostPort(listen)
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || !slices.Contains(s.Ports, "127.0.0.1:"+port+":"+port) {
			t.Errorf("%s is not published on the host's loopback interface: %v", listen, s.Ports)
		}
	}
	// A folder is mounted: a file that is mounted by itself stays the old one when an editor replaces it.
	from, to := "", ""
	for _, v := range s.Volumes {
		if parts := strings.Split(v, ":"); len(parts) > 1 && parts[1] == path.Dir(cfg.Mappings) {
			from, to = parts[0], parts[1]
		}
	}
	if info, err := os.Stat(from); err != nil || !info.IsDir() {
		t.Fatalf("%s is not a mounted folder", to)
	}
	for _, own := range []string{s.EnvFile[0], c.Secrets[s.Secrets[0]].File, filepath.Join(from, path.Base(cfg.Mappings))} {
		if _, err := os.Stat(own); err == nil {
			t.Logf("%s is there: somebody uses this folder", own)
		}
		if own = path.Clean(own); !strings.Contains(text(t, ".gitignore"), "/"+own+"\n") || !strings.Contains(text(t, "../.dockerignore"), "deploy/"+own+"\n") {
			t.Errorf("%s could end up in git or in the image", own)
		}
	}
	used := map[string]bool{}
	_, found := mapping.Load("mappings.yaml", []byte(text(t, filepath.Join(from, "mappings.example.yaml"))), mapping.Options{Lookup: func(name string) (string, bool) {
		used[name] = true
		return env[name], env[name] != ""
	}})
	if len(found) > 0 {
		t.Error(found)
	}
	for name := range env {
		if !used[name] && !strings.HasPrefix(name, "SYNCER_") && name != "LANG" {
			t.Errorf("syncer.env.example names %s, and nothing uses it", name)
		}
	}
}

// TestUnitIsAccepted: the settings of the systemd unit are those that the binary takes.
func TestUnitIsAccepted(t *testing.T) {
	unit := text(t, "syncer.service")
	env, err := lab.ReadEnv("syncer.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^Environment=(\w+)=(.+)$`).FindAllStringSubmatch(unit, -1) {
		env[m[1]] = m[2]
	}
	cfg, err := config.Load(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, max, err := cfg.StateFile()
	if err != nil || max == 0 || path.Dir(file) != "/var/lib/syncer" || !strings.Contains(unit, "\nStateDirectory=syncer\n") {
		t.Errorf("the state is %s, bounded by %d: %v", file, max, err)
	}
	if !strings.Contains(unit, "\nTimeoutStopSec=30\n") || cfg.ShutdownTimeout >= 30*time.Second {
		t.Errorf("systemd kills before %s are over", cfg.ShutdownTimeout)
	}
}

// output collects what a process says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestComposeServes runs the file system of the image with exactly the environment that compose gives it, but for the
// ports, which are shared with all else on this machine, against simulators: health, the admin door with and without
// its token, the commands inside the container, and a mapping file that an editor replaces.
func TestComposeServes(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the image's file system")
	}
	root := rootfs(t)
	crm, weni := pipedrive.New(pipedrive.Options{}), rapidpro.New(rapidpro.Options{})
	t.Cleanup(crm.Close)
	crm.Seed(12)
	crmAt, weniAt := httptest.NewServer(crm), httptest.NewServer(weni)
	t.Cleanup(crmAt.Close)
	t.Cleanup(weniAt.Close)
	public, admin := freeAddr(t), freeAddr(t)
	env := environment(t, secrets)
	env["PIPEDRIVE_URL"], env["WENI_URL"] = crmAt.URL, weniAt.URL
	env["SYNCER_LISTEN"] = strings.Replace(public, "127.0.0.1", "", 1)
	env["SYNCER_ADMIN_LISTEN"] = strings.Replace(admin, "127.0.0.1", "0.0.0.0", 1)
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	mappings := filepath.Join(root, env["SYNCER_MAPPINGS"])
	put(t, mappings, text(t, "config/mappings.example.yaml"))
	put(t, filepath.Join(root, env["SYNCER_ADMIN_TOKEN_FILE"]), adminToken+"\n")

	daemon := inside(root, list, "serve")
	var said output
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	t.Cleanup(func() { _ = daemon.Process.Kill() }) // it has ended already, when all went well
	await(t, &said, "it is ready", func() bool { code, _ := get("http://"+public+"/readyz", ""); return code == http.StatusOK })

	if code, _ := get("http://"+admin+"/metrics", ""); code != http.StatusUnauthorized {
		t.Errorf("the metrics are shown to anybody: %d", code)
	}
	await(t, &said, "the metrics are there", func() bool {
		code, page := get("http://"+admin+"/metrics", adminToken)
		return code == http.StatusOK && strings.Contains(page, "\nsyncer_store_fullness ")
	})
	run := func(args ...string) string {
		t.Helper()
		out, err := inside(root, list, args...).CombinedOutput()
		if err != nil {
			t.Errorf("syncer %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("health")
	await(t, &said, "the first run waits", func() bool { return strings.Contains(run("status"), "crm-full-1") })
	run("backup", "/data/syncer.backup")

	replaced := strings.Replace(text(t, "config/mappings.example.yaml"), "- Clientes", "- Clientes\n        - Da loja", 1)
	put(t, mappings+".new", replaced)
	if err := os.Rename(mappings+".new", mappings); err != nil { // as editors and git do
		t.Fatal(err)
	}
	if err := daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	plan, _ := mapping.Load("mappings.yaml", []byte(replaced), mapping.Options{Lookup: func(name string) (string, bool) { return env[name], true }})
	await(t, &said, "the new mapping is in force", func() bool { return strings.Contains(said.String(), "hash="+plan.Hash) })

	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v:\n%s", err, said.String())
	}

	// What the guide says of permissions: the mapping is read by uid 65532, not by whoever wrote it.
	if err := os.Chmod(mappings, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := inside(root, list, "serve").CombinedOutput(); err == nil || !strings.Contains(string(out), "permission denied") {
		t.Errorf("a mapping of somebody else with mode 0600: %v\n%s", err, out)
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := lab.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func await(t *testing.T, said fmt.Stringer, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within a minute\n%s", what, said)
}

func get(address, token string) (int, string) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return 0, ""
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a page that breaks off is not what was waited for
	return resp.StatusCode, string(body)
}
