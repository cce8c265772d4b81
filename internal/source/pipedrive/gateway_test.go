package pipedrive

import (
	"context"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
)

// TestGatewaysDeleteNobody: only Pipedrive itself says that a person is gone, and it says so in its frame. Whatever else
// answers 404 (a proxy's page, a gateway's JSON, an address that leads elsewhere) once was taken for the deletion of
// whoever a webhook or a walk asked about.
func TestGatewaysDeleteNobody(t *testing.T) {
	for name, c := range map[string]struct {
		answer httpmock.Responder
		gone   bool
	}{
		"Pipedrive":           {jsonAnswer(404, `{"success":false,"error":"Person not found","errorCode":404}`), true},
		"Pipedrive, no route": {jsonAnswer(404, `{"success":false,"error":"Unknown method ."}`), false},
		"Cloudflare":          {httpmock.NewStringResponder(404, "<html>Not Found</html>").HeaderSet(http.Header{"Content-Type": {"text/html"}}), false},
		"Traefik":             {httpmock.NewStringResponder(404, "404 page not found\n"), false},
		"Envoy":               {httpmock.NewStringResponder(404, ""), false},
		"Kong":                {jsonAnswer(404, `{"message":"no Route matched with those values"}`), false},
		"AWS":                 {jsonAnswer(404, `{"message":"Not Found"}`), false},
		"half an answer":      {jsonAnswer(404, `{"success":false,"err`), false},
		"no JSON by its type": {httpmock.NewStringResponder(404, `{"success":false}`).HeaderSet(http.Header{"Content-Type": {"text/plain"}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			s, mock := api(t, nil)
			mock.RegisterResponder("GET", base+"/api/v2/persons/7", c.answer)
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
