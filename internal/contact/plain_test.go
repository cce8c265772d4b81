package contact

import (
	"testing"

	"pgregory.net/rapid"
)

// Most numbers are written with digits, blanks, brackets and dashes only, and are read without looking for what else a
// text may hold. That is a short cut and never another answer: the long way leaves such a text as it is.
func TestPlainNumbersNeedNoStripping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9()+-][0-9 ()+-]{0,24}[0-9()+-]`).Draw(t, "text")
		if !plainly(text) {
			t.Fatalf("%q is not plain", text)
		}
		if stripped, err := strip(text); stripped != text || err != nil {
			t.Fatalf("%q becomes %q, %v", text, stripped, err)
		}
	})
	for _, text := range []string{"84 99000-0101 r. 22", "8,4E+12", "84990000101.0", "84 99000-0101/02", "84990000101;22", "٨٤", "a"} {
		if plainly(text) {
			t.Errorf("%q is taken for plain", text)
		}
	}
}
