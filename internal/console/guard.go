package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ClientHeader marks a request as made by a program. A page of another site cannot set it, which is why the
// door believes requests that change something only with it, with a bearer token, or from its own pages.
const ClientHeader = "X-Syncer-Client"

// maxBody bounds what a request may carry.
const maxBody = 1 << 20

// securityPolicy allows what the pages use and nothing else: no inline code or style, no other site.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", securityPolicy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers hide the origin of our own forms too
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses, where no token protects the door, requests for a name that is not this machine's: a page
// whose name was pointed at 127.0.0.1 would otherwise be of the same origin as the door.
func (d *door) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.opts.Token == "" && !isLoopback(r.Host) {
			d.refuse(w, r, Errorf(Forbidden, "without SYNCER_ADMIN_TOKEN this door answers only to localhost, not to %q", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a Host header names this machine.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// sameSite refuses changes that another site's page could have asked for.
func (d *door) sameSite(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch safe := r.Method == http.MethodGet || r.Method == http.MethodHead; {
		case safe:
		case protection.Check(r) != nil:
			d.refuse(w, r, Errorf(Forbidden, "the request comes from a page of another site"))
			return
		case r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get(ClientHeader) == "" && bearer(r) == "":
			d.refuse(w, r, Errorf(Forbidden, "the request does not say where it comes from; programs send the header %s: 1", ClientHeader))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// credentials asks for the token, where there is one, before anything but the login page and its looks.
func (d *door) credentials(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open := r.URL.Path == "/login" || strings.HasPrefix(r.URL.Path, "/assets/")
		switch {
		case d.opts.Token == "" || open || d.isToken(bearer(r)) || d.session(r):
			next.ServeHTTP(w, r)
		case isPage(r) && r.Method == http.MethodGet:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="syncer"`)
			d.refuse(w, r, Errorf(Unauthorized, "the admin token is missing or wrong"))
		}
	})
}

// isPage tells what people look at from what programs read.
func isPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics"
}

// refuse answers in the form that the asker reads.
func (d *door) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	if isPage(r) {
		d.errorPage(w, r, e)
		return
	}
	writeError(w, e)
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// isToken compares in constant time, whatever the lengths.
func (d *door) isToken(said string) bool {
	a, b := sha256.Sum256([]byte(said)), sha256.Sum256([]byte(d.opts.Token))
	return d.opts.Token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

const (
	sessionCookie = "syncer_session"
	sessionLife   = 12 * time.Hour
)

// session reports whether the request carries the cookie of a login that has not ended. The cookie is the
// moment at which it ends, signed with the token, so that nothing needs to be remembered.
func (d *door) session(r *http.Request) bool {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	until, _, _ := strings.Cut(c.Value, ".")
	at, err := strconv.ParseInt(until, 10, 64)
	return err == nil && d.opts.Now().Before(time.Unix(at, 0)) && hmac.Equal([]byte(c.Value), []byte(d.sign(until)))
}

func (d *door) sign(until string) string {
	m := hmac.New(sha256.New, []byte(d.opts.Token))
	m.Write([]byte("syncer console session " + until))
	return until + "." + hex.EncodeToString(m.Sum(nil))
}

// setSession logs a browser in, or out when the token is not the right one.
func (d *door) setSession(w http.ResponseWriter, r *http.Request, in bool) {
	c := &http.Cookie{Name: sessionCookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"}
	if in {
		c.Value, c.MaxAge = d.sign(strconv.FormatInt(d.opts.Now().Add(sessionLife).Unix(), 10)), int(sessionLife.Seconds())
	}
	http.SetCookie(w, c)
}

// localPath is where to go after the login: a path of this door, never another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
