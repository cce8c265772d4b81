package rapidpro

import (
	_ "embed"
	"strings"
	"sync"
)

// languages.txt holds the codes of ISO 639-3: each word is the first two letters and then every
// third letter that follows them.
//
//go:embed languages.txt
var languages string

var languageCodes = sync.OnceValue(func() map[string]bool {
	codes := make(map[string]bool, 8000)
	for word := range strings.FieldsSeq(languages) {
		for _, third := range word[2:] {
			codes[word[:2]+string(third)] = true
		}
	}
	return codes
})

// knownLanguage looks a code up without regard to case, as the API does.
func knownLanguage(code string) bool { return languageCodes()[strings.ToLower(code)] }
