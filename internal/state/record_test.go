package state_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/state"
)

var (
	_ encoding.BinaryAppender    = state.Record{}
	_ encoding.BinaryUnmarshaler = (*state.Record)(nil)
)

// fill gives every field of a struct a value of its own, fields that are added later too.
func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString(string(rune('a' + *n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(uint64(1 + *n%2))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		v.SetInt(*n)
	}
}

func roundTrip(t interface{ Fatal(...any) }, r state.Record) (back state.Record, raw []byte) {
	raw, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	given := bytes.Clone(raw)
	if err := back.UnmarshalBinary(given); err != nil {
		t.Fatal(err)
	}
	clear(given) // the store takes its memory back
	return back, raw
}

func TestEveryFieldOfARecordIsKept(t *testing.T) {
	var full state.Record
	var n int64
	fill(reflect.ValueOf(&full).Elem(), &n)
	if back, _ := roundTrip(t, full); !reflect.DeepEqual(back, full) {
		t.Errorf("got %+v\nwant %+v", back, full)
	}
	for i := range reflect.TypeFor[state.Record]().NumField() { // and each of them alone
		var one state.Record
		fill(reflect.ValueOf(&one).Elem().Field(i), &n)
		if back, _ := roundTrip(t, one); !reflect.DeepEqual(back, one) {
			t.Errorf("%s: got %+v\nwant %+v", reflect.TypeFor[state.Record]().Field(i).Name, back, one)
		}
	}
	for i := range reflect.TypeFor[state.RecordPart]().NumField() {
		one := state.Record{Num: 7, Parts: make([]state.RecordPart, 1)}
		fill(reflect.ValueOf(&one.Parts[0]).Elem().Field(i), &n)
		if back, _ := roundTrip(t, one); !reflect.DeepEqual(back, one) {
			t.Errorf("%s: got %+v\nwant %+v", reflect.TypeFor[state.RecordPart]().Field(i).Name, back, one)
		}
	}
}

func TestRecordsInJSONAreReadToo(t *testing.T) {
	want := state.Record{Num: 7, Version: contact.Version{Source: 5}, Parts: []state.RecordPart{{Mapping: "m", Person: 3}}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got state.Record
	if err := got.UnmarshalBinary(raw); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAnyRecordIsKeptAndIsSmallerThanInJSON(t *testing.T) {
	number := rapid.Int64()
	word := rapid.StringN(0, 12, -1)
	hash := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "hash")
	})
	rapid.Check(t, func(t *rapid.T) {
		r := state.Record{
			Version: contact.Version{Source: number.Draw(t, "source"), Event: number.Draw(t, "event"), Arrival: number.Draw(t, "arrival")},
			Num:     rapid.Uint64().Draw(t, "num"), Seq: rapid.Uint64().Draw(t, "seq"), Deleted: rapid.Bool().Draw(t, "deleted"), Thin: rapid.Bool().Draw(t, "thin"),
			Arrived: number.Draw(t, "arrived"), Read: number.Draw(t, "read"), Last: hash.Draw(t, "last"), Listed: hash.Draw(t, "listed"),
			IDs: hash.Draw(t, "ids"), Due: number.Draw(t, "due"), Lane: state.Lane(rapid.IntRange(0, 2).Draw(t, "lane")), Hold: word.Draw(t, "hold"),
			First: number.Draw(t, "first"), Events: rapid.Int().Draw(t, "events"), Fails: rapid.Int().Draw(t, "fails"), Mapped: word.Draw(t, "mapped"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			r.Parts = append(r.Parts, state.RecordPart{Mapping: word.Draw(t, "mapping"), Part: word.Draw(t, "part"), Person: state.PersonID(rapid.Uint64().Draw(t, "person")),
				Identity: contact.Identity(word.Draw(t, "identity")), Name: word.Draw(t, "name")})
		}
		if rapid.Bool().Draw(t, "merged") {
			r.Into = &contact.Key{Source: "crm", ID: word.Draw(t, "into")}
		}
		back, raw := roundTrip(t, r)
		if !reflect.DeepEqual(back, r) {
			t.Fatalf("got %+v\nwant %+v", back, r)
		}
		if long, err := json.Marshal(r); err != nil || r.Into == nil && r.Hold == "" && r.Fails == 0 && len(raw) >= len(long) {
			t.Fatalf("%d bytes packed, %d in JSON, %v", len(raw), len(long), err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	full := state.Record{Num: 7, Last: []byte("0123456789abcdef"), Hold: "run", Parts: []state.RecordPart{{Mapping: "m", Person: 3}}}
	raw, err := full.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte("{}"))
	f.Add([]byte{1, 3, 2, '{', '}'})
	f.Add([]byte{1, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r state.Record
		if err := r.UnmarshalBinary(raw); err != nil {
			return
		}
		if back, _ := roundTrip(t, r); !reflect.DeepEqual(normal(back), normal(r)) {
			t.Fatalf("got %+v\nwant %+v", back, r)
		}
	})
}

// normal makes empty and missing slices alike: JSON knows both.
func normal(r state.Record) state.Record {
	for _, b := range []*[]byte{&r.Last, &r.Listed, &r.IDs} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	if len(r.Parts) == 0 {
		r.Parts = nil
	}
	return r
}
