package config_test

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"syncer/internal/config"
)

func load(t *testing.T, environ map[string]string) (config.Config, error) {
	t.Helper()
	return config.Load(environ, func(name string) ([]byte, error) {
		switch name {
		case "/run/secrets/token":
			return []byte("from-the-file-4711-4711\n"), nil
		case "/run/secrets/empty":
			return []byte(" \n"), nil
		}
		return nil, os.ErrNotExist
	})
}

func TestDefaults(t *testing.T) {
	t.Setenv("SYNCER_LISTEN", ":1") // the environment of the process is not looked at
	for _, environ := range []map[string]string{nil, {}, {"SYNCER_LISTEN": "", "PATH": "/bin", "SYNCER_ADMIN_TOKEN": ""}} {
		c, err := load(t, environ)
		want := config.Config{Mappings: "mappings.yaml", State: "bolt:data/syncer.db", Listen: ":8080", AdminListen: "127.0.0.1:8081",
			LogLevel: "info", LogFormat: "text", ShutdownTimeout: 25 * time.Second}
		if err != nil || c != want {
			t.Errorf("Load(%v) = %+v, %v", environ, c, err)
		}
	}
}

func TestEverythingCanBeSet(t *testing.T) {
	environ := map[string]string{
		"SYNCER_MAPPINGS": "/etc/syncer/mappings.yaml", "SYNCER_STATE": "bolt:/var/lib/syncer.db?max=2GB", "SYNCER_LISTEN": "0.0.0.0:80",
		"SYNCER_ADMIN_LISTEN": "0.0.0.0:81", "SYNCER_ADMIN_TOKEN_FILE": "/run/secrets/token", "SYNCER_PUBLIC_URL": "https://syncer.example.com/",
		"SYNCER_LOG_LEVEL": "DEBUG", "SYNCER_LOG_FORMAT": "json", "SYNCER_SHUTDOWN_TIMEOUT": "1m", "LANG": "pt_BR.UTF-8",
	}
	before := maps.Clone(environ)
	c, err := load(t, environ)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{Mappings: "/etc/syncer/mappings.yaml", State: "bolt:/var/lib/syncer.db?max=2GB", Listen: "0.0.0.0:80",
		AdminListen: "0.0.0.0:81", AdminToken: "from-the-file-4711-4711", AdminTokenFile: "/run/secrets/token", PublicURL: "https://syncer.example.com",
		LogLevel: "debug", LogFormat: "json", ShutdownTimeout: time.Minute, Language: "pt_BR.UTF-8"}
	if c != want {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if !maps.Equal(environ, before) {
		t.Error("Load changed the environment it was given")
	}
}

func TestMistakes(t *testing.T) {
	const long = "0123456789abcdef"
	for _, tt := range []struct {
		set  string
		want string // part of the message; empty for none
	}{
		{"SYNCER_SHUTDOWN_TIMEOUT=25", `SYNCER_SHUTDOWN_TIMEOUT: "25" is not a time to wait`},
		{"SYNCER_SHUTDOWN_TIMEOUT=-1s", `SYNCER_SHUTDOWN_TIMEOUT: "-1s" is not a time to wait`},
		{"SYNCER_SHUTDOWN_TIMEOUT=0s", `SYNCER_SHUTDOWN_TIMEOUT: "0s"`},
		{"SYNCER_LOG_LEVEL=loud", `SYNCER_LOG_LEVEL: "loud" is none of debug, info, warn, error`},
		{"SYNCER_LOG_FORMAT=xml", `SYNCER_LOG_FORMAT: "xml" is none of text, json`},
		{"SYNCER_LISTEN=8080", `SYNCER_LISTEN: "8080" is not an address to listen on`},
		{"SYNCER_LISTEN=:http", "SYNCER_LISTEN"},
		{"SYNCER_LISTEN=:99999", "SYNCER_LISTEN"},
		{"SYNCER_LISTEN=:8081", "SYNCER_ADMIN_LISTEN: port 8081 is that of SYNCER_LISTEN"},
		{"SYNCER_LISTEN=127.0.0.1:0 SYNCER_ADMIN_LISTEN=127.0.0.1:0", ""},
		{"SYNCER_ADMIN_LISTEN=localhost:8081", ""},
		{"SYNCER_ADMIN_LISTEN=[::1]:8081", ""},
		{"SYNCER_ADMIN_LISTEN=127.8.9.10:8081", ""},
		{"SYNCER_ADMIN_LISTEN=:8081", "SYNCER_ADMIN_LISTEN: :8081 can be reached from other machines"},
		{"SYNCER_ADMIN_LISTEN=0.0.0.0:8081", "SYNCER_ADMIN_TOKEN"},
		{"SYNCER_ADMIN_LISTEN=[::]:8081", "SYNCER_ADMIN_TOKEN"},
		{"SYNCER_ADMIN_LISTEN=10.0.0.1:8081", "SYNCER_ADMIN_TOKEN"},
		{"SYNCER_ADMIN_LISTEN=localhost.example.com:8081", "SYNCER_ADMIN_TOKEN"},
		{"SYNCER_ADMIN_LISTEN=:8081 SYNCER_ADMIN_TOKEN=" + long, ""},
		{"SYNCER_ADMIN_LISTEN=:8081 SYNCER_ADMIN_TOKEN=hunter2", "SYNCER_ADMIN_TOKEN: it is shorter than 16 characters"},
		{"SYNCER_ADMIN_TOKEN=hunter2", ""},
		{"SYNCER_ADMIN_TOKEN=olá", "SYNCER_ADMIN_TOKEN: it has spaces or characters"},
		{"SYNCER_ADMIN_TOKEN=a SYNCER_ADMIN_TOKEN_FILE=/run/secrets/token", "SYNCER_ADMIN_TOKEN_FILE: SYNCER_ADMIN_TOKEN is set too"},
		{"SYNCER_ADMIN_TOKEN_FILE=/run/secrets/none", "SYNCER_ADMIN_TOKEN_FILE: file does not exist"},
		{"SYNCER_ADMIN_TOKEN_FILE=/run/secrets/empty", "SYNCER_ADMIN_TOKEN_FILE: /run/secrets/empty is empty"},
		{"SYNCER_PUBLIC_URL=syncer.example.com", `SYNCER_PUBLIC_URL: "syncer.example.com" is not an address`},
		{"SYNCER_PUBLIC_URL=https://u:hunter2@h", `SYNCER_PUBLIC_URL: "https://u:xxxxx@h"`},
		{"SYNCER_PUBLIC_URL=https://h/?a=1", "SYNCER_PUBLIC_URL"},
		{"SYNCER_PUBLIC_URL=http://127.0.0.1:8080/syncer", ""},
		{"SYNCER_LOGLEVEL=info", "SYNCER_LOGLEVEL: there is no such variable; did you mean SYNCER_LOG_LEVEL?"},
		{"SYNCER_MAPPING=x", "did you mean SYNCER_MAPPINGS?"},
		{"SYNCER_TOKEN=x", "did you mean SYNCER_ADMIN_TOKEN?"},
		{"SYNCER_LISTEN_ADDR=x", "did you mean SYNCER_LISTEN?"},
		{"SYNCER_TIMEOUT=x", "did you mean SYNCER_SHUTDOWN_TIMEOUT?"},
		{"SYNCER_ADMIN_TOKN_FILE=x", "did you mean SYNCER_ADMIN_TOKEN_FILE?"},
		{"SYNCER_DATABASE=x", "SYNCER_DATABASE: there is no such variable; `syncer env` lists all"},
		{"SYNCER_PORT=8080", "SYNCER_PORT: there is no such variable"},
		{"WENI_TOKEN=x SYNCERX=y LC_ALL=C", ""},
		// What Kubernetes sets for Services called syncer and syncer-admin.
		{"SYNCER_SERVICE_HOST=10.0.0.1 SYNCER_SERVICE_PORT=80 SYNCER_SERVICE_PORT_HTTP=80 SYNCER_PORT=tcp://10.0.0.1:80 SYNCER_PORT_80_TCP=tcp://10.0.0.1:80 " +
			"SYNCER_PORT_80_TCP_PROTO=tcp SYNCER_PORT_80_TCP_PORT=80 SYNCER_PORT_80_TCP_ADDR=10.0.0.1 SYNCER_ADMIN_SERVICE_HOST=10.0.0.1 SYNCER_ADMIN_PORT=tcp://10.0.0.1:81", ""},
	} {
		environ := map[string]string{}
		for pair := range strings.FieldsSeq(tt.set) {
			name, value, _ := strings.Cut(pair, "=")
			environ[name] = value
		}
		_, err := load(t, environ)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.set, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %s", tt.set, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows a secret: %v", tt.set, err)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	c, err := load(t, map[string]string{"SYNCER_LOG_LEVEL": "x", "SYNCER_STATE": "redis://h", "SYNCER_SHUTDOWN_TIMEOUT": "soon", "SYNCER_ADMIN_LISTEN": ":1", "SYNCER_LOGLEVL": "y", "SYNCER_LISTEN": ":9999"})
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) != 5 {
		t.Errorf("got %v", err)
	}
	if c.Listen != ":9999" {
		t.Errorf("what could be read is not there: %+v", c)
	}
}

func TestStateFile(t *testing.T) {
	for _, tt := range []struct {
		state string
		path  string
		max   int64
		err   string
	}{
		{state: "bolt:data/syncer.db", path: "data/syncer.db"},
		{state: "bolt:/var/lib/syncer/syncer.db", path: "/var/lib/syncer/syncer.db"},
		{state: "bolt:///var/lib/syncer.db?max=2GB", path: "/var/lib/syncer.db", max: 2e9},
		{state: "bolt:s.db?max=2GiB", path: "s.db", max: 2 << 30},
		{state: "bolt:s.db?max=1.5g", path: "s.db", max: 15e8},
		{state: "bolt:s.db?max=500%20MB", path: "s.db", max: 5e8},
		{state: "bolt:s.db?max=1048576", path: "s.db", max: 1 << 20},
		{state: "bolt:s.db?max=", err: `max: "" is not a size`},
		{state: "bolt:s.db?max=2GBs", err: "is not a size"},
		{state: "bolt:s.db?max=-1", err: "is not a size"},
		{state: "bolt:s.db?max=10", err: "between 1MiB"},
		{state: "bolt:s.db?max=9999999TB", err: "between 1MiB"},
		{state: "bolt:s.db?max=1GB&max=2GB", err: "max"},
		{state: "bolt:s.db?size=1GB", err: `no option "size"`},
		{state: "bolt:s.db?max=%zz", err: "cannot be read"},
		{state: "bolt:", err: "names no file"},
		{state: "bolt:data/", err: "names no file"},
		{state: "data/syncer.db", err: "write bolt:"},
		{state: "postgres://u:hunter2@h/db", err: `"postgres://u:xxxxx@h/db" names no store`},
		{state: "postgres://u:%hunter2@h/db", err: `"…" names no store`},
	} {
		path, max, err := config.Config{State: tt.state}.StateFile()
		if path != tt.path || max != tt.max || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %d, %v", tt.state, path, max, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "SYNCER_STATE: ") {
			t.Errorf("%s: the error does not name the variable: %v", tt.state, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	c, err := load(t, map[string]string{"SYNCER_ADMIN_TOKEN": "hunter2hunter2hunter2", "SYNCER_LOG_LEVEL": "warn"})
	if err != nil {
		t.Fatal(err)
	}
	all := config.Describe(c)
	if len(all) != reflect.TypeFor[config.Config]().NumField() {
		t.Errorf("%d variables are described", len(all))
	}
	values := map[string]string{}
	for _, v := range all {
		values[v.Name] = v.Value
		if v.Name == "" || v.Meaning == "" {
			t.Errorf("%+v has no meaning", v)
		}
		if strings.Contains(v.Value+v.Default+v.Meaning, "hunter2") {
			t.Errorf("%s shows the token", v.Name)
		}
		if strings.Contains(v.Meaning, "|") {
			t.Errorf("%s: a | breaks the table", v.Name)
		}
	}
	if values["SYNCER_LOG_LEVEL"] != "warn" || values["SYNCER_ADMIN_TOKEN"] != "(set)" || values["SYNCER_SHUTDOWN_TIMEOUT"] != "25s" {
		t.Errorf("values: %v", values)
	}
	table := config.Markdown()
	if got := strings.Count(table, "\n"); got != len(all)+2 {
		t.Errorf("the table has %d lines:\n%s", got, table)
	}
	if !strings.Contains(table, "| `SYNCER_LISTEN` | `:8080` | Where webhooks are received") {
		t.Errorf("the table:\n%s", table)
	}
}

func TestEnviron(t *testing.T) {
	got := config.Environ([]string{"A=1", "B=x=y", "C="})
	if want := map[string]string{"A": "1", "B": "x=y", "C": ""}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("SYNCER_STATE", "bolt:s.db?max=2GB")
	f.Add("SYNCER_LISTN", ":80")
	f.Add("SYNCER_SHUTDOWN_TIMEOUT", "1h")
	f.Fuzz(func(t *testing.T, name, value string) {
		c, err := load(t, map[string]string{name: value})
		if path, max, bad := c.StateFile(); err == nil && (bad != nil || path == "" || max < 0 || c.ShutdownTimeout <= 0) {
			t.Errorf("%s=%s is accepted: %+v", name, value, c)
		}
	})
}
