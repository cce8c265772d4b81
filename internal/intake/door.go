package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"syncer/internal/contact"
	"syncer/internal/source"
)

// Accepter keeps what the door lets in.
type Accepter interface {
	// Accept returns when the events are safe. duplicate says that all of them were known. An error of kind
	// Unavailable means that nothing can be kept right now; the sender is asked to come again.
	Accept(ctx context.Context, source string, body []byte, events []contact.Event) (duplicate bool, err error)
	// Quarantine keeps an authentic body that could not be read, or not all of it, for a person to look at.
	// Header holds no credentials.
	Quarantine(ctx context.Context, source string, body []byte, header http.Header, reason string) error
}

// Observer counts. source is a configured name, or empty when the address names none.
type Observer interface {
	Webhook(source, outcome string, d time.Duration)
}

// Outcomes of a delivery, as Observer hears them. The set is closed.
const (
	Accepted      = "accepted"
	Duplicate     = "duplicate"
	Ignored       = "ignored" // authentic, and about nothing that the source reads
	Undecodable   = "undecodable"
	Unauthorized  = "unauthorized"
	UnknownSource = "unknown_source"
	TooLarge      = "too_large"
	Encoded       = "encoded" // with a Content-Encoding
	Aborted       = "aborted" // the sender broke off or was too slow
	Unavailable   = "unavailable"
	Failed        = "failed"
	Challenged    = "challenged"
	BadMethod     = "bad_method"
)

// Route is one source behind the door.
type Route struct {
	Source   source.Source
	Verifier *Verifier
	MaxBytes int64 // of a body; 1 MiB when 0
}

// Options are what the door needs. Only Accepter must be given.
type Options struct {
	Accepter Accepter
	Observer Observer
	Logger   *slog.Logger
	Now      func() time.Time
	// ReadTimeout bounds how long a sender may take for a body; 10 s when 0.
	ReadTimeout time.Duration
}

// Door is the handler of everything below /hooks/. It is safe for concurrent use.
type Door struct {
	opt    Options
	routes atomic.Pointer[map[string]*route]
	large  atomic.Int64 // bytes that large bodies under way may take
}

type route struct {
	Route
	name    string
	refused throttle
	rotated throttle
	strange throttle
	putOff  throttle
}

// Prefix is the path below which the door expects to be mounted.
const Prefix = "/hooks/"

const (
	defaultMaxBytes = 1 << 20
	// A body up to small is always read. Larger ones share a room: whoever signs over the body is known only when all
	// of it is there, so without a bound many strangers could fill the memory.
	small      = 64 << 10
	room       = 64 << 20
	retryAfter = 30 * time.Second
)

// New returns a door without routes: every source is unknown until Set.
func New(o Options) *Door {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = 10 * time.Second
	}
	d := &Door{opt: o}
	d.Set(nil)
	return d
}

type nobody struct{}

func (nobody) Webhook(string, string, time.Duration) {}

// Set replaces all routes at once. Deliveries that are under way finish with the route they began with.
func (d *Door) Set(routes map[string]Route) {
	next := make(map[string]*route, len(routes))
	for name, r := range routes {
		if r.MaxBytes <= 0 {
			r.MaxBytes = defaultMaxBytes
		}
		next[name] = &route{Route: r, name: name}
	}
	d.routes.Store(&next)
}

// ServeHTTP takes one delivery.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := d.opt.Now()
	rest, _ := strings.CutPrefix(r.URL.Path, Prefix)
	name, secret, _ := strings.Cut(rest, "/")
	to := (*d.routes.Load())[name]
	outcome := UnknownSource
	switch {
	// A source whose address has no secret has no addresses below its own either.
	case to == nil || strings.Contains(secret, "/") || secret != "" && !to.Verifier.HasPath():
		name = ""
		http.Error(w, "there is no source at this address", http.StatusNotFound)
	case r.Method == http.MethodPost:
		outcome = d.deliver(w, r, to, secret)
	default:
		outcome = d.challenge(w, r, to, secret)
	}
	d.opt.Observer.Webhook(name, outcome, d.opt.Now().Sub(began))
}

// challenge answers the GET with which some senders check an address before they use it.
func (d *Door) challenge(w http.ResponseWriter, r *http.Request, to *route, secret string) string {
	c, ok := to.Source.(source.Challenger)
	if r.Method != http.MethodGet || !ok {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhooks are delivered with POST", http.StatusMethodNotAllowed)
		return BadMethod
	}
	if to.Verifier.HasPath() {
		if _, err := to.Verifier.path.match(secret); err != nil {
			return d.refuse(w, to, errPath)
		}
	}
	c.Challenge(w, r)
	return Challenged
}

func (d *Door) deliver(w http.ResponseWriter, r *http.Request, to *route, secret string) string {
	if encoding := strings.Join(r.Header.Values("Content-Encoding"), ","); encoding != "" && !strings.EqualFold(encoding, "identity") {
		http.Error(w, "send the body without Content-Encoding", http.StatusUnsupportedMediaType)
		return Encoded
	}
	// The deadline is the connection's own, so it goes by the real clock. It stands until the body is read, by
	// the door or, after a refusal, by the server, which clears the way for the next request.
	connection := http.NewResponseController(w)
	bounded := connection.SetReadDeadline(time.Now().Add(d.opt.ReadTimeout)) == nil
	which, err := to.Verifier.early(r, secret)
	if err != nil {
		return d.refuse(w, to, err)
	}
	body, release, err := d.read(w, r, to.MaxBytes)
	defer release()
	if errors.Is(err, errNoRoom) {
		return d.fail(w, r, to, err)
	} else if err != nil {
		return d.unread(w, err)
	}
	if bounded {
		// The server would take its passing for a broken connection and cancel the work on a body that is here.
		_ = connection.SetReadDeadline(time.Time{})
	}
	if to.Verifier.signed {
		if which, err = to.Verifier.late(r, body); err != nil {
			return d.refuse(w, to, err)
		}
	}
	if which > 0 && to.rotated.allows(d.opt.Now(), time.Hour) {
		d.opt.Logger.Info("a sender still uses an older secret", "source", to.name, "secret", which+1)
	}
	return d.accept(w, r, to, body)
}

var errNoRoom = &contact.Error{Kind: contact.Unavailable, Message: "too many large bodies at once"}

// read returns a body, and what gives its room back when nobody needs it any more.
func (d *Door) read(w http.ResponseWriter, r *http.Request, limit int64) (content []byte, release func(), err error) {
	release = func() {}
	if r.ContentLength > limit {
		return nil, release, &http.MaxBytesError{Limit: limit}
	}
	var body bytes.Buffer
	in := http.MaxBytesReader(w, r.Body, limit)
	// Room for the whole body and the end after it, but never much more than what has really been sent.
	body.Grow(int(min(max(r.ContentLength, 0), small)) + bytes.MinRead)
	if 0 <= r.ContentLength && r.ContentLength <= small {
		_, err = body.ReadFrom(in)
		return body.Bytes(), release, err
	}
	if _, err = body.ReadFrom(io.LimitReader(in, small)); err != nil || body.Len() < small {
		return body.Bytes(), release, err
	}
	needs := r.ContentLength + bytes.MinRead
	if r.ContentLength < 0 {
		needs = 2 * limit // as it grows, it is copied
	}
	release = func() { d.large.Add(-needs) }
	if taken := d.large.Add(needs); taken > room && taken > needs {
		return nil, release, errNoRoom
	}
	if r.ContentLength > 0 {
		body.Grow(int(needs) - body.Len())
	}
	_, err = body.ReadFrom(in)
	return body.Bytes(), release, err
}

func (d *Door) unread(w http.ResponseWriter, err error) string {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "the body is larger than "+strconv.FormatInt(large.Limit, 10)+" bytes", http.StatusRequestEntityTooLarge)
		return TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		http.Error(w, "the body took too long", http.StatusRequestTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		http.Error(w, "the body is shorter than announced", http.StatusBadRequest)
	default:
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
	}
	return Aborted
}

// refuse answers 401 and nothing else. The first refusal is logged at once: some senders stop delivering
// after a few, and a wrong password should be known before that.
func (d *Door) refuse(w http.ResponseWriter, to *route, why error) string {
	if to.refused.allows(d.opt.Now(), time.Minute) {
		d.opt.Logger.Warn("a delivery was refused with 401", "source", to.name, "why", why.Error(), "refused", to.refused.count())
	}
	w.WriteHeader(http.StatusUnauthorized)
	return Unauthorized
}

func (d *Door) accept(w http.ResponseWriter, r *http.Request, to *route, body []byte) string {
	answers := to.Source.Answers()
	events, strange := to.Source.Decode(r.Header, body)
	if strange != nil {
		if to.strange.allows(d.opt.Now(), time.Minute) {
			d.opt.Logger.Warn("an authentic delivery cannot be read; it is kept in quarantine", "source", to.name, "why", strange.Error(), "unread", to.strange.count())
		}
		if err := d.opt.Accepter.Quarantine(r.Context(), to.name, body, to.Verifier.public(r.Header), strange.Error()); err != nil {
			return d.fail(w, r, to, err)
		}
		if len(events) == 0 {
			if answers.Undecodable >= 400 {
				http.Error(w, strange.Error(), answers.Undecodable)
			} else {
				w.WriteHeader(answers.Undecodable)
			}
			return Undecodable
		}
	}
	if len(events) == 0 {
		w.WriteHeader(answers.Accepted)
		return Ignored
	}
	now := contact.Micros(d.opt.Now())
	for i := range events {
		events[i].Version.Arrival = now
	}
	duplicate, err := d.opt.Accepter.Accept(r.Context(), to.name, body, events)
	switch {
	case err != nil:
		return d.fail(w, r, to, err)
	case duplicate:
		w.WriteHeader(answers.Duplicate)
		return Duplicate
	}
	w.WriteHeader(answers.Accepted)
	return Accepted
}

// fail answers when nothing could be kept. Only a store that is full or closing is worth another try soon.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, to *route, err error) string {
	if r.Context().Err() != nil && errors.Is(err, r.Context().Err()) {
		w.WriteHeader(http.StatusServiceUnavailable) // nobody is listening any more
		return Aborted
	}
	e := contact.AsError(err)
	if e.Kind != contact.Unavailable {
		d.opt.Logger.Error("a delivery could not be kept", "source", to.name, "error", err)
		http.Error(w, "the delivery could not be kept", http.StatusInternalServerError)
		return Failed
	}
	if to.putOff.allows(d.opt.Now(), time.Minute) {
		d.opt.Logger.Error("a delivery was put off with 503", "source", to.name, "why", err.Error(), "put_off", to.putOff.count())
	}
	wait := retryAfter
	if !e.Until.IsZero() {
		wait = min(max(e.Until.Sub(d.opt.Now()), time.Second), time.Hour)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	http.Error(w, "deliveries cannot be kept right now; send it again later", http.StatusServiceUnavailable)
	return Unavailable
}

// public is a copy of a header without what proves the sender.
func (v *Verifier) public(h http.Header) http.Header {
	out := maps.Clone(h)
	for _, name := range v.private {
		delete(out, name)
	}
	return out
}

// throttle lets a message into the log once in a while, and counts those it keeps out.
type throttle struct {
	last atomic.Int64
	seen atomic.Int64
}

func (t *throttle) allows(now time.Time, every time.Duration) bool {
	t.seen.Add(1)
	last := t.last.Load()
	return (last == 0 || now.UnixNano()-last >= int64(every)) && t.last.CompareAndSwap(last, now.UnixNano())
}

func (t *throttle) count() int64 { return t.seen.Load() }
