package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"syncer/internal/mapping"
	"syncer/internal/notify"
	"syncer/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	address = "https://ops.example.com/in/path-secret"
	secret  = "whsec_cG9udGUtZGUtY29udGF0b3Mtc2VncmVkby10ZXN0ZSE="
)

// got is one POST as the receiver saw it.
type got struct {
	at     time.Duration // since the start
	header http.Header
	body   []byte
	said   struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
}

// rig is a notifier whose receiver answers what answer says.
type rig struct {
	*notify.Notifier
	answer httpmock.Responder
	log    bytes.Buffer
	stop   func()

	mu    sync.Mutex
	posts []got
}

// start must be called in a bubble; the notifier runs until stop.
func start(t *testing.T, secrets *obs.Secrets) *rig {
	t.Helper()
	r := prepare(t, secrets)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

func prepare(t *testing.T, secrets *obs.Secrets) *rig {
	t.Helper()
	r := &rig{answer: httpmock.NewStringResponder(http.StatusNoContent, "")}
	began := time.Now()
	transport := httpmock.NewMockTransport()
	transport.RegisterResponder(http.MethodPost, address, func(req *http.Request) (*http.Response, error) {
		g := got{at: time.Since(began), header: req.Header}
		g.body, _ = io.ReadAll(req.Body)
		if err := json.Unmarshal(g.body, &g.said); err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.posts = append(r.posts, g)
		answer := r.answer
		r.mu.Unlock()
		return answer(req)
	})
	var err error
	r.Notifier, err = notify.New(mapping.Notify{URL: address, Secret: secret},
		notify.Deps{Transport: transport, Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// after waits and returns what has arrived by then.
func (r *rig) after(d time.Duration) []got {
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts
}

func (r *rig) answers(do httpmock.Responder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = do
}

func paused(subject string) notify.Notice {
	return notify.Notice{Type: "target.paused", Subject: subject, Text: subject + " is paused", Data: map[string]any{"kind": "auth"}}
}

func TestNoticeIsSignedAndComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		at := time.Now().Add(-time.Minute)
		r.Send(notify.Notice{Type: "run.held", At: at, Subject: "crm-full-12", Text: "run crm-full-12 would change 4821 people", Data: map[string]any{"run": "crm-full-12", "people": 4821, "subject": "not this"}})
		posts := r.after(time.Second)
		if len(posts) != 1 {
			t.Fatalf("%d POSTs", len(posts))
		}
		p := posts[0]
		oracle, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := oracle.Verify(p.body, p.header); err != nil { // in the bubble its clock is ours
			t.Errorf("the signature is wrong: %v", err)
		}
		if !strings.HasPrefix(p.header.Get("webhook-id"), "msg_") || p.header.Get("Content-Type") != "application/json" {
			t.Errorf("headers: %v", p.header)
		}
		if p.said.Type != "run.held" || !p.said.Timestamp.Equal(at) {
			t.Errorf("got %s", p.body)
		}
		if want := `map[people:4821 run:crm-full-12 subject:crm-full-12 text:run crm-full-12 would change 4821 people]`; fmt.Sprint(p.said.Data) != want {
			t.Errorf("data: %v", p.said.Data)
		}
	})
}

func TestSecretsInBothForms(t *testing.T) {
	for _, plain := range []string{"a plain secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		synctest.Test(t, func(t *testing.T) {
			var header http.Header
			var body []byte
			transport := httpmock.NewMockTransport()
			transport.RegisterResponder(http.MethodPost, "http://127.0.0.1:9000/", func(req *http.Request) (*http.Response, error) {
				header = req.Header
				body, _ = io.ReadAll(req.Body)
				return httpmock.NewStringResponse(http.StatusOK, "thanks"), nil
			})
			n, err := notify.New(mapping.Notify{URL: "http://127.0.0.1:9000/", Secret: plain}, notify.Deps{Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			n.Send(paused("weni"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			n.Run(ctx) // sends what waits
			oracle, err := standardwebhooks.NewWebhookRaw([]byte(plain))
			if err != nil {
				t.Fatal(err)
			}
			if err := oracle.Verify(body, header); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRepeatsAreCollapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		for range 30 { // 14 min 30 s
			r.Send(paused("weni"))
			time.Sleep(29 * time.Second)
		}
		r.Send(paused("omni"))
		if posts := r.after(time.Second); len(posts) != 2 || posts[1].said.Data["subject"] != "omni" {
			t.Fatalf("%d POSTs", len(posts))
		}
		time.Sleep(time.Minute)
		r.Send(paused("weni"))
		posts := r.after(time.Second)
		if len(posts) != 3 || posts[2].said.Data["repeated"] != 29.0 {
			t.Fatalf("%d POSTs, the last %s", len(posts), posts[len(posts)-1].body)
		}
		if posts[0].said.Data["repeated"] != nil {
			t.Errorf("the first is repeated: %s", posts[0].body)
		}
	})
}

func TestChangesAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		resumed := notify.Notice{Type: "target.resumed", Subject: "weni", Text: "weni is used again"}
		for range 3 {
			r.Send(paused("weni"))
			r.Send(paused("weni"))
			r.Send(resumed)
			r.Send(resumed)
			r.Send(notify.Notice{Type: "guard.held", Subject: "weni"})
		}
		var types []string
		for _, p := range r.after(time.Second) {
			types = append(types, p.said.Type)
		}
		if want := "target.paused target.resumed guard.held target.paused target.resumed target.paused target.resumed"; strings.Join(types, " ") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(types, " "), want)
		}
	})
}

func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		r.answers(httpmock.NewStringResponder(http.StatusBadGateway, ""))
		r.Send(paused("weni"))
		posts := r.after(time.Hour)
		var at []time.Duration
		for _, p := range posts {
			at = append(at, p.at)
		}
		if want := "[0s 5s 35s 2m35s 12m35s]"; fmt.Sprint(at) != want {
			t.Errorf("tries at %v, want %s", at, want)
		}
		first, last := posts[0], posts[len(posts)-1]
		if first.header.Get("webhook-id") != last.header.Get("webhook-id") || !bytes.Equal(first.body, last.body) {
			t.Error("a repeated try is another message")
		}
		if first.header.Get("webhook-timestamp") == last.header.Get("webhook-timestamp") || first.header.Get("webhook-signature") == last.header.Get("webhook-signature") {
			t.Error("a repeated try is signed as of long ago")
		}
		log := r.log.String()
		if strings.Count(log, "could not be told") != 1 || !strings.Contains(log, "subject=weni") || !strings.Contains(log, "tries=5") || strings.Contains(log, "path-secret") {
			t.Errorf("log: %s", log)
		}
		// The next one is tried afresh.
		r.answers(httpmock.NewStringResponder(http.StatusOK, ""))
		r.Send(paused("omni"))
		if posts := r.after(time.Second); len(posts) != 6 {
			t.Errorf("%d POSTs", len(posts))
		}
	})
}

func TestAnswersThatDecide(t *testing.T) {
	slow := httpmock.NewStringResponder(http.StatusTooManyRequests, "").HeaderSet(http.Header{"Retry-After": {"90"}})
	never := httpmock.NewStringResponder(http.StatusServiceUnavailable, "").HeaderSet(http.Header{"Retry-After": {"86400"}})
	hang := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	for name, tt := range map[string]struct {
		answer httpmock.Responder
		tries  []time.Duration // within three minutes
		next   bool            // another notice is sent after these
	}{
		"invalid":     {httpmock.NewStringResponder(http.StatusBadRequest, ""), []time.Duration{0}, true},
		"auth":        {httpmock.NewStringResponder(http.StatusUnauthorized, ""), []time.Duration{0}, true},
		"not found":   {httpmock.NewStringResponder(http.StatusNotFound, ""), []time.Duration{0}, true},
		"gone":        {httpmock.NewStringResponder(http.StatusGone, ""), []time.Duration{0}, false},
		"throttled":   {slow, []time.Duration{0, 90 * time.Second}, false},
		"unavailable": {never, []time.Duration{0}, false}, // ten minutes at most
		"hangs":       {hang, []time.Duration{0, 15 * time.Second, 55 * time.Second}, false},
		"broken":      {httpmock.NewErrorResponder(io.ErrUnexpectedEOF), []time.Duration{0, 5 * time.Second, 35 * time.Second, 155 * time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, nil)
				r.answers(tt.answer)
				r.Send(paused("weni"))
				var at []time.Duration
				for _, p := range r.after(3*time.Minute - time.Second) {
					at = append(at, p.at)
				}
				if fmt.Sprint(at) != fmt.Sprint(tt.tries) {
					t.Errorf("tries at %v, want %v", at, tt.tries)
				}
				r.answers(httpmock.NewStringResponder(http.StatusOK, ""))
				r.Send(paused("omni"))
				if n := len(r.after(500 * time.Millisecond)); tt.next != (n > len(tt.tries)) {
					t.Errorf("%d POSTs after the next notice", n)
				}
			})
		})
	}
}

func TestSendNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prepare(t, nil) // nobody runs it
		for i := range 100 {
			r.Send(paused(fmt.Sprintf("target-%d", i)))
		}
		if n := strings.Count(r.log.String(), "too many notices wait"); n != 36 {
			t.Errorf("%d notices were dropped", n)
		}
		// One that was dropped was not told: it is news still.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.Run(ctx)
		if n := len(r.after(0)); n != 64 {
			t.Errorf("%d POSTs", n)
		}
		r.Send(paused("target-99"))
		r.Send(paused("target-0"))
		r.Run(ctx)
		if posts := r.after(0); len(posts) != 65 || posts[64].said.Data["subject"] != "target-99" {
			t.Errorf("%d POSTs", len(posts))
		}
	})
}

func TestStopTriesWhatWaitsOnceAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		r.answers(httpmock.NewStringResponder(http.StatusBadGateway, ""))
		r.Send(paused("a"))
		r.Send(paused("b"))
		r.Send(paused("c"))
		r.after(time.Second) // "a" waits for its second try
		began := time.Now()
		r.stop()
		if posts := r.after(0); len(posts) != 3 || time.Since(began) > 0 {
			t.Errorf("%d POSTs, stopped after %s", len(posts), time.Since(began))
		}
		r.Send(paused("d")) // to nobody, and does no harm
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		r.answers(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		for i := range 20 {
			r.Send(paused(fmt.Sprint(i)))
		}
		r.after(time.Second)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 13*time.Second {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestNothingPrivateLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var secrets obs.Secrets
		secrets.Add("wpp-token-4711")
		r := start(t, &secrets)
		r.Send(notify.Notice{Type: "dead.letter", Subject: "app/5584990000101", Text: "whatsapp:5584990000101 of ana.souza@exemplo.com.br with wpp-token-4711, see crm/4821",
			Data: map[string]any{"phone": 5584990000101, "list": []any{"(84) 99000-0101"}, "error": fmt.Errorf("wpp-token-4711"), "key": "crm/4821", "not a number": func() float64 { return 1 }}})
		body := string(r.after(time.Second)[0].body)
		for _, private := range []string{"5584990000101", "99000", "ana.souza", "exemplo", "wpp-token-4711"} {
			if strings.Contains(body, private) {
				t.Errorf("%s is in %s", private, body)
			}
		}
		for _, want := range []string{"app/5584*******01", "whatsapp:5584*******01 of a******", "see crm/4821", `"key":"crm/4821"`, `"error":"[secret]"`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s is not in %s", want, body)
			}
		}
	})
}

func TestWhatCannotBeConfigured(t *testing.T) {
	for url, want := range map[string]string{
		"https://ops.example.com/hidden":        "",
		"http://localhost:9000/hidden":          "",
		"http://app.localhost/hidden":           "",
		"http://[::1]/hidden":                   "",
		"http://ops.example.com/hidden":         "must be https",
		"http://localhost.example.com/hidden":   "must be https",
		"ops.example.com/hidden":                "is not an address",
		"ftp://ops.example.com/hidden":          "is not an address",
		"https:///hidden":                       "is not an address",
		"https://ops.example.com:port/hidden":   "is not an address",
		"https://user:hidden@ops.example.com/a": "user or password",
	} {
		_, err := notify.New(mapping.Notify{URL: url, Secret: "s"}, notify.Deps{})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v", url, err)
		}
	}
	for secret, want := range map[string]string{"": "is empty", "whsec_": "not base64", "whsec_%%": "not base64", "whsec_aGk=": "", "x": ""} {
		_, err := notify.New(mapping.Notify{URL: address, Secret: secret}, notify.Deps{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		for i := range 3000 { // runs have a new name each time
			r.Send(notify.Notice{Type: "run.held", Subject: fmt.Sprintf("crm-changes-%d", i)})
			synctest.Wait()
		}
		if n := notify.Topics(r.Notifier); n > 1024 {
			t.Errorf("%d topics are remembered", n)
		}
		if n := len(r.after(0)); n != 3000 {
			t.Errorf("%d POSTs", n)
		}
	})
}
