package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"syncer/internal/mapping"
)

// Why a delivery is refused. The reasons are for the log; a sender learns only that it was refused.
var (
	errMissing   = errors.New("it carries no credentials or signature")
	errMismatch  = errors.New("its credentials or signature do not fit any of the configured secrets")
	errExpired   = errors.New("its signature is too old, or a clock is wrong")
	errMalformed = errors.New("its signature cannot be read")
	errNotLocal  = errors.New("auth is none, and then only programs on this machine may deliver, directly: no proxy and no browser")
	errPath      = errors.New("the secret at the end of the address is missing or wrong")
)

// Verifier decides whether a delivery comes from who it should. It is safe for concurrent use.
type Verifier struct {
	path    secrets // of the address; empty when the family has none
	check   check   // nil when the path says it all
	signed  bool    // check needs the body
	private []string
}

// check looks at one delivery and tells which of the secrets it fits.
type check func(r *http.Request, body []byte) (which int, err error)

// settings are what a family is made of.
type settings struct {
	*mapping.Webhook
	public    string // as the sender knows this machine: https://ponte.exemplo.com.br
	now       func() time.Time
	tolerance time.Duration
}

// families are the ways in which a sender can prove who it is. signed families need the body before they can
// say anything; the others are checked before it is read.
var families = map[string]struct {
	signed bool
	build  func(*settings) (check, error)
}{
	"none":              {false, loopback},
	"basic":             {false, basic},
	"static_header":     {false, staticHeader},
	"bearer":            {false, bearer},
	"path_token":        {false, func(*settings) (check, error) { return nil, nil }},
	"hmac":              {true, plainHMAC},
	"standard_webhooks": {true, standardWebhooks},
	"stripe":            {true, stripe},
	"hubspot_v3":        {true, hubspotV3},
	"hubspot_v2":        {true, hubspotV2},
}

// NewVerifier returns the verifier that w describes. public is the address under which senders know this
// machine: what it signs over is never taken from a request. now is the clock, time.Now when nil.
func NewVerifier(w mapping.Webhook, public string, now func() time.Time) (*Verifier, error) {
	family, ok := families[w.Auth]
	if !ok {
		return nil, fmt.Errorf("webhook.auth is %q; it can be none, basic, static_header, bearer, path_token, hmac, standard_webhooks, stripe, hubspot_v3 or hubspot_v2", w.Auth)
	}
	if now == nil {
		now = time.Now
	}
	s := &settings{Webhook: &w, public: strings.TrimRight(public, "/"), now: now, tolerance: 5 * time.Minute}
	if w.Tolerance > 0 {
		s.tolerance = time.Duration(w.Tolerance) * time.Second
	}
	given := w.Secret
	if w.Auth == "basic" {
		given = w.Password
	}
	if w.Auth != "none" && (len(given) == 0 || slices.Contains(given, "")) {
		return nil, fmt.Errorf("webhook.auth is %s, but its secret is missing or empty: everybody could deliver", w.Auth)
	}
	check, err := family.build(s)
	if err != nil {
		return nil, err
	}
	v := &Verifier{check: check, signed: family.signed, private: []string{"Authorization", "Proxy-Authorization", "Cookie"}}
	if w.Header != "" {
		v.private = append(v.private, http.CanonicalHeaderKey(w.Header))
	}
	if w.Auth == "path_token" || w.Auth == "basic" {
		v.path = hashed(w.Secret)
	}
	return v, nil
}

// HasPath reports whether the sender's address ends in a secret.
func (v *Verifier) HasPath() bool { return len(v.path) > 0 }

// early checks everything that can be said before the body is read. secret is the end of the address.
func (v *Verifier) early(r *http.Request, secret string) (which int, err error) {
	if v.HasPath() {
		if which, err = v.path.match(secret); err != nil {
			return 0, errPath
		}
	}
	if v.check == nil || v.signed {
		return which, nil
	}
	return v.check(r, nil)
}

// late checks the signature over the raw body.
func (v *Verifier) late(r *http.Request, body []byte) (which int, err error) {
	if !v.signed {
		return 0, nil
	}
	return v.check(r, body)
}

// Verify does both. body is exactly what was received, before anything decoded it; which is the place of the
// fitting secret in the configuration, so that an old one is known to be in use still.
func (v *Verifier) Verify(r *http.Request, secret string, body []byte) (which int, err error) {
	if which, err = v.early(r, secret); err != nil || !v.signed {
		return which, err
	}
	return v.late(r, body)
}

// secrets are kept as hashes: comparing those takes the same time whatever the length of what was given.
type secrets [][sha256.Size]byte

func hashed(words []string) secrets {
	out := make(secrets, len(words))
	for i, w := range words {
		out[i] = sha256.Sum256([]byte(w))
	}
	return out
}

func (s secrets) match(given string) (int, error) {
	if given == "" {
		return 0, errMissing
	}
	sum := sha256.Sum256([]byte(given))
	which := -1
	for i := range s {
		if subtle.ConstantTimeCompare(s[i][:], sum[:]) == 1 && which < 0 {
			which = i
		}
	}
	if which < 0 {
		return 0, errMismatch
	}
	return which, nil
}

// passedOn reports whether a header is one with which a proxy speaks of somebody else, or a browser of the page for
// which it asks: pages of any site may post to this machine.
func passedOn(name string) bool {
	return strings.Contains(name, "Forwarded") || strings.HasSuffix(name, "-Ip") || strings.HasPrefix(name, "Sec-Fetch-") ||
		slices.Contains([]string{"Via", "Origin", "X-Envoy-External-Address", "Cdn-Loop"}, name)
}

func loopback(*settings) (check, error) {
	return func(r *http.Request, _ []byte) (int, error) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() {
			return 0, errNotLocal
		}
		for name := range r.Header {
			if passedOn(name) {
				return 0, errNotLocal
			}
		}
		return 0, nil
	}, nil
}

func basic(s *settings) (check, error) {
	users, passwords := hashed([]string{s.Username}), hashed(s.Password)
	return func(r *http.Request, _ []byte) (int, error) {
		user, password, ok := r.BasicAuth()
		if !ok {
			return 0, errMissing
		}
		which, wrong := passwords.match(password)
		if _, err := users.match(user); err != nil || wrong != nil {
			return 0, errMismatch
		}
		return which, nil
	}, nil
}

func staticHeader(s *settings) (check, error) {
	if s.Header == "" {
		return nil, errors.New("webhook.auth is static_header, but webhook.header does not name the header")
	}
	values := hashed(s.Secret)
	return func(r *http.Request, _ []byte) (int, error) { return values.match(r.Header.Get(s.Header)) }, nil
}

func bearer(s *settings) (check, error) {
	tokens := hashed(s.Secret)
	return func(r *http.Request, _ []byte) (int, error) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return 0, errMissing
		}
		return tokens.match(strings.TrimSpace(token))
	}, nil
}
