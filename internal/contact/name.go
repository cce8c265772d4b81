package contact

import (
	"slices"
	"strings"
	"unicode"
)

// NamesAgree reports whether two names, as two systems have them, can be one human's: whether the given names are
// the same but for case, accents, spelling and shortening. A family shares its surname and often its telephone,
// so surnames say nothing; a name that is not known contradicts none.
func NamesAgree(a, b string) bool {
	x, y := givenName(a), givenName(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	switch {
	case x == "", x == y:
		return true
	case len(x) == 1, len(x) >= 3 && len(y) > len(x)+1:
		// An initial, or a short form: Rafa is Rafaela. One letter more is somebody else: Daniel and Daniela.
		return strings.HasPrefix(y, x)
	}
	return false
}

var titles = []string{"sr", "sra", "srta", "dr", "dra", "dona", "prof", "profa", "d"}

// givenName is the first name in the one spelling that is compared: that of a name such as "Souza, Ana" stands
// behind the comma.
func givenName(name string) string {
	if _, behind, ok := strings.Cut(name, ","); ok && strings.TrimSpace(behind) != "" {
		name = behind
	}
	words := strings.FieldsFunc(plain.Replace(strings.ToLower(name)), func(r rune) bool { return !unicode.IsLetter(r) })
	for len(words) > 1 && slices.Contains(titles, words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return string(slices.Compact([]rune(spelling.Replace(words[0]))))
}

var (
	plain = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "ì", "i", "î", "i", "ï", "i",
		"ó", "o", "ò", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "ù", "u", "û", "u", "ü", "u", "ç", "c", "ñ", "n")
	// Luiz and Luís, Thiago and Tiago, Kátia and Cátia, Rafaella and Rafaela.
	spelling = strings.NewReplacer("ph", "f", "h", "", "y", "i", "z", "s", "k", "c", "w", "v")
)
