package main

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// posted is an event that was sent on a connection, in the order in which they were.
type posted struct {
	rec *record
	n   int
}

// TestNoAnswerBeforeItsCommit records every write, sync and answer of the real binary with strace, and cuts the power
// at many moments of the recording: whatever the disk had not been made sure of may be there, in part, or not. Each time
// the state must open, be sound, and hold every event whose answer had left by then. A compaction is in the recording.
func TestNoAnswerBeforeItsCommit(t *testing.T) {
	t.Parallel()
	if _, why := possibleHere(t.Context()); why != "" {
		t.Skip(why)
	}
	random := dice(t)
	w := start(t, 24)
	if code, err := w.syncer.Stop(patience); err != nil || code != 0 {
		t.Fatalf("syncer ended with %d: %v", code, err)
	}
	base, err := os.ReadFile(w.path("syncer.db"))
	must(t, err)
	trace := w.path("trace")
	must(t, w.launch("strace", "-D", "-f", "-qq", "-ttt", "-yy", "-xx", "-s", "16777216", "-e", "signal=none", "-e", "trace="+traced, "-o", trace))
	if ok, err := w.ready(); err != nil || !ok {
		t.Fatalf("syncer did not start under strace: %v\n%s", err, w.syncer.Stderr())
	}
	sent := sendTold(t, w, 30)
	if code, err := w.syncer.Stop(patience); err != nil || code != 0 { // strace ends with it
		t.Fatalf("syncer ended with %d: %v", code, err)
	}

	file, err := os.Open(trace)
	must(t, err)
	defer file.Close()
	state := w.path("syncer.db")
	disk := newDisk(state, base)
	keep := func(path string) bool { return strings.HasPrefix(path, state) }
	answers, answered := map[string]int{}, map[*record]int{}
	syncs, writes, cuts, count := 0, 0, 0, 0
	must(t, readTrace(file, func(c call) error {
		// What was answered is counted as soon as the answer is on its way, what was synced only when the kernel says so.
		if c.name == "write" && !c.left && strings.HasPrefix(string(c.data), "HTTP/1.1 2") {
			_, peer, ok := strings.Cut(c.path, "->")
			peer = strings.TrimSuffix(peer, "]")
			if list := sent[peer]; ok && answers[peer] < len(list) {
				e := list[answers[peer]]
				answers[peer]++
				answered[e.rec] = max(answered[e.rec], e.n)
				count++
			}
		}
		disk.do(c, keep)
		switch {
		case c.name == "pwrite64" && c.left && keep(c.path):
			writes++
		case strings.HasSuffix(c.name, "sync") && c.left:
			syncs++
		}
		interesting := strings.HasSuffix(c.name, "sync") || strings.HasPrefix(c.name, "rename") || c.name == "write" && len(answered) > 0
		if often := 5; !interesting || random.IntN(often) > 0 && !strings.HasPrefix(c.name, "rename") {
			return nil
		}
		cuts++
		return powerCut(w, disk.cut(state, random), answered)
	}))
	t.Logf("%d writes to the state, %d syncs, %d answers, %d power cuts", writes, syncs, count, cuts)
	total := 0
	for _, list := range sent {
		total += len(list)
	}
	if count != total || count == 0 || cuts < 20 {
		t.Errorf("%d answers were recognised of %d, and there were %d power cuts: this shows too little", count, total, cuts)
	}
}

// powerCut starts with what is left of the file and looks for what was answered.
func powerCut(w *world, content []byte, answered map[*record]int) error {
	name := w.path("cut.db")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return err
	}
	w.mu.Lock()
	for _, r := range w.shop {
		for _, e := range r.said {
			e.acked = e.n <= answered[r]
		}
	}
	w.mu.Unlock()
	lost, err := w.examine(name, 0)
	if err == nil && len(lost) > 0 {
		err = fmt.Errorf("after a power cut: %s", strings.Join(lost, "; "))
	}
	return err
}

// sendTold sends events on a few connections, with a compaction in between, and returns which went on each, by the
// client's address.
func sendTold(t *testing.T, w *world, each int) map[string][]posted {
	t.Helper()
	const connections = 4
	sent := map[string][]posted{}
	var mu sync.Mutex
	var senders sync.WaitGroup
	for i := range connections {
		senders.Go(func() {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for j := range each {
				w.mu.Lock()
				r := w.shop[(j*connections+i)%len(w.shop)]
				e := r.next(false)
				e.body = r.hook(e)
				w.mu.Unlock()
				ctx := httptrace.WithClientTrace(w.ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
					mu.Lock()
					defer mu.Unlock()
					at := c.Conn.LocalAddr().String()
					sent[at] = append(sent[at], posted{r, e.n})
				}})
				status, err := w.postWith(ctx, client, e)
				if err != nil || status/100 != 2 {
					t.Errorf("an event was answered with %d: %v", status, err)
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := w.admin.Compact(w.ctx); err != nil {
		t.Error(err)
	}
	senders.Wait()
	return sent
}
