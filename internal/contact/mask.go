package contact

import (
	"strings"
	"unicode/utf8"
)

// MaskDigits keeps the country and area of a number and its last two digits, less of a short one: at least
// four digits stay hidden.
func MaskDigits(d string) string {
	d = strings.TrimPrefix(d, "+")
	if len(d) < 8 {
		return strings.Repeat("*", len(d))
	}
	head := min(4, len(d)-6)
	return d[:head] + strings.Repeat("*", len(d)-head-2) + d[len(d)-2:]
}

// MaskURN keeps the scheme and enough of the address to tell two apart.
func MaskURN(u URN) string {
	if number, ok := u.Phone(); ok {
		return u.Scheme() + ":" + MaskDigits(number)
	}
	return u.Scheme() + ":" + MaskText(u.Path())
}

// MaskIdentity is MaskURN for identities.
func MaskIdentity(id Identity) string {
	scheme, rest, ok := strings.Cut(string(id), ":")
	switch {
	case !ok:
		return MaskText(string(id))
	case scheme == "phone":
		return "phone:" + MaskDigits(rest)
	}
	return scheme + ":" + MaskText(rest)
}

// MaskText keeps the first character of a name, an address or any other value.
func MaskText(s string) string {
	if s == "" {
		return ""
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(r) + strings.Repeat("*", min(utf8.RuneCountInString(s[n:]), 6))
}
