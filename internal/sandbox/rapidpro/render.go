package rapidpro

import (
	"cmp"
	"slices"
	"strconv"
)

const mask = "********" // instead of paths of URNs in an anonymous workspace

// appendContact writes a contact. Lists show groups in the order of their making, the answer to a write in
// the order of joining.
func (s *Server) appendContact(b []byte, st *store, c *contact, listed bool) []byte {
	o := &object{b: b}
	o.str("uuid", c.uuid)
	o.text("name", c.name)
	if !s.flavour.weni {
		if s.set.Anon {
			o.str("anon_display", anonymousID(c.id))
			if s.flavour.notes {
				o.str("ref", anonymousID(c.id))
			}
		}
		if c.deleted {
			o.raw("status", "null")
		} else {
			o.str("status", statusNames[c.status])
		}
	}
	if c.deleted {
		o.raw("language", "null")
	} else {
		o.text("language", c.language)
	}
	o.key("urns")
	o.b = s.appendURNs(o.b, c)
	o.key("groups")
	o.b = appendGroups(o.b, st, c, listed)
	if s.flavour.notes {
		o.raw("notes", "[]")
	}
	o.key("fields")
	o.b = appendValues(o.b, st, c)
	if !s.flavour.weni {
		o.raw("flow", "null")
		s.appendTimes(o, c)
		s.appendFlags(o, c)
		return o.end()
	}
	s.appendFlags(o, c)
	s.appendTimes(o, c)
	return o.end()
}

func anonymousID(id int64) string {
	text := strconv.FormatInt(id, 10)
	for len(text) < 10 {
		text = "0" + text
	}
	return text
}

func (s *Server) appendFlags(o *object, c *contact) {
	if c.deleted {
		o.raw("blocked", "null")
		o.raw("stopped", "null")
		return
	}
	o.bool("blocked", c.status == blocked)
	o.bool("stopped", c.status == stopped)
}

func (s *Server) appendTimes(o *object, c *contact) {
	o.time("created_on", c.created)
	o.time("modified_on", c.modified)
	o.time("last_seen_on", c.lastSeen)
}

func (s *Server) appendURNs(b []byte, c *contact) []byte {
	b = append(b, '[')
	for i, u := range c.urns {
		if i > 0 {
			b = append(b, ',')
		}
		if s.set.Anon {
			b = appendString(b, u.scheme+":"+mask)
		} else {
			b = appendString(b, u.shown())
		}
	}
	return append(b, ']')
}

func appendGroups(b []byte, st *store, c *contact, listed bool) []byte {
	ids := c.groups
	if listed {
		ids = slices.Sorted(slices.Values(ids))
	}
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendGroupRef(b, st.groupByID(id))
	}
	return append(b, ']')
}

func appendGroupRef(b []byte, g *group) []byte {
	if g == nil {
		return append(b, "null"...)
	}
	o := &object{b: b}
	o.str("uuid", g.uuid)
	o.str("name", g.name)
	return o.end()
}

// appendValues writes every field of the workspace, null where the contact has no value.
func appendValues(b []byte, st *store, c *contact) []byte {
	o := &object{b: b}
	if !c.deleted {
		for _, f := range st.fields {
			o.text(f.key, c.values[f.id].shown(f.kind))
		}
	}
	return o.end()
}

func appendLean(b []byte, c *contact) []byte {
	o := &object{b: b}
	o.str("uuid", c.uuid)
	o.text("name", c.name)
	if c.deleted {
		o.raw("language", "null")
		o.raw("blocked", "null")
		o.raw("stopped", "null")
	} else {
		o.text("language", c.language)
		o.bool("blocked", c.status == blocked)
		o.bool("stopped", c.status == stopped)
	}
	o.time("created_on", c.created)
	o.time("modified_on", c.modified)
	o.time("last_seen_on", c.lastSeen)
	return o.end()
}

func (s *Server) appendField(b []byte, st *store, f *field) []byte {
	o := &object{b: b}
	o.str("key", f.key)
	if s.flavour.weni {
		o.str("label", f.label)
		o.str("value_type", f.kind)
		o.bool("pinned", false)
		return o.end()
	}
	kind := f.kind
	if kind == "numeric" {
		kind = "number"
	}
	o.str("name", f.label)
	o.str("type", kind)
	o.bool("featured", false)
	o.int("priority", 0)
	events := 0
	for _, r := range st.extra[tableEvents] {
		if r.(*campaignEvent).relativeTo == f.key {
			events++
		}
	}
	usages := &object{}
	usages.int("flows", 0)
	usages.int("groups", 0)
	usages.int("campaign_events", events)
	o.raw("usages", string(usages.end()))
	o.str("agent_access", "view")
	o.str("label", f.label)
	o.str("value_type", f.kind)
	return o.end()
}

func (s *Server) appendGroup(b []byte, st *store, g *group) []byte {
	o := &object{b: b}
	o.str("uuid", g.uuid)
	o.str("name", g.name)
	if g.query != nil {
		o.str("query", g.query.text)
	} else {
		o.raw("query", "null")
	}
	o.str("status", "ready")
	if !s.flavour.weni {
		o.bool("system", g.system)
	}
	o.int("count", st.counts[g.id])
	return o.end()
}

func appendCampaignEvent(b []byte, st *store, e *campaignEvent, f *flavour) []byte {
	o := &object{b: b}
	o.str("uuid", e.uuid)
	campaign := &object{}
	campaign.str("uuid", e.campaign.uuid)
	campaign.str("name", e.campaign.name)
	o.raw("campaign", string(campaign.end()))
	label := map[string]string{"created_on": "Created On", "last_seen_on": "Last Seen On"}[e.relativeTo]
	if field := st.field(e.relativeTo); field != nil {
		label = field.label
	}
	relative := &object{}
	relative.str("key", e.relativeTo)
	if !f.weni {
		relative.str("name", label)
	}
	relative.str("label", label)
	o.raw("relative_to", string(relative.end()))
	o.int("offset", e.offset)
	o.str("unit", e.unit)
	o.int("delivery_hour", e.hour)
	if e.flow != "" {
		flow := &object{}
		flow.str("uuid", e.flowUUID)
		flow.str("name", cmp.Or(e.flow, "Flow"))
		o.raw("flow", string(flow.end()))
		o.raw("message", "null")
	} else {
		message := &object{}
		message.str("base", e.message)
		o.raw("flow", "null")
		o.raw("message", string(message.end()))
	}
	o.time("created_on", e.created)
	return o.end()
}
