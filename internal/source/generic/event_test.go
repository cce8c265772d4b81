package generic

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/mapping"

	"syncer/internal/source/rawjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var saoPaulo = func() *time.Location {
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		panic(err)
	}
	return zone
}()

// loja is the source of the documentation's example.
func loja() mapping.Source {
	return mapping.Source{
		Name: "loja", Kind: "generic", Webhook: &mapping.Webhook{Auth: "hmac"},
		Event: &mapping.Event{ID: "id", Type: "type", Time: "created", TimeAs: "unix", Otherwise: "upsert", Into: "into.id",
			As: map[string]string{"customer.deleted": "delete", "customer.merged": "merge", "customer.stop": "opt_out", "ping": "ignore"}},
		Record: &mapping.Record{At: "data", ID: "id", Version: "updated_at", VersionAs: "rfc3339", Payload: contact.Full, Deleted: "deleted_at"},
	}
}

func build(t testing.TB, spec mapping.Source) *Source {
	t.Helper()
	s, err := New(spec, Deps{Zone: saoPaulo})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func us(text string) int64 {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at.UnixMicro()
}

func TestDecodeGolden(t *testing.T) {
	events, err := build(t, loja()).Decode(nil, load(t, "loja.json"))
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	e := events[0]
	want := contact.Version{Source: us("2026-11-20T14:05:09Z"), Event: 1795183509e6}
	if e.ID != "evt_01JD0001" || e.Kind != contact.Upsert || e.Key.String() != "loja/10021" || e.Version != want || e.Shape != contact.Full {
		t.Errorf("%+v", e)
	}
	record, err := build(t, loja()).Record(e.Payload)
	if err != nil || record["nome"] != "Padaria Três Irmãs" || !reflect.DeepEqual(record["tags"], []any{"vip", "atacado"}) {
		t.Error(record, err)
	}
}

func TestKinds(t *testing.T) {
	cases := map[string]struct {
		body, want string
	}{
		"other":          {`{"id":"e","type":"customer.created","data":{"id":5}}`, "upsert loja/5 e"},
		"no type":        {`{"data":{"id":"5"}}`, "upsert loja/5 "},
		"delete":         {`{"type":"customer.deleted","data":{"id":5}}`, "delete loja/5 "},
		"merge":          {`{"type":"customer.merged","data":{"id":5},"into":{"id":6}}`, "merge loja/5  loja/6"},
		"opt-out":        {`{"type":"customer.stop","data":{"id":5}}`, "opt_out loja/5 "},
		"ignored":        {`{"type":"ping"}`, ""},
		"marked deleted": {`{"data":{"id":5,"deleted_at":"2026-11-20T10:00:00Z"}}`, "delete loja/5 "},
		"not deleted":    {`{"data":{"id":5,"deleted_at":null}}`, "upsert loja/5 "},
		"list":           {`[{"id":"a","data":{"id":1}},{"id":"b","type":"ping"},{"id":"c","data":{"id":2}}]`, "upsert loja/1 a, upsert loja/2 c"},
		"empty list":     {`[]`, ""},
		"id with blanks": {`{"data":{"id":" A-1 "}}`, "upsert loja/A-1 "},
		"big id":         {`{"data":{"id":12345678901234567890}}`, "upsert loja/12345678901234567890 "},
		"escaped id":     {`{"data":{"id":"a\u002fb"}}`, "upsert loja/a/b "},
		"last id wins":   {`{"data":{"id":1,"i\u0064":2}}`, "upsert loja/2 "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			events, err := build(t, loja()).Decode(nil, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				line := fmt.Sprint(e.Kind, " ", e.Key, " ", e.ID)
				if !e.Into.IsZero() {
					line += " " + e.Into.String()
				}
				got = append(got, line)
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("got %q", strings.Join(got, ", "))
			}
		})
	}
}

func TestBatchedBody(t *testing.T) {
	spec := loja()
	spec.Event.Items, spec.Record.At, spec.Record.Payload = "lote.itens", "", contact.IDs
	events, err := build(t, spec).Decode(nil, []byte(`{"id":"d1","type":"customer.deleted","created":1795183509,
		"lote":{"itens":[{"id":1},{"id":"own","type":"customer.updated"},{"nome":"Ana"}]}}`))
	if err == nil || strings.Contains(err.Error(), "Ana") || !strings.HasPrefix(err.Error(), "1 of 3 events") {
		t.Errorf("the broken item is not reported: %v", err)
	}
	if len(events) != 2 {
		t.Fatalf("its neighbours are lost: %+v", events)
	}
	if e := events[0]; e.Kind != contact.Delete || e.Key.ID != "1" || e.Payload != nil || e.Shape != contact.IDs || e.Version.Event == 0 {
		t.Errorf("%+v", e)
	}
	if events[1].Kind != contact.Upsert {
		t.Errorf("what the item says goes before what stands beside the list: %+v", events[1])
	}
}

// Two changes to one record in one delivery are two events, also when only the delivery has an id.
func TestDeliveryIDsAreToldApart(t *testing.T) {
	spec := loja()
	spec.Event.ID, spec.Event.Items, spec.Record.At = "delivery", "items", ""
	s := build(t, spec)
	body := []byte(`{"delivery":"d1","items":[{"id":1,"n":1},{"id":1,"n":2}]}`)
	first, err := s.Decode(nil, body)
	if err != nil || len(first) != 2 || first[0].ID == first[1].ID || first[0].ID == "" {
		t.Fatalf("%+v %v", first, err)
	}
	again, _ := s.Decode(nil, body)
	if !reflect.DeepEqual(first, again) {
		t.Error("a retry must have the same ids")
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := map[string]string{
		"empty":           ``,
		"not json":        `Marina`,
		"truncated":       `{"data":{"id":1`,
		"no record":       `{"nome":"Marina"}`,
		"null record":     `{"type":"customer.deleted","data":null}`,
		"text record":     `{"data":"Marina"}`,
		"no id":           `{"data":{"nome":"Marina"}}`,
		"blank id":        `{"data":{"id":"  "}}`,
		"object id":       `{"data":{"id":{}}}`,
		"long id":         `{"data":{"id":"` + strings.Repeat("x", 300) + `"}}`,
		"version":         `{"data":{"id":1,"updated_at":"Marina"}}`,
		"time":            `{"created":"Marina","data":{"id":1}}`,
		"merge to itself": `{"type":"customer.merged","data":{"id":5},"into":{"id":5}}`,
		"merge to nobody": `{"type":"customer.merged","data":{"id":5}}`,
		"scalar":          `5`,
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			events, err := build(t, loja()).Decode(nil, []byte(body))
			if err == nil || len(events) > 0 {
				t.Fatalf("%+v", events)
			}
			if strings.Contains(err.Error(), "Marina") {
				t.Errorf("the error repeats what the body says: %v", err)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	want := us("2026-11-20T13:41:07Z")
	cases := []struct {
		as, said string
		want     int64
	}{
		{"rfc3339", `"2026-11-20T10:41:07-03:00"`, want},
		{"rfc3339", `"2026-11-20T13:41:07.5Z"`, want + 5e5},
		{"unix", `1795182067`, want},
		{"unix", `"1795182067.5"`, want + 5e5},
		{"unix_ms", `1795182067000`, want},
		{"unix_ms", `1.795182067e12`, want},
		{"number", `42`, 42},
		{"number", `"42"`, 42},
		{"dd/mm/yyyy hh:mm:ss", `"20/11/2026 10:41:07"`, want},
		{"yyyy-mm-dd hh:mm:ss", `"2026-11-20 10:41:07"`, want},
		{"yyyy-mm-ddThh:mm:sszz", `"2026-11-20T13:41:07Z"`, want},
		{"dd/mm/yyyy", `"20/11/2026"`, us("2026-11-20T03:00:00Z")},
		{"d/m/yy hh:mm", `"1/2/26 10:41"`, us("2026-02-01T13:41:00Z")},
		{"rfc3339", `null`, 0},
		{"rfc3339", `""`, 0},
	}
	for _, tc := range cases {
		spec := loja()
		spec.Record.VersionAs = tc.as
		events, err := build(t, spec).Decode(nil, []byte(`{"data":{"id":1,"updated_at":`+tc.said+`}}`))
		if err != nil || events[0].Version.Source != tc.want {
			t.Errorf("%s %s: %+v %v", tc.as, tc.said, events, err)
		}
	}
	for as, said := range map[string]string{"unix": `1e300`, "number": `9223372036854775807`, "dd/mm/yyyy": `"11/20/2026"`, "rfc3339": `"2026-11-20"`} {
		spec := loja()
		spec.Record.VersionAs = as
		if events, err := build(t, spec).Decode(nil, []byte(`{"data":{"id":1,"updated_at":`+said+`}}`)); err == nil {
			t.Errorf("%s %s: %+v", as, said, events)
		}
	}
}

// Writing a moment as a parameter and reading it back never skips anything.
func TestClockRoundTrip(t *testing.T) {
	for _, as := range []string{"rfc3339", "unix", "unix_ms", "dd/mm/yyyy hh:mm:ss", "yyyy-mm-ddThh:mm:sszz"} {
		c, err := newClock(as, time.FixedZone("", -3*3600))
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) {
			at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at"))
			got, err := c.read(c.write(at))
			if err != nil || got > at.UnixMicro() || at.UnixMicro()-got >= 1e6 {
				t.Fatalf("%s: %v became %v (%v)", as, at, time.UnixMicro(got), err)
			}
		})
	}
}

func TestLayouts(t *testing.T) {
	for _, bad := range []string{"dd/mm hh:mm", "02/01/2006", "dia dd/mm/yyyy", "x", "iso8601", "yyyy%mm"} {
		if layout, err := goLayout(bad); err == nil {
			t.Errorf("%s became %s", bad, layout)
		}
	}
	for layout, want := range map[string]string{"hh:mm dd/mm/yyyy": "15:04 02/01/2006", "YYYY-MM-DD HH:MM:SS": "2006-01-02 15:04:05", "yymmdd": "060102"} {
		if got, err := goLayout(layout); got != want || err != nil {
			t.Errorf("%s became %s (%v)", layout, got, err)
		}
	}
}

func TestPaths(t *testing.T) {
	body, ok := rawjson.Parse([]byte(` {"a": {"b": [10, {"c.d": "x", "é": 1}, [7]]}, "": {"": 3}, "a\"b": 4, "esc\u0061pe": 5, "n": null} `))
	if !ok {
		t.Fatal("no JSON")
	}
	for p, want := range map[string]string{
		"a.b.0": "10", `a.b.1.c\.d`: "x", "a.b.2.0": "7", ".": "3", `a"b`: "4", "escape": "5", "a.b.1.é": "1",
		"a.b.3": "", "a.b.-1": "", "a.b.x": "", "a.x.y": "", "n": "", "n.x": "", "a": "",
	} {
		if got, _ := parsePath(p).in(body).Text(); got != want {
			t.Errorf("%s: %q", p, got)
		}
	}
}

func TestForms(t *testing.T) {
	spec := mapping.Source{Name: "kommo", Webhook: &mapping.Webhook{Decode: "php_form"},
		Event:  &mapping.Event{Items: "contacts.update"},
		Record: &mapping.Record{ID: "id", Version: "last_modified", VersionAs: "unix"}}
	events, err := build(t, spec).Decode(nil, load(t, "kommo.form"))
	if err != nil || len(events) != 2 {
		t.Fatal(events, err)
	}
	if e := events[1]; e.Key.String() != "kommo/7310023" || e.Version.Source != 1795182930e6 {
		t.Errorf("%+v", e)
	}
	record, err := build(t, spec).Record(events[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"id": "7310022", "name": "Marina Quaresma Lopes", "last_modified": "1795182929",
		"custom_fields": []any{map[string]any{"code": "PHONE", "values": []any{map[string]any{"value": "+5584990000101"}}}}}
	if !reflect.DeepEqual(record, want) {
		t.Errorf("%v", record)
	}
}

func TestFormShapes(t *testing.T) {
	deep := "a" + strings.Repeat("[b]", 40) + "=1"
	many := strings.Repeat("a[]=1&", maxFormKeys+1)
	cases := map[string]struct {
		nested bool
		form   string
		want   string // empty: refused
	}{
		"flat":             {false, "id=1&nome=Ana+Lima&tag=a&tag=b&tag=c", `{"id":"1","nome":"Ana Lima","tag":["a","b","c"]}`},
		"flat brackets":    {false, "a[b]=1", `{"a[b]":"1"}`},
		"no value":         {true, "id&x=", `{"id":"","x":""}`},
		"append":           {true, "t[]=a&t[]=b", `{"t":["a","b"]}`},
		"huge index":       {true, "a[999999999]=1", `{"a":{"999999999":"1"}}`},
		"gap":              {true, "a[0]=x&a[2]=y", `{"a":{"0":"x","2":"y"}}`},
		"any order":        {true, "a[1]=y&a[0]=x", `{"a":["x","y"]}`},
		"conflict":         {true, "a=1&a[b]=2", `{"a":{"b":"2"}}`},
		"conflict back":    {true, "a[b]=2&a=1", `{"a":"1"}`},
		"not closed":       {true, "a[b=1", `{"a[b":"1"}`},
		"text after":       {true, "a[b]c=1", `{"a[b]c":"1"}`},
		"bracket in it":    {true, "a[b[c]]=1", `{"a[b[c]]":"1"}`},
		"only brackets":    {true, "[]=1", `{"[]":"1"}`},
		"ampersands":       {true, "&&a=1&", `{"a":"1"}`},
		"encoded brackets": {true, "a%5B0%5D%5Bid%5D=7", `{"a":[{"id":"7"}]}`},
		"encoding":         {true, "a=%zz", ""},
		"empty":            {true, "", ""},
		"deep":             {true, deep, ""},
		"many":             {true, many, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseForm([]byte(tc.form), tc.nested)
			if (err == nil) != (tc.want != "") || string(got) != tc.want {
				t.Errorf("%s %v", got, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	cases := map[string]func(*mapping.Source){
		"neither":     func(s *mapping.Source) { s.Webhook = nil },
		"no record":   func(s *mapping.Source) { s.Record = nil },
		"no id":       func(s *mapping.Source) { s.Record.ID = "" },
		"decode":      func(s *mapping.Source) { s.Webhook.Decode = "xml" },
		"payload":     func(s *mapping.Source) { s.Record.Payload = "some" },
		"version_as":  func(s *mapping.Source) { s.Record.VersionAs = "iso" },
		"time_as":     func(s *mapping.Source) { s.Event.TimeAs = "number" },
		"time layout": func(s *mapping.Source) { s.Event.TimeAs = "hh:mm" },
		"kind":        func(s *mapping.Source) { s.Event.As["x"] = "explode" },
		"otherwise":   func(s *mapping.Source) { s.Event.Otherwise = "create" },
		"merge":       func(s *mapping.Source) { s.Event.Into = "" },
		"url":         func(s *mapping.Source) { s.List = &mapping.List{URL: "loja/api"} },
		"format":      func(s *mapping.Source) { s.List = &mapping.List{URL: "https://l/", Format: "xml"} },
		"rows":        func(s *mapping.Source) { s.List = &mapping.List{URL: "https://l/", Format: "rows"} },
		"two ways": func(s *mapping.Source) {
			s.List = &mapping.List{URL: "https://l/", Next: mapping.Next{Page: "p", Link: "l"}}
		},
		"cursor": func(s *mapping.Source) { s.List = &mapping.List{URL: "https://l/", Next: mapping.Next{Cursor: "c"}} },
		"since":  func(s *mapping.Source) { s.List = &mapping.List{URL: "https://l/", Since: &mapping.Since{As: "unix"}} },
		"since as": func(s *mapping.Source) {
			s.List = &mapping.List{URL: "https://l/", Since: &mapping.Since{Param: "s", As: "number"}}
		},
		"fetch":          func(s *mapping.Source) { s.Fetch = &mapping.Fetch{URL: "https://l/"} },
		"fetch url":      func(s *mapping.Source) { s.Fetch = &mapping.Fetch{URL: "{id}"} },
		"fetch both":     func(s *mapping.Source) { s.Fetch = &mapping.Fetch{URL: "https://l/{id}", Param: "ids"} },
		"fetch too many": func(s *mapping.Source) { s.Fetch = &mapping.Fetch{URL: "https://l/{id}", Batch: 5} },
	}
	for name, change := range cases {
		spec := loja()
		change(&spec)
		if _, err := New(spec, Deps{}); contact.KindOf(err) != contact.Invalid || !strings.Contains(fmt.Sprint(err), "source loja") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(load(f, "loja.json"))
	f.Add([]byte(`[{"data":{"id":1}},{"data":{"id":"\u0031"}}]`))
	f.Add([]byte(` {"data" : {"id": 1e0 , "updated_at":"2026-11-20T11:05:09-03:00"} } `))
	s := build(f, loja())
	f.Fuzz(func(t *testing.T, body []byte) {
		events, _ := s.Decode(nil, body)
		for _, e := range events {
			if e.Key.ID == "" || !json.Valid(e.Payload) {
				t.Fatalf("half an event: %+v", e)
			}
			if _, err := s.Record(e.Payload); err != nil {
				t.Fatalf("decoded, but no record: %v", err)
			}
		}
	})
}

func FuzzForm(f *testing.F) {
	f.Add(load(f, "kommo.form"), true)
	f.Add([]byte("a[]=1&a[][b]=2&a[x][]=%c3%a9"), true)
	f.Add([]byte("a=1&a=2"), false)
	f.Fuzz(func(t *testing.T, body []byte, nested bool) {
		if got, err := parseForm(body, nested); err == nil && !json.Valid(got) {
			t.Fatalf("no JSON: %s", got)
		}
	})
}

func FuzzLayout(f *testing.F) {
	f.Add("dd/mm/yyyy hh:mm:ss", "20/11/2026 10:41:07")
	f.Add("yyyymmddThhmmsszz", "20261120T104107Z")
	f.Add("unix", "1795182067.25")
	f.Add("unix_ms", "-9223372036854775808")
	f.Fuzz(func(t *testing.T, as, said string) {
		c, err := newClock(as, saoPaulo)
		if err != nil {
			return
		}
		if us, err := c.read(said); err != nil && us != 0 {
			t.Fatal("a version beside an error")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	s, body := build(b, loja()), load(b, "loja.json")
	filler := `"notas":"` + strings.Repeat("sem glúten, entregar pela manhã; ", 50) + `",`
	body = []byte(strings.Replace(string(body), `"nome"`, filler+`"nome"`, 1))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Decode(nil, body); err != nil {
			b.Fatal(err)
		}
	}
}
