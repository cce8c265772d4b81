package mapping

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const page = "../../docs/mapping.md"

// TestDocs runs everything that the page about the language shows.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	doc := generated(string(text), "functions", functionTable())
	doc = generated(doc, "keys", keyTables())
	golden(t, page, doc)

	var file, rec, crm string
	ran := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```(\\w+) (\\w+)\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		form, body := block[2], block[3]
		ran[form]++
		switch form {
		case "file":
			file = body
			accepted(t, body)
		case "contact":
			accepted(t, completed("mappings:\n  - name: m\n    from: erp\n    to: weni\n    contact:\n"+indented(body, 6)))
		case "mapping":
			accepted(t, completed("mappings:\n  - name: m\n    from: erp\n    to: weni\n"+indented(body, 4)))
		case "wrong":
			if plan, _ := Load("doc.yaml", []byte(completed("mappings:\n  - name: m\n    from: erp\n    to: weni\n    contact:\n"+indented(body, 6))), Options{Lookup: environment}); plan != nil {
				t.Errorf("accepted:\n%s", body)
			}
		case "record":
			rec = body
		case "pipedrive":
			crm = body
		case "cases":
			plan, _ := Load("doc.yaml", []byte(file), Options{Lookup: environment})
			results, found := RunCases(plan, "doc.cases.yaml", []byte(body), Options{})
			if len(found) > 0 || len(results) < 2 {
				t.Errorf("%d cases\n%s", len(results), found)
			}
			for _, r := range results {
				if !r.Passed {
					t.Errorf("%s\n%s", r.Name, r.Diff)
				}
			}
		default:
			t.Errorf("nothing runs a block of %s", form)
		}
	}
	if len(ran) != 7 {
		t.Errorf("blocks of %v", ran)
	}
	tables := regexp.MustCompile("(?m)^\\| `(.+?)` \\| (.+?) \\| .+? \\|$")
	_, ofCRM, _ := strings.Cut(doc, "## What a record of Pipedrive looks like")
	ofCRM, _, _ = strings.Cut(ofCRM, "\n## ")
	shown := tables.FindAllStringSubmatch(ofCRM, -1)
	for _, row := range shown {
		if got := outcome(t, row[1], "text", crm); got != row[2] {
			t.Errorf("%s gives %s, not %s", row[1], got, row[2])
		}
	}
	if len(shown) < 6 {
		t.Errorf("only %d rows are about Pipedrive", len(shown))
	}
	rows := tables.FindAllStringSubmatch(doc, -1)
	for _, row := range rows {
		if got := outcome(t, row[1], "text", rec); strings.Contains(doc[:strings.Index(doc, row[0])], "```json record") && !strings.Contains(doc[:strings.Index(doc, row[0])], "## Who it is for") && got != row[2] {
			t.Errorf("%s gives %s, not %s", row[1], got, row[2])
		}
		if strings.Contains(row[0], "on 20 November") {
			break
		}
	}
	if len(rows) < 20 {
		t.Errorf("only %d rows", len(rows))
	}
}

// accepted wants a file to be taken without a word.
func accepted(t *testing.T, text string) {
	t.Helper()
	if _, found := Load("doc.yaml", []byte(text), Options{Lookup: environment}); slices.ContainsFunc(found, func(d Diagnostic) bool { return !strings.Contains(d.Message, "opt_out") }) || found.HasErrors() {
		t.Errorf("%s\n%s", text, found)
	}
}

// generated puts text between the markers of a part of the page.
func generated(doc, part, text string) string {
	begin, end := "<!-- "+part+" -->\n", "<!-- /"+part+" -->"
	head, rest, _ := strings.Cut(doc, begin)
	_, tail, _ := strings.Cut(rest, end)
	return head + begin + text + end + tail
}

func functionTable() string {
	var b strings.Builder
	b.WriteString("| Written | gives |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(functions[name].use, "|", `\|`), functions[name].doc)
	}
	b.WriteString("\nThese look at the rows of a list, one by one. Inside them, `.field` is a part of the row, `#` the row itself and\n`#index` its number.\n\n")
	b.WriteString("| Written | gives |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(loops)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", loops[name].use, loops[name].doc)
	}
	return b.String()
}

func keyTables() string {
	l := &loader{file: &file{}, plan: &Plan{}}
	var b strings.Builder
	var walk func(path string, keys []key)
	walk = func(path string, keys []key) {
		fmt.Fprintf(&b, "\n**%s**\n\n", path)
		for _, k := range keys {
			extra := ""
			if len(k.only) > 0 {
				extra = " (" + listed(k.only).in("en") + ")"
			}
			fmt.Fprintf(&b, "- `%s`%s: %s\n", k.name, extra, k.doc)
		}
		for _, k := range keys {
			below := strings.TrimPrefix(path+"."+k.name, "the file.")
			switch v := k.value.(type) {
			case groupValue:
				walk(below, v.keys())
			case namedValue:
				walk(below+".NAME", v.keys())
			case listValue:
				walk(below+"[]", v.keys())
			}
		}
	}
	walk("the file", l.table())
	return strings.TrimPrefix(b.String(), "\n")
}
