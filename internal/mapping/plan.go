package mapping

import (
	"maps"
	"slices"
	"time"

	"syncer/internal/contact"
)

// Options are what the outside gives to Load. The package has no environment and no files of its own.
type Options struct {
	// Lookup answers ${NAME}.
	Lookup func(string) (string, bool)
	// ReadFile answers ${file:/path}, and the files that test cases name.
	ReadFile func(string) ([]byte, error)
	// Lenient makes references that stay unknown warnings, for commands that only look at the mapping.
	Lenient bool
	// Language of messages: "pt" or "en", also as in LANG.
	Language string
}

// Plan is a mapping file that was understood. It is immutable and safe for concurrent use.
type Plan struct {
	// Hash changes when the same records would give other contacts. Comments, secrets, addresses and
	// schedules are no part of it.
	Hash     string
	Defaults Defaults
	Location *time.Location
	Sources  []Source
	Targets  []Target
	Notify   *Notify
	Mappings []MappingInfo

	text     *file // for remarks about the file after it was loaded
	compiled []*compiled
}

// MappingInfo is what can be told of a mapping without a record.
type MappingInfo struct {
	Name string
	From string
	To   []string
	// Labels are those the mapping puts people into or takes them out of, in the order of the file; Retired
	// are those it only takes away.
	Labels  []string
	Retired []string
	// Fields are those that every target gets; Only adds what single targets get.
	Fields   map[string]contact.Field
	Only     map[string]TargetInfo
	Each     bool
	Policy   contact.Policy
	Position string // file:line:column
}

// TargetInfo is what a mapping manages in one target only.
type TargetInfo struct {
	Labels []string
	Fields map[string]contact.Field
}

// Secrets are the values that stand in the file or came in through ${…} and must be shown nowhere.
func (p *Plan) Secrets() []string { return slices.Clone(p.text.secrets) }

// Source returns a source by its name.
func (p *Plan) Source(name string) (Source, bool) {
	for _, s := range p.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// Target returns a target by its name.
func (p *Plan) Target(name string) (Target, bool) {
	for _, t := range p.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// UsesToday reports whether a mapping of the source gives another contact tomorrow for the same record, so
// that the newest records must be mapped again every day.
func (p *Plan) UsesToday(source string) bool {
	return slices.ContainsFunc(p.compiled, func(m *compiled) bool { return m.info.From == source && m.usesToday })
}

// Managed returns what the mappings declare for one target: the labels they put people into, sorted, and the
// fields they write, by key. Nothing else of a target may be changed, but for retired labels, which are only
// taken away (see Retired).
func (p *Plan) Managed(target string) (labels []string, fields map[string]contact.Field) {
	fields = map[string]contact.Field{}
	p.forTarget(target, func(m MappingInfo, only TargetInfo) {
		labels = append(labels, slices.Concat(m.Labels, only.Labels)...)
		maps.Copy(fields, m.Fields)
		maps.Copy(fields, only.Fields)
	})
	slices.Sort(labels)
	return slices.Compact(labels), fields
}

// Retired returns the labels that mappings take away from people in one target, sorted.
func (p *Plan) Retired(target string) (labels []string) {
	p.forTarget(target, func(m MappingInfo, _ TargetInfo) { labels = append(labels, m.Retired...) })
	slices.Sort(labels)
	return slices.Compact(labels)
}

func (p *Plan) forTarget(target string, do func(MappingInfo, TargetInfo)) {
	for _, m := range p.Mappings {
		if slices.Contains(m.To, target) {
			do(m, m.Only[target])
		}
	}
}
