package gauge

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RssAnon is the memory of a process that is its own: neither the program nor the mapped state file, which the
// kernel gives back whenever somebody needs the room.
func RssAnon(pid int) (int64, error) {
	text, ok := strings.CutSuffix(field(fmt.Sprintf("/proc/%d/status", pid), "RssAnon"), " kB")
	kib, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("process %d: no RssAnon in /proc", pid)
	}
	return kib << 10, nil
}

// Files is how many file descriptors a process has open.
func Files(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}

// Peak watches the RssAnon of a process, every few milliseconds, until the returned function is called, which tells
// the largest that was seen: the kernel keeps a peak of all memory only.
func Peak(pid int) (stop func() int64) {
	var peak int64
	end := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for {
			if n, err := RssAnon(pid); err == nil {
				peak = max(peak, n)
			}
			select {
			case <-ticks.C:
			case <-end:
				return
			}
		}
	})
	return func() int64 {
		close(end)
		watching.Wait()
		return peak
	}
}
