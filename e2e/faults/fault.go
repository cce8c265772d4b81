package main

import (
	"fmt"
	"net/http"
	"time"
)

// fault is one row of the matrix.
type fault struct {
	name   string
	toxics []toxic
	down   bool
	bend   *bend
	hold   time.Duration // how long it lasts
	heavy  bool          // its answers are large: it gets a syncer of its own, whose memory is watched
	on     []string      // the columns where it can happen; all when empty
	noted  bool          // its calls cannot be counted where they arrive
}

const (
	brief = 8 * time.Second  // longer than a first retry is for the breaker to say
	lapse = 40 * time.Second // longer than syncer waits for an answer
)

// Columns that walk lists, with links to the next page.
var walks = []string{mirror, crm, list}

// matrix makes the rows. Every cell takes a row of its own, for some remember how often they acted.
func matrix(t *trap) []fault {
	up, down := "upstream", "downstream"
	wire := func(kind, stream string, attributes ...any) []toxic {
		a := map[string]any{}
		for i := 0; i+1 < len(attributes); i += 2 {
			a[attributes[i].(string)] = attributes[i+1]
		}
		return []toxic{{kind, stream, a}}
	}
	elsewhere := func(r *http.Request) string { return t.url(r) }
	away := func(r *http.Request, _ int64) string { return t.url(r) }
	home := func(r *http.Request) string { return "http://" + r.Host + "/moved" + r.URL.Path }
	in := func(d time.Duration) func(time.Time) string {
		return func(now time.Time) string { return now.Add(d).UTC().Format(http.TimeFormat) }
	}
	json := "application/json"
	detail := func(status int, text string) *bend { return says(status, json, fmt.Sprintf(`{"detail":%q}`, text)) }
	return []fault{
		{name: "latency 1.5 s", toxics: wire("latency", down, "latency", 1500), hold: brief},
		{name: "jitter 0 to 2 s", toxics: wire("latency", down, "latency", 1000, "jitter", 1000), hold: brief},
		{name: "bandwidth 1 kB/s", toxics: wire("bandwidth", down, "rate", 1), hold: brief},
		{name: "reset before the request arrives", toxics: wire("reset_peer", up, "timeout", 0), hold: brief, noted: true},
		{name: "reset after it was carried out", toxics: wire("reset_peer", down, "timeout", 0), hold: brief},
		{name: "answer cut after 40 bytes", toxics: wire("limit_data", down, "bytes", 40), hold: brief},
		{name: "answer in slices", toxics: wire("slicer", down, "average_size", 16, "size_variation", 8, "delay", 1000), hold: brief},
		{name: "slow close", toxics: wire("slow_close", down, "delay", 3000), hold: brief},
		{name: "closed after 3 s without an answer", toxics: wire("timeout", down, "timeout", 3000), hold: brief},
		{name: "half-open: requests vanish", toxics: wire("timeout", up, "timeout", 0), hold: lapse, noted: true},
		{name: "half-open: answers vanish", toxics: wire("timeout", down, "timeout", 0), hold: lapse},
		{name: "down", down: true, hold: brief, noted: true},

		{name: "401", bend: detail(401, "Invalid token"), hold: brief},
		{name: "403 HTML", bend: html(403), hold: brief},
		{name: "404 JSON", bend: detail(404, "no route"), hold: brief},
		{name: "404 HTML", bend: html(404), hold: brief},
		{name: "409 JSON", bend: detail(409, "conflict"), hold: brief},
		{name: "409 HTML", bend: html(409), hold: brief},
		{name: "400 HTML", bend: html(400), hold: brief},
		{name: "405 HTML", bend: html(405), hold: brief},
		{name: "413 HTML", bend: html(413), hold: brief},
		{name: "429", bend: detail(429, "slow down"), hold: brief},
		{name: "429, Retry-After 3", bend: says(429, json, `{}`, "Retry-After", "3"), hold: brief},
		{name: "429, Retry-After in 4 s as a date", bend: saysAt(429, "Retry-After", in(4*time.Second)), hold: brief},
		{name: "429, Retry-After a date that is past", bend: saysAt(429, "Retry-After", in(-24*time.Hour)), hold: brief},
		{name: "429, Retry-After -7", bend: says(429, json, `{}`, "Retry-After", "-7"), hold: brief},
		{name: "429, Retry-After soon", bend: says(429, json, `{}`, "Retry-After", "soon"), hold: brief},
		{name: "429, Retry-After 0", bend: says(429, json, `{}`, "Retry-After", "0"), hold: brief},
		{name: "429, Retry-After 9999999", bend: says(429, json, `{}`, "Retry-After", "9999999"), hold: brief},
		{name: "429, Retry-After 1e300", bend: says(429, json, `{}`, "Retry-After", "1e300"), hold: brief},
		{name: "429, Retry-After in the year 9999", bend: says(429, json, `{}`, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), hold: brief},
		{name: "500 HTML", bend: html(500), hold: brief},
		{name: "502 HTML", bend: html(502), hold: brief},
		{name: "503 HTML, Retry-After 5", bend: html(503, "Retry-After", "5"), hold: brief},
		{name: "503, Retry-After in the year 9999", bend: html(503, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), hold: brief},
		{name: "502 HTML after it was carried out", bend: lost(502), hold: brief},

		{name: "JSON cut in half", bend: cut(), hold: brief},
		{name: "connection cut within the answer", bend: broken(), hold: brief},
		{name: "the right JSON as text/html", bend: typed("text/html"), hold: brief},
		{name: "the right JSON as text/plain", bend: typed("text/plain"), hold: brief},
		{name: "200 with a page", bend: html(200), hold: brief},
		{name: "200 with invalid JSON", bend: says(200, json, `{"results":[{],,}`), hold: brief},
		{name: "200 with nothing", bend: says(200, json, ``), hold: brief},
		{name: "200 with null", bend: says(200, json, `null`), hold: brief},
		{name: "200 with {}", bend: says(200, json, `{}`), hold: brief},
		{name: "200 with []", bend: says(200, json, `[]`), hold: brief},
		{name: "204", bend: says(204, json, ``), hold: brief},

		{name: "302 to the same host", bend: sends(302, home), hold: brief},
		{name: "302 to another host", bend: sends(302, elsewhere), hold: brief},
		{name: "307 to another host", bend: sends(307, elsewhere), hold: brief},
		{name: "next is on another host", bend: leads(away, isList), hold: brief, on: walks},
		{name: "the same cursor again", bend: leads(same, isList), hold: brief, on: walks},
		{name: "cursors in a circle", bend: leads(circle, isList), hold: 2 * brief, on: walks},
		{name: "always a new cursor", bend: leads(fresh, isList), hold: 2 * brief, on: walks},

		{name: "100 MB", bend: giant(), hold: brief, heavy: true},
		{name: "a body without end", bend: flood(), hold: brief, heavy: true},
		{name: "a body that drips without end", bend: drip(), hold: lapse},
		{name: "gzip bomb of 1 GB", bend: bomb(), hold: brief, heavy: true},
	}
}
