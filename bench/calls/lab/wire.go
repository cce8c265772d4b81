package lab

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"syncer/internal/sandbox/rapidpro"
)

// wire is the network between syncer and the simulator.
type wire struct {
	server  *rapidpro.Server
	latency time.Duration
	tap     func(Exchange)
}

// Exchange is one call and its answer.
type Exchange struct {
	Method, Path string // with the query
	Body, Answer []byte
	Status       int
}

// RoundTrip hands the request to the simulator. What breaks a connection there breaks it here.
func (w wire) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if w.latency > 0 {
		select {
		case <-time.After(w.latency):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			resp, err = nil, errors.New("the connection was reset")
		}
	}()
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	var body []byte
	if w.tap != nil {
		if body, err = io.ReadAll(in.Body); err != nil {
			return nil, err
		}
		in.Body = io.NopCloser(bytes.NewReader(body))
	}
	out := httptest.NewRecorder()
	w.server.ServeHTTP(out, in)
	if w.tap != nil {
		w.tap(Exchange{r.Method, in.RequestURI, body, out.Body.Bytes(), out.Code})
	}
	resp = out.Result()
	resp.Header.Set("Date", w.server.Control.Now().UTC().Format(http.TimeFormat))
	resp.Request = r
	return resp, nil
}
