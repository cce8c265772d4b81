package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// call is one system call of a traced process: once as it is entered, and once more as it is left.
type call struct {
	name    string
	left    bool
	path    string // of the file, or the two ends of the connection
	to      string // renames
	data    []byte
	offset  int64
	outcome int64
}

// traced are the system calls by which anything leaves the process.
const traced = "pwrite64,fdatasync,fsync,ftruncate,rename,renameat,renameat2,write"

// readTrace reads what strace wrote with -f -ttt -yy -xx. A call that others interrupt is written in two parts. What is
// caused by a call that was left is entered after that: the tracer lets nobody go on before it has written the line.
func readTrace(r io.Reader, do func(call) error) error {
	begun := map[string]string{} // by thread
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		thread, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, rest, _ = strings.Cut(strings.TrimSpace(rest), " ") // the time
		var entered, leaves bool
		switch {
		case strings.HasPrefix(rest, "+++"), strings.HasPrefix(rest, "---"):
			continue
		case strings.HasPrefix(rest, "<... "):
			_, tail, ok := strings.Cut(rest, " resumed>")
			if !ok {
				return unreadable(rest)
			}
			rest, leaves = begun[thread]+tail, true
			delete(begun, thread)
		case strings.HasSuffix(rest, "<unfinished ...>"):
			rest, entered = strings.TrimSpace(strings.TrimSuffix(rest, "<unfinished ...>")), true
			begun[thread] = rest
		default:
			entered, leaves = true, true
		}
		c, err := parseCall(rest, leaves)
		if err != nil {
			return err
		}
		if entered {
			c.left = false
			if err := do(c); err != nil {
				return err
			}
		}
		if leaves {
			c.left = true
			if err := do(c); err != nil {
				return err
			}
		}
	}
}

func parseCall(text string, whole bool) (c call, err error) {
	name, args, ok := strings.Cut(text, "(")
	if !ok {
		return c, unreadable(text)
	}
	c.name = name
	if whole {
		end := strings.LastIndex(args, ") = ")
		if end < 0 {
			end = strings.LastIndex(args, ")")
			if end < 0 {
				return c, unreadable(text)
			}
		}
		outcome, _, _ := strings.Cut(strings.TrimSpace(strings.TrimLeft(args[end:], ") =")), " ")
		c.outcome, _ = strconv.ParseInt(outcome, 0, 64) // "?" where the process ended
		args = args[:end]
	}
	if strings.HasPrefix(name, "rename") {
		parts := strings.Split(args, `"`)
		if len(parts) < 4 {
			return c, nil // its names are not written before it is left
		}
		from, err := unhex(parts[1])
		if err != nil {
			return c, err
		}
		to, err := unhex(parts[3])
		c.path, c.to = string(from), string(to)
		return c, err
	}
	if open := strings.IndexByte(args, '<'); open >= 0 {
		c.path = descriptor(args[open+1:])
		if name, err := unhex(c.path); err == nil { // files are written like data, connections are not
			c.path = string(name)
		}
	}
	parts := strings.Split(args, `"`)
	if len(parts) == 3 {
		if c.data, err = unhex(parts[1]); err != nil {
			return c, err
		}
	}
	last := args[strings.LastIndexByte(args, ',')+1:]
	if name == "pwrite64" || name == "ftruncate" {
		c.offset, err = strconv.ParseInt(strings.TrimSpace(last), 0, 64)
		if err != nil && !whole {
			err = nil
		}
	}
	return c, err
}

func unreadable(line string) error {
	return fmt.Errorf("a line of the trace cannot be read: %.60s … %s", line, line[max(0, len(line)-120):])
}

// descriptor is what stands between < and >, which may itself hold an arrow.
func descriptor(s string) string {
	for i := range s {
		if s[i] == '>' && (i == 0 || s[i-1] != '-') {
			return s[:i]
		}
	}
	return s
}

func unhex(s string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(s, `\x`, "")) }
