package contact

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// URN is an address of a contact as RapidPro writes it: scheme:path, with an optional ?query and #display
// that are not part of its identity.
type URN string

// Identity is what makes two addresses the same: scheme:path for most, phone:digits for tel and whatsapp
// numbers of one line, so that tel:+558490000101 and whatsapp:5584990000101 are one.
type Identity string

// Schemes of addresses that syncer writes or understands on sight.
const (
	SchemeTel      = "tel"
	SchemeWhatsApp = "whatsapp"
	SchemeMailto   = "mailto"
	SchemeExt      = "ext"
)

const uuid = `[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`

var (
	digits    = regexp.MustCompile(`^[0-9]+$`)
	bsuid     = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[a-zA-Z0-9]+$`)
	telPath   = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	email     = regexp.MustCompile("^[-!$&'*+/=^_`{|}~0-9a-z]+(\\.[-!$&'*+/=^_`{|}~0-9a-z]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$")
	handle    = regexp.MustCompile(`^[a-zA-Z0-9_]{1,15}$`)
	freshchat = regexp.MustCompile(`^` + uuid + `/` + uuid + `$`)
	viberPath = regexp.MustCompile(`^[a-zA-Z0-9_=]{1,24}$`)
	linePath  = regexp.MustCompile(`^[a-zA-Z0-9_]{1,36}$`)
	teamsPath = regexp.MustCompile(`^a:[a-zA-Z0-9_-]+:serviceURL:https?://.+$`)
)

// schemes are those both halves of RapidPro accept, each with the narrower of the two path rules: a value
// that only one half takes is dropped silently or answered with a server error.
var schemes = map[string]func(string) bool{
	// Without the plus a number is read with the country of the workspace, or of somebody else.
	SchemeTel: telPath.MatchString,
	SchemeWhatsApp: func(p string) bool {
		return bsuid.MatchString(p) || digits.MatchString(p) && len(p) >= 8 && len(p) <= 15
	},
	SchemeMailto: email.MatchString,
	SchemeExt:    func(p string) bool { return true },
	"telegram":   digits.MatchString,
	"instagram":  digits.MatchString,
	"facebook":   func(p string) bool { return digits.MatchString(p) || strings.HasPrefix(p, "ref:") && len(p) > 4 },
	"discord":    digits.MatchString,
	"twitter":    handle.MatchString,
	"twitterid":  digits.MatchString,
	"viber":      viberPath.MatchString,
	"line":       linePath.MatchString,
	"jiochat":    digits.MatchString,
	"freshchat":  freshchat.MatchString,
	"teams":      teamsPath.MatchString,
	"wechat":     func(p string) bool { return true },
	"fcm":        func(p string) bool { return true },
	"vk":         func(p string) bool { return true },
	"rocketchat": func(p string) bool { return true },
	"slack":      func(p string) bool { return true },
}

// IsScheme reports whether RapidPro knows the scheme. Names are lower-case only.
func IsScheme(s string) bool { _, ok := schemes[s]; return ok }

// Scheme is the part before the colon; empty when there is none.
func (u URN) Scheme() string {
	scheme, _, ok := strings.Cut(string(u), ":")
	if !ok {
		return ""
	}
	return scheme
}

// Path is the address itself, without query and display.
func (u URN) Path() string {
	_, rest, _ := strings.Cut(string(u), ":")
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	return rest
}

// Bare is scheme:path: what RapidPro treats as one and the same address.
func (u URN) Bare() URN { return URN(u.Scheme() + ":" + u.Path()) }

// Phone returns the number of a tel or whatsapp address, digits only; ok is false for every other address
// and for identifiers that are no numbers.
func (u URN) Phone() (number string, ok bool) {
	switch u.Scheme() {
	case SchemeTel:
		// Without a plus RapidPro could make no number of it; some country's digits it may still resemble.
		if number, ok = strings.CutPrefix(u.Path(), "+"); !ok {
			return "", false
		}
	case SchemeWhatsApp:
		number = u.Path()
	}
	if len(number) < 8 || len(number) > 15 || !digits.MatchString(number) {
		return "", false
	}
	return number, true
}

// Identity is the canonical identity of the address: both forms of a Brazilian mobile, as tel or as
// whatsapp, give the same one.
func (u URN) Identity() Identity {
	if number, ok := u.Phone(); ok {
		return PhoneIdentity(number)
	}
	return Identity(u.Bare())
}

// NewURN builds and checks an address. The error says which rule of RapidPro it breaks, without the value.
func NewURN(scheme, path string) (URN, error) {
	valid, ok := schemes[scheme]
	if !ok {
		return "", fmt.Errorf("%q is not a kind of address that RapidPro knows", scheme)
	}
	path = strings.TrimSpace(path)
	switch scheme {
	case SchemeMailto:
		path = strings.ToLower(path)
	case "twitter":
		path = strings.ToLower(strings.TrimPrefix(path, "@"))
	}
	switch {
	case path == "" || !valid(path) || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl):
		return "", fmt.Errorf("this is not a valid %s address", scheme)
	case utf8.RuneCountInString(scheme)+1+utf8.RuneCountInString(path) > 255:
		return "", fmt.Errorf("the %s address is longer than the 255 characters that RapidPro stores", scheme)
	case strings.ContainsAny(path, "#?%"):
		return "", fmt.Errorf("the %s address contains #, ? or %%, which RapidPro reads as something else", scheme)
	}
	return URN(scheme + ":" + path), nil
}
