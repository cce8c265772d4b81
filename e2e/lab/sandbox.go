package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"syncer/internal/sandbox"
)

// Sandbox is a simulator in a process of its own, with a client of its control API.
type Sandbox struct {
	*Process
	URL, Token string
	Notes      []string
}

// StartSandbox starts `syncer sandbox KIND` on a free port and waits until it serves.
func StartSandbox(ctx context.Context, bin, kind string, args ...string) (*Sandbox, error) {
	p, err := Start(bin, Env{"LANG": "en"}, append([]string{"sandbox", kind, "--listen", "127.0.0.1:0", "--output", "json"}, args...)...)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{Process: p}
	if err := p.Says(ctx, "}\n", 20*time.Second); err != nil {
		p.Kill()
		return nil, fmt.Errorf("the sandbox of %s: %w", kind, err)
	}
	if err := json.Unmarshal([]byte(p.Stdout()), s); err != nil {
		p.Kill()
		return nil, fmt.Errorf("the sandbox of %s says %q: %w", kind, p.Stdout(), err)
	}
	return s, nil
}

// Do makes a request, as a client with these headers, and reads its JSON answer into out unless that is nil. A
// status that is no success is an error.
func Do(ctx context.Context, method, address string, header http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, address, resp.Status, strings.TrimSpace(string(data)))
	case out == nil:
		return nil
	}
	return json.Unmarshal(data, out)
}

// Control speaks to the control API: path is what follows /_sandbox/.
func (s *Sandbox) Control(ctx context.Context, method, path string, in, out any) error {
	return Do(ctx, method, s.URL+sandbox.Prefix+path, nil, in, out)
}

// Advance moves the simulator's clock.
func (s *Sandbox) Advance(ctx context.Context, by time.Duration) error {
	return s.Control(ctx, http.MethodPost, "advance?"+url.Values{"seconds": {fmt.Sprint(by.Seconds())}}.Encode(), nil, nil)
}

// Journal is what was asked of the simulator and what it answered, oldest first. It remembers a thousand
// requests; Calls counts all of them.
func (s *Sandbox) Journal(ctx context.Context) ([]sandbox.Entry, error) {
	var out struct {
		Entries []sandbox.Entry `json:"entries"`
	}
	return out.Entries, s.Control(ctx, http.MethodGet, "journal", nil, &out)
}

// Calls are the requests, counted.
func (s *Sandbox) Calls(ctx context.Context) (sandbox.Calls, error) {
	var out struct {
		Calls sandbox.Calls `json:"calls"`
	}
	return out.Calls, s.Control(ctx, http.MethodGet, "calls", nil, &out)
}

// Forget empties the journal and sets the counts to zero.
func (s *Sandbox) Forget(ctx context.Context) error {
	if err := s.Control(ctx, http.MethodDelete, "journal", nil, nil); err != nil {
		return err
	}
	return s.Control(ctx, http.MethodDelete, "calls", nil, nil)
}

// Fail adds a fault to what goes wrong.
func (s *Sandbox) Fail(ctx context.Context, f sandbox.Fault) error {
	return s.Control(ctx, http.MethodPost, "faults", f, nil)
}

// Heal ends all faults; requests that hang are cut.
func (s *Sandbox) Heal(ctx context.Context) error {
	return s.Control(ctx, http.MethodDelete, "faults", nil, nil)
}
