package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"syncer/internal/console"
)

// TestEveryWordInPortuguese: whoever asks for help in Portuguese gets it, of every command and flag.
func TestEveryWordInPortuguese(t *testing.T) {
	english := map[string]string{}
	for cmd := range everyCommand(newBench().root()) {
		english[cmd.CommandPath()] = cmd.Short
		english[cmd.CommandPath()+" long"] = cmd.Long
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { english[cmd.CommandPath()+" --"+f.Name] = f.Usage })
	}
	for cmd := range everyCommand(newBench("LANG=pt_BR.UTF-8").root()) {
		if strings.HasPrefix(cmd.CommandPath(), "syncer completion ") {
			continue // cobra's own
		}
		said := func(what, text string) {
			if text != "" && text == english[what] && what != "syncer completion long" && what != "syncer help long" {
				t.Errorf("%s: %q in both languages", what, text)
			}
		}
		said(cmd.CommandPath(), cmd.Short)
		said(cmd.CommandPath()+" long", cmd.Long)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { said(cmd.CommandPath()+" --"+f.Name, f.Usage) })
	}
}

// TestLanguageOfTheEnvironment: LC_ALL goes before LC_MESSAGES, and that before LANG.
func TestLanguageOfTheEnvironment(t *testing.T) {
	for want, environ := range map[string][]string{
		"Imprime a versão":   {"LC_ALL=pt_BR.UTF-8", "LC_MESSAGES=en_US.UTF-8", "LANG=en_US.UTF-8"},
		"Prints the version": {"LC_MESSAGES=en_US.UTF-8", "LANG=pt_BR.UTF-8"},
	} {
		b := newBench(environ...)
		b.expect(t, 0, "version --help", want)
	}
	newBench("LANG=pt_BR.UTF-8").expect(t, 0, "env", "O arquivo de mapeamento", "VARIÁVEL")
	newBench("LANG=pt_BR.UTF-8", "SYNCER_LOG_LEVEL=loud", "SYNCER_LISTN=:1").expect(t, 2, "env", "não é nenhum de debug", `não há essa variável; você quis dizer SYNCER_LISTEN`)
	newBench("LANG=pt_BR.UTF-8").expect(t, 2, "sandbox hubspot", `não há simulador de "hubspot"`, "Tente: ")
}

// TestMapWithoutNames: without a token the names of custom fields cannot be known, which is no mistake of the mapping.
//
// At first it warned that `record.custom_fields.Cidade` is in none of the records.
func TestMapWithoutNames(t *testing.T) {
	p := newPlace(t)
	record := p.write(t, "record.json", `{"id":7,"name":"Maria das Dores","phones":[{"value":"84 99000-0101"}],"label_ids":[],"custom_fields":{"dbe8e6a04df8a1a5f9a8b9d2c14a5a1c0f7a55ce":"Natal"}}`)
	bare := *p
	bare.environ = p.environ[:1]
	b := bare.bench()
	b.expect(t, 0, "map "+record, "their names are known only with the API token of crm", "record.sair is in none of the records")
	if text := b.err.String(); strings.Contains(text, "custom_fields") {
		t.Errorf("it speaks of custom fields:\n%s", text)
	}
	b = p.bench()
	b.expect(t, 0, "map "+record, "record.custom_fields.Cidade is in none of the records")
	if text := b.err.String(); strings.Contains(text, "token") {
		t.Errorf("it speaks of a token that it has:\n%s", text)
	}
}

// TestCheckOfASourceThatIsAway ends with 1, and one whose record has another name for a field with a hint.
func TestCheckOfASourceThatIsAway(t *testing.T) {
	p := newPlace(t)
	b := p.bench()
	b.expect(t, 0, "check", "✓ source crm: the list answers: 12 records on its first page", "record.sair is in none of the records")
	p.write(t, "mappings.yaml", fmt.Sprintf(strings.Replace(mappingFile, "custom_fields.Cidade", "custom_fields.Cidadee", 1), "http://127.0.0.1:1", "http://127.0.0.1:1"))
	b.expect(t, 1, "check", "✗ source crm: ", "cannot be reached")
	q := newPlace(t)
	text := strings.Replace(read(t, q), "custom_fields.Cidade", "custom_fields.Cidadee", 1)
	q.write(t, "mappings.yaml", text)
	q.bench().expect(t, 0, "check", `record.custom_fields.Cidadee is in none of the records that were looked at, did you mean "Cidade"?`)
}

func read(t *testing.T, p *place) string {
	t.Helper()
	data, err := p.bench().read(filepath.Join(p.dir, "mappings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestErrorsForPrograms: with --output json an error is JSON too, on stderr.
func TestErrorsForPrograms(t *testing.T) {
	b := newBench()
	b.fake.Err = console.Errorf(console.Busy, "the state is being compacted")
	for line, want := range map[string]complaint{
		"status -o json":                    {Error: "the state is being compacted", Kind: "busy"},
		"dead retry --output json":          {Error: "say which: an id, --target, --kind, or else --all", Kind: "bad_request"},
		"apply x --limit 0 --output=json":   {Error: `--limit "0": it must be a whole number of at least 1`, Kind: "bad_request", Try: "syncer apply --help"},
		"apply x -o json --only 1,crm/1":    {Error: `--only "1,crm/1": "1" is not a record key; write it as source/id, for example crm/4821`, Kind: "bad_request", Try: "syncer apply --help"},
		"test --output json nowhere.t.yaml": {Kind: "bad_request"},
	} {
		b.do(t, line)
		var got complaint
		if err := json.Unmarshal(b.err.Bytes(), &got); err != nil || b.out.Len() > 0 {
			t.Errorf("%s: %v\n%s%s", line, err, b.out.String(), b.err.String())
			continue
		}
		if want.Error == "" {
			want.Error, want.Try = got.Error, got.Try
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
}

// TestDates: what the state counts in microseconds is a date for programs, and nothing else is touched.
func TestDates(t *testing.T) {
	in := "{\n  \"at\": 1795175940000000,\n  \"records\": 1795175940000000,\n  \"started\": 12,\n  \"text\": \"\\\"at\\\": 1795175940000000\",\n  \"ended\": 1795175940500000\n}\n"
	want := "{\n  \"at\": \"2026-11-20T11:59:00Z\",\n  \"records\": 1795175940000000,\n  \"started\": 12,\n  \"text\": \"\\\"at\\\": 1795175940000000\",\n  \"ended\": \"2026-11-20T11:59:00.5Z\"\n}\n"
	if got := string(dated([]byte(in))); got != want || !json.Valid([]byte(got)) {
		t.Errorf("%s", got)
	}
}
