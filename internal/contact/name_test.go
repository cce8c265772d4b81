package contact_test

import (
	"testing"

	"syncer/internal/contact"
)

func TestNamesAgree(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Ana Prado", "ana", true},
		{"Ana Prado", "ANA P. PRADO", true},
		{"Ana Prado", "Ana Nogueira", true}, // married
		{"Ana Prado", "A. Prado", true},
		{"Ana Prado", "", true},
		{"João Lima", "Joao Lima", true},
		{"Luiz Lima", "Luís Lima", true},
		{"Thiago Rocha", "Tiago Rocha", true},
		{"Rafaela Maia", "Rafa", true},
		{"Dra. Ana Prado", "Ana Prado", true},
		{"Prado, Ana", "Ana Prado", true},
		{"Maria Souza", "João Souza", false},
		{"Daniel Souza", "Daniela Souza", false},
		{"Mário Souza", "Maria Souza", false},
		{"Ana Maria Souza", "Maria Souza", false},
		{"Padaria Sol", "José Silva", false},
		{"Jo", "João", false},
		{"Ana", "Anabela", true}, // a short form, or a daughter: a first name that begins the same is taken for one
	} {
		if got := contact.NamesAgree(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
		if got := contact.NamesAgree(c.b, c.a); got != c.want {
			t.Errorf("%q and %q: %t", c.b, c.a, got)
		}
	}
}
