package contact_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"syncer/internal/contact"
)

func TestAddressesThatBothHalvesOfRapidProAccept(t *testing.T) {
	const freshchat = "c0ea1348-5490-4d32-bb4b-ed5df5785217/6190733d-49bb-4322-a140-571a9b054e56"
	for _, tt := range []struct {
		scheme, path string
		want         contact.URN // empty: refused
	}{
		{"tel", "+5584990000101", "tel:+5584990000101"},
		{"tel", " +558432000102 ", "tel:+558432000102"},
		{"tel", "5584990000101", ""}, // read with the country of the workspace, or of somebody else
		{"tel", "82990000101", ""},
		{"tel", "+0084990000101", ""},
		{"tel", "+1234567", ""},
		{"tel", "+1234567890123456", ""},
		{"tel", "12345", ""},
		{"tel", "abc", ""},
		{"whatsapp", "5584990000101", "whatsapp:5584990000101"},
		{"whatsapp", "558490000101", "whatsapp:558490000101"},
		{"whatsapp", "BR.1502576394655843", "whatsapp:BR.1502576394655843"},
		{"whatsapp", "BR.ENT.1502576394655843", "whatsapp:BR.ENT.1502576394655843"},
		{"whatsapp", "br.1502576394655843", ""},
		{"whatsapp", "+5584990000101", ""},
		{"whatsapp", "1234567", ""},
		{"whatsapp", "1234567890123456", ""},
		{"mailto", "Ana.Souza@Exemplo.com.br", "mailto:ana.souza@exemplo.com.br"},
		{"mailto", "a+b@x-y.co", "mailto:a+b@x-y.co"},
		{"mailto", "ana", ""},
		{"mailto", "ana@exemplo", ""},
		{"mailto", "ana@exemplo.com.", ""},
		{"mailto", "ana@exemplo.c", ""},
		{"mailto", "ana@-exemplo.com", ""},
		{"mailto", "ana@ex_emplo.com", ""},
		{"mailto", "ana..souza@exemplo.com", ""},
		{"mailto", "joão@exemplo.com", ""}, // Go takes it, Django does not
		{"mailto", `"a b"@exemplo.com`, ""},
		{"mailto", "Ana <ana@exemplo.com>", ""},
		{"mailto", "a b@exemplo.com", ""},
		{"ext", "crm-4821", "ext:crm-4821"},
		{"ext", " Ação 12 ", "ext:Ação 12"},
		{"ext", "", ""},
		{"ext", "  ", ""},
		{"ext", "a#b", ""}, // would be path a, display b
		{"ext", "a?b", ""},
		{"ext", "100%", ""},
		{"ext", "a\x00b", ""},
		{"ext", "a\nb", ""},
		{"ext", "a\xffb", ""},
		{"ext", strings.Repeat("x", 251), contact.URN("ext:" + strings.Repeat("x", 251))},
		{"ext", strings.Repeat("x", 252), ""},
		{"ext", strings.Repeat("ç", 251), contact.URN("ext:" + strings.Repeat("ç", 251))},
		{"telegram", "123456", "telegram:123456"},
		{"telegram", "ana", ""},
		{"instagram", "123456", "instagram:123456"},
		{"facebook", "123456", "facebook:123456"},
		{"facebook", "ref:abc", "facebook:ref:abc"},
		{"facebook", "ref:", ""},
		{"facebook", "ana", ""},
		{"discord", "123456", "discord:123456"},
		{"twitter", "@Ana_Souza", "twitter:ana_souza"},
		{"twitter", "ana-souza", ""},
		{"twitter", "sixteen_letters_", ""},
		{"twitterid", "123456", "twitterid:123456"},
		{"viber", "abc123=", "viber:abc123="},
		{"viber", "abc/123+", ""}, // one half only
		{"viber", strings.Repeat("a", 25), ""},
		{"line", "uabc_123", "line:uabc_123"},
		{"line", strings.Repeat("a", 37), ""},
		{"jiochat", "123456", "jiochat:123456"},
		{"jiochat", "ana", ""},
		{"freshchat", freshchat, contact.URN("freshchat:" + freshchat)},
		{"freshchat", strings.Repeat("-", 36) + "/" + strings.Repeat("-", 36), ""},
		{"teams", "a:abc_1:serviceURL:https://example.com/x/", "teams:a:abc_1:serviceURL:https://example.com/x/"},
		{"teams", "abc", ""},
		{"wechat", "abc", "wechat:abc"},
		{"fcm", "abc", "fcm:abc"},
		{"vk", "abc", "vk:abc"},
		{"rocketchat", "abc", "rocketchat:abc"},
		{"slack", "U0123ABC", "slack:U0123ABC"},
		{"weniwebchat", "abc", ""}, // the engine does not know it: the create fails
		{"webchat", "abc@x", ""},   // the site does not know it
		{"EXT", "abc", ""},
		{"", "abc", ""},
	} {
		u, err := contact.NewURN(tt.scheme, tt.path)
		switch {
		case tt.want == "" && (err == nil || u != ""):
			t.Errorf("%s:%q was accepted as %q", tt.scheme, tt.path, u)
		case tt.want != "" && (err != nil || u != tt.want):
			t.Errorf("%s:%q: got %q, %v; want %q", tt.scheme, tt.path, u, err, tt.want)
		}
		if err != nil && len(tt.path) > 4 && strings.Contains(err.Error(), strings.TrimSpace(tt.path)) {
			t.Errorf("the error repeats the address: %v", err)
		}
	}
}

func TestSchemesAreKnownInLowerCaseOnly(t *testing.T) {
	for scheme, want := range map[string]bool{"tel": true, "whatsapp": true, "slack": true, "Tel": false, "webchat": false, "weniwebchat": false, "": false} {
		if contact.IsScheme(scheme) != want {
			t.Errorf("IsScheme(%q) = %v", scheme, !want)
		}
	}
}

func TestPartsOfAnAddress(t *testing.T) {
	for _, tt := range []struct {
		urn                contact.URN
		scheme, path, bare string
		number             string
		identity           contact.Identity
	}{
		{"tel:+5584990000101", "tel", "+5584990000101", "tel:+5584990000101", "5584990000101", "phone:5584990000101"},
		{"tel:+558490000101", "tel", "+558490000101", "tel:+558490000101", "558490000101", "phone:5584990000101"},
		{"whatsapp:558490000101", "whatsapp", "558490000101", "whatsapp:558490000101", "558490000101", "phone:5584990000101"},
		{"whatsapp:5584990000101?channel=x#Ana", "whatsapp", "5584990000101", "whatsapp:5584990000101", "5584990000101", "phone:5584990000101"},
		{"whatsapp:558432000102", "whatsapp", "558432000102", "whatsapp:558432000102", "558432000102", "phone:558432000102"},
		{"whatsapp:5584932000102", "whatsapp", "5584932000102", "whatsapp:5584932000102", "5584932000102", "phone:5584932000102"},
		{"whatsapp:5215512345678", "whatsapp", "5215512345678", "whatsapp:5215512345678", "5215512345678", "phone:525512345678"},
		{"tel:+541123456789", "tel", "+541123456789", "tel:+541123456789", "541123456789", "phone:5491123456789"},
		{"tel:84990000101", "tel", "84990000101", "tel:84990000101", "", "tel:84990000101"}, // no number, and not Vietnam's
		{"tel:12345", "tel", "12345", "tel:12345", "", "tel:12345"},
		{"whatsapp:BR.1502576394655843", "whatsapp", "BR.1502576394655843", "whatsapp:BR.1502576394655843", "", "whatsapp:BR.1502576394655843"},
		{"telegram:123456789#ana", "telegram", "123456789", "telegram:123456789", "", "telegram:123456789"},
		{"mailto:ana@exemplo.com", "mailto", "ana@exemplo.com", "mailto:ana@exemplo.com", "", "mailto:ana@exemplo.com"},
		{"facebook:ref:abc", "facebook", "ref:abc", "facebook:ref:abc", "", "facebook:ref:abc"},
	} {
		if got := tt.urn.Scheme(); got != tt.scheme {
			t.Errorf("%s: scheme %q", tt.urn, got)
		}
		if got := tt.urn.Path(); got != tt.path {
			t.Errorf("%s: path %q", tt.urn, got)
		}
		if got := tt.urn.Bare(); string(got) != tt.bare {
			t.Errorf("%s: bare %q", tt.urn, got)
		}
		if got, ok := tt.urn.Phone(); got != tt.number || ok != (tt.number != "") {
			t.Errorf("%s: number %q, %v", tt.urn, got, ok)
		}
		if got := tt.urn.Identity(); got != tt.identity {
			t.Errorf("%s: identity %q, want %q", tt.urn, got, tt.identity)
		}
	}
}

func TestATextWithoutSchemeIsNoAddress(t *testing.T) {
	u := contact.URN("5584990000101")
	if _, ok := u.Phone(); u.Scheme() != "" || ok {
		t.Errorf("scheme %q, a number: %v", u.Scheme(), ok)
	}
}

func FuzzNewURN(f *testing.F) {
	for _, s := range [][2]string{{"tel", "+5584990000101"}, {"whatsapp", "558490000101"}, {"whatsapp", "BR.ENT.1"}, {"mailto", " A@B.CO "},
		{"ext", "a#b"}, {"ext", "\xff"}, {"twitter", "@@a"}, {"facebook", "ref:1"}, {"teams", "a:b:serviceURL:http://x"}, {"viber", "a="}, {"x", "y"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, scheme, path string) {
		u, err := contact.NewURN(scheme, path)
		if err != nil {
			if u != "" {
				t.Fatalf("refused and given: %q", u)
			}
			return
		}
		if u.Scheme() != scheme || !contact.IsScheme(scheme) {
			t.Fatalf("%q has scheme %q", u, u.Scheme())
		}
		if again, err := contact.NewURN(u.Scheme(), u.Path()); err != nil || again != u {
			t.Fatalf("%q reads back as %q, %v", u, again, err)
		}
		if u.Bare() != u {
			t.Fatalf("%q is more than scheme and path", u)
		}
		if n := utf8.RuneCountInString(string(u)); n > 255 || !utf8.ValidString(string(u)) {
			t.Fatalf("%q cannot be stored: %d characters", u, n)
		}
		if strings.ContainsFunc(string(u), unicode.IsControl) {
			t.Fatalf("%q holds a control character", u)
		}
		if id := u.Identity(); strings.HasPrefix(string(id), "phone:") != (scheme == "whatsapp" && !strings.Contains(u.Path(), ".") || scheme == "tel") {
			t.Fatalf("%q is %q", u, id)
		}
	})
}
