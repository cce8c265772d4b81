package rapidpro

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestWrongTypes gives every member of the bodies what it does not take. All members are judged before anything is
// answered, but a group that is a number breaks the query and with it the whole request.
func TestWrongTypes(t *testing.T) {
	c := newClient(t, Options{})
	must(c.AddGroup("VIP", ""))
	must(c.AddField("Idade", "numeric"))
	c.create(`{"name":"Ana","urns":["ext:ana"]}`)
	for _, tc := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"contacts.json", `{"name":12.0,"language":123}`, 400, `{"language":["Not a valid ISO639-3 language code."]}`},
		{"contacts.json", `{"urns":5,"groups":5.5,"fields":true}`, 400, `{"urns":["Expected a list of items but got type \"int\"."],
			"groups":["Expected a list of items but got type \"float\"."],"fields":["Expected a dictionary of items but got type \"bool\"."]}`},
		{"contacts.json", `{"urns":[true,1.5,{},"ext:\u0000","ext:\ud800","  "]}`, 400, `{"urns":{"0":["Not a valid string."],"1":["Not a valid string."],
			"2":["Not a valid string."],"3":["Null characters are not allowed."],"4":["Surrogate characters are not allowed: U+D800."],"5":["This field may not be blank."]}}`},
		{"contacts.json", `{"name":"\u0000\ud83d"}`, 400, `{"name":["Null characters are not allowed.","Surrogate characters are not allowed: U+D83D."]}`},
		{"contacts.json", `{"name":"","groups":[7]}`, 500, ""},
		{"contacts.json", `{"groups":["nada",7]}`, 400, `{"groups":["No such object: nada"]}`},
		{"contacts.json", `{"fields":{"idade":null,"x":false}}`, 400, `{"fields":{"x":["Not a valid string."]}}`},
		{"contacts.json", `{"fields":{"IDADE":"1","":"2"}}`, 400, `{"fields":["Invalid contact field key: IDADE"]}`},
		{"contacts.json", `{"language":"por","language":true}`, 400, `{"language":["Not a valid string."]}`},
		{"contact_actions.json", `{"contacts":"` + strings.Repeat("x", 101) + `","action":["add"],"group":null}`, 400, `{"contacts":["This field can only contain up to 100 items."],
			"action":["\"['add']\" is not a valid choice."],"group":["This field may not be null."]}`},
		{"contact_actions.json", `{"contacts":["ext:ana",5,"zz"],"action":"add","group":"x"}`, 400, `{"contacts":["No such object: 5"],"group":["No such object: x"]}`},
		{"contact_actions.json", `{"contacts":{"ext:ana":1},"action":"add","group":"vip"}`, 204, ""},
		{"contact_actions.json", `{"contacts":["ext:ana"],"action":"add","group":false}`, 500, ""},
		{"fields.json", `{"label":1.5,"value_type":true}`, 400, `{"label":["Can only contain letters, numbers, hyphens and underscores."],"value_type":["\"True\" is not a valid choice."]}`},
		{"groups.json", `{"name":"\ud83d"}`, 400, `{"name":["Surrogate characters are not allowed: U+D83D."]}`},
	} {
		c.settle()
		c.want("POST", tc.path, tc.body, tc.status, tc.want)
	}
}

// TestFirstCharacterOfGroupNames: only what counts as a character of words may begin a name.
func TestFirstCharacterOfGroupNames(t *testing.T) {
	c := newClient(t, Options{})
	for name, good := range map[string]bool{
		"é": true, "_": true, "9": true, "٣": true, "Ⅷ": true, "ⓐ": true, "‿": true, "\u0301x": true, "ª": true,
		"²": false, "½": false, "①": false, "😀": false, "\u200bx": false, "-": false, "(x)": false, "#1": false,
	} {
		status, body := 400, `{"name":["Name contains illegal characters."]}`
		if good {
			status, body = 201, ""
		}
		c.want("POST", "groups.json", `{"name":"`+name+`"}`, status, body)
	}
}

// TestUnstorableLookups: a write that asks for one object with a NUL character finds nothing. An upsert asks otherwise.
func TestUnstorableLookups(t *testing.T) {
	c := newClient(t, Options{})
	c.create(`{"urns":["tel:+5582993311199"]}`)
	const missing = `{"detail":"Not found."}`
	for _, path := range []string{"contacts.json?uuid=%00", "contacts.json?name=%00", "fields.json?key=%00", "groups.json?uuid=%00", "labels.json?uuid=%00"} {
		c.want("POST", path, `{}`, 404, missing)
	}
	for _, path := range []string{"contacts.json?uuid=%00", "contacts.json?urn=ext:%00", "groups.json?uuid=%00"} {
		c.want("DELETE", path, "", 404, missing)
	}
	c.want("POST", "contacts.json?urn=ext:%00", `{}`, 500, "")
	c.want("GET", "contacts.json?urn=ext:%00", "", 500, "")
	c.want("POST", "contacts.json?urn=ext:%00&uuid=x", `{}`, 400, `{"detail":"URL can only contain one of the following parameters: name, urn, uuid"}`)
	c.want("GET", "contacts.json?urn=tel:%00%2B5582993311199", "", 200, `{"$contains":{"results":{"$len":1}}}`) // numbers lose it
}

// TestSearchRepeats: a contact found by a name that could be a URN is listed once for each URN.
func TestSearchRepeats(t *testing.T) {
	c := newClient(t, Options{})
	c.create(`{"name":"5582993311199","urns":["ext:1","ext:2"]}`)
	c.create(`{"name":"Outro","urns":["whatsapp:5582993311199"]}`)
	c.create(`{"name":"Ana","urns":["ext:3","ext:4"]}`)
	c.want("GET", "contacts.json?search=5582993311199", "", 200, `{"$contains":{"results":{"$len":3}}}`)
	c.want("GET", "contacts_lean.json?search=5582993311199&limit=2", "", 200, `{"$contains":{"results":[{"$contains":{"name":"Outro"}},{"$contains":{"name":"5582993311199"}}]}}`)
	c.want("GET", "contacts.json?search=Ana", "", 200, `{"$contains":{"results":{"$len":1}}}`)
}

// TestMediaTypes: a star in the content type chooses the first reader that it fits.
func TestMediaTypes(t *testing.T) {
	c := newClient(t, Options{})
	for _, tc := range []struct {
		kind, body string
		status     int
		want       string
	}{
		{"APPLICATION/Json", `{"name":"a"}`, 201, `{"$contains":{"name":"a"}}`},
		{"application/*", `{"name":"a"}`, 201, `{"$contains":{"name":"a"}}`},
		{"*/*", `{`, 400, `{"detail":"JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"}`},
		{"text/json", `{}`, 415, `{"detail":"Unsupported media type \"text/json\" in request."}`},
		{"application/json; charset=ascii", `{"name":"ç"}`, 400, `{"detail":"JSON parse error - 'ascii' codec can't decode byte 0xc3 in position 9: ordinal not in range(128)"}`},
		{"application/json; charset=klingon", `{"name":"ç"}`, 201, `{"$contains":{"name":"ç"}}`},
		{"application/x-www-form-urlencoded", url.Values{"name": {"a"}, "urns": {"ext:1", "ext:1"}, "groups": {"nada"}}.Encode(), 400, `{"groups":["No such object: nada"]}`},
		{"multipart/form-data", `{}`, 400, `{"detail":"Multipart form parse error - Invalid boundary in multipart: None"}`},
		{"multipart/form-data; boundary=b", `{"name":"a"}`, 201, `{"$contains":{"name":null}}`},
		{"application/x-www-form-urlencoded", `{"name":"a"}`, 201, `{"$contains":{"name":null}}`},
	} {
		c.headers = map[string]string{"Content-Type": tc.kind}
		c.want("POST", "contacts.json", tc.body, tc.status, tc.want)
	}
}

// TestBrokenEscapes: the beginning of a character counts as one broken character, any other byte as one each.
func TestBrokenEscapes(t *testing.T) {
	for query, want := range map[string]string{"%E2%82": "�", "%E2%82x": "�x", "%ff%fe": "��", "%F0%9F%98": "�", "%ED%A0%80": "���", "%zz%4": "%zz%4", "a%C3+%2B": "a� +"} {
		if got := unquote(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// TestMailDomains: an address in brackets must be one.
func TestMailDomains(t *testing.T) {
	for address, want := range map[string]bool{
		"a@localhost": true, "a@[127.0.0.1]": true, "a@[::1]": true, "a@[999.0.0.1]": false, "a@[:]": false, "a@ção.com": true, "joão@x.com": false,
		`"a\ b"@x.com`: true, `"a b"@x.com`: false, "a@x.c": false, "a@x.co-": false, "a@-x.com": false, "a..b@x.com": false, "@x.com": false,
	} {
		if validEmail(address) != want {
			t.Errorf("%s: want %v", address, want)
		}
	}
}

// TestDecimalsOfSeconds: what is kept of a moment are microseconds, so a text with more of them is a change every time.
func TestDecimalsOfSeconds(t *testing.T) {
	c := newClient(t, Options{})
	must(c.AddField("Nasc", "datetime"))
	c.settle()
	uuid := c.create(`{"fields":{"nasc":"2017-11-11T11:12:13.123456Z"}}`)
	moves := func(text string) bool {
		before := c.contact(uuid).ModifiedOn
		c.Control.Advance(time.Minute)
		c.want("POST", "contacts.json?uuid="+uuid, `{"fields":{"nasc":"`+text+`"}}`, 200, "")
		return !c.contact(uuid).ModifiedOn.Equal(before)
	}
	if moves("2017-11-11T11:12:13.123456Z") {
		t.Error("the same microseconds count as a change")
	}
	for range 2 { // it never compares as the same
		if !moves("2017-11-11T11:12:13.1234567Z") {
			t.Error("a part of a microsecond is remembered")
		}
	}
}

// TestManyGlobals: at the limit Weni refuses even another value. Globals can be listed by their time.
func TestManyGlobals(t *testing.T) {
	c := newClient(t, Options{})
	var middle string
	for i := range maxEntries {
		made := c.want("POST", "globals.json", fmt.Sprintf(`{"name":"G %d","value":"v"}`, i), 201, "").(map[string]any)
		c.want("POST", "labels.json", fmt.Sprintf(`{"name":"L %d"}`, i), 201, "")
		if i == 247 {
			middle = fmt.Sprint(made["modified_on"])
		}
	}
	const full = ` and the limit is 250. You must delete existing ones before you can create new ones."]}`
	c.want("POST", "globals.json?key=g_1", `{"value":"w"}`, 400, `{"non_field_errors":["This org has 250 globals`+full)
	c.want("POST", "globals.json", `{"value":"w"}`, 400, `{"non_field_errors":["Name is required when creating new global."]}`)
	c.want("POST", "labels.json", `{"name":"Mais"}`, 400, `{"non_field_errors":["This workspace has 250 labels`+full)
	c.want("POST", "labels.json", `{"name":"-"}`, 400, `{"name":["Name contains illegal characters."]}`)
	three := `{"$contains":{"results":[{"$contains":{"key":"g_247"}},{"$contains":{"key":"g_248"}},{"$contains":{"key":"g_249"}}]}}`
	c.want("GET", "globals.json?reverse=true&after="+middle, "", 200, three)
	c.want("GET", "globals.json?before=ontem", "", 200, `{"$contains":{"results":[]}}`)
}

// TestResthooks: a resthook is made in the service itself, its subscribers come by the API.
func TestResthooks(t *testing.T) {
	c := newClient(t, Options{})
	c.want("POST", "/_sandbox/resthooks", `{"slug":" Novo-Lead "}`, 204, "")
	c.want("POST", "/_sandbox/resthooks", `{"slug":"novo-lead"}`, 400, "")
	c.want("POST", "/_sandbox/resthooks", `{"slug":""}`, 400, "")
	const path = "resthook_subscribers.json"
	made := c.want("GET", "resthooks.json", "", 200, "").(map[string]any)["results"].([]any)[0].(map[string]any)
	c.want("POST", path, `{"resthook":"novo-lead","target_url":"https://e.com/x"}`, 201, `{"id":1,"resthook":"novo-lead","target_url":"https://e.com/x","created_on":"$datetime"}`)
	c.want("GET", "resthooks.json", "", 200, `{"$contains":{"results":[{"resthook":"novo-lead","created_on":"`+made["created_on"].(string)+`","modified_on":{"$ne":"`+made["modified_on"].(string)+`"}}]}}`)
	c.want("POST", path, `{"resthook":"novo-lead","target_url":"https://e.com/x"}`, 400, `{"non_field_errors":["URL is already subscribed to this event."]}`)
	c.want("POST", path, `{"resthook":"nada","target_url":"//x"}`, 400, `{"resthook":["No resthook with slug: nada"],"target_url":["Enter a valid URL."]}`)
	c.want("POST", path, `{"target_url":null}`, 400, `{"resthook":["This field is required."],"target_url":["This field may not be null."]}`)
	c.want("POST", path, `{"resthook":"novo-lead","target_url":"http://127.0.0.1:8080/y?z=1"}`, 201, `{"$contains":{"id":2}}`)
	for query, n := range map[string]int{"": 2, "?id=2": 1, "?id=7": 0, "?resthook=novo-lead": 2, "?resthook=x": 0} {
		c.want("GET", path+query, "", 200, fmt.Sprintf(`{"$contains":{"results":{"$len":%d}}}`, n))
	}
	c.want("GET", path+"?id=x", "", 400, `{"detail":"Value for id must be an integer"}`)
	c.want("DELETE", path, "", 400, `{"detail":"URL must contain one of the following parameters: id"}`)
	c.want("DELETE", path+"?id=1", "", 204, "")
	c.want("DELETE", path+"?id=1", "", 404, "")
	c.want("DELETE", path+"?id=x", "", 404, `{"detail":"Not found."}`)
	for address, want := range map[string]bool{
		"https://e.com": true, "ftp://e.com/a": true, "http://localhost:1": true, "http://[::1]/": true, "https://ção.com.br/x": true,
		"e.com": false, "http://": false, "http://e": false, "http://-e.com": false, "javascript:x": false, "http://e.com/a b": false, "http://e..com": false,
	} {
		if validURL(address) != want {
			t.Errorf("%s: want %v", address, want)
		}
	}
}
