package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"syncer/internal/console"
	"syncer/internal/console/consoletest"
	"syncer/internal/contact"
	"syncer/internal/state"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMain lets the test binary be syncer itself, for tests that need a process to send signals to.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_SYNCER") != "" {
		main()
	}
	time.Local = time.UTC // journals show local time
	os.Exit(m.Run())
}

// bench is a command line over a fake.
type bench struct {
	*cli
	fake     *consoletest.Fake
	out, err bytes.Buffer
}

func newBench(environ ...string) *bench {
	b := &bench{fake: &consoletest.Fake{}}
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	b.cli = newCLI(strings.NewReader(""), &b.out, &b.err, env)
	b.now = func() time.Time { return consoletest.Now }
	b.every = time.Millisecond
	b.open = func(context.Context, bool) (console.Operations, func() error, error) {
		return b.fake, func() error { return nil }, nil
	}
	return b
}

// do runs a command line as people would type it.
func (b *bench) do(t *testing.T, line string) int {
	t.Helper()
	b.out.Reset()
	b.err.Reset()
	return b.execute(t.Context(), strings.Fields(line))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference.\ngot:\n%s", file, got)
	}
}

// lines are command lines that a fake can answer.
var lines = map[string]string{
	"status":            "status",
	"status.json":       "status -o json",
	"explain":           "explain crm/4821",
	"explain.show":      "explain crm/4821 --show",
	"explain.unknown":   "explain zz/1",
	"explain.json":      "explain crm/4821 --output json",
	"dead.list":         "dead list --target weni",
	"dead.list.none":    "dead list --kind gone",
	"dead.show":         "dead show weni/17",
	"dead.show.unknown": "dead show weni/1",
	"dead.retry":        "dead retry weni/17",
	"dead.retry.which":  "dead retry",
	"dead.retry.both":   "dead retry weni/17 --all",
	"dead.drop":         "dead drop --all",
	"dead.drop.kind":    "dead drop --all --kind rejected",
	"conflicts.list":    "conflicts list",
	"conflicts.csv":     "conflicts list --csv --show",
	"conflicts.resolve": "conflicts resolve weni/taken/2",
	"conflicts.stands":  "conflicts resolve weni/shared/1",
	"runs":              "runs",
	"runs.json":         "runs -o json",
	"runs.one":          "runs crm-full-12",
	"runs.unknown":      "runs x-9",
	"limit.zero":        "apply crm-full-12 --limit 0",
	"limit.negative":    "reconcile crm --limit -3",
	"only.none":         "apply crm-full-12 --only=",
	"only.number":       "apply crm-full-12 --only 4005",
	"quarantine.show":   "quarantine show 3",
	"quarantine.body":   "quarantine show 3 --show",
	"quarantine.json":   "quarantine show 3 -o json",
	"quarantine.none":   "quarantine show 4",
	"quarantine.id":     "quarantine show x",
	"quarantine.retry":  "quarantine retry 3",
	"quarantine.left":   "quarantine retry --all",
	"quarantine.which":  "quarantine retry",
	"quarantine.drop":   "quarantine drop --all",
	"error.json":        "plan x-9 -o json",
	"plan.help":         "plan --help",
	"quarantine.list":   "quarantine list --limit 5",
	"reconcile":         "reconcile crm --full --only crm/1,crm/2 --limit 5",
	"reconcile.yes":     "reconcile crm --yes",
	"reconcile.json":    "reconcile crm -o json",
	"replay":            "replay crm",
	"plan":              "plan",
	"plan.run":          "plan crm-full-12 --only crm/4822 --show",
	"plan.source":       "plan crm --full",
	"plan.limit":        "plan crm-full-12 --limit 1 -o json",
	"plan.unknown":      "plan x-9",
	"plan.save.limit":   "plan --save x.json --limit 1",
	"apply":             "apply crm-full-12 --only crm/4821",
	"apply.json":        "apply crm-full-12 -o json",
	"discard":           "discard crm-full-12",
	"undo":              "undo crm-changes-311",
	"link":              "link crm/4821 weni 0a52c0f2-7a44-4b0e-9a63-1f1a9c3d3b11",
	"unlink":            "unlink crm/4821 weni",
	"rebind":            "rebind source/crm",
	"pause":             "pause weni --why holiday",
	"resume":            "resume weni",
	"reload":            "reload",
	"forget":            "forget crm/4821 --yes",
	"forget.sure":       "forget crm/4821",
	"compact":           "compact",
	"hooks.list":        "hooks list",
	"hooks.install":     "hooks install crm",
	"help":              "--help",
	"nothing":           "",
	"unknown":           "statsu",
	"unknown.far":       "frobnicate",
	"unknown.below":     "dead retyr",
	"unknown.alone":     "dead",
	"unknown.flag":      "status --wach",
	"arguments":         "explain",
	"arguments.many":    "status now",
	"output":            "status -o yaml",
}

// inPortuguese are those whose tables and words are translated.
var inPortuguese = []string{"status", "explain", "dead.list", "dead.retry", "conflicts.list", "reconcile", "plan", "apply", "hooks.list", "quarantine.list", "pause",
	"runs", "runs.one", "limit.zero", "only.number", "quarantine.show", "quarantine.retry", "help", "nothing", "plan.help", "unknown", "unknown.flag", "unknown.alone", "arguments", "dead.retry.which"}

// TestCommands holds what every command prints, asks for and returns against a file.
func TestCommands(t *testing.T) {
	for name, line := range lines {
		langs := []string{"en"}
		if slices.Contains(inPortuguese, name) {
			langs = append(langs, "pt")
		}
		for _, lang := range langs {
			t.Run(name+"."+lang, func(t *testing.T) {
				b := newBench("LANG=" + lang + ".UTF-8")
				code := b.do(t, line)
				got := fmt.Sprintf("$ syncer %s\n%s", line, b.out.String())
				if b.err.Len() > 0 {
					got += "-- stderr\n" + b.err.String()
				}
				golden(t, "cmd."+name+"."+lang+".golden", fmt.Sprintf("%s-- exit %d, asked: %s\n", got, code, strings.Join(asked(b.fake), "; ")))
			})
		}
	}
}

// asked are the calls of a fake without those that repeat while a run is waited for.
func asked(f *consoletest.Fake) []string {
	return slices.Compact(slices.DeleteFunc(f.Calls(), func(c string) bool { return strings.HasPrefix(c, "runs ") || strings.HasPrefix(c, "run ") }))
}

// TestTerminal shows tables with colours, wrapped to the width of a terminal.
func TestTerminal(t *testing.T) {
	for name, line := range map[string]string{"status": "status", "plan": "plan", "dead.list": "dead list"} {
		b := newBench()
		b.width, b.colour = 100, true
		b.do(t, line)
		golden(t, "terminal."+name+".golden", strings.ReplaceAll(b.out.String(), "\x1b", "\\e"))
		for l := range strings.Lines(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(b.out.String(), "")) {
			if table := !strings.HasPrefix(l, "    ") && strings.Contains(l, "  "); table && len([]rune(strings.TrimRight(l, " \n"))) > 100 {
				t.Errorf("%s: wider than the terminal: %q", name, l)
			}
		}
	}
	b := newBench("NO_COLOR=1")
	b.do(t, "status")
	if strings.Contains(b.out.String(), "\x1b") {
		t.Error("colours where nobody sees them")
	}
}

// TestEveryCommand: these are the commands that people were promised.
func TestEveryCommand(t *testing.T) {
	root := newBench().root()
	for _, promised := range []string{
		"serve --dry-run", "demo --once", "sandbox --listen --token --setup --per-hour --flavour --webhook --webhook-user --webhook-password --people",
		"check --offline", "map --source", "test", "reconcile --full --yes --only --limit", "plan --save --only --limit", "apply --only --limit", "discard", "undo",
		"status --watch", "explain", "dead list", "dead show", "dead retry", "dead drop", "conflicts list --csv", "conflicts resolve", "replay",
		"link", "unlink", "rebind", "export", "pause", "resume", "reload", "forget", "backup", "compact", "hooks list", "hooks install", "quarantine list", "quarantine show", "quarantine retry", "quarantine drop", "runs",
		"schema", "env", "health", "version",
	} {
		words := slices.DeleteFunc(strings.Fields(promised), func(w string) bool { return strings.HasPrefix(w, "--") })
		cmd, rest, err := root.Find(words)
		if err != nil || len(rest) > 0 {
			t.Errorf("syncer %s: %v %v", promised, rest, err)
			continue
		}
		for _, w := range strings.Fields(promised)[len(words):] {
			if cmd.Flags().Lookup(strings.TrimPrefix(w, "--")) == nil {
				t.Errorf("syncer %s has no %s", cmd.Name(), w)
			}
		}
	}
	for cmd := range everyCommand(root) {
		if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Parent().Name() == "completion" {
			continue // cobra's own
		}
		if cmd.Short == "" || cmd.Args == nil && cmd.Name() != "test" || cmd.RunE == nil {
			t.Errorf("%s: it says too little of itself", cmd.CommandPath())
		}
		if cmd.Parent() == root && cmd.GroupID == "" {
			t.Errorf("%s: in no group", cmd.CommandPath())
		}
	}
}

func everyCommand(cmd *cobra.Command) func(yield func(*cobra.Command) bool) {
	return func(yield func(*cobra.Command) bool) {
		for _, c := range cmd.Commands() {
			for below := range everyCommand(c) {
				if !yield(below) {
					return
				}
			}
			if !yield(c) {
				return
			}
		}
	}
}

// commandTable is the table of all commands for the documentation.
func commandTable(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| Command | What it does |\n| --- | --- |\n")
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "| **%s** | |\n", strings.TrimSuffix(group.Title, ":"))
		for cmd := range everyCommand(root) {
			top := cmd
			for top.Parent() != root {
				top = top.Parent()
			}
			if top.GroupID == group.ID && !cmd.HasSubCommands() {
				use := strings.TrimSuffix(cmd.UseLine(), " [flags]")
				fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(use, "|", "\\|"), cmd.Short)
			}
		}
	}
	return b.String()
}

// TestCommandTable keeps the table of commands in the README, between its two marks, as the commands are.
func TestCommandTable(t *testing.T) {
	table := commandTable(newBench().root())
	golden(t, "commands.md", table)
	readme := filepath.Join("..", "..", "README.md")
	data, err := os.ReadFile(readme)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no README yet")
	} else if err != nil {
		t.Fatal(err)
	}
	between := regexp.MustCompile(`(?s)(<!-- commands -->\n).*?(<!-- /commands -->)`)
	if !between.Match(data) {
		t.Skip("the README has no <!-- commands --> … <!-- /commands -->")
	}
	want := between.ReplaceAllString(string(data), "${1}"+strings.ReplaceAll(table, "$", "$$")+"${2}")
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatal("the table of commands in the README is not as the commands are; run with -update")
	}
	if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMasked: nothing personal is printed unless --show says so.
func TestMasked(t *testing.T) {
	personal := []string{"5584990000101", "5584990000102", "5584990000103", "Maria das Dores", "Dona Maria", "João", "Natal", "Parnamirim"}
	seen := map[string]bool{}
	for name, line := range lines {
		masked := newBench()
		masked.do(t, strings.ReplaceAll(line, "--show", ""))
		shown := newBench()
		shown.do(t, line+" --show")
		for _, p := range personal {
			if strings.Contains(masked.out.String()+masked.err.String(), p) {
				t.Errorf("%s: prints %q", name, p)
			}
			seen[p] = seen[p] || strings.Contains(shown.out.String(), p)
		}
	}
	for _, p := range personal {
		if !seen[p] {
			t.Errorf("%q is never printed, not even with --show", p)
		}
	}
}

// TestProgress: a run is told of while it goes on, in place on a terminal and seldom elsewhere.
func TestProgress(t *testing.T) {
	walking := state.Run{ID: "crm-full-12", Source: "crm", Kind: "full", State: "walking", Started: contact.Micros(consoletest.Now), Records: 1000}
	planning := walking
	planning.State, planning.Records, planning.Held = "planning", 1240, 17
	states := []state.Run{walking, planning, consoletest.Held()}

	b := newBench()
	b.chatty, b.fake.States = true, slices.Clone(states)
	if code := b.do(t, "reconcile crm --full"); code != 0 {
		t.Fatal(code, b.err.String())
	}
	for _, want := range []string{"\r\x1b[Kcrm-full-12: reading · 1,000 records", "comparing · 1,240 records · 17 people compared", "\r\x1b[K"} {
		if !strings.Contains(b.err.String(), want) {
			t.Errorf("on a terminal: %q lacks %q", b.err.String(), want)
		}
	}

	b = newBench()
	b.fake.States = slices.Clone(states)
	now := consoletest.Now
	b.now = func() time.Time { now = now.Add(6 * time.Second); return now }
	b.do(t, "reconcile crm --full")
	if strings.Contains(b.err.String(), "\x1b") || !strings.Contains(b.err.String(), "crm-full-12: ") {
		t.Errorf("elsewhere: %q", b.err.String())
	}

	broken := walking
	broken.Err = "list page 3: the source answers 502"
	b = newBench()
	b.fake.States = []state.Run{walking, broken}
	if code := b.do(t, "reconcile crm"); code != 1 || !strings.Contains(b.err.String(), "run crm-full-12 failed: list page 3") {
		t.Errorf("broken off: %d %s", code, b.err.String())
	}
}

// TestInterrupted: Ctrl-C ends the waiting, not the run.
func TestInterrupted(t *testing.T) {
	b := newBench()
	b.fake.States = []state.Run{{ID: "crm-full-12", State: "walking"}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if code := b.execute(ctx, []string{"reconcile", "crm"}); code != 1 || !strings.Contains(b.err.String(), "goes on in the daemon") {
		t.Errorf("%d %s", code, b.err.String())
	}
}

// TestWatch looks again until it is interrupted.
func TestWatch(t *testing.T) {
	b := newBench()
	b.width = 100
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if code := b.execute(ctx, []string{"status", "--watch"}); code != 0 || !strings.HasPrefix(b.out.String(), "\x1b[H\x1b[2J") {
		t.Errorf("%d %q", code, b.out.String())
	}
}

// TestPlanFile saves a plan and applies exactly it, or refuses.
func TestPlanFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan.json")
	b := newBench()
	if code := b.do(t, "plan --save "+file); code != 0 {
		t.Fatal(b.err.String())
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if strings.Contains(b.out.String(), "Maria das Dores") {
		t.Error("saving printed names")
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), "Maria das Dores") {
		t.Error("the file is masked: it could not be compared", err)
	}
	apply := func(b *bench, want int, says, asked string) {
		t.Helper()
		code := b.do(t, "apply "+file)
		calls := append([]string{""}, b.fake.Calls()...)
		last := calls[len(calls)-1]
		if code != want || !strings.Contains(b.err.String(), says) || asked != "" && last != asked {
			t.Errorf("apply: %d %s, asked %q", code, b.err.String(), last)
		}
		if want != 0 && strings.HasPrefix(last, "apply") {
			t.Error("it was applied nevertheless")
		}
	}
	apply(newBench(), 0, "", "apply crm-full-12 {Only:[] Limit:0}")

	late := newBench()
	late.now = func() time.Time { return consoletest.Now.Add(25 * time.Hour) }
	apply(late, 1, "good for a day", "")
	remapped := newBench()
	remapped.fake.Edit = func(s *console.Status) { s.Mapping.Hash = "other" }
	apply(remapped, 1, "mapping file has changed", "")
	moved := newBench()
	moved.fake.Edit = func(s *console.Status) { s.Targets[0].Place = "Acme Vendas" }
	apply(moved, 1, `"Acme Atendimento", which is "Acme Vendas" now`, "")
	released := newBench()
	done := consoletest.Held()
	done.State = "released"
	released.fake.States = []state.Run{done}
	apply(released, 1, "Try: syncer plan crm-full-12 --save", "")

	edit := func(change func(*savedPlan)) {
		var p savedPlan
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		if err := p.save(file); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(p *savedPlan) { p.People[0].Steps[0].New = "Mossoró" })
	apply(newBench(), 1, "1 of the 3 people have changed", "")
	edit(func(p *savedPlan) { p.People = nil })
	apply(newBench(), 1, "nobody in the plan", "")
	edit(func(p *savedPlan) { p.Format = 9 })
	apply(newBench(), 1, "not a plan that this version", "")

	if code := b.do(t, "plan --only crm/4822 --save "+file); code != 0 {
		t.Fatal(b.err.String())
	}
	apply(newBench(), 0, "", "apply crm-full-12 {Only:[crm/4822 loja/a-3] Limit:0}")
	if code := newBench().do(t, "apply "+file+" --limit 1"); code != 2 {
		t.Errorf("a saved plan and --limit: %d", code)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b = newBench()
	if code := b.do(t, "apply "+file); code != 1 || !strings.Contains(b.err.String(), "is not a plan") {
		t.Errorf("no plan: %d %s", code, b.err.String())
	}
}

// TestLeftOut: whom an apply leaves out is named.
func TestLeftOut(t *testing.T) {
	b := newBench()
	b.fake.Moved = []console.PlanRow{{Target: "weni", Records: []string{"crm/4822"}, What: "update"}}
	if code := b.do(t, "apply crm-full-12"); code != 0 || !strings.Contains(b.out.String(), "Left out") || !strings.Contains(b.out.String(), "crm/4822") {
		t.Errorf("%d %s", code, b.out.String())
	}
}

// TestSeveralPlans: which of them must be said.
func TestSeveralPlans(t *testing.T) {
	b := newBench()
	b.fake.Edit = func(s *console.Status) { s.Runs[1].State = "held" }
	if code := b.do(t, "plan"); code != 2 || !strings.Contains(b.err.String(), "crm-full-12 crm-changes-311") {
		t.Errorf("%d %s", code, b.err.String())
	}
	b.fake.Edit = func(s *console.Status) { s.Runs = nil }
	if code := b.do(t, "plan"); code != 1 || !strings.Contains(b.err.String(), "Try: syncer plan SOURCE") {
		t.Errorf("%d %s", code, b.err.String())
	}
}

// TestBackup: the file is for its owner only, and one that broke off leaves the old one in place.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.db")
	b := newBench()
	if code := b.do(t, "backup "+file); code != 0 || b.out.String() != file+": 1.3 MB\n" {
		t.Fatal(code, b.out.String(), b.err.String())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != int64(len(consoletest.BackupBytes)) {
		t.Fatal(info, err)
	}
	if code := b.do(t, "backup "+file); code != 2 || !strings.Contains(b.err.String(), "exists already") || !strings.Contains(b.err.String(), "--force") {
		t.Error("what is there was not left alone:", code, b.err.String())
	}
	b.fake.BreakBackup = true
	if code := b.do(t, "backup --force "+file); code != 1 {
		t.Error("a broken backup passed")
	}
	if again, err := os.Stat(file); err != nil || again.Size() != info.Size() {
		t.Error("the old backup is gone", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	b.fake.BreakBackup = false
	if b.do(t, "backup -"); !bytes.Equal(b.out.Bytes(), consoletest.BackupBytes) {
		t.Error("stdout is not the backup")
	}
	if code := b.do(t, "backup "+filepath.Join(dir, "no", "where")); code != 1 {
		t.Error("a folder that is not there")
	}
}

// TestFailures: whatever an operation fails with reaches the person, with exit code 1.
func TestFailures(t *testing.T) {
	for name, line := range lines {
		b := newBench()
		b.fake.Err = console.Errorf(console.Busy, "the state is being compacted")
		code := b.do(t, line)
		if len(b.fake.Calls()) > 0 && (code != 1 || !strings.Contains(b.err.String(), "the state is being compacted")) {
			t.Errorf("%s: %d %s", name, code, b.err.String())
		}
	}
}
