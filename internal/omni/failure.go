package omni

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// quotaPause is how long nothing is sent after the account's quota was reported as used up: long enough not
// to waste calls, short enough to notice a larger plan.
const quotaPause = time.Hour

// failure turns an answer into a decision; nil means success. The status sets of the operation come first,
// then what is known about the API, then what every API means.
func (a *api) failure(o *table.Operation, resp *resty.Response, err error, hidden []string) *contact.Error {
	now := a.now()
	e := outbound.Failure(a.kind+": "+o.Name, resp, err, now)
	if e != nil {
		e.Until, e.Uncertain = a.bounded(e.Until, now), e.Uncertain && o.Method != http.MethodGet
		if resp != nil {
			e.RequestID = requestID(resp)
		}
	}
	if err != nil {
		return e
	}
	status := resp.StatusCode()
	switch {
	case slices.Contains(o.OK, status):
		return nil
	case e == nil:
		return &contact.Error{Kind: contact.Unavailable, Op: a.kind + ": " + o.Name, Status: status, Uncertain: o.Method != http.MethodGet,
			RequestID: requestID(resp), Message: fmt.Sprintf("it answered HTTP %d, which is not among the operation's ok statuses", status)}
	}
	page := outbound.IsPage(resp)
	var code, message string
	if root, err := parse(resp.Body()); err == nil && !page {
		code = a.at.text(root, atCode)
		message, _, _ = find(a.at, root, atMessage, asWords)
	}
	switch quota := strings.Contains(strings.ToLower(code), "quota"); {
	case quota && slices.Contains([]int{402, 403, 422, 429}, status):
		e.Kind, e.Message = contact.Throttled, "the account's quota is used up; it needs a larger plan or the next period"
		e.Until = now.Add(quotaPause)
	case status < http.StatusBadRequest:
		e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("it answered HTTP %d, which syncer does not follow; check base_url", status)
	case status == http.StatusPaymentRequired:
		e.Kind, e.Message = contact.Suspended, "it wants to be paid before it goes on (HTTP 402)"
	case page && slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict}, status):
		// A page is about no record, and must neither bury it nor have somebody look for its twin.
		e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("something in front of it refuses the call (HTTP %d with a page instead of JSON)", status)
	case slices.Contains(o.NotFound, status) && !outbound.Astray(resp):
		e.Kind, e.Message = contact.Gone, "it does not know this object"
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
		// Taken for an object that is gone, a wrong address would cost every contact its link.
		e.Kind, e.Message = contact.Unavailable, fmt.Sprintf("it does not know the address of this operation (HTTP %d); check base_url and operations.%s", status, o.Name)
	case slices.Contains(o.Conflict, status) && o.Method != http.MethodGet: // a look-up takes nothing from anybody
		e.Kind, e.Message = contact.Conflict, fmt.Sprintf("it refuses this because of what it has (HTTP %d)", status)
	case status == http.StatusConflict:
		e.Kind, e.Message = contact.Invalid, "it refuses the request (HTTP 409)"
	}
	for _, said := range []string{symbol(code, hidden), scrub(message, hidden)} {
		if said != "" && said != e.Message {
			e.Message += ": " + said
		}
	}
	return e
}

// bounded keeps a wait inside sense: clocks differ, and OmniFlow's own SDK never waits longer than a minute.
func (a *api) bounded(until, now time.Time) time.Time {
	switch {
	case until.IsZero():
		return until
	case a.maxWait > 0 && until.After(now.Add(a.maxWait)):
		return now.Add(a.maxWait)
	case until.Before(now.Add(time.Second)):
		return now.Add(time.Second)
	}
	return until
}

// requestID is the other side's id of a call, bounded.
func requestID(resp *resty.Response) string { return cut(resp.Header().Get("X-Request-Id"), 64) }

var (
	longNumber = regexp.MustCompile(`\+?\d[\d\s().-]{5,}\d`)
	address    = regexp.MustCompile(`[^\s@"'<>]+@[^\s@"'<>]+`)
)

// private are the values of a call that belong to a person.
func private(p params) []string {
	var hidden []string
	for _, name := range []string{"name", "customName", "phoneNumber", "contactIdentifier"} {
		if text, ok := p[name].(string); ok {
			hidden = append(hidden, text)
		}
	}
	return words(hidden)
}

// words adds the single words of texts: a refusal may quote a first name only.
func words(texts []string) []string {
	all := slices.Clone(texts)
	for _, text := range texts {
		all = append(all, strings.Fields(text)...)
	}
	return all
}

// symbol shows a code of the other side as it is written, for its users to look it up. What has not the shape of one
// is a message.
func symbol(s string, hidden []string) string {
	if codeLike.MatchString(s) {
		return cut(without(s, hidden), 200)
	}
	return scrub(s, hidden)
}

var codeLike = regexp.MustCompile(`^([a-z0-9_.:-]+|[A-Z0-9]+(_[A-Z0-9]+)+|([A-Z][a-z0-9]+){2,})$`)

// scrub makes what the other side said fit to be logged: what was sent is left out, and so is every word that only
// somebody's data would have.
func scrub(s string, hidden []string) string { return cut(outbound.Said(without(s, hidden)), 200) }

// without replaces long numbers, addresses and what was sent.
func without(s string, hidden []string) string {
	s = address.ReplaceAllString(longNumber.ReplaceAllString(s, "…"), "…")
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	for _, text := range hidden {
		if utf8.RuneCountInString(text) >= 3 {
			s = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(text)).ReplaceAllString(s, "…")
		}
	}
	return s
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
