package omni

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pointers say where the parts of an answer are: JSON pointers by part, of which the first that resolves to
// something of the right shape wins. The parts of an object are looked up inside the object.
type pointers map[string][]string

// The parts of an answer.
const (
	atObject  = "object"
	atItems   = "items"
	atID      = "id"
	atName    = "name"
	atCreated = "created"
	atUpdated = "updated"
	atCode    = "error_code"
	atMessage = "error_message"

	atPhone     = "phone"
	atOptedOut  = "opted_out"
	atTenant    = "tenant"
	atCursor    = "next_cursor"
	atToken     = "token"
	atExpiresIn = "expires_in"

	atIdentifier = "identifier"
	atCustomName = "custom_name"
	atTags       = "tags"
	atTagName    = "tag_name"
	atType       = "type"
	atChannel    = "channel_type"
	atLastPage   = "last_page"

	// atClient is no part of an answer: it says where in a request the client identifier goes.
	atClient = "client_identifier"
)

var sharedPointers = pointers{
	atObject:  {"/data", ""},
	atItems:   {"/data", "/items", "/docs", "/results", "/data/items", "/data/docs", ""},
	atID:      {"/id", "/_id"},
	atName:    {"/name"},
	atCreated: {"/createdAt"},
	atUpdated: {"/updatedAt"},
	atCode:    {"/error/code", "/code", "/error", "/errors/0/code"},
	atMessage: {"/error/message", "/message", "/error_description", "/errors/0/message", "/errors/0", "/detail"},
}

// with returns the defaults with overrides put over them, and every problem of the overrides.
func (p pointers) with(own pointers, overrides map[string][]string) (pointers, []error) {
	all := maps.Clone(p)
	maps.Copy(all, own)
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		if _, known := all[key]; !known {
			problems = append(problems, fmt.Errorf("decode: %s is not a part of an answer; there are %s",
				key, strings.Join(slices.Sorted(maps.Keys(all)), ", ")))
			continue
		}
		for _, pointer := range overrides[key] {
			if pointer != "" && !strings.HasPrefix(pointer, "/") {
				problems = append(problems, fmt.Errorf("decode: %s: %q is not a JSON pointer; it must be empty or start with a slash", key, pointer))
			}
		}
		all[key] = overrides[key]
	}
	return all, problems
}

// parse reads one JSON value; numbers keep their text. A body without anything in it is nil.
func parse(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the JSON value")
	}
	return root, nil
}

// resolve follows a JSON pointer (RFC 6901).
func resolve(root any, pointer string) (any, bool) {
	if pointer == "" {
		return root, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch node := root.(type) {
		case map[string]any:
			v, ok := node[token]
			if !ok {
				return nil, false
			}
			root = v
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(node) {
				return nil, false
			}
			root = node[i]
		default:
			return nil, false
		}
	}
	return root, true
}

// find returns the first value of a part that fits, and the pointer that led to it.
func find[T any](p pointers, root any, part string, fits func(any) (T, bool)) (v T, pointer string, ok bool) {
	for _, pointer := range p[part] {
		if node, ok := resolve(root, pointer); ok {
			if v, ok := fits(node); ok {
				return v, pointer, true
			}
		}
	}
	return v, "", false
}

func asObject(node any) (map[string]any, bool) { v, ok := node.(map[string]any); return v, ok }
func asList(node any) ([]any, bool)            { v, ok := node.([]any); return v, ok }

// asText takes texts that are not blank, and numbers.
func asText(node any) (string, bool) {
	switch v := node.(type) {
	case string:
		return v, strings.TrimSpace(v) != ""
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// asWords is asText for messages, which some APIs give as a list.
func asWords(node any) (string, bool) {
	list, ok := node.([]any)
	if !ok {
		return asText(node)
	}
	var words []string
	for _, item := range list {
		if text, ok := asText(item); ok {
			words = append(words, text)
		}
	}
	return strings.Join(words, "; "), len(words) > 0
}

func asInt(node any) (int, bool) {
	text, ok := asText(node)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil
}

// text returns a part as text, empty when it is not there.
func (p pointers) text(root any, part string) string {
	v, _, _ := find(p, root, part, asText)
	return v
}

func (p pointers) flag(root any, part string) bool {
	v, _, _ := find(p, root, part, func(node any) (bool, bool) { v, ok := node.(bool); return v, ok })
	return v
}

func (p pointers) moment(root any, part string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, p.text(root, part))
	if err != nil {
		return time.Time{}
	}
	return t
}

// object returns the object of an answer that has an id.
func (p pointers) object(root any) (map[string]any, bool) {
	v, _, ok := find(p, root, atObject, func(node any) (map[string]any, bool) {
		o, ok := asObject(node)
		return o, ok && p.text(o, atID) != ""
	})
	return v, ok
}

// items returns the list of an answer. A single object and nothing at all are lists too; ok is false when
// the answer has neither, because a list that is not understood must not pass for an empty one.
func (p pointers) items(root any) (list []any, ok bool) {
	if list, _, ok := find(p, root, atItems, asList); ok {
		return list, true
	}
	if o, ok := p.object(root); ok {
		return []any{o}, true
	}
	_, _, null := find(p, root, atItems, func(node any) (any, bool) { return nil, node == nil })
	return nil, null
}
