package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// desk is a source of a system that nobody knows: a list of customers, two a page, and each by its id.
type desk struct {
	token string

	mu        sync.Mutex
	customers []customer
}

type customer struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Phone   string    `json:"phone"`
	Updated time.Time `json:"updated_at"`
}

func (d *desk) put(c customer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.customers, func(o customer) bool { return o.ID == c.ID }); i >= 0 {
		d.customers[i] = c
		return
	}
	d.customers = append(d.customers, c)
}

// ServeHTTP answers GET /customers?cursor= and GET /customers/ID.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+d.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if id, one := strings.CutPrefix(r.URL.Path, "/customers/"); one {
		i := slices.IndexFunc(d.customers, func(c customer) bool { return c.ID == id })
		if i < 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(d.customers[i]) // the client may have left
		return
	}
	from := 0
	if c := r.URL.Query().Get("cursor"); c != "" {
		from = slices.IndexFunc(d.customers, func(o customer) bool { return o.ID == c })
	}
	from = max(from, 0)
	to := min(from+2, len(d.customers))
	answer := map[string]any{"data": d.customers[from:to], "next": nil}
	if to < len(d.customers) {
		answer["next"] = here(r, d.customers[to].ID)
	}
	_ = json.NewEncoder(w).Encode(answer)
}
