package outbound

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/go-resty/resty/v2"
)

// IsJSON reports whether an answer says that it is JSON. Error pages of proxies are HTML whatever the API
// promises.
func IsJSON(resp *resty.Response) bool {
	ct, _, _ := strings.Cut(resp.Header().Get("Content-Type"), ";")
	return strings.HasSuffix(strings.TrimSpace(strings.ToLower(ct)), "json")
}

// gateways are how those say in plain text that they know no way: Traefik and Go's own servers, and the ingress of a
// cluster.
var gateways = []string{"404 page not found", "default backend"}

// IsPage reports an answer that something before an API made, for people or for nobody: a proxy's error page, a portal's
// log-in. JSON that is called a page is still JSON; PHP calls everything one that is not told otherwise.
func IsPage(resp *resty.Response) bool {
	body := bytes.TrimSpace(resp.Body())
	begins := func(with string) bool { return bytes.HasPrefix(body, []byte(with)) }
	if begins("{") || begins("[") {
		return false
	}
	ct := strings.ToLower(resp.Header().Get("Content-Type"))
	return strings.Contains(ct, "html") || strings.Contains(ct, "xml") || begins("<") || slices.ContainsFunc(gateways, begins)
}

var noRoute = regexp.MustCompile(`(?i)\bcannot (get|post|put|patch|delete) \\?/|\bno route\b|\broute not found\b|\bunknown method\b`)

// Astray reports a 404 that speaks of the address and not of the object behind it: a page, or how frameworks and gateways
// say in JSON that they know no such way. Taken for an object that is gone, it would delete whoever was asked about.
func Astray(resp *resty.Response) bool {
	body := resp.Body()
	return IsPage(resp) || noRoute.Match(body[:min(len(body), 4096)])
}
