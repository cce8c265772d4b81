package generic

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// How versions and times may be written, besides layouts.
const (
	asRFC3339 = "rfc3339"
	asUnix    = "unix"
	asUnixMS  = "unix_ms"
	asNumber  = "number"
)

// clock reads and writes moments in one configured form.
type clock struct {
	form string // one of the constants, or empty for a layout
	// layout is Go's; the form that people write is kept for errors.
	layout, written string
	zone            *time.Location
}

func newClock(as string, zone *time.Location) (clock, error) {
	switch as {
	case "":
		return clock{form: asRFC3339, written: asRFC3339}, nil
	case asRFC3339, asUnix, asUnixMS, asNumber:
		return clock{form: as, written: as}, nil
	}
	layout, err := goLayout(as)
	return clock{layout: layout, written: as, zone: zone}, err
}

// tokens are the parts of a layout. mm is the month, except right after hh.
var tokens = []struct{ word, layout string }{
	{"yyyy", "2006"}, {"yy", "06"}, {"dd", "02"}, {"hh", "15"}, {"ss", "05"}, {"zz", "Z07:00"},
	{"d", "2"}, {"m", "1"}, {"h", "15"},
}

// goLayout turns dd/mm/yyyy hh:mm:ss into what package time understands. Letters and digits that are no part
// of a date are refused: they would be read as something else.
func goLayout(s string) (string, error) {
	var out strings.Builder
	last := ""
	for rest := strings.ToLower(s); rest != ""; {
		if strings.HasPrefix(rest, "mm") {
			if last == "hh" {
				out.WriteString("04")
			} else {
				out.WriteString("01")
			}
			last, rest = "mm", rest[2:]
			continue
		}
		found := false
		for _, t := range tokens {
			if strings.HasPrefix(rest, t.word) {
				out.WriteString(t.layout)
				last, rest, found = t.word, rest[len(t.word):], true
				break
			}
		}
		if found {
			continue
		}
		switch c := rest[0]; {
		case c == 't':
			out.WriteByte('T')
		case strings.IndexByte(" /-.:,", c) >= 0:
			out.WriteByte(c)
		default:
			return "", fmt.Errorf("%q is no layout of a time: write it with dd, mm, yyyy, hh, mm, ss and zz (offset), for example dd/mm/yyyy hh:mm:ss", s)
		}
		rest = rest[1:]
	}
	if !strings.Contains(out.String(), "06") {
		return "", fmt.Errorf("%q is no layout of a time: it has no year", s)
	}
	return out.String(), nil
}

// read gives microseconds, or the number itself where the version is a revision. 0 means that nothing was
// said. The error names the form and never the value.
func (c *clock) read(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	var scale float64
	switch c.form {
	case asRFC3339:
		return micros(time.Parse(time.RFC3339, s))
	case asUnix:
		scale = 1e6
	case asUnixMS:
		scale = 1e3
	case asNumber:
		scale = 1
	default:
		return micros(time.ParseInLocation(c.layout, s, c.zone))
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n < math.MaxInt64/int64(scale) && n > math.MinInt64/int64(scale) {
		return n * int64(scale), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f*scale) >= 1<<62 {
		return 0, fmt.Errorf("no number")
	}
	return int64(math.Floor(f * scale)), nil
}

func micros(at time.Time, err error) (int64, error) {
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return 0, fmt.Errorf("no time of this form")
	}
	return at.UnixMicro(), nil
}

// write gives a moment for a query parameter. Whole seconds are rounded down, so that nothing is skipped.
func (c *clock) write(at time.Time) string {
	switch c.form {
	case asUnix:
		return strconv.FormatInt(at.Unix(), 10)
	case asUnixMS:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case asRFC3339:
		return at.UTC().Format(time.RFC3339)
	}
	return at.In(c.zone).Format(c.layout)
}
