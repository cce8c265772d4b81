package mapping

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"syncer/internal/contact"
)

// noon is the moment at which tests map: a Friday in São Paulo.
var noon = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)

// load is a plan that must be good, of a file that the surroundings complete.
func load(t testing.TB, text string) *Plan {
	t.Helper()
	plan, found := Load("mappings.yaml", []byte(completed(text)), Options{Lookup: environment})
	if plan == nil {
		t.Fatalf("not accepted:\n%s", found)
	}
	return plan
}

// record decodes a record that must be good.
func record(t testing.TB, text string) map[string]any {
	t.Helper()
	r, err := DecodeRecord([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func field(expr, typ string) string {
	return "mappings:\n  - name: m\n    from: erp\n    to: weni\n    contact:\n      phones: =record.fones\n      fields:\n        f: {value: " +
		singleQuoted("="+expr) + ", type: " + typ + "}\n"
}

// outcome is what an expression makes of a record: its text, "absent", "blank" or "! " and what a person is
// told.
func outcome(t testing.TB, expr, typ, rec string) string {
	t.Helper()
	c := load(t, field(expr, typ)).Map("erp", record(t, rec), noon)[0]
	for _, p := range c.Problems {
		if p.Attr == "fields.f" {
			if p.Fatal {
				t.Errorf("%s: a field may not stop a record", expr)
			}
			return "! " + p.Message
		}
	}
	switch f := c.Fields["f"]; f.State {
	case contact.Absent:
		return "absent"
	case contact.Blank:
		return "blank"
	default:
		return f.Value
	}
}

// crm is a record with everything that CRMs do to values.
const crm = `{
	"id": 4821, "big": 9007199254740993, "huge": 123456789012345678901234567890, "nome": "MARIA  D'ÁVILA DA SILVA", "vazio": "", "branco": "  ", "nulo": null,
	"sim": true, "nao": false, "S": "S", "N": "N", "talvez": "talvez", "um": 1, "zero": 0,
	"vencidos": "2", "limite": "1.234,56", "quantia": {"value": 1500.5, "currency": "BRL"}, "sem_quantia": {"value": null, "currency": "BRL"}, "total": 1500000.5, "pequeno": 0.1, "negativo": -3,
	"alterado": "20/11/2026 10:41:07", "dia": "05/03/2026", "iso": "2026-11-20T13:41:07Z", "impossivel": "31/02/2026", "zerada": "0000-00-00",
	"fones": ["84 99000-0101"], "tags": ["VIP", "Ouro"], "ids": [12, 15], "lista": [], "mista": [false, 0],
	"rows": [{"value": "a", "primary": false}, {"value": "b"}, {"value": "c", "primary": true}],
	"pedidos": [{"total": "10.50"}, {"total": 2}, {}], "endereco": {"cidade": "Natal", "uf": "RN"}, "php": [],
	"Última compra": "2026-01-02", "cpf": "529.982.247-25", "texto": "linha 1\nlinha 2"
}`

func TestExpressions(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		// Absence is not an error and not a value: it goes through everything.
		{`record.nmae`, "absent"}, {`record.a.b.c`, "absent"}, {`record.tags[9]`, "absent"}, {`record.rows[9]?.value`, "absent"}, {`record.rows[3].value`, "absent"},
		{`string(len(record.x))`, "absent"}, {`"VIP" in record.x ? "a" : "b"`, "absent"}, {`record.x in record.tags ? "a" : "b"`, "absent"},
		{`record.x > 5 ? "a" : "b"`, "absent"}, {`record.x == "A" ? "a" : "b"`, "absent"}, {`record.x != "A" ? "a" : "b"`, "absent"},
		{`join(map(record.x, .y))`, "absent"}, {`find(record.x, .y)`, "absent"}, {`record.nome + record.x`, "absent"}, {`upper(record.x)`, "absent"},
		{`text("a", record.x)`, "absent"}, {`string(record.x)`, "absent"}, {`-record.x`, "absent"}, {`not record.x ? "a" : "b"`, "absent"},
		{`record.x ?? record.y`, "absent"}, {`first(record.x, record.y)`, "absent"}, {`first(record.x, record.vazio)`, "absent"}, {`record.x contains "a" ? "a" : "b"`, "absent"},
		{`record.x matches "a" ? "a" : "b"`, "absent"}, {`record.x[0:2]`, "absent"}, {`sum(record.x)`, "absent"}, {`date_br(record.x)`, "absent"},
		{`find(record.rows, .nope).value`, "absent"}, {`any(record.rows, .nope == "x") ? "a" : "b"`, "absent"}, {`all(record.rows, .primary) ? "a" : "b"`, "b"},
		{`none(record.rows, .nope) ? "a" : "b"`, "absent"}, {`one(record.rows, .nope) ? "a" : "b"`, "absent"}, {`last(record.lista)`, "absent"},
		// What one side decides alone holds.
		{`record.x or record.sim ? "a" : "b"`, "a"}, {`record.sim or record.x ? "a" : "b"`, "a"}, {`record.x and record.nao ? "a" : "b"`, "b"},
		{`record.x and record.sim ? "a" : "b"`, "absent"}, {`record.x or record.nao ? "a" : "b"`, "absent"}, {`record.nao && record.talvez ? "a" : "b"`, "b"},
		{`record.x == nil ? "none" : "some"`, "none"}, {`record.nulo == nil ? "none" : "some"`, "none"}, {`record.nome != nil ? "some" : "none"`, "some"}, {`nil == record.vazio ? "none" : "some"`, "some"},
		// Null and blank are statements.
		{`record.nulo`, "blank"}, {`record.vazio`, "blank"}, {`record.branco`, "blank"}, {`record.nulo.x`, "blank"}, {`record.php.cidade`, "blank"}, {`upper(record.nulo)`, "blank"},
		{`text("a", record.vazio)`, "blank"}, {`text("a", record.nulo)`, "blank"}, {`record.nome + record.nulo`, "blank"}, {`string(record.nulo)`, "blank"},
		{`len(record.nulo)`, "0"}, {`"VIP" in record.nulo ? "a" : "b"`, "b"}, {`record.nulo == "A" ? "a" : "b"`, "b"}, {`not record.nulo ? "a" : "b"`, "a"},
		{`record.x ?? ""`, "blank"}, {`record.x ?? "?"`, "?"}, {`record.vazio ?? "?"`, "?"}, {`first(record.x, record.vazio, record.nulo, "z")`, "z"}, {`first(record.lista) ?? "?"`, "?"},
		{`date_br(record.zerada)`, "blank"}, {`number_br(record.branco)`, "blank"}, {`record.nulo > 5`, "blank"}, {`yes(record.vazio)`, "blank"},
		// Numbers keep their digits.
		{`record.id`, "4821"}, {`string(record.id)`, "4821"}, {`record.big`, "9007199254740993"}, {`record.huge`, "123456789012345678901234567890"}, {`record.total`, "1500000.5"}, {`record.pequeno`, "0.1"},
		{`record.id == "4821" ? "same" : "other"`, "same"}, {`"4821" == record.id ? "same" : "other"`, "same"}, {`"4821" in [record.id] ? "in" : "out"`, "in"}, {`"12" in record.ids ? "in" : "out"`, "in"},
		{`record.vencidos > 0 ? "late" : "fine"`, "late"}, {`record.vencidos > "10" ? "more" : "less"`, "less"}, {`record.vencidos * 2`, "4"}, {`6 / 3`, "2"}, {`7 / 2`, "3.5"}, {`7 % 4`, "3"}, {`2 ** 10`, "1024"},
		{`9223372036854775807 + 1`, "9223372036854776000"}, {`record.negativo * -1`, "3"}, {`round(2.5)`, "3"}, {`int("7.9")`, "7"}, {`abs(record.negativo)`, "3"}, {`max(1, 3, 2)`, "3"}, {`min([4, 2])`, "2"},
		{`sum(record.pedidos, .total)`, "12.5"}, {`sum(map(record.pedidos, .total))`, "12.5"}, {`number_br(record.limite)`, "1234.56"}, {`number_br(record.quantia)`, "1500.5"}, {`number_br(record.sem_quantia)`, "blank"}, {`number_br("R$ 1.234")`, "1234"}, {`number_br("12.5")`, "12.5"}, {`number_br("-0,50")`, "-0.5"}, {`number_br("1.234.567,8")`, "1234567.8"},
		// Text.
		{`title(record.nome)`, "Maria D'Ávila da Silva"}, {`title("JOSÉ E MARIA DOS SANTOS-LIMA")`, "José e Maria dos Santos-Lima"}, {`squeeze("  a \u00a0 b\n")`, "a b"}, {`lower("SÃO LUÍS")`, "são luís"}, {`upper("são luís")`, "SÃO LUÍS"},
		{`text(record.id, "/", record.total)`, "4821/1500000.5"}, {`trim("  x ")`, "x"}, {`replace("a-b", "-", "")`, "ab"}, {`split("a,b", ",")[1]`, "b"}, {`join(record.tags, ", ")`, "VIP, Ouro"}, {`"abc"[1:]`, "bc"}, {`"ação"[0:2]`, "aç"},
		{`indexOf("ação", "o")`, "3"}, {`len("ação")`, "4"}, {`record.texto`, "linha 1\nlinha 2"}, {`cpf(record.cpf)`, "52998224725"}, {`phone("(84) 9000-0101")`, "+5584990000101"}, {`phone("9000-0101", "84")`, "+5584990000101"},
		{`record["Última compra"]`, "2026-01-02"}, {`record.nome | lower() | squeeze()`, "maria d'ávila da silva"}, {`toJSON(record.endereco)`, `{"cidade":"Natal","uf":"RN"}`}, {`fromJSON("{\"a\": 12345678901234567}").a`, "12345678901234567"},
		{`trimPrefix("55849", "55")`, "849"}, {`trimSuffix("a.0", ".0")`, "a"}, {`hasPrefix(record.cpf, "529") and hasSuffix(record.cpf, "25") ? "a" : "b"`, "a"}, {`trim("--a--", "-")`, "a"}, {`repeat("ab", 2)`, "abab"}, {`float("2.5")`, "2.5"}, {`floor(2.7)`, "2"}, {`ceil(2.1)`, "3"}, {`date("2026-11-20").Month()`, "11"},
		{`record.nome matches "^MARIA" ? "a" : "b"`, "a"}, {`record.nome matches text("^", "MARIA") ? "a" : "b"`, "a"}, {`record.nome not matches "x" ? "a" : "b"`, "a"}, {`record.nome startsWith "MARIA" and record.nome endsWith "SILVA" ? "a" : "b"`, "a"}, {`record.id contains "82" ? "a" : "b"`, "a"}, {`record.nulo contains "a" ? "a" : "b"`, "b"},
		{`today + duration("36h") > today + days(1) ? "a" : "b"`, "a"}, {`days(1) == duration("24h") ? "a" : "b"`, "a"}, {`days(3) - days(1) < days(2) * 2 ? "a" : "b"`, "a"}, {`(date_br(record.alterado) - duration("41m")).Hour()`, "10"}, {`string(-days(1))`, "-24h0m0s"}, {`days(1) + today`, "2026-11-21"}, {`[1, 2] == [1, 2] ? "a" : "b"`, "a"}, {`record.endereco == {"cidade": "Natal", "uf": "RN"} ? "a" : "b"`, "a"},
		{`3 - 5`, "-2"}, {`-(2.5)`, "-2.5"}, {`+3`, "3"}, {`"2" * "3"`, "6"}, {`9007199254740993 * 3`, "27021597764222979"}, {`max("b", "a")`, "b"}, {`record.id != 4821 ? "a" : "b"`, "b"}, {`date_br(record.alterado) - date_br(record.alterado) == duration("0s") ? "a" : "b"`, "a"}, {`true == true ? "a" : "b"`, "a"}, {`toJSON([today, days(1)])`, `["2026-11-20","24h0m0s"]`},
		// Lists.
		{`find(record.rows, .primary).value`, "c"}, {`filter(record.rows, .primary)[0].value`, "c"}, {`findIndex(record.rows, .primary)`, "2"}, {`findLast(record.rows, .value < "c").value`, "b"}, {`count(record.rows, .primary)`, "1"}, {`any(record.rows, .value == "b") ? "a" : "b"`, "a"},
		{`join(map(record.rows, .primary), "-")`, "false-true"}, {`join(map(record.rows, #index), "")`, "012"}, {`join(sort(record.tags))`, "OuroVIP"}, {`join(reverse(record.tags))`, "OuroVIP"}, {`first(record.tags)`, "VIP"}, {`last(record.tags)`, "Ouro"}, {`join(take(record.tags, 1))`, "VIP"},
		{`join(uniq(["a", "b", "a"]))`, "ab"}, {`join(flatten([["a"], [["b"]]]))`, "ab"}, {`join(concat(record.tags, record.nulo, ["x"]))`, "VIPOurox"}, {`join(keys(record.endereco))`, "cidadeuf"}, {`join(values(record.endereco))`, "NatalRN"}, {`get(record.endereco, "uf")`, "RN"}, {`record.tags[-1]`, "Ouro"},
		{`join(map(sortBy(record.rows, .value, "desc"), .value))`, "cba"}, {`len(groupBy(record.rows, .value))`, "3"}, {`reduce(1..4, #acc + #)`, "10"}, {`let x = record.id; x + 1`, "4822"}, {`{"VIP": "sim"}[record.tags[0]]`, "sim"},
		{`len(record.tags) == 2 and "VIP" in record.tags ? "a" : "b"`, "a"}, {`"cidade" in record.endereco ? "a" : "b"`, "a"}, {`if record.sim {"a"} else {"b"}`, "a"},
		// Yes and no.
		{`yes(record.S)`, "true"}, {`yes(record.N)`, "false"}, {`yes(record.um)`, "true"}, {`yes("Sim")`, "true"}, {`yes("não")`, "false"}, {`record.S ? "a" : "b"`, "a"}, {`not record.N ? "a" : "b"`, "a"},
		// Dates.
		{`date_br(record.alterado)`, "2026-11-20T10:41:07-03:00"}, {`date_br(record.dia)`, "2026-03-05"}, {`date_br(record.iso)`, "2026-11-20T10:41:07-03:00"}, {`date("2026-11-20")`, "2026-11-20"}, {`today`, "2026-11-20"}, {`today - days(20)`, "2026-10-31"},
		{`(today - date_br(record.dia)).Hours()`, "6240"}, {`today - date_br(record.dia) > days(90) ? "cold" : "warm"`, "cold"}, {`date_br(record.alterado) == today ? "a" : "b"`, "a"}, {`record.iso < today ? "a" : "b"`, "b"}, {`date_br(record.alterado).Year()`, "2026"}, {`today.Weekday()`, "5"},
		{`today == "2026-11-20" ? "a" : "b"`, "a"}, {`record.iso >= date("2026-11-01") ? "a" : "b"`, "a"},
		// Faults speak of the paths and what they are, never of the values.
		{`record.N == false ? "a" : "b"`, `! record.N is text and false is true or false: write yes(record.N), which reads true, "S", "sim", 1 and their opposites`},
		{`record.sim == "true" ? "a" : "b"`, `! record.sim is true or false and "true" is text: write yes("true")`}, {`record.um == true ? "a" : "b"`, `! record.um is a number and true is true or false: write yes(record.um)`},
		{`record.zero == "N" ? "a" : "b"`, `! "N" is text that is no plain number and record.zero is a number`}, {`"N" in record.mista ? "a" : "b"`, `! true or false is in the list record.mista, which cannot be compared with text`},
		{`record.limite > 5 ? "a" : "b"`, `! record.limite is text that is no plain number and 5 is a number: write number_br(record.limite)`}, {`yes(record.talvez)`, `! record.talvez holds a word that is neither yes nor no`},
		{`record.nome or record.vazio ? "a" : "b"`, `! record.nome is text, not true or false`}, {`record.rows.value`, `! record.rows is a list: take one row with record.rows[0].value, or all with map(record.rows, .value)`}, {`record.nome.x`, `! record.nome is text and has no parts`},
		{`record.id + " a"`, `! + cannot join a number and text: write text(record.id, " a") to join`}, {`record.tags`, `! this is a list: write join(…, ", ") to make one text of it`}, {`record.endereco`, `! this is an object, not text`}, {`record.tags == "VIP" ? "a" : "b"`, `! record.tags is a list: write "VIP" in record.tags`},
		{`"VIP" in record.nome ? "a" : "b"`, `! record.nome is text, not a list: write record.nome contains "VIP"`}, {`record.tags contains "VIP" ? "a" : "b"`, `! record.tags is a list: write "VIP" in record.tags`}, {`1 / 0`, `! 0 is zero`}, {`date_br(record.impossivel)`, `! record.impossivel is no date that exists`},
		{`date_br(record.dia) > record.nome ? "a" : "b"`, `! date_br(record.dia) is a date and record.nome is text: write date_br(record.nome)`}, {`number_br("1.23,4")`, `! "1.23,4" is text that is no number such as 1.234,56`}, {`number_br(record.endereco)`, `! record.endereco is an object, not a number`}, {`cpf("111.111.111-11")`, `! "111.111.111-11" is no valid CPF`}, {`upper(record.tags)`, `! record.tags is a list, not text`},
		{`len(record.id)`, `! record.id is a number and has no length`}, {`map(record.nome, .x)`, `! record.nome is text, not a list`}, {`phone("0800 700 0101")`, `! "0800 700 0101" is no telephone number: it is a service number`}, {`join(record.rows)`, `! record.rows has rows that are an object, not text`}, {`int(record.limite)`, `! record.limite is text, not a plain number`},
		{`sum(record.tags)`, `! record.tags is text, not a number`}, {`1..1000000`, `! this does too much work`}, {`repeat("abc", 100000)`, `! this does too much work`}, {`len(map(1..9999, map(1..9999, #)))`, `! this does too much work`}, {`record.nome - 1`, `! record.nome is text, not a number`}, {`2 ** 5000`, `! the result is no number`},
		{`duration("soon")`, `! "soon" is no length of time`}, {`days("x")`, `! "x" is no number of days`}, {`5 % 0`, `! % needs two whole numbers`}, {`record.nome.Year()`, `! record.nome is text, not a date`}, {`today.Hours()`, `! today is a date, not a length of time`}, {`1.5..3`, `! .. needs two whole numbers`}, {`max(1, "a")`, `! text and a number cannot be compared`}, {`record.endereco == 1 ? "a" : "b"`, `! record.endereco is an object and 1 is a number: they cannot be compared`},
		{`record.nome == today ? "a" : "b"`, `! today is a date and record.nome is text: write date_br(record.nome)`}, {`record.nome matches "(" + record.nome ? "a" : "b"`, `! "(" + record.nome is not a regular expression`}, {`{(record.tags): 1}`, `! a key must be text`}, {`record.endereco[record.tags]`, `! a key in [ ] must be text`}, {`record.fones[record.nome]`, `! record.fones is a list: take one row with record.fones[0]["…"]`}, {`record.id[1:2]`, `! record.id is a number and cannot be cut`}, {`"abc"["a":]`, `! [:] needs whole numbers`},
		{`sortBy(record.mista, #)`, `! # is a number in one row and true or false in another`}, {`take(record.tags, "x")`, `! "x" is no number of rows`}, {`keys(record.tags)`, `! record.tags is a list, not an object`}, {`fromJSON("{")`, `! "{" is no JSON`},
		{`not record.nome ? "a" : "b"`, `! record.nome is text, not true or false`}, {`filter(record.rows, .value)`, `! .value is text, not true or false`}, {`record.nome matches record.nulo ? "a" : "b"`, `! record.nulo is empty, not a pattern`},
	} {
		if got := outcome(t, c.expr, "text", crm); got != c.want && (!strings.HasPrefix(c.want, "! ") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

// TestPlainValues maps records that adapters built in Go rather than decoded: their values count as what they are.
func TestPlainValues(t *testing.T) {
	type word string
	plan := load(t, field(`join([record.a, record.b, record.c, record.d, record.e[1], record.f[0].x, record.g.k, record.h, record.i, record.j, record.k, record.l, record.m[0], record.n ?? "none", record.o ?? "none"], " ")`, "text"))
	seven := int64(7)
	c := plan.Map("erp", map[string]any{"a": json.Number("12345678901234567"), "b": int64(1), "c": uint8(2), "d": float32(0.5), "e": []string{"x", "y"}, "f": []map[string]any{{"x": "z"}},
		"g": map[string]string{"k": "v"}, "h": word("w"), "i": time.Date(2026, 11, 20, 13, 41, 7, 500e6, time.UTC), "j": uint64(math.MaxUint64), "k": &seven, "l": true, "m": []int{9}, "n": (*int)(nil), "o": struct{}{}}, noon)[0]
	if want := "12345678901234567 1 2 0.5 y z v w 2026-11-20T13:41:07.500000+00:00 18446744073709551615 7 true 9 none none"; c.Fields["f"].Value != want {
		t.Errorf("\n got %s\nwant %s (%s)", c.Fields["f"].Value, want, problems(c))
	}
}

func TestFieldForms(t *testing.T) {
	long := strings.Repeat("á", 641)
	for _, c := range []struct{ typ, expr, rec, want string }{
		{"text", "record.x", `{"x": "  a \r\n b "}`, "a \n b"},
		{"text", "record.x", `{"x": "a\u0000b"}`, "! the value contains control characters"},
		{"text", "record.x", `{"x": "` + long + `"}`, "! the value has more than 640 characters, and the target would cut it"},
		{"text", "record.x", `{"x": "` + long[2:] + `"}`, long[2:]},
		{"text", "record.x", `{"x": true}`, "true"},
		{"numeric", "record.x", `{"x": 12}`, "12"}, {"numeric", "record.x", `{"x": "12.3000"}`, "12.3"}, {"numeric", "record.x", `{"x": "-007"}`, "-7"}, {"numeric", "record.x", `{"x": "-0.0"}`, "0"}, {"numeric", "record.x", `{"x": 1e3}`, "1000"},
		{"numeric", "record.x", `{"x": "12345678901234567890.10"}`, "12345678901234567890.1"},
		{"numeric", "record.x", `{"x": "1.234,56"}`, "! this text is no plain number: write number_br(…)"}, {"numeric", "record.x", `{"x": "+5"}`, "! this text"}, {"numeric", "record.x", `{"x": "1e3"}`, "! this text"}, {"numeric", "record.x", `{"x": true}`, "! this is true or false, not a number"},
		{"numeric", "number_br(record.x)", `{"x": "1.234,56"}`, "1234.56"}, {"numeric", "record.x", `{"x": " "}`, "blank"},
		{"datetime", "record.x", `{"x": "2017-11-11T11:12:13Z"}`, "2017-11-11T09:12:13-02:00"}, {"datetime", "record.x", `{"x": "2017-11-11"}`, "2017-11-11T12:00:00-02:00"}, {"datetime", "record.x", `{"x": "2026-11-11 11:12:13"}`, "2026-11-11T11:12:13-03:00"},
		{"datetime", "record.x", `{"x": "2020-01-31T09:27:39.071299-03:00"}`, "2020-01-31T09:27:39.071299-03:00"}, {"datetime", "record.x", `{"x": "2026-11-11T11:12:13+0000"}`, "2026-11-11T08:12:13-03:00"}, {"datetime", "record.x", `{"x": "0000-00-00"}`, "blank"},
		{"datetime", "record.x", `{"x": "31/12/2026"}`, "! this text is no date such as 2026-11-20: write date_br(…) for 20/11/2026"}, {"datetime", "record.x", `{"x": 1795182930}`, "! this is a number, not a date"}, {"datetime", "record.x", `{"x": "2026-02-30"}`, "! this text is no date"},
		{"datetime", "date_br(record.x)", `{"x": "31/12/2026"}`, "2026-12-31T12:00:00-03:00"}, {"datetime", "date_br(record.x)", `{"x": "20/11/2026 10:41:07"}`, "2026-11-20T10:41:07-03:00"}, {"datetime", "date_br(record.x)", `{"x": "29/02/2027"}`, "! record.x is no date"},
		// Midnight of 4 November 2018 did not exist in São Paulo; Go would answer with the 3rd.
		{"datetime", "date_br(record.x)", `{"x": "04/11/2018"}`, "2018-11-04T12:00:00-02:00"}, {"datetime", "date_br(record.x)", `{"x": "04/11/2018 00:00:00"}`, "2018-11-04T01:00:00-02:00"}, {"datetime", "date_br(record.x) + days(1)", `{"x": "03/11/2018"}`, "2018-11-04T12:00:00-02:00"},
		{"datetime", "today", `{}`, "2026-11-20T12:00:00-03:00"},
	} {
		if got := outcome(t, c.expr, c.typ, c.rec); got != c.want && (!strings.HasPrefix(c.want, "! ") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s %s of %.60s\n got %s\nwant %s", c.typ, c.expr, c.rec, got, c.want)
		}
	}
}
