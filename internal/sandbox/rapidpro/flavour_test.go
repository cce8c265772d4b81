package rapidpro

import "testing"

func TestRapidPro9(t *testing.T) {
	c := newClient(t, Options{Flavour: RapidPro9})
	c.want("GET", "groups.json", "", 200, `{"$contains":{"results":[{"uuid":"$uuid","name":"Open Tickets","query":"tickets > 0","status":"ready","system":true,"count":0}]}}`)
	c.want("POST", "fields.json", `{"name":"Nick Name","type":"number"}`, 201,
		`{"key":"nick_name","name":"Nick Name","type":"number","featured":false,"priority":0,"usages":{"flows":0,"groups":0,"campaign_events":0},"agent_access":"view","label":"Nick Name","value_type":"numeric"}`)
	c.want("POST", "fields.json", `{"label":"Old","value_type":"text"}`, 201, "")
	c.want("POST", "fields.json", `{"type":"text"}`, 400, `{"non_field_errors":["Field 'name' is required."]}`)
	c.want("POST", "fields.json", `{"name":"a_b","type":"text"}`, 400, `{"name":["Can only contain letters, numbers and hypens."]}`)
	c.want("POST", "fields.json", `{"name":"Nick-Name","type":"text"}`, 500, "")
	c.settle()
	uuid := c.create(`{"name":"Ana","urns":["whatsapp:5500900000001"],"groups":[]}`)
	c.want("GET", "contacts.json?uuid="+uuid, "", 200, `{"$contains":{"results":[{"uuid":"`+uuid+`","name":"Ana","status":"active","language":null,"urns":["whatsapp:5500900000001"],"groups":[],
		"fields":{"nick_name":null,"old":null},"flow":null,"created_on":"$datetime","modified_on":"$datetime","last_seen_on":null,"blocked":false,"stopped":false}]}}`)
	c.want("POST", "contacts.json", `{"urns":["ext:1","whatsapp:5500900000001"]}`, 400, `{"urns":{"1":["URN is in use by another contact."]}}`)
	c.want("POST", "contacts.json", `{"name":""}`, 400, `{"name":["This field may not be blank."]}`)
	c.want("POST", "contacts.json", `{"urns":["weniwebchat:x"]}`, 400, `{"urns":{"0":["Invalid URN: weniwebchat:x. Ensure phone numbers contain country codes."]}}`)
	c.want("POST", "contacts.json", `{"urns":["5500900000002"]}`, 400, "")
	c.want("POST", "contacts.json", `{"groups":["open tickets"]}`, 400, `{"groups":["Contact group must not be query based: open tickets"]}`)
	c.want("POST", "contacts.json?urn=whatsapp:550090000001", `{}`, 201, "") // no ninth digit rule
	other := c.create(`{}`)
	c.want("POST", "contacts.json?uuid="+other, `{"urns":["whatsapp:5500900000001"]}`, 200, `{"$contains":{"urns":["whatsapp:5500900000001"]}}`)
	c.want("GET", "contacts.json?limit=1", "", 200, `{"$contains":{"results":{"$len":3}}}`)
	c.want("GET", "contacts.json?uuid=x&name=x", "", 200, `{"$contains":{"results":[]}}`)
	c.want("GET", "contacts_lean.json", "", 404, "")
	c.want("POST", "contacts.json?uuid=x&urn=ext:1", "", 400, `{"detail":"URL can only contain one of the following parameters: urn, uuid"}`)
	c.want("DELETE", "contacts.json?uuid="+uuid, "", 204, "")
	c.want("POST", "contacts.json?uuid="+uuid, `{}`, 400, `{"non_field_errors":["Deleted contacts can't be modified."]}`)
	if err := c.Change(func(s *Settings) { s.MaxGroups = 0 }); err != nil {
		t.Fatal(err)
	}
	c.want("POST", "groups.json", `{"name":"x"}`, 409, `{"detail":"Cannot create object because workspace has reached limit."}`)
}

func TestRapidPro26(t *testing.T) {
	c := newClient(t, Options{Flavour: RapidPro26})
	a := c.create(`{"urns":["ext:a"]}`)
	b := c.create(`{"urns":["ext:b"]}`)
	c.want("POST", "contacts.json?uuid="+b, `{"urns":["ext:a","ext:c"]}`, 200, `{"$contains":{"urns":["ext:c"],"notes":[]}}`)
	c.want("GET", "contacts.json?uuid="+a, "", 200, `{"$contains":{"results":[{"$contains":{"urns":["ext:a"]}}]}}`)
	c.want("GET", "contacts.json?uuid=x", "", 400, `{"detail":"Param 'uuid': x is not a valid UUID."}`)
	if n := RapidPro26.DefaultPerHour(); n != 3600 {
		t.Error(n)
	}
	if err := c.Change(func(s *Settings) { s.Anon = true }); err != nil {
		t.Fatal(err)
	}
	c.want("GET", "contacts.json?uuid="+a, "", 200, `{"$contains":{"results":[{"$contains":{"anon_display":"$string","ref":"$string","urns":["ext:********"]}}]}}`)
	g := c.want("GET", "groups.json", "", 200, "").(map[string]any)["results"].([]any)[0].(map[string]any)["uuid"].(string)
	c.want("POST", "groups.json?uuid="+g, `{"name":"x"}`, 403, `{"detail":"Cannot modify system object."}`)
	c.want("DELETE", "groups.json?uuid="+g, "", 403, `{"detail":"Cannot delete system object."}`)
}
