package notify

import (
	"context"
	"net/http"
	"time"

	"syncer/internal/contact"
	"syncer/internal/outbound"
)

// pauses lie between the tries of one notice. They span a restart of the receiver, not an outage: news that
// is an hour old is in the logs and in `syncer status`.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// pause returns how long to wait after a number of failed tries; ok is false when there is no point.
func pause(tries int, failure *contact.Error, now time.Time) (d time.Duration, ok bool) {
	if tries > len(pauses) || failure.Kind != contact.Unavailable && failure.Kind != contact.Throttled {
		return 0, false
	}
	d = pauses[tries-1]
	if !failure.Until.IsZero() {
		d = min(max(d, failure.Until.Sub(now)), pauses[len(pauses)-1])
	}
	return d, true
}

// deliver tries until a notice is told or not worth another try. It reports false when the receiver says that
// it wants no more of them.
func (n *Notifier) deliver(ctx context.Context, m message) bool {
	for tries := 1; ; tries++ {
		failure := n.try(context.WithoutCancel(ctx), m) // a try that has begun is finished
		if failure == nil {
			return true
		}
		wait, again := pause(tries, failure, n.deps.Now())
		if !again {
			n.log(m, tries, failure)
			if failure.Status == http.StatusGone {
				n.deps.Logger.Warn("the receiver of notices wants no more of them; none are sent until the mapping file is loaded again")
				return false
			}
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			n.log(m, tries, failure)
			return true
		}
	}
}

// try makes one POST. Its signature is as fresh as the try, for receivers refuse old ones.
func (n *Notifier) try(ctx context.Context, m message) *contact.Error {
	now := n.deps.Now()
	resp, err := n.client.R().SetContext(ctx).SetHeaders(n.headers(m, now)).SetBody(m.body).Post(n.url)
	return outbound.Failure("notify", resp, err, now)
}
