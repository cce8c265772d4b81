package rapidpro

import (
	"fmt"
	"slices"
)

// Flavour is a line of the software; they share an ancestor and have drifted apart.
type Flavour string

const (
	// Weni is Weni Flows 3.90, a fork of RapidPro 7.1.
	Weni Flavour = "weni"
	// RapidPro9 is RapidPro 9.2: URNs of others are taken over on update, 250 rows a page.
	RapidPro9 Flavour = "rapidpro-9"
	// RapidPro26 is RapidPro 26 with an engine of 26.1.2 or later: URNs of others are left alone.
	RapidPro26 Flavour = "rapidpro-26"
)

// Flavours lists them all.
func Flavours() []Flavour { return []Flavour{Weni, RapidPro9, RapidPro26} }

// DefaultPerHour is how many requests an hour a flavour's own settings allow in each scope.
func (f Flavour) DefaultPerHour() int {
	if f == RapidPro26 {
		return 3600
	}
	return 2500
}

// flavour is what the code asks about a Flavour.
type flavour struct {
	name Flavour
	weni bool
	// notes: contacts have notes, workspaces may have refs; also the newest rules for uuids.
	notes bool
	// keepTaken: an update does not take URNs from other contacts.
	keepTaken              bool
	schemes, engineSchemes []string
	reserved               []string
}

func newFlavour(name Flavour) (*flavour, error) {
	switch name {
	case "", Weni:
		return &flavour{
			name: Weni, weni: true, schemes: weniSchemes, engineSchemes: weniEngineSchemes,
			reserved: slices.Concat(weniSchemes, []string{
				"id", "name", "first_name", "language", "groups", "uuid", "created_on", "created_by", "modified_by", "is", "has",
			}),
		}, nil
	case RapidPro9:
		schemes := append(slices.Clone(upstreamSchemes), "discord")
		return &flavour{
			name: RapidPro9, schemes: schemes, engineSchemes: schemes,
			reserved: slices.Concat(schemes, []string{
				"has", "is", "created_on", "flow", "group", "history", "id", "language", "last_seen_on", "name", "status", "urn", "uuid",
				"channel", "fields", "first_name", "groups", "tickets", "timezone", "urns",
			}),
		}, nil
	case RapidPro26:
		return &flavour{
			name: RapidPro26, notes: true, keepTaken: true, schemes: upstreamSchemes, engineSchemes: upstreamSchemes,
			reserved: []string{"has", "is", "fields", "urns", "created_on", "last_seen_on"},
		}, nil
	}
	return nil, fmt.Errorf("unknown flavour %q: want one of %v", name, Flavours())
}
