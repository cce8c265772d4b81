package rawjson_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncer/internal/source/rawjson"
)

// The walker must agree with the standard library on every document.
func TestWalkerAgrees(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			top := 5
			if depth > 3 {
				top = 3
			}
			switch rapid.IntRange(0, top).Draw(t, "kind") {
			case 0:
				return nil
			case 1:
				return rapid.String().Draw(t, "text")
			case 2:
				return rapid.Int64().Draw(t, "int")
			case 3:
				return rapid.Bool().Draw(t, "bool")
			case 4:
				return rapid.SliceOfN(value(depth+1), 0, 4).Draw(t, "list")
			}
			return rapid.MapOfN(rapid.String(), value(depth+1), 0, 4).Draw(t, "object")
		})
	}
	var same func(t *rapid.T, r rawjson.Value, want any)
	same = func(t *rapid.T, r rawjson.Value, want any) {
		switch want := want.(type) {
		case []any:
			n := 0
			for item := range r.Elements() {
				same(t, item, want[n])
				n++
			}
			if n != len(want) {
				t.Fatalf("%d elements of %d", n, len(want))
			}
		case map[string]any:
			for name, v := range want {
				same(t, r.At(name), v)
			}
		case nil:
			if !r.IsNull() {
				t.Fatalf("%s is not null", r)
			}
		default:
			if got, _ := r.Text(); got != fmt.Sprint(want) {
				t.Fatalf("%q is not %q", got, fmt.Sprint(want))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := value(0).Draw(t, "doc")
		text, err := json.MarshalIndent(doc, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		r, ok := rawjson.Parse(append([]byte("\n "), text...))
		if !ok {
			t.Fatalf("refused %s", text)
		}
		same(t, r, doc)
	})
}

// FuzzMembers walks whatever is valid JSON and must see what the standard library sees.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(` {"a" : -1.5e3 , "b":[{}, [] ,"]"], "c\\\"":"\\\\", "a":true, "":null } `))
	f.Add([]byte(`{"meta":{"id":"7","entity":"person","timestamp":"2026-01-02T03:04:05.678Z"},"data":null,"previous":{"phones":[{"value":""}]}}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		var want map[string]json.RawMessage
		if json.Unmarshal(object, &want) != nil {
			return
		}
		got := map[string]string{}
		for key, value := range rawjson.Of(object).Members() {
			var name string
			if err := json.Unmarshal([]byte(`"`+string(key)+`"`), &name); err != nil {
				t.Fatalf("%q is no name: %v", key, err)
			}
			got[name] = string(value)
		}
		if len(got) != len(want) {
			t.Fatalf("%d members of %d", len(got), len(want))
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Fatalf("%q: %s, want %s", name, got[name], value)
			}
		}
	})
}

// TestNumbersReadAlike: the same id is written as 4821, 4821.0 and 4.821e3. A number too small to be an id took 20 ms each to
// be told from a whole one, with a million zeros, so that one body could keep a processor busy for minutes.
func TestNumbersReadAlike(t *testing.T) {
	for number, want := range map[string]string{
		"4821": "4821", "4821.0": "4821", "4.821e3": "4821", "-1.5E+3": "-1500", "482100e-2": "4821", "0.0": "0", "1e18": "1000000000000000000",
		"4821.5": "4821.5", "1e19": "1e19", "1e-999999": "1e-999999", "true": "true", "false": "false",
	} {
		if got := rawjson.PlainNumber(number); got != want {
			t.Errorf("%s became %s, want %s", number, got, want)
		}
	}
	began := time.Now()
	for range 1000 {
		rawjson.PlainNumber("123456789e-999999")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a thousand small numbers take %s", took)
	}
}
