package contact_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

// phoneTexts are texts near enough to telephone numbers to be read as one often.
func phoneTexts() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.StringMatching(`[0-9]{1,5}`),
		rapid.StringMatching(`9[0-9]{4}-?[0-9]{4}`),
		rapid.StringMatching(`[2-9][0-9]{3}-?[0-9]{4}`),
		rapid.StringMatching(`[1-9][1-9]`),
		rapid.SampledFrom([]string{"+", "+55", "55", "0", "00", "015", "84", "(84)", "11", "+52 1", "+54 9", "+54", "+1", "0800",
			" ", "-", ".", "/", ";", ", ", " ou ", " ramal ", "x", " r. ", "\u202a", "\u00a0", ".0", "E+12", "a", "٣"}),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pieces"), "")
	})
}

func phoneRules() *rapid.Generator[contact.PhoneRules] {
	return rapid.Custom(func(t *rapid.T) contact.PhoneRules {
		return contact.PhoneRules{Area: rapid.SampledFrom([]string{"", "84", "11"}).Draw(t, "area")}
	})
}

// anyPhone is a number that ParsePhone accepts, from every country whose forms are known.
func anyPhone() *rapid.Generator[contact.Phone] {
	text := rapid.OneOf(
		rapid.StringMatching(`\+55(11|84|55|99)9[0-9]{8}`),
		rapid.StringMatching(`\+55(11|84|55|99)[2-9][0-9]{7}`),
		rapid.StringMatching(`\+521?[0-9]{10}`),
		rapid.StringMatching(`\+549?[0-9]{10}`),
		rapid.StringMatching(`\+[1-9][0-9]{7,14}`),
	)
	return rapid.Custom(func(t *rapid.T) contact.Phone {
		p, err := contact.ParsePhone(text.Draw(t, "number"), contact.PhoneRules{})
		if err != nil {
			t.Skip(err)
		}
		return p
	})
}

// phoneLaws holds ParsePhone to what must be true of every text.
func phoneLaws(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string, rules contact.PhoneRules) {
	t.Helper()
	p, err := contact.ParsePhone(text, rules)
	if err != nil {
		if p != (contact.Phone{}) {
			t.Fatalf("%q is refused (%v) and gives %+v", text, err, p)
		}
		return
	}
	if n := len(p.Digits); n < 8 || n > 15 || strings.Trim(p.Digits, "0123456789") != "" || p.Digits[0] == '0' {
		t.Fatalf("%q gives %q, which is no international number", text, p.Digits)
	}
	again, err := contact.ParsePhone("+"+p.Digits, contact.PhoneRules{})
	if err != nil || again.Digits != p.Digits || again.Line != p.Line || again.NineAdded || again.AreaAssumed {
		t.Fatalf("%q gives %+v, which reads as %+v, %v", text, p, again, err)
	}
	said := said(text)
	if kept := significant(p, rules.Area); !strings.Contains(said, kept) {
		t.Fatalf("%q gives %q: %s was never said", text, p.Digits, kept)
	}
	if got := contact.PhoneIdentity(p.Digits); got != p.Identity() {
		t.Fatalf("%q has two identities, %s and %s", text, got, p.Identity())
	}
	for _, u := range p.Candidates() {
		if u.Identity() != p.Identity() {
			t.Fatalf("%q: the candidate %s is %s and not %s", text, u, u.Identity(), p.Identity())
		}
		if _, err := contact.NewURN(u.Scheme(), u.Path()); err != nil {
			t.Fatalf("%q: the candidate %s: %v", text, u, err)
		}
	}
}

// said is every digit of a text, in order.
func said(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// significant is the part of a number that no rule can have added: without country, assumed area, ninth
// digit, Mexico's 1 and Argentina's 9.
func significant(p contact.Phone, area string) string {
	national, brazilian := strings.CutPrefix(p.Digits, "55")
	switch {
	case !brazilian && strings.HasPrefix(p.Digits, "549"):
		return p.Digits[3:]
	case !brazilian && strings.HasPrefix(p.Digits, "52"):
		return p.Digits[2:]
	case !brazilian:
		return p.Digits
	}
	code, subscriber := national[:2], national[2:]
	if p.NineAdded {
		subscriber = subscriber[1:]
	}
	if p.AreaAssumed && code == area {
		return subscriber
	}
	return code + subscriber
}

func TestReadingANumberNeverInventsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phoneLaws(t, phoneTexts().Draw(t, "text"), phoneRules().Draw(t, "rules"))
	})
}

func TestTwoNumbersNeverShareAnIdentityOrACandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyPhone().Draw(t, "a"), anyPhone().Draw(t, "b")
		if a.Digits == b.Digits {
			return
		}
		if a.Identity() == b.Identity() {
			t.Fatalf("%s and %s are both %s", a.Digits, b.Digits, a.Identity())
		}
		known := map[contact.URN]bool{}
		for _, u := range a.Candidates() {
			known[u] = true
		}
		for _, u := range b.Candidates() {
			if known[u] {
				t.Fatalf("%s and %s may both be %s", a.Digits, b.Digits, u)
			}
		}
	})
}

// Neighbours in Brazil's plan differ by the ninth digit alone; random numbers hardly ever do.
func TestAMobileAndTheLandlineInsideItAreTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`(11|84|55|99)[2-9][0-9]{7}`).Draw(t, "short")
		a, errA := contact.ParsePhone("+55"+short, contact.PhoneRules{})
		b, errB := contact.ParsePhone("+55"+short[:2]+"9"+short[2:], contact.PhoneRules{})
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		sameLine := short[2] >= '6' // a mobile from before the ninth digit
		if (a.Identity() == b.Identity()) != sameLine {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

func FuzzParsePhone(f *testing.F) {
	for _, text := range []string{"(84) 99000-0101", "0 15 84 99000-0101", "0055 84 99000-0101", "0800 700 0101", "11 98000-0101 ramal 22",
		"5,58499E+12", "84 99000-0101 / 3200-0102", "+52 1 55 1234 5678", "+54 9 11 2345-6789", "＋351 912 000 101", "351960000101",
		"BR.1502576394655843", "\u202a+55 84 9000-0101\u202c", "9000-0102.0", "٣٤٥٦٧٨٩٠", "\xff84990000101"} {
		f.Add(text, "")
		f.Add(text, "84")
	}
	f.Fuzz(func(t *testing.T, text, area string) {
		phoneLaws(t, text, contact.PhoneRules{Area: area})
	})
}
