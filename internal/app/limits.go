package app

import (
	"syncer/internal/budget"
	"syncer/internal/contact"
	"syncer/internal/mapping"
)

// targetLimits are the known limits of a kind of target, unless the mapping file overrides them.
func targetLimits(s mapping.Target) map[string]budget.Limit {
	if s.Kind != "weni" {
		one := budget.Limit{PerSecond: 1, InFlight: 4}
		if s.Rate.Contacts > 0 {
			one = budget.Limit{PerHour: s.Rate.Contacts, Reserve: s.Rate.Reserve, InFlight: 4}
		}
		return map[string]budget.Limit{contact.ScopeContacts: one, contact.ScopeOther: one}
	}
	limit := func(perHour int) budget.Limit {
		if perHour == 0 {
			perHour = 2500
		}
		reserve := s.Rate.Reserve
		if reserve == 0 {
			reserve = min(100, perHour/5)
		}
		return budget.Limit{PerHour: perHour, Reserve: reserve}
	}
	return map[string]budget.Limit{contact.ScopeContacts: limit(s.Rate.Contacts), contact.ScopeOther: limit(s.Rate.Other)}
}

// pipedriveTokens is the day's budget of the smallest Pipedrive account: one seat on the lowest plan. The calls
// that syncer makes most cost ten.
const (
	pipedriveTokens = 30_000
	tokensPerCall   = 10
)

// sourceLimits are those of a source's API. Pipedrive counts tokens a day and calls in two seconds; the
// smallest plan allows 20 of the latter.
func sourceLimits(s mapping.Source) map[string]budget.Limit {
	one := budget.Limit{PerSecond: 1, InFlight: 4}
	switch {
	case s.Kind == "pipedrive":
		one = budget.Limit{PerSecond: 6, InFlight: 2}
		one.Daily = pipedriveTokens / tokensPerCall
		if s.API != nil && s.API.PerTwoSecs > 0 {
			one.PerSecond = float64(s.API.PerTwoSecs) * 0.3
		}
		if s.API != nil && s.API.PerDay > 0 {
			one.Daily = max(s.API.PerDay/tokensPerCall, 1)
		}
	case s.List != nil && s.List.PerHour > 0:
		one = budget.Limit{PerHour: s.List.PerHour, InFlight: 4}
	}
	return map[string]budget.Limit{contact.ScopeContacts: one, contact.ScopeOther: one}
}
