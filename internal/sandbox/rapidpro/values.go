package rapidpro

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxValue is where the engine cuts a field value, in characters, without a word.
const maxValue = 640

// value is a field value in all its readings. Whatever the type of the field, the text is kept and read
// as number and as date; the type only chooses which reading is shown.
type value struct {
	text     string
	number   string    // plain decimal, "" when it is none
	datetime time.Time // zero when it is none
}

func (v value) equal(w value) bool {
	return v.text == w.text && v.number == w.number && v.datetime.Equal(w.datetime)
}

// shown is the reading for a field of that type; places are never found, as no boundaries are loaded.
func (v value) shown(kind string) string {
	switch kind {
	case "text":
		return v.text
	case "numeric":
		return v.number
	case "datetime":
		if !v.datetime.IsZero() {
			return v.datetime.Format("2006-01-02T15:04:05.000000Z07:00")
		}
	}
	return ""
}

// parseValue reads a text as the engine does.
func parseValue(text string, env environment) value {
	v := value{text: text, number: parseNumber(text)}
	v.datetime, _ = parseDatetime(text, env)
	v.text = truncate(text, maxValue)
	return v
}

// environment is what the engine needs to know to read dates.
type environment struct {
	now       time.Time
	zone      *time.Location
	dateStyle string // day_first, month_first, year_first
}

var plainDecimal = regexp.MustCompile(`^(-?)([0-9]+|[0-9]*\.[0-9]+)$`)

// parseNumber reads a plain decimal and writes it without needless zeros, never with an exponent.
// No signs but minus, no exponents, no separators of thousands.
func parseNumber(text string) string {
	m := plainDecimal.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return ""
	}
	whole, fraction, _ := strings.Cut(m[2], ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	if whole == "0" && fraction == "" {
		return "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return m[1] + whole
}

const dateSeparator = `[-.\\/_ ]`

var (
	dateFirst = regexp.MustCompile(`\b([0-9]{1,2})` + dateSeparator + `([0-9]{1,2})` + dateSeparator + `([0-9]{4}|[0-9]{2})\b`)
	yearFirst = regexp.MustCompile(`\b([0-9]{4}|[0-9]{2})` + dateSeparator + `([0-9]{1,2})` + dateSeparator + `([0-9]{1,2})\b`)
	timeOfDay = regexp.MustCompile(`\b(\d{1,2})(?:(?:\:)?(\d{2})(?:\:(\d{2})(?:\.(\d+))?)?)?\W*([aApP][mM])?\b`)
)

// parseDatetime reads a date. Only ISO 8601 with an offset is safe: other texts are searched for
// something like a date and, in what follows it, for something like a time, with surprising finds
// ("T11:12:13" is read as 12:13, because a time must begin at a word). Without a time the date gets
// the time of day of the moment.
func parseDatetime(text string, env environment) (time.Time, bool) {
	text = strings.Trim(text, " \n\r\t")
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00"} {
		if t, err := time.ParseInLocation(layout, text, env.zone); err == nil {
			return t, true
		}
	}
	year, month, day, rest, ok := parseDate(text, env)
	if !ok {
		return time.Time{}, false
	}
	hour, minute, second, nanos, ok := parseTime(rest)
	if !ok {
		local := env.now.In(env.zone)
		hour, minute, second, nanos = local.Hour(), local.Minute(), local.Second(), local.Nanosecond()
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, env.zone), true
}

func parseDate(text string, env environment) (year, month, day int, rest string, ok bool) {
	if len(text) >= 10 {
		if t, err := time.Parse("2006-01-02", text[:10]); err == nil {
			return t.Year(), int(t.Month()), t.Day(), text[10:], true
		}
	}
	pattern, d, m, y := dateFirst, 1, 2, 3
	switch env.dateStyle {
	case "month_first":
		d, m = 2, 1
	case "year_first":
		pattern, d, y = yearFirst, 3, 1
	}
	for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
		part := func(i int) string { return text[at[2*i]:at[2*i+1]] }
		day, _ = strconv.Atoi(part(d))
		month, _ = strconv.Atoi(part(m))
		if day < 1 || day > 31 || month < 1 || month > 12 {
			continue
		}
		year, _ = strconv.Atoi(part(y))
		if len(part(y)) == 2 {
			if year > env.now.Year()%1000 {
				year += 1900
			} else {
				year += 2000
			}
		}
		return year, month, day, text[at[1]:], true
	}
	return 0, 0, 0, "", false
}

func parseTime(text string) (hour, minute, second, nanos int, ok bool) {
	for _, m := range timeOfDay.FindAllStringSubmatch(text, -1) {
		hour, _ = strconv.Atoi(m[1])
		minute, _ = strconv.Atoi(m[2])
		second, _ = strconv.Atoi(m[3])
		if digits := m[4]; digits != "" {
			digits = (digits + "000000000")[:9]
			nanos, _ = strconv.Atoi(digits)
		} else {
			nanos = 0
		}
		switch half := strings.ToLower(m[5]); {
		case half == "pm" && hour < 12:
			hour += 12
		case half == "am" && hour == 12:
			hour = 0
		}
		if hour == 24 && minute == 0 && second == 0 && nanos == 0 {
			hour = 0
		}
		if hour <= 24 && minute <= 60 && second <= 60 {
			return hour, minute, second, nanos, true
		}
	}
	return 0, 0, 0, 0, false
}

// isoDate reads the dates of before and after as Python's iso8601 package does, which takes much that
// Go does not: a year alone, no separators, one-digit months. Without an offset it is UTC.
func isoDate(s string) (time.Time, bool) {
	m := isoPattern.FindStringSubmatch(s)
	if m == nil || m[3] != "" && m[4] == "" && m[5] == "" { // YYYYMM would be ambiguous
		return time.Time{}, false
	}
	number := func(texts ...string) int {
		for _, t := range texts {
			if n, err := strconv.Atoi(t); err == nil {
				return n
			}
		}
		return -1
	}
	or1 := func(n int) int { return max(n, 1) }
	year, month, day := number(m[1]), number(m[2], m[3]), number(m[4], m[5])
	hour, minute, second := max(number(m[6]), 0), max(number(m[7]), 0), max(number(m[8]), 0)
	if month == 0 || month > 12 || day == 0 || hour > 23 || minute > 59 || second > 59 || year == 0 {
		return time.Time{}, false
	}
	micros, _ := strconv.Atoi((m[9] + "000000")[:6])
	zone := time.UTC
	if m[11] != "" {
		offset := number(m[12])*3600 + max(number(m[13]), 0)*60
		if offset >= 24*3600 {
			return time.Time{}, false
		}
		if m[11] == "-" {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	t := time.Date(year, time.Month(or1(month)), or1(day), hour, minute, second, micros*1000, zone)
	return t, t.Day() == or1(day) // no 30th of February
}

var isoPattern = regexp.MustCompile(`^([0-9]{4})(?:(?:-([0-9]{1,2})|([0-9]{2}))(?:(?:-([0-9]{1,2})|([0-9]{2}))` +
	`(?:[ T]([0-9]{2})(?::?([0-9]{2}))?(?::?([0-9]{1,2})(?:[.,]([0-9]+))?)?(Z|([-+])([0-9]{2}):?([0-9]{2})?)?)?)?)?$`)

// cursorDate reads the position in a cursor as Django reads a datetime, or a date, from text.
func cursorDate(s string) (time.Time, bool) {
	m := djangoPattern.FindStringSubmatch(s)
	if m == nil {
		t, err := time.Parse("2006-1-2", s)
		return t, err == nil
	}
	atoi := func(s string) int { n, _ := strconv.Atoi(s); return n }
	micros := atoi((m[7] + "000000")[:6])
	zone := time.UTC
	if m[8] != "" && m[8] != "Z" {
		offset := atoi(m[8][1:3]) * 3600
		if digits := strings.TrimPrefix(m[8][3:], ":"); digits != "" {
			offset += atoi(digits) * 60
		}
		if m[8][0] == '-' {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	if atoi(m[2]) < 1 || atoi(m[2]) > 12 || atoi(m[3]) < 1 || atoi(m[4]) > 23 || atoi(m[5]) > 59 || atoi(m[6]) > 59 {
		return time.Time{}, false
	}
	t := time.Date(atoi(m[1]), time.Month(atoi(m[2])), atoi(m[3]), atoi(m[4]), atoi(m[5]), atoi(m[6]), micros*1000, zone)
	return t, t.Day() == atoi(m[3])
}

var djangoPattern = regexp.MustCompile(`^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[T ]([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:[\.,]([0-9]{1,6})[0-9]{0,6})?)?\s*(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?$`)
