package demo

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/console"
)

// screen is what a person who runs the demo sees.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestTheLastLineCanBeTried: when the demo has told its story, the address of the console has long scrolled away. It ends
// with the address once more and a person to ask about, and that person is there.
func TestTheLastLineCanBeTried(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo takes half a minute")
	}
	ctx, stop := context.WithCancel(t.Context())
	var out screen
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{People: 45, Out: &out}) }()
	line := regexp.MustCompile(`SYNCER_ADMIN_LISTEN=(\S+) syncer explain (crm/\d+) --show`)
	var found []string
	for deadline := time.Now().Add(3 * time.Minute); found == nil && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, out.String())
		default:
			found = line.FindStringSubmatch(out.String())
		}
	}
	if found == nil {
		t.Fatalf("it says nothing to try:\n%s", out.String())
	}
	told, err := (&console.Client{Base: "http://" + found[1]}).Explain(ctx, found[2], true)
	if err != nil {
		t.Fatal(err)
	}
	if len(told.Records) == 0 || len(told.Targets) != 3 || told.Targets[0].Contact == "" {
		t.Errorf("%s is %+v", found[2], told)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
