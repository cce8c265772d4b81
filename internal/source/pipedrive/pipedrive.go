// Package pipedrive reads persons from Pipedrive: webhooks of both versions, the persons API, and the names
// of custom fields, options and labels that events carry only as ids. Payloads are kept as they arrive;
// Record gives webhook and API rows the same face. Deals, leads and organizations are not read here.
package pipedrive

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/outbound"
	"syncer/internal/source"
)

// Deps are what the source needs from outside. All of them may be left out.
type Deps struct {
	Meter     outbound.Meter    // asked before every call; nil spends freely
	Transport http.RoundTripper // for tests
	Logger    *slog.Logger
	Now       func() time.Time
}

// Source is one Pipedrive company. It is safe for concurrent use.
type Source struct {
	spec  mapping.Source
	http  *resty.Client // nil when only webhooks are configured
	meter outbound.Meter
	log   *slog.Logger
	now   func() time.Time

	defs    atomic.Pointer[definitions]
	unknown unknowns
	company atomic.Pointer[string] // as webhooks name it
	limit   limiter
}

var _ source.Source = (*Source)(nil)

// New returns the source that spec describes. It makes no calls.
func New(spec mapping.Source, deps Deps) (*Source, error) {
	s := &Source{spec: spec, meter: deps.Meter, log: deps.Logger, now: deps.Now}
	if s.meter == nil {
		s.meter = outbound.Free{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.defs.Store(&definitions{})
	if spec.API == nil {
		if spec.Webhook == nil {
			return nil, &contact.Error{Kind: contact.Invalid, Message: "source " + spec.Name + " has neither webhook nor api: nothing would ever arrive"}
		}
		return s, nil
	}
	base, err := trimBase(spec.API.BaseURL)
	if err != nil {
		return nil, &contact.Error{Kind: contact.Invalid, Message: "source " + spec.Name + ": " + err.Error()}
	}
	header, credential := "x-api-token", spec.API.Token
	if spec.API.Auth == "bearer" {
		header, credential = "Authorization", "Bearer "+spec.API.Token
	}
	s.http = outbound.New(outbound.Options{BaseURL: base, Header: header, Credential: credential, MaxBody: outbound.LongList,
		Transport: deps.Transport, Logger: s.log})
	return s, nil
}

// Can says what the source offers: everything that needs calls is missing when there is no api.
func (s *Source) Can() source.Abilities {
	api := s.http != nil
	return source.Abilities{List: api, Since: api, Get: api, Batch: maxIDs, Deletes: api}
}

// Answers are what Pipedrive must hear: ten first deliveries without a 2xx cost half an hour of events, so
// even an authentic body that cannot be read is answered with 200.
func (s *Source) Answers() source.Answers {
	return source.Answers{Accepted: http.StatusOK, Duplicate: http.StatusOK, Undecodable: http.StatusOK}
}

// Place names the company that the token opens. Without an api it is the company that sent the last webhook.
func (s *Source) Place(ctx context.Context) (id, name string, err error) {
	if s.http == nil {
		if seen := s.company.Load(); seen != nil {
			return *seen, "", nil
		}
		return "", "", nil
	}
	var me struct {
		CompanyID   text `json:"company_id"`
		CompanyName text `json:"company_name"`
	}
	if _, err := s.get(ctx, contact.ScopeOther, "who am I", "/api/v1/users/me", nil, &me); err != nil {
		return "", "", err
	}
	return string(me.CompanyID), string(me.CompanyName), nil
}

func (s *Source) key(id text) contact.Key { return contact.Key{Source: s.spec.Name, ID: string(id)} }

func (s *Source) saw(company text) {
	if seen := s.company.Load(); company != "" && (seen == nil || *seen != string(company)) {
		id := strings.Clone(string(company))
		s.company.Store(&id)
	}
}
