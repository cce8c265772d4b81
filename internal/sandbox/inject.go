package sandbox

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// inject answers a request as a fault wants.
func (c *Control) inject(f *Fault, released <-chan struct{}, x *exchange, api http.Handler, w *tap, r *http.Request) {
	run := func() *answer {
		x.entry.Ran = true
		a := &answer{header: http.Header{}}
		api.ServeHTTP(a, r)
		return a
	}
	switch f.Action {
	case FaultReset:
		cut(x, w)
	case FaultResetAfter:
		run()
		cut(x, w)
	case FaultHang:
		if f.LatencyMS > 0 {
			wait(r, released, time.Duration(f.LatencyMS)*time.Millisecond)
		} else {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
		cut(x, w)
	case FaultTruncate:
		a := run()
		half := a.body.Bytes()[:a.body.Len()/2]
		a.send(w, a.header.Get("Content-Type"), half)
	case FaultContentType:
		a := run()
		a.send(w, or(f.ContentType, "text/html; charset=utf-8"), a.body.Bytes())
	default:
		if f.Commit {
			run()
		}
		c.sendPage(f, w)
	}
}

// sendPage answers with an error page (status, throttle) or with a page where data was wanted (html).
func (c *Control) sendPage(f *Fault, w http.ResponseWriter) {
	status, retry := f.Status, -1
	if f.RetryAfter != nil {
		retry = *f.RetryAfter
		w.Header().Set("Retry-After", strconv.Itoa(retry))
	}
	var contentType, body string
	switch f.Action {
	case FaultThrottle:
		status = http.StatusTooManyRequests
		contentType, body = c.config.ErrorPage(status, retry)
	case FaultHTML:
		status = http.StatusOK
		contentType, body = "text/html; charset=utf-8", "<!doctype html>\n<html><head><title>Please sign in</title></head><body><h1>Please sign in</h1></body></html>\n"
	default:
		contentType, body = c.config.ErrorPage(status, retry)
	}
	w.Header().Set("Content-Type", or(f.ContentType, contentType))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(or(f.Response, body)))
}

// errorPage is what a plain proxy would say.
func errorPage(status, _ int) (string, string) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests:
		return "application/json", fmt.Sprintf("{\"error\":%q}", title)
	}
	return "text/html", "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
}

// cut breaks the connection so that the client sees a reset, not an end of file. Over HTTP/2, and
// where there is no connection at all, the server's own way of dropping a request is used.
func cut(x *exchange, w *tap) {
	x.record(0)
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}

// answer holds what a simulator said so that it can be spoilt.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) send(w http.ResponseWriter, contentType string, body []byte) {
	maps.Copy(w.Header(), a.header)
	w.Header().Del("Content-Length")
	if contentType != "" {
		w.Header().Set("Content-Type", contentType)
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.code)
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
