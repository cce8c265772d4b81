package mapping

import (
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// ParseSchedule reads a cron expression of five fields, or a word such as @daily. Behind it stands robfig's
// parser, which takes expressions that panic, that never fire and that mean something else than they say;
// those are refused here.
func ParseSchedule(expr string, loc *time.Location) (cron.Schedule, error) {
	s, m := parseSchedule(expr, loc)
	if !m.isZero() {
		return nil, m
	}
	return s, nil
}

// cronRanges are the lowest and highest value of each of the five fields.
var cronRanges = [5]struct {
	name message
	low  int
	high int
}{
	{words("minute", "minuto"), 0, 59}, {words("hour", "hora"), 0, 23}, {words("day", "dia"), 1, 31}, {words("month", "mês"), 1, 12}, {words("weekday", "dia da semana"), 0, 6},
}

func parseSchedule(expr string, loc *time.Location) (s cron.Schedule, m message) {
	bad := words("this is not a schedule: it has five parts, minute hour day month weekday, such as \"*/15 * * * *\"",
		"isto não é um agendamento: são cinco partes, minuto hora dia mês dia-da-semana, como \"*/15 * * * *\"")
	defer func() {
		if recover() != nil {
			s, m = nil, bad
		}
	}()
	expr = strings.TrimSpace(expr)
	switch {
	case strings.Contains(expr, "TZ="):
		return nil, words("the time zone of schedules is defaults.timezone", "o fuso horário dos agendamentos é defaults.timezone")
	case strings.HasPrefix(expr, "@every"):
		every, err := time.ParseDuration(strings.TrimSpace(strings.TrimPrefix(expr, "@every")))
		if err != nil {
			return nil, words("@every needs a length of time, such as @every 15m", "@every precisa de um intervalo, como @every 15m")
		}
		if every < time.Minute {
			return nil, words("@every needs at least a minute", "@every precisa de pelo menos um minuto")
		}
	case !strings.HasPrefix(expr, "@"):
		fields := strings.Fields(expr)
		if len(fields) != 5 {
			return nil, bad
		}
		for i, field := range fields {
			if m := goodCronField(field, i); !m.isZero() {
				return nil, m
			}
		}
	}
	s, err := cron.ParseStandard(expr)
	if err != nil {
		return nil, bad
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		if loc == nil {
			loc = time.UTC
		}
		spec.Location = loc
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, words("this schedule never comes: no month has that day", "este agendamento nunca chega: nenhum mês tem esse dia")
	}
	return s, message{}
}

// goodCronField checks the steps of one field: robfig takes */70 minutes and makes it hourly.
func goodCronField(field string, i int) message {
	r := cronRanges[i]
	for part := range strings.SplitSeq(field, ",") {
		_, step, stepped := strings.Cut(part, "/")
		if !stepped {
			continue
		}
		n, err := strconv.Atoi(step)
		if err != nil || n < 1 || n > r.high-r.low {
			return words("a step of %s is not possible for the %s: it goes from %d to %d", "um passo de %s não é possível para %s: vai de %d a %d", step, r.name, r.low, r.high)
		}
	}
	return message{}
}
