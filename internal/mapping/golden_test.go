package mapping

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files and the schema instead of comparing them")

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (run with -update after reading it):\n%s", path, got)
	}
}

// surroundings complete a trap, which shows only what is wrong, to a whole file.
var surroundings = []string{
	"version: 1",
	"defaults: {country: BR, timezone: America/Sao_Paulo}",
	`sources:
  erp: {kind: generic, webhook: {auth: bearer, secret: "${SECRET}"}, record: {id: id}}`,
	`targets:
  weni: {kind: weni, token: "${TOKEN}", opt_out: {label: Opt-out, field: optout}}
  omni: {kind: omnichannel, base_url: "https://omni.exemplo.com.br", token: "${TOKEN}", client_identifier: abc, channel_id: def}
  flow: {kind: omniflow, api_key: "${TOKEN}"}`,
	`mappings:
  - {name: clientes, from: erp, to: weni, contact: {phones: =record.fones, opt_out: record.sair}}`,
}

func completed(trap string) string {
	for _, part := range surroundings {
		name, _, _ := strings.Cut(part, ":")
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(trap) {
			trap += part + "\n"
		}
	}
	return trap
}

// environment knows every name but one. Its values are secrets, which no test may ever see again.
func environment(name string) (string, bool) {
	switch {
	case name == "NAO_EXISTE":
		return "", false
	case strings.HasSuffix(name, "URL"):
		return "https://s3cr3t." + strings.ToLower(name[:3]) + ".exemplo.com.br", true
	}
	return "s3cr3t-" + name, true
}

// TestTraps loads what is wrong, one thing a file, and compares what a person reads about it in both
// languages. Read the golden files: they are the user interface.
func TestTraps(t *testing.T) {
	traps, err := filepath.Glob("testdata/traps/*.yaml")
	if err != nil || len(traps) == 0 {
		t.Fatal("no traps", err)
	}
	for _, path := range traps {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trap, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := string(trap)
			if !strings.Contains(name, "file") && name != "two-documents" && name != "not-a-mapping" {
				text = completed(text)
			}
			var told strings.Builder
			for _, lang := range []string{"en", "pt_BR.UTF-8"} {
				plan, found := Load("mappings.yaml", []byte(text), Options{Lookup: environment, Language: lang})
				if (plan == nil) != found.HasErrors() {
					t.Errorf("plan %v with errors %v", plan != nil, found.HasErrors())
				}
				if len(found) == 0 {
					t.Error("accepted without a word")
				}
				told.WriteString(found.String())
				told.WriteByte('\n')
			}
			got := told.String()
			if strings.Contains(got, "%!") || strings.Contains(got, "interface {}") {
				t.Errorf("not meant for people:\n%s", got)
			}
			for _, secret := range []string{"s3cr3t", "hunter", "abc-def", "ghi-jkl", "p4ssw0rd"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s is shown:\n%s", secret, got)
				}
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", got)
		})
	}
}
