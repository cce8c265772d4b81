package generic

import (
	"context"
	"testing"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// TestGatewaysDeleteNobody: while a shop was being deployed, its gateway answered 404 with a page to every look-up of a
// customer, and for a minute a proxy answered null. The first would have deleted whoever a webhook spoke of, the second
// would have let what was known before pass for what was read just now. Only the API itself says that somebody is gone.
func TestGatewaysDeleteNobody(t *testing.T) {
	for name, c := range map[string]struct {
		answer httpmock.Responder
		gone   bool
	}{
		"the API's 404":           {answer(404, `{"error":"not found"}`), true},
		"a bare 404":              {answer(404, ``), true},
		"nginx":                   {typed(404, "text/html", "<html><h1>404 Not Found</h1></html>"), false},
		"Traefik":                 {typed(404, "text/plain; charset=utf-8", "404 page not found\n"), false},
		"a cluster's ingress":     {typed(404, "text/plain; charset=utf-8", "default backend - 404"), false},
		"Kong":                    {answer(404, `{"message":"no Route matched with those values"}`), false},
		"a portal's log-in":       {typed(404, "application/xhtml+xml", "Entre"), false},
		"PHP's 404":               {typed(404, "text/html; charset=UTF-8", `{"erro":"cliente inexistente"}`), true},
		"null":                    {answer(200, `null`), false},
		"an empty list":           {answer(200, `[]`), false},
		"an answer without items": {answer(200, `{"data":null}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			s, mock := walker(t, func(spec *mapping.Source, _ *Deps) {
				spec.Fetch = &mapping.Fetch{URL: listURL + "/{id}", Items: map[bool]string{true: "data"}[name == "an answer without items"]}
			})
			mock.RegisterResponder("GET", listURL+"/7", c.answer)
			found, err := s.Get(context.Background(), []string{"7"})
			switch {
			case c.gone && (err != nil || len(found.Missing) != 1):
				t.Errorf("found %+v, %v", found, err)
			case !c.gone && (len(found.Missing) > 0 || contact.KindOf(err) != contact.Unavailable):
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
}

// TestNothingIsNoEmptyList: a 200 without a body is no page of a list, and above all not its last one. Where there is
// nothing to say, 204 says it.
func TestNothingIsNoEmptyList(t *testing.T) {
	for name, c := range map[string]struct {
		answer httpmock.Responder
		format string
		ok     bool
	}{
		"200 and nothing":        {answer(200, ``), "json", false},
		"204":                    {answer(204, ``), "json", true},
		"a CSV without any line": {typed(200, "text/csv", ``), "csv", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, mock := walker(t, func(spec *mapping.Source, _ *Deps) {
				spec.List.Format = c.format
				if c.format == "csv" {
					spec.List.Items = ""
				}
			})
			mock.RegisterResponder("GET", listURL, c.answer)
			_, _, err := walk(t, s, source.Window{})
			if c.ok != (err == nil) || err != nil && contact.KindOf(err) != contact.Unavailable {
				t.Errorf("%v", err)
			}
		})
	}
}
