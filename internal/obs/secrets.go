package obs

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// hidden stands where a secret stood.
const hidden = "[secret]"

// leastSecret is the length from which a text can be a secret. Hiding anything shorter would make logs
// unreadable and protect nothing.
const leastSecret = 4

// Secrets are the texts that must never be shown. The zero value knows none and a nil one is used like it,
// except that Add needs a place to keep them. It is safe for concurrent use.
type Secrets struct {
	mu       sync.Mutex
	forms    map[string]bool // the secrets, and as what they appear in addresses and in JSON
	replacer atomic.Pointer[strings.Replacer]
}

// Add makes a text a secret, for good.
func (s *Secrets) Add(secret string) {
	if len(secret) < leastSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forms == nil {
		s.forms = map[string]bool{}
	}
	quoted, _ := json.Marshal(secret)
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1])} {
		s.forms[form] = true
	}
	// The longer first: one secret may begin with another.
	longest := func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) }
	var pairs []string
	for _, form := range slices.SortedFunc(maps.Keys(s.forms), longest) {
		pairs = append(pairs, form, hidden)
	}
	s.replacer.Store(strings.NewReplacer(pairs...))
}

// Mask returns text without secrets and without what identifies a person: phone numbers, e-mail addresses,
// CPF and CNPJ, contact addresses (URNs), credentials in addresses and headers. What operators need stays:
// record keys, contact and run ids, times, durations, counts. Masking twice is masking once.
func (s *Secrets) Mask(text string) string {
	if s != nil {
		if r := s.replacer.Load(); r != nil {
			text = r.Replace(text)
		}
	}
	return maskPatterns(text)
}
