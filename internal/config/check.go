package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// leastToken is how long a token must be where strangers can try to guess it.
const leastToken = 16

// check judges the settings as a whole.
func (c *Config) check() (errs []error) {
	fail := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+": "+format, args...))
	}
	if _, _, err := c.StateFile(); err != nil {
		errs = append(errs, err)
	}
	_, port, err := address(c.Listen)
	if err != nil {
		fail("SYNCER_LISTEN", "%w", err)
	}
	adminHost, adminPort, err := address(c.AdminListen)
	switch {
	case err != nil:
		fail("SYNCER_ADMIN_LISTEN", "%w", err)
	case port == adminPort && port != "0":
		fail("SYNCER_ADMIN_LISTEN", "port %s is that of SYNCER_LISTEN; the two doors need a port each", port)
	}
	switch open := err == nil && !isLoopback(adminHost); {
	case strings.ContainsFunc(c.AdminToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		fail("SYNCER_ADMIN_TOKEN", "it has spaces or characters that no HTTP header can carry")
	case open && c.AdminToken == "":
		fail("SYNCER_ADMIN_LISTEN", "%s can be reached from other machines, so SYNCER_ADMIN_TOKEN (or SYNCER_ADMIN_TOKEN_FILE) must be set; or listen on 127.0.0.1", c.AdminListen)
	case open && len(c.AdminToken) < leastToken:
		fail("SYNCER_ADMIN_TOKEN", "it is shorter than %d characters, too easy to guess where other machines can reach it; make one with `openssl rand -hex 24`", leastToken)
	}
	if c.PublicURL != "" && !isPublicURL(c.PublicURL) {
		fail("SYNCER_PUBLIC_URL", "%q is not an address such as https://syncer.example.com", redacted(c.PublicURL))
	}
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, c.LogLevel) {
		fail("SYNCER_LOG_LEVEL", "%q is none of %s", c.LogLevel, strings.Join(levels, ", "))
	}
	if formats := []string{"text", "json"}; !slices.Contains(formats, c.LogFormat) {
		fail("SYNCER_LOG_FORMAT", "%q is none of %s", c.LogFormat, strings.Join(formats, ", "))
	}
	return errs
}

// address takes host and port apart. The port is a number: service names mean something else on every machine.
func address(listen string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", "", fmt.Errorf("%q is not an address to listen on, such as :8080 or 127.0.0.1:8081", listen)
	}
	return host, port, nil
}

// isLoopback reports whether only this machine can reach a host. No host at all is every interface.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// redacted hides the password that somebody put into an address.
func redacted(s string) string {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil:
		return u.Redacted()
	case err != nil && strings.Contains(s, "@"):
		return "…"
	}
	return s
}
