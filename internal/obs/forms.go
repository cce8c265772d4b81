package obs

import (
	"strconv"
	"strings"

	"syncer/internal/contact"
)

func keep(text string, from, to int) (string, bool) { return text[from:to], true }

// keepAlone keeps what is not part of a longer number.
func keepAlone(text string, from, to int) (string, bool) {
	return text[from:to], !isDigit(before(text, from)) && !isDigit(after(text, to))
}

// hookPath hides the secret in the address of a source.
func hookPath(text string, from, to int) (string, bool) {
	source := strings.IndexByte(text[from+len("/hooks/"):to], '/')
	return text[from:from+len("/hooks/")+source+1] + hidden, true
}

func userInfo(string, int, int) (string, bool) { return "://" + hidden + "@", true }

// credential hides what follows the scheme of an Authorization header; prose that follows the word "token"
// is not it.
func credential(text string, from, to int) (string, bool) {
	i := strings.LastIndexAny(text[from:to], " \t\r\n\v\f")
	scheme, said := text[from:from+i+1], text[from+i+1:to]
	return scheme + hidden, strings.ContainsAny(said, "0123456789=") || len(said) >= 24
}

// assigned hides the value in token=value and "token":"value".
func assigned(text string, from, to int) (string, bool) {
	i := strings.IndexAny(text[from:to], ":=")
	name, said := text[from:from+i+1], text[from+i+1:to]
	quotes := said[:len(said)-len(strings.TrimLeft(said, ` "'\`+"\t"))]
	return name + quotes + hidden, true
}

// urn masks an address as RapidPro writes it, in plain or percent-encoded text.
func urn(text string, from, to int) (string, bool) {
	whole := text[from:to]
	lead := ""
	if whole[0] == '%' {
		lead, whole = whole[:3], whole[3:]
	}
	i := strings.IndexAny(whole, ":%")
	colon := 1
	if whole[i] == '%' {
		colon = 3
	}
	scheme, path := whole[:i], whole[i+colon:]
	trimmed := strings.TrimRight(path, ".:!?")
	tail := path[len(trimmed):]
	var masked string
	switch {
	case strings.HasPrefix(path, "/"), scheme == "line" && len(trimmed) < 10: // an app's link; a line of a file
		return "", false
	case strings.Contains(trimmed, "**") && longestRun(trimmed) < 8: // masked before
		return text[from:to], true
	case scheme == "phone":
		masked = contact.MaskIdentity(contact.Identity("phone:" + trimmed))
	default:
		masked = contact.MaskURN(contact.URN(scheme + ":" + trimmed))
	}
	return lead + masked + tail, true
}

func email(text string, from, to int) (string, bool) { return contact.MaskText(text[from:to]), true }

func document(text string, from, to int) (string, bool) {
	if strings.Contains(text[from:to], "/") {
		return "[cnpj]", true
	}
	return "[cpf]", true
}

func spacedDocument(text string, from, to int) (string, bool) {
	return "[cpf]", isCPF(onlyDigits(text[from:to]))
}

func number(text string, from, to int) (string, bool) {
	return contact.MaskDigits(onlyDigits(text[from:to])), true
}

// international masks what begins with + or 00.
func international(text string, from, to int) (string, bool) {
	d, b := onlyDigits(text[from:to]), before(text, from)
	inWord := text[from] == '0' && (isWord(b) || b == '.' || b == '-' || b == '/' || isWord(after(text, to)))
	least := 8
	if text[from] == '0' {
		least = 10
	}
	return contact.MaskDigits(d), !inWord && len(d) >= least && len(d) <= 15
}

// grouped masks a Brazilian number with its area code set apart.
func grouped(text string, from, to int) (string, bool) {
	s := text[from:to]
	d := onlyDigits(s)
	if isDigit(before(text, from)) || isDigit(after(text, to)) || !isPhone(d) {
		return "", false
	}
	// 12.34567891 is a decimal, and 12.345678912s a duration.
	if isDecimal(s) && (len(d) != 11 || d[2] != '9' || isWord(after(text, to))) {
		return "", false
	}
	return contact.MaskDigits(d), true
}

func american(text string, from, to int) (string, bool) {
	b := before(text, from)
	return contact.MaskDigits(onlyDigits(text[from:to])), !isWord(b) && b != '.' && !isWord(after(text, to))
}

// local masks a number without its area code: only a hyphen tells it from any other number.
func local(text string, from, to int) (string, bool) {
	d := onlyDigits(text[from:to])
	b, a := before(text, from), after(text, to)
	if isWord(b) || isWord(a) || b == '-' || b == '.' || b == '/' || a == '-' || a == '/' {
		return "", false
	}
	years := strings.HasPrefix(d, "20") && (strings.HasPrefix(d[4:], "20") || strings.HasPrefix(d[4:], "19"))
	return contact.MaskDigits(d), len(d) == 9 || !years
}

// decimal keeps numbers with decimals, unless a program or a spreadsheet has made one of a phone number, or a
// list stands without spaces. What is left to bare is looked at part by part.
func decimal(text string, from, to int) (string, bool) {
	s := text[from:to]
	if f, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64); err == nil && isPersonal(f) {
		return contact.MaskDigits(formatInt(f)), true
	}
	whole, rest, dot := strings.Cut(s, ".")
	if !dot {
		whole, rest, _ = strings.Cut(s, ",")
	}
	list := !dot && max(len(whole), len(rest)) >= 10 || len(whole) >= 10 && len(rest) < 3
	return s, !list && !isDigit(before(text, from)) && !isCertain(whole) && !isCertain(rest)
}

// bare decides about digits without anything between them, by what they are and where they stand.
func bare(text string, from, to int) (string, bool) {
	d := text[from:to]
	lead := ""
	if before(text, from) == '%' && len(d) > 2 { // %20 and the digits behind it
		lead, d = d[:2], d[2:]
	}
	if !isPrivate(text, from, to, d) {
		return text[from:to], true
	}
	return lead + contact.MaskDigits(d), true
}

func isPrivate(text string, from, to int, d string) bool {
	switch b, a := before(text, from), after(text, to); {
	case len(d) > 15 || isStamp(d) || isUnit(text[to:]):
		return false
	case isLetter(b) && !isEscape(text, from), isLetter(a):
		return !isHex(text, from, to) && isCertain(d)
	case b == '/': // a record's key, or an id in a path
		return isCertain(d) || len(d) > 10 && isForeign(d)
	case len(d) == 9:
		return d[0] == '9'
	}
	return isPhone(d) || isForeign(d) || isCPF(d)
}
