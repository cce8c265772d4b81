package pipedrive

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What is known of the real sender.
const (
	deliveryTimeout = 10 * time.Second
	failuresForBan  = 10
	banTime         = 30 * time.Minute
	giveUpAfter     = 3 * 24 * time.Hour // without a success; then the webhook is deleted
	inFlight        = 8
)

// pauses stand before the second, third and fourth attempt.
var pauses = []time.Duration{3 * time.Second, 30 * time.Second, 150 * time.Second}

// Mischief is how likely each thing is to go wrong with an event, from 0 to 1. Real senders do all of it.
type Mischief struct {
	Duplicate float64 // delivered twice, with the same id
	Late      float64 // first sent after LateBy
	Reorder   float64 // sent after what follows it
	Lose      float64 // never sent
	// LateBy is how late; a minute when zero. Speed divides it as it does all waits.
	LateBy time.Duration
}

func (m Mischief) check() error {
	for _, p := range []float64{m.Duplicate, m.Late, m.Reorder, m.Lose} {
		if p < 0 || p > 1 {
			return errors.New("duplicate, late, reorder and lose are between 0 and 1")
		}
	}
	if m.LateBy < 0 {
		return errors.New("late_by cannot be negative")
	}
	return nil
}

// Counters are what the sender has done since the start or the last reset.
type Counters struct {
	Events     int `json:"events"`     // that a webhook wanted, each counted for each webhook
	Attempts   int `json:"attempts"`   // requests made
	Delivered  int `json:"delivered"`  // events that were answered with 2xx at least once
	Retried    int `json:"retried"`    // attempts after the first
	Lost       int `json:"lost"`       // events that were given up, fell into a ban or were lost on purpose
	Duplicates int `json:"duplicates"` // repeats on purpose
	Bans       int `json:"bans"`
	Removed    int `json:"removed"` // webhooks deleted because nobody answered
	Pending    int `json:"pending"`
}

// job is one attempt that is due at some time.
type job struct {
	due     time.Time
	order   int // of jobs due at one time
	hook    int
	event   *event
	attempt int
	repeat  bool // a duplicate: its failure has no consequences
}

type jobs []*job

// The heap's order is by time.
func (j jobs) Len() int { return len(j) }
func (j jobs) Less(a, b int) bool {
	return j[a].due.Before(j[b].due) || j[a].due.Equal(j[b].due) && j[a].order < j[b].order
}
func (j jobs) Swap(a, b int) { j[a], j[b] = j[b], j[a] }

// Push and Pop are the heap's.
func (j *jobs) Push(x any) { *j = append(*j, x.(*job)) }

// Pop takes the last one.
func (j *jobs) Pop() any {
	last := (*j)[len(*j)-1]
	*j = (*j)[:len(*j)-1]
	return last
}

// sender brings events to webhooks. Its lock is taken after the server's, never before.
type sender struct {
	s      *Server
	client *http.Client
	done   sync.WaitGroup
	kick   chan struct{}

	mu       sync.Mutex
	hooks    []*hook
	queue    jobs
	made     int // hooks
	order    int
	flying   int
	mischief Mischief
	rand     *rand.Rand
	count    Counters
	settled  chan struct{} // closed and replaced when nothing is pending
}

func (d *sender) init(s *Server) {
	d.s = s
	d.kick = make(chan struct{}, 1)
	d.client = &http.Client{Timeout: deliveryTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: inFlight},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s.Control.OnAdvance(func(time.Time) { d.wake() })
}

func (d *sender) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hooks, d.queue, d.made, d.order, d.mischief, d.count = nil, nil, 0, 0, Mischief{}, Counters{}
	d.rand = rand.New(rand.NewPCG(d.s.o.Seed, 0x5e4d))
	d.settle()
}

func (d *sender) wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// scaled shortens a wait of the real sender.
func (d *sender) scaled(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) / d.s.o.Speed)
}

func (d *sender) add(h *hook) *hook {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	h.ID, h.Added = hookIDs+d.made, d.s.now()
	h.lastSuccess = h.Added
	d.hooks = append(d.hooks, h)
	return h
}

func (d *sender) list() []hook {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]hook, len(d.hooks))
	for i, h := range d.hooks {
		all[i] = *h
	}
	return all
}

func (d *sender) remove(id int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.hooks)
	d.hooks = slices.DeleteFunc(d.hooks, func(h *hook) bool { return h.ID == id })
	return len(d.hooks) < before
}

func (d *sender) find(id int) *hook {
	if i := slices.IndexFunc(d.hooks, func(h *hook) bool { return h.ID == id }); i >= 0 {
		return d.hooks[i]
	}
	return nil
}

// emit queues news for every webhook that wants it. The server is locked.
func (s *Server) emit(n news) {
	d := &s.sender
	now := s.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.hooks {
		if !h.wants(n.action) {
			continue
		}
		d.count.Events++
		if now.Before(h.bannedUntil) || d.likely(d.mischief.Lose) {
			d.count.Lost++
			continue
		}
		e := s.event(n, h)
		due := now
		switch {
		case d.likely(d.mischief.Late):
			wait := d.mischief.LateBy
			if wait == 0 {
				wait = time.Minute
			}
			due = due.Add(d.scaled(wait))
		case d.likely(d.mischief.Reorder):
			due = due.Add(d.scaled(time.Duration(1+d.rand.IntN(5)) * time.Second))
		}
		d.push(&job{due: due, hook: h.ID, event: e, attempt: 1})
		if d.likely(d.mischief.Duplicate) {
			d.count.Duplicates++
			d.push(&job{due: due.Add(d.scaled(time.Duration(d.rand.IntN(4)) * time.Second)), hook: h.ID, event: e, attempt: 1, repeat: true})
		}
	}
	d.wake()
}

func (d *sender) likely(p float64) bool { return p > 0 && d.rand.Float64() < p }

func (d *sender) push(j *job) {
	d.order++
	j.order = d.order
	heap.Push(&d.queue, j)
}

// run delivers what is due until ctx ends, and then waits for what is under way.
func (d *sender) run(ctx context.Context) {
	slots := make(chan struct{}, inFlight)
	for {
		if ctx.Err() != nil {
			return
		}
		j, wait := d.next()
		if j == nil {
			timer := time.NewTimer(wait)
			select {
			case <-d.kick:
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		d.done.Go(func() {
			defer func() { <-slots }()
			d.deliver(ctx, j)
		})
	}
}

// next is the job that is due, or how long to wait for one.
func (d *sender) next() (*job, time.Duration) {
	now := d.s.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return nil, time.Hour
	}
	if wait := d.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	d.flying++
	return heap.Pop(&d.queue).(*job), 0
}

// deliver makes one attempt and draws the consequences.
func (d *sender) deliver(ctx context.Context, j *job) {
	now := d.s.now()
	d.mu.Lock()
	h := d.find(j.hook)
	var to hook
	if h != nil {
		to = *h
	}
	banned := h != nil && now.Before(h.bannedUntil)
	d.mu.Unlock()
	if h == nil || banned {
		d.finish(j, 0, true)
		return
	}
	d.finish(j, d.post(ctx, &to, j.event.body(j.attempt)), false)
}

// post sends a body and returns the status, 0 when there was no answer.
func (d *sender) post(ctx context.Context, h *hook, body []byte) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Pipedrive Webhooks")
	if h.User != "" || h.Password != "" {
		req.SetBasicAuth(h.User, h.Password)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode
}

func (d *sender) finish(j *job, status int, dropped bool) {
	now := d.s.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying--
	defer d.settle()
	if dropped {
		if !j.repeat {
			d.count.Lost++
		}
		return
	}
	d.count.Attempts++
	if j.attempt > 1 {
		d.count.Retried++
	}
	good := status >= 200 && status < 300
	h := d.find(j.hook)
	if h != nil {
		h.lastTime, h.lastStatus = now, status
		if good {
			h.lastSuccess = now
		}
	}
	switch {
	case j.repeat:
	case good:
		d.count.Delivered++
	default:
		d.failed(h, j, now)
	}
}

// failed plans the next attempt, counts towards the ban, and deletes webhooks that nobody answers.
func (d *sender) failed(h *hook, j *job, now time.Time) {
	if j.attempt > len(pauses) {
		d.count.Lost++
	} else {
		d.push(&job{due: now.Add(d.scaled(pauses[j.attempt-1])), hook: j.hook, event: j.event, attempt: j.attempt + 1})
		d.wake()
	}
	if h == nil {
		return
	}
	if j.attempt == 1 {
		if h.failures++; h.failures == failuresForBan {
			h.failures, h.bannedUntil = 0, now.Add(d.scaled(banTime))
			d.count.Bans++
		}
	}
	if now.Sub(h.lastSuccess) > d.scaled(giveUpAfter) {
		d.hooks = slices.DeleteFunc(d.hooks, func(o *hook) bool { return o == h })
		d.count.Removed++
	}
}

// settle tells those who wait that nothing is pending.
func (d *sender) settle() {
	if len(d.queue) == 0 && d.flying == 0 && d.settled != nil {
		close(d.settled)
		d.settled = nil
	}
}

// Settle returns when every event has been delivered or given up. Retries are waited for, so with the real
// sender's pauses it may take minutes: set Speed, or advance the clock.
func (s *Server) Settle(ctx context.Context) error {
	d := &s.sender
	d.mu.Lock()
	if len(d.queue) == 0 && d.flying == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.settled == nil {
		d.settled = make(chan struct{})
	}
	settled := d.settled
	d.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Misbehave sets what goes wrong with events from now on; the zero value stops all mischief.
func (s *Server) Misbehave(m Mischief) error {
	if err := m.check(); err != nil {
		return err
	}
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	s.sender.mischief = m
	return nil
}

// Counters returns what the sender has done.
func (s *Server) Counters() Counters {
	s.sender.mu.Lock()
	defer s.sender.mu.Unlock()
	c := s.sender.count
	c.Pending = len(s.sender.queue) + s.sender.flying
	return c
}
