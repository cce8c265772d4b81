package pipedrive

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	burstWindow = 2 * time.Second
	// A client that makes this many calls within abuseWindow although it was refused meets the firewall.
	abuseCalls  = 10
	abuseWindow = 10 * time.Second
	blockedFor  = 5 * time.Minute
)

const cloudflare = "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>Attention Required! | Cloudflare</title></head>\n" +
	"<body><h1>Sorry, you have been blocked</h1><p>You are unable to access pipedrive.com</p></body></html>\n"

// limits is what the company's calls have used up.
type limits struct {
	day     string
	spent   int         // tokens of the day
	burst   []time.Time // calls of the last two seconds
	refused []time.Time // calls that were refused
	blocked time.Time   // until when the firewall stands
}

// spend books a call and says how the limits stand. It answers the call itself when it is over a limit.
func (s *Server) spend(w http.ResponseWriter, cost int) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.limits
	if now.Before(l.blocked) {
		block(w)
		return false
	}
	if day := now.Format(time.DateOnly); day != l.day {
		l.day, l.spent = day, 0
	}
	l.burst = since(l.burst, now.Add(-burstWindow))
	limited := s.o.PerTwoSeconds > 0
	over := limited && len(l.burst) >= s.o.PerTwoSeconds || s.o.PerDay > 0 && l.spent+cost > s.o.PerDay
	if !over {
		l.burst = append(l.burst, now)
		l.spent += cost
	}
	if limited {
		h := w.Header()
		h.Set("X-Ratelimit-Limit", strconv.Itoa(s.o.PerTwoSeconds))
		h.Set("X-Ratelimit-Remaining", strconv.Itoa(s.o.PerTwoSeconds-len(l.burst)))
		h.Set("X-Ratelimit-Reset", strconv.Itoa(int(windowLeft(l.burst, now)/time.Second)))
	}
	if !over {
		return true
	}
	l.refused = append(since(l.refused, now.Add(-abuseWindow)), now)
	if len(l.refused) > abuseCalls {
		l.refused, l.blocked = nil, now.Add(blockedFor)
		block(w)
		return false
	}
	write(w, fail(http.StatusTooManyRequests, "Rate limit exceeded"))
	return false
}

// windowLeft is how long the window stays closed, in whole seconds and at least one.
func windowLeft(burst []time.Time, now time.Time) time.Duration {
	if len(burst) == 0 {
		return burstWindow
	}
	left := burst[0].Add(burstWindow).Sub(now) + time.Second - 1
	return max(left.Truncate(time.Second), time.Second)
}

func since(times []time.Time, start time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(start) {
		times = times[1:]
	}
	return times
}

func block(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, cloudflare)
}

// Spent is how many tokens the calls of the day have cost.
func (s *Server) Spent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits.spent
}
