package intake

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// signer computes keyed hashes; the states are reused because building one costs more than a small body.
type signer []*sync.Pool

func newSigner(algorithm func() hash.Hash, keys ...[]byte) signer {
	s := make(signer, len(keys))
	for i, key := range keys {
		s[i] = &sync.Pool{New: func() any { return hmac.New(algorithm, key) }}
	}
	return s
}

// match tells which secret gives one of the signatures for the message.
func (s signer) match(signatures [][]byte, message ...[]byte) (int, error) {
	which := -1
	var buffer [sha512.Size]byte
	for i, pool := range s {
		h := pool.Get().(hash.Hash)
		h.Reset()
		for _, part := range message {
			h.Write(part)
		}
		sum := h.Sum(buffer[:0])
		pool.Put(h)
		for _, signature := range signatures {
			if hmac.Equal(sum, signature) && which < 0 {
				which = i
			}
		}
	}
	if which < 0 {
		return 0, errMismatch
	}
	return which, nil
}

func plainKeys(words []string) [][]byte {
	keys := make([][]byte, len(words))
	for i, w := range words {
		keys[i] = []byte(w)
	}
	return keys
}

// fresh checks a timestamp that was signed, in the unit given. Unsigned times, and times of events, prove
// nothing and are never checked: honest retries may be days old.
func (s *settings) fresh(timestamp string, unit time.Duration) error {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || n < 0 || n > 1<<62/int64(unit) {
		return errMalformed
	}
	if age := s.now().Sub(time.Unix(0, 0).Add(time.Duration(n) * unit)); age > s.tolerance || age < -s.tolerance {
		return errExpired
	}
	return nil
}

// stamp is fresh for senders that use either seconds or milliseconds.
func (s *settings) stamp(timestamp string) error {
	if len(timestamp) > 11 {
		return s.fresh(timestamp, time.Millisecond)
	}
	return s.fresh(timestamp, time.Second)
}

var algorithms = map[string]func() hash.Hash{"": sha256.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

func plainHMAC(s *settings) (check, error) {
	algorithm, ok := algorithms[s.Algorithm]
	switch {
	case !ok:
		return nil, fmt.Errorf("webhook.algorithm is %q; it can be sha1, sha256 or sha512", s.Algorithm)
	case s.Header == "":
		return nil, errors.New("webhook.auth is hmac, but webhook.header does not name the header with the signature")
	}
	decode, err := decoderOf(s.Encoding)
	if err != nil {
		return nil, err
	}
	before, between, after, stamped, err := template(s.Template, s.Timestamp)
	if err != nil {
		return nil, err
	}
	keys := newSigner(algorithm, plainKeys(s.Secret)...)
	return func(r *http.Request, body []byte) (int, error) {
		given := r.Header.Get(s.Header)
		if given == "" {
			return 0, errMissing
		}
		text, ok := strings.CutPrefix(given, s.Prefix)
		signature, err := decode(text)
		if !ok || err != nil {
			return 0, errMalformed
		}
		if !stamped {
			return keys.match([][]byte{signature}, before, body, after)
		}
		timestamp := r.Header.Get(s.Timestamp)
		if timestamp == "" {
			return 0, errMissing
		}
		which, err := keys.match([][]byte{signature}, before, []byte(timestamp), between, body, after)
		if err != nil {
			return 0, err
		}
		return which, s.stamp(timestamp)
	}, nil
}

// template splits what is signed around its two places.
func template(text, header string) (before, between, after []byte, stamped bool, err error) {
	const stamp, content = "{timestamp}", "{body}"
	switch {
	case text == "" && header != "":
		text = stamp + "." + content
	case text == "":
		text = content
	}
	head, tail, ok := strings.Cut(text, content)
	if !ok || strings.Contains(tail, "{") {
		return nil, nil, nil, false, fmt.Errorf("webhook.template must hold {body} once, at the end or after {timestamp}, as in \"{timestamp}.{body}\"")
	}
	front, middle, stamped := strings.Cut(head, stamp)
	if stamped != (header != "") {
		return nil, nil, nil, false, fmt.Errorf("webhook.timestamp names a header and webhook.template must sign it with {timestamp}: one without the other protects nothing")
	}
	if strings.Contains(front+middle, "{") {
		return nil, nil, nil, false, fmt.Errorf("webhook.template knows only {timestamp} and {body}")
	}
	return []byte(front), []byte(middle), []byte(tail), stamped, nil
}

func decoderOf(encoding string) (func(string) ([]byte, error), error) {
	switch encoding {
	case "", "hex":
		return hex.DecodeString, nil
	case "base64":
		return base64.StdEncoding.DecodeString, nil
	}
	return nil, fmt.Errorf("webhook.encoding is %q; it can be hex or base64", encoding)
}

// standardWebhooks is version 1.0.0 of the specification of that name, also with the header names of Svix.
func standardWebhooks(s *settings) (check, error) {
	keys := make([][]byte, len(s.Secret))
	for i, secret := range s.Secret {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("secret %d of webhook.auth standard_webhooks is not whsec_ and base64", i+1)
		}
		keys[i] = key
	}
	signer := newSigner(sha256.New, keys...)
	dot := []byte(".")
	return func(r *http.Request, body []byte) (int, error) {
		prefix := "Webhook-"
		if r.Header.Get("Webhook-Signature") == "" {
			prefix = "Svix-"
		}
		id, timestamp, given := r.Header.Get(prefix+"Id"), r.Header.Get(prefix+"Timestamp"), r.Header.Get(prefix+"Signature")
		if id == "" || timestamp == "" || given == "" {
			return 0, errMissing
		}
		var signatures [][]byte
		for entry := range strings.SplitSeq(given, " ") {
			version, text, _ := strings.Cut(entry, ",")
			if signature, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil {
				signatures = append(signatures, signature)
			}
		}
		which, err := signer.match(signatures, []byte(id), dot, []byte(timestamp), dot, body)
		if err != nil {
			return 0, err
		}
		return which, s.fresh(timestamp, time.Second)
	}, nil
}

func stripe(s *settings) (check, error) {
	header := s.Header
	if header == "" {
		header = "Stripe-Signature"
	}
	signer := newSigner(sha256.New, plainKeys(s.Secret)...)
	dot := []byte(".")
	return func(r *http.Request, body []byte) (int, error) {
		given := r.Header.Get(header)
		if given == "" {
			return 0, errMissing
		}
		timestamp := ""
		var signatures [][]byte
		for entry := range strings.SplitSeq(given, ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(entry), "="); name {
			case "t":
				timestamp = value
			case "v1":
				if signature, err := hex.DecodeString(value); err == nil {
					signatures = append(signatures, signature)
				}
			}
		}
		which, err := signer.match(signatures, []byte(timestamp), dot, body)
		if err != nil {
			return 0, err
		}
		return which, s.fresh(timestamp, time.Second)
	}, nil
}

// unescape undoes the escapes that HubSpot leaves out of what it signs, and no others.
var unescape = strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
	"%2A", "*", "%2C", ",", "%3B", ";", "%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";")

func (s *settings) needPublic() error {
	if s.public == "" {
		return fmt.Errorf("webhook.auth is %s, which signs the address: SYNCER_PUBLIC_URL must say how senders reach this machine", s.Auth)
	}
	return nil
}

func hubspotV3(s *settings) (check, error) {
	signer := newSigner(sha256.New, plainKeys(s.Secret)...)
	return func(r *http.Request, body []byte) (int, error) {
		given, timestamp := r.Header.Get("X-Hubspot-Signature-V3"), r.Header.Get("X-Hubspot-Request-Timestamp")
		if given == "" || timestamp == "" {
			return 0, errMissing
		}
		signature, err := base64.StdEncoding.DecodeString(given)
		if err != nil {
			return 0, errMalformed
		}
		which, err := signer.match([][]byte{signature}, []byte(r.Method), []byte(unescape.Replace(s.public+r.URL.RequestURI())), body, []byte(timestamp))
		if err != nil {
			return 0, err
		}
		return which, s.fresh(timestamp, time.Millisecond)
	}, s.needPublic()
}

// hubspotV2 is no keyed hash, but a hash with the secret in front. It is what older apps still send.
func hubspotV2(s *settings) (check, error) {
	return func(r *http.Request, body []byte) (int, error) {
		given := r.Header.Get("X-Hubspot-Signature")
		if given == "" {
			return 0, errMissing
		}
		signature, err := hex.DecodeString(given)
		if err != nil {
			return 0, errMalformed
		}
		which := -1
		for i, secret := range s.Secret {
			h := sha256.New()
			for _, part := range [][]byte{[]byte(secret), []byte(r.Method), []byte(s.public + r.URL.RequestURI()), body} {
				h.Write(part)
			}
			if hmac.Equal(h.Sum(nil), signature) && which < 0 {
				which = i
			}
		}
		if which < 0 {
			return 0, errMismatch
		}
		return which, nil
	}, s.needPublic()
}
