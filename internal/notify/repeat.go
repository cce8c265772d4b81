package notify

import (
	"strings"
	"time"
)

// quiet is how long repeats of a notice are dropped.
const quiet = 15 * time.Minute

// mostTopics bounds what is remembered of what was told.
const mostTopics = 1024

// topic is what a notice is about: target.paused and target.resumed of one target are one topic, so that each
// is news after the other however soon it comes.
type topic struct{ family, subject string }

func topicOf(n Notice) topic {
	family, _, _ := strings.Cut(n.Type, ".")
	return topic{family, n.Subject}
}

// last is what was told last of a topic, and how often that has been dropped since.
type last struct {
	kind    string
	at      time.Time
	dropped int
}

// judge says whether a notice is news and, if so, how many like it were dropped before.
func (n *Notifier) judge(notice Notice, now time.Time) (repeated int, fresh bool) {
	l, known := n.told[topicOf(notice)]
	switch {
	case !known || l.kind != notice.Type:
		n.forget(now)
		return 0, true
	case now.Sub(l.at) < quiet:
		l.dropped++
		n.told[topicOf(notice)] = l
		return 0, false
	}
	return l.dropped, true
}

// forget keeps told within its bound. When it is too large although nothing in it is old, repeating some
// notices is the lesser evil.
func (n *Notifier) forget(now time.Time) {
	if len(n.told) < mostTopics {
		return
	}
	for t, l := range n.told {
		if now.Sub(l.at) >= quiet {
			delete(n.told, t)
		}
	}
	if len(n.told) >= mostTopics {
		clear(n.told)
	}
}
