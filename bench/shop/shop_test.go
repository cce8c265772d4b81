package shop_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"syncer/bench/shop"
	"syncer/internal/mapping"
)

// Every customer is mapped without a problem to a person of their own, else the benchmarks measure something else.
func TestCustomersAreUnremarkable(t *testing.T) {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]int{}
	for n := 1; n <= 1_000_000; n += 997 {
		record, err := mapping.DecodeRecord(shop.Customer(nil, n, n%3))
		if err != nil {
			t.Fatal(n, err)
		}
		contacts := plan.Map("loja", record, time.Now())
		if len(contacts) != 1 || len(contacts[0].Problems) > 0 || contacts[0].Leaving {
			t.Fatalf("customer %d: %+v", n, contacts)
		}
		phone, ok := contacts[0].Primary()
		if other := people[phone.Digits]; !ok || other != 0 {
			t.Fatalf("customers %d and %d share %s", n, other, phone.Digits)
		}
		people[phone.Digits] = n
	}
}

func TestListPagesThroughEverybody(t *testing.T) {
	list := shop.NewList(250)
	read := func(query string) (numbers []int) {
		for cursor := ""; ; {
			w := httptest.NewRecorder()
			list.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/customers?cursor="+cursor+query, nil))
			var page struct {
				Data []struct{ ID int }
				Next string `json:"next_cursor"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Data {
				numbers = append(numbers, row.ID)
			}
			if cursor = page.Next; cursor == "" {
				return numbers
			}
		}
	}
	all := read("")
	for i, n := range all {
		if n != i+1 {
			t.Fatalf("at %d stands %d", i, n)
		}
	}
	if len(all) != 250 {
		t.Fatalf("%d of 250", len(all))
	}
	for range 300 {
		list.Change(7)
	}
	if got := read("&updated_since=" + shop.At(7, 300).Format(time.RFC3339)); len(got) != 1 || got[0] != 7 {
		t.Errorf("changed: %v", got)
	}
}
