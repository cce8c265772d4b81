package obs

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// Values of labels come from closed sets, so that nothing from outside can make series: what is in none of
// them counts as other. A test holds the sets against the packages that name these things.
const other = "other"

var (
	webhookOutcomes = []string{"accepted", "duplicate", "ignored", "undecodable", "unauthorized", "unknown_source", "too_large",
		"encoded", "aborted", "unavailable", "failed", "challenged", "bad_method"}
	receipts         = []string{"accepted", "duplicate", "confirmed", "stale", "unchanged", "regressed", "forgotten"}
	deliveryOutcomes = []string{"written", "unchanged", "waiting", "retry", "dead", "held"}
	lanes            = []string{"consent", "live", "bulk"}
	runKinds         = []string{"changes", "full", "mapping", "replay"}
	runStates        = []string{"walking", "planning", "held", "released", "done", "failed", "replaced"}
	waitingKinds     = []string{"throttled", "unavailable", "auth", "suspended", "invalid", "rejected", "conflict", "gone", "no_address", "unready", "internal"}
	methods          = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead}
	budgetScopes     = []string{"contacts", "other"}
	// statuses are those that mean something different to the engine; others count under their class.
	statuses = []int{200, 201, 202, 204, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504}
)

func oneOf(set []string, value string) string {
	if slices.Contains(set, value) {
		return value
	}
	return other
}

// named are the names that a mapping file can give, and target/name and source/name.
var named = regexp.MustCompile(`^(?:(?:source|target)/)?[A-Za-z0-9][A-Za-z0-9_-]{0,47}$`)

// name is a name of the mapping file as a label; "none" is what belongs to no source.
func name(value string) string {
	switch {
	case value == "":
		return "none"
	case named.MatchString(value):
		return value
	}
	return other
}

func statusLabel(status int) string {
	switch {
	case status == 0:
		return "none" // no answer came
	case slices.Contains(statuses, status):
		return strconv.Itoa(status)
	case status >= 100 && status < 600:
		return strconv.Itoa(status/100) + "xx"
	}
	return other
}
