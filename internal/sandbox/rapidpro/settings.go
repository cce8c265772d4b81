package rapidpro

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // dates are read in the workspace's zone wherever the simulator runs
)

// Settings are the switches of the workspace and of the server. All of them can be changed at run
// time, with Change or through the control API.
type Settings struct {
	Name      string `json:"name"`
	Country   string `json:"country"`    // for national phone numbers
	Timezone  string `json:"timezone"`   // for dates without an offset
	DateStyle string `json:"date_style"` // day_first, month_first or year_first
	Anon      bool   `json:"anon"`       // URNs are masked
	Suspended bool   `json:"suspended"`  // writes are refused
	Flagged   bool   `json:"flagged"`    // writes are refused with another text
	// NinthDigit lets an upsert by a whatsapp URN find the number with or without the ninth digit.
	NinthDigit bool `json:"ninth_digit"`
	// Role of the token: administrator, editor and surveyor may use the API, viewer and agent may not.
	Role string `json:"role"`
	// Requests are allowed in each scope in every WindowSeconds; 0 is no limit.
	Requests      int `json:"requests"`
	WindowSeconds int `json:"window_seconds"`
	MaxFields     int `json:"max_fields"`
	MaxGroups     int `json:"max_groups"`
	// EngineDown makes the service behind the API unreachable: contact changes are 500.
	EngineDown bool `json:"engine_down"`
	// EngineDelayMS is how long that service takes, in real time. Requests overlap meanwhile, between
	// the web application's checks and the write, so that races of the real thing can be had.
	EngineDelayMS int `json:"engine_delay_ms"`
	// ReplicaLagMS is how old the state is that GET requests see, by the sandbox's clock.
	ReplicaLagMS int `json:"replica_lag_ms"`
}

// setup is a prepared state of the workspace.
type setup struct {
	name  string
	apply func(*Server)
}

func change(f func(*Settings)) func(*Server) { return func(s *Server) { f(&s.set) } }

var setups = []setup{
	{"smart-group", func(s *Server) { must(s.addGroup("Falantes", `language = "spa"`)) }},
	{"suspended", change(func(s *Settings) { s.Suspended = true })},
	{"flagged", change(func(s *Settings) { s.Flagged = true })},
	{"no-ninth-digit", change(func(s *Settings) { s.NinthDigit = false })},
	{"anon", change(func(s *Settings) { s.Anon = true })},
	{"viewer", change(func(s *Settings) { s.Role = "viewer" })},
	{"throttle", change(func(s *Settings) { s.Requests, s.WindowSeconds = 5, 60 })},
	{"full", func(s *Server) {
		must(s.addGroup("Unico", ""))
		must(s.addField("Unico", "text"))
		s.set.MaxFields, s.set.MaxGroups = 1, 1
	}},
	{"engine-down", change(func(s *Settings) { s.EngineDown = true })},
	{"replica-lag", change(func(s *Settings) { s.ReplicaLagMS = 2000 })},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Setups lists the prepared states that Options.Setup can name.
func Setups() []string {
	names := make([]string, len(setups))
	for i, s := range setups {
		names[i] = s.name
	}
	return names
}

var roles = []string{"administrator", "editor", "surveyor", "viewer", "agent"}

func (s *Settings) check() error {
	if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "" {
		return fmt.Errorf("unknown timezone %q", s.Timezone)
	}
	if !slices.Contains(roles, s.Role) {
		return fmt.Errorf("unknown role %q: want one of %s", s.Role, strings.Join(roles, ", "))
	}
	if !slices.Contains([]string{"day_first", "month_first", "year_first"}, s.DateStyle) {
		return fmt.Errorf("unknown date style %q: want day_first, month_first or year_first", s.DateStyle)
	}
	if s.Requests > 0 && s.WindowSeconds <= 0 {
		return fmt.Errorf("a limit of requests needs window_seconds")
	}
	return nil
}

func (s *Settings) mayUseAPI() bool { return s.Role != "viewer" && s.Role != "agent" }

// Settings returns the switches as they are.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

// Change flips switches. A change that does not make sense is refused as a whole.
func (s *Server) Change(f func(*Settings)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.set
	f(&next)
	if err := next.check(); err != nil {
		return err
	}
	s.set = next
	s.useLag()
	return nil
}
