// Package outbound builds the HTTP clients with which syncer calls other systems, and reads their failures.
// Every trap of the client library is closed here once: no retries of its own, no redirects, no cookies, a
// timeout, a bounded body, a log without addresses. Whether a call is tried again is decided by the engine.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
)

// Options configure a client.
type Options struct {
	BaseURL string
	// Header and Credential are sent with every call, and only to the host of BaseURL.
	Header, Credential string
	Timeout            time.Duration     // 30 s by default
	MaxBody            int               // bytes of an answer once unpacked; 16 MiB by default
	Transport          http.RoundTripper // for tests; a tuned default otherwise
	Logger             *slog.Logger
	UserAgent          string
}

// New returns a client for one API.
func New(o Options) *resty.Client {
	c := resty.New().
		SetBaseURL(strings.TrimRight(o.BaseURL, "/")).
		SetRetryCount(0).
		SetTimeout(orDefault(o.Timeout, 30*time.Second)).
		SetResponseBodyLimit(orDefault(o.MaxBody, 16<<20)).
		SetRedirectPolicy(resty.NoRedirectPolicy()).
		SetCookieJar(nil).
		SetLogger(quiet{orDefault(o.Logger, slog.New(slog.DiscardHandler))}).
		SetHeader("User-Agent", orDefault(o.UserAgent, "syncer")).
		SetHeader("Accept", "application/json")
	if o.Credential != "" {
		c.SetHeader(orDefault(o.Header, "Authorization"), o.Credential)
	}
	if o.Transport == nil {
		o.Transport = Transport()
	}
	c.SetTransport(pinned{next: o.Transport, host: Host(o.BaseURL)})
	return c
}

// Transport returns a transport of its own for one place.
func Transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 8, 16
	return t
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// pinned refuses calls to any other host than the configured one: a link in an answer must never carry the
// credential elsewhere.
type pinned struct {
	next http.RoundTripper
	host string
}

// RoundTrip sends the request if it goes to the pinned host.
func (p pinned) RoundTrip(r *http.Request) (*http.Response, error) {
	if got := r.URL.Host; got != p.host {
		return nil, &contact.Error{Kind: contact.Invalid, Message: fmt.Sprintf("refused to call %s: this client may only call %s", got, p.host)}
	}
	return p.next.RoundTrip(r)
}

// Host is the host and port of an address; empty when it has none.
func Host(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
}

// SameHost rewrites a link from an answer onto the client's own address: path and query are kept, scheme and
// port are those of base. A link to another host is refused.
func SameHost(base, link string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	l, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("the next page's address cannot be read: %w", err)
	}
	if l.Host != "" && !strings.EqualFold(l.Hostname(), b.Hostname()) {
		return "", fmt.Errorf("the next page is on another host (%s instead of %s)", l.Hostname(), b.Hostname())
	}
	l.Scheme, l.Host, l.User = b.Scheme, b.Host, nil
	return l.String(), nil
}

// LongList is the MaxBody for lists that cannot be asked for in smaller pages. Several answers may be in memory at once,
// each more than once, so that everything else has less.
const LongList = 32 << 20

// longestWait is what a Retry-After may ask for: a day's quota. More is a mistake of the other side, in its clock or its
// units, and obeying it would silence syncer for as long.
const longestWait = 24 * time.Hour

// RetryAfter reads the header of that name: seconds or a date. The zero time means it was absent, unreadable or absurd.
func RetryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return time.Time{}
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s <= longestWait.Seconds() {
		return now.Add(time.Duration(math.Ceil(s)) * time.Second)
	}
	if t, err := http.ParseTime(v); err == nil && t.Sub(now) <= longestWait {
		return t
	}
	return time.Time{}
}

// Failure turns a transport error or a status that is no success into a *contact.Error; nil when the call
// succeeded. Kinds that depend on the API (what a 400 or 404 means) are the caller's to refine.
func Failure(op string, resp *resty.Response, err error, now time.Time) *contact.Error {
	var own *contact.Error
	switch {
	case errors.As(err, &own):
		out := *own
		out.Op = op
		return &out
	case errors.Is(err, resty.ErrAutoRedirectDisabled):
		return &contact.Error{Kind: contact.Unavailable, Op: op, Status: resp.StatusCode(),
			Message: fmt.Sprintf("it answered with a redirect (HTTP %d), which is never followed; check base_url", resp.StatusCode())}
	case errors.Is(err, context.Canceled):
		return &contact.Error{Kind: contact.Unavailable, Op: op, Message: "the call was cancelled", Uncertain: true, Err: context.Canceled}
	case err != nil:
		return &contact.Error{Kind: contact.Unavailable, Op: op, Message: transportReason(err), Uncertain: !dialFailed(err)}
	}
	status := resp.StatusCode()
	e := &contact.Error{Op: op, Status: status, RequestID: resp.Header().Get("X-Request-Id")}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests:
		e.Kind, e.Until, e.Message = contact.Throttled, RetryAfter(resp.Header(), now), "it asks to slow down"
		if e.Until.IsZero() {
			e.Until = now.Add(time.Minute)
		}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Kind, e.Message = contact.Auth, fmt.Sprintf("it refuses the credentials (HTTP %d)", status)
	case (status == http.StatusNotFound || status == http.StatusGone) && Astray(resp):
		e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("something in front of it answers that there is nothing at this address (HTTP %d); check the address, and what stands in between", status)
	case status == http.StatusNotFound || status == http.StatusGone:
		e.Kind, e.Message = contact.Gone, "it does not know this object"
	case status == http.StatusConflict:
		e.Kind, e.Message = contact.Conflict, "it reports a conflict"
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly:
		e.Kind, e.Message, e.Uncertain = contact.Unavailable, fmt.Sprintf("it timed out (HTTP %d)", status), true
	case status >= 500:
		e.Kind, e.Message, e.Uncertain = contact.Unavailable, fmt.Sprintf("it failed (HTTP %d)", status), true
		e.Until = RetryAfter(resp.Header(), now)
	default:
		e.Kind, e.Message = contact.Invalid, fmt.Sprintf("it refuses the request (HTTP %d)", status)
	}
	return e
}

// dialFailed reports whether the connection was never made, so that nothing can have been carried out.
func dialFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// transportReason describes a transport error without the address that the library puts into it: the
// address may hold a phone number or a token.
func transportReason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &dns):
		return "its host name cannot be resolved"
	case errors.As(err, &op) && op.Op == "dial":
		return "it cannot be reached (" + op.Err.Error() + ")"
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		return "its answer is larger than syncer reads"
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	return "the connection broke"
}

// quiet drops what the library prints on its own: it contains whole addresses.
type quiet struct{ log *slog.Logger }

// Errorf, Warnf and Debugf keep only that something was said.
func (q quiet) Errorf(string, ...any) { q.log.Debug("http client error") }
func (q quiet) Warnf(string, ...any)  { q.log.Debug("http client warning") }
func (q quiet) Debugf(string, ...any) {}
