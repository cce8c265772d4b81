package omni

import (
	"strings"
	"testing"

	"syncer/internal/contact"
)

func TestResolve(t *testing.T) {
	root, err := parse([]byte(`{"data":{"id":7,"list":[{"a":1},null,"x"],"a/b":{"c~d":"deep"},"":"empty key"},"big":12345678901234567890}`))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/data/id": "7", "/data/list/2": "x", "/data/list/0/a": "1", "/data/a~1b/c~0d": "deep", "/data/": "empty key", "/big": "12345678901234567890",
	} {
		node, ok := resolve(root, pointer)
		if text, isText := asText(node); !ok || !isText || text != want {
			t.Errorf("%s: %v %v", pointer, node, ok)
		}
	}
	for _, pointer := range []string{"/nothing", "/data/list/3", "/data/list/-1", "/data/list/x", "/data/id/x"} {
		if node, ok := resolve(root, pointer); ok {
			t.Errorf("%s: %v", pointer, node)
		}
	}
	if _, err := parse([]byte(`{} x`)); err == nil {
		t.Error("text behind the value was accepted")
	}
}

func TestFirstPointerThatFitsWins(t *testing.T) {
	p, problems := sharedPointers.with(pointers{atCustomName: {"/customName", "/alias"}}, map[string][]string{atID: {"/uid", "/id"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	node := map[string]any{"id": "b", "uid": "", "customName": nil, "alias": "x"}
	if p.text(node, atID) != "b" || p.text(node, atCustomName) != "x" {
		t.Errorf("%q %q", p.text(node, atID), p.text(node, atCustomName))
	}
	if len(sharedPointers[atID]) != 2 || sharedPointers[atID][0] != "/id" {
		t.Error("the defaults were changed")
	}
}

func TestScrub(t *testing.T) {
	hidden := words([]string{"tok_5ecret_4f1d9a", "Ana da Silva"})
	for said, want := range map[string]string{
		"maria":                            "…",
		"phone is used by maria souza":     "phone is used by … …",
		"quota_exceeded":                   "quota_exceeded",
		"CONTACT_EXISTS":                   "CONTACT_EXISTS",
		"ContactAlreadyExists":             "ContactAlreadyExists",
		"Ana":                              "…",
		"belongs to João D'Ávila":          "belongs to … …",
		"telefone 55 (84) 99000-0101 ruim": "telefone … ruim",
		"ana@exemplo.com.br and ANA":       "… and …",
		"Limite de contatos atingido":      "Limite de contatos atingido",
		"phoneNumber must be E.164":        "phoneNumber must be E.164",
		"key tok_5ecret_4f1d9a is unknown": "key … is unknown",
		"code inv_77 \n\tx":                "code … x",
	} {
		if got := scrub(said, hidden); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
	for said, want := range map[string]string{"CT_INV_77": "CT_INV_77", "inv.77": "inv.77", "invalid maria": "invalid …", "tok_5ecret_4f1d9a": "…"} {
		if got := symbol(said, hidden); got != want {
			t.Errorf("the code %q became %q, want %q", said, got, want)
		}
	}
	if got := scrub(strings.Repeat("é ", 500), nil); len([]rune(got)) != 201 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}

func TestNames(t *testing.T) {
	urns := []contact.URN{"whatsapp:5584990000101"}
	for name, want := range map[string]string{
		" Marina ": "Marina", "": "", "+55 84 99000-0101": "", "558490000101": "", "12": "12", "🌻": "🌻", "Loja 5584990000101": "Loja 5584990000101",
	} {
		if got := nameOf(name, urns); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for candidate, want := range map[contact.URN]string{
		"whatsapp:5584990000101":       "5584990000101 558490000101",
		"tel:+558490000101":            "558490000101 5584990000101",
		"whatsapp:5584932000102":       "5584932000102",
		"tel:+558432000102":            "558432000102",
		"whatsapp:525512345678":        "525512345678 5215512345678",
		"mailto:a@exemplo.com.br":      "",
		"whatsapp:BR.1502576394655843": "",
	} {
		if got := strings.Join(numbers([]contact.URN{candidate, candidate}), " "); got != want {
			t.Errorf("%s: %q, want %q", candidate, got, want)
		}
	}
}
