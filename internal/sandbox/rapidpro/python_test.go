package rapidpro

import (
	"strings"
	"testing"
)

// The wanted texts are what CPython 3.11 says.
func TestParseJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": [1, -0, 2.50, 1e400, 1E5], "b": null, "a": true}`:        `{'a': True, 'b': None}`,
		`[1e16, 123456789012345678901234567890, 0.0001, -1.5E-7]`:       `[1e+16, 123456789012345678901234567890, 0.0001, -1.5e-07]`,
		`["it's", "q\"", "\u00e9\ud83d\ude00", "\ud83d", "\n\t\u0000"]`: `["it's", 'q"', 'é😀', '\ud83d', '\n\t\x00']`,
		``:                           `Expecting value: line 1 column 1 (char 0)`,
		"\n ":                        `Expecting value: line 2 column 2 (char 2)`,
		`[`:                          `Expecting value: line 1 column 2 (char 1)`,
		`[1 2]`:                      `Expecting ',' delimiter: line 1 column 4 (char 3)`,
		`[1,]`:                       `Expecting value: line 1 column 4 (char 3)`,
		`{`:                          `Expecting property name enclosed in double quotes: line 1 column 2 (char 1)`,
		`{"a"}`:                      `Expecting ':' delimiter: line 1 column 5 (char 4)`,
		`{"a":1 "b"}`:                `Expecting ',' delimiter: line 1 column 8 (char 7)`,
		`-`:                          `Expecting value: line 1 column 1 (char 0)`,
		`01`:                         `Extra data: line 1 column 2 (char 1)`,
		`1.`:                         `Extra data: line 1 column 2 (char 1)`,
		`[NaN, Infinity, -Infinity]`: `[nan, inf, -inf]`,
		`[NaNs]`:                     `Expecting ',' delimiter: line 1 column 5 (char 4)`,
		`"a`:                         `Unterminated string starting at: line 1 column 1 (char 0)`,
		`"a\`:                        `Unterminated string starting at: line 1 column 1 (char 0)`,
		`"é\x"`:                      `Invalid \escape: line 1 column 3 (char 2)`,
		`"\u12`:                      `Invalid \uXXXX escape: line 1 column 3 (char 2)`,
		`"\uZZZZ"`:                   `Invalid \uXXXX escape: line 1 column 3 (char 2)`,
		"\"a\tb\"":                   `Invalid control character at: line 1 column 3 (char 2)`,
		"\ufeff{}":                   `Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)`,
		"[\"\xe2\x82\"]":             `'utf-8' codec can't decode bytes in position 2-3: invalid continuation byte`,
		"\"\xe2\x82":                 `Unterminated string starting at: line 1 column 1 (char 0)`, // the reader waits for the rest of the character
		"{}\xc3":                     `{}`,
		"\xed\xa0\x80":               `'utf-8' codec can't decode byte 0xed in position 0: invalid continuation byte`,
		"\xf5":                       `'utf-8' codec can't decode byte 0xf5 in position 0: invalid start byte`,
	} {
		v, err := parseJSON([]byte(text), "")
		got := pyRepr(v)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestPythonNumbers(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, " +1_0 ": 10, "-3": -3, "٣": 3, "５7": 57, "𝟘𝟙": 1, "\u00a05\u3000": 5, "99999999999999999999": 1<<63 - 1} {
		if n, ok := pyInteger(text); !ok || n != want {
			t.Errorf("%q: %d %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "+", "1__0", "_1", "1_", "1.0", "x", "\x1c5"} {
		if n, ok := pyInteger(text); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func TestCursors(t *testing.T) {
	for _, c := range []cursor{{}, {offset: 3}, {offset: 3, reverse: true}, {reverse: true, position: "2026-01-01 00:00:00+00:00", fixed: true}} {
		if got, ok := decodeCursor(c.encode()); !ok || got != c {
			t.Errorf("%+v: %+v %v", c, got, ok)
		}
	}
	if got := (cursor{offset: 3, reverse: true}).encode(); got != "bz0zJnI9MQ==" {
		t.Error(got)
	}
	for encoded, ok := range map[string]bool{"": true, "!!!": true, "abc": false, "abcd": false, "é": false, "bz0z": true, "bz14": false, "bz0tMQ==": false, "cj14": false, "bz0zJnI9MQ==junk": true} {
		if _, got := decodeCursor(encoded); got != ok {
			t.Errorf("%q: %v", encoded, got)
		}
	}
}

func TestPagesBackwards(t *testing.T) {
	c := newClient(t, Options{})
	must(c.Seed(20))
	whole := c.walk("contacts.json?limit=100", "next")
	path := "contacts.json?limit=6"
	var last string
	for path != "" {
		last = path
		page := c.want("GET", path, "", 200, "").(map[string]any)
		next, _ := page["next"].(string)
		path = strings.TrimPrefix(next, "http://example.com")
	}
	got := c.walk(last, "previous")
	// The pages come back last one first, each in its own order.
	want := append(append(append(append([]string{}, whole[18:]...), whole[12:18]...), whole[6:12]...), whole[:6]...)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d contacts in another order", len(got))
	}
}

func TestLabelsAndUsers(t *testing.T) {
	c := newClient(t, Options{User: "ana@example.com"})
	made := c.want("POST", "labels.json", `{"name":"Urgente"}`, 201, `{"uuid":"$uuid","name":"Urgente","count":0}`).(map[string]any)
	uuid := made["uuid"].(string)
	c.want("POST", "labels.json", `{"name":"urgente"}`, 400, `{"name":["This field must be unique."]}`)
	c.want("POST", "labels.json?uuid="+uuid, `{"name":"URGENTE"}`, 200, `{"uuid":"`+uuid+`","name":"URGENTE","count":0}`)
	c.want("GET", "labels.json?name=urgente", "", 200, `{"next":null,"previous":null,"results":[{"uuid":"`+uuid+`","name":"URGENTE","count":0}]}`)
	c.want("DELETE", "labels.json", "", 400, `{"detail":"URL must contain one of the following parameters: uuid"}`)
	c.want("DELETE", "labels.json?uuid="+uuid, "", 204, "")
	c.want("DELETE", "labels.json?uuid="+uuid, "", 404, "")
	c.want("POST", "globals.json", `{"value":"x"}`, 400, `{"non_field_errors":["Name is required when creating new global."]}`)
	c.want("GET", "users.json", "", 200, `{"$contains":{"results":[{"$contains":{"email":"ana@example.com","role":"administrator"}}]}}`)
	c.want("GET", "channels.json", "", 200, `{"next":null,"previous":null,"results":[]}`)
}
