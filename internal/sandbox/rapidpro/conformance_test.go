package rapidpro

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenario is one recorded conversation with the real service, a line of weni-conformance.jsonl.
type scenario struct {
	Name, Topic string
	Setup       *struct{ Name string }
	Steps       []struct {
		Method, Path string
		Body         json.RawMessage // raw, because the order of keys matters
		Headers      map[string]*string
		WaitS        float64 `json:"wait_s"`
		Repeat       int
		Expect       struct {
			Status      int
			ContentType json.RawMessage `json:"content_type"` // absent: not looked at
			Headers     map[string]any
			Body        any
		}
		Capture map[string]string
	}
}

func readLines[T any](t *testing.T, name string) (out []T) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestConformance replays every recorded scenario twice in a row against one server of each setup, with
// the clock moved on where the recording waited.
func TestConformance(t *testing.T) {
	scenarios := readLines[scenario](t, "weni-conformance.jsonl")
	for _, name := range append([]string{""}, Setups()...) {
		chosen := slices.DeleteFunc(slices.Clone(scenarios), func(sc scenario) bool {
			return (sc.Setup == nil) != (name == "") || sc.Setup != nil && sc.Setup.Name != name
		})
		if len(chosen) == 0 {
			continue
		}
		t.Run(cmpOr(name, "plain"), func(t *testing.T) {
			o := Options{Token: "abc123def", PerHour: Weni.DefaultPerHour()}
			if name != "" {
				o.Setup = []string{name}
			}
			s := New(o)
			server := httptest.NewServer(s)
			defer server.Close()
			for run := range 2 {
				for i, sc := range chosen {
					if err := replay(s, server, sc, run*len(chosen)+i); err != nil {
						t.Errorf("[%s] %s: %v", sc.Topic, sc.Name, err)
					}
				}
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func replay(s *Server, server *httptest.Server, sc scenario, number int) error {
	env := map[string]string{"base": server.URL, "token": s.Token()}
	letters := ""
	for n := number + 1; n > 0; n /= 26 {
		letters = string(rune('a'+n%26)) + letters
	}
	env["run"] = "rabcd" + strings.Repeat("a", max(0, 3-len(letters))) + letters
	for k := 1; k <= 9; k++ {
		env["n"+strconv.Itoa(k)] = fmt.Sprintf("%07d", 1000000+((number*9+k)*7919)%9000000)
	}
	for i, step := range sc.Steps {
		for repeat := 1; repeat <= max(step.Repeat, 1); repeat++ {
			env["i"] = strconv.Itoa(repeat)
			fail := func(format string, args ...any) error {
				return fmt.Errorf("step %d %s %s: %s", i+1, step.Method, step.Path, fmt.Sprintf(format, args...))
			}
			if step.WaitS > 0 {
				s.Control.Advance(seconds(step.WaitS))
			}
			code, header, body, err := call(server, s.Token(), step.Method, fill(step.Path, env, false), fillRaw(step.Body, env), step.Headers, env)
			if err != nil {
				return fail("%v", err)
			}
			if code != step.Expect.Status {
				return fail("status %d, want %d: %.300s", code, step.Expect.Status, body)
			}
			if step.Expect.ContentType != nil {
				var want any
				_ = json.Unmarshal(step.Expect.ContentType, &want)
				if d := diff(want, headerValue(header, "Content-Type"), "content type"); d != "" {
					return fail("%s", d)
				}
			}
			for name, want := range step.Expect.Headers {
				if d := diff(fillAny(want, env), headerValue(header, name), name); d != "" {
					return fail("%s", d)
				}
			}
			got, isJSON := any(string(body)), strings.HasPrefix(header.Get("Content-Type"), "application/json")
			if isJSON {
				if err := json.Unmarshal(body, &got); err != nil {
					return fail("%v in %.300s", err, body)
				}
			}
			switch want := fillAny(step.Expect.Body, env); {
			case want != nil:
				if d := diff(want, got, "body"); d != "" {
					return fail("%s", d)
				}
			case code == http.StatusNoContent && len(body) > 0:
				return fail("a body with 204: %s", body)
			}
			for name, at := range step.Capture {
				v, err := pointer(got, at)
				if err != nil {
					return fail("%v", err)
				}
				env[name] = fmt.Sprint(v)
			}
		}
	}
	return nil
}

func headerValue(h http.Header, name string) any {
	if v := h.Values(name); len(v) > 0 {
		return v[0]
	}
	return nil
}

// call sends one request. A body of {"$raw": text} is sent as it is; a header of nil is left out.
func call(server *httptest.Server, token, method, path string, body []byte, headers map[string]*string, env map[string]string) (int, http.Header, []byte, error) {
	if u, err := url.Parse(path); err == nil && u.IsAbs() {
		path = u.RequestURI()
	} else {
		path = "/api/v2/" + path
	}
	var raw struct {
		Raw *string `json:"$raw"`
	}
	data := body
	if json.Unmarshal(body, &raw) == nil && raw.Raw != nil {
		data = []byte(*raw.Raw)
	}
	req, err := http.NewRequest(method, server.URL, bytes.NewReader(data))
	if err != nil {
		return 0, nil, nil, err
	}
	path, query, _ := strings.Cut(path, "?")
	req.URL.Path, req.URL.RawQuery = path, strings.ReplaceAll(query, " ", "%20")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Token "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		req.Header.Del(name)
		if value != nil {
			req.Header.Set(name, fill(*value, env, false))
		}
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, text, err
}

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z_0-9]*)(?:\|(upper|lower|q))?\s*\}\}`)

func fill(text string, env map[string]string, quote bool) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		v := env[m[1]]
		switch m[2] {
		case "upper":
			v = strings.ToUpper(v)
		case "lower":
			v = strings.ToLower(v)
		case "q":
			v = strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
		}
		if quote {
			v = regexp.QuoteMeta(v)
		}
		return v
	})
}

// fillRaw fills a body; null stands for no body.
func fillRaw(raw json.RawMessage, env map[string]string) []byte {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return []byte(fill(string(raw), env, false))
}

func fillAny(v any, env map[string]string) any {
	switch v := v.(type) {
	case string:
		return fill(v, env, false)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = fillAny(e, env)
		}
		return out
	case map[string]any:
		if r, ok := v["$regex"].(string); ok && len(v) == 1 {
			return map[string]any{"$regex": fill(r, env, true)}
		}
		out := map[string]any{}
		for k, e := range v {
			out[fill(k, env, false)] = fillAny(e, env)
		}
		return out
	}
	return v
}

var (
	uuidText     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	datetimeText = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$`)
)

// diff returns what is different first, or "". Objects must have exactly the wanted keys, lists the wanted
// elements in order, unless a matcher says otherwise.
func diff(want, got any, at string) string {
	bad := func(format string, args ...any) string { return at + ": " + fmt.Sprintf(format, args...) }
	switch w := want.(type) {
	case string:
		text, isText := got.(string)
		ok := map[string]bool{"$any": true, "$string": isText, "$uuid": isText && uuidText.MatchString(text), "$datetime": isText && datetimeText.MatchString(text)}
		if matched, special := ok[w]; special {
			if matched {
				return ""
			}
			return bad("want %s, got %v", w, got)
		}
	case map[string]any:
		if len(w) == 1 {
			for name, arg := range w {
				if strings.HasPrefix(name, "$") {
					return diffMatcher(name, arg, got, at)
				}
			}
		}
		g, ok := got.(map[string]any)
		if !ok {
			return bad("want an object, got %v", got)
		}
		for k := range g {
			if _, wanted := w[k]; !wanted {
				return bad("unexpected key %q in %v", k, got)
			}
		}
		return diffKeys(w, g, at)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return bad("want %d elements, got %v", len(w), got)
		}
		for i := range w {
			if d := diff(w[i], g[i], fmt.Sprintf("%s/%d", at, i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return bad("want %v, got %v", want, got)
	}
	return ""
}

func diffKeys(want, got map[string]any, at string) string {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, ok := got[k]
		if !ok {
			return fmt.Sprintf("%s: no key %q in %v", at, k, got)
		}
		if d := diff(want[k], v, at+"/"+k); d != "" {
			return d
		}
	}
	return ""
}

func diffMatcher(name string, arg, got any, at string) string {
	bad := func() string { return fmt.Sprintf("%s: want %s %v, got %v", at, name, arg, got) }
	verdict := func(ok bool) string {
		if ok {
			return ""
		}
		return bad()
	}
	list, _ := got.([]any)
	switch name {
	case "$all":
		for _, m := range arg.([]any) {
			if d := diff(m, got, at); d != "" {
				return d
			}
		}
		return ""
	case "$eq":
		return verdict(reflect.DeepEqual(arg, got))
	case "$ne":
		return verdict(!reflect.DeepEqual(arg, got))
	case "$regex":
		text, ok := got.(string)
		return verdict(ok && regexp.MustCompile(`(?s)^(?:`+arg.(string)+`)$`).MatchString(text))
	case "$len":
		return verdict(list != nil && float64(len(list)) == arg.(float64))
	case "$contains":
		if keys, ok := arg.(map[string]any); ok {
			object, ok := got.(map[string]any)
			if !ok {
				return bad()
			}
			return diffKeys(keys, object, at)
		}
		return verdict(assign(arg.([]any), list))
	case "$unordered":
		return verdict(len(arg.([]any)) == len(list) && assign(arg.([]any), list))
	}
	return at + ": unknown matcher " + name
}

// assign pairs every wanted element with another one that satisfies it.
func assign(wants, gots []any) bool {
	owner := map[int]int{}
	var place func(i int, seen map[int]bool) bool
	place = func(i int, seen map[int]bool) bool {
		for j, g := range gots {
			if seen[j] || diff(wants[i], g, "") != "" {
				continue
			}
			seen[j] = true
			if other, taken := owner[j]; !taken || place(other, seen) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	for i := range wants {
		if !place(i, map[int]bool{}) {
			return false
		}
	}
	return true
}

func pointer(doc any, path string) (any, error) {
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch d := doc.(type) {
		case map[string]any:
			doc = d[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(d) {
				return nil, fmt.Errorf("nothing at %s", path)
			}
			doc = d[i]
		default:
			return nil, fmt.Errorf("nothing at %s", path)
		}
	}
	return doc, nil
}
