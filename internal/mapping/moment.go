package mapping

import (
	"regexp"
	"strconv"
	"time"
)

// moment is a date, with or without a time of day. A date without one stands at noon of its day: noon exists
// on every day in every zone, midnight does not.
type moment struct {
	at  time.Time
	day bool // no time of day was given
}

// String writes the date as ISO 8601: the one form that no reader takes for another date.
func (m moment) String() string {
	if m.day {
		return m.at.Format(time.DateOnly)
	}
	if m.at.Nanosecond() != 0 {
		return m.at.Format("2006-01-02T15:04:05.000000-07:00")
	}
	return m.at.Format("2006-01-02T15:04:05-07:00")
}

// stamp is the moment as targets take it: with seconds and offset, in the plan's zone, so that one instant
// has one text.
func (m moment) stamp(zone *time.Location) string {
	at := m.at.In(zone)
	if m.day {
		y, mo, d := m.at.Date()
		at = time.Date(y, mo, d, 12, 0, 0, 0, zone)
	}
	return moment{at: at}.String()
}

// compare orders two moments; a date without time of day is compared by days.
func (m moment) compare(o moment, zone *time.Location) int {
	if m.day || o.day {
		return m.days(zone) - o.days(zone)
	}
	return m.at.Compare(o.at)
}

// days counts calendar days in the zone; a date without time of day is the day it names, everywhere.
func (m moment) days(zone *time.Location) int {
	at := m.at
	if !m.day {
		at = at.In(zone)
	}
	y, mo, d := at.Date()
	return int(time.Date(y, mo, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// add moves the moment. Whole days are moved in the calendar, so that a change of summer time does not turn
// a date into the day before.
func (m moment) add(d time.Duration) moment {
	if m.day && d%(24*time.Hour) == 0 {
		m.at = m.at.AddDate(0, 0, int(d/(24*time.Hour)))
		return m
	}
	return moment{at: m.at.Add(d)}
}

// since is the time between two moments; whole days where one of them has no time of day.
func (m moment) since(o moment, zone *time.Location) time.Duration {
	if m.day || o.day {
		return time.Duration(m.days(zone)-o.days(zone)) * 24 * time.Hour
	}
	return m.at.Sub(o.at)
}

// dayOf is the day that a clock shows in a zone.
func dayOf(t time.Time, zone *time.Location) moment {
	y, mo, d := t.In(zone).Date()
	return moment{at: time.Date(y, mo, d, 12, 0, 0, 0, zone), day: true}
}

var (
	isoDate = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)? ?(Z|z|UTC|[+-]\d{2}:?\d{2})?$`)
	brDate  = regexp.MustCompile(`^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:,? +(?:às +)?(\d{1,2})[:h](\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?$`)
)

// parseISO reads a date as computers write it. A time without offset is local time of the zone.
func parseISO(text string, zone *time.Location) (moment, bool) {
	if len(text) < 8 || text[4] != '-' {
		return moment{}, false // most texts that are asked are no dates at all
	}
	p := isoDate.FindStringSubmatch(text)
	if p == nil {
		return moment{}, false
	}
	if p[8] != "" && p[4] == "" {
		return moment{}, false
	}
	in := zone
	switch p[8] {
	case "":
	case "Z", "z", "UTC":
		in = time.UTC
	default:
		hours, minutes := atoi(p[8][1:3]), atoi(p[8][len(p[8])-2:])
		if hours > 15 || minutes > 59 {
			return moment{}, false
		}
		offset := hours*3600 + minutes*60
		if p[8][0] == '-' {
			offset = -offset
		}
		in = time.FixedZone("", offset)
	}
	m, ok := civil(p[1], p[2], p[3], p[4], p[5], p[6], p[7], in)
	if ok && !m.day {
		m.at = m.at.In(zone)
	}
	return m, ok
}

// parseBrazilian reads a date as people write it in Brazil, day first.
func parseBrazilian(text string, zone *time.Location) (moment, bool) {
	if len(text) < 8 || text[4] == '-' {
		return moment{}, false
	}
	p := brDate.FindStringSubmatch(text)
	if p == nil {
		return moment{}, false
	}
	return civil(p[3], p[2], p[1], p[4], p[5], p[6], p[7], zone)
}

// emptyDate reports the dates that databases write when they have none.
func emptyDate(text string) bool {
	return len(text) >= 10 && (text[:10] == "0000-00-00" || text[:10] == "0001-01-01" || text[:10] == "00/00/0000")
}

// civil builds a moment from its parts, refusing dates that the calendar does not have. A time of day that
// the zone skips, such as midnight when summer time begins, is read with the offset from before the jump, so
// that it stays on its day.
func civil(year, month, day, hour, minute, second, fraction string, zone *time.Location) (moment, bool) {
	y, mo, d := atoi(year), atoi(month), atoi(day)
	if check := time.Date(y, time.Month(mo), d, 12, 0, 0, 0, time.UTC); y < 1 || check.Day() != d || int(check.Month()) != mo {
		return moment{}, false
	}
	if hour == "" {
		return moment{at: time.Date(y, time.Month(mo), d, 12, 0, 0, 0, zone), day: true}, true
	}
	h, mi, s := atoi(hour), atoi(minute), atoi(second)
	if h > 23 || mi > 59 || s > 59 {
		return moment{}, false
	}
	nanos := atoi((fraction + "000000000")[:9])
	at := time.Date(y, time.Month(mo), d, h, mi, s, nanos, zone)
	wanted := time.Date(y, time.Month(mo), d, h, mi, s, nanos, time.UTC)
	_, offset := at.Zone()
	if shown := at.Unix() + int64(offset); shown < wanted.Unix() {
		at = at.Add(time.Duration(wanted.Unix()-shown) * time.Second)
	}
	return moment{at: at}, true
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
