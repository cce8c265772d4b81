package rapidpro

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange is one request and its answer, in the order they were recorded. What was done to the real
// service between them, through its user interface or database, the test does through the control API.
type exchange struct {
	Note, Method, Path string
	Body               json.RawMessage
	Status             int
	ContentType        *string `json:"content_type"`
	RetryAfter         any     `json:"retry_after"`
	Resp               any
}

// unreplayable are the exchanges that depended on chance, on an outage that the simulator does not
// imitate, on endpoints it does not have or on how the recording was made.
var unreplayable = map[string][2]int{
	"a text/plain body, sent with a header that was not recorded": {11, 11},
	"eight requests at once":                 {233, 240},
	"a role that mailroom does not know":     {346, 346},
	"a group that was still being evaluated": {348, 348},
	"the database was away":                  {358, 358},
	"services were restarted":                {373, 373},
	"services were away":                     {376, 380},
	"redis was away":                         {382, 382},
	"flow starts":                            {409, 409},
}

// binding pairs values of the recording with the simulator's, one to one: uuids, and the moments that
// created_on and modified_on show. So it is also checked which writes move modified_on and which do not.
type binding struct{ to, from map[string]string }

func (b *binding) bind(recorded, got string) bool {
	to, seen := b.to[recorded]
	from, used := b.from[got]
	if !seen && !used {
		b.to[recorded], b.from[got] = got, recorded
		return true
	}
	return seen && used && to == got && from == recorded
}

// translate replaces bound values in a request.
func (b *binding) translate(text string) string {
	text = anyUUID.ReplaceAllStringFunc(text, func(u string) string {
		if to, ok := b.to[strings.ToLower(u)]; ok && u != strings.ToLower(u) {
			return strings.ToUpper(to)
		}
		return cmpOr(b.to[u], u)
	})
	text = anyMoment.ReplaceAllStringFunc(text, func(m string) string {
		if to, ok := b.to[m]; ok || !millis.MatchString(m) {
			return cmpOr(to, m)
		}
		// The first of the bound moments in that millisecond, cut like it.
		for _, whole := range slices.Sorted(maps.Keys(b.to)) {
			if strings.HasPrefix(whole, m[:len(m)-1]) {
				return b.to[whole][:len(m)-1] + "Z"
			}
		}
		return m
	})
	text = encodedMoment.ReplaceAllStringFunc(text, func(m string) string {
		plain, _ := url.QueryUnescape(m)
		if to, ok := b.to[strings.Replace(plain, "+00:00", "Z", 1)]; ok {
			return url.QueryEscape(strings.Replace(to, "Z", "+00:00", 1))
		}
		return m
	})
	return cursorParam.ReplaceAllStringFunc(text, func(p string) string {
		return "cursor=" + url.QueryEscape(b.translateCursor(p[len("cursor="):]))
	})
}

func (b *binding) translateCursor(encoded string) string {
	plain, _ := url.QueryUnescape(encoded)
	raw, err := base64.StdEncoding.DecodeString(plain)
	if err != nil {
		return plain
	}
	c, _ := decodeCursor(plain)
	moment := strings.Replace(strings.Replace(c.position, " ", "T", 1), "+00:00", "Z", 1)
	if to, ok := b.to[moment]; ok {
		c.position = strings.Replace(strings.Replace(to, "T", " ", 1), "Z", "+00:00", 1)
		return c.encode()
	}
	return base64.StdEncoding.EncodeToString(raw)
}

var (
	anyUUID       = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	millis        = regexp.MustCompile(`\.\d{3}Z$`)
	anyMoment     = regexp.MustCompile(`2026-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	encodedMoment = regexp.MustCompile(`2026-\d\d-\d\dT\d\d%3A\d\d%3A\d\d\.\d+%2B00%3A00`)
	cursorParam   = regexp.MustCompile(`cursor=[^&]+`)
	fullMoment    = regexp.MustCompile(`^2026-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$`)
)

// same compares an answer with the recorded one.
func (b *binding) same(want, got any, at string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: want an object, got %v", at, got)
		}
		if n, truncated := w["results_truncated_from"]; truncated {
			w = cloneWithout(w, "results_truncated_from")
			list, kept := g["results"].([]any), len(w["results"].([]any))
			if float64(len(list)) != n {
				return fmt.Sprintf("%s: want %v results, got %d", at, n, len(list))
			}
			g = cloneWithout(g, "")
			g["results"] = list[:kept]
		}
		if len(w) != len(g) {
			return fmt.Sprintf("%s: want %v, got %v", at, w, g)
		}
		for k := range w {
			if d := b.same(w[k], g[k], at+"/"+k); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return fmt.Sprintf("%s: want %v, got %v", at, want, got)
		}
		for i := range w {
			if d := b.same(w[i], g[i], fmt.Sprintf("%s/%d", at, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		g, ok := got.(string)
		switch {
		case !ok:
		case uuidText.MatchString(w) && uuidText.MatchString(g), fullMoment.MatchString(w) && fullMoment.MatchString(g):
			if !b.bind(w, g) {
				return fmt.Sprintf("%s: %s is bound to %s, got %s, which is bound to %s", at, w, b.to[w], g, b.from[g])
			}
			return ""
		case strings.HasPrefix(w, "https://flows.example/"):
			return b.sameLink(w, g, at)
		case anyUUID.MatchString(w):
			w = b.translate(w)
		}
		if w == got {
			return ""
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s: want %v, got %v", at, want, got)
	}
	return ""
}

func cloneWithout(m map[string]any, key string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// sameLink compares the links to other pages, and what is in their cursors.
func (b *binding) sameLink(want, got, at string) string {
	w, _ := url.Parse(want)
	g, err := url.Parse(got)
	if err != nil {
		return err.Error()
	}
	wc, _ := decodeCursor(w.Query().Get("cursor"))
	gc, _ := decodeCursor(g.Query().Get("cursor"))
	moment := func(p string) string { return strings.Replace(strings.Replace(p, " ", "T", 1), "+00:00", "Z", 1) }
	if wc.offset != gc.offset || wc.reverse != gc.reverse || wc.fixed != gc.fixed || wc.fixed && !b.bind(moment(wc.position), moment(gc.position)) {
		return fmt.Sprintf("%s: want cursor %+v, got %+v", at, wc, gc)
	}
	if w.Path != g.Path || b.translate(cursorParam.ReplaceAllString(w.RawQuery, "")) != cursorParam.ReplaceAllString(g.RawQuery, "") {
		return fmt.Sprintf("%s: want %s, got %s", at, want, got)
	}
	return ""
}

func TestTranscript(t *testing.T) {
	exchanges := readLines[exchange](t, "weni-transcript.jsonl")
	start := time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC) // the clock stands still between the steps
	s := New(Options{Clock: func() time.Time { return start }})
	server := httptest.NewServer(s)
	defer server.Close()
	b := &binding{map[string]string{}, map[string]string{}}
	set := func(f func(*Settings)) func() {
		return func() {
			if err := s.Change(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	group := func(recorded string) string { return b.to[recorded] }
	before := map[int]func(){
		128: func() { // a date without a time gets the time of day, so the clock has to show the same
			s.Control.Advance(time.Date(2026, 11, 20, 11, 44, 37, 238515000, time.UTC).Sub(s.Control.Now()) - 6*time.Second)
		},
		280: func() { // 260 contacts were made that are not in the recording
			for i := range 260 {
				s.Control.Advance(2 * time.Millisecond)
				name := fmt.Sprintf("p%03d", i)
				body := fmt.Sprintf(`{"name":%q,"urns":["ext:%s"],"groups":[%q]}`, name, name, group("79867882-c6ef-484f-b8b0-d24daa39267a"))
				if code, _, text, err := call(server, s.Token(), "POST", "contacts.json", []byte(body), nil, nil); code != 201 || err != nil {
					t.Fatal(code, string(text), err)
				}
			}
		},
		306: func() {
			var uuids []string
			for i := range 10 {
				c, _ := s.Contact(fmt.Sprintf("ext:p%03d", i))
				uuids = append(uuids, c.UUID)
			}
			if _, err := s.Touch(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), uuids...); err != nil {
				t.Fatal(err)
			}
		},
		323: set(func(s *Settings) { s.Suspended = true }),
		327: set(func(s *Settings) { s.Suspended, s.Anon = false, true }),
		332: set(func(s *Settings) { s.Anon, s.MaxFields, s.MaxGroups = false, 3, 3 }),
		336: set(func(s *Settings) { s.MaxFields, s.MaxGroups = 250, 250; s.Name = "Acme" }),
		340: set(func(s *Settings) { s.Role = "viewer" }),
		349: func() {
			set(func(s *Settings) { s.Role = "administrator" })()
			uuid, err := s.AddGroup("Smart", "nick_name = 42")
			if err != nil || !b.bind("1b3438e6-dc94-4646-ab6b-dcb959cb6b34", uuid) {
				t.Fatal(err)
			}
		},
		359: set(func(s *Settings) { s.Requests, s.WindowSeconds = 1, 3600 }),
		363: set(func(s *Settings) { s.Requests = 0 }),
		365: func() { // an exchange that was a repetition is left out of the recording
			if err := s.Edit(b.to["c0ea1348-5490-4d32-bb4b-ed5df5785217"], Edit{Fields: map[string]string{"nick_name": strings.Repeat("x", 640)}}); err != nil {
				t.Fatal(err)
			}
		},
		394: func() {
			if err := s.AddResthook("new-lead"); err != nil {
				t.Fatal(err)
			}
		},
		410: set(func(s *Settings) { s.EngineDown = true }),
	}
	skip := func(i int) bool {
		for _, r := range unreplayable {
			if i >= r[0] && i <= r[1] {
				return true
			}
		}
		return false
	}
	replayed := 0
	for i, x := range exchanges {
		if f := before[i]; f != nil {
			f()
		}
		if skip(i) {
			continue
		}
		replayed++
		if (i < 72 || i > 78) && (i < 359 || i > 362) { // there the recording was quick
			s.Control.Advance(6 * time.Second)
		}
		if i == 359 { // the window was full
			_, _, _, _ = call(server, s.Token(), "GET", "contacts.json?limit=1", nil, nil, nil)
			s.Control.Advance(310 * time.Second)
		}
		body := []byte(b.translate(string(x.Body)))
		var raw string
		if string(x.Body) == "null" {
			body = nil
		} else if json.Unmarshal(x.Body, &raw) == nil {
			body = []byte(raw)
		}
		headers := map[string]*string{}
		if x.Status == 403 && strings.Contains(fmt.Sprint(x.Resp), "not provided") {
			headers["Authorization"] = nil
		}
		code, header, text, err := call(server, s.Token(), x.Method, server.URL+b.translate(x.Path), body, headers, nil)
		if err != nil {
			t.Fatal(err)
		}
		fail := func(format string, args ...any) {
			t.Errorf("%d %s %s %.200s: %.500s", i, x.Method, x.Path, x.Body, fmt.Sprintf(format, args...))
		}
		var contentType any
		if x.ContentType != nil {
			contentType = *x.ContentType
		}
		got := any(string(text))
		if contentType == "application/json" {
			got = nil
			_ = json.Unmarshal(text, &got)
		}
		if code != x.Status || headerValue(header, "Content-Type") != contentType {
			fail("want %d %v, got %d %v %.300s", x.Status, contentType, code, header.Get("Content-Type"), text)
			continue
		}
		if x.RetryAfter != nil && header.Get("Retry-After") != fmt.Sprint(x.RetryAfter) {
			fail("Retry-After %s, want %v", header.Get("Retry-After"), x.RetryAfter)
		}
		if c, ok := x.Resp.(map[string]any); ok && x.Method == "POST" && c["groups"] != nil { // in no promised order
			if g, ok := got.(map[string]any); ok {
				sortGroups(c)
				sortGroups(g)
			}
		}
		if d := b.same(x.Resp, got, "body"); d != "" {
			fail("%s", d)
		}
	}
	t.Logf("%d of %d exchanges replayed", replayed, len(exchanges))
}

func sortGroups(contact map[string]any) {
	if list, ok := contact["groups"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}
