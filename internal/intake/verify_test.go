package intake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"syncer/internal/mapping"
)

const (
	optedOut = `{"type":"contact.opted_out","tenantId":"ten_01JQ8Z0A7M","payload":{"contactId":"ctt_01JQ8ZC4","phoneNumber":"+5584990000101"},"timestamp":"2026-11-20T14:05:09.120Z"}`
	updated  = `{"type":"contact.updated","timestamp":"2026-11-20T14:05:09Z","data":{"id":"crm-1001","phone":"+5584990000101"}}`
	hubspot  = `[{"eventId":3181526809,"subscriptionId":22,"portalId":48123456,"appId":1160452,"occurredAt":1795183509120,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":90210,"propertyName":"phone","propertyValue":"+55 84 99000-0101","changeSource":"CRM_UI","sourceId":"userId:71"}]`
	whatsapp = `{"object":"whatsapp_business_account","entry":[{"id":"100200300400500","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"558440000000","phone_number_id":"700800900100200"},"contacts":[{"profile":{"name":"Jo\u00e3o Pereira"},"wa_id":"558490000101"}],"messages":[{"from":"558490000101","id":"wamid.TESTE0001","timestamp":"1795183509","type":"text","text":{"body":"Oi"}}]}}]}]}`
	ponte    = "https://ponte.exemplo.com.br"
	stamped  = 1795183509 // 2026-11-20T14:05:09Z
)

func words(s ...string) []string { return s }

func verifier(t testing.TB, w mapping.Webhook, public string, now int64) *Verifier {
	t.Helper()
	v, err := NewVerifier(w, public, func() time.Time { return time.Unix(now, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func request(target, body string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// vectors are deliveries that were computed elsewhere and must pass.
var vectors = map[string]struct {
	webhook mapping.Webhook
	public  string
	target  string
	now     int64
	body    string
	header  []string
}{
	"omniflow": {mapping.Webhook{Auth: "hmac", Header: "x-omniflow-signature-256", Prefix: "sha256=", Secret: words("segredo-omniflow-teste")}, "", "/", 0, optedOut,
		words("X-Omniflow-Signature-256", "sha256=f36f19336d1835caf835cd48ce10c9876140184f46fe752218b2a333f49dba92")},
	"whatsapp": {mapping.Webhook{Auth: "hmac", Header: "X-Hub-Signature-256", Algorithm: "sha256", Encoding: "hex", Prefix: "sha256=", Secret: words("app-secret-teste")}, "", "/", 0, whatsapp,
		words("X-Hub-Signature-256", "sha256=741a5ccac9e78dd9199da3f7584615ca0dd086af5fb2bd04a901eec3da3279b1")},
	"standard, public": {mapping.Webhook{Auth: "standard_webhooks", Secret: words("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}, "", "/", 1614265330, `{"test": 2432232314}`,
		words("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp", "1614265330", "Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")},
	"standard": {mapping.Webhook{Auth: "standard_webhooks", Secret: words("whsec_cG9udGUtZGUtY29udGF0b3Mtc2VncmVkby10ZXN0ZSE=")}, "", "/", stamped, updated,
		words("Webhook-Id", "msg_teste0001", "Webhook-Timestamp", "1795183509", "Webhook-Signature", "v1,EzCvW9P2zvQfyXQgvmFgcWYel9OXLFxwyqVBcrnoSe8=")},
	"svix": {mapping.Webhook{Auth: "standard_webhooks", Secret: words("whsec_cG9udGUtZGUtY29udGF0b3Mtc2VncmVkby10ZXN0ZSE=")}, "", "/", stamped, updated,
		words("Svix-Id", "msg_teste0001", "Svix-Timestamp", "1795183509", "Svix-Signature", "v1a,zzz v1,AAAA v1,EzCvW9P2zvQfyXQgvmFgcWYel9OXLFxwyqVBcrnoSe8=")},
	"stripe": {mapping.Webhook{Auth: "stripe", Header: "X-Signature", Secret: words("segredo-stripe-like")}, "", "/", stamped, updated,
		words("X-Signature", "t=1795183509,v1=c036b4adf87eefed133c7cb5209b10e4b056c319103ed618bdd3bfbf2bb4faa7")},
	"stripe, several": {mapping.Webhook{Auth: "stripe", Secret: words("segredo-stripe-like")}, "", "/", stamped, updated,
		words("Stripe-Signature", "t=1795183509, v0=ab, v1=00, v1=c036b4adf87eefed133c7cb5209b10e4b056c319103ed618bdd3bfbf2bb4faa7")},
	"hubspot v3": {mapping.Webhook{Auth: "hubspot_v3", Secret: words("segredo-hubspot-teste")}, ponte + "/", "http://10.0.0.7:8080/hooks/hubspot", 1795183510, hubspot,
		words("X-Hubspot-Signature-V3", "BNgtLRuTLvBiawmW/IuKeARyayyebDD+hm5LBkMlUF0=", "X-Hubspot-Request-Timestamp", "1795183510000")},
	"hubspot v2": {mapping.Webhook{Auth: "hubspot_v2", Secret: words("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy")}, "https://www.example.com", "/webhook_uri", 0, `{"example_field":"example_value"}`,
		words("X-Hubspot-Signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900")},
	"basic": {mapping.Webhook{Auth: "basic", Username: "pipedrive", Password: words("senha-teste")}, "", "/", 0, `{}`,
		words("Authorization", "Basic cGlwZWRyaXZlOnNlbmhhLXRlc3Rl")},
	"kommo chat": {mapping.Webhook{Auth: "hmac", Header: "X-Signature", Algorithm: "sha1", Secret: words("segredo-canal-teste")}, "", "/", 0, `{"a":1}`,
		words("X-Signature", "b00d013f6ecf6d000cffb677443f6c3972c89e47")},
	"static header": {mapping.Webhook{Auth: "static_header", Header: "X-Auth-Key", Secret: words("chave-teste")}, "", "/", 0, `{}`, words("X-Auth-Key", "chave-teste")},
	"bearer":        {mapping.Webhook{Auth: "bearer", Secret: words("ficha-teste")}, "", "/", 0, `{}`, words("Authorization", "bearer ficha-teste")},
}

func TestVectors(t *testing.T) {
	for name, tc := range vectors {
		t.Run(name, func(t *testing.T) {
			r := request(tc.target, tc.body, tc.header...)
			if which, err := verifier(t, tc.webhook, tc.public, tc.now).Verify(r, "", []byte(tc.body)); err != nil || which != 0 {
				t.Fatal(which, err)
			}
			t.Run("rotation", func(t *testing.T) {
				w := tc.webhook
				if w.Password == nil {
					w.Secret = append(words("bm92bw=="), w.Secret...)
				} else {
					w.Password = append(words("nova"), w.Password...)
				}
				if which, err := verifier(t, w, tc.public, tc.now).Verify(r, "", []byte(tc.body)); err != nil || which != 1 {
					t.Error(which, err)
				}
			})
			t.Run("other secret", func(t *testing.T) {
				w := tc.webhook
				if w.Password == nil {
					w.Secret = words("bm92bw==")
				} else {
					w.Password = words("nova")
				}
				if _, err := verifier(t, w, tc.public, tc.now).Verify(r, "", []byte(tc.body)); !errors.Is(err, errMismatch) {
					t.Error(err)
				}
			})
			t.Run("no header", func(t *testing.T) {
				for i := 0; i < len(tc.header); i += 2 {
					bare := request(tc.target, tc.body, tc.header...)
					bare.Header.Del(tc.header[i])
					if _, err := verifier(t, tc.webhook, tc.public, tc.now).Verify(bare, "", []byte(tc.body)); !errors.Is(err, errMissing) {
						t.Error(tc.header[i], err)
					}
				}
			})
			v := verifier(t, tc.webhook, tc.public, tc.now)
			if !v.signed {
				return
			}
			t.Run("other body", func(t *testing.T) {
				if _, err := v.Verify(r, "", []byte(tc.body+" ")); !errors.Is(err, errMismatch) {
					t.Error(err)
				}
			})
		})
	}
}

// The signature is over the bytes that were sent: the same text with its escapes undone is another message.
func TestEscapesAreNotUndone(t *testing.T) {
	tc := vectors["whatsapp"]
	body := strings.ReplaceAll(tc.body, `\u00e3`, "ã")
	v := verifier(t, tc.webhook, "", 0)
	if _, err := v.Verify(request("/", body, tc.header...), "", []byte(body)); err == nil {
		t.Error("a body with other bytes passed")
	}
	again := request("/", body, "X-Hub-Signature-256", "sha256=1e3b110942b8c161cc61ec00ebf598a46775bbbadf41f532fe7dadef4d82ee1e")
	if _, err := v.Verify(again, "", []byte(body)); err != nil {
		t.Errorf("the vector of the other bytes: %v", err)
	}
}

func TestTimestamps(t *testing.T) {
	for _, name := range []string{"standard", "svix", "stripe", "hubspot v3"} {
		tc := vectors[name]
		for offset, ok := range map[int64]bool{-301: false, -299: true, 0: true, 299: true, 301: false, 86400: false} {
			_, err := verifier(t, tc.webhook, tc.public, tc.now+offset).Verify(request(tc.target, tc.body, tc.header...), "", []byte(tc.body))
			if (err == nil) != ok || !ok && !errors.Is(err, errExpired) {
				t.Errorf("%s at %+d s: %v", name, offset, err)
			}
		}
		w := tc.webhook
		w.Tolerance = 10
		if _, err := verifier(t, w, tc.public, tc.now+11).Verify(request(tc.target, tc.body, tc.header...), "", []byte(tc.body)); !errors.Is(err, errExpired) {
			t.Errorf("%s with a tolerance of 10 s: %v", name, err)
		}
	}
}

func TestSignedTimestampHeader(t *testing.T) {
	sign := func(text string) string {
		h := hmac.New(sha512.New, []byte("segredo-teste"))
		h.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	w := mapping.Webhook{Auth: "hmac", Header: "X-Sig", Timestamp: "X-Time", Algorithm: "sha512", Encoding: "base64", Secret: words("segredo-teste")}
	for unit, at := range map[string]string{"seconds": strconv.Itoa(stamped), "milliseconds": strconv.Itoa(stamped * 1000)} {
		for template, text := range map[string]string{"": at + ".corpo", "{timestamp}.{body}": at + ".corpo", "v0:{timestamp}:{body}": "v0:" + at + ":corpo", "{timestamp}{body};": at + "corpo;"} {
			w.Template = template
			r := request("/", "corpo", "X-Sig", sign(text), "X-Time", at)
			if _, err := verifier(t, w, "", stamped).Verify(r, "", []byte("corpo")); err != nil {
				t.Errorf("%s %q: %v", unit, template, err)
			}
			if _, err := verifier(t, w, "", stamped+400).Verify(r, "", []byte("corpo")); !errors.Is(err, errExpired) {
				t.Errorf("%s %q, too old: %v", unit, template, err)
			}
			r.Header.Set("X-Time", strconv.Itoa(stamped+1))
			if _, err := verifier(t, w, "", stamped).Verify(r, "", []byte("corpo")); !errors.Is(err, errMismatch) {
				t.Errorf("%s %q, other time: %v", unit, template, err)
			}
			r.Header.Del("X-Time")
			if _, err := verifier(t, w, "", stamped).Verify(r, "", []byte("corpo")); !errors.Is(err, errMissing) {
				t.Errorf("%s %q, no time: %v", unit, template, err)
			}
		}
	}
	r := request("/", "corpo", "X-Sig", sign("amanhã.corpo"), "X-Time", "amanhã")
	w.Template = ""
	if _, err := verifier(t, w, "", stamped).Verify(r, "", []byte("corpo")); !errors.Is(err, errMalformed) {
		t.Error(err)
	}
}

func TestHubspotAddress(t *testing.T) {
	w := mapping.Webhook{Auth: "hubspot_v3", Secret: words("s")}
	sign := func(text string) string {
		h := newSigner(algorithms["sha256"], []byte("s"))[0].Get().(interface {
			Write([]byte) (int, error)
			Sum([]byte) []byte
		})
		_, _ = h.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	r := request("http://127.0.0.1/hooks/hub?a=%3Ax%2f%20%25&b=%21", "{}", "X-Hubspot-Request-Timestamp", "1795183510000",
		"X-Hubspot-Signature-V3", sign("POST"+ponte+"/hooks/hub?a=:x/%20%25&b=!{}1795183510000"), "X-Forwarded-Host", "evil.example")
	r.Host = "evil.example"
	if _, err := verifier(t, w, ponte, 1795183510).Verify(r, "", []byte("{}")); err != nil {
		t.Error(err)
	}
}

func TestMalformed(t *testing.T) {
	for name, header := range map[string][]string{
		"omniflow":   words("X-Omniflow-Signature-256", "sha256=xyz"),
		"whatsapp":   words("X-Hub-Signature-256", "741a5ccac9e78dd9199da3f7584615ca0dd086af5fb2bd04a901eec3da3279b1"), // without its prefix
		"hubspot v3": words("X-Hubspot-Signature-V3", "*", "X-Hubspot-Request-Timestamp", "1"),
		"hubspot v2": words("X-Hubspot-Signature", "*"),
	} {
		tc := vectors[name]
		if _, err := verifier(t, tc.webhook, tc.public, tc.now).Verify(request("/", tc.body, header...), "", []byte(tc.body)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBasicNeedsBoth(t *testing.T) {
	v := verifier(t, mapping.Webhook{Auth: "basic", Username: "crm", Password: words("nova", "velha"), Secret: words("9f1c7e")}, "", 0)
	cases := []struct {
		user, password, path string
		which                int
		err                  error
	}{
		{"crm", "nova", "9f1c7e", 0, nil},
		{"crm", "velha", "9f1c7e", 1, nil},
		{"crm", "outra", "9f1c7e", 0, errMismatch},
		{"outro", "nova", "9f1c7e", 0, errMismatch},
		{"", "nova", "9f1c7e", 0, errMismatch},
		{"crm", "", "9f1c7e", 0, errMismatch},
		{"crm", "nova", "9f1c7f", 0, errPath},
		{"crm", "nova", "", 0, errPath},
	}
	for _, tc := range cases {
		r := request("/", "")
		r.SetBasicAuth(tc.user, tc.password)
		if which, err := v.Verify(r, tc.path, nil); which != tc.which || !errors.Is(err, tc.err) {
			t.Errorf("%+v: %d %v", tc, which, err)
		}
	}
}

func TestPathToken(t *testing.T) {
	v := verifier(t, mapping.Webhook{Auth: "path_token", Secret: words("novo", "velho")}, "", 0)
	for given, want := range map[string]int{"novo": 0, "velho": 1} {
		if which, err := v.Verify(request("/", ""), given, nil); which != want || err != nil {
			t.Error(given, which, err)
		}
	}
	for _, given := range words("", "nov", "novoo", "NOVO") {
		if _, err := v.Verify(request("/", ""), given, nil); !errors.Is(err, errPath) {
			t.Error(given, err)
		}
	}
}

func TestNone(t *testing.T) {
	v := verifier(t, mapping.Webhook{Auth: "none"}, "", 0)
	for peer, ok := range map[string]bool{"127.0.0.1:9": true, "127.8.8.8:9": true, "[::1]:9": true, "[::ffff:127.0.0.1]:9": true,
		"10.0.0.1:9": false, "[fe80::1]:9": false, "@": false, "": false, "localhost:9": false} {
		r := request("/", "")
		r.RemoteAddr = peer
		if _, err := v.Verify(r, "", nil); (err == nil) != ok {
			t.Errorf("%s: %v", peer, err)
		}
	}
	for _, name := range words("X-Forwarded-For", "x-forwarded-anything", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP") {
		r := request("/", "", name, "127.0.0.1")
		r.RemoteAddr = "127.0.0.1:9"
		if _, err := v.Verify(r, "", nil); !errors.Is(err, errNotLocal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	hmacOf := func(change func(*mapping.Webhook)) mapping.Webhook {
		w := mapping.Webhook{Auth: "hmac", Header: "X-Sig", Secret: words("s")}
		change(&w)
		return w
	}
	cases := map[string]mapping.Webhook{
		"family":        {Auth: "magic", Secret: words("s")},
		"nothing":       {},
		"no password":   {Auth: "basic", Username: "crm"},
		"no secret":     {Auth: "bearer"},
		"empty secret":  {Auth: "path_token", Secret: words("s", "")},
		"no header":     {Auth: "static_header", Secret: words("s")},
		"no base64":     {Auth: "standard_webhooks", Secret: words("whsec_*")},
		"no address":    {Auth: "hubspot_v3", Secret: words("s")},
		"no address 2":  {Auth: "hubspot_v2", Secret: words("s")},
		"hmac header":   hmacOf(func(w *mapping.Webhook) { w.Header = "" }),
		"algorithm":     hmacOf(func(w *mapping.Webhook) { w.Algorithm = "md5" }),
		"encoding":      hmacOf(func(w *mapping.Webhook) { w.Encoding = "base58" }),
		"no body":       hmacOf(func(w *mapping.Webhook) { w.Template = "{timestamp}"; w.Timestamp = "X-Time" }),
		"unsigned time": hmacOf(func(w *mapping.Webhook) { w.Template = "{body}"; w.Timestamp = "X-Time" }),
		"no time":       hmacOf(func(w *mapping.Webhook) { w.Template = "{timestamp}.{body}" }),
		"two bodies":    hmacOf(func(w *mapping.Webhook) { w.Template = "{body}{body}" }),
		"unknown part":  hmacOf(func(w *mapping.Webhook) { w.Template = "{nonce}.{body}" }),
	}
	for name, w := range cases {
		if _, err := NewVerifier(w, "", nil); err == nil || strings.Contains(err.Error(), "whsec_") && name != "no base64" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The library of the specification signs, we verify; and what it refuses, we refuse.
func TestStandardWebhooksAgreesWithTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		id := rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "id")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
		library, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := library.Sign(id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		v, err := NewVerifier(mapping.Webhook{Auth: "standard_webhooks", Secret: words(secret)}, "", func() time.Time { return at })
		if err != nil {
			t.Fatal(err)
		}
		check := func(signature string, body []byte) {
			r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			r.Header.Set("Webhook-Id", id)
			r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
			r.Header.Set("Webhook-Signature", signature)
			_, ours := v.Verify(r, "", body)
			if theirs := library.VerifyIgnoringTimestamp(body, r.Header); (ours == nil) != (theirs == nil) {
				t.Fatalf("ours %v, theirs %v", ours, theirs)
			}
		}
		check(signature, body)
		check("v1,AAAA v2,x "+signature, body)
		check(strings.Replace(signature, "v1,", "v2,", 1), body)
		check(signature, append(bytes.Clone(body), 'x'))
		check("v1,"+base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "noise")), body)
	})
}

// Whatever a header says, nothing passes that was not signed with the secret, and nothing panics.
func FuzzSignatures(f *testing.F) {
	f.Add("t=1795183509,v1=00,v1=zz", "1795183509", "msg_1")
	f.Add("v1,EzCvW9P2zvQfyXQgvmFgcWYel9OXLFxwyqVBcrnoSe8= v1a,x", "1795183509000", "")
	f.Add("sha256=f36f19336d1835caf835cd48ce10c987", "-1", "Bearer x")
	f.Add("Basic cGlwZWRyaXZlOnNlbmhhLXRlc3Rl", "99999999999999999999", ",,==  ,")
	var all []*Verifier
	for _, auth := range words("basic", "static_header", "bearer", "path_token", "hmac", "standard_webhooks", "stripe", "hubspot_v3", "hubspot_v2") {
		all = append(all, verifier(f, mapping.Webhook{Auth: auth, Header: "X-Sig", Username: "crm", Password: words("tJ4mS-nao-adivinhe"), Secret: words("dEo0bVMtbmFvLWFkaXZpbmhl")}, ponte, stamped))
	}
	f.Fuzz(func(t *testing.T, signature, timestamp, id string) {
		r := httptest.NewRequest("POST", "/hooks/x", nil)
		for name, value := range map[string]string{"X-Sig": signature, "Webhook-Signature": signature, "X-Hubspot-Signature": signature,
			"X-Hubspot-Signature-V3": signature, "Authorization": signature, "Webhook-Timestamp": timestamp,
			"X-Hubspot-Request-Timestamp": timestamp, "Webhook-Id": id} {
			r.Header.Set(name, value)
		}
		for i, v := range all {
			if _, err := v.Verify(r, id, []byte(timestamp)); err == nil {
				t.Fatalf("family %d let %q through", i, signature)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 2048)
	for _, name := range []string{"basic", "hmac", "standard_webhooks"} {
		b.Run(name, func(b *testing.B) {
			w := mapping.Webhook{Auth: name, Header: "X-Sig", Username: "crm", Password: words("p"), Secret: words("c2VncmVkbw==")}
			if name == "basic" {
				w.Secret = nil
			}
			v := verifier(b, w, "", stamped)
			r := request("/", "", "Webhook-Id", "m", "Webhook-Timestamp", fmt.Sprint(stamped))
			r.SetBasicAuth("crm", "p")
			h := hmac.New(algorithms["sha256"], []byte("c2VncmVkbw=="))
			h.Write(body)
			r.Header.Set("X-Sig", hex.EncodeToString(h.Sum(nil)))
			h = hmac.New(algorithms["sha256"], []byte("segredo"))
			fmt.Fprintf(h, "m.%d.%s", stamped, body)
			r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r, "", body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
