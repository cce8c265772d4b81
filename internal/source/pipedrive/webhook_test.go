package pipedrive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func listener(t testing.TB) *Source {
	t.Helper()
	s, err := New(mapping.Source{Name: "crm", Kind: "pipedrive", Webhook: &mapping.Webhook{Auth: "basic"}}, Deps{})
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

func TestDecode(t *testing.T) {
	crm := func(id string) contact.Key { return contact.Key{Source: "crm", ID: id} }
	cases := map[string]contact.Event{
		"v2-create": {ID: "5b1f0a6e-2b7d-4d63-8f5e-3c9d0a4e7b21", Kind: contact.Upsert, Key: crm("4821"),
			Version: contact.Version{Source: us("2026-11-20T13:41:07Z"), Event: us("2026-11-20T13:41:07.312Z")}},
		"v2-change": {ID: "c2d94f0b-77f1-4f0e-9d0a-51d3c7e0b8aa", Kind: contact.Upsert, Key: crm("4821"),
			Version: contact.Version{Source: us("2026-11-20T13:55:29Z"), Event: us("2026-11-20T13:55:30.018Z")}},
		"v2-merge": {ID: "e1a0b7d4-5c1e-4a5f-8b7c-9b4f2d7e6a10", Kind: contact.Merge, Key: crm("4830"), Into: crm("4821"),
			Version: contact.Version{Source: us("2026-11-19T10:00:00Z"), Event: us("2026-11-20T14:02:00.5Z")}},
		"v2-delete": {ID: "e1a0b7d4-5c1e-4a5f-8b7c-9b4f2d7e6a10", Kind: contact.Delete, Key: crm("4830"),
			Version: contact.Version{Source: us("2026-11-19T10:00:00Z"), Event: us("2026-11-20T14:02:00.5Z")}},
		"v2-loose": {ID: "998877", Kind: contact.Upsert, Key: crm("4821"), Bulk: true,
			Version: contact.Version{Source: us("2026-11-20T13:41:07Z"), Event: 1795182067e6}},
		"v1-updated": {ID: "v1:90212:updated.person:updated:4821:1795182930018000", Kind: contact.Upsert, Key: crm("4821"),
			Version: contact.Version{Source: us("2026-11-20T13:55:29Z"), Event: 1795182930018000}},
		"v1-deleted": {ID: "v1:90212:deleted.person:deleted:4821:1795182930018000", Kind: contact.Delete, Key: crm("4821"), Bulk: true,
			Version: contact.Version{Source: us("2026-11-20T13:55:29Z"), Event: 1795182930018000}},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			s := listener(t)
			events, err := s.Decode(nil, load(t, name))
			if err != nil || len(events) != 1 {
				t.Fatal(events, err)
			}
			got := events[0]
			if !json.Valid(got.Payload) || got.Payload[0] != '{' {
				t.Errorf("the payload is no object: %.40s", got.Payload)
			}
			got.Payload, want.Shape = nil, contact.Full
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if id, _, err := s.Place(context.Background()); id != "13579246" || err != nil {
				t.Errorf("the company is %q (%v)", id, err)
			}
		})
	}
}

// A deletion must win over the update it repeats, and an update that came after a restore over the deletion.
func TestDeletionIsOrderedByItsEvent(t *testing.T) {
	s := listener(t)
	first := func(name string) contact.Version {
		events, err := s.Decode(nil, load(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].Version
	}
	deleted := first("v2-delete")
	last := contact.Version{Source: us("2026-11-19T10:00:00Z"), Event: us("2026-11-19T10:00:00.2Z")}
	restored := contact.Version{Source: us("2026-11-20T15:00:00Z"), Event: us("2026-11-20T15:00:00.2Z")}
	if deleted.CompareDelete(last) <= 0 || deleted.CompareDelete(restored) >= 0 {
		t.Errorf("deleted %+v, last %+v, restored %+v", deleted, last, restored)
	}
}

func TestDecodeIgnoresOtherEntities(t *testing.T) {
	events, err := listener(t).Decode(nil, load(t, "v2-deal"))
	if len(events) != 0 || err != nil {
		t.Error(events, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	cases := map[string]string{
		"empty":         ``,
		"truncated":     `{"meta":{"entity":"person","entity_id":"1"},"data":{"id":1,"name":"Marina`,
		"html":          `<html>Marina</html>`,
		"array":         `[1,2]`,
		"no meta":       `{"data":{"id":1,"name":"Marina"}}`,
		"no id":         `{"meta":{"entity":"person","action":"change"},"data":{"name":"Marina"}}`,
		"id no number":  `{"meta":{"entity":"person","action":"change","entity_id":"../1"},"data":{"name":"Marina"}}`,
		"nothing":       `{"meta":{"entity":"person","action":"change","entity_id":"1"},"data":null,"previous":{"name":"Marina"}}`,
		"data is text":  `{"meta":{"entity":"person","action":"change","entity_id":"1"},"data":"Marina"}`,
		"data is array": `{"meta":{"entity":"person","action":"change","entity_id":"1"},"data":["Marina"]}`,
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			events, err := listener(t).Decode(nil, []byte(body))
			if err == nil {
				t.Fatalf("got %+v", events)
			}
			if strings.Contains(err.Error(), "Marina") {
				t.Errorf("the error repeats what the body says: %v", err)
			}
		})
	}
}

func TestDecodeEdges(t *testing.T) {
	cases := map[string]struct {
		body string
		kind contact.EventKind
	}{
		"deleted without a last state": {`{"meta":{"entity":"person","action":"delete","entity_id":"1"},"data":null,"previous":null}`, contact.Delete},
		"merged into itself":           {`{"meta":{"entity":"person","action":"delete","entity_id":"1","merged_to_id":"1"},"previous":{"id":1}}`, contact.Delete},
		"soft deleted":                 {`{"meta":{"entity":"person","action":"change","entity_id":"1"},"data":{"id":1,"is_deleted":true}}`, contact.Delete},
		"v1 inactive":                  {`{"meta":{"object":"person","action":"updated","id":1},"current":{"id":1,"active_flag":false}}`, contact.Delete},
		"v1 merged away":               {`{"meta":{"object":"person","action":"merged","id":1},"current":null,"previous":{"id":1}}`, contact.Delete},
		"v1 merged winner":             {`{"meta":{"object":"person","action":"merged","id":1},"current":{"id":1}}`, contact.Upsert},
		"unknown action":               {`{"meta":{"entity":"person","action":"restore","entity_id":"1"},"data":{"id":1}}`, contact.Upsert},
		"id only in the data":          {`{"meta":{"entity":"person","action":"change"},"data":{"id":1}}`, contact.Upsert},
		"id as a float":                {`{"meta":{"entity":"person","action":"change","entity_id":1e0},"data":{"id":1}}`, contact.Upsert},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			events, err := listener(t).Decode(nil, []byte(tc.body))
			if err != nil || len(events) != 1 || events[0].Kind != tc.kind || events[0].Key.ID != "1" {
				t.Errorf("%+v %v", events, err)
			}
		})
	}
}

func TestMoment(t *testing.T) {
	want := time.Date(2026, 11, 20, 13, 55, 30, 0, time.UTC)
	for _, s := range []text{"2026-11-20T13:55:30Z", "2026-11-20T10:55:30-03:00", "2026-11-20 13:55:30", "1795182930", "1795182930000", "1795182930000000"} {
		if got := s.moment(); !got.Equal(want) {
			t.Errorf("%s: %v", s, got)
		}
	}
	for _, s := range []text{"", "0", "amanhã", "2026-13-40", "99999999999999999999"} {
		if got := s.moment(); !got.IsZero() {
			t.Errorf("%s: %v", s, got)
		}
	}
}

// Whatever number an id is, as a number and as text it must name the same record.
func TestIDsAreOne(t *testing.T) {
	s := listener(t)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Min(0).Draw(t, "id")
		bodies := []string{
			fmt.Sprintf(`{"meta":{"entity":"person","action":"change","entity_id":%d},"data":{"id":"%d"}}`, id, id),
			fmt.Sprintf(`{"meta":{"entity":"person","action":"change","entity_id":" %d "},"data":{"id":%d}}`, id, id),
			fmt.Sprintf(`{"meta":{"object":"person","action":"updated","id":%d},"current":{}}`, id),
		}
		for _, body := range bodies {
			events, err := s.Decode(nil, []byte(body))
			if err != nil || events[0].Key.ID != fmt.Sprint(id) {
				t.Fatalf("%s: %+v %v", body, events, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"v2-create", "v2-change", "v2-merge", "v2-loose", "v2-typed", "v1-updated", "v1-deleted", "v1-typed"} {
		f.Add(load(f, name))
	}
	f.Add([]byte(`{"meta":{"entity":"person","entity_id":1e999},"data":{}}`))
	s := listener(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := s.Decode(nil, body)
		if err != nil && len(events) > 0 {
			t.Fatal("events beside an error")
		}
		for _, e := range events {
			if e.Key.ID == "" || e.Key.Source != "crm" || e.Kind == "" {
				t.Fatalf("half an event: %+v", e)
			}
			if e.Payload == nil {
				continue
			}
			if !bytes.Contains(body, e.Payload) {
				t.Fatal("the payload is not what arrived")
			}
			if _, err := s.Record(e.Payload); err != nil {
				t.Fatalf("decoded, but no record: %v", err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"v2-change", "v2-typed", "v1-typed"} {
		b.Run(name, func(b *testing.B) {
			s, raw := listener(b), load(b, name)
			var small bytes.Buffer
			if err := json.Compact(&small, raw); err != nil {
				b.Fatal(err)
			}
			body := small.Bytes()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Decode(nil, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
