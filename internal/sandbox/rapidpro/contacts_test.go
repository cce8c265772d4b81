package rapidpro

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestValidationMessages(t *testing.T) {
	c := newClient(t, Options{})
	long := strings.Repeat("x", 101)
	for body, want := range map[string]string{
		`{"name":5,"language":" por "}`:         "",
		`{"language":123}`:                      `{"language":["Not a valid ISO639-3 language code."]}`,
		`{"language":"p\u0000r"}`:               `{"language":["Null characters are not allowed."]}`,
		`{"language":"p\u0000"}`:                `{"language":["Ensure this field has at least 3 characters.","Null characters are not allowed."]}`,
		`{"language":true}`:                     `{"language":["Not a valid string."]}`,
		`{"language":"fre"}`:                    `{"language":["Not a valid ISO639-3 language code."]}`,
		`{"urns":"` + long + `"}`:               `{"urns":["This field can only contain up to 100 items."]}`,
		`{"fields":"` + long + `"}`:             `{"fields":["This field can only contain up to 100 items."]}`,
		`{"groups":"` + long + `"}`:             `{"groups":["This field can only contain up to 100 items."]}`,
		`{"urns":5}`:                            `{"urns":["Expected a list of items but got type \"int\"."]}`,
		`{"urns":1.5}`:                          `{"urns":["Expected a list of items but got type \"float\"."]}`,
		`{"urns":true}`:                         `{"urns":["Expected a list of items but got type \"bool\"."]}`,
		`{"groups":5}`:                          `{"groups":["Expected a list of items but got type \"int\"."]}`,
		`{"groups":{}}`:                         "",
		`{"groups":[1.5]}`:                      `{"groups":["Must be a string or integer"]}`,
		`{"fields":5}`:                          `{"fields":["Expected a dictionary of items but got type \"int\"."]}`,
		`{"fields":{"a":true,"b":[1],"c":"x"}}`: `{"fields":{"a":["Not a valid string."],"b":["Not a valid string."]}}`,
		`{"urns":["  "]}`:                       `{"urns":{"0":["This field may not be blank."]}}`,
		`{"urns":["ext:a\u0000"]}`:              `{"urns":{"0":["Null characters are not allowed."]}}`,
		`{"urns":["ext:a?b?c"]}`:                `{"urns":{"0":["Invalid URN: ext:a?b?c. Ensure phone numbers contain country codes."]}}`,
		`{"urns":["ext:a",5,"tel:1","ext:a#b#c"]}`: `{"urns":{"1":["Not a valid string."],"2":["Invalid URN: tel:1. Ensure phone numbers contain country codes."],
			"3":["Invalid URN: ext:a#b#c. Ensure phone numbers contain country codes."]}}`,
		`{"urns":["tel:+6834002"]}`:                           `{"urns":{"0":["Phone number must have at least 8 digits."]}}`,
		`{"urns":["whatsapp:us.1"]}`:                          `{"urns":{"0":["Invalid WhatsApp identifier: whatsapp:us.1."]}}`,
		`{"urns":["whatsapp:abc"]}`:                           `{"urns":{"0":["Invalid URN: whatsapp:abc. Ensure phone numbers contain country codes."]}}`,
		`{"urns":["discord:1_0"]}`:                            `{"error":"can't insert invalid URN 'discord:1_0': invalid discord id: 1_0"}`,
		`{"urns":["twitterid:1#not a handle"]}`:               `{"urns":{"0":["Invalid URN: twitterid:1#not a handle. Ensure phone numbers contain country codes."]}}`,
		`{"urns":["freshchat:x"]}`:                            `{"urns":{"0":["Invalid URN: freshchat:x. Ensure phone numbers contain country codes."]}}`,
		`{"urns":["ext:a#` + strings.Repeat("d", 256) + `"]}`: `{"error":"pq: value too long for type character varying(255)"}`,
	} {
		status := 400
		if want == "" {
			status = 201
		}
		c.want("POST", "contacts.json", body, status, want)
	}
}

func TestEngineIsNotAskedForNothing(t *testing.T) {
	c := newClient(t, Options{})
	uuid := c.create(`{"name":"Ana","language":"por","urns":["ext:1"]}`)
	if err := c.Change(func(s *Settings) { s.EngineDown = true }); err != nil {
		t.Fatal(err)
	}
	for body, status := range map[string]int{
		`{}`: 200, `{"name":" Ana "}`: 200, `{"language":"por"}`: 200, `{"groups":[]}`: 200, `{"fields":{}}`: 200,
		`{"name":"Bia"}`: 500, `{"urns":["ext:1"]}`: 500, `{"urns":[]}`: 500, `{"name":""}`: 400,
	} {
		c.want("POST", "contacts.json?uuid="+uuid, body, status, "")
	}
	for action, status := range map[string]int{"interrupt": 204, "archive": 204, "archive_messages": 204, "block": 500, "unblock": 500} {
		c.want("POST", "contact_actions.json", `{"contacts":["`+uuid+`"],"action":"`+action+`"}`, status, "")
	}
	c.want("POST", "contact_actions.json", `{"contacts":["`+uuid+`"],"action":"delete"}`, 204, "")
	c.want("DELETE", "contacts.json?uuid="+uuid, "", 204, "")
}

func TestAssetCache(t *testing.T) {
	c := newClient(t, Options{})
	uuid := c.create(`{}`) // definitions are read now
	c.Control.Advance(4900 * time.Millisecond)
	g := must(c.AddGroup("Nova", ""))
	c.want("POST", "fields.json", `{"label":"Novo","value_type":"text"}`, 201, "")
	c.want("POST", "contacts.json", `{"fields":{"novo":null}}`, 400, `{"error":"unknown contact field 'novo'"}`)
	c.want("POST", "contacts.json?uuid="+uuid, `{"fields":{"novo":null}}`, 500, "")
	c.want("POST", "contacts.json?uuid="+uuid, `{"groups":["Nova"]}`, 500, "")
	c.Control.Advance(101 * time.Millisecond) // five seconds after they were read, not after they were made
	c.want("POST", "contacts.json?uuid="+uuid, `{"fields":{"novo":"x"},"groups":["Nova"]}`, 200, "")
	// Of a list of groups the engine leaves out those that it does not know, unless it knows none.
	must(c.AddGroup("Mais nova", ""))
	other := c.create(`{}`)
	c.want("POST", "contacts.json?uuid="+other, `{"groups":["Mais nova","Nova"]}`, 200, `{"$contains":{"groups":[{"uuid":"`+g+`","name":"Nova"}]}}`)
}

func TestStaleFieldsArePassedOnFirst(t *testing.T) {
	c := newClient(t, Options{})
	c.create(`{}`)
	c.want("POST", "fields.json", `{"label":"Cedo","value_type":"text"}`, 201, "")
	c.want("POST", "contacts.json", `{"urns":["weniwebchat:x"],"fields":{"cedo":"x"}}`, 400, `{"error":"unknown contact field 'cedo'"}`)
	if n := len(c.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

func TestRepeatedLastURN(t *testing.T) {
	c := newClient(t, Options{})
	uuid := c.create(`{"urns":["ext:a"]}`)
	before := c.contact(uuid).ModifiedOn
	c.want("POST", "contacts.json?uuid="+uuid, `{"name":"Ana","urns":["ext:b","ext:c","ext:b"]}`, 200, `{"$contains":{"name":"Ana","urns":["ext:a"]}}`)
	if !c.contact(uuid).ModifiedOn.After(before) {
		t.Error("the name was not counted as a change")
	}
	// One that the engine throws away does not count as the last one.
	c.want("POST", "contacts.json?uuid="+uuid, `{"urns":["ext:b","weniwebchat:x"]}`, 200, `{"$contains":{"urns":["ext:b"]}}`)
	c.want("POST", "contacts.json?uuid="+uuid, `{"urns":["weniwebchat:x"]}`, 200, `{"$contains":{"urns":[]}}`)
}

func TestStealing(t *testing.T) {
	c := newClient(t, Options{})
	a := c.create(`{"urns":["telegram:1#ana","ext:a"]}`)
	b := c.create(`{"urns":["ext:b"]}`)
	c.want("POST", "contacts.json?uuid="+b, `{"urns":["telegram:1#bia"]}`, 200, `{"$contains":{"urns":["telegram:1#ana"]}}`)
	loser, thief := c.contact(a), c.contact(b)
	if !slices.Equal(loser.URNs, []string{"ext:a"}) || !loser.ModifiedOn.Equal(thief.ModifiedOn) {
		t.Errorf("loser %+v, thief %+v", loser, thief)
	}
	// A detached URN keeps its display and can be had by anybody.
	c.want("POST", "contacts.json?uuid="+b, `{"urns":[]}`, 200, "")
	c.want("POST", "contacts.json", `{"urns":["telegram:1","ext:b"]}`, 201, `{"$contains":{"urns":["telegram:1#ana","ext:b"]}}`)
}

func TestNinthDigitBetweenContacts(t *testing.T) {
	c := newClient(t, Options{})
	c.create(`{"urns":["whatsapp:550090000001"]}`)
	c.want("POST", "contacts.json", `{"urns":["whatsapp:5500990000001"]}`, 400, `{"error":"URNs in use by other contacts"}`)
	// An update never looks for twins.
	b := c.create(`{}`)
	c.want("POST", "contacts.json?uuid="+b, `{"urns":["whatsapp:5500990000001"]}`, 200, "")
	// The exact form wins.
	c.want("POST", "contacts.json?urn=whatsapp:5500990000001", `{}`, 200, `{"$contains":{"uuid":"`+b+`"}}`)
}

func TestFieldReadings(t *testing.T) {
	c := newClient(t, Options{})
	for _, kind := range []string{"text", "numeric", "datetime"} {
		must(c.AddField(kind, kind))
	}
	c.settle()
	for _, tc := range []struct{ sent, text, number, date string }{
		{`"12.50"`, "12.50", "12.5", ""},
		{`1e3`, "1000.0", "1000", ""},
		{`1E22`, "1e+22", "", ""},
		{`-0`, "0", "0", ""},
		{`0.00001`, "1e-05", "", ""},
		{`"-.50"`, "-.50", "-0.5", ""},
		{`"10 11 2020 5pm"`, "10 11 2020 5pm", "", "2020-11-10T17:00:00.000000-03:00"},
		{`"em 1.2.99 as 12:30am"`, "em 1.2.99 as 12:30am", "", "1999-02-01T00:30:00.000000-02:00"},
		{`"31/02/2020 10:00:05.25"`, "31/02/2020 10:00:05.25", "", "2020-03-02T10:00:05.250000-03:00"},
		{`"2020-01-31T09:27:39.07129999+05:30"`, "2020-01-31T09:27:39.07129999+05:30", "", "2020-01-31T09:27:39.071299+05:30"},
		{`"2020-01-31T24:00"`, "2020-01-31T24:00", "", "2020-01-31T00:00:00.000000-03:00"},
		{`"13/13/2020"`, "13/13/2020", "", ""},
	} {
		uuid := c.create(`{"fields":{"text":` + tc.sent + `,"numeric":` + tc.sent + `,"datetime":` + tc.sent + `}}`)
		want := map[string]string{"text": tc.text, "numeric": tc.number, "datetime": tc.date}
		maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
		if got := c.contact(uuid).Fields; !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tc.sent, got, want)
		}
	}
	// A date without a time is another one at every write.
	uuid := c.create(`{"fields":{"datetime":"2020-01-31"}}`)
	before := c.contact(uuid).ModifiedOn
	c.Control.Advance(time.Second)
	c.want("POST", "contacts.json?uuid="+uuid, `{"fields":{"datetime":"2020-01-31"}}`, 200, "")
	if !c.contact(uuid).ModifiedOn.After(before) {
		t.Error("modified_on stood still")
	}
	if err := c.Change(func(s *Settings) { s.DateStyle, s.Timezone = "month_first", "Asia/Tokyo" }); err != nil {
		t.Fatal(err)
	}
	c.want("POST", "contacts.json?uuid="+uuid, `{"fields":{"datetime":"12-31-2017 10:00"}}`, 200,
		`{"$contains":{"fields":{"$contains":{"datetime":"2017-12-31T10:00:00.000000+09:00"}}}}`)
}

func TestDateFilters(t *testing.T) {
	for text, want := range map[string]string{
		"2026":                             "2026-01-01T00:00:00Z",
		"2026-3":                           "2026-03-01T00:00:00Z",
		"20260304":                         "2026-03-04T00:00:00Z",
		"2026-03-04 05":                    "2026-03-04T05:00:00Z",
		"2026-03-04T0506":                  "2026-03-04T05:06:00Z",
		"2026-03-04T05:06:07,1234567-0300": "2026-03-04T08:06:07.123456Z",
		"2026-03-04T05:06:07+05":           "2026-03-04T00:06:07Z",
		"202603":                           "",
		"2026-02-30":                       "",
		"2026-13-01":                       "",
		"2026-03-04T25:00":                 "",
		"2026-03-04T05:06:07 00:00":        "",
		"ontem":                            "",
		"1262304000":                       "",
	} {
		got, ok := isoDate(text)
		if s := got.UTC().Format(time.RFC3339Nano); ok != (want != "") || ok && s != want {
			t.Errorf("%s: %s %v, want %s", text, s, ok, want)
		}
	}
}

func TestFilters(t *testing.T) {
	c := newClient(t, Options{})
	a := c.create(`{"name":"Ana Ção","urns":["ext:a","ext:ana"]}`)
	b := c.create(`{"name":"ext:a"}`)
	c.want("GET", "contacts.json?name=çã", "", 200, `{"$contains":{"results":[{"$contains":{"uuid":"`+a+`"}}]}}`)
	c.want("GET", "contacts.json?search=ext:a&reverse=1", "", 200, `{"$contains":{"results":[{"$contains":{"uuid":"`+a+`"}},{"$contains":{"uuid":"`+b+`"}}]}}`)
	c.want("GET", "contacts.json?uuid="+a+"&urn=ext:ana&name=ana", "", 200, `{"$contains":{"results":{"$len":1}}}`)
	c.want("GET", "contacts.json?uuid="+b+"&urn=ext:ana", "", 200, `{"$contains":{"results":[]}}`)
	c.want("GET", "contacts.json?uuid="+a+"&uuid="+b, "", 200, `{"$contains":{"results":[{"$contains":{"uuid":"`+b+`"}}]}}`)
	c.want("GET", "contacts_lean.json?urn=ext:none", "", 200, `{"$contains":{"results":{"$len":2}}}`)
	c.want("GET", "contacts.json?limit=+1", "", 200, `{"$contains":{"results":{"$len":1}}}`)
	c.want("GET", "contacts.json?limit=99999999999999999999", "", 500, "")
	c.want("POST", "contacts.json?name=", `{}`, 404, "")
	c.create(`{"name":"ext:a"}`)
	c.want("POST", "contacts.json?name=ext:a", `{}`, 500, "")
}

// TestPagesOfTies walks through contacts that share positions, forwards and back, with every page size.
func TestPagesOfTies(t *testing.T) {
	c := newClient(t, Options{})
	uuids := must(c.Seed(23))
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, uuid := range uuids {
		// Runs of 1, 2, … 6 contacts with one timestamp each.
		run := 0
		for n := i; n > run; n -= run {
			run++
		}
		must(c.Touch(base.Add(time.Duration(run)*time.Second), uuid))
	}
	for _, query := range []string{"", "&reverse=true", "&order_by=created_on", "&order_by=-created_on", "&order_by=modified_on"} {
		whole := c.walk("contacts.json?limit=1000"+query, "next")
		if len(whole) != 23 {
			t.Fatalf("%s: %d contacts", query, len(whole))
		}
		for size := 1; size <= 8; size++ {
			got := c.walk(fmt.Sprintf("contacts.json?limit=%d%s", size, query), "next")
			if !slices.Equal(got, whole) {
				t.Errorf("%s, pages of %d: %d contacts, in another order", query, size, len(got))
			}
		}
	}
}

// walk follows links and returns the uuids in order.
func (c *client) walk(path, link string) (uuids []string) {
	for path != "" {
		_, got := c.do("GET", path, "")
		page := got.(map[string]any)
		for _, r := range page["results"].([]any) {
			uuids = append(uuids, r.(map[string]any)["uuid"].(string))
		}
		next, _ := page[link].(string)
		u, err := url.Parse(next)
		if err != nil {
			c.Fatal(err)
		}
		if path = u.RequestURI(); next == "" {
			return uuids
		}
	}
	return uuids
}

func TestLinksKeepSchemeAndHost(t *testing.T) {
	c := newClient(t, Options{})
	must(c.Seed(2))
	c.headers = map[string]string{"X-Forwarded-Proto": "https"}
	got := c.want("GET", "contacts.json?zeta=%C3%A9&limit=1&group=&alpha=a%20b&alpha=c", "", 200, "").(map[string]any)
	want := `https://example.com/api/v2/contacts.json?alpha=a+b&alpha=c&cursor=`
	if next := got["next"].(string); !strings.HasPrefix(next, want) || !strings.HasSuffix(next, "&group=&limit=1&zeta=%C3%A9") {
		t.Error(next)
	}
}

func TestRaceOfUpserts(t *testing.T) {
	c := newClient(t, Options{})
	if err := c.Change(func(s *Settings) { s.EngineDelayMS = 20 }); err != nil {
		t.Fatal(err)
	}
	codes := make(chan int, 8)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() {
			code, _ := c.do("POST", "contacts.json?urn=ext:1", `{"name":"x"}`)
			codes <- code
		})
	}
	wg.Wait()
	close(codes)
	count := map[int]int{}
	for code := range codes {
		count[code]++
	}
	if count[201] != 1 || count[400] != 7 || len(c.Contacts()) != 1 {
		t.Errorf("%v, %d contacts", count, len(c.Contacts()))
	}
}

// TestFrozenClock shows that modified_on moves even where time stands still.
func TestFrozenClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{})
		uuid := c.create(`{}`)
		seen := map[time.Time]bool{c.contact(uuid).ModifiedOn: true}
		for i := range 10 {
			c.want("POST", "contacts.json?uuid="+uuid, fmt.Sprintf(`{"name":"n%d"}`, i), 200, "")
			seen[c.contact(uuid).ModifiedOn] = true
		}
		if len(seen) != 11 {
			t.Errorf("%d different times", len(seen))
		}
	})
}

func TestDeletedContactHidesItsPast(t *testing.T) {
	c := newClient(t, Options{})
	uuid := c.create(`{"name":"Ana","language":"por","urns":["ext:1"]}`)
	c.want("POST", "contact_actions.json", `{"contacts":["`+uuid+`"],"action":"block"}`, 204, "")
	c.want("DELETE", "contacts.json?urn=ext:1", "", 204, "")
	c.want("GET", "contacts_lean.json?deleted=Y", "", 200, `{"$contains":{"results":[
		{"uuid":"`+uuid+`","name":null,"language":null,"blocked":null,"stopped":null,"created_on":"$datetime","modified_on":"$datetime","last_seen_on":null}]}}`)
	c.want("POST", "contact_actions.json", `{"contacts":["`+uuid+`"],"action":"unblock"}`, 400, `{"contacts":["No such object: `+uuid+`"]}`)
	c.want("POST", "contacts.json?uuid="+uuid, `{"groups":["x"]}`, 400, `{"groups":["No such object: x"]}`)
}
