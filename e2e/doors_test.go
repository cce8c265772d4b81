package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox"
)

// The secrets of the families, all invented.
const (
	familySecret = "segredo-da-familia-5d1f"
	standardKey  = "c2VncmVkby1kYS1mYW1pbGlhLTVkMWY=" // the same, as Standard Webhooks writes secrets
)

// families is a mapping file with one source for each way in which a sender can prove who it is.
func families(string) string {
	var b strings.Builder
	b.WriteString("version: 1\nsources:\n")
	for name, webhook := range map[string]string{
		"basic":    `{auth: basic, username: crm, password: "${FAMILY_SECRET}"}`,
		"static":   `{auth: static_header, header: X-Auth-Key, secret: "${FAMILY_SECRET}"}`,
		"bearer":   `{auth: bearer, secret: "${FAMILY_SECRET}"}`,
		"path":     `{auth: path_token, secret: "${FAMILY_SECRET}"}`,
		"hmac":     `{auth: hmac, header: X-Signature, secret: "${FAMILY_SECRET}", prefix: "sha256="}`,
		"sha1":     `{auth: hmac, header: X-Signature, secret: "${FAMILY_SECRET}", algorithm: sha1, encoding: base64}`,
		"timed":    `{auth: hmac, header: X-Signature, secret: "${FAMILY_SECRET}", timestamp: X-Time}`,
		"standard": `{auth: standard_webhooks, secret: "whsec_${STANDARD_SECRET}"}`,
		"stripe":   `{auth: stripe, secret: "${FAMILY_SECRET}"}`,
		"hubspot3": `{auth: hubspot_v3, secret: "${FAMILY_SECRET}"}`,
		"hubspot2": `{auth: hubspot_v2, secret: "${FAMILY_SECRET}"}`,
		"none":     `{auth: none}`,
	} {
		fmt.Fprintf(&b, "  %s: {kind: generic, webhook: %s, record: {id: id}}\n", name, webhook)
	}
	b.WriteString("targets:\n  weni: {kind: weni, base_url: \"${WENI_URL}\", token: \"${WENI_TOKEN}\", urns: [whatsapp]}\nmappings:\n")
	b.WriteString("  - {name: todos, from: basic, to: weni, contact: {name: =record.name, phones: =record.phones}}\n")
	return b.String()
}

// house is a syncer with a source of every family.
func house(t *testing.T, pairs ...string) *world {
	t.Helper()
	w := build(t, families)
	w.env = w.env.With("FAMILY_SECRET", familySecret, "STANDARD_SECRET", standardKey).With(pairs...)
	w.start()
	return w
}

func mac(algorithm func() hash.Hash, parts ...string) []byte {
	m := hmac.New(algorithm, []byte(familySecret))
	for _, p := range parts {
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}

// family is how one of them is signed: the address below /hooks/ and the headers, for a body at a moment.
type family struct {
	name  string
	timed bool // the moment is signed, so that a replay is known for one
	whole bool // the body is signed
	sign  func(w *world, body string, at time.Time) (path string, h http.Header)
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

var everyFamily = []family{
	{"basic", false, false, func(_ *world, _ string, _ time.Time) (string, http.Header) {
		return "basic", header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("crm:"+familySecret)))
	}},
	{"static", false, false, func(_ *world, _ string, _ time.Time) (string, http.Header) {
		return "static", header("X-Auth-Key", familySecret)
	}},
	{"bearer", false, false, func(_ *world, _ string, _ time.Time) (string, http.Header) {
		return "bearer", header("Authorization", "Bearer "+familySecret)
	}},
	{"path", false, false, func(_ *world, _ string, _ time.Time) (string, http.Header) {
		return "path/" + familySecret, header()
	}},
	{"hmac", false, true, func(_ *world, body string, _ time.Time) (string, http.Header) {
		return "hmac", header("X-Signature", "sha256="+hex.EncodeToString(mac(sha256.New, body)))
	}},
	{"sha1", false, true, func(_ *world, body string, _ time.Time) (string, http.Header) {
		return "sha1", header("X-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, body)))
	}},
	{"timed", true, true, func(_ *world, body string, at time.Time) (string, http.Header) {
		s := strconv.FormatInt(at.Unix(), 10)
		return "timed", header("X-Time", s, "X-Signature", hex.EncodeToString(mac(sha256.New, s, ".", body)))
	}},
	{"standard", true, true, func(_ *world, body string, at time.Time) (string, http.Header) {
		s := strconv.FormatInt(at.Unix(), 10)
		return "standard", header("Webhook-Id", "msg_1", "Webhook-Timestamp", s, "Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(sha256.New, "msg_1.", s, ".", body)))
	}},
	{"stripe", true, true, func(_ *world, body string, at time.Time) (string, http.Header) {
		s := strconv.FormatInt(at.Unix(), 10)
		return "stripe", header("Stripe-Signature", "t="+s+",v1="+hex.EncodeToString(mac(sha256.New, s, ".", body)))
	}},
	{"hubspot3", true, true, func(w *world, body string, at time.Time) (string, http.Header) {
		s := strconv.FormatInt(at.UnixMilli(), 10)
		sum := mac(sha256.New, "POST", w.env["SYNCER_PUBLIC_URL"]+"/hooks/hubspot3", body, s)
		return "hubspot3", header("X-Hubspot-Request-Timestamp", s, "X-Hubspot-Signature-V3", base64.StdEncoding.EncodeToString(sum))
	}},
	{"hubspot2", false, true, func(w *world, body string, _ time.Time) (string, http.Header) {
		sum := sha256.Sum256([]byte(familySecret + "POST" + w.env["SYNCER_PUBLIC_URL"] + "/hooks/hubspot2" + body))
		return "hubspot2", header("X-Hubspot-Signature", hex.EncodeToString(sum[:]))
	}},
}

// hand delivers a body with these headers and returns the status.
func (w *world) hand(path, body string, h http.Header) int {
	w.Helper()
	status, err := w.post(path, []byte(body), func(r *http.Request) {
		maps.Copy(r.Header, h)
	})
	w.must(err)
	return status
}

// TestNobodyForgesAnySender: for every family, what the sender signed is taken, once; and whatever else comes, signed
// by nobody, over something else, long ago, cut, turned around or for another source, is refused and kept nowhere.
func TestNobodyForgesAnySender(t *testing.T) {
	t.Parallel()
	w := house(t)
	now := time.Now()
	for n, f := range everyFamily {
		body := fmt.Sprintf(`{"id":"%s-1","n":%d}`, f.name, n)
		path, h := f.sign(w, body, now)
		last := "" // the header that proves it
		for _, name := range []string{"Authorization", "X-Auth-Key", "X-Signature", "Webhook-Signature", "Stripe-Signature", "X-Hubspot-Signature-V3", "X-Hubspot-Signature"} {
			if h.Get(name) != "" {
				last = name
			}
		}
		with := func(value string) (string, string, http.Header) {
			if last == "" {
				return "path/" + value, body, h
			}
			c := h.Clone()
			c.Set(last, value)
			return path, body, c
		}
		proof := familySecret
		if last != "" {
			proof = h.Get(last)
		}
		type try struct {
			name       string
			path, body string
			h          http.Header
		}
		var tries []try
		add := func(name, value string) {
			p, b, c := with(value)
			tries = append(tries, try{name, p, b, c})
		}
		add("nothing", "")
		add("cut", proof[:len(proof)-1])
		add("cut by half", proof[:len(proof)/2])
		add("one more", proof+"0")
		add("another end", proof[:len(proof)-3]+"AAA")
		add("as hex", hex.EncodeToString([]byte(proof)))
		add("as base64", base64.StdEncoding.EncodeToString([]byte(proof)))
		add("percent", strings.ReplaceAll(url.QueryEscape(proof), "-", "%252D")+"%00")
		add("somebody else's", strings.Repeat("0", 64))
		if f.whole {
			tries = append(tries, try{"another body", path, body + " ", h}, try{"no body", path, "", h},
				try{"escaped otherwise", path, strings.Replace(body, "-1", `\u002d1`, 1), h})
			other, _ := everyFamily[0].sign(w, body, now)
			tries = append(tries, try{"at another source", other, body, h})
		}
		if f.timed {
			for name, by := range map[string]time.Duration{"ten minutes old": -10 * time.Minute, "ten minutes ahead": 10 * time.Minute, "of 1970": -time.Duration(now.UnixNano())} {
				p, c := f.sign(w, body, now.Add(by))
				tries = append(tries, try{name, p, body, c})
			}
		}
		for _, x := range tries {
			status := w.hand(x.path, x.body, x.h)
			if refused := status == http.StatusUnauthorized || f.name == "path" && (status == http.StatusNotFound || status == http.StatusBadRequest); !refused {
				t.Errorf("%s, %s: %d", f.name, x.name, status)
			}
		}
		if s := w.status(); s.Records != n {
			t.Fatalf("%s: %d records came in", f.name, s.Records-n)
		}
		if first, again := w.hand(path, body, h), w.hand(path, body, h); first != http.StatusAccepted || again != http.StatusOK {
			t.Errorf("%s: the real one is answered with %d, and again with %d", f.name, first, again)
		}
		if s := w.status(); s.Records != n+1 {
			t.Errorf("%s: %d records", f.name, s.Records)
		}
	}
}

// TestNoneIsForThisMachineOnly: auth none takes what a program of this machine sends itself. What a proxy passes on, or
// a page in a browser on this machine, is refused.
//
// At first a page of any site that was open in a browser beside syncer could post: browsers send to 127.0.0.1 what a
// page asks for.
func TestNoneIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	w := house(t)
	const body = `{"id":"n-1"}`
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded", "Forwarded", "Forwarded-For", "Via", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip",
		"X-Cluster-Client-Ip", "Fastly-Client-Ip", "X-Original-Forwarded-For", "X-Envoy-External-Address", "Client-Ip", "X-Originating-Ip", "Origin", "Sec-Fetch-Site"} {
		for _, value := range []string{"127.0.0.1", "http://localhost", ""} {
			if status := w.hand("none", body, http.Header{name: {value}}); status != http.StatusUnauthorized {
				t.Errorf("with %s: %q: %d", name, value, status)
			}
		}
	}
	if status := w.hand("none", body, header("User-Agent", "loja/1.0", "Accept", "*/*", "Connection", "X-Forwarded-For")); status != http.StatusAccepted {
		t.Errorf("from this machine: %d", status)
	}
}

// talk sends bytes as they are and returns the answers until the connection ends or nothing comes for a while.
func talk(addr, text string, patience time.Duration) (answers []string, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	go func() { _, _ = io.WriteString(conn, text) }() // a server that has heard enough does not read it all
	method, _, _ := strings.Cut(text, " ")
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return answers, nil
		}
		body, err := io.ReadAll(resp.Body)
		answers = append(answers, fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Location"), body))
		if err != nil {
			return answers, nil
		}
	}
}

// TestTricksAtThePublicDoor: whatever a request line, an address or a header is turned into, the public listener has
// only the webhooks and its health, one answer for each request, and nothing of what is behind it.
func TestTricksAtThePublicDoor(t *testing.T) {
	t.Parallel()
	w := house(t)
	addr := w.env["SYNCER_LISTEN"]
	const good = "Host: x\r\nAuthorization: Bearer " + familySecret + "\r\n"
	post := func(target, extra, body string) string {
		return "POST " + target + " HTTP/1.1\r\n" + good + extra + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
	}
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	n := 0
	fresh := func() string { n++; return fmt.Sprintf(`{"id":"t-%d"}`, n) }
	var talks sync.WaitGroup
	for _, c := range []struct {
		name, text string
		want       string // of the statuses, one for each answer
	}{
		{"a delivery", post("/hooks/bearer", "", fresh()), "^202$"},
		{"two in a row", post("/hooks/bearer", "", fresh()) + post("/hooks/bearer", "", fresh()), "^202 202$"},
		{"double slash", post("//hooks/bearer", "", fresh()), "^(30[178]|404)$"},
		{"double slash inside", post("/hooks//bearer", "", fresh()), "^(30[178]|404)$"},
		{"dots to metrics", get("/hooks/../metrics"), "^(30[178]|404)$"},
		{"dots to the API", get("/hooks/bearer/../../api/v1/status"), "^(30[178]|404)$"},
		{"escaped dots", get("/hooks/%2e%2e/metrics"), "^(30[178]|404|405)$"},
		{"escaped slashes", get("/hooks%2f..%2fmetrics"), "^(30[178]|404)$"},
		{"escaped slash before a source", post("/hooks/bearer%2fx", "", fresh()), "^404$"},
		{"escaped letters", post("/hooks/%62earer", "", fresh()), "^202$"},
		{"null byte", post("/hooks/bearer%00", "", fresh()), "^404$"},
		{"backslash", get(`/hooks\..\metrics`), "^40[04]$"},
		{"semicolon", get("/metrics;/hooks/"), "^404$"},
		{"question", get("/?/hooks/bearer"), "^404$"},
		{"absolute form", post("http://example.org/hooks/bearer", "", fresh()), "^202$"},
		{"absolute form to metrics", get("http://127.0.0.1:8081/metrics"), "^404$"},
		{"absolute form elsewhere", get("http://169.254.169.254/latest/"), "^404$"},
		{"connect", "CONNECT 127.0.0.1:8081 HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n\r\n", "^40[045]$"},
		{"connect with a path", "CONNECT /hooks/../metrics HTTP/1.1\r\nHost: x\r\n\r\n", "^40[045]$"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "^(200|40[045])$"},
		{"trace", "TRACE /hooks/bearer HTTP/1.1\r\n" + good + "\r\n", "^405$"},
		{"head", "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "^404$"},
		{"override", post("/hooks/bearer", "X-HTTP-Method-Override: GET\r\nX-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\n", fresh()), "^202$"},
		{"http/1.0", "POST /hooks/bearer HTTP/1.0\r\n" + good + "Content-Length: 14\r\n\r\n" + `{"id":"t-1-0"}`, "^202$"},
		{"http/0.9", "GET /healthz\r\n\r\n", "^(400)?$"},
		{"http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "^(400|505)?$"},
		{"h2c upgrade", "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "^200$"},
		{"websocket", "GET /hooks/bearer HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "^405$"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", "^400$"},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "^400$"},
		{"two lengths", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Content-Length: 5\r\nContent-Length: 12\r\n\r\n" + `{"id":"t-99"}`, "^400$"},
		{"negative length", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Content-Length: -1\r\n\r\n", "^400$"},
		{"length with a sign", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Content-Length: +5\r\n\r\n12345", "^400$"},
		{"chunked twice", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "^(400|501)$"},
		{"an unknown coding", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "^(400|501)$"},
		{"gzip, chunked", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "^(400|501)$"},
		{"a space before the colon", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "^400$"},
		{"a folded header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tc\r\n\r\n", "^(200|400)$"},
		{"a long address", get("/hooks/" + strings.Repeat("a", 20_000)), "^404$"},
		{"a longer address", get("/hooks/" + strings.Repeat("a", 200_000)), "^431$"},
		{"long headers", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 200_000) + "\r\n\r\n", "^431$"},
		{"many headers", "GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n", "^431$"},
		{"two proofs, the first wrong", "POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n" + good[9:] + "Content-Length: 2\r\n\r\n{}", "^401$"},
		{"a body for GET", "GET /hooks/bearer HTTP/1.1\r\n" + good + "Content-Length: 27\r\n\r\nGET /metrics HTTP/1.1\r\nA: b\r\n", "^405"},
		{"an encoding", post("/hooks/bearer", "Content-Encoding: gzip\r\n", bomb()), "^415$"},
		{"two encodings", post("/hooks/bearer", "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", bomb()), "^415$"},
		{"an encoding in capitals", post("/hooks/bearer", "content-encoding: GZIP, br\r\n", bomb()), "^415$"},
		{"the wrong trailer", "POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer " + familySecret + "\r\n\r\n", "^401$"},
		{"smuggled by length", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n", "^400$"},
		{"smuggled by coding", "POST /hooks/bearer HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n", "^400$"},
	} {
		talks.Go(func() {
			answers, err := talk(addr, c.text, 3*time.Second)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			var statuses []string
			for _, a := range answers {
				status, rest, _ := strings.Cut(a, " ")
				statuses = append(statuses, status)
				if strings.Contains(rest, "syncer_") || strings.Contains(rest, "goroutine") || strings.Contains(rest, familySecret) || strings.HasPrefix(rest, "http") || strings.HasPrefix(rest, "//") {
					t.Errorf("%s: the answer is %.300s", c.name, a)
				}
			}
			if got := strings.Join(statuses, " "); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("%s: answered %q, want %s: %.200q", c.name, got, c.want, answers)
			}
		})
	}
	talks.Wait()
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/ping", "/login", "/dead", "/assets/style.css", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/hooks", "/hooks/", "/favicon.ico",
		"/healthz/", "/readyz/x", "/hooks/bearer/../../metrics"} {
		r, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+addr+path, nil)
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+familySecret)
		resp, err := http.DefaultClient.Do(r)
		w.must(err)
		if resp.Body.Close(); resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
}

// bomb is a small body that would be a large one.
var bomb = sync.OnceValue(func() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 64<<20))
	_ = z.Close()
	return b.String()
})

// anonymous is how much memory of its own a process has.
func anonymous(t *testing.T, p *lab.Process) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Skip("this system does not tell how much memory a process has")
	}
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		t.Skip("this system does not tell how much memory a process has")
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return kb << 10
}

// TestSlowAndEndlessSenders: a sender that dribbles is cut off, and one that does not stop is answered 413 or, when many do, 503: a hundred
// of each at once, while others are served; memory stays where it was.
func TestSlowAndEndlessSenders(t *testing.T) {
	t.Parallel()
	w := house(t)
	addr := w.env["SYNCER_LISTEN"]
	before := anonymous(t, w.syncer)
	const proof = "Host: x\r\nAuthorization: Bearer " + familySecret + "\r\n"
	var senders sync.WaitGroup
	var mu sync.Mutex
	ended := map[string]map[string]int{}
	send := func(kind, head string, next func(i int) string, pause time.Duration) {
		senders.Go(func() {
			began := time.Now()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(began.Add(patience))
			gone := make(chan string, 1)
			go func() {
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					gone <- "cut off"
					return
				}
				_ = resp.Body.Close()
				gone <- strconv.Itoa(resp.StatusCode)
			}()
			how := ""
			_, err = io.WriteString(conn, head)
			for i := 0; how == ""; i++ {
				select {
				case how = <-gone:
				case <-time.After(pause):
					if err == nil {
						_, err = io.WriteString(conn, next(i))
					}
				}
				if time.Since(began) > 40*time.Second {
					how = "never"
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if ended[kind] == nil {
				ended[kind] = map[string]int{}
			}
			if took := time.Since(began); took > 25*time.Second {
				how += " too late"
			}
			ended[kind][how]++
		})
	}
	chunk := "8000\r\n" + strings.Repeat(" ", 0x8000) + "\r\n"
	for range 100 {
		send("slow body", "POST /hooks/bearer HTTP/1.1\r\n"+proof+"Content-Length: 1000\r\n\r\n", func(int) string { return " " }, time.Second)
		send("slow chunks", "POST /hooks/bearer HTTP/1.1\r\n"+proof+"Transfer-Encoding: chunked\r\n\r\n", func(int) string { return "1\r\n \r\n" }, time.Second)
		send("slow head", "POST /hooks/bearer HTTP/1.1\r\n", func(int) string { return "X-A: b\r\n" }, time.Second)
		send("slow and refused", "POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", func(int) string { return " " }, time.Second)
		send("endless chunks", "POST /hooks/bearer HTTP/1.1\r\n"+proof+"Transfer-Encoding: chunked\r\n\r\n", func(int) string { return chunk }, time.Millisecond)
		send("endless and unsigned", "POST /hooks/hmac HTTP/1.1\r\n"+proof+"Transfer-Encoding: chunked\r\n\r\n", func(int) string { return chunk }, time.Millisecond)
		send("a gigabyte announced", "POST /hooks/bearer HTTP/1.1\r\n"+proof+"Content-Length: 1073741824\r\n\r\n", func(int) string { return chunk }, time.Millisecond)
	}
	peak := 0
	for i := range 12 {
		began := time.Now()
		if status := w.hand("bearer", fmt.Sprintf(`{"id":"s-%d"}`, i), header("Authorization", "Bearer "+familySecret)); status != http.StatusAccepted {
			t.Errorf("another sender is answered with %d", status)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("another sender waits for %s", took)
		}
		peak = max(peak, anonymous(t, w.syncer))
		time.Sleep(time.Second)
	}
	senders.Wait()
	for kind, want := range map[string]string{"slow body": "408|cut off", "slow chunks": "408|cut off", "slow head": "408|400|cut off", "slow and refused": "401", "endless chunks": "413|503|cut off",
		"endless and unsigned": "413|503|cut off", "a gigabyte announced": "413|cut off"} {
		for how := range ended[kind] {
			if !regexp.MustCompile("^(" + want + ")$").MatchString(how) {
				t.Errorf("%s ended in %v", kind, ended[kind])
			}
		}
		t.Logf("%s: %v", kind, ended[kind])
	}
	t.Logf("memory: %d MB before, at most %d MB", before>>20, peak>>20)
	if peak > before+160<<20 {
		t.Errorf("memory went from %d MB to %d MB", before>>20, peak>>20)
	}
}

// TestIdleConnectionsKeepNobodyOut: thousands of connections on which nothing comes, or nothing more, cost little
// memory, and a sender who comes then is answered at once, also where the process may open few files.
//
// At first they were all kept, for up to two minutes: with 256 files, 600 of them made a sender wait for more than ten
// seconds.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ files, conns int }{"thousands": {0, 4000}, "few files": {256, 600}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := build(t, families)
			w.env = w.env.With("FAMILY_SECRET", familySecret, "STANDARD_SECRET", standardKey)
			if c.files > 0 { // a shell bounds itself and becomes syncer
				wrap := w.path("bounded")
				w.must(os.WriteFile(wrap, fmt.Appendf(nil, "#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", c.files, bin), 0o700))
				w.bin = wrap
			}
			w.start()
			before := anonymous(t, w.syncer)
			for i := range c.conns {
				conn, err := net.Dial("tcp", w.env["SYNCER_LISTEN"])
				if err != nil {
					t.Fatalf("connection %d: %v", i, err)
				}
				defer conn.Close()
				switch i % 3 {
				case 0: // says nothing at all
				case 1: // begins, and stops
					_, _ = io.WriteString(conn, "POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nX-A")
				case 2: // is served, and stays
					_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
				}
				if i%200 == 199 || i == c.conns-1 {
					began := time.Now() // with a connection of its own: one from before would be served anyway
					body := fmt.Sprintf(`{"id":"i-%d"}`, i)
					answers, err := talk(w.env["SYNCER_LISTEN"], "POST /hooks/bearer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "+familySecret+
						fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body))+body, 10*time.Second)
					if err != nil || len(answers) != 1 || !strings.HasPrefix(answers[0], "202 ") {
						t.Errorf("behind %d connections: %q %v", i+1, answers, err)
					}
					if took := time.Since(began); took > 3*time.Second {
						t.Errorf("behind %d connections the answer took %s", i+1, took)
					}
				}
			}
			after := anonymous(t, w.syncer)
			t.Logf("%d connections: memory %d MB before, %d MB after", c.conns, before>>20, after>>20)
			if after > before+40<<20 {
				t.Errorf("memory went from %d MB to %d MB", before>>20, after>>20)
			}
			if c.files > 0 { // and there are files left for everything else
				if out := w.ok("check"); !strings.Contains(out, "weni") {
					t.Errorf("check says:\n%s", out)
				}
			}
		})
	}
}

// TestTheAdminDoor: with a token nobody without it gets further than the form to sign in; without one only this machine
// under its own name, and no page of another site.
func TestTheAdminDoor(t *testing.T) {
	t.Parallel()
	const token = "ficha-da-porta-de-tras-5d20ac"
	for _, secret := range []string{"", token} {
		w := house(t, "SYNCER_ADMIN_TOKEN", secret)
		addr := w.env["SYNCER_ADMIN_LISTEN"]
		port := addr[strings.LastIndex(addr, ":"):]
		do := func(method, target, host string, h http.Header) (int, http.Header, string) {
			t.Helper()
			r, err := http.NewRequestWithContext(w.ctx, method, "http://"+addr, strings.NewReader("{}"))
			w.must(err)
			r.URL.Opaque, r.Host, r.Header = target, host, h.Clone()
			if method == http.MethodPost && r.Header.Get("Content-Type") == "" {
				r.Header.Set("Content-Type", "application/json")
			}
			resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
			w.must(err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			w.must(err)
			return resp.StatusCode, resp.Header, string(body)
		}
		paths := []string{"/", "/metrics", "/api/v1/status", "/api/v1/ping", "/dead", "/conflicts", "/explain?what=basic/1", "/api/v1/backup", "/api/v1/export", "/assets/../api/v1/status", "/assets/..%2fapi/v1/status",
			"/login/../api/v1/status", "//api/v1/status", "/assets/%2e%2e/metrics"}
		program := header("X-Syncer-Client", "1")
		if secret == "" {
			for _, host := range []string{"evil.example", "evil.example" + port, "127.0.0.1.evil.example" + port, "localhost.evil.example", "192.168.0.1" + port, "0.0.0.0" + port, "[::]" + port, "2130706433x", "evil.example#127.0.0.1", "localhost@evil.example"} {
				for _, path := range paths {
					if status, _, body := do(http.MethodGet, path, host, program); status == http.StatusOK || strings.Contains(body, "syncer_records") {
						t.Errorf("GET %s for the host %s: %d", path, host, status)
					}
				}
				for _, h := range []http.Header{program, header("X-Syncer-Client", "1", "X-Forwarded-Host", "localhost"), header("Origin", "http://"+host)} {
					if status, _, _ := do(http.MethodPost, "/api/v1/reload", host, h); status != http.StatusForbidden && status != http.StatusBadRequest {
						t.Errorf("POST for the host %s with %v: %d", host, h, status)
					}
				}
			}
			if status, _, _ := do(http.MethodGet, "/metrics", "localhost"+port, nil); status != http.StatusOK {
				t.Errorf("this machine gets %d", status)
			}
		} else {
			for name, h := range map[string]http.Header{"nothing": {}, "a wrong token": header("Authorization", "Bearer ficha"), "a part of it": header("Authorization", "Bearer "+token[:len(token)-1]),
				"as basic": header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+token))), "as a cookie": header("Cookie", "syncer_session="+token), "an empty one": header("Authorization", "Bearer "),
				"a forged session": header("Cookie", "syncer_session=9999999999."+strings.Repeat("0", 64)), "forwarded": header("X-Forwarded-For", "127.0.0.1", "X-Forwarded-User", "admin", "X-Original-URL", "/login")} {
				for _, path := range paths {
					if status, _, body := do(http.MethodGet, path, addr, h); status == http.StatusOK || strings.Contains(body, "syncer_records") {
						t.Errorf("GET %s with %s: %d", path, name, status)
					}
				}
				h.Set("X-Syncer-Client", "1")
				if status, _, _ := do(http.MethodPost, "/api/v1/reload", addr, h); status != http.StatusUnauthorized {
					t.Errorf("POST with %s: %d", name, status)
				}
			}
			if status, _, _ := do(http.MethodGet, "/metrics", addr, header("Authorization", "Bearer "+token)); status != http.StatusOK {
				t.Errorf("with the token: %d", status)
			}
			if r := w.cmd("status"); r.Code != 0 {
				t.Errorf("a command with the token: %s", r.Stderr)
			}
			w.env["SYNCER_ADMIN_TOKEN"] = "outra-ficha-inventada"
			if r := w.cmd("status"); r.Code != 1 || !strings.Contains(r.Stderr, "admin token") {
				t.Errorf("a command with another token: exit %d, %s", r.Code, r.Stderr)
			}
		}
		// Whoever is let in, a page of another site acts for nobody, and may read nothing.
		own := http.Header{}
		if secret != "" {
			own.Set("Cookie", "syncer_session="+signIn(w, addr, token))
		}
		for _, origin := range []string{"http://evil.example", "null", "http://localhost:3000", "https://" + addr + ".evil.example", "file://"} {
			for _, path := range []string{"/api/v1/reload", "/reload", "/targets/weni/pause", "/dead/drop", "/logout"} {
				for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
					h := own.Clone()
					h.Set("Origin", origin)
					h.Set("Content-Type", kind)
					if status, _, _ := do(http.MethodPost, path, addr, h); status != http.StatusForbidden {
						t.Errorf("POST %s from %s as %s: %d", path, origin, kind, status)
					}
					h.Set("X-Syncer-Client", "1") // a browser would have asked before
					if status, _, _ := do(http.MethodPost, path, addr, h); status != http.StatusForbidden {
						t.Errorf("POST %s from %s with the header of programs: %d", path, origin, status)
					}
				}
			}
			h := own.Clone()
			h.Set("Origin", origin)
			if _, got, _ := do(http.MethodGet, "/api/v1/status", addr, h); got.Get("Access-Control-Allow-Origin") != "" || got.Get("Cross-Origin-Resource-Policy") != "same-origin" {
				t.Errorf("GET from %s: %v", origin, got)
			}
			h.Set("Access-Control-Request-Method", "POST")
			if _, got, _ := do(http.MethodOptions, "/api/v1/reload", addr, h); got.Get("Access-Control-Allow-Origin")+got.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("the question of a browser for %s: %v", origin, got)
			}
		}
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/hooks/bearer", "/assets/layout.html", "/assets/", "/.git/config"} {
			h := own.Clone()
			if status, _, _ := do(http.MethodGet, path, addr, h); status != http.StatusNotFound {
				t.Errorf("GET %s: %d", path, status)
			}
		}
		w.stop()
	}
}

// signIn is the session of a browser that knows the token.
func signIn(w *world, addr, token string) string {
	w.Helper()
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://"+addr+"/login", strings.NewReader("token="+token))
	w.must(err)
	r.Header = header("Origin", "http://"+addr, "Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	w.must(err)
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		return c.Value
	}
	w.Fatalf("signing in: %s", resp.Status)
	return ""
}

// TestPagesShowNamesAsText: what stands in names, keys, numbers and refusals is text on every page, also when somebody
// asks to see it, and no page would carry out a script anyway.
func TestPagesShowNamesAsText(t *testing.T) {
	t.Parallel()
	w := serve(t)
	const evil = `<script>alert(1)</script>`
	nasty := []string{evil, `"><img src=x onerror=alert(1)>`, `'-alert(1)-'`, `{{.}}`, `javascript:alert(1)`, `</title><svg onload=alert(1)>`}
	for i, name := range nasty {
		_, hook := w.create(someone(name+" Quaresma", fmt.Sprintf("8499000020%d", i)))
		w.send(hook)
		order := w.shop.order(name+fmt.Sprint("/", i), map[string]any{"nome": name + " Potiguar", "celular": fmt.Sprintf("8499000020%d", i), "aceita_mensagens": name})
		w.sendOrder(order, w.env["LOJA_SECRET"])
	}
	w.send([]byte(`{"meta":{"entity":"person","action":"` + evil + `","entity_id":"` + evil + `"},"data":{"id":"` + evil + `"}}`))
	w.must(w.weni.Fail(w.ctx, sandboxRefusal(evil)))
	_, hook := w.create(someone("Otávio "+evil, "84990000299"))
	w.send(hook)
	w.settle("weni")
	_, _ = w.create(someone("Caio "+evil, "84990000298"))
	held, err := w.admin.Reconcile(w.ctx, runHeld("crm"))
	w.must(err)
	w.awaitRun(held.ID, "held")
	admin := "http://" + w.env["SYNCER_ADMIN_LISTEN"]
	shown := 0
	for _, path := range []string{"/", "/dead", "/conflicts", "/conflicts?show=1", "/quarantine", "/runs/" + held.ID, "/runs/" + held.ID + "?show=1", "/explain?what=crm/4001", "/explain?what=crm/4001&show=1",
		"/explain?what=" + url.QueryEscape("loja/"+evil+"/0") + "&show=1", "/explain?what=" + url.QueryEscape(evil), "/explain?what=" + url.QueryEscape(`"><img src=x onerror=alert(1)>`),
		"/runs/" + url.PathEscape(evil), "/dead?kind=" + url.QueryEscape(`"><img src=x onerror=alert(1)>`), "/?said=" + url.QueryEscape(evil), "/nowhere/" + url.PathEscape(evil), "/login?next=" + url.QueryEscape("javascript:alert(1)//"+evil),
		"/api/v1/runs/" + held.ID + "/plan?show=1", "/api/v1/dead", "/api/v1/conflicts"} {
		resp, err := http.Get(admin + path)
		w.must(err)
		body, err := io.ReadAll(resp.Body)
		w.must(err)
		w.must(resp.Body.Close())
		text := string(body)
		if strings.HasPrefix(path, "/api/") {
			if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s is %s", path, got)
			}
		} else {
			for _, live := range []string{"<script>alert", "<img", "onload=alert(1)>", "</title><svg", `href="javascript`, `value="javascript`} {
				if strings.Contains(text, live) {
					t.Errorf("%s has %s", path, live)
				}
			}
			shown += strings.Count(text, "&lt;script&gt;") + strings.Count(text, "&#34;&gt;&lt;img")
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
	}
	if shown < 5 {
		t.Errorf("only %d of the names were on any page", shown)
	}
}

// sandboxRefusal is a refusal that quotes.
func sandboxRefusal(words string) sandbox.Fault {
	return sandbox.Fault{Method: http.MethodPost, Path: "/api/v2/contacts.json", Body: "84990000299", Action: sandbox.FaultStatus, Status: 400, ContentType: "application/json",
		Response: fmt.Sprintf(`{"non_field_errors":[%q]}`, "invalid "+words)}
}

// runHeld asks for a run that is kept as a plan.
func runHeld(source string) console.RunAsk {
	return console.RunAsk{Source: source, Kind: "full", Hold: true}
}
