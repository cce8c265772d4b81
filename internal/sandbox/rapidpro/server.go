// Package rapidpro imitates the HTTP API of Weni Flows and RapidPro, version 2: contacts, fields,
// groups and what belongs to them, with the answers, error texts and surprises of the real service.
// It is made for testing clients of that API. State is in memory; nothing is sent to anybody.
//
// The service imitated consists of two programs: a web application that checks requests, and an
// engine behind it that changes contacts and sees definitions of fields and groups up to five seconds
// late. Much of what is strange about the API comes from that, and so the code here has the same parts.
package rapidpro

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"syncer/internal/sandbox"
)

// DefaultToken is the API token when Options names none.
const DefaultToken = "5a9db0c7e1f2438b96d4c2a8e7b1f03d5c6a9e42"

// Options of a simulator. The zero value is Weni without a rate limit.
type Options struct {
	// Token is the API token; DefaultToken when empty.
	Token string
	// User is the owner of the token, for HTTP Basic; "admin@example.com" when empty.
	User string
	// Setup names prepared states, see Setups.
	Setup []string
	// PerHour limits the requests in each scope; 0 is no limit. The service's own limit is
	// Flavour.DefaultPerHour.
	PerHour int
	// Flavour is Weni when empty.
	Flavour Flavour
	// Clock is the base of the sandbox's clock; time.Now when nil.
	Clock func() time.Time
	// Rand makes uuids and the chances of faults; when nil, every Server has its own.
	Rand *rand.Rand
}

// Check says what is wrong with the options, if anything.
func (o Options) Check() error {
	if _, err := newFlavour(o.Flavour); err != nil {
		return err
	}
	for _, name := range o.Setup {
		if !slices.Contains(Setups(), name) {
			return fmt.Errorf("unknown setup %q: want one of %v", name, Setups())
		}
	}
	if o.PerHour < 0 {
		return fmt.Errorf("the requests per hour cannot be negative")
	}
	return nil
}

// Server is a simulator; it is an http.Handler for the API and its control API. All methods may be
// called from any goroutine.
type Server struct {
	// Control has the clock, the journal, the counts and the fault plan.
	Control *sandbox.Control

	options Options
	flavour *flavour
	handler http.Handler

	// One lock for all state. A write request takes it twice, for the checks and for the write, as the
	// real service's two programs do not share a transaction.
	mu       sync.Mutex
	rand     *rand.Rand
	set      Settings
	zone     *time.Location // of set.Timezone, once it was needed
	uuid     string         // of the workspace
	born     time.Time      // when the workspace and its user were made
	lastID   int64
	lastTime time.Time
	primary  *store
	replica  *store // nil while GET requests see the primary
	behind   []commit
	assets   assets
	history  map[string][]time.Time // requests counted, by scope, oldest first
	fires    fires
	lastHook int // id of the newest subscriber of a resthook
}

// commit is a change that the replica has not seen yet.
type commit struct {
	at time.Time
	do func(*store)
}

// New returns a simulator in its first state. It panics when Options.Check has something to say.
func New(o Options) *Server {
	if err := o.Check(); err != nil {
		panic("rapidpro: " + err.Error())
	}
	if o.Token == "" {
		o.Token = DefaultToken
	}
	if o.User == "" {
		o.User = "admin@example.com"
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	s := &Server{options: o, rand: o.Rand}
	s.flavour, _ = newFlavour(o.Flavour)
	s.Control = sandbox.New(sandbox.Config{
		Clock: o.Clock, Seed: o.Rand.Uint64(), Classify: classify, ErrorPage: errorPage,
	})
	s.Control.OnReset(s.reset)
	s.handler = s.Control.Wrap(http.HandlerFunc(s.serveAPI))
	s.routes()
	s.reset()
	return s
}

// Token is what clients have to send.
func (s *Server) Token() string { return s.options.Token }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// reset brings state and settings back to what New made.
func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = Settings{
		Name: "Sandbox", Country: "BR", Timezone: "America/Sao_Paulo", DateStyle: "day_first", NinthDigit: s.flavour.weni,
		Role: "administrator", Requests: s.options.PerHour, WindowSeconds: 3600, MaxFields: 250, MaxGroups: 250,
	}
	s.primary, s.replica, s.behind = newStore(), nil, nil
	s.assets, s.history = assets{}, map[string][]time.Time{}
	s.lastHook = 0
	s.fires = fires{pending: map[fireKey]Fire{}}
	s.uuid, s.born = s.newUUID(), s.transaction()
	if !s.flavour.weni {
		g := must(s.addGroup("Open Tickets", "tickets > 0"))
		system := *g
		system.system = true
		s.commit(func(st *store) { st.putGroup(&system) })
	}
	for _, setup := range setups {
		if slices.Contains(s.options.Setup, setup.name) {
			setup.apply(s)
		}
	}
	s.useLag()
}

func (s *Server) newUUID() string {
	a, b := s.rand.Uint64(), s.rand.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func (s *Server) newID() int64 {
	s.lastID++
	return s.lastID
}

// transaction returns the database's idea of now at the beginning of a transaction: microseconds, and
// never the same twice, also when the clock of a test stands still.
func (s *Server) transaction() time.Time {
	t := s.Control.Now().UTC().Truncate(time.Microsecond)
	if !t.After(s.lastTime) {
		t = s.lastTime.Add(time.Microsecond)
	}
	s.lastTime = t
	return t
}

// commit applies a change now, and to the replica when its time has come.
func (s *Server) commit(do func(*store)) {
	do(s.primary)
	if s.replica != nil {
		s.behind = append(s.behind, commit{s.Control.Now(), do})
	}
}

// useLag starts or stops keeping a replica, after the setting may have changed.
func (s *Server) useLag() {
	if s.set.ReplicaLagMS <= 0 {
		s.replica, s.behind = nil, nil
	} else if s.replica == nil {
		s.replica = s.primary.clone()
	}
}

// readonly is the store that GET requests see.
func (s *Server) readonly() *store {
	if s.replica == nil {
		return s.primary
	}
	visible := s.Control.Now().Add(-time.Duration(s.set.ReplicaLagMS) * time.Millisecond)
	n := 0
	for n < len(s.behind) && !s.behind[n].at.After(visible) {
		s.behind[n].do(s.replica)
		n++
	}
	s.behind = s.behind[n:]
	return s.replica
}

func (s *Server) environment() environment {
	if s.zone == nil || s.zone.String() != s.set.Timezone {
		zone, err := time.LoadLocation(s.set.Timezone)
		if err != nil { // check has seen it
			zone = time.UTC
		}
		s.zone = zone
	}
	return environment{now: s.Control.Now(), zone: s.zone, dateStyle: s.set.DateStyle}
}
