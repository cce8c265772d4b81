package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// DecodeRecord reads a record from JSON with its numbers whole: an integer stays an int, so that an id of
// sixteen digits survives, a decimal becomes a float64, and what fits neither stays text. The error says
// nothing of the content.
func DecodeRecord(data []byte) (map[string]any, error) {
	v, err := decode(data)
	if err != nil {
		return nil, err
	}
	record, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the record is not a JSON object")
	}
	return record, nil
}

func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the record is not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON of the record")
	}
	return numbered(v), nil
}

// numbered replaces the decoder's numbers in place.
func numbered(v any) any {
	switch x := v.(type) {
	case json.Number:
		return number(string(x))
	case []any:
		for i := range x {
			x[i] = numbered(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = numbered(x[k])
		}
	}
	return v
}
