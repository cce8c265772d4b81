package contact

import (
	"regexp"
	"strings"
)

// Line is the kind of line a number belongs to.
type Line string

// Mobile numbers identify a person; landlines are shared by households and offices and identify nobody. A
// line of unknown kind (abroad, without metadata) is taken as a mobile.
const (
	Mobile      Line = "mobile"
	Landline    Line = "landline"
	UnknownLine Line = "unknown"
)

// Phone is a telephone number in its canonical international form.
type Phone struct {
	// Digits is E.164 without the plus. Brazilian mobiles always carry the ninth digit.
	Digits string `json:"digits"`
	Line   Line   `json:"line"`
	// AreaAssumed says that the default area code was put in front: such a number may create a contact but
	// never match one that bears another name.
	AreaAssumed bool `json:"area_assumed,omitempty"`
	// NineAdded says that the ninth digit was not in the text.
	NineAdded bool `json:"nine_added,omitempty"`
}

// Numbering answers what only the numbering plans of the world know. The domain itself knows Brazil's.
type Numbering interface {
	// National reads a number written for dialling inside country and returns E.164 digits.
	National(text, country string) (digits string, ok bool)
	// Line says what line an international number belongs to; ok is false for numbers that cannot exist
	// or that are no person's (toll free, premium).
	Line(digits string) (line Line, ok bool)
}

// PhoneRules say how numbers without a country or area code are read.
type PhoneRules struct {
	Country   string // ISO 3166 alpha-2; BR when empty
	Area      string // default area code, Brazil only
	Numbering Numbering
}

// PhoneError says why a text is no person's number. It never contains the text.
type PhoneError string

// Error returns the reason.
func (e PhoneError) Error() string { return string(e) }

// Reasons why a text is refused as a phone number.
const (
	ErrPhoneLetters  = PhoneError("it contains letters")
	ErrPhoneShort    = PhoneError("it has too few digits")
	ErrPhoneLong     = PhoneError("it has too many digits")
	ErrPhoneNoArea   = PhoneError("it has no area code")
	ErrPhoneArea     = PhoneError("it has an area code that does not exist")
	ErrPhoneService  = PhoneError("it is a service number, not a person's")
	ErrPhoneDamaged  = PhoneError("a spreadsheet turned it into a decimal number")
	ErrPhoneSubject  = PhoneError("the number behind the area code does not exist")
	ErrPhoneUnknown  = PhoneError("it is not a number of its country")
	ErrPhoneEmpty    = PhoneError("it is blank")
	ErrPhoneNotPhone = PhoneError("it is a WhatsApp identifier, not a number")
	ErrPhoneSeveral  = PhoneError("it holds several numbers")
)

var (
	// A marker stands between non-letters and takes everything behind it along: "x22", "ramal 22", "(r. 22)".
	extension = regexp.MustCompile(`(?is)(^|\PL)(?:ramal|extension|ext|x|r)(?:\PL.*)?$`)
	separator = regexp.MustCompile(`(?i)[/;|\n]|,\s|\s(?:ou|e|or|and)\s`)
	// Exponents, and the decimals that nobody types behind a number but a spreadsheet adds.
	damaged = regexp.MustCompile(`(?i)^\s*\d+([.,]\d+)?e\+?\d+\s*$|^\s*\d{8,}[.,]0+\s*$|\d{3}[.,]0{1,2}\s*$`)
	letters = regexp.MustCompile(`\pL|[^\P{N}0-9]`) // digits of other scripts too: dropping them makes another number
)

// SplitPhones cuts a text that lists several numbers, as people write them: "a / b", "a; b", "a ou b". What is
// too short to be a number behind another one ("3200-0102/03", "3200-0102;22") is a second line of it or an
// extension, and dropped.
func SplitPhones(text string) []string {
	var parts []string
	for _, p := range separator.Split(text, -1) {
		p = strings.TrimSpace(p)
		if p == "" || len(parts) > 0 && len(onlyDigits(extension.ReplaceAllString(p, "$1"))) < 6 {
			continue
		}
		parts = append(parts, p)
	}
	return parts
}

func onlyDigits(s string) string { return strings.Map(asciiDigit, s) }

func asciiDigit(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// plainly reports whether a text has nothing but what most numbers are written with: no word, no separator and no
// decimal point, so that there is nothing to split, to cut off or to refuse before the digits are read.
func plainly(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return asciiDigit(r) < 0 && !strings.ContainsRune(" ()+-", r) })
}

// ParsePhone reads one number as a person typed it. It never guesses a person: what is ambiguous is refused
// with a PhoneError.
func ParsePhone(text string, rules PhoneRules) (Phone, error) {
	if text = strings.TrimSpace(text); text == "" {
		return Phone{}, ErrPhoneEmpty
	}
	if !plainly(text) {
		var err error
		if text, err = strip(text); err != nil {
			return Phone{}, err
		}
	}
	// Marks that nobody sees often come along with a copied number, so the plus is looked for, not expected.
	front, behind := text, ""
	if i := strings.IndexAny(text, "0123456789"); i >= 0 {
		front, behind = text[:i], text[i:]
	}
	if strings.ContainsAny(behind, "+＋") {
		return Phone{}, ErrPhoneSeveral
	}
	number, plus := onlyDigits(text), strings.ContainsAny(front, "+＋")
	if !plus && strings.HasPrefix(number, "00") {
		// Two zeros are the international prefix; left in place, they and a 55 read as trunk and carrier.
		number, plus = number[2:], true
	}
	switch {
	case len(number) < 8:
		return Phone{}, ErrPhoneShort
	case plus && strings.HasPrefix(number, "55"):
		return brazilian(strings.TrimPrefix(number, "55"), false)
	case plus:
		return foreign(number, rules)
	case rules.Country != "" && rules.Country != "BR":
		if rules.Numbering == nil {
			return Phone{}, ErrPhoneUnknown
		}
		full, ok := rules.Numbering.National(text, rules.Country)
		if !ok {
			return Phone{}, ErrPhoneUnknown
		}
		if inBrazil, ok := strings.CutPrefix(full, "55"); ok {
			return brazilian(inBrazil, false)
		}
		return foreign(full, rules)
	}
	return national(number, rules)
}

// strip takes what people add to a number off it, and refuses what is none.
func strip(text string) (string, error) {
	switch {
	case bsuid.MatchString(text):
		return "", ErrPhoneNotPhone
	case damaged.MatchString(text):
		return "", ErrPhoneDamaged
	}
	switch parts := SplitPhones(text); len(parts) {
	case 0:
		return "", ErrPhoneShort
	case 1:
		text = extension.ReplaceAllString(parts[0], "$1")
	default:
		return "", ErrPhoneSeveral
	}
	if letters.MatchString(text) {
		return "", ErrPhoneLetters
	}
	return text, nil
}

// national reads digits dialled inside Brazil.
func national(number string, rules PhoneRules) (Phone, error) {
	if service(number) {
		return Phone{}, ErrPhoneService
	}
	if trimmed, trunk := strings.CutPrefix(number, "0"); trunk {
		number = trimmed
		// Only behind the trunk zero: without it, a carrier and an area look like the country code and prefix
		// of somebody in Portugal or Germany.
		if (len(number) == 12 || len(number) == 13) && carriers[number[:2]] && areas[number[2:4]] {
			number = number[2:]
		}
	}
	switch len(number) {
	case 10, 11:
		// Eleven digits that start with 55 are area code 55 in the south, not the country.
		return brazilian(number, false)
	case 12, 13:
		if strings.HasPrefix(number, "55") {
			return brazilian(number[2:], false)
		}
		return Phone{}, ErrPhoneLong
	case 8, 9:
		if service(number) {
			return Phone{}, ErrPhoneService
		}
		if rules.Area == "" {
			return Phone{}, ErrPhoneNoArea
		}
		if !areas[rules.Area] {
			return Phone{}, ErrPhoneArea
		}
		return brazilian(rules.Area+number, true)
	}
	if len(number) < 8 {
		return Phone{}, ErrPhoneShort
	}
	return Phone{}, ErrPhoneLong
}

// brazilian reads area code and subscriber number.
func brazilian(number string, areaAssumed bool) (Phone, error) {
	switch {
	case service(number):
		return Phone{}, ErrPhoneService
	case len(number) < 10:
		return Phone{}, ErrPhoneShort
	case len(number) > 11:
		return Phone{}, ErrPhoneLong
	case !areas[number[:2]]:
		return Phone{}, ErrPhoneArea
	}
	area, subscriber := number[:2], number[2:]
	p := Phone{Digits: "55" + number, Line: Mobile, AreaAssumed: areaAssumed}
	switch {
	case len(subscriber) == 9 && subscriber[0] == '9':
	case len(subscriber) == 8 && subscriber[0] >= '6':
		p.Digits, p.NineAdded = "55"+area+"9"+subscriber, true
	case len(subscriber) == 8 && subscriber[0] >= '2':
		p.Line = Landline
	default:
		return Phone{}, ErrPhoneSubject
	}
	return p, nil
}

func foreign(number string, rules PhoneRules) (Phone, error) {
	switch {
	case len(number) < 8:
		return Phone{}, ErrPhoneShort
	case len(number) > 15:
		return Phone{}, ErrPhoneLong
	case number[0] == '0':
		return Phone{}, ErrPhoneUnknown // no country code starts with a zero
	case rules.Numbering == nil:
		return Phone{Digits: canonicalDigits(number), Line: UnknownLine}, nil
	}
	// A landline stays as it was written: in Argentina the form of a mobile would make a person of it.
	if line, ok := rules.Numbering.Line(number); ok && line == Landline {
		return Phone{Digits: number, Line: line}, nil
	}
	canonical := canonicalDigits(number)
	line, ok := rules.Numbering.Line(canonical)
	if !ok {
		return Phone{}, ErrPhoneUnknown
	}
	return Phone{Digits: canonical, Line: line}, nil
}

// service reports the numbers that companies answer: they never identify a person.
func service(number string) bool {
	for _, prefix := range []string{"0800", "0300", "0303", "0500", "0900", "800", "300", "303", "500", "900"} {
		if strings.HasPrefix(number, prefix) && (strings.HasPrefix(prefix, "0") || len(number) == 10) {
			return true
		}
	}
	return len(number) == 8 && (strings.HasPrefix(number, "400") || strings.HasPrefix(number, "3003"))
}

// canonicalDigits maps the forms under which one line is known to one: with the ninth digit in Brazil,
// without the old 1 in Mexico, with the 9 in Argentina.
func canonicalDigits(number string) string {
	switch {
	case strings.HasPrefix(number, "55") && len(number) == 12 && areas[number[2:4]] && number[4] >= '6':
		return number[:4] + "9" + number[4:]
	case strings.HasPrefix(number, "521") && len(number) == 13:
		return "52" + number[3:]
	case strings.HasPrefix(number, "54") && !strings.HasPrefix(number, "549") && len(number) == 12:
		return "549" + number[2:]
	}
	return number
}

// otherForm is the second form under which a canonical number may be registered; empty when there is none.
func otherForm(canonical string) string {
	other := ""
	switch {
	case strings.HasPrefix(canonical, "55") && len(canonical) == 13 && canonical[4] == '9':
		// Not when what remains without the 9 is a landline: 55 84 9 3xxx-xxxx never had a short form.
		other = canonical[:4] + canonical[5:]
	case strings.HasPrefix(canonical, "52") && len(canonical) == 12:
		other = "521" + canonical[2:]
	case strings.HasPrefix(canonical, "549") && len(canonical) == 13:
		other = "54" + canonical[3:]
	}
	if other == "" || canonicalDigits(other) != canonical {
		return ""
	}
	return other
}

// PhoneIdentity is the identity of a number in any of its forms, digits only.
func PhoneIdentity(number string) Identity { return Identity("phone:" + canonicalDigits(number)) }

// Identity is the canonical identity of the number.
func (p Phone) Identity() Identity { return PhoneIdentity(p.Digits) }

// Identifies reports whether the number can stand for one person.
func (p Phone) Identifies() bool { return p.Line == Mobile || p.Line == UnknownLine }

// Candidates are the addresses under which the number may already be known, the most likely first.
func (p Phone) Candidates() []URN {
	other := otherForm(p.Digits)
	if p.Line == Landline {
		return []URN{URN("tel:+" + p.Digits), URN("whatsapp:" + p.Digits)}
	}
	urns := []URN{URN("whatsapp:" + p.Digits)}
	if other != "" {
		urns = append(urns, URN("whatsapp:"+other))
	}
	urns = append(urns, URN("tel:+"+p.Digits))
	if other != "" {
		urns = append(urns, URN("tel:+"+other))
	}
	return urns
}

// Masked shows enough of a number to recognise it and too little to call it.
func (p Phone) Masked() string { return MaskDigits(p.Digits) }

// areas are the 67 area codes of Brazil.
var areas = set("11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 " +
	"51 53 54 55 61 62 63 64 65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99")

// carriers are the two digits that choose a long-distance carrier before an area code.
var carriers = set("12 14 15 17 18 21 23 25 31 32 34 35 36 38 41 42 43 45 49 61 65 91")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
