package mapping

import (
	_ "embed"
	"strings"
)

// languages are the codes of ISO 639-3, one a line, each with its two-letter code if it has one.
//
//go:embed languages.txt
var languages string

// languageCode returns the code in small letters, or what was probably meant: por for pt and pt-BR.
func languageCode(text string) (code, near string) {
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) == 3 && (strings.HasPrefix(languages, text) || strings.Contains(languages, "\n"+text)) {
		return text, ""
	}
	short, _, _ := strings.Cut(strings.ReplaceAll(text, "_", "-"), "-")
	if len(short) == 2 {
		if at := strings.Index(languages, " "+short+"\n"); at >= 3 {
			near = languages[at-3 : at]
		}
	}
	return "", near
}
