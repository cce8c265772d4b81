package rapidpro

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// record is a row of a table that the API shows and that has no logic here.
type record interface{ createdOn() time.Time }

type campaign struct {
	id         int64
	uuid, name string
	group      int64
	archived   bool
	created    time.Time
}

type campaignEvent struct {
	id         int64
	uuid       string
	campaign   *campaign
	relativeTo string // key of a field, or created_on or last_seen_on
	offset     int
	unit       string // minutes, hours, days, weeks
	hour       int    // -1 for any
	message    string // or else a flow
	flow       string
	flowUUID   string
	created    time.Time
}

func (c *campaign) createdOn() time.Time      { return c.created }
func (e *campaignEvent) createdOn() time.Time { return e.created }

const (
	tableCampaigns = "campaigns"
	tableEvents    = "campaign_events"
	tableGlobals   = "globals"
	tableLabels    = "labels"
)

// Fire is a campaign event that a change of a contact has scheduled: at that time the service would
// start a flow or send a message. Nothing is ever sent by a simulator.
type Fire struct {
	Contact   string    `json:"contact"` // uuid
	Campaign  string    `json:"campaign"`
	Event     string    `json:"event"`     // uuid
	Cause     string    `json:"cause"`     // "group" or "field"
	Caused    time.Time `json:"caused"`    // when the change was made
	Scheduled time.Time `json:"scheduled"` // when it would happen
}

type fireKey struct{ contact, event int64 }

// fires holds what is scheduled now, and everything that ever was.
type fires struct {
	pending map[fireKey]Fire
	log     []Fire
}

func (f *fires) drop(match func(fireKey) bool) {
	maps.DeleteFunc(f.pending, func(k fireKey, _ Fire) bool { return match(k) })
}

// maxFireLog bounds the history of a long run; the oldest entries go.
const maxFireLog = 100000

// scheduleFor does for campaigns what follows from a change of a contact: leaving the group of a
// campaign forgets its events, joining it or changing the field that an event counts from schedules
// them. Events in the past are left out.
func (s *Server) scheduleFor(now time.Time, old, c *contact, a *assets) {
	for _, r := range s.primary.extra[tableEvents] {
		e := r.(*campaignEvent)
		member := c.inGroup(e.campaign.group) && !e.campaign.archived
		was := old != nil && old.inGroup(e.campaign.group)
		key := fireKey{c.id, e.id}
		if !member {
			if was {
				delete(s.fires.pending, key)
			}
			continue
		}
		start := startOf(e, c, a)
		cause := "group"
		if was {
			if before := startOf(e, old, a); before.Equal(start) {
				continue
			}
			cause = "field"
		}
		delete(s.fires.pending, key)
		at := e.at(start, s.environment().zone)
		if start.IsZero() || at.Before(now) {
			continue
		}
		fire := Fire{Contact: c.uuid, Campaign: e.campaign.name, Event: e.uuid, Cause: cause, Caused: now, Scheduled: at}
		s.fires.pending[key] = fire
		s.fires.log = append(s.fires.log, fire)
		if len(s.fires.log) > maxFireLog {
			s.fires.log = slices.Clone(s.fires.log[maxFireLog/10:])
		}
	}
}

// startOf is the date that an event counts from, zero when the contact has none.
func startOf(e *campaignEvent, c *contact, a *assets) time.Time {
	switch e.relativeTo {
	case "created_on":
		return c.created
	case "last_seen_on":
		return c.lastSeen
	}
	if f := a.field(e.relativeTo); f != nil {
		return c.values[f.id].datetime
	}
	return time.Time{}
}

// at is when an event happens: the start goes up to the next full minute, then comes the offset, then
// the hour of delivery in the workspace's zone.
func (e *campaignEvent) at(start time.Time, zone *time.Location) time.Time {
	t := start.In(zone)
	if t.Second() > 0 || t.Nanosecond() > 0 {
		t = t.Add(time.Minute).Truncate(time.Minute)
	}
	switch e.unit {
	case "minutes":
		t = t.Add(time.Duration(e.offset) * time.Minute)
	case "hours":
		t = t.Add(time.Duration(e.offset) * time.Hour)
	case "days":
		t = t.AddDate(0, 0, e.offset)
	case "weeks":
		t = t.AddDate(0, 0, 7*e.offset)
	}
	if e.hour >= 0 {
		t = time.Date(t.Year(), t.Month(), t.Day(), e.hour, 0, 0, 0, zone)
	}
	return t
}

// Campaign is a campaign to be made with AddCampaign.
type Campaign struct {
	Name   string          `json:"name"`
	Group  string          `json:"group"` // uuid or name
	Events []CampaignEvent `json:"events"`
}

// CampaignEvent is one event of a Campaign. It sends Message, or starts a flow named Flow.
type CampaignEvent struct {
	RelativeTo string `json:"relative_to"` // key of a datetime field, created_on or last_seen_on
	Offset     int    `json:"offset"`
	Unit       string `json:"unit"`          // minutes, hours, days or weeks; days when empty
	Hour       *int   `json:"delivery_hour"` // of the day; nil for the hour that comes out
	Message    string `json:"message"`
	Flow       string `json:"flow"`
}

// AddCampaign makes a campaign, as an administrator would. Contacts that are in its group already are
// not scheduled. It returns the campaign's uuid.
func (s *Server) AddCampaign(c Campaign) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.primary.groupByRef(c.Group)
	if g == nil {
		return "", fmt.Errorf("no group %q", c.Group)
	}
	row := &campaign{id: s.newID(), uuid: s.newUUID(), name: c.Name, group: g.id, created: s.transaction()}
	var events []record
	for _, e := range c.Events {
		f := s.primary.field(e.RelativeTo)
		if e.RelativeTo != "created_on" && e.RelativeTo != "last_seen_on" && (f == nil || f.kind != "datetime") {
			return "", fmt.Errorf("no datetime field %q", e.RelativeTo)
		}
		unit := cmp.Or(e.Unit, "days")
		if !slices.Contains([]string{"minutes", "hours", "days", "weeks"}, unit) {
			return "", fmt.Errorf("unknown unit %q", e.Unit)
		}
		if (e.Message == "") == (e.Flow == "") {
			return "", fmt.Errorf("an event has either a message or a flow")
		}
		hour := -1
		if e.Hour != nil {
			if hour = *e.Hour; hour < 0 || hour > 23 {
				return "", fmt.Errorf("delivery_hour is an hour of the day, not %d", hour)
			}
		}
		event := &campaignEvent{
			id: s.newID(), uuid: s.newUUID(), campaign: row, relativeTo: e.RelativeTo, offset: e.Offset, unit: unit, hour: hour,
			message: e.Message, flow: e.Flow, created: s.transaction(),
		}
		if e.Flow != "" {
			event.flowUUID = s.newUUID()
		}
		events = append(events, event)
	}
	s.commit(func(st *store) {
		st.append(tableCampaigns, row)
		st.append(tableEvents, events...)
	})
	return row.uuid, nil
}

func (st *store) append(table string, rows ...record) {
	st.extra[table] = append(slices.Clip(st.extra[table]), rows...)
}

// Fires returns what is scheduled now, by time, and everything that was ever scheduled, in order.
func (s *Server) Fires() (pending, log []Fire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending = slices.AppendSeq([]Fire{}, maps.Values(s.fires.pending))
	slices.SortFunc(pending, func(a, b Fire) int {
		return cmp.Or(a.Scheduled.Compare(b.Scheduled), cmp.Compare(a.Contact, b.Contact), cmp.Compare(a.Event, b.Event))
	})
	return pending, append([]Fire{}, s.fires.log...)
}
