package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"syncer/bench/shop"
	"syncer/internal/mapping"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, 50, 2); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nmapping file", "\nby hand ", "\ndecoding the record"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("there is no %q:\n%s", line, out.String())
		}
	}
}

// What was written by hand looks at the record: another record is another contact, and what it cannot read is said.
func TestByHandReadsTheRecord(t *testing.T) {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		t.Fatal(err)
	}
	read := func(edit func(string) string) (map[string]any, error) {
		return mapping.DecodeRecord([]byte(edit(string(shop.Customer(nil, 12, 0)))))
	}
	for old, instead := range map[string]string{`"Descadastrado": "não"`: `"Descadastrado": "sim"`, `"Varejo"`: `"Atacado"`, `Natal", "Segmento`: `Assu", "Segmento`, `"ANA `: `"EVA `} {
		record, err := read(func(s string) string {
			if strings.Count(s, old) != 1 {
				t.Fatalf("%q occurs %d times in %s", old, strings.Count(s, old), s)
			}
			return strings.Replace(s, old, instead, 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		mapped := plan.Map("loja", record, time.Now())[0]
		byHand, err := plain(record, plan.Location, mapped.Policy)
		if err != nil || mapped.OptOut != byHand.OptOut || mapped.Name != byHand.Name || mapped.Fields["cidade"] != byHand.Fields["cidade"] || mapped.Labels["Atacado"] != byHand.Labels["Atacado"] {
			t.Errorf("with %s: %+v and %+v, %v", instead, mapped, byHand, err)
		}
	}
	record, err := read(func(s string) string { return strings.Replace(s, "/11/2026", "/13/2026", 1) })
	if err != nil {
		t.Fatal(err)
	}
	if c, err := plain(record, plan.Location, plan.Mappings[0].Policy); err == nil {
		t.Errorf("the 13th month passes: %+v", c)
	}
}
