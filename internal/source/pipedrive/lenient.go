package pipedrive

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"syncer/internal/source/rawjson"
)

// text reads a JSON string, number or boolean as text. Pipedrive writes the same id as a number in one
// place and as a string in another; anything else reads as empty instead of failing the whole body.
type text string

// UnmarshalJSON reads the value.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = textOf(b)
	return nil
}

// textOf reads a value that is valid JSON.
func textOf(b []byte) text {
	switch {
	case len(b) == 0 || b[0] == 'n' || b[0] == '{' || b[0] == '[':
		return ""
	case b[0] != '"':
		return text(rawjson.PlainNumber(string(b)))
	}
	if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return text(bytes.TrimSpace(inner))
	}
	var s string
	_ = json.Unmarshal(b, &s)
	return text(strings.TrimSpace(s))
}

func (t text) yes() bool { return t == "true" || t == "1" }

func (t text) isID() bool {
	if t == "" || len(t) > 20 {
		return false
	}
	for i := range len(t) {
		if t[i] < '0' || t[i] > '9' {
			return false
		}
	}
	return true
}

// moment reads a time: RFC 3339, the older form with a blank in UTC, or an epoch whose unit its size tells.
// The zero time stands for anything else.
func (t text) moment() time.Time {
	s := string(t)
	if len(s) < 8 {
		return time.Time{}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 1e11:
			return time.Unix(n, 0).UTC()
		case n < 1e14:
			return time.UnixMilli(n).UTC()
		}
		return time.UnixMicro(n).UTC()
	}
	for _, layout := range []string{time.RFC3339, time.DateTime} {
		if at, err := time.Parse(layout, s); err == nil && at.Year() > 0 && at.Year() < 10000 {
			return at.UTC()
		}
	}
	return time.Time{}
}
