package mapping

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

// everything is a mapping that uses most of the language over fields that may hold anything.
const everything = `mappings:
  - name: all
    from: erp
    to: weni
    when: record.a or not record.b
    contact:
      name: =title(first(record.a, record.b.c))
      language: =record.a
      phones: [=record.a, =record.b]
      emails: =record.b
      opt_out: yes(record.a)
      labels:
        - {label: In, when: '"x" in record.a'}
        - {label: Sorted, when: 'len(sortBy(record.a, .b)) > 0'}
        - {pick: =record.b, from: {x: X, "1": One}}
      fields:
        t: '=text(record.a, "-", record.b)'
        n: {value: =record.a * 2 + record.b, type: numeric}
        d: {value: =date_br(record.a) - days(record.b), type: datetime, blank: clear}
        m: '=join(map(record.a, .b ?? .c), ",") + string(record.b[0].c[-1])'
        g: '=toJSON(groupBy(record.a, .b)) + squeeze(record.b)[1:3]'
        s: '=let x = record.a; x == record.b ? sum(x, .b) : reduce(x, #acc + #, 0)'
        c: =cpf(record.a) + phone(record.b)
        f: '=flatten([record.a, uniq(record.b)]) == record.a ? keys(record.a)[0] : fromJSON(record.b)'
        z: '=(number_br(record.a) ?? 1) ** abs(record.b) % 7'
  - name: each
    from: erp
    to: weni
    each: =record.a
    contact: {name: =item.b, phones: =item.c, labels: [A]}
`

// anything is a value as JSON may hold it, with the words that mappings look for more often than chance.
func anything(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.Int(), func(i int) any { return i }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }), rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.SampledFrom([]any{"", " ", "S", "N", "x", "1", 0, 1, "84 99000-0101", "20/11/2026", "1.234,56", "a@exemplo.com.br", "por", "[1]", -9223372036854775808}),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf, leaf,
		rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return anything(depth - 1) }), 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "id", "value", "primary"}), rapid.Deferred(func() *rapid.Generator[any] { return anything(depth - 1) }), 0, 4), func(m map[string]any) any { return m }),
	)
}

// TestMapTakesAnything maps records of any shape: nothing panics, every expression either says something, says
// nothing or has a problem in words, and the same record gives the same contacts.
func TestMapTakesAnything(t *testing.T) {
	plan := load(t, everything)
	rapid.Check(t, func(t *rapid.T) {
		rec := map[string]any{}
		for _, k := range []string{"a", "b"} {
			if rapid.Bool().Draw(t, "has "+k) {
				rec[k] = anything(3).Draw(t, k)
			}
		}
		contacts := plan.Map("erp", rec, noon)
		first, _ := json.Marshal(contacts)
		again, _ := json.Marshal(plan.Map("erp", rec, noon))
		if string(first) != string(again) {
			t.Fatalf("two answers:\n%s\n%s", first, again)
		}
		for _, c := range contacts {
			for _, p := range c.Problems {
				if strings.Contains(p.Message, "nobody foresaw") || strings.Contains(p.Message, "%!") || strings.Contains(p.Message, "interface {}") {
					t.Fatalf("%+v of %v", p, rec)
				}
				if !strings.HasPrefix(p.Where, "mappings.yaml:") {
					t.Fatalf("nowhere: %+v", p)
				}
			}
			for key, f := range c.Fields {
				if f.State == contact.Absent || len([]rune(f.Value)) > maxField || f.State == contact.Blank != (f.Value == "") {
					t.Fatalf("%s: %+v", key, f)
				}
			}
		}
		if len(rec) == 0 {
			checkSilence(t, contacts)
		}
	})
}

// checkSilence wants a record that says nothing to change nothing.
func checkSilence(t *rapid.T, contacts []contact.Contact) {
	for _, c := range contacts {
		if len(c.Labels)+len(c.Fields)+len(c.Phones)+len(c.Emails) > 0 || c.Leaving || c.OptOut != contact.Unsaid || c.Name.State != contact.Absent {
			t.Fatalf("nothing was said: %+v", c)
		}
	}
}

// TestAbsenceStaysAbsence builds expressions around a path that the record lacks: whatever surrounds it, the
// outcome is absent or a problem, never false, never blank and never a value.
func TestAbsenceStaysAbsence(t *testing.T) {
	present := rapid.SampledFrom([]string{"record.nome", "record.id", "record.sim", "record.tags", "record.nulo", "record.vazio", "record.rows", "today", `"x"`, "2", "nil", "record.endereco"})
	strict := []string{}
	for name, f := range functions {
		if !f.gaps && f.min <= 2 {
			strict = append(strict, name)
		}
	}
	slices.Sort(strict)
	ops := []string{"==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "in", "contains", "startsWith", "endsWith", "matches"}
	rapid.Check(t, func(t *rapid.T) {
		expr := rapid.SampledFrom([]string{"record.x", "record.endereco.x", "record.x.y", "record.tags[7]", "find(record.rows, .x)"}).Draw(t, "absent")
		for range rapid.IntRange(1, 4).Draw(t, "layers") {
			other := present.Draw(t, "other")
			switch rapid.IntRange(0, 7).Draw(t, "layer") {
			case 0:
				op := rapid.SampledFrom(ops).Draw(t, "op")
				if other == "nil" && (op == "==" || op == "!=") {
					continue // the one question that absence answers
				}
				expr = fmt.Sprintf("(%s %s %s)", expr, op, other)
			case 1:
				op := rapid.SampledFrom(ops).Draw(t, "op")
				if other == "nil" && (op == "==" || op == "!=") || op == "matches" {
					continue
				}
				expr = fmt.Sprintf("(%s %s %s)", other, op, expr)
			case 2:
				name := rapid.SampledFrom(strict).Draw(t, "function")
				if functions[name].min == 2 {
					expr = fmt.Sprintf("%s(%s, %s)", name, expr, other)
				} else {
					expr = fmt.Sprintf("%s(%s)", name, expr)
				}
			case 3:
				expr = "(not " + expr + ")"
			case 4:
				expr = fmt.Sprintf("(%s ? %s : %s)", expr, other, other)
			case 5:
				expr = fmt.Sprintf("(%s ?? record.y)", expr)
			case 6:
				loop := rapid.SampledFrom([]string{"map", "filter", "any", "all", "none", "count", "find"}).Draw(t, "loop")
				expr = fmt.Sprintf("%s(%s, #)", loop, expr)
			case 7:
				expr = fmt.Sprintf("(let v = %s; v)", expr)
			}
		}
		if strings.Contains(expr, `matches "x"`) || len(expr) > 500 {
			return
		}
		text := field(expr, "text") + "      labels: [{label: L, when: " + singleQuoted(expr) + "}]\n"
		plan, found := Load("mappings.yaml", []byte(completed(text)), Options{Lookup: environment})
		if plan == nil {
			t.Fatalf("%s\n%s", expr, found)
		}
		c := plan.Map("erp", record(testing_(t), crm), noon)[0]
		if f, said := c.Fields["f"]; said {
			t.Fatalf("%s says %+v", expr, f)
		}
		if has, said := c.Labels["L"]; said {
			t.Fatalf("%s says %v", expr, has)
		}
	})
}

// testing_ lets helpers that want a testing.TB run inside a property.
func testing_(t *rapid.T) testing.TB { return tb{t: t} }

type tb struct {
	testing.TB
	t *rapid.T
}

func (b tb) Helper()           {}
func (b tb) Fatal(args ...any) { b.t.Fatal(args...) }

// FuzzLoad feeds the loader with files that people might save halfway: it answers with a plan or with
// remarks that point into the file, and shows no secret.
func FuzzLoad(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/*/*.yaml")
	for _, path := range append(seeds, "../../mappings.example.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add([]byte(completed(string(text))))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, lang := range []string{"en", "pt"} {
			plan, found := Load("m.yaml", text, Options{Lookup: environment, Language: lang})
			if (plan == nil) != found.HasErrors() {
				t.Fatalf("plan %v, errors %v", plan != nil, found.HasErrors())
			}
			lines := strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n") + 1
			for _, d := range found {
				if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Length < 1 || d.Message == "" || strings.Contains(d.Message, "%!") {
					t.Fatalf("%+v of %d lines", d, lines)
				}
			}
			if strings.Contains(found.String(), "s3cr3t-") && !strings.Contains(string(text), "s3cr3t-") {
				t.Fatalf("a secret is shown:\n%s", found)
			}
			if plan != nil {
				for _, s := range plan.Sources {
					plan.Map(s.Name, map[string]any{"id": 1, "a": []any{nil}}, noon)
					plan.Leave(s.Name)
				}
			}
		}
	})
}
