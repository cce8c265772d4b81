package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bend is what goes wrong with the protocol: a door in front of a simulator that answers in its place or spoils its
// answer.
type bend struct {
	only func(*http.Request) bool // nil: every request
	do   func(w http.ResponseWriter, r *http.Request, sim http.Handler)
}

const page = "<!doctype html><html><head><title>Error</title></head><body><h1>Something went wrong</h1><p>nginx</p></body></html>"

// says answers in the simulator's place.
func says(status int, contentType, body string, header ...string) *bend {
	return &bend{do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have left
	}}
}

func html(status int, header ...string) *bend {
	return says(status, "text/html; charset=utf-8", page, header...)
}

// saysAt answers with a header that depends on the moment.
func saysAt(status int, name string, value func(time.Time) string) *bend {
	return &bend{do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set(name, value(time.Now()))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"detail":"Request was throttled."}`)
	}}
}

// spoils lets the simulator do its work and changes its answer.
func spoils(change func(http.Header, []byte) (int, []byte)) *bend {
	return &bend{do: func(w http.ResponseWriter, r *http.Request, sim http.Handler) {
		rec := httptest.NewRecorder()
		sim.ServeHTTP(rec, r)
		header := rec.Result().Header
		status, body := change(header, rec.Body.Bytes())
		for name, values := range header {
			w.Header()[name] = values
		}
		if header.Get("Content-Length") == "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		if status == 0 {
			status = rec.Code
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}}
}

// cut sends half of the JSON as if that were all; broken promises the whole and breaks off.
func cut() *bend {
	return spoils(func(h http.Header, body []byte) (int, []byte) { h.Del("Content-Length"); return 0, body[:len(body)/2] })
}

func broken() *bend {
	return &bend{do: func(w http.ResponseWriter, r *http.Request, sim http.Handler) {
		rec := httptest.NewRecorder()
		sim.ServeHTTP(rec, r)
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()+100))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
		panic(http.ErrAbortHandler)
	}}
}

func typed(contentType string) *bend {
	return spoils(func(h http.Header, body []byte) (int, []byte) { h.Set("Content-Type", contentType); return 0, body })
}

// lost carries the request out and answers with an error page.
func lost(status int) *bend {
	return spoils(func(h http.Header, _ []byte) (int, []byte) {
		h.Set("Content-Type", "text/html")
		h.Del("Content-Length")
		return status, []byte(page)
	})
}

// giant sends 100 MB of what begins like an answer.
func giant() *bend {
	return &bend{do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"success":true,"next":null,"results":[],"data":"`)
		chunk := bytes.Repeat([]byte("a"), 1<<20)
		for range 100 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}`)
	}}
}

// flood sends without end, as fast as the other side reads; drip a byte now and then.
func flood() *bend {
	return &bend{do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		chunk := bytes.Repeat([]byte(" "), 64<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}}
}

func drip() *bend {
	return &bend{do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		for {
			_, err := io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
			if err != nil {
				return
			}
		}
	}}
}

// packed is a gigabyte of what begins like an answer, made when it is first wanted: that takes seconds.
var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"success":true,"next":null,"results":[],"data":"`)
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	for range 1024 {
		_, _ = z.Write(chunk)
	}
	_ = z.Close() // writing to memory does not fail
	return b.Bytes()
})

// bomb sends little that unpacks to a gigabyte.
func bomb() *bend {
	return &bend{do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed())
	}}
}

// sends answers with a redirect; the address gets the path of the request.
func sends(status int, to func(*http.Request) string) *bend {
	return &bend{do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Location", to(r))
		w.WriteHeader(status)
	}}
}

// leads rewrites where a page of a list says that the next one is, in the words of every API here.
func leads(next func(r *http.Request, n int64) string, only func(*http.Request) bool) *bend {
	var n atomic.Int64
	return &bend{only: only, do: func(w http.ResponseWriter, r *http.Request, sim http.Handler) {
		rec := httptest.NewRecorder()
		in := r.Clone(r.Context())
		q := in.URL.Query()
		for _, name := range []string{"cursor"} { // the list is always at its beginning
			q.Del(name)
		}
		in.URL.RawQuery = q.Encode()
		sim.ServeHTTP(rec, in)
		var body map[string]any
		if json.Unmarshal(rec.Body.Bytes(), &body) == nil {
			link := next(r, n.Add(1))
			_, cursor, _ := strings.Cut(link, "cursor=")
			switch {
			case body["results"] != nil: // RapidPro
				body["next"] = link
			case body["additional_data"] != nil || body["success"] != nil: // Pipedrive
				body["additional_data"] = map[string]any{"next_cursor": cursor}
			default: // the desk
				body["next"] = link
			}
		}
		raw, _ := json.Marshal(body) // it was JSON before
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(raw)
	}}
}

// same leads to the same page again, circle to one of three, new to a new one every time.
func same(r *http.Request, _ int64) string   { return here(r, "c1") }
func circle(r *http.Request, n int64) string { return here(r, fmt.Sprint("c", n%3)) }
func fresh(r *http.Request, n int64) string  { return here(r, fmt.Sprint("c", n)) }

func here(r *http.Request, cursor string) string {
	return "http://" + r.Host + r.URL.Path + "?cursor=" + cursor
}

// isList recognises the calls that list.
func isList(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	q := r.URL.Query()
	switch {
	case strings.HasSuffix(r.URL.Path, "/contacts.json"):
		return !q.Has("uuid") && !q.Has("urn")
	case strings.HasSuffix(r.URL.Path, "/persons"), strings.HasSuffix(r.URL.Path, "/customers"):
		return true
	}
	return false
}
