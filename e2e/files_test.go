package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"syncer/e2e/lab"
	"syncer/internal/config"
)

// command carries out a command in a folder of its own, where nothing runs.
func command(t *testing.T, env lab.Env, args ...string) lab.Result {
	t.Helper()
	r, err := lab.Run(t.Context(), bin, env.With("LANG", "en"), args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDemoEnvIsComplete: demo.env has a value for every ${NAME} of the example, nothing besides that and settings
// that exist, and everything in it is for this machine.
func TestDemoEnvIsComplete(t *testing.T) {
	t.Parallel()
	env, err := lab.ReadEnv(demoEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for line := range strings.Lines(string(example)) {
		code, _, _ := strings.Cut(" "+line, " #")
		for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(code, -1) {
			wanted = append(wanted, m[1])
		}
	}
	for _, name := range wanted {
		if env[name] == "" {
			t.Errorf("demo.env has no value for %s", name)
		}
	}
	var settings []string
	for _, v := range config.Describe(config.Config{}) {
		settings = append(settings, v.Name)
	}
	for name, value := range env {
		if !slices.Contains(wanted, name) && !slices.Contains(settings, name) {
			t.Errorf("demo.env has %s, which nothing reads", name)
		}
		if address, ok := strings.CutPrefix(value, "http"); ok && !strings.HasPrefix(address, "://127.0.0.1:") {
			t.Errorf("%s of demo.env is %s, which is not this machine", name, value)
		}
	}
	if len(wanted) < 10 {
		t.Errorf("only %d names were found in the example", len(wanted))
	}
	r := command(t, env.With("SYNCER_MAPPINGS", exampleFile), "check", "--offline")
	if r.Code != 0 || strings.Contains(r.Stdout, "warning") {
		t.Errorf("check of the example with demo.env: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestCheckPrintsAllMistakesAtOnce: mistakes of meaning, each with its place, and exit code 2.
func TestCheckPrintsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	env, err := lab.ReadEnv(demoEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, env.With("SYNCER_MAPPINGS", "testdata/ten.yaml"), "check")
	if r.Code != 2 {
		t.Errorf("exit %d, want 2", r.Code)
	}
	found := regexp.MustCompile(`(?m)^testdata/ten\.yaml:(\d+:\d+): (.+)$`).FindAllStringSubmatch(r.Stdout, -1)
	want := []struct{ at, words string }{
		{"8:26", "not a schedule"}, {"10:78", `"whatsap"`}, {"13:11", `did you mean "crm"?`}, {"14:16", `no target "inbox"`},
		{"16:14", `did you mean "title"?`}, {"19:45", "an operator or a comma is missing"}, {"20:11", "names of labels are fixed"},
		{"22:17", "begin it with ="}, {"23:54", `"number" is not possible here`}, {"24:5", `did you mean "on_unmatch"?`},
	}
	if len(found) != len(want) {
		t.Fatalf("%d mistakes are printed, want %d:\n%s", len(found), len(want), r.Stdout)
	}
	for i, w := range want {
		if found[i][1] != w.at || !strings.Contains(found[i][2], w.words) {
			t.Errorf("mistake %d is at %s: %s; want %s and %q", i+1, found[i][1], found[i][2], w.at, w.words)
		}
	}
	for name, value := range env {
		if strings.Contains(name, "TOKEN") && strings.Contains(r.Stdout, value) {
			t.Errorf("the value of %s is printed", name)
		}
	}
}

// TestCheckShowsHowToWriteALine: YAML has its own idea of = and ${}; for each of these lines check says how it should
// be written, and what it says is right.
func TestCheckShowsHowToWriteALine(t *testing.T) {
	t.Parallel()
	const frame = `version: 1
defaults: {country: BR, timezone: America/Sao_Paulo}
sources:
  crm: {kind: pipedrive, webhook: {auth: basic, username: u, password: "um-segredo-inventado"}}
targets:
  weni: {kind: weni, base_url: "https://flows.weni.ai", token: "um-token-inventado", create_missing: true}
mappings:
  - name: clientes
    from: crm
    to: weni
    contact:
      phones: =record.phones
      LINE
`
	for _, c := range []struct{ wrong, right string }{
		{`name: =record.ativo ? "sim": "não"`, `name: '=record.ativo ? "sim": "não"'`},
		{`fields: {cidade: =first(record.cidade, "Natal"), uf: RN}`, `fields: {cidade: '=first(record.cidade, "Natal")', uf: RN}`},
		{`fields: {tipo: =record.pj ? "PJ" : "PF"}`, `fields: {tipo: '=record.pj ? "PJ" : "PF"'}`},
		{`fields: {loja: ${LOJA}, uf: RN}`, `fields: {loja: '${LOJA}', uf: RN}`},
		{`name: @${ARROBA}`, `name: '@${ARROBA}'`},
		{`fields: {crm_url: ="https://" + record.host: 443}`, `fields: {crm_url: '="https://" + record.host: 443'}`},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "mappings.yaml")
		check := func(line string) lab.Result {
			if err := os.WriteFile(file, []byte(strings.Replace(frame, "LINE", line, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			return command(t, lab.Env{"SYNCER_MAPPINGS": file, "LOJA": "Centro", "ARROBA": "loja"}, "check", "--offline")
		}
		if r := check(c.wrong); r.Code != 2 || !strings.Contains(r.Stdout, file+":13:") || !strings.Contains(r.Stdout, "= |       "+c.right+"\n") {
			t.Errorf("%s: exit %d\n%s\nwant the line %s", c.wrong, r.Code, r.Stdout, c.right)
		}
		// The line as it should be written is understood as YAML; an expression may still be wrong in itself.
		if r := check(c.right); strings.Contains(r.Stdout, "quotes") {
			t.Errorf("%s, as check says, is not understood: exit %d\n%s", c.right, r.Code, r.Stdout)
		}
	}
}
