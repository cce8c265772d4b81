package generic

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-resty/resty/v2"

	"syncer/internal/source/rawjson"
)

// rows takes the records out of an answer, each as a JSON object. body is empty for what is not JSON.
func (l *lister) rows(resp *resty.Response) (rows []rawjson.Value, body rawjson.Value, err error) {
	content := resp.Body()
	if resp.StatusCode() == http.StatusNoContent || l.format == "csv" && len(bytes.TrimSpace(content)) == 0 {
		return nil, nil, nil
	}
	if l.format == "csv" {
		rows, err = readCSV(content)
		return rows, nil, err
	}
	body, ok := rawjson.Parse(content)
	if !ok {
		return nil, nil, errBroken
	}
	items := l.items.in(body)
	switch {
	case l.items != nil && items == nil:
		return nil, nil, fmt.Errorf("there is nothing at list.items (%s) in its answer", l.items)
	case items.IsNull():
		return nil, body, nil
	case !items.IsArray():
		return nil, nil, fmt.Errorf("there is no list at list.items (%s) in its answer", l.items)
	}
	for item := range items.Elements() {
		rows = append(rows, item)
	}
	if l.format == "rows" {
		rows, err = l.named(rows, body)
	}
	return rows, body, err
}

// named gives the cells of each row the names of their columns.
func (l *lister) named(rows []rawjson.Value, body rawjson.Value) ([]rawjson.Value, error) {
	var names []rawjson.Value
	for name := range l.columns.in(body).Elements() {
		if name.IsObject() { // columns with a type or a title beside the name
			name = path{"name"}.in(name)
		}
		if len(name) == 0 || name[0] != '"' {
			return nil, fmt.Errorf("the names of the columns at list.columns (%s) are not all text", l.columns)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there are no names of columns at list.columns (%s)", l.columns)
	}
	for i, row := range rows {
		if !row.IsArray() {
			return nil, fmt.Errorf("row %d is no list of cells", i+1)
		}
		object := make([]byte, 0, len(row)+len(names)*12)
		column := 0
		for cell := range row.Elements() {
			if column == len(names) {
				break
			}
			object = append(append(append(append(object, ","...), names[column]...), ':'), cell...)
			column++
		}
		rows[i] = wrapObject(object)
	}
	return rows, nil
}

// wrapObject puts braces around members that each begin with a comma.
func wrapObject(members []byte) rawjson.Value {
	if len(members) == 0 {
		return rawjson.Value("{}")
	}
	members[0] = '{'
	return append(members, '}')
}

// readCSV reads a table with a header. Its values stay text: what is a number is for the mapping to say.
func readCSV(content []byte) ([]rawjson.Value, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(content) {
		content = fromLatin1(content)
	}
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = delimiter(content), -1, true, true
	header, err := r.Read()
	if err != nil {
		return nil, errors.New("the table has no header row")
	}
	names := make([][]byte, len(header))
	taken := map[string]bool{}
	for i, name := range header {
		if name = strings.TrimSpace(name); name == "" || taken[name] {
			continue // a column that nobody can name
		}
		taken[name] = true
		if names[i], err = json.Marshal(name); err != nil {
			return nil, err
		}
	}
	if len(taken) == 0 {
		return nil, errors.New("the header row of the table is empty")
	}
	var rows []rawjson.Value
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("row %d of the table cannot be read: a quote is not closed", len(rows)+2)
		}
		var object []byte
		for i, cell := range cells[:min(len(cells), len(names))] {
			if names[i] == nil {
				continue
			}
			value, err := json.Marshal(cell)
			if err != nil {
				return nil, err
			}
			object = append(append(append(append(object, ','), names[i]...), ':'), value...)
		}
		rows = append(rows, wrapObject(object))
	}
}

// delimiter is the one of ; , and tab that the header uses most, outside of quotes.
func delimiter(content []byte) rune {
	count := map[rune]int{}
	quoted := false
	for _, c := range content {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			break
		}
		if !quoted && (c == ';' || c == ',' || c == '\t') {
			count[rune(c)]++
		}
	}
	best := ';' // of equals the one that is rarer inside of names
	for _, c := range []rune{'\t', ','} {
		if count[c] > count[best] {
			best = c
		}
	}
	return best
}

// fromLatin1 reads the encoding in which older programs write Portuguese.
func fromLatin1(content []byte) []byte {
	out := make([]byte, 0, len(content)+len(content)/8)
	for _, c := range content {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}
