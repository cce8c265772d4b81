package outbound_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/outbound"
)

// TestOnlyTheAPISaysThatSomethingIsGone: what stands before an API answers 404 too, while the API is being deployed or the
// address is wrong. A client that took every 404 for a deletion would delete whoever it asks about.
func TestOnlyTheAPISaysThatSomethingIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		want       contact.ErrorKind
	}{
		"JSON":                       {"application/json", `{"error":"not found"}`, contact.Gone},
		"JSON that is called a page": {"text/html; charset=UTF-8", " \n[]", contact.Gone},
		"nothing":                    {"", "", contact.Gone},
		"a word":                     {"text/plain", "Not Found", contact.Gone},
		"nginx":                      {"text/html", "<html><h1>404 Not Found</h1></html>", contact.Unavailable},
		"a page without a type":      {"", "\n<!doctype html>", contact.Unavailable},
		"an empty page":              {"text/html", "", contact.Unavailable},
		"Traefik":                    {"text/plain", "404 page not found\n", contact.Unavailable},
		"a cluster's ingress":        {"text/plain", "default backend - 404", contact.Unavailable},
		"Kong":                       {"application/json", `{"message":"no Route matched with those values"}`, contact.Unavailable},
		"NestJS":                     {"application/json", `{"message":"Cannot GET /v1/contacts","statusCode":404}`, contact.Unavailable},
		"PHP's slashes":              {"application/json", `{"message":"Cannot GET \/v1\/contacts"}`, contact.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			mock := httpmock.NewMockTransport()
			mock.RegisterNoResponder(httpmock.NewStringResponder(404, c.body).HeaderSet(http.Header{"Content-Type": {c.kind}}))
			resp, err := outbound.New(outbound.Options{BaseURL: "https://loja.exemplo.com.br", Transport: mock}).R().Get("/customers/7")
			if failure := outbound.Failure("get", resp, err, time.Now()); failure.Kind != c.want || failure.Uncertain {
				t.Errorf("%+v, want %s", failure, c.want)
			}
		})
	}
}
