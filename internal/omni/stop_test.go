package omni_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/omni"
)

// TestAStopDoesNotWaitForSomebodyElsesTags: one caller hangs in a call about tags, another waits for its turn with them and
// is told to stop. Behind a mutex it waited until the first call timed out, and the end of the process with it.
func TestAStopDoesNotWaitForSomebodyElsesTags(t *testing.T) {
	targets, mock, _ := mocked(t)
	target := targets["omnichannel"]
	hang, hanging := hangs()
	mock.RegisterNoResponder(hang)
	beside(t, func() { _ = target.Learn(t.Context()) })
	<-hanging
	stops(t, func(ctx context.Context) error { return target.Learn(ctx) })
	stops(t, func(ctx context.Context) error { return second(target.Define(ctx, []string{"VIP"}, nil)) })
}

// TestAStopDoesNotWaitForSomebodyElsesToken: a call comes back because its token was refused, while somebody else hangs in
// the request for the next one.
func TestAStopDoesNotWaitForSomebodyElsesToken(t *testing.T) {
	mock := httpmock.NewMockTransport()
	var hour atomic.Int64
	target, err := omni.NewOmniFlow(mapping.Target{Name: "omniflow", ClientID: "client_123", ClientSecret: token}, omni.Deps{Meter: &meter{}, Transport: mock,
		Now: func() time.Time { return start.Add(time.Duration(hour.Load()) * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	hang, hanging := hangs()
	mock.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method == http.MethodGet:
			hour.Add(1) // the token ends meanwhile
			beside(t, func() { _, _ = target.Get(t.Context(), "2") })
			<-hanging
			return answer(401, isJSON, `{}`), nil
		case hour.Load() > 0:
			return hang(r)
		}
		return answer(200, isJSON, `{"access_token":"first","expires_in":600}`), nil
	})
	stops(t, func(ctx context.Context) error { return second(target.Get(ctx, "1")) })
}

// hangs is a server that answers nobody before they give up, and says that it was asked.
func hangs() (answer httpmock.Responder, asked chan struct{}) {
	asked = make(chan struct{}, 10)
	return func(r *http.Request) (*http.Response, error) {
		asked <- struct{}{}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}, asked
}

// beside runs something for as long as the test, whose end stops it.
func beside(t *testing.T, run func()) {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { defer close(done); run() }()
}

// stops tells a call to stop that waits for its turn, and fails the test if it goes on waiting.
func stops(t *testing.T, call func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	said := make(chan error, 1)
	beside(t, func() { said <- call(ctx) })
	select {
	case err := <-said:
		kind(t, err, contact.Unavailable)
	case <-time.After(3 * time.Second):
		t.Error("it waits for somebody else's call")
	}
}
