package pipedrive

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// named is a source that knows the fields of testdata/<file>.
func named(t testing.TB, file string) *Source {
	t.Helper()
	s, _ := api(t, nil)
	var rows []wireField
	if err := json.Unmarshal(readAnswer(load(t, file)).data, &rows); err != nil {
		t.Fatal(err)
	}
	s.defs.Store(define(rows))
	return s
}

// payloadOf takes the person out of a webhook, as Decode does.
func payloadOf(t testing.TB, s *Source, name string) []byte {
	t.Helper()
	raw := load(t, name)
	if events, err := s.Decode(nil, raw); err == nil {
		return events[0].Payload
	}
	return raw
}

func TestRecordGolden(t *testing.T) {
	for _, name := range []string{"v2-create", "v2-change", "v2-merge", "v2-loose", "v2-typed", "v1-updated", "v1-deleted", "v1-typed", "api-typed"} {
		t.Run(name, func(t *testing.T) {
			s := named(t, "api-fields")
			record, err := s.Record(payloadOf(t, s, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(record, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", "records", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs:\n%s", file, got)
			}
			if s.Stale() {
				t.Error("everything has a name, and yet the record is called stale")
			}
		})
	}
}

// One person must look the same to a mapping whichever way the state arrived.
func TestShapesAgree(t *testing.T) {
	for _, fields := range []string{"api-fields", "api-fields-v1"} {
		s := named(t, fields)
		want, err := s.Record(load(t, "api-typed"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"v2-typed", "v1-typed"} {
			got, err := s.Record(payloadOf(t, s, name))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s:\ngot  %v\nwant %v", fields, name, got, want)
			}
		}
	}
}

func TestAbsentIsNotBlank(t *testing.T) {
	s := named(t, "api-fields")
	record, err := s.Record([]byte(`{"id":1,"first_name":null,"phones":[],"custom_fields":{"7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"name", "emails", "labels", "label_ids", "org_id", "update_time", "marketing_status"} {
		if _, ok := record[absent]; ok {
			t.Errorf("%s is in the record although the payload does not name it", absent)
		}
	}
	custom := record["custom_fields"].(map[string]any)
	if v, ok := custom["Cidade"]; !ok || v != nil {
		t.Error("a field that is null must be there, and blank")
	}
	if _, ok := custom["Segmento"]; ok || len(record["phones"].([]any)) != 0 {
		t.Errorf("record: %v", record)
	}
	if v, ok := record["first_name"]; !ok || v != nil {
		t.Error("first_name must be blank")
	}
	record, _ = s.Record([]byte(`{"id":1,"label":null}`))
	if _, ok := record["custom_fields"]; ok || len(record) != 1 {
		t.Errorf("record: %v", record)
	}
	record, _ = s.Record([]byte(`{"id":1,"label":12}`))
	if !reflect.DeepEqual(record["labels"], []any{"Cliente VIP"}) {
		t.Errorf("record: %v", record)
	}
}

func TestUnknownOptions(t *testing.T) {
	s := named(t, "api-fields")
	payload := []byte(`{"id":1,"name":"Ana","label_ids":[12,99],"custom_fields":{
		"c0ffee5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c1011":43,
		"beef1234e8a4c3d9f6b2a1e0c4d8f7a3b5e9c102":[7,8],
		"9999999999999999999999999999999999999999":"x"}}`)
	read := func() (map[string]any, map[string]any) {
		t.Helper()
		record, err := s.Record(payload)
		if err != nil || record["name"] != "Ana" {
			t.Fatal(record, err)
		}
		return record, record["custom_fields"].(map[string]any)
	}
	record, custom := read()
	if !s.Stale() {
		t.Error("the record is not called stale")
	}
	for _, name := range []string{"Segmento", "Interesses"} {
		if _, ok := custom[name]; ok {
			t.Errorf("%s is stated although its option has no name yet", name)
		}
	}
	if _, ok := record["labels"]; ok || len(record["label_ids"].([]any)) != 2 {
		t.Errorf("labels: %v", record)
	}
	if custom["9999999999999999999999999999999999999999"] != "x" {
		t.Error("an unknown field must keep its value under its code")
	}

	// Definitions that still do not know them: the options were deleted.
	s.unknown.settle(s.unknown.pending())
	record, custom = read()
	if s.Stale() {
		t.Error("stale again, although a refresh has explained nothing")
	}
	if got := record["labels"]; !reflect.DeepEqual(got, []any{"Cliente VIP"}) {
		t.Errorf("labels: %v", got)
	}
	if got := custom["Interesses"]; !reflect.DeepEqual(got, []any{"Pães"}) {
		t.Errorf("Interesses: %v", got)
	}
	if _, ok := custom["Segmento"]; ok {
		t.Error("a deleted option must be left out")
	}
}

func TestWithoutAPI(t *testing.T) {
	s := listener(t)
	record, err := s.Record(payloadOf(t, s, "v2-create"))
	if err != nil || s.Stale() {
		t.Fatal(err, s.Stale())
	}
	if !reflect.DeepEqual(record["labels"], []any{"12", "15"}) {
		t.Errorf("labels: %v", record["labels"])
	}
	if got := record["custom_fields"].(map[string]any)["c0ffee5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c1011"]; got != "41" {
		t.Errorf("enum: %v", got)
	}
}

func TestUnknownsAreBounded(t *testing.T) {
	var u unknowns
	for round := range 5 {
		for i := range 3 * maxUnknown {
			u.add(string(rune('a'+round)) + plain(i))
		}
		u.settle(u.pending())
	}
	if len(u.met) > maxUnknown || len(u.settled) > maxUnknown {
		t.Errorf("%d met, %d settled", len(u.met), len(u.settled))
	}
}

func TestDefinitionsSum(t *testing.T) {
	var rows []wireField
	if err := json.Unmarshal(readAnswer(load(t, "api-fields")).data, &rows); err != nil {
		t.Fatal(err)
	}
	want := define(rows).sum
	shuffled := slices.Clone(rows)
	slices.Reverse(shuffled[:5])
	if got := define(shuffled).sum; got != want {
		t.Error("the order of the fields must not matter")
	}
	rows[0].Name = "Município"
	if got := define(rows).sum; got == want {
		t.Error("a new name must change the sum")
	}
}

func TestTwoFieldsOfOneName(t *testing.T) {
	s := named(t, "api-fields")
	record, err := s.Record([]byte(`{"id":1,"custom_fields":{"8888888888888888888888888888888888888888":"Mossoró","7d2c1f0b5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c10":"Natal"}}`))
	if err != nil {
		t.Fatal(err)
	}
	custom := record["custom_fields"].(map[string]any)
	if custom["Cidade"] != "Natal" || custom["8888888888888888888888888888888888888888"] != "Mossoró" {
		t.Errorf("%v", custom)
	}
}

// Record must survive any JSON object.
func TestRecordNeverPanics(t *testing.T) {
	s := named(t, "api-fields")
	keys := []string{"id", "phones", "phone", "label", "label_ids", "custom_fields", "owner_id", "update_time",
		"c0ffee5e8a4c3d9f6b2a1e0c4d8f7a3b5e9c1011", "1111111111111111111111111111111111111111_currency"}
	for code := range s.defs.Load().fields {
		keys = append(keys, code)
	}
	slices.Sort(keys)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch n := rapid.IntRange(0, 6-2*min(depth, 1)).Draw(t, "kind"); n {
			case 0:
				return nil
			case 1:
				return rapid.Int64().Draw(t, "int")
			case 2:
				return rapid.SampledFrom([]string{"", "7", "7,9", "set", "enum", "2026-11-20", "Ana"}).Draw(t, "text")
			case 3:
				return rapid.Bool().Draw(t, "bool")
			case 4:
				return rapid.Float64Range(-1e9, 1e9).Draw(t, "float")
			case 5:
				return rapid.SliceOfN(value(depth+1), 0, 3).Draw(t, "list")
			}
			of := rapid.SampledFrom(append(keys, "type", "value", "values", "from", "until"))
			return rapid.MapOfN(of, value(depth+1), 0, 4).Draw(t, "object")
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		payload, err := json.Marshal(rapid.MapOf(rapid.SampledFrom(keys), value(0)).Draw(t, "payload"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(payload); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	s := named(f, "api-fields")
	for _, name := range []string{"v2-typed", "v1-typed", "api-typed"} {
		f.Add(payloadOf(f, s, name))
	}
	f.Add([]byte(`{"id":12345678901234567890,"label_ids":"1,,2"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if record, err := s.Record(payload); err == nil && record == nil {
			t.Fatal("neither a record nor an error")
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	s := named(b, "api-fields")
	payload := payloadOf(b, s, "v2-typed")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Record(payload); err != nil {
			b.Fatal(err)
		}
	}
}
