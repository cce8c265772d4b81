package mapping

import (
	"math"
	"strings"
	"time"
)

func dateBR(c call) (any, *fault) {
	return readDate(c, func(text string) (moment, bool) {
		if m, ok := parseBrazilian(text, c.zone); ok {
			return m, true
		}
		return parseISO(text, c.zone)
	}, "%s is no date that exists: 20/11/2026, 20/11/2026 10:41 and 2026-11-20 are read",
		"%s não é uma data que existe: são lidas 20/11/2026, 20/11/2026 10:41 e 2026-11-20")
}

func date(c call) (any, *fault) {
	return readDate(c, func(text string) (moment, bool) { return parseISO(text, c.zone) },
		"%s is no date such as 2026-11-20 or 2026-11-20T10:41:07Z; date_br(%[1]s) also reads 20/11/2026",
		"%s não é uma data como 2026-11-20 ou 2026-11-20T10:41:07Z; date_br(%[1]s) também lê 20/11/2026")
}

func readDate(c call, parse func(string) (moment, bool), en, pt string) (any, *fault) {
	switch v := c.args[0].(type) {
	case moment:
		return v, nil
	case string:
		text := strings.TrimSpace(v)
		if text == "" || emptyDate(text) {
			return nil, nil
		}
		if m, ok := parse(text); ok {
			return m, nil
		}
		return c.wrong(0, en, pt)
	}
	return c.wrong(0, "%s is %s, not a date", "%s é %s, não uma data", kind(c.args[0]))
}

func days(c call) (any, *fault) {
	n, ok := numeric(c.args[0])
	if !ok || math.Abs(float(n)) > 100_000 {
		return c.wrong(0, "%s is no number of days", "%s não é um número de dias")
	}
	return time.Duration(float(n) * float64(24*time.Hour)), nil
}

func duration(c call) (any, *fault) {
	text, ok := c.args[0].(string)
	d, err := time.ParseDuration(text)
	if !ok || err != nil {
		return c.wrong(0, "%s is no length of time such as \"36h\"", "%s não é um intervalo de tempo como \"36h\"")
	}
	return d, nil
}

// dateParts are what can be asked of a date or a length of time with a dot.
var dateParts = map[string]*function{
	"Year":    {do: part(func(t time.Time) any { return t.Year() })},
	"Month":   {do: part(func(t time.Time) any { return int(t.Month()) })},
	"Day":     {do: part(func(t time.Time) any { return t.Day() })},
	"Weekday": {do: part(func(t time.Time) any { return int(t.Weekday()) })},
	"Hour":    {do: part(func(t time.Time) any { return t.Hour() })},
	"Minute":  {do: part(func(t time.Time) any { return t.Minute() })},
	"Unix":    {do: part(func(t time.Time) any { return int(t.Unix()) })},
	"Hours": {do: func(c call) (any, *fault) {
		d, ok := c.args[0].(time.Duration)
		if !ok {
			return c.wrong(0, "%s is %s, not a length of time", "%s é %s, não um intervalo de tempo", kind(c.args[0]))
		}
		return whole(d.Hours()), nil
	}},
}

func part(of func(time.Time) any) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		m, ok := c.args[0].(moment)
		if !ok {
			return c.wrong(0, "%s is %s, not a date: write date_br(%[1]s)", "%s é %s, não uma data: escreva date_br(%[1]s)", kind(c.args[0]))
		}
		return of(m.at), nil
	}
}
