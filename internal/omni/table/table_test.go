package table

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"syncer/internal/mapping"
)

func TestDefaultsAreWhatTheContractProposes(t *testing.T) {
	for _, defaults := range [][]string{OmniFlow, Omnichannel} {
		operations, problems := New(defaults, nil)
		if len(problems) > 0 || len(operations) != len(defaults) {
			t.Fatal(problems, len(operations))
		}
		for name, o := range operations {
			if o.Name != name || o.Disabled || !slices.Equal(o.OK, []int{200, 201, 204}) || !slices.Contains(o.Conflict, 409) {
				t.Errorf("%+v", o)
			}
			if create := name == ContactCreate; create != slices.Contains(o.Conflict, 422) || create != (len(o.NotFound) == 0) {
				t.Errorf("%+v", o)
			}
			values := map[string]string{}
			for _, n := range Names(o.Path) {
				values[n] = "a/b c?d"
			}
			path, err := o.Expand(values)
			if err != nil {
				t.Fatal(err)
			}
			back, got := operations.Match(o.Method, path)
			if back != o {
				t.Errorf("%s %s matches %+v", o.Method, path, back)
			}
			for n, v := range values {
				if got[n] != v {
					t.Errorf("%s: {%s} is %q", name, n, got[n])
				}
			}
		}
	}
}

func TestOverridesKeepWhatTheyDoNotName(t *testing.T) {
	operations, problems := New(Omnichannel, map[string]mapping.Operation{
		ContactRemoveTags: {Method: "post", Path: "/contacts/{contactId}/tags/remove", Body: "query"},
		ContactUpdate:     {OK: []int{204}, NotFound: []int{410}, Conflict: []int{422}},
		TagList:           {Path: "/{clientIdentifier}/tags", Body: "json"},
		TagDelete:         {Disabled: true},
	}, "clientIdentifier")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	o := operations[ContactRemoveTags]
	if o.Method != "POST" || !o.Query || !o.Bodiless() || !slices.Equal(o.OK, []int{200, 201, 204}) {
		t.Errorf("%+v", o)
	}
	o = operations[ContactUpdate]
	if o.Method != "PATCH" || o.Path != "/contacts/{contactId}" || !slices.Equal(o.NotFound, []int{410}) || o.Bodiless() {
		t.Errorf("%+v", o)
	}
	if operations.Has(TagDelete) || operations.Has("nonsense") || !operations.Has(TagGet) {
		t.Error("Has is wrong")
	}
	if back, _ := operations.Match("DELETE", "/tags/1"); back != nil {
		t.Errorf("a disabled operation matches: %+v", back)
	}
	if back, values := operations.Match("GET", "/c%2F1/tags"); back == nil || back.Name != TagList || values["clientIdentifier"] != "c/1" {
		t.Errorf("%+v %v", back, values)
	}
}

func TestLiteralSegmentsWin(t *testing.T) {
	operations, problems := New(Omnichannel, map[string]mapping.Operation{TagList: {Path: "/tags/all"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for path, want := range map[string]string{"/tags/all": TagList, "/tags/x": TagGet} {
		if o, _ := operations.Match("GET", path); o == nil || o.Name != want {
			t.Errorf("%s: %+v", path, o)
		}
	}
	for _, path := range []string{"/tags", "/tags/x/y", "/tags/%zz", "tags/x", "/tags/"} {
		if o, v := operations.Match("GET", path); o != nil {
			t.Errorf("%s: %+v %v", path, o, v)
		}
	}
}

func TestEveryProblemIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		override mapping.Operation
		want     string
	}{
		"method":       {mapping.Operation{Method: "FETCH"}, `method "FETCH" is none of`},
		"no slash":     {mapping.Operation{Path: "contacts"}, "must start with one slash"},
		"two slashes":  {mapping.Operation{Path: "//evil.example/x"}, "must start with one slash"},
		"query":        {mapping.Operation{Path: "/contacts?a=b"}, "only text and {name}"},
		"open brace":   {mapping.Operation{Path: "/contacts/{contactId"}, "only text and {name}"},
		"empty name":   {mapping.Operation{Path: "/contacts/{}"}, "wants {}"},
		"unknown name": {mapping.Operation{Path: "/contacts/{id}"}, "wants {id}, which has no value; there are: contactId, clientIdentifier"},
		"two names":    {mapping.Operation{Path: "/{contactId}-{clientIdentifier}"}, "two names between slashes"},
		"dots":         {mapping.Operation{Path: "/contacts/../admin"}, "must not contain .."},
		"body":         {mapping.Operation{Body: "form"}, "neither json nor query"},
		"ok":           {mapping.Operation{OK: []int{302}}, "ok: 302 is not a status from 200 to 299"},
		"not found":    {mapping.Operation{NotFound: []int{500}}, "not_found: 500 is not a status from 400 to 499"},
		"both":         {mapping.Operation{NotFound: []int{409}}, "409 cannot mean both"},
	} {
		_, problems := New(Omnichannel, map[string]mapping.Operation{ContactGet: tc.override}, "clientIdentifier")
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), tc.want) || !strings.HasPrefix(problems[0].Error(), "operations: contact.get: ") {
			t.Errorf("%s: %v", name, problems)
		}
	}
	_, problems := New(OmniFlow, map[string]mapping.Operation{"contact.list": {}, ContactGet: {Method: "X", Path: "y", Body: "z"}})
	if len(problems) != 4 || !strings.Contains(problems[3].Error(), "contact.list is not an operation") {
		t.Errorf("%v", problems)
	}
}

func TestExpandRefusesWhatWouldBeAnotherPath(t *testing.T) {
	operations, _ := New(OmniFlow, nil)
	for _, id := range []string{"", ".", ".."} {
		if path, err := operations[ContactGet].Expand(map[string]string{"id": id}); err == nil {
			t.Errorf("%q gives %s", id, path)
		}
	}
}

func TestArraysInQueries(t *testing.T) {
	for style, want := range map[string]string{
		"":         "n=3&tagIds=a&tagIds=b&yes=true",
		"repeat":   "n=3&tagIds=a&tagIds=b&yes=true",
		"comma":    "n=3&tagIds=a%2Cb&yes=true",
		"brackets": "n=3&tagIds%5B%5D=a&tagIds%5B%5D=b&yes=true",
	} {
		a, err := ParseArrayQuery(style)
		if err != nil {
			t.Fatal(err)
		}
		q := a.Encode(map[string]any{"tagIds": []string{"a", "b"}, "none": nil, "empty": []string{}, "n": 3, "yes": true})
		if q.Encode() != want {
			t.Errorf("%s: %s", style, q.Encode())
		}
		if got := a.Decode(q, "tagIds"); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: %v", style, got)
		}
		if got := a.Decode(url.Values{}, "tagIds"); len(got) != 0 {
			t.Errorf("%s: %v", style, got)
		}
	}
	if _, err := ParseArrayQuery("dots"); err == nil {
		t.Error("accepted")
	}
}

func FuzzMatchIsTheReverseOfExpand(f *testing.F) {
	operations, _ := New(OmniFlow, nil)
	f.Add("ctt_01")
	f.Add("a/../b")
	f.Add("%2F é?#")
	f.Fuzz(func(t *testing.T, id string) {
		path, err := operations[ContactGet].Expand(map[string]string{"id": id})
		if err != nil {
			return
		}
		u, err := url.Parse("https://omni.exemplo.com.br" + path)
		if err != nil || u.Host != "omni.exemplo.com.br" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q: %v %v", path, u, err)
		}
		if o, values := operations.Match("GET", u.EscapedPath()); o == nil || o.Name != ContactGet || values["id"] != id {
			t.Fatalf("%q: %+v %q", path, o, values)
		}
	})
}
