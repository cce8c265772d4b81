package console

import (
	"html/template"
	"net/http"
	"time"
)

// HandlerOptions are what the door needs besides the operations.
type HandlerOptions struct {
	// Token protects everything when it is set: as a bearer token, or through the login form. Without one the
	// door opens only to requests that name a loopback host; it must then listen on loopback only.
	Token string
	// Metrics is served at /metrics.
	Metrics http.Handler
	Version string
	// Language is what pages speak to a browser that asks for none: "pt" or "en", also as in LANG.
	Language string
	// Zone is whose time pages tell; that of the machine when nil.
	Zone func() *time.Location
	// Now is the clock of the pages; time.Now when nil.
	Now func() time.Time
}

// Handler serves the admin door: the API under /api/v1/, the pages, and the metrics. It must never share a
// listener with the webhooks.
func Handler(ops Operations, opts HandlerOptions) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &door{ops: ops, opts: opts, templates: parsePages()}
	mux := http.NewServeMux()
	d.api(mux)
	d.pages(mux)
	if opts.Metrics != nil {
		mux.Handle("GET /metrics", opts.Metrics)
	}
	return secureHeaders(d.knownHost(d.sameSite(d.credentials(mux))))
}

// door is the admin door.
type door struct {
	ops       Operations
	opts      HandlerOptions
	templates map[string]*template.Template
}
