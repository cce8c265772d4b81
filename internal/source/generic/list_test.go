package generic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"pgregory.net/rapid"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
	"syncer/internal/source/rawjson"
)

const (
	listURL = "https://loja.exemplo.com.br/api/customers"
	secret  = "segredo-de-teste-0001"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

type ledger struct {
	spent   int
	refused []time.Time
	full    error
}

func (l *ledger) Spend(context.Context, string) error { l.spent++; return l.full }
func (l *ledger) Refused(_ string, until time.Time)   { l.refused = append(l.refused, until) }
func answer(status int, body string) httpmock.Responder {
	return typed(status, "application/json", body)
}
func typed(status int, contentType, body string) httpmock.Responder {
	return httpmock.NewStringResponder(status, body).HeaderSet(http.Header{"Content-Type": {contentType}})
}

// walker is a source with a list whose calls go to a mock.
func walker(t testing.TB, change func(*mapping.Source, *Deps)) (*Source, *httpmock.MockTransport) {
	t.Helper()
	mock := httpmock.NewMockTransport()
	spec := loja()
	spec.List = &mapping.List{URL: listURL, Auth: "Bearer " + secret, Items: "data"}
	deps := Deps{Transport: mock, Now: func() time.Time { return noon }, Zone: saoPaulo}
	if change != nil {
		change(&spec, &deps)
	}
	s, err := New(spec, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s, mock
}

// walk reads all pages and returns the ids and the calls.
func walk(t testing.TB, s *Source, w source.Window) ([]string, int, error) {
	t.Helper()
	var ids []string
	cursor := ""
	for calls := 1; ; calls++ {
		page, err := s.List(context.Background(), w, cursor)
		for _, e := range page.Events {
			ids = append(ids, e.Key.ID)
		}
		if err != nil || page.Next == "" {
			return ids, calls, err
		}
		if calls > 1000 {
			t.Fatal("the walk does not end")
		}
		cursor = page.Next
	}
}

// serve answers with what page returns for the query.
func serve(mock *httpmock.MockTransport, page func(url.Values) string) *[]string {
	var asked []string
	mock.RegisterResponder("GET", "=~^"+listURL, func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.RawQuery)
		return answer(200, page(r.URL.Query()))(r)
	})
	return &asked
}

// rowsJSON writes rows whose ids are the numbers from lo up to below hi.
func rowsJSON(lo, hi int) string {
	rows := []map[string]any{}
	for i := lo; i < hi; i++ {
		rows = append(rows, map[string]any{"id": i})
	}
	text, _ := json.Marshal(rows)
	return string(text)
}

func numbers(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids
}

func TestListEvents(t *testing.T) {
	var log bytes.Buffer
	s, mock := walker(t, func(spec *mapping.Source, d *Deps) {
		spec.List.Headers = map[string]string{"X-Loja": "1"}
		d.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	mock.RegisterResponder("GET", listURL, func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("X-Loja") != "1" {
			t.Error("headers are missing")
		}
		return answer(200, `{"data":[
			{"id":1,"nome":"Ana","updated_at":"2026-11-20T10:00:00Z"},
			{"id":2,"deleted_at":"2026-11-20T10:00:00Z"},
			{"nome":"Bia"},
			{"id":4,"updated_at":"ontem"},
			{"type":"customer.updated","data":{"id":5}}]}`)(r)
	})
	page, err := s.List(context.Background(), source.Window{}, "")
	if err != nil || page.Next != "" || page.Calls != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	var got []string
	for _, e := range page.Events {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Key.ID, " ", e.Version.Source))
		if e.Read != noon.UnixMicro() || e.Shape != contact.Full || e.ID != "" {
			t.Errorf("%+v", e)
		}
	}
	want := []string{fmt.Sprint("upsert 1 ", us("2026-11-20T10:00:00Z")), "delete 2 0", "upsert 4 0", "upsert 5 0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if text := log.String(); !strings.Contains(text, "rows=2 of=5") || strings.Contains(text, "Bia") || strings.Contains(text, "ontem") {
		t.Errorf("log: %s", text)
	}
	if can := s.Can(); !can.List || !can.Deletes || can.Since || can.Get {
		t.Errorf("%+v", can)
	}
}

func TestPaging(t *testing.T) {
	const all = 7
	slice := func(from, size int) string { return rowsJSON(min(from, all), min(from+size, all)) }
	atoi := func(s string) int { n, _ := strconv.Atoi(s); return n }
	cases := map[string]struct {
		next  mapping.Next
		size  *mapping.PageSize
		page  func(url.Values) string
		calls int
		first string // query of the first call
	}{
		"cursor": {mapping.Next{Cursor: "meta.next", Param: "cursor"}, nil, func(q url.Values) string {
			from := atoi(q.Get("cursor"))
			next := "null"
			if from+3 < all {
				next = strconv.Quote(strconv.Itoa(from + 3))
			}
			return `{"data":` + slice(from, 3) + `,"meta":{"next":` + next + `}}`
		}, 3, ""},
		"cursor false": {mapping.Next{Cursor: "next", Param: "after"}, nil, func(url.Values) string {
			return `{"data":` + slice(0, all) + `,"next":false}`
		}, 1, ""},
		"cursor stays at the end": {mapping.Next{Cursor: "next", Param: "after"}, nil, func(q url.Values) string {
			from := atoi(q.Get("after"))
			return fmt.Sprintf(`{"data":%s,"next":%d}`, slice(from, 3), min(from+3, all))
		}, 4, ""},
		"link": {mapping.Next{Link: "links.next"}, nil, func(q url.Values) string {
			from := atoi(q.Get("from"))
			if from+4 >= all {
				return `{"data":` + slice(from, 4) + `,"links":{"next":null}}`
			}
			return fmt.Sprintf(`{"data":%s,"links":{"next":"http://loja.exemplo.com.br:8080/api/customers?from=%d"}}`, slice(from, 4), from+4)
		}, 2, ""},
		"relative link": {mapping.Next{Link: "next"}, nil, func(q url.Values) string {
			from := atoi(q.Get("from"))
			if from+4 >= all {
				return `{"data":` + slice(from, 4) + `}`
			}
			return fmt.Sprintf(`{"data":%s,"next":"?from=%d"}`, slice(from, 4), from+4)
		}, 2, ""},
		"page until empty": {mapping.Next{Page: "p", First: 1}, &mapping.PageSize{Param: "per", Value: 3}, func(q url.Values) string {
			return `{"data":` + slice((atoi(q.Get("p"))-1)*3, 3) + `}`
		}, 4, "p=1&per=3"},
		"page until short": {mapping.Next{Page: "p", First: 1, Until: "short"}, &mapping.PageSize{Param: "per", Value: 3}, func(q url.Values) string {
			return `{"data":` + slice((atoi(q.Get("p"))-1)*3, 3) + `}`
		}, 3, "p=1&per=3"},
		"page until shorter than the first": {mapping.Next{Page: "p", First: 0, Until: "short"}, nil, func(q url.Values) string {
			return `{"data":` + slice(atoi(q.Get("p"))*3, 3) + `}`
		}, 3, "p=0"},
		"page until the last": {mapping.Next{Page: "p", First: 1, Until: "meta.last_page"}, nil, func(q url.Values) string {
			return `{"data":` + slice((atoi(q.Get("p"))-1)*3, 3) + `,"meta":{"last_page":3}}`
		}, 3, "p=1"},
		"page until a flag": {mapping.Next{Page: "p", First: 1, Until: "last"}, nil, func(q url.Values) string {
			return fmt.Sprintf(`{"data":%s,"last":%v}`, slice((atoi(q.Get("p"))-1)*4, 4), q.Get("p") == "2")
		}, 2, "p=1"},
		"offset until empty": {mapping.Next{Offset: "skip"}, nil, func(q url.Values) string {
			return `{"data":` + slice(atoi(q.Get("skip")), 3) + `}`
		}, 4, "skip=0"},
		"offset until the total": {mapping.Next{Offset: "skip", Until: "total"}, nil, func(q url.Values) string {
			return `{"data":` + slice(atoi(q.Get("skip")), 3) + `,"total":"7"}`
		}, 3, "skip=0"},
		"one page": {mapping.Next{}, nil, func(url.Values) string { return `{"data":` + slice(0, all) + `}` }, 1, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, mock := walker(t, func(spec *mapping.Source, _ *Deps) { spec.List.Next, spec.List.Size = tc.next, tc.size })
			asked := serve(mock, tc.page)
			ids, calls, err := walk(t, s, source.Window{})
			if err != nil || calls != tc.calls || !slices.Equal(ids, numbers(all)) {
				t.Errorf("%v in %d calls: %v", ids, calls, err)
			}
			if (*asked)[0] != tc.first {
				t.Errorf("asked %q first", (*asked)[0])
			}
		})
	}
}

func TestEndlessWalks(t *testing.T) {
	cases := map[string]struct {
		next mapping.Next
		page func(url.Values) string
	}{
		"same cursor":       {mapping.Next{Cursor: "next", Param: "c"}, func(url.Values) string { return `{"data":[{"id":1}],"next":"x"}` }},
		"circle of cursors": {mapping.Next{Cursor: "next", Param: "c"}, func(q url.Values) string { return fmt.Sprintf(`{"data":[{"id":1}],"next":%d}`, circle(q.Get("c"))) }},
		"circle of links": {mapping.Next{Link: "next"}, func(q url.Values) string {
			return fmt.Sprintf(`{"data":[{"id":1}],"next":"?c=%d"}`, circle(q.Get("c")))
		}},
		"page is not known": {mapping.Next{Page: "p", First: 1}, func(url.Values) string { return `{"data":[{"id":1}]}` }},
		"last page is repeated": {mapping.Next{Page: "p", First: 1}, func(q url.Values) string {
			n, _ := strconv.Atoi(q.Get("p"))
			return `{"data":` + rowsJSON(0, min(n, 9)) + `}`
		}},
		"offset is not known": {mapping.Next{Offset: "o"}, func(url.Values) string { return `{"data":[{"id":1}]}` }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, mock := walker(t, func(spec *mapping.Source, _ *Deps) { spec.List.Next = tc.next })
			serve(mock, tc.page)
			if _, calls, err := walk(t, s, source.Window{}); contact.KindOf(err) != contact.Invalid || calls > 50 {
				t.Errorf("%v after %d calls", err, calls)
			}
		})
	}
}

// circle counts up and then runs between 5 and 11 for ever.
func circle(at string) int {
	n, _ := strconv.Atoi(at)
	if n++; n > 11 {
		n = 5
	}
	return n
}

// Whatever the length of the way in and of the circle, a walk ends in time proportional to both.
func TestEveryCircleIsFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tail, length := rapid.IntRange(0, 40).Draw(rt, "tail"), rapid.IntRange(1, 40).Draw(rt, "length")
		p := pager{cursor: path{"next"}, param: "c"}
		at, rows := bookmark{}, []rawjson.Value{rawjson.Value(`{}`)}
		for calls, n := 1, 0; ; calls++ {
			if n++; n >= tail+length {
				n = tail
			}
			following, err := p.after(at, rawjson.Value(fmt.Sprintf(`{"next":"c%d"}`, n)), rows, nil)
			if err != nil {
				return
			}
			if calls > 4*(tail+length)+4 {
				rt.Fatalf("not found after %d calls", calls)
			}
			if at, err = parseBookmark(following.String()); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestLinkStaysOnItsHost(t *testing.T) {
	s, mock := walker(t, func(spec *mapping.Source, _ *Deps) { spec.List.Next = mapping.Next{Link: "next"} })
	serve(mock, func(url.Values) string { return `{"data":[],"next":"https://evil.example/steal"}` })
	if _, err := s.List(context.Background(), source.Window{}, ""); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Error(err)
	}
	if _, err := s.List(context.Background(), source.Window{}, `{"n":1,"next":"https://evil.example/steal"}`); err == nil {
		t.Error("a kept link to another host was followed")
	}
	for _, bad := range []string{"x", "{}", `{"n":1}`} {
		if _, err := s.List(context.Background(), source.Window{}, bad); contact.KindOf(err) != contact.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSince(t *testing.T) {
	since := time.Date(2026, 11, 20, 12, 30, 0, 9e8, time.UTC)
	for as, want := range map[string]string{
		"rfc3339": "2026-11-20T12:30:00Z", "unix": "1795177800", "unix_ms": "1795177800900", "dd/mm/yyyy hh:mm:ss": "20/11/2026 09:30:00",
	} {
		s, mock := walker(t, func(spec *mapping.Source, _ *Deps) {
			spec.List.URL += "?ativo=1"
			spec.List.Since = &mapping.Since{Param: "desde", As: as}
		})
		asked := serve(mock, func(url.Values) string { return `{"data":[]}` })
		for _, w := range []source.Window{{Since: since}, {}} {
			if _, err := s.List(context.Background(), w, ""); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"ativo=1&desde=" + url.QueryEscape(want), "ativo=1"}; !slices.Equal(*asked, want) {
			t.Errorf("%s: asked %q", as, *asked)
		}
		if !s.Can().Since {
			t.Error("since is not offered")
		}
	}
}

func TestFormats(t *testing.T) {
	latin := "id;nome;cidade\n1;Jo\xe3o;Mossor\xf3\n"
	cases := map[string]struct {
		list mapping.List
		body string
		want []string
	}{
		"body is the list":  {mapping.List{}, `[{"id":1,"nome":"Ana"}]`, []string{`{"id":1,"nome":"Ana"}`}},
		"null":              {mapping.List{}, `null`, nil},
		"items null":        {mapping.List{Items: "a.b"}, `{"a":{"b":null}}`, nil},
		"csv semicolon":     {mapping.List{Format: "csv"}, "\xef\xbb\xbfid;nome;obs\r\n1;\"Lima; Ana\";\"duas\nlinhas\"\r\n2;Bia;\r\n", []string{`{"id":"1","nome":"Lima; Ana","obs":"duas\nlinhas"}`, `{"id":"2","nome":"Bia","obs":""}`}},
		"csv comma":         {mapping.List{Format: "csv"}, "id,nome\n1,\"Ana \"\"Nina\"\" Lima\"\n", []string{`{"id":"1","nome":"Ana \"Nina\" Lima"}`}},
		"csv tab":           {mapping.List{Format: "csv"}, "id\tnome, completo\n1\tAna\n", []string{`{"id":"1","nome, completo":"Ana"}`}},
		"csv quoted header": {mapping.List{Format: "csv"}, "\"id\",\"nome;a;b\"\n1,Ana\n", []string{`{"id":"1","nome;a;b":"Ana"}`}},
		"csv latin-1":       {mapping.List{Format: "csv"}, latin, []string{`{"id":"1","nome":"João","cidade":"Mossoró"}`}},
		"csv ragged":        {mapping.List{Format: "csv"}, "id,nome,,id\n1\n2,Bia,x,9,extra\n", []string{`{"id":"1"}`, `{"id":"2","nome":"Bia"}`}},
		"csv only a header": {mapping.List{Format: "csv"}, "id,nome\n", nil},
		"csv empty":         {mapping.List{Format: "csv"}, " \n", nil},
		"rows":              {mapping.List{Format: "rows", Columns: "colunas", Items: "linhas"}, `{"colunas":["id","nome"],"linhas":[[1,"Ana"],[2],[3,null,"extra"],[]]}`, []string{`{"id":1,"nome":"Ana"}`, `{"id":2}`, `{"id":3,"nome":null}`, `{}`}},
		"rows with types":   {mapping.List{Format: "rows", Columns: "cols", Items: "rows"}, `{"cols":[{"name":"id","type":"int"}],"rows":[[1]]}`, []string{`{"id":1}`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, mock := walker(t, func(spec *mapping.Source, _ *Deps) { tc.list.URL = listURL; spec.List = &tc.list; spec.Record.At = "" })
			mock.RegisterResponder("GET", listURL, answer(200, tc.body))
			resp, err := s.list.get(context.Background(), "list", listURL, nil)
			if err != nil {
				t.Fatal(err)
			}
			rows, _, err := s.list.rows(resp)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range rows {
				got = append(got, string(row))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestListFailures(t *testing.T) {
	rows := mapping.List{Format: "rows", Columns: "c", Items: "r"}
	cases := map[string]struct {
		list   mapping.List
		answer httpmock.Responder
		kind   contact.ErrorKind
		says   string
	}{
		"half":             {mapping.List{}, answer(200, `[{"id":`), contact.Unavailable, "no complete JSON"},
		"page":             {mapping.List{}, typed(200, "text/html", `<html>Ana</html>`), contact.Unavailable, "no complete JSON"},
		"items":            {mapping.List{Items: "dados"}, answer(200, `{"data":["Ana"]}`), contact.Invalid, "list.items (dados)"},
		"items no list":    {mapping.List{Items: "data"}, answer(200, `{"data":{"nome":"Ana"}}`), contact.Invalid, "no list at list.items"},
		"columns":          {rows, answer(200, `{"r":[]}`), contact.Invalid, "list.columns"},
		"columns no text":  {rows, answer(200, `{"c":[1],"r":[]}`), contact.Invalid, "not all text"},
		"row no list":      {rows, answer(200, `{"c":["id"],"r":[{"id":"Ana"}]}`), contact.Invalid, "row 1"},
		"header":           {mapping.List{Format: "csv"}, typed(200, "text/csv", ";;\n1;2;3"), contact.Invalid, "header row"},
		"until":            {mapping.List{Next: mapping.Next{Page: "p", Until: "total"}}, answer(200, `[{"id":1}]`), contact.Invalid, "list.next.until (total)"},
		"401":              {mapping.List{}, answer(401, `{}`), contact.Auth, "credentials"},
		"404":              {mapping.List{}, answer(404, `{}`), contact.Invalid, "list.url"},
		"500":              {mapping.List{}, answer(500, `{}`), contact.Unavailable, "500"},
		"429":              {mapping.List{}, answer(429, `{}`).HeaderSet(http.Header{"Retry-After": {"90"}}), contact.Throttled, "slow down"},
		"connection reset": {mapping.List{}, httpmock.NewErrorResponder(errors.New("reset by Ana")), contact.Unavailable, "connection broke"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			s, mock := walker(t, func(spec *mapping.Source, d *Deps) {
				tc.list.URL, tc.list.Auth = listURL+"?key="+secret, "Bearer "+secret
				spec.List, d.Meter = &tc.list, l
			})
			mock.RegisterResponder("GET", "=~^"+listURL, tc.answer)
			_, err := s.List(context.Background(), source.Window{}, "")
			if contact.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Fatal(err)
			}
			if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, "Ana") {
				t.Errorf("leaks: %s", text)
			}
			if l.spent != 1 || (tc.kind == contact.Throttled) != (len(l.refused) == 1) {
				t.Errorf("meter: %+v", l)
			}
		})
	}
	full := &contact.Error{Kind: contact.Throttled, Op: "budget"}
	s, mock := walker(t, func(_ *mapping.Source, d *Deps) { d.Meter = &ledger{full: full} })
	if _, err := s.List(context.Background(), source.Window{}, ""); contact.KindOf(err) != contact.Throttled || contact.AsError(err).Op != "list records" || mock.GetTotalCallCount() != 0 {
		t.Error(err)
	}
}

func TestFetch(t *testing.T) {
	const byID = listURL + "/{id}"
	fetching := func(f mapping.Fetch) (*Source, *httpmock.MockTransport) {
		return walker(t, func(spec *mapping.Source, _ *Deps) { f.Auth = "Bearer " + secret; spec.Fetch = &f })
	}
	t.Run("one by one", func(t *testing.T) {
		s, mock := fetching(mapping.Fetch{URL: byID})
		mock.RegisterResponder("GET", listURL+"/a%2Fb", answer(200, `{"data":{"id":"a/b","updated_at":"2026-11-20T10:00:00Z"}}`))
		mock.RegisterResponder("GET", listURL+"/2", answer(404, `{}`))
		mock.RegisterResponder("GET", listURL+"/3", answer(200, `{"id":3,"deleted_at":"2026-11-20T10:00:00Z"}`))
		found, err := s.Get(context.Background(), []string{"a/b", "2", "3"})
		if err != nil || len(found.Events) != 2 || !slices.Equal(found.Missing, []string{"2"}) {
			t.Fatalf("%+v %v", found, err)
		}
		if e := found.Events[0]; e.Key.ID != "a/b" || e.Version.Source != us("2026-11-20T10:00:00Z") || e.Read != noon.UnixMicro() {
			t.Errorf("%+v", e)
		}
		if found.Events[1].Kind != contact.Delete || s.Can().Batch != 1 {
			t.Errorf("%+v %+v", found.Events[1], s.Can())
		}
	})
	t.Run("several", func(t *testing.T) {
		s, mock := fetching(mapping.Fetch{URL: listURL + "?v=2", Param: "ids", Join: ";", Batch: 50, Items: "data"})
		mock.RegisterResponder("GET", "=~^"+listURL, func(r *http.Request) (*http.Response, error) {
			if r.URL.RawQuery != "ids=1%3B2&v=2" {
				t.Errorf("asked %s", r.URL.RawQuery)
			}
			return answer(200, `{"data":[{"id":2}]}`)(r)
		})
		found, err := s.Get(context.Background(), []string{"1", "2"})
		if err != nil || len(found.Events) != 1 || found.Missing != nil || s.Can().Batch != 50 {
			t.Errorf("%+v %v", found, err)
		}
		if found, err := s.Get(context.Background(), nil); err != nil || !reflect.DeepEqual(found, source.Found{}) {
			t.Error(found, err)
		}
	})
	for name, tc := range map[string]struct {
		fetch  mapping.Fetch
		answer httpmock.Responder
		kind   contact.ErrorKind
	}{
		"several 404": {mapping.Fetch{URL: listURL, Param: "ids"}, answer(404, `{}`), contact.Invalid},
		"no id":       {mapping.Fetch{URL: byID}, answer(200, `{"nome":"Ana"}`), contact.Unavailable},
		"half":        {mapping.Fetch{URL: byID}, answer(200, `{"nome":"An`), contact.Unavailable},
		"500":         {mapping.Fetch{URL: byID}, answer(500, `{}`), contact.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s, mock := fetching(tc.fetch)
			mock.RegisterResponder("GET", "=~^"+listURL, tc.answer)
			found, err := s.Get(context.Background(), []string{"84990000101"})
			if contact.KindOf(err) != tc.kind || len(found.Missing) > 0 || strings.Contains(fmt.Sprint(err), "84990000101") || strings.Contains(fmt.Sprint(err), "Ana") {
				t.Error(found, err)
			}
		})
	}
	s := build(t, loja())
	if _, err := s.Get(context.Background(), []string{"1"}); contact.KindOf(err) != contact.Invalid {
		t.Error(err)
	}
	if _, err := s.List(context.Background(), source.Window{}, ""); contact.KindOf(err) != contact.Invalid {
		t.Error(err)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("id;nome\n1;\"Ana; Lima\"\n"))
	f.Add([]byte("\xef\xbb\xbfid,nome\r\n1,Jo\xe3o\r\n\"2"))
	f.Fuzz(func(t *testing.T, content []byte) {
		rows, err := readCSV(content)
		if err != nil {
			return
		}
		for _, row := range rows {
			if !json.Valid(row) || !row.IsObject() {
				t.Fatalf("no JSON: %q", row)
			}
		}
	})
}
