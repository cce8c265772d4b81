package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/obs"
	"syncer/internal/state"
)

// What must not be seen in any log line below.
var private = []string{"5584990000101", "990000101", "99000-0101", "ana.souza", "exemplo.com", "Ana Souza", "529.982", "52998224725", "wpp-token-4711", "Zk39x"}

type stringer struct{ phone string }

func (s stringer) String() string { return "contact " + s.phone }

type valuer struct{ phone string }

func (v valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("phone", v.phone), slog.Any("again", stringer(v)))
}

type panicker struct{}

func (*panicker) Error() string { panic("no receiver") }

type payload struct {
	Name    string
	Phones  []string
	Extra   map[string]any
	Raw     json.RawMessage
	Next    *payload
	private string
	Done    chan int
}

func logged(t *testing.T, format string, secrets *obs.Secrets, do func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	log, err := obs.NewLogger(&out, "debug", format, secrets)
	if err != nil {
		t.Fatal(err)
	}
	do(log)
	return out.String()
}

func TestNothingPrivateIsLogged(t *testing.T) {
	var secrets obs.Secrets
	secrets.Add("wpp-token-4711")
	phone := "5584990000101"
	p := &payload{Name: "Ana Souza", Phones: []string{"(84) 99000-0101"}, Raw: json.RawMessage(`{"email":"ana.souza@exemplo.com"}`), private: phone,
		Extra: map[string]any{"telefone": 5584990000101.0, phone: 1, "doc": []any{"529.982.247-25", int64(52998224725)}, "bytes": []byte(phone)}}
	p.Next = p
	wrapped := fmt.Errorf("sync: %w", &contact.Error{Kind: contact.Invalid, Op: "weni: update contact", Message: "URN whatsapp:" + phone + " is taken", Err: errors.New("see /hooks/loja/Zk39x")})
	for _, format := range []string{"text", "json"} {
		line := logged(t, format, &secrets, func(log *slog.Logger) {
			log.Info("message about "+phone+" and wpp-token-4711", "text", phone, "int", 5584990000101, "uint", uint64(5584990000101), "float", 5584990000101.0)
			log.Warn("m", "error", wrapped, "joined", errors.Join(wrapped, errors.New("ana.souza@exemplo.com")))
			log.Error("m", "stringer", stringer{phone}, "valuer", valuer{phone}, "pointer", &stringer{phone}, "nobody", (*panicker)(nil), "none", nil)
			log.Info("m", "payload", p, "list", []any{p, phone, stringer{phone}, valuer{phone}, slog.Int64Value(5584990000101)}, "urn", contact.URN("tel:+"+phone), "id", contact.PhoneIdentity(phone))
			log.With("who", phone).WithGroup("g").With("also", valuer{phone}).Info("m", slog.Group("inner", "phone", phone, slog.Group("deeper", "mail", "ana.souza@exemplo.com")))
			log.Info("m", "bytes", []byte(phone), "raw", p.Raw, "header", http.Header{"Authorization": {"Bearer xyz"}, "X-Phone": {phone}})
			log.Info("m", "cpf", "52998224725", "document", 52998224725, "nome", "Ana Souza", "token", "xyz", "phone", 990000101, phone, "as a key")
			log.Info("m", "attrs", []slog.Attr{slog.String("phone", "990000101"), slog.Any("v", valuer{phone})})
		})
		for _, p := range private {
			if strings.Contains(line, p) {
				t.Errorf("%s: %q is in the log:\n%s", format, p, line)
			}
		}
		if strings.Contains(line, "xyz") {
			t.Errorf("%s: a credential is in the log:\n%s", format, line)
		}
		for _, want := range []string{"5584*******01", "[secret]", "/hooks/loja/[secret]", "weni: update contact", "whatsapp:5584*******01"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: %q is missing in the log:\n%s", format, want, line)
			}
		}
	}
}

func TestLogsStayReadable(t *testing.T) {
	at := time.Date(2026, 11, 20, 14, 5, 9, 0, time.UTC)
	line := logged(t, "json", nil, func(log *slog.Logger) {
		log.LogAttrs(t.Context(), slog.LevelInfo, "delivery", slog.String("target", "weni"), slog.Uint64("person", 4821), slog.Any("records", []string{"crm/4821", "loja/77"}),
			slog.Duration("took", 1500*time.Millisecond), slog.Time("at", at), slog.Int64("bytes", 34912345678), slog.Int64("micros", 1795183509123456),
			slog.Bool("new", true), slog.Any("kind", contact.Invalid), slog.Any("who", state.PersonID(7)), slog.Int("secret", 2), slog.Float64("share", 0.25),
			slog.Any("wrote", []string{"name", "labels"}), slog.Any("from", netip.MustParseAddr("10.0.0.1")), slog.String("name", "crm"), slog.Int("phones", 2))
	})
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := `{"at":"2026-11-20T14:05:09Z","bytes":34912345678,"from":"10.0.0.1","kind":"invalid","level":"INFO","micros":1795183509123456,"msg":"delivery","name":"crm",` +
		`"new":true,"person":4821,"phones":2,"records":["crm/4821","loja/77"],"secret":2,"share":0.25,"target":"weni","took":1500000000,"who":7,"wrote":["name","labels"]}`
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	clear(got)
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	if out, _ := json.Marshal(got); string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	text := logged(t, "text", nil, func(log *slog.Logger) { log.Warn("a run", "run", "crm-full-12", "records", []string{"crm/4821"}) })
	if !strings.Contains(text, `level=WARN msg="a run" run=crm-full-12 records=[crm/4821]`) {
		t.Errorf("got %s", text)
	}
}

func TestLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	log, err := obs.NewLogger(&out, "WARN", "TEXT", nil)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if s := out.String(); strings.Contains(s, "quiet") || !strings.Contains(s, "loud") {
		t.Errorf("got %s", s)
	}
	if _, err := obs.NewLogger(&out, "loud", "text", nil); err == nil {
		t.Error("a level that does not exist is accepted")
	}
	if _, err := obs.NewLogger(&out, "info", "xml", nil); err == nil {
		t.Error("a format that does not exist is accepted")
	}
}

func TestSecrets(t *testing.T) {
	var s obs.Secrets
	s.Add("")
	s.Add("abc")
	s.Add("longsecret")
	s.Add("longsecret-and-more")
	s.Add(`quo"ted\secret`)
	for text, want := range map[string]string{
		"abc":                           "abc", // too short to be one
		"x longsecret-and-more y":       "x [secret] y",
		"longsecretlongsecret":          "[secret][secret]",
		`{"x":"quo\"ted\\secret"}`:      `{"x":"[secret]"}`,
		"?x=quo%22ted%5Csecret&limit=1": "?x=[secret]&limit=1",
	} {
		if got := s.Mask(text); got != want {
			t.Errorf("Mask(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSecretsAreSafeForConcurrentUse(t *testing.T) {
	var s obs.Secrets
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			secret := fmt.Sprintf("secret-number-%d!", i)
			for range 50 {
				s.Add(secret)
				if got := s.Mask("the " + secret); got != "the [secret]" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	all.Wait()
}
