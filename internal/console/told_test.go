package console

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTold: what the state keeps in English is read in Portuguese, with what stands inside it.
func TestTold(t *testing.T) {
	pt := WordsFor("pt_BR.UTF-8")
	for en, want := range map[string]string{
		"it is the first run of this source":                                                               "é a primeira execução desta fonte",
		"weni: 53 people would be changed, more than 20 (20 % of 100)":                                     "weni: 53 pessoas seriam mudadas, mais que 20 (20 % de 100)",
		"the mapping file changed; in the last hour 30 people would be created, more than 10 (20 % of 40)": "o arquivo de mapeamento mudou; na última hora 30 pessoas seriam criadas, mais que 10 (20 % de 40)",
		"the number is also given by crm/7, crm/8 under another name":                                      "o número é dado também por crm/7, crm/8 sob outro nome",
		"the target is paused: paused by hand":                                                             "o destino está pausado: pausado à mão",
		"weni: create contact: it failed (HTTP 500)":                                                       "weni: create contact: falhou (HTTP 500)",
		"somebody else's words: 100 % theirs":                                                              "somebody else's words: 100 % theirs",
		"":                                                                                                 "",
	} {
		if got := pt.Told(en); got != want {
			t.Errorf("%q is told as %q, want %q", en, got, want)
		}
		if got := WordsFor("en").Told(en); got != en {
			t.Errorf("in English %q became %q", en, got)
		}
	}
	for _, pair := range told {
		if strings.Count(pair[0], "%s") != strings.Count(pair[1], "%s") {
			t.Errorf("%q and %q speak of different things", pair[0], pair[1])
		}
	}
}

// TestEveryQuestionIsTold: the questions that the engine asks people are in its source, in English; each must have its
// Portuguese here.
func TestEveryQuestionIsTold(t *testing.T) {
	files, err := filepath.Glob("../engine/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	pt, found := WordsFor("pt"), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			continue // somebody is writing it
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if kind, ok := lit.Type.(*ast.SelectorExpr); !ok || kind.Sel.Name != "Conflict" {
				return true
			}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok || kv.Key.(*ast.Ident).Name != "Message" {
					continue
				}
				if text, ok := kv.Value.(*ast.BasicLit); ok {
					found++
					if en, _ := strconv.Unquote(text.Value); pt.Told(en) == en {
						t.Errorf("%s: %q has no Portuguese in told.go", name, en)
					}
				}
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("only %d questions were found", found)
	}
}

// TestNoLimitIsNotSpent: where no limit is known, a program is not told that none of it is left.
//
// At first a key without a limit was `"left": 0, "limit": 0`.
func TestNoLimitIsNotSpent(t *testing.T) {
	for want, b := range map[string]Budget{
		`{"scope":"contacts","used":7}`:                          {Scope: "contacts", Used: 7},
		`{"scope":"contacts","used":2500,"left":0,"limit":2500}`: {Scope: "contacts", Used: 2500, Limit: 2500},
	} {
		got, err := json.Marshal(b)
		if err != nil || string(got) != want {
			t.Errorf("%s, want %s %v", got, want, err)
		}
		var back Budget
		if err := json.Unmarshal(got, &back); err != nil || back != b {
			t.Errorf("%+v %v", back, err)
		}
	}
}
