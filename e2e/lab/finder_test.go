package lab

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func planted() *Finder {
	f := &Finder{}
	f.Secret("LOJA_TOKEN", "ficha-inventada-da-loja-0192837465")
	f.Secret("SHORT", "abc")
	f.Name("Zulmira Ávila Quixadá", "Zulmira", "Quixadá")
	f.Email("zulmira.q@exemplo.com.br")
	f.Number("+55 84 99000-7731")
	f.Document("529.982.247-25")
	return f
}

// TestTheFinderFinds: whatever is planted, in whatever form, is found, and told for what it is.
func TestTheFinderFinds(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("pipedrive:ficha-inventada-da-loja-0192837465"))
	for line, what := range map[string]string{
		"token ficha-inventada-da-loja-0192837465 refused":                    "LOJA_TOKEN",
		"ficha-inventada-da-loja-01928… was cut":                              "LOJA_TOKEN",
		"it ends in tada-da-loja-0192837465":                                  "LOJA_TOKEN",
		"Authorization: Basic " + basic:                                       "LOJA_TOKEN",
		`msg="they are \"Zulmira Ávila Quixadá\""`:                            "Zulmira",
		"ZULMIRA  AVILA+QUIXADA":                                              "Zulmira",
		"only zulmira":                                                        "Zulmira",
		`{"name":"\u0051uixad\u00e1"}`:                                        "Zulmira",
		"GET /contacts?q=Zulmira%20%C3%81vila":                                "Zulmira",
		"<td>Quixad&aacute;</td>":                                             "Zulmira",
		"mailto:Zulmira.Q@exemplo.com.br":                                     "zulmira.q@",
		"mailto%3Azulmira.q%40exemplo.com.br":                                 "zulmira.q@",
		"zulmira.q&#64;exemplo.com.br":                                        "zulmira.q@",
		"urn=whatsapp:5584990007731":                                          "99000-7731",
		"tel:+55 (84) 99000-7731":                                             "99000-7731",
		"84 9 9000 7731":                                                      "99000-7731",
		"without the ninth: 558490007731":                                     "99000-7731",
		"at 1795193690000000 84990007731":                                     "99000-7731",
		"84990007731 1795193690000000":                                        "99000-7731",
		"local: 9000-7731":                                                    "99000-7731",
		"a float: 5.584990007731e12 no, but 5584990007731.0":                  "99000-7731",
		"nbsp 84\u00a099000\u00a07731":                                        "99000-7731",
		"cpf 52998224725":                                                     "529.982",
		"cpf=529.982.247-25":                                                  "529.982",
		base64.StdEncoding.EncodeToString([]byte("5584990007731 de Zulmira")): "99000-7731",
	} {
		leaks := planted().Find("before\n" + line + "\nafter")
		if len(leaks) == 0 || !strings.Contains(fmt.Sprint(leaks), what) {
			t.Errorf("%s: found %v", line, leaks)
		}
		for _, l := range leaks {
			if l.Line != line {
				t.Errorf("%q was found in the line %q", line, l.Line)
			}
		}
	}
}

// TestTheFinderLeavesMaskedForms: what is masked as it should be, and what only looks alike, is not found.
func TestTheFinderLeavesMaskedForms(t *testing.T) {
	for _, line := range []string{
		"whatsapp:5584*******31 Z****** z****** [cpf] [secret]", "person=84 records=[crm/7731] took=99.0007ms", "2026-11-20T16:07:31.849900Z 077.31",
		"abc", "a ficha is not the ficha-inventada", "0192837465", "zul mira", "5584990007732",
		"at 1795190007731000 and 90007731000000000", // moments
	} {
		if leaks := planted().Find(line); len(leaks) > 0 {
			t.Errorf("%s: %v", line, leaks)
		}
	}
}

// TestARecorderHearsEveryChild: what a process says to stdout or stderr is found at the end, with its line; what a
// simulator says or --show asked for is not looked at.
func TestARecorderHearsEveryChild(t *testing.T) {
	dir := t.TempDir()
	tell := filepath.Join(dir, "tell")
	if err := os.WriteFile(tell, []byte("#!/bin/sh\necho \"out $HIDDEN_TOKEN\"; echo 'err 84 99000-7731' >&2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := Env{"HIDDEN_TOKEN": "uma-ficha-inventada"}
	for args, want := range map[string]string{"status": "out uma-ficha-inventada err 84 99000-7731", "status --show": "err 84 99000-7731", "sandbox weni": ""} {
		r, err := Record(filepath.Join(t.TempDir(), "said"))
		if err != nil {
			t.Fatal(err)
		}
		r.Number("84990007731")
		r.Secret("HIDDEN_TOKEN", env["HIDDEN_TOKEN"])
		if _, err := Run(t.Context(), tell, env, strings.Fields(args)...); err != nil {
			t.Fatal(err)
		}
		found, err := r.Search()
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, name := range []string{"out uma-ficha-inventada", "err 84 99000-7731"} {
			if strings.Contains(strings.Join(found, "\n"), name) {
				said = append(said, name)
			}
		}
		if strings.Join(said, " ") != want {
			t.Errorf("%s: %q, want %q", args, found, want)
		}
	}
}
