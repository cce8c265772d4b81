package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"syncer/bench/shop"
	"syncer/internal/contact"
	"syncer/internal/intake"
	"syncer/internal/source/generic"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// stand is three doors, two of them with a store.
type stand struct {
	dir     string
	waiting int
	store   *bolt.Store
	puts    *bolt.Store
	doors   [3]*door
}

// keeper is a store behind a door. It does what the daemon does between door and state.
type keeper struct {
	keep func(ctx context.Context, body []byte, events []contact.Event) (duplicate bool, err error)
}

// Accept keeps events.
func (k keeper) Accept(ctx context.Context, _ string, body []byte, events []contact.Event) (bool, error) {
	return k.keep(ctx, body, events)
}

// Quarantine says that the benchmark has sent what cannot be read.
func (k keeper) Quarantine(_ context.Context, _ string, _ []byte, _ http.Header, reason string) error {
	return errors.New(reason)
}

func newStand(ctx context.Context, dir string, waiting int) (s *stand, err error) {
	s = &stand{dir: dir, waiting: waiting}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if s.store, err = bolt.Open(filepath.Join(dir, "accept.db"), bolt.Options{}); err != nil {
		return nil, err
	}
	if s.puts, err = bolt.Open(filepath.Join(dir, "puts.db"), bolt.Options{}); err != nil {
		return nil, err
	}
	const batch = 1000
	for from := 0; from < waiting; from += batch {
		events := make([]contact.Event, 0, batch)
		for n := from; n < min(from+batch, waiting); n++ {
			events = append(events, shop.Event(n, 0))
		}
		if _, err := state.Accept(ctx, s.store, time.Now(), state.Travel{Lane: state.LaneLive}, events...); err != nil {
			return nil, err
		}
	}
	accept, err := s.real(keeper{func(ctx context.Context, _ []byte, events []contact.Event) (bool, error) {
		receipts, err := state.Accept(ctx, s.store, time.Now(), state.Travel{Lane: state.LaneLive}, events...)
		if err == nil && receipts[0] != state.Accepted && receipts[0] != state.Stale { // senders overtake each other
			err = fmt.Errorf("a webhook of the benchmark was %s", receipts[0])
		}
		return false, err
	}})
	if err != nil {
		return nil, err
	}
	var number atomic.Uint64
	put, err := s.real(keeper{func(ctx context.Context, body []byte, _ []contact.Event) (bool, error) {
		key := binary.BigEndian.AppendUint64(nil, number.Add(1))
		return false, s.puts.Update(ctx, func(tx state.Tx) error {
			tx.Put(state.Quarantine.Name, key, body)
			return nil
		})
	}})
	if err != nil {
		return nil, err
	}
	nothing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	for i, h := range []http.Handler{accept, put, nothing} {
		if s.doors[i], err = openDoor(ctx, h, waiting); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// real is the door as the daemon has it.
func (s *stand) real(k keeper) (http.Handler, error) {
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		return nil, err
	}
	spec, _ := plan.Source("loja")
	src, err := generic.New(spec, generic.Deps{})
	if err != nil {
		return nil, err
	}
	verifier, err := intake.NewVerifier(*spec.Webhook, "", nil)
	if err != nil {
		return nil, err
	}
	d := intake.New(intake.Options{Accepter: k})
	d.Set(map[string]intake.Route{"loja": {Source: src, Verifier: verifier}})
	mux := http.NewServeMux()
	mux.Handle(intake.Prefix, d)
	return mux, nil
}

func (s *stand) close() error {
	var errs []error
	for _, d := range s.doors {
		errs = append(errs, d.close())
	}
	return errors.Join(append(errs, s.store.Close(), s.puts.Close())...)
}

// door is one handler on a socket, with those who send to it.
type door struct {
	server  *http.Server
	addr    string
	serving sync.WaitGroup
	waiting int
	events  atomic.Int64
	senders []*sender
}

func openDoor(ctx context.Context, h http.Handler, waiting int) (*door, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{addr: ln.Addr().String(), waiting: waiting,
		server: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second}}
	d.serving.Go(func() { _ = d.server.Serve(ln) })
	return d, nil
}

func (d *door) close() error {
	for _, s := range d.senders {
		_ = s.conn.Close()
	}
	err := d.server.Close()
	d.serving.Wait()
	return err
}

// press sends webhooks over so many connections for a time.
func (d *door) press(ctx context.Context, connections int, limit time.Duration) ([]time.Duration, time.Duration, error) {
	return d.pressWhile(ctx, connections, func(ctx context.Context) error {
		select {
		case <-time.After(limit):
		case <-ctx.Done():
		}
		return ctx.Err()
	})
}

// pressWhile sends webhooks until something else has ended, and returns how long each of them took.
func (d *door) pressWhile(ctx context.Context, connections int, meanwhile func(context.Context) error) (all []time.Duration, elapsed time.Duration, err error) {
	for len(d.senders) < connections {
		s, err := dial(ctx, d.addr)
		if err != nil {
			return nil, 0, err
		}
		d.senders = append(d.senders, s)
	}
	var stop atomic.Bool
	var sending sync.WaitGroup
	began := time.Now()
	for _, s := range d.senders[:connections] {
		sending.Go(func() {
			s.took, s.err = s.took[:0], nil
			for !stop.Load() && s.err == nil {
				n := int(d.events.Add(1))
				// Spread over all records, each a little newer than before.
				s.err = s.send(n*7919%d.waiting, n)
			}
		})
	}
	err = meanwhile(ctx)
	stop.Store(true)
	sending.Wait()
	elapsed = time.Since(began)
	for _, s := range d.senders[:connections] {
		all, err = append(all, s.took...), errors.Join(err, s.err)
	}
	return all, elapsed, err
}

// sender is one connection that sends one webhook after another.
type sender struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	took []time.Duration
	err  error
}

func dial(ctx context.Context, addr string) (*sender, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &sender{conn: conn, in: bufio.NewReader(conn)}, nil
}

// send sends one webhook and waits for its answer. What it takes to write and sign it is not counted.
func (s *sender) send(customer, event int) error {
	body := shop.Webhook("evt_"+strconv.Itoa(event), customer, event)
	s.out = fmt.Appendf(s.out[:0], "POST /hooks/loja HTTP/1.1\r\nHost: loja\r\nContent-Type: application/json\r\nX-Signature: %s\r\nContent-Length: %d\r\n\r\n%s", shop.Sign(body), len(body), body)
	began := time.Now()
	if _, err := s.conn.Write(s.out); err != nil {
		return err
	}
	status, err := s.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 202") {
		return fmt.Errorf("a webhook of the benchmark was answered %s", strings.TrimSpace(status))
	}
	for line := "-"; line != "\r\n"; { // an accepted webhook is answered without a body
		if line, err = s.in.ReadString('\n'); err != nil {
			return err
		}
	}
	s.took = append(s.took, time.Since(began))
	return nil
}
