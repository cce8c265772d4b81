package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a child process and everything it has said.
type Process struct {
	cmd            *exec.Cmd
	stdout, stderr buffer
	ended          chan struct{}
}

// Start starts a program. Whoever starts one stops it.
func Start(bin string, env Env, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(bin, args...), ended: make(chan struct{})}
	stdout, stderr, err := recorder.Load().open(env, args)
	if err != nil {
		return nil, err
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env.list(), io.MultiWriter(&p.stdout, stdout), io.MultiWriter(&p.stderr, stderr)
	p.cmd.SysProcAttr = attributes()
	failed := make(chan error)
	starter() <- func() { failed <- p.cmd.Start() }
	if err := <-failed; err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code says it
	}()
	return p, nil
}

// starter starts processes from one thread that lives as long as this program: where the kernel ends children
// together with their parent, it means the thread.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for do := range work {
			do()
		}
	}()
	return work
})

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Code is the exit code of a process that has ended; -1 when a signal ended it.
func (p *Process) Code() int { return p.cmd.ProcessState.ExitCode() }

// Stdout and Stderr are what it has said so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is its log.
func (p *Process) Stderr() string { return p.stderr.String() }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process at once, as a power cut does, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it has ended already, or it does now
	<-p.ended
}

// Stop asks the process to end and returns its exit code. One that takes longer than it may is killed.
func (p *Process) Stop(within time.Duration) (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-p.ended:
		return p.Code(), nil
	case <-time.After(within):
		p.Kill()
		return p.Code(), fmt.Errorf("it did not stop within %s:\n%s", within, p.Stderr())
	}
}

// Says waits until the process has written a line that contains the text, to stdout or to its log.
func (p *Process) Says(ctx context.Context, text string, patience time.Duration) error {
	return Await(ctx, patience, fmt.Sprintf("the line %q", text), func() (bool, error) {
		if strings.Contains(p.Stdout(), text) || strings.Contains(p.Stderr(), text) {
			return true, nil
		}
		select {
		case <-p.ended:
			return false, fmt.Errorf("it ended with %d instead of saying %q:\n%s%s", p.Code(), text, p.Stdout(), p.Stderr())
		default:
			return false, nil
		}
	})
}

// Result is what a command said and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run carries out one command to its end.
func Run(ctx context.Context, bin string, env Env, args ...string) (Result, error) {
	p, err := Start(bin, env, args...)
	if err != nil {
		return Result{}, err
	}
	select {
	case <-p.Ended():
		return Result{p.Stdout(), p.Stderr(), p.Code()}, nil
	case <-ctx.Done():
		p.Kill()
		return Result{p.Stdout(), p.Stderr(), p.Code()}, fmt.Errorf("%s: %w", strings.Join(args, " "), ctx.Err())
	}
}

// buffer may be written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is everything so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
