package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/outbound"

	"syncer/internal/source/rawjson"
)

// answer is the frame around every answer of the API.
type answer struct {
	refused bool            // success is false
	data    json.RawMessage // an object or a list
	// next is the cursor of the following page, and start its first version: the number of the next row.
	next, start text
}

func readAnswer(body []byte) (a answer) {
	for key, value := range rawjson.Of(body).Members() {
		switch string(key) {
		case "success":
			a.refused = value[0] == 'f'
		case "data":
			a.data = json.RawMessage(value)
		case "additional_data":
			for key, value := range rawjson.Of(value).Members() {
				switch string(key) {
				case "next_cursor":
					a.next = textOf(value)
				case "pagination":
					a.start = nextStart(value)
				}
			}
		}
	}
	return a
}

func nextStart(pagination []byte) (start text) {
	more := false
	for key, value := range rawjson.Of(pagination).Members() {
		switch string(key) {
		case "more_items_in_collection":
			more = textOf(value).yes()
		case "next_start":
			start = textOf(value)
		}
	}
	if !more {
		return ""
	}
	return start
}

// trimBase accepts the address with or without the part that names an API version.
func trimBase(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("api.base_url must be an address such as https://acme.pipedrive.com")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	for _, tail := range []string{"/api/v1", "/api/v2", "/v1", "/api"} {
		u.Path = strings.TrimSuffix(u.Path, tail)
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}

// get reads what into points to; nil leaves the data for the caller.
func (s *Source) get(ctx context.Context, scope, op, path string, query url.Values, into any) (answer, error) {
	return s.call(ctx, http.MethodGet, scope, op, path, query, nil, into)
}

// call makes one call that costs tokens. Its errors never quote the answer to anything but a plain read,
// because the others repeat what was sent.
func (s *Source) call(ctx context.Context, method, scope, op, path string, query url.Values, body, into any) (answer, error) {
	op = "pipedrive: " + op
	if s.http == nil {
		return answer{}, &contact.Error{Kind: contact.Invalid, Op: op, Message: "source " + s.spec.Name + " has no api in the mapping, only a webhook"}
	}
	if until := s.limit.until(); s.now().Before(until) {
		return answer{}, &contact.Error{Kind: contact.Throttled, Op: op, Message: "the burst limit is used up", Until: until}
	}
	if err := outbound.Spend(ctx, s.meter, scope, op); err != nil {
		return answer{}, err
	}
	req := s.http.R().SetContext(ctx).SetQueryParamsFromValues(query)
	if body != nil {
		req.SetBody(body)
	}
	resp, err := req.Execute(method, path)
	if failure := s.failure(op, scope, method, resp, err); failure != nil {
		return answer{}, failure
	}
	if !json.Valid(resp.Body()) {
		return answer{}, &contact.Error{Kind: contact.Unavailable, Op: op, Status: resp.StatusCode(), Message: "its answer is no complete JSON; something between syncer and Pipedrive may have replaced it"}
	}
	a := readAnswer(resp.Body())
	if a.refused {
		return a, &contact.Error{Kind: contact.Invalid, Op: op, Status: resp.StatusCode(), Message: "it answers without success" + reason(method, resp)}
	}
	if into != nil && json.Unmarshal(a.data, into) != nil {
		return a, &contact.Error{Kind: contact.Unavailable, Op: op, Status: resp.StatusCode(), Message: "its answer is not built as Pipedrive documents it"}
	}
	return a, nil
}

// failure adds to the general reading of a failure what only Pipedrive means by it.
func (s *Source) failure(op, scope, method string, resp *resty.Response, err error) error {
	e := outbound.Failure(op, resp, err, s.now())
	if e == nil {
		s.limit.passed(resp.Header(), s.now())
		return nil
	}
	switch e.Status {
	case http.StatusTooManyRequests:
		e.Until, e.Message = s.limit.refused(resp.Header(), s.now())
		s.meter.Refused(scope, e.Until)
	case http.StatusForbidden:
		if !outbound.IsJSON(resp) {
			// Cloudflare's page comes after 429s were ignored, and goes away by itself.
			e.Kind, e.Until = contact.Unavailable, s.now().Add(blockedFor)
			e.Message = "its firewall blocks this machine (HTTP 403 with a page instead of data); calls pause for " + blockedFor.String()
			return e
		}
		e.Message += reason(method, resp)
	case http.StatusPaymentRequired:
		e.Kind, e.Message = contact.Suspended, "the company's account is not open (HTTP 402); see its billing page"
	case http.StatusUnauthorized, http.StatusBadRequest, http.StatusUnprocessableEntity:
		e.Message += reason(method, resp)
	case http.StatusNotFound, http.StatusGone:
		if e.Kind == contact.Gone && !framed(resp) {
			e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("its answer is not built as Pipedrive's (HTTP %d); check api.base_url, and what stands in between", e.Status)
			return e
		}
		e.Message += reason(method, resp)
	}
	return e
}

// framed reports a refusal in Pipedrive's own frame. No other 404 may speak of a person: a proxy's would delete whoever
// was asked about.
func framed(resp *resty.Response) bool {
	return outbound.IsJSON(resp) && json.Valid(resp.Body()) && readAnswer(resp.Body()).refused
}

// reason is Pipedrive's own word on a failed read, without what it may say of anybody.
func reason(method string, resp *resty.Response) string {
	var says struct {
		Error text `json:"error"`
	}
	if method != http.MethodGet || !outbound.IsJSON(resp) || json.Unmarshal(resp.Body(), &says) != nil || says.Error == "" {
		return ""
	}
	words := []rune(outbound.Said(string(says.Error)))
	return ": " + string(words[:min(len(words), 120)])
}

const (
	burstWindow = 2 * time.Second
	blockedFor  = 10 * time.Minute
	parkedFor   = time.Hour
	// patience is how many refusals in a row are taken for the burst limit. More of them mean that the day's
	// tokens are gone, which no header says.
	patience = 5
)

// limiter remembers what the last answers said about the burst limit.
type limiter struct {
	hold     atomic.Int64 // unix nanoseconds; before it no call is made
	refusals atomic.Int32 // in a row
}

func (l *limiter) until() time.Time {
	if n := l.hold.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

func (l *limiter) passed(h http.Header, now time.Time) {
	l.refusals.Store(0)
	if h.Get("X-Ratelimit-Remaining") == "0" {
		l.hold.Store(now.Add(reset(h)).UnixNano())
	}
}

func (l *limiter) refused(h http.Header, now time.Time) (time.Time, string) {
	until, message := now.Add(reset(h)), "it asks to slow down"
	if after := outbound.RetryAfter(h, now); after.After(until) {
		until = after
	}
	if l.refusals.Add(1) > patience {
		until, message = now.Add(parkedFor), "it keeps refusing: the company's daily tokens seem to be used up, which lasts until its midnight"
	}
	l.hold.Store(until.UnixNano())
	return until, message
}

func reset(h http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(h.Get("X-Ratelimit-Reset")), 64)
	if err != nil || seconds <= 0 || seconds > 86400 {
		return burstWindow
	}
	return time.Duration(seconds * float64(time.Second))
}
