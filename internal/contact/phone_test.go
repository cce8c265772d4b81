package contact_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"syncer/internal/contact"
)

// numbering knows just the numbers that the tests dial.
type numbering map[string]contact.Line

func (n numbering) Line(digits string) (contact.Line, bool) {
	line, ok := n[digits]
	return line, ok
}

// National reads Portuguese numbers: nine digits, dialled without a prefix.
func (n numbering) National(text, country string) (string, bool) {
	var number strings.Builder
	for _, r := range text {
		if r >= '0' && r <= '9' {
			number.WriteRune(r)
		}
	}
	return "351" + number.String(), country == "PT" && number.Len() == 9
}

var world = numbering{
	"14155550101":   contact.UnknownLine,
	"351912000101":  contact.Mobile,
	"351212000101":  contact.Landline,
	"525512345678":  contact.UnknownLine,
	"5491123456789": contact.Mobile,
	"5491143210000": contact.Mobile, // what a landline becomes with a 9 in it
	"541143210000":  contact.Landline,
	"84990000101":   contact.Mobile, // in Vietnam
}

var (
	brazil = contact.PhoneRules{}
	area84 = contact.PhoneRules{Country: "BR", Area: "84"}
)

func TestNumbersInEveryFormPeopleTypeThem(t *testing.T) {
	for _, tt := range []struct {
		text      string
		rules     contact.PhoneRules
		canonical string
		line      contact.Line
		other     string // the second form it may be registered under
		nineAdded bool
		assumed   bool
	}{
		{text: "(84) 99000-0101", canonical: "5584990000101", other: "558490000101"},
		{text: "+55 84 9 9000 0101", canonical: "5584990000101", other: "558490000101"},
		{text: "55 84 9000-0101", canonical: "5584990000101", other: "558490000101", nineAdded: true},
		{text: "8490000101", canonical: "5584990000101", other: "558490000101", nineAdded: true},
		{text: "084 99000-0101", canonical: "5584990000101", other: "558490000101"},
		{text: "0 15 84 99000-0101", canonical: "5584990000101", other: "558490000101"},
		{text: "0 21 84 9000-0101", canonical: "5584990000101", other: "558490000101", nineAdded: true},
		{text: "0 15 55 99000-0101", canonical: "5555990000101", other: "555590000101"},
		{text: "0055 84 99000-0101", canonical: "5584990000101", other: "558490000101"},
		{text: "055 84 99000-0101", canonical: "5584990000101", other: "558490000101"},
		{text: "(84) 3200-0102", canonical: "558432000102", line: contact.Landline},
		{text: "+55 (84) 3200-0102", canonical: "558432000102", line: contact.Landline},
		{text: "84 93200-0102", canonical: "5584932000102"}, // without the 9 it would be somebody's landline
		{text: "55 99000-0101", canonical: "5555990000101", other: "555590000101"},
		{text: "5555990000101", canonical: "5555990000101", other: "555590000101"},
		{text: "555590000101", canonical: "5555990000101", other: "555590000101", nineAdded: true},
		{text: "(84) 7000-0101", canonical: "5584970000101", other: "558470000101", nineAdded: true},
		{text: "99000-0101", rules: area84, canonical: "5584990000101", other: "558490000101", assumed: true},
		{text: "9000-0101", rules: area84, canonical: "5584990000101", other: "558490000101", assumed: true, nineAdded: true},
		{text: "3200-0102", rules: area84, canonical: "558432000102", line: contact.Landline, assumed: true},
		{text: "11 98000-0101", rules: area84, canonical: "5511980000101", other: "551180000101"},

		{text: "11 98000-0101 ramal 22", canonical: "5511980000101", other: "551180000101"},
		{text: "11 98000-0101 ramal22", canonical: "5511980000101", other: "551180000101"},
		{text: "11 98000-0101 R. 22", canonical: "5511980000101", other: "551180000101"},
		{text: "11 98000-0101 (ext. 22)", canonical: "5511980000101", other: "551180000101"},
		{text: "11 98000-0101x22", canonical: "5511980000101", other: "551180000101"},
		{text: "11 98000-0101;22", canonical: "5511980000101", other: "551180000101"},
		{text: "+5511980000101;ext=22", canonical: "5511980000101", other: "551180000101"},

		{text: "\u202a+55 84 99000\u20110101\u202c", canonical: "5584990000101", other: "558490000101"}, // copied from a phone's address book
		{text: "\u00a0(84)\u00a099000\u20130101", canonical: "5584990000101", other: "558490000101"},
		{text: "＋1 415 555 0101", canonical: "14155550101", line: contact.UnknownLine},
		{text: "\u202a+351 912 000 101\u202c", canonical: "351912000101", line: contact.UnknownLine},

		{text: "+1 (415) 555-0101", canonical: "14155550101", line: contact.UnknownLine},
		{text: "00 1 415 555 0101", canonical: "14155550101", line: contact.UnknownLine},
		{text: "+52 1 55 1234 5678", canonical: "525512345678", line: contact.UnknownLine, other: "5215512345678"},
		{text: "+52 55 1234 5678", canonical: "525512345678", line: contact.UnknownLine, other: "5215512345678"},
		{text: "+54 9 11 2345-6789", canonical: "5491123456789", line: contact.UnknownLine, other: "541123456789"},
		{text: "+54 11 2345-6789", canonical: "5491123456789", line: contact.UnknownLine, other: "541123456789"},
		{text: "+54 9 11 2345-6789", rules: contact.PhoneRules{Numbering: world}, canonical: "5491123456789", other: "541123456789"},
		{text: "+54 11 4321-0000", rules: contact.PhoneRules{Numbering: world}, canonical: "541143210000", line: contact.Landline},
		{text: "+1 415 555 0101", rules: contact.PhoneRules{Numbering: world}, canonical: "14155550101", line: contact.UnknownLine},
		{text: "912 000 101", rules: contact.PhoneRules{Country: "PT", Numbering: world}, canonical: "351912000101"},
		{text: "212 000 101", rules: contact.PhoneRules{Country: "PT", Numbering: world}, canonical: "351212000101", line: contact.Landline},
		{text: "+55 84 99000-0101", rules: contact.PhoneRules{Country: "PT", Numbering: world}, canonical: "5584990000101", other: "558490000101"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			p, err := contact.ParsePhone(tt.text, tt.rules)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if tt.line == "" {
				tt.line = contact.Mobile
			}
			want := contact.Phone{Digits: tt.canonical, Line: tt.line, NineAdded: tt.nineAdded, AreaAssumed: tt.assumed}
			if p != want {
				t.Fatalf("got %+v, want %+v", p, want)
			}
			if got, want := p.Candidates(), candidates(tt.canonical, tt.other, tt.line); !slices.Equal(got, want) {
				t.Errorf("candidates %v, want %v", got, want)
			}
		})
	}
}

// candidates are what the table of the contract says: whatsapp before tel, the canonical form first, and for
// a landline the other way round.
func candidates(canonical, other string, line contact.Line) []contact.URN {
	number := []string{canonical}
	if other != "" {
		number = append(number, other)
	}
	var whatsapp, tel []contact.URN
	for _, n := range number {
		whatsapp = append(whatsapp, contact.URN("whatsapp:"+n))
		tel = append(tel, contact.URN("tel:+"+n))
	}
	if line == contact.Landline {
		return append(tel, whatsapp...)
	}
	return append(whatsapp, tel...)
}

func TestTextsThatAreNoPersonsNumber(t *testing.T) {
	foreign := contact.PhoneRules{Numbering: world}
	for _, tt := range []struct {
		text  string
		rules contact.PhoneRules
		want  error
	}{
		{"", brazil, contact.ErrPhoneEmpty},
		{" \t", brazil, contact.ErrPhoneEmpty},
		{"-", brazil, contact.ErrPhoneShort},
		{"/", brazil, contact.ErrPhoneShort},
		{"190", brazil, contact.ErrPhoneShort},
		{"BR.1502576394655843", brazil, contact.ErrPhoneNotPhone},
		{"não tem", brazil, contact.ErrPhoneLetters},
		{"84 99000-O101", brazil, contact.ErrPhoneLetters},
		{"tel:+5584990000101", brazil, contact.ErrPhoneLetters},
		{"(0xx84) 99000-0101", brazil, contact.ErrPhoneLetters},
		{"84 9900٣-0101", brazil, contact.ErrPhoneLetters}, // without it, another number remains
		{"８４ 99000-0101", area84, contact.ErrPhoneLetters},
		{"99000-0101", brazil, contact.ErrPhoneNoArea},
		{"3200-0102", brazil, contact.ErrPhoneNoArea},
		{"20 99000-0101", brazil, contact.ErrPhoneArea},
		{"99000-0101", contact.PhoneRules{Area: "20"}, contact.ErrPhoneArea},
		{"12000-0000", contact.PhoneRules{Area: "1"}, contact.ErrPhoneArea}, // must not become area 11
		{"+55 20 99000-0101", brazil, contact.ErrPhoneArea},
		{"0800 700 0101", brazil, contact.ErrPhoneService},
		{"800 700 0101", brazil, contact.ErrPhoneService},
		{"+55 800 700 0101", brazil, contact.ErrPhoneService},
		{"0300 700 0101", brazil, contact.ErrPhoneService},
		{"4004-1234", area84, contact.ErrPhoneService},
		{"04004-1234", area84, contact.ErrPhoneService},
		{"3003 1234", area84, contact.ErrPhoneService},
		{"84 1000-0101", brazil, contact.ErrPhoneSubject},
		{"84 89000-0101", brazil, contact.ErrPhoneSubject},
		{"+55 99000-0101", brazil, contact.ErrPhoneShort},
		{"84 99000-01012", brazil, contact.ErrPhoneLong},
		{"+55 84 99000-010122", brazil, contact.ErrPhoneLong},
		{"+1 415 555 0101 555 0101", brazil, contact.ErrPhoneLong},
		{"+0 84 99000-0101", brazil, contact.ErrPhoneUnknown},
		{"000 84 99000-0101", brazil, contact.ErrPhoneUnknown},

		// The text of a spreadsheet, not of a person.
		{"5,58499E+12", brazil, contact.ErrPhoneDamaged},
		{"5.58499e12", brazil, contact.ErrPhoneDamaged},
		{"5584990000101.0", brazil, contact.ErrPhoneDamaged},
		{"84990000101,00", brazil, contact.ErrPhoneDamaged},
		{"9000-0102.0", area84, contact.ErrPhoneDamaged},

		// Several numbers: which one is meant is not for us to say.
		{"84 99000-0101 / 84 99000-0202", brazil, contact.ErrPhoneSeveral},
		{"84 99000-0101 ou 84 99000-0202", brazil, contact.ErrPhoneSeveral},
		{"99000-0101 +55 84 99000-0202", brazil, contact.ErrPhoneSeveral},

		// Foreign numbers without a plus look like a carrier and an area code.
		{"351 96 000 0101", brazil, contact.ErrPhoneLong},
		{"49 159 0000 0101", brazil, contact.ErrPhoneLong},
		{"49 176 000 0101", brazil, contact.ErrPhoneLong},

		{"+99 123 456 789", foreign, contact.ErrPhoneUnknown},
		{"+1 800 555 0101", foreign, contact.ErrPhoneUnknown},
		{"12 345", contact.PhoneRules{Country: "PT", Numbering: world}, contact.ErrPhoneShort},
		{"12 345 678", contact.PhoneRules{Country: "PT", Numbering: world}, contact.ErrPhoneUnknown},
		{"912 000 101", contact.PhoneRules{Country: "PT"}, contact.ErrPhoneUnknown},
	} {
		t.Run(tt.text, func(t *testing.T) {
			p, err := contact.ParsePhone(tt.text, tt.rules)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v; want %v", p, err, tt.want)
			}
			if p != (contact.Phone{}) {
				t.Errorf("a refused text gave %+v", p)
			}
		})
	}
}

func TestTwoZerosAreAnInternationalPrefixAndNoCarrier(t *testing.T) {
	// Left in place they are read as trunk and carrier, and 84 as the country of Vietnam.
	p, err := contact.ParsePhone("0055 84 99000-0101", contact.PhoneRules{Numbering: world})
	if err != nil || p.Digits != "5584990000101" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestTextsThatListSeveralNumbers(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" / ", nil},
		{"84 99000-0101", []string{"84 99000-0101"}},
		{"84 99000-0101 / 3200-0102", []string{"84 99000-0101", "3200-0102"}},
		{"84 99000-0101/84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101; 84 99000-0202;", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101 ou 84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101 E 84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101, 84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101\n84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"84 99000-0101 | 84 99000-0202", []string{"84 99000-0101", "84 99000-0202"}},
		{"3200-0102/03", []string{"3200-0102"}},
		{"3200-0102;22", []string{"3200-0102"}},
		{"+5584990000101;ext=22", []string{"+5584990000101"}},
		{"3200-0102 ramal 22 / 99000-0101", []string{"3200-0102 ramal 22", "99000-0101"}},
		{"190 / 84 99000-0101", []string{"190", "84 99000-0101"}},
	} {
		if got := contact.SplitPhones(tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestOnlyMobilesAndUnknownLinesIdentify(t *testing.T) {
	for line, want := range map[contact.Line]bool{contact.Mobile: true, contact.UnknownLine: true, contact.Landline: false} {
		if got := (contact.Phone{Digits: "5584990000101", Line: line}).Identifies(); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestBrazilHas67AreaCodes(t *testing.T) {
	var known int
	for area := range 100 {
		text := "+55" + string([]byte{byte('0' + area/10), byte('0' + area%10)}) + "990000101"
		if _, err := contact.ParsePhone(text, brazil); err == nil {
			known++
		} else if !errors.Is(err, contact.ErrPhoneArea) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if known != 67 {
		t.Errorf("%d area codes are known, Brazil has 67", known)
	}
}
