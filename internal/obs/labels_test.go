package obs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"syncer/internal/state"
)

// texts are the values of the constants of a package whose names match, or whose type has that name.
func texts(t *testing.T, dir, names, typed string) (out []string) {
	t.Helper()
	match := regexp.MustCompile("^(?:" + names + ")$")
	files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			block, ok := decl.(*ast.GenDecl)
			if !ok || block.Tok != token.CONST {
				continue
			}
			for _, spec := range block.Specs {
				c := spec.(*ast.ValueSpec)
				kind, _ := c.Type.(*ast.Ident)
				for i, value := range c.Values {
					if text, ok := value.(*ast.BasicLit); ok && text.Kind == token.STRING && (match.MatchString(c.Names[i].Name) || kind != nil && kind.Name == typed) {
						s, _ := strconv.Unquote(text.Value)
						out = append(out, s)
					}
				}
			}
		}
	}
	return out
}

func TestClosedSetsAreThoseOfThePackagesThatNameThem(t *testing.T) {
	for _, tt := range []struct {
		what string
		set  []string
		want []string
	}{
		{"webhook outcomes", webhookOutcomes, texts(t, "intake", "Accepted|Duplicate|Ignored|Undecodable|Unauthorized|UnknownSource|TooLarge|Encoded|Aborted|Unavailable|Failed|Challenged|BadMethod", "")},
		{"receipts", receipts, texts(t, "state", "-", "Receipt")},
		{"error kinds", waitingKinds, texts(t, "contact", "-", "ErrorKind")},
		{"scopes", budgetScopes, texts(t, "contact", "Scope[A-Z].*", "")},
		{"run states", runStates, texts(t, "engine", "Run[A-Z].*", "")},
		{"run kinds", runKinds, texts(t, "reconcile", "Changes|Full|Mapping|Replay", "")},
		{"delivery outcomes", deliveryOutcomes, spoken(t)},
		{"lanes", lanes, []string{state.LaneConsent.String(), state.LaneLive.String(), state.LaneBulk.String()}},
	} {
		slices.Sort(tt.want)
		set := slices.Sorted(slices.Values(tt.set))
		if !slices.Equal(set, slices.Compact(tt.want)) {
			t.Errorf("%s: the set is %q, the packages say %q", tt.what, set, tt.want)
		}
	}
	// Every outcome of the door that there is, not only those named above.
	for _, outcome := range texts(t, "intake", "[A-Z].*", "") {
		if !strings.HasPrefix(outcome, "/") && !slices.Contains(webhookOutcomes, outcome) {
			t.Errorf("the door has an outcome %q that is no label", outcome)
		}
	}
}

// spoken reads from the engine's promise to its observer which outcomes there are.
func spoken(t *testing.T) []string {
	t.Helper()
	src, err := os.ReadFile("../engine/engine.go")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`with its outcome: ([a-z, ]+)\.`).FindSubmatch(src)
	if m == nil {
		t.Fatal("the engine no longer says which outcomes there are")
	}
	return strings.Split(string(m[1]), ", ")
}

func TestLabelsAreBounded(t *testing.T) {
	for value, want := range map[string]string{"": "none", "crm": "crm", "target/weni": "target/weni", "source/a_b-1": "source/a_b-1", "Weni": "Weni", "_weni": other, "a b": other, "x/y": other,
		strings.Repeat("a", 49): other, "5584990000101@x": other} {
		if got := name(value); got != want {
			t.Errorf("name(%q) = %q, want %q", value, got, want)
		}
	}
	for status, want := range map[int]string{0: "none", 200: "200", 206: "2xx", 302: "3xx", 418: "4xx", 429: "429", 599: "5xx", 600: other, -1: other} {
		if got := statusLabel(status); got != want {
			t.Errorf("statusLabel(%d) = %q, want %q", status, got, want)
		}
	}
}
