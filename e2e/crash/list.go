package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
)

// pageSize makes a reading of the catalogue take several pages.
const pageSize = 10

// catalogue is a source that sends no webhooks: only a reconciliation finds out what changed.
type catalogue struct {
	*httptest.Server

	mu   sync.Mutex
	rows []*record
}

func newCatalogue(rows []*record) *catalogue {
	c := &catalogue{rows: rows}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		to := min(from+pageSize, len(c.rows))
		answer := map[string]any{"data": []any{}, "next_cursor": nil}
		c.mu.Lock()
		data := []any{}
		for _, rec := range c.rows[min(from, to):to] {
			data = append(data, rec.row(rec.newest()))
		}
		c.mu.Unlock()
		answer["data"] = data
		if to < len(c.rows) {
			answer["next_cursor"] = fmt.Sprint(to)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	return c
}

// bump gives a row its next version.
func (c *catalogue) bump(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows[i].next(false)
}

// page reports whether a request asks for the nth page, from 0.
func page(n int) func(*http.Request) bool {
	return func(r *http.Request) bool {
		cursor := r.URL.Query().Get("cursor")
		return cursor == fmt.Sprint(n*pageSize) || n == 0 && cursor == ""
	}
}
