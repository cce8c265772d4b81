package obs

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// A rule is a form in which something appears in text that is private, or that could be taken for it. see
// returns what to write instead of text[from:to]; ok is false when it is something else after all, which the
// later rules may know.
type rule struct {
	// digits and needs spare most texts the slow look: how many digits a text has at least that holds the form,
	// and of which characters it has at least one.
	digits int
	needs  string
	form   *regexp.Regexp
	see    func(text string, from, to int) (instead string, ok bool)
}

const (
	sep   = `[\p{Zs}.\-\x{2010}-\x{2015}]` // what people put between groups of digits
	area  = `(?:\(\s?0?[1-9][1-9]\s?\)` + sep + `{0,3}|0?[1-9][1-9]` + sep + `{1,3})`
	plain = "[^\\s\"'<>(){}\\[\\],;&|\\\\`…]"
)

// rules in the order in which they look at a text; what one has settled, the next do not see. The first ones
// keep what operators need.
var rules = []rule{
	{0, "-", regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`), keep},
	{8, "-", regexp.MustCompile(`\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?`), keepAlone},
	{0, "/", regexp.MustCompile(`/hooks/[^/\s"'?#]+/[^\s"'?#]+`), hookPath},
	{0, "@", regexp.MustCompile(`://[^/\s"'@]+@`), userInfo},
	{0, " \t", regexp.MustCompile(`(?i:\b(?:bearer|basic|token|apikey)\s+[\w.~+/=\-]{8,})`), credential},
	{0, ":=", regexp.MustCompile(`(?i:\b\w*(?:token|secret|password|passwd|pwd|senha|api[_-]?key|authorization)(?:["'\\]+\s*[:=]\s*["'\\]+|=["']?)[^\s"'\\&,;(){}\[\]]+)`), assigned},
	{0, ":%", regexp.MustCompile(`(?:\b|%[0-9a-fA-F]{2})(?:tel|whatsapp|phone|mailto|ext|telegram|instagram|facebook|discord|twitterid|twitter|viber|line|jiochat|freshchat|teams|wechat|fcm|vk|rocketchat|slack)(?::|%3[aA])` + plain + `{5,}`), urn},
	{0, "@%", regexp.MustCompile(`[\pL\pN._%+'\-]+(?:@|%40)(?:[\pL\pN\-]+\.)+\pL{2,}`), email},
	{11, ".", regexp.MustCompile(`\d{3}\.\d{3}\.\d{3}-\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}`), document},
	{11, " .", regexp.MustCompile(`\d{3}[ .]\d{3}[ .]\d{3}[ \-]\d{2}`), spacedDocument},
	{8, "+＋", regexp.MustCompile(`[+＋]\(?[1-9]\d{9,14}`), number},
	{8, "+＋", regexp.MustCompile(`[+＋]\s?\(?\d{1,3}\)?(?:` + sep + `{0,2}/?\(?\d{1,5}\)?){2,5}`), international},
	{8, "", regexp.MustCompile(`(?:(?:00)?55` + sep + `{0,2})?` + area + `(?:9` + sep + `?\d{4}|[2-9]\d{3})` + sep + `{1,3}\d{4}`), grouped},
	{8, "", regexp.MustCompile(`(?:(?:00)?55` + sep + `{0,2})?` + area + `(?:9\d{8}|[2-9]\d{7})`), grouped},
	{10, "", regexp.MustCompile(`00` + sep + `?[1-9]\d{0,2}(?:` + sep + `?\(?\d{1,5}\)?){2,5}`), international},
	{10, "", regexp.MustCompile(`(?:1` + sep + `)?(?:\([2-9]\d\d\)` + sep + `{0,2}|[2-9]\d\d` + sep + `)\d{3}` + sep + `\d{4}`), american},
	{8, "-", regexp.MustCompile(`9` + sep + `?\d{4}-\d{4}|[2-5]\d{3}-\d{4}`), local},
	{1, ".,", regexp.MustCompile(`\d+[.,]\d+(?:[eE][+-]?\d+)?`), decimal},
	{9, "", regexp.MustCompile(`\d{9,}`), bare},
}

// span is a part of a text and what stands instead of it.
type span struct {
	from, to int
	instead  string
}

// maskPatterns masks whatever looks like a person's or like a credential.
func maskPatterns(text string) string {
	digits := len(onlyDigits(text))
	open, settled := []span{{0, len(text), ""}}, []span(nil)
	for _, r := range rules {
		if digits < r.digits || r.needs != "" && !strings.ContainsAny(text, r.needs) {
			continue
		}
		var rest []span
		for _, o := range open {
			left, found := r.apply(text, o)
			rest, settled = append(rest, left...), append(settled, found...)
		}
		open = rest
	}
	if settled == nil {
		return text
	}
	slices.SortFunc(settled, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out strings.Builder
	at := 0
	for _, s := range settled {
		out.WriteString(text[at:s.from])
		out.WriteString(s.instead)
		at = s.to
	}
	out.WriteString(text[at:])
	return out.String()
}

// apply looks at one part of the text and returns what it leaves to the others and what it settles.
func (r rule) apply(text string, o span) (left, settled []span) {
	begin := o.from
	for at := o.from; at < o.to; {
		m := r.form.FindStringIndex(text[at:o.to])
		if m == nil {
			break
		}
		from, to := at+m[0], at+m[1]
		instead, ok := r.see(text, from, to)
		if !ok {
			at = from + 1
			continue
		}
		if begin < from {
			left = append(left, span{begin, from, ""})
		}
		settled = append(settled, span{from, to, instead})
		begin, at = to, to
	}
	if begin < o.to {
		left = append(left, span{begin, o.to, ""})
	}
	return left, settled
}
