package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"syncer/e2e/lab"
	"syncer/internal/console"
)

// daemon is the real binary with a mapping file of its own.
type daemon struct {
	*lab.Process
	admin *console.Client
	hooks string

	mu     sync.Mutex
	status console.Status
	asked  time.Time
}

// newDaemon starts a syncer in a folder.
func newDaemon(ctx context.Context, bin, dir, mapping string) (*daemon, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "mappings.yaml")
	if err := os.WriteFile(file, []byte(mapping), 0o600); err != nil {
		return nil, err
	}
	listen, err := lab.FreeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := lab.FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := lab.Start(bin, lab.Env{"LANG": "en", "SYNCER_MAPPINGS": file, "SYNCER_STATE": "bolt:" + filepath.Join(dir, "syncer.db"),
		"SYNCER_LISTEN": listen, "SYNCER_ADMIN_LISTEN": admin, "SYNCER_PUBLIC_URL": "http://" + listen}, "serve")
	if err != nil {
		return nil, err
	}
	d := &daemon{Process: p, admin: &console.Client{Base: "http://" + admin}, hooks: "http://" + listen + "/hooks/"}
	err = lab.Await(ctx, time.Minute, "syncer is ready", func() (bool, error) {
		select {
		case <-p.Ended():
			return false, fmt.Errorf("it ended with %d:\n%s%s", p.Code(), p.Stdout(), p.Stderr())
		default:
			return lab.Do(ctx, http.MethodGet, "http://"+listen+"/readyz", nil, nil, nil) == nil, nil
		}
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return d, nil
}

// look is how things stand, half a second ago at most: all cells of a syncer ask.
func (d *daemon) look(ctx context.Context) (console.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.asked) < 500*time.Millisecond {
		return d.status, nil
	}
	s, err := d.admin.Status(ctx)
	if err == nil {
		d.status, d.asked = s, time.Now()
	}
	return s, err
}

// post sends a webhook.
func (d *daemon) post(ctx context.Context, source string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.hooks+source, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("the webhook is answered with %s", resp.Status)
	}
	return nil
}

// memory is the most that the process has had in memory, in MB.
func (d *daemon) memory() int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID()))
	if err != nil {
		return 0 // not Linux
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb / 1024
		}
	}
	return 0
}
