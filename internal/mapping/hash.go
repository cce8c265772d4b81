package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"syncer/internal/contact"
)

// hash is the meaning of a file in sixteen digits: everything that decides which contacts a record gives and
// what is written of them, and nothing else.
func (l *loader) hash() string {
	type sourceMeaning struct {
		Name, Kind, Area string
		Record           *Record
	}
	type targetMeaning struct {
		Name, Kind, URNStyle string
		URNs                 []string
		OptOut               *OptOutRule
	}
	type mappingMeaning struct {
		Name, From string
		To         []string
		Policy     contact.Policy
		Says       []string
	}
	var all struct {
		Defaults Defaults
		Sources  []sourceMeaning
		Targets  []targetMeaning
		Mappings []mappingMeaning
	}
	all.Defaults = l.plan.Defaults
	all.Defaults.Guard = Guard{} // decides when people are changed, not how
	for _, s := range l.plan.Sources {
		all.Sources = append(all.Sources, sourceMeaning{s.Name, s.Kind, s.Area, s.Record})
	}
	for _, t := range l.plan.Targets {
		all.Targets = append(all.Targets, targetMeaning{t.Name, t.Kind, t.URNStyle, t.URNs, t.OptOut})
	}
	for _, d := range l.drafts {
		all.Mappings = append(all.Mappings, mappingMeaning{d.Name, d.From, d.To, d.Policy, d.meaning})
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // only strings and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
