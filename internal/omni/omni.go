// Package omni writes contacts to OmniFlow and to omnichannel (Cirrus), two different products that have in
// common that their wire formats are not published. Both clients are therefore driven by an operation table
// and by JSON pointers, all of which the mapping file can override; what an installation cannot do is taken
// away from the target's capabilities with a note, and never discovered at run time.
//
// The package does not retry, sleep or pace: every failure is a contact.Error that says what to do about it.
package omni

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// Deps are what a target needs from the process around it.
type Deps struct {
	Meter     outbound.Meter    // required
	Transport http.RoundTripper // a tuned default when nil
	Logger    *slog.Logger
	Now       func() time.Time // time.Now when nil
}

// dialect is what tells the kinds of API apart before the first call.
type dialect struct {
	kind       string
	baseURL    string // used when the configuration names none
	operations []string
	needed     []string // operations without which nothing can be done
	pointers   pointers
	constants  map[string]string
	maxWait    time.Duration // longest wait a Retry-After may ask for; 0 is any
}

// newAPI checks the configuration and returns the client. All problems are reported at once.
func newAPI(d dialect, spec *mapping.Target, deps Deps, problems []error) (*api, error) {
	if spec.BaseURL == "" {
		spec.BaseURL = d.baseURL
	}
	if err := checkBaseURL(spec.BaseURL); err != nil {
		problems = append(problems, err)
	}
	if deps.Meter == nil {
		problems = append(problems, errors.New("no meter was given"))
	}
	var names []string
	for name := range d.constants {
		names = append(names, name)
	}
	operations, bad := table.New(d.operations, spec.Operations, names...)
	problems = append(problems, bad...)
	for _, name := range d.needed {
		if !operations.Has(name) {
			problems = append(problems, fmt.Errorf("operations: %s cannot be disabled: the target cannot work without it", name))
		}
	}
	at, bad := sharedPointers.with(d.pointers, spec.Decode)
	problems = append(problems, bad...)
	arrays, err := table.ParseArrayQuery(spec.ArrayQuery)
	if err != nil {
		problems = append(problems, err)
	}
	a := &api{kind: d.kind, base: spec.BaseURL, table: operations, at: at, arrays: arrays, constants: d.constants,
		meter: deps.Meter, now: deps.Now, maxWait: d.maxWait}
	if a.now == nil {
		a.now = time.Now
	}
	if a.places, err = places(at[atClient]); err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("target %s: %w", spec.Name, errors.Join(problems...))
	}
	a.client = outbound.New(outbound.Options{BaseURL: spec.BaseURL, Transport: deps.Transport, Logger: deps.Logger})
	return a, nil
}

// checkBaseURL wants https, because the credential travels with every call; a plain connection is enough
// inside one machine or a private network.
func checkBaseURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case base == "":
		return errors.New("base_url is missing")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("base_url must be an address such as https://host/path")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("base_url must hold neither credentials nor a query")
	case u.Scheme == "http" && !nearby(u.Hostname()):
		return fmt.Errorf("base_url must use https: the credential would cross the network to %s readable", u.Hostname())
	}
	return nil
}

func nearby(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	return !strings.Contains(host, ".")
}

// credential is the value of the header that carries it. A header other than Authorization takes the bare
// key unless a scheme is given; the scheme "none" gives the bare key there too.
func credential(spec *mapping.Target, key string) (header, value string) {
	header, scheme := spec.AuthHeader, spec.AuthScheme
	key = strings.TrimSpace(key) // secrets come from files that end with a line break
	if header == "" {
		header = "Authorization"
	}
	if scheme == "" && strings.EqualFold(header, "Authorization") {
		scheme = "Bearer"
	}
	if scheme == "" || strings.EqualFold(scheme, "none") {
		return header, key
	}
	return header, scheme + " " + key
}

// cannot is the answer to an operation that the target's capabilities rule out.
func (a *api) cannot(op, why string) error {
	return &contact.Error{Kind: contact.Invalid, Op: a.kind + ": " + op, Message: why}
}
