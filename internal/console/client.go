package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"syncer/internal/state"
)

// Client is the admin door of a running syncer, as Operations. Base is its address, such as
// http://127.0.0.1:8081, Token its SYNCER_ADMIN_TOKEN.
type Client struct {
	Base, Token string

	once sync.Once
	http *http.Client
}

var _ Operations = (*Client)(nil)

// BaseURL is the address under which a program on the same machine reaches a listen address such as :8081.
func BaseURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Ping asks who answers. The error is an *Unreachable when it is nobody, or not a syncer.
func (c *Client) Ping(ctx context.Context) (Ping, error) {
	var p Ping
	err := c.ask(ctx, http.MethodGet, "/ping", nil, &p)
	if err == nil && p.Service != "syncer" {
		err = &Unreachable{c.Base, errors.New("something else answers there")}
	}
	return p, err
}

// Status implements Operations.
func (c *Client) Status(ctx context.Context) (out Status, err error) {
	return out, c.ask(ctx, http.MethodGet, "/status", nil, &out)
}

// Explain implements Operations.
func (c *Client) Explain(ctx context.Context, what string, show bool) (out Explanation, err error) {
	return out, c.ask(ctx, http.MethodPost, "/explain", explainAsk{what, show}, &out)
}

// DeadLetters implements Operations.
func (c *Client) DeadLetters(ctx context.Context, f DeadFilter) (out []DeadLetter, err error) {
	q := url.Values{}
	for name, v := range map[string]string{"id": f.ID, "target": f.Target, "kind": f.Kind, "limit": strconv.Itoa(f.Limit)} {
		if v != "" && v != "0" {
			q.Set(name, v)
		}
	}
	return out, c.ask(ctx, http.MethodGet, "/dead?"+q.Encode(), nil, &out)
}

// RetryDead implements Operations.
func (c *Client) RetryDead(ctx context.Context, f DeadFilter) (int, error) {
	return c.count(ctx, "/dead/retry", f)
}

// DropDead implements Operations.
func (c *Client) DropDead(ctx context.Context, f DeadFilter) (int, error) {
	return c.count(ctx, "/dead/drop", f)
}

// Quarantined implements Operations.
func (c *Client) Quarantined(ctx context.Context, limit int) (out []QuarantineItem, err error) {
	return out, c.ask(ctx, http.MethodGet, "/quarantine?limit="+strconv.Itoa(limit), nil, &out)
}

// QuarantineBody implements Operations.
func (c *Client) QuarantineBody(ctx context.Context, id uint64, show bool) (out QuarantineBody, err error) {
	return out, c.ask(ctx, http.MethodGet, fmt.Sprintf("/quarantine/%d?show=%t", id, show), nil, &out)
}

// RetryQuarantined implements Operations.
func (c *Client) RetryQuarantined(ctx context.Context, id uint64) (out Requeued, err error) {
	return out, c.ask(ctx, http.MethodPost, "/quarantine/retry", numberAsk{id, id == 0}, &out)
}

// DropQuarantined implements Operations.
func (c *Client) DropQuarantined(ctx context.Context, id uint64) (int, error) {
	return c.count(ctx, "/quarantine/drop", numberAsk{id, id == 0})
}

// Reconcile implements Operations.
func (c *Client) Reconcile(ctx context.Context, in RunAsk) (out state.Run, err error) {
	return out, c.ask(ctx, http.MethodPost, "/runs", in, &out)
}

// Runs implements Operations.
func (c *Client) Runs(ctx context.Context, limit int) (out []state.Run, err error) {
	return out, c.ask(ctx, http.MethodGet, "/runs?limit="+strconv.Itoa(limit), nil, &out)
}

// RunState implements Operations.
func (c *Client) RunState(ctx context.Context, id string) (out state.Run, err error) {
	return out, c.ask(ctx, http.MethodGet, runPath(id), nil, &out)
}

// Plan implements Operations.
func (c *Client) Plan(ctx context.Context, run, after string, limit int, show bool) (out PlanPage, err error) {
	q := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}, "show": {strconv.FormatBool(show)}}
	return out, c.ask(ctx, http.MethodGet, runPath(run)+"/plan?"+q.Encode(), nil, &out)
}

// Apply implements Operations.
func (c *Client) Apply(ctx context.Context, run string, in ApplyAsk) (out Applied, err error) {
	return out, c.ask(ctx, http.MethodPost, runPath(run)+"/apply", in, &out)
}

// Undo implements Operations.
func (c *Client) Undo(ctx context.Context, run string) (out state.Run, err error) {
	return out, c.ask(ctx, http.MethodPost, runPath(run)+"/undo", nothing{}, &out)
}

// Discard implements Operations.
func (c *Client) Discard(ctx context.Context, run string) (int, error) {
	return c.count(ctx, runPath(run)+"/discard", nothing{})
}

func runPath(id string) string { return "/runs/" + url.PathEscape(id) }

// Pause implements Operations.
func (c *Client) Pause(ctx context.Context, target, why string) error {
	return c.do(ctx, "/targets/"+url.PathEscape(target)+"/pause", pauseAsk{why})
}

// Resume implements Operations.
func (c *Client) Resume(ctx context.Context, target string) error {
	return c.do(ctx, "/targets/"+url.PathEscape(target)+"/resume", nothing{})
}

// Rebind implements Operations.
func (c *Client) Rebind(ctx context.Context, what string) error {
	return c.do(ctx, "/rebind", whatAsk{what})
}

// Reload implements Operations.
func (c *Client) Reload(ctx context.Context) (out ReloadResult, err error) {
	return out, c.ask(ctx, http.MethodPost, "/reload", nothing{}, &out)
}

// Conflicts implements Operations.
func (c *Client) Conflicts(ctx context.Context, show bool) (out []Conflict, err error) {
	return out, c.ask(ctx, http.MethodGet, "/conflicts?show="+strconv.FormatBool(show), nil, &out)
}

// ResolveConflict implements Operations.
func (c *Client) ResolveConflict(ctx context.Context, id string) (out Resolved, err error) {
	return out, c.ask(ctx, http.MethodPost, "/conflicts/resolve", idAsk{id}, &out)
}

// Link implements Operations.
func (c *Client) Link(ctx context.Context, key, target, id string) error {
	return c.do(ctx, "/link", linkAsk{key, target, id})
}

// Unlink implements Operations.
func (c *Client) Unlink(ctx context.Context, key, target string) error {
	return c.do(ctx, "/unlink", linkAsk{Key: key, Target: target})
}

// Forget implements Operations.
func (c *Client) Forget(ctx context.Context, what string) (out string, err error) {
	return out, c.ask(ctx, http.MethodPost, "/forget", whatAsk{what}, &out)
}

// Hooks implements Operations.
func (c *Client) Hooks(ctx context.Context, source string) (out []Hook, err error) {
	return out, c.ask(ctx, http.MethodGet, "/hooks?source="+url.QueryEscape(source), nil, &out)
}

// InstallHook implements Operations.
func (c *Client) InstallHook(ctx context.Context, source string) (out InstalledHook, err error) {
	return out, c.ask(ctx, http.MethodPost, "/hooks", sourceAsk{source}, &out)
}

// Compact implements Operations.
func (c *Client) Compact(ctx context.Context) (out CompactResult, err error) {
	return out, c.ask(ctx, http.MethodPost, "/compact", nothing{}, &out)
}

// Backup implements Operations. It fails when the daemon broke off: what was written then is no backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) error { return c.stream(ctx, "/backup", w) }

// Export implements Operations.
func (c *Client) Export(ctx context.Context, w io.Writer) error { return c.stream(ctx, "/export", w) }

func (c *Client) stream(ctx context.Context, path string, w io.Writer) error {
	res, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("the daemon broke off: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, path string, in any) error {
	return c.ask(ctx, http.MethodPost, path, in, &nothing{})
}

func (c *Client) count(ctx context.Context, path string, in any) (int, error) {
	var out count
	err := c.ask(ctx, http.MethodPost, path, in, &out)
	return out.Count, err
}

func (c *Client) ask(ctx context.Context, method, path string, in, out any) error {
	res, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return &Unreachable{c.Base, fmt.Errorf("its answer cannot be read: %w", err)}
	}
	return nil
}

// send asks and returns the answer, whose body the caller closes; an answer that refuses becomes an *Error.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(ClientHeader, "1")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := c.client().Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Unreachable{c.Base, cause(err)}
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	var p problem
	if err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&p); err != nil || p.Error == "" {
		return nil, &Unreachable{c.Base, fmt.Errorf("it answers %s, which a syncer does not", res.Status)}
	}
	return nil, &Error{p.Kind, p.Error, p.Until}
}

// cause leaves out what net/http and the caller both say.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// client connects directly and gives up soon when nobody is there; how long an answer takes is for the caller
// to bound. The token goes through no proxy and follows nobody elsewhere.
func (c *Client) client() *http.Client {
	c.once.Do(func() {
		c.http = &http.Client{
			Transport: &http.Transport{
				DialContext:     (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
				MaxIdleConns:    4,
				IdleConnTimeout: 30 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return c.http
}
