package mapping

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// FuzzCases feeds golden cases that people might save halfway: the answer is results or remarks that point into the
// file.
func FuzzCases(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/*/*.cases.yaml")
	for _, path := range append(seeds, "testdata/failing.cases.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("- {name: a, source: erp, record: {id: 1, v: [1, {a: .inf}]}, expect: [{labels: {A: unsaid}}]}"))
	f.Add([]byte("cases:\n- {source: erp, file: ../../../etc/passwd, expect: []}"))
	plan := load(f, everything)
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("%!")) {
			t.Skip("it may be quoted, and is no sign of a format gone wrong")
		}
		results, found := RunCases(plan, "m.cases.yaml", text, Options{Lookup: environment, Language: "en", ReadFile: nothing})
		for _, d := range found {
			if d.Line < 0 || d.Message == "" || strings.Contains(d.Message, "%!") {
				t.Fatalf("%+v", d)
			}
		}
		for _, r := range results {
			if strings.Contains(r.Diff, "%!") {
				t.Fatalf("%+v", r)
			}
		}
	})
}

func nothing(name string) ([]byte, error) {
	return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
}

// FuzzSchedule holds the guard before the cron library to its word: what it lets through neither panics, nor stands
// still, nor never comes.
func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"*/15 * * * *", "@daily", "@every 15m", "0 0 30 2 *", "TZ=x * * * * *", "*/0 * * * *", "@every 1ns", "@every 9223372036s", "1-0 * * * *", "0 0 29 2 1/2", "* * * * MON-FRI", "@", "0 0 31 4,6,9,11 *", "5/5 ? * JAN 0"} {
		f.Add(s, int64(1795183509))
	}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		s, err := ParseSchedule(text, time.UTC)
		if err != nil {
			if strings.Contains(err.Error(), "%!") {
				t.Fatal(err)
			}
			return
		}
		now := time.Unix(at%(1<<32), 0).UTC()
		for range 3 {
			next := s.Next(now)
			if !next.After(now) || next.Sub(now) < time.Second {
				t.Fatalf("%q: %s after %s", text, next, now)
			}
			now = next
		}
	})
}

// TestExamplesTakeAnything maps records of any shape by every example that comes with syncer.
func TestExamplesTakeAnything(t *testing.T) {
	examples, _ := filepath.Glob("testdata/mappings/*.yaml")
	var plans []*Plan
	for _, path := range append(examples, "../../mappings.example.yaml", "testdata/design.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		plan, found := Load(path, []byte(completed(string(text))), Options{Lookup: environment})
		if plan == nil {
			if strings.HasSuffix(path, ".cases.yaml") {
				continue
			}
			t.Fatalf("%s: %s", path, found)
		}
		plans = append(plans, plan)
	}
	if len(plans) < 5 {
		t.Fatalf("%d examples are left", len(plans))
	}
	names := rapid.SampledFrom([]string{"id", "name", "nome", "phones", "fone", "fones", "emails", "email", "labels", "custom_fields", "owner", "value", "primary", "rows", "contatos",
		"org", "update_time", "properties", "ativo", "aceita", "tags", "endereco", "deals", "status", "person_id"})
	rapid.Check(t, func(t *rapid.T) {
		plan := rapid.SampledFrom(plans).Draw(t, "example")
		rec := rapid.MapOfN(names, rapid.OneOf(anything(3), rapid.Map(rapid.MapOfN(names, anything(1), 0, 4), func(m map[string]any) any { return m })), 0, 12).Draw(t, "record")
		for _, s := range plan.Sources {
			for _, c := range plan.Map(s.Name, rec, noon) {
				for _, p := range c.Problems {
					if strings.Contains(p.Message, "nobody foresaw") || strings.Contains(p.Message, "%!") || p.Where == "" {
						t.Fatalf("%+v", p)
					}
				}
				if _, err := json.Marshal(c); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
