package obs

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers/v2"

	"syncer/internal/contact"
)

// before and after are what stands beside a part of a text; 0 at its ends.
func before(text string, at int) rune {
	if at == 0 {
		return 0
	}
	r, _ := utf8.DecodeLastRuneInString(text[:at])
	return r
}

func after(text string, at int) rune {
	if at == len(text) {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(text[at:])
	return r
}

func isDigit(r rune) bool  { return r >= '0' && r <= '9' }
func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }
func isWord(r rune) bool   { return isDigit(r) || isLetter(r) }

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func longestRun(s string) (longest int) {
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		longest = max(longest, len(run))
	}
	return longest
}

// isDecimal reports whether a dot is all that stands between the digits.
func isDecimal(s string) bool {
	whole, rest, ok := strings.Cut(s, ".")
	return ok && whole == onlyDigits(whole) && rest == onlyDigits(rest)
}

// isPhone reports whether digits are a Brazilian number in any of its forms, or pretend to be one.
func isPhone(d string) bool {
	if len(d) < 10 || len(d) > 15 {
		return false
	}
	_, err := contact.ParsePhone(d, contact.PhoneRules{})
	return err == nil || len(d) <= 13 && len(d) >= 12 && strings.HasPrefix(d, "55")
}

// isCertain is isPhone where ids are as likely: only what hardly anything else looks like.
func isCertain(d string) bool {
	if isCPF(d) {
		return true
	}
	d = strings.TrimLeft(d, "0")
	switch len(d) {
	case 11:
		return d[2] == '9' && isPhone(d)
	case 12, 13:
		return strings.HasPrefix(d, "55") && isPhone(d)
	}
	return false
}

// isPersonal is isCertain for numbers that programs hand over as numbers.
func isPersonal(f float64) bool {
	return f == math.Trunc(f) && f >= 1e10 && f < 1e13 && isCertain(formatInt(f))
}

func formatInt(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }

// isForeign reports whether digits are a valid number of any country, its code in front.
func isForeign(d string) bool {
	if len(d) < 10 || len(d) > 15 || d[0] == '0' {
		return false
	}
	n, err := phonenumbers.Parse("+"+d, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(n)
}

// isCPF reports whether eleven digits carry the two check digits of a CPF.
func isCPF(d string) bool {
	if len(d) != 11 || strings.Count(d, d[:1]) == 11 {
		return false
	}
	for n := 9; n < 11; n++ {
		sum := 0
		for i := range n {
			sum += int(d[i]-'0') * (n + 1 - i)
		}
		if sum*10%11%10 != int(d[n]-'0') {
			return false
		}
	}
	return true
}

var stamp = regexp.MustCompile(`^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?$`)

// isStamp reports whether digits are a date and time without separators, as in backups and versions.
func isStamp(d string) bool { return stamp.MatchString(d) }

var unit = regexp.MustCompile(`^(?i: ?bytes?| ?[kmgt]i?b|b|[nµm]?s)(?:\W|$)`)

// isUnit reports whether a text begins with a unit of size or time.
func isUnit(text string) bool { return unit.MatchString(text) }

// isHex reports whether digits are part of a hash.
func isHex(text string, from, to int) bool {
	hex := func(c byte) bool { return isDigit(rune(c)) || c|0x20 >= 'a' && c|0x20 <= 'f' }
	for from > 0 && hex(text[from-1]) {
		from--
	}
	for to < len(text) && hex(text[to]) {
		to++
	}
	return to-from >= 16 && !isWord(before(text, from)) && !isWord(after(text, to))
}

// isEscape reports whether the two characters before at are those of a percent escape.
func isEscape(text string, at int) bool { return at >= 3 && text[at-3] == '%' }
