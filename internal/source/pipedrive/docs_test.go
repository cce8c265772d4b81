package pipedrive

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"testing"
)

// TestWebhookOfTheDocs: the webhook that docs/sandbox.md shows to copy becomes the record that docs/mapping.md shows.
func TestWebhookOfTheDocs(t *testing.T) {
	part := func(name, pattern string) []byte {
		t.Helper()
		page, err := os.ReadFile("../../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(page)
		if m == nil {
			t.Fatalf("docs/%s does not show it any more", name)
		}
		return m[1]
	}
	s := named(t, "api-fields")
	events, err := s.Decode(nil, part("sandbox.md", `(?s)/hooks/crm .*?-d '(\{.*?\n\})'`))
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	record, err := s.Record(events[0].Payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(part("mapping.md", "(?s)```json pipedrive\n(.*?)```"), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the webhook becomes\n%s", text)
	}
}
