package generic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"syncer/internal/source/rawjson"
)

// What a form may make syncer build. Senders that need more than this do not exist; people who would like to
// see the daemon run out of memory do.
const (
	maxFormKeys  = 20000
	maxFormDepth = 16
)

// parseForm turns a form into JSON. With nested, brackets in names build objects and lists the way PHP reads
// them: contacts[update][0][id]. Without, a name that repeats becomes a list.
func parseForm(body []byte, nested bool) (rawjson.Value, error) {
	root := map[string]any{}
	keys := 0
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		if keys++; keys > maxFormKeys {
			return nil, fmt.Errorf("the form has more than %d keys", maxFormKeys)
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("key %d of the form is not encoded as forms are", keys)
		}
		if !nested {
			repeat(root, name, value)
			continue
		}
		steps := brackets(name)
		if len(steps) > maxFormDepth {
			return nil, fmt.Errorf("key %d of the form is nested deeper than %d", keys, maxFormDepth)
		}
		put(root, steps, value)
	}
	if keys == 0 {
		return nil, errors.New("the form is empty")
	}
	return json.Marshal(lists(root))
}

func repeat(root map[string]any, name, value string) {
	switch seen := root[name].(type) {
	case nil:
		root[name] = value
	case string:
		root[name] = []any{seen, value}
	case []any:
		root[name] = append(seen, value)
	}
}

// brackets splits a[b][c] into its steps. A name whose brackets do not close, or with text after them, is
// taken as it is.
func brackets(name string) []string {
	head, rest, ok := strings.Cut(name, "[")
	if !ok || head == "" {
		return []string{name}
	}
	steps := []string{head}
	for {
		step, after, closed := strings.Cut(rest, "]")
		switch {
		case !closed || strings.Contains(step, "["):
			return []string{name}
		case after == "":
			return append(steps, step)
		case after[0] != '[':
			return []string{name}
		}
		steps, rest = append(steps, step), after[1:]
	}
}

// put walks down the steps, making room on its way. The last value given under one name stays.
func put(node map[string]any, steps []string, value string) {
	for i, step := range steps {
		if step == "" && i > 0 {
			step = strconv.Itoa(len(node)) // a[] appends
		}
		if i == len(steps)-1 {
			node[step] = value
			return
		}
		child, ok := node[step].(map[string]any)
		if !ok {
			child = map[string]any{}
			node[step] = child
		}
		node = child
	}
}

// lists turns objects whose names are 0, 1, 2 … without a gap into lists. Others keep their names: those
// may be ids, and a list as long as the largest of them would be an attack.
func lists(node map[string]any) any {
	for name, value := range node {
		if child, ok := value.(map[string]any); ok {
			node[name] = lists(child)
		}
	}
	out := make([]any, len(node))
	for i := range out {
		item, ok := node[strconv.Itoa(i)]
		if !ok {
			return node
		}
		out[i] = item
	}
	if len(out) == 0 {
		return node
	}
	return out
}
