package app

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/obs"
)

// lines may be written and read at the same time.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestAPanicIsLoud: a handler that panics is an error in the log, masked like everything else.
//
// At first all that the HTTP server said was for debugging, so that a panic was lost at the usual level.
func TestAPanicIsLoud(t *testing.T) {
	said := &lines{}
	log, err := obs.NewLogger(said, "info", "text", &obs.Secrets{})
	if err != nil {
		t.Fatal(err)
	}
	a := &App{log: log}
	srv := a.server(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("whatsapp:5584990000101 has no name") }), time.Second)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(ln) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get("http://" + ln.Addr().String()); err == nil {
		t.Errorf("the answer is %s", resp.Status)
		_ = resp.Body.Close()
	}
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "no request at all\r\n\r\n")
	_, _ = io.ReadAll(conn)
	_ = conn.Close()
	_ = srv.Close()
	serving.Wait()
	text := said.String()
	if !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "panic") || !strings.Contains(text, "http_test.go") || strings.Contains(text, "990000101") || strings.Count(text, "\n") != 1 {
		t.Errorf("the log says:\n%s", text)
	}
}

// TestNothingIsSmuggled: where a proxy and this server disagree on where a body ends, the rest of it is no request.
//
// At first a request with both a length and chunks was answered, and then the request inside of it was, too.
func TestNothingIsSmuggled(t *testing.T) {
	served := 0
	srv := httptest.NewServer(oneAtATime(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		_, _ = io.Copy(io.Discard, r.Body)
	})))
	defer srv.Close()
	for _, lengths := range []string{"Content-Length: 50\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4", "Transfer-Encoding: chunked"} {
		served = 0
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+lengths+"\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		in := bufio.NewReader(conn)
		if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 || !resp.Close {
			t.Errorf("%q: %v %v", lengths, resp, err)
		}
		if rest, _ := io.ReadAll(in); len(rest) > 0 || served != 1 {
			t.Errorf("%q: %d requests are served, and then comes %q", lengths, served, rest)
		}
		_ = conn.Close()
	}
}
