package intake

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncer/internal/mapping"
)

// TestManyLargeBodies: those who send large bodies share a room. When it is full, the next one is asked to come again,
// small bodies are taken as before, and when the others have gone there is room again.
//
// At first every connection could make the door hold a body of a megabyte and more, before anybody knew who sent it:
// 200 strangers took 270 MB.
func TestManyLargeBodies(t *testing.T) {
	b := setup(t)
	b.door.opt.ReadTimeout = time.Minute
	routes := map[string]Route{}
	for name, r := range *b.door.routes.Load() {
		routes[name] = r.Route
	}
	routes["loja"] = Route{Source: routes["crm"].Source, Verifier: verifier(t, mapping.Webhook{Auth: "bearer", Secret: words(token)}, "", stamped), MaxBytes: 1 << 20}
	b.door.Set(routes)
	address := serve(t, b)
	send := func(head, body string) (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "POST /hooks/loja HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n%s", token, head, body)
		return conn, bufio.NewReader(conn)
	}
	status := func(conn net.Conn, in *bufio.Reader) (int, string) {
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Retry-After")
	}
	large := `["1"]` + strings.Repeat(" ", 200<<10)
	var holders []net.Conn
	for range room/1_000_000 + 1 { // each announces a megabyte and sends a part of it
		conn, _ := send("Content-Length: 1000000", strings.Repeat(" ", 100<<10))
		holders = append(holders, conn)
	}
	full := func() bool { return b.door.large.Load() > room-(1<<20) }
	for range 3000 {
		if full() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !full() {
		t.Fatalf("%d connections have taken %d bytes", len(holders), b.door.large.Load())
	}
	for _, head := range []string{"Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", 1<<20)} {
		body := large
		if strings.HasPrefix(head, "T") {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large)
		}
		if code, after := status(send(head, body+strings.Repeat(" ", 3<<20))); code != 503 || after == "" {
			t.Errorf("%s, in a full room: %d, Retry-After %q", head, code, after)
		}
	}
	if code, _ := status(send("Content-Length: 5", `["2"]`)); code != 202 {
		t.Errorf("a small body beside them: %d", code)
	}
	for _, conn := range holders {
		_ = conn.Close()
	}
	for range 3000 {
		if b.door.large.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := b.door.large.Load(); n != 0 {
		t.Fatalf("%d bytes are still taken when nobody is there", n)
	}
	for i, head := range []string{"Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", len(large))} {
		body := strings.Replace(large, "1", fmt.Sprint("x", i), 1)
		if head[0] == 'T' {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		} else {
			head = fmt.Sprint("Content-Length: ", len(body))
		}
		if code, _ := status(send(head, body)); code != 202 {
			t.Errorf("%s, when there is room again: %d", head, code)
		}
	}
	if n := b.door.large.Load(); n != 0 {
		t.Errorf("%d bytes were not given back", n)
	}
}

// TestSizesAroundSmall: bodies of every size at the places where reading changes are read whole.
func TestSizesAroundSmall(t *testing.T) {
	b := setup(t)
	for _, size := range []int{2, small - 1, small, small + 1, 2*small + 511, defaultMaxBytes - 1, defaultMaxBytes} {
		for _, known := range []bool{true, false} {
			body := `[]` + strings.Repeat(" ", size-2)
			r := request("/hooks/kind", body, "X-Auth-Key", token)
			if !known {
				r.ContentLength = -1
			}
			got, release, err := b.door.read(nil, r, defaultMaxBytes)
			release()
			if err != nil || string(got) != body || b.door.large.Load() != 0 {
				t.Errorf("%d bytes, announced %v: %d bytes, %v", size, known, len(got), err)
			}
		}
	}
}

// TestEveryEncodingCounts: a second Content-Encoding is one too. Once only the first was looked at.
func TestEveryEncodingCounts(t *testing.T) {
	b := setup(t)
	r := request("/hooks/kind", `["1"]`, "X-Auth-Key", token, "Content-Encoding", "identity")
	r.Header.Add("Content-Encoding", "gzip")
	if w := b.do(r); w.Code != http.StatusUnsupportedMediaType {
		t.Error(w.Code)
	}
}

// TestABrowserIsNotThisMachine: a page of another site makes the browser post to 127.0.0.1.
func TestABrowserIsNotThisMachine(t *testing.T) {
	v := verifier(t, mapping.Webhook{Auth: "none"}, "", 0)
	for _, name := range words("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "X-Forwarded", "Forwarded-For", "X-Original-Forwarded-For", "X-Cluster-Client-Ip", "Fastly-Client-Ip", "Client-Ip", "X-Envoy-External-Address") {
		r := request("/", "", name, "127.0.0.1")
		r.RemoteAddr = "127.0.0.1:9"
		if _, err := v.Verify(r, "", nil); !errors.Is(err, errNotLocal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := request("/", "", "User-Agent", "loja/1.0", "X-Request-Id", "1", "Traceparent", "00-1-2-01")
	r.RemoteAddr = "127.0.0.1:9"
	if _, err := v.Verify(r, "", nil); err != nil {
		t.Error(err)
	}
}
