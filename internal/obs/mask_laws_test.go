package obs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/obs"
)

var areas = []string{"11", "19", "21", "34", "51", "55", "62", "71", "84", "85", "92", "99"}

// phones draws a Brazilian number as digits with country code, mobile or landline.
var phones = rapid.Custom(func(t *rapid.T) string {
	area := rapid.SampledFrom(areas).Draw(t, "area")
	if rapid.Bool().Draw(t, "landline") {
		return "55" + area + rapid.StringMatching(`[2-5][0-9]{7}`).Draw(t, "subscriber")
	}
	return "55" + area + rapid.StringMatching(`9[0-9]{8}`).Draw(t, "subscriber")
})

// written draws a way to write a number.
func written(t *rapid.T, d string) string {
	local := d[4:]
	half := len(local) - 4
	split := local[:half] + "-" + local[half:]
	return rapid.SampledFrom([]string{
		d, "+" + d, d[2:], "0" + d[2:], "00" + d,
		"+55 " + d[2:4] + " " + split, "+55 (" + d[2:4] + ") " + split, "(" + d[2:4] + ") " + split, "(" + d[2:4] + ")" + local,
		d[2:4] + " " + local, d[2:4] + "-" + split, d[2:4] + "." + local[:half] + "." + local[half:], "55 " + d[2:4] + " " + split,
		"(0" + d[2:4] + ") " + split, "+55" + d[2:4] + split, "+55-" + d[2:4] + "-" + split, "+55 " + d[2:4] + " " + local[:1] + " " + local[1:half] + " " + local[half:],
		"tel:+" + d, "whatsapp:" + d, "phone:" + d, url.QueryEscape("+" + d), url.QueryEscape("whatsapp:" + d), url.QueryEscape("tel:+" + d),
		split,
	}).Draw(t, "written")
}

var years = regexp.MustCompile(`^20\d\d-(?:19|20)\d\d$`)

var surroundings = rapid.SampledFrom([]string{"%s", "%s.", "(%s)", "<%s>", `"%s"`, "[%s]", "number %s is taken", "a=%s b=2", "%s,%[1]s", "a: %s; b", "x/%s", "https://h.test/c/%s?x=1",
	"?phone=%s&y=1", `{"phone":"%s"}`, "{\\\"phone\\\":\\\"%s\\\"}", "crm/4821: %s", "%s\n", "at 14:05:09 %s", "2026-11-20 %s", "12 %s", "%s 12 times", "é%s…", "tab\t%s\tend", "#%s"})

func TestNoNumberIsShown(t *testing.T) {
	var secrets obs.Secrets
	rapid.Check(t, func(t *rapid.T) {
		d := phones.Draw(t, "digits")
		form, around := written(t, d), surroundings.Draw(t, "surroundings")
		if identifies := len(d) == 13 && form != d[4:9]+"-"+d[9:]; !identifies && (strings.Contains(around, "/%s") || strings.Contains(around, "é%s")) {
			t.Skip("behind a slash or a letter, a landline without its country code is not told from the id of a record; it identifies nobody")
		}
		if years.MatchString(form) {
			t.Skip("2024-2025")
		}
		text := fmt.Sprintf(around, form)
		masked := secrets.Mask(text)
		if shows(masked, d) {
			t.Fatalf("Mask(%q) = %q shows %s", text, masked, d)
		}
		if again := secrets.Mask(masked); again != masked {
			t.Fatalf("masking %q again gives %q", masked, again)
		}
	})
}

// shows reports whether the middle of a number can be read in text, whatever stands between the digits.
func shows(text, d string) bool {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '*' {
			return r
		}
		return -1
	}, text)
	return strings.Contains(digits, d[len(d)-8:len(d)-2])
}

func TestNoAttributeShowsANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := phones.Filter(func(d string) bool { return len(d) == 13 }).Draw(t, "digits")
		n, _ := strconv.ParseInt(d, 10, 64)
		value := rapid.SampledFrom([]any{d, n, uint64(n), float64(n), []string{d}, []int64{n}, map[string]int64{"x": n}, map[string]string{d: "x"}, fmt.Errorf("no %s", d),
			json.Number(d), json.RawMessage(d), []byte(d), contact.URN("whatsapp:" + d), contact.Key{Source: "app", ID: d}, &d,
			fmt.Sprint(float64(n)), fmt.Sprint(map[string]any{"n": float64(n)}), slog.GroupValue(slog.Int64("n", n)), struct{ N any }{n}}).Draw(t, "value")
		for range rapid.IntRange(0, 4).Draw(t, "depth") {
			inside := value
			value = rapid.SampledFrom([]any{[]any{inside}, map[string]any{"k": inside}, struct{ V any }{inside}, &inside}).Draw(t, "around")
		}
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			log, err := obs.NewLogger(&out, "info", format, nil)
			if err != nil {
				t.Fatal(err)
			}
			log.With("w", value).Info("m", "v", value, slog.Group("g", "v", value))
			_, line, _ := strings.Cut(out.String(), "msg") // behind the time
			if strings.Contains(line, d) || strings.Contains(line, d[4:]) || strings.Contains(line, "e+12") {
				t.Fatalf("%s: %T is logged as %s", format, value, line)
			}
		}
	})
}

func TestNoAddressIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		who := rapid.StringMatching(`[a-zé][a-z0-9._+-]{3,12}[a-z]`).Draw(t, "who")
		at := rapid.SampledFrom([]string{"@", "%40"}).Draw(t, "at")
		text := fmt.Sprintf(rapid.SampledFrom([]string{"%s", "<%s>", "mailto:%s", `{"e":"%s"}`, "to %s, again", "/c/%s/x", "?e=%s&b"}).Draw(t, "around"), who+at+"exemplo.com.br")
		if masked := (*obs.Secrets)(nil).Mask(text); strings.Contains(masked, who[1:]) || strings.Contains(masked, "exemplo") {
			t.Fatalf("Mask(%q) = %q", text, masked)
		}
	})
}

func TestIdsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[a-z][a-z0-9_-]{1,12}/[0-9]{1,10}`),
			rapid.StringMatching(`[a-z]{2,8}-(changes|full|mapping|replay)-[0-9]{1,8}`),
			rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
			rapid.StringMatching(`([0-9]{1,3}h)?([0-9]{1,2}m)?[0-9]{1,2}\.[0-9]{1,9}s`),
			rapid.StringMatching(`20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|-03:00)`),
			rapid.StringMatching(`[1-9][0-9]{0,7} (people|records|calls)`),
			rapid.StringMatching(`[1-9][0-9]{0,14} ?(bytes|KB|MiB)`),
			rapid.StringMatching(`[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}`).Filter(func(s string) bool { return strings.ContainsAny(s, "abcdef") }),
			rapid.StringMatching(`[1-9][0-9]{0,2}(\.(0|[1-9][0-9]{0,2})){3}:[1-9][0-9]{1,4}`),
		).Draw(t, "text")
		if masked := (*obs.Secrets)(nil).Mask("it is " + text); masked != "it is "+text {
			t.Fatalf("%q becomes %q", text, masked)
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"whatsapp:5584990000101", "+55 (84) 99000-0101", "a@b.co", "529.982.247-25", "/hooks/a/b", "://a@b", "token=\"x\"", "1.5e+12", "%20123456789",
		"Bearer abcdefgh1", "00 351 912 345 678", "tel:%2B55849900001", "\xff5584990000101", "2026-11-20T14:05:09Z"} {
		f.Add(s, "4711-secret")
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		var s obs.Secrets
		s.Add(secret)
		masked := s.Mask(text)
		if got := s.Mask("<" + secret + ">"); len(secret) >= 4 && !strings.Contains(got, "[secret]") {
			t.Errorf("the secret %q is not masked: %s", secret, got)
		}
		if utf8.ValidString(text) && utf8.ValidString(secret) && !utf8.ValidString(masked) {
			t.Errorf("%q is not text any more: %q", text, masked)
		}
		if again := (*obs.Secrets)(nil).Mask(masked); again != masked {
			t.Errorf("masking %q again gives %q", masked, again)
		}
		s.MaskValue(map[string]any{text: text})
	})
}
