package rapidpro

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers/v2"
)

// urn is a parsed URN: scheme:path?query#display. Its identity is scheme and path; the query is for
// the engine's own use and is not stored.
type urn struct{ scheme, path, query, display string }

var errURN = errors.New("invalid URN")

// Inside a URN these three stand escaped, because bare they end the path.
var (
	urnEscape   = strings.NewReplacer("%", "%25", "#", "%23", "?", "%3F")
	urnUnescape = strings.NewReplacer("%25", "%", "%23", "#", "%3F", "?")
)

// parseURN takes a URN apart. It asks for structure only; schemes are somebody else's business.
func parseURN(s string) (urn, error) {
	var parts [4]strings.Builder // scheme, path, query, display
	state := 0
	for i := range len(s) { // bytes, as there may be lone surrogates
		c := s[i]
		switch {
		case c == ':' && state == 0:
			state = 1
			continue
		case c == '?':
			if state != 1 {
				return urn{}, errURN
			}
			state = 2
			continue
		case c == '#':
			if state != 1 && state != 2 {
				return urn{}, errURN
			}
			state = 3
			continue
		}
		parts[state].WriteByte(c)
	}
	u := urn{
		scheme:  urnUnescape.Replace(parts[0].String()),
		path:    urnUnescape.Replace(parts[1].String()),
		query:   urnUnescape.Replace(parts[2].String()),
		display: urnUnescape.Replace(parts[3].String()),
	}
	if u.scheme == "" || u.path == "" {
		return urn{}, errURN
	}
	return u, nil
}

func (u urn) String() string {
	s := u.identity()
	if u.query != "" {
		s += "?" + urnEscape.Replace(u.query)
	}
	if u.display != "" {
		s += "#" + urnEscape.Replace(u.display)
	}
	return s
}

func (u urn) identity() string { return urnEscape.Replace(u.scheme) + ":" + urnEscape.Replace(u.path) }

// shown is a URN as answers show it.
func (u urn) shown() string { return urn{scheme: u.scheme, path: u.path, display: u.display}.String() }

const (
	schemeTel       = "tel"
	schemeWhatsApp  = "whatsapp"
	schemeTwitter   = "twitter"
	schemeTwitterID = "twitterid"
	schemeDeleted   = "deleted"
)

// The schemes that each side knows. The web application and the engine behind it disagree about
// weniwebchat and webchat, so that a weniwebchat URN passes validation and then fails to be inserted.
var (
	weniSchemes = []string{
		schemeTel, "facebook", "instagram", schemeTwitter, schemeTwitterID, "viber", "line", "telegram", "mailto", "ext", "jiochat",
		"wechat", "fcm", schemeWhatsApp, "freshchat", "vk", "rocketchat", "discord", "weniwebchat", "slack", "teams",
	}
	weniEngineSchemes = []string{
		"mailto", "ext", "facebook", "fcm", "freshchat", "jiochat", "line", "rocketchat", "slack", "telegram", schemeTel, schemeTwitterID,
		schemeTwitter, "viber", "vk", schemeWhatsApp, "wechat", "discord", "webchat", "instagram", "teams",
	}
	upstreamSchemes = []string{
		"mailto", "ext", "facebook", "fcm", "freshchat", "instagram", "jiochat", "line", schemeTel, "rocketchat", "slack", "telegram",
		schemeTwitter, schemeTwitterID, "viber", "vk", "webchat", "wechat", schemeWhatsApp,
	}
)

// known reports whether a scheme may appear in a URN at all. "deleted" belongs to the URNs of deleted
// contacts and slips through validation.
func (f *flavour) known(scheme string) bool {
	return slices.Contains(f.schemes, scheme) || scheme == schemeDeleted
}

// normalize brings a URN into the form that is stored and compared. A country of "" means that
// national phone numbers cannot be read.
func (f *flavour) normalize(s, country string) (urn, error) {
	u, err := parseURN(s)
	if err != nil || !f.known(u.scheme) {
		return urn{}, errURN
	}
	u.path = strip(u.path)
	switch u.scheme {
	case schemeTel:
		u.path = normalizeNumber(u.path, country)
	case schemeTwitter:
		u.path = strings.TrimPrefix(strings.ToLower(u.path), "@")
	case schemeTwitterID:
		u.display = strings.TrimPrefix(strings.ToLower(strip(u.display)), "@")
	case "mailto":
		u.path = strings.ToLower(u.path)
	}
	if u.path == "" {
		return urn{}, errURN
	}
	return u, nil
}

// barePhone is what Weni takes for a WhatsApp number when no scheme is given.
var barePhone = regexp.MustCompile(`^\+?([0-9]{8,15})$`)

// ensureScheme turns a bare phone number into a whatsapp URN. No country logic applies: the digits
// are kept as sent, without the plus.
func (f *flavour) ensureScheme(s string) string {
	if m := barePhone.FindStringSubmatch(s); m != nil && f.weni {
		return schemeWhatsApp + ":" + m[1]
	}
	return s
}

var (
	digitsOnly    = regexp.MustCompile(`^[0-9]+$`)
	handle        = regexp.MustCompile(`^[a-zA-Z0-9_]{1,15}$`)
	viberID       = regexp.MustCompile(`^[a-zA-Z0-9_=]{1,24}$`)
	bsuid         = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[a-zA-Z0-9]+$`)
	upstreamBSUID = regexp.MustCompile(`^[A-Z]{2}\.[a-zA-Z0-9]{1,128}$`)
	freshchatID   = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
)

// valid is the web application's opinion of a normalised URN.
func (f *flavour) valid(u urn, country string) bool {
	switch u.scheme {
	case schemeTel:
		_, ok := possibleNumber(u.path, country)
		return ok
	case schemeTwitter:
		return handle.MatchString(u.path)
	case schemeTwitterID:
		return strings.IndexFunc(u.path, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 &&
			(u.display == "" || handle.MatchString(u.display))
	case "mailto":
		return validEmail(u.path)
	case "facebook":
		_, number := pyInteger(u.path)
		return number || strings.HasPrefix(u.path, "ref:")
	case "discord":
		_, number := pyInteger(u.path)
		return number
	case "telegram", "instagram":
		return digitsOnly.MatchString(u.path)
	case schemeWhatsApp:
		if f.weni {
			return digitsOnly.MatchString(u.path) || bsuid.MatchString(u.path)
		}
		return digitsOnly.MatchString(u.path) || f.notes && upstreamBSUID.MatchString(u.path)
	case "viber":
		return viberID.MatchString(u.path)
	case "freshchat":
		return freshchatID.MatchString(u.path)
	case "webchat":
		return webchatID.MatchString(u.path)
	}
	return true
}

// checkURN validates one URN of a request body or address and returns it normalised, or the message
// to answer. Weni validates for real only here; a bad URN in a filter just finds nothing.
func (f *flavour) checkURN(value, country string) (urn, string) {
	u, err := f.normalize(f.ensureScheme(value), country)
	if err != nil || !f.valid(u, country) {
		return urn{}, f.badURN(value)
	}
	if f.weni && (u.scheme == schemeTel || u.scheme == schemeWhatsApp && digitsOnly.MatchString(u.path)) {
		digits := 0
		for _, r := range u.path {
			if r >= '0' && r <= '9' {
				digits++
			}
		}
		if digits < 8 {
			return urn{}, "Phone number must have at least 8 digits."
		}
		if digits > 15 {
			return urn{}, "Phone number cannot exceed 15 digits."
		}
	}
	return u, ""
}

// badURN words the refusal. Weni has texts of its own for what looks like a business-scoped id: under
// whatsapp a path with a dot, elsewhere a path of exactly that form.
func (f *flavour) badURN(value string) string {
	if f.weni {
		scheme, path, found := strings.Cut(value, ":")
		if !found {
			scheme, path = "", value
		}
		switch {
		case scheme == schemeWhatsApp && strings.Contains(path, "."):
			return "Invalid WhatsApp identifier: " + value + "."
		case scheme != schemeWhatsApp && bsuid.MatchString(path):
			return "Invalid URN: " + value + ". WhatsApp BSUID identifiers must include the whatsapp: scheme."
		}
	}
	return "Invalid URN: " + value + ". Ensure phone numbers contain country codes."
}

// lookupURN normalises the urn of an address. Unlike checkURN it only refuses what has no structure
// or an unknown scheme.
func (f *flavour) lookupURN(value, country string) (urn, error) {
	u, err := f.normalize(f.ensureScheme(value), country)
	if err != nil {
		return urn{}, err
	}
	return urn{scheme: u.scheme, path: u.path}, nil
}

var (
	telPath      = regexp.MustCompile(`^\+?[a-zA-Z0-9]{1,64}$`)
	emailPath    = regexp.MustCompile(`^[^\s@]+@[^\s@]+$`)
	engineViber  = regexp.MustCompile(`^[a-zA-Z0-9_=/+]{1,24}$`)
	lineID       = regexp.MustCompile(`^[a-zA-Z0-9_]{1,36}$`)
	teamsID      = regexp.MustCompile(`^a:[a-zA-Z0-9_-]+:serviceURL:https?://.+$`)
	webchatID    = regexp.MustCompile(`^[^\s@]+@[^\s@]+$`)
	engineChecks = map[string]struct {
		what string
		ok   func(path string) bool
	}{
		schemeTel:      {"tel number", telPath.MatchString},
		schemeTwitter:  {"twitter handle", handle.MatchString},
		"mailto":       {"email", emailPath.MatchString},
		"facebook":     {"facebook id", func(p string) bool { return strings.HasPrefix(p, "ref:") || digitsOnly.MatchString(p) }},
		"instagram":    {"instagram id", digitsOnly.MatchString},
		"jiochat":      {"jiochat id", digitsOnly.MatchString},
		"line":         {"line id", lineID.MatchString},
		"telegram":     {"telegram id", digitsOnly.MatchString},
		"viber":        {"viber id", engineViber.MatchString},
		schemeWhatsApp: {"whatsapp id", func(p string) bool { return digitsOnly.MatchString(p) || bsuid.MatchString(p) }},
		"freshchat":    {"freshchat id", freshchatID.MatchString},
		"discord":      {"discord id", digitsOnly.MatchString},
		"webchat":      {"webchat id", webchatID.MatchString},
		"teams":        {"teams id", teamsID.MatchString},
	}
)

// engineRefusal is the engine's opinion of a normalised URN, "" when it has nothing against it. Where it
// differs from valid, a create answers with this text and an update silently drops the URN.
func (f *flavour) engineRefusal(u urn) string {
	if !slices.Contains(f.engineSchemes, u.scheme) {
		return "invalid scheme: '" + u.scheme + "'"
	}
	if u.scheme == schemeTwitterID {
		if !digitsOnly.MatchString(u.path) {
			return "invalid twitter id: " + u.path
		}
		if u.display != "" && !handle.MatchString(u.display) {
			return "invalid twitter handle: " + u.display
		}
	}
	if check, ok := engineChecks[u.scheme]; ok && !check.ok(u.path) {
		return "invalid " + check.what + ": " + u.path
	}
	return ""
}

// tableRefusal is what the database says to a URN that both sides accept, "" when it takes it. The
// check constraint compares the escaped identity with the bare path, so that no path may hold one of
// the three reserved characters.
func tableRefusal(u urn) string {
	const tooLong = "pq: value too long for type character varying(255)"
	if runeCount(u.identity()) > 255 || runeCount(u.display) > 255 {
		return tooLong
	}
	if strings.ContainsAny(u.path, "%#?") {
		return `pq: new row for relation "contacts_contacturn" violates check constraint "identity_matches_scheme_and_path"`
	}
	return ""
}

// ninthDigit returns the other form of a Brazilian WhatsApp number: thirteen digits with a nine in the
// fifth place lose it, anything else gets one there. The rule looks at nothing but the length, so it
// also changes landlines. The engine adds the nine to twelve digits only.
func ninthDigit(u urn, engine bool) (urn, bool) {
	if u.scheme != schemeWhatsApp || !strings.HasPrefix(u.path, "55") || len(u.path) < 4 {
		return urn{}, false
	}
	other := u.path[:4] + "9" + u.path[4:]
	if len(u.path) == 13 && u.path[4] == '9' {
		other = u.path[:4] + u.path[5:]
	} else if engine && len(u.path) != 12 {
		return urn{}, false
	}
	return urn{scheme: u.scheme, path: other}, true
}

var notAlphanumeric = regexp.MustCompile(`[^0-9a-z]`)

// normalizeNumber is the phone number rule that both sides share. Eleven characters and more without a
// leading zero are read as international, which misreads Brazilian mobile numbers without country
// code; what is no possible number loses its plus.
func normalizeNumber(number, country string) string {
	number = strip(number)
	n := strings.ToLower(number)
	if strings.HasSuffix(n, "e+11") || strings.HasSuffix(n, "e+12") { // a spreadsheet was here
		n = strings.ReplaceAll(n[:len(n)-4], ".", "")
	}
	n = notAlphanumeric.ReplaceAllString(n, "")
	parse := n
	if strings.HasPrefix(number, "+") || len(n) >= 11 && n[0] != '0' {
		parse = "+" + n
	}
	if e164, ok := possibleNumber(parse, country); ok {
		return e164
	}
	return n
}

func possibleNumber(number, country string) (e164 string, ok bool) {
	parsed, err := phonenumbers.Parse(number, country)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(parsed) != phonenumbers.IS_POSSIBLE {
		return "", false
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), true
}

var (
	emailUser   = regexp.MustCompile(`(?i)^[-!#$%&'*+/=?^_` + "`" + `{}|~0-9A-Z]+(\.[-!#$%&'*+/=?^_` + "`" + `{}|~0-9A-Z]+)*$`)
	emailQuoted = regexp.MustCompile(`(?i)^"([\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x01-\x09\x0b\x0c\x0e-\x7f])*"$`)
	emailDomain = regexp.MustCompile(`(?i)^((?:[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?\.)+)([A-Z0-9-]{2,63})$`)
	emailIP     = regexp.MustCompile(`(?i)^\[([A-F0-9:.]+)\]$`)
)

// validEmail is Django's rule for addresses. Of international domain names it only asks that they
// would be fine if their foreign letters were ASCII.
func validEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return false
	}
	user, domain := s[:at], s[at+1:]
	if !emailUser.MatchString(user) && !emailQuoted.MatchString(user) {
		return false
	}
	domain = strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && unicode.IsLetter(r) {
			return 'a'
		}
		return r
	}, domain)
	if m := emailDomain.FindStringSubmatch(domain); m != nil {
		return !strings.HasSuffix(m[2], "-")
	}
	if m := emailIP.FindStringSubmatch(domain); m != nil {
		_, err := netip.ParseAddr(m[1])
		return err == nil
	}
	return domain == "localhost"
}
