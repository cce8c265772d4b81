package shop

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// List is the shop's list of customers, as its API gives it. It keeps of each how often it has changed.
type List struct {
	mu      sync.Mutex
	changes []int // by number, less one
}

// NewList is a list of customers 1 to n, who have never changed.
func NewList(n int) *List { return &List{changes: make([]int, n)} }

// Change changes a customer and returns how often that happened.
func (l *List) Change(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[n-1]++
	return l.changes[n-1]
}

// ServeHTTP answers with a page of a hundred, from the cursor on; since the time given, those that changed.
func (l *List) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const rows = 100
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // the first page has none
	since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("updated_since"))
	body, next, found := []byte(`{"data": [`), "", 0
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := from + 1; n <= len(l.changes); n++ {
		if !since.IsZero() && At(n, l.changes[n-1]).Before(since) {
			continue
		}
		if found == rows {
			next = strconv.Itoa(n - 1)
			break
		}
		if found++; found > 1 {
			body = append(body, ", "...)
		}
		body = Customer(body, n, l.changes[n-1])
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(fmt.Appendf(body, `], "next_cursor": %q}`, next)) // a client that went away is told by its next request
}
