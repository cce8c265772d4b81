package lab

import (
	"encoding/base64"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Finder searches what syncer says for what it must never say: secrets, and the data of people in every form in
// which it may have been written. It knows nothing of how syncer masks. The zero value is ready, and it is safe for
// concurrent use.
type Finder struct {
	mu      sync.RWMutex
	secrets map[string]string // text -> what it is
	words   map[string]string // folded name, address or document -> what it is
	numbers map[string]string // the last digits of a number -> what it is
	lengths []int             // of the keys of numbers
}

// Leak is one thing that was found, and the line in which it stood.
type Leak struct{ What, Line string }

// String is the line with what is wrong with it.
func (l Leak) String() string { return l.What + " in: " + l.Line }

// leastSecret is from which length a text can be looked for without being found everywhere, and piece how much of a
// long one is as bad as all of it.
const (
	leastSecret = 6
	piece       = 16
)

// Secret makes a text one that must not be said: not whole, not its beginning, not its end, not as base64.
func (f *Finder) Secret(what, text string) {
	if len(text) < leastSecret {
		return
	}
	forms := []string{text, base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text))}
	if len(text) > piece {
		forms = append(forms, text[:piece], text[len(text)-piece:])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.secrets == nil {
		f.secrets = map[string]string{}
	}
	for _, form := range forms {
		f.secrets[form] = "the secret " + what
	}
}

// Name makes the name of somebody one that must not be said, and each of the given parts of it too.
func (f *Finder) Name(name string, parts ...string) {
	for _, text := range append(parts, name) {
		f.word("the name "+name, text)
	}
}

// Email makes an address one that must not be said.
func (f *Finder) Email(address string) { f.word("the address "+address, address) }

func (f *Finder) word(what, text string) {
	if text = fold(text); len(text) < 4 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.words == nil {
		f.words = map[string]string{}
	}
	f.words[text] = what
}

// Number makes a phone number one that must not be said: with or without its country, area and ninth digit, and
// whatever stands between its groups. The last eight digits are what all forms share.
func (f *Finder) Number(number string) { f.digits("the number "+number, number, 8) }

// Document makes a CPF or CNPJ one that must not be said.
func (f *Finder) Document(document string) {
	f.digits("the document "+document, document, len(onlyDigits(document)))
}

func (f *Finder) digits(what, text string, last int) {
	d := onlyDigits(text)
	if len(d) < last || last == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.numbers == nil {
		f.numbers = map[string]string{}
	}
	f.numbers[d[len(d)-last:]] = what
	if !slices.Contains(f.lengths, last) {
		f.lengths = append(f.lengths, last)
	}
}

// Find returns what stands in a text and must not, line by line.
func (f *Finder) Find(text string) (leaks []Leak) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		found := map[string]bool{}
		for _, view := range views(line) {
			for secret, what := range f.secrets {
				found[what] = found[what] || strings.Contains(view, secret)
			}
			folded := fold(view)
			for word, what := range f.words {
				found[what] = found[what] || strings.Contains(folded, word)
			}
			for _, run := range runs(view) {
				for _, n := range f.lengths {
					for i := 0; i+n <= len(run); i++ {
						if what, ok := f.numbers[run[i:i+n]]; ok {
							found[what] = true
						}
					}
				}
			}
		}
		for what, yes := range found {
			if yes {
				leaks = append(leaks, Leak{what, line})
			}
		}
	}
	slices.SortFunc(leaks, func(a, b Leak) int { return strings.Compare(a.Line+a.What, b.Line+b.What) })
	return leaks
}

var (
	escaped = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}`)
	percent = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)
	based   = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}`)

	unquote  = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, " ", `\t`, " ")
	standard = strings.NewReplacer("-", "+", "_", "/")
)

// views are a line as it stands, with every escape undone, and what its parts mean if they are base64.
func views(line string) []string {
	plain := escaped.ReplaceAllStringFunc(line, func(s string) string {
		r, err := strconv.ParseUint(s[2:], 16, 32)
		if err != nil {
			return s
		}
		return string(rune(r))
	})
	plain = percent.ReplaceAllStringFunc(plain, func(s string) string {
		if t, err := url.PathUnescape(s); err == nil {
			return t
		}
		return s
	})
	plain = unquote.Replace(html.UnescapeString(plain))
	list := []string{line}
	if plain != line {
		list = append(list, plain)
	}
	for _, s := range based.FindAllString(plain, -1) {
		if len(s)%4 == 1 { // cut off somewhere
			s = s[:len(s)-1]
		}
		if data, err := base64.RawStdEncoding.DecodeString(standard.Replace(s)); err == nil && printable(data) {
			list = append(list, string(data))
		}
	}
	return list
}

func printable(data []byte) bool {
	return !slices.ContainsFunc([]rune(string(data)), func(r rune) bool { return r == unicode.ReplacementChar || r < ' ' && r != '\n' && r != '\t' })
}

var group = regexp.MustCompile(`\d+`)

// between is what people and programs put between the groups of a number, and mostDigits how many the longest number of
// the world has: more of them in a row are a moment in microseconds.
const (
	between    = " .-()/+\u00a0\u2010\u2011\u2012\u2013"
	mostDigits = 15
)

// runs are the digits of a text, those of groups that are set apart by no more than a few separators as one.
func runs(text string) (list []string) {
	run, end := "", 0
	for _, at := range append(group.FindAllStringIndex(text, -1), []int{len(text), len(text)}) {
		digits, gap := text[at[0]:at[1]], text[end:at[0]]
		if near := len(gap) <= 6 && utf8.RuneCountInString(gap) <= 3 && strings.Trim(gap, between) == ""; !near || digits == "" || len(digits) > mostDigits {
			list, run = append(list, run), ""
		}
		if len(digits) <= mostDigits {
			run += digits
		}
		end = at[1]
	}
	return append(list, run)
}

var plainLetters = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "ì", "i", "î", "i",
	"ï", "i", "ó", "o", "ò", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "ù", "u", "û", "u", "ü", "u", "ç", "c", "ñ", "n")

// fold makes spellings of one name equal: case, accents, and what stands between words.
func fold(s string) string {
	s = plainLetters.Replace(strings.ToLower(s))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '+' }), " ")
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
