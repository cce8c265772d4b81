// Package notify tells the operator that something needs them: a POST to one address, signed as Standard
// Webhooks say. It is no log and no queue of work: what cannot be told after a few tries is only logged.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/mapping"
	"syncer/internal/obs"
	"syncer/internal/outbound"
)

// Notice is one thing to tell. Type is what happened (target.paused), Subject whom it concerns (a target, a
// run); Text says it in words. Text and Data are masked like logs before they leave.
type Notice struct {
	Type    string
	At      time.Time
	Subject string
	Text    string
	Data    map[string]any
}

// Deps are what a Notifier works with; all of them may be left out.
type Deps struct {
	Transport http.RoundTripper
	Logger    *slog.Logger
	Now       func() time.Time
	// Secrets are masked besides what can be recognised as private without knowing it.
	Secrets *obs.Secrets
}

// queueSize is how many notices may wait. A receiver that is so far behind does not need more of them.
const queueSize = 64

// Notifier tells the operator. Send may be called by anybody at any time; Run does the work.
type Notifier struct {
	url    string
	key    []byte
	deps   Deps
	client *resty.Client
	queue  chan message

	mu   sync.Mutex
	told map[topic]last
}

// New returns a Notifier that tells nothing before Run.
func New(spec mapping.Notify, d Deps) (*Notifier, error) {
	if err := checkURL(spec.URL); err != nil {
		return nil, err
	}
	key, err := signingKey(spec.Secret)
	if err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	client := outbound.New(outbound.Options{BaseURL: spec.URL, Timeout: tryFor, MaxBody: 1 << 20, Transport: d.Transport, Logger: d.Logger})
	return &Notifier{url: spec.URL, key: key, deps: d, client: client, queue: make(chan message, queueSize), told: map[topic]last{}}, nil
}

// checkURL never repeats the address: its path may be a secret.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("notify: url is not an address such as https://example.com/hooks")
	case u.User != nil:
		return errors.New("notify: url may not contain a user or password")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("notify: url must be https, except on this machine")
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

// Send puts a notice into the queue and returns at once. A notice that repeats the last one of its subject
// within 15 minutes is dropped and counted; so is one for which the queue has no room, but that is logged.
func (n *Notifier) Send(notice Notice) {
	now := n.deps.Now()
	if notice.At.IsZero() {
		notice.At = now
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	repeated, fresh := n.judge(notice, now)
	if !fresh {
		return
	}
	m, err := n.compose(notice, repeated)
	if err != nil {
		n.deps.Logger.Error("a notice cannot be written", "type", notice.Type, "subject", notice.Subject, "error", err)
		return
	}
	select {
	case n.queue <- m:
		n.told[topicOf(notice)] = last{kind: notice.Type, at: now}
	default:
		n.deps.Logger.Warn("the operator is not told: too many notices wait", "type", notice.Type, "subject", notice.Subject)
	}
}

// tryFor is how long one try may take, and lastTries how long all that still waits may take when Run ends:
// together they must fit into any shutdown.
const (
	tryFor    = 10 * time.Second
	lastTries = 3 * time.Second
)

// Run sends what is queued until ctx ends; what waits then is tried once more. Only one Run at a time.
func (n *Notifier) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case m := <-n.queue:
			if !n.deliver(ctx, m) {
				n.discard(ctx)
				return
			}
		}
	}
	n.finish(ctx)
}

// finish tries once what still waits.
func (n *Notifier) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTries)
	defer cancel()
	for {
		select {
		case m := <-n.queue:
			if failure := n.try(ctx, m); failure != nil {
				n.log(m, 1, failure)
			}
		default:
			return
		}
	}
}

// discard ends the work for a receiver that wants no more notices.
func (n *Notifier) discard(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.queue:
		}
	}
}

func (n *Notifier) log(m message, tries int, failure error) {
	n.deps.Logger.Warn("the operator could not be told", "type", m.kind, "subject", m.subject, "tries", tries, "error", fmt.Sprint(failure))
}
