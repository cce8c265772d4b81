package rapidpro

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// BenchmarkListChanged lists the few contacts that changed lately out of 100,000.
func BenchmarkListChanged(b *testing.B) {
	s := seeded(b, 100000)
	after := s.Control.Now().Add(-5 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	for b.Loop() {
		get(b, s, "contacts.json?reverse=true&after="+url.QueryEscape(after))
	}
}

// BenchmarkPage lists one page in the middle of 100,000.
func BenchmarkPage(b *testing.B) {
	s := seeded(b, 100000)
	middle := cursor{position: contactByModified.position(s.primary.live[50000]), fixed: true}
	for b.Loop() {
		get(b, s, "contacts.json?cursor="+url.QueryEscape(middle.encode()))
	}
}

// BenchmarkUpdate changes one contact of 100,000 after the other.
func BenchmarkUpdate(b *testing.B) {
	s := seeded(b, 100000)
	uuids := make([]string, 0, 1000)
	for _, c := range s.primary.all[:1000] {
		uuids = append(uuids, c.uuid)
	}
	i := 0
	for b.Loop() {
		i++
		r := httptest.NewRequest("POST", "/api/v2/contacts.json?uuid="+uuids[i%len(uuids)], strings.NewReader(fmt.Sprintf(`{"name":"n%d"}`, i)))
		send(b, s, r, 200)
	}
}

func seeded(b *testing.B, n int) *Server {
	s := New(Options{})
	if _, err := s.Seed(n); err != nil {
		b.Fatal(err)
	}
	return s
}

func get(b *testing.B, s *Server, path string) {
	send(b, s, httptest.NewRequest("GET", "/api/v2/"+path, nil), 200)
}

func send(b *testing.B, s *Server, r *http.Request, want int) {
	r.Header.Set("Authorization", "Token "+s.Token())
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != want {
		b.Fatal(w.Code, w.Body.String())
	}
}
