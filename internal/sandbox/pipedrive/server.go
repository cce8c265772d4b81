// Package pipedrive imitates the persons of Pipedrive with what surrounds them: custom fields and labels, the
// token budget, and webhooks with all the habits of their sender: attempts, bans that lose events, duplicates
// and disorder. It is made for testing clients. State is in memory, all people in it are invented, and
// webhooks go only where a client asked for them.
package pipedrive

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"syncer/internal/sandbox"
)

// DefaultToken is the API token when Options names none.
const DefaultToken = "7c41d9e05b3a4f62a8d1e9c07f25b6438d90ce1a"

// Options of a simulator. The zero value has no limits and takes as long as the real sender does.
type Options struct {
	// Token is the API token; DefaultToken when empty.
	Token string
	// PerDay is the day's budget in tokens and PerTwoSeconds the burst limit in calls; 0 is without limit.
	PerDay, PerTwoSeconds int
	// Speed is how many times faster than the real one the sender waits, bans and gives up; 1 when zero.
	Speed float64
	// LooseIDs writes every id in a webhook in the other of its two forms: numbers as text, text as numbers.
	LooseIDs bool
	// OldFields hides the second version of the fields API.
	OldFields bool
	// Clock is the base of the sandbox's clock; time.Now when nil.
	Clock func() time.Time
	// Seed makes ids, invented people and mischief repeatable.
	Seed uint64
}

// Check says what is wrong with the options, if anything.
func (o Options) Check() error {
	if o.PerDay < 0 || o.PerTwoSeconds < 0 || o.Speed < 0 {
		return fmt.Errorf("the limits and the speed cannot be negative")
	}
	return nil
}

// The company that the simulator is.
const (
	CompanyID   = 13579246
	CompanyName = "Padaria Três Irmãs"
	host        = "padariatresirmas.pipedrive.com"
	adminID     = 22110044
)

// Server is a simulator; it is an http.Handler for the API and its control API. All methods may be called
// from any goroutine. Close ends its sender.
type Server struct {
	// Control has the clock, the journal, the counts and the fault plan.
	Control *sandbox.Control

	o       Options
	handler http.Handler
	sender  sender
	stop    context.CancelFunc

	mu      sync.Mutex
	rand    *rand.Rand
	lastID  int
	persons map[int]*Person
	inOrder []*Person // by id, which only grows
	fields  []*Field
	limits  limits
}

// New returns a simulator in its first state: the fields and labels of a small shop, and no people. It panics
// when Options.Check has something to say.
func New(o Options) *Server {
	if err := o.Check(); err != nil {
		panic("pipedrive: " + err.Error())
	}
	if o.Token == "" {
		o.Token = DefaultToken
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	s := &Server{o: o}
	s.Control = sandbox.New(sandbox.Config{Clock: o.Clock, Seed: o.Seed, Classify: classify, ErrorPage: errorPage})
	s.handler = s.Control.Wrap(s.api())
	s.Control.OnReset(s.reset)
	s.controls()
	s.sender.init(s)
	s.reset()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.sender.done.Go(func() { s.sender.run(ctx) })
	return s
}

// Close ends the sender and waits for deliveries that are under way. The API goes on answering.
func (s *Server) Close() {
	s.stop()
	s.sender.done.Wait()
	s.sender.client.CloseIdleConnections()
}

// Token is what clients have to send.
func (s *Server) Token() string { return s.o.Token }

// ServeHTTP answers the API and the control API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) reset() {
	s.mu.Lock()
	s.rand = rand.New(rand.NewPCG(s.o.Seed, 0x91bed))
	s.lastID = 4000
	s.persons, s.inOrder = map[int]*Person{}, nil
	s.fields = shopFields()
	s.limits = limits{}
	s.mu.Unlock()
	s.sender.reset()
}

func (s *Server) now() time.Time { return s.Control.Now().UTC() }

// call is one authorised request to the API.
type call struct {
	*http.Request
	s *Server
}

// reply is what a call is answered with. A failure has an error text instead of data.
type reply struct {
	status     int
	data       any
	additional any
	err        string
}

func ok(data any) reply { return reply{status: http.StatusOK, data: data} }

func fail(status int, format string, args ...any) reply {
	return reply{status: status, err: fmt.Sprintf(format, args...)}
}

func (s *Server) api() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, cost int, f func(*call) reply) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !s.authorized(r) {
				write(w, fail(http.StatusUnauthorized, "unauthorized access"))
				return
			}
			if s.spend(w, cost) {
				write(w, f(&call{r, s}))
			}
		})
	}
	handle("GET /api/v2/persons", 10, (*call).listPersons)
	handle("GET /api/v2/persons/{id}", 1, (*call).getPerson)
	handle("POST /api/v2/persons", 5, (*call).createPerson)
	handle("PATCH /api/v2/persons/{id}", 5, (*call).updatePerson)
	handle("DELETE /api/v2/persons/{id}", 3, (*call).deletePerson)
	handle("PUT /api/v1/persons/{id}/merge", 40, (*call).mergePerson)
	if !s.o.OldFields {
		handle("GET /api/v2/personFields", 10, (*call).listFields)
	}
	handle("GET /api/v1/personFields", 20, (*call).listFieldsV1)
	handle("GET /api/v1/users/me", 2, func(*call) reply {
		return ok(map[string]any{"id": adminID, "name": "Bruna Sales", "company_id": CompanyID, "company_name": CompanyName, "company_domain": strings.TrimSuffix(host, ".pipedrive.com")})
	})
	handle("GET /api/v1/webhooks", 10, (*call).listHooks)
	handle("POST /api/v1/webhooks", 10, (*call).createHook)
	handle("DELETE /api/v1/webhooks/{id}", 6, (*call).deleteHook)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { write(w, fail(http.StatusNotFound, "Unknown method .")) })
	return mux
}

func (s *Server) authorized(r *http.Request) bool {
	given := r.Header.Get("X-Api-Token")
	if given == "" {
		given = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if given == "" {
		given = r.URL.Query().Get("api_token")
	}
	return given == s.o.Token
}

func write(w http.ResponseWriter, r reply) {
	body := map[string]any{"success": r.err == "", "data": r.data}
	if r.err != "" {
		body["error"], body["error_info"], body["additional_data"] = r.err, "Please check developers.pipedrive.com", nil
		if r.status == http.StatusUnauthorized {
			body = map[string]any{"success": false, "error": r.err, "errorCode": r.status}
		}
	} else if r.additional != nil {
		body["additional_data"] = r.additional
	}
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	_, _ = w.Write(text)
}

var idInPath = regexp.MustCompile(`/\d+`)

// classify counts calls under their endpoint, whatever the id.
func classify(r *http.Request) (scope, endpoint string) {
	return "api", idInPath.ReplaceAllString(r.URL.Path, "/{id}")
}

func errorPage(status, _ int) (contentType, body string) {
	if status == http.StatusTooManyRequests || status == http.StatusUnauthorized || status == http.StatusNotFound {
		return "application/json; charset=utf-8", `{"success":false,"error":"` + http.StatusText(status) + `","data":null}`
	}
	return "text/html; charset=UTF-8", cloudflare
}
