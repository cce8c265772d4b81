// Package lab runs the real binary as processes of their own, on real sockets: syncer itself, its commands, and
// the simulators of what it talks to. The end-to-end tests and the footprint program are built on it. It asserts
// nothing, and it never ends a process that it did not start.
package lab

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Build compiles the binary as it is released and returns its path. More flags of go build may be given.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	bin := filepath.Join(dir, "syncer")
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", bin}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "syncer/cmd/syncer")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if slices.Contains(flags, "-race") {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building syncer: %w\n%s", err, out)
	}
	return bin, nil
}

// Env is the whole environment of a process: nothing of this one's is handed on.
type Env map[string]string

// With returns a copy in which pairs of names and values are set.
func (e Env) With(pairs ...string) Env {
	out := maps.Clone(e)
	if out == nil {
		out = Env{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func (e Env) list() []string {
	out := make([]string, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		out = append(out, name+"="+e[name])
	}
	return out
}

// ReadEnv reads a file of NAME=value lines, as compose and `set -a; . FILE` do.
func ReadEnv(path string) (Env, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	env := Env{}
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: no NAME=value", path, n+1)
		}
		if _, twice := env[name]; twice {
			return nil, fmt.Errorf("%s:%d: %s is set twice", path, n+1, name)
		}
		env[name] = value
	}
	return env, nil
}

var given sync.Map // addresses

// FreeAddr is an address of the loopback interface on which nobody listens at this moment. Its port is below those
// that systems give to outgoing connections: one of those could take it while a process that has it is started again.
// For the same reason none is given twice.
func FreeAddr() (addr string, err error) {
	for range 100 {
		addr = fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))
		if _, twice := given.LoadOrStore(addr, true); twice {
			continue
		}
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", err
}

// Await asks again and again until ok, an error, or the end of the patience. what says in words what was
// waited for.
func Await(ctx context.Context, patience time.Duration, what string, ok func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s", what, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
