package contact_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncer/internal/contact"
)

func TestMasks(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{contact.MaskDigits("5584990000101"), "5584*******01"},
		{contact.MaskDigits("+558432000102"), "5584******02"},
		{contact.MaskDigits("12345678"), "12****78"},
		{contact.MaskDigits("1234567"), "*******"},
		{contact.MaskDigits(""), ""},
		{contact.Phone{Digits: "5584990000101"}.Masked(), "5584*******01"},
		{contact.MaskURN("whatsapp:5584990000101#Ana"), "whatsapp:5584*******01"},
		{contact.MaskURN("tel:+558432000102"), "tel:5584******02"},
		{contact.MaskURN("tel:84990000101"), "tel:8******"},
		{contact.MaskURN("mailto:ana@exemplo.com"), "mailto:a******"},
		{contact.MaskURN("whatsapp:BR.1502576394655843"), "whatsapp:B******"},
		{contact.MaskURN("5584990000101"), ":"},
		{contact.MaskIdentity("phone:5584990000101"), "phone:5584*******01"},
		{contact.MaskIdentity("mailto:ana@exemplo.com"), "mailto:a******"},
		{contact.MaskIdentity("5584990000101"), "5******"},
		{contact.MaskText("Ângela"), "Â*****"},
		{contact.MaskText("Al"), "A*"},
		{contact.MaskText(""), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestMasksNeverShowTheMiddleOfANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[1-9][0-9]{5,14}`).Draw(t, "number")
		for _, masked := range []string{contact.MaskDigits(number), contact.MaskDigits("+" + number),
			contact.MaskURN(contact.URN("tel:+" + number)), contact.MaskURN(contact.URN("whatsapp:" + number)), contact.MaskURN(contact.URN("tel:" + number)),
			contact.MaskIdentity(contact.PhoneIdentity(number)), contact.MaskIdentity(contact.Identity(number)), contact.MaskText(number)} {
			_, digits, ok := strings.Cut(masked, ":")
			if !ok {
				digits = masked
			}
			digits = strings.TrimPrefix(digits, "+")
			stars := strings.Count(digits, "*")
			if shown := len(digits) - stars; shown > 6 || len(number)-shown < 4 {
				t.Fatalf("%s shows %d digits of %s", masked, shown, number)
			}
			front, back := strings.TrimRight(digits, "0123456789"), strings.TrimLeft(digits, "0123456789")
			if len(digits)-len(front) > 2 || len(digits)-len(back) > 4 || strings.Trim(strings.Trim(digits, "0123456789"), "*") != "" {
				t.Fatalf("%s shows more of %s than its ends", masked, number)
			}
		}
	})
}
